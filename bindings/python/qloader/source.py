"""Where documents come from, when they come from Python.

A source is any object with the two methods of `Source`. `Workspace.ingest_source` makes what it lists the content of the index under one name.

>>> class Notes:
...     texts = {"notes:1": "Tea is made with hot water.", "notes:2": "Coffee too."}
...
...     def items(self):
...         for url, text in self.texts.items():
...             yield Item(url, version=str(len(text)))
...
...     def fetch(self, item):
...         return Document(self.texts[item.url], title="A note", content_type="md")
>>> isinstance(Notes(), Source)
True
"""
from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Union, runtime_checkable

from ._interrupt import c_code
from ._ops import Adapter, Stopped
from ._structs import ql_item, ql_str, sized
from ._trap import AnyTrap
from ._values import Time, content_in, json_in, json_out, text_in, text_out, time_in, uint64_in


@dataclass(frozen=True)
class Item:
    """One entry of a listing."""

    url: str
    """Identity within the source; not empty."""
    version: str = ""
    """While it is unchanged the document is not fetched again. Empty: always fetch (unchanged content is still recognised)."""
    key: str = ""
    """What the source needs to fetch it; given back to fetch() as it is."""
    size_bytes: int = 0
    """0 when not known."""


@dataclass(frozen=True)
class Skipped:
    """Something that is there but is left out, and why; becomes an event."""

    url: str
    reason: str


class HasBytes(Protocol):
    """An array of single bytes, such as numpy's of uint8."""

    def tobytes(self) -> bytes:
        ...


@dataclass(frozen=True)
class Document:
    """One document as its source gives it."""

    content: Union[str, bytes, bytearray, memoryview, HasBytes]
    """Text, or raw bytes in whatever encoding."""
    title: str = ""
    content_type: str = ""
    """Lower-case file extension without dot: "md", "html", "py"; what the content is read as."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What JSON can hold; numpy's numbers and arrays, and dates, are turned into that."""
    created_at: Union[Time, None] = None
    """datetime, numpy.datetime64 or milliseconds since 1970."""
    updated_at: Union[Time, None] = None


@runtime_checkable
class Source(Protocol):
    """What ingest_source wants of an object."""

    def items(self) -> Iterable[Item | Skipped]:
        """Lists everything, in any order. An exception tells that the listing is not complete: then nothing is deleted from the index."""

    def fetch(self, item: Item) -> Document:
        """Reads one item; called on several threads at once, unless the runtime has one.

        Raise a QloaderError to say that this document cannot be had (NotFoundError: it vanished since): it becomes a failed document and the
        ingest goes on. Any other exception ends the ingest and is raised from it.
        """


@dataclass(frozen=True)
class SourceSettings:
    """What the configuration says of one source of a registered type."""

    project: str
    type: str
    name: str
    settings: Mapping[str, Any]
    """All that stands under the name, variables inserted; may hold secrets."""


OpenFunction = Callable[[SourceSettings], Source]


class _Reader:
    """One source on its way through an ingest: lists, fetches, and holds what C reads."""

    def __init__(self, source: Source, trap: AnyTrap) -> None:
        self._source = source
        self._trap = trap
        self._tokens = itertools.count(1)
        self._lent: dict[int, object] = {}  # what C reads until it releases the token

    def list(self, sink: Any) -> None:
        entries = iter(self._source.items())
        try:
            for entry in entries:
                with c_code():
                    stop = _tell(sink.contents, entry)
                if stop or self._trap:  # what came while C ran
                    raise Stopped("stopped")
        finally:
            _close(entries)

    def fetch(self, item: Any, out: Any, token: Any) -> None:
        url = item.contents.url
        document = self._source.fetch(_item_out(item.contents))
        if not isinstance(document, Document):
            raise TypeError(f"fetch() of {type(self._source).__name__} returned a {type(document).__name__}, not a Document")
        views = {
            "url": ql_str.of(url.content()),
            "title": text_in(document.title),
            "content_type": text_in(document.content_type),
            "content": ql_str.of(content_in(document.content)),
            "metadata_json": ql_str.of(json_in(document.metadata)),
        }
        times = (time_in("created_at", document.created_at), time_in("updated_at", document.updated_at))
        number = next(self._tokens)
        self._lent[number] = views
        for name, view in views.items():
            setattr(out.contents, name, view)
        out.contents.created_at_ms, out.contents.updated_at_ms = times
        token[0] = number

    def release(self, token: int) -> None:
        self._lent.pop(token, None)

    def close(self) -> None:
        _close(self._source)


def _close(thing: object) -> None:
    close = getattr(thing, "close", None)
    if close is not None:
        close()


class SourceAdapter(Adapter):
    """Answers the functions of a ql_source_ops for one source and one call (see _ops.py)."""

    ends_call = frozenset({"list"})

    def __init__(self, source: Source, trap: AnyTrap) -> None:
        reader = _Reader(source, trap)
        self.list, self.fetch, self.release = reader.list, reader.fetch, reader.release


class SourcesAdapter(Adapter):
    """Answers them for a type of sources: each that is opened gets a number, which is its `self`."""

    wants_self = True

    def __init__(self, open_source: OpenFunction, trap: AnyTrap) -> None:
        self._open = open_source
        self._trap = trap
        self._numbers = itertools.count(1)
        self._readers: dict[int, _Reader] = {}

    def open(self, _user: object, settings: Any, out: Any) -> None:
        struct = settings.contents
        told = SourceSettings(text_out(struct.project), text_out(struct.type), text_out(struct.name), json_out(struct.json))
        source = self._open(told)
        if not isinstance(source, Source):
            raise TypeError(f"opening a source of type '{told.type}' gave a {type(source).__name__}, which lacks items() or fetch()")
        number = next(self._numbers)
        self._readers[number] = _Reader(source, self._trap)
        out[0] = number

    def list(self, number: int, sink: Any) -> None:
        self._readers[number].list(sink)

    def fetch(self, number: int, item: Any, out: Any, token: Any) -> None:
        self._readers[number].fetch(item, out, token)

    def release(self, number: int, token: int) -> None:
        self._readers[number].release(token)

    def close(self, number: int) -> None:
        self._readers.pop(number).close()


def _tell(sink: Any, entry: Item | Skipped) -> bool:
    """Hands one entry to the library; true when it asks to stop."""
    if isinstance(entry, Item):
        item = sized(ql_item)
        views = text_in(entry.url), text_in(entry.version), text_in(entry.key)
        item.url, item.version, item.key = views
        item.size_bytes = uint64_in("size_bytes", entry.size_bytes)
        return bool(sink.item_fn(sink.user, ctypes.byref(item)))
    if isinstance(entry, Skipped):
        return bool(sink.skipped_fn and sink.skipped_fn(sink.user, text_in(entry.url), text_in(entry.reason)))
    raise TypeError(f"items() yielded a {type(entry).__name__}, neither an Item nor a Skipped")


def _item_out(item: Any) -> Item:
    return Item(text_out(item.url), text_out(item.version), text_out(item.key), item.size_bytes)
