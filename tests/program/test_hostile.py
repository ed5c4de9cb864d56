"""Unkind surroundings: full or closed standard streams, a limit on file sizes, odd sizes. What fails says so, the index survives."""
import os
import resource
import signal
import subprocess
import unittest

import harness


class Hostile(harness.Case):
    def shell(self, script):
        return subprocess.run(["/bin/sh", "-c", script, harness.QLOADER, self.ws.dir], capture_output=True, text=True, timeout=300)

    def test_a_full_stdout_is_no_success(self):
        self.ws.write("a.md", "# A\n\nvector\n")
        self.ws.ingest()
        for words in ("config", "ingest", "ingest --json", "search vector", "search --json vector", "project list", "project status"):
            done = self.shell('"$0" %s --workspace "$1" > /dev/full' % words)
            self.assertEqual(done.returncode, 7, words + "\n" + done.stderr)
            self.assertIn("stdout", done.stderr)
        self.assertEqual(self.shell('"$0" --help > /dev/full').returncode, 7)

    def test_messages_never_reach_the_index_through_closed_streams(self):
        harness.fill(self.ws, 10)
        self.ws.ingest()
        expected = self.ws.dump()
        self.ws.drop_index()
        self.shell('"$0" ingest --verbose --workspace "$1" <&- >&- 2>&-')
        self.assertEqual(expected, self.ws.dump())

    def test_a_limit_on_file_sizes_is_an_error_not_a_signal(self):
        harness.fill(self.ws, 10)

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))

        done = subprocess.run(self.ws.command("ingest"), capture_output=True, text=True, timeout=300, preexec_fn=limit)
        self.assertEqual(done.returncode, 7, done.stderr)
        self.ws.ingest()
        self.assertNotEqual(self.ws.search("vector"), [])

    def test_an_index_on_a_read_only_file_system_answers(self):
        self.ws.write("a.md", "# vector\n")
        self.ws.ingest()
        data = os.path.join(self.ws.dir, "data")
        script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"'
        if subprocess.run(["/bin/sh", "-c", script, "sh", data], capture_output=True).returncode != 0:
            self.fail("this test needs the right to mount (run it as root, or in a container that may)")
        try:
            self.assertEqual(len(self.ws.search("vector")), 1)
            self.assertEqual(self.ws.run("ingest").returncode, 7)
        finally:
            subprocess.run(["umount", data], check=True)


if __name__ == "__main__":
    harness.main()
