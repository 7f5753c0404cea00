/// A storage account's name: 3 to 24 characters of `a-z0-9`.
/// Source: "Naming and referencing containers, blobs, and metadata", Blob service REST reference.
package struct AccountName: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let value: String

    package init(validating value: String) throws(StorageFailure) {
        guard (3...24).contains(value.utf8.count) else {
            throw StorageFailure(.invalidName(.length), detail: "An account name has 3 to 24 characters.")
        }
        guard value.utf8.allSatisfy({ $0.isLowercaseLetterOrDigit }) else {
            throw StorageFailure(.invalidName(.characters), detail: "An account name has only a-z and 0-9.")
        }
        self.value = value
    }

    package var description: String { value }
    package static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}

/// A container's name: 3 to 63 characters of `a-z0-9-`, no hyphen first, last or doubled; or one of the service's own.
package struct ContainerName: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let value: String

    package static let root = ContainerName(reserved: "$root")
    /// Names that the service keeps for itself. `$root` and `$web` are created by users, the others are not.
    package static let reserved: Set<String> = ["$root", "$web", "$logs", "$blobchangefeed"]
    package static let notCreatable: Set<String> = ["$logs", "$blobchangefeed"]

    private init(reserved: String) { value = reserved }

    package init(validating value: String) throws(StorageFailure) {
        if value.utf8.first == UInt8(ascii: "$"), Self.reserved.contains(value) {
            self.value = value
            return
        }
        let hyphen = UInt8(ascii: "-")
        var previous = hyphen
        var isHyphenMisplaced = false
        for byte in value.utf8 {
            guard byte.isLowercaseLetterOrDigit || byte == hyphen else {
                throw StorageFailure(
                    .invalidName(.characters), detail: "A container name has only a-z, 0-9 and hyphens.")
            }
            if byte == hyphen, previous == hyphen { isHyphenMisplaced = true }
            previous = byte
        }
        guard (3...63).contains(value.utf8.count) else {
            throw StorageFailure(.invalidName(.length), detail: "A container name has 3 to 63 characters.")
        }
        guard previous != hyphen, !isHyphenMisplaced else {
            throw StorageFailure(
                .invalidName(.characters), detail: "Hyphens in a container name stand between letters or digits.")
        }
        self.value = value
    }

    package var isReserved: Bool { Self.reserved.contains(value) }
    package var isCreatable: Bool { !Self.notCreatable.contains(value) }
    package var description: String { value }
    package static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}

/// A blob's name: 1 to 1,024 UTF-16 code units in at most 254 segments. No segment is empty, `.` or `..`, none holds a
/// control character; one trailing `/` makes the name of a directory marker.
package struct BlobName: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let value: String

    package static let maximumUTF16Units = 1024
    package static let maximumSegments = 254

    package init(validating value: String) throws(StorageFailure) {
        // As many UTF-16 units as bytes at most: counting them takes a pass of its own.
        let units = value.utf8.count <= Self.maximumUTF16Units ? value.utf8.count : value.utf16.count
        guard (1...Self.maximumUTF16Units).contains(units) else {
            throw StorageFailure(.invalidName(.length), detail: "A blob name has 1 to 1,024 characters.")
        }
        var segments = 0
        var segmentLength = 0
        var onlyDots = true
        func segmentIsLegal() -> Bool { segmentLength > 0 && !(onlyDots && segmentLength <= 2) }
        var previous: UInt8 = 0
        for byte in value.utf8 {
            // C0 and DEL; C1 (U+0080 to U+009F) is 0xC2 and a byte below 0xA0.
            if byte < 0x20 || byte == 0x7F || (previous == 0xC2 && byte < 0xA0) {
                throw StorageFailure(.invalidName(.characters), detail: "A blob name cannot hold control characters.")
            }
            previous = byte
            if byte == UInt8(ascii: "/") {
                guard segmentIsLegal() else { throw Self.illegalSegment }
                segments += 1
                segmentLength = 0
                onlyDots = true
            } else {
                segmentLength += 1
                if byte != UInt8(ascii: ".") { onlyDots = false }
            }
        }
        if segmentLength > 0 {
            guard segmentIsLegal() else { throw Self.illegalSegment }
            segments += 1
        }
        guard segments <= Self.maximumSegments else {
            throw StorageFailure(.invalidName(.segment), detail: "A blob name has at most 254 path segments.")
        }
        self.value = value
    }

    private static let illegalSegment = StorageFailure(
        .invalidName(.segment), detail: "A path segment of a blob name is empty, '.' or '..'.")

    /// True for `a/b/`: the name can only be a zero-byte directory marker.
    package var isDirectoryMarker: Bool { value.utf8.last == UInt8(ascii: "/") }

    /// `a` and `a/b` for `a/b/c`: the names at which no file may stand.
    package var ancestors: [String] {
        var result: [String] = []
        var index = value.utf8.startIndex
        let end = value.utf8.endIndex
        while index < end {
            if value.utf8[index] == UInt8(ascii: "/") {
                result.append(String(value[..<index]))
            }
            index = value.utf8.index(after: index)
        }
        return result
    }

    package var description: String { value }
    package static func < (left: Self, right: Self) -> Bool {
        left.value.utf8.lexicographicallyPrecedes(right.value.utf8)
    }

    // Texts that Unicode calls equivalent are equal in Swift; as names they are as different as their bytes.
    package static func == (left: Self, right: Self) -> Bool { left.value.utf8.elementsEqual(right.value.utf8) }
    package func hash(into hasher: inout Hasher) {
        hasher.combine(value.utf8.count)
        for byte in value.utf8 { hasher.combine(byte) }
    }
}

package struct ContainerAddress: Hashable, Sendable {
    package var account: AccountName
    package var container: ContainerName
    package init(account: AccountName, container: ContainerName) {
        self.account = account
        self.container = container
    }
}

package struct BlobAddress: Hashable, Sendable {
    package var container: ContainerAddress
    package var blob: BlobName
    package init(container: ContainerAddress, blob: BlobName) {
        self.container = container
        self.blob = blob
    }
    package init(account: AccountName, container: ContainerName, blob: BlobName) {
        self.init(container: ContainerAddress(account: account, container: container), blob: blob)
    }
}

extension UInt8 {
    fileprivate var isLowercaseLetterOrDigit: Bool {
        self &- UInt8(ascii: "a") < 26 || self &- UInt8(ascii: "0") < 10
    }
}
