"""Turns a team's documents into a search index and answers questions from it.

    import qloader

    with qloader.Workspace("kb") as kb:
        kb.ingest()
        for hit in kb.search("how do I start?"):
            print(f"{hit.score:.3f} {hit.url}")

A thin layer over the C library libqloader, by ctypes: nothing is compiled. Calls release the interpreter's lock, so other threads run meanwhile.
Objects may be shared between threads. After os.fork() the child must open its own: using one of its parent's raises ForkError.
"""
from . import prof
from ._library import library_path, library_version
from ._version import __version__
from .chunk import Canonical, Chunk, ChunkOptions
from .convert import Block, BlockKind, Converted, Original
from .embed import Embedder, EmbedRole
from .errors import (
    AuthError,
    BusyError,
    CallbackError,
    CancelledError,
    ClosedError,
    ConfigError,
    CorruptError,
    ExistsError,
    ForkError,
    FormatError,
    InternalError,
    InvalidError,
    IoError,
    LimitError,
    MismatchError,
    NetworkError,
    NoMemoryError,
    NoSpaceError,
    NotFoundError,
    PartialError,
    QloaderError,
    StatusKind,
    TimedOutError,
    UnsupportedError,
)
from .ingest import IngestAction, IngestEvent, IngestPhase, IngestProgress, IngestReport
from .metrics import Counter, Gauge, Histogram, MetricsServer, Registry, describe_metrics
from .model import PullProgress, default_model, list_models, model_info, model_user_dir, pull_model, verify_model
from .runtime import LogLevel, Runtime
from .search import Hit, Results, SearchMode
from .source import Document, Item, Skipped, Source, SourceSettings
from .workspace import Workspace

__all__ = [
    "AuthError",
    "Block",
    "BlockKind",
    "BusyError",
    "CallbackError",
    "CancelledError",
    "Canonical",
    "Chunk",
    "ChunkOptions",
    "ClosedError",
    "ConfigError",
    "Converted",
    "CorruptError",
    "Counter",
    "Document",
    "EmbedRole",
    "Embedder",
    "ExistsError",
    "ForkError",
    "FormatError",
    "Gauge",
    "Histogram",
    "Hit",
    "IngestAction",
    "IngestEvent",
    "IngestPhase",
    "IngestProgress",
    "IngestReport",
    "InternalError",
    "InvalidError",
    "IoError",
    "Item",
    "LimitError",
    "LogLevel",
    "MetricsServer",
    "MismatchError",
    "NetworkError",
    "NoMemoryError",
    "NoSpaceError",
    "NotFoundError",
    "Original",
    "PartialError",
    "PullProgress",
    "QloaderError",
    "Registry",
    "Results",
    "Runtime",
    "SearchMode",
    "Skipped",
    "Source",
    "SourceSettings",
    "StatusKind",
    "TimedOutError",
    "UnsupportedError",
    "Workspace",
    "__version__",
    "default_model",
    "describe_metrics",
    "library_path",
    "library_version",
    "list_models",
    "model_info",
    "model_user_dir",
    "prof",
    "pull_model",
    "verify_model",
]
