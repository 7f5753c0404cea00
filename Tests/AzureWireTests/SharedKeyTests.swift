import AzureWire
import StorageModel
import Testing

/// The well-known key of Azure's storage emulator.
let developmentKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

@Suite struct SharedKeyTests {
    static let account = "devstoreaccount1"

    static func request(
        _ method: String, _ target: String, style: AddressingStyle, version: String = "2021-08-06",
        headers: [(name: String, value: String)]
    ) throws -> SharedKeyRequest {
        let target = try #require(RequestTarget(target))
        return SharedKeyRequest(
            method: method, rawPath: target.rawPath, account: account, style: style,
            query: try #require(QueryString(target.rawQuery)), headers: SignableHeaders(headers),
            version: try #require(ServiceVersion(version)))
    }

    static let upload: [(name: String, value: String)] = [
        ("Content-Length", "5"), ("Content-Type", "text/plain"), ("x-ms-version", "2021-08-06"),
        ("X-Ms-Date", "Fri, 01 Mar 2024 12:00:00 GMT"), ("x-ms-blob-type", "BlockBlob"), ("x-ms-meta-a", "1"),
        ("x-ms-client-request-id", "11111111-2222-3333-4444-555555555555"), ("Date", "ignored beside x-ms-date"),
        ("User-Agent", "not signed"),
    ]
    static let read: [(name: String, value: String)] = [
        ("x-ms-version", "2021-08-06"), ("x-ms-date", "Fri, 01 Mar 2024 12:00:00 GMT"),
    ]

    static func verify(_ request: SharedKeyRequest, _ signature: String, _ scheme: SharedKeyScheme = .full) throws
        -> SharedKey.Verdict
    {
        let other = try #require(AccountKey(base64: "AAAA"))
        let key = try #require(AccountKey(base64: developmentKey))
        return SharedKey.verify(request, scheme: scheme, signature: signature, keys: [other, key])
    }

    @Test func pathStyleVector() throws {
        let request = try Self.request(
            "PUT", "/devstoreaccount1/box/dir/a%20b.txt?timeout=30", style: .path, headers: Self.upload)
        #expect(
            request.stringToSign(.full) == """
                PUT


                5

                text/plain






                x-ms-blob-type:BlockBlob
                x-ms-client-request-id:11111111-2222-3333-4444-555555555555
                x-ms-date:Fri, 01 Mar 2024 12:00:00 GMT
                x-ms-meta-a:1
                x-ms-version:2021-08-06
                /devstoreaccount1/devstoreaccount1/box/dir/a%20b.txt
                timeout:30
                """)
        #expect(try Self.verify(request, "xbIIOZfkSXQz+gk3FFu8KeIJZ1LPLNA7AG2zo5CK0xw=") == .valid(key: 1))
    }

    @Test func hostStyleVectors() throws {
        let put = try Self.request("PUT", "/box/dir/a%20b.txt?timeout=30", style: .host, headers: Self.upload)
        #expect(try Self.verify(put, "841W+1pw34BeIZHnS2rAA3g5+LHZPqaJgiLn63KAnQU=") == .valid(key: 1))
        let list = try Self.request(
            "GET", "/box?restype=container&comp=list&include=metadata,tags&prefix=a%20b/", style: .host,
            headers: Self.read)
        #expect(try Self.verify(list, "up6tbK8fHfvYuL/ZGZh/RyN4nFe9nJzTnOOAV+OPGT4=") == .valid(key: 1))
        let withPlus = try Self.request(
            "GET", "/box?prefix=a+b%2F&restype=container&comp=list&include=metadata%2Ctags", style: .host,
            headers: Self.read)
        #expect(try Self.verify(withPlus, "up6tbK8fHfvYuL/ZGZh/RyN4nFe9nJzTnOOAV+OPGT4=") == .valid(key: 1))
    }

    @Test func liteVector() throws {
        let list = try Self.request("GET", "/box?restype=container&comp=list", style: .host, headers: Self.read)
        #expect(try Self.verify(list, "Js3r8ZvFAV0XaetK7AoR1uMwsm/nDqbEBsMWxv/TFXs=", .lite) == .valid(key: 1))
        #expect(
            list.stringToSign(.lite) == """
                GET



                x-ms-date:Fri, 01 Mar 2024 12:00:00 GMT
                x-ms-version:2021-08-06
                /devstoreaccount1/box?comp=list
                """)
    }

    @Test func refusalShowsWhatTheServerSigned() throws {
        let request = try Self.request("GET", "/box", style: .host, headers: Self.read)
        let expected = SharedKey.Verdict.invalid(stringToSign: request.stringToSign(.full))
        #expect(try Self.verify(request, "Js3r8ZvFAV0XaetK7AoR1uMwsm/nDqbEBsMWxv/TFXs=") == expected)
        #expect(try Self.verify(request, "not base64") == expected)
        #expect(try Self.verify(request, "") == expected)
    }

    /// Two names that Unicode calls equivalent stay two, in the order of their bytes.
    @Test func parametersAreComparedByTheirBytes() throws {
        for query in ["e%CC%81=1&%C3%A9=2&%C3%A9=0", "%C3%A9=0&%C3%A9=2&e%CC%81=1"] {
            let request = try Self.request("GET", "/box?\(query)", style: .host, headers: [])
            let lines = request.stringToSign(.full).utf8.split(separator: UInt8(ascii: "\n")).suffix(2)
            let expected = ["e\u{301}:1", "\u{e9}:0,2"]
            #expect(lines.elementsEqual(expected) { $0.elementsEqual($1.utf8) }, "\(request.stringToSign(.full))")
        }
    }

    @Test func lengthOfZero() throws {
        func line(_ version: String, _ length: String?) throws -> Substring {
            let headers = length.map { [(name: "content-length", value: $0)] } ?? []
            let request = try Self.request("PUT", "/a/b", style: .host, version: version, headers: headers)
            return request.stringToSign(.full).split(separator: "\n", omittingEmptySubsequences: false)[3]
        }
        #expect(try line("2015-02-21", "0") == "")
        #expect(try line("2014-02-14", "0") == "0")
        #expect(try line("2014-02-14", nil) == "")
        #expect(try line("2021-08-06", "10") == "10")
    }

    @Test func emptyHeadersCountSince2016() throws {
        let headers: [(name: String, value: String)] = [("x-ms-b", "  "), ("x-ms-a", " 1 ")]
        let new = try Self.request("GET", "/", style: .host, version: "2016-05-31", headers: headers)
        #expect(new.stringToSign(.full).hasSuffix("\nx-ms-a:1\nx-ms-b:\n/devstoreaccount1/"))
        let old = try Self.request("GET", "/", style: .host, version: "2015-12-11", headers: headers)
        #expect(old.stringToSign(.full).hasSuffix("\nx-ms-a:1\n/devstoreaccount1/"))
    }

    @Test func dateStandsWithoutExtensionDate() throws {
        let request = try Self.request(
            "GET", "/", style: .host, headers: [("Date", "Fri, 01 Mar 2024 12:00:00 GMT"), ("range", "bytes=0-1")])
        #expect(
            request.stringToSign(.full)
                == "GET\n\n\n\n\n\nFri, 01 Mar 2024 12:00:00 GMT\n\n\n\n\nbytes=0-1\n/devstoreaccount1/")
    }

    @Test func valuesOfOneParameterAreSortedAndJoined() throws {
        let request = try Self.request("GET", "/c?B=2&a=z&a=b&B=1", style: .host, headers: [])
        #expect(request.stringToSign(.full).hasSuffix("/devstoreaccount1/c\na:b,z\nb:1,2"))
    }

    @Test func bothHeaderOrdersAreTaken() throws {
        let key = try #require(AccountKey(base64: developmentKey))
        let headers: [(name: String, value: String)] = [
            ("x-ms-meta-ab", "1"), ("x-ms-meta-a-b", "2"), ("x-ms-meta-a_b", "3"),
        ]
        let request = try Self.request("PUT", "/c/b", style: .host, headers: headers)
        let head = "PUT\n" + String(repeating: "\n", count: 11)
        let tail = "/devstoreaccount1/c/b"
        // `_` weighs less than a letter, and a hyphen nothing until the names are otherwise equal.
        let weighted = head + "x-ms-meta-a_b:3\nx-ms-meta-ab:1\nx-ms-meta-a-b:2\n" + tail
        let ordinal = head + "x-ms-meta-a-b:2\nx-ms-meta-a_b:3\nx-ms-meta-ab:1\n" + tail
        let wrong = head + "x-ms-meta-ab:1\nx-ms-meta-a-b:2\nx-ms-meta-a_b:3\n" + tail
        func verdict(_ text: String) throws -> SharedKey.Verdict {
            try Self.verify(request, Base64.encode(key.sign(Array(text.utf8))))
        }
        #expect(try verdict(weighted) == .valid(key: 1))
        #expect(try verdict(ordinal) == .valid(key: 1))
        #expect(try verdict(wrong) == .invalid(stringToSign: ordinal))
    }

    /// Signed by the SDK for Python (12.31.1), whose table of weights is that of the service.
    @Test func signatureOfAnSDKWithItsOwnOrder() throws {
        let names = [
            "ab", "a-b", "a_b", "a1", "key1", "key_1", "key-1", "a-c", "ab-c", "a-bc", "abc", "a-", "-a", "a--b", "a.b",
            "a~b",
            "a+b", "a!b", "a'b", "a'-b", "a-'b", "a^b", "a|b", "a`b", "a#b", "z", "za", "z-a", "z_a", "1", "10", "1-0",
        ]
        var headers = names.enumerated().map { (name: "x-ms-meta-\($1)", value: "\($0)") }
        headers += [
            ("x-ms-date", "Fri, 01 Mar 2024 12:00:00 GMT"), ("x-ms-version", "2026-10-06"), ("x-ms-copy-source", "s"),
            ("x-ms-copy-source-authorization", "t"), ("x-ms-blob-type", "BlockBlob"), ("x-ms-encryption-key", ""),
            ("x-ms-client-request-id", "id"), ("Content-Length", "0"),
        ]
        let request = try Self.request(
            "PUT", "/devstoreaccount1/box/a%2Fb%20c?comp=metadata&timeout=30&x=a%20b%2Bc%26d", style: .path,
            version: "2026-10-06", headers: headers)
        #expect(try Self.verify(request, "PytkumLNFuoML1jnAJo0+3pIDQNJCRrN1+j+Tn0eVUA=") == .valid(key: 1))
    }

    @Test func blanksAreTakenAsSentOrCollapsed() throws {
        let key = try #require(AccountKey(base64: developmentKey))
        let request = try Self.request("PUT", "/c", style: .host, headers: [("x-ms-meta-a", "  one  two \"3  4\"")])
        let head = "PUT\n" + String(repeating: "\n", count: 11)
        for value in ["one  two \"3  4\"", "one two \"3  4\""] {
            let text = head + "x-ms-meta-a:\(value)\n/devstoreaccount1/c"
            #expect(try Self.verify(request, Base64.encode(key.sign(Array(text.utf8)))) == .valid(key: 1))
        }
    }

    @Test func secondaryPathInBothSpellings() throws {
        let key = try #require(AccountKey(base64: developmentKey))
        let request = try Self.request("GET", "/devstoreaccount1-secondary/c", style: .path, headers: [])
        let head = "GET\n" + String(repeating: "\n", count: 11)
        for path in ["/devstoreaccount1/devstoreaccount1-secondary/c", "/devstoreaccount1/devstoreaccount1/c"] {
            #expect(try Self.verify(request, Base64.encode(key.sign(Array((head + path).utf8)))) == .valid(key: 1))
        }
        let host = try Self.request("GET", "/devstoreaccount1-secondary/c", style: .host, headers: [])
        let other = Base64.encode(key.sign(Array((head + "/devstoreaccount1/devstoreaccount1/c").utf8)))
        #expect(try Self.verify(host, other) != .valid(key: 1))
    }

    @Test(arguments: ["x-ms-date", "Content-Length", "date"])
    func duplicates(name: String) throws {
        let request = try Self.request("GET", "/", style: .host, headers: [(name, "1"), (name, "1")])
        #expect(try Self.verify(request, "AAAA") == .duplicateHeader(name))
    }

    @Test func comparison() {
        #expect(ConstantTime.isEqual([1, 2], [1, 2]))
        #expect(!ConstantTime.isEqual([1, 2], [1, 3]))
        #expect(!ConstantTime.isEqual([1, 2], [1, 2, 3]))
        #expect(ConstantTime.isEqual([], []))
    }

    @Test func keysDoNotPrint() throws {
        let key = try #require(AccountKey(base64: developmentKey))
        #expect("\(key)" == "AccountKey(…)")
        #expect(AccountKey(base64: "") == nil)
        #expect(AccountKey(base64: "***") == nil)
    }
}

@Suite struct AuthorizationHeaderTests {
    @Test func forms() {
        #expect(AuthorizationHeader("SharedKey a:b=") == .sharedKey(.full, account: "a", signature: "b="))
        #expect(AuthorizationHeader("sharedkeylite a:b:c") == .sharedKey(.lite, account: "a", signature: "b:c"))
        #expect(AuthorizationHeader("  Bearer   x.y.z ") == .bearer(token: "x.y.z"))
    }

    @Test(arguments: [
        "", "SharedKey", "SharedKey ", "SharedKey a", "SharedKey :b", "SharedKey a:", "Basic a:b", "Bearer a b",
    ])
    func refuses(text: String) {
        #expect(AuthorizationHeader(text) == nil)
    }
}
