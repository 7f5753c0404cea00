import NIOCore
import NIOHTTP1
import NIOPosix

/// One GET to a node's admin endpoint, for the command line.
package enum AdminClient {
    package struct Answer: Sendable {
        package var status: Int
        package var body: String
    }

    /// Bounds an answer: metrics are the longest there is.
    private static let maximumBody = 4 << 20

    package static func get(_ path: String, from address: String) async throws -> Answer {
        let endpoint = try NodeConfiguration.endpoint(address, .admin)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(5))
            .connect(host: endpoint.host, port: endpoint.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                        wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            let headers: HTTPHeaders = ["host": address, "connection": "close"]
            try await outbound.write(
                .head(HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: headers)))
            try await outbound.write(.end(nil))
            var answer = Answer(status: 0, body: "")
            for try await part in inbound {
                switch part {
                case .head(let head): answer.status = Int(head.status.code)
                case .body(let bytes):
                    guard answer.body.utf8.count + bytes.readableBytes <= maximumBody else {
                        throw SettingError("the answer is too long")
                    }
                    answer.body += String(buffer: bytes)
                case .end: return answer
                }
            }
            return answer
        }
    }
}
