"""Tables of functions that the library calls: ql_source_ops, and whatever an application may register.

To mirror another table: its struct goes to _structs.py; an adapter class has a method for each `<name>_fn` that Python answers. A method gets
the arguments of the C function without `self` (unless the class has `wants_self`) and without `err`. A function with an `err` answers OK when
the method returns and the exception's status when it raises: a QloaderError is an answer that the library acts on; anything else is a
mistake, which ends the call that led here and is raised again from it. The functions named in `ends_call` end it with any answer, so their
QloaderErrors are raised again too, as they are. Functions without `err` return what the method returns. Those
without a result tell of an end and are called in any case; the others not any more once a mistake was made. A member without a method is NULL.

A table for one call is a local variable of it (see Workspace.ingest_source); one that is registered for the life of a runtime is kept by it
(see Runtime._register).
"""
from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from ._structs import E_CALLBACK, ql_error
from ._trap import AnyTrap, guard
from .errors import CallbackError, QloaderError

_MESSAGE_BYTES = ql_error.message.size - 1


class Stopped(CallbackError):
    """The library asked to stop: an answer that nobody needs to be told of."""


class Adapter:
    """What an adapter class may say of itself."""

    wants_self = False
    ends_call: frozenset[str] = frozenset()


class OpsTable:
    """A table filled from an adapter, and what must live as long as C may call it."""

    def __init__(self, struct: type[ctypes.Structure], adapter: Adapter, trap: AnyTrap, **constants: Any) -> None:
        self.struct: Any = struct(struct_size=ctypes.sizeof(struct), **constants)
        self._callbacks: list[object] = [adapter]
        for field in struct._fields_:
            name, prototype = field[0].removesuffix("_fn"), field[1]
            method = getattr(adapter, name, None) if name != field[0] else None
            if method is not None:
                callback = _callback(prototype, method, adapter.wants_self, name in adapter.ends_call, trap)
                self._callbacks.append(callback)
                setattr(self.struct, field[0], callback)


def _callback(prototype: Any, method: Callable[..., Any], wants_self: bool, ends_call: bool, trap: AnyTrap) -> Any:
    first = 0 if wants_self else 1
    if prototype._argtypes_[-1:] == (ctypes.POINTER(ql_error),):

        def fallible(*args: Any) -> int:
            try:
                method(*args[first:-1])
            except QloaderError as error:
                if ends_call and not isinstance(error, Stopped):
                    trap.catch(error)
                return _answer(error, args[-1])
            return 0

        return prototype(guard(fallible, trap, lambda error, *args: _mistake(error, args[-1], trap)))
    result = prototype._restype_
    return prototype(guard(lambda *args: method(*args[first:]), trap, lambda error, *args: _nothing(error, result, trap), always=result is None))


def _mistake(error: BaseException | None, out: Any, trap: AnyTrap) -> int:
    if error is not None:
        trap.catch(error)
    return _answer(error, out)


def _answer(error: BaseException | None, out: Any) -> int:
    """Fills the library's error from an exception; None: an earlier one is on its way already."""
    status = error.status if isinstance(error, QloaderError) else E_CALLBACK
    if out:
        out.contents.status = status
        out.contents.message = _message(error)
        if isinstance(error, QloaderError):
            out.contents.os_code = error.os_code
            out.contents.http_code = error.http_code
            out.contents.retry_after_ms = error.retry_after_ms
    return status


def _message(error: BaseException | None) -> bytes:
    if error is None:
        return b"stopped by an exception in a callback"
    try:
        text = str(error)
    except Exception:  # of the exception's own __str__
        text = ""
    if not isinstance(error, QloaderError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    line = " ".join(text.split()).encode("utf-8", "replace").replace(b"\0", b" ")
    return line[:_MESSAGE_BYTES].decode("utf-8", "ignore").encode()


def _nothing(error: BaseException | None, result: Any, trap: AnyTrap) -> Any:
    if error is not None:
        trap.catch(error)
    return None if result is None else 0
