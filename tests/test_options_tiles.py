"""Options of tiles: what they give, and what does not go together."""

from __future__ import annotations

from pathlib import Path

import pytest
from large_scenes import png
from made import wsss

from wsss_cli.artifacts import open_dataset
from wsss_cli.core.tiles import Tiling
from wsss_cli.errors import UsageError
from wsss_cli.formats.tile_tags import Tiles, Unplaced
from wsss_cli.options.tiles import tiles_of, tiling_of


def test_the_overlap_is_an_eighth_unless_it_is_said() -> None:
    assert tiling_of(1024, None) == Tiling(1024, 128)
    assert tiling_of(1024, 0) == Tiling(1024, 0)
    assert tiling_of(None, None) is None
    with pytest.raises(UsageError, match="--overlap: needs --tile"):
        tiling_of(None, 4)
    with pytest.raises(UsageError, match="--overlap 64: must be less than --tile 64"):
        tiling_of(64, 64)


def test_what_pack_is_told() -> None:
    assert tiles_of(64, 8, Unplaced.unsaid, False) == Tiles(Tiling(64, 8), Unplaced.unsaid)
    assert tiles_of(None, None, None, True) is None
    with pytest.raises(UsageError, match="--tile-tags: needs --tile"):
        tiles_of(None, None, Unplaced.inherit, False)
    with pytest.raises(UsageError, match="--link: does not go with --tile"):
        tiles_of(64, None, None, True)


def test_pack_cuts_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png((40, 60), 0))
    (tmp_path / "b.png").write_bytes(png((30, 20), 1))
    table, out = tmp_path / "tags.csv", tmp_path / "data.h5"
    table.write_text("a.png,cat;dog\nb.png,dog\n")
    command = ("pack", "--csv", table, "-o", out, "--tile", 32)
    refused = wsss(*command)
    assert refused.exit_code == 3
    assert "1 images would be cut and have tags" in refused.stderr
    assert "--tile-tags unsaid" in refused.stderr
    assert not out.exists()
    done = wsss(*command, "--tile-tags", "unsaid")
    assert done.exit_code == 0, done.output
    assert f"pack: 2 images, cut into 4 tiles -> {out}" in done.stderr
    with open_dataset(out) as data:
        assert data.params["overlap"] == 4
        assert data.ids == [
            "a@y00000x00000", "a@y00000x00028", "a@y00008x00000", "a@y00008x00028", "b",
        ]  # fmt: skip
