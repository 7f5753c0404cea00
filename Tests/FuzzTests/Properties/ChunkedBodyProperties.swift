import NIOCore

@testable import FrontDoor

/// However a chunked body arrives in pieces, the same bytes come out; what is cut into chunks comes back.
enum ChunkedBodyProperties {
    static func check(_ input: [UInt8]) throws {
        var choices = Choices(input)
        let cuts = choices.cuts(of: input)
        let whole = decode(cuts[0], .chunked)
        try hold(whole.bytes.count <= input.count, "more came out than went in")
        for pieces in cuts.dropFirst() {
            let cut = decode(pieces, .chunked)
            try hold(cut == whole, "\(cut) in \(pieces.count) pieces, \(whole) as a whole")
        }
        try encodeAndDecode(input, &choices)
        try decodeByLength(input, &choices)
    }

    private struct Reading: Equatable {
        var bytes: [UInt8]
        var ending: BodyDecoder.Outcome
        var rest: Int
    }

    private static func decode(_ pieces: [ArraySlice<UInt8>], _ framing: ParsedHead.Framing) -> Reading {
        var decoder = BodyDecoder(framing)
        var buffer = ByteBuffer()
        var bytes: [UInt8] = []
        var later = pieces.reduce(0) { $0 + $1.count }
        for piece in [[]] + pieces {
            later -= piece.count
            buffer.writeBytes(piece)
            while true {
                let outcome = decoder.next(from: &buffer)
                if case .piece(let data) = outcome {
                    bytes += data.readableBytesView
                    continue
                }
                if outcome == .incomplete { break }
                // Where malformed input is left standing is of no account.
                return Reading(
                    bytes: bytes, ending: outcome, rest: outcome == .end ? buffer.readableBytes + later : 0)
            }
        }
        return Reading(bytes: bytes, ending: .incomplete, rest: 0)
    }

    private static func encodeAndDecode(_ content: [UInt8], _ choices: inout Choices) throws {
        var message: [UInt8] = []
        for chunk in choices.cuts(of: content)[2] {
            let size = String(chunk.count, radix: 16, uppercase: choices.below(2) == 0)
            message += (choices.below(4) == 0 ? "0\(size);name=\"a b\"\r\n" : "\(size)\r\n").utf8
            message += chunk
            message += "\r\n".utf8
        }
        message += (choices.below(2) == 0 ? "0\r\n\r\n" : "0\r\nX-Trailer: a\r\n\r\n").utf8
        message += "NEXT".utf8
        for pieces in choices.cuts(of: message) {
            let reading = decode(pieces, .chunked)
            try hold(reading == Reading(bytes: content, ending: .end, rest: 4), "\(reading) came back")
        }
    }

    private static func decodeByLength(_ input: [UInt8], _ choices: inout Choices) throws {
        let length = choices.below(input.count + 2)
        for pieces in choices.cuts(of: input) {
            let reading = decode(pieces, length == 0 ? .none : .length(Int64(length)))
            let isWhole = length <= input.count
            try hold(reading.bytes == Array(input.prefix(length)), "other bytes than the first \(length)")
            try hold(reading.ending == (isWhole ? .end : .incomplete), "\(reading.ending) after \(length) bytes")
            if isWhole { try hold(reading.rest == input.count - length, "\(reading.rest) bytes left") }
        }
    }
}
