"""How the program behaves on the command line: exit codes, messages, options, JSON, what it never prints."""
import json
import os
import shutil
import signal
import subprocess
import zipfile

import harness


class Manners(harness.Case):
    def expect(self, code, *words, text=None):
        done = self.ws.run(*words)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        if text is not None:
            self.assertIn(text, done.stderr)
        return done

    def test_exit_codes(self):
        self.expect(4, "search", "anything", text="ingest")
        self.expect(2, "search")
        self.expect(2, "ingest", "--nonsense", text="--nonsense")
        self.expect(2, "search", "--limit", "0", "x", text="--limit")
        self.expect(2, "search", "--since", "yesterday", "x", text="--since")
        self.expect(2, "search", "--since", "2026-02-30", "x", text="--since")
        self.expect(2, "search", "--color", "red", "x", text="--color")
        self.expect(4, "ingest", "--project", "nosuch", text="nosuch")
        self.expect(4, "project", "status", "--project-id", "nosuch", text="nosuch")
        self.ws.configure("sources:\n  localfil:\n    a: {base_url: 'file:///'}\n")
        done = self.expect(3, "ingest")
        self.assertIn("config.yaml:2:", done.stderr)
        self.assertIn("localfile", done.stderr)
        os.unlink(os.path.join(self.ws.dir, "config.yaml"))
        self.expect(3, "ingest", text="config.yaml")

    def test_index_that_cannot_be_reached_is_not_called_missing(self):
        os.symlink("data", os.path.join(self.ws.dir, "data"))
        done = self.expect(7, "search", "anything")
        self.assertNotIn("no index", done.stderr)

    def test_remote_store_and_sources_say_not_in_this_build(self):
        self.ws.configure("global:\n  qdrant:\n    url: 'http://127.0.0.1:6333'\nsources:\n  localfile:\n    d: {base_url: 'file://%s'}\n" % self.ws.docs)
        self.expect(9, "ingest", text="Qdrant")
        self.ws.configure("sources:\n  confluence:\n    wiki: {base_url: 'https://wiki.example.com', space_key: 'ENG', token: 't', email: 'a@example.com'}\n")
        self.expect(5, "ingest", text="Confluence")

    def test_failed_source_does_not_delete(self):
        self.ws.write("a.md", "still here\n")
        self.ws.ingest()
        os.rename(self.ws.docs, self.ws.docs + ".away")
        self.expect(5, "ingest")
        os.rename(self.ws.docs + ".away", self.ws.docs)
        self.assertEqual(self.ws.ingest()["unchanged"], 1)

    def test_search_options(self):
        self.ws.write("guide/one.md", "# Install\n\nThe walrus installs the package.\n")
        self.ws.write("other/two.md", "# Remove\n\nThe walrus removes the package.\n")
        self.ws.ingest()
        self.assertEqual(len(self.ws.search("walrus", "--limit", "1")), 1)
        self.assertEqual([h["url"][-6:] for h in self.ws.search("walrus", "--path", "guide/")], ["one.md"])
        self.expect(4, "search", "--since", "2999-01-01", "walrus")
        done = self.expect(0, "search", "--format", "md", "--explain", "walrus")
        self.assertIn("Source: file://", done.stdout)
        self.assertIn("why:", self.expect(0, "search", "--explain", "walrus").stdout)
        self.expect(4, "search", "--project", "nosuch", "walrus")

    def test_config_and_projects(self):
        self.ws.configure("global:\n  chunking: {chunk_size: 800, chunk_overlap: 50}\nprojects:\n  p1:\n    display_name: One\n    sources:\n      git:\n"
                          "        r: {base_url: 'https://user:hunter2@example.com/r.git', token: 'topsecret', branch: main}\n")
        for words in (("config",), ("config", "--format", "yaml")):
            done = self.expect(0, *words)
            self.assertNotIn("topsecret", done.stdout)
            self.assertNotIn("hunter2", done.stdout)
            self.assertIn("800", done.stdout)
        json.loads(self.expect(0, "config").stdout)
        self.assertEqual(json.loads(self.expect(0, "project", "list", "--json").stdout)[0]["project_id"], "p1")
        self.expect(0, "project", "validate")  # a remote repository is not asked

    def test_the_nearest_option_is_named(self):
        for word, wanted in (("--limt", "'--limit'"), ("--sinse=2020", "'--since'")):
            self.assertIn("(did you mean %s?)" % wanted, self.expect(2, "search", word, "x").stderr)
        self.assertNotIn("did you mean", self.expect(2, "search", "--nothing-like-it", "x").stderr)

    def test_secrets_of_broken_files_are_not_repeated(self):
        for text in ('token: "${TOK:-sEcReT}"', "token: *sEcReT", "token: !sEcReT"):
            self.ws.configure("sources:\n  git:\n    r:\n      base_url: https://localhost/r\n      %s\n" % text)
            for words in (["config"], ["ingest", "--json"]):
                done = self.expect(3, *words)
                self.assertNotIn("sEcReT", done.stdout + done.stderr)
        self.ws.configure("sources:\n  confluence:\n    base_url: https://localhost\n    token: sEcReT\n")
        done = self.expect(3, "config")
        self.assertIn("must be a map", done.stderr)
        self.assertNotIn("sEcReT", done.stderr)

    def failure(self, code, kind, *words):
        """With JSON wanted a failure is one object on stdout, whatever fails."""
        done = self.expect(code, *words)
        error = json.loads(done.stdout)["error"]
        self.assertEqual((error["exit_code"], error["kind"]), (code, kind))
        return error["message"]

    def test_failures_as_json(self):
        self.assertIn("no index", self.failure(4, "not found", "search", "--json", "x"))
        self.failure(4, "not found", "search", "--format", "json", "x")
        self.failure(4, "not found", "search", "-fjson", "x")
        self.assertIn("--nonsense", self.failure(2, "usage", "search", "x", "--nonsense", "--json"))
        self.failure(2, "usage", "search", "--json")
        self.failure(2, "usage", "search", "--json", "--limit", "0", "x")
        self.failure(2, "usage", "config", "--json", "--format", "yaml")
        self.failure(2, "usage", "search", "--json", "--format", "md", "x")
        self.failure(2, "usage", "project", "--json")
        self.assertIn("\\xff", self.failure(4, "not found", "project", "status", "--json", "--project-id", b"no\xffsuch"))
        self.failure(4, "not found", "model", "info", "--json", "nosuch")
        os.unlink(os.path.join(self.ws.dir, "config.yaml"))
        self.failure(3, "invalid configuration", "ingest", "--json")

    def test_options_that_are_wrong_are_named(self):
        self.assertIn("'-Z'", self.expect(2, "ingest", "-qZ").stderr)
        for word, name in (("-l", "-l"), ("--lim", "--limit")):
            self.assertIn("'%s' needs a value" % name, subprocess.run([harness.QLOADER, "search", "x", word], capture_output=True, text=True).stderr)
        self.assertIn("'--quiet' takes no value", self.expect(2, "ingest", "--quiet=yes").stderr)
        self.assertIn("--source-type or --source", self.expect(2, "ingest", "--sour", "x").stderr)
        self.assertIn("--threads", subprocess.run([harness.QLOADER, "model", "list", "--threads", "2"], capture_output=True, text=True).stderr)

    def test_values_outside_the_table_are_refused(self):
        for words, text in ((["search", "x", "--mode", "both"], "--mode 'both' is not hybrid, dense or sparse"), (["search", "x", "-f", "yaml"], "text, json or md"),
                            (["config", "--format", "table"], "json or yaml"), (["project", "list", "--format", "md"], "table or json"),
                            (["ingest", "--precision", "fp8"], "auto, fp32, bf16 or int8"), (["config", "--log-level", "loud"], "DEBUG, INFO, WARNING, ERROR or CRITICAL"),
                            (["config", "--threads", "0"], "from 1 to 256"), (["config", "--threads", "8x"], "from 1 to 256"),
                            (["search", "x", "--limit", "99999999999999999999"], "from 1 to 1000")):
            self.expect(2, *words, text=text)
        json.loads(self.expect(0, "project", "list", "--format", "JSON", "--log-level", "debug", "--color", "Never").stdout)
        self.assertIn("no index", self.failure(4, "not found", "search", "-fJSON", "x"))

    def test_help_of_no_command(self):
        for word in ("nope", "xyz"):
            self.assertNotIn("did you mean", subprocess.run([harness.QLOADER, word], capture_output=True, text=True).stderr)
        self.assertIn("did you mean 'top'", subprocess.run([harness.QLOADER, "tpo"], capture_output=True, text=True).stderr)
        for words, text in ((["help", "ingets"], "did you mean 'ingest'"), (["help", "project", "lost"], "no command 'project lost'"), (["help", "init", "search"], "no command 'init search'")):
            self.assertIn(text, subprocess.run([harness.QLOADER] + words, capture_output=True, text=True).stderr)

    def test_an_age_that_is_too_large_is_told_as_one(self):
        for text in ("9999999d", "99999999999999999999w"):
            self.expect(2, "search", "--since", text, "x", text="--since '%s' is an age of more than 99999" % text)
        self.expect(2, "search", "--since", "7y", "x", text="neither a date")

    def test_a_folder_that_is_no_workspace(self):
        os.unlink(os.path.join(self.ws.dir, "config.yaml"))
        self.expect(3, "ingest", text="'qloader setup'")

    def test_since_takes_an_offset(self):
        self.ws.write("a.md", "The okapi eats.\n")
        os.utime(os.path.join(self.ws.docs, "a.md"), (1600000000, 1600000000))  # 2020-09-13T12:26:40Z
        self.ws.ingest()
        for when, code in (("2020-09-13T12:26:40Z", 0), ("2020-09-13T12:26:41Z", 4), ("2020-09-13T14:26:40+02:00", 0), ("2020-09-13T14:26:41+0200", 4),
                           ("2020-09-13T06:56:40-05:30", 0), ("2020-09-13T12:26:40+99:00", 2), ("2020-09-13+01:00", 2), ("2020-09-13T12:26:40 ", 2)):
            self.assertEqual(self.ws.run("search", "--since", when, "okapi").returncode, code, when)

    def test_names_cannot_steer_the_terminal(self):
        self.ws.configure("projects:\n  p:\n    display_name: \"a\\e[31mb\"\n    description: \"c\\x9bd\"\n    sources:\n      localfile:\n        \"x\\ey\": {base_url: 'file:///nowhere'}\n")
        shown = self.expect(0, "project", "list").stdout + self.expect(5, "ingest").stderr + self.expect(4, "project", "validate").stdout
        self.assertNotIn("\x1b", shown)
        self.assertNotIn("\x9b", shown)
        self.assertIn("a\\x1b[31mb", shown)

    def test_validation_looks_at_places(self):
        here = "sources:\n  localfile:\n    d: {base_url: 'file://%s'}\n" % self.ws.docs
        for text, code, reason in ((here, 0, None), (here + "    e: {base_url: 'file:///nowhere'}\n", 4, "/nowhere"),
                                   ("sources:\n  git:\n    r: {base_url: '%s'}\n" % self.ws.docs, 4, "repository")):
            self.ws.configure(text)
            self.assertEqual(self.ws.run("project", "validate").returncode, code, text)
            sources = json.loads(self.ws.run("project", "validate", "--json").stdout)[0]["sources"]
            self.assertEqual([s["ready"] for s in sources], [code == 0] if len(sources) == 1 else [True, False])
            if reason is not None:
                self.assertIn(reason, sources[-1]["reason"])

    def test_a_damaged_model_is_told_as_such(self):
        copy = os.path.join(self.ws.dir, "models", "all-MiniLM-L6-v2")
        shutil.copytree(os.environ["QLOADER_MODEL_DIR"], copy)
        with open(os.path.join(copy, "model.safetensors"), "r+b") as f:
            f.truncate(1000000)
        env = {"QLOADER_MODEL_DIR": copy}
        done = self.ws.run("ingest", env=env)
        self.assertEqual(done.returncode, 8, done.stderr)
        self.assertIn("model pull", done.stderr)
        shutil.copy(os.path.join(os.environ["QLOADER_MODEL_DIR"], "model.safetensors"), copy)
        with open(os.path.join(copy, "vocab.txt"), "r+b") as f:
            f.truncate(5000)
        self.assertEqual(self.ws.run("ingest", env=env).returncode, 8)
        model = json.loads(self.ws.run("model", "list", "--json", env=env).stdout)[0]
        self.assertEqual((model["path"], model["usable"]), (copy, False))
        self.assertIn("damaged", self.ws.run("model", "list", env=env).stdout)

    def test_pull_says_where(self):
        env = {"XDG_DATA_HOME": os.path.join(self.ws.dir, "data home")}
        done = self.ws.run("model", "pull", "--json", "--from", os.environ["QLOADER_MODEL_DIR"], env=env)
        self.assertEqual(json.loads(done.stdout), {"name": "all-MiniLM-L6-v2", "path": env["XDG_DATA_HOME"] + "/qloader/models/all-MiniLM-L6-v2", "ready": True, "pinned": True})
        done = self.ws.run("model", "pull", "--from", os.environ["QLOADER_MODEL_DIR"], "--to", self.ws.dir)
        self.assertIn("is ready in " + self.ws.dir, done.stdout)
        self.assertEqual(done.stderr, "")

    def test_a_model_without_known_hashes(self):
        env = {"XDG_DATA_HOME": os.path.join(self.ws.dir, "data home")}
        done = self.ws.run("model", "pull", "foo", "--from", os.environ["QLOADER_MODEL_DIR"], env=env)
        self.assertEqual((done.returncode, done.stderr), (0, "warning: no hashes are known for a model 'foo': its files were taken unchecked, as they are\n"))
        done = self.ws.run("model", "pull", "foo", "--json", "--from", os.environ["QLOADER_MODEL_DIR"], env=env)
        self.assertIs(json.loads(done.stdout)["pinned"], False)
        env["QLOADER_MODEL_DIR"] = ""
        told = self.ws.run("model", "info", "foo", env=env).stdout
        self.assertNotIn("null", told)
        self.assertIn("hash not known  model.safetensors", told)
        self.assertRegex(told, r"(?m)^licence +not known$")

    def test_a_pull_that_fails(self):
        """It leaves nothing, and names where it looked; a file: URL is a path."""
        to = os.path.join(self.ws.dir, "deep", "models")
        archive = os.path.join(self.ws.dir, "my model.zip")
        with zipfile.ZipFile(archive, "w") as z:
            z.write(os.path.join(os.environ["QLOADER_MODEL_DIR"], "config.json"), "config.json")
            z.writestr("model.safetensors", "no weights")
        for place in (archive, "file://" + archive.replace(" ", "%20"), "file://localhost" + archive.replace(" ", "%20")):
            done = self.ws.run("model", "pull", "foo", "--from", place, "--to", to)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("my model.zip", done.stderr)
            self.assertNotIn("%20", done.stderr)
            self.assertFalse(os.path.exists(os.path.dirname(to)))
        os.makedirs(to)
        self.assertNotEqual(self.ws.run("model", "pull", "foo", "--from", archive, "--to", to).returncode, 0)
        self.assertTrue(os.path.isdir(to))
        self.assertIn("file:///FOLDER", self.ws.run("model", "pull", "foo", "--from", "file://elsewhere/x").stderr)
        done = self.ws.run("model", "pull", "--from", "file://" + os.environ["QLOADER_MODEL_DIR"], "--to", to)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_pipe_is_no_configuration(self):
        os.unlink(os.path.join(self.ws.dir, "config.yaml"))
        os.mkfifo(os.path.join(self.ws.dir, "config.yaml"))
        self.assertIn("is a pipe", self.expect(7, "config").stderr)

    def test_a_document_cannot_steer_the_terminal(self):
        self.ws.write("a.txt", "kumquat \x1b]0;title\x07 \x1b[31m red \u009b2J \u202eback\u202c \u2066x\u2069 caf\u00e9 \u2026\n\tcode\n")
        self.ws.ingest()
        for form in ("text", "md"):
            shown = self.ws.run("search", "--format", form, "kumquat").stdout
            self.assertIn("kumquat ]0;title [31m red 2J back x caf\u00e9 \u2026", shown)
            self.assertEqual([c for c in shown if (ord(c) < 32 or 127 <= ord(c) < 160 or 0x202a <= ord(c) <= 0x202e or 0x2066 <= ord(c) <= 0x2069) and c not in "\n\t"], [])
        self.assertIn("\n\tcode\n", shown)

    def test_an_empty_filter_is_not_everything(self):
        for words in (["ingest", "--source", ""], ["search", "--project", "", "x"], ["search", "--path=", "x"], ["project", "status", "--project-id", ""]):
            self.assertIn("is empty", self.expect(2, *words).stderr)

    def test_validation_fails_with_json_too(self):
        self.ws.configure("sources:\n  publicdocs:\n    d:\n      base_url: https://localhost\n      version: '1'\n")
        codes = [self.ws.run("project", "validate", *words).returncode for words in ([], ["--json"])]
        self.assertEqual(codes, [9, 9])

    def test_an_ignored_hangup_stays_ignored(self):
        running = harness.held_writer(self.ws, "--quiet", "--threads", "1", documents=30, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        running.send_signal(signal.SIGHUP)
        running.send_signal(signal.SIGCONT)
        self.assertEqual(running.wait(timeout=600), 0)

    def test_help_of_every_command(self):
        top = self.expect(0, "--help").stdout
        for command in ("setup", "doctor", "init", "ingest", "search", "config", "project list", "project status", "project validate", "model list",
                        "model pull", "model info", "model verify"):
            self.assertIn(command, top)
            done = subprocess.run([harness.QLOADER] + command.split() + ["--help"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0)
            self.assertIn("Usage: qloader " + command, done.stdout)
        for words in (["project", "--help"], ["help", "project"], ["model", "-h"]):
            done = subprocess.run([harness.QLOADER] + words, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0)
            self.assertIn(words[0] if words[0] != "help" else "project", done.stdout)
        self.assertEqual(subprocess.run([harness.QLOADER, "project"], capture_output=True).returncode, 2)
        self.assertIn("130", subprocess.run([harness.QLOADER, "help", "exit-codes"], capture_output=True, text=True).stdout)


if __name__ == "__main__":
    harness.main()
