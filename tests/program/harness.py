"""What the whole-program tests share: a workspace in a temporary folder, running qloader in it, comparing indexes."""
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

# Tests send these. Whoever runs them in the background or by nohup has them ignored, which programs inherit and respect.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

QLOADER = os.environ["QLOADER_PROGRAM"]
STORE_DUMP = os.environ.get("QLOADER_STORE_DUMP", "")
PATIENCE = float(os.environ.get("QL_TEST_PATIENCE", "1"))  # how much longer than elsewhere a test waits, as under valgrind
DOCUMENTS_MAX = 20000  # more than any machine ingests before a test looks


def promtool(case):
    """The path of Prometheus' checker; without it the test is skipped."""
    for path in (os.environ.get("QLOADER_PROMTOOL", ""), shutil.which("promtool") or ""):
        if os.access(path, os.X_OK):
            return path
    case.skipTest("no promtool; pkgconfig/deps/promtool brings it")


class Workspace:
    """A folder with config.yaml and documents; gone when closed."""

    def __init__(self, parent=None):
        self.dir = tempfile.mkdtemp(prefix="qloader-test-", dir=parent)
        self.docs = os.path.join(self.dir, "docs")
        self.held = []  # see held_writer
        os.mkdir(self.docs)
        self.configure("sources:\n  localfile:\n    docs:\n      base_url: \"file://%s\"\n" % self.docs)

    def configure(self, text):
        with open(os.path.join(self.dir, "config.yaml"), "w") as f:
            f.write(text)

    def write(self, name, content):
        path = os.path.join(os.fsencode(self.docs), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())

    def remove(self, name):
        os.unlink(os.path.join(os.fsencode(self.docs), os.fsencode(name)))

    def command(self, *words):
        args = [QLOADER] + list(words)
        if words[0] not in ("help", "--version", "--help", "setup", "model", "prof", "top", "record", "dump", "monitor") and not (words[0] == "bench" and words[1] in ("run", "compare", "http")):
            args += ["--workspace", self.dir]
        return args

    def run(self, *words, timeout=300, env=None):
        return subprocess.run(self.command(*words), capture_output=True, text=True, errors="replace", timeout=timeout * PATIENCE,
                              env=dict(os.environ, **(env or {})), stdin=subprocess.DEVNULL)

    def ingest(self, *words):
        """Runs ingest --json and returns its report; fails the test on any other exit than 0."""
        done = self.run("ingest", "--json", *words)
        if done.returncode != 0:
            raise AssertionError("ingest exited with %d:\n%s\n%s" % (done.returncode, done.stdout, done.stderr))
        return json.loads(done.stdout)

    def search(self, question, *words):
        done = self.run("search", "--json", *words, question)
        if done.returncode != 0:
            raise AssertionError("search exited with %d:\n%s\n%s" % (done.returncode, done.stdout, done.stderr))
        return json.loads(done.stdout)["hits"]

    def dump(self):
        """The index in canonical form, see tests/support/store_dump.c."""
        done = subprocess.run([STORE_DUMP, os.path.join(self.dir, "data")], capture_output=True, timeout=120)
        if done.returncode != 0:
            raise AssertionError("store_dump exited with %d: %s" % (done.returncode, done.stderr.decode(errors="replace")))
        return done.stdout.decode(errors="surrogateescape")

    def drop_index(self):
        shutil.rmtree(os.path.join(self.dir, "data"), ignore_errors=True)

    def close(self):
        for running in self.held:
            running.kill()
            running.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Case(unittest.TestCase):
    """A test with a workspace."""

    def setUp(self):
        self.ws = Workspace()
        self.addCleanup(self.ws.close)


class Captures(unittest.TestCase):
    """Two captures of known content in a folder of their own: capture.qprof, and slower.qprof, where one function takes three times as long."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="qloader-test-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        for name, scale in (("capture", 1), ("slower", 3)):
            subprocess.run([os.environ["QLOADER_MAKE_CAPTURE"], cls.path(name + ".qprof"), os.environ["QLOADER_CAPTURE_TARGET"], str(scale)], check=True)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.dir, name)


def until(condition, *alive, seconds=300):
    """The first true answer; fails when one of the processes has ended or nothing comes in a time that no machine needs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        ended = [process.args for process in alive if process.poll() is not None]
        if ended:
            raise AssertionError("it ended: %s" % ended)
        time.sleep(0.01)
    raise AssertionError("it did not come in %d s" % seconds)


def held(running, ready):
    """Stops a process (SIGSTOP) as soon as ready() holds. False: it ended first. Signals sent to it are taken when it goes on (SIGCONT)."""
    while not ready():
        if running.poll() is not None:
            return False
        time.sleep(0.001)
    running.send_signal(signal.SIGSTOP)
    if running.returncode is not None:
        return False
    return os.waitid(os.P_PID, running.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT).si_code == os.CLD_STOPPED


def held_writer(ws, *words, documents, paragraphs=4, ready=None, **options):
    """An ingest that is held in the middle: while it has the lock, and ready() holds. A machine that is too fast for that gets twice the documents."""
    lock = os.path.join(ws.dir, "data", "qloader.lock")
    while documents <= DOCUMENTS_MAX:
        fill(ws, documents, paragraphs)
        running = subprocess.Popen(ws.command("ingest", *words), **options)
        if held(running, lambda: str(running.pid) in text_of(lock) and (ready is None or ready())) and locked(lock):
            ws.held.append(running)
            return running
        running.send_signal(signal.SIGCONT)
        running.communicate()
        documents *= 2
    raise AssertionError("%d documents are ingested before anybody sees it" % (documents // 2))


def locked(path):
    with open(path, "r+b") as f:
        try:
            fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def text_of(path):
    try:
        with open(path) as f:
            return f.read()
    except FileNotFoundError:
        return ""


def without_write_permission(case, place):
    """Takes the right to write to everything below place, until the test ends; returns what a command must begin with to be bound by that (root is not)."""
    paths = [os.path.join(d, n) for d, folders, files in os.walk(os.fsencode(place)) for n in folders + files] + [os.fsencode(place)]
    modes = [(path, os.lstat(path).st_mode & 0o7777) for path in paths if not os.path.islink(path)]
    case.addCleanup(lambda: [os.chmod(path, mode) for path, mode in reversed(modes)])
    for path, mode in modes:
        os.chmod(path, mode & ~0o222)
    return [] if os.geteuid() != 0 else ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


USER_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


def become_root():
    """Who is not root may mount inside a namespace of his own, where the system lets users have one."""
    if os.geteuid() == 0:
        return
    try:
        allowed = subprocess.run(USER_NAMESPACE + ["true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return
    if allowed:
        os.execvp(USER_NAMESPACE[0], USER_NAMESPACE + [sys.executable] + sys.argv)


def fill(ws, documents, paragraphs=4):
    """Documents whose text is a function of their number."""
    words = "index vector query branch commit merge table column server client token cache queue thread page block".split()
    for d in range(documents):
        lines = ["# Document %d about %s\n" % (d, words[d % len(words)])]
        for p in range(paragraphs):
            lines.append("## Part %d\n" % p)
            lines.append(" ".join("%s%s" % (words[(d * 7 + p * 3 + w) % len(words)], "" if w % 5 else str(d * 100 + w)) for w in range(60)) + ".\n")
        ws.write("folder%d/doc%03d.md" % (d % 5, d), "\n".join(lines))


def endless(ws, *words, **options):
    """An ingest that shows itself (qloader/live.h) and has more to do than any test waits for; killed with the workspace. Its folder of sockets: XDG_RUNTIME_DIR."""
    documents, links = 20, 200
    fill(ws, documents, 12)
    for d in range(documents):
        path = os.path.join(ws.docs, "folder%d" % (d % 5), "doc%03d" % d)
        for n in range(0 if os.path.exists(path + "-0.md") else links):
            os.link(path + ".md", path + "-%d.md" % n)
    running = subprocess.Popen(ws.command("ingest", *(words or ["--quiet"])), **options)
    ws.held.append(running)
    page = os.path.join(options["env"]["XDG_RUNTIME_DIR"], "qloader", "%d.stats" % running.pid)
    while not os.path.exists(page):
        if running.poll() is not None:
            raise AssertionError("ingest exited with %d" % running.returncode)
        time.sleep(0.01)
    return running


def main():
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
