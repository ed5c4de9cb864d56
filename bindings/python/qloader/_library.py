"""Finding and opening the shared library, once, when the package is imported.

Looked for in this order: the file that $QLOADER_LIBRARY names, `_lib/libqloader.so` beside this file (what a wheel carries), and the
system's. The first that is there is used: a library that was named or shipped and cannot be opened is an error, not a reason to take another.
"""
from __future__ import annotations

import ctypes
import ctypes.util
import os

from . import _version
from ._prototypes import PROTOTYPES

_SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_lib", "libqloader.so")
_SONAME = "libqloader.so." + ".".join(_version.__version__.split(".")[:2])


def _open(name: str, found_by: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise ImportError(
            f"qloader: the library {name} ({found_by}) cannot be opened: {error}. If that names another library, install the package that "
            "has it; bindings/python/README.md lists those of Debian"
        ) from error


def _open_system() -> tuple[ctypes.CDLL, str]:
    """By the name that the linker knows; find_library tells of one of another version, so that the message can name it."""
    try:
        return ctypes.CDLL(_SONAME), _SONAME
    except OSError as error:
        other = ctypes.util.find_library("qloader")
        if other is None or other == _SONAME:
            raise ImportError(
                f"qloader: no library found: $QLOADER_LIBRARY is not set, {_SHIPPED} is not there, and the system says: {error}. "
                "Install libqloader, or a wheel of qloader that carries it, or name the file: QLOADER_LIBRARY=/path/to/libqloader.so"
            ) from error
    return _open(other, "found by its name"), other


def _find() -> tuple[ctypes.CDLL, str]:
    named = os.environ.get("QLOADER_LIBRARY", "")
    if named:
        return _open(named, "named by $QLOADER_LIBRARY"), named
    if os.path.exists(_SHIPPED):
        return _open(_SHIPPED, "part of this package"), _SHIPPED
    return _open_system()


def _declare(library: ctypes.CDLL, path: str) -> None:
    for name, (result, arguments) in PROTOTYPES.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(f"qloader: {path} has no function {name}: it is not libqloader {_version.__version__}") from None
        function.restype, function.argtypes = result, arguments


def _check_version(library: ctypes.CDLL, path: str) -> None:
    """Before anything else is called: structs and signatures are those of one minor version."""
    try:
        number = library.ql_version_number()
    except AttributeError:
        raise ImportError(f"qloader: {path} has no function ql_version_number: it is not libqloader") from None
    if not _version.fits(number):
        found = f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}"
        raise ImportError(
            f"qloader: {path} is version {found}, these bindings are {_version.__version__}: major and minor version must be the same. "
            "Install the two from one release, or name the right library by QLOADER_LIBRARY"
        )


def _load() -> tuple[ctypes.CDLL, str]:
    library, path = _find()
    _check_version(library, path)
    _declare(library, path)
    return library, path


lib, _path = _load()


def library_path() -> str:
    """The library in use: a path, or the name by which the system's was found."""
    return _path


def library_version() -> str:
    """The version of the library in use, "0.1.0"."""
    version: bytes = lib.ql_version()
    return version.decode()
