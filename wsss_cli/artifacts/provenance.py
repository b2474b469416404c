"""Where a file came from: the digest that names a run, and the chain back to the images."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from .. import __version__
from ..core.reading import Reading

CREATED_BY = f"wsss {__version__}"


class Source(Protocol):
    """A file that another was made from: an open artifact, or loaded weights."""

    @property
    def path(self) -> Path: ...
    @property
    def kind(self) -> str: ...
    @property
    def run(self) -> str: ...
    @property
    def data(self) -> dict[str, str] | None: ...


def digest(*parts: Any) -> str:
    """16 hex digits that change when any of the JSON-able parts changes."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def run_digest(
    kind: str,
    version: int,
    params: Mapping[str, Any],
    seed: int | None,
    classes: Sequence[str],
    inputs: Iterable[Source],
    ids: Sequence[str] = (),
) -> str:
    """Name a run by all that decides its numbers; equal for all the shards of one run."""
    runs = [[source.kind, source.run] for source in inputs]
    return digest(kind, version, dict(params), seed, list(classes), runs, sorted(ids))


def command() -> list[str]:
    """The command line as given, program name without its folder."""
    return [os.path.basename(sys.argv[0]), *sys.argv[1:]] if sys.argv else []


def describe_inputs(inputs: Iterable[Source]) -> list[dict[str, str]]:
    """One record an input: file name, kind and run."""
    return [{"file": s.path.name, "kind": s.kind, "run": s.run} for s in inputs]


def data_record(inputs: Iterable[Source], target: Path) -> dict[str, str] | None:
    """Where the data set behind `inputs` lies: absolutely, and as seen from `target`'s folder.

    Later stages find it by this record, so that only the first one needs --data. How its pixels
    are read, where that was said, goes along as JSON text for images outside of it; and `view`,
    where its tiles are seen as whole images.
    """
    for source in inputs:
        if source.kind == "wsss/dataset":
            path, run = source.path.resolve(), source.run
            record = Reading.of(getattr(source, "params", {})).record()
            view = getattr(source, "view", "")
        elif source.data is not None:
            path, run = locate_data(source.data, source.path), source.data["run"]
            record = reading_of(source.data).record()
            view = source.data.get("view", "")
        else:
            continue
        relative = os.path.relpath(path, target.resolve().parent)
        said = {"reading": json.dumps(record)} if record else {}
        said |= {"view": view} if view else {}
        return {"path": str(path), "relative": relative, "run": run, **said}
    return None


def reading_of(data: Mapping[str, str] | None) -> Reading:
    """How the pixels of the data set behind a file are read, by the file's own record of it.

    Raises:
        ValueError: the record makes no sense.
    """
    record = json.loads((data or {}).get("reading", "{}"))
    if not isinstance(record, dict):
        raise ValueError("reading is no record")
    return Reading.of(record)


def locate_data(record: Mapping[str, str], holder: Path) -> Path:
    """The recorded data set's path: beside `holder` as recorded if it is there, else absolute."""
    beside = Path(os.path.normpath(holder.resolve().parent / record["relative"]))
    return beside if beside.exists() else Path(record["path"])


def check_records(inputs: Any, data: Any) -> None:
    """Raise ValueError where what a file says of its inputs is not made of such records."""
    if not isinstance(inputs, list) or not all(_has(one, "file", "kind", "run") for one in inputs):
        raise ValueError("inputs are no records of files")
    if data is not None and not _has(data, "path", "relative", "run"):
        raise ValueError("data is no record of a data set")
    reading_of(data)


def _has(record: Any, *names: str) -> bool:
    return isinstance(record, dict) and all(isinstance(record.get(name), str) for name in names)
