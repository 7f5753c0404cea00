/// `Content-MD5`, `x-ms-content-crc64` and their like: Base64 of the checksum's bytes.
package enum ChecksumHeaders {
    /// - Throws: InvalidMd5 for what is not Base64 of 16 bytes.
    package static func md5(_ text: String) throws(AzureError) -> [UInt8] {
        guard let bytes = Base64.decode(text.trimmingBlanks), bytes.count == 16 else { throw AzureError(.invalidMd5) }
        return bytes
    }

    /// The CRC-64/NVME, sent with its least significant byte first.
    /// - Throws: InvalidHeaderValue for what is not Base64 of 8 bytes or more; Crc64Mismatch for more than 8, which no
    ///   body can have.
    package static func crc64(_ text: String, header: String) throws(AzureError) -> UInt64 {
        guard let bytes = Base64.decode(text.trimmingBlanks), bytes.count >= 8 else {
            throw .invalidHeaderValue(header, text)
        }
        guard bytes.count == 8 else { throw AzureError(.crc64Mismatch) }
        return bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    package static func crc64Text(_ crc: UInt64) -> String {
        Base64.encode((0..<8).map { UInt8(truncatingIfNeeded: crc >> (UInt64($0) * 8)) })
    }
}

// Checksums that do not agree.
extension AzureError {
    package static func md5Mismatch(given: [UInt8], computed: [UInt8]) -> Self {
        Self(
            .md5Mismatch,
            details: [
                Field("UserSpecifiedMd5", Base64.encode(given)), Field("ServerCalculatedMd5", Base64.encode(computed)),
            ])
    }

    package static func crc64Mismatch(given: UInt64, computed: UInt64) -> Self {
        Self(
            .crc64Mismatch,
            details: [
                Field("UserSpecifiedCrc64", ChecksumHeaders.crc64Text(given)),
                Field("ServerCalculatedCrc64", ChecksumHeaders.crc64Text(computed)),
            ])
    }

    /// The service's own code for broken framing is not documented.
    package init(_ problem: StructuredMessage.Problem) {
        switch problem {
        case .crcMismatch(let given, let computed): self = .crc64Mismatch(given: given, computed: computed)
        case .malformed(let reason): self.init(.invalidInput, details: [Field("Reason", reason)])
        case .truncated: self.init(.invalidInput, details: [Field("Reason", "the structured message is incomplete")])
        }
    }
}
