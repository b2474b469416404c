"""Checking a collection's files and writing them into a data set: the work of `wsss pack`."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..console import log, track, warn
from ..core.teachable import unteachable
from ..errors import WsssError
from ..machine.cores import free_cores
from .reading import PACK as NAME

if TYPE_CHECKING:
    from ..core.percentiles import Tally
    from ..core.reading import Reading
    from .agreement import Agreement
    from .check import Drawn, Verdict
    from .sample import Collection, Problem, Sample

SHOWN = 3  # problems named in an error; the others are counted


class OnError(str, enum.Enum):
    """What an image that cannot be packed does."""

    stop = "stop"
    skip = "skip"


def pack(
    found: Collection,
    name: str,
    out: Path,
    link: bool,
    on_error: OnError,
    seed: int | None,
    workers: int | None,
    force: bool,
    quiet: bool,
    reading: Reading | None = None,
    auto_range: bool = False,
) -> None:
    """Check every file of a collection, then write those that are good.

    Args:
        found: what a reader gave.
        name: the source, for messages.
        seed: what the images were drawn with, where they were.
        workers: threads that decode.
        reading: how pixels are read that 8-bit RGB cannot hold; by default such are refused.
        auto_range: whether its range is that of all values found.

    Raises:
        WsssError: an image cannot be packed and `on_error` is stop, or none is left; images of
            more than 8 bits that need a range; masks that cannot mean what they seem to; links to
            images in a zip.
    """
    from ..core.reading import AS_IT_IS
    from .agreement import compare
    from .check import check_links
    from .ranges import counting, settled
    from .storing import store
    from .tile_tags import items_of

    if link:
        check_links(found.samples)
    for remark in found.remarks:
        warn(f"{name}: {remark}")
    reading = reading or AS_IT_IS
    tally = counting(reading)
    verdicts, bad = _check(found, name, on_error, workers, quiet, reading, tally)
    samples = [sample for sample in found.samples if sample.id in verdicts]
    if not samples:
        raise WsssError(f"{name}: no image to pack")
    spans = [verdict.span for verdict in verdicts.values() if verdict.span is not None]
    narrow = len(samples) - len(spans)
    reading, said = settled(spans, reading, auto_range, name, tally, narrow)
    if said:
        log(f"{NAME}: {said}", quiet)
    found = replace(found, notes={**found.notes, **reading.record()})
    items = samples
    if found.tiles is not None:
        cuts = {image_id: verdict.cut for image_id, verdict in verdicts.items()}
        items = items_of(samples, cuts, name, found.tiles)
    splits = _members(found.splits, items, name)
    if not found.splits:
        log(f"{NAME}: no splits given: all images are in 'train'", quiet)
    seen = compare(found, samples, {i: verdict.held for i, verdict in verdicts.items()})
    if seen.refusal is not None:
        raise WsssError(f"{name}: {seen.refusal}", seen.hint)
    drawn = [one.drawn for one in verdicts.values() if one.drawn is not None]
    _refuse_outside(drawn, name)
    store(found, samples, verdicts, splits, out, link, seed, force, quiet)
    _report(found, items, splits, seen, name, quiet)
    _report_drawn(drawn, name, quiet)
    skipped = f", {len(bad)} skipped" if bad else ""
    whole = {sample.id for sample in samples}
    tiles = sum(item.id not in whole for item in items)
    cut = f", cut into {tiles} tiles" if tiles else ""
    log(f"{NAME}: {len(samples)} images{skipped}{cut} -> {out}", quiet)


def _members(names: Sequence[str], samples: Sequence[Sample], source: str) -> dict[str, list[str]]:
    """Ids by split; "train" holds all where there are no splits.

    Raises:
        WsssError: a split's name cannot name an HDF5 data set.
    """
    from .files import bad_id

    for name in names:
        if "/" in name or bad_id(name):
            raise WsssError(f"{source}: {name!r} cannot name a split", "use letters and digits")
    if not names:
        return {"train": [sample.id for sample in samples]}
    return {name: [s.id for s in samples if name in s.splits] for name in names}


def _check(
    found: Collection,
    name: str,
    on_error: OnError,
    workers: int | None,
    quiet: bool,
    reading: Reading,
    tally: Tally | None,
) -> tuple[dict[str, Verdict], list[Problem]]:
    """Decode everything once: verdicts by id, and what cannot be packed.

    Raises:
        WsssError: something cannot be packed and `on_error` is stop.
    """
    from ..core.labels import MAX_CLASSES
    from .check import check_all
    from .sample import Problem

    bad = list(found.problems)
    if on_error is OnError.stop:
        _refuse(bad, found, name)  # before an hour of decoding
    if len(found.classes) > MAX_CLASSES and any(s.mask is not None for s in found.samples):
        raise WsssError(
            f"{name}: {len(found.classes)} classes, and masks can number {MAX_CLASSES}",
            "pack the tags without masks",
        )
    usual = 1 if found.tiles is not None else min(free_cores(), 8)  # images there are large
    threads = usual if workers is None else max(workers, 1)
    results = check_all(found, threads, reading, tally)
    verdicts = {}
    tracked = track(results, f"{NAME}: checking", total=len(found.samples), quiet=quiet)
    for sample, result in zip(found.samples, tracked, strict=True):
        if isinstance(result, Problem):
            bad.append(result)
        else:
            verdicts[sample.id] = result
    if on_error is OnError.stop:
        _refuse(bad, found, name)
    for problem in bad:
        warn(f"{name}: skipped {problem.id}: {problem.reason}")
    return verdicts, bad


def _refuse(problems: Sequence[Problem], found: Collection, name: str) -> None:
    """
    Raises:
        WsssError: there are problems. --on-error skip is a way out where it would leave something
            to learn from.
    """
    if not problems:
        return
    named = "; ".join(f"{problem.id}: {problem.reason}" for problem in problems[:SHOWN])
    rest = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    ways = list(dict.fromkeys(problem.hint for problem in problems if problem.hint))[:SHOWN]
    total = len(found.samples) + len(found.problems)
    bad = {problem.id for problem in problems}
    tagged = any(sample.tags for sample in found.samples)
    left = any(sample.tags for sample in found.samples if sample.id not in bad)
    if left or (not tagged and 2 * len(bad) <= total):
        rule = "--on-error skip leaves them out and lists them"
    else:
        rule = "no image with a tag would be left, so look for a common cause"
    raise WsssError(
        f"{name}: {len(problems)} of {total} images cannot be packed: {named}{rest}",
        "; ".join((*ways, "nothing is written", rule)),
    )


def _report(
    found: Collection,
    samples: Sequence[Sample],
    splits: Mapping[str, list[str]],
    seen: Agreement,
    name: str,
    quiet: bool,
) -> None:
    """Say what was packed, and what looks like a mistake."""
    from .census import census, listed

    counts = census(found.classes, samples)
    taught = unteachable(found.classes, list(counts.values()), len(samples))
    for text in [*taught, *seen.warnings]:
        warn(f"{name}: {text}")
    members = ", ".join(f"{split} {len(ids)}" for split, ids in splits.items())
    masks = sum(sample.mask is not None for sample in samples)
    every = len(found.classes)
    untagged = sum(
        not one.tags and (one.absent is None or len(one.absent) >= every) for one in samples
    )
    notes = ", ".join(f"{key} {value}" for key, value in found.notes.items() if value is not None)
    log(f"{NAME}: {notes}; {len(found.classes)} classes; splits {members}", quiet)
    if counts:
        log(f"{NAME}: images of each class: {listed(counts)}", quiet)
    files = f"{masks} masks; " if masks or not any(one.drawing for one in samples) else ""
    log(f"{NAME}: {files}{untagged} images without a tag, background only", quiet)
    for text in seen.remarks:
        log(f"{NAME}: {text}", quiet)


def _report_drawn(drawn: Sequence[Drawn], name: str, quiet: bool) -> None:
    """Say how much that people drew was taken along, and whether some of it stuck out."""
    if not drawn:
        return
    cut = [one for one in drawn if one.cut]
    if cut:
        warn(
            f"{name}: {sum(one.cut for one in cut)} shapes begin or end outside their image and "
            f"were cut at its edge, first in {cut[0].file}"
        )
    out = [one for one in drawn if one.left_out]
    if out:
        warn(
            f"{name}: {sum(one.left_out for one in out)} shapes lie outside their image and were "
            f"left out, first in {out[0].file}"
        )
    marks, boxes = sum(one.marks for one in drawn), [one.boxes for one in drawn if one.boxes]
    if marks:
        images = sum(one.marks > 0 for one in drawn)
        log(f"{NAME}: {marks} marks on {images} images, to learn from", quiet)
    if boxes:
        total, difficult = map(sum, zip(*boxes, strict=True))
        log(
            f"{NAME}: {total} true boxes ({difficult} difficult) of {len(boxes)} images, for "
            "scoring only",
            quiet,
        )
    painted = [one for one in drawn if one.painted]
    if painted:
        log(
            f"{NAME}: true masks of {len(painted)} images are painted from outlines, with "
            f"{sum(one.objects for one in painted)} true objects, for scoring only",
            quiet,
        )


def _refuse_outside(drawn: Sequence[Drawn], name: str) -> None:
    """
    Raises:
        WsssError: more than half of all shapes lie outside of their images.
    """
    shapes, out = sum(one.shapes for one in drawn), sum(one.left_out for one in drawn)
    if 2 * out > shapes:
        first = next(one.file for one in drawn if one.left_out)
        raise WsssError(
            f"{name}: {out} of {shapes} shapes lie outside their images, first in {first}",
            "were they drawn on images of another size? nothing is written",
        )
