"""What --json and --progress json print is what docs/schema describes: nothing else, and everything that is required.

A schema as it is published lets members be added in later versions; here an object that lists its members may have no others, so that
what is printed but not described is found.
"""
import copy
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile

import jsonschema

import harness

SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "schema")
DOCS = os.path.join(SCHEMAS, "..", "json.md")


def strict(schema):
    """Objects that list members and say nothing of others have no others."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(part) for key, part in schema.items()}
    if made.get("type") == "object" and "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


def load(name):
    with open(os.path.join(SCHEMAS, name + ".schema.json")) as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


class Schema(harness.Case):
    seen = set()  # schemas that a real output was compared with

    def check(self, name, text):
        value = json.loads(text)
        errors = sorted(jsonschema.Draft202012Validator(strict(load(name))).iter_errors(value), key=str)
        self.assertEqual([(list(e.path), e.message[:300]) for e in errors], [], "%s: %s" % (name, text[:3000]))
        Schema.seen.add(name)
        return value

    def of(self, name, code, *words, env=None):
        done = self.ws.run(*words, "--json", env=env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return self.check(name, done.stdout)

    def lines(self, code, *words):
        done = self.ws.run(*words, "--progress", "json")
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done, [self.check("progress", line) for line in done.stderr.splitlines()]

    def fill(self):
        self.ws.write("a.md", "# Okapi\n\nThe okapi eats.\n")
        self.ws.write("b.py", "def walrus():\n    return 1\n")
        self.ws.write("c.json", '{"a": 1}\n')
        self.ws.write("d.html", "<h1>Gnu</h1><p>runs</p>")

    def test_commands_of_a_workspace(self):
        self.fill()
        self.of("init", 0, "init")
        self.of("ingest", 0, "ingest", "--dry-run")
        self.assertEqual(self.of("ingest", 0, "ingest", "--verbose")["added"], 4)
        self.of("init", 0, "init")
        self.of("search", 0, "search", "okapi")
        self.of("search", 0, "search", "--mode", "sparse", "--limit", "3", "walrus")
        self.of("config", 0, "config")
        self.of("project-list", 0, "project", "list")
        self.of("project-status", 0, "project", "status")
        self.of("project-validate", 0, "project", "validate")
        shutil.rmtree(self.ws.docs)
        report = self.of("ingest", 5, "ingest")
        self.assertEqual((report["status"], report["sources_failed"]), ("finished with failures", 1))
        self.of("project-validate", 4, "project", "validate")

    def test_config_with_everything(self):
        self.ws.configure("global:\n  chunking: {chunk_size: 800, strategies: {default: {min_chunk_size: 5}}}\nsearch: {cache_enabled: false}\nprojects:\n  p1:\n"
                          "    display_name: One\n    description: Text\n    sources:\n      git:\n        r: {base_url: 'https://example.com/r.git', token: 't'}\n"
                          "      confluence:\n        w: {base_url: 'https://wiki.example.com', space_key: A, token: t, email: e@example.com}\n")
        value = self.of("config", 0, "config")
        self.assertTrue(value["warnings"])
        self.of("project-list", 0, "project", "list")
        self.of("project-status", 0, "project", "status")
        self.of("project-validate", 9, "project", "validate")
        self.of("doctor", 1, "doctor")

    def test_models(self):
        env = {"XDG_DATA_HOME": os.path.join(self.ws.dir, "home")}
        self.of("model-list", 0, "model", "list")
        self.of("model-list", 0, "model", "list", env={"QLOADER_MODEL_DIR": "/nowhere"})
        self.of("model-info", 0, "model", "info")
        self.of("model-verify", 0, "model", "verify")
        self.of("model-pull", 0, "model", "pull", "--from", os.environ["QLOADER_MODEL_DIR"], env=env)

    def test_errors(self):
        for code, words in ((4, ["search", "x"]), (2, ["search"]), (2, ["ingest", "--nonsense"]), (4, ["model", "info", "nosuch"]), (4, ["project", "status", "--project-id", b"\xff"])):
            self.of("error", code, *words)
        self.ws.configure("sources: 3\n")
        for words in (["ingest"], ["init"], ["config"], ["search", "x"], ["project", "list"]):
            self.of("error", 3, *words)
        self.of("doctor", 1, "doctor")
        self.of("error", 1, "setup", "--workspace", self.ws.dir)  # there is a config.yaml

    def test_bench(self):
        self.fill()
        self.ws.ingest()
        result = os.path.join(self.ws.dir, "result.json")
        program = self.ws.command("ingest", "--json", "--profile")
        for words in (["bench", "run", "-n", "2", "--json", "-o", result, "--", *program], ["bench", "compare", "--json", result, result]):
            done = self.ws.run(*words)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check(words[0] + "-" + words[1], done.stdout)
        self.of("bench-ingest", 0, "bench", "ingest", "-n", "1", "--warmup", "0")
        self.of("bench-search", 0, "bench", "search", "-n", "2", "okapi")
        self.of("bench-search", 0, "bench", "search", "-n", "1", "--cold", "okapi")
        self.assertEqual(self.of("bench-http", 5, "bench", "http", "-n", "1", "http://127.0.0.1:1/")["requests"][0]["codes"], {"none": 1})
        self.of("error", 2, "bench", "http")
        done = self.ws.run("ingest", "--json", "--profile")
        self.assertIn("list", self.check("ingest", done.stdout)["stages"])

    def test_doctor(self):
        self.of("doctor", 0, "doctor")
        self.fill()
        self.ws.ingest()
        self.of("doctor", 0, "doctor", "--verify", "--network")

    def test_captures(self):
        one, two, out = (os.path.join(self.ws.dir, name) for name in ("one.qprof", "two.qprof", "out"))
        for path, scale in ((one, "1"), (two, "3")):
            subprocess.run([os.environ["QLOADER_MAKE_CAPTURE"], path, os.environ["QLOADER_CAPTURE_TARGET"], scale], check=True)
        for words in ([], ["--group", "line"], ["--kind", "heap"], ["--kind", "contention", "--sort", "self"], ["--no-symbols", "--group", "module"]):
            self.of("prof-top", 0, "prof", "top", one, *words)
        for words in ([], ["--leak"], ["--group", "stack"], ["--peak", "--group", "file"]):
            self.of("prof-heap", 0, "prof", "heap", one, *words)
        self.of("prof-diff", 0, "prof", "diff", one, two)
        self.of("prof-report", 0, "prof", "report", one)
        self.of("prof-convert", 0, "prof", "diff", one, two, "--svg", out + ".svg")
        self.of("prof-convert", 0, "prof", "convert", one, "--to", "pprof", "--output", out + ".pb.gz")
        self.of("prof-convert", 0, "prof", "convert", one, "--to", "all", "--output", out)
        self.of("prof-view", 0, "prof", "view", two, "--diff", one, "--html", out + ".html")
        server = subprocess.Popen([harness.QLOADER, "prof", "view", "--json", one], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(server.kill)
        text = b""
        while not text.endswith(b"}\n"):
            piece = os.read(server.stdout.fileno(), 4096)
            self.assertNotEqual(piece, b"")
            text += piece
        server.send_signal(signal.SIGTERM)
        self.assertEqual((server.communicate(timeout=60)[0], server.returncode), (b"", 0))
        self.assertIn("url", self.check("prof-view", text))
        self.of("prof-plot", 0, "prof", "plot", one, "--output", out + ".png")
        self.of("error", 4, "prof", "top", out + ".qprof")
        self.of("error", 2, "prof", "heap", one, "--leak", "--peak")
        self.of("error", 1, "prof", "top", out + ".png")

    def test_a_running_process(self):
        place = tempfile.mkdtemp(prefix="qloader-run-", dir="/tmp")  # short: a socket's address has little room
        self.addCleanup(shutil.rmtree, place)
        env = {"XDG_RUNTIME_DIR": place}
        pid = str(harness.endless(self.ws, env=dict(os.environ, **env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid)
        harness.until(lambda: self.of("monitor", 0, "monitor", pid, "ps", env=env)["tasks"])
        harness.until(lambda: self.of("top", 0, "top", "--rate", "500", pid, env=env)["functions"])  # on a machine that has no time for it, again
        self.of("top", 0, "top", "--passive", pid, env=env)
        self.assertTrue(self.of("dump", 0, "dump", pid, env=env)["threads"])
        self.of("record", 0, "record", "--wall", "--seconds", "1", "--output", os.path.join(self.ws.dir, "r.qprof"), pid, env=env)
        self.of("error", 4, "dump", str(os.getpid()), env=env)
        self.of("error", 2, "monitor", pid, "rate", env=env)
        for words in ([], ["where"], ["rate", "0"], ["cancel"]):
            self.of("monitor", 0, "monitor", pid, *words, env=env)

    def test_setup(self):
        place = os.path.join(self.ws.dir, "new")
        value = self.of("setup", 0, "setup", "--output-dir", place, "--git", "https://example.com/a.git", "--localfile", self.ws.docs, "--project", "P")
        self.assertEqual([s["source_type"] for s in value["sources"]], ["localfile", "git"])
        self.of("setup", 0, "setup", "--workspace", place, "--force")
        self.of("setup", 0, "setup", "--workspace", os.path.join(self.ws.dir, "other"))

    def test_progress_lines(self):
        self.fill()
        done, lines = self.lines(0, "ingest", "--json", "--verbose", "--profile")
        self.check("ingest", done.stdout)
        types = [line["type"] for line in lines]
        self.assertEqual((types[0], types[-1]), ("begin", "end"))
        self.assertEqual(types.count("event"), 4)
        self.assertEqual(types.count("profile"), 1)
        progress = [line for line in lines if line["type"] == "progress"]
        self.assertEqual([p["phase"] for p in progress if p["phase"] == "done"], ["done"])
        self.assertEqual((progress[-1]["phase"], progress[-1]["documents_done"], progress[-1]["documents_total"], progress[-1]["eta_ms"]), ("done", 4, 4, None))
        self.assertEqual({k: lines[-1][k] for k in ("status", "exit_code", "added")}, {"status": "ok", "exit_code": 0, "added": 4})
        done, lines = self.lines(0, "ingest", "--quiet")  # asked for, so it comes
        self.assertEqual(done.stdout, "")
        self.assertEqual(lines[-1]["unchanged"], 4)
        for form in ("plain", "none", "auto"):
            done = self.ws.run("ingest", "--force", "--progress", form)
            self.assertEqual((done.returncode, "{" in done.stderr, "docs/s" in done.stderr), (0, False, form != "none"), done.stderr)
        self.assertIn("'xml'", self.ws.run("ingest", "--progress", "xml").stderr)

    def test_progress_lines_of_failures(self):
        self.ws.configure("sources:\n  localfile:\n    d: {base_url: 'file:///nowhere', wrong: 1}\n    e: {bad: 2}\n")
        done, lines = self.lines(3, "ingest")
        self.assertEqual([line["type"] for line in lines], ["log", "log", "log", "error"], done.stderr)
        self.ws.configure("sources:\n  localfile:\n    d: {base_url: 'file:///nowhere', download_attachments: true}\n")
        done, lines = self.lines(5, "ingest")
        self.assertEqual([line["type"] for line in lines if line["type"] != "progress"], ["log", "begin", "event", "error", "end"])
        self.assertEqual(lines[-1]["exit_code"], 5)
        done, lines = self.lines(2, "ingest", "--threads", "0")
        self.assertEqual([line["kind"] for line in lines], ["usage"])
        shutil.rmtree(os.path.join(self.ws.dir, "logs"))
        with open(os.path.join(self.ws.dir, "logs"), "w"):
            pass
        done, lines = self.lines(5, "ingest")
        self.assertIn("no log is kept", [line for line in lines if line["type"] == "log"][-1]["message"])

    def test_progress_lines_of_a_stopped_run(self):
        documents, lines = 150, []
        while documents < harness.DOCUMENTS_MAX and (not lines or lines[-1].get("status") == "ok"):  # it was over before it was stopped
            harness.fill(self.ws, documents)
            running = subprocess.Popen(self.ws.command("ingest", "--force", "--progress", "json", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            head = []
            while not head or (head[-1] and not re.search(r'"eta_ms": ?[0-9]', head[-1])):
                head.append(running.stderr.readline())
            running.send_signal(signal.SIGINT)
            out, rest = running.communicate(timeout=300)
            lines = [self.check("progress", line) for line in "".join(head + [rest]).splitlines()]
            documents *= 2
        self.assertEqual((running.returncode, lines[-1]["type"], lines[-1]["status"], lines[-1]["exit_code"]), (130, "end", "cancelled", 130))
        self.assertIn("stopping", [line["type"] for line in lines])
        self.assertEqual(self.check("ingest", out)["status"], "cancelled")
        etas = [line["eta_ms"] for line in lines if line["type"] == "progress" and line["phase"] == "working" and line["eta_ms"] is not None]
        self.assertTrue(etas and all(eta > 0 for eta in etas))

    def test_a_wrong_output_is_found(self):
        """The method can fail: a member that is missing, of another type or not described."""
        good = self.of("init", 0, "init")
        validator = jsonschema.Draft202012Validator(strict(load("init")))
        for change in ({"documents": "3"}, {"undescribed": 1}, {"store": "elsewhere"}):
            self.assertFalse(validator.is_valid(dict(good, **change)), change)
        less = copy.deepcopy(good)
        del less["dims"]
        self.assertFalse(validator.is_valid(less))

    def test_zz_every_command_is_described(self):
        """Each command that takes --json has a schema, and each schema stands in docs/json.md and was compared with an output."""
        names = []
        for line in subprocess.run([harness.QLOADER, "--help"], capture_output=True, text=True).stdout.split("Commands:\n")[1].split("\n\n")[0].splitlines():
            name = re.match(r"  ((?:project|model|bench|prof)?\s?\S+)", line).group(1)
            if "--json" in subprocess.run([harness.QLOADER] + name.split() + ["--help"], capture_output=True, text=True).stdout:
                names.append(name.replace(" ", "-"))
        there = {f[:-len(".schema.json")] for f in os.listdir(SCHEMAS)}
        self.assertEqual(there, set(names) | {"error", "progress"})
        with open(DOCS) as f:
            text = f.read()
        for block in re.findall(r"```json\n(.*?)```", text, re.S):  # examples are right, too
            self.check("error" if '"error"' in block else "progress", block)
        self.assertEqual([n for n in sorted(there) if "(schema/%s.schema.json)" % n not in text], [])
        if len(Schema.seen) > 3:  # the whole file was run
            self.assertEqual(there - Schema.seen, set())


if __name__ == "__main__":
    harness.main()
