import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import StorageModel

/// One GET to a node's admin endpoint, for the command line.
package enum AdminClient {
    package struct Answer: Sendable {
        package var status: Int
        package var body: String
    }

    /// Bounds an answer: metrics are the longest there is.
    private static let maximumBody = 4 << 20

    /// With what an admin endpoint that speaks TLS is trusted, and how it trusts us: PEM files.
    package struct TLS: Sendable {
        /// The authorities of the node's certificate.
        package var authorities: String
        /// For a node that demands client certificates.
        package var certificate: (chain: String, key: String)?

        package init(authorities: String, certificate: (chain: String, key: String)? = nil) {
            self.authorities = authorities
            self.certificate = certificate
        }

        fileprivate func handler(_ host: String) throws -> NIOSSLClientHandler {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.minimumTLSVersion = .tlsv12
            tls.trustRoots = .file(authorities)
            if let certificate {
                tls.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate.chain).map { .certificate($0) }
                tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: certificate.key, format: .pem))
            }
            let context = try NIOSSLContext(configuration: tls)
            // An address is compared with the certificate's addresses; a server is only ever asked for by name (RFC 6066).
            let isAddress = IPAddress(host) != nil
            return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
        }
    }

    package static func get(_ path: String, from address: String, tls: TLS? = nil) async throws -> Answer {
        let endpoint = try NodeConfiguration.endpoint(address, .admin)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(5))
            .connect(host: endpoint.host, port: endpoint.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(tls.handler(endpoint.host)) }
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
