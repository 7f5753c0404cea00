package enum PublicAccess: String, Hashable, Sendable {
    /// Blobs can be read by anybody.
    case blob
    /// Blobs can be read and listed by anybody.
    case container
}

/// A stored access policy: texts are kept in the normal form that Get Container ACL answers.
package struct AccessPolicy: Hashable, Sendable {
    package var id: String
    package var start: Timestamp?
    package var expiry: Timestamp?
    package var permissions: String?
    package init(id: String, start: Timestamp?, expiry: Timestamp?, permissions: String?) {
        self.id = id
        self.start = start
        self.expiry = expiry
        self.permissions = permissions
    }
}

package struct ContainerProperties: Sendable {
    package var name: ContainerName
    package var version: Version
    package var lastModified: Timestamp
    package var metadata: UserMetadata
    package var publicAccess: PublicAccess?
    package var policies: [AccessPolicy]
    package var lease: LeaseView

    package init(
        name: ContainerName, version: Version, lastModified: Timestamp, metadata: UserMetadata,
        publicAccess: PublicAccess?, policies: [AccessPolicy], lease: LeaseView
    ) {
        self.name = name
        self.version = version
        self.lastModified = lastModified
        self.metadata = metadata
        self.publicAccess = publicAccess
        self.policies = policies
        self.lease = lease
    }
}
