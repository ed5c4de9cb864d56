"""What callbacks raise is raised again where the call was made, whichever callback, thread and call it was."""
import os
import sys
import tempfile
import threading
import weakref

import support

import qloader


class Mistake(Exception):
    pass


class Stop(BaseException):
    """Not an Exception, as KeyboardInterrupt and SystemExit are not."""


class Callbacks(support.Case):
    def setUp(self):
        super().setUp()
        self.texts = support.many_texts(6)

    def raising(self, error, after=0):
        """A callback that raises at its call number `after`."""
        calls = []

        def callback(*args):
            calls.append(args)
            if len(calls) > after:
                raise error

        return callback

    def each_runtime(self):
        """A workspace on a runtime whose callbacks all come on this thread, then one on a runtime with others."""
        for threads in (1, 2):
            folder = tempfile.mkdtemp(dir=self.dir)
            with qloader.Runtime(threads=threads) as runtime, qloader.Workspace(data_dir=folder, runtime=runtime) as workspace:
                yield workspace

    def ingest(self, workspace, source=None, **options):
        return workspace.ingest_source(source or support.DictSource(self.texts), project="p", name="n", **options)

    def assert_raises_again(self, error, call):
        try:
            call()
            self.fail("nothing was raised")
        except type(error) as raised:
            self.assertIs(raised, error)
        self.assertIsNone(error.__cause__)
        self.assertIsNone(error.__context__)
        names = []
        trace = error.__traceback__
        while trace is not None:
            names.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
        self.assertIn("callback", names)  # where it was raised first

    def test_progress(self):
        for error in (Mistake("progress"), Stop("progress")):
            for after in (0, 2):
                for workspace in self.each_runtime():
                    self.assert_raises_again(error, lambda: self.ingest(workspace, progress=self.raising(error, after)))

    def test_event(self):
        for error in (Mistake("event"), Stop("event")):
            for workspace in self.each_runtime():
                self.assert_raises_again(error, lambda: self.ingest(workspace, event=self.raising(error, 3)))

    def test_event_of_the_very_last_document(self):
        """The work is done by then; the exception is raised all the same."""
        error = Mistake("last")
        for workspace in self.each_runtime():
            self.assert_raises_again(error, lambda: self.ingest(workspace, event=self.raising(error, len(self.texts) - 1)))
            self.assertEqual(self.ingest(workspace).unchanged, len(self.texts))

    def test_items_and_fetch(self):
        class Source(support.DictSource):
            def items(inner):
                yield from super().items()
                inner.end()

            def fetch(inner, item):
                inner.get()
                return super().fetch(item)

        for where in ("end", "get"):
            for error in (Mistake(where), Stop(where)):
                for workspace in self.each_runtime():
                    source = Source(self.texts)
                    source.end = source.get = lambda: None
                    setattr(source, where, self.raising(error))
                    self.assert_raises_again(error, lambda: self.ingest(workspace, source))

    def test_items_that_is_no_generator_and_fetch_that_is_missing(self):
        workspace = self.workspace()

        class Source:
            pass

        with self.assertRaises(AttributeError):
            self.ingest(workspace, Source())

    def test_log_of_opening(self):
        self.configure('colour: blue\nsources:\n  localfile:\n    docs:\n      base_url: "file://%s"\n' % self.path("kb", "docs"))
        error = Mistake("log")
        with qloader.Runtime(log=self.raising(error)) as runtime:
            self.assert_raises_again(error, lambda: qloader.Workspace(self.path("kb"), runtime=runtime, lenient=True))
            qloader.Workspace(self.path("kb"), runtime=qloader.Runtime(), lenient=True).close()

    def test_log_of_an_ingest(self):
        """Reading a repository is worth a line of the log, written while it is listed."""
        repository = self.repository("repo", {"a.md": "Tea is hot.\n"})
        self.configure('sources:\n  git:\n    repo:\n      base_url: "file://%s"\n      include_paths: ["**/*.md", "*.md"]\n' % repository)
        for error in (Mistake("log"), Stop("log")):
            with qloader.Runtime(log=self.raising(error)) as runtime, qloader.Workspace(self.path("kb"), runtime=runtime) as workspace:
                self.assert_raises_again(error, workspace.ingest)
                self.assertEqual(workspace.info()["documents"], 0)  # it stopped there
        with qloader.Workspace(self.path("kb")) as workspace:
            self.assertEqual(workspace.ingest().failed, 0)

    def test_what_no_call_took_is_told_by_the_next_ingest_or_at_the_end(self):
        error = Mistake("log")
        runtime = qloader.Runtime(log=self.raising(error))
        runtime._trap.catch(error)  # what a thread of the library leaves when the ingest that it worked for is over
        workspace = self.workspace(runtime=runtime)
        workspace.init()
        with self.assertRaises(Mistake):
            self.ingest(workspace)
        self.ingest(workspace)
        runtime._trap.catch(error)
        with self.assertRaises(Mistake):
            runtime.close()
        self.assertTrue(runtime.closed)

    def test_true_stops(self):
        for workspace in self.each_runtime():
            for options in ({"progress": lambda progress: progress.documents_total > 0}, {"event": lambda event: True}):
                with self.assertRaises(qloader.CancelledError) as raised:
                    self.ingest(workspace, force=True, **options)
                self.assertEqual(raised.exception.report.sources, 1)
            self.assertEqual(self.ingest(workspace, progress=lambda progress: False, event=lambda event: 0).failed, 0)
            self.assertEqual(workspace.info()["documents"], len(self.texts))

    def test_pull(self):
        model = os.environ["QLOADER_MODEL_DIR"]
        error = Mistake("pull")
        self.assert_raises_again(error, lambda: qloader.pull_model(origin=model, to_dir=self.path("models"), progress=self.raising(error)))
        with self.assertRaises(qloader.CancelledError):
            qloader.pull_model(origin=model, to_dir=self.path("models"), progress=lambda progress: True)

    def test_a_callback_s_own_context_is_kept(self):
        workspace = self.workspace()

        def progress(_):
            try:
                raise KeyError("inner")
            except KeyError as inner:
                raise Mistake("outer") from inner

        with self.assertRaises(Mistake) as raised:
            self.ingest(workspace, progress=progress)
        self.assertIsInstance(raised.exception.__cause__, KeyError)

    def test_of_two_exceptions_one_is_raised_the_other_told(self):
        """Two threads in fetch() at once, both raise."""
        barrier = threading.Barrier(2, timeout=60)
        told = []
        hook, sys.unraisablehook = sys.unraisablehook, lambda arguments: told.append(arguments.exc_value)
        self.addCleanup(setattr, sys, "unraisablehook", hook)

        class Source(support.DictSource):
            def fetch(inner, item):
                barrier.wait()
                raise Mistake(item.url)

        with qloader.Workspace(data_dir=self.path("two"), runtime=qloader.Runtime(threads=3)) as workspace:
            with self.assertRaises(Mistake) as raised:
                self.ingest(workspace, Source({"a": "Tea.", "b": "Coffee."}))
        self.assertEqual({str(error) for error in told + [raised.exception]}, {"a", "b"})

    def test_nothing_is_held_after_a_call(self):
        """Neither callbacks nor what they raised, once the call is over."""
        workspace = self.workspace()

        class Callback:
            def __call__(self, progress):
                raise Mistake("held")

        callback, source = Callback(), support.DictSource(self.texts)
        seen = [weakref.ref(callback), weakref.ref(source)]
        try:
            self.ingest(workspace, source, progress=callback)
        except Mistake as error:
            seen.append(weakref.ref(error))
        del callback, source
        self.assertEqual([ref() for ref in seen], [None, None, None])

    def test_ingest_within_an_ingest_is_busy(self):
        workspace = self.workspace()
        with self.assertRaises(qloader.BusyError):
            self.ingest(workspace, event=lambda event: self.ingest(workspace))

    def test_exception_whose_text_raises(self):
        class Unspeakable(Exception):
            def __str__(self):
                raise ValueError("no text")

        class Source(support.DictSource):
            def fetch(inner, item):
                raise Unspeakable()

        with self.assertRaises(Unspeakable):
            self.ingest(self.workspace(), Source({"a": "Tea."}))


if __name__ == "__main__":
    support.main()
