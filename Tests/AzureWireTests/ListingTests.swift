import AzureWire
import NIOCore
import StorageModel
import Testing

@Suite struct ListingTests {
    static let current = ServiceVersion("2025-07-05") ?? .first
    static let declaration = "<?xml version=\"1.0\" encoding=\"utf-8\"?>"

    static func document(_ parts: [String]) -> String { declaration + parts.joined() }

    static func blob(_ change: (inout BlobProperties) -> Void = { _ in }) -> BlobProperties {
        var properties = BlobProperties(
            version: Version(0x1F), createdOn: Timestamp(seconds: 0), lastModified: Timestamp(seconds: 1_709_294_400),
            length: 5, headers: ContentHeaders(contentType: "text/plain"), metadata: .empty, tags: .empty, tier: nil,
            tierChangedOn: nil, rehydration: nil, lease: .available, copy: nil)
        change(&properties)
        return properties
    }

    static func page(_ entries: [BlobListEntry], options: BlobListPage.Options = []) -> BlobListPage {
        BlobListPage(
            serviceEndpoint: "http://127.0.0.1:10000/acct/", containerName: "box", prefix: nil, marker: nil,
            maxResults: nil,
            delimiter: nil, options: options, entries: entries, nextMarker: nil)
    }

    @Test func emptyPage() {
        #expect(
            String(buffer: Self.page([]).xml(Self.current))
                == Self.document([
                    "<EnumerationResults ServiceEndpoint=\"http://127.0.0.1:10000/acct/\"",
                    " ContainerName=\"box\"><Blobs />",
                    "<NextMarker /></EnumerationResults>",
                ]))
    }

    @Test func onePlainBlob() {
        #expect(
            String(buffer: Self.page([.blob(name: "a&b", Self.blob())]).xml(Self.current))
                == Self.document([
                    "<EnumerationResults ServiceEndpoint=\"http://127.0.0.1:10000/acct/\"",
                    " ContainerName=\"box\"><Blobs>",
                    "<Blob>",
                    "<Name>a&amp;b</Name><Properties><Creation-Time>Thu, 01 Jan 1970 00:00:00 GMT</Creation-Time>",
                    "<Last-Modified>Fri, 01 Mar 2024 12:00:00 GMT</Last-Modified><Etag>0x000000000000001F</Etag>",
                    "<Content-Length>5</Content-Length><Content-Type>text/plain</Content-Type><Content-Encoding />",
                    "<Content-Language /><Content-CRC64 /><Content-MD5 /><Cache-Control /><Content-Disposition />",
                    "<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier>",
                    "<AccessTierInferred>true</AccessTierInferred>",
                    "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>",
                    "<ServerEncrypted>true</ServerEncrypted>",
                    "</Properties><OrMetadata /></Blob></Blobs><NextMarker /></EnumerationResults>",
                ]))
    }

    @Test func everythingOfABlob() throws {
        let metadata = try UserMetadata(validating: [("k", "<v>"), ("ªx", "odd")])
        let tags = try Tags(validating: [("t", "u")])
        let blob = Self.blob {
            $0.headers.contentMD5 = [0, 1, 2]
            $0.headers.contentEncoding = "gzip"
            $0.tier = .archive
            $0.tierChangedOn = Timestamp(seconds: 60)
            $0.rehydration = Rehydration(target: .cool, priority: .high)
            $0.lease = LeaseView(state: .leased, isInfinite: true)
            $0.copy = CopyRecord(
                id: "c1", status: .failed, source: "http://s/?a=1&b=2", bytesDone: 1, bytesTotal: 2,
                completedOn: Timestamp(seconds: 0), statusDescription: "404 ResourceNotFound")
            $0.metadata = metadata
            $0.tags = tags
        }
        let text = String(
            buffer: Self.page([.blob(name: "b", blob)], options: [.metadata, .tags, .copy]).xml(Self.current))
        let expected = [
            "<Content-Encoding>gzip</Content-Encoding>", "<Content-MD5>AAEC</Content-MD5>",
            "<AccessTier>Archive</AccessTier>",
            "<AccessTierChangeTime>Thu, 01 Jan 1970 00:01:00 GMT</AccessTierChangeTime>",
            "<ArchiveStatus>rehydrate-pending-to-cool</ArchiveStatus><RehydratePriority>High</RehydratePriority>",
            "<LeaseStatus>locked</LeaseStatus><LeaseState>leased</LeaseState><LeaseDuration>infinite</LeaseDuration>",
            "<CopyId>c1</CopyId><CopyStatus>failed</CopyStatus><CopySource>http://s/?a=1&amp;b=2</CopySource>",
            "<CopyProgress>1/2</CopyProgress><CopyCompletionTime>Thu, 01 Jan 1970 00:00:00 GMT</CopyCompletionTime>",
            "<CopyStatusDescription>404 ResourceNotFound</CopyStatusDescription>"
                + "<ServerEncrypted>true</ServerEncrypted>",
            "<TagCount>1</TagCount></Properties><Metadata><k>&lt;v&gt;</k><x-ms-invalid-name>ªx</x-ms-invalid-name>"
                + "</Metadata>",
            "<Tags><TagSet><Tag><Key>t</Key><Value>u</Value></Tag></TagSet></Tags><OrMetadata /></Blob>",
        ]
        var rest = Substring(text)
        for part in expected {
            guard let range = rest.firstRange(of: part) else {
                Issue.record("\(part) is missing, or not after what came before it")
                return
            }
            rest = rest[range.upperBound...]
        }
        #expect(!text.contains("AccessTierInferred"))
        let plain = String(buffer: Self.page([.blob(name: "b", blob)]).xml(Self.current))
        for name in ["<Metadata", "<Tags", "<TagCount", "<CopyId"] { #expect(!plain.contains(name)) }
    }

    @Test func emptyMetadataIsAnEmptyElement() {
        let text = String(buffer: Self.page([.blob(name: "b", Self.blob())], options: [.metadata]).xml(Self.current))
        #expect(text.contains("</Properties><Metadata /><OrMetadata />"))
    }

    @Test func prefixesAndUncommitted() {
        var page = Self.page([.prefix("d/"), .uncommitted(name: "u")])
        page.prefix = ""
        page.marker = "m"
        page.maxResults = 2
        page.delimiter = "/"
        page.nextMarker = "n<"
        #expect(
            String(buffer: page.xml(Self.current)).hasSuffix(
                [
                    "<Prefix /><Marker>m</Marker><MaxResults>2</MaxResults><Delimiter>/</Delimiter><Blobs>",
                    "<BlobPrefix><Name>d/</Name></BlobPrefix><Blob><Name>u</Name><Properties>",
                    "<Content-Length>0</Content-Length>",
                    "<BlobType>BlockBlob</BlobType><LeaseStatus>unlocked</LeaseStatus>",
                    "<LeaseState>available</LeaseState>",
                    "<ServerEncrypted>true</ServerEncrypted></Properties></Blob></Blobs>",
                    "<NextMarker>n&lt;</NextMarker>",
                    "</EnumerationResults>",
                ].joined()))
    }

    @Test(arguments: [
        ("a\u{1}b c/é", "<Name Encoded=\"true\">a%01b%20c%2F%C3%A9</Name>"),
        ("\u{FFFE}", "<Name Encoded=\"true\">%EF%BF%BE</Name>"),
        ("\u{FFFF}x", "<Name Encoded=\"true\">%EF%BF%BFx</Name>"),
        ("a\rb", "<Name>a&#xD;b</Name>"), ("a\tb\nc", "<Name>a\tb\nc</Name>"),
        ("\u{FFFD}\u{7F}", "<Name>\u{FFFD}\u{7F}</Name>"),
        ("<&>\"'", "<Name>&lt;&amp;&gt;\"'</Name>"), ("日本😀", "<Name>日本😀</Name>"), (" lead", "<Name> lead</Name>"),
    ])
    func names(name: String, element: String) {
        #expect(
            String(buffer: Self.page([.blob(name: name, Self.blob())]).xml(Self.current)).contains("<Blob>\(element)"))
        #expect(String(buffer: Self.page([.prefix(name)]).xml(Self.current)).contains("<BlobPrefix>\(element)"))
    }

    @Test func olderVersions() throws {
        let old = try #require(ServiceVersion("2012-02-12"))
        let text = String(buffer: Self.page([.blob(name: "b", Self.blob())]).xml(old))
        #expect(text.contains("<EnumerationResults ContainerName=\"http://127.0.0.1:10000/acct/box\">"))
        for name in [
            "Creation-Time", "Content-CRC64", "Content-Disposition", "AccessTier", "ServerEncrypted", "OrMetadata",
        ] {
            #expect(!text.contains(name))
        }
        let tiers = String(
            buffer: Self.page([.blob(name: "b", Self.blob())]).xml(try #require(ServiceVersion("2017-04-17"))))
        #expect(tiers.contains("<AccessTier>Hot</AccessTier>"))
        #expect(!tiers.contains("Creation-Time"))
    }

    @Test func containers() throws {
        let name = try ContainerName(validating: "box")
        let metadata = try UserMetadata(validating: [("a", "1")])
        let container = ContainerProperties(
            name: name, version: Version(2), lastModified: Timestamp(seconds: 0), metadata: metadata,
            publicAccess: .blob,
            policies: [], lease: LeaseView(state: .breaking, isInfinite: nil))
        let page = ContainerListPage(
            serviceEndpoint: "https://acct.blob.test/", prefix: "b", marker: "", maxResults: 1, options: .metadata,
            items: [container], nextMarker: "/acct/next")
        #expect(
            String(buffer: page.xml(Self.current))
                == Self.document([
                    "<EnumerationResults ServiceEndpoint=\"https://acct.blob.test/\"><Prefix>b</Prefix><Marker />",
                    "<MaxResults>1</MaxResults><Containers><Container><Name>box</Name><Properties>",
                    "<Last-Modified>Thu, 01 Jan 1970 00:00:00 GMT</Last-Modified><Etag>\"0x0000000000000002\"</Etag>",
                    "<LeaseStatus>locked</LeaseStatus><LeaseState>breaking</LeaseState>",
                    "<PublicAccess>blob</PublicAccess>",
                    "<DefaultEncryptionScope>$account-encryption-key</DefaultEncryptionScope>",
                    "<DenyEncryptionScopeOverride>false</DenyEncryptionScopeOverride>",
                    "<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold>",
                    "<ImmutableStorageWithVersioningEnabled>false</ImmutableStorageWithVersioningEnabled></Properties>",
                    "<Metadata><a>1</a></Metadata></Container></Containers><NextMarker>/acct/next</NextMarker>",
                    "</EnumerationResults>",
                ])
        )
    }

    @Test func blocks() {
        let block = BlockListing.Block(id: BlockID(text: "AA=="), size: 5_000_000_000)
        #expect(
            String(buffer: BlockListing(committed: [block], uncommitted: []).xml())
                == Self.document([
                    "<BlockList><CommittedBlocks><Block><Name>AA==</Name><Size>5000000000</Size></Block>",
                    "</CommittedBlocks>",
                    "<UncommittedBlocks /></BlockList>",
                ]))
        #expect(
            String(buffer: BlockListing(committed: nil, uncommitted: [block]).xml())
                == Self.document([
                    "<BlockList><UncommittedBlocks><Block><Name>AA==</Name><Size>5000000000</Size></Block>",
                    "</UncommittedBlocks>",
                    "</BlockList>",
                ]))
    }

    @Test func found() {
        let page = FindResultPage(
            serviceEndpoint: "https://acct.blob.test/", expression: "\"a\" > '1'",
            items: [.init(name: "b\u{1}", container: "box", tags: [.init(key: "a", value: "2")])], nextMarker: nil)
        #expect(
            String(buffer: page.xml())
                == Self.document([
                    "<EnumerationResults ServiceEndpoint=\"https://acct.blob.test/\"><Where>\"a\" &gt; '1'</Where>",
                    "<Blobs><Blob>",
                    "<Name Encoded=\"true\">b%01</Name><ContainerName>box</ContainerName>",
                    "<Tags><TagSet><Tag><Key>a</Key>",
                    "<Value>2</Value></Tag></TagSet></Tags></Blob></Blobs><NextMarker /></EnumerationResults>",
                ]))
    }

    @Test func attributesAreQuoted() {
        var page = Self.page([])
        page.serviceEndpoint = "http://h/\"<&>\n"
        #expect(
            String(buffer: page.xml(Self.current)).contains("ServiceEndpoint=\"http://h/&quot;&lt;&amp;&gt;&#xA;\""))
    }
}

@Suite struct ErrorBodyTests {
    @Test func codeMessageDetails() {
        let error = AzureError.invalidHeaderValue("x-ms-version", "2099-11-05")
        #expect(error.status == 400)
        #expect(
            String(buffer: error.xml(requestID: "id-1", time: Timestamp(nanoseconds: 1_709_294_400_123_456_700))) == """
                <?xml version="1.0" encoding="utf-8"?><Error><Code>InvalidHeaderValue</Code>\
                <Message>The value for one of the HTTP headers is not in the correct format.
                RequestId:id-1
                Time:2024-03-01T12:00:00.1234567Z</Message><HeaderName>x-ms-version</HeaderName>\
                <HeaderValue>2099-11-05</HeaderValue></Error>
                """)
    }

    @Test func hostileValues() {
        let error = AzureError.invalidQueryParameter("comp", "<x>&\u{0}\r" + String(repeating: "a", count: 5_000))
        let text = String(buffer: error.xml(requestID: "id", time: Timestamp(seconds: 0)))
        #expect(text.contains("<QueryParameterValue>&lt;x&gt;&amp;\u{FFFD}&#xD;aaa"))
        #expect(text.utf8.count < 1_000)
    }

    @Test func overrides() {
        let error = AzureError(
            .conditionNotMet, status: 304, message: "m", details: [.init("bad name", "x"), .init("Ok", "y")])
        #expect(error.status == 304)
        #expect(AzureError(.conditionNotMet).status == 412)
        let text = String(buffer: error.xml(requestID: "id", time: Timestamp(seconds: 0)))
        #expect(text.contains("<Message>m\nRequestId:id"))
        #expect(text.hasSuffix("</Message><Ok>y</Ok></Error>"))
    }

    @Test(arguments: [
        (AzureErrorCode.blobNotFound, "BlobNotFound", 404), (.containerNotFound, "ContainerNotFound", 404),
        (.blobAlreadyExists, "BlobAlreadyExists", 409), (.leaseIdMissing, "LeaseIdMissing", 412),
        (.leaseIdMismatchWithLeaseOperation, "LeaseIdMismatchWithLeaseOperation", 409),
        (.invalidRange, "InvalidRange", 416),
        (.authenticationFailed, "AuthenticationFailed", 403),
        (.noAuthenticationInformation, "NoAuthenticationInformation", 401),
        (.serverBusy, "ServerBusy", 503), (.requestBodyTooLarge, "RequestBodyTooLarge", 413),
        (.missingContentLengthHeader, "MissingContentLengthHeader", 411), (.md5Mismatch, "Md5Mismatch", 400),
        (.bothUserTagsAndSourceTagsCopyPresent, "BothUserTagsAndSourceTagsCopyPresentException", 400),
        (.infiniteLeaseDurationRequired, "InfiniteLeaseDurationRequired", 412),
        (.unsupportedHttpVerb, "UnsupportedHttpVerb", 405),
    ])
    func table(code: AzureErrorCode, name: String, status: Int) {
        #expect(code.name == name)
        #expect(code.status == status)
        #expect(code.message.utf8.last == UInt8(ascii: "."))
    }

    @Test func wordsThatClientsLookFor() {
        #expect(AzureErrorCode.invalidBlockList.message.contains("specified block list is invalid"))
        #expect(AzureErrorCode.blobNotFound.message == "The specified blob does not exist.")
    }
}
