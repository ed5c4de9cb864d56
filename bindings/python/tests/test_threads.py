"""One runtime and workspace used by several Python threads at once; other threads run while C works."""
import sys
import threading
import time

import support

import qloader


class Threads(support.Case):
    def test_many_search_while_one_ingests(self):
        workspace = self.workspace()
        workspace.ingest_source(support.DictSource({"tea": "Tea is made with hot water."}), project="p", name="first")
        counts, mistakes, done = [0] * 4, [], threading.Event()
        self.addCleanup(done.set)

        def search(number):
            try:
                while not done.is_set():
                    hits = workspace.search("how is tea made?", limit=5)
                    assert hits[0].url == "tea", hits[0]
                    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
                    counts[number] += 1
            except BaseException as error:
                mistakes.append(error)

        threads = [threading.Thread(target=search, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        source, reports = support.DictSource(support.many_texts(60)), []
        while not mistakes and (not reports or min(counts) < 2):  # a fast machine may be done before the last has begun
            reports.append(workspace.ingest_source(source, project="p", name="second", force=True))
        done.set()
        for thread in threads:
            thread.join()
        self.assertEqual((mistakes, reports[0].added), ([], 60))
        self.assertEqual([(report.listed, report.failed) for report in reports], [(60, 0)] * len(reports))

    def test_two_workspaces_ingest_at_once(self):
        runtime = qloader.Runtime()
        reports = {}

        def ingest(name):
            with qloader.Workspace(data_dir=self.path(name), runtime=runtime) as workspace:
                reports[name] = workspace.ingest_source(support.DictSource(support.many_texts(15)), project="p", name=name).added

        threads = [threading.Thread(target=ingest, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(reports, {"one": 15, "two": 15})

    def test_other_threads_run_while_c_works(self):
        """After the fetch of the only document the ingest calls Python now and then, to ask whether it shall stop, and each of these calls lets another
        thread count once. What that counts beyond, it counts while C works."""
        workspace = self.workspace(runtime=qloader.Runtime(threads=1))
        ticks, calls, done = [0], [0], threading.Event()
        self.addCleanup(done.set)
        self.addCleanup(sys.setprofile, None)

        def tick():
            while not done.is_set():
                time.sleep(0.001)
                ticks[0] += 1

        class Source(support.DictSource):
            def fetch(inner, item):
                document = super().fetch(item)
                inner.begin = ticks[0] - calls[0]
                return document

        def call(frame, event, _):
            calls[0] += event == "call"

        ticker = threading.Thread(target=tick)
        ticker.start()
        beyond, texts = 0, 20
        while beyond < 10 and texts < 2000:  # a fast machine gets a longer document
            source = Source({"all": "\n\n".join(support.many_texts(texts).values())})
            sys.setprofile(call)
            report = workspace.ingest_source(source, project="p", name="n")
            beyond = ticks[0] - calls[0] - source.begin
            sys.setprofile(None)
            self.assertEqual(report.failed, 0)
            texts *= 2
        done.set()
        ticker.join()
        self.assertGreaterEqual(beyond, 10)

    def test_closing_while_others_search(self):
        """Calls under way end as they would have; later ones are refused; nobody uses what was freed."""
        for _ in range(5):
            workspace = qloader.Workspace(data_dir=self.path("data"))
            workspace.ingest_source(support.DictSource({"tea": "Tea is hot."}), project="p", name="n")
            outcomes = []

            def search():
                try:
                    while True:
                        assert workspace.search("tea", mode="sparse")[0].url == "tea"
                except BaseException as error:
                    outcomes.append(type(error))

            threads = [threading.Thread(target=search) for _ in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(0.05)
            workspace.close()
            workspace.close()
            for thread in threads:
                thread.join()
            self.assertEqual(outcomes, [qloader.ClosedError] * 4)
            self.assertTrue(workspace.closed)

    def test_log_comes_one_line_at_a_time(self):
        inside, most, lines = [0], [0], []

        def log(level, subsystem, message):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.001)
            lines.append((level, subsystem, message))
            inside[0] -= 1

        repository = self.repository("repo", {"a.md": "Tea is hot.\n"})
        self.configure('sources:\n  git:\n    repo:\n      base_url: "file://%s"\n      include_paths: ["*.md"]\n' % repository)
        with qloader.Runtime(log=log) as runtime:

            def ingest(number):
                with qloader.Workspace(self.path("kb"), data_dir=self.path("data%d" % number), runtime=runtime) as workspace:
                    workspace.ingest()

            threads = [threading.Thread(target=ingest, args=(number,)) for number in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(most, [1])
        self.assertEqual(len([line for line in lines if line[:2] == (qloader.LogLevel.INFO, "git")]), 3)


if __name__ == "__main__":
    support.main()
