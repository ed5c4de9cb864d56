"""Where characters of a text lie in its UTF-8, and back: C counts bytes, Python characters."""
from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence

from .errors import InvalidError


def _width(character: str) -> int:
    code = ord(character)
    return 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4


class Offsets:
    """
    >>> offsets = Offsets("a\u00e9b")
    >>> [offsets.byte(n) for n in range(4)], offsets.character(3), len(offsets)
    ([0, 1, 3, 4], 2, 3)
    """

    def __init__(self, text: str) -> None:
        self._length = len(text)
        ascii_only = text.isascii()
        self._bytes: Sequence[int] = range(len(text) + 1) if ascii_only else list(itertools.accumulate(map(_width, text), initial=0))

    def __len__(self) -> int:
        return self._length

    def byte(self, character: int) -> int:
        if not 0 <= character <= self._length:
            raise InvalidError(f"position {character} is outside the text of {self._length} characters")
        return self._bytes[character]

    def character(self, byte: int) -> int:
        """Of a byte that begins one."""
        return bisect.bisect_left(self._bytes, byte)
