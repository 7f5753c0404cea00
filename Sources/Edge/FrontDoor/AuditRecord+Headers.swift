import Observability

/// The columns that are headers. Every header of every request passes here: names are told apart by their length first.
extension AuditRecord {
    mutating func note(requestHeader name: String, _ value: String) {
        switch name.utf8.count {
        case 6 where equalsIgnoringCase(name, "accept"): accept = value
        case 7 where equalsIgnoringCase(name, "referer"): referrer = Redaction.uri(value)
        case 8 where equalsIgnoringCase(name, "if-match"): conditions.append(("If-Match", value))
        case 10 where equalsIgnoringCase(name, "user-agent"): userAgent = value
        case 11 where equalsIgnoringCase(name, "content-md5"): requestMD5 = value
        case 13 where equalsIgnoringCase(name, "if-none-match"): conditions.append(("If-None-Match", value))
        case 16 where equalsIgnoringCase(name, "x-ms-access-tier"): accessTier = value
        case 16 where equalsIgnoringCase(name, "x-ms-content-md5"): requestMD5 = value
        case 17 where equalsIgnoringCase(name, "if-modified-since"): conditions.append(("If-Modified-Since", value))
        case 19 where equalsIgnoringCase(name, "if-unmodified-since"): conditions.append(("If-Unmodified-Since", value))
        default: break
        }
    }

    mutating func note(responseHeader name: String, _ value: String) {
        switch name.utf8.count {
        case 11 where equalsIgnoringCase(name, "content-md5"): responseMD5 = value
        case 13 where equalsIgnoringCase(name, "last-modified"): lastModified = value
        case 16 where equalsIgnoringCase(name, "x-ms-access-tier"): accessTier = value
        default: break
        }
    }
}
