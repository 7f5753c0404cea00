import AzureWire
import Checksums
import NIOCore

/// However a message arrives in pieces, it reads the same; any content comes back; a changed byte never does.
enum StructuredMessageProperties {
    static func check(_ input: [UInt8]) throws {
        var choices = Choices(input)
        let cuts = choices.cuts(of: input)
        // With a checksum that mutation can meet the fuzzer gets behind the first segment.
        for crc64 in [Self.crc64, Self.weak] {
            for length in [nil, Int64(input.count)] {
                let whole = decode(cuts[0], length, crc64)
                try hold(whole.bytes.count <= input.count, "more came out than went in")
                for pieces in cuts.dropFirst() {
                    let cut = decode(pieces, length, crc64)
                    try hold(cut == whole, "\(cut) in \(pieces.count) pieces, \(whole) as a whole")
                }
            }
        }
        try encodeAndDecode(input, &choices)
    }

    static let crc64: StructuredMessage.CRC64 = { crc, bytes in
        CRC64NVME.combine(crc, CRC64NVME.checksum(bytes), length: Int64(bytes.count))
    }
    private static let weak: StructuredMessage.CRC64 = { _, _ in 0 }

    private struct Reading: Equatable {
        var bytes: [UInt8] = []
        var isComplete = false
        var problem: StructuredMessage.Problem?
    }

    private static func decode(
        _ pieces: [ArraySlice<UInt8>], _ length: Int64?, _ crc64: @escaping StructuredMessage.CRC64
    ) -> Reading {
        var decoder = StructuredMessageDecoder(encodedLength: length, crc64: crc64)
        var reading = Reading()
        do throws(StructuredMessage.Problem) {
            for piece in pieces {
                var buffer = ByteBuffer(bytes: piece)
                while let data = try decoder.next(&buffer) { reading.bytes += data.readableBytesView }
            }
            try decoder.finish()
            reading.isComplete = decoder.decodedLength == Int64(reading.bytes.count)
        } catch {
            reading.problem = error
        }
        return reading
    }

    private static func encodeAndDecode(_ content: [UInt8], _ choices: inout Choices) throws {
        let segment = Int64(1 + choices.below(content.count + 1))
        var encoder = StructuredMessageEncoder(
            contentLength: Int64(content.count), segmentLength: segment, crc64: crc64)
        var message: [UInt8] = []
        for piece in choices.cuts(of: content)[2] + [[]] {
            var buffer = ByteBuffer(bytes: piece)
            while let data = encoder.next(&buffer) { message += data.readableBytesView }
        }
        try hold(encoder.isComplete && encoder.encodedLength == Int64(message.count), "the message is not complete")
        let cuts = choices.cuts(of: message)
        for pieces in cuts {
            let reading = decode(pieces, Int64(message.count), crc64)
            try hold(reading.isComplete && reading.bytes == content, "\(reading) came back")
        }
        let place = choices.below(message.count)
        message[place] ^= UInt8(1 + choices.below(255))
        let damaged = decode([message[...]], Int64(message.count), crc64)
        try hold(damaged.problem != nil, "byte \(place) was changed and nobody saw it")
    }
}
