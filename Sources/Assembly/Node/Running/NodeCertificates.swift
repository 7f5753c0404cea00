import FrontDoor
import Logging
import NIOPosix
import Observability
import StorageModel

/// The certificates of a node's listeners: read at the start, when their files change and when somebody asks for it.
final class NodeCertificates: Sendable {
    let blob: ServerTLS?
    let admin: ServerTLS?
    private let world: World
    private let reloads: [Bool: Counter]

    /// How long a change of the files may go unnoticed.
    private static let interval = Duration.seconds(30)

    /// Reads the files: blocks.
    /// - Throws: `CertificateProblem` for files that cannot be used.
    init(_ settings: NetworkSettings, world: World, metrics: MetricRegistry, logger: Logger) throws {
        self.world = world
        if settings.certificates.isEmpty {
            blob = nil
        } else {
            blob = try ServerTLS(
                ServerTLS.Configuration(certificates: settings.certificates, minimumVersion: settings.minimumVersion),
                logger: logger)
        }
        if let certificate = settings.adminCertificate {
            admin = try ServerTLS(
                ServerTLS.Configuration(
                    certificates: [certificate], minimumVersion: settings.minimumVersion,
                    clientAuthorities: settings.adminClientAuthorities), logger: logger)
        } else {
            admin = nil
        }
        reloads = [
            true: metrics.counter(.certificateReloads, [MetricLabel("result", "used")]),
            false: metrics.counter(.certificateReloads, [MetricLabel("result", "refused")]),
        ]
        for (listener, tls) in [("blob", blob), ("admin", admin)] {
            guard let tls else { continue }
            metrics.gauge(.certificateExpiry, [MetricLabel("listener", listener)]) { Double(tls.expiresAt) }
        }
    }

    private var all: [ServerTLS] { [blob, admin].compactMap { $0 } }

    /// Reads all files again.
    func reload() async { await each { $0.reload() } }

    /// Looks at the files until it is cancelled.
    func watch() async {
        guard !all.isEmpty else { return }
        while !Task.isCancelled {
            // Cancelled: the loop's condition ends it.
            do { try await world.sleep(Self.interval) } catch { continue }
            await each { $0.reloadIfChanged() }
        }
    }

    /// On a thread that may wait for the disk.
    private func each(_ read: @escaping @Sendable (ServerTLS) -> Bool?) async {
        let results: [Bool]
        do {
            results = try await NIOThreadPool.singleton.runIfActive { [all] in all.compactMap(read) }
        } catch {
            // The process ends, and its threads with it.
            return
        }
        for result in results { reloads[result]?.add() }
    }
}
