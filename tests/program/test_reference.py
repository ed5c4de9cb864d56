"""What is made from the tables of commands and options agrees with them and with the program: man pages, docs/cli.md, help, refusals."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import generated
import harness

SOURCE = os.environ["QLOADER_SOURCE"]
EPOCH = "1700000000"  # 2023-11-14


def page_name(command):
    return "qloader-%s.1" % command["name"].replace(" ", "-") if command["name"] else "qloader.1"


def words(command):
    return command["name"].split()


class Reference(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = generated.Files(SOURCE_DATE_EPOCH=EPOCH)
        cls.commands = cls.made.commands

    @classmethod
    def tearDownClass(cls):
        cls.made.close()

    def page(self, command):
        return self.made.path("man1", page_name(command))

    def tool(self, *args):
        """Runs a program that must have nothing to say; returns its stdout."""
        self.assertIsNotNone(shutil.which(args[0]), "%s is not installed; pkgconfig/deps/packages does that" % args[0])
        env = dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="100", MANROFFSEQ="", MANOPT="")
        done = subprocess.run(args, capture_output=True, text=True, env=env, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""), " ".join(args))
        return done.stdout

    def rendered(self, command):
        """The page as text, without bold and underlines."""
        return re.sub(".\b", "", self.tool("mandoc", "-Tascii", "-Owidth=100", self.page(command)))

    def test_docs_are_what_the_tables_say(self):
        for name in ("cli.md", "metrics.md"):
            path = os.path.join(SOURCE, "docs", name)
            if os.environ.get("QLOADER_UPDATE_DOCS"):
                shutil.copyfile(self.made.path(name), path)
            with open(path) as f:
                self.assertEqual(f.read(), self.made.read(name), "docs/%s is not what gen_docs writes; run this test with QLOADER_UPDATE_DOCS=1" % name)

    def test_every_command_has_a_page(self):
        self.assertEqual(sorted(os.listdir(self.made.path("man1"))), sorted(page_name(c) for c in self.commands))
        self.assertGreater(len(self.commands), 10)

    def test_pages_are_correct(self):
        for command in self.commands:
            page = self.page(command)
            self.assertEqual(self.tool("mandoc", "-Tlint", page), "")
            self.assertNotEqual(self.tool("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page), "")
            self.assertIn('"%s - %s"' % (page_name(command)[:-2], command["summary"]), self.tool("lexgrog", page))
            self.made.read("man1", page_name(command)).encode("ascii")

    def test_a_broken_page_is_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "broken.1")
            shutil.copyfile(self.page(self.commands[0]), path)
            with open(path, "a") as f:
                f.write(".nosuchmacro\n\\fBbold\n.SH\n")
            for check in (("mandoc", "-Tlint", path), ("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path)):
                with self.assertRaises(AssertionError):
                    self.assertEqual(self.tool(*check), "")

    def test_pages_have_their_sections(self):
        for command in self.commands:
            text = self.rendered(command)
            wanted = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"]
            if any(o["name"] == "workspace" for o in command["options"]) or not command["name"]:
                wanted += ["ENVIRONMENT", "FILES"]
            for section in wanted:
                self.assertRegex(text, r"(?m)^%s$" % section, page_name(command))
            for line in subprocess.run([harness.QLOADER, "help", "exit-codes"], capture_output=True, text=True).stdout.splitlines()[1:]:
                code, meaning = line.split(None, 1)
                self.assertRegex(" ".join(text.split()), re.escape("%s %s" % (code, meaning)))

    def test_every_option_is_in_its_page_and_help(self):
        for command in self.commands:
            page = self.rendered(command)
            shown = subprocess.run([harness.QLOADER] + words(command) + ["--help"], capture_output=True, text=True).stdout
            source = self.made.read("man1", page_name(command))
            self.assertTrue(command["options"])
            for option in command["options"]:
                value = ("[=%s]" if option["optional"] else " %s") % option["placeholder"] if option["placeholder"] else ""
                left = "--" + option["name"] + value
                if option["letter"]:
                    left = "-%s, %s" % (option["letter"], left)
                self.assertRegex(page, r"(?m)^ +%s(\s|$)" % re.escape(left))
                self.assertRegex(shown, r"(?m)^ +%s(\s|$)" % re.escape(left))
                self.assertIn("\\-\\-" + option["name"].replace("-", "\\-"), source)  # what can be copied from a terminal, not a typesetter's hyphen
                for text in (page, shown):
                    flat = re.sub(r"-\s+", "-", " ".join(text.split()))  # a word may be broken at a hyphen
                    self.assertIn(re.sub(r"-\s+", "-", option["help"]), flat)
                    self.assertEqual([c for c in option["choices"] if c not in flat], [])

    def test_values_are_refused_as_the_table_says(self):
        tried = 0
        with tempfile.TemporaryDirectory() as empty:
            for command in self.commands:
                for option in command["options"]:
                    if option["kind"] not in ("choice", "number"):
                        continue
                    run = [harness.QLOADER] + words(command) + (["x"] if command["name"] in ("search", "bench search") else [])
                    done = subprocess.run(run + ["--" + option["name"], "nonsense"], capture_output=True, text=True, cwd=empty)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn("--%s 'nonsense' is not" % option["name"], done.stderr)
                    self.assertEqual([c for c in option["choices"] if c not in done.stderr], [])
                    if not any(o["name"] == "config" for o in command["options"]):
                        continue
                    for choice in option["choices"]:  # taken: what fails then is that there is no configuration
                        done = subprocess.run(run + ["--" + option["name"], choice], capture_output=True, text=True, cwd=empty)
                        self.assertNotIn(done.returncode, (0, 2), done.stderr)
                        tried += 1
        self.assertGreater(tried, 20)

    def test_variables_of_the_environment_are_told(self):
        table = self.made.read("cli.md").split("## Environment")[1].split("## Files")[0]
        told = {name for cell in re.findall(r"(?m)^\| `([^`]+)`", table) for name in cell.split(", ")}
        read = set()
        for folder in ("cli", "lib"):
            for parent, _, names in os.walk(os.path.join(SOURCE, folder)):
                for name in names:
                    if name.endswith((".c", ".h")) and not name.startswith("gen_"):
                        with open(os.path.join(parent, name), errors="replace") as f:
                            read |= set(re.findall(r'getenv\("(\w+)"\)', f.read()))
        self.assertEqual(read, {name for name in told if name.isupper()})
        self.assertIn("QLOADER_MODEL_DIR", read)

    def test_pages_are_the_same_every_time(self):
        first = self.made.read("man1", "qloader.1")
        self.assertIn("2023-11-14", first)
        with_date, without, again = (generated.Files(SOURCE_DATE_EPOCH=epoch) for epoch in (EPOCH, "", ""))
        for made in (with_date, without, again):
            self.addCleanup(made.close)
        self.assertEqual(subprocess.run(["diff", "-r", with_date.folder, self.made.folder]).returncode, 0)
        self.assertEqual(subprocess.run(["diff", "-r", without.folder, again.folder]).returncode, 0)
        self.assertNotIn("2023", without.read("man1", "qloader.1"))
        for epoch in ("yesterday", "-5", "12x", "99999999999999999999"):
            with self.assertRaises(subprocess.CalledProcessError):
                generated.Files(SOURCE_DATE_EPOCH=epoch)

    def test_nothing_names_a_folder_of_the_build(self):
        for parent, _, names in os.walk(self.made.folder):
            for name in names:
                with open(os.path.join(parent, name)) as f:
                    text = f.read()
                self.assertNotIn(SOURCE, text)
                self.assertNotIn(os.path.dirname(harness.QLOADER), text)


if __name__ == "__main__":
    harness.main()
