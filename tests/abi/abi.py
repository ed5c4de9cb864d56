#!/usr/bin/env python3
"""The binary interface as committed lists, and old releases against today's library.

abi.py layout HEADERS...             prints size, offsets of every public struct and the value of every public enumerator and number
abi.py symbols LIBRARY               prints the exported functions with the version node of each
abi.py check SOURCE_DIR BUILD_DIR    compares layout.txt, symbols.txt and declarations.txt of tests/abi with today's; then builds tests/abi/consumer.c against
                                     today's headers, and that of each release in tests/abi/<release>/ against the release's, and runs
                                     them with today's library
abi.py update SOURCE_DIR BUILD_DIR   writes the lists: for a change that was meant, see docs/abi.md
abi.py release SOURCE_DIR BUILD_DIR  keeps headers, lists, consumer and the store of docs/examples as tests/abi/<release>/

Within a release nothing in the lists may change; between releases structs grow at their ends and functions are added.
"""
import collections
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile


STORE = "memory_store.c"  # fills the largest table of functions; today's is run as an example


def strip_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.S)


def members_of(body):
    """Names of the members of a struct, in order."""
    names = []
    for declaration in body.split(";"):
        declaration = " ".join(declaration.split())
        if not declaration:
            continue
        function = re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", declaration)
        if function:
            names.append(function.group(1))
            continue
        for part in declaration.split(","):
            names.append(re.search(r"(\w+)\s*(\[[^\]]*\])*$", part.strip()).group(1))
    return names


def structs_of(text):
    return [(m.group(2), members_of(m.group(1))) for m in re.finditer(r"typedef struct \w+ \{(.*?)\} (\w+);", text, re.S)]


def constants_of(text):
    """Enumerators that are written out, and macros that stand for a number."""
    names = []
    for body in re.findall(r"\benum(?:\s+\w+)?\s*\{(.*?)\}", text, re.S):
        names += re.findall(r"\b(QL_\w+)\s*=\s*[^#(]", body)
    names += re.findall(r"^#define (QL_\w+) (?:\(?-?\d\w*\)?|U?INT(?:32|64)_M(?:AX|IN))$", text, re.M)
    return sorted(set(names))


def expanded_enumerators(text):
    """Those that an X-macro makes: QL_E_NOMEM from X(NOMEM, 2, ...)."""
    names = []
    for table, prefix in (("QL_STATUS_KINDS", "QL_E_"), ("QL_BLOCK_KINDS", "QL_BLOCK_")):
        found = re.search(r"#define %s\(X\)(.*?)\n\n" % table, text, re.S)
        names += [prefix + name for name in re.findall(r"X\((\w+),", found.group(1))] if found else []
    return names


def layout(include_dirs):
    text = "".join(open(p).read() + "\n" for p in sorted(glob.glob(os.path.join(include_dirs[0], "**/*.h"), recursive=True)))
    clean = strip_comments(text)
    lines = ['#include <qloader.h>', '#include <stdio.h>', 'int main(void) {']
    structs = structs_of(clean)
    if len(structs) < 20:
        sys.exit("only %d structs were found: the headers are written otherwise than this program reads them" % len(structs))
    for name, members in sorted(structs):
        lines.append('    printf("struct %s %%zu\\n", sizeof(%s));' % (name, name))
        for member in members:
            lines.append('    printf("    %s %%zu %%zu\\n", offsetof(%s, %s), sizeof(((%s *)0)->%s));' % (member, name, member, name, member))
    for name in sorted(set(constants_of(clean) + expanded_enumerators(text))):
        lines.append('    printf("%s %%lld\\n", (long long)(%s));' % (name, name))
    lines += ["    return 0;", "}"]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "layout.c")
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        flags = [flag for d in include_dirs for flag in ("-I", d)]
        subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", *flags, path, "-o", path + ".out"], check=True)
        return subprocess.run([path + ".out"], check=True, capture_output=True, text=True).stdout


def symbols(library):
    out = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    return "".join(sorted(line.split()[-1].replace("@@", " ") + "\n" for line in out.splitlines() if " T " in line))


def declarations(include_dir):
    """Every exported function and callback as one line: what a caller was compiled with beside the sizes."""
    lines = []
    for path in sorted(glob.glob(os.path.join(include_dir, "**/*.h"), recursive=True)):
        with open(path) as f:
            text = re.sub(r"^#.*?(?<!\\\\)$", "", strip_comments(f.read()), flags=re.M)
        lines += [" ".join(m.split()) for m in re.findall(r"QL_API[^;{]*;", text)]
        lines += [" ".join(m.split()) for m in re.findall(r"^    [^;{}()]*\(\*\w+\)\([^;]*\);", text, re.M)]
        lines += [" ".join(m.split()) for m in re.findall(r"^typedef [^;{}]*\(\*\w+\)\([^;]*\);", text, re.M)]
    return "".join(line + "\n" for line in sorted(lines))


def grown_only(kept, today):
    """What a release promised: sizes may be larger, offsets, numbers and names stay."""
    problems, now, struct = [], {}, ""
    for line in today.splitlines():
        struct = line.split()[1] if line.startswith("struct ") else struct
        now[(struct, line.split()[0]) if line.startswith("    ") else line.rsplit(" ", 1)[0]] = line
    for line in kept.splitlines():
        struct = line.split()[1] if line.startswith("struct ") else struct
        key = (struct, line.split()[0]) if line.startswith("    ") else line.rsplit(" ", 1)[0]
        if key not in now:
            problems.append("- %s %s" % (struct, line))
        elif line.startswith("struct "):
            if int(now[key].split()[-1]) < int(line.split()[-1]):
                problems.append("smaller: %s, was %s" % (now[key], line))
        elif now[key] != line:
            problems.append("%s: %s, was %s" % (struct, now[key].strip(), line.strip()))
    return problems


def declared_still(kept, today):
    """Declarations are whole lines, the same one perhaps of several tables: none may go."""
    return ["- %s" % line for line in (collections.Counter(kept.splitlines()) - collections.Counter(today.splitlines()))]


def library_of(build):
    return os.path.join(build, "lib", "libqloader.so")


def lists(source, build):
    return {"layout.txt": layout([os.path.join(source, "include"), os.path.join(build, "include")]), "symbols.txt": symbols(library_of(build)),
            "declarations.txt": declarations(os.path.join(source, "include"))}


def difference(name, old, new):
    old, new = old.splitlines(), new.splitlines()
    gone, come = [line for line in old if line not in new], [line for line in new if line not in old]
    if old == new:
        return []
    return ["%s: - %s" % (name, line) for line in gone] + ["%s: + %s" % (name, line) for line in come] + ([] if gone or come else ["%s: the order is another" % name])


def workspace(parent):
    """What the program of a store wants: a configuration and a document."""
    folder = os.path.join(parent, "workspace")
    os.makedirs(os.path.join(folder, "docs"))
    with open(os.path.join(folder, "docs", "start.md"), "w") as f:
        f.write("# Start\n\nIt is started with one command.\n")
    with open(os.path.join(folder, "config.yaml"), "w") as f:
        f.write("sources:\n  localfile:\n    docs:\n      base_url: docs\n")
    return folder


def run_consumer(source, include_dirs, build, prints=""):
    """A release's own program, made with the release's headers, with today's library underneath."""
    flags = [flag for d in include_dirs for flag in ("-I", d)] + os.environ.get("QL_SANITIZE_FLAGS", "").split()
    with tempfile.TemporaryDirectory() as work:
        program = os.path.join(work, "consumer")
        subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", *flags, source, "-o", program, "-L", os.path.join(build, "lib"), "-lqloader", "-lm", "-Wl,-rpath," + os.path.join(build, "lib")],
                       check=True)
        done = subprocess.run([program, workspace(work)], capture_output=True, text=True)
        good = done.returncode == 0 and prints in done.stdout
        return [] if good else ["%s exits with %d: %s%s" % (source, done.returncode, done.stdout, done.stderr)]


def check(source, build):
    folder = os.path.join(source, "tests", "abi")
    problems = []
    for name, text in lists(source, build).items():
        with open(os.path.join(folder, name)) as f:
            problems += difference(name, f.read(), text)
    problems += run_consumer(os.path.join(folder, "consumer.c"), [os.path.join(source, "include"), os.path.join(build, "include")], build)
    for kept in sorted(glob.glob(os.path.join(folder, "[0-9]*"))):
        problems += run_consumer(os.path.join(kept, "consumer.c"), [os.path.join(kept, "include")], build)
        problems += run_consumer(os.path.join(kept, STORE), [os.path.join(kept, "include")], build, "1 added, then 1 unchanged, 1 found")
        for name, text in lists(source, build).items():
            with open(os.path.join(kept, name)) as f:
                compare = declared_still if name == "declarations.txt" else grown_only
                problems += ["%s, %s: %s" % (kept, name, p) for p in compare(f.read(), text)]
    for problem in problems:
        print(problem)
    if problems:
        print("\nthe binary interface has changed; where that was meant: python3 tests/abi/abi.py update . BUILD_DIR")
    return 1 if problems else 0


def update(source, build):
    for name, text in lists(source, build).items():
        with open(os.path.join(source, "tests", "abi", name), "w") as f:
            f.write(text)
    return 0


def release(source, build):
    folder = os.path.join(source, "tests", "abi")
    with open(os.path.join(build, "include", "qloader", "version.h")) as f:
        version = re.search(r'#define QLOADER_VERSION "(\d+\.\d+)', f.read()).group(1)
    kept = os.path.join(folder, version)
    shutil.copytree(os.path.join(source, "include"), os.path.join(kept, "include"), ignore=shutil.ignore_patterns("*.in"))
    shutil.copy(os.path.join(build, "include", "qloader", "version.h"), os.path.join(kept, "include", "qloader"))
    for name in ("layout.txt", "symbols.txt", "declarations.txt", "consumer.c"):
        shutil.copy(os.path.join(folder, name), kept)
    shutil.copy(os.path.join(source, "docs", "examples", STORE), kept)
    return 0


if __name__ == "__main__":
    command, rest = sys.argv[1], sys.argv[2:]
    if command == "layout":
        print(layout(rest), end="")
    elif command == "symbols":
        print(symbols(rest[0]), end="")
    else:
        sys.exit({"check": check, "update": update, "release": release}[command](*rest))
