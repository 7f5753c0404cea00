import AzureWire
import Testing

@Suite struct ChecksumHeaderTests {
    @Test(
        arguments: [
            (0x0000_0000_0000_0000, "AAAAAAAAAAA="), (0xAE8B_1486_0A79_9888, "iJh5CoYUi64="),
            (0x8D29_D5C3_F6EA_8EBE, "vo7q9sPVKY0="), (0xFF71_E212_79D9_966E, "bpbZeRLicf8="),
        ] as [(UInt64, String)])
    func crc64(crc: UInt64, text: String) throws {
        #expect(ChecksumHeaders.crc64Text(crc) == text)
        #expect(try ChecksumHeaders.crc64(text, header: "x-ms-content-crc64") == crc)
    }

    @Test func crc64OfAnotherLength() {
        #expect(throws: AzureError.invalidHeaderValue("x-ms-content-crc64", "AAAA")) {
            try ChecksumHeaders.crc64("AAAA", header: "x-ms-content-crc64")
        }
        #expect(throws: AzureError.invalidHeaderValue("h", "*")) { try ChecksumHeaders.crc64("*", header: "h") }
        #expect(throws: AzureError(.crc64Mismatch)) { try ChecksumHeaders.crc64("AAAAAAAAAAAA", header: "h") }
    }

    @Test func md5() throws {
        #expect(try ChecksumHeaders.md5("1B2M2Y8AsgTpgAmY7PhCfg==").first == 0xD4)
        for text in ["", "AAAA", "1B2M2Y8AsgTpgAmY7PhCfg", "not base64 at all======="] {
            #expect(throws: AzureError(.invalidMd5)) { try ChecksumHeaders.md5(text) }
        }
    }

    @Test func mismatches() {
        #expect(
            AzureError(StructuredMessage.Problem.crcMismatch(given: 0, computed: 0xAE8B_1486_0A79_9888)).details == [
                AzureError.Field("UserSpecifiedCrc64", "AAAAAAAAAAA="),
                AzureError.Field("ServerCalculatedCrc64", "iJh5CoYUi64="),
            ])
        #expect(
            AzureError.md5Mismatch(given: [0], computed: [1]).details == [
                AzureError.Field("UserSpecifiedMd5", "AA=="), AzureError.Field("ServerCalculatedMd5", "AQ=="),
            ])
    }
}
