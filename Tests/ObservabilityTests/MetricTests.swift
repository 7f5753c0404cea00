import Observability
import Testing

struct MetricTests {
    @Test func rendersFamiliesAndSeriesInOrder() {
        let registry = MetricRegistry()
        registry.counter(.requests, [MetricLabel("status", "200"), MetricLabel("operation", "GetBlob")]).add(2)
        registry.counter(.requests, [MetricLabel("operation", "GetBlob"), MetricLabel("status", "404")]).add()
        registry.gauge(.connections) { 1.5 }
        #expect(
            registry.render() == """
                # HELP forebay_http_connections Open connections.
                # TYPE forebay_http_connections gauge
                forebay_http_connections 1.5
                # HELP forebay_http_requests_total Requests answered, by operation and status.
                # TYPE forebay_http_requests_total counter
                forebay_http_requests_total{operation="GetBlob",status="200"} 2
                forebay_http_requests_total{operation="GetBlob",status="404"} 1

                """)
    }

    @Test func histogramsAreCumulativeAndScaled() {
        let registry = MetricRegistry()
        let buckets = HistogramBuckets(bounds: [1_000_000, 500_000_000], unitsPerExposed: 1_000_000_000)
        let histogram = registry.histogram(.requestDuration, [MetricLabel("operation", "PutBlob")], buckets: buckets)
        for value: Int64 in [0, 1_000_000, 1_000_001, 500_000_000, 2_000_000_000] { histogram.observe(value) }
        let lines = registry.render().split(separator: "\n").dropFirst(2).map(String.init)
        #expect(
            lines == [
                "forebay_http_request_duration_seconds_bucket{operation=\"PutBlob\",le=\"0.001\"} 2",
                "forebay_http_request_duration_seconds_bucket{operation=\"PutBlob\",le=\"0.5\"} 4",
                "forebay_http_request_duration_seconds_bucket{operation=\"PutBlob\",le=\"+Inf\"} 5",
                "forebay_http_request_duration_seconds_sum{operation=\"PutBlob\"} 2.502000001",
                "forebay_http_request_duration_seconds_count{operation=\"PutBlob\"} 5",
            ])
    }

    @Test func sameNameAndLabelsAreOneInstrument() {
        let registry = MetricRegistry()
        registry.counter(.auditLines, [MetricLabel("a", "1"), MetricLabel("b", "2")]).add()
        registry.counter(.auditLines, [MetricLabel("b", "2"), MetricLabel("a", "1")]).add()
        #expect(registry.counter(.auditLines, [MetricLabel("a", "1"), MetricLabel("b", "2")]).value == 2)
    }

    @Test func labelValuesCannotBreakTheFormat() {
        let registry = MetricRegistry()
        registry.counter(.auditLines, [MetricLabel("a", "x\"\\\ny")]).add()
        #expect(registry.render().contains("forebay_audit_lines_total{a=\"x\\\"\\\\\\ny\"} 1\n"))
    }

    @Test func countsFromManyTasksAreAllThere() async {
        let registry = MetricRegistry()
        let counter = registry.counter(.auditLines)
        let histogram = registry.histogram(.requestDuration)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<1_000 {
                        counter.add()
                        histogram.observe(1)
                    }
                }
            }
        }
        #expect(counter.value == 8_000)
        #expect(histogram.snapshot().total == 8_000)
    }
}
