"""Checking a collection's files and writing them into a data set: the work of `wsss pack`."""

from __future__ import annotations

import enum
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..console import log, track, warn
from ..core.teachable import unteachable
from ..errors import WsssError
from ..machine.cores import free_cores

if TYPE_CHECKING:
    import numpy as np

    from ..core.percentiles import Tally
    from ..core.reading import Reading
    from .agreement import Agreement
    from .check import Verdict
    from .sample import Collection, Problem, Sample
    from .true_boxes import Drawn

NAME = "pack"
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
            more than 8 bits that need a range; masks that cannot mean what they seem to.
    """
    from ..core.reading import AS_IT_IS
    from .agreement import compare
    from .ranges import counting, settled

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
    splits = _members(found.splits, samples, name)
    if not found.splits:
        log(f"{NAME}: no splits given: all images are in 'train'", quiet)
    seen = compare(found, samples, {i: verdict.held for i, verdict in verdicts.items()})
    if seen.refusal is not None:
        raise WsssError(f"{name}: {seen.refusal}", seen.hint)
    _write(found, samples, verdicts, splits, out, link, seed, force, quiet)
    _report(found, samples, splits, seen, name, quiet)
    _report_boxes([verdict.boxes for verdict in verdicts.values()], name, quiet)
    skipped = f", {len(bad)} skipped" if bad else ""
    log(f"{NAME}: {len(samples)} images{skipped} -> {out}", quiet)


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
    threads = min(free_cores(), 8) if workers is None else max(workers, 1)
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
    from .check import digest, read, read_mask

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
            image, mask = read(sample.image), read_mask(sample, found.masks.table)
            if digest(sample, image, mask) != verdict.digest:
                raise WsssError(f"{image_id}: changed while it was packed", "pack again")
            writer.put(
                image_id,
                **(_linked(sample, image, out) if link else {"image": _bytes(image)}),
                tags=np.array(sorted(index[tag] for tag in sample.tags), np.uint16),
                size=np.array(verdict.size, np.int32),
                mask=None if mask is None else _bytes(mask),
                **_true_boxes(verdict.boxes, index),
            )


def _true_boxes(drawn: Drawn | None, index: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The fields of an image's boxes, none where they are not known."""
    import numpy as np

    if drawn is None:
        return {}
    corners = np.array([one.corners for one in drawn.boxes], np.float32)
    return {
        "true_box": corners.reshape(-1, 4),
        "true_box_class": np.array([index[one.name] for one in drawn.boxes], np.uint16),
        "true_box_difficult": np.array([one.difficult for one in drawn.boxes], np.uint8),
    }


def _linked(sample: Sample, image: bytes, out: Path) -> dict[str, np.ndarray]:
    """The image's path as seen from the artifact's folder, links resolved, and its digest."""
    assert isinstance(sample.image, Path)  # drawn scenes are not linked
    real = Path(os.path.realpath(sample.image.parent), sample.image.name)
    relative = os.path.relpath(real, os.path.realpath(out.parent)).replace(os.sep, "/")
    return {"path": _bytes(os.fsencode(relative)), "digest": _bytes(hashlib.sha256(image).digest())}


def _bytes(data: bytes) -> np.ndarray:
    import numpy as np

    return np.frombuffer(data, np.uint8)


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
    untagged = sum(not sample.tags for sample in samples)
    notes = ", ".join(f"{key} {value}" for key, value in found.notes.items() if value is not None)
    log(f"{NAME}: {notes}; {len(found.classes)} classes; splits {members}", quiet)
    if counts:
        log(f"{NAME}: images of each class: {listed(counts)}", quiet)
    log(f"{NAME}: {masks} masks; {untagged} images without a tag, background only", quiet)
    for text in seen.remarks:
        log(f"{NAME}: {text}", quiet)


def _report_boxes(drawn: Sequence[Drawn | None], name: str, quiet: bool) -> None:
    """Say how many boxes were taken along, and whether some stuck out."""
    known = [one for one in drawn if one is not None]
    if not known:
        return
    boxes = [box for one in known for box in one.boxes]
    difficult = sum(box.difficult for box in boxes)
    cut = [one for one in known if one.cut]
    if cut:
        warn(
            f"{name}: {sum(one.cut for one in cut)} boxes begin or end a pixel outside their image "
            f"and were cut, first in {cut[0].file}; boxes are read as VOC's, which count from 1"
        )
    log(
        f"{NAME}: {len(boxes)} true boxes ({difficult} difficult) of {len(known)} images, for "
        "scoring only",
        quiet,
    )
