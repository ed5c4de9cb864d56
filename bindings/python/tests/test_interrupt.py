"""Signals during calls: Ctrl-C ends an ingest at any moment, nothing a handler raises is lost, handlers are as they were afterwards."""
import contextlib
import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
import time

import support

import qloader
from qloader import _interrupt, _structs
from qloader._trap import Trap
from qloader.source import SourceAdapter

SEED = int(os.environ.get("QL_SEED", time.time()))


class Overtime(Exception):
    pass


@contextlib.contextmanager
def handler(signum, function):
    before = signal.signal(signum, function)
    try:
        yield
    finally:
        signal.signal(signum, before)


def interrupted(call, *seconds, begun=None):
    """Calls call(sent) and interrupts the main thread so long after that (or after `begun` was set), as Ctrl-C does, from another thread, once for
    each number; `sent` is an event that is set when that was done. Returns the KeyboardInterrupt that came out of the call, or None."""
    go, sent = threading.Event(), threading.Event()

    def send():
        (begun or go).wait(60)
        for pause in seconds:
            time.sleep(pause)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        sent.set()

    sender = threading.Thread(target=send)
    sender.start()
    raised = None
    try:
        go.set()
        call(sent)
    except KeyboardInterrupt as error:
        raised = error
    while True:  # so that none comes later
        try:
            sender.join()
            return raised
        except KeyboardInterrupt:
            pass


class SlowSource(support.DictSource):
    """Takes its time in C's hands: many documents, each fetched at once."""

    def __init__(self, count=40000):
        super().__init__({"doc:%d" % n: "Text %d." % n for n in range(count)})


class Interrupt(support.Case):
    def setUp(self):
        super().setUp()
        # The handler that an interactive program has, whatever this test was started by.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        self.ws = self.workspace()
        self.ws.ingest_source(support.DictSource({"a": "Tea."}), project="p", name="warm")  # the model is loaded

    def ingest(self, source=None, **options):
        return self.ws.ingest_source(source or SlowSource(), project="p", name="slow", **options)

    def test_ctrl_c_without_callbacks_of_ours(self):
        started = time.monotonic()
        raised = interrupted(lambda sent: self.ingest(), 0.3)
        self.assertLess(time.monotonic() - started, 20)
        self.assertIsInstance(raised, KeyboardInterrupt)
        self.assertIsNone(raised.__context__)
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)
        self.assertGreater(len(self.ws.search("text")), 0)  # the workspace goes on
        self.ws.ingest_source(support.DictSource({"b": "Coffee."}), project="p", name="slow")

    def test_ctrl_c_at_any_moment_is_never_lost(self):
        random.seed(SEED)
        print("seed %d" % SEED)
        documents = SlowSource(300)
        for number in range(int(os.environ.get("QL_INTERRUPTS", "25"))):
            seconds = random.uniform(0, 0.25)

            def ingest(sent):
                while not sent.is_set():
                    self.ingest(documents, force=True, progress=lambda progress: None, event=lambda event: None)

            with self.subTest(number=number, seconds=seconds):
                self.assertIsInstance(interrupted(ingest, seconds), KeyboardInterrupt)
            self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)

    def test_ctrl_c_again_while_it_stops(self):
        """Where it has stopped before the second comes, that one is for nobody: the handler raises in calls of the package only."""
        package = os.path.dirname(qloader.__file__)

        def within(signum, frame):
            while frame is not None:
                if frame.f_code.co_filename.startswith(package):
                    raise KeyboardInterrupt
                frame = frame.f_back

        with handler(signal.SIGINT, within):
            for pause in (0, 0.0005, 0.002, 0.01):
                self.assertIsInstance(interrupted(lambda sent: self.ingest(), 0.2, pause, pause), KeyboardInterrupt)
        self.assertGreater(len(self.ws.search("tea")), 0)

    def test_in_the_user_s_own_code_it_comes_at_once(self):
        """A source that sleeps, a callback that sleeps: the sleep ends."""

        class Sleeper(SlowSource):
            def items(inner):
                yield qloader.Item("a")
                time.sleep(60)

        def sleep(_):
            time.sleep(60)

        for options in ({"source": Sleeper()}, {"progress": sleep}):
            started = time.monotonic()
            self.assertIsInstance(interrupted(lambda sent: self.ingest(**options), 0.3), KeyboardInterrupt)
            self.assertLess(time.monotonic() - started, 30)

    def test_a_callback_may_handle_it_itself(self):
        caught, reports, begun = [], [], threading.Event()

        def progress(_):
            try:
                if not caught:
                    begun.set()
                    time.sleep(60)
            except KeyboardInterrupt:
                caught.append(True)

        self.assertIsNone(interrupted(lambda sent: reports.append(self.ingest(SlowSource(20), progress=progress)), 0.1, begun=begun))
        self.assertEqual((caught, reports[0].added), ([True], 20))

    def test_handler_of_another_signal(self):
        def overtime(signum, frame):
            raise Overtime(signum)

        with handler(signal.SIGALRM, overtime):
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with self.assertRaises(Overtime):
                self.ingest()
            self.assertIs(signal.getsignal(signal.SIGALRM), overtime)

    def test_handler_that_does_not_raise_changes_nothing(self):
        calls, reports = [], []
        with handler(signal.SIGALRM, lambda signum, frame: calls.append(signum)):
            signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
            while len(calls) < 3:  # a fast machine may be done before the first
                reports.append(self.ingest(SlowSource(300), force=True))
            signal.setitimer(signal.ITIMER_REAL, 0)
        self.assertEqual(reports[0].added, 300)
        self.assertEqual([(report.listed, report.failed) for report in reports], [(300, 0)] * len(reports))

    def test_handler_set_in_a_callback_stays(self):
        def mine(signum, frame):
            pass

        with handler(signal.SIGUSR1, signal.SIG_DFL), handler(signal.SIGUSR2, lambda signum, frame: None):
            self.ingest(SlowSource(3), progress=lambda _: (signal.signal(signal.SIGUSR1, mine), signal.signal(signal.SIGUSR2, mine)) and None)
            self.assertIs(signal.getsignal(signal.SIGUSR1), mine)
            self.assertIs(signal.getsignal(signal.SIGUSR2), mine)

    def test_call_within_a_call(self):
        """Another workspace's ingest, made by a callback: the interrupt goes through both."""
        begun = threading.Event()
        inner = qloader.Workspace(data_dir=self.path("inner"))

        def progress(_):
            begun.set()
            inner.ingest_source(SlowSource(), project="p", name="n")

        with inner:
            self.assertIsInstance(interrupted(lambda sent: self.ingest(progress=progress), 0.3, begun=begun), KeyboardInterrupt)
        self.assertTrue(begun.is_set())
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)

    def test_while_c_takes_an_item_of_a_source(self):
        """The source's own code is left then: what the handler raises goes to the trap, and ends the listing."""
        trap = Trap()
        listed = []

        def item(_user, _item):
            listed.append(True)
            signal.raise_signal(signal.SIGINT)  # handled here, as in a progress callback that the library makes meanwhile
            return 0

        sink = _structs.ql_source_sink(item_fn=dict(_structs.ql_source_sink._fields_)["item_fn"](item))
        adapter = SourceAdapter(support.DictSource({"a": "", "b": ""}), trap)
        shield = _interrupt.Shield(trap)
        shield.install()
        try:
            with _interrupt.user_code(), self.assertRaises(qloader.CallbackError):
                adapter.list(ctypes.pointer(sink))
        finally:
            shield.remove()
        self.assertEqual(listed, [True])
        with self.assertRaises(KeyboardInterrupt):
            trap.raise_caught()

    def test_ingest_of_another_thread_is_left_alone(self):
        reports = []
        thread = threading.Thread(target=lambda: reports.append(self.ingest(SlowSource(200))))
        thread.start()
        self.assertIsInstance(interrupted(lambda sent: time.sleep(60), 0.1), KeyboardInterrupt)
        thread.join()
        self.assertEqual(reports[0].added, 200)

    def test_program_on_a_terminal(self):
        """The whole: a program without a handler of its own, interrupted from outside, ends as Python programs do."""
        code = (
            "import sys, support, qloader, test_interrupt\n"
            "with qloader.Workspace(data_dir=sys.argv[1]) as ws:\n"
            "    ws.ingest_source(test_interrupt.SlowSource(), project='p', name='n', event=lambda event: print('.', flush=True))\n"
        )
        env = dict(os.environ, PYTHONPATH=support.PACKAGE_DIR + os.pathsep + support.HERE)
        program = subprocess.Popen([sys.executable, "-c", code, self.path("data")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        program.stdout.readline()
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=60)
        self.assertEqual(program.returncode, -signal.SIGINT)
        self.assertTrue(errors.decode().rstrip().endswith("KeyboardInterrupt"), errors)
        self.assertNotIn(b"ignored", errors)


if __name__ == "__main__":
    support.main()
