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
        /// For connecting to one address.
        package var connectSeconds: Int64 = 3
        /// Without a byte from an address for so long, the next one is tried.
        package var silenceSeconds: Int64 = 5
        /// For the whole fetch, from the name to the last byte, however many addresses there are: requests wait for it.
        package var fetchSeconds: Int64 = 10

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
        let deadline = NIODeadline.now() + .seconds(options.fetchSeconds)
        let target = try WebAddress(url)
        let addresses = try await Self.resolve(target.host, by: deadline)
        try target.check(addresses, allowsPlainLoopback: options.allowsPlainLoopback)
        return try await fetch(target, at: HostAddresses.alternating(addresses), limit: limit, by: deadline)
    }

    /// One address after the other, for as long as there is time.
    func fetch(
        _ target: WebAddress, at addresses: [IPAddress], limit: Int, by deadline: NIODeadline
    ) async throws(StorageFailure) -> [UInt8] {
        var last = StorageFailure(.unavailable, cause: "\(target.url): no address in time")
        for address in addresses.prefix(Self.maximumAddresses) where NIODeadline.now() < deadline {
            do { return try await fetch(target, at: address, limit: limit, by: deadline) } catch {
                last = StorageFailure(.unavailable, cause: "\(target.url) at \(address.text): \(error)")
            }
        }
        throw last
    }

    private func fetch(
        _ target: WebAddress, at address: IPAddress, limit: Int, by deadline: NIODeadline
    ) async throws -> [UInt8] {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls, redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(options.connectSeconds), read: .seconds(options.silenceSeconds)),
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
                deadline: deadline)
            outcome = .success(try await task.futureResult.get())
        } catch { outcome = .failure(error) }
        try await client.shutdown().get()
        let response = try outcome.get()
        guard response.status == .ok else { throw WebProblem("status \(response.status.code)") }
        return response.body.map { Array($0.readableBytesView) } ?? []
    }

    /// Blocks a thread that may block; when the resolver takes too long, it is left behind.
    static func resolve(
        _ host: String, by deadline: NIODeadline,
        with lookUp: @escaping @Sendable (String) throws -> [IPAddress] = HostAddresses.resolve
    ) async throws(StorageFailure) -> [IPAddress] {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let promise = loop.makePromise(of: [IPAddress].self)
        let alarm = loop.scheduleTask(deadline: deadline) { promise.fail(WebProblem("no address in time")) }
        NIOThreadPool.singleton.runIfActive(eventLoop: loop) { try lookUp(host) }.whenComplete { outcome in
            alarm.cancel()
            promise.completeWith(outcome)
        }
        do { return try await promise.futureResult.get() } catch {
            throw StorageFailure(.unavailable, cause: "\(host): \(error)")
        }
    }
}

/// Why there is no document, for the log.
struct WebProblem: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
