"""Compiles and runs the program in the opening comment of each public header, as C11 and as C++17 where it is both, and every
program of docs/examples; each is at most 25 lines. The README's C program must be docs/examples/smallest.c.

Usage: header_programs.py SOURCE_DIR BUILD_DIR"""
import glob
import os
import re
import subprocess
import sys
import tempfile

source, build = sys.argv[1], sys.argv[2]
failures = []


def program_of(header):
    comment = re.match(r"/\*(.*?)\*/", open(header).read(), re.S).group(1)
    block = [re.sub(r"^ \*     ", "", line) for line in comment.splitlines() if line.startswith(" *     ")]
    return "\n".join(block) + "\n" if any("int main" in line for line in block) else None


def workspace(parent):
    folder = os.path.join(parent, "kb")
    os.makedirs(os.path.join(folder, "docs"))
    with open(os.path.join(folder, "docs", "start.md"), "w") as f:
        f.write("# Start\n\nStart the server with one command.\n")
    with open(os.path.join(folder, "config.yaml"), "w") as f:
        f.write('sources:\n  localfile:\n    docs:\n      base_url: "file://%s/docs"\n' % folder)
    return folder


def check(name, text, lines_max=25):
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > lines_max:
        failures.append("%s: %d lines, more than %d" % (name, len(lines), lines_max))
    with tempfile.TemporaryDirectory() as folder:
        path, exe = os.path.join(folder, "p.c"), os.path.join(folder, "p")
        open(path, "w").write(text)
        flags = os.environ.get("QL_SANITIZE_FLAGS", "").split()
        done = subprocess.run(["cc", "-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror", *flags, "-I", source + "/include", "-I", build + "/include", path,
                               "-o", exe, "-L", build + "/lib", "-lqloader", "-Wl,-rpath," + build + "/lib"], capture_output=True, text=True)
        if done.returncode != 0:
            failures.append("%s does not compile:\n%s" % (name, done.stderr))
            return
        done = subprocess.run([exe, workspace(folder)], capture_output=True, text=True, cwd=os.path.join(folder, "kb"), timeout=120)
        if done.returncode != 0:
            failures.append("%s exits with %d: %s%s" % (name, done.returncode, done.stdout, done.stderr))
        elif name.endswith(("qloader.h", "smallest.c")) and "start.md" not in done.stdout:
            failures.append("%s does not find start.md: %s" % (name, done.stdout))
        else:
            print("%s: ok, %d lines" % (name, len(lines)))


found = 0
for header in sorted(glob.glob(source + "/include/**/*.h", recursive=True)):
    text = program_of(header)
    if text is not None:
        found += 1
        check(os.path.relpath(header, source), text)
for example in sorted(glob.glob(source + "/docs/examples/*.c")):
    found += 1
    check(os.path.relpath(example, source), open(example).read())
readme = open(source + "/README.md").read()
smallest = open(source + "/docs/examples/smallest.c").read().strip()
if smallest not in readme:
    failures.append("README.md does not show docs/examples/smallest.c as it is")
if found < 4:
    failures.append("only %d programs were found" % found)
print("\n".join(failures))
sys.exit(1 if failures else 0)
