"""The last step of every image's way: what was made of it goes to the file that keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..console import track

if TYPE_CHECKING:
    from ..core.refine import Refinement


class Target(Protocol):
    """What is being written, an item an image: an artifact, or a folder."""

    @property
    def todo(self) -> list[str]: ...
    @property
    def total(self) -> int: ...
    def __len__(self) -> int: ...
    @property
    def put(self) -> Callable[..., None]: ...


Items = Iterable[tuple[str, Mapping[str, Any]]]


def write(target: Target, items: Items, name: str, quiet: bool) -> None:
    """Put items where they belong as they come, showing progress.

    Args:
        target: written to.
        items: (image id, the fields of its item).
        name: of the command.
        quiet: show nothing.
    """
    for image_id, item in track(items, name, target.total, len(target), quiet):
        target.put(image_id, **item)


def write_made(
    target: Target,
    make: Callable[..., Mapping[str, Any]],
    jobs: Iterable[tuple[Any, ...]],
    workers: int,
    name: str,
    quiet: bool,
    behind: bool = False,
) -> None:
    """Have every image's item made, in worker processes where there are some, and write it.

    Args:
        target: written to.
        make: as `WorkerPool` takes it, with `workers` and `behind`.
        jobs: the arguments of `make`, the first an image's id.
        workers: processes.
        name: of the command.
        quiet: show nothing.
        behind: this process runs a network besides.
    """
    from ..machine.pool import WorkerPool

    with WorkerPool(make, workers, behind) as pool:
        write(target, pool.map(jobs), name, quiet)


def workers_for(refinement: Refinement | None, wanted: int | None, jobs: int) -> int:
    """How many worker processes make labels: some for a CRF, none where a GPU refines.

    Args:
        refinement: what each job does, if it refines.
        wanted: as the user says, if so.
        jobs: how many there are.
    """
    from ..machine.pool import worker_count
    from ..options.refine import in_this_process

    idle = in_this_process(refinement)
    return 0 if refinement and idle else worker_count(wanted, jobs, heavy=not idle)
