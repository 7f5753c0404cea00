import Glibc

/// A bounded queue between tasks, which never wait, and threads, which do.
///
/// `@unchecked Sendable`: every access to the mutable fields happens under `mutex`, which is never held across I/O.
final class WaitingQueue<Element: Sendable>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let arrived = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let capacity: Int
    private let costLimit: Int
    private var items: [(element: Element, cost: Int)] = []
    private var head = 0
    private var cost = 0
    private var isClosed = false

    /// Holds at most `capacity` elements, and none more once the costs of those it holds reach `costLimit`.
    init(capacity: Int, costLimit: Int = .max) {
        self.capacity = capacity
        self.costLimit = costLimit
        mutex.initialize(to: pthread_mutex_t())
        arrived.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(arrived, nil)
    }

    deinit {
        pthread_cond_destroy(arrived)
        pthread_mutex_destroy(mutex)
        arrived.deallocate()
        mutex.deallocate()
    }

    /// Answers `false` when the queue is full or closed.
    func push(_ element: Element, cost: Int = 0) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard !isClosed, items.count - head < capacity, self.cost < costLimit else { return false }
        items.append((element, cost))
        self.cost += cost
        pthread_cond_signal(arrived)
        return true
    }

    /// Waits for elements and takes the oldest ones: at least one, no more than `count`, and no further one that would
    /// lift their costs above `costLimit`. `nil` once the queue is closed and empty.
    func take(count: Int, costLimit: Int = .max) -> [Element]? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while head == items.count {
            if isClosed { return nil }
            pthread_cond_wait(arrived, mutex)
        }
        var taken: [Element] = []
        var takenCost = 0
        while head < items.count, taken.count < count {
            let item = items[head]
            if !taken.isEmpty, takenCost + item.cost > costLimit { break }
            taken.append(item.element)
            takenCost += item.cost
            head += 1
        }
        cost -= takenCost
        dropTaken()
        return taken
    }

    /// All that waits now, without waiting.
    func takeAll() -> [Element] {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        let taken = items[head...].map(\.element)
        items.removeAll()
        head = 0
        cost = 0
        return taken
    }

    var hasClosed: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return isClosed
    }

    /// No more elements come in; those inside are still handed out.
    func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_cond_broadcast(arrived)
        pthread_mutex_unlock(mutex)
    }

    var count: Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return items.count - head
    }

    /// Taken elements stay in the array until they are half of it, so that taking one costs no shift of all others.
    /// They keep nothing alive for long: the array is as short as the queue is busy.
    private func dropTaken() {
        if head == items.count {
            items.removeAll(keepingCapacity: items.count <= 1_024)
            head = 0
        } else if head > 32, head * 2 > items.count {
            items.removeFirst(head)
            head = 0
        }
    }
}
