"""Programs with one planted fault each (see the first lines of each): what the report of their captures says of it.

A finding must name the place that the source marks with "planted", and say of what kind it is and what to do. The same program, its file copied to another
folder under another name and its functions renamed (planted_faults.cmake), must give the same finding. A program without a fault has no CRITICAL one.
"""
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import unittest

QLOADER, PROGRAMS = os.environ["QLOADER_PROGRAM"], os.environ["QLOADER_PLANTED"]
SOURCES = os.path.join(os.environ["QLOADER_SOURCE"], "tests", "planted")
REFUSALS = 4  # answers 503 before a page comes


class BusyServer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = {}

    def do_GET(self):
        count = self.asked[self.path] = self.asked.get(self.path, 0) + 1
        body = b"a page" if count % (REFUSALS + 1) == 0 else b"busy"
        self.send_response(200 if body == b"a page" else 503)
        if body == b"busy":
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


def marked_lines(name):
    with open(os.path.join(SOURCES, name + ".c")) as file:
        return [number for number, line in enumerate(file, 1) if "/* planted */" in line]


def renamed(function):
    return "r_" + hashlib.md5(function.encode()).hexdigest()[:8]


class Planted(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="qloader-test-")
        self.addCleanup(shutil.rmtree, self.dir)

    def report(self, program, *words):
        folder = os.path.join(self.dir, program)
        os.mkdir(folder)
        done = subprocess.run([os.path.join(PROGRAMS, "planted_" + program), folder, *words], capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = subprocess.run([QLOADER, "prof", "report", "--format", "json", os.path.join(folder, "capture.qprof")], capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def finding(self, report, rule, severities, issue):
        found = [f for f in report["findings"] if f["rule"] == rule and re.search(issue, f["issue"])]
        self.assertTrue(found, [(f["rule"], f["severity"], f["function"], f["issue"]) for f in report["findings"]])
        self.assertIn(found[0]["severity"], severities)
        return found[0]

    def check(self, name, rule, function, severities, issue, advice, *words):
        """Both forms of a program; returns the finding of the first."""
        found_here = []
        for program, file, expected in ((name, name + ".c", function), ("moved_" + name, "elsewhere_" + name + ".c", renamed(function))):
            with self.subTest(program=program):
                found = self.finding(self.report(program, *words), rule, severities, issue)
                self.assertEqual(found["function"], expected)
                self.assertEqual(os.path.basename(found["file"]), file)
                self.assertIn(found["line"], marked_lines(name))
                self.assertRegex(found["recommendation"], advice)
                found_here.append(found)
        self.assertEqual(len(found_here), 2, "a program's finding is not there, see above")
        return found_here[0]

    def test_a_call_that_blocks_a_task(self):
        found = self.check("answer_desk", "blocking-call", "ask_directory", ("CRITICAL",), "without letting its thread go: 15 times", "in the background")
        self.assertEqual(found["events"], 15)

    def test_requests_again_and_again(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), BusyServer)
        server.daemon_threads = True
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = self.check("mirror", "retry-storm", "copy_page", ("CRITICAL",), r"80 of 100 requests to '127\.0\.0\.1' were tries again.*\(80 answers 429 or 503\)", "Retry-After",
                           "http://127.0.0.1:%d" % server.server_port)
        self.assertEqual(found["events"], 80)

    def test_the_same_content_again(self):
        found = self.check("resync", "repeated-content", "sync_index", ("CRITICAL", "HIGH", "MEDIUM"), "same content is worked through again", "by the content's hash")
        self.assertEqual(found["events"], 7 * 40)

    def test_a_stage_that_is_far_slower_than_the_one_before(self):
        self.check("slow_model", "queue-wait", "mix_row", ("MEDIUM",), "waits for 'queue embed full'", "speed that stage up")

    def test_a_document_that_costs_most(self):
        for program in ("one_book", "moved_one_book"):
            ledger = self.report(program)["ledger"]
            self.assertEqual(len(ledger), 20)
            self.assertEqual(ledger[0]["name"], "text:137")
            self.assertTrue(ledger[0]["stage"])

    def test_large_buffers_taken_and_given_back(self):
        found = self.check("contact_sheet", "allocation-churn", "shrink_picture", ("MEDIUM",), r"60 times 40000 KiB", "one buffer")
        self.assertEqual((found["events"], found["base"]), (60, "heap_peak"))

    def test_nothing_planted_nothing_found(self):
        for program in ("tidy", "moved_tidy"):
            findings = self.report(program)["findings"]
            self.assertEqual([f for f in findings if f["severity"] == "CRITICAL"], [])
            # Not blocking-call: a machine with other work makes tasks stand still as well, see report_blocking.c.
            self.assertEqual({f["rule"] for f in findings} & {"retry-storm", "repeated-content", "allocation-churn", "single-item", "commit-per-row"}, set())

    def test_the_marks_are_there(self):
        for name in ("answer_desk", "mirror", "resync", "slow_model", "contact_sheet"):
            self.assertTrue(marked_lines(name), name)
        self.assertEqual(marked_lines("tidy"), [])


if __name__ == "__main__":
    unittest.main()
