extension String {
    /// Well-formed UTF-8, or `nil`. What is ASCII, as nearly all of it is, does not go through the generic validation of the
    /// standard library, which costs several times the copy.
    package init?(wellFormed bytes: UnsafeRawBufferPointer) {
        var seen: UInt64 = 0
        var at = 0
        while at + 8 <= bytes.count {
            seen |= bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            at += 8
        }
        while at < bytes.count {
            seen |= UInt64(bytes[at])
            at += 1
        }
        if seen & 0x8080_8080_8080_8080 == 0 {
            self.init(decoding: bytes, as: UTF8.self)
        } else {
            self.init(validating: bytes, as: UTF8.self)
        }
    }
}
