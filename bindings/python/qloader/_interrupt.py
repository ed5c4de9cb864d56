"""Signals while C runs.

Python runs the handlers of signals in the main thread, when it next executes Python code. While the main thread is in the library that is the
first moment of a callback, before any `try` of ours: what the handler raises (KeyboardInterrupt) would leave the callback, be printed by ctypes
and be lost. So while a call that has callbacks runs in the main thread, the handlers written in Python are wrapped: within the user's own code
they raise as ever; elsewhere the exception goes to the call's trap, which stops the call, and is raised when it has returned.
"""
from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol


class Catcher(Protocol):
    def catch(self, error: BaseException) -> None:
        ...


class Shield:
    """The wrapped handlers of one call. Calls within calls nest: the inner one wraps the outer one's wrappers."""

    def __init__(self, trap: Catcher) -> None:
        self._trap = trap
        self._originals: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._outer: Shield | None = None
        self.open = False  # user code runs and may be interrupted
        self._over = False  # the call has returned
        self._wrapper = self._handle  # one object, to be recognised

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        original = self._originals[signum]
        if self._over:
            original(signum, frame)
        elif self.open:
            self.open = False  # one exception leaves the user's code; what comes while it does must not be lost on the way
            original(signum, frame)
            self.open = True
        else:
            try:
                original(signum, frame)
            except BaseException as error:
                self._trap.catch(error)

    def install(self) -> None:
        global _innermost
        self._outer, _innermost = _innermost, self
        try:
            for signum in signal.valid_signals():
                handler = signal.getsignal(signum)
                if callable(handler):
                    self._originals[signum] = handler
                    signal.signal(signum, self._wrapper)
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """A wrapper that cannot be taken away, because an exception comes in between or the user set another, passes everything on."""
        global _innermost
        _innermost = self._outer
        self._over = True
        for signum, original in self._originals.items():
            if signal.getsignal(signum) is self._wrapper:
                signal.signal(signum, original)



class _Switch:
    """Opens or closes the innermost shield for the length of a with block."""

    def __init__(self, open_: bool) -> None:
        self._shield = _innermost if in_main_thread() else None
        self._wanted = open_
        self._before = False

    def __enter__(self) -> None:
        if self._shield is not None:
            self._before = self._shield.open
            self._shield.open = self._wanted

    def __exit__(self, *unused: object) -> None:
        if self._shield is not None:
            self._shield.open = self._before


_innermost: Shield | None = None  # touched by the main thread alone, as handlers are


def in_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident


def user_code() -> _Switch:
    """A context in which the user's code runs on behalf of C."""
    return _Switch(True)


def c_code() -> _Switch:
    """A context in which the user's code, on behalf of C, calls C again."""
    return _Switch(False)
