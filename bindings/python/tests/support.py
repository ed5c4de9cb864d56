"""What the tests share: where things are, a workspace in a temporary folder, sources made of a dict.

Run by CTest, which sets the environment; by hand, see README.md of bindings/python.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE_DIR = os.path.dirname(HERE)
SOURCE_DIR = os.path.dirname(os.path.dirname(PACKAGE_DIR))
BUILD_DIR = os.environ.get("QL_BUILD_DIR", os.path.join(SOURCE_DIR, "build", "dev"))
os.environ.setdefault("QLOADER_LIBRARY", os.path.join(BUILD_DIR, "lib", "libqloader.so"))
sys.path.insert(0, PACKAGE_DIR)

import qloader  # noqa: E402  (the path comes first)

SKIPPED_EXIT = 77  # CTest shows a test that ends so as skipped


def run_python(code, *args, timeout=120, env=None, **options):
    """Runs code in an interpreter of its own, with the package on its path."""
    full = dict(os.environ, PYTHONPATH=PACKAGE_DIR + os.pathsep + HERE, **(env or {}))
    return subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=timeout, env=full, **options)


class DictSource:
    """A source whose documents are the values of a dict of url to text."""

    def __init__(self, texts):
        self.texts = texts
        self.fetched = []

    def items(self):
        for url, text in self.texts.items():
            yield qloader.Item(url, version="%08x" % zlib.crc32(repr(text).encode()))

    def fetch(self, item):
        self.fetched.append(item.url)
        return qloader.Document(self.texts[item.url], title=item.url, content_type="md")


def many_texts(count):
    """Documents long enough that an ingest of some hundreds takes seconds."""
    words = "index vector query branch commit merge table column server client token cache queue thread page block".split()
    return {
        "doc:%03d" % d: "# Document %d\n\n" % d + " ".join(words[(d * 7 + w * w) % len(words)] + str(d * w % 97) for w in range(120))
        for d in range(count)
    }


class Case(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="qloader-python-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())

    def configure(self, text=None):
        """A workspace folder kb with one source, kb/docs."""
        self.write("kb/config.yaml", text or 'sources:\n  localfile:\n    docs:\n      base_url: "file://%s"\n' % self.path("kb", "docs"))
        os.makedirs(self.path("kb", "docs"), exist_ok=True)

    def repository(self, name, files):
        """A git repository with one commit."""
        for file, text in files.items():
            self.write(os.path.join(name, file), text)
        git = ["git", "-C", self.path(name), "-c", "user.name=n", "-c", "user.email=n@example.org"]
        for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
            subprocess.run(git + command, check=True)
        return self.path(name)

    def workspace(self, **options):
        """Without configuration, for documents from Python; closed at the end of the test."""
        workspace = qloader.Workspace(data_dir=self.path("data"), **options)
        self.addCleanup(workspace.close)
        return workspace


def main():
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
