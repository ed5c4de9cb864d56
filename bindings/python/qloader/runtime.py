"""What every other object hangs on: worker threads, the log, counters."""
from __future__ import annotations

import ctypes
import enum
import json
import logging
from collections.abc import Callable, Collection
from typing import Any, Union

from ._call import Call, text_of
from ._handle import Handle, Holder
from ._library import lib
from ._ops import OpsTable
from ._structs import (
    ql_chunker_ops,
    ql_converter_ops,
    ql_embedder_ops,
    ql_log_fn,
    ql_reranker_ops,
    ql_runtime_options,
    ql_source_ops,
    sized,
)
from ._trap import Nearest, Trap, guard
from ._values import c_text, check_function, uint32_in
from .chunk import ChunkerAdapter, ChunkFunction
from .convert import ConverterAdapter, ConvertFunction
from .embed import Embedder, EmbedderAdapter
from .errors import InvalidError
from .metrics import MetricsServer, Registry, text_format
from .rerank import RerankerAdapter, RerankFunction
from .source import OpenFunction, SourcesAdapter


class LogLevel(enum.IntEnum):
    """How grave a message is; the numbers are those of Python's logging."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


LogFunction = Callable[[int, str, str], object]
Log = Union[LogFunction, logging.Logger]


class Runtime(Holder):
    """Threads, log and counters; one is enough for a program, and workspaces share it.

    `threads`    worker threads, the caller's included; 0: one per core that the process may use. With 1 everything runs in the calling thread.
    `log`        a logging.Logger, or a function that gets level, subsystem and message: on any thread of the library, one call at a time.
    `log_level`  the lowest level that is passed on; by default that of the logger, else INFO.
    `profile`    spans and counters are on, see stats().
    `metrics`    numbers for Prometheus are on, see metrics_text() and serve_metrics().

    What a log function raises is raised by the call that its thread is in; on a thread of the library, by the ingest that the thread works for.

    >>> with Runtime(threads=1) as runtime:
    ...     runtime.closed
    False
    >>> runtime.closed
    True
    """

    def __init__(
        self, *, threads: int = 0, log: Log | None = None, log_level: int | None = None, profile: bool = False, metrics: bool = False
    ) -> None:
        self._trap = Trap()
        self._nearest = Nearest(self._trap)
        self._callbacks: list[object] = []  # what C may call as long as the runtime lives
        options = sized(ql_runtime_options)
        options.threads = uint32_in("threads", threads)
        options.profile = self._profile = bool(profile)
        if log is not None:
            if not isinstance(log, logging.Logger):
                check_function("log", log)
            options.log_fn = callback = _log_callback(log, self._nearest)
            options.log_level = _level(log, log_level)
            self._callbacks.append(callback)
        pointer = ctypes.c_void_p()
        with Call() as call:
            status = lib.ql_runtime_new(ctypes.byref(options), ctypes.byref(pointer), call.error)
        call.check(status)
        self._handle = Handle("Runtime", pointer.value or 0, lib.ql_runtime_free, keep=self._callbacks)
        if metrics:
            with self._handle as owner, Call() as call:
                status = lib.ql_metrics_enable(owner, call.error)
            call.check(status)
        self._registry = Registry(self._handle)

    def _call(self) -> Call:
        """A call on this runtime or on something that hangs on it."""
        return Call(comes_back=bool(self._callbacks))

    def _register(self, function: Callable[..., int], table: OpsTable) -> None:
        self._callbacks.append(table)  # before C knows it: an interrupt may come at any time
        with self._handle as pointer:
            with self._call() as call:
                status = function(pointer, ctypes.byref(table.struct), None, call.error)
            if status < 0:
                self._callbacks.remove(table)
            call.check(status)

    def register_source(self, source_type: str, open_source: OpenFunction) -> None:
        """Makes a type of sources known to configurations: `sources: {<type>: {<name>: {...}}}`.

        `open_source` gets a SourceSettings and returns a source.Source; a QloaderError that it, or `items()`, raises fails that source alone. If
        the source has a method `close`, it is called when the source was read.

        This and everything else is registered before the first workspace is opened on the runtime, else BusyError; a name that is taken raises
        ExistsError. Names are 1 to 64 of a-z, 0-9, '-', '_', '.'. What is registered is called on any thread of the library.
        """
        check_function("open_source", open_source)
        adapter = SourcesAdapter(open_source, self._nearest)
        name = c_text("source_type", source_type.encode())
        self._register(lib.ql_source_register, OpsTable(ql_source_ops, adapter, self._nearest, type=name))

    def register_converter(
        self, name: str, convert: ConvertFunction, *, content_types: Collection[str] | None = None, version: int = 1
    ) -> None:
        """Adds a function that makes text of documents whose content type is in `content_types` (None: of all), before the built-in ones.

        It gets an Original and returns a Converted. FormatError or UnsupportedError: there is no text in it. Another QloaderError: the document
        fails. `version`: raise it when the same document yields something else; what was made with another one is made again.
        """
        check_function("convert", convert)
        adapter = ConverterAdapter(convert, content_types)
        table = OpsTable(
            ql_converter_ops, adapter, self._nearest, name=c_text("name", name.encode()), version=uint32_in("version", version)
        )
        self._register(lib.ql_converter_register, table)

    def register_chunker(
        self, name: str, chunk: ChunkFunction, *, content_types: Collection[str] | None = None, version: int = 1
    ) -> None:
        """Adds a function that cuts the text of documents whose content type is in `content_types` (None: of all).

        It gets a Canonical and ChunkOptions and yields Chunks, which cover the text. A QloaderError: the document fails. `version` as for
        converters.
        """
        check_function("chunk", chunk)
        adapter = ChunkerAdapter(chunk, content_types)
        table = OpsTable(ql_chunker_ops, adapter, self._nearest, name=c_text("name", name.encode()), version=uint32_in("version", version))
        self._register(lib.ql_chunker_register, table)

    def register_embedder(self, name: str, embedder: Embedder) -> None:
        """Adds an object that makes vectors of texts, for workspaces that ask for it: Workspace(embedder=name)."""
        check_function("embedder.embed", embedder.embed)
        adapter = EmbedderAdapter(embedder, self._nearest)
        table = OpsTable(ql_embedder_ops, adapter, self._nearest, name=c_text("name", name.encode()))
        self._register(lib.ql_embedder_register, table)

    def register_reranker(self, name: str, rerank: RerankFunction) -> None:
        """Adds a function that scores hits, for searches that ask for it: search(reranker=name).

        It gets the question and the hits and returns a number for each, larger is better; equal ones keep their order.
        """
        check_function("rerank", rerank)
        table = OpsTable(ql_reranker_ops, RerankerAdapter(rerank), self._nearest, name=c_text("name", name.encode()))
        self._register(lib.ql_reranker_register, table)

    def stats(self) -> dict[str, Any]:
        """Totals of spans and counters since the start; the runtime must have been made with `profile`."""
        with self._handle as pointer:
            if not self._profile:
                raise InvalidError("nothing is counted: make the runtime with Runtime(profile=True)")
            text = text_of(lambda out, error: lib.ql_runtime_stats_json(pointer, out, error), self._call())
        stats: dict[str, Any] = json.loads(text)
        return stats

    def metrics_text(self, *, openmetrics: bool = False) -> str:
        """Every metric as Prometheus text 0.0.4, or as OpenMetrics 1.0.0; the runtime must have been made with `metrics`."""
        with self._handle as pointer:
            return text_of(lambda out, error: lib.ql_metrics_write(pointer, text_format(openmetrics), out, error), self._call())

    @property
    def registry(self) -> Registry:
        """Metrics of the program's own beside the library's; the runtime must have been made with `metrics`."""
        return self._registry

    def serve_metrics(self, *, port: int = 0, address: str | None = None, token: str | None = None, profiles: bool = False) -> MetricsServer:
        """Answers GET /metrics in a thread of the library, until the server is closed.

        `port` 0: one that is free. `address`: 127.0.0.1 by default. `token`: asked for as "Authorization: Bearer TOKEN".
        `profiles`: profiles of the process under /debug/pprof/ as well; needs a token and a loopback address.
        """
        return MetricsServer(self._handle, port, address, token, profiles)

    def describe(self) -> dict[str, Any]:
        """What this machine and this installation have: machine, arithmetic, libraries, modules. Opens each of them."""
        with self._handle as pointer:
            text = text_of(lambda out, error: lib.ql_runtime_describe_json(pointer, out, error), self._call())
        facts: dict[str, Any] = json.loads(text)
        return facts

    def close(self) -> None:
        """Closes the runtime; again is fine. Workspaces opened on it go on working: the last one to be closed frees the threads."""
        self._handle.close()
        self._trap.raise_caught()

    def __enter__(self) -> Runtime:
        self._check_open()
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def _level(log: Log, level: int | None) -> int:
    if level is not None:
        return max(int(level), 1)
    return max(log.getEffectiveLevel(), 1) if isinstance(log, logging.Logger) else LogLevel.INFO


def _log_callback(log: Log, trap: Nearest) -> Any:
    def write(_user: object, level: int, subsystem: bytes, message: bytes) -> None:
        area, text = subsystem.decode("utf-8", "replace"), message.decode("utf-8", "replace")
        if isinstance(log, logging.Logger):
            log.log(level, "%s: %s", area, text)
        else:
            log(level, area, text)

    def failure(error: BaseException | None, *unused: Any) -> None:
        if error is not None:
            trap.catch(error)

    return ql_log_fn(guard(write, trap, failure))
