"""Ragged columns: any shapes, in chunks, readable by any HDF5 program, in little memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from artifacts_made import assert_items, item, write
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wsss_cli.artifacts import CAM, LABEL, create, open_artifact
from wsss_cli.artifacts import columns as columns_module


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
        hnp.arrays(
            np.float16,
            hnp.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=4),
            elements=st.floats(0, 1, width=16),
        ),
        max_size=8,
    )
)
def test_any_ids_and_shapes_survive(
    tmp_path_factory: pytest.TempPathFactory, cams: dict[str, np.ndarray]
) -> None:
    path = tmp_path_factory.mktemp("any") / "c.h5"
    with create(path, CAM, classes=list("wxyz"), params={}, ids=list(cams)) as out:
        for image_id in out.todo:
            cam = cams[image_id]
            out.put(
                image_id,
                cam=cam,
                classes=np.arange(len(cam), dtype=np.uint16),
                size=np.array([1, 2], np.int32),
                background=cam[0] if len(cam) % 2 else None,
            )
    with open_artifact(path, CAM) as found:
        assert found.ids == sorted(cams)
        for image_id, cam in cams.items():
            np.testing.assert_array_equal(found[image_id]["cam"], cam)
            assert ("background" in found[image_id]) == bool(len(cam) % 2)


def test_values_larger_than_the_write_buffer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns_module, "BUFFER", 50)
    monkeypatch.setattr(columns_module, "CHUNK", 16)
    ids = [f"{i:03d}" for i in range(60)]
    assert_items(write(tmp_path / "l.h5", ids), ids)


def test_ordinary_hdf5_reads_an_item_by_the_documented_recipe(tmp_path: Path) -> None:
    with h5py.File(write(tmp_path / "l.h5")) as file:
        row = int(np.flatnonzero(file["ids"].asstr()[:] == "a/b/c")[0])
        start, stop = file["label/offset"][row : row + 2]
        label = file["label/values"][start:stop].reshape(file["label/shape"][row])
        assert json.loads(file.attrs["schema"]) == "wsss/label"
    np.testing.assert_array_equal(label, item("a/b/c")["label"])


def test_many_small_items_take_little_memory_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their arrays are joined long before there are enough values to write."""

    def peak(count: int) -> int:
        ids = [f"{i:06d}" for i in range(count)]
        with create(tmp_path / f"{count}.h5", LABEL, classes=["a"], params={}, ids=ids) as out:
            for image_id in ids:
                out.put(
                    image_id,
                    label=np.full((1, 2), int(image_id) % 2, np.uint8),
                    present=np.array([0], np.uint16),
                )
            tracemalloc.start()
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return taken

    monkeypatch.setattr(columns_module, "PIECES", 256)
    peak(100)  # what is imported and cached at first
    few, many = peak(1000), peak(3000)
    assert (many - few) / 2000 < 350  # bytes an item; 690 if each stayed an array
    with open_artifact(tmp_path / "3000.h5", LABEL) as found:
        for i in (0, 255, 256, 2999):
            assert (found[f"{i:06d}"]["label"] == i % 2).all()
