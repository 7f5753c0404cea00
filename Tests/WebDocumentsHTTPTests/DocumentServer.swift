import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import StorageModel

/// A web server on a port of its own that has documents, a redirect and a page that never comes.
final class DocumentServer: Sendable {
    private let channel: any Channel
    private let pages: Pages

    private init(channel: any Channel, pages: Pages) {
        self.channel = channel
        self.pages = pages
    }

    static func start(tls: NIOSSLContext? = nil) async throws -> DocumentServer {
        let pages = Pages()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(PageHandler(pages: pages))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return DocumentServer(channel: channel, pages: pages)
    }

    var port: Int { channel.localAddress?.port ?? 0 }
    var asked: [String] { pages.asked }
    func publish(_ document: [UInt8], at path: String) { pages.publish(document, at: path) }
    func stop() async throws { try await channel.close().get() }
}

private final class Pages: Sendable {
    private struct State {
        var documents: [String: [UInt8]] = [:]
        var asked: [String] = []
    }
    private let state = Locked(State())

    var asked: [String] { state.withLock { $0.asked } }
    func publish(_ document: [UInt8], at path: String) { state.withLock { $0.documents[path] = document } }
    func ask(_ path: String) -> [UInt8]? {
        state.withLock { state in
            state.asked.append(path)
            return state.documents[path]
        }
    }
}

private final class PageHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    private let pages: Pages
    init(pages: Pages) { self.pages = pages }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let request) = unwrapInboundIn(data) else { return }
        let document = pages.ask(request.uri)
        switch request.uri {
        case "/never": return
        case "/redirect":
            answer(context, .found, ["Location": "/one"], [])
        default: answer(context, document == nil ? .notFound : .ok, [:], document ?? [])
        }
    }

    private func answer(
        _ context: ChannelHandlerContext, _ status: HTTPResponseStatus, _ headers: HTTPHeaders, _ body: [UInt8]
    ) {
        var headers = headers
        headers.add(name: "Content-Length", value: "\(body.count)")
        context.write(wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}
