/// The parameters of a request, decoded once, in the order in which they came. `+` is a space.
package struct QueryString: Sendable {
    package struct Parameter: Sendable, Hashable {
        /// In lower case: parameter names are compared without case.
        package var name: String
        package var value: String
        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package private(set) var parameters: [Parameter]

    package static let empty = QueryString(parameters: [])
    package init(parameters: [Parameter]) { self.parameters = parameters }

    /// Reads what stands after the `?`. `nil` for a broken escape or text that is not UTF-8.
    package init?(_ raw: String) {
        parameters = []
        guard !raw.isEmpty else { return }
        let ampersand = UInt8(ascii: "&")
        let equals = UInt8(ascii: "=")
        var start = raw.utf8.startIndex
        let end = raw.utf8.endIndex
        while start < end {
            let stop = raw.utf8[start...].firstIndex(of: ampersand) ?? end
            if stop > start {
                let split = raw.utf8[start..<stop].firstIndex(of: equals) ?? stop
                let valueStart = split < stop ? raw.utf8.index(after: split) : stop
                guard let name = PercentCoding.decode(raw[start..<split], plus: .space),
                    let value = PercentCoding.decode(raw[valueStart..<stop], plus: .space)
                else { return nil }
                parameters.append(Parameter(name: name.asciiLowercased, value: value))
            }
            start = stop < end ? raw.utf8.index(after: stop) : end
        }
    }

    /// The first value of a name that is given in lower case.
    package subscript(name: String) -> String? {
        // Most requests have none.
        parameters.isEmpty ? nil : parameters.first { $0.name == name }?.value
    }

    package func values(of name: String) -> [String] { parameters.filter { $0.name == name }.map(\.value) }

    /// A name that stands more than once, if there is one.
    package var duplicatedName: String? {
        for (index, parameter) in parameters.enumerated()
        where parameters[..<index].contains(where: { $0.name == parameter.name }) {
            return parameter.name
        }
        return nil
    }
}
