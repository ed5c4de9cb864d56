"""Every function of the version map is bound, with the signature of its declaration, and used; or it is skipped, with a reason."""
import ctypes
import glob
import os
import re
import unittest

import headers
import support
from qloader import _prototypes, _structs
from test_layout import MIRRORED

HANDLES = {"ql_metric", "ql_metrics_server", "ql_prof", "ql_series", "ql_runtime", "ql_workspace", "ql_results", "ql_arena", "void"}
SCALARS = {
    "int": ctypes.c_int, "ql_status": ctypes.c_int32, "int32_t": ctypes.c_int32, "uint32_t": ctypes.c_uint32, "int64_t": ctypes.c_int64,
    "uint16_t": ctypes.c_uint16, "uint64_t": ctypes.c_uint64, "float": ctypes.c_float, "ql_embed_role": ctypes.c_int,
    "size_t": ctypes.c_size_t, "double": ctypes.c_double, "bool": ctypes.c_bool, "char": ctypes.c_char,
    "ql_log_level": ctypes.c_int, "void": None, "const char *": ctypes.c_char_p, "const char * const *": ctypes.POINTER(ctypes.c_char_p),
}


def ctype_of(declared):
    """The ctypes type that mirrors a C type."""
    plain = declared if declared in SCALARS else declared.replace("const ", "")
    if plain in SCALARS:
        return SCALARS[plain]
    if plain in vars(_structs):
        return vars(_structs)[plain]
    pointed = plain[: -len(" *")]
    if plain == "char *":
        return ctypes.POINTER(ctypes.c_char)
    return ctypes.c_void_p if pointed in HANDLES else ctypes.POINTER(ctype_of(pointed))


def shape(ctype):
    """What two types must have in common: callbacks declared in place are no two times the same object."""
    if isinstance(ctype, type) and issubclass(ctype, ctypes._CFuncPtr):
        return shape(ctype._restype_), tuple(shape(argument) for argument in ctype._argtypes_)
    return ctype


def shape_of(function):
    return ctype_of(function.result), tuple(shape(ctype_of(argument)) for argument in function.arguments)


def callback_shape_of(function):
    """A callback returns pointers as addresses, see _structs.py."""
    result, arguments = shape_of(function)
    return ctypes.c_void_p if function.result.endswith("*") else result, arguments


class Coverage(unittest.TestCase):
    maxDiff = None

    def test_every_exported_function_is_bound_or_skipped(self):
        with open(os.path.join(support.SOURCE_DIR, "lib", "libqloader.map")) as file:
            exported = set(re.findall(r"^\s+(ql_\w+);", file.read(), re.M))
        self.assertGreater(len(exported), 40)
        bound, skipped = set(_prototypes.PROTOTYPES), set(_prototypes.SKIPPED)
        self.assertEqual(bound | skipped, exported)
        self.assertEqual(bound & skipped, set())
        for name, reason in _prototypes.SKIPPED.items():
            self.assertGreater(len(reason.split()), 3, name)

    def test_every_bound_function_is_used(self):
        text = ""
        for path in glob.glob(os.path.join(support.PACKAGE_DIR, "qloader", "*.py")):
            with open(path) as file:
                text += file.read()
        used = set(re.findall(r"\b(?:lib|library)\.(ql_\w+)", text))
        self.assertEqual(used, set(_prototypes.PROTOTYPES))

    def test_signatures_are_those_of_the_headers(self):
        declared = headers.functions()
        for name, (result, arguments) in _prototypes.PROTOTYPES.items():
            self.assertEqual((result, tuple(map(shape, arguments))), shape_of(declared[name]), name)

    def test_members_have_the_types_of_the_headers(self):
        for name, members in headers.structs().items():
            if name not in MIRRORED:
                continue
            for member, (mirrored, ctype) in zip(members, [field[:2] for field in MIRRORED[name]._fields_]):
                what = "%s.%s" % (name, mirrored)
                if member.function is not None:
                    self.assertEqual(shape(ctype), callback_shape_of(member.function), what)
                elif member.array is not None:
                    self.assertEqual((ctype._type_, ctype._length_), (ctype_of(member.type), int(member.array)), what)
                elif (name, mirrored) == ("ql_str", "ptr"):
                    self.assertEqual(ctype, ctypes.POINTER(ctypes.c_char), what)  # not NUL-terminated, as c_char_p would have it
                else:
                    self.assertEqual(ctype, ctype_of(member.type), what)

    def test_callback_types_are_those_of_the_headers(self):
        for name, function in headers.callbacks().items():
            if hasattr(_structs, name):
                self.assertEqual(shape(getattr(_structs, name)), callback_shape_of(function), name)


if __name__ == "__main__":
    support.main()
