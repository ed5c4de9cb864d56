"""Unkind surroundings: full or closed standard streams, a limit on file sizes, odd sizes. What fails says so, the index survives."""
import os
import resource
import shutil
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

    def flip(self, name, offset):
        with open(os.path.join(self.ws.dir, "data", name), "r+b") as f:
            f.seek(offset)
            byte = f.read(1)
            f.seek(offset)
            f.write(bytes([byte[0] ^ 0x55]))

    def test_a_damaged_page_is_told_and_force_makes_the_index_anew(self):
        harness.fill(self.ws, 20)
        self.ws.ingest()
        size = os.path.getsize(os.path.join(self.ws.dir, "data", "qloader.db"))
        self.assertGreater(size, 8 * 8192)
        whole = os.path.join(self.ws.dir, "whole")
        data = os.path.join(self.ws.dir, "data")
        shutil.copytree(data, whole)
        for offset in range(4096, size, 8192):
            shutil.rmtree(data)
            shutil.copytree(whole, data)
            self.flip("qloader.db", offset)
            done = self.ws.run("init", "--force")
            self.assertEqual(done.returncode, 0, "page %d: %s" % (offset // 8192, done.stderr))
        self.assertEqual(self.ws.ingest()["added"], 20)

    def test_nothing_is_added_behind_damaged_vectors(self):
        harness.fill(self.ws, 3, 2)
        self.ws.ingest()
        self.flip("vectors-000001.qlv", 4096 + 100)
        self.ws.write("new.md", "A newcomer.\n")
        for words in (["ingest"], ["ingest", "--force"], ["search", "newcomer"]):
            done = self.ws.run(*words)
            self.assertEqual(done.returncode, 8, done.stdout + done.stderr)
            self.assertIn("checksum", done.stderr)
            self.assertIn("init --force", done.stderr)
        self.assertEqual(self.ws.run("init", "--force").returncode, 0)
        self.assertEqual(self.ws.ingest()["added"], 4)
        self.assertNotEqual(self.ws.search("newcomer"), [])

    def test_a_deleted_database_is_not_called_no_index(self):
        self.ws.write("a.md", "vector\n")
        self.ws.ingest()
        os.unlink(os.path.join(self.ws.dir, "data", "qloader.db"))
        for words in (["search", "vector"], ["ingest"]):
            done = self.ws.run(*words)
            self.assertEqual(done.returncode, 8, done.stderr)
            self.assertIn("init --force", done.stderr)

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
