"""Asking the index: hits, and the results that hold them. The call is `Workspace.search`."""
from __future__ import annotations

import ctypes
import datetime
import enum
import json
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Union, overload

from ._call import text_of
from ._handle import Handle, Holder
from ._library import lib
from ._structs import ql_filter, ql_search_options, sized
from ._values import Time, c_text, record_out, text_in, time_in, time_out, uint32_in
from .errors import InvalidError


class SearchMode(enum.IntEnum):
    """By meaning and words together, by meaning alone, by words alone."""

    HYBRID = 0
    DENSE = 1
    SPARSE = 2


ModeLike = Union[SearchMode, str]


@dataclass(frozen=True)
class Hit:
    """One passage, where it comes from, and why it is there."""

    rank: int
    """1 is best."""
    score: float
    """Fused, in [0, 1]."""
    score_dense: float
    """Cosine in [-1, 1]."""
    score_sparse: float
    """BM25, >= 0."""
    rank_dense: int
    """0: not among that side's candidates."""
    rank_sparse: int
    part_dense: float
    """What meaning adds to the score."""
    part_sparse: float
    """What words add to the score."""
    id: str
    document_id: str
    project: str
    source_type: str
    source: str
    url: str
    title: str
    """Of the document."""
    section_path: str
    """Headings or element names, " > " between."""
    text: str
    content_type: str
    metadata_json: str
    document_metadata_json: str
    chunk_index: int
    chunk_count: int
    source_begin: int
    """Bytes of the original document."""
    source_end: int
    created_at_ms: int | None
    updated_at_ms: int | None
    score_rerank: float
    """What the reranker said; 0 without one."""

    @property
    def metadata(self) -> dict[str, Any]:
        """Of the chunk, with what it shares with its document."""
        return _object(self.metadata_json)

    @property
    def document_metadata(self) -> dict[str, Any]:
        return _object(self.document_metadata_json)

    @property
    def created_at(self) -> datetime.datetime | None:
        """In UTC. None where it is not known, or outside of the years 1 to 9999: created_at_ms has it."""
        return time_out(self.created_at_ms)

    @property
    def updated_at(self) -> datetime.datetime | None:
        """As created_at."""
        return time_out(self.updated_at_ms)


def _mode(mode: ModeLike) -> SearchMode:
    names = [known.name.lower() for known in SearchMode]
    if isinstance(mode, str):
        if mode not in names:
            raise InvalidError(f"mode '{mode}' is not one of {', '.join(names)}")
        return SearchMode[mode.upper()]
    try:
        return SearchMode(mode)
    except ValueError as error:
        raise InvalidError(str(error)) from None


def _object(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text) if text else {}
    return value


class Results(Holder, Sequence[Hit]):
    """The hits of one search, best first: a sequence. A hit is a copy and outlives the results."""

    _instead = "its hits can, list(results) has them"

    def __init__(self, pointer: int) -> None:
        self._handle = Handle("Results", pointer, lib.ql_results_free)
        with self._handle as results:
            self._count: int = lib.ql_results_count(results)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Hit:
        ...

    @overload
    def __getitem__(self, index: slice) -> list[Hit]:
        ...

    def __getitem__(self, index: int | slice) -> Hit | list[Hit]:
        if isinstance(index, slice):
            return [self._hit(i) for i in range(*index.indices(self._count))]
        try:
            return self._hit(range(self._count)[index])
        except IndexError:
            raise IndexError(f"there is no hit {operator.index(index)}: the search found {self._count}") from None

    def __iter__(self) -> Iterator[Hit]:
        return (self._hit(i) for i in range(self._count))

    def _hit(self, index: int) -> Hit:
        with self._handle as results:
            return record_out(Hit, lib.ql_results_hit(results, index).contents)

    def json(self) -> str:
        """A JSON object {query, elapsed_ms, hits: [...]}, as `qloader search --json` prints it."""
        with self._handle as results:
            return text_of(lambda out, error: lib.ql_results_json(results, out, error))

    def close(self) -> None:
        """Frees the memory of the results now; again is fine."""
        self._handle.close()

    def __enter__(self) -> Results:
        self._check_open()
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


@dataclass(frozen=True)
class SearchOptions:
    """What Workspace.search takes besides the question."""

    limit: int
    mode: ModeLike
    project: str
    source_type: str
    source: str
    path_prefix: str
    since: Time | None
    until: Time | None
    reranker: str | None
    rerank_count: int

    def struct(self) -> tuple[ql_search_options, list[object]]:
        """The library's struct, and what must live as long as it."""
        struct = sized(ql_search_options)
        struct.filter.struct_size = ctypes.sizeof(ql_filter)
        struct.reranker = None if self.reranker is None else c_text("reranker", self.reranker.encode())
        struct.rerank_count = uint32_in("rerank_count", self.rerank_count)
        struct.limit = uint32_in("limit", self.limit, "1..1000")
        struct.mode = _mode(self.mode)
        kept: list[object] = []
        for name in ("project", "source_type", "source", "path_prefix"):
            view = text_in(getattr(self, name))
            kept.append(view)
            setattr(struct.filter, name, view)
        struct.filter.since_ms = time_in("since", self.since)
        struct.filter.until_ms = time_in("until", self.until)
        return struct, kept
