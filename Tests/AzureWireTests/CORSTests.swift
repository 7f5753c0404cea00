import AzureWire
import StorageModel
import Testing

@Suite struct CORSTests {
    static func rule(
        _ origins: [String], _ methods: [String], allowed: [String] = [], exposed: [String] = []
    ) -> ServiceProperties.CORSRule {
        .init(
            allowedOrigins: origins, allowedMethods: methods, allowedHeaders: allowed, exposedHeaders: exposed,
            maxAgeSeconds: 30)
    }

    static func lines(_ headers: CORS.Headers) -> [String] { headers.map { "\($0.name): \($0.value)" } }

    static func preflight(
        _ origin: String?, _ method: String?, _ headers: String? = nil, _ rules: [ServiceProperties.CORSRule]
    ) throws(AzureError) -> [String] {
        lines(try CORS.preflight(origin: origin, method: method, requestHeaders: headers, rules: rules))
    }

    @Test func preflightOfAnExactOrigin() throws {
        let rules = [Self.rule(["http://a.test"], ["PUT"], allowed: ["x-ms-meta*", "Content-Type"])]
        #expect(
            try Self.preflight("http://a.test", "PUT", "X-MS-Meta-Q, content-type", rules) == [
                "Access-Control-Allow-Origin: http://a.test", "Access-Control-Allow-Methods: PUT",
                "Access-Control-Allow-Headers: X-MS-Meta-Q,content-type", "Access-Control-Max-Age: 30",
                "Access-Control-Allow-Credentials: true",
            ])
    }

    @Test func preflightOfAnyOrigin() throws {
        #expect(
            try Self.preflight("http://a.test", "GET", nil, [Self.rule(["*"], ["GET"])]) == [
                "Access-Control-Allow-Origin: *", "Access-Control-Allow-Methods: GET", "Access-Control-Max-Age: 30",
            ])
    }

    @Test(arguments: [
        ("http://A.test", "PUT", ""), ("http://b.test", "PUT", ""), ("http://a.test", "GET", ""),
        ("http://a.test", "put", ""),
        ("http://a.test", "PUT", "other"), ("http://a.test", "PUT", "x-ms-met"),
        ("http://a.test", "PUT", "x-ms-meta-a,other"),
    ])
    func refusals(origin: String, method: String, headers: String) {
        let rules = [Self.rule(["http://a.test"], ["PUT"], allowed: ["x-ms-meta*"])]
        #expect(throws: AzureError(.corsPreflightFailure)) { try Self.preflight(origin, method, headers, rules) }
        #expect(throws: AzureError(.corsPreflightFailure)) { try Self.preflight(origin, method, headers, []) }
    }

    @Test func theFirstRuleDecides() throws {
        let rules = [Self.rule(["http://a.test"], ["PUT"]), Self.rule(["*"], ["PUT"], allowed: ["*"])]
        #expect(throws: AzureError(.corsPreflightFailure)) { try Self.preflight("http://a.test", "PUT", "x", rules) }
        #expect(try Self.preflight("http://b.test", "PUT", "x", rules).first == "Access-Control-Allow-Origin: *")
    }

    @Test func missingHeaders() {
        for (origin, method) in [(nil, "GET"), ("http://a.test", nil), ("", "GET")] as [(String?, String?)] {
            let error = #expect(throws: AzureError.self) {
                try Self.preflight(origin, method, nil, [Self.rule(["*"], ["GET"])])
            }
            #expect(error?.code == .invalidHeaderValue)
            #expect(error?.message == "A required CORS header is not present.")
        }
    }

    @Test func actualRequests() {
        let exact = [Self.rule(["http://a.test"], ["GET", "PUT"], exposed: ["ETag", "x-ms-meta*"])]
        func actual(_ origin: String?, _ method: String, _ rules: [ServiceProperties.CORSRule]) -> [String] {
            Self.lines(
                CORS.actual(
                    origin: origin, method: method, responseHeaders: ["x-ms-meta-a", "Date", "X-Ms-Meta-B"],
                    rules: rules))
        }
        #expect(
            actual("http://a.test", "GET", exact) == [
                "Access-Control-Allow-Origin: http://a.test",
                "Access-Control-Expose-Headers: ETag,x-ms-meta-a,X-Ms-Meta-B",
                "Access-Control-Allow-Credentials: true", "Vary: Origin",
            ])
        #expect(actual("http://a.test", "PUT", exact).contains("Vary: Origin") == false)
        #expect(actual("http://b.test", "GET", exact) == ["Vary: Origin"])
        #expect(actual("http://b.test", "HEAD", exact) == ["Vary: Origin"])
        #expect(actual("http://b.test", "PUT", exact) == [])
        #expect(actual(nil, "GET", exact) == [])
        #expect(actual("http://a.test", "GET", []) == [])
        #expect(actual("http://a.test", "GET", [Self.rule(["*"], ["GET"])]) == ["Access-Control-Allow-Origin: *"])
    }
}
