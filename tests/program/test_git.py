"""A git repository as a source: real commits, incremental runs, branches, dates and authors of the path, names of any bytes."""
import os
import subprocess
import unittest

import harness


class Git(harness.Case):
    def setUp(self):
        super().setUp()
        self.repo = os.path.join(self.ws.dir, "repo")
        os.mkdir(self.repo)
        self.git("init", "-q", "-b", "main")
        self.configure()

    def configure(self, extra=""):
        self.ws.configure("sources:\n  git:\n    code:\n      base_url: \"file://%s\"\n      branch: main\n      depth: 0\n%s" % (self.repo, extra))

    def git(self, *words, date="2024-03-01T12:00:00+00:00", author="Ada <ada@example.com>"):
        name, mail = author[:-1].split(" <")
        env = dict(os.environ, GIT_AUTHOR_NAME=name, GIT_AUTHOR_EMAIL=mail, GIT_COMMITTER_NAME=name, GIT_COMMITTER_EMAIL=mail, GIT_AUTHOR_DATE=date,
                   GIT_COMMITTER_DATE=date, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null")
        return subprocess.run(["git", "-C", self.repo, *words], check=True, capture_output=True, text=True, env=env).stdout

    def put(self, name, text):
        path = os.path.join(os.fsencode(self.repo), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text.encode() if isinstance(text, str) else text)

    def commit(self, **when):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "change", **when)

    def test_follows_commits(self):
        self.put("a.md", "# A\n\nThe aardvark digs.\n")
        self.put("src/b.py", "def badger():\n    return 'burrow'\n")
        self.commit()
        self.assertEqual(self.ws.ingest()["added"], 2)
        self.put("a.md", "# A\n\nThe antelope runs.\n")
        self.put("c.md", "The camel is new.\n")
        os.unlink(os.path.join(self.repo, "src/b.py"))
        self.commit(date="2024-05-01T12:00:00+00:00", author="Bob <bob@example.com>")
        report = self.ws.ingest()
        self.assertEqual((report["changed"], report["added"], report["deleted"]), (1, 1, 1))
        self.assertEqual(self.ws.ingest()["unchanged"], 2)
        hit = self.ws.search("antelope")[0]
        self.assertTrue(hit["url"].endswith("/blob/main/a.md"), hit["url"])
        self.assertEqual(hit["document_metadata"]["last_commit_author"], "Bob")
        self.assertTrue(hit["created_at"].startswith("2024-03-01T12:00:00"), hit["created_at"])
        self.assertTrue(hit["updated_at"].startswith("2024-05-01T12:00:00"), hit["updated_at"])

    def test_an_object_format_without_a_value_is_told(self):
        self.put("a.md", "The aardvark digs.\n")
        self.commit()
        with open(os.path.join(self.repo, ".git", "config"), "a") as f:
            f.write("[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectformat\n")
        done = self.ws.run("ingest")
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("a setting has no value", done.stderr)

    def test_a_commit_written_anew_changes_what_is_said_of_a_file_and_not_its_passages(self):
        self.put("a.md", "# A\n\nThe aardvark digs.\n")
        self.commit()
        self.ws.ingest()
        before = self.ws.search("aardvark")[0]
        self.git("commit", "-q", "--amend", "-m", "better words", "--reset-author", date="2025-01-01T12:00:00+00:00", author="Eve <eve@example.com>")
        report = self.ws.ingest()
        self.assertEqual((report["unchanged"], report["changed"], report["tokens"]), (1, 0, 0))
        after = self.ws.search("aardvark")[0]
        said = after["document_metadata"]
        self.assertEqual((said["last_commit_author"], said["last_commit_message"]), ("Eve", "better words"))
        self.assertEqual(said["file_name"], "a.md")
        self.assertTrue(after["updated_at"].startswith("2025-01-01T12:00:00"), after["updated_at"])
        self.assertEqual(after["text"], before["text"])
        self.assertEqual(len(self.ws.search("aardvark", "--path", "a.md")), 1)

    def test_uncommitted_files_and_other_branches_stay_out(self):
        self.put("a.md", "on main\n")
        self.commit()
        self.git("checkout", "-q", "-b", "other")
        self.put("b.md", "on other\n")
        self.commit()
        self.git("checkout", "-q", "main")
        self.put("draft.md", "not committed\n")
        self.assertEqual(self.ws.ingest()["listed"], 1)

    def test_names_of_any_bytes(self):
        for name in (b"caf\xc3\xa9.md", b"latin\xe9.md", b"tab\there.md", b'quote".md', b"new\nline.md"):
            self.put(name, "okapi\n")
        self.commit()
        self.assertEqual(self.ws.ingest()["added"], 5)
        self.assertEqual(self.ws.ingest()["unchanged"], 5)

    def test_symlinks_and_submodule_like_entries_are_skipped(self):
        self.put("a.md", "text\n")
        os.symlink("/etc/passwd", os.path.join(self.repo, "link.md"))
        self.commit()
        report = self.ws.ingest("--verbose")
        self.assertEqual(report["added"], 1)
        self.assertTrue([e for e in report["events"] if e["action"] == "skip" and "link.md" in e["url"]])

    def test_include_exclude_and_types(self):
        for name in ("docs/a.md", "docs/sub/b.md", "README.md", "node_modules/x/c.md", "src/d.py", "e.txt"):
            self.put(name, "text\n")
        self.commit()
        self.configure("      include_paths: ['docs/**/*', 'README.md', 'node_modules/**/*']\n      exclude_paths: ['**/node_modules/**']\n      file_types: ['*.md']\n")
        urls = sorted(e["url"].split("/blob/main/")[1] for e in self.ws.ingest("--verbose")["events"] if e["action"] == "add")
        self.assertEqual(urls, ["README.md", "docs/a.md", "docs/sub/b.md"])

    def test_missing_repository_and_branch_are_told(self):
        self.put("a.md", "text\n")
        self.commit()
        self.ws.configure("sources:\n  git:\n    code:\n      base_url: \"file://%s/nowhere\"\n      branch: main\n" % self.repo)
        done = self.ws.run("ingest")
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("nowhere", done.stderr)
        self.ws.configure("sources:\n  git:\n    code:\n      base_url: \"file://%s\"\n      branch: nosuch\n" % self.repo)
        done = self.ws.run("ingest")
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("nosuch", done.stderr)

    def test_a_damaged_repository_fails_alone(self):
        self.put("a.md", "text\n")
        self.commit()
        blob = self.git("rev-parse", "HEAD:a.md").strip()
        path = os.path.join(self.repo, ".git", "objects", blob[:2], blob[2:])
        os.chmod(path, 0o644)
        with open(path, "wb") as f:
            f.write(b"garbage")
        self.ws.write("b.md", "# vector\n")
        self.ws.configure("sources:\n  git:\n    code:\n      base_url: \"file://%s\"\n      branch: main\n"
                          "  localfile:\n    docs:\n      base_url: \"file://%s\"\n" % (self.repo, self.ws.docs))
        done = self.ws.run("ingest")
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("git/code", done.stderr)
        self.assertEqual(len(self.ws.search("vector")), 1)


if __name__ == "__main__":
    harness.main()
