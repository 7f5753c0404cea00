package import NIOCore
package import StorageModel

/// The body of Put Block List: `Committed`, `Uncommitted` and `Latest` in the blob's byte order.
package enum BlockListBody {
    /// Room for 50,000 of the longest ids with white space between them.
    package static let maximumBytes = 8 << 20

    /// - Throws: InvalidXmlDocument for what is no block list, BlockListTooLong for more than 50,000 entries and
    ///   InvalidBlockList for an entry that cannot be a block's id.
    package static func parse(_ body: ByteBuffer) throws(AzureError) -> [BlockListEntry] {
        // One more than may be, and the root: so that a list too long is told from a document too large.
        let bounds = XMLReader.Bounds(depth: 3, elements: Limits.blocksPerBlob + 2)
        var reader = XMLReader(body, bounds: bounds)
        let outcome: Outcome
        do throws(XMLProblem) {
            outcome = try read(&reader)
        } catch {
            throw AzureError(error)
        }
        switch outcome {
        case .entries(let entries): return entries
        case .tooLong: throw .blockListTooLong(limit: Limits.blocksPerBlob)
        case .notAnID: throw AzureError(.invalidBlockList)
        }
    }

    private enum Outcome {
        case entries([BlockListEntry])
        case tooLong
        case notAnID
    }

    private static func read(_ reader: inout XMLReader) throws(XMLProblem) -> Outcome {
        guard case .start("BlockList") = try reader.next() else {
            throw reader.problem("the root element is not BlockList")
        }
        var entries: [BlockListEntry] = []
        list: while let event = try reader.next() {
            switch event {
            case .end: break list
            case .text(let text):
                guard text.utf8.allSatisfy({ $0.isXMLSpace }) else {
                    throw reader.problem("text stands between elements")
                }
            case .start(let name):
                guard let source = source(name) else {
                    throw reader.problem("element \(name.prefix(64)) stands in a block list")
                }
                guard entries.count < Limits.blocksPerBlob else { return .tooLong }
                guard let id = blockID(String(XMLElement.trim(try reader.leafText()))) else { return .notAnID }
                entries.append(BlockListEntry(source: source, id: id))
            }
        }
        while try reader.next() != nil {}
        return .entries(entries)
    }

    /// A block's id as a query parameter or in a list: Base64 of 1 to 64 bytes.
    package static func blockID(_ text: String) -> BlockID? {
        guard let length = Base64.decodedLength(of: text), (1...Limits.blockIDBytes).contains(length) else {
            return nil
        }
        return BlockID(text: text)
    }

    private static func source(_ name: String) -> BlockListEntry.Source? {
        switch name {
        case "Latest": .latest
        case "Uncommitted": .uncommitted
        case "Committed": .committed
        default: nil
        }
    }
}
