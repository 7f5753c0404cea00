package import Synchronization

/// A value behind a mutex, shareable by reference.
package final class Locked<Value: Sendable>: Sendable {
    @usableFromInline
    let mutex: Mutex<Value>

    package init(_ value: Value) { mutex = Mutex(value) }

    @inlinable
    package func withLock<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result where Result: Sendable {
        try mutex.withLock { value throws(Failure) in try body(&value) }
    }
}
