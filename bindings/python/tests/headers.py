"""The declarations of the public headers, as text: functions, structs, enumerators. Knows the headers' own style of C, not C."""
import collections
import glob
import os
import re

import support

Function = collections.namedtuple("Function", "result arguments")  # types as text
Member = collections.namedtuple("Member", "name type function array")  # function: a Function where the member is a pointer to one


def _text():
    paths = [os.path.join(support.SOURCE_DIR, "include", "qloader.h")]
    paths += sorted(glob.glob(os.path.join(support.SOURCE_DIR, "include", "qloader", "*.h")))
    whole = ""
    for path in paths:
        with open(path) as file:
            whole += re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    return whole


def _type(text):
    """ "const ql_item *item" -> "const ql_item *"; a name alone is a type without a parameter name. """
    text = " ".join(text.replace("*", " * ").split())
    match = re.match(r"(.*?)(\b(?!uint|int|char|void|bool|size_t|double|float|ql_)\w+)?(\[\w*\])?$", text)
    kept = match.group(1) if match.group(1).strip() not in ("", "const", "struct") else text
    return " ".join(kept.split()).replace(" *", "*").replace("*", " *")


def _function(result, arguments):
    words = re.sub(r"\bQL_(API|MUST_USE)\b", "", result)
    parts = [part.strip() for part in arguments.split(",")]
    return Function(_type(words.strip()), [] if parts == ["void"] else [_type(part) for part in parts])


def functions():
    """Every QL_API function: {name: Function}."""
    found = {}
    for match in re.finditer(r"QL_API\b([^;{]*?)\b(ql_\w+)\s*\(([^;]*?)\)\s*(?:QL_PRINTF\([^;]*\))?;", _text()):
        found[match.group(2)] = _function(match.group(1), match.group(3))
    return found


def callbacks():
    """Every typedef of a function pointer: {name: Function}."""
    pattern = r"typedef\s+([\w\s*]+?)\(\*(ql_\w+)\)\(([^;]*?)\);"
    return {match.group(2): _function(match.group(1), match.group(3)) for match in re.finditer(pattern, _text())}


def _members(body, typedefs):
    for line in body.split(";"):
        line = " ".join(line.split())
        pointer = re.match(r"([\w\s*]+?)\(\*(\w+)\)\((.*)\)$", line)
        if pointer:
            yield Member(pointer.group(2), None, _function(pointer.group(1), pointer.group(3)), None)
        elif line:
            first, *others = line.split(",")
            kind = re.match(r"(.*?)(\w+)(?:\[(\w+)\])?$", first)
            for name, array in [(kind.group(2), kind.group(3))] + [re.match(r"\s*(\w+)(?:\[(\w+)\])?", other).groups() for other in others]:
                yield Member(name, _type(kind.group(1) + " "), typedefs.get(kind.group(1).strip()), array)


def structs():
    """Every struct with members: {name: [Member]}."""
    typedefs = callbacks()
    pattern = r"typedef struct (ql_\w+) \{(.*?)\}\s*\1;"
    return {match.group(1): list(_members(match.group(2), typedefs)) for match in re.finditer(pattern, _text(), re.S)}
