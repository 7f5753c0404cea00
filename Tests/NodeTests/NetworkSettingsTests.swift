import FrontDoor
import StorageModel
import Testing

@testable import Node

@Suite struct NetworkSettingsTests {
    private func configuration(_ flags: [Setting: [String]], _ environment: [String: String] = [:]) throws
        -> NodeConfiguration
    {
        var flags = flags
        flags[.data] = ["d"]
        flags[.dev] = ["true"]
        return try NodeConfiguration(SettingValues(flags: flags, environment: environment, file: nil))
    }

    private func message(_ flags: [Setting: [String]]) -> String {
        do {
            _ = try configuration(flags)
            return "no error"
        } catch { return "\(error)" }
    }

    @Test func nothingByDefault() throws {
        let network = try configuration([:]).network
        #expect(network.certificates.isEmpty && network.tlsListen == nil && network.proxySources == nil)
        #expect(network.adminCertificate == nil && network.adminClientAuthorities == nil)
        #expect(network.minimumVersion == .tls12)
    }

    @Test func certificatesAndKeys() throws {
        let pairs = try configuration([.tlsCertificate: ["a", "b"], .tlsKey: ["c", "d"], .tlsMinimum: ["1.3"]]).network
        #expect(
            pairs.certificates == [
                CertificateFiles(certificate: "a", key: "c"), CertificateFiles(certificate: "b", key: "d"),
            ])
        #expect(pairs.minimumVersion == .tls13)
        let together = try configuration([:], ["FOREBAY_TLS_CERTIFICATE": "a,b"]).network
        #expect(
            together.certificates == [
                CertificateFiles(certificate: "a", key: "a"), CertificateFiles(certificate: "b", key: "b"),
            ])
        let admin = try configuration([
            .adminTLSCertificate: ["a"], .adminTLSKey: ["b"], .adminClientCA: ["c"],
        ]).network
        #expect(admin.adminCertificate == CertificateFiles(certificate: "a", key: "b"))
        #expect(admin.adminClientAuthorities == "c")
        #expect(admin.certificates.isEmpty)
    }

    @Test func addresses() throws {
        let both = try configuration([.tlsCertificate: ["a"], .tlsListen: ["127.0.0.1:443"]])
        #expect(both.listen?.port == 10_000)
        #expect(both.network.tlsListen?.port == 443)
        let alone = try configuration([.tlsCertificate: ["a"], .tlsListen: ["127.0.0.1:443"], .listen: ["none"]])
        #expect(alone.listen == nil)
    }

    @Test(
        arguments: [
            ("127.0.0.1:1", true), ("127.9.9.9:1", true), ("[::1]:1", true), ("localhost:1", true),
            ("LocalHost:1", true), ("0.0.0.0:1", false), ("[::]:1", false), ("10.0.0.1:1", false),
            ("127.example.net:1", false), ("127.0.0.1.example.net:1", false), ("localhost.example.net:1", false),
            ("node:1", false),
        ])
    func plainAdmin(address: String, isLoopback: Bool) throws {
        let told = message([.admin: [address]])
        #expect(told.contains("admin-plain") == !isLoopback, "\(told)")
        #expect(try configuration([.admin: [address], .adminPlain: ["true"]]).admin.isLoopback == isLoopback)
        let tls = try configuration([.admin: [address], .adminTLSCertificate: ["a"]])
        #expect(tls.network.adminCertificate != nil)
    }

    @Test func clientsKeepTheTokenToThemselves() throws {
        func told(_ address: String, token: String? = "t", tls: AdminClient.TLS? = nil, plain: Bool = false) -> String {
            do {
                _ = try AdminClient(address: address, token: token, tls: tls, allowsPlain: plain)
                return "no error"
            } catch { return error.description }
        }
        let tls = try #require(try AdminClient.TLS(authorities: "ca", certificate: nil))
        #expect(told("10.0.0.1:1").contains("--admin-plain"))
        #expect(told("node.example.net:1").contains("--admin-plain"))
        for address in ["127.0.0.1:1", "localhost:1", "[::1]:1"] { #expect(told(address) == "no error") }
        #expect(told("10.0.0.1:1", tls: tls) == "no error")
        #expect(told("10.0.0.1:1", plain: true) == "no error")
        #expect(told("10.0.0.1:1", token: nil) == "no error")
        // A certificate without authorities would go nowhere, in plain text.
        let refusal = #expect(throws: SettingError.self) {
            try AdminClient.TLS(authorities: nil, certificate: "certificate")
        }
        #expect(refusal?.description.contains("--admin-ca") == true)
        #expect(try AdminClient.TLS(authorities: nil, certificate: nil) == nil)
        #expect(try AdminClient.TLS(authorities: "ca", certificate: "both")?.certificate?.key == "both")
    }

    @Test func proxies() throws {
        let sources = try #require(
            try configuration([.proxyProtocolFrom: ["10.1.0.0/16", "fd00::/8"]]).network.proxySources)
        let rows = [("10.1.255.1", true), ("10.2.0.1", false), ("fd12::1", true), ("fe00::1", false)]
        for (text, isIn) in rows {
            let address = try #require(IPAddress(text))
            #expect(sources.contains { $0.contains(address) } == isIn, "\(text)")
        }
    }

    @Test(
        arguments: [
            ([.tlsListen: ["127.0.0.1:1"]], "needs a tls-certificate"),
            ([.listen: ["none"]], "must be a tls-listen"),
            ([.listen: ["none"], .tlsCertificate: ["a"]], "must be a tls-listen"),
            ([.tlsCertificate: ["a", "b"], .tlsKey: ["c"]], "2 of tls-certificate and 1 of tls-key"),
            ([.tlsKey: ["c"]], "0 of tls-certificate and 1 of tls-key"),
            ([.tlsMinimum: ["1.1"]], "1.2, 1.3"), ([.proxyProtocolFrom: ["10.0.0.0/33"]], "10.0.0.0/33"),
            ([.proxyProtocolFrom: ["balancer"]], "balancer"),
            ([.adminClientCA: ["a"]], "needs an admin-tls-certificate"),
            ([.tlsCertificate: ["a"], .tlsListen: ["0.0.0.0:443"]], "loopback"),
        ] as [([Setting: [String]], String)])
    func refused(flags: [Setting: [String]], words: String) {
        #expect(message(flags).contains(words))
    }
}
