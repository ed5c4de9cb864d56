"""Where a text is cut, by a function of yours. Registered by `Runtime.register_chunker`.

>>> def by_lines(canonical, options):
...     begin = 0
...     for line in canonical.text.splitlines(keepends=True):
...         yield Chunk(begin, begin + len(line))
...         begin += len(line)
"""
from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ._interrupt import c_code
from ._offsets import Offsets
from ._ops import Adapter, Stopped
from ._structs import ql_chunk, sized
from ._values import json_in, json_out, text_in, text_out
from .convert import Block, BlockKind, ContentTypes


@dataclass(frozen=True)
class Canonical:
    """The text that is to be cut, with its structure."""

    url: str
    content_type: str
    title: str
    """Found in the document, or its source's."""
    text: str
    blocks: tuple[Block, ...]
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class ChunkOptions:
    """How large chunks should be, in characters or, where the embedder counts them, in tokens."""

    size_max: int
    overlap: int
    size_min: int
    unit: str
    """ "characters" or "tokens"."""


@dataclass(frozen=True)
class Chunk:
    """text[begin:end]. Chunks cover the whole text in order; one may begin before the end of the one before."""

    begin: int
    end: int
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Added to what the library says of the chunk."""


ChunkFunction = Callable[[Canonical, ChunkOptions], Iterable[Chunk]]


class ChunkerAdapter(Adapter):
    """Answers the functions of a ql_chunker_ops (see _ops.py)."""

    def __init__(self, chunk: ChunkFunction, content_types: Collection[str] | None) -> None:
        self._chunk = chunk
        self._types = ContentTypes(content_types)

    def accepts(self, document: Any, _canonical: Any) -> bool:
        return self._types.accepts(document)

    def chunk(self, document: Any, canonical: Any, options: Any, emit: Any, user: Optional[int]) -> None:
        text = canonical.contents.text.content().decode()
        offsets = Offsets(text)
        for chunk in self._chunk(_canonical_out(document.contents, canonical.contents, text, offsets), _options_out(options.contents)):
            if not isinstance(chunk, Chunk):
                raise TypeError(f"a chunker yielded a {type(chunk).__name__}, not a Chunk")
            struct = sized(ql_chunk)
            struct.begin, struct.end = offsets.byte(chunk.begin), offsets.byte(chunk.end)
            struct.metadata_json = view = text_in(json_in(chunk.metadata).decode())
            with c_code():
                stop = emit(user, ctypes.byref(struct))
            del view  # the struct does not keep it
            if stop:
                raise Stopped("stopped")


def _options_out(struct: Any) -> ChunkOptions:
    unit = struct.measure.contents.unit.decode() if struct.measure else "characters"
    return ChunkOptions(struct.size_max, struct.overlap, struct.size_min, unit)


def _canonical_out(document: Any, struct: Any, text: str, offsets: Offsets) -> Canonical:
    title = text_out(struct.title) or text_out(document.title)
    blocks = _children(struct, 0, offsets)
    return Canonical(text_out(document.url), text_out(document.content_type), title, text, blocks, json_out(struct.metadata_json))


def _children(struct: Any, parent: int, offsets: Offsets) -> tuple[Block, ...]:
    """Of the flat list in which a parent precedes its children and each says where its subtree ends."""
    children = []
    index = parent + 1
    while index < struct.blocks[parent].next:
        block = struct.blocks[index]
        children.append(
            Block(
                BlockKind(block.kind), offsets.character(block.begin), offsets.character(block.end), block.level, text_out(block.label),
                text_out(block.detail), _children(struct, index, offsets),
            )
        )
        index = block.next
    return tuple(children)
