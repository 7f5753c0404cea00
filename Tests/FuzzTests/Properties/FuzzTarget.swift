/// A parser that reads what strangers send or what a disk gives back, with the properties that must hold for any bytes.
///
/// The fuzzer (`fuzz/`) searches for bytes that break one; the unit tests give the kept corpus to the same functions.
enum FuzzTarget: String, CaseIterable, Sendable {
    case requestHead = "request-head"
    case chunkedBody = "chunked-body"
    case responseHead = "response-head"
    case structuredMessage = "structured-message"
    case blockList = "block-list"
    case smallDocuments = "small-documents"
    case batch
    case sharedKey = "shared-key"
    case sharedAccessSignature = "shared-access-signature"
    case headers
    case tagExpression = "tag-expression"
    case text
    case records
    case routing
    case token
    case proxyHeader = "proxy-header"

    /// - Throws: `BrokenProperty` when the parser does not keep what it promises; any other error is one that its
    ///   signature does not allow, and as much a finding.
    func check(_ input: [UInt8]) throws {
        switch self {
        case .requestHead: try RequestHeadProperties.check(input)
        case .chunkedBody: try ChunkedBodyProperties.check(input)
        case .responseHead: try ResponseHeadProperties.check(input)
        case .structuredMessage: try StructuredMessageProperties.check(input)
        case .blockList: try BlockListProperties.check(input)
        case .smallDocuments: try SmallDocumentProperties.check(input)
        case .batch: try BatchProperties.check(input)
        case .sharedKey: try SharedKeyProperties.check(input)
        case .sharedAccessSignature: try SharedAccessSignatureProperties.check(input)
        case .headers: try HeaderProperties.check(input)
        case .tagExpression: try TagExpressionProperties.check(input)
        case .text: try TextProperties.check(input)
        case .records: try RecordProperties.check(input)
        case .routing: try RoutingProperties.check(input)
        case .token: try TokenProperties.check(input)
        case .proxyHeader: try ProxyHeaderProperties.check(input)
        }
    }
}

struct BrokenProperty: Error, CustomStringConvertible {
    var description: String
}

/// - Throws: `BrokenProperty` with the words of what should have held.
func hold(_ condition: Bool, _ words: @autoclosure () -> String) throws(BrokenProperty) {
    guard condition else { throw BrokenProperty(description: words()) }
}

/// The value that must be there.
func must<Value>(_ value: Value?, _ words: @autoclosure () -> String) throws(BrokenProperty) -> Value {
    guard let value else { throw BrokenProperty(description: words()) }
    return value
}

/// Choices that follow from the input alone: the same bytes are always cut at the same places.
struct Choices: RandomNumberGenerator {
    private var state: UInt64

    init(_ input: [UInt8]) {
        // FNV-1a.
        state = input.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }

    /// Ways to cut the input in pieces: whole, byte by byte, and at random.
    mutating func cuts(of input: [UInt8]) -> [[ArraySlice<UInt8>]] {
        var random: [ArraySlice<UInt8>] = []
        var at = 0
        while at < input.count {
            let end = min(input.count, at + 1 + below(below(64) + 1))
            random.append(input[at..<end])
            at = end
        }
        return [[input[...]], input.indices.map { input[$0...$0] }, random]
    }
}

/// The texts of an input, one a line.
func lines(of input: [UInt8]) -> [String] {
    input.split(separator: 0x0A, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
}

/// Texts that Unicode calls equivalent are equal in Swift; on the wire and on disk their bytes count.
func sameBytes(_ left: String?, _ right: String?) -> Bool {
    switch (left, right) {
    case (nil, nil): true
    case (let left?, let right?): left.utf8.elementsEqual(right.utf8)
    default: false
    }
}

/// Whether the text can be a header's name: the front door lets no other through.
func isToken(_ text: some StringProtocol) -> Bool {
    !text.isEmpty
        && text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"):
                true
            default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
            }
        }
}

/// Whether the text can be a header's value.
func isFieldText(_ text: some StringProtocol) -> Bool {
    text.utf8.allSatisfy { ($0 >= 0x20 && $0 != 0x7F) || $0 == 0x09 }
}

/// `name: value`, as the front door lets it through.
func header(_ line: String) -> (name: String, value: String)? {
    guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) else { return nil }
    let name = line[..<colon]
    var value = line[line.utf8.index(after: colon)...].utf8
    while let first = value.first, first == 0x20 || first == 0x09 { value.removeFirst() }
    while let last = value.last, last == 0x20 || last == 0x09 { value.removeLast() }
    guard isToken(name), isFieldText(Substring(value)) else { return nil }
    return (String(name), String(Substring(value)))
}
