"""Ingest and search as a user does them: what is added, changed, deleted, left alone, told, and with which exit code."""
import json
import os
import resource
import shutil
import signal
import subprocess
import time
import unittest

import harness


class Ingest(harness.Case):
    def test_keeps_a_log_in_the_workspace(self):
        self.ws.write("a.md", "# A\n\nText.\n")
        self.ws.write("\x1b[31mred.md", "Red.\n")
        self.ws.run("init", "--quiet")
        self.ws.run("ingest", "--dry-run")
        self.assertFalse(os.path.exists(os.path.join(self.ws.dir, "logs", "ingest.log")))
        self.ws.ingest("--quiet")
        path = os.path.join(self.ws.dir, "logs", "ingest.log")
        with open(path, "rb") as f:
            text = f.read().decode()
        self.assertIn("add: localfile/docs: file://%s/a.md" % self.ws.docs, text)
        self.assertIn("2 added", text)
        self.assertNotIn("\x1b", text)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertTrue(os.path.exists(os.path.join(self.ws.dir, "logs", "init.log")))
        with open(path, "r+") as f:
            f.truncate(11 << 20)
        self.ws.ingest()
        self.assertEqual(sorted(os.listdir(os.path.join(self.ws.dir, "logs"))), ["ingest.log", "ingest.log.1", "init.log"])
        self.assertLess(os.stat(path).st_size, 10000)
        os.unlink(path)
        os.mkfifo(path)  # nobody reads it: the run neither waits nor fails
        self.assertEqual(self.ws.run("ingest").returncode, 0)

    def test_index_and_log_are_no_documents_of_a_source_that_holds_them(self):
        self.ws.configure("sources:\n  localfile:\n    all:\n      base_url: \"file://%s\"\n      file_types: ['*.md', '*.log', '*.db']\n" % self.ws.dir)
        self.ws.write("a.md", "The okapi hides.\n")
        self.ws.write("logs/b.log", "A folder of the same name elsewhere is read.\n")
        self.assertEqual(self.ws.ingest()["added"], 2)
        report = self.ws.ingest("--verbose")
        self.assertEqual((report["unchanged"], report["added"], report["changed"]), (2, 0, 0))
        self.assertEqual(len([e for e in report["events"] if "index or logs" in e.get("message", "")]), 2)

    def test_takes_the_reference_s_options_and_a_question_from_stdin(self):
        self.ws.write("a.md", "The okapi hides.\n")
        self.assertEqual(self.ws.run("ingest", "--resume", "--no-profile").returncode, 0)
        self.assertEqual(self.ws.run("ingest", "--no-resume").returncode, 0)
        done = subprocess.run(self.ws.command("search", "--json", "-"), input="okapi\n", capture_output=True, text=True, timeout=60)
        self.assertTrue(json.loads(done.stdout)["hits"][0]["url"].endswith("a.md"))

    def test_says_which_store_and_embedder_and_why(self):
        self.ws.write("docs/a.md", "# A\n\nText.\n")
        done = self.ws.run("ingest")
        self.assertIn("embedded store: neither global.qdrant.url nor QDRANT_URL is set", done.stderr)
        self.assertIn("local model: ", done.stderr)
        self.assertEqual(self.ws.run("ingest", "--quiet").stderr, "")
        report = self.ws.ingest()
        self.assertEqual((report["store"], report["embedder"]), ("embedded", "local"))
        self.assertIn("QDRANT_URL", report["store_reason"])
        self.assertIn("local model: ", self.ws.run("search", "--verbose", "text").stderr)

    def test_finds_the_passage_by_meaning_and_by_words(self):
        self.ws.write("cats.md", "# Pets\n\nThe cat sleeps on the warm sofa all day.\n")
        self.ws.write("git.md", "# Version control\n\nUse a branch for every feature, then open a pull request.\n")
        self.ws.write("soup.txt", "Boil the carrots for twenty minutes, then add salt and pepper.\n")
        report = self.ws.ingest()
        self.assertEqual(report["added"], 3)
        self.assertTrue(self.ws.search("where does the kitten rest?")[0]["url"].endswith("cats.md"))
        hit = self.ws.search("carrots")[0]
        self.assertTrue(hit["url"].endswith("soup.txt"))
        shared = [hit["metadata"][key] for key in ("total_chunks", "parent_document_id", "parent_document_title", "parent_document_url", "project_id")]
        self.assertEqual(shared, [hit["chunk_count"], hit["document_id"], hit["title"], hit["url"], hit["project"]])

    def test_second_run_does_nothing(self):
        harness.fill(self.ws, 6)
        self.ws.ingest()
        before = self.ws.dump()
        report = self.ws.ingest()
        self.assertEqual((report["unchanged"], report["added"], report["changed"], report["deleted"], report["chunks"]), (6, 0, 0, 0, 0))
        self.assertEqual(before, self.ws.dump())

    def test_change_shrink_and_vanish(self):
        harness.fill(self.ws, 4, paragraphs=12)
        self.ws.ingest()
        self.ws.write("folder0/doc000.md", "# Short\n\nNow it says zebra.\n")
        self.ws.remove("folder1/doc001.md")
        self.ws.write("new.md", "A giraffe is new here.\n")
        report = self.ws.ingest()
        self.assertEqual((report["added"], report["changed"], report["deleted"], report["unchanged"]), (1, 1, 1, 2))
        hits = self.ws.search("zebra", "--limit", "50", "--path", "folder0/doc000")
        self.assertEqual([h["chunk_count"] for h in hits], [1])
        self.assertFalse([h for h in self.ws.search("document about vector", "--limit", "100") if "doc001" in h["url"]])
        # An index built from scratch over the same files is the same index.
        dump = self.ws.dump()
        self.ws.drop_index()
        self.ws.ingest()
        self.assertEqual(dump, self.ws.dump())

    def test_touched_file_keeps_its_chunks(self):
        self.ws.write("a.md", "Same text.\n")
        self.ws.ingest()
        os.utime(os.path.join(self.ws.docs, "a.md"), (1, 1))
        report = self.ws.ingest()
        self.assertEqual((report["unchanged"], report["changed"], report["chunks"]), (1, 0, 0))
        # Its date is the new one all the same, and the index the one that a first run would make.
        self.assertTrue(self.ws.search("text")[0]["updated_at"].startswith("1970-01-01T00:00:01"))
        dump = self.ws.dump()
        self.ws.drop_index()
        self.ws.ingest()
        self.assertEqual(dump, self.ws.dump())

    def test_a_source_taken_out_of_the_configuration(self):
        other = os.path.join(self.ws.dir, "other")
        os.mkdir(other)
        with open(os.path.join(other, "b.md"), "w") as f:
            f.write("The badger digs.\n")
        self.ws.write("a.md", "The aardvark digs.\n")
        one = "sources:\n  localfile:\n    docs:\n      base_url: \"file://%s\"\n" % self.ws.docs
        self.ws.configure(one + "    more:\n      base_url: \"file://%s\"\n" % other)
        self.ws.ingest()
        self.ws.configure(one)
        report = self.ws.ingest()
        self.assertEqual((report["deleted"], report["warnings"]), (0, 1))
        self.assertEqual([report["events"][0].get(k) for k in ("source_type", "source", "url")], ["localfile", "more", None])
        self.assertIn("--prune", report["events"][0]["message"])
        self.assertEqual(len(self.ws.search("digs")), 2)
        self.assertEqual(self.ws.run("ingest", "--source", "docs", "--prune").returncode, 2)  # a run of one source looks at no other
        self.assertEqual([e["action"] for e in self.ws.ingest("--dry-run", "--prune")["events"]], ["delete"])
        self.assertEqual(len(self.ws.search("digs")), 2)
        report = self.ws.ingest("--prune")
        self.assertEqual((report["deleted"], report["warnings"], report["sources"]), (1, 0, 1))
        self.assertEqual([h["title"] for h in self.ws.search("digs")], ["a.md"])
        self.assertEqual(self.ws.ingest()["warnings"], 0)

    def test_a_source_that_was_renamed_ends_as_a_first_run_would(self):
        source = "sources:\n  localfile:\n    %s:\n      base_url: \"file://" + self.ws.docs + "\"\n"
        self.ws.write("a.md", "The aardvark digs.\n")
        self.ws.ingest()
        self.ws.configure(source % "renamed")
        self.ws.ingest("--prune")
        dump = self.ws.dump()
        self.ws.drop_index()
        self.ws.ingest()
        self.assertEqual(dump, self.ws.dump())

    def test_nothing_is_pruned_while_a_source_cannot_be_opened(self):
        self.ws.write("a.md", "The aardvark digs.\n")
        self.ws.ingest()
        self.ws.configure("sources:\n  localfile:\n    renamed: {base_url: 'file://%s-mistyped'}\n" % self.ws.docs)
        done = self.ws.run("ingest", "--prune", "--json")
        self.assertEqual(done.returncode, 5)
        self.assertEqual(json.loads(done.stdout)["deleted"], 0)
        self.assertEqual(len(self.ws.search("digs")), 1)

    def interrupted_runs(self, *words):
        """What runs say that Ctrl-C ends at moments of the length of a whole one, each on no index: (exit code, stdout, stderr). Whoever asks for
        another one has not seen what shall be seen, which fails at the hundredth."""
        begun = time.monotonic()
        self.ws.ingest(*words)
        whole = time.monotonic() - begun
        for number in range(1, 100):
            self.ws.drop_index()
            run = subprocess.Popen(self.ws.command("ingest", *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            time.sleep(whole * (number * 0.618 % 1))  # spread evenly, however many there are
            run.send_signal(signal.SIGINT)
            out, err = run.communicate(timeout=300)
            self.assertIn(run.returncode, (0, 130, -signal.SIGINT), err)
            if run.returncode >= 0:  # else it had no handler yet
                yield run.returncode, out, err
        self.fail("no interrupt came in the middle of a run")

    def test_a_stop_keeps_the_documents_that_were_embedded(self):
        harness.fill(self.ws, 60, paragraphs=20)  # more than one batch of the embedding stage, many calls in each
        for code, out, _ in self.interrupted_runs("--threads", "1", "--json", "--verbose"):
            report = json.loads(out)
            self.assertEqual(code, 130 if report["status"] != "ok" else 0)
            told = [e["url"] for e in report["events"] if e["action"] == "add"]
            self.assertEqual(len(told), report["added"])
            self.assertEqual(told, sorted(told))
            if code == 130 and 0 < len(told) < 60:
                break
        self.assertEqual(self.ws.ingest()["unchanged"], report["added"])

    def test_a_grammar_that_is_missing_is_told_and_made_up_for(self):
        self.ws.write("a.c", "int square(int x)\n{\n    return x * x;\n}\n")
        self.ws.write("b.c", "int cube(int x)\n{\n    return x * x * x;\n}\n")
        modules = os.path.join(self.ws.dir, "no modules")
        os.mkdir(modules)
        program = os.path.join(modules, "qloader")  # a copy of program and library that has no modules beside it
        shutil.copy(harness.QLOADER, program)
        library = os.path.join(os.path.dirname(harness.QLOADER), "..", "lib")
        env = {"QLOADER_MODULE_DIR": modules}
        for name in os.listdir(library):
            if name.startswith("libqloader.so"):
                shutil.copy(os.path.join(library, name), modules)
        env["LD_LIBRARY_PATH"] = modules

        def ingest_without():
            done = subprocess.run([program, "ingest", "--json", "--workspace", self.ws.dir], capture_output=True, text=True, env=dict(os.environ, **env))
            self.assertEqual(done.returncode, 0, done.stderr)
            return json.loads(done.stdout)

        first = ingest_without()
        self.assertEqual((first["added"], first["warnings"]), (2, 1))
        self.assertIn("grammar for c is not installed", first["events"][0]["message"])
        self.assertEqual(ingest_without()["unchanged"], 2)
        self.assertEqual(self.ws.ingest()["changed"], 2)
        self.assertEqual(self.ws.search("square")[0]["metadata"]["element_name"], "square")
        self.assertEqual(self.ws.ingest()["unchanged"], 2)

    def test_a_source_that_lists_nothing_empties_no_index(self):
        harness.fill(self.ws, 3)
        self.ws.ingest()
        away = self.ws.docs + ".away"
        os.rename(self.ws.docs, away)
        os.mkdir(self.ws.docs)  # as a disk that is not mounted
        report = self.ws.ingest()
        self.assertEqual((report["deleted"], report["warnings"]), (0, 1))
        self.assertIn("--prune", report["events"][0]["message"])
        self.assertEqual(self.ws.ingest("--dry-run")["deleted"], 0)
        os.rmdir(self.ws.docs)
        os.rename(away, self.ws.docs)
        self.assertEqual(self.ws.ingest()["unchanged"], 3)
        self.ws.configure("sources:\n  localfile:\n    docs: {base_url: 'file://%s', file_types: ['*.none']}\n" % self.ws.docs)
        self.assertEqual(self.ws.ingest()["deleted"], 0)
        self.assertEqual(self.ws.ingest("--prune")["deleted"], 3)

    def test_plain_words_in_filters(self):
        for name in ("a.html", "build/b.html", "deep/build/c.html", "d.md"):
            self.ws.write(name, "text of %s\n" % name)
        self.ws.configure("sources:\n  localfile:\n    docs: {base_url: 'file://%s', file_types: [html], exclude_paths: [/build]}\n" % self.ws.docs)
        self.assertEqual([e["url"].split("/docs/")[1] for e in self.ws.ingest("--verbose")["events"] if e["action"] == "add"], ["a.html", "deep/build/c.html"])

    def test_a_copy_of_the_model_makes_nothing_anew(self):
        self.ws.write("a.md", "The aardvark digs.\n")
        self.ws.ingest()
        copy = os.path.join(self.ws.dir, "same")
        shutil.copytree(os.environ["QLOADER_MODEL_DIR"], copy)
        done = self.ws.run("ingest", "--json", env={"QLOADER_MODEL_DIR": copy})
        self.assertEqual(json.loads(done.stdout)["unchanged"], 1, done.stderr)

    def test_a_stop_keeps_what_came_before_a_long_document(self):
        for i in range(6):
            self.ws.write("a%d.md" % i, "Short number %d.\n" % i)
        self.ws.write("z.txt", "word " * 190000)
        running = subprocess.Popen(self.ws.command("ingest", "--threads", "1"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in running.stderr:
            if " 6 of 7 documents" in line:
                running.send_signal(signal.SIGINT)
                break
        rest = running.stderr.read()
        running.stderr.close()
        self.assertEqual(running.wait(timeout=120), 130, rest)
        self.assertEqual(len(self.ws.search("short number", "--limit", "10")), 6)

    def test_init_force_renews_an_index_that_cannot_be_used(self):
        harness.fill(self.ws, 2)
        self.ws.ingest()
        expected = self.ws.dump()
        path = os.path.join(self.ws.dir, "data", "qloader.db")
        with open(path, "r+b") as f:
            f.write(b"no database")
        self.assertEqual(self.ws.run("ingest").returncode, 8)
        self.assertEqual(self.ws.run("init").returncode, 8)
        done = self.ws.run("init", "--force")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.ws.ingest()
        self.assertEqual(expected, self.ws.dump())
        self.ws.configure("global:\n  qdrant: {collection_name: other}\nsources:\n  localfile:\n    docs: {base_url: 'file://%s'}\n" % self.ws.docs)
        done = self.ws.run("ingest")
        self.assertEqual(done.returncode, 10, done.stderr)
        self.assertIn("init --force", done.stderr)
        self.assertEqual(self.ws.run("init", "--force").returncode, 0)
        self.assertEqual(self.ws.ingest()["added"], 2)

    def test_dry_run_changes_nothing(self):
        harness.fill(self.ws, 3)
        done = self.ws.run("ingest", "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("3 added", done.stdout)
        self.assertFalse(os.path.exists(os.path.join(self.ws.dir, "data", "qloader.db")))

    def test_names_in_any_encoding(self):
        for name in (b"caf\xc3\xa9.md", b"latin1-\xe9.md", b"new\nline.md", b"sp ace.md", b"quo'te\".md", b"percent%41.md", b"hash#tag.md"):
            self.ws.write(name, b"The text of a file with an odd name: okapi.\n")
        report = self.ws.ingest()
        self.assertEqual(report["added"], 7)
        self.assertEqual(len(self.ws.search("okapi", "--limit", "20")), 7)
        self.assertEqual(self.ws.ingest()["unchanged"], 7)

    def test_symlink_does_not_leave_the_root(self):
        outside = os.path.join(self.ws.dir, "secret.md")
        with open(outside, "w") as f:
            f.write("xylophone secret\n")
        os.symlink(outside, os.path.join(self.ws.docs, "link.md"))
        os.symlink(self.ws.dir, os.path.join(self.ws.docs, "linkdir"))
        self.ws.write("a.md", "inside\n")
        self.assertEqual(self.ws.ingest()["added"], 1)

    def test_binary_and_empty_files_are_told_not_indexed(self):
        self.ws.write("a.bin", bytes(range(256)) * 20)
        self.ws.write("empty.md", b"")
        self.ws.write("b.md", "text\n")
        done = self.ws.run("ingest", "--json", "--verbose")
        self.assertEqual(done.returncode, 0, done.stdout)
        report = json.loads(done.stdout)
        self.assertTrue([e for e in report["events"] if e["action"] == "skip" and e["url"].endswith("a.bin") and e["message"]])
        self.assertEqual(self.ws.ingest()["chunks"], 0)

    def test_write_error_is_told_as_such(self):
        harness.fill(self.ws, 40, paragraphs=8)

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write past the limit answers "file too large"
            resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000))

        done = subprocess.run(self.ws.command("ingest"), capture_output=True, text=True, preexec_fn=limit, restore_signals=False, timeout=300)
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertIn("qloader.db", done.stderr)
        self.assertNotIn("stopped", done.stderr)
        self.assertEqual(self.ws.ingest()["failed"], 0)

    def test_ctrl_c_leaves_a_consistent_index(self):
        harness.fill(self.ws, 120)
        for code, _, err in self.interrupted_runs():
            if code == 130 and os.path.exists(os.path.join(self.ws.dir, "data", "qloader.db")):
                break
        self.assertIn("qloader ingest", err)
        self.ws.ingest()
        dump = self.ws.dump()
        self.ws.drop_index()
        self.ws.ingest()
        self.assertEqual(dump, self.ws.dump())

    def test_second_writer_is_told_who_writes(self):
        first = harness.held_writer(self.ws, "--quiet", documents=30, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            second = self.ws.run("ingest")
            self.assertEqual(second.returncode, 6, second.stderr)
            self.assertIn(str(first.pid), second.stderr)
        finally:
            first.send_signal(signal.SIGCONT)
            self.assertEqual(first.wait(timeout=600), 0)  # only a guard: with sanitizers on a busy machine it takes minutes

    def test_same_index_for_any_number_of_threads(self):
        harness.fill(self.ws, 12)
        dumps = []
        for threads in ("1", "2", "3"):
            self.ws.drop_index()
            self.ws.ingest("--threads", threads)
            dumps.append(self.ws.dump())
        self.assertEqual(dumps[0], dumps[1])
        self.assertEqual(dumps[0], dumps[2])


if __name__ == "__main__":
    harness.main()
