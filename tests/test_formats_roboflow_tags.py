"""Roboflow's multi-label export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import encode_png
from made import wsss
from samples import compare, packed


def test_what_roboflow_writes(tmp_path: Path) -> None:
    data = packed("roboflow_multiclass", tmp_path / "d.h5")
    compare("roboflow_multiclass", data, skip=("splits",))
    assert data.splits == ["train", "valid"]


def write(root: Path, table: str) -> Path:
    (root / "train").mkdir(parents=True)
    image = encode_png(np.zeros((2, 4, 3), np.uint8))
    (root / "train/a.png").write_bytes(image.tobytes())
    (root / "train/_classes.csv").write_text(table)
    return root


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("filename, cat\na.png, 2\n", "line 2 holds what is neither 0 nor 1"),
        ("filename, cat\na.png, -1\n", "line 2 holds what is neither 0 nor 1"),
        ("filename, cat\nb.png, 1\n", "no such image"),
    ],
)
def test_tables_that_cannot_be(table: str, said: str, tmp_path: Path) -> None:
    result = wsss("pack", write(tmp_path / "set", table), "-o", tmp_path / "d.h5")
    assert result.exit_code == 3
    assert said in result.stderr


def test_columns_that_differ(tmp_path: Path) -> None:
    root = write(tmp_path / "set", "filename, cat\na.png, 1\n")
    (root / "valid").mkdir()
    (root / "valid/_classes.csv").write_text("filename, dog\n")
    result = wsss("pack", root, "-o", tmp_path / "d.h5")
    assert result.exit_code == 3
    assert "has other columns than" in result.stderr
