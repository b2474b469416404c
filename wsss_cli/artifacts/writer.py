"""Writing artifacts: item by item into a journal, then whole and at once into place."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import UsageError, WsssError
from . import ledger, provenance, supervision
from .columns import write_columns
from .journal import Backlog, Journal, OtherRun
from .ledger import PARTIAL
from .placing import placed, writing
from .schema import DATASET, Schema
from .shards import Shard
from .sink import Sink
from .standing import exists_already, is_begun, partial_path, say_finished, stands


class Writer(Backlog):
    """An artifact being written; see `create`. Leaving the `with` block finishes it."""

    def __init__(
        self,
        path: Path,
        schema: Schema,
        attributes: dict[str, Any],
        todo: Sequence[str],
        force: bool,
    ) -> None:
        self.path = path
        self.schema = schema
        self._attributes = attributes
        self._expected = list(todo)
        header = {name: attributes[name] for name in ("schema", "schema_version", "run", "shard")}
        begun, kept = partial_path(path).exists(), path.exists() and not force
        try:
            with writing(path):
                self._journal = Journal(partial_path(path), header, restart=force)
        except OtherRun:
            if kept:
                raise exists_already(path) from None
            raise
        self._done: Journal | set[str] = self._journal
        if path.exists() and not force:  # or another process finished it since it was looked for
            if not (begun and stands(path, schema, attributes)):
                self._journal.give_up()
                raise exists_already(path)
            say_finished(path)
            self._done = set(self._expected)

    def put(self, image_id: str, **arrays: np.ndarray | None) -> None:
        """Add one finished item; None leaves an optional field out.

        Raises:
            ValueError: a field of the wrong dtype or number of axes, or a required one missing.
            WsssError: the disk is full or not writable.
        """
        present = {name: np.asarray(a) for name, a in arrays.items() if a is not None}
        for name, array in present.items():
            self.schema.field(name).check(array)
            if array.dtype.name != self._journal.dtypes.get(name, array.dtype.name):
                raise ValueError(f"field {name}: {array.dtype.name} differs from earlier items")
        for field in self.schema.fields:
            if not field.optional and field.name not in present:
                raise ValueError(f"field {field.name} of {image_id!r} is missing")
        if image_id not in self._done:
            with writing(self.path):
                self._journal.append(image_id, present)

    def drop(self, image_id: str) -> None:
        """Expect this id no longer: the stage says why and goes on without it."""
        self._expected.remove(image_id)

    def finish(self) -> None:
        """Write the artifact from the journal, put it in place, and delete the journal."""
        if self._done is not self._journal:  # it is in place already
            self._journal.remove()
            return
        missing = self.todo
        if missing:
            raise AssertionError(f"{len(missing)} items were not put, first {missing[0]!r}")
        journal = self._journal
        write_artifact(
            self.path,
            self.schema,
            self._attributes,
            self._expected,
            journal.shapes(self._expected),
            journal.dtypes,
            map(journal.read, self._expected),
        )
        journal.remove()


def create(
    path: str | Path,
    schema: Schema,
    *,
    classes: Sequence[str],
    params: Mapping[str, Any],
    inputs: Sequence[provenance.Source] = (),
    ids: Sequence[str],
    seed: int | None = None,
    shard: Shard | None = None,
    splits: Mapping[str, Sequence[str]] | None = None,
    learns: Sequence[str | supervision.Taught] | None = None,
    force: bool = False,
) -> Writer:
    """Begin an artifact, or go on with one that the same command began.

    Args:
        path: where it will stand once finished; `<path>.partial` holds finished items till then.
        schema: its kind.
        classes: class names, by class index.
        params: every option that changes the numbers; JSON-able.
        inputs: artifacts and weights that it is made from.
        ids: all image ids of the run, before sharding.
        seed: the random seed, where there is one.
        shard: the part of `ids` to do.
        splits: a dataset's named lists of ids.
        learns: the kinds of labels that each item is made of beside what taught the inputs, as
            `supervision.record_of` takes them; None where the file is to say that nobody said.
        force: replace an existing file, and discard unfinished work of another run.

    Raises:
        UsageError: the file exists and `force` is not given. If it is this very run's, and its
            unfinished work lies there still, nothing is left to do.
        WsssError: the folder is missing or not writable; another run's unfinished work is there.
    """
    path, shard = Path(path), shard or Shard()
    check_target(path, force, [source.path for source in inputs], goes_on=True)
    run = provenance.run_digest(schema.name, schema.version, params, seed, classes, inputs, ids)
    attributes: dict[str, Any] = {
        "schema": schema.name,
        "schema_version": schema.version,
        "created_by": provenance.CREATED_BY,
        "command": provenance.command(),
        "classes": list(classes),
        "params": dict(params),
        "seed": seed,
        "inputs": provenance.describe_inputs(inputs),
        "data": provenance.data_record(inputs, path),
        "run": run,
        "shard": str(shard),
    }
    if schema is not DATASET:
        attributes["supervision"] = supervision.record_of(inputs, ids, learns, run=run)
    if splits is not None:
        attributes["splits"] = {name: sorted(set(members)) for name, members in splits.items()}
    return Writer(path, schema, attributes, shard.take(ids), force)


def check_target(
    path: Path, force: bool, inputs: Iterable[Path] = (), goes_on: bool = False
) -> None:
    """Refuse early what would fail late, or destroy what nobody meant to give away.

    The output is promised to the command's ledger with that.

    Args:
        path: of the output.
        force: whether it may exist.
        inputs: files that it is made from, beside those that the command's ledger knows.
        goes_on: the caller knows an output of its own run, and may find one beside its unfinished
            work (`standing.stands`).

    Raises:
        UsageError: it is no regular file, an input, unfinished work, or exists and `force`
            is not given.
        WsssError: its folder is missing or not writable.
    """
    if path.is_dir():
        raise UsageError(f"{path}: is a folder", "name a file to write")
    if path.suffix == PARTIAL:
        raise UsageError(f"{path}: names ending in {PARTIAL} are for unfinished work")
    if path.exists() and not path.is_file():  # a device or a pipe would be replaced by a file
        raise UsageError(f"{path}: is not a regular file", "name a file to write")
    book = ledger.current()
    for one in inputs:
        book.read(one)
    book.promise(path)
    if path.exists() and not force and not (goes_on and is_begun(path)):
        raise exists_already(path)
    if not path.parent.is_dir():
        raise WsssError(f"{path.parent}: no such folder", "make it first")
    if not os.access(path.parent, os.W_OK):
        raise WsssError(f"{path.parent}: not writable", "make it so, or name another folder")


def write_artifact(
    path: Path,
    schema: Schema,
    attributes: Mapping[str, Any],
    ids: Sequence[str],
    shapes: Mapping[str, np.ndarray],
    dtypes: Mapping[str, str],
    items: Iterable[Mapping[str, np.ndarray]],
) -> None:
    """Write a whole artifact beside `path` and rename it into place.

    Shared by the stages, whose items come from a journal, and by merge, whose items come from
    shards. Arguments as of `write_columns`. A data set's run is named by its contents too, since
    nothing else identifies them.
    """
    attributes = {**attributes, "n_items": len(ids)}
    contents = hashlib.sha256()

    def noted() -> Iterator[Mapping[str, np.ndarray]]:
        for image_id, arrays in zip(ids, items, strict=True):
            sink.check()
            if schema is DATASET:
                _note_contents(contents, image_id, arrays)
            yield arrays

    with placed(path) as stream:
        sink = Sink(stream)
        with h5py.File(sink, "w", libver=("v110", "v110")) as file:
            write_columns(file, schema, ids, shapes, dtypes, noted())
            splits = attributes.pop("splits", {})
            _write_splits(file, splits, ids)
            if schema is DATASET:
                attributes["run"] = provenance.digest(
                    attributes["run"], splits, contents.hexdigest()
                )
            for name, value in attributes.items():
                file.attrs[name] = _json(value)
        sink.check()


def _write_splits(file: h5py.File, splits: Mapping[str, Sequence[str]], ids: Sequence[str]) -> None:
    """Named lists of items as row numbers: an attribute could not hold 100,000 of them."""
    row = {image_id: index for index, image_id in enumerate(ids)}
    for name, members in splits.items():
        rows = [row[image_id] for image_id in members if image_id in row]
        file[f"splits/{name}"] = np.array(rows, np.int32)


def _note_contents(contents: Any, image_id: str, arrays: Mapping[str, np.ndarray]) -> None:
    contents.update(image_id.encode() + b"\0")
    for name in sorted(arrays):
        if name != "path":  # where a linked image lies is not what it shows; `digest` says that
            contents.update(name.encode() + b"\0" + arrays[name].tobytes())


def _json(value: Any) -> str:
    """Readable JSON; escaped where a file's name is no UTF-8, which HDF5 text has to be."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, sort_keys=True)
    return text
