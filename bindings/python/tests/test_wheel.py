"""A wheel made from the build, installed into an empty environment without any index, and used there as a stranger would."""
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

import support

USE = """
import sys, tempfile, pathlib, subprocess
import qloader
folder = pathlib.Path(sys.argv[1])
code = folder / "code"
code.mkdir()
(code / "tea.py").write_text("def boil_water(kettle):\\n    return kettle.heat(100)\\n" + "\\n# filler\\n" * 200)
git = ["git", "-C", str(code), "-c", "user.name=n", "-c", "user.email=n@example.org"]
for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "tea"]):
    subprocess.run(git + words, check=True)
(folder / "config.yaml").write_text(f'sources:\\n  git:\\n    code:\\n      base_url: "file://{code}"\\n      include_paths: ["*.py"]\\n')
with qloader.Workspace(folder) as workspace:
    workspace.ingest()
    print(workspace.search("kettle", mode="sparse")[0].section_path)
print(qloader.library_path())
print(qloader.__file__)
"""


def run(*words, **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, **options)
    if done.returncode != 0:
        raise AssertionError("%s exits with %d:\n%s" % (" ".join(words), done.returncode, done.stdout))
    return done.stdout


class WheelCase(support.Case):
    @classmethod
    def setUpClass(cls):
        cls.dist = tempfile.mkdtemp(prefix="qloader-python-")
        cls.addClassCleanup(shutil.rmtree, cls.dist, ignore_errors=True)
        cls.wheel = cls.build(cls.dist, "--build-dir", support.BUILD_DIR)

    @staticmethod
    def build(out, *words):
        script = os.path.join(support.PACKAGE_DIR, "build_wheel.py")
        return run(sys.executable, script, "--out", out, *words).strip().splitlines()[-1]

    def venv(self):
        run(sys.executable, "-m", "venv", self.path("env"))
        return self.path("env", "bin", "python")

    def stranger(self):
        """The environment of somebody who knows nothing of this tree, but has a model."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("QLOADER_", "QL_", "PYTHON", "LD_"))}
        return dict(kept, QLOADER_MODEL_DIR=os.environ["QLOADER_MODEL_DIR"])

    def test_wheel_in_an_empty_environment(self):
        python = self.venv()
        run(python, "-m", "pip", "install", "--no-index", self.wheel, env=self.stranger())
        self.write("use.py", USE)
        os.mkdir(self.path("kb"))
        section, library, package = run(python, self.path("use.py"), self.path("kb"), cwd=self.dir, env=self.stranger()).splitlines()
        self.assertIn("boil_water", section)  # the modules for git and for Python were found
        self.assertEqual(library, os.path.join(os.path.dirname(package), "_lib", "libqloader.so"))
        self.assertTrue(package.startswith(self.path("env") + os.sep), package)
        run(python, "-m", "pip", "check", env=self.stranger())
        files = run(python, "-m", "pip", "show", "--files", "qloader", env=self.stranger())
        for name in ("qloader/py.typed", "qloader/_lib/modules/qloader-git2.so", "licenses/LICENSE", "licenses/licences.md"):
            self.assertIn(name, files)
        run(python, "-m", "pip", "uninstall", "-y", "qloader", env=self.stranger())
        self.assertFalse(os.path.exists(os.path.dirname(package)))

    def test_same_input_same_wheel(self):
        again = self.build(self.path("dist"), "--build-dir", support.BUILD_DIR)
        self.assertEqual(os.path.basename(again), os.path.basename(self.wheel))
        self.assertTrue(filecmp.cmp(again, self.wheel, shallow=False))

    def test_wheel_without_library_by_pip_itself(self):
        python = self.venv()
        run(python, "-m", "pip", "install", "--no-index", "--config-settings", "library=system", support.PACKAGE_DIR, env=self.stranger())
        env = dict(self.stranger(), QLOADER_LIBRARY=os.environ["QLOADER_LIBRARY"])
        self.assertIn("0.1", run(python, "-c", "import qloader; print(qloader.library_version(), qloader.__file__)", cwd=self.dir, env=env))

    def test_what_pip_shows_of_a_request_that_cannot_be_met(self):
        python = self.venv()
        for words, told in (([], "build_wheel: say where the library is"), (["--config-settings", "colour=blue"], "build_wheel: unknown setting colour")):
            with self.assertRaisesRegex(AssertionError, told) as raised:
                run(python, "-m", "pip", "install", "--no-index", *words, support.PACKAGE_DIR, env=self.stranger())
            self.assertNotIn("Traceback", str(raised.exception))

    def test_record_and_tag(self):
        with zipfile.ZipFile(self.wheel) as archive:
            self.assertIsNone(archive.testzip())
            names = archive.namelist()
            (info,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
            text = {name: archive.read(info + "/" + name).decode() for name in ("WHEEL", "METADATA", "RECORD")}
        self.assertEqual({line.split(",")[0] for line in text["RECORD"].splitlines()}, set(names))
        self.assertIn("Root-Is-Purelib: false\nTag: py3-none-linux_", text["WHEEL"])
        self.assertIn("Requires-External: libjansson.so.4\n", text["METADATA"])
        self.assertFalse([name for name in names if "__pycache__" in name or name.startswith("tests")])

    def test_requests_that_cannot_be_met(self):
        for words, told in (([], "say where the library is"), (["--build-dir", self.path("none")], "is not a build of libqloader"),
                            (["--build-dir", support.BUILD_DIR, "--library", "system"], "say where the library is")):
            with self.assertRaisesRegex(AssertionError, told):
                self.build(self.path("dist"), *words)


if __name__ == "__main__":
    support.main()
