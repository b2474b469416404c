"""What eval scores, and at which threshold: the rules that make a number comparable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..artifacts.map_threshold import threshold_of
from ..console import track
from ..core.sweep import MAX_THRESHOLDS
from ..errors import UsageError, WsssError
from ..options.ids import select_ids
from ..options.outlines import OutlineOptions
from ..options.thresholds import ThresholdChoice
from .calibrating import best_threshold, drawn, listed
from .counts import Outcome, score_labels, score_maps
from .outlines import Outlines
from .report import FORMAT, read_oracle

if TYPE_CHECKING:
    from ..artifacts import Artifact, DatasetReader

PUBLISHED_THRESHOLD = 0.15  # of maps that were not walked: IRN's (published code)


@dataclass(frozen=True)
class Threshold:
    """A threshold that the scored masks have no say in.

    Attributes:
        value: the background score.
        how: what chose it, in words.
        left_out: images whose masks chose it, of those that were to be scored.
    """

    value: float
    how: str
    left_out: Sequence[str] = ()


@dataclass(frozen=True)
class Rules:
    """How pixels are counted and averaged.

    Attributes:
        average: which labels mIoU averages: "union", "truth" or "all".
        unlabelled: what a predicted 255 counts as: "error" or "background".
        sweep: thresholds to try on maps, rising.
        choice: where the threshold beside the best one comes from.
        outlines: what is scored beside pixels.
        seed: of the images that are drawn to choose a threshold.
    """

    average: str
    unlabelled: str
    sweep: list[float]
    choice: ThresholdChoice
    outlines: OutlineOptions = field(default_factory=OutlineOptions)
    seed: int = 0


def parse_thresholds(text: str) -> list[float]:
    """Thresholds of START:STOP:STEP (STOP left out) or of a list A,B,C, rising.

    Raises:
        UsageError: not such a text, none or too many, or outside 0..1.

    >>> parse_thresholds("0:0.3:0.1"), parse_thresholds("0.5,0.25")
    ([0.0, 0.1, 0.2], [0.25, 0.5])
    """
    wrong = UsageError(
        f"--thresholds {text}: needs START:STOP:STEP or a list",
        f"such as 0:0.6:0.01 or 0.1,0.2; 1 to {MAX_THRESHOLDS} of them, within 0..1",
    )
    try:
        # Decimals, so that .01 adds up to .07 and not to .07000000000000001.
        parts = [Decimal(part.strip()) for part in text.replace(":", ",").split(",")]
    except InvalidOperation:
        raise wrong from None
    if not all(part.is_finite() for part in parts):
        raise wrong
    if ":" in text:
        if len(parts) != 3 or "," in text or parts[2] <= 0:
            raise wrong
        start, stop, step = parts
        count = _count_steps(start, stop, step)
        if not 0 < count <= MAX_THRESHOLDS:
            raise wrong
        parts = [start + step * index for index in range(count)]
    values = sorted({float(part) for part in parts})
    distinct = np.unique(np.asarray(values, np.float32))
    if len(distinct) != len(values) or len(values) > MAX_THRESHOLDS:
        raise wrong
    if values[0] < 0 or values[-1] > 1:
        raise wrong
    return values


def _count_steps(start: Decimal, stop: Decimal, step: Decimal) -> int:
    """How many of start, start + step, ... lie below stop."""
    if stop <= start:
        return 0
    if (stop - start) / step > MAX_THRESHOLDS + 1:
        return MAX_THRESHOLDS + 1
    whole, rest = divmod(stop - start, step)
    return int(whole) + (rest > 0)


def select_images(
    predictions: Artifact,
    truth: DatasetReader,
    split: str | None,
    listed: str | None,
    allow_missing: bool,
    has_truth: Callable[[str], bool] | None = None,
) -> tuple[list[str], int]:
    """The images to score, and how many with a mask the predictions lack.

    Args:
        split: its images; None takes all that `predictions` holds.
        listed: an --ids file that narrows them further.
        allow_missing: score what is there.
        has_truth: whether an image would count; by default those with a mask do.

    Raises:
        WsssError: a shard alone, images of no data set, images without prediction.
    """
    if predictions.shard.count > 1 and listed is None and not allow_missing:
        raise WsssError(
            f"{predictions.path}: only shard {predictions.shard} of a run",
            "`wsss merge` joins the shards; --allow-missing or --ids scores a part",
        )
    if split is None:
        wanted = select_ids(predictions.ids, listed, predictions.path)
        strange = [image_id for image_id in wanted if image_id not in truth]
        if strange:
            raise WsssError(
                f"{predictions.path}: {len(strange)} of {len(wanted)} images are not in "
                f"{truth.path}, first {strange[0]!r}"
            )
        return wanted, 0
    wanted = select_ids(truth.split(split), listed, Path(f"{truth.path}'s split {split}"))
    present = [image_id for image_id in wanted if image_id in predictions]
    there = set(present)
    # Images without a mask would not have counted: their absence changes nothing.
    has_truth = has_truth or truth.has_mask
    missing = [i for i in wanted if i not in there and has_truth(i)]
    if missing and not allow_missing:
        raise WsssError(
            f"{predictions.path}: lacks {len(missing)} of the {len(wanted)} images of split "
            f"{split}, first {missing[0]!r}",
            "a score of a part is not the split's; --allow-missing or --ids gives it all the same",
        )
    return present, len(missing)


def choose_threshold(
    rules: Rules, predictions: Artifact, truth: DatasetReader, scored: Sequence[str]
) -> Threshold:
    """The threshold that the masks of `scored` have no say in, but those of images left out.

    Raises:
        WsssError: a report or a split that shares images with `scored`, or is of no use; no image
            is left to score.
    """
    choice, sweep, average = rules.choice, rules.sweep, rules.average
    if choice.given is not None:
        return Threshold(choice.given, "given by --threshold")
    if choice.threshold is not None:
        return Threshold(threshold_of(predictions), "chosen by the file's maps, without masks")
    if choice.threshold_from is not None:
        best, how = best_elsewhere(choice.threshold_from, FORMAT, scored, truth.has_mask, "masks")
        return Threshold(best, how)
    if choice.calibrate_split is not None:
        ids, _ = select_images(predictions, truth, choice.calibrate_split, None, False)
        refuse_shared(f"split {choice.calibrate_split}", ids, scored, truth.has_mask, "masks")
        best, images = best_threshold(predictions, truth, ids, sweep, average)
        how = f"best on split {choice.calibrate_split}, {images} images not scored here"
        return Threshold(best, how)
    if choice.calibrate is not None:
        few = drawn(scored, truth, choice.calibrate, rules.seed)
        best, _ = best_threshold(predictions, truth, few, sweep, average)
        how = f"best on {len(few)} images drawn (seed {rules.seed}), which are not scored"
        return Threshold(best, how, few)
    if choice.calibrate_ids is not None:
        few = listed(scored, truth, choice.calibrate_ids)
        best, _ = best_threshold(predictions, truth, few, sweep, average)
        how = f"best on the {len(few)} images of {choice.calibrate_ids}, which are not scored"
        return Threshold(best, how, few)
    if any(source["kind"] == "wsss/aff" for source in predictions.inputs):
        from ..core.walk_defaults import IRN_THRESHOLD

        return Threshold(IRN_THRESHOLD, "IRN's published constant for walked maps")
    return Threshold(PUBLISHED_THRESHOLD, "IRN's published constant for maps")


def best_elsewhere(
    path: Path, wanted: str, scored: Sequence[str], has_truth: Callable[[str], bool], what: str
) -> tuple[float, str]:
    """The best threshold in the JSON of another eval, and what to say of it.

    Args:
        wanted: its format.
        scored, has_truth, what: as in `refuse_shared`.

    Raises:
        WsssError: not such a JSON, or it shares images with those to score.
    """
    threshold, ids = read_oracle(path, wanted)
    refuse_shared(path.name, ids, scored, has_truth, what)
    return threshold, f"best in {path.name}, of {len(ids)} images none of which is scored here"


def refuse_shared(
    source: str,
    ids: Iterable[str],
    scored: Sequence[str],
    has_truth: Callable[[str], bool],
    what: str,
) -> None:
    """See that a threshold was chosen on other images.

    Args:
        source: what chose it.
        ids: on which images.
        scored: those to score.
        has_truth: whether an image's truth is known; one without had no say.
        what: the truth, in words.

    Raises:
        WsssError: an image is of both.
    """
    shared = [image_id for image_id in sorted(set(ids) & set(scored)) if has_truth(image_id)]
    if shared:
        raise WsssError(
            f"{source}: chose its threshold with the {what} of {len(shared)} images scored here, "
            f"first {shared[0]!r}",
            "score other images, with --split; what is best on these is printed as the oracle",
        )


def score(
    found: Artifact, truth: DatasetReader, images: Sequence[str], rules: Rules, quiet: bool
) -> Outcome:
    """Count labels or maps against masks.

    Raises:
        WsssError: no image has a mask, no mask a class, or what is scored does not fit its mask;
            as `choose_threshold`.
    """
    outlines = Outlines(len(truth.classes) + 1, rules.outlines, rules.unlabelled)
    if found.kind == "wsss/label":
        shown = track(images, "eval", quiet=quiet)
        outcome = score_labels(found, truth, shown, rules.average, rules.unlabelled, outlines)
    else:
        at, left_out = None, set[str]()
        if rules.choice.is_made or not found.column("background").holds_values:
            chosen = choose_threshold(rules, found, truth, images)
            at, left_out = (chosen.value, chosen.how), set(chosen.left_out)
        shown = track([i for i in images if i not in left_out], "eval", quiet=quiet)
        outcome = score_maps(found, truth, shown, rules.average, rules.sweep, at, outlines)
        outcome.left_out = sorted(left_out)
    outcome.beside = outlines.as_dict(rules.average)
    return outcome
