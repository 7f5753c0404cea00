import Glibc

@testable import Properties

/// The target of this run; FUZZ_TARGET names it.
private let target: FuzzTarget = {
    let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
        let known = FuzzTarget.allCases.map(\.rawValue).joined(separator: " ")
        say("FUZZ_TARGET is not one of: \(known)")
        exit(2)
    }
    return target
}()

/// Called by libFuzzer for every input. A broken property ends the process, which libFuzzer reports with the input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    do {
        try target.check(input)
    } catch {
        say("\n\(target.rawValue): \(error)")
        abort()
    }
    return 0
}

/// To standard error, where libFuzzer writes too.
private func say(_ text: String) {
    let bytes = Array("\(text)\n".utf8)
    _ = write(2, bytes, bytes.count)
}
