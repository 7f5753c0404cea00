import Extents
import ExtentsLocal
import StorageModel
import StorageTestKit
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct ExtentContractTests {
    @Test(arguments: ExtentContract.cases) func inMemory(_ contract: ExtentContractCase) async throws {
        try await contract.run(inMemoryFixture())
    }

    @Test(arguments: ExtentContract.cases) func local(_ contract: ExtentContractCase) async throws {
        try await withTemporaryDirectory { try await contract.run(localFixture($0 + "/store")) }
    }

    /// A wrapper that fails nothing must not be noticed.
    @Test(arguments: ExtentContract.cases) func faultyWithoutFault(_ contract: ExtentContractCase) async throws {
        let inner = inMemoryFixture()
        try await contract.run(
            ExtentFixture(
                maximumSinks: inner.maximumSinks,
                open: { FaultyExtentStore(try await inner.open($0)) }, corrupt: inner.corrupt))
    }
}

@Suite struct FaultyExtentStoreTests {
    @Test(arguments: FaultyExtentStore.Timing.allCases)
    func everyCallCanFail(_ timing: FaultyExtentStore.Timing) async throws {
        let bytes = patternBytes(seed: 1, count: 100_000)
        let rehearsal = FaultyExtentStore(InMemoryExtentStore())
        try await useOnce(rehearsal, bytes)
        #expect(rehearsal.calls == [.openSink, .append, .append, .seal, .read, .spans, .verify, .free])
        for call in rehearsal.calls.indices {
            let memory = InMemoryExtentStore()
            let store = FaultyExtentStore(memory, fault: FaultyExtentStore.Fault(call: call, timing: timing))
            await #expect(throws: StorageFailure(.unavailable, cause: "injected")) {
                try await useOnce(store, bytes)
            }
            #expect(store.hasFailed)
            #expect(store.calls.count == call + 1)
            #expect(memory.usage().reservedBytes == 0)
            // A seal that took effect and then failed has left an extent that nobody names.
            let name = rehearsal.calls[call]
            let isStored = name == .seal ? timing == .after : [.read, .spans, .verify].contains(name)
            #expect(memory.leaked(named: []).isEmpty == !(isStored || (name == .free && timing == .before)))
        }
    }

    private func useOnce(_ store: FaultyExtentStore, _ bytes: [UInt8]) async throws {
        let extents = try await store.store(bytes)
        _ = try await store.bytes(of: extents)
        _ = try await store.verify(extents[0])
        try await store.free(extents)
    }
}

/// Reopens by handing the extents of the store before on to the next.
private func inMemoryFixture() -> ExtentFixture {
    let current = Locked<InMemoryExtentStore?>(nil)
    return ExtentFixture(
        maximumSinks: 64,
        open: { budgetBytes in
            current.withLock { current in
                let next =
                    current?.reopened()
                    ?? InMemoryExtentStore(budgetBytes: budgetBytes, maximumExtentLength: 1 << 20, maximumSinks: 64)
                current = next
                return next
            }
        },
        corrupt: { extent, offset in current.withLock { $0 }?.corrupt(extent.id, at: offset) })
}

private func localFixture(_ directory: String) -> ExtentFixture {
    ExtentFixture(
        maximumSinks: 64,
        open: { budgetBytes in
            var options = LocalExtentOptions()
            options.segmentBytes = 8 << 20
            options.preallocationBytes = 1 << 20
            options.maximumExtentLength = 1 << 20
            options.lanes = 3
            options.inputOutputThreads = 2
            options.syncThreads = 2
            options.maximumSinks = 64
            options.openFiles = 4
            options.budgetBytes = budgetBytes
            return try LocalExtentStore.open(directory: directory, options: options, world: .system)
        },
        corrupt: { extent, offset in
            let digits = String(extent.id.group, radix: 16)
            let name = String(repeating: "0", count: 16 - digits.count) + digits + ".seg"
            let descriptor = open("\(directory)/segments/\(name)", O_RDWR)
            defer { close(descriptor) }
            var byte: UInt8 = 0
            let place = off_t(extent.id.position) + off_t(offset)
            try #require(pread(descriptor, &byte, 1, place) == 1)
            byte ^= 0xFF
            try #require(pwrite(descriptor, &byte, 1, place) == 1)
        })
}
