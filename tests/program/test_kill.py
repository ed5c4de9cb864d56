"""kill -9 at random moments of an ingest, then resume: the index equals that of an uninterrupted run.

QL_KILL_RUNS (default 10) rounds; QL_KILL_SEED is printed. The moment is drawn over the whole length of an uninterrupted run."""
import os
import random
import signal
import subprocess
import time
import unittest

import harness


class Kill(harness.Case):
    def test_resumed_index_equals_an_uninterrupted_one(self):
        runs, seed = int(os.environ.get("QL_KILL_RUNS", "10")), int(os.environ.get("QL_KILL_SEED", "1"))
        print("kill test: %d runs, seed %d" % (runs, seed), flush=True)
        rng = random.Random(seed)
        harness.fill(self.ws, 120, paragraphs=3)
        begin = time.monotonic()
        self.ws.ingest()
        length = time.monotonic() - begin
        expected = self.ws.dump()
        killed = stored_part = 0
        for _ in range(runs):
            self.ws.drop_index()
            for _ in range(rng.choice((1, 1, 2, 3))):
                run = subprocess.Popen(self.ws.command("ingest", "--quiet"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(rng.random() * length)
                run.send_signal(signal.SIGKILL)
                killed += run.wait() == -signal.SIGKILL
            if os.path.exists(os.path.join(self.ws.dir, "data", "qloader.db")):
                # What is there can be searched: whole documents or none.
                found = self.ws.run("search", "--json", "vector")
                self.assertIn(found.returncode, (0, 4), found.stderr)
                stored_part += found.returncode == 0
            self.ws.ingest()
            self.assertEqual(expected, self.ws.dump())
        print("kill test: %d killed in flight, %d times part of the index was there" % (killed, stored_part), flush=True)
        self.assertGreater(killed, 0)


if __name__ == "__main__":
    harness.main()
