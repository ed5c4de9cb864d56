"""Captures on the command line: what qloader prof prints and writes, each file read by the tool that people would open it with.

The capture is tests/support/qprof_build.c's: 60 samples of 10 ms in capture_inner (inlined in capture_hot), 30 in capture_cold, 10 in a recursion.
"""
import glob
import json
import os
import re
import stat
import struct
import subprocess
import sys
import unittest
import xml.dom.minidom
import zlib

import jsonschema

import harness

TARGET = os.environ["QLOADER_CAPTURE_TARGET"]
DEPS = os.environ["QLOADER_DEPS_DIR"]
# Packages of the distribution are the system's interpreter's; another one may come first on PATH.
SYSTEM_PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable


class Prof(harness.Captures):
    def run_prof(self, *words, code=0, **more):
        done = subprocess.run([harness.QLOADER, "prof", *words], capture_output=True, cwd=self.dir, stdin=subprocess.DEVNULL, timeout=120, **more)
        self.assertEqual(done.returncode, code, done.stderr.decode(errors="replace"))
        return done.stdout.decode(errors="replace") if code == 0 else done.stderr.decode(errors="replace")

    def convert(self, form, name, *words):
        path = self.path(name)
        self.run_prof("convert", "--to", form, "--output", path, *words)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        return path

    def tool(self, *words, **more):
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, **more)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    # --- tables ---

    def test_top(self):
        rows = [line.split(None, 7) for line in self.run_prof("top").splitlines() if "target.c" in line]
        self.assertEqual([row[7] for row in rows], ["capture_entry (target.c:25)", "capture_inner (target.c:8)", "capture_hot (target.c:14)", "capture_cold (target.c:19)"])
        by_self = [line for line in self.run_prof("top", "--sort", "self", "--limit", "2", "--quiet", "capture.qprof").splitlines()]
        self.assertEqual([re.split(r"\s{2,}", line.strip())[-1] for line in by_self[1:]], ["capture_inner (target.c:8)", "capture_cold (target.c:19)"])
        table = json.loads(self.run_prof("top", "--json", "--limit", "0"))
        share = {row["name"]: (row["self_share"], row["cumulative_share"]) for row in table["rows"]}
        for name, own, cumulative in (("capture_inner", 0.7, 0.7), ("capture_cold", 0.3, 0.3), ("capture_hot", 0, 0.7), ("capture_entry", 0, 1)):
            self.assertAlmostEqual(share[name][0], own, places=6, msg=name)
            self.assertAlmostEqual(share[name][1], cumulative, places=6, msg=name)
        self.assertIn("brgemm_f32", share)
        wall = json.loads(self.run_prof("top", "--json", "--kind", "wall"))
        self.assertEqual((wall["kind"], wall["samples"]), ("wall", 100))
        nameless = json.loads(self.run_prof("top", "--json", "--no-symbols"))
        self.assertIn("[%s]" % os.path.basename(TARGET), [row["name"] for row in nameless["rows"]])
        self.assertNotIn("capture_hot", [row["name"] for row in nameless["rows"]])

    def test_heap(self):
        table = json.loads(self.run_prof("heap", "--json"))
        self.assertEqual([(row["name"], row["bytes"], row["count"]) for row in table["rows"]], [("capture_inner", 2 << 20, 100), ("capture_cold", 1 << 20, 10)])
        leak = json.loads(self.run_prof("heap", "--leak", "--group", "stack", "--json"))["rows"]
        self.assertEqual([[frame["name"] for frame in row["stack"]] for row in leak], [["capture_inner", "capture_hot", "capture_entry"]])
        self.assertIn("10.0 MiB", self.run_prof("heap", "--alloc"))
        self.assertRegex(self.run_prof("heap", "--peak", "--group", "file"), r"6\.0 MiB\s+300\s+20\.4 KiB\s+\S+target\.c")

    def test_diff(self):
        rows = json.loads(self.run_prof("diff", "capture.qprof", "slower.qprof", "--json"))["rows"]
        self.assertEqual((rows[0]["name"], rows[0]["self_change"]), ("capture_cold", 600000000))
        self.assertEqual([row["self_change"] for row in rows[1:]], [0] * (len(rows) - 1))
        self.assertIn("+", self.run_prof("diff", "capture.qprof", "slower.qprof").splitlines()[-5])
        self.assertRegex(self.run_prof("diff", "capture.qprof", "slower.qprof"), r"(?m)^ *SELF CHANGE SELF BEFORE +SELF% +SELF AFTER +SELF% +CUM CHANGE  WHERE\n\+ +600\.00 ms +300\.00 ms +\d+\.\d +900\.00 ms +\d+\.\d ")
        self.assertIn("'memory.qprof': the capture has no samples of processor time", self.run_prof("diff", "capture.qprof", self.nothing(), code=4))
        self.assertIn("'memory.qprof': the capture has no samples of time that passed ('record --wall' takes them", self.run_prof("diff", "-k", "wall", self.nothing(), "capture.qprof", code=4))
        path = self.path("flame-diff.svg")
        self.run_prof("diff", "capture.qprof", "slower.qprof", "--svg", path)
        titles = self.frames(path)
        self.assertIn("before 300.00 ms", titles["capture_cold"][0])
        self.assertRegex(titles["capture_cold"][1], "^#ff[0-9a-f]{4}$")  # more: red
        self.assertEqual(titles["capture_hot"][1], "#f2f0ee")

    def only(self, kinds, name):
        """capture.qprof with samples of some kinds alone (1: processor time, 2: time that passed), see lib/prof/qprof.h."""
        with open(self.path("capture.qprof"), "rb") as f:
            data = f.read()
        chunks, at = [], 16
        while at < len(data):
            kind, size, _ = struct.unpack_from("<III", data, at)
            body = data[at + 12:at + 12 + size]
            if kind == 8:
                records = [body[i:i + 64] for i in range(0, len(body), 64)]
                body = b"".join(record for record in records if struct.unpack_from("<H", record, 8 + 48)[0] in kinds)
            if kind not in (9, 10):  # the heap
                chunks.append((kind, body))
            at += 12 + size
        with open(self.path(name), "wb") as f:
            f.write(self.capture_of(chunks))
        return name

    def test_diff_of_captures_that_have_other_samples(self):
        cpu, wall = self.only((1,), "cpu.qprof"), self.only((2,), "wall.qprof")
        for before, after in (("capture.qprof", wall), (wall, "capture.qprof")):
            self.assertEqual(json.loads(self.run_prof("diff", "--json", before, after))["kind"], "wall")
        self.assertEqual(json.loads(self.run_prof("diff", "--json", "capture.qprof", cpu))["kind"], "cpu")
        self.assertIn("'wall.qprof': the capture has no samples of processor time", self.run_prof("diff", cpu, wall, code=4))
        self.assertIn("; it has: wall", self.run_prof("diff", cpu, wall, code=4))

    def test_diff_of_captures_of_other_lengths(self):
        self.assertNotIn("differ in length", self.run_prof("diff", "capture.qprof", "slower.qprof"))
        subprocess.run([os.environ["QLOADER_MAKE_CAPTURE"], self.path("stacks.qprof"), "--stacks", "1000"], check=True)
        self.assertRegex(self.run_prof("diff", "capture.qprof", "stacks.qprof"), r"(?m)^note: the captures differ in length, 1\.00 s before and \d+\.\d\d ms after: compare the shares$")

    # --- damage ---

    def test_a_damaged_piece_is_told_and_the_rest_is_read(self):
        with open(self.path("capture.qprof"), "rb") as f:
            data = bytearray(f.read())
        at, chunks = 16, []
        while at < len(data):
            chunks.append(at)
            at += 12 + struct.unpack_from("<I", data, at + 4)[0]
        middle = next(i for i, at in enumerate(chunks) if data[at] == 15)  # memory over time: samples lie around it
        data[chunks[middle] + 20] ^= 0x10
        hurt = self.path("hurt.qprof")
        with open(hurt, "wb") as f:
            f.write(data)
        told = "a piece is damaged and was left out: bytes %d to %d;" % (chunks[middle], chunks[middle + 1] - 1)
        self.assertIn(told, self.run_prof("top", hurt))
        table = json.loads(self.run_prof("top", "--json", hurt))
        self.assertTrue(table["complete"])
        self.assertEqual(table["samples"], json.loads(self.run_prof("top", "--json"))["samples"])
        done = subprocess.run([harness.QLOADER, "prof", "convert", "--to", "pprof", "-o", "hurt.pb.gz", hurt], capture_output=True, text=True, cwd=self.dir)
        self.assertEqual(done.returncode, 0)
        self.assertIn("note: " + told, done.stderr)
        with open(hurt, "wb") as f:
            f.write(data[:16] + b"\xff" * 5000)
        self.assertIn("not one whole piece", self.run_prof("top", hurt, code=8))
        with open(hurt, "wb") as f:
            f.write(b"a text, not a capture\n" * 9)
        self.assertIn("no capture", self.run_prof("top", hurt, code=1))

    # --- files for other tools ---

    def test_pprof(self):
        top = self.tool("go", "tool", "pprof", "-top", self.convert("pprof", "cpu.pb.gz"))
        self.assertRegex(top, r"700ms 70\.00% 70\.00%\s+700ms 70\.00%  capture_inner \(inline\)")
        self.assertRegex(top, r"300ms 30\.00%\s+100%\s+300ms 30\.00%  capture_cold")
        tags = self.tool("go", "tool", "pprof", "-tags", self.path("cpu.pb.gz"))
        for part in ("500ms (50.00%): convert", "500ms (50.00%): worker <1>", "1s (  100%): 7"):
            self.assertIn(part, tags)
        lines = self.tool("go", "tool", "pprof", "-top", "-lines", self.path("cpu.pb.gz"))
        self.assertIn("target.c:10 (inline)", lines)
        heap = self.convert("pprof", "heap.pb.gz", "--kind", "heap")
        for index, expected in (("alloc_space", "10MB"), ("inuse_space", "2MB"), ("peak_space", "5MB"), ("leak_space", "1MB"), ("alloc_objects", "1000")):
            self.assertRegex(self.tool("go", "tool", "pprof", "-top", "-sample_index=" + index, heap), expected + r"\s.*capture_inner")
        for kind in ("wall", "contention"):
            self.assertIn("capture_", self.tool("go", "tool", "pprof", "-top", self.convert("pprof", kind + ".pb.gz", "--kind", kind)))

    def test_pstats(self):
        import pstats
        stats = pstats.Stats(self.convert("pstats", "profile.out")).stats
        by_name = {key[2]: (key, value) for key, value in stats.items()}
        key, (primitive, calls, own, cumulative, callers) = by_name["capture_inner"]
        self.assertEqual((key[1], primitive, calls), (8, 70, 70))
        self.assertTrue(key[0].endswith("target.c"))
        self.assertAlmostEqual(own, 0.7)
        self.assertAlmostEqual(cumulative, 0.7)
        self.assertEqual({caller[2] for caller in callers}, {"capture_hot"})
        self.assertEqual(set(by_name["capture_hot"][1][4]), {by_name["capture_entry"][0], by_name["capture_inner"][0]})
        self.assertAlmostEqual(by_name["capture_entry"][1][3], 1.000000001)
        # What snakeviz makes its page of.
        page = self.tool(SYSTEM_PYTHON, "-c", "import pstats, sys; sys.path.insert(0, sys.argv[1]); from snakeviz.stats import json_stats, table_rows\n"
                         "s = pstats.Stats(sys.argv[2]); print(json_stats(s)); print(table_rows(s))", glob.glob(os.path.join(DEPS, "src", "snakeviz-*"))[0], self.path("profile.out"))
        self.assertIn("capture_inner", page)

    def test_speedscope(self):
        with open(glob.glob(os.path.join(DEPS, "src", "speedscope-*", "dist", "release", "file-format-schema.json"))[0]) as f:
            schema = json.load(f)
        with open(self.convert("speedscope", "cpu.speedscope.json")) as f:
            value = json.load(f)
        jsonschema.Draft7Validator.check_schema(schema)
        validator = jsonschema.Draft7Validator(schema)
        self.assertEqual([e.message for e in validator.iter_errors(value)], [])
        self.assertFalse(validator.is_valid(dict(value, profiles=[{"type": "sampled"}])))  # the method can fail
        names = [frame["name"] for frame in value["shared"]["frames"]]
        sampled = [p for p in value["profiles"] if p["type"] == "sampled"]
        self.assertEqual([p["name"] for p in sampled], ["main (100)", "worker <1> (101)"])
        for profile in sampled:
            self.assertEqual(len(profile["samples"]), len(profile["weights"]))
            self.assertEqual(sum(profile["weights"]), profile["endValue"])
            self.assertEqual({names[stack[0]] for stack in profile["samples"]}, {"capture_entry"})
        evented = [p for p in value["profiles"] if p["type"] == "evented"]
        self.assertEqual(len(evented), 2)
        for profile in evented:  # opened and closed in order, properly nested
            open_frames, last = [], 0
            for event in profile["events"]:
                self.assertGreaterEqual(event["at"], last)
                last = event["at"]
                if event["type"] == "O":
                    open_frames.append(event["frame"])
                else:
                    self.assertEqual(open_frames.pop(), event["frame"])
            self.assertEqual(open_frames, [])

    def test_collapsed(self):
        with open(self.convert("collapsed", "cpu.collapsed")) as f:
            stacks = dict(line.rsplit(" ", 1) for line in f.read().splitlines())
        self.assertEqual(stacks, {"capture_entry;capture_hot;capture_inner": "600000000", "capture_entry;capture_cold": "300000000",
                                  "capture_entry;capture_hot;capture_inner;capture_hot;capture_inner": "100000000", "capture_entry;brgemm_f32": "1"})

    def frames(self, path):
        """Name of each frame of a flame graph: its title and colour. Also checks that nothing comes from elsewhere."""
        self.tool("xmllint", "--noout", path)
        document = xml.dom.minidom.parse(path)
        with open(path) as f:
            text = f.read()
        self.assertEqual(re.findall(r"(?:href|src|url\()[^\s>]*|@import", text), [])
        self.assertEqual(set(re.findall(r"https?://[^\s\"']+", text)), {"http://www.w3.org/2000/svg"})
        made = {}
        for group in document.getElementsByTagName("g"):
            self.assertEqual(len(group.getElementsByTagName("title")), 1)
            name = group.getAttribute("data-n")
            made.setdefault(name, (group.getElementsByTagName("title")[0].firstChild.data, group.getElementsByTagName("rect")[0].getAttribute("fill"), float(group.getAttribute("data-w"))))
        return made

    def test_flame(self):
        frames = self.frames(self.convert("flame", "flame.svg"))
        self.assertEqual(set(frames), {"all", "capture_entry", "capture_hot", "capture_inner", "capture_cold"})  # the kernel's nanosecond is too narrow
        self.assertAlmostEqual(frames["capture_cold"][2], 0.3 * 1180, places=1)
        self.assertIn("capture_hot (target.c:14)\n700.00 ms, 69.99 %", frames["capture_hot"][0])

    def test_trace(self):
        with open(self.convert("trace", "trace.json")) as f:
            events = json.load(f)["traceEvents"]
        for event in events:
            self.assertTrue({"ph", "name", "pid", "tid"} <= set(event), event)
            if event["ph"] != "M":
                self.assertGreaterEqual(event["ts"], 0)
        phases = {ph: [e for e in events if e["ph"] == ph] for ph in {e["ph"] for e in events}}
        self.assertEqual({ph: len(found) for ph, found in phases.items() if ph != "C"}, {"M": 3, "X": 3, "s": 1, "f": 1, "b": 1, "e": 1})
        self.assertEqual({e["args"]["name"] for e in phases["M"]}, {"qloader", "main", "worker <1>"})
        embed = [e for e in phases["X"] if e["name"] == "embed" and e["tid"] == 100][0]
        self.assertEqual((embed["ts"], embed["dur"], embed["args"]["texts"], embed["args"]["statement"]), (100000, 800000, 1, 'SELECT "x"'))
        self.assertEqual({e["name"] for e in phases["C"]}, {"process.cpu_ns", "queue.embed.items", "memory.rss", "memory.heap"})

    def test_mprof(self):
        path = self.convert("mprof", "mprofile_4242.dat")
        with open(path) as f:
            lines = f.read().splitlines()
        self.assertEqual(lines[0], "CMDLINE qloader ingest --profile")
        self.assertEqual((lines[1], lines[6], len(lines)), ("MEM 20.0000 1700000000.0000", "MEM 40.0000 1700000000.5000", 12))
        picture = self.path("mprof.png")
        self.tool(SYSTEM_PYTHON, "-m", "mprof", "plot", "--backend", "agg", "--output", picture, path, env=dict(os.environ, MPLCONFIGDIR=self.dir, HOME=self.dir))
        self.assertEqual(self.png_size(picture)[0] > 100, True)

    def png_size(self, path):
        """Width and height, after every chunk's checksum and the whole picture were read."""
        with open(path, "rb") as f:
            data = f.read()
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        at, pixels, size, last = 8, b"", (0, 0), b""
        while at < len(data):
            length, last = struct.unpack(">I4s", data[at:at + 8])
            body = data[at + 8:at + 8 + length]
            self.assertEqual(zlib.crc32(last + body), struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0])
            size = struct.unpack(">II", body[:8]) if last == b"IHDR" else size
            pixels += body if last == b"IDAT" else b""
            at += 12 + length
        self.assertEqual(last, b"IEND")
        self.assertEqual(len(zlib.decompress(pixels)) % size[1], 0)
        return size

    def test_memory_plot(self):
        self.run_prof("plot", "--quiet")
        self.assertEqual(self.png_size(self.path("memory.png")), (1000, 492))
        self.run_prof("plot", "--output", self.path("memory.svg"))
        self.tool("xmllint", "--noout", self.path("memory.svg"))
        self.assertIn(".png nor .svg", self.run_prof("plot", "--output", "x.jpg", code=2))

    def test_json(self):
        with open(self.convert("json", "all.json")) as f:
            value = json.load(f)
        cpu, names = value["samples"]["cpu"], value["strings"]
        self.assertEqual(len(cpu["stack"]), 101)
        leaf = value["stacks"][cpu["stack"][0]][0]
        self.assertTrue(names[value["functions"]["name"][value["frames"]["function"][leaf]]].startswith("capture_"))
        self.assertEqual(sum(cpu["values"]["cpu"]), 1000000001)
        self.assertEqual(value["memory"]["mapped"], [None] * 11)
        self.assertEqual([names[i] for i in value["tasks"]["name"]], ["docs/a & b.md"])

    def test_report(self):
        text = self.run_prof("report")
        self.assertEqual(re.findall(r"^## (.*)$", text, re.M)[:4], ["Baseline Metrics", "Bottlenecks Identified", "Memory Issues", "Recommendations"])
        self.assertRegex(text, r"(?m)^1\. \[MEDIUM\] capture_inner \(\S*target\.c:10\) - 70\.0% of total time \(CPU time of all threads, as sampled; ± 8\.9%\): 700\.00 ms of 1\.00 s$")
        for part in ("- Execution time: 1.00 s", "- Peak memory: 40.0 MiB", "- CPU: 950.00 ms, 95.0% of one core", "   - Issue: 70 of 101 samples", "   - Recommendation: "):
            self.assertIn(part, text)
        self.assertNotIn("CRITICAL", text)
        report = json.loads(self.run_prof("report", "--format", "json"))
        self.assertEqual(report, json.loads(self.run_prof("report", "--json")))
        self.assertEqual([(f["rule"], f["severity"], f["line"]) for f in report["findings"]], [("hot-function", "MEDIUM", 10), ("hot-function", "MEDIUM", 21), ("queue-wait", "LOW", 21)])
        self.assertEqual([(row["name"], row["stage"]) for row in report["ledger"]], [("docs/a & b.md", "embed")])
        self.run_prof("report", "--output", self.path("report.md"))
        with open(self.path("report.md")) as f:
            self.assertEqual(f.read(), text)

    def test_all(self):
        folder = self.path("everything")
        self.run_prof("convert", "--to", "all", "--output", folder)
        self.assertEqual(sorted(os.listdir(folder)), ["contention.pb.gz", "cpu.collapsed", "cpu.pb.gz", "cpu.speedscope.json", "flame.svg", "heap.pb.gz", "memory.png", "memory.svg",
                                                      "mprofile_capture.dat", "profile.html", "profile.out", "report.json", "report.md", "trace.json", "wall.pb.gz", "wall.speedscope.json"])
        self.assertEqual({stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) for name in os.listdir(folder)}, {0o600})
        self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)
        self.assertIn("--output", self.run_prof("convert", "--to", "all", code=2))

    def test_a_name_says_the_format(self):
        for name, form in (("a.svg", "flame"), ("a.pb.gz", "pprof"), ("a.speedscope.json", "speedscope"), ("trace.json", "trace"), ("a.json", "json"), ("a.collapsed", "collapsed"),
                           ("a.html", "html"), ("a.out", "pstats"), ("a.dat", "mprof")):
            told = self.run_prof("convert", "--output", self.path(name))
            size = os.path.getsize(self.path(name))
            self.assertIn(": written, %d bytes of %s\n" % (size, form), told)
            with open(self.path(name), "rb") as f, open(self.convert(form, "same"), "rb") as same:
                self.assertEqual(f.read(), same.read(), name)

    # --- manners ---

    def capture_of(self, chunks):
        return b"\x8fqprof\r\n" + struct.pack("<II", 1, 16) + b"".join(struct.pack("<III", kind, len(body), zlib.crc32(body)) + body for kind, body in chunks)

    def nothing(self):
        """A capture of nothing but a text."""
        with open(self.path("memory.qprof"), "wb") as f:
            f.write(self.capture_of([(2, struct.pack("<IHHI", 5, 4, 0, 1) + b"x")]))
        return "memory.qprof"

    def test_words_that_contradict(self):
        self.assertIn("--output 'f.svg' is the name of 'flame', and --to says 'pprof'", self.run_prof("convert", "--to", "pprof", "-o", "f.svg", code=2))
        self.assertIn("is the name of a capture", self.run_prof("convert", "--to", "pprof", "-o", "f.qprof", code=2))
        self.assertIn("--kind does not go with 'trace'", self.run_prof("convert", "--to", "trace", "-k", "heap", code=2))
        self.assertIn("--output 'm.foo' ends in neither", self.run_prof("plot", "-o", "m.foo", code=2))
        self.convert("trace", "spans.json")

    def test_failures(self):
        missing = self.run_prof("top", "nosuch.qprof", code=4)
        self.assertIn("nosuch.qprof", missing)
        with open(self.path("text.qprof"), "w") as f:
            f.write("this is not a capture at all, it is a text\n")
        self.assertIn("no capture", self.run_prof("convert", "--to", "pprof", "--output", "x", "text.qprof", code=1))
        self.assertFalse(os.path.exists(self.path("x")))
        self.assertIn("--to", self.run_prof("convert", code=2))
        self.assertIn("needs BEFORE AFTER", self.run_prof("diff", "capture.qprof", code=2))
        self.assertRegex(self.run_prof("convert", "--output", "x.unknown", code=2), r"x\.unknown'.* \.svg, \.pb\.gz,.*--to")
        self.assertRegex(self.run_prof("convert", "--output", "x.qprof", code=2), r"known are \.svg")
        self.assertIn("memory of the heap", self.run_prof("convert", "--to", "pstats", "--kind", "heap", code=2))
        told = self.run_prof("top", "--kind", "heap", self.nothing(), code=4)
        self.assertIn("no samples of memory of the heap (--profile of ingest and search takes them", told)
        self.assertIn("it has: none at all", told)
        self.assertIn("exclude", self.run_prof("heap", "--leak", "--alloc", code=2))
        self.assertIn("No such file", self.run_prof("convert", "--to", "json", "--output", "/nowhere/x", code=7))
        self.assertEqual([n for n in os.listdir(self.dir) if ".part-" in n], [])

    def test_cut_file(self):
        with open(self.path("capture.qprof"), "rb") as f:
            data = f.read()
        with open(self.path("cut.qprof"), "wb") as f:
            f.write(data[:len(data) * 9 // 10])
        text = self.run_prof("top", "cut.qprof")
        self.assertIn("not whole", text)
        self.assertIn("it has no end", text)

    def test_output_to_what_is_no_regular_file(self):
        """A pipe is written into, a link leads to its file, and nothing of either is replaced."""
        pipe, link, file = self.path("pipe"), self.path("link"), self.path("behind")
        os.mkfifo(pipe)
        os.symlink(file, link)
        reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
        self.run_prof("report", "--output", pipe, self.path("capture.qprof"))
        self.assertIn(b"# Performance report", reader.communicate(timeout=60)[0])
        self.assertTrue(stat.S_ISFIFO(os.stat(pipe).st_mode))
        for _ in range(2):  # one that leads nowhere yet, and then to a file
            self.run_prof("report", "--output", link, self.path("capture.qprof"))
            self.assertTrue(os.path.islink(link))
            with open(file) as text:
                self.assertIn("# Performance report", text.read())
        self.run_prof("report", "--output", self.dir, self.path("capture.qprof"), code=7)
        self.assertEqual([name for name in os.listdir(self.dir) if ".part-" in name], [])

    def test_what_is_no_file(self):
        self.assertIn("'/dev/null' is a device, where the file of a capture is wanted", self.run_prof("top", "/dev/null", code=7))

    def test_a_folder_stands_for_the_capture_in_it(self):
        self.assertEqual(self.run_prof("report", self.dir), self.run_prof("report", self.path("capture.qprof")))

    def test_output_goes_to_pipes_and_full_disks(self):
        done = subprocess.run("%s prof convert --quiet --to json %s | head -c 10" % (harness.QLOADER, self.path("capture.qprof")), shell=True, capture_output=True)
        self.assertEqual((done.returncode, len(done.stdout), done.stderr), (0, 10, b""))
        with open("/dev/full", "w") as full:
            done = subprocess.run([harness.QLOADER, "prof", "convert", "--to", "json", self.path("capture.qprof")], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 7)
        self.assertIn(b"No space left", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
