"""ingest --mem: what it refuses, what it leaves out, that a large document goes alone with the same result, and that the bound holds."""
import json
import os
import re
import subprocess
import time

import harness


def code(functions):
    """Python of about 100 bytes a function: reading it takes fifty times that."""
    return "".join("def pump_%d(day):\n    \"\"\"State of the pump on that day.\"\"\"\n    return [day + %d, 'no leak']\n\n\n" % (i, i % 31) for i in range(functions))


class Memory(harness.Case):
    def least(self, *options):
        """The figure that a limit too low is refused with, in MB."""
        done = self.ws.run("ingest", "--mem", "1M", *options)
        self.assertEqual(done.returncode, 1, done.stderr)
        return int(re.search(r"too low: at least (\d+) MB", done.stderr).group(1))

    def test_what_is_no_size(self):
        for text in ("", "12Q", "M", "-1", "0", "1.5G", "99999999999999G", "256MiB2", "18446744073709551615", "99999999999999999999999", "16777215T"):
            done = self.ws.run("ingest", "--mem", text)
            self.assertEqual(done.returncode, 2, (text, done.stderr))
        for text in ("4096M", "4G", "4gib", "4GB", "4294967296"):
            self.ws.ingest("--mem", text)

    def test_a_limit_that_is_too_low_is_refused_with_the_figure(self):
        harness.fill(self.ws, 3)
        least = self.least()
        self.assertEqual(self.ws.run("search", "index").returncode, 4)  # nothing was begun
        self.assertEqual(self.ws.ingest("--mem", "%dM" % (least + 4))["added"], 3)

    def test_events_of_a_large_source_are_whole(self):
        """They are printed as they come: held, they would take more than there is."""
        for i in range(3000):
            self.ws.write("f%d.md" % i, "a")
        report = self.ws.ingest("-n", "--mem", "%dM" % (self.least() + 4))
        self.assertEqual((report["status"], report["added"]), ("ok", 3000))
        self.assertEqual(len({event["url"] for event in report["events"]}), 3000)

    def test_another_precision_is_told(self):
        harness.fill(self.ws, 3)
        self.ws.ingest()
        done = self.ws.run("ingest", "--precision", "fp32")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("3 of 3 documents of localfile/", done.stderr)
        self.assertIn("made anew", done.stderr)
        self.assertNotIn("made anew", self.ws.run("ingest", "--precision", "fp32").stderr)

    def test_a_document_that_takes_more_than_is_left_fails_alone(self):
        harness.fill(self.ws, 5)
        self.ws.write("large.py", "def f(a):\n    return a\n\n\n" * 18000)  # about 430 kB
        limit = "%dM" % (self.least() + 2)
        done = self.ws.run("ingest", "--mem", limit)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("large.py", done.stderr)
        wanted = int(re.search(r"give at least (\d+) MB", done.stderr).group(1))
        self.assertIn("5 added", done.stdout)
        self.assertIn("1 failed", done.stdout)
        self.assertEqual(self.ws.ingest("--mem", "%dM" % (wanted + 4))["added"], 1)

    def test_a_large_document_goes_alone_and_gives_the_same_index(self):
        harness.fill(self.ws, 40)
        self.ws.write("folder1/large.py", code(1300))
        self.ws.write("folder3/large.py", code(1200))
        self.ws.ingest()
        expected = self.ws.dump()
        for threads in ("1", "3"):
            self.ws.drop_index()
            limit = self.least("--threads", threads) + 2
            self.assertEqual(self.ws.ingest("--mem", "%dM" % limit, "--threads", threads)["added"], 42)
            self.assertEqual(self.ws.dump(), expected)

    def test_it_holds(self):
        """Memory of its own, that is in RAM, as often as one can look."""
        harness.fill(self.ws, 100)
        for i in range(3):
            self.ws.write("large%d.py" % i, code(1200))
        limit = self.least() + 2
        running = subprocess.Popen(self.ws.command("ingest", "--quiet", "--mem", "%dM" % limit), stderr=subprocess.PIPE)
        most, looked = 0, 0
        while running.poll() is None:
            found = re.search(r"RssAnon:\s+(\d+) kB", harness.text_of("/proc/%d/status" % running.pid))
            most, looked = max(most, int(found.group(1)) if found else 0), looked + 1
            time.sleep(0.005)
        self.assertEqual(running.returncode, 0, running.stderr.read())
        running.stderr.close()
        self.assertGreater(looked, 20)
        print("limit %d MB, most seen %.1f MB" % (limit, most / 1024))
        self.assertLessEqual(most, limit * 1024)

    def test_the_kernel_is_asked_to_bound_it(self):
        harness.fill(self.ws, 60)
        limit = self.least() + 8

        def bound(pid):
            found = re.search(r"Max data size\s+(\d+)\s", harness.text_of("/proc/%d/limits" % pid))
            return int(found.group(1)) if found else None

        running = subprocess.Popen(self.ws.command("ingest", "--quiet", "--threads", "2", "--mem", "%dM" % limit))
        self.addCleanup(running.wait)
        self.addCleanup(running.kill)
        most = harness.until(lambda: bound(running.pid), running)
        self.assertLess(most, (limit + 160) << 20)  # and room for what is kept and not used: stacks

    def test_the_kernel_bounds_what_was_not_foreseen(self):
        """A source file that takes far more than one of its size does: it fails, or is cut by lines, and the rest goes on."""
        harness.fill(self.ws, 5)
        self.ws.write("hostile.py", "a=[\n" + "(0),\n" * 60000 + "]\n")
        done = self.ws.run("ingest", "--mem", "%dM" % (self.least() + 4), "--json")
        report = json.loads(done.stdout)
        self.assertIn(done.returncode, (0, 5), done.stderr)
        self.assertGreaterEqual(report["added"], 5)
        self.assertEqual(report["added"] + report["failed"], 6)


if __name__ == "__main__":
    harness.main()
