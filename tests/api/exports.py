"""The shared library exports exactly the names of lib/libqloader.map, every QL_API function of the headers is among them, and no node of the map
or "Since" of a header is of a release after the project's version: a package would tell symbols of a version that nobody can install."""
import glob
import re
import subprocess
import sys

library, source = sys.argv[1], sys.argv[2]
symbol_map = open(source + "/lib/libqloader.map").read()
listed = set(re.findall(r"^\s+(ql_\w+);", symbol_map, re.M))
lines = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout.splitlines()
exported = {line.split()[-1].split("@")[0] for line in lines if line.split()[1] != "A"}
declared = set()
for header in glob.glob(source + "/include/**/*.h", recursive=True):
    text = re.sub(r"/\*.*?\*/", "", open(header).read(), flags=re.S)
    declared |= set(re.findall(r"QL_API\b[^;{]*?\b(ql_\w+)\s*\(", text))
version = re.search(r"project\(qloader VERSION (\d+)\.(\d+)", open(source + "/CMakeLists.txt").read()).groups()
sinces = re.findall(r"\bSince:? +(\d+)\.(\d+)", "".join(open(name).read() for name in glob.glob(source + "/include/**/*.h", recursive=True)))
late = {since for since in re.findall(r"^QLOADER_(\d+)\.(\d+)", symbol_map, re.M) + sinces if tuple(map(int, since)) > tuple(map(int, version))}
failed = False
for what, names in (("in the map, not exported", listed - exported), ("exported, not in the map", exported - listed),
                    ("declared QL_API, not in the map", declared - listed), ("in the map, not declared", listed - declared),
                    ("later than the project's version", {".".join(since) for since in late})):
    for name in sorted(names):
        print("%s: %s" % (what, name))
        failed = True
print("%d functions" % len(listed))
sys.exit(1 if failed else 0)
