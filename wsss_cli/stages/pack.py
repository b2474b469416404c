"""pack: bring images, tags and masks of any layout into one file."""

from __future__ import annotations

import enum
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import log, track, warn
from ..errors import UsageError, WsssError
from ..options import Force, Ids, Quiet, Seed, Workers, free_cores, select_ids

if TYPE_CHECKING:
    import numpy as np

    from ..datasets.check import Verdict
    from ..datasets.sample import Collection, Problem, Sample

NAME = "pack"
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
SHOWN = 3  # problems named in an error; the others are counted


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


class OnError(str, enum.Enum):
    """What an image that cannot be packed does."""

    stop = "stop"
    skip = "skip"


def run(
    voc: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A devkit: JPEGImages/, Annotations/, ...")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="A table of images and tags.")
    ] = None,
    npy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A cls_labels.npy: id to 0/1 per class.")
    ] = None,
    demo: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Draw N scenes, and N/3 for val.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Images of --csv (default: its folder) or --npy."),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Label PNGs named like the images, for scoring."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The data set to write.")
    ] = Path("data.h5"),
    classes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Class names in order, one a line.")
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=FILE]",
            help="Take this split, and only such; FILE lists its images. Repeatable.",
        ),
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
    workers: Workers = None,
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

    check_target(out, force)
    name = "demo" if source == "--demo" else str(given[source])
    found = _only(_read(source, given[source], options, seed), ids, name)
    verdicts, bad = _check(found, name, on_error, workers, quiet)
    samples = [sample for sample in found.samples if sample.id in verdicts]
    if not samples:
        raise WsssError(f"{name}: no image to pack")
    splits = _members(found.splits, samples, name)
    if not found.splits:
        log(f"{NAME}: no splits given: all images are in 'train'", quiet)
    _write(found, samples, verdicts, splits, out, link, seed if demo else None, force, quiet)
    _report(found, samples, verdicts, splits, name, quiet)
    skipped = f", {len(bad)} skipped" if bad else ""
    log(f"{NAME}: {len(samples)} images{skipped} -> {out}", quiet)


def _read(source: str, value: Any, options: Mapping[str, Any], seed: int) -> Collection:
    """Read the collection that --voc, --csv, --npy or --demo names."""
    if source == "--demo":
        from ..datasets.demo import demo_scenes

        return demo_scenes(value, -(-value // 3), seed)
    from ..datasets.files import read_classes

    names = options["--classes"]
    common: dict[str, Any] = {
        "splits": _splits(options["--split"] or []),
        "classes": read_classes(names) if names is not None else None,
        "masks": options["--masks"],
    }
    if source == "--voc":
        from ..datasets.voc import read_voc

        labels_from = (options["--labels-from"] or LabelsFrom.xml).value
        return read_voc(value, labels_from=labels_from, **common)
    if source == "--csv":
        from ..datasets.table import read_table

        layout = (options["--layout"] or Layout.auto).value
        return read_table(value, options["--images"], layout, options["--separator"], **common)
    from ..datasets.npy import read_npy

    return read_npy(value, options["--images"], **common)


def _members(names: Sequence[str], samples: Sequence[Sample], source: str) -> dict[str, list[str]]:
    """Ids by split; "train" holds all where there are no splits.

    Raises:
        WsssError: a split's name cannot name an HDF5 data set.
    """
    from ..datasets.files import bad_id

    for name in names:
        if "/" in name or bad_id(name):
            raise WsssError(f"{source}: {name!r} cannot name a split", "use letters and digits")
    if not names:
        return {"train": [sample.id for sample in samples]}
    return {name: [s.id for s in samples if name in s.splits] for name in names}


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


def _check(
    found: Collection, name: str, on_error: OnError, workers: int | None, quiet: bool
) -> tuple[dict[str, Verdict], list[Problem]]:
    """Decode everything once: verdicts by id, and what cannot be packed.

    Raises:
        WsssError: something cannot be packed and `on_error` is stop.
    """
    from ..core.labels import MAX_CLASSES
    from ..datasets.check import check_all
    from ..datasets.sample import Problem

    total = len(found.samples) + len(found.problems)
    bad = list(found.problems)
    if on_error is OnError.stop:
        _refuse(bad, total, name)  # before an hour of decoding
    if len(found.classes) > MAX_CLASSES and any(s.mask is not None for s in found.samples):
        raise WsssError(
            f"{name}: {len(found.classes)} classes, and masks can number {MAX_CLASSES}",
            "pack the tags without masks",
        )
    threads = min(free_cores(), 8) if workers is None else max(workers, 1)
    results = check_all(found, threads)
    verdicts = {}
    tracked = track(results, f"{NAME}: checking", total=len(found.samples), quiet=quiet)
    for sample, result in zip(found.samples, tracked, strict=True):
        if isinstance(result, str):
            bad.append(Problem(sample.id, result))
        else:
            verdicts[sample.id] = result
    if on_error is OnError.stop:
        _refuse(bad, total, name)
    for problem in bad:
        warn(f"{name}: skipped {problem.id}: {problem.reason}")
    return verdicts, bad


def _refuse(problems: Sequence[Problem], total: int, name: str) -> None:
    if not problems:
        return
    named = "; ".join(f"{problem.id}: {problem.reason}" for problem in problems[:SHOWN])
    rest = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    raise WsssError(
        f"{name}: {len(problems)} of {total} images cannot be packed: {named}{rest}",
        "nothing is written; --on-error skip leaves them out and lists them",
    )


def _write(
    found: Collection,
    samples: Sequence[Sample],
    verdicts: Mapping[str, Verdict],
    splits: Mapping[str, list[str]],
    out: Path,
    link: bool,
    seed: int | None,
    force: bool,
    quiet: bool,
) -> None:
    """Put the samples into the artifact, or where it was interrupted, the rest of them."""
    import numpy as np

    from ..artifacts import DATASET, create
    from ..datasets.check import digest, read, read_mask

    # The unfinished file of an interrupted run is continued only for the very same contents.
    contents = hashlib.sha256(b"".join(verdicts[sample.id].digest for sample in samples))
    params = {**found.notes, "link": link, "contents": contents.hexdigest()[:16]}
    index = {name: number for number, name in enumerate(found.classes)}
    by_id = {sample.id: sample for sample in samples}
    writer = create(
        out, DATASET, classes=found.classes, params=params, ids=list(by_id), seed=seed,
        splits=splits, force=force,
    )  # fmt: skip
    with writer:
        for image_id in track(writer.todo, NAME, total=writer.total, quiet=quiet):
            sample, verdict = by_id[image_id], verdicts[image_id]
            image, mask = read(sample.image), read_mask(sample)
            if digest(sample, image, mask) != verdict.digest:
                raise WsssError(f"{image_id}: changed while it was packed", "pack again")
            writer.put(
                image_id,
                **(_linked(sample, image, out) if link else {"image": _bytes(image)}),
                tags=np.array(sorted(index[tag] for tag in sample.tags), np.uint16),
                size=np.array(verdict.size, np.int32),
                mask=None if mask is None else _bytes(mask),
            )


def _linked(sample: Sample, image: bytes, out: Path) -> dict[str, np.ndarray]:
    """The image's path as seen from the artifact's folder, links resolved, and its digest."""
    assert isinstance(sample.image, Path)  # drawn scenes are not linked
    real = Path(os.path.realpath(sample.image.parent), sample.image.name)
    relative = os.path.relpath(real, os.path.realpath(out.parent)).replace(os.sep, "/")
    return {"path": _bytes(relative.encode()), "digest": _bytes(hashlib.sha256(image).digest())}


def _bytes(data: bytes) -> np.ndarray:
    import numpy as np

    return np.frombuffer(data, np.uint8)


def _report(
    found: Collection,
    samples: Sequence[Sample],
    verdicts: Mapping[str, Verdict],
    splits: Mapping[str, list[str]],
    name: str,
    quiet: bool,
) -> None:
    """Say what was packed, and what looks like a mistake."""
    used = {tag for sample in samples for tag in sample.tags}
    unused = [tag for tag in found.classes if tag not in used]
    if unused:
        warn(f"{name}: {len(unused)} classes are on no image, first {unused[0]}")
    beyond = [image_id for image_id, verdict in verdicts.items() if verdict.beyond]
    if beyond:
        warn(
            f"{name}: {len(beyond)} masks hold classes that their image's tags lack, "
            f"first {beyond[0]}"
        )
    members = ", ".join(f"{split} {len(ids)}" for split, ids in splits.items())
    masks = sum(sample.mask is not None for sample in samples)
    untagged = sum(not sample.tags for sample in samples)
    notes = ", ".join(f"{key} {value}" for key, value in found.notes.items() if value is not None)
    log(f"{NAME}: {notes}; {len(found.classes)} classes; splits {members}", quiet)
    log(f"{NAME}: {masks} masks; {untagged} images without a tag, background only", quiet)
