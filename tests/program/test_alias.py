"""The program under the name of a link: it does the same and speaks of that name."""
import os
import subprocess

import harness


class Alias(harness.Case):
    def setUp(self):
        super().setUp()
        self.link = os.path.join(self.ws.dir, "qdrant-loader")
        os.symlink(harness.QLOADER, self.link)

    def run_link(self, *words, argv0=None):
        return subprocess.run([argv0 or self.link, *words], executable=self.link, capture_output=True, text=True, cwd=self.ws.dir, stdin=subprocess.DEVNULL, timeout=120)

    def test_the_program_speaks_of_the_name_it_was_called_by(self):
        self.assertIn("Usage: qdrant-loader COMMAND", self.run_link("--help").stdout)
        text = self.run_link("ingest", "--help").stdout
        self.assertIn("Usage: qdrant-loader ingest", text)
        self.assertIn("  qdrant-loader ingest --dry-run", text)
        self.assertNotIn("qloader", text)
        for words in (["ingset"], ["ingest", "--nonsense"], ["ingest", "word"], ["search"], ["-x"]):
            done = self.run_link(*words)
            self.assertEqual(done.returncode, 2)
            self.assertIn("qdrant-loader", done.stderr)
        self.assertEqual(self.run_link("--version").stdout, subprocess.run([harness.QLOADER, "--version"], capture_output=True, text=True).stdout)

    def test_it_does_the_same(self):
        self.ws.write("a.md", "The okapi eats.\n")
        self.assertEqual(self.run_link("ingest").returncode, 0)
        self.assertEqual(self.run_link("search", "--json", "okapi").stdout.split('"elapsed')[0], self.ws.run("search", "--json", "okapi").stdout.split('"elapsed')[0])

    def test_a_name_cannot_steer_the_terminal(self):
        for name in ("\x1b[31mred", "", "a b", "/tmp/", "-x"):
            done = subprocess.run([name, "--help"], executable=self.link, capture_output=True, text=True)
            self.assertIn("Usage: qloader COMMAND", done.stdout, name)


if __name__ == "__main__":
    harness.main()
