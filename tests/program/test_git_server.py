"""Repositories on servers that misbehave, over HTTP and ssh: each failure is told, costs only its source, deletes nothing, and ends in time."""
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

import harness

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support", "git_http_server.py")
SUPPRESSIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support", "lsan_libssh2.supp")
SSHD = next((path for path in ("/usr/sbin/sshd", "/usr/local/sbin/sshd") if os.path.exists(path)), None)


class Remote(harness.Case):
    """A bare repository with two files, and a workspace with it and a folder."""

    def setUp(self):
        super().setUp()
        self.work = os.path.join(self.ws.dir, "checkout")
        self.bare = os.path.join(self.ws.dir, "bare.git")
        self.git("init", "-q", "-b", "main", self.work, cwd=self.ws.dir)
        self.commit("a.md", "# A\n\nThe aardvark digs.\n")
        self.commit("noise.md", "".join("line %d of some text\n" % i for i in range(2000)))
        self.git("clone", "-q", "--bare", self.work, self.bare, cwd=self.ws.dir)
        self.git("remote", "add", "origin", self.bare)
        self.ws.write("local.md", "The local lynx sleeps.\n")

    def git(self, *words, cwd=None):
        env = dict(os.environ, GIT_AUTHOR_NAME="Ada", GIT_AUTHOR_EMAIL="ada@example.com", GIT_COMMITTER_NAME="Ada", GIT_COMMITTER_EMAIL="ada@example.com",
                   GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null")
        return subprocess.run(["git", *words], check=True, capture_output=True, text=True, env=env, cwd=cwd or self.work).stdout

    def commit(self, name, text):
        with open(os.path.join(self.work, name), "w") as f:
            f.write(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "change")

    def use(self, url, more=""):
        self.ws.configure("sources:\n  git:\n    code:\n      base_url: \"%s\"\n      branch: main\n%s"
                          "  localfile:\n    docs:\n      base_url: \"file://%s\"\n" % (url, more, self.ws.docs))

    def expect_source_failure(self, *words, code=5, env=None):
        """The git source failed and said so; the folder was read; nothing was deleted."""
        done = self.ws.run("ingest", env=env)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn("source failed: git/code", done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual(len(self.ws.search("lynx", "--source", "docs")), 1)
        return done


class Server(Remote):
    def serve(self, *certificate):
        os.environ["no_proxy"] = "127.0.0.1,127.0.0.2"
        log = os.path.join(self.ws.dir, "requests")
        self.server = subprocess.Popen([sys.executable, SERVER, self.ws.dir, log, *certificate], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.server.stdout.readline())
        self.addCleanup(self.stop)

    def stop(self):
        self.server.stdin.close()
        self.server.wait(timeout=30)
        self.server.stdout.close()


class Https(Server):
    def test_a_server_that_hangs_up_does_not_end_the_process(self):
        pem, key = os.path.join(self.ws.dir, "cert.pem"), os.path.join(self.ws.dir, "cert.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", pem], check=True, capture_output=True)
        self.serve(pem, key)
        self.use("https://127.0.0.1:%d/hangup/bare.git" % self.port)
        self.expect_source_failure(env={"SSL_CERT_FILE": pem})
        self.use("https://127.0.0.1:%d/open/bare.git" % self.port)
        self.assertEqual(self.ws.run("ingest", env={"SSL_CERT_FILE": pem}).returncode, 0)


class Http(Server):
    def setUp(self):
        super().setUp()
        self.serve()

    def url(self, place):
        return "http://127.0.0.1:%d/%s/bare.git" % (self.port, place)

    def test_every_failure_is_told_and_deletes_nothing(self):
        self.use(self.url("open"))
        self.assertEqual(self.ws.ingest()["added"], 3)
        self.commit("b.md", "The badger is new.\n")
        self.git("push", "-q", "origin", "main")
        for place, word in (("status-403", "403"), ("status-404", "404"), ("status-500", "500"), ("status-503", "503"), ("garbage", ""), ("cut", ""), ("token", "token")):
            with self.subTest(place=place):
                # What the source brought from its first address stays while the new one fails.
                self.use(self.url(place))
                done = self.expect_source_failure(word)
                self.assertNotIn("right-token", done.stderr)
                self.assertEqual(len(self.ws.search("aardvark", "--source", "code")[:1]), 1)
        self.use(self.url("slow"))
        report = self.ws.ingest()
        self.assertEqual((report["failed"], report["sources_failed"]), (0, 0))
        self.assertTrue(self.ws.search("badger")[0]["url"].endswith("b.md"))

    def test_a_wrong_token_is_refused_and_never_shown(self):
        self.use(self.url("token"), "      token: wr0ng-s3cret\n")
        done = self.expect_source_failure("token")
        self.assertNotIn("wr0ng-s3cret", done.stdout + done.stderr)
        self.use(self.url("token"), "      token: right-token\n")
        self.assertEqual(self.ws.ingest()["failed"], 0)

    def test_an_address_that_stands_for_none_is_passed_over(self):
        home = os.path.join(self.ws.dir, "home")
        os.mkdir(home)
        with open(os.path.join(home, ".gitconfig"), "w") as f:
            f.write("[url \"http://elsewhere.invalid/\"]\n\tinsteadOf\n[url \"%s\"]\n\tinsteadOf = http://stands-for.invalid/x\n" % self.url("open"))
        self.use("http://stands-for.invalid/x")
        for _ in range(2):  # the second time there is a copy
            done = self.ws.run("ingest", env={"HOME": home})
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.ws.search("aardvark")[0]["url"].endswith("a.md"))

    def test_a_silent_server_does_not_hold_back_ctrl_c(self):
        self.use(self.url("silent"))
        for sent in (signal.SIGINT, signal.SIGTERM):
            run = subprocess.Popen(self.ws.command("ingest"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            time.sleep(3)
            self.assertIsNone(run.poll())
            begin = time.monotonic()
            run.send_signal(sent)
            _, err = run.communicate(timeout=60)
            self.assertEqual(run.returncode, 128 + sent, err)
            self.assertLess(time.monotonic() - begin, 20, "asked to stop, it went on waiting for the server")


class Ssh(Remote):
    def setUp(self):
        super().setUp()
        self.assertTrue(SSHD, "there is no sshd: run pkgconfig/deps/packages")
        self.home = os.path.join(self.ws.dir, "home")
        os.makedirs(os.path.join(self.home, ".ssh"), mode=0o700)
        self.server_dir = os.path.join(self.ws.dir, "sshd")
        os.mkdir(self.server_dir, 0o700)
        for path in (os.path.join(self.server_dir, "host_key"), os.path.join(self.home, ".ssh", "id_ed25519"), os.path.join(self.server_dir, "other")):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        shutil.copy(os.path.join(self.home, ".ssh", "id_ed25519.pub"), os.path.join(self.server_dir, "authorized"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        config = os.path.join(self.server_dir, "config")
        with open(config, "w") as f:
            f.write("Port %d\nListenAddress 127.0.0.1\nHostKey %s/host_key\nAuthorizedKeysFile %s/authorized\nPidFile none\nStrictModes no\nUsePAM no\n"
                    "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nLogLevel ERROR\n" % (self.port, self.server_dir, self.server_dir))
        self.sshd = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stderr=subprocess.DEVNULL)
        self.addCleanup(self.stop)
        self.wait()
        self.known = os.path.join(self.home, ".ssh", "known_hosts")
        with open(os.path.join(self.server_dir, "host_key.pub")) as f:
            self.host_key = " ".join(f.read().split()[:2])
        self.trust(self.host_key)
        self.env = {"HOME": self.home, "LSAN_OPTIONS": "print_suppressions=0:suppressions=" + SUPPRESSIONS}
        os.environ.pop("SSH_AUTH_SOCK", None)

    def wait(self):
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        self.fail("sshd does not listen")

    def stop(self):
        self.sshd.terminate()
        self.sshd.wait(timeout=30)

    def trust(self, key):
        with open(self.known, "w") as f:
            f.write("[127.0.0.1]:%d %s\n" % (self.port, key))

    def url(self):
        return "ssh://%s@127.0.0.1:%d%s" % (getpass.getuser(), self.port, self.bare)

    def test_fetches_and_then_only_what_is_new(self):
        self.use(self.url())
        done = self.ws.run("ingest", "--json", env=self.env)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTrue(self.ws.search("aardvark")[0]["url"].endswith("a.md"))
        self.commit("b.md", "The badger is new.\n")
        self.git("push", "-q", "origin", "main")
        done = self.ws.run("ingest", "--json", env=self.env)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTrue(self.ws.search("badger")[0]["url"].endswith("b.md"))

    def test_an_unknown_or_changed_host_key_is_refused(self):
        self.use(self.url())
        os.unlink(self.known)
        self.expect_source_failure("known_hosts", env=self.env)
        with open(os.path.join(self.server_dir, "other.pub")) as f:
            self.trust(" ".join(f.read().split()[:2]))
        self.expect_source_failure("known_hosts", env=self.env)

    def test_a_key_that_the_server_does_not_know_is_told(self):
        self.use(self.url())
        shutil.copy(os.path.join(self.server_dir, "other"), os.path.join(self.home, ".ssh", "id_ed25519"))
        shutil.copy(os.path.join(self.server_dir, "other.pub"), os.path.join(self.home, ".ssh", "id_ed25519.pub"))
        self.expect_source_failure("ssh keys", env=self.env)


if __name__ == "__main__":
    harness.main()
