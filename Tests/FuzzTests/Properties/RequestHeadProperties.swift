import AzureWire
import HTTPExchange
import NIOCore
import NIOHTTP1

@testable import FrontDoor

/// However a head arrives in pieces, it reads the same; what is accepted holds nothing that another reader could take
/// for a second request, and reads the same when it is written again.
enum RequestHeadProperties {
    /// Small enough that short inputs reach every limit.
    private static let tight: FrontDoorLimits = {
        var limits = FrontDoorLimits()
        limits.requestLineBytes = 48
        limits.headerLineBytes = 40
        limits.headBytes = 160
        limits.headerFields = 5
        return limits
    }()

    static func check(_ input: [UInt8]) throws {
        var choices = Choices(input)
        let cuts = choices.cuts(of: input)
        for limits in [FrontDoorLimits(), tight] {
            let whole = read(cuts[0], limits)
            for pieces in cuts.dropFirst() {
                let cut = read(pieces, limits)
                try hold(cut.isSame(as: whole), "\(cut) in \(pieces.count) pieces, \(whole) as a whole")
            }
            guard case .head(let parsed, let rest) = whole else { continue }
            try hold(parsed.byteCount + rest <= input.count, "a head longer than its input")
            try hold(parsed.byteCount <= limits.headBytes + 4, "a head of \(parsed.byteCount) bytes passed")
            try hold(parsed.head.headers.count <= limits.headerFields + 1, "too many headers passed")
            try isSound(parsed)
        }
    }

    private enum Reading: CustomStringConvertible {
        case incomplete
        case refused(HTTPRefusal)
        case head(ParsedHead, rest: Int)

        /// Two refusals are alike whatever their reasons: the first bytes may already rule out what the rest would.
        func isSame(as other: Reading) -> Bool {
            switch (self, other) {
            case (.incomplete, .incomplete), (.refused, .refused): true
            case (.head(let left, let leftRest), .head(let right, let rightRest)):
                RequestHeadProperties.isSame(left, right) && leftRest == rightRest
            default: false
            }
        }

        var description: String {
            switch self {
            case .incomplete: "incomplete"
            case .refused(let refusal): "refused: \(refusal)"
            case .head(let parsed, let rest): "\(parsed), \(rest) bytes left"
            }
        }
    }

    /// Feeds the pieces until the parser has decided; what had not come by then counts as left over.
    private static func read(_ pieces: [ArraySlice<UInt8>], _ limits: FrontDoorLimits) -> Reading {
        var parser = RequestHeadParser(limits: limits)
        var buffer = ByteBuffer()
        for (index, piece) in pieces.enumerated() {
            buffer.writeBytes(piece)
            switch parser.parse(&buffer) {
            case .incomplete: continue
            case .refused(let refusal): return .refused(refusal)
            case .head(let parsed):
                let later = pieces[(index + 1)...].reduce(0) { $0 + $1.count }
                return .head(parsed, rest: buffer.readableBytes + later)
            }
        }
        return .incomplete
    }

    static func isSame(_ left: ParsedHead, _ right: ParsedHead) -> Bool {
        left.head.method == right.head.method && sameBytes(left.head.uri, right.head.uri)
            && left.head.version == right.head.version && left.framing == right.framing
            && left.expectsContinue == right.expectsContinue && left.keepsAlive == right.keepsAlive
            && left.head.headers.elementsEqual(right.head.headers) {
                sameBytes($0.name, $1.name) && sameBytes($0.value, $1.value)
            }
    }

    /// Nothing in it could begin a line of its own, and written out it is the same request.
    private static func isSound(_ parsed: ParsedHead) throws {
        let head = parsed.head
        let target = try must(RequestTarget(head.uri), "the target \(head.uri) cannot be taken apart")
        try hold(target.rawPath.utf8.first == UInt8(ascii: "/"), "the path \(target.rawPath) is not one")
        try hold(head.headers["Host"].count <= 1, "two hosts passed")
        for field in head.headers {
            try hold(isToken(field.name), "the name \(field.name) passed")
            try hold(isFieldText(field.value), "a control character in \(field.name) passed")
        }
        if case .length(let length) = parsed.framing { try hold(length >= 0, "a negative length") }
        var text = "\(head.method.rawValue) \(head.uri) HTTP/1.\(head.version.minor)\r\n"
        for field in head.headers { text += "\(field.name): \(field.value)\r\n" }
        var generous = FrontDoorLimits()
        generous.headerFields += 1
        generous.headerLineBytes *= 4
        generous.headBytes *= 4
        guard case .head(let again, 0) = read([Array((text + "\r\n").utf8)[...]], generous) else {
            throw BrokenProperty(description: "\(text) is not read again")
        }
        try hold(isSame(parsed, again), "\(again) instead of \(parsed)")
    }
}
