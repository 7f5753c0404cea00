import Extents
import NIOCore
import StorageModel
import StorageTestKit
import Testing

@testable import ExtentsLocal

#if canImport(Glibc)
    import Glibc
#endif

/// Small segments, so that tests see many of them.
func smallOptions(_ change: (inout LocalExtentOptions) -> Void = { _ in }) -> LocalExtentOptions {
    var options = LocalExtentOptions()
    options.segmentBytes = 2 << 20
    options.preallocationBytes = 1 << 20
    options.maximumExtentLength = 512 << 10
    options.lanes = 2
    options.inputOutputThreads = 2
    options.syncThreads = 2
    options.budgetBytes = 1 << 30
    change(&options)
    return options
}

func openStore(
    _ directory: String, _ options: LocalExtentOptions = smallOptions(), calls: FileSystemCalls = .system,
    isReadOnly: Bool = false
) throws -> LocalExtentStore {
    try LocalExtentStore(
        directory: directory, isReadOnly: isReadOnly, options: options, world: .system, calls: calls)
}

func segmentPath(_ directory: String, _ group: UInt64) -> String {
    directory + "/segments/" + SegmentLayout.fileName(group)
}

func fileStatus(_ path: String) throws -> FileSystemCalls.Status {
    let descriptor = open(path, O_RDONLY)
    try #require(descriptor >= 0, "\(path)")
    defer { close(descriptor) }
    return try FileSystemCalls.system.status(descriptor).get()
}

func segmentNames(_ directory: String) throws -> [String] {
    try FileSystemCalls.system.list(directory + "/segments").get().filter { $0.hasSuffix(".seg") }.sorted()
}

/// What the segments occupy on the medium, by the file system's own account.
func occupiedBytes(_ directory: String) throws -> Int64 {
    try segmentNames(directory).reduce(0) { try $0 + fileStatus(directory + "/segments/" + $1).allocatedBytes }
}

func flipByte(_ path: String, at offset: Int64) throws {
    let descriptor = open(path, O_RDWR)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    var byte: UInt8 = 0
    try #require(pread(descriptor, &byte, 1, off_t(offset)) == 1)
    byte ^= 1
    try #require(pwrite(descriptor, &byte, 1, off_t(offset)) == 1)
}

/// Copies a store as a crash would leave it: whatever is in the files now, without the lock and without a goodbye.
func copyStore(_ source: String, to target: String) throws {
    for directory in [target, target + "/segments"] { try #require(mkdir(directory, 0o755) == 0) }
    let names = try FileSystemCalls.system.list(source).get().filter { $0 != "segments" && !$0.hasPrefix(".") }
    for name in try names + segmentNames(source).map({ "segments/" + $0 }) {
        let input = open(source + "/" + name, O_RDONLY)
        let output = open(target + "/" + name, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        defer {
            close(input)
            close(output)
        }
        try #require(input >= 0 && output >= 0)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(input, &buffer, buffer.count)
            try #require(count >= 0)
            if count == 0 { break }
            try #require(Glibc.write(output, buffer, count) == count)
        }
    }
}

extension FileSystemCalls {
    /// These calls with some of them replaced.
    func with(_ change: (inout FileSystemCalls) -> Void) -> FileSystemCalls {
        var copy = self
        change(&copy)
        return copy
    }
}

/// Sweeps every closed group down to the given extents.
@discardableResult
func sweep(_ store: LocalExtentStore, keeping live: [Extent]) async throws -> Int64 {
    let groups = Dictionary(grouping: live.sorted { $0.id < $1.id }, by: \.id.group)
    var given: Int64 = 0
    for group in try await store.closedGroups() {
        given += try await store.keepOnly(groups[group] ?? [], inGroup: group)
    }
    return given
}

func failureOf<Value>(_ work: () async throws(StorageFailure) -> Value) async -> StorageFailure? {
    do throws(StorageFailure) {
        _ = try await work()
        return nil
    } catch { return error }
}

/// Opens a gate for calls that wait at it on the store's own threads.
final class Barrier: Sendable {
    private let isOpen = Locked(false)
    private let arrivedCount = Locked(0)
    func open() { isOpen.withLock { $0 = true } }
    var arrived: Int { arrivedCount.withLock { $0 } }
    func pass() {
        arrivedCount.withLock { $0 += 1 }
        while !isOpen.withLock({ $0 }) { usleep(200) }
    }
    /// Waits until so many calls stand at the gate or have passed it.
    func waitForArrivals(_ count: Int) async {
        while arrived < count { await Task.yield() }
    }
}
