"""Sources, converters, chunkers, embedders and rerankers written in Python and registered on a runtime."""
import array
import gc
import math
import os
import threading
import weakref

import support

import qloader
from qloader import Block, BlockKind, Chunk, Converted, Document, IngestAction, Item


class Mistake(Exception):
    pass


def raise_it(error):
    raise error


class Words:
    """An embedder without a model: words hashed into 64 places."""

    model = "words-64"
    dims = 64

    def __init__(self):
        self.asked = []
        self.error = None

    def vector(self, text):
        row = [0.0] * self.dims
        for word in text.lower().split():
            row[sum(word.strip(".,?").encode()) % self.dims] += 1.0
        length = math.sqrt(sum(value * value for value in row))
        return [value / length for value in row] if length else [1.0] + row[1:]

    def embed(self, texts, role):
        self.asked.append((role, list(texts)))
        if self.error is not None:
            raise self.error
        return [self.vector(text) for text in texts]


class Table:
    """A source whose rows stand in the configuration."""

    opened = []

    def __init__(self, settings):
        self.rows = settings.settings["rows"]
        self.closed = 0
        Table.opened.append((settings, self))

    def items(self):
        return [Item("row:%d" % number, version=str(text)) for number, text in enumerate(self.rows)]

    def fetch(self, item):
        return Document(str(self.rows[int(item.url[4:])]), content_type="txt")

    def close(self):
        self.closed += 1


class Extensions(support.Case):
    def setUp(self):
        super().setUp()
        self.runtime = qloader.Runtime(threads=2)
        self.addCleanup(self.runtime.close)
        Table.opened.clear()

    def open(self, **options):
        return self.workspace(runtime=self.runtime, **options)

    def ingest(self, workspace, texts, content_type="md", **options):
        class Typed(support.DictSource):
            def fetch(self, item):
                return Document(self.texts[item.url], title=item.url, content_type=content_type)

        return workspace.ingest_source(Typed(texts), project="p", name="n", **options)

    def assert_raises_it(self, error, call):
        try:
            call()
        except type(error) as raised:
            self.assertIs(raised, error)
        else:
            self.fail("nothing was raised")

    def test_registering(self):
        self.runtime.register_embedder("words", Words())
        self.runtime.register_reranker("none-of-them", lambda question, hits: [0] * len(hits))
        with self.assertRaises(qloader.ExistsError):
            self.runtime.register_embedder("words", Words())
        for name in ("markdown", "html", "text"):
            with self.assertRaises(qloader.ExistsError):
                self.runtime.register_converter(name, lambda original: None)
        for name in ("", "A name", "x" * 65, "a\0b"):
            with self.assertRaises(qloader.InvalidError):
                self.runtime.register_chunker(name, lambda canonical, options: [])
        with self.assertRaises(TypeError):
            self.runtime.register_converter("csv", lambda original: None, content_types="csv")
        self.open()
        with self.assertRaises(qloader.BusyError):
            self.runtime.register_converter("late", lambda original: None)
        with self.assertRaises(qloader.NotFoundError):
            self.open(embedder="other")
        with self.assertRaises(qloader.NotFoundError):
            self.ingest(self.open(), {"a": "Tea."})
            self.open().search("tea", reranker="other")

    # --- converters ---

    def csv(self, original):
        title, *rows = original.content.decode("latin-1").splitlines()
        text, blocks, ranges, at = "", [], [], len(title) + 1
        for row in rows:
            line = row.replace(";", " \u00fcber ") + "\n"
            blocks.append(Block(BlockKind.ROW, len(text), len(text) + len(line)))
            ranges.append((len(text), len(text) + len(line), at, at + len(row)))
            text += line
            at += len(row) + 1
        section = Block(BlockKind.SECTION, 0, len(text), level=1, label=title, children=blocks)
        return Converted(text, blocks=[section], title=title, metadata={"rows": len(rows)}, ranges=ranges)

    def test_converter(self):
        seen = []
        self.runtime.register_converter("csv", lambda original: (seen.append(original), self.csv(original))[1], content_types=["csv"])
        workspace = self.open()
        content = "Dr\u00e4nke\ntea;water\nokapi;giraffe\n".encode("latin-1")
        report = self.ingest(workspace, {"a": content}, "csv")
        self.assertEqual((report.added, report.failed), (1, 0))
        self.assertEqual((seen[0].url, seen[0].title, seen[0].content_type, seen[0].content, seen[0].created_at_ms), ("a", "a", "csv", content, None))
        hit = workspace.search("okapi", mode="sparse")[0]
        self.assertEqual((hit.section_path, hit.document_metadata["rows"]), ("Dr\u00e4nke", 2))
        self.assertIn("okapi \u00fcber giraffe", hit.text)
        self.assertIn(b"okapi;giraffe", content[hit.source_begin : hit.source_end])
        self.ingest(workspace, {"a": "# Tea\n\nNot a table.\n"})
        self.assertEqual(len(seen), 1)  # other types are not its business

    def test_version_of_a_converter_makes_documents_anew(self):
        for version, changed in ((1, 0), (1, 0), (2, 1)):
            with qloader.Runtime(threads=1) as runtime:
                runtime.register_converter("csv", self.csv, content_types=["csv"], version=version)
                with qloader.Workspace(data_dir=self.path("data"), runtime=runtime) as workspace:
                    self.assertEqual(self.ingest(workspace, {"a": "T\nx;y\n"}, "csv").changed, changed)

    def test_text_as_it_is(self):
        """The original's own bytes need no ranges: the passage is where it was."""
        self.runtime.register_converter("plain", lambda original: Converted(original.content.decode()), content_types=["log"])
        workspace = self.open()
        text = "".join("line %d of the \u00fcber log\n" % n for n in range(200)) + "the okapi\n"
        self.ingest(workspace, {"a": text}, "log")
        hit = workspace.search("okapi", mode="sparse")[0]
        self.assertEqual(text.encode()[hit.source_begin : hit.source_end].decode(), hit.text)

    def test_text_from_nowhere(self):
        """Longer than the original, and no range tells where it came from."""
        self.runtime.register_converter("oracle", lambda original: Converted("The okapi hides, says the oracle."), content_types=["log"])
        workspace = self.open()
        self.assertEqual(self.ingest(workspace, {"a": "?"}, "log").added, 1)
        hit = workspace.search("okapi", mode="sparse")[0]
        self.assertLessEqual(hit.source_end, 1)

    def test_what_a_converter_may_do_wrong(self):
        wrong = {
            "none": lambda original: None,
            "surrogate": lambda original: Converted("\udc80"),
            "name": lambda original: Converted("ab", metadata={"a": object()}),
        }
        for name, convert in wrong.items():
            with qloader.Runtime(threads=2) as runtime:
                runtime.register_converter("wrong", convert, content_types=["csv"])
                with qloader.Workspace(data_dir=self.path(name), runtime=runtime) as workspace:
                    with self.subTest(name), self.assertRaises((TypeError, ValueError)):
                        self.ingest(workspace, {"a": "T"}, "csv")
        trees = {"order": [Block(BlockKind.ROW, 1, 2), Block(BlockKind.ROW, 0, 1)], "outside": [Block(BlockKind.ROW, 0, 3)]}
        for name, blocks in trees.items():  # a tree that is not sound: the document fails
            with qloader.Runtime() as runtime:
                runtime.register_converter("wrong", lambda original: Converted("ab", blocks=blocks), content_types=["csv"])
                with qloader.Workspace(data_dir=self.path(name), runtime=runtime) as workspace, self.assertRaises(qloader.PartialError):
                    self.ingest(workspace, {"a": "T"}, "csv")

    def test_answers_of_a_converter(self):
        answers = {"format": qloader.FormatError("a picture"), "io": qloader.IoError("broken"), "mistake": Mistake("convert")}
        texts = {"doc:%d" % n: "T\nx;y\n" for n in range(6)}
        for name, error in answers.items():
            with qloader.Runtime(threads=3) as runtime:
                runtime.register_converter("csv", lambda original: raise_it(error), content_types=["csv"])
                events = []
                with qloader.Workspace(data_dir=self.path(name), runtime=runtime) as workspace:
                    if name == "format":
                        self.assertEqual(self.ingest(workspace, texts, "csv", event=events.append).skipped, 6)
                        self.assertEqual({(event.action, event.message) for event in events}, {(IngestAction.SKIP, "a picture")})
                    elif name == "io":
                        with self.assertRaises(qloader.PartialError):
                            self.ingest(workspace, texts, "csv", event=events.append)
                        self.assertEqual({(event.failure, event.message) for event in events}, {(qloader.IoError, "broken")})
                    else:
                        self.assert_raises_it(error, lambda: self.ingest(workspace, texts, "csv"))

    # --- chunkers ---

    def test_chunker(self):
        seen = []

        def by_headings(canonical, options):
            seen.append((canonical, options))
            begin = 0
            for block in canonical.blocks[1:] if len(canonical.blocks) > 1 else canonical.blocks[0].children[2:]:
                yield Chunk(begin, block.begin, {"cut_by": "headings"})
                begin = block.begin
            yield Chunk(begin, len(canonical.text))

        self.runtime.register_chunker("headings", by_headings, content_types=["md"])
        workspace = self.open()
        text = "# T\u00e4\n\nFirst \u00fcber part.\n\n# Zwei\n\nThe okapi \u20ac hides.\n"
        self.assertEqual(self.ingest(workspace, {"a": text}).chunks, 2)
        canonical, options = seen[0]
        self.assertEqual((canonical.url, canonical.content_type, canonical.text), ("a", "md", text))
        section = canonical.blocks[0]
        self.assertEqual((section.kind, section.label, text[section.begin : section.end]), (BlockKind.SECTION, "T\u00e4", text[: text.index("# Zwei")]))
        self.assertEqual(section.children[0].kind, BlockKind.HEADING)
        self.assertEqual((options.unit, options.size_max > 50), ("tokens", True))
        hit = workspace.search("okapi", mode="sparse")[0]
        self.assertEqual((hit.text, hit.chunk_index, hit.section_path), ("# Zwei\n\nThe okapi \u20ac hides.\n", 1, "Zwei"))
        self.assertEqual(workspace.search("first", mode="sparse")[0].metadata["cut_by"], "headings")

    def test_what_a_chunker_may_do_wrong(self):
        error = Mistake("chunk")
        wrong = [
            (lambda canonical, options: [Chunk(0, 10**6)], qloader.InvalidError),
            (lambda canonical, options: [(0, 3)], TypeError),
            (lambda canonical, options: raise_it(error), Mistake),
            (lambda canonical, options: None, TypeError),
            (lambda canonical, options: [Chunk(0, 1)], qloader.PartialError),  # the library: it does not cover the text
            (lambda canonical, options: raise_it(qloader.LimitError("too long")), qloader.PartialError),
        ]
        for number, (chunk, expected) in enumerate(wrong):
            with qloader.Runtime(threads=2) as runtime:
                runtime.register_chunker("wrong", chunk)
                with qloader.Workspace(data_dir=self.path(str(number)), runtime=runtime) as workspace:
                    with self.subTest(number), self.assertRaises(qloader.PartialError if number == 0 else expected):
                        self.ingest(workspace, {"a": "Tea is hot."})

    # --- embedders ---

    def test_embedder(self):
        words = Words()
        self.runtime.register_embedder("words", words)
        workspace = self.open(embedder="words")
        self.assertEqual(self.ingest(workspace, {"tea": "Tea is hot.", "okapi": "The okapi hides."}).added, 2)
        self.assertEqual(workspace.search("okapi hides", mode="dense")[0].url, "okapi")
        self.assertEqual(workspace.info()["dims"], 64)
        self.assertEqual({role for role, _ in words.asked}, {qloader.EmbedRole.PASSAGE, qloader.EmbedRole.QUERY})
        self.assertEqual(words.asked[-1], (qloader.EmbedRole.QUERY, ["okapi hides"]))

    def test_vectors_in_other_forms(self):
        forms = [lambda rows: [array.array("f", row) for row in rows], lambda rows: (tuple(row) for row in rows)]
        try:
            import numpy

            forms += [lambda rows: numpy.array(rows), lambda rows: numpy.array(rows, dtype="float32"), lambda rows: numpy.array(rows).T.copy().T,
                      lambda rows: [numpy.array(row) for row in rows]]
        except ImportError:
            print("without numpy (Debian: python3-numpy)")
        found = []
        for number, form in enumerate(forms):
            words = Words()
            plain = words.embed
            words.embed = lambda texts, role: form(plain(texts, role))
            with qloader.Runtime() as runtime:
                runtime.register_embedder("words", words)
                with qloader.Workspace(data_dir=self.path(str(number)), runtime=runtime, embedder="words") as workspace:
                    self.ingest(workspace, {"tea": "Tea is hot.", "okapi": "The okapi hides."})
                    found.append([(hit.url, hit.score_dense) for hit in workspace.search("okapi hides", mode="dense")])
        self.assertEqual(found, [found[0]] * len(forms))

    def test_what_an_embedder_may_do_wrong(self):
        mistake, answer = Mistake("embed"), qloader.NetworkError("the server is down", http_code=503)
        wrong = [
            (lambda texts, role: [], ValueError), (lambda texts, role: [[1.0, 0.0]] * len(texts), ValueError), (lambda texts, role: None, TypeError),
            (lambda texts, role: [["a"] * 64] * len(texts), TypeError), (lambda texts, role: raise_it(mistake), Mistake),
            (lambda texts, role: raise_it(answer), qloader.NetworkError), (lambda texts, role: [[2.0] + [0.0] * 63] * len(texts), qloader.QloaderError),
        ]
        for number, (embed, expected) in enumerate(wrong):
            words = Words()
            with qloader.Runtime(threads=2) as runtime:
                runtime.register_embedder("words", words)
                with qloader.Workspace(data_dir=self.path("data"), runtime=runtime, embedder="words") as workspace:
                    self.ingest(workspace, {"tea": "Tea is hot."})
                    words.embed = embed
                    for call in (lambda: self.ingest(workspace, {"tea": "Tea is hot."}, force=True), lambda: workspace.search("tea")):
                        with self.subTest(number), self.assertRaises(expected) as raised:
                            call()
                        if number == 1:
                            self.assertRegex(str(raised.exception), "a vector of width 2 for text 0, not of width 64")
                        if number in (4, 5):
                            self.assertIs(raised.exception, (mistake, answer)[number - 4])
        with self.assertRaises(AttributeError):
            self.runtime.register_embedder("nothing", object())

    def test_tokens_of_an_embedder(self):
        """Chunks are as long as the embedder says: here a token is a word."""

        class Counting(Words):
            window = 20

            def starts(self, text):
                return [at for at in range(len(text)) if not text[at].isspace() and (at == 0 or text[at - 1].isspace())]

        counting = Counting()
        self.runtime.register_embedder("counting", counting)
        workspace = self.open(embedder="counting")
        self.ingest(workspace, {"a": " ".join("w\u00f6rd%d" % n for n in range(100))}, "txt")
        passages = [text for role, texts in counting.asked for text in texts]
        self.assertGreater(len(passages), 4)
        self.assertLessEqual(max(len(text.split()) for text in passages), 22)  # with its title
        error = Mistake("starts")
        counting.starts_of = counting.starts
        with qloader.Runtime(threads=2) as runtime:
            broken = Counting()
            broken.starts = lambda text: raise_it(error)
            runtime.register_embedder("counting", broken)
            with qloader.Workspace(data_dir=self.path("broken"), runtime=runtime, embedder="counting") as broken_workspace:
                self.assert_raises_it(error, lambda: self.ingest(broken_workspace, {"a": "Tea is hot."}, "txt"))

    def test_failure_of_a_search_is_no_business_of_an_ingest(self):
        """Both at once on one runtime: what a question's embedding raises is raised by the search alone."""
        words = Words()
        plain = words.embed
        mistakes, done = [], threading.Event()

        def embed(texts, role):
            if role == qloader.EmbedRole.QUERY:
                raise Mistake(texts[0])
            return plain(texts, role)

        self.runtime.register_embedder("words", words)
        words.embed = embed
        workspace = self.open(embedder="words")
        self.ingest(workspace, {"tea": "Tea."})

        def search():
            while not done.is_set() or not mistakes:
                try:
                    workspace.search("x")
                except Mistake as error:
                    mistakes.append(str(error))

        thread = threading.Thread(target=search)
        thread.start()
        report = self.ingest(workspace, {"tea": "Tea.", **{url: text[:300] for url, text in support.many_texts(200).items()}})
        done.set()
        thread.join()
        self.assertEqual((report.added, set(mistakes)), (200, {"x"}))

    # --- rerankers ---

    def test_reranker(self):
        seen = []

        def longest_first(question, hits):
            seen.append((question, [hit.url for hit in hits]))
            return [len(hit.text) for hit in hits]

        self.runtime.register_reranker("longest", longest_first)
        self.runtime.register_reranker("generator", lambda question, hits: (-hit.rank for hit in hits))
        workspace = self.open()
        self.ingest(workspace, {"short": "Tea.", "longer": "Tea is hot, and so is coffee.", "middle": "Tea is hot."})
        hits = workspace.search("tea", reranker="longest", limit=2)
        self.assertEqual([hit.url for hit in hits], ["longer", "middle"])
        self.assertEqual(hits[0].score_rerank, float(len(hits[0].text)))
        self.assertEqual((seen[0][0], len(seen[0][1])), ("tea", 3))
        workspace.search("tea", reranker="longest", limit=1, rerank_count=2)
        self.assertEqual(len(seen[1][1]), 2)
        self.assertEqual([hit.url for hit in workspace.search("tea", reranker="generator")], [hit.url for hit in workspace.search("tea")])
        self.assertEqual(workspace.search("tea")[0].score_rerank, 0)

    def test_what_a_reranker_may_do_wrong(self):
        mistake, answer = Mistake("rerank"), qloader.TimedOutError("too slow")
        wrong = {"few": lambda question, hits: [1.0], "text": lambda question, hits: ["a"] * len(hits), "nothing": lambda question, hits: None,
                 "mistake": lambda question, hits: raise_it(mistake), "answer": lambda question, hits: raise_it(answer),
                 "nan": lambda question, hits: [math.nan] * len(hits)}
        expected = {"few": ValueError, "text": TypeError, "nothing": TypeError, "mistake": Mistake, "answer": qloader.TimedOutError, "nan": qloader.QloaderError}
        for name, rerank in wrong.items():
            self.runtime.register_reranker(name, rerank)
        workspace = self.open()
        self.ingest(workspace, {"a": "Tea.", "b": "Tea is hot."})
        for name in wrong:
            with self.subTest(name), self.assertRaises(expected[name]) as raised:
                workspace.search("tea", reranker=name)
            if name in ("mistake", "answer"):
                self.assertIs(raised.exception, {"mistake": mistake, "answer": answer}[name])

    # --- types of sources ---

    def configure_tables(self, **tables):
        lines = ["sources:", "  table:"]
        for name, rows in tables.items():
            lines += ["    %s:" % name, "      rows: [%s]" % ", ".join('"%s"' % row for row in rows)]
        self.configure("\n".join(lines) + "\n")

    def open_tables(self, opener=Table):
        self.runtime.register_source("table", opener)
        workspace = qloader.Workspace(self.path("kb"), runtime=self.runtime)
        self.addCleanup(workspace.close)
        return workspace

    def test_source_of_the_configuration(self):
        os.environ["QL_TEST_DRINK"] = "coffee"
        self.addCleanup(os.environ.pop, "QL_TEST_DRINK")
        self.configure_tables(one=["tea", "${QL_TEST_DRINK}"], two=["okapi"])
        workspace = self.open_tables()
        self.assertEqual((workspace.ingest().added, workspace.ingest().unchanged), (3, 3))
        hit = workspace.search("coffee", mode="sparse")[0]
        self.assertEqual((hit.source_type, hit.source, hit.url), ("table", "one", "row:1"))
        settings = Table.opened[0][0]
        self.assertEqual((settings.project, settings.type, settings.name), ("default", "table", "one"))
        self.assertEqual(settings.settings["rows"], ["tea", "coffee"])
        self.assertEqual([source.closed for _, source in Table.opened], [1] * 4)
        (project,) = workspace.projects(check=True)
        self.assertEqual([source["ready"] for source in project["sources"]], [True, True])

    def test_one_source_that_fails_does_not_fail_the_others(self):
        class Broken(Table):
            def __init__(self, settings):
                super().__init__(settings)
                if "open" in self.rows:
                    raise qloader.ConfigError("rows must not be 'open'")

            def items(self):
                if "list" in self.rows:
                    raise qloader.NetworkError("the server is down", http_code=503)
                return super().items()

        self.configure_tables(one=["open"], three=["tea"], two=["list"])
        workspace = self.open_tables(Broken)
        events = []
        with self.assertRaises(qloader.PartialError) as raised:
            workspace.ingest(event=events.append)
        report = raised.exception.report
        self.assertEqual((report.sources, report.sources_failed, report.added), (3, 2, 1))
        failed = {event.source: (event.failure, event.message) for event in events if event.action == IngestAction.SOURCE_FAIL}
        self.assertEqual(failed["one"][0], qloader.ConfigError)
        self.assertIn("rows must not be 'open'", failed["one"][1])
        self.assertEqual(failed["two"][0], qloader.NetworkError)
        self.assertEqual([source.closed for _, source in Table.opened], [0, 1, 1])

    def test_mistakes_of_a_source_of_the_configuration(self):
        error = Mistake("source")
        openers = {"open": lambda settings: raise_it(error), "items": Table, "fetch": Table}
        for name, opener in openers.items():

            def broken(settings, name=name, opener=opener):
                source = opener(settings)
                setattr(source, name, lambda *args: raise_it(error))
                return source

            self.configure_tables(one=["tea"])
            with qloader.Runtime(threads=2) as runtime:
                runtime.register_source("table", broken)
                with qloader.Workspace(self.path("kb"), runtime=runtime) as workspace:
                    self.assert_raises_it(error, workspace.ingest)
        self.assertEqual([source.closed for _, source in Table.opened], [1, 1])  # the ends are told all the same
        with self.assertRaisesRegex(TypeError, "lacks items\\(\\) or fetch\\(\\)"):
            self.open_tables(lambda settings: object()).ingest()

    # --- lifetimes ---

    def test_what_is_registered_lives_with_the_runtime_and_no_longer(self):
        words = Words()
        runtime = qloader.Runtime(threads=1)
        runtime.register_embedder("words", words)
        words.runtime = runtime  # a cycle
        workspace = qloader.Workspace(data_dir=self.path("data"), runtime=runtime, embedder="words")
        seen = weakref.ref(words)
        runtime.close()
        del words, runtime
        gc.collect()
        self.ingest(workspace, {"tea": "Tea is hot."})
        self.assertEqual(workspace.search("tea", mode="dense")[0].url, "tea")
        workspace.close()
        del workspace
        gc.collect()
        self.assertIsNone(seen())

    def test_what_is_refused_is_not_kept(self):
        words = Words()
        self.runtime.register_embedder("words", Words())
        seen = weakref.ref(words)
        with self.assertRaises(qloader.ExistsError):
            self.runtime.register_embedder("words", words)
        del words
        gc.collect()
        self.assertIsNone(seen())


if __name__ == "__main__":
    support.main()
