"""Where photographs come from: a data set, or plain image files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts import ledger
from ..artifacts.inputs import contents
from ..artifacts.provenance import reading_of
from ..core.reading import AS_IT_IS, Reading
from ..errors import WsssError
from ..options.ids import need_ids, select_ids

if TYPE_CHECKING:
    import numpy as np

    from ..artifacts import DatasetReader, Weights


class ImageFiles:
    """Image files by id, and what identifies them as the input of a run.

    An image's id is its path without extension: relative to the folder that was named, or, of a
    file that was named itself, the file's name alone.

    Attributes:
        path: of the first that was named, for provenance.
        kind: "images".
        run: digest of ids and contents, so that changed files make another run.
        data: None; there is no data set behind them.
        ids: rising.
    """

    kind = "images"
    data: dict[str, str] | None = None

    def __init__(self, named: Sequence[Path], reading: Reading = AS_IT_IS) -> None:
        """
        Args:
            named: image files, and folders to search with all their subfolders.
            reading: how pixels are read that 8-bit RGB cannot hold.

        Raises:
            WsssError: a file is missing or no image, a folder without images, two images of one
                id. All faulty files are counted; the first is named. Or images of more than 8
                bits need a range.
        """
        self._reading = reading
        self.path = named[0]
        self._paths = _find(named)
        ledger.read_many(self._paths.values)
        self.ids = sorted(self._paths, key=str.encode)
        self._sizes: dict[str, tuple[int, int]] = {}
        self.run = self._check()

    @property
    def paths(self) -> list[Path]:
        """Of all files."""
        return list(self._paths.values())

    def image(self, image_id: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB, upright.

        Raises:
            WsssError: it cannot be read or decoded.
        """
        from ..core.images import decode_image

        path = self._paths[image_id]
        try:
            return decode_image(contents(path), self._reading)
        except OSError as err:
            raise WsssError(f"{path}: {err.strerror or 'cannot be read'}") from None
        except ValueError as err:
            raise WsssError(f"{path}: {err}") from None

    def size(self, image_id: str) -> tuple[int, int]:
        """(H, W) of the upright image."""
        return self._sizes[image_id]

    def _check(self) -> str:
        """Look at every file before any work is done; returns the digest."""
        from ..core.images import examine, image_size, is_wide
        from ..formats.ranges import refuse_unclear

        digest = hashlib.sha256()
        faults, spans = [], []
        for image_id in self.ids:
            path = self._paths[image_id]
            try:
                content = contents(path)
                self._sizes[image_id] = image_size(content)
                if self._reading.range is None and is_wide(content):
                    spans.append(examine(content, self._reading)[1])
            except OSError as err:
                faults.append(f"{path}: {err.strerror or 'cannot be read'}")
            except ValueError as err:
                faults.append(f"{path}: {err}")
            else:
                digest.update(image_id.encode() + b"\0" + hashlib.sha256(content).digest())
        if len(faults) == 1:
            raise WsssError(faults[0])
        if faults:
            raise WsssError(
                f"{len(faults)} of {len(self.ids)} images cannot be read, first {faults[0]}"
            )
        refuse_unclear([span for span in spans if span], str(self.path))
        return digest.hexdigest()[:16]


def _find(named: Sequence[Path]) -> dict[str, Path]:
    """Paths by id."""
    from ..formats.files import ImageFolder

    found: dict[str, Path] = {}
    for root in named:
        if root.is_dir():
            paths, problems = ImageFolder(root).all_by_id()
            if problems:
                raise WsssError(f"{root / problems[0].id}: {problems[0].reason}")
            if not paths:
                raise WsssError(f"{root}: holds no images")
        elif root.exists():
            folder = ImageFolder(root.parent)
            try:
                paths = {folder.id_of(root): root}
            except LookupError as err:
                raise WsssError(f"{root}: {err.args[0]}") from None
        else:
            raise WsssError(f"{root}: no such file")
        for image_id, path in paths.items():
            other = found.setdefault(image_id, path)
            if other.resolve() != path.resolve():
                raise WsssError(
                    f"{other} and {path}: both would be image {image_id!r}",
                    "name the folder above them, or take them one after the other",
                )
    return found


@contextmanager
def opened(
    images: list[Path] | None, data: Path | None, trained: Weights
) -> Iterator[DatasetReader | ImageFiles]:
    """The image files that are named, or else the data set."""
    from ..artifacts import open_dataset

    if images:
        yield ImageFiles(images, reading_of(trained.data))
        return
    with open_dataset(data, trained) as reader:
        yield reader


def wanted_ids(
    source: DatasetReader | ImageFiles, split: str | None, listed: str | None
) -> list[str]:
    """The ids of a source's images, or of those of --split or --ids; at least one.

    Raises:
        WsssError: there is none, or no such split; and as `select_ids`.
    """
    known = source.ids if isinstance(source, ImageFiles) else source.split(split)
    return need_ids(select_ids(known, listed, source.path), source.path, split)
