package import StorageModel

/// Listings: names in the order of their bytes, runs of names that share what stands before the delimiter as one entry.
extension ModelStore {
    /// What a page must hold and the name with which the next one begins.
    package func list(
        _ name: ContainerName, _ listing: ModelListing
    ) -> (answer: ModelAnswer, next: [UInt8]?) {
        guard let container = containers[name] else { return (.refused(.containerNotFound), nil) }
        var names = Set(container.blobs.keys)
        if listing.showsUncommitted { names.formUnion(container.staged.keys) }
        let (prefix, delimiter) = (Array(listing.prefix.utf8), Array((listing.delimiter ?? "").utf8))
        var entries: [ModelSight.PageEntry] = []
        var group: [UInt8]?
        for name in names.sorted() {
            let bytes = Array(name.value.utf8)
            guard bytes.starts(with: prefix), !Self.isBefore(bytes, listing) else { continue }
            if let group, bytes.starts(with: group) { continue }
            guard entries.count < listing.limit else { return (Self.page(entries, hasMore: true), bytes) }
            group = Self.group(bytes, from: prefix.count, delimiter)
            if let group {
                entries.append(.prefix(group))
            } else if let blob = container.blobs[name] {
                entries.append(.blob(name: bytes, sight(blob).shown(.list(listing))))
            } else {
                entries.append(.uncommitted(name: bytes))
            }
        }
        return (Self.page(entries, hasMore: false), nil)
    }

    private static func page(_ entries: [ModelSight.PageEntry], hasMore: Bool) -> ModelAnswer {
        .seen(.page(entries, hasMore: hasMore))
    }

    private static func isBefore(_ name: [UInt8], _ listing: ModelListing) -> Bool {
        if let position = listing.position, name.lexicographicallyPrecedes(position.name) { return true }
        if let from = listing.startFrom, name.lexicographicallyPrecedes(from.utf8) { return true }
        return false
    }

    private static func group(_ name: [UInt8], from start: Int, _ delimiter: [UInt8]) -> [UInt8]? {
        guard !delimiter.isEmpty, name.count >= delimiter.count, start <= name.count - delimiter.count else {
            return nil
        }
        for at in start...(name.count - delimiter.count) where name[at...].starts(with: delimiter) {
            return Array(name[..<(at + delimiter.count)])
        }
        return nil
    }

    func listContainers(_ prefix: String, _ limit: Int, _ position: ModelPosition?) -> ModelAnswer {
        let (answer, _) = containerPage(prefix, limit, position)
        return answer
    }

    package func containerPage(
        _ prefix: String, _ limit: Int, _ position: ModelPosition?
    ) -> (answer: ModelAnswer, next: [UInt8]?) {
        let names = containers.keys.sorted().filter { name in
            name.value.hasPrefix(prefix)
                && !(position.map { Array(name.value.utf8).lexicographicallyPrecedes($0.name) } ?? false)
        }
        let sights = names.prefix(limit).compactMap { name in containers[name].map { sight($0, name) } }
        let next = names.count > limit ? Array(names[limit].value.utf8) : nil
        return (.seen(.containers(sights, hasMore: next != nil)), next)
    }
}
