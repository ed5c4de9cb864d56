"""Sources written in Python: what they list becomes the index, their answers and their mistakes arrive."""
import datetime
import os
import threading
import time
import unittest.mock

import support

import qloader
from qloader import Document, IngestAction, Item, Skipped


class Notes(support.DictSource):
    """Counts, and can be told to answer for a url in another way."""

    def __init__(self, texts, answers=None):
        super().__init__(texts)
        self.answers = answers or {}
        self.threads = set()

    def fetch(self, item):
        self.threads.add(threading.get_ident())
        answer = self.answers.get(item.url)
        if isinstance(answer, BaseException):
            raise answer
        return answer if answer is not None else super().fetch(item)


class Source(support.Case):
    def ingest(self, source, workspace=None, **options):
        return (workspace or self.ws).ingest_source(source, project="p", name="notes", **options)

    def setUp(self):
        super().setUp()
        self.ws = self.workspace()

    def test_any_object_with_the_two_methods(self):
        self.assertIsInstance(Notes({}), qloader.Source)
        self.assertNotIsInstance(object(), qloader.Source)

    def test_add_change_delete_unchanged(self):
        source = Notes({"a": "Tea is hot.", "b": "Coffee is black.", "c": "Water."})
        report = self.ingest(source)
        self.assertEqual((report.listed, report.added), (3, 3))
        hit = self.ws.search("what is hot?", limit=1)[0]
        self.assertEqual((hit.url, hit.project, hit.source_type, hit.source), ("a", "p", "python", "notes"))
        source.texts = {"a": "Tea is hot.", "b": "Coffee is bitter."}
        source.fetched = []
        events = []
        report = self.ingest(source, event=events.append)
        self.assertEqual((report.unchanged, report.changed, report.deleted), (1, 1, 1))
        self.assertEqual(source.fetched, ["b"])
        self.assertEqual({(event.action, event.url) for event in events}, {(IngestAction.CHANGE, "b"), (IngestAction.DELETE, "c")})
        self.assertEqual(self.ingest(source, force=True).changed, 2)
        source.texts["d"] = "New."
        self.assertEqual(self.ingest(source, dry_run=True).added, 1)
        self.assertEqual(self.ws.info()["documents"], 2)

    def test_times_that_a_datetime_cannot_hold(self):
        """They are read as None, and their numbers stay."""
        latest, first_year = 2**63 - 1, -62135596800001  # a millisecond before the year 1
        self.ingest(Notes({"a": "x"}, {"a": Document("Tea is hot.", content_type="md", created_at=latest, updated_at=first_year)}))
        hit = self.ws.search("tea")[0]
        self.assertEqual((hit.created_at, hit.updated_at), (None, None))
        self.assertEqual((hit.created_at_ms, hit.updated_at_ms), (latest, first_year))

    @unittest.mock.patch.dict(os.environ, {"TZ": "Asia/Tokyo"})
    def test_local_times_at_the_ends(self):
        """Without UTC they cost their document, not the ingest; with a tzinfo they are told."""
        time.tzset()
        self.addCleanup(time.tzset)
        first = datetime.datetime.min
        answers = {"a": Document("Tea.", updated_at=first), "b": Document("Tea.", updated_at=first.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=9))))}
        events = []
        with self.assertRaises(qloader.PartialError) as raised:
            self.ingest(Notes({"a": "x", "b": "x"}, answers), event=events.append)
        self.assertEqual((raised.exception.report.failed, raised.exception.report.added), (1, 1))
        self.assertIn("updated_at is 0001-01-01 00:00:00", [event.message for event in events if event.url == "a"][0])

    def test_sources_under_other_names_are_apart(self):
        self.ingest(Notes({"a": "Tea."}))
        self.ws.ingest_source(Notes({"a": "Coffee."}), project="p", name="other", source_type="wiki")
        self.assertEqual(self.ws.info()["documents"], 2)
        self.assertEqual(self.ws.search("drink", source_type="wiki")[0].text.strip(), "Coffee.")

    def test_everything_an_item_and_a_document_can_say(self):
        moment = datetime.datetime(2024, 5, 17, 12, 30, 0, 250000, tzinfo=datetime.timezone.utc)
        seen = []

        class Full:
            def items(self):
                yield Item("note:\udcff/\u00e9", version="7", key="\x00key\udc80", size_bytes=12)
                yield Skipped("note:big", "larger than 1 MB")

            def fetch(self, item):
                seen.append(item)
                return Document(b"<h1>Tea</h1><p>Tea is hot.</p>", title="A title", content_type="html", created_at=moment, updated_at=1000,
                                metadata={"author": "\u00e9va", "when": moment, "tags": ["x", 1, None]})

        events = []
        self.ingest(Full(), event=events.append)
        self.assertEqual(seen, [Item("note:\udcff/\u00e9", version="7", key="\x00key\udc80", size_bytes=12)])
        skipped = [(event.url, event.message) for event in events if event.action == IngestAction.SKIP]
        self.assertEqual(skipped, [("note:big", "larger than 1 MB")])
        hit = self.ws.search("tea")[0]
        self.assertEqual((hit.url, hit.title, hit.content_type), ("note:\udcff/\u00e9", "A title", "html"))
        self.assertEqual((hit.created_at, hit.updated_at_ms), (moment, 1000))
        metadata = hit.document_metadata
        self.assertEqual((metadata["author"], metadata["when"], metadata["tags"]), ("\u00e9va", moment.isoformat(), ["x", 1, None]))
        self.assertNotIn("<h1>", hit.text)

    def test_content_of_every_kind_of_buffer(self):
        text = "The okapi hides."
        for number, content in enumerate((text, text.encode(), bytearray(text.encode()), memoryview(text.encode()), memoryview((text + "\0" * 16).encode())[:16])):
            self.ingest(Notes({"a": ""}, {"a": Document(content, content_type="txt")}), force=True)
            self.assertEqual(self.ws.search("okapi")[0].text.strip(), text, number)
        empty = self.ingest(Notes({"a": ""}, {"a": Document("")}), force=True)
        self.assertEqual((empty.failed, empty.changed), (0, 1))
        self.assertEqual(self.ws.info()["chunks"], 0)

    def test_large_documents_stay_whole_while_c_reads_them(self):
        """Many at once on several threads, made of memory that would be used again if nothing held it."""
        texts = {"doc%02d" % n: ("word%02d " % n) * 150 for n in range(24)}
        workspace = self.workspace(runtime=qloader.Runtime(threads=4))
        with workspace:
            report = workspace.ingest_source(Notes(texts), project="p", name="notes")
            self.assertEqual((report.added, report.failed), (24, 0))
            for n in range(24):
                self.assertEqual(workspace.search("word%02d" % n, mode="sparse", limit=1)[0].url, "doc%02d" % n)

    def test_a_qloader_error_is_an_answer(self):
        source = Notes({"a": "Tea.", "b": "Coffee.", "c": "Water."},
                       {"a": qloader.IoError("the disk\nis on fire", os_code=5), "b": qloader.NotFoundError("gone")})
        events = []
        with self.assertRaises(qloader.PartialError) as raised:
            self.ingest(source, event=events.append)
        self.assertEqual((raised.exception.report.added, raised.exception.report.failed), (1, 1))
        (failed,) = [event for event in events if event.action == IngestAction.FAIL]
        self.assertEqual((failed.url, failed.failure, failed.message), ("a", qloader.IoError, "the disk is on fire"))
        self.assertEqual(self.ws.info()["documents"], 1)

    def test_any_other_exception_ends_the_ingest_and_is_raised(self):
        for threads in (1, 2):
            mistake = LookupError("a mistake")
            texts = support.many_texts(40)
            workspace = qloader.Workspace(data_dir=self.path("data%d" % threads), runtime=qloader.Runtime(threads=threads))
            with workspace, self.assertRaises(LookupError) as raised:
                self.ingest(Notes(texts, {"doc:010": mistake}), workspace)
            self.assertIs(raised.exception, mistake)
            with workspace.runtime, qloader.Workspace(data_dir=self.path("data%d" % threads), runtime=workspace.runtime) as again:
                self.ingest(Notes(texts), again)
                self.assertEqual(again.info()["documents"], 40)

    def test_listing_that_fails_deletes_nothing(self):
        self.ingest(Notes({"a": "Tea.", "b": "Coffee."}))

        class Broken(Notes):
            def items(self):
                yield Item("a", version="x")
                raise self.answers["items"]

        for mistake in (ZeroDivisionError("mistake"), qloader.NetworkError("the server is down", http_code=503)):
            with self.assertRaises(type(mistake)) as raised:
                self.ingest(Broken({"a": "Tea."}, {"items": mistake}))
            self.assertIs(raised.exception, mistake)
            self.assertEqual(self.ws.info()["documents"], 2)

    def test_generator_is_closed_when_the_ingest_is_stopped(self):
        closed = []

        class Endless(Notes):
            def items(self):
                try:
                    number = 0
                    while True:
                        number += 1
                        yield Item("n%d" % number)
                finally:
                    closed.append(number)

        with self.assertRaises(qloader.CancelledError):
            self.ingest(Endless({}), progress=lambda progress: progress.listed > 10)
        self.assertGreater(closed[0], 10)

    def test_what_has_a_close_is_closed(self):
        """Something other than a generator: a cursor of a database, say."""
        closed = []

        class Cursor:
            def __init__(self, count):
                self.left = count

            def __iter__(self):
                return self

            def __next__(self):
                if self.left == 0:
                    raise StopIteration
                self.left -= 1
                return Item("n%d" % self.left)

            def close(self):
                closed.append(self.left)

        class Table(Notes):
            def items(self):
                return Cursor(3)

        self.ingest(Table({"n%d" % n: "Text." for n in range(3)}))
        with self.assertRaises(qloader.CancelledError):
            self.ingest(Table({}), progress=lambda progress: progress.listed > 0)
        self.assertEqual(closed, [0, 2])

    def test_what_is_no_item_and_no_document(self):
        class Odd(Notes):
            def items(self):
                return [Item("a"), self.answers["items"]]

        for odd in ("a", None, ("a", "1")):
            with self.assertRaisesRegex(TypeError, "items\\(\\) yielded a"):
                self.ingest(Odd({"a": "Tea."}, {"items": odd}))
        with self.assertRaisesRegex(TypeError, "fetch\\(\\) of Notes returned a str, not a Document"):
            self.ingest(Notes({"a": ""}, {"a": "only text"}))
        wrong = {
            "url": Item(b"a"), "version": Item("a", version=1), "size": Item("a", size_bytes=-1), "size2": Item("a", size_bytes=2**64),
        }
        for name, item in wrong.items():
            with self.subTest(name), self.assertRaises((TypeError, ValueError)):
                self.ingest(Odd({"a": "Tea."}, {"items": item}))
        for document in (Document(12), Document("x", metadata={"a": object()}), Document("x", metadata={"a": float("nan")}), Document("x", created_at="now"),
                         Document("x", title=7)):
            with self.subTest(document), self.assertRaises((TypeError, ValueError)):
                self.ingest(Notes({"a": ""}, {"a": document}))

    def test_one_thread_fetches_in_the_calling_one(self):
        source = Notes(support.many_texts(8))
        with qloader.Workspace(data_dir=self.path("one"), runtime=qloader.Runtime(threads=1)) as workspace:
            self.ingest(source, workspace)
        self.assertEqual(source.threads, {threading.get_ident()})

    def test_source_may_search_the_workspace_it_fills(self):
        self.ingest(Notes({"a": "Tea is hot."}))
        found = []

        class Curious(Notes):
            def fetch(inner, item):
                found.append(self.ws.search("hot")[0].url)
                return super().fetch(item)

        self.ingest(Curious({"a": "Tea is hot.", "b": "Coffee."}))
        self.assertEqual(found, ["a"])


if __name__ == "__main__":
    support.main()
