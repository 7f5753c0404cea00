#!/usr/bin/env python3
"""Searches for inputs that break a parser's properties (Tests/FuzzTests/Properties) with libFuzzer.

    fuzz.py --seconds 60                 every target, two at a time
    fuzz.py --target records             one target
    fuzz.py --once                       the kept corpus and all findings, each once
    fuzz.py --minimise                   takes what the searches found into the kept corpus, as few inputs as will do

Kept in the repository: fuzz/corpus/TARGET and fuzz/dictionaries/TARGET.dict. Everything that a search finds on its way
stays in .build-fuzz/corpus/TARGET, where the next search goes on. An input that breaks a property is saved in
fuzz/findings; once the parser is mended it belongs into fuzz/corpus/TARGET as finding-NAME, where the unit tests see it.
"""
import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUZZ = ROOT / "fuzz"
MAXIMUM_INPUT_BYTES = 4096
SECONDS_PER_INPUT = 5
MEMORY_MIB = 1024
# A search ends by itself; this much later something is wrong with the machine.
GRACE_SECONDS = 120


def targets():
    """The names in the Swift enum, in its order: what is not fuzzed cannot be forgotten."""
    text = (FUZZ / "Properties/FuzzTarget.swift").read_text()
    block = text.split("enum FuzzTarget", 1)[1].split("func check", 1)[0]
    names = re.findall(r'^    case (\w+)(?: = "([\w-]+)")?$', block, re.M)
    return [name or case for case, name in names]


def build(scratch, jobs):
    resolved = ROOT / "Package.resolved"
    copy = FUZZ / "Package.resolved"
    if resolved.exists() and (not copy.exists() or copy.stat().st_mtime < resolved.stat().st_mtime):
        shutil.copyfile(resolved, copy)
    command = [
        "swift", "build", "--package-path", str(FUZZ), "--scratch-path", str(scratch), "-j", str(jobs),
        "-c", "release", "--product", "fuzz", "--sanitize", "fuzzer", "--sanitize", "address",
        # The parsers are internal to their modules; assertions count here as in a debug build.
        "-Xswiftc", "-enable-testing", "-Xswiftc", "-assert-config", "-Xswiftc", "Debug",
    ]
    log = scratch / "build.log"
    scratch.mkdir(parents=True, exist_ok=True)
    print(f"fuzz: building, log in {shown(log)}", flush=True)
    with log.open("w") as output:
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT).returncode
    if code:
        lines = [line for line in log.read_text(errors="replace").splitlines() if "__asan_" not in line]
        print("\n".join(lines[-40:]))
        sys.exit(f"fuzz: RED, the build failed; repeat with: {' '.join(command)}")
    return scratch / "release/fuzz"


def shown(path):
    path = Path(path)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def environment(target):
    variables = dict(os.environ, FUZZ_TARGET=target, SWIFT_BACKTRACE="enable=no")
    # The runtime keeps its metadata for ever, which is no leak; each input's own memory is bounded by the limit.
    variables["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=0:symbolize=0:handle_abort=1"
    return variables


class Search:
    """One libFuzzer process for one target."""

    def __init__(self, binary, scratch, target, arguments, inputs):
        self.target = target
        self.binary = binary
        self.log = scratch / f"{target}.log"
        self.findings = FUZZ / "findings"
        self.findings.mkdir(exist_ok=True)
        command = [
            str(binary), *arguments, f"-timeout={SECONDS_PER_INPUT}", f"-rss_limit_mb={MEMORY_MIB}",
            f"-artifact_prefix={self.findings}/{target}-", "-print_final_stats=1", *map(str, inputs),
        ]
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=environment(target), cwd=ROOT)

    def text(self):
        return self.log.read_text(errors="replace")

    def progress(self):
        """Executions, coverage and rate, as libFuzzer last said them."""
        last = re.findall(r"#(\d+)\s.*?cov: (\d+) ft: (\d+) .*?exec/s: (\d+)", self.text()[-20000:])
        if not last:
            return f"{self.target} starting"
        count, coverage, features, rate = last[-1]
        return f"{self.target} {int(count):,} runs, {coverage} edges, {rate}/s"

    def executions(self):
        found = re.findall(r"stat::number_of_executed_units:\s+(\d+)", self.text())
        runs = re.findall(r"^#(\d+)\s", self.text(), re.M)
        return int(found[-1]) if found else int(runs[-1]) if runs else 0

    def finding(self):
        """The lines that say what happened, the saved input, and how to see it again."""
        text = self.text()
        saved = re.findall(r"Test unit written to (\S+)", text)
        words = [
            line for line in text.splitlines()
            if line.startswith(f"{self.target}: ") or "Fatal error" in line or line.startswith("SUMMARY")
            or "ERROR: " in line
        ]
        lines = [f"fuzz: RED {self.target}, log in {shown(self.log)}"] + [f"  {line[:600]}" for line in words[:6]]
        if saved:
            lines.append(f"  input: {shown(saved[-1])}")
            lines.append(
                f"  repeat: SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0 FUZZ_TARGET={self.target} "
                f"{shown(self.binary)} {shown(saved[-1])}")
        return "\n".join(lines)


def run_all(make, names, jobs, limit):
    """Runs a search per target, `jobs` at a time, with a line of progress every few seconds."""
    waiting, running, done = list(names), [], []
    begin = time.monotonic()
    said = begin
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                search = make(waiting.pop(0))
                search.begin = time.monotonic()
                running.append(search)
            time.sleep(0.2)
            now = time.monotonic()
            for search in list(running):
                if search.process.poll() is not None:
                    running.remove(search)
                    done.append(search)
                    verdict = "no finding" if search.process.returncode == 0 else "FINDING"
                    print(f"fuzz: {search.target}: {search.executions():,} runs, {verdict}", flush=True)
                elif now - search.begin > limit:
                    search.process.kill()
            if now - said >= 10 and running:
                said = now
                states = "; ".join(search.progress() for search in running)
                print(f"fuzz: {now - begin:4.0f} s, {len(done)} of {len(names)} done; {states}", flush=True)
    finally:
        for search in running:
            search.process.kill()
    return done


def minimise(binary, scratch, target):
    """As few inputs as reach every branch that the kept and the found ones reach together, and every finding."""
    kept, found, new = FUZZ / "corpus" / target, scratch / "corpus" / target, scratch / "merged" / target
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    sources = [str(path) for path in (kept, found) if path.is_dir()]
    subprocess.run(
        [str(binary), "-set_cover_merge=1", f"-max_len={MAXIMUM_INPUT_BYTES}", str(new), *sources],
        env=environment(target), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    inputs = {hashlib.sha1(path.read_bytes()).hexdigest()[:12]: path.read_bytes() for path in new.iterdir()}
    kept.mkdir(parents=True, exist_ok=True)
    for path in kept.iterdir():
        if not path.name.startswith("finding-"):
            path.unlink()
    for name, content in inputs.items():
        (kept / name).write_bytes(content)
    files = list(kept.iterdir())
    print(f"fuzz: {target}: {len(files)} inputs, {sum(path.stat().st_size for path in files):,} bytes", flush=True)


def main():
    known = targets()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="per target")
    parser.add_argument("--target", choices=known, help="all when absent")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time, and compiler jobs")
    parser.add_argument("--seed", type=int, default=0, help="libFuzzer's; 0 takes one from the clock")
    parser.add_argument("--scratch", type=Path, default=ROOT / ".build-fuzz")
    parser.add_argument("--binary", type=Path, help="built before; nothing is built")
    parser.add_argument("--once", action="store_true", help="run the kept inputs and the findings, search for nothing")
    parser.add_argument("--minimise", action="store_true", help="renew the kept corpus")
    options = parser.parse_args()
    scratch = options.scratch.resolve()
    names = [options.target] if options.target else known
    seed = options.seed or int(time.time()) & 0x7FFFFFFF
    binary = options.binary.resolve() if options.binary else build(scratch, options.jobs)
    scratch.mkdir(parents=True, exist_ok=True)

    if options.minimise:
        for name in names:
            minimise(binary, scratch, name)
        return

    def make(name):
        kept, found = FUZZ / "corpus" / name, scratch / "corpus" / name
        if options.once:
            inputs = sorted(kept.iterdir()) + sorted((FUZZ / "findings").glob(f"{name}-*"))
            return Search(binary, scratch, name, [], inputs)
        found.mkdir(parents=True, exist_ok=True)
        arguments = [
            f"-max_total_time={options.seconds}", f"-max_len={MAXIMUM_INPUT_BYTES}", f"-seed={seed}", "-verbosity=1",
            f"-dict={FUZZ / 'dictionaries' / (name + '.dict')}", "-reload=0",
        ]
        return Search(binary, scratch, name, arguments, [found, kept])

    (FUZZ / "findings").mkdir(exist_ok=True)
    done = run_all(make, names, options.jobs, options.seconds + GRACE_SECONDS)
    red = [search for search in done if search.process.returncode != 0]
    for search in red:
        print(search.finding())
    executions = sum(search.executions() for search in done)
    count = f"{len(names)} target{'s' if len(names) > 1 else ''}"
    if options.once:
        inputs = sum(len(list((FUZZ / "corpus" / name).iterdir())) for name in names)
        what = f"{count}, {inputs:,} kept inputs"
    else:
        what = f"{count} × {options.seconds} s, {executions:,} executions, seed {seed}"
    if red:
        again = " --once" if options.once else f" --seconds {options.seconds} --seed {seed}"
        for search in red:
            print(f"fuzz: repeat the search with: python3 fuzz/fuzz.py --target {search.target}{again}")
        sys.exit(f"fuzz: RED {what}, findings in {', '.join(search.target for search in red)}")
    print(f"fuzz: {what}, no finding")


if __name__ == "__main__":
    main()
