"""Options of how large images are cut into tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError

if TYPE_CHECKING:
    from ..core.tiles import Tiling
    from ..formats.reading import Unplaced
    from ..formats.tile_tags import Tiles

LEAST = 16  # pixels of a tile
OVERLAP = 8  # the usual overlap is this part of a tile

TileOption = Annotated[
    int | None,
    typer.Option(
        "--tile",
        min=LEAST,
        metavar="PIXELS",
        help="Cut images that are larger into overlapping tiles of this side.",
    ),
]
OverlapOption = Annotated[
    int | None,
    typer.Option(
        "--overlap",
        min=0,
        metavar="PIXELS",
        help="Pixels that neighbouring tiles share at least. Default: an eighth of --tile.",
    ),
]


def tiling_of(tile: int | None, overlap: int | None) -> Tiling | None:
    """How images are cut, if they are.

    Raises:
        UsageError: an overlap without tiles, or one as large as a tile.
    """
    from ..core.tiles import Tiling

    if tile is None:
        if overlap is not None:
            raise UsageError("--overlap: needs --tile")
        return None
    try:
        return Tiling(tile, tile // OVERLAP if overlap is None else overlap)
    except ValueError:
        raise UsageError(f"--overlap {overlap}: must be less than --tile {tile}") from None


def refuse_shrunk(tiling: Tiling | None, max_side: int) -> None:
    """
    Raises:
        UsageError: tiles longer than the side that images are shrunk to.
    """
    if tiling is not None and 0 < max_side < tiling.side:
        raise UsageError(
            f"--tile {tiling.side}: tiles would be shrunk to --max-side {max_side}",
            f"give --tile {max_side}, or --max-side {tiling.side}",
        )


def tiles_of(
    tile: int | None, overlap: int | None, unplaced: Unplaced | None, link: bool
) -> Tiles | None:
    """How `pack` cuts images, if it does.

    Raises:
        UsageError: as `tiling_of`; or what does not go with tiles, or goes with them alone.
    """
    from ..formats.tile_tags import Tiles

    tiling = tiling_of(tile, overlap)
    if tiling is None:
        if unplaced is not None:
            raise UsageError("--tile-tags: needs --tile")
        return None
    if link:
        raise UsageError("--link: does not go with --tile", "tiles are images of their own")
    return Tiles(tiling, unplaced)
