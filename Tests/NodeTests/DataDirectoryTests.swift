import Glibc
import StorageModel
import Testing

@testable import Node

@Suite("The data directory")
struct DataDirectoryTests {
    private func withTemporaryDirectory(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/forebay-data-directory-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        defer {
            for part in ["/a/b/c", "/a/b", "/a", "/file", ""] where rmdir(path + part) != 0 { unlink(path + part) }
        }
        try body(path)
    }

    private func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    @Test(
        "is made with what is missing above it, and may be there already", arguments: ["/a", "/a/b/c", "/a/b/c/", ""])
    func made(part: String) throws {
        try withTemporaryDirectory { path in
            for _ in 0..<2 {
                try DataDirectory.make(path + part)
                #expect(isDirectory(path + part))
            }
        }
    }

    @Test("is refused where it cannot be")
    func refused() throws {
        try withTemporaryDirectory { path in
            let descriptor = open(path + "/file", O_WRONLY | O_CREAT, 0o600)
            close(descriptor)
            let found = #expect(throws: StorageFailure.self) { try DataDirectory.make(path + "/file/a") }
            #expect(found?.code == .unavailable)
        }
    }
}
