"""ingest --profile and search --profile: a capture that can be read, private, told where it is; nothing secret and no question in it; and what
cannot be written is an error before anything is done. The capture is read by this file's own reader (lib/prof/qprof.h)."""
import fcntl
import hashlib
import json
import os
import signal
import stat
import struct
import subprocess
import unittest
import zlib

import harness

STRING, META, STACK, SITE, LABELS, SAMPLE, ALLOC, SPAN, TASK, MEMORY, END = 2, 1, 4, 6, 7, 8, 10, 11, 13, 15, 17
CANARY = "cAnArY-pr0file-5a1c"


def read(path):
    """(kind, fixed part, tail) of every record; every chunk's sum is checked."""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:8] == b"\x8fqprof\r\n"
    at = struct.unpack_from("<I", data, 12)[0]
    records = []
    while at < len(data):
        kind, size, crc = struct.unpack_from("<III", data, at)
        payload = data[at + 12:at + 12 + size]
        assert len(payload) == size and zlib.crc32(payload) == crc
        at += 12 + size
        inner = 0
        while inner < size:
            length, fixed, _ = struct.unpack_from("<IHH", payload, inner)
            body = payload[inner + 8:inner + 8 + length]
            records.append((kind, body[:fixed], body[fixed:]))
            inner += 8 + length
    return records


class Profile(unittest.TestCase):
    def setUp(self):
        self.ws = harness.Workspace()
        self.addCleanup(self.ws.close)
        for i in range(20):
            self.ws.write("note%d.md" % i, "# Note %d\n\n%s\n" % (i, "The walrus has tusks and a moustache. " * 60))
        self.out = os.path.join(self.ws.dir, "out")

    def strings(self, records):
        return {struct.unpack("<I", fixed)[0]: tail for kind, fixed, tail in records if kind == STRING}

    def test_an_ingest_is_captured(self):
        done = self.ws.run("ingest", "--profile=" + self.out)
        self.assertEqual(done.returncode, 0, done.stderr)
        path = os.path.join(self.out, "capture.qprof")
        self.assertIn("profile: %s: " % path, done.stderr)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        records = read(path)
        kinds = [kind for kind, _, _ in records]
        strings = self.strings(records)
        self.assertGreater(kinds.count(SAMPLE), 5)
        self.assertGreater(kinds.count(ALLOC), 5)
        self.assertGreater(kinds.count(MEMORY), 1)
        sites = {strings.get(struct.unpack("<6I", fixed)[1]) for kind, fixed, _ in records if kind == SITE}
        self.assertLessEqual({b"fetch", b"convert", b"chunk", b"embed", b"store", b"sql", b"document"}, sites)
        files = {strings.get(struct.unpack("<6I", fixed)[4]) for kind, fixed, _ in records if kind == SITE}
        self.assertIn(b"lib/ingest/prepare.c", files)
        tasks = {struct.unpack_from("<Q", fixed)[0]: fixed for kind, fixed, _ in records if kind == TASK}
        self.assertEqual(len(tasks), 20)
        for task in tasks.values():  # each document came to its end
            self.assertNotEqual(struct.unpack_from("<Q", task, 24)[0], 0)
        labels = b" ".join(strings[value] for kind, _, tail in records if kind == LABELS for key, value in struct.iter_unpack("<II", tail))
        self.assertIn(b"note3.md", labels)
        samples, rootless, complete = struct.unpack_from("<QQI", [fixed for kind, fixed, _ in records if kind == END][-1], 16)
        self.assertEqual(complete, 1)
        self.assertEqual(samples, kinds.count(SAMPLE) - sum(struct.unpack_from("<H", fixed, 48)[0] == 3 for kind, fixed, _ in records if kind == SAMPLE))
        self.assertLessEqual(rootless * 100, samples)
        with open(os.path.join(self.out, "report.json")) as f:
            report = json.load(f)
        embedded = sum(row["sum_ns"] for row in report["stages"] if row["name"] == "embed")
        self.assertEqual({row["stage"] for row in report["ledger"]}, {"embed"})  # what a document costs is its part of the batches
        self.assertGreater(sum(row["time_ns"] for row in report["ledger"]), embedded // 2)
        top = [subprocess.run([harness.QLOADER, "prof", "top", path, *words], capture_output=True, text=True).stdout for words in ((), ("--limit", "0"))]
        self.assertNotIn(" _start (", top[0])
        self.assertIn(" _start (", top[1])

    def test_without_a_folder_it_lies_in_the_current_one(self):
        place = os.path.join(self.ws.dir, "here")
        os.mkdir(place)
        done = subprocess.run(self.ws.command("ingest", "--profile"), cwd=place, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("stage", done.stderr)
        self.assertTrue(read(os.path.join(place, "capture.qprof")))
        quiet = subprocess.run(self.ws.command("ingest", "--profile", "--quiet"), cwd=place, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual((quiet.returncode, quiet.stdout, quiet.stderr), (0, "", ""))
        self.assertTrue(read(os.path.join(place, "capture.qprof")))

    def test_a_folder_holds_one_profile(self):
        os.mkdir(self.out)
        mine = ["mprofile_20260101120000.dat", "notes.txt"]  # mprof's own, and somebody's
        for name in ["trace.json", "wall.pb.gz", "mprofile_123.dat", "mprofile_capture.dat"] + mine:
            with open(os.path.join(self.out, name), "w") as f:
                f.write("of an earlier run")
        done = self.ws.run("ingest", "--profile=" + self.out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLessEqual(set(mine), set(os.listdir(self.out)))
        for name in set(os.listdir(self.out)) - set(mine):
            with open(os.path.join(self.out, name), "rb") as f:
                self.assertNotEqual(f.read(17), b"of an earlier run", name)
        self.assertEqual(len([name for name in os.listdir(self.out) if name.startswith("mprofile_")]), 2)
        self.assertNotIn("wall.pb.gz", os.listdir(self.out))  # this run has no such samples

    def test_two_runs_do_not_share_a_folder(self):
        os.mkdir(self.out)
        with open(os.path.join(self.out, "capture.qprof"), "w+b") as file:
            file.write(b"what the other one has written so far")
            file.flush()
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
            done = self.ws.run("ingest", "--profile=" + self.out)
            self.assertEqual(done.returncode, 6)
            self.assertIn("another capture is being written to '%s/capture.qprof'" % self.out, done.stderr)
            file.seek(0)
            self.assertEqual(file.read(), b"what the other one has written so far")
        self.assertEqual(self.ws.run("ingest", "--profile=" + self.out).returncode, 0)

    def contents(self, folder):
        found = {}
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as file:
                found[name] = hashlib.sha256(file.read()).hexdigest()
        return found

    def test_a_run_that_is_refused_takes_nothing_of_the_earlier_profile(self):
        self.assertEqual(self.ws.run("ingest", "--profile=" + self.out).returncode, 0)
        before = self.contents(self.out)
        fresh = os.path.join(self.ws.dir, "a", "b")

        def refused(code, *words):
            for place in (self.out, fresh, fresh + "/", os.path.join(fresh, "c", "d//")):
                done = self.ws.run(*words[:1], "--profile=" + place, *words[1:])
                self.assertEqual(done.returncode, code, done.stderr)
            self.assertEqual(self.contents(self.out), before)
            self.assertFalse(os.path.exists(os.path.dirname(fresh)))

        with open(os.path.join(self.ws.dir, "data", "qloader.lock"), "r+b") as file:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
            refused(6, "ingest")
        refused(2, "ingest", "--mem", "much")
        refused(4, "ingest", "--project", "nobody")
        refused(2, "search", "--since", "whenever", "tusks")
        self.ws.drop_index()
        refused(4, "search", "tusks")
        os.rename(os.path.join(self.ws.dir, "config.yaml"), os.path.join(self.ws.dir, "elsewhere.yaml"))
        refused(3, "ingest")
        refused(3, "search", "tusks")

    def test_a_killed_run_leaves_the_earlier_profile_and_the_next_sweeps(self):
        os.mkdir(self.out)
        for name in ("capture.qprof.part-12", "capture.qprof.part-x"):
            with open(os.path.join(self.out, name), "w") as file:
                file.write("rest")
        self.assertEqual(self.ws.run("ingest", "--profile=" + self.out).returncode, 0)
        self.assertEqual([name for name in os.listdir(self.out) if ".part" in name], ["capture.qprof.part-x"])

    def test_what_stands_in_the_place_is_named(self):
        os.mkdir(self.out)
        os.mkfifo(os.path.join(self.out, "capture.qprof"))
        done = self.ws.run("ingest", "--profile=" + self.out)
        self.assertEqual(done.returncode, 7)
        self.assertIn("'%s/capture.qprof' is a pipe" % self.out, done.stderr)
        os.remove(os.path.join(self.out, "capture.qprof"))
        os.mkdir(os.path.join(self.out, "trace.json"))
        done = self.ws.run("ingest", "--profile=" + self.out)
        self.assertEqual(done.returncode, 7)
        self.assertIn("%s/trace.json" % self.out, done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.ws.dir, "data", "index.db")))

    def test_a_search_is_captured_without_its_question(self):
        self.ws.ingest()
        done = self.ws.run("search", "--profile=" + self.out, CANARY + " tusks")
        self.assertEqual(done.returncode, 0, done.stderr)
        path = os.path.join(self.out, "capture.qprof")
        records = read(path)
        sites = {self.strings(records).get(struct.unpack("<6I", fixed)[1]) for kind, fixed, _ in records if kind == SITE}
        self.assertLessEqual({b"search", b"query_embed", b"fuse"}, sites)
        with open(path, "rb") as file:
            self.assertNotIn(CANARY.encode(), file.read())
        strings = self.strings(records)
        meta = {strings[key]: strings.get(value) for key, value in (struct.unpack("<II", fixed[:8]) for kind, fixed, _ in records if kind == META)}
        self.assertIn(b" search --", meta[b"command_line"])
        self.assertIn(b" --profile=%s ***" % self.out.encode(), meta[b"command_line"])

    def test_a_table_without_rows_says_why(self):
        self.ws.ingest()
        self.assertEqual(self.ws.run("search", "--profile=" + self.out, "tusks").returncode, 0)
        for kind, why in (("heap", "was in use at the end"), ("cpu", "too short"), ("contention", "nothing of that kind happened")):
            text, rows = [subprocess.run([harness.QLOADER, "prof", "top", "--kind", kind, *words, self.out], capture_output=True, text=True) for words in ((), ("--json",))]
            empty = rows.returncode == 0 and not json.loads(rows.stdout)["rows"]
            self.assertEqual(why in text.stdout, empty, text.stdout)
            self.assertTrue(text.stdout or text.stderr)

    def test_no_content_and_no_secret_is_in_it(self):
        self.ws.write("secret.md", "# Heading\n\n%s is in the text.\n" % CANARY)
        done = self.ws.run("ingest", "--profile=" + self.out, env={"QDRANT_API_KEY": "k" + CANARY})
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(self.out, "capture.qprof"), "rb") as file:
            self.assertNotIn(CANARY.encode(), file.read())

    def test_a_search_that_fails_leaves_the_profile_of_what_ran(self):
        self.ws.ingest()
        path = os.path.join(self.ws.dir, "data", "qloader.db")
        with open(path, "r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * (os.path.getsize(path) - 4096))
        done = self.ws.run("search", "--profile=" + self.out, "tusks")
        self.assertEqual(done.returncode, 8, done.stderr)
        self.assertTrue(read(os.path.join(self.out, "capture.qprof")))
        self.assertIn("report.md", os.listdir(self.out))

    def sampled(self):
        """Some samples of processor time are in the capture that is being written."""
        try:
            records = read(os.path.join(self.out, "capture.qprof"))
        except (OSError, AssertionError, struct.error):
            return False
        return sum(kind == SAMPLE and struct.unpack_from("<H", fixed, 48)[0] == 1 for kind, fixed, _ in records) > 3

    def test_ctrl_c_leaves_the_profile_of_what_ran(self):
        for words in ([], ["--progress", "json"]):
            running = harness.held_writer(self.ws, "--force", "--profile=" + self.out, *words, documents=300, paragraphs=12, ready=self.sampled, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            running.send_signal(signal.SIGINT)
            running.send_signal(signal.SIGCONT)
            _, err = running.communicate(timeout=600)
            self.assertEqual(running.returncode, 130, err)
            self.assertIn("of what ran until it was stopped", err)
            self.assertNotIn("what takes the output", err)
            for name in ("capture.qprof", "profile.out", "flame.svg", "report.md"):
                self.assertTrue(os.path.getsize(os.path.join(self.out, name)), name)
            self.assertEqual([n for n in os.listdir(self.out) if ".part" in n], [])
            subprocess.run(["rm", "-r", self.out], check=True)

    def test_a_folder_that_cannot_be_is_an_error_before_the_ingest(self):
        self.ws.write("plain", "a file")
        for place in ("plain", os.path.join("plain", "x")):
            for words in (["ingest"], ["search", "tusks"]):
                done = self.ws.run(words[0], "--profile=" + os.path.join(self.ws.docs, place), *words[1:])
                self.assertEqual(done.returncode, 7, done.stderr)
                self.assertIn("plain", done.stderr)
        bound = harness.without_write_permission(self, self.ws.docs)
        done = subprocess.run(bound + self.ws.command("ingest", "--profile=" + os.path.join(self.ws.docs, "new")), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.ws.dir, "data", "index.db")))
        self.assertEqual(self.ws.run("ingest", "--profile=").returncode, 2)


if __name__ == "__main__":
    unittest.main()
