"""The formats of export: their cards, and what each writes of one image."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from made import write_cam, write_labels

from wsss_cli.artifacts import open_artifact
from wsss_cli.artifacts.schema import SCHEMAS
from wsss_cli.core.images import decode_mask
from wsss_cli.errors import WsssError
from wsss_cli.formats.exporters import EXPORTERS, irn_npy, npy, png, psa_npy
from wsss_cli.formats.exporting import Job

KINDS = ("wsss/label", "wsss/cam")


def test_names_are_told_apart_and_kinds_exist() -> None:
    assert len({one.name for one in EXPORTERS}) == len(EXPORTERS)
    assert {one.kind for one in EXPORTERS} <= {schema.name for schema in SCHEMAS.values()}


def test_npy_pickles_only_what_must_be() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        npy.npy_bytes(np.array([{}], object))
    assert b"pickle" not in npy.npy_bytes(np.zeros(3))


def test_the_usual_format_of_a_kind_is_its_first() -> None:
    names = {kind: [one.name for one in EXPORTERS if one.kind == kind] for kind in KINDS}
    assert names == {"wsss/label": ["png", "npy"], "wsss/cam": ["irn-npy", "psa-npy", "boxes-csv"]}


def test_labels_come_back_from_png_and_npy(tiny_data: Path, tmp_path: Path) -> None:
    mask = np.array([[0, 1, 255], [3, 2, 0]], np.uint8)
    with open_artifact(write_labels(tmp_path / "p.h5", tiny_data, {"a/0": mask})) as source:
        assert np.array_equal(decode_mask(png.encode(source, "a/0")), mask)
        loaded = np.load(io.BytesIO(npy.encode(source, "a/0")))
    assert loaded.dtype == np.uint8
    assert np.array_equal(loaded, mask)


def test_labels_of_no_pixels_make_no_png(tiny_data: Path, tmp_path: Path) -> None:
    empty = write_labels(tmp_path / "p.h5", tiny_data, {"a/0": np.zeros((0, 5), np.uint8)})
    with open_artifact(empty) as source, pytest.raises(WsssError) as caught:
        png.encode(source, "a/0")
    assert str(caught.value) == f"{empty}: image 'a/0': need (H, W) uint8, got (0, 5) uint8"


def flat_maps(path: Path, data: Path, stride: int) -> Path:
    """Maps of one value each, of image a/3: 51 and 255 of 255."""
    cells = (2, -(-32 // stride), -(-48 // stride))
    maps = np.broadcast_to(np.array([51, 255], np.uint8)[:, None, None], cells)
    item = {"cam": maps.copy(), "classes": np.array([0, 2], np.uint16)}
    return write_cam(path, data, {"a/3": item}, stride=stride)


def test_irns_dict(tiny_data: Path, tmp_path: Path) -> None:
    with open_artifact(flat_maps(tmp_path / "c.h5", tiny_data, 4)) as source:
        loaded = np.load(io.BytesIO(irn_npy.encode(source, "a/3")), allow_pickle=True).item()
    assert (loaded["keys"].dtype, loaded["keys"].tolist()) == (np.int64, [0, 2])
    assert loaded["cam"].shape == (2, 8, 12)
    assert (loaded["high_res"].shape, loaded["high_res"].dtype) == ((2, 32, 48), np.float32)
    for maps in (loaded["cam"].numpy(), loaded["high_res"]):
        np.testing.assert_allclose(maps[0], 0.2, atol=1e-6)
        np.testing.assert_allclose(maps[1], 1, atol=1e-6)


def test_irns_stride_is_4(tiny_data: Path, tmp_path: Path) -> None:
    path = flat_maps(tmp_path / "c.h5", tiny_data, 8)
    with open_artifact(path) as source, pytest.raises(WsssError) as caught:
        irn_npy.write(Job(source, ["a/3"], tmp_path / "out", "npy", quiet=True))
    assert str(caught.value) == f"{path}: maps of stride 8, IRN's are of 4"
    assert not (tmp_path / "out").exists()


def test_psas_dict_at_any_stride(tiny_data: Path, tmp_path: Path) -> None:
    with open_artifact(flat_maps(tmp_path / "c.h5", tiny_data, 8)) as source:
        loaded = np.load(io.BytesIO(psa_npy.encode(source, "a/3")), allow_pickle=True).item()
    assert [(key, one.shape, one.dtype) for key, one in loaded.items()] == [
        (0, (32, 48), np.float32),
        (2, (32, 48), np.float32),
    ]
    np.testing.assert_allclose(loaded[0], 0.2, atol=1e-6)
    np.testing.assert_allclose(loaded[2], 1, atol=1e-6)
