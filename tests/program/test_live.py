"""qloader top, record, dump, monitor: looking into a process that runs. Real processes; top on a pseudo terminal, its screen as a terminal would show it."""
import fcntl
import gzip
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

import harness

PAGE_VERSION_AT = 8  # lib/prof/live_page.h
F_SETPIPE_SZ = 1031  # fcntl has no name for it before Python 3.10
LEAVE = b"\x1b[?1049l"


class Terminal:
    """A program on a pseudo terminal of 24 rows and 80 columns."""

    def __init__(self, args, env=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(args[0], args, dict(os.environ, TERM="xterm", **(env or {})))
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = b""

    def read(self):
        """False: it has ended. Fails where it says nothing for long, though it could."""
        try:
            if not select.select([self.fd], [], [], 120)[0]:
                raise AssertionError("it says nothing: %r" % self.seen[-3000:])
            self.seen += os.read(self.fd, 65536)
        except OSError:
            return False
        return True

    def until(self, pattern):
        """Until the last screen shows it."""
        harness.until(lambda: re.search(pattern, self.screen()) or self.more())

    def more(self):
        if not self.read():
            raise AssertionError("it ended: %r" % self.seen[-3000:])

    def screen(self):
        """The last whole picture."""
        pictures = self.seen.split(b"\x1b[H")
        whole = [p for p in pictures[1:] if b"\x1b[J" in p]
        return whole[-1].split(b"\x1b[J")[0].replace(b"\x1b[K", b"").replace(b"\r", b"").decode() if whole else ""

    def key(self, key):
        os.write(self.fd, key)

    def modes(self):
        return termios.tcgetattr(self.fd)

    def end(self):
        """Exit status and all that was written."""
        while self.read():
            pass
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status), self.seen


class Live(harness.Case):
    def setUp(self):
        super().setUp()
        self.run_dir = tempfile.mkdtemp(prefix="qloader-run-", dir="/tmp")
        self.addCleanup(lambda: subprocess.run(["rm", "-r", self.run_dir], check=True))
        self.env = {"XDG_RUNTIME_DIR": self.run_dir}

    def files(self):
        try:
            return sorted(os.listdir(os.path.join(self.run_dir, "qloader")))
        except FileNotFoundError:
            return []

    def start(self, *words, stderr=subprocess.DEVNULL):
        return harness.endless(self.ws, *words, env=dict(os.environ, **self.env), stdout=subprocess.DEVNULL, stderr=stderr, text=True)

    def q(self, *words, code=0, prefix=(), **more):
        done = subprocess.run(list(prefix) + [harness.QLOADER] + [str(w) for w in words], capture_output=True, text=True, env=dict(os.environ, **self.env, **more),
                              stdin=subprocess.DEVNULL, timeout=600)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def bytes_of(self, path):
        with open(path, "rb") as file:
            return file.read()

    def state(self, pid):
        return json.loads(self.q("monitor", "--json", pid).stdout)["state"]

    def until_state(self, pid, wanted):
        harness.until(lambda: wanted(self.state(pid)))

    def test_top_as_text_and_as_json(self):
        pid = self.start().pid
        text = self.q("top", pid).stdout
        for wanted in ("process %d, qloader " % pid, "resident ", "tasks ", "queue.embed.items ", "PER S", " STAGE", " THREAD", "qloader-pool" if os.cpu_count() > 1 else "qloader", "FUNCTION"):
            self.assertIn(wanted, text)
        self.assertNotIn("\x1b", text)
        functions = harness.until(lambda: json.loads(self.q("top", "--json", "--rate", 500, pid).stdout)["functions"])  # on a machine that has no time for it, again
        self.assertTrue([f for f in functions if f["name"] == "main" and f["total_ns"] > 0] or len(functions) > 3, functions)
        self.until_state(pid, lambda s: s["mode"] == "passive")  # nobody looks any more
        passive = json.loads(self.q("top", "--passive", "--json", pid).stdout)
        self.assertEqual((passive["mode"], passive["rate_hz"], passive["functions"]), ("passive", 0, []))

    def test_top_on_a_terminal(self):
        pid = self.start().pid
        top = Terminal([harness.QLOADER, "top", str(pid)], self.env)
        top.until(r"sampling, \d+ threads at 99 Hz")
        lines = top.screen().splitlines()
        self.assertLessEqual(len(lines), 23)
        self.assertLessEqual(max(map(len, lines)), 80)
        # What matters is on it, whole: nothing is cut in the middle of a figure.
        wanted = (r"tasks \d+ running, \d+ ready, \d+ waiting$", r"documents \d+\.\d/s", r"tokens \d+\.\d/s", r"commits \d+\.\d/s", r"queue\.embed\.bytes \d+\.\d MiB",
                  r"^ +\d+\.\d +\d+\.\d\d +\d+\.\d\d  embed$", r"^  SELF %  TOTAL %  FUNCTION", r"^ +\d+ +\d+\.\d +[A-Z]  qloader")
        harness.until(lambda: all(re.search(w, top.screen(), re.M) for w in wanted) or top.more())
        self.assertFalse(top.modes()[3] & (termios.ICANON | termios.ECHO))
        top.key(b"+")
        top.until(r"at 198 Hz")
        top.key(b"p")
        top.until(r", paused")
        top.key(b"ps")
        top.until(r"SELF %")
        top.key(b"--------")
        top.until(r"not sampled")
        fcntl.ioctl(top.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
        top.until(r"^(?:.{0,39}\n){1,9}$")
        self.assertNotIn(LEAVE, top.seen)
        top.key(b"q")
        code, seen = top.end()
        self.assertEqual(code, 0)
        self.assertIn(LEAVE, seen)

    def test_top_gives_the_terminal_back(self):
        running = self.start()
        for how in ("ctrl-c", "term", "ctrl-z", "gone"):
            with self.subTest(how=how):
                top = Terminal([harness.QLOADER, "top", str(running.pid)], self.env)
                top.until(r"process %d" % running.pid)
                if how == "ctrl-c":
                    top.key(b"\x03")
                elif how == "term":
                    os.kill(top.pid, signal.SIGTERM)
                elif how == "ctrl-z":
                    # it is the leader of its session, whose group no shell looks after: stopping has no effect, the screen comes back
                    top.key(b"\x1a")
                    harness.until(lambda: top.seen.count(b"\x1b[?1049h") >= 2 or top.more())
                    top.key(b"q")
                else:
                    running.kill()
                    running.wait()
                while LEAVE not in top.seen.rsplit(b"\x1b[?1049h", 1)[-1] and top.read():
                    pass
                code, seen = top.end()
                self.assertIn(LEAVE, seen)
                self.assertEqual(code, {"ctrl-c": 130, "term": 143, "ctrl-z": 0, "gone": 4}[how], seen[-400:])
                if how == "gone":
                    self.assertRegex(seen.rsplit(LEAVE, 1)[1].decode(), "error:.* (there is no process|.* has ended|the process ended)")

    def test_record(self):
        pid = self.start().pid
        out = os.path.join(self.ws.dir, "out")
        done = self.q("record", "--seconds", 1, "--rate", 200, "--output", out + ".svg", pid)
        self.assertIn("written", done.stdout)
        self.assertIn(b"<svg", self.bytes_of(out + ".svg"))
        self.q("record", "--seconds", 1, "--wall", "--output", out + ".qprof", pid)
        table = self.q("prof", "top", "--kind", "wall", out + ".qprof").stdout
        self.assertIn("time that passed", table)
        self.q("record", "--seconds", 1, "--output", out + ".pb.gz", pid)
        self.assertTrue(gzip.decompress(self.bytes_of(out + ".pb.gz")))
        told = json.loads(self.q("record", "--seconds", 1, "--json", "--output", out + ".speedscope.json", pid).stdout)
        self.assertEqual((told["file"], told["process_ended"]), (out + ".speedscope.json", False))
        self.assertIn("profiles", json.loads(self.bytes_of(out + ".speedscope.json")))
        self.q("record", "--seconds", 1, "--output", out + ".collapsed", pid)
        self.assertEqual(os.stat(out + ".collapsed").st_mode & 0o777, 0o600)
        self.assertIn("--output", self.q("record", pid, code=2).stderr)
        refused = self.q("record", "--output", out + ".unknown", pid, code=2).stderr
        self.assertRegex(refused, r"x?out\.unknown'.*\.qprof, \.svg, \.pb\.gz, .*\.dat")
        for end, begin in ((".html", b"<!"), (".trace.json", b"{"), (".out", b"{")):
            self.q("record", "--seconds", 1, "--output", out + end, pid)
            self.assertEqual(self.bytes_of(out + end)[:len(begin)].lower(), begin)
        self.assertFalse(os.path.exists(out + ".unknown"))
        self.assertIn("neither the number of a process nor a program", self.q("record", "--output", out + ".svg", "abc", code=4).stderr)
        self.assertIn("no/such", self.q("record", "--seconds", 1, "--output", "/no/such/folder/x.svg", pid, code=7).stderr)
        self.assertEqual([n for n in os.listdir(self.ws.dir) if ".part" in n], [])

    def test_record_ends_with_ctrl_c_and_with_the_process(self):
        running = self.start()
        for end in ("ctrl-c", "killed"):
            self.until_state(running.pid, lambda s: s["mode"] != "recording")  # the one before is over
            out = os.path.join(self.ws.dir, end + ".qprof")
            recording = subprocess.Popen([harness.QLOADER, "record", "--wall", "--output", out, str(running.pid)], env=dict(os.environ, **self.env), stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True)
            self.until_state(running.pid, lambda s: s["mode"] == "recording")
            self.assertIn("somebody records", self.q("record", "--output", out + "2.qprof", running.pid, code=6).stderr)
            time.sleep(0.5)
            if end == "ctrl-c":
                recording.send_signal(signal.SIGINT)
            else:
                running.kill()
                running.wait()
            told, err = recording.communicate(timeout=300)
            self.assertEqual((recording.returncode, err), (0, ""), told)
            self.assertEqual("the process ended meanwhile" in told, end == "killed", told)
            self.q("prof", "top", "--kind", "wall", out)

    def test_record_starts_a_program(self):
        harness.fill(self.ws, 10, 8)
        out = os.path.join(self.ws.dir, "run.qprof")
        done = self.q("record", "--output", out, "--", *self.ws.command("ingest", "--quiet"))
        self.assertIn("written", done.stdout)
        self.assertTrue(os.path.getsize(out))
        self.assertEqual(self.files(), [])
        self.ws.write("two.txt", "two")
        self.q("record", "--output", out, "--", *self.ws.command("bench", "search", "-n", "20", "--quiet", "pump", "two"))
        harness.fill(self.ws, 12, 8)
        self.ws.configure("sources:\n  localfile:\n    docs:\n      base_url: \"file://%s\"\n    gone:\n      base_url: \"file:///no/such/folder\"\n" % self.ws.docs)
        self.q("record", "--output", out, "--", *self.ws.command("ingest", "--quiet", "--force"), code=5)  # a source failed
        self.assertIn("'true' ended too soon to be recorded, or has no live view", self.q("record", "--output", out, "--", "true", code=4).stderr)
        self.assertEqual(self.q("record", "--output", out, "--", "sh", "-c", "exit 77", code=77).stderr, "error: 'sh' ended with exit code 77: nothing was recorded\n")
        self.assertIn("was ended by signal 9: nothing", self.q("record", "--output", out, "--", "sh", "-c", "kill -9 $$", code=137).stderr)
        refused = json.loads(self.q("record", "--json", "--output", out, "--", harness.QLOADER, "search", "--nonsense", code=2).stdout)
        self.assertEqual(refused["error"]["exit_code"], 2)
        for words, told in ((["--output", "-"], "'record' does not write to standard output"), ([], "record' needs --output FILE")):
            self.assertIn(told, self.q("record", *words, "--", "true", code=2).stderr)
        self.assertNotIn("standard output", self.q("record", "--help").stdout)
        self.assertIn("No such file", self.q("record", "--output", out, "--", "/no/such/program", code=4).stderr)

    def test_dump_and_tasks(self):
        pid = self.start().pid
        dump = json.loads(self.q("dump", "--json", pid).stdout)
        names = {t["name"] for t in dump["threads"]}
        self.assertIn("qloader", names)
        self.assertIn("qloader-write", names)
        self.assertTrue(any(f["name"] == "main" for t in dump["threads"] for f in t["stack"]), dump["threads"])
        text = self.q("dump", pid).stdout
        self.assertRegex(text, r"thread %d qloader, (running|waiting)" % pid)
        self.assertIn("    main (", text)
        tasks = harness.until(lambda: json.loads(self.q("monitor", "--json", pid, "ps").stdout)["tasks"])
        self.assertTrue(all(t["name"].endswith(".md") if t["kind"] == "document" else t["kind"] in ("embed", "commit") for t in tasks), tasks)
        self.assertEqual([t["task"] for t in tasks], sorted(t["task"] for t in tasks))
        self.assertRegex(self.q("monitor", pid, "ps").stdout, r"task \d+ (document \S+\.md|embed \d+ texts of \d+ documents?|commit \d+ documents?): (ready|running|waiting) for \d+\.\d s")
        harness.until(lambda: re.search(r"^task \d+ embed \d+ texts of \d+ documents on thread \d+ \S+, (running|waiting)\n +\S", self.q("monitor", pid, "where").stdout, re.M))
        threads = json.loads(self.q("monitor", "--json", pid, "where").stdout)["threads"]
        self.assertTrue(all(t["task"] is not None for t in threads))
        self.assertIn("there is no task 99999999", self.q("monitor", pid, "where", 99999999, code=4).stderr)

    def test_monitor_changes_the_rate_and_cancels(self):
        running = self.start(stderr=subprocess.PIPE)
        self.q("monitor", running.pid, "rate", 50)
        state = self.state(running.pid)
        self.assertEqual((state["mode"], state["rate_hz"]), ("sampling", 50))
        self.assertEqual(json.loads(self.q("monitor", "--json", running.pid, "rate", 0).stdout), {"done": "samples no more"})
        self.until_state(running.pid, lambda s: s["mode"] == "passive")
        for bad in (["rate"], ["rate", "1001"], ["rate", "x"], ["where", "x"], ["explode"]):
            self.q("monitor", running.pid, *bad, code=2)
        self.assertIn("asked to stop", self.q("monitor", running.pid, "cancel").stdout)
        _, err = running.communicate(timeout=300)
        self.assertEqual(running.returncode, 143)
        self.assertIn("the index is consistent", err)
        self.assertEqual(self.files(), [])

    def test_a_process_that_is_not_there_or_shows_nothing(self):
        ended = subprocess.Popen(["true"])
        ended.wait()
        for command in ("top", "dump", "monitor", "record"):
            words = [command] + (["--output", "x.svg"] if command == "record" else [])
            self.assertIn("there is no process", self.q(*words, ended.pid, code=4).stderr)
            self.assertIn("shows no live view", self.q(*words, os.getpid(), code=4).stderr)
        self.assertIn("'x'", self.q("top", "x", code=2).stderr)
        self.assertIn("'0'", self.q("dump", "0", code=2).stderr)

    def test_a_killed_process_leaves_files_that_deceive_nobody(self):
        running = self.start()
        running.kill()
        os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
        for command in ("top", "dump", "monitor", "record"):
            words = [command] + (["--output", "x.svg"] if command == "record" else [])
            self.assertIn("has ended", self.q(*words, running.pid, code=4).stderr)
        running.wait()
        self.assertEqual(len(self.files()), 2)
        self.assertIn("there is no process", self.q("top", running.pid, code=4).stderr)
        stats = os.path.join(self.run_dir, "qloader", "%d.stats" % running.pid)
        mine = os.path.join(self.run_dir, "qloader", "%d.stats" % os.getpid())
        os.rename(stats, mine)  # its number is another process's now
        self.assertIn("has ended", self.q("top", os.getpid(), code=4).stderr)
        os.utime(mine, (1000000000, 1000000000))
        self.start().kill()
        self.assertFalse(os.path.exists(mine))

    def test_another_version_and_damage(self):
        running = self.start()
        running.send_signal(signal.SIGSTOP)
        path = os.path.join(self.run_dir, "qloader", "%d.stats" % running.pid)
        with open(path, "r+b") as page:
            page.seek(PAGE_VERSION_AT)
            page.write(struct.pack("<I", 77))
        for command in ("top", "dump", "monitor"):
            self.assertIn("version 77", self.q(command, running.pid, code=9).stderr)
        with open(path, "r+b") as page:
            page.write(b"noise!!!")
        self.q("top", running.pid, code=8)
        with open(path, "r+b") as page:
            page.truncate(5)
        self.q("top", running.pid, code=8)
        running.send_signal(signal.SIGCONT)  # what it writes next is whole again
        self.until_running(running)

    def until_running(self, running):
        harness.until(lambda: subprocess.run([harness.QLOADER, "monitor", "--json", str(running.pid)], capture_output=True, timeout=120,
                                             env=dict(os.environ, **self.env)).returncode == 0, running)

    @unittest.skipIf(os.geteuid() != 0, "only root can become another user")
    def test_another_user_is_refused(self):
        running = self.start()
        other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        place = os.path.join(self.run_dir, "qloader")
        self.assertEqual(os.stat(place).st_mode & 0o7777, 0o700)
        for name in self.files():
            self.assertEqual(os.stat(os.path.join(place, name)).st_mode & 0o777, 0o600)
        for words in (["top"], ["dump"], ["monitor"]):
            done = subprocess.run(other + [harness.QLOADER] + words + [str(running.pid)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
            self.assertIn(done.returncode, (1, 4), done.stderr)
            self.assertRegex(done.stderr, "another user's|shows no live view|Permission denied")

    def test_a_process_whose_threads_are_stuck_answers(self):
        """A thread waits in a write that nobody reads, the main thread and others wait for it: the view answers all the same."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
        running = self.start("--progress", "json", "--verbose", stderr=writer)
        os.close(writer)

        def stuck():
            dump = json.loads(self.q("dump", "--json", running.pid).stdout)
            main = [t for t in dump["threads"] if t["id"] == running.pid][0]
            return main["waiting"] and any(t["waiting"] and "write" in t["stack"][0]["name"].lower() for t in dump["threads"])

        harness.until(stuck, running)
        self.assertEqual(self.state(running.pid)["pid"], running.pid)
        self.q("top", running.pid)
        self.q("monitor", running.pid, "ps")

    def test_a_stopped_process_is_told(self):
        running = self.start()
        running.send_signal(signal.SIGSTOP)

        def told():
            done = subprocess.run([harness.QLOADER, "top", "--passive", str(running.pid)], capture_output=True, text=True, env=dict(os.environ, **self.env), stdin=subprocess.DEVNULL,
                                  timeout=120)
            if "never whole" in done.stderr:  # it was stopped while it wrote
                running.send_signal(signal.SIGCONT)
                time.sleep(0.05)
                running.send_signal(signal.SIGSTOP)
                return False
            self.assertEqual(done.returncode, 0, done.stderr)
            return "STOPPED" in done.stdout

        harness.until(told, running)
        self.assertIn("does not answer", self.q("dump", running.pid, code=1).stderr)

    def test_a_folder_that_is_not_private_is_not_used(self):
        os.mkdir(os.path.join(self.run_dir, "qloader"))
        os.chmod(os.path.join(self.run_dir, "qloader"), 0o777)
        harness.fill(self.ws, 3)
        done = self.ws.run("ingest", env=self.env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.files(), [])
        done = self.ws.run("ingest", "--verbose", env=self.env)
        self.assertIn("is not a folder of user", done.stderr)


if __name__ == "__main__":
    harness.main()
