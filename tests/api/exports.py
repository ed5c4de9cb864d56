"""The shared library exports exactly the names of lib/libqloader.map, and every QL_API function of the headers is among them."""
import glob
import re
import subprocess
import sys

library, source = sys.argv[1], sys.argv[2]
listed = set(re.findall(r"^\s+(ql_\w+);", open(source + "/lib/libqloader.map").read(), re.M))
lines = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout.splitlines()
exported = {line.split()[-1].split("@")[0] for line in lines if line.split()[1] != "A"}
declared = set()
for header in glob.glob(source + "/include/**/*.h", recursive=True):
    text = re.sub(r"/\*.*?\*/", "", open(header).read(), flags=re.S)
    declared |= set(re.findall(r"QL_API\b[^;{]*?\b(ql_\w+)\s*\(", text))
failed = False
for what, names in (("in the map, not exported", listed - exported), ("exported, not in the map", exported - listed),
                    ("declared QL_API, not in the map", declared - listed), ("in the map, not declared", listed - declared)):
    for name in sorted(names):
        print("%s: %s" % (what, name))
        failed = True
print("%d functions" % len(listed))
sys.exit(1 if failed else 0)
