#!/usr/bin/env python3
"""What a capture costs a real ingest: the same documents without and with one, by turns, in pairs.

prof_overhead.py BENCH_PROF_INGEST MODEL_DIR [--documents FOLDER] [--pairs N] [--modes NAME,...] [--json]

Of a release build. Every run is a process of its own with an empty index; in every other pair the one with the capture comes first, and one pair of each
kind goes before that is not counted. The ratio is the geometric mean of the pairs' ratios, its 95 % interval that of Student's t on their logarithms:
of the processor time of the whole process (which other work on the machine changes least), and of the time that passed. "own" is what the capture says
of itself. On a machine that does nothing else, 11 pairs or more; fewer show that it works.
"""
import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

MODES = {
    "spans": ["spans"],
    "cpu-99": ["cpu=99"],
    "cpu-250": ["cpu=250"],
    "cpu-1000": ["cpu=1000"],
    "heap": ["heap"],
    "default": ["cpu=99", "heap", "memory", "spans"],
    "wall-99": ["wall=99"],
}
# Student's t, two-sided 95 %, by degrees of freedom; the next lower entry is used, which is the wider interval.
T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228, 12: 2.179, 15: 2.131, 20: 2.086, 30: 2.042, 60: 2.000, 120: 1.980}


def ratio_of(pairs):
    """(geometric mean, lower, upper) of on / off."""
    logs = [math.log(on / off) for off, on in pairs]
    middle = statistics.mean(logs)
    if len(logs) < 2:
        return math.exp(middle), 0.0, math.inf
    half = T95[max(d for d in T95 if d <= len(logs) - 1)] * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


class Bench:
    def __init__(self, program, model, documents, folder):
        self.program, self.folder = program, folder
        self.environment = dict(os.environ, QLOADER_MODEL_DIR=model)
        self.workspace = os.path.join(folder, "workspace")
        os.mkdir(self.workspace)
        with open(os.path.join(self.workspace, "config.yaml"), "w") as file:
            json.dump({"sources": {"localfile": {"documents": {"base_url": "file://" + os.path.abspath(documents)}}}}, file)

    def run(self, sources):
        shutil.rmtree(os.path.join(self.workspace, "data"), ignore_errors=True)
        done = subprocess.run([self.program, self.workspace, os.path.join(self.folder, "capture"), *sources], capture_output=True, text=True, env=self.environment)
        if done.returncode != 0:
            sys.exit("%s: %s" % (" ".join([self.program] + sources), done.stderr))
        return json.loads(done.stdout)

    def pair(self, sources, on_first):
        first = self.run(sources if on_first else [])
        second = self.run([] if on_first else sources)
        off, on = (second, first) if on_first else (first, second)
        if (off["documents"], off["chunks"]) != (on["documents"], on["chunks"]):
            sys.exit("not the same work: %s and %s" % (off, on))
        return off, on


def measured(pairs):
    row = {"pairs": len(pairs), "documents": pairs[0][0]["documents"], "chunks": pairs[0][0]["chunks"]}
    for what in ("cpu", "wall"):
        times = [(off[what + "_ns"], on[what + "_ns"]) for off, on in pairs]
        row[what] = dict(zip(("ratio", "low", "high"), ratio_of(times)), off_ms=statistics.median(off for off, _ in times) / 1e6, on_ms=statistics.median(on for _, on in times) / 1e6,
                         ratio_of_least=min(on for _, on in times) / min(off for off, _ in times))
    row["own"] = statistics.mean(on["own_ns"] / on["cpu_ns"] for _, on in pairs)
    row["samples"] = sum(on["samples"] for _, on in pairs)
    row["dropped"] = sum(on["dropped"] for _, on in pairs)
    return row


def percent(ratio):
    return "%+.2f %%" % ((ratio - 1) * 100) if math.isfinite(ratio) else "?"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("model_dir")
    parser.add_argument("--documents", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs"))
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--modes", default=",".join(MODES), help="of: " + ", ".join(MODES))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    modes = args.modes.split(",")
    if set(modes) - set(MODES) or args.pairs < 1:
        parser.error("modes are %s; pairs 1 or more" % ", ".join(MODES))
    with tempfile.TemporaryDirectory(prefix="qloader-bench-") as folder:
        bench = Bench(os.path.abspath(args.program), os.path.abspath(args.model_dir), args.documents, folder)
        pairs = {mode: [] for mode in modes}
        for number in range(-1, args.pairs):  # modes by turns too, so that what the machine does meanwhile meets all
            for mode in modes:
                pair = bench.pair(MODES[mode], number % 2 == 1)
                if number >= 0:
                    pairs[mode].append(pair)
    rows = {mode: measured(pairs[mode]) for mode in modes}
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    first = rows[modes[0]]
    print("%d documents, %d chunks, %d pairs; load %s" % (first["documents"], first["chunks"], args.pairs, " ".join("%.1f" % load for load in os.getloadavg())))
    print("| capture | CPU off | CPU on | more CPU | 95 % | of the least | more time | 95 % | own | samples a run | lost |\n| --- | ---: | ---: | ---: | --- | ---: | ---: | --- | ---: | ---: | ---: |")
    for mode, row in rows.items():
        cpu, wall = row["cpu"], row["wall"]
        print("| %s | %.0f ms | %.0f ms | %s | %s to %s | %s | %s | %s to %s | %.2f %% | %.0f | %d |" % (
            mode, cpu["off_ms"], cpu["on_ms"], percent(cpu["ratio"]), percent(cpu["low"]), percent(cpu["high"]), percent(cpu["ratio_of_least"]),
            percent(wall["ratio"]), percent(wall["low"]), percent(wall["high"]), row["own"] * 100, row["samples"] / row["pairs"], row["dropped"]))


if __name__ == "__main__":
    main()
