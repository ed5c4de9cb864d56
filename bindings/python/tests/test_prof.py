"""Captures from Python: one at a time, in a folder or in memory; spans around blocks and functions; labels. What is captured is read by its records (lib/prof/qprof.h)."""
import os
import struct
import threading
import time
import unittest
import zlib

import support

import qloader
from qloader import prof

STRING, SITE, LABELS, SAMPLE, ALLOC, SPAN, END = 2, 6, 7, 8, 10, 11, 17


def records(data):
    """(kind, fixed part, tail) of every record of a capture."""
    assert data[:8] == b"\x8fqprof\r\n"
    at = struct.unpack_from("<I", data, 12)[0]
    found = []
    while at < len(data):
        kind, size, crc = struct.unpack_from("<III", data, at)
        payload, inner = data[at + 12 : at + 12 + size], 0
        assert zlib.crc32(payload) == crc
        at += 12 + size
        while inner < size:
            length, fixed, _ = struct.unpack_from("<IHH", payload, inner)
            body = payload[inner + 8 : inner + 8 + length]
            found.append((kind, body[:fixed], body[fixed:]))
            inner += 8 + length
    return found


class Content:
    """A capture with its texts put in place of their ids."""

    def __init__(self, data):
        rows = records(data)
        self.texts = {struct.unpack("<I", fixed)[0]: tail.decode() for kind, fixed, tail in rows if kind == STRING}
        sites = {}
        for kind, fixed, _ in rows:
            if kind == SITE:
                number, name, category, function, file, line = struct.unpack("<6I", fixed)
                sites[number] = tuple(self.texts.get(text, "") for text in (name, category, function, file)) + (line,)
        self.labels = {
            struct.unpack("<I", fixed)[0]: {self.texts[key]: self.texts[value] for key, value in struct.iter_unpack("<II", tail)}
            for kind, fixed, tail in rows
            if kind == LABELS
        }
        self.spans = []  # (id, parent, site, attributes, labels)
        for kind, fixed, tail in rows:
            if kind == SPAN:
                number, parent = struct.unpack_from("<QQ", fixed)
                site, _, labels = struct.unpack_from("<3I", fixed, 48)
                told = {self.texts[key]: self._value(bits, form) for bits, key, form in struct.iter_unpack("<QII", tail)}
                self.spans.append((number, parent, sites[site], told, self.labels.get(labels, {})))
        self.count = {kind: sum(row[0] == kind for row in rows) for kind in (SAMPLE, ALLOC)}
        self.complete = struct.unpack_from("<I", [fixed for kind, fixed, _ in rows if kind == END][-1], 32)[0]

    def _value(self, bits, form):
        return self.texts[bits] if form == 4 else struct.unpack("<d" if form == 3 else "<q", struct.pack("<Q", bits))[0]

    def named(self, name):
        return [one for one in self.spans if one[2][0] == name]


def burn(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(1000))


class Profiles(support.Case):
    def test_a_folder_gets_a_file(self):
        folder = self.path("out")
        with prof.profile(folder) as capture:
            self.assertTrue(prof.running())
            self.assertEqual(capture.file, os.path.join(folder, "capture.qprof"))
            burn(0.2)
            self.assertEqual(Content(capture.snapshot()).complete, 0)
        self.assertFalse(prof.running())
        data = open(capture.file, "rb")
        with data:
            content = Content(data.read())
        self.assertEqual((content.complete, oct(os.stat(capture.file).st_mode & 0o777)), (1, "0o600"))
        self.assertGreater(content.count[SAMPLE], 3)
        info = capture.info()
        self.assertEqual((info.engine, info.samples), ("ctimer", content.count[SAMPLE]))
        self.assertEqual(info.written_bytes, os.path.getsize(capture.file))
        capture.stop()  # again is fine
        self.assertEqual(capture.info(), info)
        self.assertEqual(Content(capture.snapshot()).complete, 1)
        with prof.profile(folder, cpu=False):  # the folder is free again
            pass

    def test_in_memory(self):
        capture = prof.profile(heap=False, memory=False, rate_hz=1000)
        burn(0.05)
        capture.stop()
        self.assertIsNone(capture.file)
        self.assertEqual(Content(capture.snapshot()).complete, 1)

    def test_one_at_a_time(self):
        with prof.profile() as capture:
            with self.assertRaises(qloader.BusyError):
                prof.profile()
            self.assertTrue(prof.running())
        with prof.profile():
            pass
        self.assertEqual(capture.info().dropped, 0)

    def test_what_cannot_be(self):
        with self.assertRaises(qloader.InvalidError):
            prof.profile(engine="fast")
        with self.assertRaises(qloader.InvalidError):
            prof.profile(cpu=False, heap=False, memory=False, spans=False)
        with self.assertRaises(qloader.InvalidError):
            prof.profile(rate_hz=20000)
        with self.assertRaises(qloader.InvalidError):
            prof.profile(heap_interval_bytes=-1)
        with self.assertRaises(TypeError):
            prof.profile(speed=1)
        self.write("plain", "a file")
        with self.assertRaises(qloader.QloaderError) as raised:
            prof.profile(self.path("plain/x"))
        self.assertIn("plain", raised.exception.message)
        self.assertFalse(prof.running())

    def test_the_end_of_the_interpreter_ends_it(self):
        done = support.run_python("import sys; from qloader import prof; capture = prof.profile(sys.argv[1]); prof.span('late').__enter__()", self.path("out"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with open(self.path("out/capture.qprof"), "rb") as file:
            self.assertEqual(Content(file.read()).complete, 1)

    def test_a_child_has_none(self):
        with prof.profile() as capture:
            child = os.fork()
            if child == 0:
                good = not prof.running()
                try:
                    capture.snapshot()
                    good = False
                except qloader.ForkError:
                    pass
                with prof.span("child"):
                    pass
                os._exit(0 if good else 1)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)


class Spans(support.Case):
    def test_blocks_nest_and_tell(self):
        with prof.profile(cpu=False, heap=False) as capture:
            with prof.span("outer", category="test") as outer:
                outer.set("files", 3)
                outer.set("share", 0.5)
                outer.set("name", "caf\u00e9")
                outer.set("huge", 2**70)
                with prof.span("inner"):
                    pass
        content = Content(capture.snapshot())
        (outer_id, _, site, told, _), (_, parent, inner_site, _, _) = content.named("outer")[0], content.named("inner")[0]
        self.assertEqual(parent, outer_id)
        self.assertEqual(site[1:3], ("test", "test_blocks_nest_and_tell"))
        self.assertEqual(os.path.basename(site[3]), "test_prof.py")
        self.assertEqual(told, {"files": 3, "share": 0.5, "name": "caf\u00e9", "huge": float(2**70)})
        self.assertEqual((inner_site[1], inner_site[4] - site[4]), ("python", 5))

    def test_functions(self):
        @prof.span("work")
        def named(a, b=1):
            """Adds."""
            return a + b

        @prof.span()
        def recursive(n):
            return 0 if n == 0 else 1 + recursive(n - 1)

        self.assertEqual((named(1), named.__name__, named.__doc__), (2, "named", "Adds."))
        with prof.profile(cpu=False, heap=False) as capture:
            self.assertEqual((named(1, b=4), recursive(3)), (5, 3))
            with self.assertRaises(TypeError):
                named()
            workers = [threading.Thread(target=recursive, args=(1,)) for _ in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        content = Content(capture.snapshot())
        self.assertEqual((len(content.named("work")), len(content.named("recursive"))), (2, 12))  # what raised has ended, too
        self.assertEqual(content.named("work")[0][2][2], "named")

    def test_nothing_is_made_without_a_capture(self):
        sites = len(prof._sites)
        with prof.span("unseen %d" % os.getpid()) as work:
            work.set("a", 1)
        self.assertEqual(len(prof._sites), sites)

    def test_what_cannot_be(self):
        async def coroutine():
            pass

        def generator():
            yield 1

        for function in (coroutine, generator):
            with self.assertRaises(TypeError):
                prof.span("x")(function)
        with prof.profile(cpu=False, heap=False):
            with prof.span("once") as once, self.assertRaises(qloader.InvalidError):
                once.__enter__()
            with self.assertRaises(qloader.InvalidError):
                prof.span("a\0b").__enter__()

    def test_labels(self):
        with prof.profile(cpu=False, heap=False) as capture:
            with prof.label("document", "a.md"), prof.span("one"):
                with prof.label("document", "b.md"), prof.span("two"):
                    pass
                with prof.span("three"):
                    pass
            with prof.span("four"):
                pass
        content = Content(capture.snapshot())
        self.assertEqual([content.named(name)[0][4] for name in ("one", "two", "three", "four")], [{"document": "a.md"}, {"document": "b.md"}, {"document": "a.md"}, {}])

    def test_an_ingest_is_inside(self):
        self.write("docs/a.md", "# Tea\n\nGreen tea is tea.\n")
        self.write("config.yaml", "sources: {localfile: {docs: {base_url: %s}}}\n" % self.path("docs"))
        with prof.profile() as capture, qloader.Workspace(self.path(".")) as workspace, prof.span("mine"):
            workspace.ingest()
        content = Content(capture.snapshot())
        self.assertTrue(content.named("embed") and content.named("mine"))


if __name__ == "__main__":
    support.main()
