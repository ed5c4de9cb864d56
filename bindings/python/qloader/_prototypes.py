"""The signatures of the library's functions, and those that are not bound, each with its reason.

tests/test_coverage.py holds this against lib/libqloader.map and the headers: a function is in one of the two tables, with the signature of its
declaration.
"""
from __future__ import annotations

from ctypes import POINTER, c_char_p, c_double, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

from ._structs import (
    ql_buf,
    ql_chunker_ops,
    ql_converter_ops,
    ql_embedder_ops,
    ql_error,
    ql_hit,
    ql_ingest_options,
    ql_ingest_report,
    ql_metric_options,
    ql_metrics_server_options,
    ql_model_progress_fn,
    ql_prof_info,
    ql_prof_options,
    ql_prof_write_fn,
    ql_reranker_ops,
    ql_runtime_options,
    ql_search_options,
    ql_site,
    ql_source_ops,
    ql_span,
    ql_status,
    ql_str,
    ql_workspace_options,
)

_error = POINTER(ql_error)
_buf = POINTER(ql_buf)
_out = POINTER(c_void_p)

# name: (result, arguments). Handles are void pointers; which object they belong to is the business of _handle.py.
PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "ql_version_number": (c_uint32, []),
    "ql_version": (c_char_p, []),
    "ql_status_name": (c_char_p, [ql_status]),
    "ql_buf_init": (None, [_buf, c_size_t]),
    "ql_buf_dispose": (None, [_buf]),
    "ql_runtime_new": (ql_status, [POINTER(ql_runtime_options), _out, _error]),
    "ql_runtime_free": (None, [c_void_p]),
    "ql_runtime_stats_json": (ql_status, [c_void_p, _buf, _error]),
    "ql_runtime_describe_json": (ql_status, [c_void_p, _buf, _error]),
    "ql_workspace_open": (ql_status, [c_void_p, POINTER(ql_workspace_options), _out, _buf, _error]),
    "ql_workspace_free": (None, [c_void_p]),
    "ql_workspace_init": (ql_status, [c_void_p, c_int, _error]),
    "ql_workspace_config": (ql_status, [c_void_p, c_char_p, _buf, _error]),
    "ql_workspace_projects_json": (ql_status, [c_void_p, ql_str, c_uint32, _buf, _error]),
    "ql_workspace_check_json": (ql_status, [c_void_p, c_uint32, _buf, _error]),
    "ql_workspace_info_json": (ql_status, [c_void_p, _buf, _error]),
    "ql_ingest": (ql_status, [c_void_p, POINTER(ql_ingest_options), POINTER(ql_ingest_report), _error]),
    "ql_ingest_source": (
        ql_status,
        [c_void_p, ql_str, ql_str, POINTER(ql_source_ops), c_void_p, POINTER(ql_ingest_options), POINTER(ql_ingest_report), _error],
    ),
    "ql_search": (ql_status, [c_void_p, ql_str, POINTER(ql_search_options), _out, _error]),
    "ql_results_free": (None, [c_void_p]),
    "ql_results_count": (c_size_t, [c_void_p]),
    "ql_results_hit": (POINTER(ql_hit), [c_void_p, c_size_t]),
    "ql_results_json": (ql_status, [c_void_p, _buf, _error]),
    "ql_source_register": (ql_status, [c_void_p, POINTER(ql_source_ops), c_void_p, _error]),
    "ql_converter_register": (ql_status, [c_void_p, POINTER(ql_converter_ops), c_void_p, _error]),
    "ql_chunker_register": (ql_status, [c_void_p, POINTER(ql_chunker_ops), c_void_p, _error]),
    "ql_embedder_register": (ql_status, [c_void_p, POINTER(ql_embedder_ops), c_void_p, _error]),
    "ql_reranker_register": (ql_status, [c_void_p, POINTER(ql_reranker_ops), c_void_p, _error]),
    "ql_arena_alloc": (c_void_p, [c_void_p, c_size_t]),
    "ql_metrics_enable": (ql_status, [c_void_p, _error]),
    "ql_metrics_write": (ql_status, [c_void_p, c_int32, _buf, _error]),
    "ql_metrics_describe_json": (ql_status, [_buf, _error]),
    "ql_metric_register": (ql_status, [c_void_p, POINTER(ql_metric_options), _out, _error]),
    "ql_metric_series": (ql_status, [c_void_p, POINTER(ql_str), c_size_t, _out, _error]),
    "ql_series_add": (None, [c_void_p, c_uint64]),
    "ql_series_set": (None, [c_void_p, c_double]),
    "ql_series_change": (None, [c_void_p, c_double]),
    "ql_series_observe": (None, [c_void_p, c_double]),
    "ql_series_observe_with": (None, [c_void_p, c_double, ql_str, ql_str]),
    "ql_metrics_server_start": (ql_status, [c_void_p, POINTER(ql_metrics_server_options), _out, _error]),
    "ql_metrics_server_port": (c_uint32, [c_void_p]),
    "ql_metrics_server_stop": (None, [c_void_p]),
    "ql_prof_start": (ql_status, [POINTER(ql_prof_options), _out, _error]),
    "ql_prof_stop": (ql_status, [c_void_p, _error]),
    "ql_prof_free": (None, [c_void_p]),
    "ql_prof_snapshot": (ql_status, [c_void_p, ql_prof_write_fn, c_void_p, _error]),
    "ql_prof_info_read": (ql_status, [c_void_p, POINTER(ql_prof_info), _error]),
    "ql_prof_switch": (POINTER(c_uint32), []),
    "ql_span_start": (ql_span, [POINTER(ql_site)]),
    "ql_span_finish": (None, [POINTER(ql_span)]),
    "ql_span_int": (None, [POINTER(ql_span), c_char_p, c_int64]),
    "ql_span_double": (None, [POINTER(ql_span), c_char_p, c_double]),
    "ql_span_text": (None, [POINTER(ql_span), c_char_p, ql_str]),
    "ql_label_put": (c_uint64, [c_char_p, ql_str]),
    "ql_label_put_back": (None, [c_uint64]),
    "ql_model_default": (c_char_p, []),
    "ql_model_user_dir": (ql_status, [_buf, _error]),
    "ql_model_list_json": (ql_status, [c_char_p, _buf, _error]),
    "ql_model_info_json": (ql_status, [c_char_p, ql_str, _buf, _error]),
    "ql_model_verify": (ql_status, [c_char_p, ql_str, _error]),
    "ql_model_pull": (ql_status, [ql_str, c_char_p, c_char_p, ql_model_progress_fn, c_void_p, _error]),
}

_operation = "an operation is for event loops without threads; asyncio.to_thread() makes one of any call, since calls release the lock"
_own_text = "Python builds its own bytes; the bindings only read what the library wrote"

_task = "a task moves between threads and waits; what does so in Python is a coroutine, whose loop is not the library's to tell of"
_ids = "ids of spans are for links between threads of C; in Python a span is the object that span() makes"
_live = "a process is looked into by the program's commands top, dump, monitor and record"

_reading = "Python reads a capture in the formats that 'qloader prof convert' writes: pstats, JSON"
SKIPPED: dict[str, str] = {
    "ql_allocator_set": "an allocator in Python would need memory, and the interpreter's lock, to answer a request for memory",
    "ql_bench_http": "a load whose every answer enters Python would measure Python; the program does it: qloader bench http --json",
    "ql_block_kind_name": "the names are those of the enumeration BlockKind",
    "ql_buf_append": _own_text,
    "ql_buf_append_char": _own_text,
    "ql_buf_clear": _own_text,
    "ql_buf_cstr": "the members of ql_buf are read directly",
    "ql_buf_printf": _own_text + " (and ctypes has no type-safe variable arguments)",
    "ql_buf_reserve": _own_text,
    "ql_buf_str": "the members of ql_buf are read directly",
    "ql_live_ask": _live,
    "ql_live_free": _live,
    "ql_live_start": _live,
    "ql_live_stats_json": _live,
    "ql_live_tasks_json": _live,
    "ql_capture_diff": _reading,
    "ql_capture_free": _reading,
    "ql_capture_open": _reading,
    "ql_capture_server_start": _reading,
    "ql_capture_server_stop": _reading,
    "ql_capture_server_url": _reading,
    "ql_capture_write": _reading,
    "ql_op_cancel": _operation,
    "ql_op_fd": _operation,
    "ql_op_free": _operation,
    "ql_op_ingest": _operation,
    "ql_op_poll": _operation,
    "ql_op_report": _operation,
    "ql_op_results_take": _operation,
    "ql_op_search": _operation,
    "ql_op_wait": _operation,
    "ql_prof_heap_hooks_use": "for programs that define malloc",
    "ql_span_current": _ids,
    "ql_span_link": _ids,
    "ql_store_register": "a store answers every search while it holds the interpreter's lock; one in Python would be a step back, one in C is registered from C",
    "ql_str_compare": "Python compares bytes itself",
    "ql_str_equal": "Python compares bytes itself",
    "ql_str_of": "ql_str.of() knows the length of its bytes",
    "ql_task_end": _task,
    "ql_task_ready": _task,
    "ql_task_run": _task,
    "ql_task_start": _task,
    "ql_task_wait": _task,
}
