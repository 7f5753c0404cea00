// Text and positions.
extension XMLReader {
    /// Up to the next `<`, with references replaced and line ends made `\n`.
    mutating func readText(into text: inout [UInt8]) throws(XMLProblem) {
        while at < bytes.count {
            let start = at
            while at < bytes.count, bytes[at] >= 0x20, bytes[at] != UInt8(ascii: "<"), bytes[at] != UInt8(ascii: "&"),
                bytes[at] != UInt8(ascii: "]"), bytes[at] != 0xEF
            {
                at += 1
            }
            text.append(contentsOf: bytes[start..<at])
            guard let next = byte(0), next != UInt8(ascii: "<") else { return }
            if next == UInt8(ascii: "&") {
                try readReference(into: &text)
            } else if next == UInt8(ascii: "]"), looking(at: "]]>") {
                throw problem("]]> stands in text")
            } else {
                try readCharacter(into: &text)
            }
        }
    }

    mutating func readCDATA(into text: inout [UInt8]) throws(XMLProblem) {
        at += 9
        while !looking(at: "]]>") {
            guard at < bytes.count else { throw problem("a CDATA section does not end") }
            try readCharacter(into: &text)
        }
        at += 3
    }

    /// One byte as it stands, or one line end, if XML 1.0 can hold it.
    mutating func readCharacter(into text: inout [UInt8]) throws(XMLProblem) {
        let next = bytes[at]
        if next == 0x0D {
            if byte(1) == 0x0A { at += 1 }
            text.append(0x0A)
        } else if next < 0x20, next != 0x09, next != 0x0A {
            throw problem("a character is not allowed in XML")
        } else if next == 0xEF, byte(1) == 0xBF, let last = byte(2), last == 0xBE || last == 0xBF {
            throw problem("a character is not allowed in XML")
        } else {
            text.append(next)
        }
        at += 1
    }

    mutating func readReference(into text: inout [UInt8]) throws(XMLProblem) {
        guard let end = find(";", from: at, within: 12) else { throw problem("an entity does not end") }
        let name = bytes[(at + 1)..<end]
        if name.first == UInt8(ascii: "#") {
            guard let scalar = Self.scalar(name.dropFirst()) else { throw problem("a character reference is invalid") }
            text.append(contentsOf: Character(scalar).utf8)
        } else {
            switch String(decoding: name, as: UTF8.self) {
            case "amp": text.append(UInt8(ascii: "&"))
            case "lt": text.append(UInt8(ascii: "<"))
            case "gt": text.append(UInt8(ascii: ">"))
            case "quot": text.append(UInt8(ascii: "\""))
            case "apos": text.append(UInt8(ascii: "'"))
            default: throw problem("an entity is not defined")
            }
        }
        at = end + 1
    }

    static func scalar(_ digits: ArraySlice<UInt8>) -> Unicode.Scalar? {
        let isHex = digits.first == UInt8(ascii: "x")
        let digits = isHex ? digits.dropFirst() : digits
        guard (1...8).contains(digits.count) else { return nil }
        var value: UInt32 = 0
        for digit in digits {
            guard let number = digit.hexValue, isHex || number < 10 else { return nil }
            value = value &* (isHex ? 16 : 10) &+ UInt32(number)
            guard value <= 0x10FFFF else { return nil }
        }
        switch value {
        case 0x09, 0x0A, 0x0D, 0x20...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: return Unicode.Scalar(value)
        default: return nil
        }
    }

    func byte(_ offset: Int) -> UInt8? {
        at + offset < bytes.count ? bytes[at + offset] : nil
    }

    func looking(at text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard at + count <= bytes.count else { return false }
        for index in 0..<count where bytes[at + index] != text.utf8Start[index] { return false }
        return true
    }

    func find(_ text: StaticString, from start: Int, within limit: Int = .max) -> Int? {
        let count = text.utf8CodeUnitCount
        var index = start
        while index + count <= bytes.count, index - start <= limit {
            if bytes[index] == text.utf8Start[0], count == 1 || bytes[index + 1] == text.utf8Start[1] { return index }
            index += 1
        }
        return nil
    }

    @discardableResult
    mutating func skipSpace() -> Bool {
        let start = at
        while at < bytes.count, bytes[at].isXMLSpace { at += 1 }
        return at > start
    }
}

extension UInt8 {
    var isXMLSpace: Bool { self == 0x20 || self == 0x0A || self == 0x0D || self == 0x09 }

    /// Bytes of multi-byte characters count as letters; whether they make UTF-8 is judged for the whole name.
    var isXMLNameByte: Bool {
        switch self {
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"): true
        default: isLetter || isDigit || self >= 0x80
        }
    }
}

extension String {
    /// Where an ASCII text begins in this string.
    func range(ofASCII text: StaticString) -> String.Index? {
        let count = text.utf8CodeUnitCount
        var rest = utf8[...]
        while rest.count >= count {
            if text.withUTF8Buffer({ rest.prefix(count).elementsEqual($0) }) { return rest.startIndex }
            rest = rest.dropFirst()
        }
        return nil
    }
}
