import Glibc
import StorageModel

/// Opening a store's directory: the lock, the format, the segments that are there.
struct StoreDirectory {
    struct FoundSegment {
        var number: UInt64
        var allocatedBytes: Int64
    }

    let root: String
    let calls: FileSystemCalls
    /// Names this store for whoever wants to know whether metadata and bytes belong together.
    private(set) var storeID = ""
    private let lock: OpenFile

    /// Takes the lock; creates the store when there is none and `mayCreate` allows it.
    /// - Throws: `.unavailable` when another process holds the store or its format is unknown, `.damaged` when parts of
    ///   it are missing.
    init(root: String, mayCreate: Bool, calls: FileSystemCalls, world: World) throws(StorageFailure) {
        self.root = root
        self.calls = calls
        if mayCreate {
            try Self.makeDirectory(root, label: "the store's directory", parent: root + "/..", calls: calls)
        }
        lock = try Self.takeLock(root: root, mayCreate: mayCreate, calls: calls)
        let format = try DurableFile.read(SegmentLayout.formatFile, in: root, calls: calls)
        if let format {
            storeID = try Self.parse(format: format)
        } else if mayCreate {
            storeID = try create(world: world)
        } else {
            throw StorageFailure(.unavailable, detail: "There is no extent store in the directory.", cause: root)
        }
    }

    /// The lock lives as long as this file.
    var lockFile: OpenFile { lock }

    func findSegments() throws(StorageFailure) -> [FoundSegment] {
        let directory = root + "/" + SegmentLayout.segmentsDirectory
        let names: [String]
        switch calls.list(directory) {
        case .success(let found): names = found
        case .failure(let error): throw error.readFailure("list", SegmentLayout.segmentsDirectory)
        }
        var found: [FoundSegment] = []
        for name in names {
            guard let number = SegmentLayout.number(ofFile: name) else { continue }
            do throws(FileError) {
                let descriptor = try calls.opened(directory + "/" + name, O_RDONLY)
                defer { calls.close(descriptor) }
                found.append(
                    FoundSegment(number: number, allocatedBytes: try calls.status(descriptor).get().allocatedBytes))
            } catch { throw error.readFailure("look at", name) }
        }
        return found
    }

    private static func takeLock(
        root: String, mayCreate: Bool, calls: FileSystemCalls
    ) throws(StorageFailure) -> OpenFile {
        let file: OpenFile
        do throws(FileError) {
            let flags = mayCreate ? O_RDWR | O_CREAT : O_RDONLY
            file = OpenFile(
                descriptor: try calls.opened(root + "/" + SegmentLayout.lockFile, flags), label: SegmentLayout.lockFile)
        } catch {
            let detail = error.code == ENOENT ? "There is no extent store in the directory." : nil
            throw StorageFailure(.unavailable, detail: detail, cause: "open \(root)/LOCK: \(error.text)")
        }
        do throws(FileError) { try calls.uninterrupted { calls.lock(file.descriptor) } } catch {
            let detail = error.code == EWOULDBLOCK ? "Another process has opened this extent store." : nil
            throw StorageFailure(.unavailable, detail: detail, cause: "lock \(root)/LOCK: \(error.text)")
        }
        return file
    }

    private static func parse(format: String) throws(StorageFailure) -> String {
        let lines = format.split(separator: "\n")
        guard lines.first.map(String.init) == SegmentLayout.formatLine else {
            throw StorageFailure(
                .unavailable, detail: "The extent store was written in a format that this version does not know.",
                cause: "FORMAT begins with \(lines.first ?? "nothing")")
        }
        guard lines.count == 2, lines[1].hasPrefix("store ") else {
            throw StorageFailure(.damaged, detail: "The extent store's FORMAT file is damaged.")
        }
        return String(lines[1].dropFirst(6))
    }

    /// FORMAT comes last: a crash before it leaves a directory without segments, which is created again.
    private func create(world: World) throws(StorageFailure) -> String {
        let directory = root + "/" + SegmentLayout.segmentsDirectory
        try Self.makeDirectory(directory, label: SegmentLayout.segmentsDirectory, parent: root, calls: calls)
        guard try findSegments().isEmpty else {
            throw StorageFailure(
                .damaged, detail: "The directory holds segments but the extent store's FORMAT file is missing.")
        }
        try SegmentNumbers.store(1, directory: root, calls: calls)
        let storeID = world.uuid()
        try DurableFile.replace(
            SegmentLayout.formatFile, with: "\(SegmentLayout.formatLine)\nstore \(storeID)\n", in: root, calls: calls)
        return storeID
    }

    private static func makeDirectory(
        _ path: String, label: String, parent: String, calls: FileSystemCalls
    ) throws(StorageFailure) {
        do throws(FileError) { try calls.uninterrupted { calls.makeDirectory(path) } } catch {
            // Also when it is there already: the start that made it may have been killed before the sync.
            guard error.code == EEXIST else { throw error.writeFailure("create", label) }
        }
        try DurableFile.syncDirectory(parent, label: "above \(label)", calls: calls)
    }
}
