"""A full disk stops an ingest with a clear error, keeps what was acknowledged, and the next run with room finishes it."""
import os
import subprocess
import tempfile

import harness


def can_mount():
    """A tmpfs of a few MB is the honest full disk; it needs root (or a user namespace)."""
    with tempfile.TemporaryDirectory() as d:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", d], capture_output=True).returncode != 0:
            return False
        subprocess.run(["umount", d], check=True)
        return True


class FullDisk(harness.Case):
    def test_is_told_and_survived(self):
        if not can_mount():
            self.fail("this test needs the right to mount a tmpfs (run it as root, or in a container that may)")
        harness.fill(self.ws, 60, paragraphs=6)
        data = os.path.join(self.ws.dir, "data")
        os.mkdir(data)
        self.ws.ingest()
        expected = self.ws.dump()
        self.ws.drop_index()
        os.mkdir(data)
        seen = 0
        for size in ("300k", "700k", "1200k"):
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%s" % size, "none", data], check=True)
            try:
                done = self.ws.run("ingest")
                if done.returncode != 0:
                    seen += 1
                    self.assertEqual(done.returncode, 7, done.stderr)
                    self.assertIn("space", done.stderr.lower())
                # What fits can be searched; nothing is half there.
                self.assertIn(self.ws.run("search", "--json", "vector").returncode, (0, 4))
                subprocess.run(["mount", "-i", "-t", "tmpfs", "-o", "remount,size=64m", "none", data], check=True)
                self.ws.ingest()
                self.assertEqual(expected, self.ws.dump())
            finally:
                subprocess.run(["umount", data], check=True)
        self.assertGreater(seen, 0)

    def test_where_a_profile_goes(self):
        if not can_mount():
            self.fail("this test needs the right to mount a tmpfs (run it as root, or in a container that may)")
        harness.fill(self.ws, 20, paragraphs=6)
        out = os.path.join(self.ws.dir, "out")
        os.mkdir(out)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", out], check=True)
        try:
            done = self.ws.run("ingest", "--profile=" + out)
            self.assertEqual(done.returncode, 7, done.stderr)
            self.assertRegex(done.stderr, r"error: cannot write '%s/capture\.qprof': .*space" % out)
            subprocess.run(["mount", "-i", "-t", "tmpfs", "-o", "remount,size=64m", "none", out], check=True)
            self.ws.ingest("--force", "--profile=" + out)
            room = os.path.getsize(os.path.join(out, "capture.qprof")) + (100 << 10)  # the next capture fits, and not all that is made of it
            for name in os.listdir(out):
                os.remove(os.path.join(out, name))
            with open(os.path.join(out, "filler"), "wb") as f:
                f.write(bytes((64 << 20) - room))
            done = self.ws.run("ingest", "--force", "--profile=" + out)
            self.assertEqual(done.returncode, 7, done.stderr)
            self.assertRegex(done.stderr, r"error: .*'%s/[a-z.]+'.*space" % out)
            self.assertEqual([name for name in os.listdir(out) if ".part-" in name], [])
        finally:
            subprocess.run(["umount", out], check=True)
        self.assertEqual(self.ws.run("search", "vector").returncode, 0)  # the index is whole


if __name__ == "__main__":
    harness.become_root()
    harness.main()
