"""pack: bring images, tags and masks of any layout into one file."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from ..formats.packing import NAME as NAME
from ..formats.packing import OnError, pack
from ..options.files import Reads, Writes
from ..options.ids import select_ids
from ..options.shared import Force, Ids, Quiet, Seed

if TYPE_CHECKING:
    from ..formats.sample import Collection

_FILES = ("--voc", "--csv", "--npy")
BELONGS = {  # the sources that an option has a meaning for
    "--images": ("--csv", "--npy"),
    "--masks": _FILES,
    "--classes": _FILES,
    "--split": _FILES,
    "--ids": _FILES,
    "--link": _FILES,
    "--labels-from": ("--voc",),
    "--layout": ("--csv",),
    "--separator": ("--csv",),
}


class LabelsFrom(str, enum.Enum):
    """Where a devkit's image labels come from."""

    xml = "xml"
    mask = "mask"


class Layout(str, enum.Enum):
    """How a CSV tags images."""

    auto = "auto"
    labels = "labels"
    onehot = "onehot"
    rows = "rows"


def run(
    voc: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A devkit: JPEGImages/, Annotations/, ..."),
        Reads(),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="A table of images and tags."),
        Reads(),
    ] = None,
    npy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A cls_labels.npy: id to 0/1 per class."),
        Reads(),
    ] = None,
    demo: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Draw N scenes, and N/3 for val.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Images of --csv (default: its folder) or --npy."),
        Reads(),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Label PNGs named like the images, for scoring."),
        Reads(),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The data set to write."), Writes()
    ] = Path("data.h5"),
    classes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Class names in order, one a line."), Reads()
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=FILE]",
            help="Take this split, and only such; FILE lists its images. Repeatable.",
        ),
        Reads(after="="),
    ] = None,
    ids: Ids = None,
    labels_from: Annotated[
        LabelsFrom | None, typer.Option(help="With --voc: image labels from boxes (xml) or masks.")
    ] = None,
    layout: Annotated[Layout | None, typer.Option(help="With --csv: what its rows are.")] = None,
    separator: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="With --csv: what stands between an image's tags."),
    ] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Store relative paths instead of the images.")
    ] = False,
    on_error: Annotated[
        OnError, typer.Option(help="At an image that cannot be packed: stop, or skip and list it.")
    ] = OnError.stop,
    seed: Seed = 0,
    workers: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Threads that decode. Default: as fits."),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Bring images, their tags and, if there are any, masks into one file.

    Give one of --voc, --csv, --npy and --demo. Images keep their original bytes; each is decoded
    once to see that it can be. An image with no tag stays, as background only.

    Example: wsss pack --csv tags.csv --images photos -o data.h5
    """
    given: dict[str, Any] = {"--voc": voc, "--csv": csv, "--npy": npy, "--demo": demo}
    source = _one_source(given)
    options = {
        "--images": images,
        "--masks": masks,
        "--classes": classes,
        "--split": split,
        "--ids": ids,
        "--link": link,
        "--labels-from": labels_from,
        "--layout": layout,
        "--separator": separator,
    }
    for option, value in options.items():
        if value and source not in BELONGS[option]:
            raise UsageError(f"{option} does not go with {source}")
    if npy is not None and images is None:
        raise UsageError("--npy needs --images", "it names the folder of the images")
    if separator == "":
        raise UsageError("--separator is empty", "leave it out to have it found")
    from ..artifacts.writer import check_target

    lists = [Path(item.partition("=")[2]) for item in split or [] if "=" in item]
    lists += [path for path in (csv, npy, classes) if path is not None]
    check_target(out, force, [*lists, *([Path(ids)] if ids not in (None, "-") else [])])
    name = "demo" if source == "--demo" else str(given[source])
    found = _only(_read(source, given[source], options, seed), ids, name)
    if out.exists():  # and is to be replaced: not by a data set made of itself
        files = [file for one in found.samples for file in (one.image, one.mask)]
        check_target(out, force, [file for file in files if isinstance(file, Path)])
    pack(found, name, out, link, on_error, seed if demo else None, workers, force, quiet)


def _read(source: str, value: Any, options: Mapping[str, Any], seed: int) -> Collection:
    """Read the collection that --voc, --csv, --npy or --demo names."""
    if source == "--demo":
        from ..formats.demo import demo_scenes

        return demo_scenes(value, -(-value // 3), seed)
    from ..formats.files import read_classes

    names = options["--classes"]
    common: dict[str, Any] = {
        "splits": _splits(options["--split"] or []),
        "classes": read_classes(names) if names is not None else None,
        "masks": options["--masks"],
    }
    if source == "--voc":
        from ..formats.voc import read_voc

        labels_from = (options["--labels-from"] or LabelsFrom.xml).value
        return read_voc(value, labels_from=labels_from, **common)
    if source == "--csv":
        from ..formats.table import read_table

        layout = (options["--layout"] or Layout.auto).value
        return read_table(value, options["--images"], layout, options["--separator"], **common)
    from ..formats.npy import read_npy

    return read_npy(value, options["--images"], **common)


def _one_source(given: Mapping[str, Any]) -> str:
    named = [option for option, value in given.items() if value is not None]
    if len(named) != 1:
        said = "give one of" if not named else f"{' and '.join(named)} given: give one of"
        raise UsageError(f"{said} {', '.join(given)}")
    return named[0]


def _splits(options: Sequence[str]) -> dict[str, Path | None]:
    """NAME and NAME=FILE options as a mapping of name to file."""
    splits: dict[str, Path | None] = {}
    for option in options:
        name, equals, file = option.partition("=")
        if not name or (equals and not file) or name in splits:
            raise UsageError(f"--split {option}: give NAME or NAME=FILE, each name once")
        splits[name] = Path(file) if equals else None
    return splits


def _only(found: Collection, ids: str | None, name: str) -> Collection:
    """The part of a collection that an --ids file names."""
    if ids is None:
        return found
    candidates = [sample.id for sample in found.samples]
    candidates += [problem.id for problem in found.problems]
    wanted = set(select_ids(candidates, ids, Path(name)))
    return replace(
        found,
        samples=tuple(sample for sample in found.samples if sample.id in wanted),
        problems=tuple(problem for problem in found.problems if problem.id in wanted),
    )
