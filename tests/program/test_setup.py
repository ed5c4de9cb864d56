"""qloader setup: what it writes with options and by questions on a terminal, what it never overwrites, and that it leaves nothing when it is broken off."""
import json
import os
import pty
import re
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import unittest

import harness


def read(path):
    with open(path) as f:
        return f.read()


class Terminal:
    """The program on a terminal: stdin and stderr; stdout apart."""

    def __init__(self, *words, cwd, env=None, preexec_fn=None):
        self.master, slave = pty.openpty()
        self.running = subprocess.Popen([harness.QLOADER] + list(words), stdin=slave, stderr=slave, stdout=subprocess.PIPE, cwd=cwd, env=env, start_new_session=True, preexec_fn=preexec_fn)
        os.close(slave)
        self.shown = b""

    def expect(self, text, timeout=30):
        """Waits until the program has shown text behind what was expected before."""
        end = time.monotonic() + timeout * harness.PATIENCE
        while True:
            at = self.shown.find(text.encode())
            if at >= 0:
                self.shown = self.shown[at + len(text.encode()):]
                return
            if time.monotonic() > end or not select.select([self.master], [], [], 1)[0]:
                if time.monotonic() > end:
                    raise AssertionError("'%s' did not come: %r" % (text, self.shown))
                continue
            try:
                self.shown += os.read(self.master, 4096)
            except OSError:
                raise AssertionError("'%s' did not come before the end: %r" % (text, self.shown))

    def answer(self, question, text):
        self.expect(question)
        os.write(self.master, text if isinstance(text, bytes) else text.encode() + b"\n")

    def end(self, timeout=60):
        out = self.running.stdout.read().decode(errors="replace")
        code = self.running.wait(timeout=timeout * harness.PATIENCE)
        self.running.stdout.close()
        while select.select([self.master], [], [], 0)[0]:
            try:
                self.shown += os.read(self.master, 4096)
            except OSError:
                break
        os.close(self.master)
        return code, out


class Setup(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="qloader-setup-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.docs = os.path.join(self.dir, "my notes")
        os.mkdir(self.docs)
        with open(os.path.join(self.docs, "a.md"), "w") as f:
            f.write("# Okapi\n\nThe okapi eats.\n")

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def run_setup(self, code, *words, env=None, cwd=None):
        done = subprocess.run([harness.QLOADER, "setup"] + list(words), capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=120 * harness.PATIENCE, cwd=cwd or self.dir, env=env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def qloader(self, *words):
        return subprocess.run([harness.QLOADER] + list(words), capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=120 * harness.PATIENCE, cwd=self.dir)

    def config_of(self, place):
        done = self.qloader("config", "--json", "--workspace", place)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["projects_config"]["projects"]

    def tree(self):
        return sorted(os.path.relpath(os.path.join(d, n), self.dir) for d, folders, files in os.walk(self.dir) for n in folders + files)

    # --- options

    def test_without_anything_there_is_a_workspace_with_docs(self):
        done = self.run_setup(0)
        self.assertEqual(self.tree(), ["my notes", "my notes/a.md", "workspace", "workspace/config.yaml", "workspace/docs"])
        self.assertIn("qloader init --workspace workspace", done.stdout)
        self.assertEqual(self.config_of("workspace")["default"]["sources"]["localfile"]["docs"]["base_url"], "file://" + os.path.realpath(self.path("workspace/docs")))
        with open(self.path("workspace/docs/b.md"), "w") as f:
            f.write("a walrus\n")
        for line in re.findall(r"^  qloader (.*)$", done.stdout, re.M):  # what it says comes next works as it stands
            done = subprocess.run(["sh", "-c", harness.QLOADER + " " + line], capture_output=True, text=True, cwd=self.dir, stdin=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 0, line + done.stderr)
        self.assertIn("walrus", done.stdout)
        self.assertEqual(self.qloader("doctor", "--workspace", "workspace").returncode, 0)

    def test_sources_of_both_kinds(self):
        done = self.run_setup(0, "--workspace", "kb", "--localfile", "my notes", "--git", "https://example.com/org/handbook.git", "--git", "git@example.com:org/handbook", "--json")
        told = json.loads(done.stdout)
        self.assertEqual(told["secrets"], ["GIT_TOKEN_HANDBOOK"])
        self.assertEqual([f["path"] for f in told["files"]], [".env", "config.yaml"])
        sources = self.config_of("kb")["default"]["sources"]
        self.assertEqual(sorted(sources["git"]), ["handbook", "handbook-2"])
        self.assertEqual(sources["git"]["handbook"]["token"], "")
        self.assertEqual(sources["localfile"]["my-notes"]["base_url"], "file://" + os.path.realpath(self.docs).replace(" ", "%20"))
        self.assertEqual(stat.S_IMODE(os.stat(self.path("kb/.env")).st_mode), 0o600)
        with open(self.path("kb/.env"), "a") as f:
            f.write("GIT_TOKEN_HANDBOOK=sEcReT\n")
        self.assertEqual(self.config_of("kb")["default"]["sources"]["git"]["handbook"]["token"], "****")

    def test_the_token_may_come_from_the_environment(self):
        self.run_setup(0, "--workspace", "kb", "--git", "https://example.com/org/handbook.git")
        env = dict(os.environ, GIT_TOKEN_HANDBOOK="sEcReT")
        done = subprocess.run([harness.QLOADER, "config", "--workspace", "kb"], capture_output=True, text=True, cwd=self.dir, env=env)
        self.assertIn('"token": "****"', done.stdout)

    def test_modes_and_projects(self):
        for mode in ("default", "normal", "advanced"):
            self.run_setup(0, "--mode", mode, "--workspace", mode, "--localfile", "my notes", "--project", "Our Team: \"A\" \\ \u00e4\u202e", "--non-interactive")
            project = self.config_of(mode)["Our-Team-A"]
            self.assertEqual(project["display_name"], "Our Team: \"A\" \\ \u00e4\u202e")
        lines = [read(self.path(mode, "config.yaml")).count("\n") for mode in ("default", "normal", "advanced")]
        self.assertEqual(lines, sorted(set(lines)))
        # What stands in comments is right: without the marks it is a configuration, too.
        with open(self.path("advanced/config.yaml")) as f:
            text = re.sub(r"^(\s*)# (\s*[a-z_]+:)", r"\1\2", f.read(), flags=re.M)
        with open(self.path("advanced/config.yaml"), "w") as f:
            f.write(text)
        self.assertEqual(self.config_of("advanced")["Our-Team-A"]["sources"]["localfile"]["my-notes"]["exclude_paths"], ["drafts/**"])
        self.assertIn('"chunk_size": 1500', self.qloader("config", "--workspace", "advanced").stdout)

    def test_a_folder_in_the_workspace_moves_with_it(self):
        os.makedirs(self.path("kb/texts"))
        self.run_setup(0, "--workspace", "kb", "--localfile", "kb/texts")
        os.rename(self.path("kb"), self.path("moved"))
        self.assertEqual(self.config_of("moved")["default"]["sources"]["localfile"]["texts"]["base_url"], "file://" + os.path.realpath(self.path("moved/texts")))

    def test_refusals(self):
        for code, words, text in ((2, ["--mode", "expert"], "expert"), (2, ["--localfile", "", "--localfile", "my notes"], "empty"), (2, ["--localfile", "nosuch"], "nosuch"), (2, ["--localfile", "my notes/a.md"], "not a folder"),
                                  (2, ["--git", "./nosuch"], "nosuch"), (2, ["--workspace", "my notes/a.md"], "not a folder"), (2, ["--workspace", "a", "--output-dir", "b"], "two"), (2, ["--workspace=~/kb"], "begins with ~"),
                                  (2, ["--project", "1"], "letter"), (2, ["--git", ""], "empty"), (2, ["--git", "https://example.com/${X}"], "replaced"), (2, ["--git", "foo://x/y"], "--git 'foo://x/y' "), (2, ["--git", "ht!tp://x y"], "--git 'ht!tp://x y' "), (4, ["--workspace", "/proc/q"], "/proc/q")):
            done = self.run_setup(code, *words)
            self.assertIn(text, done.stderr)
            self.assertNotIn(".setup-", done.stderr)
        done = self.run_setup(2, "--git", "https://me:sEcReT@example.com/a.git")
        self.assertNotIn("sEcReT", done.stderr + done.stdout)
        self.assertEqual(self.tree(), ["my notes", "my notes/a.md"])

    def test_nothing_is_overwritten_without_force(self):
        self.run_setup(0, "--workspace", "kb", "--localfile", "my notes")
        with open(self.path("kb/config.yaml"), "a") as f:
            f.write("# mine\n")
        before = read(self.path("kb/config.yaml"))
        self.assertIn("--force", self.run_setup(1, "--workspace", "kb").stderr)
        self.assertEqual(read(self.path("kb/config.yaml")), before)
        told = json.loads(self.run_setup(0, "--workspace", "kb", "--force", "--json").stdout)
        self.assertEqual([f["written"] for f in told["files"]], ["made", "replaced"])
        self.assertNotIn("# mine", read(self.path("kb/config.yaml")))

    def test_an_env_file_keeps_what_is_in_it(self):
        os.mkdir(self.path("kb"))
        with open(self.path("kb/.env"), "w") as f:
            f.write("OTHER=1")
        os.chmod(self.path("kb/.env"), 0o640)
        git = ["--workspace", "kb", "--git", "https://example.com/a/book.git"]
        self.assertIn("GIT_TOKEN_BOOK", self.run_setup(1, *git).stderr)
        self.assertEqual(self.tree(), ["kb", "kb/.env", "my notes", "my notes/a.md"])
        self.run_setup(0, *git, "--force")
        text = read(self.path("kb/.env"))
        self.assertTrue(text.startswith("OTHER=1\n"), text)
        self.assertEqual(text.count("GIT_TOKEN_BOOK="), 1)
        self.run_setup(0, *git, "--force")  # has a place for it now
        self.assertEqual(read(self.path("kb/.env")), text)
        os.unlink(self.path("kb/config.yaml"))
        self.run_setup(0, *git)

    def test_a_linked_env_file_is_left_alone(self):
        os.mkdir(self.path("kb"))
        with open(self.path("secrets"), "w") as f:
            f.write("OTHER=1\n")
        os.symlink("../secrets", self.path("kb/.env"))
        self.assertIn("link", self.run_setup(1, "--workspace", "kb", "--git", "https://example.com/a/book.git", "--force").stderr)
        with open(self.path("secrets"), "a") as f:
            f.write("export GIT_TOKEN_BOOK = x\n")
        self.run_setup(0, "--workspace", "kb", "--git", "https://example.com/a/book.git")
        self.assertTrue(os.path.islink(self.path("kb/.env")))

    def test_a_local_repository(self):
        subprocess.run("git init -q -b main repo && cd repo && echo hi > a.md && git add . && git -c user.name=a -c user.email=a@example.com commit -q -m a", shell=True, check=True, cwd=self.dir)
        self.run_setup(0, "--workspace", "kb", "--git", "repo")
        self.assertEqual(self.qloader("project", "validate", "--workspace", "kb").returncode, 0)
        self.assertFalse(os.path.exists(self.path("kb/.env")))
        done = self.run_setup(0, "--workspace", "kb2", "--git", "my notes")  # no repository: told, but that may come
        self.assertIn("warning: my-notes", done.stderr)

    def test_a_full_disk_leaves_nothing(self):
        small = self.path("small")
        os.mkdir(small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=4", "none", small], capture_output=True).returncode != 0:
            self.fail("this test needs the right to mount a tmpfs (run it as root, or in a container that may)")
        try:
            with open(os.path.join(small, "fill"), "w") as f:
                f.write("x" * 4096)
            done = self.run_setup(7, "--workspace", "small/kb")
            self.assertIn("No space left", done.stderr)
            self.assertEqual(os.listdir(small), ["fill"])
        finally:
            subprocess.run(["umount", small], check=True)

    # --- odd names

    def test_odd_names(self):
        root = os.fsencode(self.dir)
        for name in (b"a b", b"new\nline", b"by\xfftes", b"dollar$HOME", b"${X}", b"100%41", b"quote'\"\\", b"~", b"\xc3\xa4\xc2\x9b", b"-dash"):
            folder = os.path.join(root, b"d " + name)
            os.mkdir(folder)
            with open(os.path.join(folder, b"x.md"), "w") as f:
                f.write("The okapi eats.\n")
            place = os.path.join(root, b"w " + name)
            self.run_setup(0, "--workspace", place, "--localfile", folder)
            done = subprocess.run([harness.QLOADER, "ingest", "--json", "--workspace", place], capture_output=True)
            self.assertEqual((done.returncode, json.loads(done.stdout)["added"]), (0, 1), name)
            os.mkdir(os.path.join(place, name))  # inside the workspace
            told = json.loads(self.run_setup(0, "--workspace", place, "--localfile", os.path.join(place, name), "--force", "--json").stdout)
            self.assertEqual(self.qloader("project", "validate", "--workspace", place).returncode, 0, told)
            for line in told["next"][:2]:
                done = subprocess.run(["bash", "-c", line.replace("qloader", harness.QLOADER, 1)], capture_output=True)
                self.assertEqual(done.returncode, 0, (line, done.stderr))

    # --- questions

    def test_questions_of_the_default_mode(self):
        t = Terminal("setup", cwd=self.dir)
        t.answer("Folder of the workspace [workspace]: ", "kb")
        t.answer("Name of the project", "")
        t.answer("[kb/docs]: ", "nosuch")
        t.expect("there is no folder 'nosuch'")
        t.answer("[kb/docs]: ", "my notes")
        self.assertEqual(self.tree(), ["my notes", "my notes/a.md"])  # nothing yet
        t.answer("Write [Y/n]: ", "perhaps")
        t.answer("Write [Y/n]: ", "")
        code, out = t.end()
        self.assertEqual(code, 0, t.shown)
        self.assertIn("qloader ingest --workspace kb", out)
        self.assertEqual(list(self.config_of("kb")["default"]["sources"]["localfile"]), ["my-notes"])

    def test_questions_of_the_normal_mode(self):
        t = Terminal("setup", "--mode", "normal", cwd=self.path("my notes"), env=dict(os.environ, HOME=self.dir))
        t.answer("Folder of the workspace", "~/kb")
        t.answer("Name of the project", "Team 1")
        t.answer("/kb/docs]: ", "https://example.com/org/handbook.git")
        t.answer("Name of this source [handbook]: ", "the book")
        t.answer("Branch", "trunk")
        t.answer("File types", "*.md, *.rst")
        t.answer("Another folder", "~/my notes")
        t.answer("Name of this source [my-notes]: ", "")
        t.answer("File types", "")
        t.answer("Another folder", "")
        t.answer("Write", "y")
        code, _ = t.end()
        self.assertEqual(code, 0, t.shown)
        sources = self.config_of("kb")["Team-1"]["sources"]
        self.assertEqual((sources["git"]["the-book"]["branch"], sources["git"]["the-book"]["file_types"]), ("trunk", ["*.md", "*.rst"]))
        self.assertIn("GIT_TOKEN_THE_BOOK=", read(self.path("kb/.env")))
        self.assertIn("my-notes", sources["localfile"])

    def test_questions_of_the_advanced_mode(self):
        t = Terminal("setup", "--mode", "advanced", "--workspace", ".", "--localfile", "my notes", "--project", "One", "--json", cwd=self.dir)
        t.answer("Description", "About \"it\"")
        t.answer("Another project [y/N]: ", "y")
        t.answer("Name of the project", "One")
        t.answer("Description", "")
        t.expect("already")
        t.answer("Name of the project", "Two")
        t.answer("Description", "")
        t.answer("[./docs]: ", "")
        t.answer("Name of this source", "")
        t.answer("File types", "")
        t.answer("Another folder", "")
        t.answer("Another project", "")
        t.answer("Characters of a passage", "0")
        t.answer("Characters of a passage", "900")
        t.answer("repeated", "900")
        t.answer("repeated", "100")
        t.answer("Write", "yes")
        code, out = t.end()
        self.assertEqual(code, 0, t.shown)
        self.assertEqual(json.loads(out)["next"][0], "qloader init")
        projects = self.config_of(".")
        self.assertEqual((projects["One"]["description"], list(projects["Two"]["sources"]["localfile"])), ("About \"it\"", ["docs"]))
        self.assertIn('"chunk_overlap": 100', self.qloader("config").stdout)

    def test_no_means_no(self):
        t = Terminal("setup", "--workspace", "kb", "--localfile", "my notes", cwd=self.dir)
        t.answer("Name of the project", "")
        t.answer("Write", "n")
        self.assertEqual(t.end(), (0, ""))
        self.assertEqual(self.tree(), ["my notes", "my notes/a.md"])

    def test_breaking_off_leaves_nothing(self):
        questions = ["Folder of the workspace", "Name of the project", "[kb/docs]: ", "Name of this source", "File types", "Another folder", "Write"]
        answers = ["kb", "P", "my notes", "", "", "", "y"]
        for stop in range(len(questions)):
            for how in ("end of input", signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                t = Terminal("setup", "--mode", "normal", cwd=self.dir)
                for i in range(stop):
                    t.answer(questions[i], answers[i])
                t.expect(questions[stop])
                if how == "end of input":
                    os.write(t.master, b"\x04")
                else:
                    t.running.send_signal(how)
                code, out = t.end()
                self.assertEqual((code, out), (1 if how == "end of input" else 128 + how, ""), (questions[stop], how, t.shown))
                self.assertIn(b"nothing was written", t.shown)
                self.assertEqual(self.tree(), ["my notes", "my notes/a.md"])

    def test_breaking_off_at_any_moment_is_all_or_nothing(self):
        """The files appear together or not at all, whenever the signal comes."""
        begun = time.monotonic()
        self.run_setup(0, "--workspace", "first", "--git", "https://example.com/a.git")
        whole = time.monotonic() - begun
        ends = {True: 0, False: 0}
        for i in range(100):
            place = self.path("w%d" % i)
            running = subprocess.Popen([harness.QLOADER, "setup", "--workspace", place, "--git", "https://example.com/a.git"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(whole * (i % 50) / 20)  # the others may take longer than the first
            running.send_signal(signal.SIGTERM)
            running.wait(timeout=60 * harness.PATIENCE)
            there = sorted(os.listdir(place)) if os.path.exists(place) else []
            self.assertIn(there, ([], [".env", "config.yaml"]))
            self.assertEqual(os.path.exists(place), there != [])
            ends[there == []] += 1
        print("broken off before: %d, after: %d" % (ends[True], ends[False]))
        self.assertTrue(ends[True] > 0 and ends[False] > 0)

    def test_without_home(self):
        env = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "TMPDIR", "USER", "LOGNAME")}
        self.run_setup(0, "--workspace", "kb", "--localfile", "my notes", env=env)
        t = Terminal("setup", "--workspace", "kb2", cwd=self.dir, env=env)
        t.answer("Name of the project", "")
        t.answer("[kb2/docs]: ", "~/my notes")
        t.expect("there is no folder '~/my notes'")
        t.answer("[kb2/docs]: ", "")
        t.answer("Write", "")
        self.assertEqual(t.end()[0], 0)

    def test_an_ignored_hangup_stays_ignored(self):
        t = Terminal("setup", "--workspace", "kb", cwd=self.dir, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        t.expect("Name of the project")
        t.running.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        os.write(t.master, b"\n")
        t.answer("[kb/docs]: ", "")
        t.answer("Write", "")
        self.assertEqual(t.end()[0], 0)


if __name__ == "__main__":
    harness.become_root()
    harness.main()
