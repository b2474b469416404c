"""What taught a file, and what a data set holds to learn from and to score with, for info."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from ..artifacts.holdings import ABSENT, NO_CLASS, holders
from ..artifacts.lineage import Chain, Origin, read_origin
from ..artifacts.provenance import check_records
from ..artifacts.supervision import (
    CHOSEN,
    LEARNED,
    MARKS,
    MASKS,
    OBJECTS,
    PRETRAINING,
    TAGS,
    TRUE_BOXES,
    UNRECORDED,
    Taught,
    check,
    joined,
)
from ..console import table
from ..errors import WsssError

if TYPE_CHECKING:
    from ..artifacts import DatasetReader

TO_LEARN = (TAGS, NO_CLASS, ABSENT, *MARKS)
TO_SCORE = (MASKS, TRUE_BOXES, OBJECTS)
SAID = {LEARNED: "learned from", PRETRAINING: "pretraining", CHOSEN: "only to choose by"}


def supervision_of(file: Path) -> dict[str, Any]:
    """What taught an artifact, weights or scores; of a data set, what it holds.

    Raises:
        WsssError: none of these, or damaged.
    """
    origin = _of_scores(file) if file.suffix == ".json" else read_origin(file)
    facts: dict[str, Any] = {"file": str(file), "kind": origin.kind}
    if origin.kind == "wsss/dataset":
        return facts | _holdings(file)
    chain = Chain(origin)
    # what made an image's own item and what made all of them are told apart for later stages alone
    taught = joined(replace(one, own=False) for one in chain.taught)
    return facts | {"supervision": [_row(one) for one in taught], "not_known": chain.gaps}


def _of_scores(file: Path) -> Origin:
    from ..scoring.report import read_report

    report = read_report(file, wanted=None)
    inputs: list[Any] = [report.get("predictions")]
    records = report.get("supervision")
    try:
        check_records(inputs, None)
        check(records)
    except ValueError:
        raise WsssError(f"{file}: scores with parts missing", "rerun `wsss eval --json`") from None
    return Origin(file, report["format"], records=records, inputs=inputs)


def _row(one: Taught) -> dict[str, Any]:
    """An entry for JSON, without its list of images."""
    return {
        "what": one.what,
        "use": one.use,
        "images": one.images,
        "at_least": one.at_least,
        "data": {"file": one.file, "run": one.run} if one.what != UNRECORDED else None,
        "by": list(one.by),
        "of": one.of or (one.file if one.what == UNRECORDED else ""),
    }


def _holdings(file: Path) -> dict[str, Any]:
    """Images of a data set that have labels of each kind, in all and by split."""
    from ..artifacts import open_dataset

    with open_dataset(file) as data:
        known = data.encoded_ids()
        rows = {
            name: np.isin(known, np.array([one.encode() for one in data.split(name)] or [b""]))
            for name in data.splits
        }
        counts: dict[str, dict[str, dict[str, int]]] = {"learn": {}, "score": {}}
        for use, what, held in _held(data):
            counts[use][what] = {"all": int(held.sum())}
            counts[use][what] |= {name: int(held[of].sum()) for name, of in rows.items()}
        images = {"all": len(data), **{name: int(of.sum()) for name, of in rows.items()}}
    return {"images": images, **counts}


def _held(data: DatasetReader) -> Iterator[tuple[str, str, np.ndarray]]:
    """What images may have, for what, and which have it: (n,) bool."""
    for use, kinds in (("learn", TO_LEARN), ("score", TO_SCORE)):
        for what in kinds:
            held = holders(data, what)
            yield use, what, np.zeros(len(data), bool) if held is None else held


def print_supervision(facts: dict[str, Any]) -> None:
    """The facts of one file as a table, on stdout."""
    typer.echo(f"{facts['file']}: {facts['kind']}")
    if "images" in facts:
        _print_holdings(facts)
        return
    rows = [_cells(row) for row in facts["supervision"] if row["what"] != UNRECORDED]
    if rows:
        table(["what", "images", "data", "by", "use"], rows)
    elif not facts["not_known"]:
        typer.echo("nothing taught it")
    for gap in facts["not_known"]:
        typer.echo(f"not known: {gap}")


def _cells(row: dict[str, Any]) -> list[str]:
    count = "" if row["images"] is None else f"{row['images']:,}"
    what = f"{row['what']}: {row['of']}" if row["of"] else row["what"]
    data = (row["data"] or {}).get("file", "")
    return [
        what,
        f"at least {count}" if row["at_least"] else count,
        data,
        ", ".join(row["by"]),
        SAID.get(row["use"], row["use"]),
    ]


def _print_holdings(facts: dict[str, Any]) -> None:
    """A data set's: kinds of labels that no image has are left out."""
    splits = list(facts["images"])
    rows = [["images", *facts["images"].values()]]
    for use, said in (("learn", "to learn from"), ("score", "to score with")):
        for what, counts in facts[use].items():
            if counts["all"]:
                rows.append([f"{said}: {what}", *(counts[name] for name in splits)])
    table(["", *splits], rows)
