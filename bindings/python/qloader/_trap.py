"""Carrying an exception through C: kept where the callback ended, raised again where the call returned."""
from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Union

from . import _interrupt


class Trap:
    """What callbacks raised during a call, on whatever thread. True when there is something in it, its parent's included.

    >>> trap = Trap()
    >>> trap.raise_caught()
    >>> trap.catch(KeyError("k"))
    >>> bool(trap)
    True
    >>> trap.raise_caught()
    Traceback (most recent call last):
    KeyError: 'k'
    >>> bool(trap)
    False
    """

    def __init__(self, parent: Trap | None = None) -> None:
        self._parent = parent
        self._caught: list[BaseException] = []

    def __bool__(self) -> bool:
        return bool(self._caught) or bool(self._parent)

    def catch(self, error: BaseException) -> None:
        self._caught.append(error)

    def raise_caught(self) -> None:
        """One can be raised: the first, but KeyboardInterrupt and its like before others. The others go to sys.unraisablehook."""
        caught, self._caught = self._caught, []
        if not caught:
            if self._parent is not None:
                self._parent.raise_caught()
            return
        chosen = next((error for error in caught if not isinstance(error, Exception)), caught[0])
        while caught:
            _tell_unless(chosen, caught.pop(0))
        try:
            raise chosen
        finally:
            del chosen  # its traceback refers to this frame


def _tell_unless(chosen: BaseException, error: BaseException) -> None:
    if error is not chosen and not isinstance(error, KeyboardInterrupt):
        _Told(error)


class _Told:
    """What a finaliser raises, Python tells through sys.unraisablehook."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __del__(self) -> None:
        raise self._error


class _Calls(threading.local):
    """The traps of the calls that this thread is in, the innermost last. A thread of the library is in none."""

    def __init__(self) -> None:
        self.traps: list[Trap] = []


_calls = _Calls()


def enter(trap: Trap) -> None:
    _calls.traps.append(trap)


def leave() -> None:
    _calls.traps.pop()


class Nearest:
    """Where callbacks that belong to a runtime leave what they raise: with the call that this thread is in, so that it is raised there and nowhere
    else; on a thread of the library with the runtime, for the ingest that the thread works for."""

    def __init__(self, trap: Trap) -> None:
        self._trap = trap

    def _nearest(self) -> Trap:
        return _calls.traps[-1] if _calls.traps else self._trap

    def __bool__(self) -> bool:
        return bool(self._nearest())

    def catch(self, error: BaseException) -> None:
        self._nearest().catch(error)


AnyTrap = Union[Trap, Nearest]


def guard(function: Callable[..., Any], trap: AnyTrap, failure: Callable[..., Any], *, always: bool = False) -> Callable[..., Any]:
    """`function` as C may call it: nothing it raises leaves it. Once something is in the trap it is not called any more, unless `always`.

    `failure` gets the exception (None: an earlier one) and the arguments, and returns what C is answered.
    """

    def guarded(*args: Any) -> Any:
        try:
            with _interrupt.user_code():  # first: a signal is either raised within or in the trap
                return function(*args) if always or not trap else failure(None, *args)
        except BaseException as error:
            return failure(error, *args)

    return guarded
