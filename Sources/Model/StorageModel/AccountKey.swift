import Crypto

/// A key that signs requests with HMAC-SHA256. Prints as nothing that helps anybody.
package struct AccountKey: Sendable, CustomStringConvertible {
    /// The code with the key already taken in: a copy of it is all that a signature begins with.
    private let keyed: HMAC<SHA256>

    package init(bytes: [UInt8]) { keyed = HMAC<SHA256>(key: SymmetricKey(data: bytes)) }

    /// HMAC-SHA256 of the text, 32 bytes.
    package func sign(_ text: [UInt8]) -> [UInt8] { code(text).withUnsafeBytes { Array($0) } }

    /// Whether the text has this signature, in a time that depends on the lengths alone.
    package func verifies(_ signature: [UInt8], of text: [UInt8]) -> Bool {
        code(text).withUnsafeBytes { computed in
            signature.withUnsafeBytes { ConstantTime.isEqual($0, computed) }
        }
    }

    private func code(_ text: [UInt8]) -> HMAC<SHA256>.MAC {
        var code = keyed
        text.withUnsafeBytes { code.update(data: $0) }
        return code.finalize()
    }

    package var description: String { "AccountKey(…)" }
}

/// Comparisons of secrets.
package enum ConstantTime {
    /// In a time that depends on the length alone.
    package static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.withUnsafeBytes { left in right.withUnsafeBytes { isEqual(left, $0) } }
    }

    static func isEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in 0..<left.count { difference |= left[index] ^ right[index] }
        return difference == 0
    }
}
