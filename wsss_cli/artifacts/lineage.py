"""What taught a file: its own record, or the chain of files from before there were any."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import WsssError
from .inputs import contents
from .supervision import (
    PRETRAINING,
    UNRECORDED,
    WEIGHTS,
    Taught,
    foreign,
    joined,
    read_entries,
    taught_by,
)

TORCH = "torch/state-dict"


@dataclass(frozen=True)
class Origin:
    """A file, as far as its chain is concerned.

    Attributes:
        path, kind, run: of the file.
        records: its own record; None where it has none.
        inputs: files that it was made from, as it records them.
        params: its options.
        others: it is weights of other people's.
    """

    path: Path
    kind: str
    run: str = ""
    records: Sequence[Mapping[str, Any]] | None = None
    inputs: Sequence[Mapping[str, str]] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    others: bool = False


def read_origin(path: Path) -> Origin:
    """What a file says of where it comes from; of weights, torch is loaded.

    Raises:
        WsssError: neither an artifact nor weights, or damaged.
    """
    import h5py

    if path.suffix != ".h5" and path.is_file() and not h5py.is_hdf5(path):
        return _of_weights(path)
    from .store import open_artifact

    with open_artifact(path) as found:
        records = [] if found.kind == "wsss/dataset" else found.supervision
        return Origin(path, found.kind, found.run, records, found.inputs, found.params)


def _of_weights(path: Path) -> Origin:
    from .torch_files import read_torch
    from .weights import MADE_BY, load_weights

    found = read_torch(path, others=True)
    if not isinstance(found, dict) or found.get("kind") not in list(MADE_BY):
        return Origin(path, TORCH, others=True)
    one = load_weights(path)
    return Origin(path, one.kind, one.run, one.supervision, one.inputs, one.params)


class Chain:
    """What taught a file, and what could not be found out.

    Attributes:
        taught: its entries, joined.
        gaps: what is not known and why, in words.
    """

    def __init__(self, origin: Origin) -> None:
        self.gaps: list[str] = []
        self._seen = {origin.run}
        self.taught = joined(self._of(origin))

    def _of(self, origin: Origin) -> list[Taught]:
        """Entries of a file, those of files without a record replaced by what their chain says."""
        if origin.others:
            return [replace(foreign(origin.path.name), by=())]
        found: list[Taught] = []
        if origin.records is not None:
            for one in read_entries(origin.records):
                if one.what != UNRECORDED:
                    found.append(one)
                elif one.run in ("", origin.run):
                    found.append(replace(one, file=origin.path.name))
                    maker = " and ".join(one.by) or "a program of the user's"
                    self._gap(f"{origin.path.name}: {maker} did not say what it is made of")
                else:
                    found += self._follow(origin.path, {"file": one.file, "run": one.run})
            return found
        name = origin.path.name
        self._gap(f"{name}: was written before files recorded what taught them")
        found.append(Taught(UNRECORDED, file=name, run=origin.run))
        weights = origin.params.get("weights")
        if isinstance(weights, str):
            found += self._backbone(origin, weights)
        for source in origin.inputs:
            if source["kind"] not in ("wsss/dataset", "images"):
                found += self._follow(origin.path, source)
        return found

    def _follow(self, holder: Path, record: Mapping[str, str]) -> list[Taught]:
        """Entries of an input, if it lies where it may be looked for, and is that very file."""
        name, run = Path(record["file"]).name, record["run"]
        if run in self._seen:
            return []
        self._seen.add(run)
        lost = [Taught(UNRECORDED, file=name, run=run)]
        if record.get("kind") == TORCH:
            return [replace(foreign(name), by=())]
        there = _places(holder, name)
        for path in there:
            try:
                origin = read_origin(path)
            except WsssError as err:
                self._gap(f"{name}: cannot be read ({err})")
                return lost
            if origin.run == run:
                return self._of(origin)
        why = f"is not the file that {holder.name} was made from" if there else "is gone"
        self._gap(f"{name}: {why}")
        return lost

    def _backbone(self, origin: Origin, source: str) -> list[Taught]:
        """Entries of what a backbone started from, as params record it: imagenet, or a file."""
        name, _, digest = source.rpartition(" sha256:")
        if source == "random":
            return []
        if source == "imagenet":
            body = str(origin.params.get("backbone"))
            owner = "timm's" if ":" in body else "torchvision's"
            return list(taught_by(body, f"{owner} ImageNet weights"))
        for path in _places(origin.path, name):
            if hashlib.sha256(contents(path)).hexdigest().startswith(digest):
                return self._of(read_origin(path))
        self._gap(f"{name}: what the backbone started from is gone, or has changed")
        return [Taught(WEIGHTS, PRETRAINING, of=f"file {name}")]

    def _gap(self, text: str) -> None:
        if text not in self.gaps:
            self.gaps.append(text)


def _places(holder: Path, name: str) -> list[Path]:
    """Where a file may lie that another was made from: beside it, or in the working folder."""
    return [path for path in (holder.parent / Path(name).name, Path(name)) if path.is_file()]
