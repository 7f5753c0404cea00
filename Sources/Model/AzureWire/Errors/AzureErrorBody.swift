package import NIOCore
package import StorageModel

extension AzureError {
    /// The body of the answer: `Error`/`Code`, `Message` with the request's id and the time on lines of their own,
    /// details.
    package func xml(requestID: String, time: Timestamp) -> ByteBuffer {
        var xml = XMLWriter(capacity: 512)
        xml.open("Error")
        xml.element("Code", code.name)
        xml.element("Message", "\(message)\nRequestId:\(requestID)\nTime:\(ISODate.format(time))")
        for detail in details { xml.dynamicElement(detail.name, detail.value) }
        xml.close("Error")
        return xml.buffer
    }
}
