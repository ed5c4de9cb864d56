"""qloader bench: what is measured is what happened, results are kept and compared, servers are asked as they should be. Nothing here asserts how long something takes."""
import http.server
import json
import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
import unittest

import harness

SOURCE = os.environ["QLOADER_SOURCE"]
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1"  # nothing here leaves the machine
COLLECTION = os.path.join(SOURCE, "docs", "bench", "qloader.postman_collection.json")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen = []
    lock = threading.Lock()

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.lock:
            self.seen.append((self.command, self.path, dict(self.headers), body, self.client_address[1]))
        if self.path == "/slow":
            time.sleep(5)
        code = {"/missing": 404, "/broken": 500}.get(self.path, 200)
        text = b"x" * 100
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_HEAD = handle_any

    def log_message(self, *unused):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that hangs up is part of these tests."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Bench(harness.Case):
    def bench(self, *words, code=0, env=None):
        done = self.ws.run("bench", *words, env=env)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def path(self, name):
        return os.path.join(self.ws.dir, name)

    def write_result(self, name, measures, change=None):
        result = {"format": "qloader-bench", "format_version": 1, "kind": "run", "name": name, "measures": [{"name": n, "unit": u, "values": v} for n, u, v in measures]}
        result.update(change or {})
        with open(self.path(name), "w") as f:
            json.dump(result, f)
        return self.path(name)

    def measures(self, text):
        return {m["name"]: m for m in json.loads(text)["measures"]}


class Run(Bench):
    def test_what_a_program_takes(self):
        script = "import sys; x = bytearray(80_000_000); open(sys.argv[1], 'wb').write(b'y' * 3_000_000); open(sys.argv[1], 'rb').read(); open('/tmp/qloader-bench-count', 'a').write('.')"
        count = self.path("count")
        script = script.replace("/tmp/qloader-bench-count", count)
        done = self.bench("run", "-n", "3", "--warmup", "2", "--json", "-o", self.path("r.json"), "--name", "mine", "--", sys.executable, "-c", script, self.path("data"))
        result = json.loads(done.stdout)
        with open(self.path("r.json")) as f:
            self.assertEqual(json.load(f), result)
        self.assertEqual((result["kind"], result["name"], result["warmup"], result["command"][0]), ("run", "mine", 2, sys.executable))
        self.assertEqual(os.path.getsize(count), 5)
        measures = self.measures(done.stdout)
        for name in ("wall", "user", "system", "peak memory"):
            self.assertEqual(len(measures[name]["values"]), 3)
        self.assertGreater(measures["peak memory"]["min"], 80e6)
        self.assertLess(measures["peak memory"]["max"], 800e6)
        self.assertGreater(measures["wall"]["min"], 0)
        if "written" in measures:
            self.assertGreaterEqual(measures["written"]["min"], 3e6)
            self.assertGreaterEqual(measures["read"]["min"], 3e6)
        self.assertEqual(set(result["load"]), {"seconds", "own_cores", "other_cores", "steal_cores"})
        self.assertGreater(result["load"]["own_cores"], 0)
        values = sorted(measures["wall"]["values"])
        self.assertEqual((values[0], values[1], values[2]), (measures["wall"]["min"], measures["wall"]["median"], measures["wall"]["max"]))

    def test_the_table(self):
        done = self.bench("run", "-n", "2", "--warmup", "0", "--", "true")
        self.assertRegex(done.stdout, r"(?m)^measure +min +median +mean +stddev +p99 +max +values$")
        self.assertRegex(done.stdout, r"(?m)^wall .* 2$")
        self.assertEqual(self.bench("run", "-n", "1", "--quiet", "--", "true").stdout, "")

    def test_other_work_is_told(self):
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            table = self.bench("run", "-n", "2", "--warmup", "0", "-o", self.path("r.json"), "--", "sleep", "1").stdout
        finally:
            busy.kill()
            busy.wait()
        with open(self.path("r.json")) as f:
            result = json.load(f)
        other, cores = result["load"]["other_cores"], result["machine"]["cores"]
        self.assertEqual("other work used %.1f of %d processor%s meanwhile" % (other, cores, "" if cores == 1 else "s") in table, other > 0.25, table)

    def test_stages_of_this_program(self):
        self.ws.write("a.md", "# A\n\nThe okapi eats leaves.\n")
        done = self.bench("run", "-n", "2", "--warmup", "0", "--json", "--", harness.QLOADER, "ingest", "--force", "--json", "--profile", "--workspace", self.ws.dir)
        measures = self.measures(done.stdout)
        self.assertEqual({len(measures[name]["values"]) for name in ("reported", "stage chunk", "stage embed", "stage store")}, {2})
        self.assertLessEqual(measures["reported"]["max"], measures["wall"]["max"])

    def test_a_run_that_fails_ends_it(self):
        done = self.bench("run", "-n", "3", "--warmup", "0", "-o", self.path("r.json"), "--", "sh", "-c", "echo no room >&2; exit 7", code=1)
        self.assertIn("run 1 exited with 7: no room", done.stderr)
        self.assertFalse(os.path.exists(self.path("r.json")))
        self.assertIn("warm-up run 1 was ended by signal 9", self.bench("run", "--", "sh", "-c", "kill -9 $$", code=1).stderr)
        self.assertIn("cannot start 'no-such-program'", self.bench("run", "--", "no-such-program", code=4).stderr)
        self.bench("run", code=2)
        self.bench("run", "-n", "0", "--", "true", code=2)

    def test_a_signal_ends_child_and_bench(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            marker = self.path("marker%d" % number)
            process = subprocess.Popen([harness.QLOADER, "bench", "run", "--", sys.executable, "-c", "import time, os; open(%r, 'w').write(str(os.getpid())); time.sleep(600)" % marker],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            while not os.path.exists(marker) or os.path.getsize(marker) == 0:
                time.sleep(0.05)
            process.send_signal(number)
            out, told = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 128 + number, told)
            with open(marker) as f, self.assertRaises(ProcessLookupError):
                os.kill(int(f.read()), 0)

    def test_a_file_that_cannot_be_written(self):
        self.assertIn("cannot write", self.bench("run", "-n", "1", "-o", self.path("none/r.json"), "--", "true", code=7).stderr)


class Compare(Bench):
    A = [1.00, 1.02, 0.98, 1.01, 0.99]

    def test_verdicts(self):
        a = self.write_result("a", [("same", "s", self.A), ("slower", "s", self.A), ("faster", "s", self.A), ("rate", "1/s", self.A), ("one", "s", [1]), ("only a", "s", [1, 2])])
        b = self.write_result("b", [("same", "s", self.A[::-1]), ("slower", "s", [1.2 * v for v in self.A]), ("faster", "s", [0.8 * v for v in self.A]), ("rate", "1/s", [0.8 * v for v in self.A]),
                                    ("one", "s", [2]), ("only b", "s", [1])])
        result = self.measures(self.bench("compare", "--json", a, b).stdout)
        self.assertEqual({n: m["verdict"] for n, m in result.items()}, {"same": "within noise", "slower": "worse", "faster": "better", "rate": "worse", "one": "unknown"})
        slower = result["slower"]
        self.assertAlmostEqual(slower["ratio"], 1.2)
        self.assertTrue(1.1 < slower["low"] < 1.2 < slower["high"] < 1.3)
        self.assertEqual((result["one"]["low"], result["one"]["high"]), (None, None))
        table = self.bench("compare", a, b).stdout
        self.assertRegex(table, r"(?m)^slower +1\.000 s +1\.200 s +1\.200 .* worse$")
        self.assertIn("Fieller", table)

    def test_the_same_twice_while_the_machine_gets_busier(self):
        noise = (0.004, -0.003, 0.001, -0.004, 0.003, -0.001, 0.002, -0.002)
        rising = [1 + 0.01 * i + noise[i % 8] for i in range(32)]
        a, b = self.write_result("a", [("wall", "s", rising[:16])]), self.write_result("b", [("wall", "s", rising[16:])])
        result = json.loads(self.bench("compare", "--json", a, b).stdout)
        wall = result["measures"][0]
        self.assertEqual((wall["verdict"], wall["fails"], wall["unjudged"], result["least_percent"]), ("drifts", False, False, 2))
        self.assertTrue(1.13 < wall["a_drift"] < 1.2 and 1.1 < wall["b_drift"] < 1.2)
        self.assertRegex(self.bench("compare", a, b).stdout, r"(?m)^wall changed while A was measured, by \+1[45]\.\d % along the line through its values$")
        gate = self.bench("compare", "--quiet", "--fail-above", "5", a, b, code=1)  # not shown to be no worse
        self.assertRegex(gate.stderr, r"could not be judged .* the first: wall \(drifts\)")
        self.assertEqual(gate.stdout, "")
        self.bench("compare", "--fail-above", "100", a, b)  # whatever it comes from, it is within what is allowed
        self.bench("compare", "--fail-above", "5", b, a)    # for the better

    def test_a_true_difference_and_one_too_small_to_matter(self):
        a = self.write_result("a", [("wall", "s", self.A * 4), ("peak", "bytes", [100] * 20)])
        b = self.write_result("b", [("wall", "s", [1.05 * v for v in self.A * 4]), ("peak", "bytes", [101] * 20)])
        verdicts = lambda *extra: {n: m["verdict"] for n, m in self.measures(self.bench("compare", "--json", *extra, a, b).stdout).items()}
        self.assertEqual(verdicts(), {"wall": "worse", "peak": "too small"})
        self.assertEqual(verdicts("--least", "0"), {"wall": "worse", "peak": "worse"})
        self.assertEqual(verdicts("--least", "6"), {"wall": "too small", "peak": "too small"})
        self.bench("compare", "--fail-above", "1", "-m", "peak", a, b)  # 1 % is not more than that
        done = json.loads(self.bench("compare", "--json", "--fail-above", "0", "-m", "peak", a, b, code=1).stdout)  # what fails is not too small to be told
        self.assertEqual((done["least_percent"], done["measures"][0]["verdict"], done["measures"][0]["fails"]), (0, "worse", True))
        self.bench("compare", "--fail-above", "4", "--least", "6", "-m", "wall", a, b, code=1)

    def test_a_machine_that_was_busier_for_one(self):
        def result(name, factor, own, other, seconds=20.0, cores=2):
            load = {"seconds": seconds, "own_cores": own, "other_cores": other, "steal_cores": 0.0}
            return self.write_result(name, [("wall", "s", [factor * v for v in self.A]), ("peak memory", "bytes", [100 * factor] * 5)], {"load": load, "machine": {"cores": cores}})
        a, b = result("a", 1, 1.0, 0.1), result("b", 1.5, 0.7, 1.2)
        gate = self.bench("compare", "--json", "--fail-above", "10", "-m", "wall", a, b, code=1)  # a busy machine shows nobody to be no worse
        self.assertIn("could not be judged", gate.stderr)
        done = json.loads(gate.stdout)
        self.assertEqual((done["measures"][0]["fails"], done["measures"][0]["unjudged"]), (False, True))
        self.bench("compare", "--fail-above", "60", "-m", "wall", a, b)
        self.assertEqual((done["same_load"], done["a"]["other_cores"], done["b"]["other_cores"], done["measures"][0]["verdict"]), (False, 0.1, 1.2, "not comparable"))
        table = self.bench("compare", a, b).stdout
        self.assertRegex(table, r"(?m)^other work used 0\.10 processors while A was measured and 1\.20 while B was: times are not comparable")
        self.assertRegex(table, r"(?m)^peak memory .* worse$")
        for other in (result("c", 1.5, 1.0, 0.2), result("d", 1.5, 0.7, 1.2, cores=64), result("e", 1.5, 0.7, 1.2, seconds=0.5), self.write_result("f", [("wall", "s", [1.5 * v for v in self.A])])):
            self.assertEqual(self.measures(self.bench("compare", "--json", a, other).stdout)["wall"]["verdict"], "worse")  # as busy, room enough, too short to tell, not told

    def test_results_of_two_kinds_or_commands(self):
        a, search = self.write_result("a", [("stage embed", "s", self.A)], {"kind": "ingest"}), self.write_result("s", [("stage embed", "s", self.A)], {"kind": "search"})
        self.assertIn("'%s' is a result of 'bench ingest', '%s' one of 'bench search'" % (a, search), self.bench("compare", a, search, code=2).stderr)
        tar, zip_ = (self.write_result(name, [("wall", "s", self.A)], {"command": [name, "a b"]}) for name in ("tar", "zip"))
        self.assertRegex(self.bench("compare", tar, zip_).stdout, r"(?m)^the commands differ: A is of tar 'a b'\n +B is of zip 'a b'$")
        self.assertNotIn("commands differ", self.bench("compare", tar, tar).stdout)
        bad = self.write_result("bad", [("wall", "s", self.A)], {"command": [3]})
        self.assertIn("a word of its command is no text", self.bench("compare", tar, bad, code=1).stderr)

    def test_what_was_zero_has_no_ratio(self):
        a = self.write_result("a", [("faults", "count", [0, 0, 0]), ("none", "count", [0, 0]), ("sometimes", "count", [0, 0])])
        b = self.write_result("b", [("faults", "count", [5, 5, 5]), ("none", "count", [0, 0]), ("sometimes", "count", [0, 3])])
        result = self.measures(self.bench("compare", "--json", a, b).stdout)
        self.assertEqual({n: (m["ratio"], m["low"], m["verdict"]) for n, m in result.items()},
                         {"faults": (None, None, "worse"), "none": (None, None, "within noise"), "sometimes": (None, None, "unknown")})
        self.assertRegex(self.bench("compare", a, b).stdout, r"(?m)^faults +0 +5 +- +- +worse$")
        self.bench("compare", "--fail-above", "500", "-m", "faults", a, b, code=1)  # no percentage of 0 is enough
        self.bench("compare", "--fail-above", "0", "-m", "none", a, b)

    def test_fail_above(self):
        a = self.write_result("a", [("wall", "s", self.A), ("noisy", "s", [1, 9]), ("rate", "1/s", self.A)])
        b = self.write_result("b", [("wall", "s", [1.2 * v for v in self.A]), ("noisy", "s", [5, 20]), ("rate", "1/s", [0.8 * v for v in self.A])])
        done = self.bench("compare", "--fail-above", "10", a, b, code=1)
        self.assertIn("2 measures of '%s' are worse by more than 10 %%; the first: wall" % b, done.stderr)
        self.assertEqual({n for n, m in self.measures(self.bench("compare", "--json", "--fail-above", "10", a, b, code=1).stdout).items() if m["fails"]}, {"wall", "rate"})
        self.bench("compare", "--fail-above", "30", a, b)          # worse, but not by so much
        self.bench("compare", "--fail-above", "0", "-m", "noisy", a, b)  # more by far, but nothing was shown
        self.bench("compare", "--fail-above", "10", b, a)          # better
        self.bench("compare", "--fail-above", "10", "-m", "wall", a, b, code=1)
        self.assertIn("no measure in common", self.bench("compare", "-m", "nothing", a, b, code=4).stderr)

    def test_files_that_are_no_results(self):
        good = self.write_result("good", [("wall", "s", self.A)])
        for name, change in (("version", {"format_version": 2}), ("format", {"format": "x"}), ("list", {"measures": 3}), ("unit", {"measures": [{"name": "a", "unit": "m", "values": [1]}]}),
                             ("empty", {"measures": [{"name": "a", "unit": "s", "values": []}]}), ("text", {"measures": [{"name": "a", "unit": "s", "values": ["1"]}]}),
                             ("twice", {"measures": [{"name": "a", "unit": "s", "values": [1]}] * 2})):
            bad = self.write_result("bad-" + name, [], change)
            self.assertIn("cannot read '%s'" % bad, self.bench("compare", good, bad, code=1).stderr)
        self.bench("compare", good, self.path("none"), code=4)
        with open(self.path("deep"), "w") as f:
            f.write("[" * 100000)
        self.bench("compare", good, self.path("deep"), code=1)
        self.bench("compare", good, code=2)


class Http(Bench):
    def setUp(self):
        super().setUp()
        Handler.seen = []
        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)

    def test_addresses_by_turns_on_kept_connections(self):
        done = self.bench("http", "-n", "20", "--warmup", "3", "--concurrency", "4", "--json", self.url + "/a", self.url + "/b")
        result = json.loads(done.stdout)
        self.assertEqual((result["sent"], result["failed"], result["keep_alive"], result["concurrency"]), (40, 0, True, 4))
        self.assertEqual([(r["sent"], r["codes"], r["body_bytes"]) for r in result["requests"]], [(20, {"200": 20}, 2000)] * 2)
        self.assertEqual(len(Handler.seen), 46)
        self.assertLessEqual(len({port for *_, port in Handler.seen}), 4)
        measures = self.measures(done.stdout)
        self.assertEqual(len(measures[self.url + "/a"]["values"]), 20)
        self.assertEqual(len(measures["first byte"]["values"]), 40)
        self.assertLessEqual(measures[self.url + "/a"]["p50"], measures[self.url + "/a"]["p99"])
        self.assertGreater(result["rate_per_s"], 0)

    def test_a_connection_each(self):
        result = json.loads(self.bench("http", "-n", "10", "--warmup", "0", "--no-keep-alive", "--json", self.url).stdout)
        self.assertEqual(result["connections"], 10)
        self.assertEqual(len({port for *_, port in Handler.seen}), 10)

    def test_failures_are_counted_and_left_out(self):
        done = self.bench("http", "-n", "5", "--json", self.url + "/ok", self.url + "/missing", self.url + "/broken", code=5)
        result = json.loads(done.stdout)
        self.assertEqual([r["codes"] for r in result["requests"]], [{"200": 5}, {"404": 5}, {"500": 5}])
        self.assertEqual((result["failed"], result["requests"][1]["first_failure"]), (10, "answered 404"))
        self.assertEqual({m for m in self.measures(done.stdout)} & {self.url + "/missing"}, set())
        done = self.bench("http", "-n", "1", "--warmup", "0", "--timeout", "1", "--json", self.url + "/slow", code=5)
        self.assertEqual(json.loads(done.stdout)["requests"][0]["codes"], {"none": 1})
        failed = self.bench("http", "-n", "5", self.url + "/missing", code=5).stdout
        self.assertRegex(failed, r"^nothing was measured\n5 requests in .*\n.*/missing: 5 of 5 failed; the first: answered 404\n$")

    def test_the_collection_of_the_docs(self):
        variables = ["--variable=%s=%s" % (name, self.url) for name in ("metrics", "mcp", "qdrant")]
        self.bench("http", "--collection", COLLECTION, "-n", "1", "--warmup", "0", *variables, "--variable", "collection=kb", "--variable", "question=why?")
        told = [(command, path) for command, path, *_ in Handler.seen]
        self.assertEqual(told, [("GET", "/health"), ("GET", "/metrics"), ("GET", "/health"), ("POST", "/mcp"), ("POST", "/mcp"), ("GET", "/healthz"), ("GET", "/collections"),
                                ("GET", "/collections/kb"), ("POST", "/collections/kb/points/scroll")])
        call = [body for command, path, headers, body, _ in Handler.seen if path == "/mcp"][1]
        self.assertEqual(json.loads(call)["params"], {"name": "search", "arguments": {"query": "why?", "limit": 5}})
        self.assertEqual({headers.get("Content-Type") for command, *rest in Handler.seen if command == "POST" for headers in rest[1:2]}, {"application/json"})
        self.assertNotIn("Expect", Handler.seen[3][2])
        Handler.seen.clear()
        self.bench("http", "--collection", COLLECTION, "--only", "Qdrant / scroll", "-n", "2", "--warmup", "0", *variables)
        self.assertEqual([path for _, path, *_ in Handler.seen], ["/collections/documents/points/scroll"] * 2)
        self.assertEqual(json.loads(Handler.seen[0][3]), {"limit": 100, "with_payload": True, "with_vector": False})
        self.assertIn("named 'None': there are 'Metrics / ", self.bench("http", "--collection", COLLECTION, "--only", "None", *variables, code=4).stderr)

    def test_words_that_do_not_fit(self):
        self.bench("http", code=2)
        self.bench("http", "--collection", COLLECTION, self.url, code=2)
        self.bench("http", "--variable", "a=b", self.url, code=2)
        self.bench("http", "--collection", COLLECTION, "--variable", "a", code=2)
        self.bench("http", "-n", "1000000", self.url, self.url, code=2)
        self.assertIn("neither an http nor an https", self.bench("http", "file:///etc/passwd", code=2).stderr)
        with open(self.path("scripts.json"), "w") as f:
            json.dump({"info": {"name": "s", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
                       "item": [{"name": "a", "event": [{"listen": "test", "script": {"exec": ["x"]}}], "request": self.url}]}, f)
        self.assertIn("scripts of the collection are not run", self.bench("http", "-n", "1", "--collection", self.path("scripts.json")).stderr)

    def test_a_signal_ends_it(self):
        process = subprocess.Popen([harness.QLOADER, "bench", "http", "-n", "100", self.url + "/slow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not Handler.seen:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (130, ""), told)


class Index(Bench):
    def setUp(self):
        super().setUp()
        self.ws.write("a.md", "# A\n\nThe okapi eats leaves.\n")
        self.ws.write("b.md", "# B\n\nThe tapir swims.\n")

    def test_ingest_leaves_the_workspace_alone(self):
        done = self.bench("ingest", "-n", "2", "--json")
        self.assertFalse(os.path.exists(self.path("data")))
        self.assertEqual([name for name in os.listdir(self.ws.dir) if name.startswith(".qloader")], [])
        measures = self.measures(done.stdout)
        self.assertEqual({len(measures[name]["values"]) for name in ("full", "unchanged", "documents", "tokens", "stage embed")}, {2})
        self.assertEqual(json.loads(done.stdout)["state"], "warm")
        self.ws.configure("sources:\n  localfile:\n    d: {base_url: 'file:///nowhere'}\n")
        self.bench("ingest", "-n", "1", code=5)
        done = subprocess.run([harness.QLOADER, "bench", "ingest", "-n", "1", "--workspace", self.path("nope")], capture_output=True, text=True)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("nope", done.stderr)
        self.assertNotIn("scratch", done.stderr)
        self.assertEqual([name for name in os.listdir(self.ws.dir) if name.startswith(".qloader")], [])

    def test_search(self):
        self.bench("search", "okapi", code=4)
        self.ws.ingest()
        with open(self.path("questions.txt"), "w") as f:
            f.write("tapir\n\nwho eats leaves?\r\n")
        done = self.bench("search", "-n", "3", "--json", "--questions", self.path("questions.txt"), "okapi")
        measures = self.measures(done.stdout)
        self.assertEqual((len(measures["search"]["values"]), json.loads(done.stdout)["questions"]), (9, 3))
        self.assertEqual(len(measures["stage query_embed"]["values"]), 9)
        self.assertEqual(measures["hits"]["min"], 2)
        self.assertEqual(measures["stage search"]["mean"] <= measures["search"]["mean"], True)
        stages = re.findall(r"^( *)stage (\w+) ", self.bench("search", "-n", "2", "okapi").stdout, re.M)
        self.assertEqual([("", "search"), ("  ", "query_embed"), ("    ", "tokenize"), ("    ", "embed"), ("  ", "dense"), ("  ", "sparse"), ("  ", "fuse"), ("  ", "format")], stages)
        sparse = self.measures(self.bench("search", "-n", "2", "--json", "--mode", "sparse", "okapi").stdout)
        self.assertNotIn("stage query_embed", sparse)
        cold = self.bench("search", "-n", "2", "--cold", "--json", "okapi")
        self.assertEqual((json.loads(cold.stdout)["state"], len(self.measures(cold.stdout)["open"]["values"])), ("cold", 2))
        self.bench("search", code=2)
        self.bench("search", "--questions", self.path("none"), code=4)


if __name__ == "__main__":
    unittest.main()
