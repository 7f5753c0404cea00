import Metadata
import Testing

@testable import MetadataRocks

@Suite("Commit window")
struct CommitWindowTests {
    private static func window(_ commits: [CommitWindow.Writes], limit: Int = 100, bytes: Int = 1 << 20) -> CommitWindow
    {
        var window = CommitWindow(after: 10, commitLimit: limit, byteLimit: bytes)
        for commit in commits { window.append(commit) }
        return window
    }

    private static func keys(_ keys: [UInt8]...) -> CommitWindow.Writes { CommitWindow.Writes(keys: keys) }

    @Test("only commits after the snapshot count")
    func pointReads() {
        let window = Self.window([Self.keys([1]), Self.keys([2]), Self.keys([1], [3])])
        let reads = { (key: UInt8) in ReadSet(keys: [[key]]) }
        #expect(window.newest == 13)
        #expect(window.conflict(of: reads(2), since: 10) == [2])
        #expect(window.conflict(of: reads(2), since: 11) == [2])
        #expect(window.conflict(of: reads(2), since: 12) == nil)
        #expect(window.conflict(of: reads(1), since: 12) == [1])
        #expect(window.conflict(of: reads(1), since: 13) == nil)
        #expect(window.conflict(of: reads(4), since: 10) == nil)
        #expect(window.conflict(of: ReadSet(), since: 10) == nil)
    }

    @Test("ranges include their lower bound and exclude their upper one")
    func rangeReads() {
        let window = Self.window([Self.keys([5]), Self.keys([9])])
        func conflict(_ lower: [UInt8], _ upper: [UInt8], since version: UInt64) -> [UInt8]? {
            window.conflict(of: ReadSet(ranges: [KeyRange(from: lower, to: upper)]), since: version)
        }
        #expect(conflict([5], [6], since: 10) == [5])
        #expect(conflict([4], [5], since: 10) == nil)
        #expect(conflict([4], [5, 0], since: 10) == [5])
        #expect(conflict([5], [6], since: 11) == nil)
        #expect(conflict([1], [10], since: 11) == [9])
        #expect(conflict([1], [10], since: 12) == nil)
    }

    @Test("deleted ranges conflict with keys and ranges that they touch")
    func rangeDeletes() {
        let window = Self.window([CommitWindow.Writes(ranges: [KeyRange(from: [5], to: [8])]), Self.keys([20])])
        #expect(window.conflict(of: ReadSet(keys: [[7]]), since: 10) == [7])
        #expect(window.conflict(of: ReadSet(keys: [[8]]), since: 10) == nil)
        #expect(window.conflict(of: ReadSet(keys: [[7]]), since: 11) == nil)
        #expect(window.conflict(of: ReadSet(ranges: [KeyRange(from: [1], to: [6])]), since: 10) != nil)
        #expect(window.conflict(of: ReadSet(ranges: [KeyRange(from: [1], to: [5])]), since: 10) == nil)
        #expect(window.conflict(of: ReadSet(ranges: [KeyRange(from: [8], to: [9])]), since: 10) == nil)
    }

    @Test("what no longer fits is forgotten, and older snapshots conflict with everything")
    func bounds() {
        var window = Self.window([], limit: 3)
        for number in 0..<5_000 { window.append(Self.keys([UInt8(number % 7), UInt8(number % 5)])) }
        #expect(window.newest == 5_010)
        #expect(window.floor == 5_007)
        #expect(window.conflict(of: ReadSet(), since: 5_006) == [])
        // The last three wrote what 4997, 4998 and 4999 leave as remainders of 7 and 5.
        #expect(window.conflict(of: ReadSet(keys: [[1, 4]]), since: 5_009) == [1, 4])
        #expect(window.conflict(of: ReadSet(keys: [[6, 2]]), since: 5_008) == nil)
        #expect(window.conflict(of: ReadSet(keys: [[6, 2]]), since: 5_007) == [6, 2])

        var small = Self.window([], bytes: 1_000)
        for _ in 0..<100 { small.append(Self.keys([UInt8](repeating: 1, count: 104))) }
        #expect(small.newest - small.floor == 5)
    }
}
