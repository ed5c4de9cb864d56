"""The structs and constants of _structs.py are those of the headers: a C program made from the Python side prints sizes, offsets and values."""
import ctypes
import os
import re
import subprocess

import headers
import support
from qloader import _structs, convert, embed, errors, ingest, prof, runtime, search

MIRRORED = {name: struct for name, struct in vars(_structs).items() if name.startswith("ql_") and hasattr(struct, "_fields_")}

CONSTANTS = {
    "QL_BLOCK_NONE": _structs.BLOCK_NONE,
    "QL_TIME_UNKNOWN": _structs.TIME_UNKNOWN,
    "QL_E_CALLBACK": _structs.E_CALLBACK,
    "QL_PROJECTS_STATUS": _structs.PROJECTS_STATUS,
    "QL_PROJECTS_CHECK": _structs.PROJECTS_CHECK,
    "QL_PROJECTS_REACH": _structs.PROJECTS_REACH,
    "QL_CHECK_MODEL": _structs.CHECK_MODEL,
    "QL_CHECK_INDEX": _structs.CHECK_INDEX,
    "QL_CHECK_INDEX_WHOLE": _structs.CHECK_INDEX_WHOLE,
    "QL_METRICS_TEXT": _structs.METRICS_TEXT,
    "QL_METRICS_OPENMETRICS": _structs.METRICS_OPENMETRICS,
    "QL_METRIC_COUNTER": _structs.METRIC_COUNTER,
    "QL_METRIC_GAUGE": _structs.METRIC_GAUGE,
    "QL_METRIC_HISTOGRAM": _structs.METRIC_HISTOGRAM,
    "QL_PROF_CPU": _structs.PROF_CPU,
    "QL_PROF_WALL": _structs.PROF_WALL,
    "QL_PROF_HEAP": _structs.PROF_HEAP,
    "QL_PROF_MEMORY": _structs.PROF_MEMORY,
    "QL_PROF_SPANS": _structs.PROF_SPANS,
    **{"QL_PROF_" + {"wall": "WALLCLOCK"}.get(name, name.upper()): number for number, name in enumerate(prof._ENGINES)},
    **{"QL_E_" + kind.name: -kind.value for kind in errors.StatusKind},
    **{"QL_LOG_" + level.name: level.value for level in runtime.LogLevel},
    **{"QL_INGEST_" + phase.name: phase.value for phase in ingest.IngestPhase},
    **{"QL_INGEST_" + action.name: action.value for action in ingest.IngestAction},
    **{"QL_BLOCK_" + kind.name: kind.value for kind in convert.BlockKind},
    **{"QL_EMBED_" + role.name: role.value for role in embed.EmbedRole},
    **{"QL_SEARCH_" + mode.name: mode.value for mode in search.SearchMode},
}


class Layout(support.Case):
    def ask_c(self, lines):
        """Compiles a program that prints what each line says; {what: number}."""
        self.write("layout.c", "#include <qloader.h>\n#include <stdio.h>\nint main(void)\n{\n" + "\n".join(lines) + "\nreturn 0;\n}\n")
        include = ["-I", os.path.join(support.SOURCE_DIR, "include"), "-I", os.path.join(support.BUILD_DIR, "include")]
        subprocess.run([os.environ.get("CC", "cc"), "-std=c11", *include, self.path("layout.c"), "-o", self.path("layout")], check=True)
        answer = subprocess.run([self.path("layout")], capture_output=True, text=True, check=True).stdout
        return {line.rsplit(" ", 1)[0]: int(line.rsplit(" ", 1)[1]) for line in answer.splitlines()}

    def test_sizes_and_offsets(self):
        lines, expected = [], {}
        for name, struct in MIRRORED.items():
            lines.append('printf("%s %%zu\\n", sizeof(%s));' % (name, name))
            expected[name] = ctypes.sizeof(struct)
            for member, *_ in struct._fields_:
                what = "%s.%s" % (name, member)
                lines.append('printf("%s %%zu\\n", offsetof(%s, %s));' % (what, name, member))
                lines.append('printf("%s size %%zu\\n", sizeof((*(%s *)0).%s));' % (what, name, member))
                expected[what] = getattr(struct, member).offset
                expected[what + " size"] = getattr(struct, member).size
        self.assertGreater(len(expected), 250)
        self.assertEqual(self.ask_c(lines), expected)

    def test_constants(self):
        lines = ['printf("%s %%lld\\n", (long long)(%s));' % (name, name) for name in CONSTANTS]
        self.assertEqual(self.ask_c(lines), CONSTANTS)

    def test_defaults_are_those_of_the_macros(self):
        """Byte for byte: nothing but struct_size, and a filter's unknown times, is other than zero."""
        mine = {name: _structs.sized(MIRRORED[name]) for name in ("ql_runtime_options", "ql_metrics_server_options", "ql_workspace_options", "ql_ingest_options", "ql_ingest_report")}
        mine["ql_search_options"], _ = search.SearchOptions(0, "hybrid", "", "", "", "", None, None, None, 0).struct()
        for name in ("project", "source_type", "source", "path_prefix"):  # empty views that point somewhere
            setattr(mine["ql_search_options"].filter, name, _structs.ql_str())
        lines, expected = [], {}
        for name, struct in mine.items():
            lines.append("%s %s_it = %s_INIT;" % (name, name, name.upper()))
            lines.append('for (size_t i = 0; i < sizeof %s_it; i++) printf("%s.%%zu %%d\\n", i, ((unsigned char *)&%s_it)[i]);' % (name, name, name))
            expected.update({"%s.%d" % (name, index): value for index, value in enumerate(bytes(struct))})
        self.assertEqual(self.ask_c(lines), expected)

    def test_members_are_those_of_the_headers_in_their_order(self):
        declared = headers.structs()
        for name, struct in MIRRORED.items():
            self.assertEqual([member for member, *_ in struct._fields_], [member.name for member in declared[name]], name)

    def test_every_kind_of_status_has_a_class(self):
        for kind in errors.StatusKind:
            self.assertEqual(errors.class_of(-kind).kind, kind)
        with open(os.path.join(support.SOURCE_DIR, "include", "qloader", "base.h")) as file:
            self.assertEqual(len(re.findall(r"^    X\(", file.read(), re.M)), len(errors.StatusKind))


if __name__ == "__main__":
    support.main()
