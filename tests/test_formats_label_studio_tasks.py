"""Label Studio's exports as tasks."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.label_studio_tasks import Task, is_task_table, tasks_of
from wsss_cli.formats.place import Place


def tasks(folder: Path, found: Any, name: str = "t.json") -> list[Task]:
    file = folder / name
    file.write_text(found if isinstance(found, str) else json.dumps(found))
    return tasks_of(file, Place(file), (), None)


def test_one_annotation_a_file_as_storages_get_them(tmp_path: Path) -> None:
    result = [{"value": {"choices": ["cat"]}}]
    (one,) = tasks(
        tmp_path,
        {"id": 5, "result": result, "completed_by": {"id": 3, "email": ""},
         "task": {"id": 9, "data": {"image": "a.png"}}},
    )  # fmt: skip
    assert (one.id, one.images) == (9, ("a.png",))
    assert one.annotations[0].by == ("3",)
    assert one.annotations[0].items == tuple(result)


def test_a_cell_may_be_large_and_no_other_table_is_read_in_another_way(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    cell = json.dumps({"choices": ["cat"], "more": "x" * (before + 9)}).replace('"', '""')
    head = "image,id,annotator,annotation_id,lead_time,tags\n"
    (one,) = tasks(tmp_path, f'{head}a.png,1,1,5,1.5,"{cell}"\n', "t.csv")
    assert len(one.annotations) == 1
    with pytest.raises(WsssError):
        tasks(tmp_path, f"{head}a.png,1\n", "u.csv")
    assert csv.field_size_limit() == before


def test_rows_of_one_task_are_one(tmp_path: Path) -> None:
    text = (
        "image,id,annotator,annotation_id,lead_time,tags\n"
        'a.png,1,1,5,1.5,"{""choices"":[""cat""]}"\n'
        'a.png,1,2,6,1.5,"{""choices"":[""dog""]}"\n'
    )
    (one,) = tasks(tmp_path, text, "t.csv")
    assert [annotation.by for annotation in one.annotations] == [("1",), ("2",)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,id,annotator,annotation_id,lead_time\na.png,1\n", "not as many cells"),
        ('image,id,annotator,annotation_id,lead_time,x\na.png,1,1,1,1,"[{"\n', "no JSON"),
        ('image,id,annotator,annotation_id,lead_time,x\na.png,1,1,1,1,"[1\n', "not a CSV file"),
        ("image,id,annotator,annotation_id,lead_time\n", "holds no tasks"),
        ("image,x\na.png,y\n", "nothing says whether x"),
        ("x\ny\n", "no field names an image"),
    ],
)
def test_broken_tables(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(WsssError, match=said):
        tasks(tmp_path, text, "t.csv")


def test_tables_are_told_by_their_columns() -> None:
    assert is_task_table('"annotation_id","annotator","lead_time","image"\n')
    assert is_task_table("image\tannotation_id\tannotator\tlead_time\n")
    assert not is_task_table("image,annotator\n")
