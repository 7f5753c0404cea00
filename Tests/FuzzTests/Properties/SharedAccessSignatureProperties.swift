import StorageModel

@testable import AzureWire

/// The text under a shared access signature has the lines that its version asks for, says all that the query says, and no
/// two queries that differ in what they allow have the same one.
enum SharedAccessSignatureProperties {
    /// The first line is the query of a URL, the second the blob's name.
    static func check(_ input: [UInt8]) throws {
        let lines = lines(of: input)
        guard let query = QueryString(lines[0]) else { return }
        let signature: SharedAccessSignature
        do { signature = try SharedAccessSignature(query) } catch {
            return try hold(!error.detail.isEmpty && error.detail.utf8.count < 1200, "a refusal without bound or words")
        }
        let blob = lines.count > 1 ? lines[1] : "b"
        let target = SignedTarget(account: "acc", container: "box", blob: blob)
        let value: (String) -> String? = { "value of \($0)" }
        let text = signature.stringToSign(target, header: value, parameter: value)
        try count(text, signature, target)
        try hold(signature.signature.count == 32, "a signature of \(signature.signature.count) bytes")

        // The same fields in another order are the same signature.
        var choices = Choices(input)
        let shuffled = try SharedAccessSignature(QueryString(parameters: query.parameters.shuffled(using: &choices)))
        try hold(
            sameBytes(shuffled.stringToSign(target, header: value, parameter: value), text),
            "the order of the parameters decides")
        try widened(query, text, target, value)
    }

    private static func count(_ text: String, _ signature: SharedAccessSignature, _ target: SignedTarget) throws {
        let breaks = text.utf8.count { $0 == 0x0A }
        let inName = (target.blob ?? "").utf8.count { $0 == 0x0A }
        let version = signature.version
        switch signature.form {
        case .account: try hold(breaks == (version >= .signedEncryptionScope ? 10 : 9), "\(breaks) lines")
        case .service:
            var expected = 10
            if version >= .signedAddresses { expected += 2 }
            if version >= .userDelegation { expected += 2 }
            if version >= .signedEncryptionScope { expected += 1 }
            try hold(breaks - inName == expected, "\(breaks) lines")
        case .userDelegation(_, let fields):
            var expected = 17
            if version >= .userDelegation { expected += 2 }
            if version >= .signedAgents { expected += 3 }
            if version >= .signedEncryptionScope { expected += 1 }
            if version >= .signedDelegatedUser { expected += 2 }
            if version >= .signedRequestParts {
                expected += 2 + fields.signedHeaders.count + fields.signedParameters.count
            }
            try hold(breaks - inName == expected, "\(breaks) lines instead of \(expected)")
        }
    }

    /// Whoever changes what is allowed changes the text.
    private static func widened(
        _ query: QueryString, _ text: String, _ target: SignedTarget, _ value: (String) -> String?
    ) throws {
        for name in ["sp", "se", "st", "sip", "spr", "si", "sr", "srt", "ss", "skoid", "ske", "rsct", "sv"] {
            var parameters = query.parameters
            guard let index = parameters.firstIndex(where: { $0.name == name && !$0.value.isEmpty }) else { continue }
            parameters[index].value += "x"
            guard let other = try? SharedAccessSignature(QueryString(parameters: parameters)) else { continue }
            let isSigned =
                switch other.form {
                // Those of a user delegation key mean nothing here.
                case .account: !["si", "rsct", "skoid", "ske"].contains(name)
                case .service:
                    !(["sip", "spr"].contains(name) && other.version < .signedAddresses) && name != "skoid"
                        && name != "ske" && name != "ss" && name != "srt"
                case .userDelegation: !["si", "ss", "srt"].contains(name)
                }
            guard isSigned else { continue }
            let changed = other.stringToSign(target, header: value, parameter: value)
            try hold(!sameBytes(changed, text), "\(name) can be changed under the signature")
        }
    }
}
