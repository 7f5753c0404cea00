import JWTKit
import StorageModel
