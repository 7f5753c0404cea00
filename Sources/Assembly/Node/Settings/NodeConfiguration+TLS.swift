package import FrontDoor
package import StorageModel

/// What comes before HTTP on the node's listeners: TLS and the PROXY protocol.
package struct NetworkSettings: Sendable {
    /// Where TLS is spoken beside plain HTTP; without it and with certificates, `listen` speaks TLS alone.
    package var tlsListen: NodeConfiguration.Endpoint?
    /// Certificates of the blob listeners; empty without TLS. The first is the default.
    package var certificates: [CertificateFiles]
    /// Holds for the admin listener too.
    package var minimumVersion: TLSVersion
    /// Who sends PROXY headers to the blob listeners; `nil` when nobody does.
    package var proxySources: [IPRange]?
    package var adminCertificate: CertificateFiles?
    /// Authorities of the certificates that clients of the admin listener must show.
    package var adminClientAuthorities: String?

    private enum Minimum: String, CaseIterable {
        case tls12 = "1.2"
        case tls13 = "1.3"
    }

    /// - Parameter listens: whether there is a `listen` address.
    /// - Throws: `SettingError` for settings that do not fit together; files are not read here.
    init(_ values: SettingValues, listens: Bool) throws {
        certificates = try Self.pairs(values, .tlsCertificate, .tlsKey)
        tlsListen = try values.text(.tlsListen).map { try NodeConfiguration.endpoint($0, .tlsListen) }
        guard tlsListen == nil || !certificates.isEmpty else {
            throw SettingError("tls-listen needs a tls-certificate")
        }
        guard listens || tlsListen != nil else { throw SettingError("with listen none there must be a tls-listen") }
        minimumVersion = try values.choice(.tlsMinimum, Minimum.self) == .tls13 ? .tls13 : .tls12
        let ranges = try values.texts(.proxyProtocolFrom).map { text in
            guard let range = IPRange(cidr: text) else {
                throw SettingError("proxy-protocol-from is ADDRESS or ADDRESS/BITS, not \"\(text)\"")
            }
            return range
        }
        proxySources = ranges.isEmpty ? nil : ranges
        let admin = try Self.pairs(values, .adminTLSCertificate, .adminTLSKey)
        adminCertificate = admin.first
        adminClientAuthorities = values.text(.adminClientCA)
        guard adminClientAuthorities == nil || adminCertificate != nil else {
            throw SettingError("admin-client-ca needs an admin-tls-certificate: client certificates are shown over TLS")
        }
    }

    /// Certificates and keys in the order in which they are given; without keys, each key is in its certificate's file.
    private static func pairs(
        _ values: SettingValues, _ certificate: Setting, _ key: Setting
    ) throws -> [CertificateFiles] {
        let certificates = values.texts(certificate)
        let keys = values.texts(key)
        guard keys.isEmpty || keys.count == certificates.count else {
            throw SettingError(
                "there are \(certificates.count) of \(certificate.rawValue) and \(keys.count) of \(key.rawValue): "
                    + "give one key for each, in the same order, or none when the keys are in the certificates' files")
        }
        return zip(certificates, keys.isEmpty ? certificates : keys).map {
            CertificateFiles(certificate: $0, key: $1)
        }
    }
}
