import AzureWire
import NIOCore
import Testing

@Suite struct BatchTests {
    static func parse(_ text: String, boundary: String = "batch_1") throws(AzureError) -> [BatchPart] {
        try BatchRequest.parse(ByteBuffer(string: text), boundary: boundary)
    }

    static func part(_ id: Int) -> String {
        "--batch_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: \(id)\r\n\r\n"
            + "DELETE /c/b%20\(id)?snapshot=x HTTP/1.1\r\nx-ms-date: Fri, 01 Mar 2024 12:00:00 GMT\r\n"
            + "Authorization:SharedKey a:b=\r\nContent-Length: 0\r\n\r\n\r\n"
    }

    @Test func parts() throws {
        let parts = try Self.parse("preamble\r\n" + Self.part(0) + Self.part(1) + "--batch_1--\r\nepilogue")
        #expect(parts.map(\.contentID) == ["0", "1"])
        #expect(parts.map(\.method) == ["DELETE", "DELETE"])
        #expect(parts.map(\.target) == ["/c/b%200?snapshot=x", "/c/b%201?snapshot=x"])
        #expect(parts[0].headers.map(\.name) == ["x-ms-date", "Authorization", "Content-Length"])
        #expect(parts[0].headers.map(\.value) == ["Fri, 01 Mar 2024 12:00:00 GMT", "SharedKey a:b=", "0"])
    }

    /// As the SDK core for Python (1.41.0) writes it.
    @Test func bodyOfAnSDK() throws {
        let text = [
            "--batch_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 0\r\n\r\n",
            "DELETE /devstoreaccount1/c/a%20b?timeout=5 HTTP/1.1\r\nx-ms-date: D\r\nContent-Length: 0\r\n\r\n\r\n",
            "--batch_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 1\r\n\r\n",
            "PUT /devstoreaccount1/c/b?comp=tier HTTP/1.1\r\nContent-Length: 0\r\nx-ms-access-tier: Cool\r\n\r\n\r\n",
            "--batch_1--\r\n",
        ].joined()
        let parts = try Self.parse(text)
        #expect(parts.map(\.method) == ["DELETE", "PUT"])
        #expect(
            parts.map(\.target) == ["/devstoreaccount1/c/a%20b?timeout=5", "/devstoreaccount1/c/b?comp=tier"])
        #expect(parts.map(\.contentID) == ["0", "1"])
        #expect(parts[1].headers.map(\.name) == ["Content-Length", "x-ms-access-tier"])
    }

    @Test func looseForms() throws {
        let parts = try Self.parse("--batch_1 \n\nPUT /c/b?comp=tier HTTP/1.1\nx-ms-access-tier: Cool\n--batch_1--")
        #expect(parts.count == 1)
        #expect(parts[0].contentID == nil)
        #expect(parts[0].headers.map(\.value) == ["Cool"])
        let noHeaders = try Self.parse(
            "--batch_1\r\n\r\n\r\nDELETE / HTTP/1.1\r\n\r\nbody --batch_1\r\n--batch_1--\r\n")
        #expect(noHeaders.count == 1)
    }

    @Test func counts() throws {
        let many = { (0..<$0).map(Self.part).joined() + "--batch_1--" }
        #expect(try Self.parse(many(256)).count == 256)
        #expect(throws: AzureError(.exceedsMaxBatchRequestCount)) { try Self.parse(many(257)) }
        #expect(throws: AzureError.bodyTooLarge(limit: 4 << 20)) {
            try Self.parse(String(repeating: "x", count: (4 << 20) + 1))
        }
    }

    @Test(arguments: [
        "", "nothing", "--batch_1--", "--batch_1\r\n\r\n--batch_1--", "--batch_1\r\nContent-ID: 1\r\n--batch_1--",
        "--batch_1\r\n\r\nDELETE /c/b HTTP/1.1\r\n\r\n", "--batch_1\r\n\r\nDELETE /c/b\r\n\r\n--batch_1--",
        "--batch_1\r\n\r\nDELETE http://x/ HTTP/1.1\r\n\r\n--batch_1--",
        "--batch_1\r\n\r\ndelete /c HTTP/1.1\r\n\r\n--batch_1--",
        "--batch_1\r\n\r\nDELETE /c HTTP/2\r\n\r\n--batch_1--",
        "--batch_1\r\nno colon\r\n\r\nDELETE / HTTP/1.1\r\n\r\n--batch_1--",
        "--batch_1\r\n\r\nDELETE / HTTP/1.1\r\n folded: x\r\n\r\n--batch_1--",
        "--batch_1\r\n\r\nDELETE / HTTP/1.1\r\na: b\rc\r\n\r\n--batch_1--",
        "--batch_1\r\nContent-Type: text/plain\r\n\r\nDELETE / HTTP/1.1\r\n\r\n--batch_1--",
        "--batch_12\r\n\r\nDELETE / HTTP/1.1\r\n\r\n--batch_12--",
    ])
    func refuses(text: String) {
        let error = #expect(throws: AzureError.self) { try Self.parse(text) }
        #expect(error?.code == .invalidInput)
    }

    @Test func boundaries() throws {
        #expect(try BatchRequest.boundary(contentType: "multipart/mixed; boundary=batch_a") == "batch_a")
        #expect(try BatchRequest.boundary(contentType: "Multipart/Mixed;charset=x; Boundary=\"==a b==\"") == "==a b==")
        #expect(throws: AzureError.missingRequiredHeader("Content-Type")) {
            try BatchRequest.boundary(contentType: nil)
        }
        for text in [
            "multipart/mixed", "multipart/mixed; boundary=", "text/plain; boundary=a", "multipart/mixed; boundary=\"\"",
        ] {
            #expect(throws: AzureError.invalidHeaderValue("Content-Type", text)) {
                try BatchRequest.boundary(contentType: text)
            }
        }
    }

    @Test func response() {
        var response = BatchResponse(id: "1")
        response.append(contentID: "0", status: 202, reason: "Accepted", headers: [("x-ms-version", "2021-08-06")])
        response.append(
            contentID: "1", status: 404, reason: "Not\r\nFound", headers: [("x-ms-error-code", "Blob\r\nNotFound")],
            body: ByteBuffer(string: "<Error/>"))
        #expect(response.contentType == "multipart/mixed; boundary=batchresponse_1")
        #expect(
            String(buffer: response.finish())
                == [
                    "--batchresponse_1\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\n",
                    "HTTP/1.1 202 Accepted\r\n",
                    "x-ms-version: 2021-08-06\r\n\r\n--batchresponse_1\r\nContent-Type: application/http\r\n",
                    "Content-ID: 1\r\n\r\n",
                    "HTTP/1.1 404 Not  Found\r\nx-ms-error-code: Blob  NotFound\r\nContent-Length: 8\r\n\r\n",
                    "<Error/>\r\n",
                    "--batchresponse_1--\r\n",
                ].joined()
        )
    }
}
