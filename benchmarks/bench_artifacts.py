"""One HDF5 data set an image against ragged columns: size, writing, opening and reading one item.

    python benchmarks/bench_artifacts.py [--items 100000] [--json FILE]

Items are small: a 12x16 label map and its classes, as a data set of thumbnails would have. The
correctness check beside the times: both layouts give back the same arrays.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from wsss_cli.artifacts import LABEL, Shard, create, open_artifact
from wsss_cli.artifacts.merge import merge

REPEATS = 5


def make_items(count: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 5, (count, 3, 4)).astype(np.uint8)
    present = rng.integers(0, 20, (count, 2)).astype(np.uint16)
    block = np.ones((4, 4), np.uint8)
    return {f"img_{i:07d}": (np.kron(coarse[i], block), present[i]) for i in range(count)}


def write_datasets(path: Path, items: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """The layout that was not chosen: a group an image, a data set an array."""
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        group = file.create_group("items")
        for image_id, (label, present) in items.items():
            entry = group.create_group(image_id)
            entry.create_dataset("label", data=label, compression="gzip", compression_opts=1)
            entry.create_dataset("present", data=present)


def write_columns(
    path: Path, items: dict[str, tuple[np.ndarray, np.ndarray]], shard: Shard | None = None
) -> None:
    """The layout of wsss, journal included."""
    with create(path, LABEL, classes=["x"] * 20, params={}, ids=list(items), shard=shard) as out:
        for image_id in out.todo:
            label, present = items[image_id]
            out.put(image_id, label=label, present=present)


def median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    items = make_items(options.items)
    data = sum(label.nbytes + present.nbytes for label, present in items.values())
    wanted = f"img_{options.items // 2:07d}"

    with tempfile.TemporaryDirectory() as folder:
        datasets, columns = Path(folder) / "datasets.h5", Path(folder) / "columns.h5"
        rows = {}
        for name, path, write in (
            ("one data set an image", datasets, write_datasets),
            ("ragged columns", columns, write_columns),
        ):
            start = time.perf_counter()
            write(path, items)
            rows[name] = {"write_s": time.perf_counter() - start, "bytes": path.stat().st_size}

        def read_datasets() -> np.ndarray:
            with h5py.File(datasets) as file:
                return file["items"][wanted]["label"][:]

        def read_columns() -> np.ndarray:
            with open_artifact(columns) as file:
                return file[wanted]["label"]

        np.testing.assert_array_equal(read_datasets(), read_columns())
        rows["one data set an image"]["open_read_ms"] = 1000 * median(read_datasets)
        rows["ragged columns"]["open_read_ms"] = 1000 * median(read_columns)
        with open_artifact(columns) as file:
            rows["ragged columns"]["read_ms"] = 1000 * median(lambda: file[wanted])

        shards = [Path(folder) / f"{i}.h5" for i in range(1, 5)]
        for index, path in enumerate(shards, 1):
            write_columns(path, items, Shard(index, 4))
        start = time.perf_counter()
        merge(shards, Path(folder) / "merged.h5")
        rows["ragged columns"]["merge_4_shards_s"] = time.perf_counter() - start

    print(f"{options.items} items, {data / 1e6:.1f} MB of arrays, median of {REPEATS} reads")
    for name, row in rows.items():
        figures = ", ".join(f"{key} {value:.2f}" for key, value in row.items() if key != "bytes")
        print(f"{name}: {row['bytes'] / data:.2f} times the arrays' bytes, {figures}")
    if options.json:
        options.json.write_text(json.dumps({"items": options.items, "bytes": data, "rows": rows}))


if __name__ == "__main__":
    main()
