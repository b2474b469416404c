"""The formats of export, as the command learns of them."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.artifacts.schema import SCHEMAS
from wsss_cli.formats.exporters import EXPORTERS, npy


def test_names_are_told_apart_and_kinds_exist() -> None:
    assert len({one.name for one in EXPORTERS}) == len(EXPORTERS)
    assert {one.kind for one in EXPORTERS} <= {schema.name for schema in SCHEMAS.values()}


def test_npy_pickles_only_what_must_be() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        npy.npy_bytes(np.array([{}], object))
    assert b"pickle" not in npy.npy_bytes(np.zeros(3))
