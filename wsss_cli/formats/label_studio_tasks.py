"""Label Studio's exports as tasks: what each image is called, and what each person said of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import WsssError
from .label_studio_regions import kind_of
from .lists import read_json, read_text
from .names import is_image, origin
from .place import Place

# Keys of JSON_MIN and of CSV that hold no annotation.
OWN = frozenset({
    "id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement",
    "completed_by", "project", "inner_id",
})  # fmt: skip


@dataclass(frozen=True)
class Annotation:
    """What one person said of an image.

    Attributes:
        items: of its result, each with a `value`.
        by: what that person may be called: address, name, number.
        true: whether it is marked as ground truth.
    """

    items: tuple[dict[str, Any], ...]
    by: tuple[str, ...] = ()
    true: bool = False

    @property
    def source(self) -> str | None:
        return self.by[0] if self.by else None


@dataclass(frozen=True)
class Task:
    """One image: what it may be called, and its annotations, without cancelled ones."""

    id: object
    images: tuple[str, ...]
    annotations: tuple[Annotation, ...]

    @property
    def controls(self) -> set[object]:
        """Names of the controls that something was drawn with."""
        items = [item for one in self.annotations for item in one.items]
        return {item.get("from_name") for item in items if kind_of(item["value"]) is not None}


def tasks_of(
    file: Path, place: Place, controls: Sequence[str], image_key: str | None
) -> list[Task]:
    """The tasks of an export.

    Args:
        controls: those to read, by name; only JSON_MIN and CSV ask for them.
        image_key: field of the tasks' data that names the image; None to find it.

    Raises:
        WsssError: no export, or one that does not say which field names the image or holds tags.
    """
    if file.suffix.lower() in (".csv", ".tsv"):
        rows, flat = _table(file), True
    else:
        rows = read_json(file)
        rows, flat = _listed(file, rows), False
    if not rows:
        raise WsssError(f"{file}: holds no tasks")
    if not flat:
        full = [_is_task(row) for row in rows]
        if not all(full) and any(full):
            raise WsssError(f"{file}: entry {full.index(False) + 1} is no task of Label Studio")
        flat = not any(full)
    if flat:
        return _flat_tasks(file, rows, controls, image_key)
    rows = [_whole(row) for row in rows]
    key = _image_key(file, [_data(row) for row in rows], image_key)
    return [_task(file, row, key, number) for number, row in enumerate(rows, 1)]


def is_task_table(head: str) -> bool:
    """Whether a text begins as a table that Label Studio writes."""
    first = head.split("\n", 1)[0].replace('"', "")
    names = set(first.split("\t") if "\t" in first else first.split(","))
    return {"annotation_id", "annotator", "lead_time"} <= names


def _listed(file: Path, found: Any) -> list[dict[str, Any]]:
    rows = [found] if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise WsssError(f"{file}: is no list of tasks, as Label Studio's JSON is")
    return rows


def _is_task(row: Mapping[str, Any]) -> bool:
    """Whether it is a task of the JSON, or one annotation with its task, as storages get it."""
    if "result" in row and isinstance(row.get("task"), dict):
        return True
    said = any(isinstance(row.get(key), list) for key in ("annotations", "completions"))
    return said and isinstance(row.get("data"), dict)


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    """A task with its annotations in it."""
    if "result" not in row:
        return row
    task: dict[str, Any] = row["task"]
    return {**task, "annotations": [row]}


def _data(row: Mapping[str, Any]) -> Mapping[str, Any]:
    data = row.get("data")
    return data if isinstance(data, dict) else {}


def _image_key(
    file: Path, rows: Sequence[Mapping[str, Any]], asked: str | None, hint: str = ""
) -> str:
    """The field that names the image in every row.

    Raises:
        WsssError: none does, or several do.
    """
    if asked is not None:
        if not any(asked in row for row in rows):
            names = sorted({str(key) for row in rows for key in row})
            raise WsssError(f"{file}: no task has a field {asked!r}", f"they have: {_few(names)}")
        return asked
    keys = dict.fromkeys(key for row in rows for key in row)
    found = [key for key in keys if all(_names_image(row.get(key)) for row in rows)]
    if len(found) > 1:  # an image, and where it was made
        found = [key for key in found if key in ("image", "img")] or found
    if len(found) == 1:
        return found[0]
    said = f"{_few(found)} each name images" if found else "no field names an image in all tasks"
    raise WsssError(
        f"{file}: {said}", f"--image-key NAME says which does; there are: {_few(sorted(keys))}"
    )


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "") if listed else "none"


def _names_image(cell: Any) -> bool:
    if not isinstance(cell, str) or len(cell) > 4096 or "\n" in cell or cell[:1] in "[{":
        return False
    return is_image(origin(cell)[0]) or cell.startswith(("/data/upload/", "/data/local-files/"))


def _task(file: Path, row: Mapping[str, Any], key: str, number: int) -> Task:
    """
    Raises:
        WsssError: annotations that are none.
    """
    annotations = row.get("annotations", row.get("completions"))
    images = [_data(row).get(key), row.get("file_upload")]
    if not isinstance(images[0], str) or not images[0]:
        raise WsssError(f"{file}: task {row.get('id', number)!r} names no image in {key!r}")
    if not isinstance(annotations, list):
        raise WsssError(f"{file}: task {row.get('id', number)!r} has no list of annotations")
    found = []
    for one in annotations:
        if not isinstance(one, dict):
            raise WsssError(f"{file}: an annotation of task {row.get('id', number)!r} is none")
        if one.get("was_cancelled") is True or one.get("skipped") is True:
            continue
        items = one.get("result")
        if not isinstance(items, list) or not all(map(_is_item, items)):
            raise WsssError(f"{file}: an annotation of task {row.get('id', number)!r} is broken")
        items = [item for item in items if "value" in item]  # a relation has none
        found.append(Annotation(tuple(items), _by(one), one.get("ground_truth") is True))
    names = tuple(dict.fromkeys(name for name in images if isinstance(name, str) and name))
    return Task(row.get("id", number), names, tuple(found))


def _is_item(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("value", {}), dict)


def _by(one: Mapping[str, Any]) -> tuple[str, ...]:
    """What the person of an annotation may be called."""
    by = one.get("completed_by", one.get("annotator"))
    found = [by.get(key) for key in ("email", "username", "id")] if isinstance(by, dict) else [by]
    return tuple(str(part) for part in found if isinstance(part, (int, str)) and str(part))


def _table(file: Path) -> list[dict[str, Any]]:
    """The rows of a CSV, each cell that is JSON taken for what it says.

    Raises:
        WsssError: no table, or broken JSON in it.
    """
    text = read_text(file)
    mark = "\t" if "\t" in text.split("\n", 1)[0] else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    rows = []
    usual = csv.field_size_limit(1 << 30)  # a brush stroke is one cell; the limit is the process's
    try:
        for row in reader:
            if None in row or None in row.values():
                raise WsssError(f"{file}: line {reader.line_num} has not as many cells as line 1")
            rows.append({key: _cell(cell) for key, cell in row.items()})
    except csv.Error as err:
        raise WsssError(f"{file}: not a CSV file ({err})") from None
    except (ValueError, RecursionError):
        raise WsssError(f"{file}: a cell before line {reader.line_num + 1} is no JSON") from None
    finally:
        csv.field_size_limit(usual)
    return rows


def _cell(cell: str) -> Any:
    return json.loads(cell, parse_constant=_refuse) if cell[:1] in ("[", "{") else cell


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _flat_tasks(
    file: Path, rows: list[dict[str, Any]], controls: Sequence[str], image_key: str | None
) -> list[Task]:
    """Tasks of JSON_MIN or CSV: rows of one annotation each.

    Raises:
        WsssError: which fields hold tags is not clear, or rows that are no annotations.
    """
    data = [{key: cell for key, cell in row.items() if key not in OWN} for row in rows]
    key = _image_key(file, data, image_key)
    _refuse_unclear(file, data, key, controls)
    tasks: dict[object, Task] = {}
    for number, (row, fields) in enumerate(zip(rows, data, strict=True), 1):
        if "annotation_id" not in row or not isinstance(fields.get(key), str):
            raise WsssError(f"{file}: entry {number} is no annotation of Label Studio")
        items = [item for name, cell in fields.items() if name != key
                 for item in _items(file, number, name, cell, controls)]  # fmt: skip
        name, one = fields[key], Annotation(tuple(items), _by(row))
        before = tasks.get((row.get("id"), name), Task(row.get("id", number), (name,), ()))
        both = (*before.annotations, one)
        tasks[row.get("id"), name] = replace(before, annotations=both)
    return list(tasks.values())


def _refuse_unclear(
    file: Path, data: Sequence[Mapping[str, Any]], key: str, controls: Sequence[str]
) -> None:
    """
    Raises:
        WsssError: a field of texts may be a choice, or something else that is said of the task.
    """
    cells = [(name, cell) for row in data for name, cell in row.items() if name != key and cell]
    certain = {name for name, cell in cells if isinstance(cell, dict) and "choices" in cell}
    unclear = dict.fromkeys(n for n, cell in cells if isinstance(cell, str) and n not in certain)
    if unclear and not controls:
        others = dict.fromkeys(name for name, cell in cells if isinstance(cell, list))
        every = " ".join(f"--control {name}" for name in [*others, *sorted(certain), *unclear][:6])
        raise WsssError(
            f"{file}: nothing says whether {_few(unclear)} holds choices or other texts",
            f"name what to read: {every}; the JSON export says it itself",
        )


def _items(
    file: Path, number: int, name: str, cell: Any, controls: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """A field as the items that it was made of."""
    if controls and name not in controls:
        return
    if cell in ("", None, []):
        return
    if isinstance(cell, str):
        yield {"from_name": name, "value": {"choices": [cell]}}
    elif isinstance(cell, dict):
        yield {"from_name": name, "type": name, "value": cell}
    elif isinstance(cell, list) and all(isinstance(part, dict) for part in cell):
        for part in cell:
            yield {"from_name": name, "type": name, "value": part}
    elif not isinstance(cell, (list, int, float)):
        raise WsssError(f"{file}: entry {number}: {name!r} holds no annotation")
