"""The numbers of a runtime, for Prometheus: those a program adds, all of them over HTTP, what the built-in ones mean.

A program whose numbers have nothing to do with a runtime takes the package prometheus_client; the registry here puts them beside the library's.
"""
from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Sequence
from typing import Any

from ._call import Call, text_of
from ._handle import Handle, Holder
from ._library import lib
from ._structs import (
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
    METRICS_SERVER_PROFILES,
    METRICS_OPENMETRICS,
    METRICS_TEXT,
    ql_metric_options,
    ql_metrics_server_options,
    ql_str,
    sized,
)
from ._values import c_text, text_in, uint32_in
from .errors import InvalidError


def text_format(openmetrics: bool) -> int:
    return METRICS_OPENMETRICS if openmetrics else METRICS_TEXT


def describe_metrics() -> list[dict[str, Any]]:
    """What the library's metrics mean: name, type, unit, help, label, values.

    >>> [metric["type"] for metric in describe_metrics() if metric["name"] == "qloader_chunks_total"]
    ['counter']
    """
    facts: list[dict[str, Any]] = json.loads(text_of(lambda out, error: lib.ql_metrics_describe_json(out, error)))
    return facts


class _Metric:
    """A metric of the program's own, and of its series the one whose label values are given: labels() gives the others. Any thread may use it."""

    def __init__(self, runtime: Handle, metric: int, names: Sequence[str], values: Sequence[str] | None) -> None:
        self._runtime, self._metric, self._names = runtime, metric, tuple(names)
        self._series = None if values is None else self._find(values)

    def _find(self, values: Sequence[str]) -> int:
        texts = (ql_str * len(values))(*map(text_in, values))
        pointer = ctypes.c_void_p()
        with self._runtime:
            with Call() as call:
                status = lib.ql_metric_series(self._metric, texts, len(values), ctypes.byref(pointer), call.error)
            call.check(status)
        return pointer.value or 0

    def _own(self) -> int:
        if self._series is None:
            raise InvalidError(f"a metric with the labels {', '.join(self._names)}: say which with labels()")
        return self._series


class Counter(_Metric):
    """Whole numbers that only grow."""

    def labels(self, *values: str) -> Counter:
        """The series of these label values, in the order of the labels' names. Keep it where speed matters."""
        return Counter(self._runtime, self._metric, self._names, values)

    def inc(self, amount: int = 1) -> None:
        if not 0 <= amount < 2**64:
            raise InvalidError(f"amount is {amount}: a counter only grows, by less than 2**64")
        with self._runtime:
            lib.ql_series_add(self._own(), amount)


class Gauge(_Metric):
    """A number that goes up and down."""

    def labels(self, *values: str) -> Gauge:
        """As Counter.labels()."""
        return Gauge(self._runtime, self._metric, self._names, values)

    def set(self, value: float) -> None:
        with self._runtime:
            lib.ql_series_set(self._own(), value)

    def inc(self, amount: float = 1) -> None:
        with self._runtime:
            lib.ql_series_change(self._own(), amount)

    def dec(self, amount: float = 1) -> None:
        self.inc(-amount)


class Histogram(_Metric):
    """How often values were at most so large."""

    def labels(self, *values: str) -> Histogram:
        """As Counter.labels()."""
        return Histogram(self._runtime, self._metric, self._names, values)

    def observe(self, value: float, *, exemplar: tuple[str, str] | None = None) -> None:
        """`exemplar`: a label that leads to what was observed, such as ("trace_id", "9f2c"); OpenMetrics shows the last one of each bucket."""
        with self._runtime:
            if exemplar is None:
                lib.ql_series_observe(self._own(), value)
            else:
                lib.ql_series_observe_with(self._own(), value, text_in(exemplar[0]), text_in(exemplar[1]))


class Registry:
    """Metrics of the program beside the library's: Runtime.registry. Asking again for a metric gives the same one, if all about it is the same.

    `name`: letters, digits, '_'; with the unit at its end where there is one, without "_total". `labels`: names, at most 8. `series_max`: more label values than that
    are counted together, as overflow="true"; 0: 1,000.

    >>> import qloader
    >>> with qloader.Runtime(threads=1, metrics=True) as runtime:
    ...     letters = runtime.registry.counter("desk_letters", "letters read", labels=["kind"])
    ...     letters.labels("invoice").inc(3)
    ...     [line for line in runtime.metrics_text().splitlines() if line.startswith("desk")]
    ['desk_letters_total{kind="invoice"} 3']
    """

    def __init__(self, runtime: Handle) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._known: dict[str, tuple[object, int]] = {}

    def _register(self, kind: int, name: str, help: str, unit: str | None, labels: Sequence[str], series_max: int, bounds: Sequence[float] | None) -> int:
        facts = (kind, help, unit, tuple(labels), series_max, None if bounds is None else tuple(bounds))
        with self._lock, self._runtime as owner:
            if name in self._known and self._known[name][0] == facts:
                return self._known[name][1]
            options = sized(ql_metric_options)
            options.type = kind
            options.name = c_text("name", name.encode())
            options.help = c_text("help", help.encode())
            options.unit = None if unit is None else c_text("unit", unit.encode())
            names = (ctypes.c_char_p * len(labels))(*(c_text("a label", label.encode()) for label in labels))
            options.label_names, options.label_count = names, len(labels)
            options.series_max = uint32_in("series_max", series_max)
            if bounds is not None:
                options.bounds, options.bound_count = (ctypes.c_double * len(bounds))(*bounds), len(bounds)
            pointer = ctypes.c_void_p()
            with Call() as call:
                status = lib.ql_metric_register(owner, ctypes.byref(options), ctypes.byref(pointer), call.error)
            call.check(status)
            self._known[name] = (facts, pointer.value or 0)
            return pointer.value or 0

    def counter(self, name: str, help: str, *, unit: str | None = None, labels: Sequence[str] = (), series_max: int = 0) -> Counter:
        metric = self._register(METRIC_COUNTER, name, help, unit, labels, series_max, None)
        return Counter(self._runtime, metric, labels, None if labels else ())

    def gauge(self, name: str, help: str, *, unit: str | None = None, labels: Sequence[str] = (), series_max: int = 0) -> Gauge:
        metric = self._register(METRIC_GAUGE, name, help, unit, labels, series_max, None)
        return Gauge(self._runtime, metric, labels, None if labels else ())

    def histogram(
        self, name: str, help: str, *, unit: str | None = None, labels: Sequence[str] = (), series_max: int = 0, bounds: Sequence[float] | None = None
    ) -> Histogram:
        """`bounds`: upper bounds of the buckets, ascending; None: from 5 ms to 10 s, in seconds."""
        metric = self._register(METRIC_HISTOGRAM, name, help, unit, labels, series_max, bounds)
        return Histogram(self._runtime, metric, labels, None if labels else ())


class MetricsServer(Holder):
    """Answers GET /metrics until it is closed; made by Runtime.serve_metrics()."""

    def __init__(self, runtime: Handle, port: int, address: str | None, token: str | None, profiles: bool) -> None:
        options = sized(ql_metrics_server_options)
        options.port = uint32_in("port", port)
        options.address = None if address is None else c_text("address", address.encode())
        options.token = None if token is None else c_text("token", token.encode())
        options.flags = METRICS_SERVER_PROFILES if profiles else 0
        pointer = ctypes.c_void_p()
        with runtime as owner:
            with Call() as call:
                status = lib.ql_metrics_server_start(owner, ctypes.byref(options), ctypes.byref(pointer), call.error)
            call.check(status)
            self._handle = Handle("MetricsServer", pointer.value or 0, lib.ql_metrics_server_stop, parent=runtime)

    @property
    def port(self) -> int:
        """The port it listens on."""
        with self._handle as pointer:
            port: int = lib.ql_metrics_server_port(pointer)
        return port

    def close(self) -> None:
        """Closes every connection; again is fine."""
        self._handle.close()

    def __enter__(self) -> MetricsServer:
        self._check_open()
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()
