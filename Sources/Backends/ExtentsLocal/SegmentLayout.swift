import Extents
import StorageModel

/// Where things stand on disk; docs/formats/segments.md is the long form.
enum SegmentLayout {
    /// Extents begin at multiples of this; holes are punched in multiples of it.
    static let blockBytes: Int64 = 4096

    static let segmentsDirectory = "segments"
    static let formatFile = "FORMAT"
    static let formatLine = "forebay-extents 1"
    static let lockFile = "LOCK"
    static let numbersFile = "NEXT"

    static func padded(_ length: Int64) -> Int64 { (length + blockBytes - 1) / blockBytes * blockBytes }
    static func padded(_ length: Int) -> Int64 { padded(Int64(length)) }

    static func fileName(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits + ".seg"
    }

    /// The number of a segment file; `nil` for any other name.
    static func number(ofFile name: String) -> UInt64? {
        guard name.utf8.count == 20, name.hasSuffix(".seg") else { return nil }
        guard let number = UInt64(name.dropLast(4), radix: 16), fileName(number) == name else { return nil }
        return number
    }

    /// Refuses an extent that this store cannot have made: punching or reading by it would hit its neighbours.
    static func validate(_ extent: Extent, maximumLength: Int) throws(StorageFailure) {
        guard extent.length > 0, extent.length <= maximumLength, extent.id.position % UInt64(blockBytes) == 0,
            extent.id.position <= UInt64(Int64.max - Int64(maximumLength) - blockBytes)
        else {
            throw StorageFailure(
                .damaged, cause: "no such extent: \(extent.id.group)/\(extent.id.position)+\(extent.length)")
        }
    }
}

extension Extent {
    var start: Int64 { Int64(id.position) }
    /// Behind the padding.
    var paddedEnd: Int64 { start + SegmentLayout.padded(length) }
}
