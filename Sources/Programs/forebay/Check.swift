import ArgumentParser
import Namespace
import Node
import Observability
import StorageModel

/// Checks a store that no node has open.
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fsck", abstract: "Checks a store that no node has open, and says what is damaged.",
        discussion: "Exit status: 0 clean, 1 damage or inconsistency found, 2 the check could not run.")

    @Option(help: "Directory of the node's data.") var data: String
    @Flag(help: "Checks records only, not the bytes.") var quick = false
    @Flag(help: "Prints the report as JSON.") var json = false

    func run() async throws {
        let report: StoreCheckReport
        do {
            let stores = try NodeStores.openForChecking(dataDirectory: data, world: .system)
            let showsProgress = !json && Terminal.showsProgress
            do {
                report = try await stores.check(
                    verifiesBytes: !quick,
                    progress: { done, total in
                        guard showsProgress else { return }
                        Terminal.progress("verified \(done) of \(total) extents", isLast: done == total)
                    })
            } catch {
                await stores.close()
                throw error
            }
            await stores.close()
        } catch {
            Terminal.complain("forebay fsck: the check could not run: \(error)")
            throw ExitCode(2)
        }
        if json { Terminal.say(render(report)) } else { show(report) }
        if !report.findings.isEmpty { throw ExitCode(1) }
    }

    private func show(_ report: StoreCheckReport) {
        for finding in report.findings { Terminal.say("\(finding.kind.rawValue): \(finding.subject): \(finding.text)") }
        if report.findingsDropped > 0 { Terminal.say("and \(report.findingsDropped) more") }
        Terminal.say(
            """
            \(report.containers) containers, \(report.blobs) blobs, \(report.stagedBlocks) staged blocks, \
            \(report.extents) extents, \(report.bytesVerified) bytes verified, \
            \(report.trashRecords) trash records: \(report.findings.isEmpty ? "clean" : "\(report.findings.count) findings")
            """)
    }

    private func render(_ report: StoreCheckReport) -> String {
        var writer = JSONWriter()
        writer.object { object in
            object.member("clean", report.findings.isEmpty)
            object.member("containers", report.containers)
            object.member("blobs", report.blobs)
            object.member("stagedBlocks", report.stagedBlocks)
            object.member("extents", report.extents)
            object.member("bytesVerified", report.bytesVerified)
            object.member("trashRecords", report.trashRecords)
            object.member("findingsDropped", report.findingsDropped)
            object.array("findings") { array in
                for finding in report.findings {
                    array.object { entry in
                        entry.member("kind", finding.kind.rawValue)
                        entry.member("subject", finding.subject)
                        entry.member("text", finding.text)
                    }
                }
            }
        }
        return writer.text
    }
}
