import AzureWire
import NIOCore
import StorageModel
import Testing

@Suite struct ServicePropertiesTests {
    static func parse(_ parts: String) throws(AzureError) -> ServiceProperties {
        try ServicePropertiesBody.parse(
            ByteBuffer(string: "<StorageServiceProperties>\(parts)</StorageServiceProperties>"))
    }

    static let whole = """
        <Logging><Version>1.0</Version><Delete>true</Delete><Read>false</Read><Write>true</Write>\
        <RetentionPolicy><Enabled>true</Enabled><Days>7</Days></RetentionPolicy></Logging>\
        <HourMetrics><Version>1.0</Version><Enabled>true</Enabled><IncludeAPIs>false</IncludeAPIs>\
        <RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></HourMetrics>\
        <MinuteMetrics><Version>1.0</Version><Enabled>false</Enabled>\
        <RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></MinuteMetrics>\
        <Cors><CorsRule><AllowedOrigins>http://a.test,http://b.test</AllowedOrigins>\
        <AllowedMethods>GET,PUT</AllowedMethods>\
        <AllowedHeaders>x-ms-meta*,x-ms-version</AllowedHeaders><ExposedHeaders>*</ExposedHeaders>\
        <MaxAgeInSeconds>60</MaxAgeInSeconds></CorsRule></Cors>\
        <DefaultServiceVersion>2021-02-12</DefaultServiceVersion>\
        <DeleteRetentionPolicy><Enabled>true</Enabled><Days>365</Days>\
        <AllowPermanentDelete>false</AllowPermanentDelete>\
        </DeleteRetentionPolicy>\
        <StaticWebsite><Enabled>true</Enabled><IndexDocument>index.html</IndexDocument>\
        <ErrorDocument404Path>404.html</ErrorDocument404Path></StaticWebsite>
        """

    @Test func everything() throws {
        let properties = try Self.parse(Self.whole)
        #expect(properties.logging?.delete == true)
        #expect(properties.logging?.read == false)
        #expect(properties.logging?.retention == .init(enabled: true, days: 7))
        #expect(properties.hourMetrics?.includeAPIs == false)
        #expect(properties.minuteMetrics?.enabled == false)
        #expect(
            properties.cors == [
                .init(
                    allowedOrigins: ["http://a.test", "http://b.test"], allowedMethods: ["GET", "PUT"],
                    allowedHeaders: ["x-ms-meta*", "x-ms-version"], exposedHeaders: ["*"], maxAgeSeconds: 60)
            ])
        #expect(properties.deleteRetention == .init(enabled: true, days: 365, allowPermanentDelete: false))
        #expect(properties.staticWebsite?.indexDocument == "index.html")
        // The order of the answer is that of the document above.
        #expect(
            String(buffer: ServicePropertiesBody.xml(properties))
                == "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
                + "<StorageServiceProperties>\(Self.whole)</StorageServiceProperties>"
        )
    }

    @Test func nothingGivenIsNothingChanged() throws {
        #expect(try Self.parse("") == ServiceProperties())
        #expect(try Self.parse("<Cors/>").cors == [])
    }

    @Test func initialProperties() {
        #expect(
            String(buffer: ServicePropertiesBody.xml(.initial)) == """
                <?xml version="1.0" encoding="utf-8"?><StorageServiceProperties>\
                <Logging><Version>1.0</Version><Delete>false</Delete><Read>false</Read><Write>false</Write>\
                <RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></Logging>\
                <HourMetrics><Version>1.0</Version><Enabled>false</Enabled><RetentionPolicy><Enabled>false</Enabled>\
                </RetentionPolicy></HourMetrics>\
                <MinuteMetrics><Version>1.0</Version><Enabled>false</Enabled><RetentionPolicy><Enabled>false</Enabled>\
                </RetentionPolicy></MinuteMetrics><Cors />\
                <DeleteRetentionPolicy><Enabled>false</Enabled></DeleteRetentionPolicy>\
                <StaticWebsite><Enabled>false</Enabled></StaticWebsite></StorageServiceProperties>
                """)
    }

    private static func rule(
        origins: String = "*", methods: String = "GET", headers: String = "", age: String = "1"
    ) -> String {
        "<CorsRule><AllowedOrigins>\(origins)</AllowedOrigins><AllowedMethods>\(methods)</AllowedMethods>"
            + "<AllowedHeaders>\(headers)</AllowedHeaders><ExposedHeaders/>"
            + "<MaxAgeInSeconds>\(age)</MaxAgeInSeconds></CorsRule>"
    }

    @Test func rulesOfCORS() throws {
        #expect(try Self.parse("<Cors>\(String(repeating: Self.rule(), count: 5))</Cors>").cors?.count == 5)
        func code(_ rules: String) -> AzureErrorCode? {
            do throws(AzureError) {
                _ = try Self.parse("<Cors>\(rules)</Cors>")
                return nil
            } catch {
                return error.code
            }
        }
        #expect(code(String(repeating: Self.rule(), count: 6)) == .invalidXmlDocument)
        #expect(code(Self.rule(methods: "get")) == .invalidXmlNodeValue)
        #expect(code(Self.rule(methods: "")) == .invalidXmlNodeValue)
        #expect(code(Self.rule(origins: " , ")) == .invalidXmlNodeValue)
        #expect(code(Self.rule(age: "-1")) == .invalidXmlNodeValue)
        #expect(code(Self.rule(age: "99999999999")) == .invalidXmlNodeValue)
        #expect(code(Self.rule(headers: "a*,b*,*")) == nil)
        #expect(code(Self.rule(headers: "a*,b*,c*")) == .invalidXmlNodeValue)
        #expect(code(Self.rule(headers: String(repeating: "x", count: 256))) == nil)
        #expect(code(Self.rule(headers: String(repeating: "x", count: 257))) == .invalidXmlNodeValue)
        #expect(code(Self.rule(origins: (0..<65).map { "o\($0)" }.joined(separator: ","))) == .invalidXmlNodeValue)
        #expect(
            code(String(repeating: Self.rule(headers: String(repeating: "x,", count: 250)), count: 5))
                == .invalidXmlNodeValue)
        #expect(
            code(
                String(
                    repeating: Self.rule(
                        headers: [String](repeating: String(repeating: "x", count: 200), count: 4).joined(
                            separator: ",")), count: 3))
                == .invalidXmlDocument)
        #expect(code("<CorsRule/>") == .missingRequiredXmlNode)
        #expect(code("<Rule/>") == .unsupportedXmlNode)
    }

    @Test(arguments: [
        ("<Logging/>", AzureError.missingXMLNode("Version")),
        ("<HourMetrics><Version>1.0</Version><Enabled>true</Enabled></HourMetrics>", .missingXMLNode("IncludeAPIs")),
        ("<HourMetrics><Version>3.0</Version></HourMetrics>", .invalidXMLNode("Version", "3.0")),
        ("<DeleteRetentionPolicy><Enabled>yes</Enabled></DeleteRetentionPolicy>", .invalidXMLNode("Enabled", "yes")),
        ("<DeleteRetentionPolicy><Enabled>true</Enabled></DeleteRetentionPolicy>", .missingXMLNode("Days")),
        (
            "<DeleteRetentionPolicy><Enabled>true</Enabled><Days>0</Days></DeleteRetentionPolicy>",
            .invalidXMLNode("Days", "0")
        ),
        (
            "<DeleteRetentionPolicy><Enabled>true</Enabled><Days>366</Days></DeleteRetentionPolicy>",
            .invalidXMLNode("Days", "366")
        ),
        (
            "<DefaultServiceVersion>2099-01-01</DefaultServiceVersion>",
            .invalidXMLNode("DefaultServiceVersion", "2099-01-01")
        ),
        ("<Other/>", .unsupportedXMLNode("Other")),
        ("<Cors/><Cors/>", .invalidXML(reason: "Cors stands twice")),
    ])
    func refuses(parts: String, error: AzureError) {
        #expect(throws: error) { try Self.parse(parts) }
    }

    @Test func stats() {
        #expect(
            String(buffer: ServiceStatsBody.xml(.live, lastSync: Timestamp(seconds: 0))) == """
                <?xml version="1.0" encoding="utf-8"?><StorageServiceStats><GeoReplication><Status>live</Status>\
                <LastSyncTime>Thu, 01 Jan 1970 00:00:00 GMT</LastSyncTime></GeoReplication></StorageServiceStats>
                """)
        #expect(
            String(buffer: ServiceStatsBody.xml(.unavailable, lastSync: nil)).hasSuffix(
                "<Status>unavailable</Status><LastSyncTime /></GeoReplication></StorageServiceStats>"))
    }
}
