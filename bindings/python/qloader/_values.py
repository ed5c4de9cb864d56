"""Python's values as the library takes them, and back.

Names (urls, projects, paths) may hold any bytes: what is not UTF-8 is carried in surrogates, as os.fsdecode does it, and comes out of the other
side as it went in. numpy's scalars and arrays are taken where they make sense, by what they can do; numpy itself is never imported.
"""
from __future__ import annotations

import ctypes
import dataclasses
import datetime
import json
import operator
import os
from collections.abc import Mapping
from typing import Any, SupportsIndex, TypeVar, Union

from ._library import lib
from ._structs import TIME_UNKNOWN, ql_buf, ql_str
from .errors import InvalidError

PathLike = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
Time = Union[datetime.datetime, SupportsIndex]

_Record = TypeVar("_Record")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MILLISECOND = datetime.timedelta(milliseconds=1)


def text_in(text: str) -> ql_str:
    if not isinstance(text, str):
        raise TypeError(f"a str is wanted, not {type(text).__name__}")
    return ql_str.of(text.encode("utf-8", "surrogateescape"))


def text_out(view: ql_str) -> str:
    return view.content().decode("utf-8", "surrogateescape")


def c_text(name: str, value: bytes) -> bytes:
    """For a const char *, which would end at the first NUL."""
    if b"\0" in value:
        raise InvalidError(f"{name} holds a NUL byte")
    return value


def path_in(name: str, path: PathLike | None) -> bytes | None:
    return None if path is None else c_text(name, os.fsencode(path))


def check_function(name: str, value: object) -> None:
    """A mistake that would otherwise be seen in the call that first needs it."""
    if not callable(value):
        raise TypeError(f"{name} is a {type(value).__name__}, where a function is wanted")


def uint32_in(name: str, value: SupportsIndex, taken: str = f"0..{2**32 - 1}") -> int:
    """ctypes would cut what does not fit. `taken`: what the library takes, which looks itself at what does fit.

    >>> uint32_in("threads", 2**32)
    Traceback (most recent call last):
    qloader.errors.InvalidError: threads is 4294967296, not in 0..4294967295
    """
    number = operator.index(value)
    if not 0 <= number < 2**32:
        raise InvalidError(f"{name} is {number}, not in {taken}")
    return number


def uint64_in(name: str, value: SupportsIndex) -> int:
    number = operator.index(value)
    if not 0 <= number < 2**64:
        raise InvalidError(f"{name} is {number}, not in 0..{2**64 - 1}")
    return number


def time_in(name: str, value: Time | None) -> int:
    """Milliseconds since 1970 of a datetime (a naive one is local time), a numpy.datetime64, or of milliseconds.

    >>> time_in("since", datetime.datetime(1970, 1, 2, tzinfo=datetime.timezone.utc))
    86400000
    """
    if value is None:
        return TIME_UNKNOWN
    if isinstance(value, datetime.datetime):
        return (_aware(name, value) - _EPOCH) // _MILLISECOND
    if getattr(getattr(value, "dtype", None), "kind", "") == "M":  # numpy.datetime64; its "not a time" is the same number as ours
        moment: Any = value
        return int(moment.astype("datetime64[ms]").astype("int64"))
    if not hasattr(value, "__index__"):
        raise TypeError(f"{name} is a {type(value).__name__}, where a datetime.datetime or milliseconds since 1970 are wanted")
    return _int64(name, operator.index(value))


def _aware(name: str, moment: datetime.datetime) -> datetime.datetime:
    """A moment of local time with its distance from UTC, which the system does not know at either end of what a datetime holds."""
    if moment.utcoffset() is not None:
        return moment
    try:
        return moment.astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidError(f"{name} is {moment}, which as local time has no counterpart in UTC: give it a tzinfo") from error


def _int64(name: str, number: int) -> int:
    if not -(2**63) <= number < 2**63:
        raise InvalidError(f"{name} is {number}, not a time in milliseconds")
    return number


def time_out(milliseconds: int | None) -> datetime.datetime | None:
    """None also for what is before the year 1 or after 9999, which a datetime cannot hold.

    >>> time_out(86400500), time_out(None), time_out(2**62)
    (datetime.datetime(1970, 1, 2, 0, 0, 0, 500000, tzinfo=datetime.timezone.utc), None, None)
    """
    if milliseconds is None:
        return None
    try:
        return _EPOCH + milliseconds * _MILLISECOND
    except OverflowError:
        return None


def content_in(content: Any) -> bytes:
    """The bytes of a document: text as UTF-8, else anything that has a buffer of bytes."""
    if isinstance(content, str):
        return content.encode("utf-8", "surrogateescape")
    if isinstance(content, bytes):
        return content
    view = memoryview(content)
    if view.itemsize != 1:
        raise TypeError(f"a buffer of single bytes is wanted, not one of format '{view.format}'")
    return view.tobytes()


def json_in(metadata: Mapping[str, Any]) -> bytes:
    """A JSON object; numpy's scalars and arrays become numbers and lists."""
    if not metadata:
        return b""
    return json.dumps(dict(metadata), default=_plain, allow_nan=False).encode()


def json_out(view: ql_str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(view.content()) if view.len else {}
    return value


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    raise TypeError(f"metadata holds a {type(value).__name__}, which JSON does not know")


def record_out(record: type[_Record], struct: ctypes.Structure, **given: Any) -> _Record:
    """A dataclass of ours from the struct whose members have the same names; views are copied, unknown times become None."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = given[field.name] if field.name in given else getattr(struct, field.name)
        if isinstance(value, ql_str):
            value = text_out(value)
        elif value == TIME_UNKNOWN and field.name.endswith("_at_ms"):
            value = None
        values[field.name] = value
    return record(**values)


class Buffer:
    """A ql_buf for the length of a with block."""

    def __init__(self) -> None:
        self.struct = ql_buf()
        lib.ql_buf_init(ctypes.byref(self.struct), 0)

    def __enter__(self) -> Buffer:
        return self

    def __exit__(self, *unused: object) -> None:
        lib.ql_buf_dispose(ctypes.byref(self.struct))

    def text(self) -> str:
        data: bytes = self.struct.ptr[: self.struct.len] if self.struct.len else b""
        return data.decode("utf-8", "surrogateescape")
