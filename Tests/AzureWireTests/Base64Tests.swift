import AzureWire
import Testing

@Suite struct Base64Tests {
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func vectorsOfTheRFC(plain: String, coded: String) {
        #expect(Base64.encode(Array(plain.utf8)) == coded)
        #expect(Base64.decode(coded) == Array(plain.utf8))
        #expect(Base64.decodedLength(of: coded) == plain.utf8.count)
    }

    @Test func wholeAlphabet() {
        let coded = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        #expect(Base64.decode(coded).map { Base64.encode($0) } == coded)
        #expect(Base64.decode("+/+/") == [0xFB, 0xFF, 0xBF])
    }

    @Test(arguments: [
        "Z", "Zg", "Zg=", "Zg===", "====", "=AAA", "A=AA", "AA=A", "Zm9v\n", " Zm9v", "Zm9-", "Zm9_", "Zm8é",
        "Zg==Zg==",
        "!!!!",
    ])
    func refuses(text: String) {
        #expect(Base64.decode(text) == nil)
        #expect(Base64.decodedLength(of: text) == nil)
    }
}
