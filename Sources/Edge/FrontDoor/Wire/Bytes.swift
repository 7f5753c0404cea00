/// Classes of bytes in HTTP/1.1 messages (RFC 9110, section 5.6; RFC 3986 for hosts).

/// Letters, digits and ``!#$%&'*+-.^_`|~``: one bit for each byte below 128.
@inline(__always)
func isTokenByte(_ byte: UInt8) -> Bool {
    let word: UInt64 = byte < 64 ? 0x03FF_6CFA_0000_0000 : byte < 128 ? 0x57FF_FFFF_C7FF_FFFE : 0
    return word >> UInt64(byte & 63) & 1 == 1
}

func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

/// What a host and port may be made of; a user name before `@` is not accepted.
func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "a")...UInt8(ascii: "z"):
        true
    default: "-._~:[]%!$&'()*+;=".utf8.contains(byte)
    }
}

/// Compares ASCII without regard to case; `lowered` is in lower case.
func equalsIgnoringCase(_ bytes: UnsafeRawBufferPointer, _ lowered: StaticString) -> Bool {
    guard bytes.count == lowered.utf8CodeUnitCount else { return false }
    for index in 0..<bytes.count {
        let byte = bytes[index]
        let folded = byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
        if folded != lowered.utf8Start[index] { return false }
    }
    return true
}

func equalsIgnoringCase(_ text: String, _ lowered: StaticString) -> Bool {
    guard text.utf8.count == lowered.utf8CodeUnitCount else { return false }
    var index = 0
    for byte in text.utf8 {
        let folded = byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
        if folded != lowered.utf8Start[index] { return false }
        index += 1
    }
    return true
}

/// Digits alone: no sign, no list, no blank, nothing beyond `Int64`.
func decimal(_ bytes: UnsafeRawBufferPointer) -> Int64? {
    guard !bytes.isEmpty, bytes.count <= 19 else { return nil }
    var value: Int64 = 0
    for byte in bytes {
        guard isDigit(byte) else { return nil }
        let (shifted, tooLarge) = value.multipliedReportingOverflow(by: 10)
        let (sum, overflow) = shifted.addingReportingOverflow(Int64(byte - 0x30))
        guard !tooLarge, !overflow else { return nil }
        value = sum
    }
    return value
}
