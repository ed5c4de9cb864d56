"""The numbers of a runtime over HTTP, for Prometheus; what they mean.

Programs that count things of their own do so with the package prometheus_client, and join its text with that of Runtime.metrics_text().
"""
from __future__ import annotations

import ctypes
import json
from typing import Any

from ._call import Call, text_of
from ._handle import Handle
from ._library import lib
from ._structs import METRICS_OPENMETRICS, METRICS_TEXT, ql_metrics_server_options, sized
from ._values import c_text, uint32_in


def text_format(openmetrics: bool) -> int:
    return METRICS_OPENMETRICS if openmetrics else METRICS_TEXT


def describe_metrics() -> list[dict[str, Any]]:
    """What the library's metrics mean: name, type, unit, help, label, values.

    >>> [metric["type"] for metric in describe_metrics() if metric["name"] == "qloader_chunks_total"]
    ['counter']
    """
    facts: list[dict[str, Any]] = json.loads(text_of(lambda out, error: lib.ql_metrics_describe_json(out, error)))
    return facts


class MetricsServer:
    """Answers GET /metrics until it is closed; made by Runtime.serve_metrics()."""

    def __init__(self, runtime: Handle, port: int, address: str | None, token: str | None) -> None:
        options = sized(ql_metrics_server_options)
        options.port = uint32_in("port", port)
        options.address = None if address is None else c_text("address", address.encode())
        options.token = None if token is None else c_text("token", token.encode())
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

    @property
    def closed(self) -> bool:
        return self._handle.closed

    def close(self) -> None:
        """Closes every connection; again is fine."""
        self._handle.close()

    def __enter__(self) -> MetricsServer:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()
