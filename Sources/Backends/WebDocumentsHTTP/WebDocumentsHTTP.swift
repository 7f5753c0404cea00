import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
package import StorageModel
import WebDocuments

/// Documents over HTTPS. Follows no redirect, asks no proxy, and connects to the addresses that it has looked at.
///
/// A client for each fetch: fetches are minutes apart, and the addresses are tied to the one fetch that they were
/// checked for.
package final class WebDocumentsHTTP: WebDocuments {
    package struct Options: Sendable {
        /// PEM file with certificate authorities, in place of the system's own ones.
        package var certificateAuthorities: String?
        /// `http://` to this machine itself, for development.
        package var allowsPlainLoopback = false
        /// For connecting, and then for the whole answer.
        package var connectSeconds: Int64 = 3
        package var answerSeconds: Int64 = 8

        package init() {}
    }

    /// Of a host with more addresses than that, the others are not tried.
    private static let maximumAddresses = 3

    private let options: Options
    private let tls: TLSConfiguration

    /// - Throws: `.invalidInput` for a file without certificates.
    package init(_ options: Options = Options()) throws(StorageFailure) {
        self.options = options
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let path = options.certificateAuthorities {
            let certificates: [NIOSSLCertificate]
            do { certificates = try NIOSSLCertificate.fromPEMFile(path) } catch {
                throw StorageFailure(.invalidInput, cause: "no certificates can be read from \(path): \(error)")
            }
            guard !certificates.isEmpty else {
                throw StorageFailure(.invalidInput, cause: "there is no certificate in \(path)")
            }
            tls.trustRoots = .certificates(certificates)
        }
        self.tls = tls
    }

    package func fetch(_ url: String, limit: Int) async throws(StorageFailure) -> [UInt8] {
        let target = try WebAddress(url)
        let addresses = try await Self.resolve(target.host)
        try target.check(addresses, allowsPlainLoopback: options.allowsPlainLoopback)
        var last = StorageFailure(.unavailable, cause: "\(url): no address")
        for address in HostAddresses.alternating(addresses).prefix(Self.maximumAddresses) {
            do { return try await fetch(target, at: address, limit: limit) } catch {
                last = StorageFailure(.unavailable, cause: "\(url) at \(address.text): \(error)")
            }
        }
        throw last
    }

    private func fetch(_ target: WebAddress, at address: IPAddress, limit: Int) async throws -> [UInt8] {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls, redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(options.connectSeconds), read: .seconds(options.answerSeconds)),
            proxy: nil, decompression: .disabled)
        configuration.httpVersion = .http1Only
        // The next address is a better second try than the same one.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.dnsOverride = [target.host: address.text]
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let outcome: Result<HTTPClient.Response, any Error>
        do {
            let request = try HTTPClient.Request(url: target.url, headers: ["Accept": "application/json"])
            // The futures of this interface know nothing of the task's cancellation, as the seam asks.
            let task = client.execute(
                request: request, delegate: ResponseAccumulator(request: request, maxBodySize: limit),
                deadline: .now() + .seconds(options.connectSeconds + options.answerSeconds))
            outcome = .success(try await task.futureResult.get())
        } catch { outcome = .failure(error) }
        try await client.shutdown().get()
        let response = try outcome.get()
        guard response.status == .ok else { throw WebProblem("status \(response.status.code)") }
        return response.body.map { Array($0.readableBytesView) } ?? []
    }

    /// Blocks a thread that may block.
    private static func resolve(_ host: String) async throws(StorageFailure) -> [IPAddress] {
        do {
            let loop = MultiThreadedEventLoopGroup.singleton.any()
            return try await NIOThreadPool.singleton.runIfActive(eventLoop: loop) {
                try HostAddresses.resolve(host)
            }.get()
        } catch { throw StorageFailure(.unavailable, cause: "\(host): \(error)") }
    }
}

/// Why there is no document, for the log.
struct WebProblem: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
