"""Maps, data and mishaps made by hand, for the tests of stages that turn maps into labels."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from conftest import CLASSES, encode_png
from typer.testing import CliRunner, Result

from wsss_cli.artifacts import CAM, DATASET, create, open_artifact, open_dataset
from wsss_cli.cli import app
from wsss_cli.core.grid import grid_size

# Runs a command that kills itself without warning after so many calls of a function.
SUICIDE = """
import importlib, os, signal, sys
module, name, left = sys.argv.pop(1), sys.argv.pop(1), [int(sys.argv.pop(1))]
owner = importlib.import_module(module)
*path, last = name.split(".")
for part in path:
    owner = getattr(owner, part)
original = getattr(owner, last)
def fatal(*args):
    original(*args)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, last, fatal)
from wsss_cli.cli import entry
entry()
"""


def wsss(*args: str | Path) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], env={"WSSS_DATA": ""})


def kill_after(items: int, *args: str | Path) -> None:
    """Run a command that dies once `items` are in its journals."""
    _kill_after("wsss_cli.artifacts.journal", "Journal.append", items, *args)


def kill_after_files(files: int, *args: str | Path) -> None:
    """Run a command that dies once `files` outputs are in place."""
    _kill_after("os", "replace", files, *args)


def _kill_after(module: str, name: str, count: int, *args: str | Path) -> None:
    command = [sys.executable, "-c", SUICIDE, module, name, str(count), *map(str, args)]
    # Returns once nobody holds the pipes: workers that outlive their parent would be noticed.
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == -signal.SIGKILL, done.stderr


def write_cam(
    path: Path,
    data: Path,
    *,
    stride: int = 4,
    dtype: str = "float16",
    background: bool = False,
    classes: Sequence[str] = CLASSES,
    mirror: bool = False,
) -> Path:
    """Random maps, one for each tag, of every image: strong on the left, none on the right."""
    with (
        open_dataset(data) as reader,
        create(
            path,
            CAM,
            classes=classes,
            params={"stride": stride},
            inputs=[reader],
            ids=reader.ids,
        ) as out,
    ):
        for index, image_id in enumerate(reader.ids):
            generator = torch.Generator().manual_seed(index)
            tags, (height, width) = reader.tags(image_id), reader.size(image_id)
            cells = grid_size(height, width, stride)
            fall = (
                torch.linspace(1, 0, cells[1]) ** (2 + torch.arange(len(tags) + 1))[:, None, None]
            )
            maps = fall * (0.7 + 0.3 * torch.rand(len(tags) + 1, *cells, generator=generator))
            if maps[1:].numel():
                maps[1:] /= maps[1:].amax((1, 2), keepdim=True)
            if mirror:
                maps = maps.flip(-1)
            if dtype == "uint8":
                maps = (maps * 255).round()
            stored = maps.numpy().astype(dtype)
            out.put(
                image_id,
                cam=stored[1:],
                classes=tags,
                size=np.array([height, width], np.int32),
                background=stored[0] if background else None,
            )
    return path


def write_data(
    path: Path, ids: Sequence[str], size: tuple[int, int], classes: Sequence[str]
) -> Path:
    """Noise, tagged with the first class."""
    rng = np.random.default_rng(0)
    with create(path, DATASET, classes=classes, params={}, ids=ids) as out:
        for image_id in ids:
            out.put(
                image_id,
                image=encode_png(rng.integers(0, 256, (*size, 3), np.uint8)),
                tags=np.zeros(1, np.uint16),
                size=np.array(size, np.int32),
            )
    return path


def contents(path: Path) -> dict[str, dict[str, np.ndarray]]:
    with open_artifact(path) as artifact:
        return {image_id: artifact[image_id] for image_id in artifact.ids}


def same(one: Path, other: Path) -> None:
    """Assert that two artifacts hold the same items and are of the same run."""
    first, second = contents(one), contents(other)
    assert first.keys() == second.keys()
    for image_id, item in first.items():
        assert item.keys() == second[image_id].keys()
        for name, array in item.items():
            assert np.array_equal(array, second[image_id][name]), (image_id, name)
    with open_artifact(one) as a, open_artifact(other) as b:
        assert (a.run, a.shard) == (b.run, b.shard)
