"""Whatever a command writes says which labels taught it: walked over all commands and methods."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hostile.recipes import BUILD, ONE_LOOK, RECIPES, TINY, without_recipe
from hostile.world import draw
from made import wsss

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.artifacts.supervision import (
    CHOSEN,
    KINDS,
    LEARNED,
    MARKS,
    MASKS,
    OBJECTS,
    SALIENCY,
    TAGS,
    TRUE_BOXES,
    UNRECORDED,
)
from wsss_cli.methods import make_cam, make_seeds, random_walk, train_aff, train_cls, train_seg

ROOT = Path(__file__).resolve().parent.parent
METHODS = {
    "train-cls": train_cls.CARDS,
    "make-cam": make_cam.CARDS,
    "make-seeds": make_seeds.CARDS,
    "train-aff": train_aff.CARDS,
    "random-walk": random_walk.CARDS,
    "train-seg": train_seg.CARDS,
}
# what reads which labels of a data set
READERS = {
    "tags": (TAGS,),
    "mask": (MASKS,),
    "true_boxes": (TRUE_BOXES,),
    "true_objects": (OBJECTS,),
    "marks": MARKS,
}
SEEDS = f"--labels seeds.h5 {TINY} -o"
TAGGED = f"predict --data data.h5 --restrict-to-tags {ONE_LOOK} -o tagged.h5 -q"
# methods that no recipe of tests/hostile takes
MORE = (
    f"train-cls --method seam {TINY} -o seam.pt -q",
    f"train-cls --method oaa --attention-from 0 {TINY} --maps maps.h5 -o oaa.pt -q",
    f"train-cls --method iam --targets maps.h5 {TINY} -o iam.pt -q",
    *(
        f"make-cam --method {name} {ONE_LOOK} -o {name}.h5 -q"
        for name in ("gradcam", "gradcam++", "layercam")
    ),
    "make-seeds --method psa --workers 0 -o psa.h5 -q",
    *(f"train-seg --loss {name} --val-split val {SEEDS} {name}.pt -q" for name in ("dice", "sec")),
    f"train-aff --method psa {TINY} -o psa.pt -q",
    f"train-seg --method rrm --supervision rrm.h5 --val-split val --data data.h5 {TINY} -q "
    "-o rrm.pt",
    f"train-seg --method single-stage --val-split val --data data.h5 {TINY} -o one.pt -q",
    TAGGED,
)
# labels that are only held against others: nothing is made of them
COMPARED = {"make-seeds --method cues": {TAGS}}
SCORED = {"eval": {MASKS, TRUE_BOXES, TAGS}}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of tests/hostile, with one artifact of each kind."""
    folder = tmp_path_factory.mktemp("world")
    draw(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in BUILD:
            assert wsss(*line.split()).exit_code == 0, line
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The kinds of labels that are read, as they are."""
    found: set[str] = set()

    def spied(method: Any, kinds: tuple[str, ...]) -> Any:
        @functools.wraps(method)
        def call(*arguments: Any) -> Any:
            found.update(kinds)
            return method(*arguments)

        return call

    for name, kinds in READERS.items():
        if hasattr(DatasetReader, name):
            monkeypatch.setattr(DatasetReader, name, spied(getattr(DatasetReader, name), kinds))
    return found


def supervision(path: Path | str) -> dict[str, Any]:
    result = wsss("info", "--supervision", path, "--json")
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return json.loads(result.stdout)


def taught(path: Path | str) -> dict[tuple[str, str], int]:
    """Images by kind of label and use; nothing is left unknown."""
    facts = supervision(path)
    assert facts["not_known"] == []
    return {(row["what"], row["use"]): row["images"] for row in facts["supervision"]}


def method_of(line: str) -> tuple[str, str] | None:
    """The command and the method of a line."""
    words = line.split()
    if words[0] not in METHODS:
        return None
    named = [words[place + 1] for place, word in enumerate(words) if word in ("--method", "--loss")]
    return words[0], named[0] if named else METHODS[words[0]][0].name


def test_every_command_and_method_says_what_it_learns_from(
    world: Path, asked: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a line reads of a data set's labels stands in the record of all that it writes."""
    assert without_recipe() == []
    monkeypatch.chdir(world)
    lines = [*(one.line for one in RECIPES if one.makes), *MORE]
    walked = {method for line in lines if (method := method_of(line)) is not None}
    assert walked >= {(command, card.name) for command, cards in METHODS.items() for card in cards}
    records = 0
    for line in lines:
        asked.clear()
        before = {path: path.stat().st_mtime_ns for path in world.iterdir()}
        result = wsss(*line.split(), "--force")
        assert result.exit_code == 0, (line, result.output)
        wanted = set(asked)
        for start, kinds in {**COMPARED, **SCORED}.items():
            wanted -= kinds if line.startswith(start) else set()
        for path in world.iterdir():
            if path.stat().st_mtime_ns == before.get(path) or path.is_dir():
                continue
            if path.suffix not in (".h5", ".pt", ".json") or line.startswith("pack"):
                continue
            facts = supervision(path.name)
            found = {row["what"] for row in facts["supervision"]}
            assert found, (line, path.name)
            assert UNRECORDED not in found, (line, path.name)
            assert wanted <= found, (line, path.name, wanted - found)
            assert facts["not_known"] == [], line
            assert all(row["by"] for row in facts["supervision"]), line
            records += 1
    assert records > 25


def test_cards_name_kinds_of_labels() -> None:
    for cards in METHODS.values():
        for card in cards:
            assert set(card.learns) <= set(KINDS), card.name


def test_an_image_counts_once_over_the_chain(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of six images, four train and two validate; maps of all six are of the tags of all six."""
    monkeypatch.chdir(world)
    assert taught("cls.pt") == {(TAGS, LEARNED): 4, (TAGS, CHOSEN): 2}
    assert taught("cam.h5") == {(TAGS, LEARNED): 6, (TAGS, CHOSEN): 2}
    # two of the maps are of images that do not teach what is trained on the others
    assert taught("aff.pt") == {(TAGS, LEARNED): 4, (TAGS, CHOSEN): 2}
    chain = {(TAGS, LEARNED): 4, (TAGS, CHOSEN): 2, (MASKS, CHOSEN): 2}
    assert taught("seg.pt") == chain
    assert wsss(*TAGGED.split(), "--force").exit_code == 0
    assert taught("tagged.h5") == {**chain, (TAGS, LEARNED): 6}
    few = tmp_path / "few.h5"
    (tmp_path / "ids.txt").write_text("a/0\na/5\n")
    line = ("make-seeds", "--method", "oaa", "--saliency", "saliency", "--workers", 0, "-q")
    assert wsss(*line, "--ids", tmp_path / "ids.txt", "-o", few).exit_code == 0
    with open_dataset("data.h5") as data:
        seen = {*data.split("train"), "a/0", "a/5"}
    found = taught(few)
    assert (found[SALIENCY, LEARNED], found[TAGS, LEARNED]) == (2, len(seen))


def test_true_masks_that_a_program_makes_labels_of(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world)
    text = (ROOT / "docs" / "masks.md").read_text("utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(script.replace('data.split("train")', "data.ids"), {})
    assert taught("masks.h5") == {(MASKS, LEARNED): 6}
    Path("masks.h5").rename(tmp_path / "said.h5")
    unsaid = re.sub(r"learns=.*", "", script)
    exec(unsaid, {})
    Path("masks.h5").rename(tmp_path / "unsaid.h5")
    full = tmp_path / "full.pt"
    line = f"train-seg --labels {tmp_path}/said.h5 {TINY} --val-split val -q -o".split()
    assert wsss(*line, full).exit_code == 0
    assert taught(full) == {(MASKS, LEARNED): 4, (MASKS, CHOSEN): 2}
    line = f"train-seg --labels {tmp_path}/unsaid.h5 {TINY} --val-every 0 -q -o".split()
    assert wsss(*line, full, "--force").exit_code == 0
    facts = supervision(full)
    assert [row["what"] for row in facts["supervision"]] == [UNRECORDED]
    said = "unsaid.h5: a program of the user's did not say what it is made of"
    assert facts["not_known"] == [said]


def test_tables_and_wrong_usage(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)
    result = wsss("info", "--supervision", "seg.pt", "data.h5")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "seg.pt: wsss/seg"
    assert lines[1].split() == ["what", "images", "data", "by", "use"]
    assert lines[2].split()[:3] == ["tags", "4", "data.h5"]
    assert lines[2].endswith("train-cls, make-cam       learned from")
    words = ["true", "masks", "2", "data.h5", "train-seg", "only", "to", "choose", "by"]
    assert lines[4].split() == words
    assert lines[5:7] == ["", "data.h5: wsss/dataset"]
    assert lines[7].split() == ["all", "train", "val"]
    assert lines[-1].split() == ["to", "score", "with:", "true", "masks", "6", "4", "2"]
    refused = wsss("info", "--supervision", "--ids", "data.h5")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--ids and --supervision: give one" in refused.stderr
