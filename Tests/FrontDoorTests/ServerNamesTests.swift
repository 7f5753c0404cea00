import Testing

@testable import FrontDoor

@Suite struct ServerNamesTests {
    private static let names = ServerNames([
        ["localhost", "*.blob.one.example"], ["*.Two.example", "exact.blob.one.example"],
        ["localhost", "three.example."],
    ])

    @Test(
        arguments: [
            (nil, 0), ("", 0), ("localhost", 0), ("a.blob.one.example", 0), ("exact.blob.one.example", 1),
            ("EXACT.blob.ONE.example", 1), ("a.two.example", 1), ("a.two.example.", 1), ("two.example", 0),
            ("a.b.two.example", 0), (".two.example", 0), ("three.example", 2), ("*.two.example", 1), ("other", 0),
        ] as [(String?, Int)]) func certificateOfName(name: String?, index: Int)
    {
        #expect(Self.names.index(of: name) == index, "\(name ?? "none")")
    }
}
