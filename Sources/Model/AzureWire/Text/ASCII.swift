/// Byte tests that the codecs share. All of them see ASCII alone: bytes of multi-byte characters match nothing.
extension UInt8 {
    var isDigit: Bool { self &- 0x30 < 10 }
    var isUppercaseLetter: Bool { self &- 0x41 < 26 }
    var isLetter: Bool { (self | 0x20) &- 0x61 < 26 }
    /// Space and horizontal tab: the blanks of an HTTP field.
    var isBlank: Bool { self == 0x20 || self == 0x09 }
    var lowercased: UInt8 { isUppercaseLetter ? self | 0x20 : self }

    var hexValue: UInt8? {
        switch self {
        case 0x30...0x39: self &- 0x30
        case 0x41...0x46: self &- 0x41 &+ 10
        case 0x61...0x66: self &- 0x61 &+ 10
        default: nil
        }
    }
}

extension String {
    /// In lower case as far as ASCII goes; without a copy when there is nothing to change.
    var asciiLowercased: String {
        guard utf8.contains(where: { $0.isUppercaseLetter }) else { return self }
        return String(decoding: utf8.map { $0.lowercased }, as: UTF8.self)
    }

    /// Without blanks at both ends; without a copy when there are none.
    var withoutOuterBlanks: String {
        guard let first = utf8.first, let last = utf8.last, first.isBlank || last.isBlank else { return self }
        return String(trimmingBlanks)
    }
}

enum ByteOrder { case before, same, behind }

extension String.UTF8View {
    func compareBytes(with other: String.UTF8View) -> ByteOrder {
        var left = makeIterator()
        var right = other.makeIterator()
        while true {
            switch (left.next(), right.next()) {
            case (nil, nil): return .same
            case (nil, _?): return .before
            case (_?, nil): return .behind
            case (let a?, let b?): if a != b { return a < b ? .before : .behind }
            }
        }
    }
}

extension Substring {
    /// Without blanks at both ends.
    var trimmingBlanks: Substring {
        guard let first = utf8.first, let last = utf8.last else { return self }
        guard first.isBlank || last.isBlank else { return self }
        var rest = utf8
        while let first = rest.first, first.isBlank { rest.removeFirst() }
        while let last = rest.last, last.isBlank { rest.removeLast() }
        return Substring(rest)
    }
}

extension String {
    var trimmingBlanks: Substring { self[...].trimmingBlanks }
}

extension StringProtocol {
    func equalsIgnoringASCIICase(_ other: some StringProtocol) -> Bool {
        utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8) { $0.lowercased == $1.lowercased }
    }

    package func hasPrefixIgnoringASCIICase(_ prefix: StaticString) -> Bool {
        let count = prefix.utf8CodeUnitCount
        guard utf8.count >= count else { return false }
        return prefix.withUTF8Buffer { utf8.prefix(count).elementsEqual($0) { $0.lowercased == $1.lowercased } }
    }
}
