"""Image files that Pillow does not write: TIFFs of any bands, PNGs of 16-bit colours."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

FORMATS = {"u": 1, "i": 2, "f": 3}


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff(
    values: np.ndarray,
    photometric: int = 1,
    extra: tuple[int, ...] = (),
    order: str = "<",
    deflated: bool = False,
    pages: tuple[int, ...] = (0,),
    nodata: str | None = None,
) -> bytes:
    """A TIFF of one strip.

    Args:
        values: (H, W) or (H, W, bands).
        extra: tags of the bands beside the colours.
        order: of its bytes, < or >.
        pages: the kind (NewSubfileType) of each page; all show the same.
        nodata: the number that stands for it, as GDAL writes it.
    """
    height, width = values.shape[:2]
    bands = 1 if values.ndim == 2 else values.shape[2]
    raw = values.astype(values.dtype.newbyteorder(order)).tobytes()
    body = zlib.compress(raw) if deflated else raw
    out = bytearray({"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 0))
    strip = len(out)
    out += body + b"\0" * (len(body) % 2)
    link = 4  # where the offset of the next page is written
    for kind in pages:
        tags = {
            254: [kind], 256: [width], 257: [height], 258: [values.itemsize * 8] * bands,
            259: [8 if deflated else 1], 262: [photometric], 273: [strip], 277: [bands],
            278: [height], 279: [len(body)], 339: [FORMATS[values.dtype.kind]] * bands,
        }  # fmt: skip
        if extra:
            tags[338] = list(extra)
        if nodata is not None:
            tags[42113] = nodata.encode() + b"\0"
        entries, later = b"", {}
        for tag, numbers in sorted(tags.items()):
            text = isinstance(numbers, bytes)
            packed = numbers if text else struct.pack(f"{order}{len(numbers)}I", *numbers)
            if len(packed) > 4:
                later[tag] = len(out)
                out += packed
                packed = struct.pack(order + "I", later[tag])
            kind_of_tag = 2 if text else 4
            entries += struct.pack(order + "HHI", tag, kind_of_tag, len(numbers))
            entries += packed.ljust(4, b"\0")
        out[link : link + 4] = struct.pack(order + "I", len(out))
        out += struct.pack(order + "H", len(tags)) + entries
        link = len(out)
        out += b"\0" * 4
    return bytes(out)


def png(values: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of 16 bits.

    Args:
        values: (H, W) or (H, W, 2, 3 or 4) uint16.
        chunks: further ones before the pixels.
    """

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    kind = {1: 0, 2: 4, 3: 2, 4: 6}[1 if values.ndim == 2 else values.shape[2]]
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
