/// What can be allowed: Azure's actions on the Blob service, one bit each.
/// Source: "Azure built-in roles for Storage", "Permissions for calling data operations".
package struct Permissions: OptionSet, Sendable, Hashable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let readServiceProperties = Self(rawValue: 1 << 0)
    package static let writeServiceProperties = Self(rawValue: 1 << 1)
    package static let readAccountInformation = Self(rawValue: 1 << 2)
    package static let getUserDelegationKey = Self(rawValue: 1 << 3)
    package static let readContainers = Self(rawValue: 1 << 4)
    package static let writeContainers = Self(rawValue: 1 << 5)
    package static let deleteContainers = Self(rawValue: 1 << 6)
    package static let getContainerACL = Self(rawValue: 1 << 7)
    package static let setContainerACL = Self(rawValue: 1 << 8)
    package static let readBlobs = Self(rawValue: 1 << 9)
    package static let writeBlobs = Self(rawValue: 1 << 10)
    package static let deleteBlobs = Self(rawValue: 1 << 11)
    package static let readTags = Self(rawValue: 1 << 12)
    package static let writeTags = Self(rawValue: 1 << 13)
    package static let filterBlobs = Self(rawValue: 1 << 14)
    package static let deletePermanently = Self(rawValue: 1 << 15)

    /// Every single permission with its name in Azure's audit trail.
    package static let names: [(permission: Permissions, name: String)] = [
        (.readServiceProperties, "read"), (.writeServiceProperties, "write"),
        (.readAccountInformation, "getInfo/action"), (.getUserDelegationKey, "generateUserDelegationKey/action"),
        (.readContainers, "containers/read"), (.writeContainers, "containers/write"),
        (.deleteContainers, "containers/delete"), (.getContainerACL, "containers/getAcl/action"),
        (.setContainerACL, "containers/setAcl/action"), (.readBlobs, "containers/blobs/read"),
        (.writeBlobs, "containers/blobs/write"), (.deleteBlobs, "containers/blobs/delete"),
        (.readTags, "containers/blobs/tags/read"), (.writeTags, "containers/blobs/tags/write"),
        (.filterBlobs, "containers/blobs/filter/action"),
        (.deletePermanently, "containers/blobs/permanentDelete/action"),
    ]
    private static let prefix = "Microsoft.Storage/storageAccounts/blobServices/"

    /// The single permissions in this set, by their full names.
    package var actionNames: [String] {
        Self.names.filter { contains($0.permission) }.map { Self.prefix + $0.name }
    }
}

/// What a shared access signature can allow: one letter each of `sp`.
package struct DelegatedPermissions: OptionSet, Sendable, Hashable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let read = Self(rawValue: 1 << 0)
    package static let add = Self(rawValue: 1 << 1)
    package static let create = Self(rawValue: 1 << 2)
    package static let write = Self(rawValue: 1 << 3)
    package static let delete = Self(rawValue: 1 << 4)
    package static let deleteVersion = Self(rawValue: 1 << 5)
    package static let permanentDelete = Self(rawValue: 1 << 6)
    package static let list = Self(rawValue: 1 << 7)
    package static let tags = Self(rawValue: 1 << 8)
    package static let filter = Self(rawValue: 1 << 9)
    package static let move = Self(rawValue: 1 << 10)
    package static let execute = Self(rawValue: 1 << 11)
    package static let ownership = Self(rawValue: 1 << 12)
    package static let permissions = Self(rawValue: 1 << 13)
    package static let immutability = Self(rawValue: 1 << 14)
    package static let update = Self(rawValue: 1 << 15)

    package static let any = Self(rawValue: .max)
}
