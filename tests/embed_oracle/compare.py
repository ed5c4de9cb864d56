"""Compares our WordPiece with the `tokenizers` package on many strings: token ids must be equal.

    compare.py --driver PROGRAM --model FOLDER [--count 120000] [--seed 1] [FILE ...]

The driver reads (uint32 length, bytes) records and answers (uint32 count, uint32 ids...). Strings: every code point of Unicode in
several surroundings, random strings of many kinds, slices of the given text files. Prints the first differences, exit 1 if any.
"""
import argparse
import os
import random
import struct
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

parser = argparse.ArgumentParser()
parser.add_argument("--driver", required=True)
parser.add_argument("--model", required=True)
parser.add_argument("--count", type=int, default=120000)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("files", nargs="*")
args = parser.parse_args()

rng = random.Random(args.seed)
tokenizer = Tokenizer.from_file(os.path.join(args.model, "tokenizer.json"))
tokenizer.no_truncation()
tokenizer.no_padding()
with open(os.path.join(args.model, "vocab.txt"), encoding="utf-8") as handle:
    words = [line.rstrip("\n") for line in handle]

BLOCKS = [
    (0x20, 0x7E), (0x20, 0x7E), (0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F),
    (0x590, 0x5FF), (0x600, 0x6FF), (0x700, 0x8FF), (0x900, 0xDFF), (0xE00, 0xE7F), (0xE80, 0xFFF), (0x1000, 0x109F), (0x10A0, 0x11FF),
    (0x1200, 0x17FF), (0x1800, 0x1CFF), (0x1D00, 0x1DFF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x2BFF), (0x2C00, 0x2FFF),
    (0x3000, 0x30FF), (0x3100, 0x4DBF), (0x4E00, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7FF), (0xE000, 0xF8FF), (0xF900, 0xFFFF),
    (0x10000, 0x11FFF), (0x12000, 0x1CFFF), (0x1D000, 0x1DFFF), (0x1E000, 0x1EFFF), (0x1F000, 0x1FAFF), (0x20000, 0x2FFFF),
    (0x30000, 0xDFFFF), (0xE0000, 0xE01FF), (0xF0000, 0x10FFFF),
]
CONTROLS = [0, 1, 7, 8, 9, 10, 11, 12, 13, 0x1B, 0x1F, 0x7F, 0x85, 0xA0, 0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x2028, 0x2029, 0x202F, 0x2060, 0xFEFF, 0xFFFD, 0xFFFE]
ORDERED = [0x8D4, 0x1B44, 0x1BAA, 0x1BF2, 0x302E, 0x302F, 0xA953, 0x111C0, 0x1D165, 0x1D16D, 0x1D16E, 0x1E000, 0x1E94A, 0x300, 0x323, 0x34F, 0x327, 0x5B0, 0x64B, 0xE38, 0x1DFA, 0x1133B]


def scalar(low, high):
    while True:
        code = rng.randint(low, high)
        if not 0xD800 <= code < 0xE000:
            return chr(code)


def any_plane(n):
    return "".join(scalar(0, 0x10FFFF) for _ in range(n))


def of_blocks(n):
    picked = [rng.choice(BLOCKS) for _ in range(rng.randint(1, 3))]
    return "".join(" " if rng.random() < 0.12 else scalar(*rng.choice(picked)) for _ in range(n))


def of_words(n):
    out = []
    for _ in range(n // 4 + 1):
        word = rng.choice(words)
        if word.startswith("##"):
            word = word[2:]
        if rng.random() < 0.2:
            word = word.upper()
        if rng.random() < 0.1:
            word = word.title() + rng.choice(words)[-5:]
        out.append(word)
        out.append(rng.choice([" ", " ", " ", "", "-", "_", ". ", "\n", "\t", "  "]))
    return "".join(out)


def marked(n):
    out = []
    for _ in range(n):
        out.append(scalar(*rng.choice(BLOCKS[:9])))
        while rng.random() < 0.5:
            out.append(chr(rng.choice(ORDERED)))
    return "".join(out)


def controls(n):
    return "".join(chr(rng.choice(CONTROLS)) if rng.random() < 0.4 else scalar(0x21, 0x7E) for _ in range(n))


def long_word(n):
    kind = rng.randint(0, 3)
    length = rng.choice([98, 99, 100, 101, 102, 500, 3000])
    if kind == 0:
        return "a" * length
    if kind == 1:
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(length))
    if kind == 2:
        return "é" * length + " tail"
    return "".join(rng.choice(words).replace("#", "") for _ in range(length // 5))[:length]


def specials(n):
    return "".join(rng.choice(["[SEP]", "[CLS]", "[MASK]", "[UNK]", "[PAD]", "[sep]", "[", "]", "[SEP", "a", " ", "é", "\u0301", "漢"]) for _ in range(n))


def strings():
    for code in range(0x110000):
        if not 0xD800 <= code < 0xE000 and (code < 0x30000 or code % 97 == 0 or 0xE0000 <= code < 0xE0200):
            yield rng.choice(["{}", "a{}b", "A{}", "{} x", "é{}", "{}\u0301"]).format(chr(code))
    makers = [any_plane, of_blocks, of_blocks, of_blocks, of_words, of_words, marked, controls, long_word, specials]
    for index in range(args.count):
        yield makers[index % len(makers)](rng.randint(1, 60))
    for name in args.files:
        with open(name, encoding="utf-8", errors="ignore") as handle:
            text = handle.read(8_000_000)
        at = 0
        while at < len(text):
            size = rng.choice([20, 100, 400, 2000])
            yield text[at : at + size]
            at += size


batch = list(strings())
with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as answer:
    for text in batch:
        data = text.encode("utf-8")
        source.write(struct.pack("<I", len(data)) + data)
    source.seek(0)
    subprocess.run([args.driver, os.path.join(args.model, "vocab.txt")], stdin=source, stdout=answer, check=True)
    answer.seek(0)
    reply = answer.read()

bad = 0
at = 0
tokens = 0
for begin in range(0, len(batch), 5000):
    part = batch[begin : begin + 5000]
    for text, encoding in zip(part, tokenizer.encode_batch(part, add_special_tokens=False)):
        (count,) = struct.unpack_from("<I", reply, at)
        ours = list(struct.unpack_from(f"<{count}I", reply, at + 4))
        at += 4 + 4 * count
        tokens += count
        if ours != encoding.ids:
            bad += 1
            if bad <= 20:
                print(f"differs: {text!r} {[hex(ord(c)) for c in text][:40]}\n  ours   {ours[:40]}\n  theirs {encoding.ids[:40]}", file=sys.stderr)
print(f"{len(batch)} strings, {tokens} tokens, {bad} differ")
sys.exit(1 if bad or at != len(reply) else 0)
