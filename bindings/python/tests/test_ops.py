"""Tables of functions in general, on one that no header has: what a converter, chunker or embedder in Python would need of _ops.py."""
import ctypes
import unittest
from ctypes import CFUNCTYPE, POINTER, c_bool, c_char_p, c_float, c_int32, c_size_t, c_uint32, c_void_p

import support

import qloader
from qloader._ops import Adapter, OpsTable
from qloader._structs import ql_error, ql_str
from qloader._trap import Trap


class thing_ops(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("name", c_char_p),
        ("accepts_fn", CFUNCTYPE(c_bool, c_void_p, ql_str)),
        ("dims_fn", CFUNCTYPE(c_uint32, c_void_p)),
        ("embed_fn", CFUNCTYPE(c_int32, c_void_p, POINTER(ql_str), c_size_t, POINTER(c_float), POINTER(ql_error))),
        ("close_fn", CFUNCTYPE(None, c_void_p)),
        ("absent_fn", CFUNCTYPE(None, c_void_p)),
    ]


class Thing(Adapter):
    """Vectors of two numbers: the length, and how often it was asked."""

    def __init__(self):
        self.calls = []
        self.error = None

    def _come(self, name):
        self.calls.append(name)
        if self.error is not None:
            raise self.error

    def accepts(self, text):
        self._come("accepts")
        return text.content() == b"yes"

    def dims(self):
        self._come("dims")
        return 2

    def embed(self, texts, count, out):
        self._come("embed")
        for row in range(count):
            out[2 * row], out[2 * row + 1] = texts[row].len, row

    def close(self):
        self._come("close")


class Ops(unittest.TestCase):
    def setUp(self):
        self.adapter, self.trap = Thing(), Trap()
        self.table = OpsTable(thing_ops, self.adapter, self.trap, name=b"thing")
        self.ops = self.table.struct
        self.texts = (ql_str * 2)(ql_str.of(b"one"), ql_str.of(b"three"))
        self.out = (c_float * 4)()
        self.error = ql_error()

    def embed(self, error=None):
        return self.ops.embed_fn(None, self.texts, 2, self.out, ctypes.byref(self.error) if error is None else error)

    def test_members(self):
        self.assertEqual((self.ops.struct_size, self.ops.name), (ctypes.sizeof(thing_ops), b"thing"))
        self.assertEqual((bool(self.ops.close_fn), bool(self.ops.absent_fn)), (True, False))

    def test_answers(self):
        self.assertEqual((self.ops.accepts_fn(None, ql_str.of(b"yes")), self.ops.accepts_fn(None, ql_str.of(b"no"))), (True, False))
        self.assertEqual(self.ops.dims_fn(None), 2)
        self.assertEqual((self.embed(), list(self.out)), (0, [3.0, 0.0, 5.0, 1.0]))
        self.assertIsNone(self.ops.close_fn(None))
        self.assertFalse(self.trap)

    def test_an_error_of_the_library_is_an_answer(self):
        self.adapter.error = qloader.NetworkError("no\tanswer\n" + "\u00e9" * 400, http_code=503, retry_after_ms=20, os_code=110)
        self.assertEqual(self.embed(), -13)
        self.assertEqual((self.error.status, self.error.http_code, self.error.retry_after_ms, self.error.os_code), (-13, 503, 20, 110))
        self.assertEqual(self.error.message.decode(), "no answer " + "\u00e9" * 234)
        self.assertFalse(self.trap)
        self.assertEqual(self.embed(POINTER(ql_error)()), -13)  # the caller wants no detail

    def test_anything_else_is_kept_and_ends_it(self):
        answers = {"accepts": lambda: self.ops.accepts_fn(None, ql_str.of(b"yes")), "dims": lambda: self.ops.dims_fn(None), "embed": self.embed,
                   "close": lambda: self.ops.close_fn(None)}
        for name, call in answers.items():
            self.adapter.calls.clear()
            self.adapter.error = KeyError(name)
            self.assertEqual(call(), {"accepts": False, "dims": 0, "embed": -11, "close": None}[name])
            self.assertEqual(self.adapter.calls, [name])
            call()
            # Not asked again while the exception is on its way; but an end is an end.
            self.assertEqual(self.adapter.calls, [name, name] if name == "close" else [name])
            with self.assertRaises(KeyError):
                self.trap.raise_caught()
        self.assertEqual(self.error.message, b"stopped by an exception in a callback")


if __name__ == "__main__":
    support.main()
