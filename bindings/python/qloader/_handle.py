"""Who may use an object of the library, and when it is freed.

The library asks that no call is running on what is freed, that a runtime outlives its workspaces, and that a child made by fork() leaves its
parent's objects alone. Closing, garbage collection and other threads come in any order, so a handle counts its users, children included: it is
freed by whoever is the last to leave after it was closed. There is no lock, since garbage collection may run a finaliser in the middle of anything
the same thread does: deque.append and pop are atomic, and one pop of the pointer decides who frees.
"""
from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from .errors import ClosedError, ForkError


class Handle:
    """A pointer of the library. `with handle as pointer:` uses it: it is not freed within."""

    def __init__(self, kind: str, pointer: int, free: Callable[[int], None], parent: Handle | None = None, keep: object = None) -> None:
        """`keep`: what must live as long as the object, such as its callbacks."""
        self._kind = kind
        self._pointer = pointer
        self._free = free
        self._parent = parent
        self._keep = keep
        self._pid = os.getpid()
        self._users: deque[None] = deque()
        self._owned = deque([pointer])
        self.closed = False
        if parent is not None:
            parent._users.append(None)  # the caller uses the parent now, so it is there

    def __enter__(self) -> int:
        if os.getpid() != self._pid:
            raise ForkError(
                f"this {self._kind} belongs to process {self._pid}, which forked this one ({os.getpid()}): open another {self._kind} here"
            )
        self._users.append(None)
        if self.closed:
            self._leave()
            raise ClosedError(f"this {self._kind} is closed")
        return self._pointer

    def __exit__(self, *unused: object) -> None:
        self._leave()

    def close(self) -> None:
        """May be called at any time and again: what still uses the object goes on to its end."""
        self.closed = True
        self._free_if_idle()

    def _leave(self) -> None:
        self._users.pop()
        self._free_if_idle()

    def _free_if_idle(self) -> None:
        if not self.closed or self._users:
            return
        try:
            pointer = self._owned.pop()
        except IndexError:
            return
        if os.getpid() == self._pid:
            self._free(pointer)
        if self._parent is not None:
            self._parent._leave()

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # At the end of the process a daemon thread may still be in a call; all that is acknowledged is on disk anyway.
        if not is_finalizing() and hasattr(self, "closed"):
            self.close()

    def __reduce__(self) -> Any:
        raise TypeError(f"a {self._kind} cannot be pickled or copied, nor what uses it")  # a copy would be freed as well


class Holder:
    """What users see of a handle. It is one object: a copy would be closed with it, and another process cannot use it."""

    _handle: Handle
    _instead = "open another"

    @property
    def closed(self) -> bool:
        return self._handle.closed

    def _check_open(self) -> None:
        """For `with`, which otherwise would fail at the first use only."""
        with self._handle:
            pass

    def __reduce__(self) -> Any:
        raise TypeError(f"a {type(self).__name__} cannot be pickled or copied: {self._instead}")
