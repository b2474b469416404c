"""Reading artifacts: round trip, strict about what a file claims, hostile files."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
from artifacts_made import IDS, assert_items, item, write

from wsss_cli.artifacts import CAM, LABEL, open_artifact
from wsss_cli.errors import WsssError


def test_round_trip_keeps_ids_order_shapes_and_values(tmp_path: Path) -> None:
    path = write(tmp_path / "l.h5")
    assert_items(path, IDS)
    with open_artifact(path) as found:
        assert (len(found), found.classes, found.params) == (6, ["x", "y"], {"low": 0.1})
        assert "a/é 1" in found
        assert "a/é" not in found
        with pytest.raises(WsssError, match="has no image 'zz'"):
            found["zz"]
    assert os.listdir(tmp_path) == ["l.h5"]


def test_an_empty_artifact_reads(tmp_path: Path) -> None:
    with open_artifact(write(tmp_path / "l.h5", []), LABEL) as found:
        assert found.ids == []
        assert "a" not in found


def test_other_kind_newer_version_foreign_truncated_and_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "l.h5")
    with pytest.raises(WsssError, match="holds wsss/label, not wsss/cam") as caught:
        open_artifact(path, CAM)
    assert caught.value.hint == "`wsss make-cam` writes wsss/cam"

    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = "99"
    with pytest.raises(WsssError, match="wsss/label version 99, this wsss reads 1"):
        open_artifact(path)

    foreign = tmp_path / "foreign.h5"
    with h5py.File(foreign, "w") as file:
        file["x"] = 1
    with pytest.raises(WsssError, match="an HDF5 file, but not one of wsss's"):
        open_artifact(foreign)

    whole = write(tmp_path / "whole.h5").read_bytes()
    for length in (0, 10, 100, len(whole) // 2, len(whole) - 1):
        cut = tmp_path / "cut.h5"
        cut.write_bytes(whole[:length])
        with pytest.raises(
            WsssError, match=r"cut.h5: (cut short|not an HDF5 file|cannot be opened|damaged)"
        ):
            open_artifact(cut)

    with pytest.raises(WsssError, match="no such file"):
        open_artifact(tmp_path / "none.h5")
    with pytest.raises(WsssError, match="is a folder"):
        open_artifact(tmp_path)


def test_flipped_bytes_never_give_a_traceback_of_another_kind(tmp_path: Path) -> None:
    whole = bytearray(write(tmp_path / "l.h5").read_bytes())
    rng = np.random.default_rng(0)
    damaged = tmp_path / "damaged.h5"
    for _ in range(60):
        copy = bytearray(whole)
        for position in rng.integers(0, len(whole), 20):
            copy[position] ^= 0xFF
        damaged.write_bytes(copy)
        try:
            with open_artifact(damaged) as found:
                for image_id in found.ids:
                    found[image_id]
        except WsssError:
            pass


def test_an_open_artifact_can_be_pickled_and_read_in_another_process(tmp_path: Path) -> None:
    with open_artifact(write(tmp_path / "l.h5")) as found:
        found["a"]
        copy = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(copy["a"]["label"], item("a")["label"])
