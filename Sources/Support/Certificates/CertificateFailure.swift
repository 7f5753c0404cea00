/// Why certificates could not be made, said so that whoever asked can mend it. Holds nothing out of a key.
package struct CertificateFailure: Error, CustomStringConvertible, Sendable {
    package var description: String
    init(_ description: String) { self.description = description }
}
