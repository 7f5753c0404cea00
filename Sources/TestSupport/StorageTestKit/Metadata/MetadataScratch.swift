import Glibc
import StorageModel

/// Lends a new directory and removes it with all that is in it.
package func withTemporaryDirectory<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let directory = try makeTemporaryDirectory()
    do {
        let result = try await body(directory)
        try removeDirectory(directory)
        return result
    } catch {
        try removeDirectory(directory)
        throw error
    }
}

private func makeTemporaryDirectory() throws -> String {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/forebay-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw StorageFailure(.internal, cause: "mkdtemp: errno \(errno)") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// The names in a directory, without `.` and `..`.
package func directoryEntries(_ directory: String) throws -> [String] {
    guard let stream = opendir(directory) else { throw StorageFailure(.internal, cause: "opendir: errno \(errno)") }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names
}

private func removeDirectory(_ directory: String) throws {
    for name in try directoryEntries(directory) {
        let path = directory + "/" + name
        if unlink(path) == 0 { continue }
        try removeDirectory(path)
    }
    guard rmdir(directory) == 0 else { throw StorageFailure(.internal, cause: "rmdir \(directory): errno \(errno)") }
}
