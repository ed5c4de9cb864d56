"""Which library is taken, and which is refused with a reason."""
import os
import re
import shutil
import subprocess

import support

import qloader
from qloader import _version

WHICH = "import qloader; print(qloader.library_path(), qloader.library_version())"


class Import(support.Case):
    def fake(self, name, number):
        """A library that only tells a version."""
        self.write("fake.c", "unsigned ql_version_number(void) { return %d; }\n" % number)
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", self.path("fake.c"), "-o", self.path(name)], check=True)
        return self.path(name)

    def refusal(self, library):
        done = support.run_python("import qloader", env={"QLOADER_LIBRARY": library})
        self.assertNotEqual(done.returncode, 0)
        return done.stderr.strip().splitlines()[-1]

    def test_version_is_the_project_s(self):
        with open(os.path.join(support.SOURCE_DIR, "CMakeLists.txt")) as file:
            self.assertEqual(qloader.__version__, re.search(r"project\(qloader VERSION ([\d.]+)", file.read()).group(1))
        self.assertEqual(qloader.__version__, qloader.library_version())

    def test_another_minor_or_major_version_is_refused(self):
        for number, told in ((_version.number() + 1000, "0.2.0"), (1000000, "1.0.0"), (7, "0.0.7")):
            message = self.refusal(self.fake("other%d.so" % number, number))
            self.assertTrue(message.startswith("ImportError: qloader: "), message)
            self.assertIn("is version %s, these bindings are %s" % (told, qloader.__version__), message)

    def test_the_right_number_alone_is_not_enough(self):
        self.assertIn("has no function ql_", self.refusal(self.fake("right.so", _version.number())))

    def test_a_foreign_library_is_refused(self):
        self.assertIn("it is not libqloader", self.refusal("libc.so.6"))

    def test_a_named_library_that_is_missing_is_an_error_though_another_would_do(self):
        message = self.refusal(self.path("no", "such.so"))
        self.assertIn("such.so (named by $QLOADER_LIBRARY) cannot be opened", message)

    def copy_package(self):
        leave = shutil.ignore_patterns("__pycache__", "_lib")
        shutil.copytree(os.path.join(support.PACKAGE_DIR, "qloader"), self.path("site", "qloader"), ignore=leave)

    def import_copy(self, **env):
        code = "import sys; sys.path.insert(0, %r); %s" % (self.path("site"), WHICH)
        return support.run_python(code, env={"QLOADER_LIBRARY": "", **env}, cwd=self.dir)

    def test_library_beside_the_package_then_the_system_s(self):
        self.copy_package()
        library = os.path.realpath(qloader.library_path())
        os.mkdir(self.path("system"))
        os.symlink(library, self.path("system", "libqloader.so.0.1"))
        done = self.import_copy(LD_LIBRARY_PATH=self.path("system"))
        self.assertEqual((done.stdout.split(), done.stderr), (["libqloader.so.0.1", qloader.library_version()], ""))
        os.mkdir(self.path("site", "qloader", "_lib"))
        os.symlink(library, self.path("site", "qloader", "_lib", "libqloader.so"))
        done = self.import_copy(LD_LIBRARY_PATH=self.path("system"))
        self.assertEqual(done.stdout.split()[0], self.path("site", "qloader", "_lib", "libqloader.so"), done.stderr)
        self.write("site/qloader/_lib/libqloader.so.bad", "no library")
        os.replace(self.path("site", "qloader", "_lib", "libqloader.so.bad"), self.path("site", "qloader", "_lib", "libqloader.so"))
        done = self.import_copy(LD_LIBRARY_PATH=self.path("system"))
        self.assertIn("(part of this package) cannot be opened", done.stderr)

    def test_no_library_at_all(self):
        self.copy_package()
        done = self.import_copy(LD_LIBRARY_PATH="")
        if done.returncode == 0:
            self.skipTest("this system has libqloader installed")
        self.assertIn("ImportError: qloader: no library found: $QLOADER_LIBRARY is not set", done.stderr)
        self.assertIn("QLOADER_LIBRARY=/path/to/libqloader.so", done.stderr)

    def test_numpy_is_neither_imported_nor_missed(self):
        """The whole way in an interpreter that has no numpy."""
        code = (
            "import sys\n"
            "sys.modules['numpy'] = None\n"
            "import support, qloader\n"
            "with qloader.Workspace(data_dir=sys.argv[1]) as ws:\n"
            "    ws.ingest_source(support.DictSource({'tea': 'Tea is hot.'}), project='p', name='n')\n"
            "    print(ws.search('tea', limit=3)[0].url)\n"
        )
        done = support.run_python(code, self.path("data"))
        self.assertEqual((done.stdout, done.stderr), ("tea\n", ""))
        done = support.run_python("import qloader, sys; print('numpy' in sys.modules)")
        self.assertEqual(done.stdout, "False\n", done.stderr)


if __name__ == "__main__":
    support.main()
