import NIOSSL

#if canImport(Glibc)
    import Glibc
#endif

/// Where a certificate chain and its private key are: PEM files, the leaf certificate first.
package struct CertificateFiles: Sendable, Hashable {
    package var certificate: String
    /// May be the same file.
    package var key: String

    package init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// Files of TLS that cannot be used: which, and why. Never holds anything out of a key.
package struct CertificateProblem: Error, CustomStringConvertible, Sendable {
    package var path: String
    package var reason: String
    package var description: String { "\(path): \(reason)" }
}

/// A chain with its key, read and parsed.
struct LoadedCertificate: Sendable {
    let chain: [NIOSSLCertificate]
    let key: NIOSSLPrivateKey
    /// DNS names of the leaf.
    let names: [String]
    /// Unix seconds at which the first of the chain ends.
    let expiresAt: Int64

    /// - Throws: when a file cannot be read or holds something else. Whether key and certificate belong together is
    ///   found out by the context that gets both.
    init(_ files: CertificateFiles) throws(CertificateProblem) {
        let chain = try Self.certificates(files.certificate)
        let key: NIOSSLPrivateKey
        do { key = try NIOSSLPrivateKey(file: files.key, format: .pem) } catch {
            throw CertificateProblem(path: files.key, reason: "not a private key in PEM without a password")
        }
        self.chain = chain
        self.key = key
        names = chain[0]._subjectAlternativeNames().filter { $0.nameType == .dnsName }.map {
            String(decoding: $0.contents, as: UTF8.self)
        }
        expiresAt = chain.map { Int64($0.notValidAfter) }.min() ?? 0
    }

    /// At least one.
    static func certificates(_ path: String) throws(CertificateProblem) -> [NIOSSLCertificate] {
        let certificates: [NIOSSLCertificate]
        do { certificates = try NIOSSLCertificate.fromPEMFile(path) } catch {
            throw CertificateProblem(path: path, reason: "no certificates in PEM: \(error)")
        }
        guard !certificates.isEmpty else { throw CertificateProblem(path: path, reason: "no certificates in PEM") }
        return certificates
    }
}

/// What tells one state of a file from another without reading it.
struct FileStamp: Equatable, Sendable {
    private var inode: UInt64
    private var size: Int64
    private var seconds: Int64
    private var nanoseconds: Int64

    /// `nil` for a file that is not there.
    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        seconds = Int64(status.st_mtim.tv_sec)
        nanoseconds = Int64(status.st_mtim.tv_nsec)
    }
}
