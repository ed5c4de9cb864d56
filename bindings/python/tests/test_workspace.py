"""A configured folder, ingested and searched: reports, events, progress, hits, filters, the JSON functions."""
import datetime
import json
import logging
import os

import support

import qloader


class Workspace(support.Case):
    def setUp(self):
        super().setUp()
        self.configure()
        self.write("kb/docs/cats.md", "# Pets\n\nThe cat sleeps on the warm sofa all day.\n")
        self.write("kb/docs/soup.txt", "Boil the carrots for twenty minutes, then add salt and pepper.\n")
        self.write("kb/docs/sub/git.md", "# Version control\n\nUse a branch for every feature, then open a pull request.\n")

    def open(self, **options):
        workspace = qloader.Workspace(self.path("kb"), **options)
        self.addCleanup(workspace.close)
        return workspace

    def test_ingest_tells_what_it_does(self):
        events, progress = [], []
        report = self.open().ingest(event=events.append, progress=progress.append)
        self.assertEqual((report.sources, report.listed, report.added, report.failed), (1, 3, 3, 0))
        self.assertEqual({(event.action, os.path.basename(event.url)) for event in events},
                         {(qloader.IngestAction.ADD, name) for name in ("cats.md", "soup.txt", "git.md")})
        self.assertEqual(progress[-1].phase, qloader.IngestPhase.SOURCE_DONE)
        self.assertEqual((progress[-1].source, progress[-1].documents_done, progress[-1].documents_total), ("docs", 3, 3))
        self.assertEqual(progress[-1].bytes_done, report.bytes)

    def test_second_ingest_and_changes(self):
        workspace = self.open()
        workspace.ingest()
        self.assertEqual(workspace.ingest().unchanged, 3)
        os.unlink(self.path("kb/docs/soup.txt"))
        self.write("kb/docs/cats.md", "# Pets\n\nThe cat left.\n")
        events = []
        report = workspace.ingest(dry_run=True, event=events.append)
        self.assertEqual((report.added, report.changed, report.deleted, report.chunks), (0, 1, 1, 0))
        self.assertEqual({event.action for event in events}, {qloader.IngestAction.CHANGE, qloader.IngestAction.DELETE})
        report = workspace.ingest()
        self.assertEqual((report.changed, report.deleted, report.unchanged), (1, 1, 1))
        self.assertEqual(workspace.ingest(force=True).changed, 2)

    def test_filters_and_prune(self):
        workspace = self.open()
        self.assertEqual(workspace.ingest(source="docs", source_type="LOCALFILE", project="default").added, 3)
        with self.assertRaises(qloader.NotFoundError):
            workspace.ingest(source="other")
        with self.assertRaises(qloader.InvalidError):
            workspace.ingest(prune=True, source="docs")
        workspace.close()
        os.mkdir(self.path("kb", "new"))
        self.configure('sources:\n  localfile:\n    new:\n      base_url: "file://%s"\n' % self.path("kb", "new"))
        self.assertEqual(self.open().ingest(prune=True).deleted, 3)

    def test_hits(self):
        workspace = self.open()
        workspace.ingest()
        results = workspace.search("where does the kitten rest?")
        self.assertIsInstance(results, qloader.Results)
        hit = results[0]
        self.assertEqual((hit.rank, hit.url, hit.title), (1, "file://" + self.path("kb/docs/cats.md"), "cats.md"))
        self.assertEqual((hit.section_path, hit.content_type, hit.project, hit.source_type, hit.source), ("Pets", "md", "default", "localfile", "docs"))
        self.assertIn("warm sofa", hit.text)
        self.assertAlmostEqual(hit.score, hit.part_dense + hit.part_sparse, places=6)
        self.assertEqual(hit.metadata["parent_document_id"], hit.document_id)
        self.assertEqual(hit.document_metadata["file_name"], "cats.md")
        age = datetime.datetime.now(datetime.timezone.utc) - hit.updated_at
        self.assertLess(abs(age), datetime.timedelta(minutes=5))
        with open(self.path("kb/docs/cats.md"), "rb") as file:
            self.assertEqual(file.read()[hit.source_begin : hit.source_end].decode(), hit.text)
        with self.assertRaises(AttributeError):
            hit.rank = 2

    def test_results_are_a_sequence(self):
        workspace = self.open()
        workspace.ingest()
        results = workspace.search("cat soup branch", limit=3)
        self.assertEqual(len(results), 3)
        self.assertEqual([hit.rank for hit in results], [1, 2, 3])
        self.assertEqual(results[-1], results[2])
        self.assertEqual([hit.rank for hit in results[::-1]], [3, 2, 1])
        self.assertIn(results[1], results)
        self.assertEqual(list(reversed(results))[0].rank, 3)
        for index in (3, -4):
            with self.assertRaises(IndexError):
                results[index]
        text = json.loads(results.json())
        self.assertEqual([hit["url"] for hit in text["hits"]], [hit.url for hit in results])
        self.assertEqual(text["query"], "cat soup branch")
        kept = results[0]
        with results:
            pass
        with self.assertRaises(qloader.ClosedError):
            results[0]
        with self.assertRaises(qloader.ClosedError):
            results.json()
        self.assertEqual(kept.rank, 1)

    def test_search_options(self):
        workspace = self.open()
        workspace.ingest()
        sparse = workspace.search("carrots", mode="sparse")
        self.assertEqual([os.path.basename(hit.url) for hit in sparse], ["soup.txt"])
        dense = workspace.search("carrots", mode=qloader.SearchMode.DENSE)
        self.assertEqual({hit.rank_sparse for hit in dense}, {0})
        self.assertEqual([os.path.basename(hit.url) for hit in workspace.search("cat", path_prefix="sub/")], ["git.md"])
        now = datetime.datetime.now(datetime.timezone.utc)
        hour = datetime.timedelta(hours=1)
        self.assertEqual(len(workspace.search("cat", since=now - hour, until=now + hour)), 3)
        self.assertEqual(len(workspace.search("cat", since=datetime.datetime.now() - hour)), 3)  # naive: local time
        self.assertEqual(len(workspace.search("cat", until=int((now + hour).timestamp() * 1000))), 3)
        for options in ({"until": now - hour}, {"since": now + hour}, {"project": "none"}, {"source_type": "git"}, {"source": "none"}):
            with self.subTest(options), self.assertRaises(qloader.NotFoundError):
                workspace.search("cat", **options)

    def test_init_info_projects_config(self):
        workspace = self.open()
        workspace.init()
        self.assertEqual(workspace.info()["documents"], 0)
        workspace.ingest()
        info = workspace.info()
        self.assertEqual((info["documents"], info["dims"], info["store"]), (3, 384, "embedded"))
        (project,) = workspace.projects(status=True, check=True)
        self.assertEqual((project["project_id"], project["document_count"], project["sources"][0]["ready"]), ("default", 3, True))
        (project,) = workspace.projects("default")
        self.assertNotIn("document_count", project)
        self.assertNotIn("ready", project["sources"][0])
        self.assertNotIn("reachable", workspace.projects(reach=True)[0]["sources"][0])  # it is on this machine
        with self.assertRaises(qloader.NotFoundError):
            workspace.projects("other")
        self.assertIn("localfile", json.dumps(workspace.config()))
        self.assertIn("localfile:", workspace.config_yaml())
        workspace.init(force=True)
        self.assertEqual(workspace.info()["documents"], 0)

    def test_check_and_describe(self):
        workspace = self.open()
        verdict = workspace.check()
        self.assertEqual((verdict["supported"]["ready"], verdict["model"]["ready"], verdict["index"]["there"]), (True, True, False))
        workspace.ingest()
        index = workspace.check()["index"]
        self.assertEqual((index["ready"], index["whole"], index["documents"]), (True, None, 3))
        self.assertTrue(workspace.check(whole=True)["index"]["whole"])
        with qloader.Runtime() as runtime:
            facts = runtime.describe()
        self.assertEqual(facts["version"], qloader.__version__)
        self.assertGreaterEqual(facts["machine"]["cores"], facts["machine"]["cores_usable"])
        self.assertIn("git", [module["name"] for module in facts["modules"]])

    def test_other_ways_to_open(self):
        os.rename(self.path("kb/config.yaml"), self.path("elsewhere.yaml"))
        self.write("secrets.env", "UNUSED=1\n")
        options = dict(config_path=self.path("elsewhere.yaml"), env_path=self.path("secrets.env"), data_dir=self.path("index"),
                       model_dir=os.environ["QLOADER_MODEL_DIR"], precision="fp32")
        with qloader.Workspace(**options) as workspace:
            self.assertEqual(workspace.ingest().added, 3)
        self.assertTrue(os.path.exists(self.path("index", "qloader.db")))

    def test_lenient(self):
        self.configure('colour: blue\nsources:\n  localfile:\n    docs:\n      base_url: "file://%s"\n' % self.path("kb", "docs"))
        with self.assertRaises(qloader.ConfigError):
            self.open()
        lines = []
        with qloader.Runtime(log=lambda *line: lines.append(line)) as runtime:
            self.open(lenient=True, runtime=runtime)
        (warning,) = [line for line in lines if "colour" in line[2]]
        self.assertEqual(warning[0], qloader.LogLevel.WARNING)

    def test_log_to_a_logger_and_profile(self):
        self.configure('colour: blue\nsources:\n  localfile:\n    docs:\n      base_url: "file://%s"\n' % self.path("kb", "docs"))
        logger = logging.getLogger("qloader.test")
        with self.assertLogs(logger, "WARNING") as logged, qloader.Runtime(log=logger, profile=True, threads=1) as runtime:
            workspace = self.open(lenient=True, runtime=runtime)
            workspace.ingest()
            self.assertEqual(runtime.stats()["counters"]["documents"], 3)
        self.assertIn("colour", "\n".join(logged.output))

    def test_names_of_any_bytes_come_out_as_they_are(self):
        name = os.fsencode(self.path("kb/docs")) + b"/odd-\xff.md"
        with open(name, "w") as file:
            file.write("The okapi hides.\n")
        workspace = self.open()
        workspace.ingest()
        self.assertIn("odd-", workspace.search("okapi")[0].url)
        self.assertEqual(workspace.search("okapi")[0].document_metadata["file_name"][:4], "odd-")
        with qloader.Workspace(os.fsencode(self.path("kb"))) as same:
            self.assertEqual(same.info()["documents"], 4)

    def test_modules_are_found_grammar_and_git(self):
        """Code is cut along its functions, and a repository is read: both come from modules that the library opens by itself."""
        code = "def boil_water(kettle):\n    '''Heats the kettle.'''\n    return kettle.heat(100)\n" + "\n# filler\n" * 200
        repository = self.repository("repo", {"tea.py": code})
        self.configure('sources:\n  git:\n    repo:\n      base_url: "file://%s"\n      include_paths: ["**/*.py", "*.py"]\n' % repository)
        workspace = self.open()
        self.assertEqual(workspace.ingest().added, 1)
        self.assertIn("boil_water", workspace.search("kettle", mode="sparse")[0].section_path)


if __name__ == "__main__":
    support.main()
