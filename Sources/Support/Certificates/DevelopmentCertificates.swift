package import StorageModel

/// A private authority and a server certificate signed by it, for tests and for private networks: what `forebay cert dev`
/// makes.
package struct DevelopmentCertificates: Sendable {
    /// PEM. What clients are to trust.
    package var authority: String
    package var authorityKey: String
    /// PEM. The server's own certificate, which the authority has signed.
    package var certificate: String
    package var key: String
    /// Whether the authority was there before.
    package var hasKeptAuthority: Bool

    package static let defaultNames = [
        "localhost", "127.0.0.1", "::1", "*.blob.localhost", "*.blob.core.windows.net",
    ]
    package static let authorityDays = 3650

    /// Makes `server.pem` and `server.key` in a directory, and `ca.pem` and `ca.key` unless they are there and valid: then
    /// clients that trust the authority go on doing so. Keys are readable for their owner alone. Each file is replaced as
    /// a whole; a crash in between leaves a pair that does not match, which a server refuses and the next call mends.
    /// - Parameters:
    ///   - names: DNS names, with `*.` in front for one label, and IP addresses; at least one.
    ///   - days: how long the server's certificate is valid, at most as long as the authority is.
    /// - Throws: `CertificateFailure` for names that are none, for files that cannot be written, and for an authority that
    ///   is there and cannot be read.
    package static func make(
        in directory: String, names: [String], days: Int, world: World
    ) throws(CertificateFailure) -> DevelopmentCertificates {
        guard !names.isEmpty else { throw CertificateFailure("a certificate needs a name") }
        guard days > 0 else { throw CertificateFailure("a certificate is valid for at least one day") }
        let subjects = try names.map(CertificateName.init(validating:))
        let folder = try CertificateFolder(directory)
        let now = world.now()
        let found = try existingAuthority(folder, now)
        let authority: Authority
        if let found {
            authority = found
        } else {
            authority = try Authority.make(days: authorityDays, now: now, world: world)
        }
        let leaf = try authority.issue(to: subjects, days: days, now: now, world: world)
        if found == nil {
            try folder.write(authority.keyPEM(), to: "ca.key", isSecret: true)
            try folder.write(authority.certificatePEM(), to: "ca.pem", isSecret: false)
        }
        try folder.write(leaf.key, to: "server.key", isSecret: true)
        try folder.write(leaf.certificate, to: "server.pem", isSecret: false)
        return DevelopmentCertificates(
            authority: folder.path("ca.pem"), authorityKey: folder.path("ca.key"),
            certificate: folder.path("server.pem"), key: folder.path("server.key"), hasKeptAuthority: found != nil)
    }

    /// `nil` when there is none, or none that is valid any more.
    private static func existingAuthority(
        _ folder: CertificateFolder, _ now: Timestamp
    ) throws(CertificateFailure) -> Authority? {
        guard let certificate = try folder.read("ca.pem") else { return nil }
        guard let key = try folder.read("ca.key") else {
            throw CertificateFailure("\(folder.path("ca.pem")) is there and its key ca.key is not: move it away")
        }
        let authority = try Authority(certificatePEM: certificate, keyPEM: key)
        return authority.isValid(at: now) ? authority : nil
    }
}
