package import NIOCore
package import StorageModel

/// The answer to Get Block List. A list that was not asked for is `nil`.
package struct BlockListing: Sendable {
    package struct Block: Sendable, Hashable {
        package var id: BlockID
        package var size: Int64
        package init(id: BlockID, size: Int64) {
            self.id = id
            self.size = size
        }
    }

    /// In the blob's order.
    package var committed: [Block]?
    /// In the order of their ids.
    package var uncommitted: [Block]?

    package init(committed: [Block]?, uncommitted: [Block]?) {
        self.committed = committed
        self.uncommitted = uncommitted
    }

    package func xml() -> ByteBuffer {
        let count = (committed?.count ?? 0) + (uncommitted?.count ?? 0)
        var xml = XMLWriter(capacity: 256 + count * 112)
        xml.open("BlockList")
        if let committed { Self.write("CommittedBlocks", committed, &xml) }
        if let uncommitted { Self.write("UncommittedBlocks", uncommitted, &xml) }
        xml.close("BlockList")
        return xml.buffer
    }

    private static func write(_ name: StaticString, _ blocks: [Block], _ xml: inout XMLWriter) {
        guard !blocks.isEmpty else {
            xml.empty(name)
            return
        }
        xml.open(name)
        for block in blocks {
            xml.open("Block")
            xml.element("Name", block.id.text)
            xml.element("Size", number: block.size)
            xml.close("Block")
        }
        xml.close(name)
    }
}
