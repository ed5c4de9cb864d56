"""No secret of the configuration in anything that the program writes: answers, messages, logs, the index, caches, dumps. Each secret is a
word that occurs nowhere else; every file of the workspace is searched for it, as text and as hex, base64 and percent-encoded."""
import base64
import os
import resource
import signal
import subprocess
import sys
import unittest
import urllib.parse

import harness

CANARIES = {
    "written": "cAnArY-writt3n-7f31", "of .env": "cAnArY-d0tenv-9b20", "of the environment": "cAnArY-envir0n-4c87", "of a default": "cAnArY-d3fault-e3a9",
    "in an address": "cAnArY-addr3ss-51d6",
}
CONFIG = """global:
  qdrant: {api_key: "%(written)s"}
projects:
  p:
    display_name: P
    sources:
      localfile:
        docs: {base_url: docs, include_paths: ["**"]}
      git:
        a: {base_url: "http://127.0.0.1:9/a.git", token: "%(written)s", branch: main}
        b: {base_url: "http://127.0.0.1:9/b.git", token: "${CANARY_FILE}", branch: main}
        c: {base_url: "http://127.0.0.1:9/c.git", token: "${CANARY_ENV}", branch: main}
        e: {base_url: "http://user:%(in an address)s@127.0.0.1:9/e.git", branch: main}
"""


def forms(secret):
    raw = secret.encode()
    yield raw
    yield raw.hex().encode()
    yield urllib.parse.quote(secret, safe="").replace("-", "%2D").encode()
    for shift in range(3):  # base64 depends on where in a group of three it begins
        yield base64.b64encode(b"x" * shift + raw)[4 if shift else 0:-4]


class Secrets(unittest.TestCase):
    def setUp(self):
        self.ws = harness.Workspace()
        self.addCleanup(self.ws.close)
        self.env = {"CANARY_ENV": CANARIES["of the environment"], "QLOADER_CORE_DUMP": ""}
        self.use(CONFIG % CANARIES)
        self.ws.write("a.md", "# Walrus\n\nThe walrus has tusks.\n")

    def use(self, config):
        self.ws.configure(config)
        with open(os.path.join(self.ws.dir, ".env"), "w") as f:
            f.write("CANARY_FILE=%s\n" % CANARIES["of .env"])

    def expect_none_in(self, data, where):
        for name, secret in CANARIES.items():
            for form in forms(secret):
                self.assertNotIn(form, data, "the secret %s is in %s" % (name, where))

    def run_all(self, commands):
        for words in commands:
            with self.subTest(words=words):
                done = subprocess.run(self.ws.command(*words), capture_output=True, env=dict(os.environ, **self.env), stdin=subprocess.DEVNULL, cwd=self.ws.dir, timeout=120)
                self.assertNotEqual(done.returncode, 2, done.stderr)
                self.expect_none_in(done.stdout, "stdout")
                self.expect_none_in(done.stderr, "stderr")

    def expect_none_on_disk(self):
        seen = 0
        for folder, _, names in os.walk(self.ws.dir):
            for name in names:
                self.expect_none_in(os.fsencode(name), "the name of a file")
                if folder == self.ws.dir and name in ("config.yaml", ".env"):
                    continue
                seen += 1
                with open(os.path.join(folder, name), "rb") as f:
                    self.expect_none_in(f.read(), os.path.join(folder, name))
        return seen

    def test_the_search_would_find_one(self):
        for secret in CANARIES.values():
            for text in (secret, secret.encode().hex(), base64.b64encode(("user:" + secret).encode()).decode(), urllib.parse.quote(secret)):
                with self.assertRaises(AssertionError):
                    self.expect_none_in(text.encode(), "a text")

    def test_every_command(self):
        """Sources fail (nobody listens on port 9), so that messages about them are among what is searched."""
        self.run_all([["config"], ["config", "--format", "yaml"], ["project", "list"], ["project", "list", "--json"], ["project", "status"], ["project", "validate"],
                      ["doctor"], ["doctor", "--json"], ["doctor", "--network"], ["ingest", "--json", "--verbose"],
                      ["search", "walrus", "--explain"], ["search", "walrus", "--json"], ["init", "--force", "--json"]])
        self.assertGreater(self.expect_none_on_disk(), 0)  # the log

    def test_without_the_remote_store(self):
        self.use((CONFIG % CANARIES).partition("projects:")[1] + (CONFIG % CANARIES).partition("projects:")[2])
        self.run_all([["ingest", "--prune", "--progress", "json"], ["search", "walrus", "--explain"], ["doctor", "--network"], ["doctor", "--json"]])
        self.assertTrue(os.path.exists(os.path.join(self.ws.dir, "data", "qloader.db")))
        self.assertGreater(self.expect_none_on_disk(), 3)

    def test_broken_configurations(self):
        whole = CONFIG % CANARIES
        for broken in (whole + "  :", whole.replace("branch: main", "brunch: main"), whole.replace("http://", "htp://"), whole.replace("token:", "tokn:"), whole.replace('"', "'", 1),
                       whole.replace("{base_url: \"http", "[base_url: \"http"), whole[: len(whole) // 2],
                       whole.replace("${CANARY_ENV}", "${CANARY_NONE:-%s}" % CANARIES["of a default"]), whole.replace("git:", "jira:")):
            self.use(broken)
            self.run_all([["config"], ["ingest", "--json"], ["doctor"]])

    def test_no_dump_of_memory(self):
        """Killed by what would leave one: with a limit that would allow it none is there, unless it is asked for."""
        with open("/proc/sys/kernel/core_pattern") as f:
            pattern = f.read().strip()
        for asked in ("", "1"):
            self.env["QLOADER_CORE_DUMP"] = asked
            log = os.path.join(self.ws.dir, "logs", "ingest.log")
            run = harness.held_writer(self.ws, "--force", documents=30, ready=lambda: os.path.exists(log), env=dict(os.environ, **self.env), stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.ws.dir,
                                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))
            with open("/proc/%d/limits" % run.pid) as f:
                limit = next(line.split()[4] for line in f if line.startswith("Max core file size"))
            with open("/proc/%d/coredump_filter" % run.pid) as f:
                segments = int(f.read(), 16)
            self.assertEqual(segments != 0, bool(asked))
            if not asked:  # a sanitizer lowers the limit too, so that it says nothing where a dump is asked for
                self.assertEqual(limit, "0")
            run.send_signal(signal.SIGABRT)
            run.send_signal(signal.SIGCONT)
            run.communicate(timeout=60)
            os.unlink(log)
            if pattern.startswith("core") and "/" not in pattern and not asked:
                self.assertEqual([name for name in os.listdir(self.ws.dir) if name.startswith("core")], [])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
