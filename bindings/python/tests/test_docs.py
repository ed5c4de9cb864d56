"""The blocks of docs/python.md, the first example of the README and the examples in the package's docstrings do what they say."""
import contextlib
import doctest
import importlib
import io
import os
import pkgutil
import re
import shutil
import subprocess
import textwrap

import support

import qloader

TUTORIAL = os.path.join(support.SOURCE_DIR, "docs", "python.md")


def blocks(path, language):
    """The fenced blocks of a language, with the rest of the file as empty lines, so that line numbers stay."""
    kept, inside = [], False
    with open(path) as file:
        for line in file:
            if line.startswith("```"):
                inside = line.strip() == "```" + language
                kept.append("\n")
            else:
                kept.append(line if inside else "\n")
    return "".join(kept)


class Docs(support.Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.dir)

    def run_doctest(self, text, name, globs, least):
        test = doctest.DocTestParser().get_doctest(text, globs, name, name, 0)
        self.assertGreaterEqual(len(test.examples), least)
        told = io.StringIO()
        result = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(test, out=told.write)
        self.assertEqual(result.failed, 0, told.getvalue())

    def test_tutorial(self):
        self.run_doctest(blocks(TUTORIAL, "pycon"), "docs/python.md", {"__name__": "__main__"}, 50)

    def test_tutorial_has_the_types_it_promises(self):
        """By mypy --strict, but that the page's own functions have no annotations."""
        mypy = shutil.which("mypy", path="/usr/bin") or shutil.which("mypy")
        if mypy is None:
            self.skipTest("mypy is not installed (Debian: mypy)")
        examples = doctest.DocTestParser().get_examples(blocks(TUTORIAL, "pycon"))
        lines = []
        for example in examples:
            lines += [""] * (example.lineno - len(lines)) + example.source.splitlines()
        self.assertGreater(len(lines), 300)
        self.write("python_md.py", "\n".join(lines) + "\n")
        flags = ["--strict", "--allow-untyped-defs", "--allow-incomplete-defs", "--allow-untyped-calls", "--allow-untyped-decorators"]
        done = subprocess.run([mypy, *flags, "--cache-dir", self.path("cache"), self.path("python_md.py")], capture_output=True, text=True,
                              env=dict(os.environ, MYPYPATH=support.PACKAGE_DIR))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_exception_is_in_the_tutorial(self):
        with open(TUTORIAL) as file:
            text = file.read()
        classes = {name: getattr(qloader, name) for name in qloader.__all__ if name.endswith("Error")}
        self.assertGreater(len(classes), 20)
        self.assertEqual([name for name in classes if name not in text], [])

    def test_first_example_of_the_readme(self):
        self.configure()
        self.write("kb/docs/start.md", "# Start\n\nStart the server with one command.\n")
        first = []
        for folder in (support.PACKAGE_DIR, support.SOURCE_DIR):
            with open(os.path.join(folder, "README.md")) as file:
                first.append(re.search(r"```python\n(.*?)```", file.read(), re.S).group(1))
        example = first[0]
        self.assertEqual(first[1], example)
        self.assertIn(textwrap.indent(example, "    "), qloader.__doc__)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(example, "README.md", "exec"), {})
        self.assertRegex(printed.getvalue(), r"^0\.\d{3} file://.*/kb/docs/start\.md\n$")

    def test_docstrings(self):
        examples = 0
        for module in pkgutil.iter_modules(qloader.__path__):
            result = doctest.testmod(importlib.import_module("qloader." + module.name))
            self.assertEqual(result.failed, 0, module.name)
            examples += result.attempted
        self.assertGreater(examples, 15)

    def test_everything_public_has_a_docstring(self):
        for name in qloader.__all__:
            thing = getattr(qloader, name)
            if callable(thing):
                self.assertTrue(thing.__doc__ and not thing.__doc__.startswith(name + "("), name)


if __name__ == "__main__":
    support.main()
