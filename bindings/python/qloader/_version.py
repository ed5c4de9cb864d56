"""The version of these bindings: that of the library they are made for."""

__version__ = "0.1.0"


def number(version: str = __version__) -> int:
    """MAJOR * 1000000 + MINOR * 1000 + PATCH, as ql_version_number() tells it.

    >>> number("0.1.2")
    1002
    """
    major, minor, patch = (int(part) for part in version.split("."))
    return major * 1000000 + minor * 1000 + patch


def fits(library: int) -> bool:
    """True when a library of this number speaks the interface that the bindings mirror: the same major and minor version.

    >>> fits(number()), fits(number() + 7), fits(number() + 1000)
    (True, True, False)
    """
    return library // 1000 == number() // 1000
