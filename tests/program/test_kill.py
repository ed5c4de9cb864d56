"""kill -9 at random moments of an ingest, then resume: the index equals that of an uninterrupted run.

Every second round starts from an index of older documents, so that documents are replaced and deleted, and room is reclaimed, under the
kill as well. QL_KILL_RUNS (default 10) rounds; QL_KILL_SEED is printed. The moment is drawn over the whole length of an uninterrupted run."""
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

import harness


class Kill(harness.Case):
    def timed_ingest(self):
        begin = time.monotonic()
        self.ws.ingest()
        return time.monotonic() - begin

    def make_older_index(self):
        """An index in which a third of the documents are other ones and a third have other text; then the documents as they shall be."""
        harness.fill(self.ws, 120, paragraphs=3)
        for d in range(0, 120, 3):
            os.rename(os.path.join(self.ws.docs, "folder%d/doc%03d.md" % (d % 5, d)), os.path.join(self.ws.docs, "folder%d/old%03d.md" % (d % 5, d)))
            self.ws.write("folder%d/doc%03d.md" % ((d + 1) % 5, d + 1), "# Before\n\nThis was here before, number %d.\n" % d)
        self.ws.ingest()
        older = os.path.join(self.ws.dir, "older")
        shutil.copytree(os.path.join(self.ws.dir, "data"), older)
        shutil.rmtree(self.ws.docs)
        os.mkdir(self.ws.docs)
        harness.fill(self.ws, 120, paragraphs=3)
        return older

    def begin_round(self, older):
        self.ws.drop_index()
        if older is not None:
            shutil.copytree(older, os.path.join(self.ws.dir, "data"))

    def kill_once(self, delay):
        run = subprocess.Popen(self.ws.command("ingest", "--quiet"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        run.send_signal(signal.SIGKILL)
        return run.wait() == -signal.SIGKILL

    def test_resumed_index_equals_an_uninterrupted_one(self):
        runs, seed = int(os.environ.get("QL_KILL_RUNS", "10")), int(os.environ.get("QL_KILL_SEED", "1"))
        print("kill test: %d rounds, seed %d" % (runs, seed), flush=True)
        rng = random.Random(seed)
        older = self.make_older_index()
        length = {older: self.timed_ingest()}
        changed = self.ws.dump()
        self.ws.drop_index()
        length[None] = self.timed_ingest()
        expected = self.ws.dump()
        self.assertEqual(expected, changed)
        killed = part = 0
        for number in range(runs):
            start = older if number % 2 else None
            self.begin_round(start)
            for _ in range(rng.choice((1, 1, 2, 3))):
                killed += self.kill_once(rng.random() * length[start])
            if os.path.exists(os.path.join(self.ws.dir, "data", "qloader.db")):
                # What is there can be searched: whole documents or none.
                found = self.ws.run("search", "--json", "vector")
                self.assertIn(found.returncode, (0, 4), found.stderr)
                part += found.returncode == 0
            self.ws.ingest()
            self.assertEqual(expected, self.ws.dump())
        print("kill test: %d killed in flight, %d times part of the index was there" % (killed, part), flush=True)
        self.assertGreater(killed, 0)


if __name__ == "__main__":
    harness.main()
