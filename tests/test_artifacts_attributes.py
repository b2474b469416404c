"""Root attributes: JSON text each, of the right type and range."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from artifacts_made import write

from wsss_cli.artifacts import open_artifact
from wsss_cli.artifacts.attributes import check_classes
from wsss_cli.errors import WsssError

NAN = json.dumps(float("nan"))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("schema", np.zeros(3), "attribute schema is no text"),
        ("classes", h5py.Empty("f4"), "attribute classes is no text"),
        ("classes", 3, "attribute classes is no text"),
        ("classes", "[", "Expecting value"),
        ("classes", "[]", "0 classes, there must be 1 to 65536"),
        ("classes", '["a", 1]', "classes are no names"),
        ("classes", '["a", "a"]', "a class stands twice"),
        ("classes", "{}", "classes is no list"),
        ("classes", '["\\ud800"]', "a class name is half a letter"),
        ("params", "[]", "params is no dict"),
        ("params", "[" * 100_000, "maximum recursion depth exceeded"),
        ("n_items", "true", "n_items is no int"),
        ("n_items", "-1", "schema_version or n_items is out of range"),
        ("n_items", "5", "ids and n_items disagree"),
        ("n_items", "9" * 5000, "Exceeds the limit"),
        ("schema_version", "0", "schema_version or n_items is out of range"),
        ("seed", NAN, "seed is no int"),
        ("seed", "true", "seed is no int"),
        ("shard", '"3/2"', "shard 3/2"),
        ("run", "7", "run is no str"),
        ("inputs", '["a"]', "inputs are no records of files"),
        ("data", '{"path": 1}', "data is no record of a data set"),
    ],
)
def test_attributes_that_make_no_sense_are_damage(
    tmp_path: Path, name: str, value: object, said: str
) -> None:
    path = write(tmp_path / "l.h5")
    with h5py.File(path, "r+") as file:
        if isinstance(value, str) and len(value) > 60_000:
            file.attrs.create(name, value, dtype=h5py.string_dtype())
        else:
            file.attrs[name] = value
    with pytest.raises(WsssError, match=rf"l\.h5: damaged \({said}"):
        open_artifact(path)


@pytest.mark.parametrize("name", ["schema_version", "classes", "params", "run", "n_items"])
def test_attributes_that_are_missing(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "l.h5")
    with h5py.File(path, "r+") as file:
        del file.attrs[name]
    with pytest.raises(WsssError, match=rf"damaged \(no attribute {name}\)"):
        open_artifact(path)


def test_class_names_are_some_and_all_different() -> None:
    check_classes(["a", "b"])
    check_classes([str(number) for number in range(1 << 16)])
    with pytest.raises(ValueError, match="65537 classes, there must be 1 to 65536"):
        check_classes([str(number) for number in range((1 << 16) + 1)])
