"""The library's public structs and callback types as ctypes sees them.

A class bears the name of its C type and has the same members in the same order; tests/test_layout.py compares them with the headers.
A new member goes to the end, as in C. The names of constants are those of the headers without QL_.
"""
from __future__ import annotations

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_bool,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any

TIME_UNKNOWN = -(2**63)
E_CALLBACK = -11
PROJECTS_STATUS = 1
PROJECTS_CHECK = 2
PROJECTS_REACH = 4
CHECK_MODEL = 1
CHECK_INDEX = 2
CHECK_INDEX_WHOLE = 4
BLOCK_NONE = 2**32 - 1
METRICS_TEXT = 1
METRICS_OPENMETRICS = 2
METRIC_COUNTER = 1
METRIC_GAUGE = 2
METRIC_HISTOGRAM = 3
METRICS_SERVER_PROFILES = 1
PROF_CPU = 1
PROF_WALL = 2
PROF_HEAP = 4
PROF_MEMORY = 8
PROF_SPANS = 16

ql_status = c_int32


def sized(struct: type[Structure]) -> Any:
    """A struct that says its size and is zero otherwise, which means the defaults."""
    return struct(struct_size=ctypes.sizeof(struct))


class ql_str(Structure):
    """A view of bytes. One made by of() keeps its bytes alive; a copy of it inside another struct does not."""

    _fields_ = [("ptr", POINTER(c_char)), ("len", c_size_t)]

    @classmethod
    def of(cls, data: bytes) -> ql_str:
        view = cls(ctypes.cast(c_char_p(data), POINTER(c_char)), len(data))
        view._data = data
        return view

    def content(self) -> bytes:
        data: bytes = self.ptr[: self.len] if self.len else b""
        return data


class ql_error(Structure):
    _fields_ = [
        ("status", ql_status),
        ("os_code", c_int32),
        ("http_code", c_int32),
        ("callback_value", c_int32),
        ("retry_after_ms", c_uint32),
        ("reserved", c_uint32 * 3),
        ("message", c_char * 480),
    ]


class ql_buf(Structure):
    _fields_ = [
        ("ptr", POINTER(c_char)),
        ("len", c_size_t),
        ("capacity", c_size_t),
        ("limit_bytes", c_size_t),
        ("status", ql_status),
        ("reserved", c_uint32),
    ]


# --- runtime and workspace ---

ql_log_fn = CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_char_p)


class ql_runtime_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("threads", c_uint32),
        ("log_fn", ql_log_fn),
        ("log_user", c_void_p),
        ("log_level", c_int32),
        ("profile", c_uint32),
        ("reserved", c_uint64 * 4),
    ]


ql_metric_read_fn = CFUNCTYPE(c_double, c_void_p)


class ql_metric_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("type", c_int32),
        ("name", c_char_p),
        ("unit", c_char_p),
        ("help", c_char_p),
        ("label_names", POINTER(c_char_p)),
        ("label_count", c_uint32),
        ("series_max", c_uint32),
        ("bounds", POINTER(c_double)),
        ("bound_count", c_uint32),
        ("reserved32", c_uint32),
        ("read_fn", ql_metric_read_fn),
        ("user", c_void_p),
        ("reserved", c_uint64 * 4),
    ]


class ql_metrics_server_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("port", c_uint32),
        ("address", c_char_p),
        ("token", c_char_p),
        ("connections_max", c_uint32),
        ("flags", c_uint32),
        ("reserved", c_uint64 * 4),
    ]


class ql_workspace_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("lenient", c_uint32),
        ("dir", c_char_p),
        ("config_path", c_char_p),
        ("env_path", c_char_p),
        ("data_dir", c_char_p),
        ("model_dir", c_char_p),
        ("precision", c_char_p),
        ("embedder", c_char_p),
        ("store", c_char_p),
        ("reserved", c_uint64 * 4),
    ]


# --- profiling ---

ql_prof_write_fn = CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)


class ql_prof_event(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("kind", c_int32),
        ("id", c_uint64),
        ("parent", c_uint64),
        ("begin_ns", c_uint64),
        ("end_ns", c_uint64),
        ("name", ql_str),
        ("category", ql_str),
        ("thread", c_int32),
        ("state", c_int32),
    ]


class ql_prof_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("sources", c_uint32),
        ("engine", c_int32),
        ("rate_hz", c_uint32),
        ("heap_interval_bytes", c_uint64),
        ("folder", c_char_p),
        ("write_fn", ql_prof_write_fn),
        ("write_user", c_void_p),
        ("limit_bytes", c_uint64),
        ("listener_fn", CFUNCTYPE(None, c_void_p, POINTER(ql_prof_event))),
        ("listener_user", c_void_p),
        ("reserved", c_uint64 * 4),
    ]


class ql_prof_info(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("engine", c_int32),
        ("samples", c_uint64),
        ("rootless", c_uint64),
        ("dropped", c_uint64),
        ("own_ns", c_uint64),
        ("written_bytes", c_uint64),
        ("threads", c_uint32),
        ("reserved0", c_uint32),
        ("reserved", c_uint64 * 4),
    ]


class ql_site(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("category", c_char_p),
        ("function", c_char_p),
        ("file", c_char_p),
        ("line", c_uint32),
        ("id", c_uint32),
        ("on", POINTER(c_uint32)),
    ]


class ql_span(Structure):
    _fields_ = [("id", c_uint64), ("parent", c_uint64), ("begin_ns", c_uint64), ("cpu_ns", c_uint64), ("site", POINTER(ql_site))]


# --- ingest ---


class ql_ingest_progress(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("phase", c_int32),
        ("project", ql_str),
        ("source_type", ql_str),
        ("source", ql_str),
        ("listed", c_uint64),
        ("documents_total", c_uint64),
        ("documents_done", c_uint64),
        ("chunks_done", c_uint64),
        ("tokens_done", c_uint64),
        ("bytes_done", c_uint64),
        ("elapsed_ms", c_uint64),
        ("work_elapsed_ms", c_uint64),
    ]


class ql_ingest_event(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("action", c_int32),
        ("status", ql_status),
        ("reserved", c_uint32),
        ("project", ql_str),
        ("source_type", ql_str),
        ("source", ql_str),
        ("url", ql_str),
        ("message", ql_str),
    ]


ql_ingest_progress_fn = CFUNCTYPE(c_int, c_void_p, POINTER(ql_ingest_progress))
ql_ingest_event_fn = CFUNCTYPE(c_int, c_void_p, POINTER(ql_ingest_event))


class ql_ingest_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("force", c_uint32),
        ("dry_run", c_uint32),
        ("prune", c_uint32),
        ("project", ql_str),
        ("source_type", ql_str),
        ("source", ql_str),
        ("progress_fn", ql_ingest_progress_fn),
        ("event_fn", ql_ingest_event_fn),
        ("user", c_void_p),
        ("memory_max", c_uint64),
        ("reserved", c_uint64 * 3),
    ]


class ql_ingest_report(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("sources", c_uint32),
        ("sources_failed", c_uint32),
        ("reserved", c_uint32),
        ("listed", c_uint64),
        ("unchanged", c_uint64),
        ("added", c_uint64),
        ("changed", c_uint64),
        ("deleted", c_uint64),
        ("skipped", c_uint64),
        ("failed", c_uint64),
        ("warnings", c_uint64),
        ("chunks", c_uint64),
        ("tokens", c_uint64),
        ("bytes", c_uint64),
        ("elapsed_ms", c_uint64),
    ]


# --- sources ---


class ql_item(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("url", ql_str),
        ("version", ql_str),
        ("key", ql_str),
        ("size_bytes", c_uint64),
        ("spare", c_uint64 * 2),
    ]


class ql_document(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("url", ql_str),
        ("title", ql_str),
        ("content_type", ql_str),
        ("content", ql_str),
        ("metadata_json", ql_str),
        ("created_at_ms", c_int64),
        ("updated_at_ms", c_int64),
        ("spare", c_uint64 * 4),
    ]


class ql_source_sink(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("item_fn", CFUNCTYPE(c_int, c_void_p, POINTER(ql_item))),
        ("skipped_fn", CFUNCTYPE(c_int, c_void_p, ql_str, ql_str)),
        ("user", c_void_p),
    ]


class ql_source_settings(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("project", ql_str),
        ("type", ql_str),
        ("name", ql_str),
        ("json", ql_str),
    ]


class ql_source_ops(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("type", c_char_p),
        ("list_fn", CFUNCTYPE(ql_status, c_void_p, POINTER(ql_source_sink), POINTER(ql_error))),
        ("fetch_fn", CFUNCTYPE(ql_status, c_void_p, POINTER(ql_item), POINTER(ql_document), POINTER(c_void_p), POINTER(ql_error))),
        ("release_fn", CFUNCTYPE(None, c_void_p, c_void_p)),
        ("close_fn", CFUNCTYPE(None, c_void_p)),
        ("open_fn", CFUNCTYPE(ql_status, c_void_p, POINTER(ql_source_settings), POINTER(c_void_p), POINTER(ql_error))),
    ]


# --- search ---


class ql_filter(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("project", ql_str),
        ("source_type", ql_str),
        ("source", ql_str),
        ("path_prefix", ql_str),
        ("since_ms", c_int64),
        ("until_ms", c_int64),
    ]


class ql_search_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("limit", c_uint32),
        ("mode", c_int32),
        ("reserved32", c_uint32),
        ("filter", ql_filter),
        ("reranker", c_char_p),
        ("rerank_count", c_uint32),
        ("reserved2", c_uint32),
        ("reserved", c_uint64 * 4),
    ]


class ql_hit(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("rank", c_uint32),
        ("score", c_double),
        ("score_dense", c_double),
        ("score_sparse", c_double),
        ("rank_dense", c_uint32),
        ("rank_sparse", c_uint32),
        ("part_dense", c_double),
        ("part_sparse", c_double),
        ("id", ql_str),
        ("document_id", ql_str),
        ("project", ql_str),
        ("source_type", ql_str),
        ("source", ql_str),
        ("url", ql_str),
        ("title", ql_str),
        ("section_path", ql_str),
        ("text", ql_str),
        ("content_type", ql_str),
        ("metadata_json", ql_str),
        ("document_metadata_json", ql_str),
        ("chunk_index", c_uint32),
        ("chunk_count", c_uint32),
        ("source_begin", c_uint64),
        ("source_end", c_uint64),
        ("created_at_ms", c_int64),
        ("updated_at_ms", c_int64),
        ("score_rerank", c_double),
        ("spare", c_uint64 * 4),
    ]


# --- models ---

ql_model_progress_fn = CFUNCTYPE(c_int, c_void_p, ql_str, c_uint64, c_uint64)


# --- what an application registers. What a callback returns by pointer is an address here: ctypes would have to leak what it points to ---


class ql_block(Structure):
    _fields_ = [
        ("begin", c_uint64),
        ("end", c_uint64),
        ("parent", c_uint32),
        ("next", c_uint32),
        ("kind", c_uint16),
        ("level", c_uint16),
        ("reserved", c_uint32),
        ("label", ql_str),
        ("detail", ql_str),
    ]


class ql_range_map(Structure):
    _fields_ = [("begin", c_uint64), ("len", c_uint64), ("source_begin", c_uint64), ("source_end", c_uint64)]


class ql_removed(Structure):
    _fields_ = [("source_begin", c_uint64), ("source_end", c_uint64), ("reason", c_char_p)]


class ql_canonical(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("block_count", c_uint32),
        ("text", ql_str),
        ("blocks", POINTER(ql_block)),
        ("map", POINTER(ql_range_map)),
        ("map_count", c_size_t),
        ("removed", POINTER(ql_removed)),
        ("removed_count", c_size_t),
        ("title", ql_str),
        ("encoding", ql_str),
        ("metadata_json", ql_str),
        ("strategy", ql_str),
        ("spare", c_uint64 * 4),
    ]


class ql_converter_ops(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("version", c_uint32),
        ("name", c_char_p),
        ("accepts_fn", CFUNCTYPE(c_bool, c_void_p, POINTER(ql_document))),
        ("convert_fn", CFUNCTYPE(ql_status, c_void_p, POINTER(ql_document), c_void_p, POINTER(ql_canonical), POINTER(ql_error))),
        ("close_fn", CFUNCTYPE(None, c_void_p)),
    ]


class ql_measure(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("unit", c_char_p),
        ("units_fn", CFUNCTYPE(c_size_t, c_void_p, ql_str, POINTER(c_uint32), c_size_t)),
        ("user", c_void_p),
    ]


class ql_chunk_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("size_max", c_uint32),
        ("overlap", c_uint32),
        ("size_min", c_uint32),
        ("measure", POINTER(ql_measure)),
        ("chunks_max", c_uint32),
        ("reserved", c_uint32 * 3),
    ]


class ql_chunk(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("index", c_uint32),
        ("text", ql_str),
        ("begin", c_uint64),
        ("end", c_uint64),
        ("overlap_bytes", c_uint64),
        ("source_begin", c_uint64),
        ("source_end", c_uint64),
        ("tokens", c_uint32),
        ("reserved", c_uint32),
        ("section_path", ql_str),
        ("metadata_json", ql_str),
        ("spare", c_uint64 * 4),
    ]


ql_chunk_fn = CFUNCTYPE(c_int, c_void_p, POINTER(ql_chunk))


class ql_chunker_ops(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("version", c_uint32),
        ("name", c_char_p),
        ("accepts_fn", CFUNCTYPE(c_bool, c_void_p, POINTER(ql_document), POINTER(ql_canonical))),
        (
            "chunk_fn",
            CFUNCTYPE(
                ql_status, c_void_p, POINTER(ql_document), POINTER(ql_canonical), POINTER(ql_chunk_options), ql_chunk_fn, c_void_p, POINTER(ql_error)
            ),
        ),
        ("close_fn", CFUNCTYPE(None, c_void_p)),
    ]


class ql_embedder_ops(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("name", c_char_p),
        ("model_fn", CFUNCTYPE(c_void_p, c_void_p)),
        ("dims_fn", CFUNCTYPE(c_uint32, c_void_p)),
        ("embed_fn", CFUNCTYPE(ql_status, c_void_p, c_int, POINTER(ql_str), c_size_t, POINTER(c_float), POINTER(ql_error))),
        ("measure_fn", CFUNCTYPE(c_void_p, c_void_p)),
        ("window_fn", CFUNCTYPE(c_uint32, c_void_p)),
        ("close_fn", CFUNCTYPE(None, c_void_p)),
    ]


class ql_reranker_ops(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("name", c_char_p),
        ("rerank_fn", CFUNCTYPE(ql_status, c_void_p, ql_str, POINTER(ql_hit), c_size_t, POINTER(c_double), POINTER(ql_error))),
        ("close_fn", CFUNCTYPE(None, c_void_p)),
    ]
