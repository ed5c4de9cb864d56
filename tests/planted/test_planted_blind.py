"""The report of a capture names what is wrong with a program, and where. Each program of this folder works badly in one way, and was written without
a look at the rules of the report; nightly_import does the same kinds of work well. usage: test_planted_blind.py FOLDER_OF_THE_PROGRAMS"""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

import web_server

QLOADER = os.environ["QLOADER_PROGRAM"]
SOURCE = os.environ["QLOADER_PLANTED_SOURCE"]
PROGRAMS = sys.argv.pop(1)


def lines_of(file, function):
    """First and last line of a function: its name stands on a line that begins at the margin, and a brace there ends it."""
    with open(os.path.join(SOURCE, file)) as f:
        lines = f.read().split("\n")
    for first, line in enumerate(lines, 1):
        if re.match(r"[a-z].*\b%s\(" % function, line) and not line.endswith(";"):
            return first, first + lines[first:].index("}") + 1
    raise AssertionError("%s has no function %s" % (file, function))


class PlantedBlind(unittest.TestCase):
    def report(self, program):
        """Runs the program beside a web server; returns what the report says, and the server."""
        with tempfile.TemporaryDirectory(prefix="qloader-test-") as folder, web_server.Server() as server:
            done = subprocess.run([os.path.join(PROGRAMS, program), folder, server.url], capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 0, done.stderr)
            said = subprocess.run([QLOADER, "prof", "report", "--json", os.path.join(folder, "capture.qprof")], capture_output=True, text=True, timeout=120)
            self.assertEqual(said.returncode, 0, said.stderr)
            report = json.loads(said.stdout)
            self.assertTrue(report["complete"])
            return report, server

    def check(self, report, file, functions, matter):
        """Some finding is about the matter (a pattern), and its place is in one of the functions."""
        places = [lines_of(file, function) for function in functions]
        for finding in report["findings"]:
            here = (finding["file"] or "").endswith("tests/planted/" + file) and any(first <= (finding["line"] or 0) <= last for first, last in places)
            if here and re.search(matter, finding["issue"] + " " + finding["recommendation"], re.IGNORECASE):
                return
        told = ["%(severity)s %(rule)s %(function)s %(file)s:%(line)s: %(issue)s" % finding for finding in report["findings"]]
        self.fail("no finding about /%s/ in %s of %s (%d events were lost); the report says:\n%s" % (matter, ", ".join(functions), file, report["dropped"], "\n".join(told) or "nothing"))

    def test_one_text_a_call(self):
        report, _ = self.report("note_embedder")
        self.check(report, "note_embedder.c", ["embed_texts", "forward"], r"batch|one text|single")

    def test_a_query_a_row(self):
        report, _ = self.report("ticket_source")
        self.check(report, "ticket_source.c", ["read_worklog", "read_entry"], r"quer")

    def test_a_connection_a_request(self):
        report, server = self.report("page_source")
        self.assertEqual((server.requests, server.connections), (400, 400))
        self.check(report, "page_source.c", ["download", "fetch_page"], r"connection|keep-alive")

    def test_memory_that_is_kept(self):
        report, _ = self.report("session_log")
        self.check(report, "session_log.c", ["remember_session"], r"leak|grew|growth")

    def test_a_lock_that_is_held_long(self):
        report, _ = self.report("price_board")
        self.check(report, "price_board.c", ["change_price", "write_page", "clerk"], r"\block\b|mutex")

    def test_a_commit_a_row(self):
        report, _ = self.report("reading_writer")
        self.check(report, "reading_writer.c", ["store_reading", "store_readings"], r"commit|fsync|transaction")

    def test_nothing_is_wrong(self):
        report, server = self.report("nightly_import")
        self.assertEqual((server.requests, server.connections), (200, 1))
        self.assertEqual([finding for finding in report["findings"] if finding["severity"] == "CRITICAL" or finding["rule"] == "no-connection-reuse"], [])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
