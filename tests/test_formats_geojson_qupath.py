"""pack of QuPath's GeoJSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import encode_png
from made import wsss
from samples import compare, packed

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.marks import LINE


def feature(kind: str, coordinates: Any, name: Any = "cat", **more: Any) -> dict[str, Any]:
    of = {} if name is None else {"classification": {"name": name}}
    geometry = {"type": kind, "coordinates": coordinates}
    properties = {"objectType": "annotation", **of, **more}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def pack(folder: Path, found: Any, *options: Any, code: int = 0, name: str = "a.geojson") -> Any:
    """The data set, or what was said where `code` is not 0."""
    (folder / "a.png").write_bytes(encode_png(np.full((20, 40, 3), 90, np.uint8)))
    (folder / name).write_text(found if isinstance(found, str) else json.dumps(found))
    result = wsss("pack", folder, "-o", folder / "d.h5", "--force", *options)
    assert result.exit_code == code, result.output
    if code:
        assert "Traceback" not in result.output
        assert not (folder / "d.h5").exists()
        return result.stderr
    return open_dataset(folder / "d.h5")


def test_sample(tmp_path: Path) -> None:
    data = packed("geojson_qupath", tmp_path / "d.h5")
    compare("geojson_qupath", data, skip=("splits", "scribbles"))  # its truth has none
    lines = [one.xy.tolist() for one in data.marks("images/img_0001") or () if one.kind == LINE]
    assert lines == [[[12, 20], [18, 16], [24, 16]]]


SQUARE = [[2, 2], [12, 2], [12, 12], [2, 12], [2, 2]]
HOLE = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
OTHER = [[20, 2], [30, 2], [30, 12], [20, 12], [20, 2]]


def test_parts_and_holes_are_of_one_object(tmp_path: Path) -> None:
    data = pack(tmp_path, [feature("MultiPolygon", [[SQUARE, HOLE], [OTHER]])])
    wanted = np.zeros((20, 40), np.uint8)
    wanted[2:12, 2:12] = 1
    wanted[4:6, 4:6] = 0
    wanted[2:12, 20:30] = 1
    assert (data.mask("a") == wanted).all()
    (thing,) = data.true_objects("a") or ()
    assert thing.region.corners == (2, 2, 30, 12)


def test_points_lines_and_collections(tmp_path: Path) -> None:
    both = {"type": "GeometryCollection", "geometries": [
        {"type": "Point", "coordinates": [1, 2, 0]},
        {"type": "MultiLineString", "coordinates": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]},
    ]}  # fmt: skip
    one = feature("Point", [])
    one["geometry"] = both
    data = pack(tmp_path, {"type": "FeatureCollection", "features": [one]})
    found = [mark.xy.tolist() for mark in data.marks("a") or ()]
    assert found == [[[1, 2]], [[1, 2], [3, 4]], [[5, 6], [7, 8]]]


def test_classes(tmp_path: Path) -> None:
    features = [
        feature("Polygon", [SQUARE], "Tumor: Positive"),
        feature("Polygon", [HOLE], "Ignore*"),
        feature("Polygon", [OTHER], "Background"),
        feature("MultiPoint", [[1, 1]], None, classification={"names": ["Stroma", "old"]}),
        feature("Polygon", [OTHER], None, objectType="tile"),
    ]
    data = pack(tmp_path, features)
    assert data.classes == ["Stroma: old", "Tumor: Positive"]
    mask = data.mask("a")
    assert mask is not None
    assert (mask[4:6, 4:6] == 255).all()
    assert mask[3, 3] == 2
    assert not mask[2:12, 20:30].any()


def test_objects_without_a_class(tmp_path: Path) -> None:
    features = [feature("Point", [1, 1], None)]
    assert "--label" in pack(tmp_path, features, code=3)
    assert pack(tmp_path, features, "--label", "cell").classes == ["cell"]


def test_maps_are_not_pixels(tmp_path: Path) -> None:
    found = {"type": "FeatureCollection", "features": [feature("Point", [8.5, 7.3])]}
    said = pack(tmp_path, {**found, "crs": {"type": "name"}}, "--format", "geojson", code=3)
    assert "is of a map" in said
    found["features"][0]["properties"] = {"street": "x"}
    assert "is it of a map" in pack(tmp_path, found, "--format", "geojson", code=3)
    assert "of no format" in pack(tmp_path, found, code=3)
    assert pack(tmp_path, found, "--format", "geojson", "--label", "cell").classes == ["cell"]


BROKEN = {
    "not JSON": "{",
    "a number": "3",
    "null": [None],
    "no geometry": [{"type": "Feature", "geometry": 3, "properties": {"objectType": "x"}}],
    "unknown": [feature("Circle", [1, 1])],
    "one number": [feature("Point", [1])],
    "texts": [feature("Point", ["1", "2"])],
    "null for x": [feature("Point", [None, 2])],
    "infinite": '[{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1e999, 1]}, '
    '"properties": {"classification": {"name": "cat"}}}]',
    "NaN": '[{"type": "Feature", "geometry": {"type": "Point", "coordinates": [NaN, 1]}}]',
    "a ring of two": [feature("Polygon", [[[1, 1], [2, 2], [1, 1]]])],
    "no rings": [feature("Polygon", [])],
    "rings of numbers": [feature("Polygon", [[1, 2, 3]])],
    "a class that is a number": [feature("Point", [1, 1], 4)],
    "properties of texts": [{"type": "Feature", "geometry": None, "properties": "x"}],
    "all outside": [feature("Point", [100, 100])],
    "a huge number": [feature("Point", [10**400, 1])],
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    said = pack(tmp_path, BROKEN[case], "--format", "geojson", code=3)
    assert said.count("wsss: error:") == 1


def test_a_file_of_no_image(tmp_path: Path) -> None:
    said = pack(tmp_path, [feature("Point", [1, 1])], code=3, name="b.geojson")
    assert "b: no such image" in said
