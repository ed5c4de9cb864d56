"""Bringing the index up to date: what an ingest tells on its way and at its end. The calls are `Workspace.ingest` and `ingest_source`."""
from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional

from ._call import Call
from ._structs import ql_ingest_event_fn, ql_ingest_options, ql_ingest_progress_fn, ql_ingest_report, sized
from ._trap import Trap
from ._values import record_out, text_in, uint64_in
from .errors import class_of


class IngestPhase(enum.IntEnum):
    """What an ingest is doing."""

    LISTING = 1
    WORKING = 2
    SOURCE_DONE = 3


class IngestAction(enum.IntEnum):
    """What happened, or in a dry run would happen, to a document."""

    ADD = 1
    CHANGE = 2
    DELETE = 3
    SKIP = 4
    FAIL = 5
    WARN = 6
    SOURCE_FAIL = 7


@dataclass(frozen=True)
class IngestProgress:
    """Where an ingest stands; totals are of the current source."""

    phase: IngestPhase
    project: str
    source_type: str
    source: str
    listed: int
    documents_total: int
    documents_done: int
    """Committed, failed or found unchanged."""
    chunks_done: int
    """Embedded, also of documents that are not done; as tokens_done."""
    tokens_done: int
    bytes_done: int
    elapsed_ms: int
    work_elapsed_ms: int


@dataclass(frozen=True)
class IngestEvent:
    """One document, or with an empty url one source."""

    action: IngestAction
    status: int
    """Of a failure, else 0; `failure` gives its class."""
    project: str
    source_type: str
    source: str
    url: str
    message: str

    @property
    def failure(self) -> type[Exception] | None:
        """The class that a failure of this status has, or None."""
        return class_of(self.status) if self.status < 0 else None


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did."""

    sources: int
    sources_failed: int
    listed: int
    unchanged: int
    added: int
    changed: int
    deleted: int
    skipped: int
    failed: int
    warnings: int
    chunks: int
    tokens: int
    bytes: int
    elapsed_ms: int


ProgressFunction = Callable[[IngestProgress], object]
EventFunction = Callable[[IngestEvent], object]


@dataclass(frozen=True)
class IngestOptions:
    """What both calls take; see Workspace.ingest."""

    force: bool = False
    dry_run: bool = False
    prune: bool = False
    project: str = ""
    source_type: str = ""
    source: str = ""
    progress: Optional[ProgressFunction] = None
    event: Optional[EventFunction] = None
    memory_max: int = 0


class IngestCall(Call):
    """A call with both callbacks, whether the user wants them or not: they are what stops an ingest when something was raised elsewhere."""

    def __init__(self, options: IngestOptions, parent: Trap) -> None:
        super().__init__(parent)
        self.report = sized(ql_ingest_report)
        self.options = struct = sized(ql_ingest_options)
        struct.force, struct.dry_run, struct.prune = bool(options.force), bool(options.dry_run), bool(options.prune)
        struct.memory_max = uint64_in("memory_max", options.memory_max)
        for name in ("project", "source_type", "source"):
            setattr(struct, name, self.keep(text_in(getattr(options, name))))
        struct.progress_fn = self.callback(ql_ingest_progress_fn, _teller(options.progress, _progress_out))
        struct.event_fn = self.callback(ql_ingest_event_fn, _teller(options.event, _event_out))

    def outcome(self, status: int) -> IngestReport:
        """The report, or the failure with the report in it."""
        self.trap.raise_caught()
        report = record_out(IngestReport, self.report)
        if status < 0:
            error = self.failure(status)
            error.report = report
            raise error
        return report


def _teller(function: Callable[[Any], object] | None, record: Callable[[Any], Any]) -> Callable[[object, Any], object]:
    if function is None:
        return lambda _user, _struct: None
    wanted = function
    return lambda _user, struct: wanted(record(struct.contents))


def _progress_out(struct: Any) -> IngestProgress:
    return record_out(IngestProgress, struct, phase=IngestPhase(struct.phase))


def _event_out(struct: Any) -> IngestEvent:
    return record_out(IngestEvent, struct, action=IngestAction(struct.action))
