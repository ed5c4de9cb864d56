"""Failures of the library as exceptions: the class of the kind, with what the library knows."""
import datetime
import os
import pickle
import subprocess
import sys

import support

import qloader


class Errors(support.Case):
    def test_not_found(self):
        with self.assertRaises(qloader.NotFoundError) as raised:
            qloader.Workspace(self.path("none"))
        self.assertEqual((raised.exception.kind, raised.exception.status), (qloader.StatusKind.NOTFOUND, -4))
        self.assertIn(self.path("none"), raised.exception.message)
        with self.assertRaises(qloader.NotFoundError):
            self.workspace().search("nothing was ever ingested")

    def test_config_problems_are_all_there(self):
        self.configure("sources:\n  localfile:\n    docs:\n      base_url: 12\n      colour: blue\n")
        with self.assertRaises(qloader.ConfigError) as raised:
            qloader.Workspace(self.path("kb"))
        self.assertGreaterEqual(len(raised.exception.problems), 2)
        for problem in raised.exception.problems:
            self.assertRegex(problem, r"config\.yaml:\d+:\d+: ")

    def test_invalid_arguments_are_value_errors(self):
        workspace = self.workspace()
        wrong = [
            lambda: qloader.Workspace(self.path("a"), config_path=self.path("b")),
            lambda: qloader.Workspace(data_dir=self.path("data"), precision="fp17"),
            lambda: qloader.Workspace("a\0b"),
            lambda: qloader.Runtime(threads=-1),
            lambda: qloader.Runtime(threads=2**32 + 1),
            lambda: qloader.Runtime().stats(),
            lambda: workspace.search("x", limit=1001),
            lambda: workspace.search("x", limit=2**32 + 5),
            lambda: workspace.search("x", since=2**63),
            lambda: workspace.search("x", mode=7),
            lambda: workspace.search("x", mode="nearest"),
            lambda: workspace.ingest(),  # without a configuration
            lambda: workspace.ingest_source(support.DictSource({}), project="", name="n"),
            lambda: workspace.ingest_source(support.DictSource({}), project="p", name="n", source_type="a\0b"),
        ]
        for number, call in enumerate(wrong):
            with self.subTest(number), self.assertRaises(ValueError) as raised:
                call()
            self.assertIsInstance(raised.exception, qloader.InvalidError)
        with self.assertRaises(TypeError):
            workspace.search(b"bytes")
        with self.assertRaises(TypeError):
            workspace.search("x", limit=1.5)
        for wrong_time in (datetime.date(2020, 1, 1), "2020-01-01"):
            with self.assertRaisesRegex(TypeError, "since is a (date|str), where a datetime"):
                workspace.search("x", since=wrong_time)
        with self.assertRaisesRegex(ValueError, r"limit is -1, not in 1\.\.1000"):
            workspace.search("x", limit=-1)
        with self.assertRaisesRegex(ValueError, r"Runtime\(profile=True\)"):
            qloader.Runtime().stats()
        with self.assertRaises(qloader.LimitError):
            qloader.Runtime(threads=1000000)

    def test_what_is_no_function_is_refused_at_once(self):
        with self.assertRaisesRegex(TypeError, "log is a int"):
            qloader.Runtime(log=5)
        with qloader.Runtime() as runtime:
            for register in (runtime.register_source, runtime.register_converter, runtime.register_chunker, runtime.register_reranker):
                with self.subTest(register.__name__), self.assertRaisesRegex(TypeError, "is a int, where a function"):
                    register("x", 5)
            embedder = type("Letters", (), {"model": "letters", "dims": 26, "embed": 5})()
            with self.assertRaisesRegex(TypeError, "embedder.embed is a int, where a function"):
                runtime.register_embedder("x", embedder)

    def test_index_that_is_not_there(self):
        workspace = self.workspace()
        workspace.ingest_source(support.DictSource({"a": "Tea is hot."}), project="p", name="n")
        with self.assertRaisesRegex(IndexError, "there is no hit 9: the search found 1"):
            workspace.search("tea")[9]

    def test_with_a_closed_object(self):
        runtime = qloader.Runtime(metrics=True)
        workspace = self.workspace(runtime=runtime)
        workspace.ingest_source(support.DictSource({"a": "Tea is hot."}), project="p", name="n")
        for thing in (workspace.search("tea"), runtime.serve_metrics(), workspace, runtime):
            thing.close()
            with self.subTest(thing), self.assertRaisesRegex(qloader.ClosedError, "is closed"):
                with thing:
                    self.fail("entered")

    def test_empty_query_is_invalid(self):
        workspace = self.workspace()
        workspace.ingest_source(support.DictSource({"a": "Tea is hot."}), project="p", name="n")
        with self.assertRaises(qloader.InvalidError):
            workspace.search("")

    def test_unsupported_store_by_name(self):
        self.configure('global:\n  qdrant:\n    url: "http://127.0.0.1:1"\n    collection_name: "c"\nsources:\n  localfile:\n    docs:\n'
                       '      base_url: "file://%s"\n' % self.path("kb", "docs"))
        with qloader.Workspace(self.path("kb")) as workspace, self.assertRaises(qloader.UnsupportedError) as raised:
            workspace.search("x")
        self.assertIn("Qdrant", str(raised.exception))

    def test_partial_has_the_report(self):
        self.configure("sources:\n  localfile:\n    docs:\n      base_url: \"file://%s\"\n    gone:\n      base_url: \"file://%s\"\n"
                       % (self.path("kb", "docs"), self.path("kb", "gone")))
        self.write("kb/docs/a.md", "Tea is hot.\n")
        events = []
        with qloader.Workspace(self.path("kb")) as workspace, self.assertRaises(qloader.PartialError) as raised:
            workspace.ingest(event=events.append)
        report = raised.exception.report
        self.assertEqual((report.added, report.sources, report.sources_failed), (1, 2, 1))
        failure = [event for event in events if event.action == qloader.IngestAction.SOURCE_FAIL]
        self.assertEqual(failure[0].failure, qloader.NotFoundError)
        self.assertEqual([event.failure for event in events if event.action == qloader.IngestAction.ADD], [None])

    def test_another_process_ingests(self):
        """Busy, across processes: the other one is held in its own listing."""
        code = (
            "import sys, support, qloader\n"
            "class Slow(support.DictSource):\n"
            "    def fetch(self, item):\n"
            "        print('in', flush=True); sys.stdin.read(); return super().fetch(item)\n"
            "qloader.Workspace(data_dir=sys.argv[1]).ingest_source(Slow({'a': 'Tea.'}), project='p', name='n')\n"
        )
        env = dict(os.environ, PYTHONPATH=support.PACKAGE_DIR + os.pathsep + support.HERE)
        other = subprocess.Popen([sys.executable, "-c", code, self.path("data")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        try:
            self.assertEqual(other.stdout.readline(), b"in\n")
            with self.assertRaises(qloader.BusyError):
                self.workspace().ingest_source(support.DictSource({"b": "Coffee."}), project="p", name="m")
        finally:
            other.communicate(timeout=60)
        self.assertEqual(other.returncode, 0)
        self.workspace().ingest_source(support.DictSource({"b": "Coffee."}), project="p", name="m")

    def test_damaged_index(self):
        workspace = self.workspace()
        workspace.ingest_source(support.DictSource({"a": "Tea is hot."}), project="p", name="n")
        workspace.close()
        with open(self.path("data", "qloader.db"), "r+b") as file:
            file.write(b"no database" * 10)
        with self.assertRaises(qloader.CorruptError):
            self.workspace().search("tea")
        self.workspace().init(force=True)
        with self.assertRaises(qloader.NotFoundError):
            self.workspace().search("tea")

    def test_exceptions_survive_pickling(self):
        error = qloader.NetworkError("no answer", http_code=429, retry_after_ms=1500)
        copy = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(copy), str(copy), copy.http_code, copy.retry_after_ms, copy.status),
                         (qloader.NetworkError, "no answer", 429, 1500, -13))


if __name__ == "__main__":
    support.main()
