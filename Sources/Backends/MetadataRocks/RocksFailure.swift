import CRocksDB
import StorageModel

/// RocksDB's C interface tells its errors as text alone: "<kind>: <details>". This is the one place that reads them.
enum RocksFailure {
    /// Takes ownership of `text`.
    static func translate(_ text: UnsafeMutablePointer<CChar>, during operation: StaticString) -> StorageFailure {
        defer { rocksdb_free(text) }
        return translate(String(cString: text), during: operation)
    }

    static func translate(_ message: String, during operation: StaticString) -> StorageFailure {
        let cause = "RocksDB \(operation): \(message)"
        return StorageFailure(code(for: message), cause: cause)
    }

    private static func code(for message: String) -> StorageFailure.Code {
        if message.hasPrefix("Result incomplete") { return .wouldBlock }
        if message.hasPrefix("Corruption") { return .damaged }
        if message.contains("No space left on device") || message.contains("Disk quota exceeded") { return .outOfSpace }
        if message.hasPrefix("Shutdown in progress") { return .unavailable }
        return .internal
    }
}

/// Runs one call of the C interface and throws what it wrote into its error pointer.
func rocksCall<Result>(
    _ operation: StaticString, _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
) throws(StorageFailure) -> Result {
    var error: UnsafeMutablePointer<CChar>?
    let result = body(&error)
    if let error { throw RocksFailure.translate(error, during: operation) }
    return result
}

extension [UInt8] {
    /// Lends the bytes to C, which calls them `char`. An empty array has an address too: RocksDB compares with memcmp.
    @inline(__always)
    func withCharacters<Result>(_ body: (UnsafePointer<CChar>, Int) -> Result) -> Result {
        withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else {
                return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1) { body($0.baseAddress!, 0) }
            }
            return body(base.assumingMemoryBound(to: CChar.self), bytes.count)
        }
    }

    init(characters: UnsafePointer<CChar>?, count: Int) {
        self.init(UnsafeRawBufferPointer(start: characters, count: characters == nil ? 0 : count))
    }
}
