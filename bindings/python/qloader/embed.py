"""From texts to vectors, by an object of yours. Registered by `Runtime.register_embedder`, chosen by `Workspace(embedder=...)`."""
from __future__ import annotations

import array
import ctypes
import enum
import itertools
from collections.abc import Sequence
from typing import Any, Optional, Protocol

from ._offsets import Offsets
from ._ops import Adapter
from ._structs import ql_measure, sized
from ._trap import AnyTrap, guard
from ._values import c_text


class EmbedRole(enum.IntEnum):
    """What a text is embedded for: to be found, or to search with."""

    PASSAGE = 0
    QUERY = 1


class Embedder(Protocol):
    """What register_embedder wants of an object. It may also have

    `window: int`                             tokens of a text that the model sees at once,
    `starts(text: str) -> Sequence[int]`      the position in the text at which each token begins: chunks are then measured in tokens, else in
                                              characters.
    """

    @property
    def model(self) -> str:
        """What tells this model's vectors from another's, at most 127 bytes: a name, or name@fingerprint with 16 digits of 0-9a-f. The index
        remembers it."""

    @property
    def dims(self) -> int:
        """Width of a vector, 1..65536."""

    def embed(self, texts: Sequence[str], role: EmbedRole) -> Any:
        """A vector of unit length for each text: a sequence of sequences of numbers, or a numpy array (len(texts), dims). One call at a time, on
        the thread that ingests or searches. It must not use the workspace that asks."""


class EmbedderAdapter(Adapter):
    """Answers the functions of a ql_embedder_ops (see _ops.py)."""

    ends_call = frozenset({"embed"})

    def __init__(self, embedder: Embedder, trap: AnyTrap) -> None:
        self._embedder = embedder
        self._dims = int(embedder.dims)
        self._model = ctypes.create_string_buffer(c_text("model", embedder.model.encode()))
        self._window: Optional[int] = getattr(embedder, "window", None)
        self._measure = _measure(embedder, trap)
        self.measure = self._measure_address if self._measure is not None else None  # without one the member is NULL

    def model(self) -> int:
        return ctypes.addressof(self._model)

    def dims(self) -> int:
        return self._dims

    def window(self) -> int:
        return self._window or 0

    def _measure_address(self) -> int:
        return ctypes.addressof(self._measure)

    def embed(self, role: int, texts: Any, count: int, out: Any) -> None:
        vectors = self._embedder.embed([texts[i].content().decode() for i in range(count)], EmbedRole(role))
        data = floats_in(vectors, count, self._dims)
        ctypes.memmove(out, data, len(data))


def floats_in(vectors: Any, count: int, dims: int) -> bytes:
    """float32, row by row.

    >>> floats_in([[1, 0], [0, 1]], 2, 2) == array.array("f", [1, 0, 0, 1]).tobytes()
    True
    """
    if hasattr(vectors, "astype"):
        shape, data = tuple(vectors.shape), vectors.astype("float32").tobytes()
    else:
        rows = [array.array("f", row) for row in vectors]
        odd = next((index for index, row in enumerate(rows) if len(row) != dims), None)
        if odd is not None:
            raise ValueError(f"embed() returned a vector of width {len(rows[odd])} for text {odd}, not of width {dims}")
        shape, data = (len(rows), dims), b"".join(row.tobytes() for row in rows)
    if shape != (count, dims):
        raise ValueError(f"embed() returned vectors of shape {shape}, not ({count}, {dims})")
    return bytes(data)


def _measure(embedder: Embedder, trap: AnyTrap) -> Any:
    if not hasattr(embedder, "starts"):
        return None
    starts: Any = embedder.starts

    def units(_user: object, view: Any, out: Any, capacity: int) -> int:
        text = view.content().decode()
        positions, offsets = starts(text), Offsets(text)
        for index, position in enumerate(itertools.islice(positions, capacity)):
            out[index] = offsets.byte(position)
        return len(positions)

    def failure(error: BaseException | None, *unused: Any) -> int:
        if error is not None:
            trap.catch(error)
        return 0

    measure = sized(ql_measure)
    measure.unit = b"tokens"
    prototype: Any = dict((field[0], field[1]) for field in ql_measure._fields_)["units_fn"]
    measure.units_fn = measure._callback = prototype(guard(units, trap, failure))  # the struct alone would not keep it
    return measure
