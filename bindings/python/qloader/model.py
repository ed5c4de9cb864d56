"""Embedding models on this machine.

A model is a folder, found by its name in <workspace>/models, the user's and the system's data folder, or named outright by $QLOADER_MODEL_DIR.

>>> default_model()
'all-MiniLM-L6-v2'
"""
from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ._call import Call, text_of
from ._library import lib
from ._structs import ql_model_progress_fn, ql_str
from ._values import PathLike, path_in, text_in, text_out


@dataclass(frozen=True)
class PullProgress:
    """How far a pull has come with one file."""

    file: str
    done_bytes: int
    total_bytes: int
    """0 when not known."""


PullFunction = Callable[[PullProgress], object]


def default_model() -> str:
    """Name of the model that is used when nothing else is said."""
    name: bytes = lib.ql_model_default()
    return name.decode()


def model_user_dir() -> str:
    """The folder that receives models when no other is named."""
    return os.fsdecode(text_of(lib.ql_model_user_dir))


def list_models(workspace_dir: PathLike | None = None) -> list[dict[str, Any]]:
    """Known and found models: name, path or None, dims, size_bytes, sha256, pinned, usable."""
    folder = path_in("workspace_dir", workspace_dir)
    models: list[dict[str, Any]] = json.loads(text_of(lambda out, error: lib.ql_model_list_json(folder, out, error)))
    return models


def model_info(name: str | None = None, workspace_dir: PathLike | None = None) -> dict[str, Any]:
    """Facts of one model, by default the default one. NotFoundError when it is not here."""
    folder, view = path_in("workspace_dir", workspace_dir), text_in(default_model() if name is None else name)
    info: dict[str, Any] = json.loads(text_of(lambda out, error: lib.ql_model_info_json(folder, view, out, error)))
    return info


def verify_model(name: str | None = None, workspace_dir: PathLike | None = None) -> None:
    """Checks every file of a model against its pinned SHA-256. CorruptError names the file."""
    folder, view = path_in("workspace_dir", workspace_dir), text_in(default_model() if name is None else name)
    with Call() as call:
        status = lib.ql_model_verify(folder, view, call.error)
    call.check(status)


def pull_model(
    name: str | None = None, *, origin: PathLike | None = None, to_dir: PathLike | None = None, progress: PullFunction | None = None
) -> None:
    """Brings a model to this machine; checked, then put in place in one step.

    `origin`    a folder, file, wheel or zip, or URL; None: the address known for this name.
    `to_dir`    folder that receives <name>/; None: the user's.
    `progress`  gets a PullProgress; what it raises, or a true value it returns (CancelledError), stops the pull.
    """
    view, origin_path, folder = text_in(default_model() if name is None else name), path_in("origin", origin), path_in("to_dir", to_dir)

    def tell(_user: object, file: ql_str, done: int, total: int) -> object:
        return progress(PullProgress(text_out(file), done, total)) if progress is not None else None

    call = Call()
    callback = call.callback(ql_model_progress_fn, tell)
    with call:
        status = lib.ql_model_pull(view, origin_path, folder, callback, None, call.error)
    call.check(status)
