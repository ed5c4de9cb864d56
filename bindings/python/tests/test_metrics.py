"""The numbers of a runtime: as text, over HTTP, and what they mean."""
import urllib.error
import urllib.request

import support

import qloader


class Metrics(support.Case):
    def test_text_is_there_when_asked_for(self):
        with qloader.Runtime(threads=1, metrics=True) as runtime:
            self.assertIn("# TYPE qloader_chunks_total counter\nqloader_chunks_total 0\n", runtime.metrics_text())
            self.assertTrue(runtime.metrics_text(openmetrics=True).endswith("# EOF\n"))
        with qloader.Runtime(threads=1) as runtime, self.assertRaises(qloader.InvalidError):
            runtime.metrics_text()

    def test_every_metric_is_described(self):
        described = {metric["name"] for metric in qloader.describe_metrics()}
        with qloader.Runtime(threads=1, metrics=True) as runtime:
            told = {line.split()[2] for line in runtime.metrics_text().splitlines() if line.startswith("# TYPE ")}
        self.assertEqual(described, told)

    def test_they_are_served(self):
        runtime = qloader.Runtime(threads=1, metrics=True)
        server = runtime.serve_metrics()
        url = "http://127.0.0.1:%d/metrics" % server.port
        with urllib.request.urlopen(url, timeout=30) as answer:
            self.assertIn(b"qloader_build_info", answer.read())
        with self.assertRaises(qloader.BusyError):
            runtime.serve_metrics(port=server.port)
        runtime.close()  # the server still needs it
        with urllib.request.urlopen(url, timeout=30) as answer:
            self.assertEqual(answer.status, 200)
        server.close()
        self.assertTrue(server.closed)
        with self.assertRaises(urllib.error.URLError):
            urllib.request.urlopen(url, timeout=30)
        with self.assertRaises(qloader.ClosedError):
            server.port

    def test_a_program_adds_its_own(self):
        with qloader.Runtime(threads=1, metrics=True) as runtime:
            registry = runtime.registry
            letters = registry.counter("desk_letters", "letters read", labels=["kind", "place"])
            letters.labels("invoice", "caf\u00e9").inc(2)
            letters.labels("invoice", "caf\u00e9").inc()
            self.assertIsInstance(registry.counter("desk_letters", "letters read", labels=["kind", "place"]), qloader.Counter)  # the same again
            open_files = registry.gauge("desk_files", "open files")
            open_files.set(5)
            open_files.dec(1.5)
            reading = registry.histogram("desk_reading_seconds", "time to read", unit="seconds", bounds=[0.1, 1])
            reading.observe(0.5, exemplar=("trace_id", "9f2c"))
            reading.observe(7)
            text = runtime.metrics_text()
            for line in ('desk_letters_total{kind="invoice",place="caf\u00e9"} 3', "desk_files 3.5", 'desk_reading_seconds_bucket{le="1.0"} 1', "desk_reading_seconds_count 2"):
                self.assertIn(line + "\n", text)
            self.assertIn('{trace_id="9f2c"}', runtime.metrics_text(openmetrics=True))
            with self.assertRaises(qloader.ExistsError):
                registry.gauge("desk_letters", "another")
            for wrong in (lambda: letters.inc(), lambda: letters.labels("one"), lambda: registry.counter("9", ""), lambda: letters.labels("a", "b").inc(-1),
                          lambda: registry.histogram("desk_x", "x", bounds=[2, 1])):
                with self.assertRaises(qloader.InvalidError):
                    wrong()
        with self.assertRaises(qloader.ClosedError):
            open_files.set(1)
        with qloader.Runtime(threads=1) as runtime, self.assertRaises(qloader.InvalidError):
            runtime.registry.counter("desk_letters", "metrics are off")

    def test_a_token_is_asked_for(self):
        with qloader.Runtime(threads=1, metrics=True) as runtime, runtime.serve_metrics(token="s3cret") as server:
            url = "http://127.0.0.1:%d/metrics" % server.port
            with self.assertRaises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(url, timeout=30)
            self.assertEqual(raised.exception.code, 401)
            raised.exception.close()
            request = urllib.request.Request(url, headers={"Authorization": "Bearer s3cret"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                self.assertEqual(answer.status, 200)
            with self.assertRaises(qloader.InvalidError):
                runtime.serve_metrics(address="localhost")


if __name__ == "__main__":
    support.main()
