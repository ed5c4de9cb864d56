"""Writes lib/text/bert_tables.inc: how the `tokenizers` package classifies every code point.

The package carries categories and combining classes of an old Unicode version and lower-casing of a new one; utf8proc has a
third. The model was trained with the former, so its behaviour is probed code point by code point and frozen in a table; only
canonical decomposition and simple lower-casing are left to utf8proc, and the code points where these differ are listed too.

    python make_tables.py > lib/text/bert_tables.inc
"""
import ctypes
import sys

import tokenizers
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

lib = ctypes.CDLL("libutf8proc.so.2")
lib.utf8proc_tolower.argtypes = [ctypes.c_int32]
lib.utf8proc_tolower.restype = ctypes.c_int32
lib.utf8proc_unicode_version.restype = ctypes.c_char_p


class Property(ctypes.Structure):
    _fields_ = [("category", ctypes.c_int16), ("combining", ctypes.c_int16)]


lib.utf8proc_get_property.argtypes = [ctypes.c_int32]
lib.utf8proc_get_property.restype = ctypes.POINTER(Property)
decompose_char = lib.utf8proc_decompose_char
decompose_char.argtypes = [ctypes.c_int32, ctypes.POINTER(ctypes.c_int32), ctypes.c_ssize_t, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
decompose_char.restype = ctypes.c_ssize_t
DECOMPOSE = 1 << 4
MN = 6


def decompose(code):
    out = (ctypes.c_int32 * 16)()
    last = ctypes.c_int(0)
    return list(out[: decompose_char(code, out, 16, DECOMPOSE, ctypes.byref(last))])


def combining(code):
    return lib.utf8proc_get_property(code).contents.combining


def category(code):
    return lib.utf8proc_get_property(code).contents.category


normalizer = BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=None, lowercase=True)
keep_accents = BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
lower_only = BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=True)
splitter = BertPreTokenizer()
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]

single = {c: normalizer.normalize_str(chr(c)) for c in SCALARS}
cleaned = {c: keep_accents.normalize_str(chr(c)) for c in SCALARS}
lower = {c: lower_only.normalize_str(chr(c)) for c in SCALARS}


def kind_of(code):
    if cleaned[code] == "":
        return "CONTROL"
    if cleaned[code] == " ":
        return "SPACE"
    if single[code] == "":
        return "MARK"
    if len(splitter.pre_tokenize_str("a" + chr(code) + "b")) == 3:
        return "PUNCTUATION"
    return None


def print_ranges(name, pairs):
    print(f"static const bert_range {name}[] = {{")
    ranges = []
    for code, value in pairs:
        if ranges and ranges[-1][1] == code - 1 and ranges[-1][2] == value:
            ranges[-1][1] = code
        else:
            ranges.append([code, code, value])
    for i in range(0, len(ranges), 4):
        print("    " + " ".join(f"{{0x{a:X}, 0x{b:X}, {v}}}," for a, b, v in ranges[i : i + 4]))
    print("};")


kinds = [(c, kind_of(c)) for c in SCALARS]
gone = {c for c, k in kinds if k in ("CONTROL", "MARK")}
# Combining classes that still matter: code points that stay and that the package reorders.
reference = {216: 0x1D165, 224: 0x302E, 226: 0x1D16D, 9: 0x1B44}
order = []
for c in SCALARS:
    ccc = combining(c)
    if ccc == 0 or c in gone:
        continue
    moved = False
    for other_ccc, other in reference.items():
        if other_ccc < ccc:
            moved |= normalizer.normalize_str("a" + chr(c) + chr(other)) == "a" + single[other] + single[c]
        elif other_ccc > ccc:
            moved |= normalizer.normalize_str("a" + chr(other) + chr(c)) == "a" + single[c] + single[other]
    if moved:
        order.append((c, ccc))
never_moves = {c for c in SCALARS if combining(c) and c not in gone} - {c for c, _ in order}

print(f"/* Made by tests/embed_oracle/make_tables.py from tokenizers {tokenizers.__version__}; utf8proc knew Unicode {lib.utf8proc_unicode_version().decode()}. */")
print("/* What becomes of a code point after decomposition. */")
print_ranges("bert_kinds", [(c, "QL__BERT_" + k) for c, k in kinds if k])
print("/* Combining classes of code points that are not stripped; all others count as 0. */")
print_ranges("bert_orders", order)
print("/* Code points that utf8proc decomposes and the model's tokenizer does not. */")
print_ranges("bert_whole", [(c, 0) for c in SCALARS if decompose(c) != [c] and single[c] == lower[c] and single[c] != "".join(lower[d] for d in decompose(c) if d not in gone)])
print("/* Lower case where utf8proc has none or another (value: code point; multi-character results do not occur after decomposition). */")
odd = []
for c in SCALARS:
    if chr(lib.utf8proc_tolower(c)) != lower[c]:
        if len(lower[c]) != 1:
            print(f"multi U+{c:04X} {lower[c]!r}", file=sys.stderr)
            continue
        odd.append((c, f"0x{ord(lower[c]):X}"))
print_ranges("bert_lower", odd)
# Proof that the parts give the whole.
bad = 0
whole = {c for c in SCALARS if decompose(c) != [c] and single[c] == lower[c] and single[c] != "".join(lower[d] for d in decompose(c) if d not in gone)}
for c in SCALARS:
    if cleaned[c] in ("", " "):
        continue
    parts = [c] if c in whole else decompose(c)
    if "".join(lower[d] for d in parts if d not in gone) != single[c]:
        bad += 1
        print(f"differs U+{c:04X}", file=sys.stderr)
print(f"{len(SCALARS)} code points, {bad} differ, {len(never_moves)} combining classes newer than the package's", file=sys.stderr)
