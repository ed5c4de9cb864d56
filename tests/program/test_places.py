"""Where and how the program is run: no home, nothing to write to, other locales, folders and files of any name."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import harness

BARE = {k: v for k, v in os.environ.items() if k not in ("HOME", "TMPDIR", "USER", "LOGNAME", "PWD", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")}
NAMES = (b"a b", b"new\nline", b"by\xff\xfetes", b"esc\x1b[31m", b"\xe2\x80\xaeback", b"$HOME ${X}", b"100%41 #1?", b"'quote\" \\", b"-dash", b"\xc3\xa4\xe6\x97\xa5")

# A host that has set its locale, as programs with a graphical interface do: what the library writes must not follow it.
HOST = r"""
import ctypes, json, locale, sys
locale.setlocale(locale.LC_ALL, sys.argv[2])
assert locale.localeconv()["decimal_point"] == ","
lib = ctypes.CDLL(sys.argv[1])
class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("lenient", ctypes.c_uint32)] + [(n, ctypes.c_char_p) for n in ("dir", "config", "env", "data", "model", "precision", "embedder", "store")] + [("reserved", ctypes.c_uint64 * 4)]
class Buf(ctypes.Structure):
    _fields_ = [("ptr", ctypes.c_char_p), ("len", ctypes.c_size_t), ("capacity", ctypes.c_size_t), ("limit", ctypes.c_size_t), ("status", ctypes.c_int32), ("reserved", ctypes.c_uint32)]
class Str(ctypes.Structure):
    _fields_ = [("ptr", ctypes.c_char_p), ("len", ctypes.c_size_t)]
lib.ql_search.argtypes = [ctypes.c_void_p, Str, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
runtime, workspace, results = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
options = Options(ctypes.sizeof(Options), 0, sys.argv[3].encode())
error = ctypes.create_string_buffer(1024)
def check(status):
    if status < 0: raise SystemExit("%d %r" % (status, error.raw.split(b"\0\0\0\0")))
def text(call):
    buf = Buf()
    check(call(ctypes.byref(buf)))
    value = json.loads(ctypes.string_at(buf.ptr, buf.len)) if buf.len else None
    lib.ql_buf_dispose(ctypes.byref(buf))
    return value
check(lib.ql_runtime_new(None, ctypes.byref(runtime), error))
check(lib.ql_workspace_open(runtime, ctypes.byref(options), ctypes.byref(workspace), None, error))
check(lib.ql_ingest(workspace, None, None, error))
query = b"the okapi eats"
check(lib.ql_search(workspace, Str(query, len(query)), None, ctypes.byref(results), error))
hits = text(lambda b: lib.ql_results_json(results, b, error))["hits"]
config = text(lambda b: lib.ql_workspace_config(workspace, b"json", b, error))
lib.ql_results_free(results)
lib.ql_workspace_free(workspace)
lib.ql_runtime_free(runtime)
print(json.dumps([hits, config["global_config"]["embedding"]["min_request_interval"]]))
"""


class Places(harness.Case):
    def fill(self):
        self.ws.write("a.md", "# Okapi\n\nThe okapi eats 3,5 kg.\n")
        self.ws.write("I.HTML", "<h1>Istanbul</h1><p>a walrus</p>")

    def qloader(self, *words, env=None, prefix=(), cwd=None):
        args = list(prefix) + self.ws.command(*words)
        return subprocess.run(args, capture_output=True, text=True, errors="replace", timeout=300 * harness.PATIENCE, env=env, cwd=cwd, stdin=subprocess.DEVNULL)

    def expect(self, code, *words, **how):
        done = self.qloader(*words, **how)
        self.assertEqual(done.returncode, code, " ".join(map(str, words)) + "\n" + done.stdout + done.stderr)
        return done

    # --- no home

    def test_without_home(self):
        self.fill()
        for words in (["init"], ["ingest"], ["search", "okapi"], ["config"], ["project", "status"], ["project", "validate"], ["model", "list"], ["model", "info"], ["doctor"]):
            self.expect(0, *words, env=BARE)
        env = {k: v for k, v in BARE.items() if k != "QLOADER_MODEL_DIR"}
        model = os.environ["QLOADER_MODEL_DIR"]
        self.assertIn("--to", self.expect(4, "model", "pull", "--from", model, env=env).stderr)
        self.expect(0, "model", "pull", "--from", model, "--to", os.path.join(self.ws.dir, "models"), env=env)
        self.expect(0, "search", "okapi", env=env)
        self.ws.configure("sources: {localfile: {d: {base_url: ~/docs}}}\n")
        self.assertIn("HOME", self.expect(3, "ingest", env=BARE).stderr)

    # --- nothing to write to

    def read_everything(self, prefix):
        for words in (["search", "okapi"], ["search", "--mode", "sparse", "walrus"], ["config"], ["project", "status"], ["project", "list"], ["doctor"]):
            done = self.expect(0, *words, env=BARE, prefix=prefix)
        self.assertIn("okapi", self.expect(0, "search", "--json", "okapi", env=BARE, prefix=prefix).stdout)
        return done

    def test_a_workspace_one_may_only_read(self):
        self.fill()
        self.ws.ingest()
        prefix = harness.without_write_permission(self, self.ws.dir)
        before = self.names()
        self.read_everything(prefix)
        for words in (["ingest"], ["init", "--force"]):
            done = self.expect(7, *words, env=BARE, prefix=prefix)
            self.assertIn("Permission denied", done.stderr)
        self.assertEqual(self.names(), before)

    def names(self):
        return sorted(os.path.join(d, n) for d, _, files in os.walk(self.ws.dir) for n in files)

    def test_reading_beside_the_writer_of_another_user(self):
        harness.fill(self.ws, 60)
        self.ws.ingest()
        data = os.path.join(self.ws.dir, "data")
        reader = [] if os.geteuid() != 0 else ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        seen, documents = 0, 160
        while seen < 2 and documents < harness.DOCUMENTS_MAX:  # so many that the writer is not done before the reader
            harness.fill(self.ws, documents)
            writing = subprocess.Popen(self.ws.command("ingest", "--quiet"))
            while writing.poll() is None:
                mode = os.stat(data).st_mode
                if reader:  # root keeps writing whatever the mode says
                    os.chmod(data, 0o555)
                self.expect(0, "search", "queue", env=BARE, prefix=reader)
                os.chmod(data, mode)
                seen += writing.poll() is None
            self.assertEqual(writing.returncode, 0)
            documents *= 2
        self.assertGreater(seen, 1)

    def test_a_log_that_a_killed_writer_left(self):
        log = os.path.join(self.ws.dir, "data", "qloader.db-wal")
        running = harness.held_writer(self.ws, "--quiet", documents=120, ready=lambda: os.path.exists(log) and os.path.getsize(log) > 500000)
        running.send_signal(signal.SIGKILL)
        running.wait()
        self.assertGreater(os.path.getsize(log), 0)
        prefix = harness.without_write_permission(self, self.ws.dir)
        self.expect(0, "search", "queue", env=BARE, prefix=prefix)

    def test_a_system_mounted_read_only(self):
        """Everything: the root, the workspace, /tmp. Nothing but /proc and /dev can be written."""
        self.fill()
        self.ws.ingest()
        probe = os.path.join(self.ws.dir, "probe")
        script = "mount --make-rprivate / && mount --rbind / / && for m in $(cut -d' ' -f5 /proc/self/mountinfo | sort -u); do case $m in /proc*|/dev*|/sys*) ;; *) mount -o remount,bind,ro \"$m\" 2>/dev/null; esac; done; if touch %s 2>/dev/null; then echo writable; exit 99; fi; exec \"$@\"" % probe
        prefix = ["unshare", "--mount", "sh", "-c", script, "sh"]
        if subprocess.run(prefix + ["true"], capture_output=True).returncode != 0:
            self.fail("this test needs the right to mount (run it as root, or in a container that may): %s" % subprocess.run(prefix + ["true"], capture_output=True).stdout)
        self.read_everything(prefix)
        self.assertIn("Read-only file system", self.expect(7, "ingest", env=BARE, prefix=prefix).stderr)
        self.assertIn("Read-only file system", self.expect(0, "doctor", env=BARE, prefix=prefix).stdout)

    # --- locales

    def locales(self):
        """de_DE and tr_TR, made here: the first has a comma in numbers, the second other capitals of i."""
        place = tempfile.mkdtemp(prefix="qloader-locales-")
        self.addCleanup(shutil.rmtree, place, ignore_errors=True)
        for name in ("de_DE", "tr_TR"):
            done = subprocess.run(["localedef", "-i", name, "-f", "UTF-8", os.path.join(place, name + ".UTF-8")], capture_output=True, text=True)
            self.assertTrue(os.path.isdir(os.path.join(place, name + ".UTF-8")), "the package locales is needed: " + done.stderr)
        return place

    def test_locales_change_nothing(self):
        place = self.locales()
        self.ws.configure("global: {llm: {sparse: {enabled: TRUE}}}\nsources:\n  localfile:\n    d:\n      base_url: docs\n      file_types: ['*.md', '*.html']\n      max_file_size: 1048576\n")
        self.fill()
        answers = {}
        for name in ("C", "C.UTF-8", "de_DE.UTF-8", "tr_TR.UTF-8", "nosuch"):
            env = dict(os.environ, LC_ALL=name, LANG=name, LOCPATH=place, LANGUAGE="de:tr")
            self.ws.drop_index()
            report = json.loads(self.expect(0, "ingest", "--json", "--source-type", "LOCALFILE", env=env).stdout)
            report.pop("elapsed_ms")
            hits = json.loads(self.expect(0, "search", "--json", "ISTANBUL walrus", env=env).stdout)["hits"]
            texts = [re.sub(r"\d+(\.\d+)? (MiB|ms)|[0-9-]+T[0-9:]+Z", "", self.expect(0, *words, env=env).stdout)
                     for words in (["config"], ["config", "--format", "yaml"], ["search", "--explain", "okapi"], ["project", "list"], ["model", "list"])]
            answers[name] = (report, hits, texts)
        for name, answer in answers.items():
            self.assertEqual(answer, answers["C"], name)
        self.assertEqual(len(answers["C"][1]), 2)

    def test_the_library_in_a_host_with_a_locale(self):
        place = self.locales()
        self.fill()
        listed = subprocess.run(["ldd", os.path.realpath(harness.QLOADER)], capture_output=True, text=True).stdout
        if "libasan" in listed or "libtsan" in listed:
            self.skipTest("a sanitizer has to be loaded before the host")
        library = re.search(r"=> (\S*libqloader\.so\S*)", listed).group(1)
        hits = {}
        for name in ("de_DE.UTF-8", "tr_TR.UTF-8"):
            done = subprocess.run([sys.executable, "-c", HOST, library, name, self.ws.dir], capture_output=True, text=True, env=dict(os.environ, LOCPATH=place))
            self.assertEqual(done.returncode, 0, done.stderr)
            hits[name], interval = json.loads(done.stdout)
            self.assertEqual(interval, 0.5)
        for found in hits.values():
            self.assertEqual([h["title"] for h in found], [h["title"] for h in self.ws.search("the okapi eats", "--limit", "10")])

    # --- names

    def test_folders_of_any_name(self):
        root = os.fsencode(tempfile.mkdtemp(prefix="qloader-names-"))
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        for name in NAMES:
            place = os.path.join(root, name)
            os.makedirs(os.path.join(place, b"docs"))
            with open(os.path.join(place, b"config.yaml"), "w") as f:
                f.write("sources: {localfile: {d: {base_url: docs}}}\n")
            with open(os.path.join(place, b"docs", b"x.md"), "w") as f:
                f.write("The okapi eats.\n")
            for words in (["init", "--verbose"], ["ingest", "--verbose"], ["search", "okapi"], ["config"], ["config", "--format", "yaml"], ["project", "list"], ["project", "validate"], ["doctor"]):
                for how in ({"args": ["--workspace", place]}, {"args": [], "cwd": place}):
                    done = subprocess.run([harness.QLOADER] + words + how["args"], capture_output=True, cwd=how.get("cwd"), env=BARE)
                    self.assertEqual(done.returncode, 0, (name, words, done.stderr))
                    shown = (done.stdout + done.stderr).decode(errors="surrogateescape")
                    steers = "\x7f" if words[0] == "config" else "\x7f\u202e"  # a configuration is data, told exactly
                    self.assertEqual([c for c in shown if (c < " " and c not in "\n\t") or c in steers], [], (name, words, shown))
            for words in (["init"], ["ingest", "--verbose"], ["search", "okapi"], ["config"], ["project", "list"], ["project", "validate"], ["doctor"]):
                done = subprocess.run([harness.QLOADER] + words + ["--json", "--workspace", place], capture_output=True, env=BARE)
                self.assertEqual(done.returncode, 0, (name, words, done.stderr))
                json.loads(done.stdout.decode())
            self.assertTrue(os.path.exists(os.path.join(place, b"logs", b"ingest.log")))
            with open(os.path.join(place, b"broken.yaml"), "w") as f:
                f.write("sources: {localfile: {d: {bad: 1}}}\n")
            done = subprocess.run([harness.QLOADER, "config", "--config", os.path.join(place, b"broken.yaml")], capture_output=True, env=BARE)
            self.assertEqual(done.returncode, 3)
            self.assertEqual([c for c in done.stderr.decode(errors="surrogateescape") if c < " " and c != "\n"], [], done.stderr)
            done = subprocess.run([harness.QLOADER, "ingest", "--progress", "json", "--verbose", "--force", "--config", os.path.join(place, b"config.yaml")], capture_output=True, env=BARE)
            self.assertEqual(done.returncode, 0, done.stderr)
            for line in done.stderr.decode().splitlines():
                json.loads(line)

    def test_documents_of_any_name(self):
        for name in NAMES:
            self.ws.write(os.path.join(b"in " + name, name + b".md"), "The okapi %s eats.\n" % name.hex())
        done = self.expect(0, "ingest", "--verbose", env=BARE)
        self.assertEqual(done.stderr.count("add: "), len(NAMES))
        hits = self.ws.search("okapi", "--limit", "100")
        self.assertEqual(len({h["url"] for h in hits}), len(NAMES))
        for words in (["search", "--full", "--limit", "100", "okapi"], ["search", "--format", "md", "--limit", "100", "okapi"]):
            done = subprocess.run(self.ws.command(*words), capture_output=True, env=BARE)
            shown = done.stdout.decode()  # valid UTF-8
            self.assertEqual([c for c in shown if (c < " " and c not in "\n\t") or c in "\x7f\u202e"], [])
        self.ws.remove(os.path.join(b"in " + NAMES[2], NAMES[2] + b".md"))
        self.assertEqual(self.ws.ingest()["deleted"], 1)


if __name__ == "__main__":
    harness.become_root()
    harness.main()
