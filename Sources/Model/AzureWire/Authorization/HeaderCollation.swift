/// The order in which the service sorts header names for a signature: not by bytes but by a linguistic weight, in which
/// hyphens and apostrophes count only when all else is equal. Clients carry the same rule (blob storage SDKs for Go and
/// Python as a table, others through their runtime's culture-aware comparison).
enum HeaderCollation {
    private static let ascending: StaticString = "!#$%&*.^_`|~+0123456789abcdefghijklmnopqrstuvwxyz"

    /// Weight of each ASCII byte in the first pass; 0 is skipped, 1 stands for the end of a name.
    private static let weights: [UInt8] = {
        var weights = [UInt8](repeating: 0, count: 128)
        ascending.withUTF8Buffer { order in
            for (rank, byte) in order.enumerated() {
                weights[Int(byte)] = UInt8(rank + 2)
                if byte.isLetter { weights[Int(byte & 0xDF)] = UInt8(rank + 2) }
            }
        }
        return weights
    }()

    private static func weight(_ byte: UInt8) -> UInt8 { byte < 128 ? weights[Int(byte)] : 0 }

    private static func mark(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "'"): 2
        case UInt8(ascii: "-"): 3
        default: 0
        }
    }

    static func precedes(_ left: String, _ right: String) -> Bool {
        let left = Array(left.utf8)
        let right = Array(right.utf8)
        let first = compareWeights(left, right)
        return first != 0 ? first < 0 : marksPrecede(left, right)
    }

    /// Below zero when `left` comes first, above when `right` does, zero when only marks can tell.
    private static func compareWeights(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var i = 0
        var j = 0
        while true {
            while i < left.count, weight(left[i]) == 0 { i += 1 }
            while j < right.count, weight(right[j]) == 0 { j += 1 }
            let a = i < left.count ? Int(weight(left[i])) : 1
            let b = j < right.count ? Int(weight(right[j])) : 1
            if a != b { return a - b }
            if i >= left.count { return 0 }
            i += 1
            j += 1
        }
    }

    /// The name whose first mark has nothing to stand against comes later.
    private static func marksPrecede(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        for position in 0..<max(left.count, right.count) {
            let a = position < left.count ? mark(left[position]) : 1
            let b = position < right.count ? mark(right[position]) : 1
            if a == b { continue }
            if a == 0 { return true }
            if b == 0 { return false }
            return a < b
        }
        return false
    }
}
