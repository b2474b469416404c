"""Packing many images with many marks, and reading one image's marks: time, memory, size.

    python benchmarks/bench_marks.py [--items 100000] [--json FILE]

Ten marks an image: points, scribbles, boxes and polygons. Beside the time of packing stands that of
copying the same bytes and decoding each image once, which nothing can do without. The check: marks
that are read are those that were packed.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measuring import in_child, memory_peak, one_time, options, report, target
from PIL import Image

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.images import examine
from wsss_cli.formats.packing import OnError, pack
from wsss_cli.formats.sample import Collection, Sample
from wsss_cli.formats.shapes import Drawing, Outlines, Use, box, line, point, polygon

CLASSES = tuple(f"class {index}" for index in range(20))
SIZE = (120, 160)
LOOKS = 200


def photograph() -> bytes:
    """JPEG of some kilobytes."""
    draw = np.random.default_rng(0)
    coarse = Image.fromarray(draw.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    stream = io.BytesIO()
    coarse.resize((SIZE[1], SIZE[0])).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def drawing(number: int) -> Drawing:
    """Ten marks, the same ones for the same number."""
    draw = np.random.default_rng(number)
    xy = draw.random((60, 2)) * (SIZE[1], SIZE[0])
    name = CLASSES[number % 20]
    shapes = [point(name, *xy[index]) for index in range(5)]
    shapes += [line(name, xy[5:25]), line(name, xy[25:45])]
    shapes += [
        box(name, *(xy[45] * 0.9), *(xy[45] * 0.9 + 1)),
        box(name, 1, 1, 30, 40),
        polygon(name, xy[50:]),
    ]
    return Drawing(tuple(shapes))


def collection(count: int) -> Collection:
    image = photograph()
    samples = tuple(
        Sample(f"{i:06d}", image, (CLASSES[i % 20],), drawing=partial(drawing, i))
        for i in range(count)
    )
    return Collection(CLASSES, samples, notes={"source": "drawn"}, use=Use(Outlines.both))


def packed(count: int, out: Path) -> dict[str, Any]:
    found = collection(count)
    began = memory_peak()
    wall, cpu, _ = one_time(lambda: pack(found, "x", out, False, OnError.stop, None, 1, True, True))
    return {"wall": wall, "cpu": cpu, "memory": memory_peak() - began, "bytes": out.stat().st_size}


def bare(count: int, out: Path) -> float:
    """CPU seconds of copying the bytes and decoding each image once."""
    image = photograph()

    def work() -> None:
        with out.open("wb") as stream:
            for _ in range(count):
                examine(image)
                stream.write(image)

    return one_time(work)[1]


def looks(path: Path, count: int) -> float:
    """Median seconds of reading one image's marks, of images all over the file."""
    times = []
    with open_dataset(path) as data:
        for number in np.random.default_rng(1).integers(0, count, LOOKS).tolist():
            began = time.perf_counter()
            marks = data.marks(f"{number:06d}")
            times.append(time.perf_counter() - began)
            assert marks is not None
            wanted = [np.concatenate(one.rings) for one in drawing(number).shapes]
            for mark, ring in zip(marks, wanted, strict=True):
                if not np.allclose(mark.xy, ring, atol=1e-3):
                    raise SystemExit(f"{number}: marks differ")
    return statistics.median(times)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(packed(int(sys.argv[2]), Path(sys.argv[3]))))
        return
    parser = options(__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "data.h5")
        for count in (asked.items // 10, asked.items):
            least = bare(count, Path(folder, "bytes"))
            out.unlink(missing_ok=True)
            figures = in_child(__file__, "--child", str(count), str(out))
            rows.append(
                {
                    "images": count,
                    "marks": 10 * count,
                    "pack, CPU s": figures["cpu"],
                    "copy and decode, CPU s": least,
                    "memory, MB": figures["memory"] / 1e6,
                    "bytes an image": figures["bytes"] / count,
                    "one image's marks, ms": 1000 * looks(out, count),
                }
            )
    growth = (rows[1]["memory, MB"] - rows[0]["memory, MB"]) * 1e6 / (asked.items * 0.9)
    check = f"marks equal; {growth:.0f} bytes of memory an image more"
    ratio = rows[1]["copy and decode, CPU s"] / rows[1]["pack, CPU s"]
    report(rows, 1, asked.json, [target("packing ten marks an image", ratio, 0, None, check)])


if __name__ == "__main__":
    main()
