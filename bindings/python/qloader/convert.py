"""From bytes to text with a structure, by a function of yours. Registered by `Runtime.register_converter`.

>>> def heading_and_rows(original):
...     title, _, rows = original.content.decode().partition("\\n")
...     heading = Block(BlockKind.HEADING, 0, len(title), level=1)
...     section = Block(BlockKind.SECTION, 0, len(title) + 1 + len(rows), level=1, label=title, children=[heading])
...     return Converted(title + "\\n" + rows, blocks=[section], title=title)
"""
from __future__ import annotations

import ctypes
import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ._library import lib
from ._offsets import Offsets
from ._ops import Adapter
from ._structs import BLOCK_NONE, TIME_UNKNOWN, ql_block, ql_canonical, ql_range_map, ql_str
from ._values import json_in, json_out, text_out
from .errors import NoMemoryError


class BlockKind(enum.IntEnum):
    """What a block of a text is."""

    DOCUMENT = 0
    SECTION = 1
    HEADING = 2
    PARAGRAPH = 3
    LIST = 4
    ITEM = 5
    TABLE = 6
    ROW = 7
    CODE = 8
    QUOTE = 9
    MARKUP = 10
    FRONT_MATTER = 11
    ELEMENT = 12
    VALUE = 13
    PAGE = 14
    OTHER = 15


@dataclass(frozen=True)
class Block:
    """A part of a text, text[begin:end], with the parts within it, which are in order and do not overlap.

    A SECTION begins with its HEADING and holds all that is under it, deeper sections included. An ELEMENT is a named piece of code.
    """

    kind: BlockKind
    begin: int
    end: int
    level: int = 0
    """Heading level 1..6 of SECTION and HEADING, nesting elsewhere."""
    label: str = ""
    """SECTION: heading text; ELEMENT: name; CODE: language; VALUE: JSON path."""
    detail: str = ""
    """ELEMENT: "class", "function"; VALUE: JSON type."""
    children: Sequence[Block] = ()


@dataclass(frozen=True)
class Original:
    """The document that is to be converted, as its source gave it."""

    url: str
    title: str
    content_type: str
    content: bytes
    metadata: Mapping[str, Any]
    created_at_ms: Optional[int]
    updated_at_ms: Optional[int]


@dataclass(frozen=True)
class Converted:
    """What a converter yields."""

    text: str
    blocks: Sequence[Block] = ()
    """The structure of the text; without one it is cut by size alone."""
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ranges: Sequence[tuple[int, int, int, int]] = ()
    """(begin, end, source_begin, source_end): text[begin:end] came from these bytes of the original; in order. A text that is the original's
    own bytes needs none; what no range tells of came from nowhere."""


ConvertFunction = Callable[[Original], Converted]


def document_out(struct: Any) -> Original:
    return Original(
        url=text_out(struct.url),
        title=text_out(struct.title),
        content_type=text_out(struct.content_type),
        content=struct.content.content(),
        metadata=json_out(struct.metadata_json),
        created_at_ms=None if struct.created_at_ms == TIME_UNKNOWN else struct.created_at_ms,
        updated_at_ms=None if struct.updated_at_ms == TIME_UNKNOWN else struct.updated_at_ms,
    )


class ContentTypes:
    """Which documents an extension wants; None: all."""

    def __init__(self, content_types: Collection[str] | None) -> None:
        if isinstance(content_types, str):
            raise TypeError(f"content_types is the text {content_types!r}: a list of texts is wanted")
        self._wanted = None if content_types is None else frozenset(name.encode() for name in content_types)

    def accepts(self, document: Any) -> bool:
        return self._wanted is None or document.contents.content_type.content() in self._wanted


class ConverterAdapter(Adapter):
    """Answers the functions of a ql_converter_ops (see _ops.py)."""

    def __init__(self, convert: ConvertFunction, content_types: Collection[str] | None) -> None:
        self._convert = convert
        self.accepts = ContentTypes(content_types).accepts

    def convert(self, document: Any, arena: int, out: Any) -> None:
        original = document_out(document.contents)
        converted = self._convert(original)
        if not isinstance(converted, Converted):
            raise TypeError(f"a converter returned a {type(converted).__name__}, not a Converted")
        _Writer(arena, converted, original.content).write(out.contents)


class _Writer:
    """Copies what a converter yielded into the library's memory."""

    def __init__(self, arena: int, converted: Converted, source: bytes) -> None:
        self._arena = arena
        self._converted = converted
        self._text = converted.text.encode()
        self._offsets = Offsets(converted.text)
        self._is_source = self._text == source
        self._blocks: list[ql_block] = []

    def _copy(self, data: Any, size: int) -> int:
        """At least one byte, so that the address is one."""
        address = lib.ql_arena_alloc(self._arena, max(size, 1))
        if address is None:
            raise NoMemoryError("the converted text does not fit into the memory of a conversion")
        ctypes.memmove(address, data, size)
        return int(address)

    def _bytes(self, data: bytes) -> ql_str:
        return ql_str(ctypes.cast(self._copy(data, len(data)), ctypes.POINTER(ctypes.c_char)), len(data))

    def _add(self, block: Block, parent: int) -> None:
        """Parents before children; `next` is known when the children are there."""
        index = len(self._blocks)
        struct = ql_block(self._offsets.byte(block.begin), self._offsets.byte(block.end), parent, 0, int(block.kind), block.level)
        struct.label, struct.detail = self._bytes(block.label.encode()), self._bytes(block.detail.encode())
        self._blocks.append(struct)
        for child in block.children:
            self._add(child, index)
        struct.next = len(self._blocks)

    def _array(self, structs: Sequence[ctypes.Structure], kind: Any) -> Any:
        array = (kind * max(len(structs), 1))(*structs)
        return ctypes.cast(self._copy(array, ctypes.sizeof(kind) * len(structs)), ctypes.POINTER(kind))

    def _range(self, begin: int, end: int, source_begin: int, source_end: int) -> ql_range_map:
        first = self._offsets.byte(begin)
        return ql_range_map(first, self._offsets.byte(end) - first, source_begin, source_end)

    def write(self, out: ql_canonical) -> None:
        converted = self._converted
        self._add(Block(BlockKind.DOCUMENT, 0, len(converted.text), children=converted.blocks), BLOCK_NONE)
        out.text = self._bytes(self._text)
        out.blocks, out.block_count = self._array(self._blocks, ql_block), len(self._blocks)
        if converted.ranges or not self._is_source:  # no map at all says that the text is the original
            ranges = [self._range(*entry) for entry in converted.ranges]
            out.map, out.map_count = self._array(ranges, ql_range_map), len(ranges)
        out.title = self._bytes(converted.title.encode())
        out.metadata_json = self._bytes(json_in(converted.metadata))
