"""Many small images and few large ones through pack, maps, seeds, walk, scores and merge.

    python benchmarks/growth.py --counts 1000,10000,100000 --large 20

Memory has to stay flat with the count, and time to grow linearly. Each stage runs in a process of
its own, in one thread, networks are tiny and untrained, and there is no CRF: what is measured is
what the toolkit adds. The command above takes some 40 minutes of one core and 3 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import machine, print_table
from PIL import Image

SMALL, LARGE = (48, 64), (4000, 6000)  # height and width
CLASSES = [f"class {k}" for k in range(20)]
SHARDS = 8
TINY = {"backbone": "tiny", "output_stride": 16, "dilated": False}


def draw(index: int, size: tuple[int, int]) -> tuple[Image.Image, Image.Image, list[int]]:
    """An image of two blocks on a ramp, its mask, and its classes."""
    rng = np.random.default_rng(index)
    height, width = size
    ramp = np.linspace(60, 160, width, dtype=np.float32)[None, :, None]
    image = np.broadcast_to(ramp + rng.integers(-30, 30, 3), (height, width, 3)).astype(np.uint8)
    mask = np.zeros(size, np.uint8)
    classes = sorted(rng.choice(len(CLASSES), 2, replace=False).tolist())
    for place, number in enumerate(classes):
        top, left = int(rng.integers(0, height // 2)), width // 2 * place
        block = np.s_[top : top + height // 3, left + width // 20 : left + width // 3]
        image[block] = rng.integers(0, 255, 3)
        mask[block] = number + 1
    labels = Image.fromarray(mask, "P")
    labels.putpalette(list(range(256)) * 3)
    return Image.fromarray(image), labels, classes


def make_files(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Images, masks and a table of tags; 1,000 files a folder."""
    lines = ["filename,labels"]
    for index in range(count):
        image, mask, classes = draw(index, size)
        name = f"{index // 1000:03d}/{index:06d}"
        for kind in ("images", "masks"):
            (folder / kind / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(folder / "images" / f"{name}.jpg", quality=90)
        mask.save(folder / "masks" / f"{name}.png", compress_level=1)
        lines.append(f"{name}.jpg,{';'.join(CLASSES[number] for number in classes)}")
    (folder / "tags.csv").write_text("\n".join(lines) + "\n")
    (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n")


def make_weights(folder: Path) -> None:
    """Networks as they are before training."""
    import torch

    from wsss_cli.artifacts import open_dataset, save_weights
    from wsss_cli.nets.affinity import IRNet
    from wsss_cli.nets.backbones import build_backbone
    from wsss_cli.nets.classifier import Classifier

    torch.manual_seed(0)
    networks = {
        "cls": (Classifier(build_backbone("tiny"), len(CLASSES)), {**TINY, "dropout": 0.0}),
        "aff": (IRNet(build_backbone("tiny")), {**TINY, "method": "irn"}),
    }
    with open_dataset(folder / "data.h5") as data:
        for name, (network, config) in networks.items():
            save_weights(
                folder / f"{name}.pt",
                kind=f"wsss/{name}",
                config=config,
                classes=data.classes,
                params={},
                seed=0,
                inputs=[data],
                state_dict=network.state_dict(),
            )


PARTS = [f"seeds.{k}-of-{SHARDS}.h5" for k in range(1, SHARDS + 1)]
STAGES = {  # what is measured: its output, and the rest of its command line
    "pack": (
        "data.h5",
        "pack --csv tags.csv --images images --masks masks --classes classes.txt -o data.h5",
    ),
    "make-cam": ("cam.h5", "make-cam --weights cls.pt --scales 1 --no-flip -o cam.h5"),
    "make-seeds": ("seeds.h5", "make-seeds --method threshold --cam cam.h5 -o seeds.h5"),
    "random-walk": (
        "pseudo.h5",
        "random-walk --cam cam.h5 --weights aff.pt --steps 16 -o pseudo.h5",
    ),
    "eval of maps": ("cam.json", "eval cam.h5 --json cam.json"),
    "eval of labels": ("pseudo.json", "eval pseudo.h5 --json pseudo.json"),
    "merge": ("merged.h5", f"merge {' '.join(PARTS)} -o merged.h5"),
    "info --ids": ("merged.h5", "info --ids merged.h5"),
}


def make_shards(folder: Path) -> None:
    """What is merged."""
    command = "make-seeds --method threshold --cam cam.h5 -q".split()  # noqa: SIM905
    parts = enumerate(PARTS, 1)
    run([[*command, "-o", part, "--shard", f"{k}/{SHARDS}"] for k, part in parts], folder)


def run(commands: Sequence[Sequence[str]], folder: Path) -> dict[str, Any]:
    """Seconds, CPU seconds and peak of commands, in a process of their own."""
    script = [sys.executable, "-m", "wsss_cli.timed", json.dumps(commands)]
    done = subprocess.run(script, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{commands}\n{done.stderr[-3000:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if "error" in answer:
        raise SystemExit(f"{commands}: {answer['error']}")
    return answer


def measure(folder: Path, count: int, size: tuple[int, int]) -> list[dict[str, Any]]:
    """One row a stage."""
    make_files(folder, count, size)
    rows = []
    for name, (output, command) in STAGES.items():
        if name == "merge":
            make_shards(folder)
        found = run([command.split()], folder)
        if name == "pack":
            make_weights(folder)
        rows.append(
            {
                "stage": name,
                "images": count,
                "size": f"{size[1]}x{size[0]}",
                "wall s": found["seconds"][0],
                "CPU s": found["cpu"][0],
                "CPU ms/image": 1000 * found["cpu"][0] / count,
                "peak MB": found["peak"] / 1e6,
                "file MB": (folder / output).stat().st_size / 1e6,
            }
        )
        print(f"{count} x {size}: {name} {found['cpu'][0]:.1f} s", file=sys.stderr, flush=True)
    return rows


def growth(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """From the smallest to the largest count: what another image takes."""
    found = []
    for stage in dict.fromkeys(row["stage"] for row in rows):
        mine = sorted((r for r in rows if r["stage"] == stage), key=lambda r: r["images"])
        first, last = mine[0], mine[-1]
        more = last["images"] - first["images"]
        if more:
            found.append(
                {
                    "stage": stage,
                    "from": first["images"],
                    "to": last["images"],
                    "CPU ms/image": 1000 * (last["CPU s"] - first["CPU s"]) / more,
                    "bytes of memory/image": 1e6 * (last["peak MB"] - first["peak MB"]) / more,
                }
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", default="1000,10000,100000", help="of small images; 0: none")
    parser.add_argument("--large", type=int, default=20, help="count of 6000x4000 images; 0: none")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    small, large = [], []
    for count in map(int, options.counts.split(",")):
        if count:
            with tempfile.TemporaryDirectory(prefix="wsss-growth-") as folder:
                small += measure(Path(folder), count, SMALL)
    if options.large:
        with tempfile.TemporaryDirectory(prefix="wsss-growth-") as folder:
            large = measure(Path(folder), options.large, LARGE)
    facts = machine(1)
    print("  ".join(f"{key}={value}" for key, value in facts.items()))
    tables = [table for table in (small, growth(small), large) if table]
    for table in tables:
        print_table(table)
        print()
    if options.json:
        text = json.dumps({"machine": facts, "small": small, "large": large}, indent=1)
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
