"""Closing and garbage in any order, cycles, and the end of the process."""
import gc
import itertools
import os
import sys
import threading
import unittest
import weakref

import support

import qloader
from qloader import _handle


class Lifetime(support.Case):
    def open(self):
        runtime = qloader.Runtime(threads=2)
        workspace = qloader.Workspace(data_dir=self.path("data"), runtime=runtime)
        workspace.ingest_source(support.DictSource({"tea": "Tea is hot."}), project="p", name="n")
        return {"runtime": runtime, "workspace": workspace, "results": workspace.search("tea")}

    def use(self, things, closed):
        """What is still open works, also when what it hangs on was closed; the rest raises ClosedError."""
        uses = {
            "runtime": lambda: qloader.Workspace(data_dir=self.path("data"), runtime=things["runtime"]).close(),
            "workspace": lambda: things["workspace"].search("tea"),
            "results": lambda: things["results"][0],
        }
        for name, function in uses.items():
            self.assertEqual(things[name].closed, name in closed)
            if name in closed:
                with self.assertRaises(qloader.ClosedError):
                    function()
            else:
                function()

    def test_closing_in_any_order_and_twice(self):
        for order in itertools.permutations(("runtime", "workspace", "results")):
            things = self.open()
            for count in range(4):
                self.use(things, order[:count])
                if count < 3:
                    things[order[count]].close()
                    things[order[count]].close()

    def test_dropping_in_any_order(self):
        for order in itertools.permutations(("runtime", "workspace", "results")):
            things = self.open()
            for name in order:
                del things[name]
                if "workspace" in things:
                    things["workspace"].search("tea")
                if "results" in things:
                    self.assertEqual(things["results"][0].url, "tea")

    def test_a_runtime_is_freed_after_its_last_workspace_and_only_once(self):
        freed = []
        runtime = qloader.Runtime(threads=1)
        handle = runtime._handle
        free, handle._free = handle._free, lambda pointer: freed.append(pointer)
        first, second = (qloader.Workspace(data_dir=self.path("data"), runtime=runtime) for _ in range(2))
        runtime.close()
        first.close()
        self.assertEqual(freed, [])
        second.close()
        self.assertEqual(freed, [handle._pointer])
        runtime.close()
        del runtime, first, second
        gc.collect()
        self.assertEqual(freed, [handle._pointer])
        free(handle._pointer)

    def test_workspace_with_a_runtime_of_its_own(self):
        workspace = self.workspace()
        self.assertTrue(workspace.runtime.closed)
        workspace.ingest_source(support.DictSource({"tea": "Tea is hot."}), project="p", name="n")
        threads = threading.active_count()
        workspace.close()
        self.assertEqual(threading.active_count(), threads)

    def test_cycles_through_callbacks_are_collected(self):
        """A log function that knows the workspace which keeps the runtime that keeps the function."""

        class Owner:
            def __init__(self, folder):
                self.runtime = qloader.Runtime(threads=1, log=self.log)
                self.workspace = qloader.Workspace(data_dir=folder, runtime=self.runtime)

            def log(self, level, subsystem, message):
                self.workspace.info()

        owner = Owner(self.path("data"))
        freed = []
        for handle in (owner.workspace._handle, owner.runtime._handle):
            real = handle._free
            handle._free = lambda pointer, real=real, kind=handle._kind: (freed.append(kind), real(pointer))
        seen = weakref.ref(owner)
        del owner, handle, real
        gc.collect()
        self.assertIsNone(seen())
        self.assertEqual(freed, ["Workspace", "Runtime"])

    def test_closing_in_a_callback_lets_the_ingest_end(self):
        workspace = self.workspace()
        report = workspace.ingest_source(support.DictSource(support.many_texts(5)), project="p", name="n", progress=lambda _: workspace.close())
        self.assertEqual(report.added, 5)
        with self.assertRaises(qloader.ClosedError):
            workspace.info()
        self.assertEqual(self.workspace().info()["documents"], 5)

    def test_handles_free_exactly_once_under_threads(self):
        """Users come and go on several threads while others close: the pointer is freed once, after the last user left."""
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-6)
        for _ in range(100):
            freed, inside = [], []

            def use():
                try:
                    while True:
                        with handle:
                            inside.append(None)
                            assert not freed
                            inside.pop()
                except qloader.ClosedError:
                    pass

            handle = _handle.Handle("Thing", 7, lambda pointer: freed.append((pointer, len(inside))))
            threads = [threading.Thread(target=use) for _ in range(3)] + [threading.Thread(target=handle.close) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(freed, [(7, 0)])

    def test_construction_that_fails_leaves_nothing(self):
        runtime = qloader.Runtime(threads=1)
        for _ in range(3):
            with self.assertRaises(qloader.NotFoundError):
                qloader.Workspace(self.path("none"), runtime=runtime)
        self.assertEqual(len(runtime._handle._users), 0)
        with self.assertRaises(qloader.LimitError):
            qloader.Runtime(threads=10**6)
        gc.collect()

    @unittest.skipIf("libasan" in os.environ.get("LD_PRELOAD", ""), "Python ends threads that ask for its lock then, which ASan takes for an overflow")
    def test_program_that_ends_with_everything_open(self):
        """In module globals, in a cycle, and with a daemon thread in the middle of a call."""
        code = (
            "import sys, threading, time, support, qloader, logging\n"
            "class Slow(support.DictSource):\n"
            "    def fetch(self, item):\n"
            "        begun.set(); time.sleep(0.05); return super().fetch(item)\n"
            "runtime = qloader.Runtime(log=logging.getLogger('q'))\n"
            "ws = qloader.Workspace(data_dir=sys.argv[1], runtime=runtime)\n"
            "ws.ingest_source(support.DictSource({'tea': 'Tea is hot.'}), project='p', name='n')\n"
            "found = ws.search('tea'); cycle = [found]; cycle.append(cycle)\n"
            "begun = threading.Event()\n"
            "ingest = lambda: ws.ingest_source(Slow(support.many_texts(400)), project='p', name='slow')\n"
            "threading.Thread(target=ingest, daemon=True).start()\n"
            "begun.wait(60)\n"
            "print('end')\n"
        )
        done = support.run_python(code, self.path("data"))
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("end\n", "", 0))
        with qloader.Workspace(data_dir=self.path("data")) as workspace:
            self.assertEqual(workspace.search("tea", source="n")[0].url, "tea")


if __name__ == "__main__":
    support.main()
