import StorageModel

#if canImport(Glibc)
    import Glibc
#endif

/// When an audit file makes room for the next one, and how many of the old ones stay.
package struct AuditRotation: Sendable, Hashable {
    /// A file does not grow beyond this, single longer lines aside; 0 is without a bound.
    package var bytes: Int64
    /// `FILE.1` is the newest of the old files, `FILE.<kept>` the oldest; at least 1.
    package var kept: Int

    package init(bytes: Int64 = 256 << 20, kept: Int = 8) {
        precondition(bytes >= 0 && kept >= 1)
        self.bytes = bytes
        self.kept = kept
    }
}

/// The file, or standard output, behind an audit log. Used by the writer's thread alone.
///
/// Lines go out whole: what a failed write has left of a line is taken back, or completed by the next write where it
/// cannot be, before the file is left. Rotation renames first and opens then, so a line is in the one file or in the other.
/// It takes FILE aside, as FILE.rotating, before it touches the old files: no old file goes for a new one that never comes.
struct AuditFile: ~Copyable {
    private var descriptor: CInt
    /// `nil` for standard output, which is neither rotated, reopened nor closed.
    private let path: String?
    private let rotation: AuditRotation
    private let rotations: Counter
    private let failures: Counter
    private let dropped: Counter
    /// How long the file is, as far as its lines have come from here.
    private var size: Int64
    /// The rest of a line whose beginning is out and cannot be taken back.
    private var owed: [UInt8] = []
    /// A new file is to be opened: the one before has been renamed.
    private var mustOpen = false
    /// On the monotonic clock: before this a rotation that has failed is not tried again.
    private var nextRotation = Int64.min
    private let monotonicNanoseconds: @Sendable () -> Int64

    /// How long a rotation that has failed is left alone: whatever is wrong, somebody has to see to it.
    static let rotationPauseNanoseconds: Int64 = 60_000_000_000

    init(
        descriptor: CInt, path: String?, rotation: AuditRotation, metrics: MetricRegistry, world: World = .system
    ) {
        monotonicNanoseconds = world.monotonicNanoseconds
        self.descriptor = descriptor
        self.path = path
        self.rotation = rotation
        rotations = metrics.counter(.auditRotations)
        failures = metrics.counter(.auditFailures)
        dropped = metrics.counter(.auditDropped)
        size = Self.size(of: descriptor)
        // The process before may have ended in the middle of a rotation.
        if let path, rotation.bytes > 0, !putAway(Self.aside(path), of: path) { rotationFailed() }
    }

    /// Answers a descriptor at the end of the file, which is made when it is missing: mode 0640.
    static func open(_ path: String) throws(AuditLog.OpenFailure) -> CInt {
        let opened = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard opened >= 0 else { throw AuditLog.OpenFailure(path: path, errorNumber: errno) }
        return opened
    }

    /// How many bytes of lines go well into one call of `write`.
    func preferredBytes(atMost limit: Int) -> Int {
        guard path != nil, rotation.bytes > 0 else { return limit }
        return Int(min(Int64(limit), rotation.bytes))
    }

    /// Writes whole lines. Answers how many bytes are out or will be, which end with a line, and 0 or the error number.
    mutating func write(_ lines: ArraySlice<UInt8>) -> (count: Int, errorNumber: CInt) {
        if mustOpen { openAnew() }
        rotateIfFull(before: lines.count)
        let owing = payOwed()
        guard owing == 0 else { return (0, owing) }
        let (count, errorNumber) = writeSome(lines, to: descriptor)
        size += Int64(count)
        guard errorNumber != 0 else { return (count, 0) }
        let written = lines.prefix(count)
        let whole = written.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 - lines.startIndex } ?? 0
        guard whole < count else { return (count, failed(errorNumber)) }
        let excess = Int64(count - whole)
        if ftruncate(descriptor, off_t(Self.size(of: descriptor) - excess)) == 0 {
            size -= excess
            return (whole, failed(errorNumber))
        }
        let rest = lines.dropFirst(count)
        let end = rest.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? rest.endIndex
        owed = Array(rest[..<end])
        return (end - lines.startIndex, failed(errorNumber))
    }

    /// Goes on in the file that has the path now: somebody else may have renamed the one before.
    mutating func reopen() {
        nextRotation = .min
        openAnew()
    }

    private mutating func openAnew() {
        guard let path else { return }
        do throws(AuditLog.OpenFailure) {
            let opened = try Self.open(path)
            close()
            descriptor = opened
            size = Self.size(of: opened)
            mustOpen = false
        } catch {
            // The one before is still open: lines go on into it, and the next write tries again.
            mustOpen = true
            failures.add()
        }
    }

    /// After this only `reopen` goes on. The rest of a line that was cut belongs behind its beginning, nowhere else: what
    /// cannot be written now is a line that was lost.
    mutating func close() {
        if payOwed() != 0 {
            dropped.add()
            owed = []
        }
        guard path != nil else { return }
        Glibc.close(descriptor)
    }

    /// Completes the line that was cut. Answers 0 or the error number.
    private mutating func payOwed() -> CInt {
        guard !owed.isEmpty else { return 0 }
        let (count, errorNumber) = writeSome(owed[...], to: descriptor)
        owed.removeFirst(count)
        size += Int64(count)
        return errorNumber == 0 ? 0 : failed(errorNumber)
    }

    private func failed(_ errorNumber: CInt) -> CInt {
        failures.add()
        return errorNumber
    }

    private mutating func rotateIfFull(before count: Int) {
        guard rotation.bytes > 0, let path, size > 0, size + Int64(count) > rotation.bytes, owed.isEmpty, !mustOpen
        else { return }
        guard nextRotation == .min || monotonicNanoseconds() >= nextRotation else { return }
        // Somebody else may have emptied it.
        size = Self.size(of: descriptor)
        guard size > 0, size + Int64(count) > rotation.bytes else { return }
        rotate(path)
    }

    private mutating func rotate(_ path: String) {
        let aside = Self.aside(path)
        // One that an earlier try has left is older than FILE.
        guard putAway(aside, of: path) else { return rotationFailed() }
        guard rename(path, aside) == 0 else {
            guard errno == ENOENT else { return rotationFailed() }
            // Somebody else has taken it: nothing is to be put away.
            mustOpen = true
            return openAnew()
        }
        guard putAway(aside, of: path) else {
            rotationFailed()
            // Lines go on into the open file, under its own name where it can have that back, and else until the next try.
            if rename(aside, path) != 0 { failures.add() }
            return
        }
        nextRotation = .min
        rotations.add()
        mustOpen = true
        openAnew()
    }

    private mutating func rotationFailed() {
        failures.add()
        nextRotation = monotonicNanoseconds() + Self.rotationPauseNanoseconds
    }

    /// Makes FILE.1 of the file that was taken aside. True when there is none, or when it is done.
    ///
    /// Old files move up to the first number that is free, and stop at the first that cannot be moved: however often this
    /// fails and is tried again, at most the oldest is lost, which was to go.
    private func putAway(_ aside: String, of path: String) -> Bool {
        var status = stat()
        guard lstat(aside, &status) == 0 else { return errno == ENOENT }
        guard status.st_mode & S_IFMT != S_IFDIR else { return false }
        let free = (1..<rotation.kept).first { lstat("\(path).\($0)", &status) != 0 && errno == ENOENT }
        for number in stride(from: free ?? rotation.kept, to: 1, by: -1)
        where rename("\(path).\(number - 1)", "\(path).\(number)") != 0 {
            return false
        }
        return rename(aside, "\(path).1") == 0
    }

    private static func aside(_ path: String) -> String { path + ".rotating" }

    /// 0 for what has no size, such as a pipe.
    private static func size(of descriptor: CInt) -> Int64 {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return 0 }
        return Int64(status.st_size)
    }
}
