"""Profiling from inside: captures of this process, spans, labels.

    from qloader import prof

    with prof.profile("out"):
        with prof.span("parse") as work:
            work.set("files", 3)

    @prof.span()
    def embed(texts): ...

A capture sees the whole process: the library's threads and Python's, where processor time goes in C (samples name functions of C, those of Python's interpreter
included, not Python's own), what the library allocates, memory over time, spans. It is one file, capture.qprof: `qloader prof report` and `qloader prof convert` make
the rest of it. While no capture runs a span costs a look at one number.

What a program counts over time goes into Runtime.registry.
"""
from __future__ import annotations

import atexit
import contextlib
import ctypes
import dataclasses
import functools
import inspect
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any, Literal, TypeVar

from ._call import Call
from ._handle import Handle
from ._library import lib
from ._structs import (
    PROF_CPU,
    PROF_HEAP,
    PROF_MEMORY,
    PROF_SPANS,
    PROF_WALL,
    ql_prof_info,
    ql_prof_options,
    ql_prof_write_fn,
    ql_site,
    ql_span,
    sized,
)
from ._values import PathLike, c_text, path_in, text_in, uint32_in, uint64_in
from .errors import InvalidError

__all__ = ["Profile", "ProfileInfo", "Span", "label", "profile", "running", "span"]

Engine = Literal["auto", "ctimer", "perf", "wall"]

_ENGINES = ("auto", "ctimer", "perf", "wall")
_Function = TypeVar("_Function", bound=Callable[..., Any])
_switch = lib.ql_prof_switch()
_sites: dict[tuple[str, str, str, str, int], ql_site] = {}  # as long as the process: the library keeps their addresses
_profiles: weakref.WeakSet[Profile] = weakref.WeakSet()


def running() -> bool:
    """Whether a capture of this process runs, whoever started it."""
    return bool(_switch[0])


# --- captures ---


@dataclasses.dataclass(frozen=True)
class ProfileInfo:
    """What a capture has done so far."""

    engine: str  # what takes the samples; "none"
    samples: int
    rootless: int  # of them, those whose stack does not reach the first function of its thread
    dropped: int  # records of any kind that found no room
    own_ns: int  # processor time of the capture itself
    written_bytes: int
    threads: int


class Profile:
    """A capture of this process, from here to stop(), or to the end of the block in `with profile("out"):`. Any thread may use it.

    There is one a process at a time: a second one raises BusyError, as does a folder that another process writes to. The end of the interpreter stops it.

    `folder`: capture.qprof is written there, for its owner alone; None: it is kept in memory, see Profile.snapshot().
    `cpu`, `heap`, `memory`, `spans` (on), `wall` (off: it interrupts system calls of other threads): what is taken.
    `engine`: "auto", "ctimer", "perf" or "wall" (time that passes instead of processor time); `rate_hz`: samples a second of each thread, 0: 99.
    `heap_interval_bytes`: mean distance of sampled allocations, 0: 512 KiB, 1: all. `limit_bytes`: the capture ends itself when it is larger.

    >>> with profile() as capture:
    ...     with span("tea"):
    ...         running()
    True
    >>> capture.snapshot()[1:6], capture.info().dropped, running()
    (b'qprof', 0, False)
    """

    def __init__(
        self,
        folder: PathLike | None = None,
        *,
        cpu: bool = True,
        wall: bool = False,
        heap: bool = True,
        memory: bool = True,
        spans: bool = True,
        engine: Engine = "auto",
        rate_hz: int = 0,
        heap_interval_bytes: int = 0,
        limit_bytes: int = 0,
    ) -> None:
        options = sized(ql_prof_options)
        for wanted, bit in ((cpu, PROF_CPU), (wall, PROF_WALL), (heap, PROF_HEAP), (memory, PROF_MEMORY), (spans, PROF_SPANS)):
            options.sources |= bit if wanted else 0
        if options.sources == 0:
            raise InvalidError("a capture of nothing: cpu, wall, heap, memory and spans are all off")
        if engine not in _ENGINES:
            raise InvalidError(f"engine is {engine!r}, not one of {', '.join(_ENGINES)}")
        options.engine = _ENGINES.index(engine)
        options.rate_hz = uint32_in("rate_hz", rate_hz)
        options.heap_interval_bytes = uint64_in("heap_interval_bytes", heap_interval_bytes)
        options.limit_bytes = uint64_in("limit_bytes", limit_bytes)
        options.folder = path_in("folder", folder)
        self._file = None if folder is None else os.path.join(os.fsdecode(folder), "capture.qprof")
        self._last: ProfileInfo | None = None
        self._lock = threading.Lock()
        pointer = ctypes.c_void_p()
        with Call() as call:
            status = lib.ql_prof_start(ctypes.byref(options), ctypes.byref(pointer), call.error)
        call.check(status)
        self._handle = Handle("Profile", pointer.value or 0, lib.ql_prof_free)
        _profiles.add(self)

    @property
    def file(self) -> str | None:
        """Path of capture.qprof; None: it is in memory, see snapshot()."""
        return self._file

    def info(self) -> ProfileInfo:
        """What it has done so far; after stop() in all."""
        with self._lock:
            return self._last or self._read_info()

    def snapshot(self) -> bytes:
        """What it holds so far, or all of it once it was stopped, as the content of a capture.qprof."""
        with self._lock:
            if self._last is not None and self._file is not None:
                with open(self._file, "rb") as file:
                    return file.read()
            pieces = bytearray()

            def take(user: object, data: int, size: int) -> bool:
                pieces.extend(ctypes.string_at(data, size))
                return False

            with self._handle as pointer:
                with Call() as call:
                    status = lib.ql_prof_snapshot(pointer, call.callback(ql_prof_write_fn, take), None, call.error)
                call.check(status)
            return bytes(pieces)

    def stop(self) -> None:
        """Ends the capture and writes the rest; again is fine. Raises IoError or NoSpaceError where the file could not be written: what is there is readable."""
        with self._lock:
            if self._last is not None:
                return
            with self._handle as pointer:
                with Call() as call:
                    status = lib.ql_prof_stop(pointer, call.error)
                self._last = self._read_info()
            if self._file is not None:
                self._handle.close()  # the folder is locked until then
            call.check(status)

    def _read_info(self) -> ProfileInfo:
        struct = sized(ql_prof_info)
        with self._handle as pointer:
            with Call() as call:
                status = lib.ql_prof_info_read(pointer, ctypes.byref(struct), call.error)
            call.check(status)
        engine = _ENGINES[struct.engine] if 0 < struct.engine < len(_ENGINES) else "none"
        return ProfileInfo(engine, struct.samples, struct.rootless, struct.dropped, struct.own_ns, struct.written_bytes, struct.threads)

    def __enter__(self) -> Profile:
        return self

    def __exit__(self, *unused: object) -> None:
        self.stop()


profile = Profile  # as one calls it: with profile("out"):


@atexit.register
def _stop_all() -> None:
    for capture in list(_profiles):
        with contextlib.suppress(Exception):  # a child of fork() has none
            capture.stop()


# --- spans ---


def _site_of(name: str, category: str, code: CodeType, line: int) -> ql_site:
    key = (name, category, code.co_filename, code.co_name, line)
    site = _sites.get(key)
    if site is None:
        texts = [c_text("a span's text", text.encode("utf-8", "replace")) for text in (name, category, code.co_name, code.co_filename)]
        site = _sites.setdefault(key, ql_site(texts[0], texts[1], texts[2], texts[3], line, 0, None))
    return site


class Span:
    """A stretch of one thread's time with a name, as `with span("parse"):` or around a function, as `@span("parse")`; made by span().

    Spans of a thread nest: the one that was begun last ends first. So there is none around an `await` or a `yield`, where the thread does something else.
    """

    def __init__(self, name: str | None = None, category: str = "python", *, site: ql_site | None = None) -> None:
        self._name, self._category, self._site = name, category, site
        self._struct: ql_span | None = None

    def __enter__(self) -> Span:
        if _switch[0]:
            if self._struct is not None:
                raise InvalidError("this span runs already: make another with span()")
            frame = sys._getframe(1)
            site = self._site or _site_of(self._name or frame.f_code.co_name, self._category, frame.f_code, frame.f_lineno)
            self._struct = lib.ql_span_start(ctypes.byref(site))
        return self

    def __exit__(self, *unused: object) -> None:
        struct, self._struct = self._struct, None
        if struct is not None and struct.id != 0:
            lib.ql_span_finish(ctypes.byref(struct))

    def set(self, key: str, value: int | float | str) -> None:
        """Something to know of the running span; at most eight of it are kept. Does nothing while no capture runs."""
        if self._struct is None or self._struct.id == 0:
            return
        name, at = c_text("key", key.encode("utf-8", "replace")), ctypes.byref(self._struct)
        if isinstance(value, str):
            lib.ql_span_text(at, name, text_in(value))
        elif isinstance(value, int) and -(2**63) <= value < 2**63:
            lib.ql_span_int(at, name, value)
        else:
            lib.ql_span_double(at, name, float(value))

    def __call__(self, function: _Function) -> _Function:
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("a span is of one thread's time, which a coroutine or generator gives away: use it inside, around what does not await or yield")
        inner: Any = inspect.unwrap(function)
        name, code = self._name or function.__name__, getattr(inner, "__code__", None)
        site = _site_of(name, self._category, code or sys._getframe(1).f_code, code.co_firstlineno if code else 0)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if not _switch[0]:
                return function(*args, **kwargs)
            with Span(site=site):
                return function(*args, **kwargs)

        made: Any = timed
        decorated: _Function = made
        return decorated


def span(name: str | None = None, category: str = "python") -> Span:
    """A span to enter, or to decorate a function with. `name`: the function's where it is None.

    >>> @span("sum", category="example")
    ... def add(a, b):
    ...     return a + b
    >>> add(1, 2)
    3
    """
    return Span(name, category)


@contextlib.contextmanager
def label(key: str, value: str) -> Iterator[None]:
    """Says on what the thread works: it is in each of its samples and spans within, those of the library included. At most 16 a thread."""
    before = 0
    if _switch[0]:
        before = lib.ql_label_put(c_text("key", key.encode("utf-8", "replace")), text_in(value))
    try:
        yield
    finally:
        if before != 0:
            lib.ql_label_put_back(before)
