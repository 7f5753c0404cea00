#if canImport(Glibc)
    import Glibc
#endif

/// Writes all bytes, past interruptions and short writes. Answers 0 or the error number.
func writeAll(_ bytes: [UInt8], to descriptor: CInt) -> CInt { writeSome(bytes[...], to: descriptor).errorNumber }

/// Writes bytes until all are out or one write fails. Answers how many are out, and 0 or the error number.
func writeSome(_ bytes: ArraySlice<UInt8>, to descriptor: CInt) -> (count: Int, errorNumber: CInt) {
    bytes.withUnsafeBytes { all in
        var rest = all[...]
        while !rest.isEmpty {
            let written = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if written < 0 {
                if errno == EINTR { continue }
                return (all.count - rest.count, errno)
            }
            rest = rest.dropFirst(written)
        }
        return (all.count, 0)
    }
}

/// Starts a detached thread. For work that blocks and so has no place on an event loop or in the cooperative pool.
func startThread(_ body: @escaping @Sendable () -> Void) {
    let box = Unmanaged.passRetained(ThreadBody(run: body))
    var thread = pthread_t()
    let failure = pthread_create(
        &thread, nil,
        { argument in
            guard let argument else { return nil }
            Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run()
            return nil
        }, box.toOpaque())
    precondition(failure == 0, "no thread could be started: error \(failure)")
    pthread_detach(thread)
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(run: @escaping @Sendable () -> Void) { self.run = run }
}
