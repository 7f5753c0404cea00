package import Synchronization

/// A value behind a mutex, shareable by reference.
package final class Locked<Value: Sendable>: Sendable {
    @usableFromInline
    let mutex: Mutex<Value>

    package init(_ value: Value) { mutex = Mutex(value) }

    // Two methods instead of one with a generic error: the compiler does not specialise a function for that, and an
    // unspecialised one costs its callers more than the lock.

    @inlinable
    package func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        mutex.withLock { value in body(&value) }
    }

    @inlinable
    package func withLock<Result: Sendable>(
        _ body: (inout Value) throws(StorageFailure) -> Result
    ) throws(StorageFailure) -> Result {
        try mutex.withLock { value throws(StorageFailure) in try body(&value) }
    }
}
