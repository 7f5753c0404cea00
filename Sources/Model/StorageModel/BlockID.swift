/// A block's id: the Base64 text that the client sent (decoded at most 64 bytes). Equality is that of the text.
package struct BlockID: Hashable, Sendable, Comparable {
    package let text: String
    /// The caller has checked that the text is Base64 of 1 to 64 bytes.
    package init(text: String) { self.text = text }
    package static func < (left: Self, right: Self) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }
}

/// One entry of a Put Block List, in the blob's byte order.
package struct BlockListEntry: Hashable, Sendable {
    package enum Source: Hashable, Sendable { case committed, uncommitted, latest }
    package var source: Source
    package var id: BlockID
    package init(source: Source, id: BlockID) {
        self.source = source
        self.id = id
    }
}
