/// The headers of a request that take part in a signature, gathered in one pass over them.
package struct SignableHeaders: Sendable {
    /// The headers of the string to sign that stand on a line of their own, in its order.
    enum Slot: Int, CaseIterable {
        case contentEncoding, contentLanguage, contentLength, contentMD5, contentType, date, ifModifiedSince, ifMatch
        case ifNoneMatch, ifUnmodifiedSince, range
    }

    static let fullSlots = Slot.allCases
    static let liteSlots: [Slot] = [.contentMD5, .contentType, .date]

    struct Extension: Sendable {
        var name: String
        var value: String
    }

    private var slots = [String?](repeating: nil, count: Self.fullSlots.count)
    /// The `x-ms-` headers with names in lower case, in the order of the names' bytes.
    private(set) var extensions: [Extension] = []
    /// A signed header that stands more than once: the service refuses such a request.
    package private(set) var duplicate: String?
    private(set) var hasExtensionDate = false

    package init() {}

    package init(_ headers: some Sequence<(name: String, value: String)>) {
        for header in headers { add(name: header.name, value: header.value) }
    }

    package mutating func add(name: String, value: String) {
        guard let first = name.utf8.first?.lowercased else { return }
        if first == UInt8(ascii: "x") {
            guard name.hasPrefixIgnoringASCIICase("x-ms-") else { return }
            let lowered = name.asciiLowercased
            if lowered == "x-ms-date" { hasExtensionDate = true }
            insert(Extension(name: lowered, value: value.withoutOuterBlanks))
            return
        }
        guard let slot = Self.slot(name, first) else { return }
        if slots[slot.rawValue] != nil { duplicate = duplicate ?? name }
        slots[slot.rawValue] = value.withoutOuterBlanks
    }

    /// A request has few such headers, and most clients send them in order already.
    private mutating func insert(_ new: Extension) {
        if extensions.isEmpty { extensions.reserveCapacity(8) }
        var place = extensions.count
        while place > 0 {
            switch new.name.utf8.compareBytes(with: extensions[place - 1].name.utf8) {
            case .before: place -= 1
            case .same:
                duplicate = duplicate ?? new.name
                return extensions.insert(new, at: place)
            case .behind: return extensions.insert(new, at: place)
            }
        }
        extensions.insert(new, at: 0)
    }

    subscript(slot: Slot) -> String? { slots[slot.rawValue] }

    private static func slot(_ name: String, _ first: UInt8) -> Slot? {
        switch (first, name.utf8.count) {
        case (UInt8(ascii: "c"), 16):
            if name.equalsIgnoringASCIICase("content-encoding") { return .contentEncoding }
            return name.equalsIgnoringASCIICase("content-language") ? .contentLanguage : nil
        case (UInt8(ascii: "c"), 14): return name.equalsIgnoringASCIICase("content-length") ? .contentLength : nil
        case (UInt8(ascii: "c"), 11): return name.equalsIgnoringASCIICase("content-md5") ? .contentMD5 : nil
        case (UInt8(ascii: "c"), 12): return name.equalsIgnoringASCIICase("content-type") ? .contentType : nil
        case (UInt8(ascii: "d"), 4): return name.equalsIgnoringASCIICase("date") ? .date : nil
        case (UInt8(ascii: "i"), 17): return name.equalsIgnoringASCIICase("if-modified-since") ? .ifModifiedSince : nil
        case (UInt8(ascii: "i"), 8): return name.equalsIgnoringASCIICase("if-match") ? .ifMatch : nil
        case (UInt8(ascii: "i"), 13): return name.equalsIgnoringASCIICase("if-none-match") ? .ifNoneMatch : nil
        case (UInt8(ascii: "i"), 19):
            return name.equalsIgnoringASCIICase("if-unmodified-since") ? .ifUnmodifiedSince : nil
        case (UInt8(ascii: "r"), 5): return name.equalsIgnoringASCIICase("range") ? .range : nil
        default: return nil
        }
    }
}
