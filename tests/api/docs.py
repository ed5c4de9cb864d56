"""Holds the documentation to what is built: the pages of docs/ and README.md.

What is in fenced blocks is compiled and run, page by page in the order of the page, in a scratch folder with a home of its own:

    c, cpp          with `int main(`: a program. Else statements, run as a function with `runtime`, `workspace` (opened, ingested) and `err`
    sh              run with -eu, beginning in the folder where the block before ended
    console         lines after "$ " are run; what they print must be what follows, `...` standing for anything
    yaml            a whole configuration: `qloader config` takes it
    json            is JSON

A comment on the line before the fence says otherwise:

    <!-- test: file NAME -->          the block is (or goes on) this file; C and C++ files are compiled at the end of the page, programs run
    <!-- test: installed -->          needs the library installed; left out where it is built with a sanitizer
    <!-- test: exit N -->             the last command ends with N
    <!-- test: not run: REASON -->    the block is not run (it is printed which are not)
    <!-- test: without model -->      anywhere: the page brings the model itself

Links and their anchors, paths and names in code spans must exist, docs/README.md must lead to every page, and the tables of errors.md and
security.md must say what the code says.

Usage: docs.py SOURCE_DIR BUILD_DIR [PAGE ...] | docs.py --self-test SOURCE_DIR BUILD_DIR
"""
import glob
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

# Pages whose blocks another test runs; of these the links and names are looked at here.
# The first example of both, which bindings/python/tests/test_docs.py runs.
PYTHON_TESTED_ELSEWHERE = {"README.md", "bindings/python/README.md"}
TESTED_ELSEWHERE = {
    "docs/cli.md": "tests/program/test_reference.py",
    "docs/json.md": "tests/program/test_json.py",
    "docs/python.md": "bindings/python/tests/test_docs.py",
}
LANGUAGES = ("c", "cpp", "cmake", "sh", "console", "yaml", "json", "text", "")
TOP_FOLDERS = ("lib", "include", "docs", "tests", "cli", "mcp", "bindings", "pkgconfig")
# What the home of every page holds.
HOME = {
    "documents/backup.md": "# Backup\n\nThe nightly backup runs at two and is kept for thirty days.\n\n## Restore\n\nAsk the operators to restore a file.\n",
    "documents/holidays.html": "<html><head><title>Holidays</title></head><body><h1>Holidays</h1><p>Ask your team lead two weeks before.</p></body></html>\n",
    "documents/network/vpn.txt": "The VPN needs a token. New tokens are handed out at the front desk.\n",
    "documents/scan.pdf": "%PDF-1.7\n\0\0",
    "src/server/README.md": "# Server\n\nStart the server with `make run`. It listens on port 8080.\n",
    "src/server/src/retry.py": "def retry(call, times=3):\n    \"\"\"Calls again after a failure.\"\"\"\n    return call()\n",
}
FRAGMENT = """#include <poll.h>
#include <qloader.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static ql_status fragment(ql_runtime *runtime, ql_workspace *workspace, ql_error *err)
{
    (void)runtime, (void)workspace, (void)err;
#line %d "%s"
%s
    return QL_OK;
}
int main(int argc, char **argv)
{
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_error err;
    memset(&err, 0, sizeof err);
    ql_workspace_options where = QL_WORKSPACE_OPTIONS_INIT;
    where.dir = argc > 1 ? argv[1] : ".";
    ql_status status = ql_runtime_new(NULL, &runtime, &err);
    if (status >= 0) status = ql_workspace_open(runtime, &where, &workspace, NULL, &err);
    if (status >= 0) status = ql_ingest(workspace, NULL, NULL, &err);
    if (status >= 0) status = fragment(runtime, workspace, &err);
    if (status < 0) fprintf(stderr, "%%s: %%s\\n", ql_status_name(status), err.message);
    ql_workspace_free(workspace);
    ql_runtime_free(runtime);
    return status < 0;
}
"""


class Block:
    def __init__(self, language, marker, line):
        self.language, self.marker, self.line, self.lines = language, marker, line, []

    @property
    def text(self):
        return "".join(line + "\n" for line in self.lines)

    def marked(self, word):
        """What stands behind the word in the marker; None without it."""
        return self.marker[len(word):].strip() if self.marker.startswith(word) else None


class Page:
    """A page taken apart: its blocks, and its prose with the blocks blanked so that lines keep their numbers."""

    def __init__(self, root, path):
        self.path = path
        self.full = os.path.join(root, path)
        with open(self.full, encoding="utf-8") as f:
            self.raw = f.read()
        self.blocks, prose, block, before = [], [], None, ""
        for number, line in enumerate(self.raw.splitlines(), 1):
            fence = re.match(r" {0,3}```+\s*(\S*)", line)
            if fence and block is None:
                marker = re.fullmatch(r"<!-- test: (.*) -->", before.strip())
                block = Block(fence.group(1), marker.group(1).strip() if marker else "", number)
            elif fence:
                self.blocks.append(block)
                block = None
            elif block is not None:
                block.lines.append(line)
            prose.append("" if fence or block is not None else line)
            before = line
        self.open_fence = block is not None
        self.prose = "\n".join(prose)

    def line_of(self, offset):
        return self.prose.count("\n", 0, offset) + 1


class Tree:
    """The source tree and what was built of it."""

    def __init__(self, source, build):
        self.source, self.build = os.path.abspath(source), os.path.abspath(build)
        self.program = os.path.join(self.build, "bin", "qloader")
        self.sanitize = os.environ.get("QL_SANITIZE_FLAGS", "").split()
        self.deps = os.path.dirname(os.path.dirname(os.environ["QLOADER_MODEL_DIR"]))
        self.failures = []

    def fail(self, page, line, text):
        self.failures.append("%s:%d: %s" % (page, line, text))

    def compile(self, sources, exe, flags=(), includes=()):
        first = sources[0]
        compiler = ["c++", "-std=c++17"] if first.endswith(".cpp") else ["cc", "-std=c11", "-D_GNU_SOURCE"]
        return subprocess.run([*compiler, "-pedantic", "-Wall", "-Wextra", "-Werror", *flags, *self.sanitize, *["-I" + i for i in includes],
                               "-I" + self.source + "/include", "-I" + self.build + "/include", *sources, "-o", exe,
                               "-L" + self.build + "/lib", "-lqloader", "-lm", "-Wl,-rpath," + self.build + "/lib"], capture_output=True, text=True)

    def print_of(self, source, name, includes):
        """What a small program prints that is compiled with private headers or sources: how pages are compared with the code."""
        with tempfile.TemporaryDirectory() as folder:
            path, exe = os.path.join(folder, name + ".c"), os.path.join(folder, name)
            with open(path, "w") as f:
                f.write(source)
            done = self.compile([path], exe, includes=[os.path.join(self.source, i) for i in includes])
            if done.returncode != 0:
                raise SystemExit("%s does not compile:\n%s" % (name, done.stderr))
            return subprocess.run([exe], capture_output=True, text=True, check=True).stdout


# --- running blocks ----------------------------------------------------------------------------------------------------------------

class Scratch:
    """A folder with a home and a working folder, in which the blocks of one page are run."""

    def __init__(self, tree, page, with_model):
        self.tree, self.page = tree, page
        self.folder = tempfile.mkdtemp(prefix="qloader-docs-")
        self.home, self.work = os.path.join(self.folder, "home"), os.path.join(self.folder, "work")
        self.cwd, self.prefix, self.files = self.work, None, []
        for name, text in HOME.items():
            self.write(os.path.join(self.home, name), text)
        os.makedirs(os.path.join(self.work, "build"))
        os.symlink(tree.deps, os.path.join(self.work, "build", "deps"))
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "QDRANT_", "LLM_")) and k not in ("NO_COLOR", "CDPATH")}
        self.env.update(HOME=self.home, PATH=os.path.join(tree.build, "bin") + ":" + os.environ["PATH"], LC_ALL="C.UTF-8", TERM="dumb",
                        GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@example.com", GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@example.com")
        if not with_model:
            del self.env["QLOADER_MODEL_DIR"]
        self.repository(os.path.join(self.home, "src", "server"))

    def close(self):
        shutil.rmtree(self.folder)

    @staticmethod
    def write(path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a", encoding="utf-8") as f:
            f.write(text)

    def repository(self, folder):
        for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "all"]):
            subprocess.run(["git", "-C", folder, *words], check=True, env=self.env)

    def install(self):
        """Installs into the scratch folder, so that a page's own commands find it as they would in /usr/local."""
        if self.prefix is None:
            self.prefix = os.path.join(self.folder, "prefix")
            subprocess.run(["cmake", "--install", self.tree.build, "--prefix", self.prefix], check=True, capture_output=True)
            library = os.path.dirname(glob.glob(self.prefix + "/**/libqloader.so", recursive=True)[0])
            self.env.update(CMAKE_PREFIX_PATH=self.prefix, PKG_CONFIG_PATH=library + "/pkgconfig", LD_LIBRARY_PATH=library)

    def shell(self, script, timeout=300):
        after = os.path.join(self.folder, "cwd")
        done = subprocess.run(["sh", "-euc", "trap 'pwd > %s' EXIT\n%s" % (after, script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", cwd=self.cwd, env=self.env, timeout=timeout, stdin=subprocess.DEVNULL)
        with open(after) as f:
            self.cwd = f.read().rstrip("\n")
        return done

    def workspace(self):
        folder = tempfile.mkdtemp(dir=self.folder)
        self.write(os.path.join(folder, "docs", "guide", "start.md"), "# Start\n\nStart the server with one command.\n")
        self.write(os.path.join(folder, "config.yaml"), "sources:\n  localfile:\n    docs:\n      base_url: docs\n")
        return folder

    def build_and_run(self, sources, line, run):
        exe = os.path.join(self.folder, "program")
        done = self.tree.compile(sources, exe, flags=[] if run else ["-c"])
        if done.returncode != 0:
            self.tree.fail(self.page, line, "does not compile:\n" + done.stderr)
            return
        if not run:
            return
        folder = self.workspace()
        done = subprocess.run([exe, folder], capture_output=True, text=True, errors="replace", cwd=folder, env=self.env, timeout=300)
        if done.returncode != 0:
            self.tree.fail(self.page, line, "the program ends with %d:\n%s%s" % (done.returncode, done.stdout, done.stderr))


def matches(expected, printed):
    """As doctest's ELLIPSIS; white space at the ends of lines does not count."""
    def tidy(text):
        return "\n".join(line.rstrip() for line in text.strip("\n").splitlines()).rstrip()
    pattern = ".*?".join(re.escape(part) for part in tidy(expected).split("..."))
    return re.fullmatch(pattern, tidy(printed), re.S) is not None


def commands_of(block):
    """(command, what it prints) of a console block."""
    found = []
    for line in block.lines:
        if line.startswith("$ "):
            found.append([line[2:], []])
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1][0] += "\n" + line[2:]
        elif found:
            found[-1][1].append(line)
    return [(command, "\n".join(printed)) for command, printed in found]


def run_console(scratch, block, code):
    commands = commands_of(block)
    if not commands:
        scratch.tree.fail(scratch.page, block.line, "a console block without a line that begins with '$ '")
    for i, (command, expected) in enumerate(commands):
        done = scratch.shell(command)
        wanted = code if i + 1 == len(commands) else 0
        if done.returncode != wanted:
            scratch.tree.fail(scratch.page, block.line, "'%s' ends with %d, not %d:\n%s" % (command, done.returncode, wanted, done.stdout))
        elif not matches(expected, done.stdout):
            scratch.tree.fail(scratch.page, block.line, "'%s' prints\n%s\nnot\n%s" % (command, done.stdout, expected))


def run_shell(scratch, block, code):
    done = scratch.shell(block.text)
    if done.returncode != code:
        scratch.tree.fail(scratch.page, block.line, "ends with %d, not %d:\n%s" % (done.returncode, code, done.stdout))


def run_c(scratch, block, _code):
    name = "block%d.%s" % (block.line, block.language)
    path = os.path.join(scratch.folder, name)
    whole = re.search(r"\bint main\(", block.text)
    Scratch.write(path, block.text if whole else FRAGMENT % (block.line + 1, os.path.basename(scratch.page), block.text))
    scratch.build_and_run([path], block.line, True)


def check_yaml(scratch, block, _code):
    path = os.path.join(scratch.folder, "block%d.yaml" % block.line)
    Scratch.write(path, block.text)
    done = subprocess.run([scratch.tree.program, "config", "--config", path], capture_output=True, text=True, env=scratch.env, cwd=scratch.folder)
    if done.returncode != 0:
        scratch.tree.fail(scratch.page, block.line, "is no configuration: " + done.stderr)


def check_json(scratch, block, _code):
    try:
        json.loads(block.text)
    except ValueError as error:
        scratch.tree.fail(scratch.page, block.line, "is no JSON: %s" % error)


RUNNERS = {"c": run_c, "cpp": run_c, "sh": run_shell, "console": run_console, "yaml": check_yaml, "json": check_json}


def run_files(scratch):
    """The C and C++ files that the page is made of: each with main() is a program, linked with the others of its page that have none."""
    for name, line in scratch.files:
        path = os.path.join(scratch.work, name)
        with open(path) as f:
            whole = re.search(r"\bint main\(", f.read())
        scratch.build_and_run([path], line, bool(whole))


def run_page(tree, page):
    scratch = Scratch(tree, page.path, "<!-- test: without model -->" not in page.raw)
    ran = 0
    try:
        for block in page.blocks:
            if block.marked("not run:") is not None:
                print("%s:%d: not run: %s" % (page.path, block.line, block.marked("not run:")))
                continue
            if block.marked("installed") is not None:
                if tree.sanitize:
                    continue
                scratch.install()
            if block.marked("file ") is not None:
                name = block.marked("file ")
                Scratch.write(os.path.join(scratch.work, name), block.text)
                if name.endswith((".c", ".cpp")) and name not in [n for n, _ in scratch.files]:
                    scratch.files.append((name, block.line))
            elif block.language in RUNNERS:
                RUNNERS[block.language](scratch, block, int(block.marked("exit ") or 0))
            else:
                continue
            ran += 1
        run_files(scratch)
    finally:
        scratch.close()
    return ran


# --- looking at prose ------------------------------------------------------------------------------------------------------------

def anchors_of(page):
    """The anchors of headings as the usual renderers of Markdown make them."""
    found = set()
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*$", page.prose, re.M):
        text = html.unescape(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).lower()
        slug, n = re.sub(r"[^\w\- ]", "", text).replace(" ", "-"), 0
        anchor = slug
        while anchor in found:
            n += 1
            anchor = "%s-%d" % (slug, n)
        found.add(anchor)
    return found


def check_links(tree, page, pages):
    for link in re.finditer(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)", page.prose):
        target, _, anchor = link.group(1).partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = os.path.normpath(os.path.join(os.path.dirname(page.path), target)) if target else page.path
        if not os.path.exists(os.path.join(tree.source, path)):
            tree.fail(page.path, page.line_of(link.start()), "a link to %s, which does not exist" % path)
        elif anchor and (path not in pages or anchor not in anchors_of(pages[path])):
            tree.fail(page.path, page.line_of(link.start()), "a link to %s#%s: there is no such heading" % (path, anchor))


def code_spans(page):
    for span in re.finditer(r"`([^`\n]+)`", page.prose):
        yield page.line_of(span.start()), span.group(1)


def check_paths(tree, page):
    for line, span in code_spans(page):
        if re.fullmatch(r"(%s)/[\w./*-]+" % "|".join(TOP_FOLDERS), span) and not glob.glob(os.path.join(tree.source, span)):
            tree.fail(page.path, line, "`%s` does not exist" % span)


def known_names(tree):
    """Every identifier and variable that the sources know, those that macros make included."""
    text = []
    for folder in TOP_FOLDERS:
        for suffix in ("c", "h", "h.in", "map", "txt", "cmake", "py", "sh", "in"):
            for path in glob.glob(os.path.join(tree.source, folder, "**", "*." + suffix), recursive=True):
                if path.endswith("/tests/api/docs.py"):
                    continue  # its self-test knows names that are none
                with open(path, errors="replace") as f:
                    text.append(f.read())
    for name in ("CMakeLists.txt", "CMakePresets.json", "docs/quickstart.sh", "tests/run.sh"):
        with open(os.path.join(tree.source, name)) as f:
            text.append(f.read())
    names = set(re.findall(r"\b(?:ql_|QL_|QLOADER_)\w+", "\n".join(text)))
    with open(os.path.join(tree.source, "include/qloader/base.h")) as base, open(os.path.join(tree.source, "include/qloader/document.h")) as document:
        names.update("QL_E_" + name for name in status_kinds(base.read()))
        names.update("QL_BLOCK_" + name for name in re.findall(r"^    X\((\w+), \d+, ", document.read(), re.M))
    return names


def status_kinds(base_h):
    return dict(re.findall(r"^    X\((\w+), (\d+), ", base_h, re.M))


def check_names(tree, page, names):
    for line, span in code_spans(page):
        for name in re.findall(r"\b(?:ql_|QL_|QLOADER_)\w+(?![\w*]*\*)", span):
            if name not in names and not name.endswith("_"):
                tree.fail(page.path, line, "`%s`: nothing is called %s" % (span, name))


def known_options(tree):
    told = subprocess.run([tree.program, "help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)   ", told.partition("Commands:")[2].partition("Examples:")[0], re.M)
    told += "".join(subprocess.run([tree.program, *command.split(), "--help"], capture_output=True, text=True, check=True).stdout for command in commands)
    return commands, set(re.findall(r"--[a-z][a-z-]*", told)) | {"--version", "--help"}


def check_options(tree, page, commands, options):
    for line, span in code_spans(page):
        words = span.split()
        if words[0] != "qloader" or len(words) < 2:
            continue
        for option in re.findall(r"(?<=\s)--[a-z][a-z-]*", span):
            if option not in options:
                tree.fail(page.path, line, "`%s`: the program has no option %s" % (span, option))
        named = words[1] if words[1].startswith("-") or words[1] in ("help", "COMMAND") else next((c for c in commands if (" ".join(words[1:]) + " ").startswith(c + " ")), None)
        if named is None and not any(c.split()[0] == words[1] for c in commands):
            tree.fail(page.path, line, "`%s`: the program has no command '%s'" % (span, words[1]))


def check_index(tree, pages):
    index = pages.get("docs/README.md")
    if index is None:
        tree.fail("docs/README.md", 1, "there is no index")
        return
    linked = {os.path.normpath(os.path.join("docs", target.partition("#")[0])) for target in re.findall(r"\]\(([^)\s]+)\)", index.prose)}
    wanted = {path for path in pages if path.startswith("docs/") and path != index.path}
    wanted |= {os.path.relpath(path, tree.source) for path in glob.glob(os.path.join(tree.source, "docs/examples/*"))}
    for path in sorted(wanted - linked):
        tree.fail(index.path, 1, "does not lead to %s" % path)


# --- tables that repeat the code -----------------------------------------------------------------------------------------------

def rows_of(page, pattern):
    return {match.group(1): (page.line_of(match.start()), [cell.strip() for cell in match.group(0).strip().strip("|").split("|")])
            for match in re.finditer(pattern, page.prose, re.M)}


def check_errors(tree, page):
    """Every kind with its number and the program's exit code; every exit code."""
    with open(os.path.join(tree.source, "include/qloader/base.h")) as f:
        kinds = status_kinds(f.read())
    rows = rows_of(page, r"^\| `QL_E_(\w+)` \|.*$")
    told = tree.print_of("#include <stdio.h>\n#include \"exit_code.c\"\n#define KIND(name, number, text) printf(\"%s %d\\n\", #name, cli_exit_of(QL_E_##name));\n"
                         "int main(void) { QL_STATUS_KINDS(KIND) return 0; }\n", "exit_codes", ["cli"])
    exits = dict(line.split() for line in told.splitlines())
    for name in sorted(set(kinds) | set(rows)):
        line, cells = rows.get(name, (1, None))
        if cells is None or name not in kinds:
            tree.fail(page.path, line, "QL_E_%s is %s" % (name, "not in the table" if cells is None else "no status"))
        elif cells[1] != kinds[name] or cells[2] != exits[name]:
            tree.fail(page.path, line, "QL_E_%s is %s and ends the program with %s" % (name, kinds[name], exits[name]))
    listed = subprocess.run([tree.program, "help", "exit-codes"], capture_output=True, text=True, check=True).stdout
    wanted, found = set(re.findall(r"^\s+(\d+)  ", listed, re.M)), set(rows_of(page, r"^\| (\d+) \|.*$"))
    if wanted != found:
        tree.fail(page.path, 1, "exit codes that only one side has: %s" % sorted(wanted ^ found))


UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "million": 10 ** 6}


def number_of(text):
    """Of a cell that begins with a number: "256 MiB", "1,024", "50,000 million"."""
    match = re.match(r"([\d,]+)(?: (KiB|MiB|GiB|million)\b)?", text)
    return int(match.group(1).replace(",", "")) * UNITS.get(match.group(2), 1) if match else None


def check_limits(tree, page):
    with open(os.path.join(tree.source, "lib/base/limits.h")) as f:
        names = re.findall(r"^#define (QL_LIMIT_\w+) ", f.read(), re.M)
    told = tree.print_of("#include <stdint.h>\n#include <stdio.h>\n#include \"base/limits.h\"\nint main(void) {\n%s    return 0;\n}\n"
                         % "".join("    printf(\"%s %%llu\\n\", (unsigned long long)%s);\n" % (name, name) for name in names), "limits", ["lib"])
    values = {name: int(value) for name, value in (line.split() for line in told.splitlines())}
    rows = rows_of(page, r"^\|[^|]*\|[^|]*\| `(QL_LIMIT_\w+)` \|.*$")
    if not rows:
        tree.fail(page.path, 1, "has no table of limits")
    for name, (line, cells) in rows.items():
        if number_of(cells[1]) != values.get(name):
            tree.fail(page.path, line, "%s is %s" % (name, values.get(name, "no limit")))


# --- together --------------------------------------------------------------------------------------------------------------------

def find_pages(source):
    found = {}
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "build")) and f not in ("fixtures", "corpus"))
        for name in sorted(files):
            if name.endswith(".md"):
                path = os.path.relpath(os.path.join(folder, name), source)
                found[path] = Page(source, path)
    return found


def check_prose(tree, pages):
    names, (commands, options) = known_names(tree), known_options(tree)
    for page in pages.values():
        check_links(tree, page, pages)
        check_paths(tree, page)
        check_names(tree, page, names)
        check_options(tree, page, commands, options)
        if page.open_fence:
            tree.fail(page.path, 1, "a fence is not closed")
        for block in page.blocks:
            by_bindings = block.language == "python" and page.path in PYTHON_TESTED_ELSEWHERE
            if block.language not in LANGUAGES and page.path not in TESTED_ELSEWHERE and not by_bindings:
                tree.fail(page.path, block.line, "nobody tests blocks of '%s'" % block.language)
    check_index(tree, pages)
    check_errors(tree, pages["docs/errors.md"])
    check_limits(tree, pages["docs/security.md"])


def main(source, build, wanted=()):
    tree = Tree(source, build)
    pages = find_pages(tree.source)
    check_prose(tree, pages)
    for path, page in pages.items():
        if wanted and path not in wanted:
            continue
        if path in TESTED_ELSEWHERE:
            if not os.path.exists(os.path.join(tree.source, TESTED_ELSEWHERE[path])):
                tree.fail(path, 1, "its test %s does not exist" % TESTED_ELSEWHERE[path])
        elif path == "README.md" or path.startswith("docs/"):
            if page.blocks:
                print("%s: %d of %d blocks tested" % (path, run_page(tree, page), len(page.blocks)))
    print("%d pages" % len(pages))
    return tree.failures


# --- the test's test ----------------------------------------------------------------------------------------------------------

# A page with one mistake each, and a word of the complaint.
MISTAKES = [
    ("[x](nowhere.md)", "does not exist"),
    ("[x](other.md#nowhere)", "no such heading"),
    ("`lib/base/nowhere.h`", "does not exist"),
    ("`ql_nowhere_open()`", "nothing is called"),
    ("`qloader ingest --nowhere`", "no option"),
    ("`qloader nowhere`", "no command"),
    ("```c\nint x = ;\n```", "does not compile"),
    ("```c\nint main(void) { return 3; }\n```", "ends with 3"),
    ("```c\nreturn QL_E_IO;\n```", "input/output error"),
    ("```cpp\nint main() { throw 1; }\n```", "ends with -6"),
    ("<!-- test: file a.c -->\n```c\nint main(void)\n```\n\n<!-- test: file a.c -->\n```c\n{ return 4; }\n```", "ends with 4"),
    ("```sh\nfalse\ntrue\n```", "ends with 1"),
    ("<!-- test: exit 2 -->\n```sh\ntrue\n```", "ends with 0, not 2"),
    ("```console\n$ echo one\ntwo\n```", "prints"),
    ("```console\n$ false\n```", "ends with 1"),
    ("```console\nfalse\n```", "without a line"),
    ("```yaml\nsources:\n  localfil: {}\n```", "no configuration"),
    ("```json\n{]\n```", "no JSON"),
    ("```rust\nfn main() {}\n```", "nobody tests"),
    ("```sh\ntrue\n", "not closed"),
]


def self_test(source, build):
    tree = Tree(source, build)
    names, (commands, options) = known_names(tree), known_options(tree)
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "docs"))
        for text, complaint in [*MISTAKES, ("[other](other.md#a-heading)\n\n```console\n$ echo a b c\na ... c\n```", None)]:
            planted = {"docs/page.md": text, "docs/other.md": "# A heading\n"}
            for name, content in planted.items():
                with open(os.path.join(folder, name), "w") as f:
                    f.write(content)
            tree.failures = []
            pages = {name: Page(folder, name) for name in planted}
            page, tree.source = pages["docs/page.md"], folder
            check_links(tree, page, pages)
            check_paths(tree, page)
            tree.source = os.path.abspath(source)
            check_names(tree, page, names)
            check_options(tree, page, commands, options)
            if page.open_fence:
                tree.fail(page.path, 1, "a fence is not closed")
            for block in page.blocks:
                if block.language not in LANGUAGES:
                    tree.fail(page.path, block.line, "nobody tests blocks of '%s'" % block.language)
            run_page(tree, page)
            told = "\n".join(tree.failures)
            if (complaint is None and told) or (complaint is not None and complaint not in told):
                missed.append("%r: expected %r, got %r" % (text, complaint, told))
    return missed + self_test_tables(tree)


def self_test_tables(tree):
    """A row of each table that says something else than the code, and one that is missing."""
    missed = []
    for path, check, old, new in [("docs/errors.md", check_errors, "| `QL_E_NOMEM` | 2 |", "| `QL_E_NOMEM` | 3 |"), ("docs/errors.md", check_errors, "| `QL_E_BUSY` |", "| BUSY |"),
                                  ("docs/errors.md", check_errors, "| 130 |", "| 131 |"), ("docs/security.md", check_limits, "| 256 MiB |", "| 255 MiB |")]:
        page = Page(tree.source, path)
        tree.failures = []
        if old not in page.prose:
            missed.append("%s holds no '%s'" % (path, old))
        page.prose = page.prose.replace(old, new, 1)
        check(tree, page)
        if not tree.failures:
            missed.append("%s: '%s' instead of '%s' was not found" % (path, new, old))
    tree.failures = []
    check_index(tree, {"docs/README.md": Page(tree.source, "docs/README.md"), "docs/unlinked.md": None})
    if not any("unlinked" in failure for failure in tree.failures):
        missed.append("a page that the index does not lead to was not found")
    return missed


if __name__ == "__main__":
    arguments = sys.argv[1:]
    problems = self_test(*arguments[1:]) if arguments[0] == "--self-test" else main(arguments[0], arguments[1], arguments[2:])
    print("\n".join(problems))
    sys.exit(1 if problems else 0)
