"""Labels written as palette PNGs, with the same way of going on after an interruption."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..artifacts import ledger
from ..artifacts.files import OutputFolder
from ..artifacts.journal import Backlog, Journal
from ..errors import UsageError, WsssError

if TYPE_CHECKING:
    import numpy as np

    from ..artifacts import Shard


class PngFolder(Backlog):
    """A folder of PNGs being written: what `artifacts.Writer` is to an artifact.

    Each PNG is written whole, and then noted in a journal beside the folder, `DIR.partial`; the
    same run, started again, leaves out what is noted there.
    """

    def __init__(
        self,
        root: Path,
        ids: Sequence[str],
        run: str,
        shard: Shard,
        force: bool = False,
        inputs: Iterable[Path] = (),
    ) -> None:
        """
        Args:
            root: made where it is missing.
            ids: all of the run, before sharding.
            run: digest of the run.
            shard: the part of `ids` to do.
            force: replace existing files, and forget unfinished work of another run.
            inputs: as `OutputFolder` takes them.

        Raises:
            UsageError, WsssError: as `OutputFolder`; another run's unfinished work is there.
        """
        self.path = root
        self._expected = shard.take(ids)
        part = "" if shard.count == 1 else f".{shard.index}-of-{shard.count}"
        place = root.resolve()  # `.` has no name to put it beside
        if place == place.parent:
            raise UsageError(f"{root}: has no place beside it for what is unfinished")
        journal = place.with_name(f"{place.name}{part}.partial")
        header: dict[str, Any] = {"schema": "png", "run": run, "shard": str(shard)}
        # Files that an unfinished run has written are its own to replace: the one it was killed
        # at may stand there without being noted.
        replace = force or journal.exists()
        ledger.current().promise(journal)
        self._folder = OutputFolder(root, ".png", self._expected, replace, inputs)
        try:
            self._journal = Journal(journal, header, restart=force)
        except OSError as err:
            raise WsssError(f"{journal}: cannot be written ({err.strerror or err})") from None

    def put(self, image_id: str, *, label: np.ndarray, present: np.ndarray) -> None:
        """Write one image's labels; a PNG has no place for `present`."""
        from ..core.images import encode_mask

        self._folder.write(image_id, encode_mask(label))
        try:
            self._journal.append(image_id, {})
        except OSError as err:
            raise WsssError(
                f"{self._journal.path}: cannot be written ({err.strerror or err})"
            ) from None

    def __enter__(self) -> PngFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._journal.remove()
        else:
            self._journal.close()
