"""After fork() the child is told to leave its parent's objects alone, may drop them, and can open its own."""
import copy
import gc
import multiprocessing
import os
import pickle
import signal
import traceback

import support

import qloader


def in_child(function):
    """Runs function in a forked child and returns how that ended: "" or a traceback. A child that hangs is ended."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = ""
        try:
            signal.alarm(60)
            function()
        except BaseException:
            text = traceback.format_exc()
        finally:
            os.write(send, text.encode()[-4000:])
            os._exit(0)
    os.close(send)
    with open(receive) as file:
        text = file.read()
    _, status = os.waitpid(pid, 0)
    return text if status == 0 else text + "child ended with %d" % status


def search_in_child(folder):
    with qloader.Workspace(data_dir=folder) as workspace:
        return workspace.search("what is hot?")[0].url


class Fork(support.Case):
    def setUp(self):
        super().setUp()
        self.runtime = qloader.Runtime(threads=2)
        self.ws = self.workspace(runtime=self.runtime)
        self.ws.ingest_source(support.DictSource({"tea": "Tea is hot."}), project="p", name="n")
        self.results = self.ws.search("tea")

    def test_parent_s_objects_are_refused_in_the_child(self):
        def child():
            calls = {
                "Workspace": [lambda: self.ws.search("tea"), self.ws.info, self.ws.init,
                              lambda: self.ws.ingest_source(support.DictSource({}), project="p", name="n")],
                "Runtime": [self.runtime.stats, lambda: qloader.Workspace(data_dir=self.path("data"), runtime=self.runtime)],
                "Results": [lambda: self.results[0], self.results.json],
            }
            for kind, functions in calls.items():
                for function in functions:
                    with self.assertRaises(qloader.ForkError) as raised:
                        function()
                    told = "this %s belongs to process %d, which forked this one (%d)" % (kind, os.getppid(), os.getpid())
                    self.assertIn(told, str(raised.exception))

        self.assertEqual(in_child(child), "")
        self.assertEqual(self.ws.search("tea")[0].url, "tea")

    def test_child_may_close_and_drop_them(self):
        """Neither hangs on threads that are not there, nor touches the parent's files."""

        def child():
            self.results.close()
            self.ws.close()
            self.runtime.close()
            del self.results, self.ws, self.runtime
            gc.collect()

        self.assertEqual(in_child(child), "")
        self.assertEqual(self.ws.search("tea")[0].url, "tea")

    def test_child_opens_its_own(self):
        def child():
            self.assertEqual(search_in_child(self.path("data")), "tea")
            with qloader.Workspace(data_dir=self.path("child")) as workspace:
                workspace.ingest_source(support.DictSource(support.many_texts(3)), project="p", name="n")
                self.assertEqual(workspace.info()["documents"], 3)

        self.assertEqual(in_child(child), "")

    def test_multiprocessing(self):
        for method in ("fork", "spawn"):
            with multiprocessing.get_context(method).Pool(2) as pool:
                self.assertEqual(pool.map(search_in_child, [self.path("data")] * 4), ["tea"] * 4)

    def test_handles_are_not_pickled(self):
        for thing in (self.ws, self.runtime, self.results):
            for way in (pickle.dumps, copy.copy, copy.deepcopy):
                with self.subTest(thing=thing, way=way), self.assertRaisesRegex(TypeError, "a %s cannot be pickled or copied: " % type(thing).__name__):
                    way(thing)
        with qloader.Runtime(metrics=True) as runtime:
            counter = runtime.registry.counter("letters", "letters read")
            for way in (pickle.dumps, copy.deepcopy):
                with self.subTest(way=way), self.assertRaisesRegex(TypeError, "a Runtime cannot be pickled or copied, nor what uses it"):
                    way(counter)
        self.assertEqual(pickle.loads(pickle.dumps(self.results[0])), self.results[0])

    def test_program_that_forks_and_ends(self):
        """Objects are still open when both processes end."""
        code = (
            "import os, sys, warnings, support, qloader\n"
            "warnings.simplefilter('ignore')  # Python 3.12 warns of any fork beside threads\n"
            "ws = qloader.Workspace(data_dir=sys.argv[1])\n"
            "found = ws.search('tea')\n"
            "pid = os.fork()\n"
            "if pid: print(os.waitpid(pid, 0)[1], found[0].url)\n"
        )
        done = support.run_python(code, self.path("data"))
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("0 tea\n", "", 0))


if __name__ == "__main__":
    support.main()
