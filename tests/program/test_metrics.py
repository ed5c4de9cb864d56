"""qloader ingest --metrics-port: what is served is read by the parsers that people read it with, says what the run did, and refuses strangers."""
import gzip
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

OPENMETRICS = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
SOURCE = os.environ["QLOADER_SOURCE"]
CORES = "--threads=2"


class Running:
    """An ingest that has enough to do to be asked while it runs; ended by its signal."""

    def __init__(self, workspace, *words, env=None):
        self.process = subprocess.Popen(workspace.command("ingest", "--metrics-port", "0", CORES, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        stdin=subprocess.DEVNULL, env=dict(os.environ, **(env or {})))
        self.told = []
        for line in self.process.stderr:
            self.told.append(line)
            match = re.search(r"metrics on http://(\[?[^/]*\]?):(\d+)/metrics", line)
            if match:
                self.host, self.port = match.group(1).strip("[]"), int(match.group(2))
                break
        else:
            raise AssertionError("no address: %s" % "".join(self.told))
        self.rest = threading.Thread(target=lambda: self.told.extend(self.process.stderr))
        self.rest.start()

    def ask(self, path="/metrics", method="GET", **headers):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read().decode()
        finally:
            connection.close()

    def value(self, name, **labels):
        for family in parse_text(self.ask()[2]):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        raise AssertionError("no %s %s" % (name, labels))

    def wait_until(self, condition):
        for _ in range(600):
            if condition():
                return
            time.sleep(0.1)
        raise AssertionError("never came: %s" % "".join(self.told))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=120)
        self.rest.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.returncode


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.workspace = harness.Workspace()
        for i in range(400):  # a minute's work
            cls.workspace.write("%03d.md" % i, "# Chapter %d\n\n%s\n" % (i, " ".join("word%d is followed by another." % (i * 1000 + j) for j in range(1500))))
        cls.workspace.write("broken.pdf", b"%PDF-1.7\n\0")
        cls.running = Running(cls.workspace)
        cls.running.wait_until(lambda: cls.running.value("qloader_chunks_total") > 0)

    @classmethod
    def tearDownClass(cls):
        code = cls.running.stop()
        cls.workspace.close()
        assert code == 130, code

    def families(self, parse, accept):
        status, headers, text = self.running.ask(Accept=accept)
        self.assertEqual(status, 200)
        return headers["Content-Type"], list(parse(text)), text

    def documented(self):
        with open(os.path.join(SOURCE, "docs", "metrics.md")) as f:
            return dict(re.findall(r"^\| `(\w+)` \| (\w+) \| ", f.read(), re.M))

    def test_text(self):
        kind, families, _ = self.families(parse_text, "text/plain")
        self.assertIn("version=0.0.4", kind)
        told = {family.name + ("_total" if family.type == "counter" else ""): family.type for family in families}
        self.assertEqual(told, self.documented())
        for family in families:
            self.assertTrue(family.documentation, family.name)

    def test_openmetrics(self):
        kind, families, text = self.families(parse_openmetrics, OPENMETRICS)
        self.assertIn("application/openmetrics-text; version=1.0.0", kind)
        told = {family.name + ("_total" if family.type == "counter" else ""): family.type for family in families}
        self.assertEqual(told, self.documented())
        units = {family.name: family.unit for family in families}
        self.assertEqual((units["qloader_read_bytes"], units["qdrant_chunking_duration_seconds"], units["qloader_chunks"]), ("bytes", "seconds", ""))
        self.assertTrue(text.endswith("# EOF\n"))
        buckets = [s for family in families if family.name == "qdrant_chunking_duration_seconds" for s in family.samples if s.exemplar]
        self.assertTrue(buckets)
        self.assertRegex(buckets[0].exemplar.labels["document_id"], r"^[0-9a-f-]{32,36}$")

    def test_promtool(self):
        tool = harness.promtool(self)
        done = subprocess.run([tool, "check", "metrics"], input=self.running.ask()[2], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_the_run_shows(self):
        running = self.running
        self.assertEqual(running.value("qloader_ingest_active"), 1)
        self.assertGreater(running.value("qloader_read_bytes_total"), 10000)
        self.assertGreater(running.value("qloader_embedded_tokens_total"), 0)
        self.assertGreater(running.value("qdrant_chunking_duration_seconds_count"), 0)
        self.assertGreater(running.value("qdrant_embedding_duration_seconds_count"), 0)
        running.wait_until(lambda: running.value("qdrant_upsert_duration_seconds_count") > 0)
        self.assertGreater(running.value("qdrant_upsert_duration_seconds_sum"), 0)
        self.assertGreater(running.value("qloader_stage_duration_seconds_sum", stage="embed"), 0)
        self.assertEqual(running.value("qdrant_ingested_documents_total"), running.value("qdrant_ingested_documents_total"))
        self.assertGreater(running.value("process_resident_memory_bytes"), 1e6)
        self.assertGreater(running.value("qdrant_memory_usage_percent"), 0)

    def test_strangers_are_refused(self):
        ask = self.running.ask
        self.assertEqual(ask(Host="evil.example")[0], 421)
        self.assertEqual(ask(Origin="http://evil.example")[0], 403)
        self.assertEqual(ask(method="POST")[0], 405)
        self.assertEqual(ask("/debug/pprof/profile")[0], 404)
        self.assertEqual(ask("/health")[::2], (200, "ok\n"))
        status, headers, text = ask(method="HEAD")
        self.assertEqual((status, text), (200, ""))
        self.assertGreater(int(headers["Content-Length"]), 10000)
        self.assertNotIn("Access-Control-Allow-Origin", headers)


class Debug(unittest.TestCase):
    """--debug-http: profiles of an ingest while it runs, for whoever has the token."""

    TOKEN = {"Authorization": "Bearer s3cret-of-debug"}

    @classmethod
    def setUpClass(cls):
        cls.workspace = harness.Workspace()
        for i in range(400):
            cls.workspace.write("%03d.md" % i, "# Chapter %d\n\n%s\n" % (i, " ".join("word%d is followed by another." % (i * 1000 + j) for j in range(1500))))
        cls.running = Running(cls.workspace, "--debug-http", env={"QLOADER_METRICS_TOKEN": "s3cret-of-debug"})
        cls.running.wait_until(lambda: b"qloader_chunks_total 0" not in cls.bytes_of("/metrics")[2])

    @classmethod
    def tearDownClass(cls):
        code = cls.running.stop()
        cls.workspace.close()
        assert code == 130, code

    @classmethod
    def bytes_of(cls, path, headers=None, method="GET"):
        connection = http.client.HTTPConnection(cls.running.host, cls.running.port, timeout=120)
        try:
            connection.request(method, path, headers=cls.TOKEN if headers is None else headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    def recorded(self, path, kind):
        status, headers, body = self.bytes_of("/debug/pprof/" + path)
        self.assertEqual((status, headers["Content-Type"]), (200, kind), body[:300])
        return body

    def pprof(self, path, *words):
        """What go tool pprof says of a recording; nothing where nothing was sampled meanwhile."""
        status, headers, body = self.bytes_of("/debug/pprof/" + path)
        if status == 503 and b"no samples" in body:
            return ""
        self.assertEqual((status, headers["Content-Type"]), (200, "application/gzip"), body[:300])
        file = os.path.join(self.workspace.dir, path.split("?")[0] + ".pb.gz")
        with open(file, "wb") as out:
            out.write(body)
        done = subprocess.run(["go", "tool", "pprof", *words, file], capture_output=True, text=True, timeout=600, env=dict(os.environ, HOME=self.workspace.dir))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def seen(self, sees, name):
        """Of a span only what begins and ends in the recording is told: on a slow machine that takes a longer one."""
        return any(sees("%s?seconds=%d" % (name, seconds)) for seconds in (1, 3, 9, 27))

    def test_it_is_told(self):
        self.assertTrue(any("/metrics, profiles under /debug/pprof/" in line for line in self.running.told), self.running.told)
        self.assertIn(b"trace ", self.bytes_of("/debug/pprof/")[2])

    def test_where_processor_time_goes(self):
        top = self.pprof("profile?seconds=2&hz=500", "-top")
        self.assertIn("Type: cpu", top)
        self.assertRegex(top, r"\bql__\w+")
        self.assertTrue(self.seen(lambda path: "embed" in self.pprof(path, "-tags"), "profile"))

    def test_waiting_threads_too(self):
        self.assertRegex(self.pprof("wall?seconds=1", "-top"), r"\b(main|server_main)\b")

    def test_what_is_allocated(self):
        self.assertTrue(self.seen(lambda path: re.search(r"\b(ql__\w+|malloc)", self.pprof(path, "-top", "-sample_index=alloc_space")), "heap"))

    def test_a_trace(self):
        self.assertTrue(self.seen(lambda path: "embed" in {event.get("name") for event in json.loads(self.recorded(path, "application/json"))["traceEvents"]}, "trace"))

    def test_tasks_at_once(self):
        told = json.loads(self.recorded("tasks", "application/json"))
        self.assertTrue(told["tasks"], told)
        self.assertTrue(any(".md" in task["name"] for task in told["tasks"]), told)

    def test_one_at_a_time_and_the_metrics_go_on(self):
        with socket.create_connection((self.running.host, self.running.port)) as gone:
            gone.sendall(b"GET /debug/pprof/profile?seconds=300 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer s3cret-of-debug\r\n\r\n")
            self.running.wait_until(lambda: self.bytes_of("/debug/pprof/trace?seconds=1")[0] == 503)
            self.assertEqual(self.bytes_of("/metrics")[0], 200)
        self.running.wait_until(lambda: self.bytes_of("/debug/pprof/trace?seconds=1")[0] == 200)  # whoever hangs up ends it

    def test_strangers_and_nonsense(self):
        self.assertEqual(self.bytes_of("/debug/pprof/tasks", {})[0], 401)
        self.assertEqual(self.bytes_of("/debug/pprof/profile?seconds=1", {"Authorization": "Bearer wrong"})[0], 401)
        self.assertEqual(self.bytes_of("/debug/pprof/tasks", dict(self.TOKEN, Host="evil.example"))[0], 421)
        self.assertEqual(self.bytes_of("/debug/pprof/tasks", dict(self.TOKEN, Origin="http://evil.example"))[0], 403)
        self.assertEqual(self.bytes_of("/debug/pprof/profile", method="HEAD")[0], 400)
        self.assertEqual(self.bytes_of("/debug/pprof/nosuch")[0], 404)
        for wrong in ("seconds=0", "seconds=301", "seconds=-1", "seconds=1e2", "seconds=", "seconds=99999999999999999999", "hz=0", "hz=1001", "hz=x"):
            status, _, body = self.bytes_of("/debug/pprof/profile?" + wrong)
            self.assertEqual(status, 400, wrong)
            self.assertIn(b"whole number", body)

    def test_nothing_secret_is_in_them(self):
        for path in ("wall?seconds=1", "trace?seconds=1", "tasks"):
            body = self.bytes_of("/debug/pprof/" + path)[2]
            self.assertNotIn(b"s3cret-of-debug", gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body, path)


class Single(unittest.TestCase):
    def setUp(self):
        self.workspace = harness.Workspace()
        self.addCleanup(shutil.rmtree, self.workspace.dir, True)
        self.workspace.write("a.md", "# A\n\nThe okapi eats leaves.\n")

    def test_a_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = self.workspace.run("ingest", "--metrics-port", str(port))
        self.assertIn("cannot listen on port %d of 127.0.0.1: another program does" % port, done.stderr)
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse(os.path.exists(os.path.join(self.workspace.dir, "data")))

    def test_words_that_do_not_fit(self):
        self.assertEqual(self.workspace.run("ingest", "--metrics-address", "127.0.0.1").returncode, 2)
        self.assertEqual(self.workspace.run("ingest", "--metrics-port", "70000").returncode, 2)
        self.assertEqual(self.workspace.run("ingest", "--debug-http").returncode, 2)
        self.assertIn("QLOADER_METRICS_TOKEN", self.workspace.run("ingest", "--debug-http", "--metrics-port", "0").stderr)
        token = dict(os.environ, QLOADER_METRICS_TOKEN="t")
        done = self.workspace.run("ingest", "--debug-http", "--metrics-port", "0", "--metrics-address", "0.0.0.0", env=token)
        self.assertIn("0.0.0.0 is none", done.stderr)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.workspace.run("ingest", "--debug-http", "--metrics-port", "0", "--metrics-address", "::1", env=token).returncode, 0)
        self.assertIn("no IPv4 or IPv6 address", self.workspace.run("ingest", "--metrics-port", "0", "--metrics-address", "localhost").stderr)

    def test_it_is_told_where_but_not_to_quiet_ones(self):
        told = self.workspace.run("ingest", "--metrics-port", "0")
        self.assertEqual(told.returncode, 0)
        self.assertRegex(told.stderr, r"metrics on http://127\.0\.0\.1:\d+/metrics\n")
        self.assertNotIn("metrics on", self.workspace.run("ingest", "--metrics-port", "0", "--quiet").stderr)
        lines = self.workspace.run("ingest", "--metrics-port", "0", "--progress", "json").stderr.splitlines()
        self.assertTrue(all(line.startswith("{") for line in lines), lines)
        self.assertTrue(any("metrics on http" in line for line in lines), lines)

    def test_the_token_of_the_environment_is_asked_for(self):
        for i in range(200):
            self.workspace.write("%03d.md" % i, " ".join("word%d is followed by another." % (i * 1000 + j) for j in range(1500)))
        running = Running(self.workspace, env={"QLOADER_METRICS_TOKEN": "s3cret-canary"})
        self.assertEqual(running.ask()[0], 401)
        self.assertEqual(running.ask(Authorization="Bearer s3cret-canary")[0], 200)
        running.stop()
        self.assertNotIn("canary", "".join(running.told))


if __name__ == "__main__":
    unittest.main()
