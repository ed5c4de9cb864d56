"""Compiles and runs the program in the opening comment of each public header, at most 25 lines, and every program of docs/examples, whose
output must hold what EXAMPLES says, with the command that its opening comment gives and nothing beside (C as strict C11). The README's C program must be docs/examples/smallest.c.

Usage: header_programs.py SOURCE_DIR BUILD_DIR"""
import glob
import os
import re
import subprocess
import sys
import tempfile

source, build = sys.argv[1], sys.argv[2]
failures = []
# What each program of docs/examples prints.
EXAMPLES = {
    "smallest.c": "start.md",
    "notes_source.c": "3 added, 0 deleted\nDentist on Monday at nine.\n0 added, 1 deleted\nDentist",
    "csv_converter.cpp": "city: Vienna, river: Danube",
    "word_embedder.c": '"cut_by":"paragraphs"',
    "event_loop.c": "start.md",
    "allocator.c": "0 left",
    "memory_store.c": "1 added, then 1 unchanged, 1 found",
}


def program_of(header):
    comment = re.match(r"/\*(.*?)\*/", open(header).read(), re.S).group(1)
    block = [re.sub(r"^ \*     ", "", line) for line in comment.splitlines() if line.startswith(" *     ")]
    return "\n".join(block) + "\n" if any("int main" in line for line in block) else None


def command_of(name, text):
    """Compiler and libraries of an example, without those of pkg-config; smallest.c is shown whole in the README, with the command below it."""
    if name == "smallest.c":
        return ["cc"], []
    told = re.search(r"^(?: \*|//) Build: (c\+\+ -std=c\+\+17|cc) (\S+) -o (\S+) \$\(pkg-config --cflags --libs qloader\)((?: -\w+)*)$", text, re.M)
    if told is None or told[2] != name or told[3] != os.path.splitext(name)[0]:
        failures.append("docs/examples/%s: its opening comment does not say 'Build: cc %s -o ... $(pkg-config --cflags --libs qloader)'" % (name, name))
        return ["cc"], []
    return told[1].split(), told[4].split()


def workspace(parent):
    folder = os.path.join(parent, "kb")
    os.makedirs(os.path.join(folder, "docs"))
    with open(os.path.join(folder, "docs", "start.md"), "w") as f:
        f.write("# Start\n\nStart the server with one command.\n")
    with open(os.path.join(folder, "config.yaml"), "w") as f:
        f.write('sources:\n  localfile:\n    docs:\n      base_url: "file://%s/docs"\n' % folder)
    return folder


def check(name, text, lines_max=25, prints=""):
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > lines_max:
        failures.append("%s: %d lines, more than %d" % (name, len(lines), lines_max))
    with tempfile.TemporaryDirectory() as folder:
        path, exe = os.path.join(folder, "p" + os.path.splitext(name)[1].replace(".h", ".c")), os.path.join(folder, "p")
        open(path, "w").write(text)
        flags = os.environ.get("QL_SANITIZE_FLAGS", "").split()
        compiler, libraries = (["cc"], []) if name.endswith(".h") else command_of(os.path.basename(name), text)
        if compiler == ["cc"]:
            compiler = ["cc", "-std=c11"]
        done = subprocess.run([*compiler, "-pedantic", "-Wall", "-Wextra", "-Werror", *flags, "-I", source + "/include", "-I", build + "/include", path,
                               "-o", exe, "-L", build + "/lib", "-lqloader", *libraries, "-Wl,-rpath," + build + "/lib"], capture_output=True, text=True)
        if done.returncode != 0:
            failures.append("%s does not compile:\n%s" % (name, done.stderr))
            return
        place = workspace(folder)
        argument = source + "/tests/fuzz/corpus/capture/whole" if name.endswith("/capture.h") else place
        done = subprocess.run([exe, argument], capture_output=True, text=True, cwd=os.path.join(folder, "kb"), timeout=120)
        if done.returncode != 0:
            failures.append("%s exits with %d: %s%s" % (name, done.returncode, done.stdout, done.stderr))
        elif prints not in done.stdout:
            failures.append("%s does not print %r: %s" % (name, prints, done.stdout))
        else:
            print("%s: ok, %d lines" % (name, len(lines)))


for header in sorted(glob.glob(source + "/include/**/*.h", recursive=True)):
    text = program_of(header)
    if text is None:
        failures.append("%s has no program" % header)
        continue
    check(os.path.relpath(header, source), text, prints="start.md" if header.endswith("/qloader.h") else "")
present = {os.path.basename(example) for example in glob.glob(source + "/docs/examples/*")}
if present != set(EXAMPLES):
    failures.append("docs/examples and EXAMPLES differ: %s" % sorted(present ^ set(EXAMPLES)))
for name in sorted(present & set(EXAMPLES)):
    lines = {"smallest.c": 25, "memory_store.c": 520}.get(name, 120)
    check("docs/examples/" + name, open(source + "/docs/examples/" + name).read(), lines, EXAMPLES[name])
readme = open(source + "/README.md").read()
smallest = open(source + "/docs/examples/smallest.c").read().strip()
if smallest not in readme:
    failures.append("README.md does not show docs/examples/smallest.c as it is")
print("\n".join(failures))
sys.exit(1 if failures else 0)
