import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import StorageModel

/// Requests to a node's admin endpoint, for the command line: one connection each.
package struct AdminClient: Sendable {
    package struct Answer: Sendable {
        package var status: Int
        package var body: String
        package var isSuccess: Bool { (200..<300).contains(status) }
    }

    package enum Method: String, Sendable { case get, post, patch, delete }

    /// Bounds an answer: metrics and long lists of roles are the longest there are.
    private static let maximumBody = 4 << 20

    /// With what an admin endpoint that speaks TLS is trusted, and how it trusts us: PEM files.
    package struct TLS: Sendable {
        /// The authorities of the node's certificate.
        package var authorities: String
        /// For a node that demands client certificates.
        package var certificate: (chain: String, key: String)?

        /// From the command's options; `nil` without any.
        /// - Parameter certificate: a file with the certificate and its key.
        /// - Throws: for a certificate that no TLS is there for.
        package init?(authorities: String?, certificate: String?) throws(SettingError) {
            guard let authorities else {
                guard certificate == nil else {
                    throw SettingError(
                        "--admin-certificate is shown over TLS alone: give the node's authorities with --admin-ca")
                }
                return nil
            }
            self.authorities = authorities
            self.certificate = certificate.map { ($0, $0) }
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

    private let endpoint: NodeConfiguration.Endpoint
    private let token: String?
    private let tls: TLS?

    /// - Parameters:
    ///   - address: `HOST:PORT`
    ///   - token: needed for everything but the health pages, unless a client certificate is shown.
    ///   - tls: `nil` for an endpoint without TLS.
    ///   - allowsPlain: sends the token without TLS to other machines, too.
    /// - Throws: for a token that others could read on its way.
    package init(
        address: String, token: String?, tls: TLS? = nil, allowsPlain: Bool = false
    ) throws(SettingError) {
        endpoint = try NodeConfiguration.endpoint(address, .admin)
        guard token == nil || tls != nil || endpoint.isLoopback || allowsPlain else {
            throw SettingError(
                """
                the admin token is not sent to \(endpoint) without TLS: give --admin-ca FILE, or --admin-plain where the \
                network is private
                """)
        }
        self.token = token
        self.tls = tls
    }

    package func get(_ path: String) async throws -> Answer { try await send(.get, path) }

    /// - Parameter body: a JSON document.
    package func send(_ method: Method, _ path: String, body: [UInt8]? = nil) async throws -> Answer {
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
        let head = head(method, path, body: body)
        return try await channel.executeThenClose { inbound, outbound in
            // All at once: the node may answer a request without a body, and close, as soon as it has the head.
            var parts: [HTTPClientRequestPart] = [.head(head)]
            if let body { parts.append(.body(.byteBuffer(ByteBuffer(bytes: body)))) }
            parts.append(.end(nil))
            try await outbound.write(contentsOf: parts)
            var answer = Answer(status: 0, body: "")
            for try await part in inbound {
                switch part {
                case .head(let head): answer.status = Int(head.status.code)
                case .body(let bytes):
                    guard answer.body.utf8.count + bytes.readableBytes <= Self.maximumBody else {
                        throw SettingError("the answer is too long")
                    }
                    answer.body += String(buffer: bytes)
                case .end: return answer
                }
            }
            return answer
        }
    }

    private func head(_ method: Method, _ path: String, body: [UInt8]?) -> HTTPRequestHead {
        var headers: HTTPHeaders = ["Host": endpoint.description, "Connection": "close"]
        if let token { headers.add(name: "Authorization", value: "Bearer \(token)") }
        if let body {
            headers.add(name: "Content-Type", value: "application/json")
            headers.add(name: "Content-Length", value: String(body.count))
        } else if method == .post || method == .patch {
            headers.add(name: "Content-Length", value: "0")
        }
        return HTTPRequestHead(
            version: .http1_1, method: HTTPMethod(rawValue: method.rawValue.uppercased()), uri: path, headers: headers)
    }
}
