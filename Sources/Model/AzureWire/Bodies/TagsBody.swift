package import NIOCore
package import StorageModel

/// The body of Get and Set Blob Tags: `Tags`/`TagSet`/`Tag`*{`Key`, `Value`}.
package enum TagsBody {
    /// The pairs as sent, not judged.
    package static func parse(_ body: ByteBuffer) throws(AzureError) -> [(String, String)] {
        let root = try XMLElement(reading: body)
        guard root.name == "Tags" else { throw .invalidXML(reason: "the root element is not Tags") }
        var pairs: [(String, String)] = []
        for set in root.children {
            guard set.name == "TagSet" else { throw .unsupportedXMLNode(set.name) }
            for tag in set.children {
                guard tag.name == "Tag" else { throw .unsupportedXMLNode(tag.name) }
                guard let key = tag.child("Key") else { throw .missingXMLNode("Key") }
                guard let value = tag.child("Value") else { throw .missingXMLNode("Value") }
                pairs.append((key.text, value.text))
            }
        }
        return pairs
    }

    package static func xml(_ tags: Tags) -> ByteBuffer {
        var xml = XMLWriter()
        xml.tags(tags.entries)
        return xml.buffer
    }
}

extension XMLWriter {
    mutating func tags(_ tags: [Tags.Tag]) {
        open("Tags")
        if tags.isEmpty {
            empty("TagSet")
        } else {
            open("TagSet")
            for tag in tags {
                open("Tag")
                element("Key", tag.key)
                element("Value", tag.value)
                close("Tag")
            }
            close("TagSet")
        }
        close("Tags")
    }
}
