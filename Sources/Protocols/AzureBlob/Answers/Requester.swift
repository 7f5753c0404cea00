import Access
import Observability

extension RequesterFacts {
    convenience init(_ principal: Principal, _ grant: Grant?) {
        switch principal {
        case .accountKey: self.init(authenticationType: "AccountKey")
        case .anonymous: self.init(authenticationType: "Anonymous")
        case .identity: self.init(authenticationType: "OAuth")
        case .delegated: self.init(authenticationType: "SAS")
        }
    }
}
