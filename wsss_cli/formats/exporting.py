"""What `wsss export` asks of a format: its card, and the usual way of one file an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..console import track

if TYPE_CHECKING:
    from ..artifacts import Artifact

NAME = "export"


@dataclass(frozen=True)
class Job:
    """What to write, and where.

    Attributes:
        source: an open artifact of the kind that the format is for.
        ids: images of it to write.
        out: folder to write into.
        format: name of the format.
        share: of a map's maximum, above which a box is around its pixels.
        every: whether each part of a map gets a box, or the largest alone.
        force: whether existing files are replaced.
        quiet: whether progress stays hidden.
    """

    source: Artifact
    ids: Sequence[str]
    out: Path
    format: str
    share: float | None = None
    every: bool = False
    force: bool = False
    quiet: bool = False

    @property
    def run(self) -> str:
        """The digest by which the same command, run again, knows what it has written."""
        from ..artifacts.provenance import run_digest

        params: dict[str, Any] = {"format": self.format}
        if self.share is not None:
            params |= {"threshold": self.share, "every": self.every}
        return run_digest(NAME, 1, params, None, self.source.classes, [self.source], self.ids)


@dataclass(frozen=True, kw_only=True)
class Exporter:
    """A format that artifacts are written in.

    Attributes:
        name: as --format takes it.
        said: what is written, in a few words, for --help.
        kind: of the artifacts that are written so, such as wsss/label.
        write: writes all of a job; returns how many files.
        cuts: whether it needs a job's share and heeds `every`.
    """

    name: str
    said: str
    kind: str
    write: Callable[[Job], int]
    cuts: bool = False


def one_an_image(suffix: str, encode: Callable[[Artifact, str], bytes]) -> Callable[[Job], int]:
    """A way to write: a file for each image, an id's slashes making subfolders.

    Args:
        suffix: of every file, such as `.png`.
        encode: the bytes of one image's file.
    """

    def write(job: Job) -> int:
        from ..artifacts.files import OutputFolder

        folder = OutputFolder(job.out, suffix, job.ids, job.run, force=job.force)
        with folder:
            for image_id in track(folder.todo, NAME, folder.total, len(folder), job.quiet):
                folder.write(image_id, encode(job.source, image_id))
        return folder.total

    return write
