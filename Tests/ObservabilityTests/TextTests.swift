import Logging
import Observability
import StorageModel
import Testing

struct CivilTimeTests {
    // Computed with `date -u -d @N`.
    @Test(arguments: [
        (Int64(0), "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
    ])
    func httpDates(seconds: Int64, expected: String) {
        #expect(CivilTime(Timestamp(seconds: seconds)).httpDate == expected)
    }

    @Test func fractions() {
        let time = CivilTime(Timestamp(nanoseconds: 784_111_777_012_345_678))
        #expect(time.rfc3339(fractionDigits: 0) == "1994-11-06T08:49:37Z")
        #expect(time.rfc3339() == "1994-11-06T08:49:37.012Z")
        #expect(time.rfc3339(fractionDigits: 7) == "1994-11-06T08:49:37.0123456Z")
    }
}

struct HTTPDateTests {
    @Test(
        arguments: [
            ("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"),
            ("Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z"),
            ("Sun, 06 Nov 1994 08:49:37 UTC", nil), ("Sun, 06 Nov 94 08:49:37 GMT", nil), ("", nil),
            ("Sun, 06 Nox 1994 08:49:37 GMT", nil), ("Sun, x6 Nov 1994 08:49:37 GMT", nil),
        ] as [(String, String?)])
    func becomesAnInstant(text: String, expected: String?) {
        #expect(CivilTime.rfc3339(httpDate: text) == expected)
    }
}

struct JSONWriterTests {
    @Test func escapesWhatJSONCannotHold() {
        var json = JSONWriter()
        json.object { $0.member("k\"", "a\\b\u{1}\n\u{7F}é") }
        #expect(json.text == #"{"k\"":"a\\b\u0001\u000a\u007fé"}"#)
    }

    @Test func nests() {
        var json = JSONWriter()
        json.object { json in
            json.array("list") { json in
                json.element("a")
                json.object { $0.member("b", true) }
            }
            json.member("n", -5)
            json.object("empty") { _ in }
            json.member("ms", millisecondsFromNanoseconds: 12_034_567)
            json.member("whole", millisecondsFromNanoseconds: 2_000_000)
        }
        #expect(json.text == #"{"list":["a",{"b":true}],"n":-5,"empty":{},"ms":12.034,"whole":2}"#)
    }
}

struct LineLogHandlerTests {
    private let world = World(
        now: { Timestamp(seconds: 784_111_777) }, monotonicNanoseconds: { 0 },
        randomBytes: { [UInt8](repeating: 0, count: $0) },
        sleep: { _ in })

    private func lines(
        _ format: LineLogHandler.Format, isTerminal: Bool = false, _ body: (inout Logger) -> Void
    ) -> [String] {
        let collected = Locked<[String]>([])
        let sink = LineSink(isTerminal: isTerminal) { line in
            collected.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
        }
        var logger = Logger(label: "test") { LineLogHandler(label: $0, format: format, sink: sink, world: world) }
        body(&logger)
        return collected.withLock { $0 }
    }

    @Test func textLines() {
        let lines = lines(.text) { logger in
            logger[metadataKey: "listener"] = "blob"
            logger.info("listening", metadata: ["address": "127.0.0.1:1", "reason": "two words", "empty": ""])
            logger.debug("not shown")
        }
        #expect(
            lines == [
                "1994-11-06T08:49:37.000000Z info     test: listening address=127.0.0.1:1 empty=\"\" listener=blob "
                    + "reason=\"two words\"\n"
            ])
    }

    @Test func fieldsCannotForgeLines() {
        let lines = lines(.text) { $0.error("x", metadata: ["uri": "a\n1994 error forged: y"]) }
        #expect(lines.count == 1)
        #expect(lines[0].split(separator: "\n").count == 1)
    }

    @Test func jsonLines() {
        let lines = lines(.json) { logger in
            logger.warning("slow", metadata: ["b": ["x", "y"], "a": ["k": "v"]])
        }
        #expect(
            lines == [
                #"{"time":"1994-11-06T08:49:37.000000Z","level":"warning","logger":"test","message":"slow","#
                    + #""a":{"k":"v"},"b":["x","y"]}"# + "\n"
            ])
    }

    @Test func coloursForTerminalsAlone() {
        #expect(lines(.text) { $0.error("x") }[0].contains("\u{1B}") == false)
        #expect(lines(.text, isTerminal: true) { $0.error("x") }[0].contains("\u{1B}[31m"))
        #expect(lines(.text, isTerminal: true) { $0.info("x") }[0].contains("\u{1B}") == false)
    }
}
