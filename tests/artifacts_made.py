"""What tests of artifacts share: small label artifacts, written whole or in part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wsss_cli.artifacts import LABEL, Writer, create, open_artifact

IDS = ["b", "a/é 1", "a.b", "ü", "a", "a/b/c"]


def begin(path: Path, ids: list[str] = IDS, **options: object) -> Writer:
    settings = {"classes": ["x", "y"], "params": {"low": 0.1}, "ids": ids, **options}
    return create(path, LABEL, **settings)  # type: ignore[arg-type]


def item(image_id: str) -> dict[str, np.ndarray]:
    """What any run makes of an id: arrays of a shape and values that hang on the id alone."""
    rng = np.random.default_rng(list(image_id.encode()))
    height, width = rng.integers(0, 9, 2)
    label = rng.integers(0, 3, (height, width)).astype(np.uint8)
    return {"label": label, "present": np.arange(height % 3, dtype=np.uint16)}


def write(path: Path, ids: list[str] = IDS, **options: object) -> Path:
    with begin(path, ids, **options) as out:
        for image_id in out.todo:
            out.put(image_id, **item(image_id))
    return path


def interrupted_after(path: Path, count: int) -> None:
    def start() -> None:
        with begin(path) as out:
            for image_id in out.todo[:count]:
                out.put(image_id, **item(image_id))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start()


def assert_items(path: Path, ids: list[str]) -> None:
    with open_artifact(path, LABEL) as found:
        assert found.ids == sorted(ids)
        for image_id in ids:
            expected, got = item(image_id), found[image_id]
            assert got.keys() == expected.keys()
            for name, array in expected.items():
                assert got[name].dtype == array.dtype
                np.testing.assert_array_equal(got[name], array)
