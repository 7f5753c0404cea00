package import NIOCore

/// A small document as a tree: service properties, access policies, tags.
package struct XMLElement: Sendable, Hashable {
    /// More than any such body of a well-meaning client: 5 policies, 10 tags, 2 KiB of CORS rules.
    package static let maximumDocumentBytes = 64 << 10

    package var name: String
    /// Of a leaf as it stands; of an element with children nothing.
    package var text: String
    package var children: [XMLElement]

    package init(name: String, text: String = "", children: [XMLElement] = []) {
        self.name = name
        self.text = text
        self.children = children
    }

    /// Reads a whole document.
    package init(reading body: ByteBuffer, bounds: XMLReader.Bounds = XMLReader.Bounds()) throws(AzureError) {
        do throws(XMLProblem) {
            self = try Self.read(body, bounds)
        } catch {
            throw AzureError(error)
        }
    }

    private static func read(_ body: ByteBuffer, _ bounds: XMLReader.Bounds) throws(XMLProblem) -> XMLElement {
        var reader = XMLReader(body, bounds: bounds)
        var open: [XMLElement] = []
        var root: XMLElement?
        while let event = try reader.next() {
            switch event {
            case .start(let name): open.append(XMLElement(name: name))
            case .text(let text):
                guard let last = open.indices.last else { continue }
                open[last].text += text
            case .end:
                guard var element = open.popLast() else { continue }
                if !element.children.isEmpty {
                    guard element.text.utf8.allSatisfy({ $0.isXMLSpace }) else {
                        throw reader.problem("text stands between elements")
                    }
                    element.text = ""
                }
                if open.isEmpty { root = element } else { open[open.count - 1].children.append(element) }
            }
        }
        guard let root else { throw reader.problem("the document has no root element") }
        return root
    }

    package func child(_ name: String) -> XMLElement? { children.first { $0.name == name } }

    /// Without blanks and line ends around it.
    var trimmedText: String { String(Self.trim(text)) }

    static func trim(_ text: String) -> Substring {
        var rest = Substring(text)
        while let first = rest.utf8.first, first.isXMLSpace { rest = Substring(rest.utf8.dropFirst()) }
        while let last = rest.utf8.last, last.isXMLSpace { rest = Substring(rest.utf8.dropLast()) }
        return rest
    }
}

extension AzureError {
    package init(_ problem: XMLProblem) {
        self = .invalidXML(line: problem.line, column: problem.column, reason: problem.reason)
    }
}
