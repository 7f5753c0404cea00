/// A metric as Prometheus knows it. Every name that the node exposes stands in this file.
package struct MetricName: Hashable, Sendable {
    package enum Kind: String, Sendable { case counter, gauge, histogram }

    package let text: String
    package let kind: Kind
    package let help: String

    private init(_ text: String, _ kind: Kind, _ help: String) {
        self.text = "forebay_" + text
        self.kind = kind
        self.help = help
    }
}

extension MetricName {
    // Edge
    package static let requests = Self("http_requests_total", .counter, "Requests answered, by operation and status.")
    package static let requestDuration = Self(
        "http_request_duration_seconds", .histogram, "From the request's head to the last byte of its answer.")
    package static let serverLatency = Self(
        "http_server_latency_seconds", .histogram, "From the request's head to the answer's head, without the network.")
    package static let requestBytes = Self("http_request_bytes_total", .counter, "Body bytes received.")
    package static let responseBytes = Self("http_response_bytes_total", .counter, "Body bytes sent.")
    package static let requestsInFlight = Self("http_requests_in_flight", .gauge, "Requests being served.")
    package static let connections = Self("http_connections", .gauge, "Open connections.")
    package static let connectionsAccepted = Self("http_connections_accepted_total", .counter, "Connections accepted.")
    package static let connectionsRefused = Self(
        "http_connections_refused_total", .counter, "Connections turned away because too many were open.")
    package static let refusals = Self("http_refusals_total", .counter, "Requests that the front door itself refused.")
    package static let timeouts = Self(
        "http_timeouts_total", .counter, "Peers that were too slow, by what was awaited.")
    package static let answersCut = Self(
        "http_answers_cut_total", .counter, "Answers that ended before their last byte, by side.")

    package static let handshakeFailures = Self(
        "tls_handshake_failures_total", .counter, "TLS handshakes that failed, for whatever reason.")
    package static let certificateExpiry = Self(
        "tls_certificate_expiry_seconds", .gauge, "When the first certificate in use ends, in Unix time.")
    package static let certificateReloads = Self(
        "tls_certificate_reloads_total", .counter, "Times that changed certificates were read again, by result.")
    package static let proxyRefusals = Self(
        "proxy_refusals_total", .counter, "Connections closed for the lack of a PROXY header that counts, by reason.")

    // Audit
    package static let auditLines = Self("audit_lines_total", .counter, "Audit lines written.")
    package static let auditDropped = Self(
        "audit_dropped_total", .counter, "Audit lines lost to a full queue or a failed write.")
    package static let auditFailures = Self(
        "audit_write_failures_total", .counter, "Failed writes, rotations and openings of the audit file.")
    package static let auditRotations = Self("audit_rotations_total", .counter, "Rotations of the audit file.")

    // Admission
    package static let admissionAdmitted = Self(
        "admission_admitted_total", .counter, "Requests that the limits let in, by account.")
    package static let admissionRefused = Self(
        "admission_refused_total", .counter, "Requests that the limits refused, by account and reason.")

    // Admin
    package static let adminUnauthenticated = Self(
        "admin_unauthenticated_total", .counter, "Requests to the admin endpoint without a valid credential.")

    // Metadata
    package static let metadataCommits = Self("metadata_commits_total", .counter, "Transactions committed.")
    package static let metadataConflicts = Self("metadata_conflicts_total", .counter, "Transactions run again.")
    package static let metadataReopenings = Self(
        "metadata_reopenings_total", .counter, "Times that the database was opened again after a failed commit.")
    package static let metadataWritable = Self(
        "metadata_writable", .gauge, "1 while writes are taken, 0 while they are refused.")
    package static let metadataBatchSize = Self("metadata_batch_size", .histogram, "Transactions per synced batch.")
    package static let metadataSyncDuration = Self(
        "metadata_sync_duration_seconds", .histogram, "One synced write of a batch.")

    // Extents
    package static let extentUsedBytes = Self("extent_used_bytes", .gauge, "Bytes of live extents.")
    package static let extentReservedBytes = Self(
        "extent_reserved_bytes", .gauge, "Bytes promised to bodies under way.")
    package static let extentBudgetBytes = Self("extent_budget_bytes", .gauge, "What used and reserved may not exceed.")
    package static let extentSyncDuration = Self("extent_sync_duration_seconds", .histogram, "One sync of a segment.")
    package static let extentDamaged = Self("extent_damaged_total", .counter, "Extents whose checksum did not match.")
    package static let extentScrubbedBytes = Self(
        "extent_scrubbed_bytes_total", .counter, "Bytes read by the scrubber.")
    package static let extentSweptBytes = Self("extent_swept_bytes_total", .counter, "Bytes given back by the sweeper.")

    // Process
    package static let buildInfo = Self("build_info", .gauge, "1, with the version as a label.")
    package static let startTime = Self("start_time_seconds", .gauge, "When the process started, in Unix time.")
    package static let residentBytes = Self("process_resident_bytes", .gauge, "Resident memory.")
    package static let openDescriptors = Self("process_open_descriptors", .gauge, "Open file descriptors.")
}
