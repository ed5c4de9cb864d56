"""One call into the library, from the first callback made for it to its outcome."""
from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, TypeVar

from . import _interrupt
from ._library import lib
from ._structs import ql_error
from ._trap import Trap, enter, guard, leave
from ._values import Buffer
from .errors import ConfigError, QloaderError, class_of

_Prototype = TypeVar("_Prototype")


class Call:
    """Holds what the call needs until it has returned: the error struct, the callbacks, the trap.

    with Call(parent) as call:
        status = lib.ql_...(..., call.error)
    call.check(status)
    """

    def __init__(self, parent: Trap | None = None, *, comes_back: bool = False) -> None:
        """`parent`: a trap whose content stops and ends this call too; `comes_back`: there are callbacks that are not of this call."""
        self.trap = Trap(parent)
        self._struct = ql_error()
        self.error = ctypes.byref(self._struct)
        self._callbacks: list[object] = []
        self._comes_back = comes_back
        self._shield: _interrupt.Shield | None = None

    def callback(self, prototype: type[_Prototype], function: Callable[..., Any]) -> _Prototype:
        """A C function that returns int: 0 to go on, 1 to stop, which it also answers when `function` raises or returns something true."""

        trap = self.trap  # a callback that knew the call would keep it alive

        def failure(error: BaseException | None, *args: Any) -> int:
            if error is not None:
                trap.catch(error)
            return 1

        made: Any = prototype
        callback: _Prototype = made(guard(lambda *args: 1 if function(*args) else 0, trap, failure))
        return self.keep(callback)

    def keep(self, thing: _Prototype) -> _Prototype:
        """Until the call is over."""
        self._callbacks.append(thing)
        self._comes_back = True
        return thing

    def __enter__(self) -> Call:
        if self._comes_back and _interrupt.in_main_thread():
            self._shield = _interrupt.Shield(self.trap)
            self._shield.install()
        enter(self.trap)
        return self

    def __exit__(self, *unused: object) -> None:
        leave()
        if self._shield is not None:
            self._shield.remove()

    def check(self, status: int, problems: str = "") -> None:
        """Raises what a callback raised, else what the library tells."""
        self.trap.raise_caught()
        if status < 0:
            raise self.failure(status, problems)

    def failure(self, status: int, problems: str = "") -> QloaderError:
        struct = self._struct
        message = struct.message.decode("utf-8", "replace") or lib.ql_status_name(status).decode()
        error = class_of(status)(
            message, status=status, os_code=struct.os_code, http_code=struct.http_code, retry_after_ms=struct.retry_after_ms
        )
        if isinstance(error, ConfigError):
            error.problems = tuple(problems.splitlines())
        return error


def text_of(function: Callable[[Any, Any], Any], call: Call | None = None) -> str:
    """What a function appends to a ql_buf; it gets the buffer and the error."""
    call = call or Call()
    with Buffer() as out:
        with call:
            status = function(ctypes.byref(out.struct), call.error)
        call.check(status)
        return out.text()
