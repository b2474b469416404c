"""Mutations of any file's bytes, and of text in lines."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

Done = tuple[str, bool]


def mutate(path: Path, random: Random, whole: bool) -> Done:
    """Change bytes in place.

    Args:
        path: the file.
        random: chooses.
        whole: whether a file of this format says itself where it ends, so that one cut short has
            to be refused.

    Returns:
        What was done, and whether the file must be refused for it.
    """
    raw = bytearray(path.read_bytes())
    how = random.choice(["flip", "flip", "flips", "block", "cut", "cut", "empty", "more", "other"])
    refused = False
    if how == "flip" or not raw:
        place = random.randrange(max(len(raw), 1))
        raw[place : place + 1] = bytes([random.randrange(256)])
        text = f"byte {place} changed"
    elif how == "flips":
        for _ in range(random.choice([3, 20, 200])):
            raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)
        text = "bits flipped"
    elif how == "block":
        place = random.randrange(len(raw))
        raw[place : place + 64] = random.choice([b"\0", b"\xff"]) * len(raw[place : place + 64])
        text = f"a block at {place} filled"
    elif how == "cut":
        size = random.randrange(len(raw) * 3 // 5 + 1)
        del raw[size:]
        refused, text = whole, f"cut to {size} bytes"
    elif how == "empty":
        raw.clear()
        refused, text = whole, "empty"
    elif how == "more":
        raw += os.urandom(0) + bytes(random.randrange(256) for _ in range(100))
        text = "more bytes at its end"
    else:
        raw = bytearray(
            random.choice([b"\0" * 100, b"\xff" * 100, b"PK\3\4", b"\x89HDF\r\n\x1a\n", b"{"])
        )
        refused, text = whole, f"begins with {bytes(raw[:4])!r}"
    path.write_bytes(raw)
    return text, refused


def mutate_text(path: Path, random: Random) -> Done:
    """Change lines and cells in place; a file of text cannot tell that it was changed."""
    text = path.read_text("utf-8")
    lines = text.splitlines()
    place = random.randrange(len(lines))
    how = random.choice(
        ["twice", "gone", "empty cell", "cells", "quote", "long", "null", "bom", "utf-16", "cr",
         "nest", "number", "up", "swap"]
    )  # fmt: skip
    if how == "twice":
        lines.insert(place, lines[place])
    elif how == "gone":
        del lines[place]
    elif how == "empty cell":
        lines[place] = ",".join("" for _ in lines[place].split(","))
    elif how == "cells":
        lines[place] += "," * random.choice([1, 5000])
    elif how == "quote":
        lines[place] = '"' + lines[place]
    elif how == "long":
        lines[place] += "x" * 300_000
    elif how == "null":
        lines[place] = lines[place][:2] + "\0" + lines[place][2:]
    elif how == "nest":
        lines[place] = "[" * 100_000
    elif how == "number":
        lines[place] = "9" * 5000
    elif how == "up":
        lines[place] = "../../" + lines[place]
    elif how == "swap":
        lines.reverse()
    ending = "\r" if how == "cr" else "\n"
    raw = "".join(line + ending for line in lines).encode("utf-16" if how == "utf-16" else "utf-8")
    path.write_bytes(b"\xef\xbb\xbf" + raw if how == "bom" else raw)
    return f"line {place + 1}: {how}", False
