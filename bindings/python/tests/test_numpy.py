"""numpy's scalars and arrays are taken where Python's are. Skipped, and shown as such, where numpy is not installed."""
import datetime
import sys

import support

import qloader

try:
    import numpy
except ImportError:
    print("skipped: numpy is not installed for %s (Debian: python3-numpy)" % sys.executable)
    sys.exit(support.SKIPPED_EXIT)


class Rows:
    """A table, as a program that works with numpy has it."""

    texts = ["Tea is hot.", "Coffee is black.", "The okapi hides."]
    numbers = numpy.array([7, 8, 9], dtype=numpy.int32)
    weights = numpy.array([[0.5, 1.5], [2.5, 3.5], [4.5, 5.5]])
    days = numpy.array(["2024-01-01T00:00:00.250", "2024-01-02", "NaT"], dtype="datetime64[ns]")

    def items(self):
        for row, number in enumerate(self.numbers):
            yield qloader.Item("row:%d" % row, version=str(number), size_bytes=number)

    def fetch(self, item):
        row = int(item.url.split(":")[1])
        content = numpy.frombuffer(self.texts[row].encode(), dtype=numpy.uint8)
        if row == 1:
            content = numpy.repeat(content, 2)[::2]  # not contiguous
        metadata = {"number": self.numbers[row], "weights": self.weights[row], "day": numpy.bool_(True)}
        return qloader.Document(content, content_type="txt", metadata=metadata, updated_at=self.days[row])


class Numpy(support.Case):
    def test_a_table_becomes_documents(self):
        workspace = self.workspace(runtime=qloader.Runtime(threads=numpy.int64(2)))
        report = workspace.ingest_source(Rows(), project="p", name="rows")
        self.assertEqual((report.added, report.failed), (3, 0))
        hits = {hit.url: hit for hit in workspace.search("tea coffee okapi", limit=numpy.int16(3))}
        self.assertEqual([hits["row:%d" % row].text.strip() for row in range(3)], Rows.texts)
        self.assertEqual(hits["row:0"].document_metadata["number"], 7)
        self.assertEqual(hits["row:1"].document_metadata["weights"], [2.5, 3.5])
        self.assertIs(hits["row:1"].document_metadata["day"], True)
        self.assertEqual(hits["row:0"].updated_at, datetime.datetime(2024, 1, 1, 0, 0, 0, 250000, tzinfo=datetime.timezone.utc))
        self.assertIsNone(hits["row:2"].updated_at)
        found = workspace.search("tea coffee", since=numpy.datetime64("2024-01-02"), until=numpy.datetime64("2024-01-02T23:59:59"))
        self.assertEqual([hit.url for hit in found], ["row:1"])

    def test_arrays_of_wider_numbers_are_no_content(self):
        class Wide(support.DictSource):
            def fetch(self, item):
                return qloader.Document(numpy.zeros(4))

        with self.assertRaisesRegex(TypeError, "single bytes"):
            self.workspace().ingest_source(Wide({"a": ""}), project="p", name="n")


if __name__ == "__main__":
    support.main()
