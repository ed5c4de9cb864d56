"""A configuration and the index that belongs to it: ingest into it, search in it."""
from __future__ import annotations

import ctypes
import json
from typing import Any

from ._call import text_of
from ._handle import Handle, Holder
from ._library import lib
from ._ops import OpsTable
from ._structs import (
    CHECK_INDEX,
    CHECK_INDEX_WHOLE,
    CHECK_MODEL,
    PROJECTS_CHECK,
    PROJECTS_REACH,
    PROJECTS_STATUS,
    ql_source_ops,
    ql_workspace_options,
    sized,
)
from ._values import Buffer, PathLike, Time, c_text, path_in, text_in
from .ingest import EventFunction, IngestCall, IngestOptions, IngestReport, ProgressFunction
from .runtime import Runtime
from .search import ModeLike, Results, SearchMode, SearchOptions
from .source import Source, SourceAdapter


class Workspace(Holder):
    """An open workspace. Any thread may use it; many may search while one ingests.

    `dir`          workspace folder with config.yaml, .env and data/; by default the current folder.
    `runtime`      threads and log; by default one of its own. It is kept alive as long as the workspace is open.
    `config_path`  a configuration outside a workspace; excludes `dir`.
    `env_path`     a .env file; by default the workspace's, or beside the configuration.
    `data_dir`     where the index lives; by default data/ of the workspace. Given alone: no configuration, for ingest_source().
    `model_dir`    folder of the embedding model; by default found by name.
    `embedder`     name of one that was registered on the runtime; by default what the configuration says, else the local model.
    `precision`    "auto", "fp32", "bf16" or "int8": arithmetic of the local model.
    `lenient`      unknown keys in the configuration are warnings.

    Raises ConfigError, whose `problems` are all of them, or NotFoundError.
    """

    def __init__(
        self,
        dir: PathLike | None = None,
        *,
        runtime: Runtime | None = None,
        config_path: PathLike | None = None,
        env_path: PathLike | None = None,
        data_dir: PathLike | None = None,
        model_dir: PathLike | None = None,
        embedder: str | None = None,
        precision: str = "auto",
        lenient: bool = False,
    ) -> None:
        own = runtime is None
        self._runtime = Runtime() if runtime is None else runtime
        options = sized(ql_workspace_options)
        options.lenient = bool(lenient)
        options.dir = path_in("dir", dir)
        options.config_path = path_in("config_path", config_path)
        options.env_path = path_in("env_path", env_path)
        options.data_dir = path_in("data_dir", data_dir)
        options.model_dir = path_in("model_dir", model_dir)
        options.embedder = None if embedder is None else c_text("embedder", embedder.encode())
        options.precision = c_text("precision", precision.encode())
        self._handle = self._open(options)
        if own:
            self._runtime.close()  # the workspace holds it until it is closed itself

    def _open(self, options: ql_workspace_options) -> Handle:
        pointer = ctypes.c_void_p()
        with self._runtime._handle as runtime, Buffer() as problems:
            with self._runtime._call() as call:
                status = lib.ql_workspace_open(
                    runtime, ctypes.byref(options), ctypes.byref(pointer), ctypes.byref(problems.struct), call.error
                )
            if pointer.value is not None:
                handle = Handle("Workspace", pointer.value, lib.ql_workspace_free, self._runtime._handle)
            call.check(status, problems.text())
            return handle

    def init(self, *, force: bool = False) -> None:
        """Makes the index if there is none; with `force` drops every document first, also those of an index that is damaged or was made for
        another model."""
        with self._handle as workspace:
            with self._runtime._call() as call:
                status = lib.ql_workspace_init(workspace, int(bool(force)), call.error)
            call.check(status)

    def ingest(
        self,
        *,
        project: str = "",
        source_type: str = "",
        source: str = "",
        force: bool = False,
        dry_run: bool = False,
        prune: bool = False,
        progress: ProgressFunction | None = None,
        event: EventFunction | None = None,
        memory_max: int = 0,
    ) -> IngestReport:
        """Brings the index up to date with the configured sources, or those that match project, source_type and source.

        `force`     read and embed everything again.
        `dry_run`   list and compare only; events tell what would be done.
        `prune`     delete documents of sources that are not in the configuration any more.
        `progress`  gets an IngestProgress about ten times a second, in this thread.
        `event`     gets an IngestEvent for each document that something happened to, one at a time, on any thread.
        `memory_max` bytes that this process shall not exceed meanwhile, files that are mapped not counted; 0: no limit. A document that
                    would take more than is left fails.

        A callback stops the ingest by raising, which is raised here, or by returning something true: CancelledError. Ctrl-C stops it too. What
        was committed stays, and the next run goes on from there. PartialError: finished, but documents or sources failed. The exceptions
        of the library have the report of what was done.
        """
        options = IngestOptions(force, dry_run, prune, project, source_type, source, progress, event, memory_max)
        with self._handle as workspace:
            call = IngestCall(options, self._runtime._trap)
            with call:
                status = lib.ql_ingest(workspace, ctypes.byref(call.options), ctypes.byref(call.report), call.error)
            return call.outcome(status)

    def ingest_source(
        self,
        source: Source,
        *,
        project: str,
        name: str,
        source_type: str = "python",
        force: bool = False,
        dry_run: bool = False,
        progress: ProgressFunction | None = None,
        event: EventFunction | None = None,
    ) -> IngestReport:
        """Makes what `source` lists the content of (project, source_type, name): new and changed documents are fetched, vanished ones deleted.

        See source.Source for what the object must be able to do, and ingest() for the other arguments.
        """
        options = IngestOptions(force=force, dry_run=dry_run, progress=progress, event=event)
        project_view, name_view = text_in(project), text_in(name)
        type_name = c_text("source_type", source_type.encode("utf-8", "surrogateescape"))
        with self._handle as workspace:
            call = IngestCall(options, self._runtime._trap)
            table = OpsTable(ql_source_ops, SourceAdapter(source, call.trap), call.trap, type=type_name)
            with call:
                status = lib.ql_ingest_source(
                    workspace, project_view, name_view, ctypes.byref(table.struct), None,
                    ctypes.byref(call.options), ctypes.byref(call.report), call.error,
                )
            return call.outcome(status)

    def search(
        self,
        query: str,
        *,
        limit: int = 10,
        mode: ModeLike = SearchMode.HYBRID,
        project: str = "",
        source_type: str = "",
        source: str = "",
        path_prefix: str = "",
        since: Time | None = None,
        until: Time | None = None,
        reranker: str | None = None,
        rerank_count: int = 0,
    ) -> Results:
        """Searches the index for passages that answer a question or hold its words, best first.

        `limit`        hits wanted, 1..1000.
        `mode`         "hybrid", "dense" (meaning) or "sparse" (words).
        `path_prefix`  matched against the path within the source, and against the url.
        `since`, `until`  of the document's last change, both inclusive: datetime or milliseconds since 1970.
        `reranker`     name of one that was registered on the runtime; `rerank_count`: hits that it looks at, 0: 50.

        NotFoundError: nothing was ingested yet, or nothing passes the filter.
        """
        wanted = SearchOptions(limit, mode, project, source_type, source, path_prefix, since, until, reranker, rerank_count)
        options, kept = wanted.struct()
        view = text_in(query)
        pointer = ctypes.c_void_p()
        with self._handle as workspace:
            with self._runtime._call() as call:
                status = lib.ql_search(workspace, view, ctypes.byref(options), ctypes.byref(pointer), call.error)
            del kept
            results = Results(pointer.value) if pointer.value is not None else None
            call.check(status)
        assert results is not None  # a call that succeeds gives results
        return results

    def config(self) -> dict[str, Any]:
        """The effective configuration, secrets masked."""
        config: dict[str, Any] = json.loads(self._config(b"json"))
        return config

    def config_yaml(self) -> str:
        """The same as YAML."""
        return self._config(b"yaml")

    def _config(self, form: bytes) -> str:
        with self._handle as workspace:
            return text_of(lambda out, error: lib.ql_workspace_config(workspace, form, out, error), self._runtime._call())

    def projects(self, project: str = "", *, status: bool = False, check: bool = False, reach: bool = False) -> list[dict[str, Any]]:
        """Each project with its sources; `status` adds counts from the index, `check` whether each source can be opened.

        `reach` asks the sources that lie elsewhere, over the network, whether they answer.
        """
        view = text_in(project)
        parts = (PROJECTS_STATUS if status else 0) | (PROJECTS_CHECK if check else 0) | (PROJECTS_REACH if reach else 0)
        with self._handle as workspace:
            call = self._runtime._call()
            text = text_of(lambda out, error: lib.ql_workspace_projects_json(workspace, view, parts, out, error), call)
        projects: list[dict[str, Any]] = json.loads(text)
        return projects

    def check(self, *, whole: bool = False) -> dict[str, Any]:
        """Whether model and index are there, usable and made for each other; `whole` reads all of the index and compares it with its checksums."""
        parts = CHECK_MODEL | CHECK_INDEX | (CHECK_INDEX_WHOLE if whole else 0)
        with self._handle as workspace:
            text = text_of(lambda out, error: lib.ql_workspace_check_json(workspace, parts, out, error), self._runtime._call())
        verdict: dict[str, Any] = json.loads(text)
        return verdict

    def info(self) -> dict[str, Any]:
        """Which store and embedder, why, where; documents, chunks, dims, model, bytes."""
        with self._handle as workspace:
            text = text_of(lambda out, error: lib.ql_workspace_info_json(workspace, out, error), self._runtime._call())
        info: dict[str, Any] = json.loads(text)
        return info

    @property
    def runtime(self) -> Runtime:
        return self._runtime

    def close(self) -> None:
        """Closes the workspace; again is fine. A call of another thread that is under way ends first, and frees it then."""
        self._handle.close()

    def __enter__(self) -> Workspace:
        self._check_open()
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()
