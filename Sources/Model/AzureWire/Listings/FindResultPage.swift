package import NIOCore
package import StorageModel

/// One page of Find Blobs by Tags.
package struct FindResultPage: Sendable {
    package struct Item: Sendable {
        package var name: String
        package var container: String
        /// Those that the expression names.
        package var tags: [Tags.Tag]
        package init(name: String, container: String, tags: [Tags.Tag]) {
            self.name = name
            self.container = container
            self.tags = tags
        }
    }

    package var serviceEndpoint: String
    package var expression: String
    package var items: [Item]
    package var nextMarker: String?

    package init(serviceEndpoint: String, expression: String, items: [Item], nextMarker: String?) {
        self.serviceEndpoint = serviceEndpoint
        self.expression = expression
        self.items = items
        self.nextMarker = nextMarker
    }

    package func xml() -> ByteBuffer {
        var xml = XMLWriter(capacity: 512 + items.count * 256)
        xml.open("EnumerationResults", attributes: [("ServiceEndpoint", serviceEndpoint)])
        xml.element("Where", expression)
        if items.isEmpty {
            xml.empty("Blobs")
        } else {
            xml.open("Blobs")
            for item in items {
                xml.open("Blob")
                xml.name("Name", item.name)
                xml.element("ContainerName", item.container)
                xml.tags(item.tags)
                xml.close("Blob")
            }
            xml.close("Blobs")
        }
        xml.element("NextMarker", nextMarker)
        xml.close("EnumerationResults")
        return xml.buffer
    }
}
