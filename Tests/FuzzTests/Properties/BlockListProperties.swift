import NIOCore
import StorageModel

@testable import AzureWire

/// What is accepted is a block list within its bounds, the tree reader sees the same, and it reads the same when it is
/// written again.
enum BlockListProperties {
    static func check(_ input: [UInt8]) throws {
        let entries: [BlockListEntry]
        do throws(AzureError) {
            entries = try BlockListBody.parse(ByteBuffer(bytes: input))
        } catch {
            let codes: [AzureErrorCode] = [.invalidXmlDocument, .blockListTooLong, .invalidBlockList]
            try hold(codes.contains(error.code), "refused as \(error.code)")
            return
        }
        try hold(entries.count <= Limits.blocksPerBlob, "\(entries.count) blocks passed")
        for entry in entries {
            let length = try must(Base64.decode(entry.id.text), "the id \(entry.id.text) is not Base64").count
            try hold((1...Limits.blockIDBytes).contains(length), "an id of \(length) bytes passed")
        }
        let bounds = XMLReader.Bounds(depth: 3, elements: Limits.blocksPerBlob + 2)
        let root = try XMLElement(reading: ByteBuffer(bytes: input), bounds: bounds)
        try hold(root.name == "BlockList", "the tree reader sees \(root.name)")
        let seen = root.children.map { "\($0.name) \($0.trimmedText)" }
        try hold(seen == entries.map { "\(name($0.source)) \($0.id.text)" }, "the tree reader sees \(seen)")
        var text = "<BlockList>"
        for entry in entries { text += "<\(name(entry.source))>\(entry.id.text)</\(name(entry.source))>" }
        try hold(
            try BlockListBody.parse(ByteBuffer(string: text + "</BlockList>")) == entries, "\(text) is another list")
    }

    private static func name(_ source: BlockListEntry.Source) -> String {
        switch source {
        case .latest: "Latest"
        case .uncommitted: "Uncommitted"
        case .committed: "Committed"
        }
    }
}
