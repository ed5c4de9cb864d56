"""Reading C sources for the checks: comments and texts blanked, includes, the folders that hold code."""
import os
import re

CODE_FOLDERS = ("lib", "include", "cli", "mcp")
_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:<([^>\n]+)>|"([^"\n]+)")', re.M)


def root_of(script):
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(script))))


def files(root, folders, suffixes=(".c", ".h")):
    """Paths relative to root, sorted."""
    found = []
    for folder in folders:
        for base, dirs, names in os.walk(os.path.join(root, folder)):
            dirs.sort()
            found += [os.path.relpath(os.path.join(base, name), root) for name in names if name.endswith(suffixes)]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as stream:
        return stream.read()


def blank(text, keep_strings=False):
    """The same text with comments (and texts between quotes) as spaces, line numbers unchanged."""
    def replace(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token if keep_strings else token[0] + re.sub(r"[^\n]", " ", token[1:-1]) + token[0]
        return re.sub(r"[^\n]", " ", token)
    return _TOKEN.sub(replace, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def includes(text):
    """(line, name, is_quoted) of every include directive outside comments."""
    clean = blank(text, keep_strings=True)
    return [(line_of(clean, m.start()), m.group(1) or m.group(2), m.group(2) is not None) for m in _INCLUDE.finditer(clean)]


def plant(root, tree):
    """Writes {path: content} below root, for the self-tests."""
    for path, content in tree.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as stream:
            stream.write(content)
