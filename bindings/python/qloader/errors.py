"""What can go wrong: an exception class for each kind of status that the library knows.

>>> try:
...     raise NotFoundError("no folder 'kb'", os_code=2)
... except QloaderError as error:
...     print(type(error).__name__, error.kind.name, error.status, error.os_code, error)
NotFoundError NOTFOUND -4 2 no folder 'kb'
>>> issubclass(InvalidError, ValueError), issubclass(NoMemoryError, MemoryError)
(True, True)
"""
from __future__ import annotations

import enum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .ingest import IngestReport


class StatusKind(enum.IntEnum):
    """The kinds of the library's status values (QL_STATUS_KINDS in base.h)."""

    INVALID = 1
    NOMEM = 2
    IO = 3
    NOTFOUND = 4
    EXISTS = 5
    CORRUPT = 6
    CONFIG = 7
    UNSUPPORTED = 8
    BUSY = 9
    CANCELLED = 10
    CALLBACK = 11
    LIMIT = 12
    NET = 13
    AUTH = 14
    FORMAT = 15
    MISMATCH = 16
    NOSPACE = 17
    TIMEOUT = 18
    PARTIAL = 19
    INTERNAL = 20


class QloaderError(Exception):
    """The library's answer to a call that failed. Also raised by a source of yours, to say why a document cannot be had."""

    kind: ClassVar[StatusKind] = StatusKind.INTERNAL
    status: int
    """The status as the library gave it: -(kind | detail << 8)."""
    os_code: int
    """errno, or 0."""
    http_code: int
    """HTTP status, or 0."""
    retry_after_ms: int
    """The peer asked to wait this long, or 0."""
    message: str
    report: IngestReport | None = None
    """After an ingest that failed or was stopped: what was done until then."""

    def __init__(self, message: str, *, status: int = 0, os_code: int = 0, http_code: int = 0, retry_after_ms: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.status = status if status < 0 else -int(self.kind)
        self.os_code = os_code
        self.http_code = http_code
        self.retry_after_ms = retry_after_ms


class InvalidError(QloaderError, ValueError):
    """An argument is not what the function takes."""

    kind = StatusKind.INVALID


class ClosedError(InvalidError):
    """The object was closed before."""


class ForkError(InvalidError):
    """The object belongs to the parent of this process. Open another in the child."""


class NoMemoryError(QloaderError, MemoryError):
    """Memory ran out."""

    kind = StatusKind.NOMEM


class IoError(QloaderError):
    """Reading or writing failed; os_code tells why."""

    kind = StatusKind.IO


class NotFoundError(QloaderError):
    """There is no such folder, project, source, model, or nothing to search in."""

    kind = StatusKind.NOTFOUND


class ExistsError(QloaderError):
    """It is there already."""

    kind = StatusKind.EXISTS


class CorruptError(QloaderError):
    """A file is damaged; the message names it and what mends it."""

    kind = StatusKind.CORRUPT


class ConfigError(QloaderError):
    """The configuration is not valid."""

    kind = StatusKind.CONFIG
    problems: tuple[str, ...] = ()
    """Every problem as file:line:column: sentence."""


class UnsupportedError(QloaderError):
    """This build or machine cannot do it."""

    kind = StatusKind.UNSUPPORTED


class BusyError(QloaderError):
    """Another process or thread is at it."""

    kind = StatusKind.BUSY


class CancelledError(QloaderError):
    """A callback asked to stop."""

    kind = StatusKind.CANCELLED


class CallbackError(QloaderError):
    """Stopped by a callback."""

    kind = StatusKind.CALLBACK


class LimitError(QloaderError):
    """More than the library takes."""

    kind = StatusKind.LIMIT


class NetworkError(QloaderError):
    """A server could not be reached or answered badly; http_code and retry_after_ms tell more."""

    kind = StatusKind.NET


class AuthError(QloaderError):
    """A server or repository refused the credentials."""

    kind = StatusKind.AUTH


class FormatError(QloaderError):
    """The input is malformed."""

    kind = StatusKind.FORMAT


class MismatchError(QloaderError):
    """It does not fit what is stored: the index was made with another model."""

    kind = StatusKind.MISMATCH


class NoSpaceError(QloaderError):
    """The disk is full."""

    kind = StatusKind.NOSPACE


class TimedOutError(QloaderError):
    """It took too long."""

    kind = StatusKind.TIMEOUT


class PartialError(QloaderError):
    """Finished, but documents or sources failed: see report, and the events."""

    kind = StatusKind.PARTIAL


class InternalError(QloaderError):
    """A mistake in the library."""

    kind = StatusKind.INTERNAL


_CLASSES: dict[int, type[QloaderError]] = {
    int(cls.kind): cls
    for cls in (
        InvalidError, NoMemoryError, IoError, NotFoundError, ExistsError, CorruptError, ConfigError, UnsupportedError, BusyError, CancelledError,
        CallbackError, LimitError, NetworkError, AuthError, FormatError, MismatchError, NoSpaceError, TimedOutError, PartialError, InternalError,
    )
}


def class_of(status: int) -> type[QloaderError]:
    """The exception class of a status; QloaderError itself for a kind that these bindings do not know.

    >>> class_of(-(9 | 3 << 8)).__name__, class_of(-99).__name__
    ('BusyError', 'QloaderError')
    """
    return _CLASSES.get(-status & 0xFF, QloaderError)
