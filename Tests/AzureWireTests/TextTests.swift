import AzureWire
import Testing

@Suite struct PercentCodingTests {
    @Test func decodes() {
        #expect(PercentCoding.decode("plain") == "plain")
        #expect(PercentCoding.decode("a%20b+c") == "a b+c")
        #expect(PercentCoding.decode("a%20b+c", plus: .space) == "a b c")
        #expect(PercentCoding.decode("%c3%A9%2F%2b") == "é/+")
        #expect(PercentCoding.decode("%F0%9F%98%80") == "😀")
        #expect(PercentCoding.decode("%00") == "\0")
    }

    @Test(arguments: ["%", "%4", "%zz", "a%2", "%FF", "%C3", "%ED%A0%80", "%C0%80", "%F5%80%80%80", "%-1", "%+1"])
    func refuses(text: String) {
        #expect(PercentCoding.decode(text) == nil)
    }

    @Test func encodes() {
        #expect(PercentCoding.encode("a b/é~-._+") == "a%20b%2F%C3%A9~-._%2B")
        #expect(PercentCoding.encode("a b/c", keeping: .slashes) == "a%20b/c")
        #expect(PercentCoding.encode("\u{1}\u{FFFF}") == "%01%EF%BF%BF")
    }
}

@Suite struct QueryStringTests {
    @Test func orderCaseAndDuplicates() throws {
        let query = try #require(QueryString("Comp=list&&prefix=a+b%2Fc&include=tags&include=metadata&flag&x="))
        #expect(query.parameters.map(\.name) == ["comp", "prefix", "include", "include", "flag", "x"])
        #expect(query["comp"] == "list")
        #expect(query["prefix"] == "a b/c")
        #expect(query.values(of: "include") == ["tags", "metadata"])
        #expect(query["flag"] == "")
        #expect(query["x"] == "")
        #expect(query["none"] == nil)
        #expect(query.duplicatedName == "include")
        #expect(QueryString("a=1=2")?["a"] == "1=2")
        #expect(QueryString("")?.parameters.isEmpty == true)
        #expect(QueryString("a=1&b=2")?.duplicatedName == nil)
    }

    @Test(arguments: ["a=%", "%ff=1", "a=%C3"])
    func refuses(text: String) {
        #expect(QueryString(text) == nil)
    }
}

@Suite struct RequestTargetTests {
    @Test func originForm() throws {
        let target = try #require(RequestTarget("/c/a%2Fb+c?comp=list&x=?"))
        #expect(target.rawPath == "/c/a%2Fb+c")
        #expect(target.rawQuery == "comp=list&x=?")
        #expect(target.authority == nil)
    }

    @Test func otherForms() throws {
        let absolute = try #require(RequestTarget("HTTP://acct.blob.test:81/c?x=1"))
        #expect(absolute.authority == "acct.blob.test:81")
        #expect(absolute.rawPath == "/c")
        #expect(RequestTarget("http://h?x=1")?.rawPath == "/")
        #expect(RequestTarget("*")?.rawPath == "/")
        #expect(RequestTarget("/a#b?c")?.rawPath == "/a")
        #expect(RequestTarget("c/b") == nil)
        #expect(RequestTarget("") == nil)
        #expect(RequestTarget("http:///x") == nil)
    }

    @Test func segments() {
        let host = RawResourcePath("/c/a/b%2Fc", style: .host)
        #expect(host.account == nil)
        #expect(host.containerName == "c")
        #expect(host.blobName == "a/b/c")
        let path = RawResourcePath("/acct/%24root/x", style: .path)
        #expect(path.account == "acct")
        #expect(path.containerName == "$root")
        #expect(path.blobName == "x")
        #expect(RawResourcePath("/acct", style: .path).container == nil)
        #expect(RawResourcePath("/acct/", style: .path).container == nil)
        #expect(RawResourcePath("/", style: .host).container == nil)
        #expect(RawResourcePath("/", style: .path).account == nil)
        #expect(RawResourcePath("/acct/c%2Fb", style: .path).containerName == "c/b")
        let marked = RawResourcePath("/c/", style: .host)
        #expect(marked.blob == nil)
        #expect(marked.containerEndsInSlash)
        #expect(!RawResourcePath("/c", style: .host).containerEndsInSlash)
        #expect(RawResourcePath("//b", style: .host).container == "")
        #expect(RawResourcePath("/c//b", style: .host).blobName == "/b")
        #expect(RawResourcePath("/c/%zz", style: .host).blobName == nil)
    }
}
