"""The chain, and how its stages read their options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made import pack_like

import wsss_cli.cli  # noqa: F401 - tells the chain its commands
from wsss_cli.artifacts import open_dataset
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.planning.chain import (
    EVAL,
    NAMES,
    STAGES,
    Stage,
    by_stage,
    card_of,
    choose_splits,
    parse,
    plain,
    settled,
    stage_flags,
    until,
)

OAA = "--method oaa --layers 3"


def test_plain_values() -> None:
    from wsss_cli.formats.voc import LabelsFrom

    assert (plain(LabelsFrom.xml), plain("xml"), plain(None)) == ("xml", "xml", None)


def stage(name: str) -> Stage:
    return STAGES[NAMES.index(name)]


def test_every_stage_reads_what_earlier_ones_make() -> None:
    made: list[str] = []
    for one in STAGES:
        assert set(one.sources) <= set(made), one.name
        made.append(one.out)
    assert stage("random-walk").sources == ["cam.h5", "aff.pt"]
    assert [one.name for one in STAGES if one.trains] == ["train-cls", "train-aff", "train-seg"]


@pytest.mark.parametrize(
    ("name", "train", "val", "words"),
    [
        ("train-cls", "train", "val", "--split train --val-split val"),
        ("train-cls", None, None, ""),
        ("make-cam", "train", "val", "--weights cls.pt --split train"),
        ("train-seg", "train", None, "--labels pseudo.h5"),
        ("predict", "train", "val", "--weights seg.pt --split val"),
        ("predict", "train", None, "--weights seg.pt"),
    ],
)
def test_inputs_and_splits_are_words_of_the_command(
    name: str, train: str | None, val: str | None, words: str
) -> None:
    assert stage(name).arguments(train, val) == words.split()


def test_the_chain_up_to_a_stage() -> None:
    assert until("train-cls") == STAGES[:1]
    assert until("predict") == STAGES
    with pytest.raises(UsageError, match="--until eval: is not a stage") as caught:
        until("eval")
    assert str(caught.value.hint).startswith("one of train-cls, make-cam, ")


def test_splits_are_train_and_val_where_there_are_such(tiny_data: Path, tmp_path: Path) -> None:
    with open_dataset(tiny_data) as data:
        assert choose_splits(data, None, None) == ("train", "val")
        assert choose_splits(data, "val", "train") == ("val", "train")
        with pytest.raises(WsssError, match="has no split 'test'"):
            choose_splits(data, None, "test")
    image = {"x": np.zeros((2, 2, 3), np.uint8)}
    own = pack_like(tmp_path / "own.h5", image, {}, {}, ["a"], {"own": ["x"], "none": []})
    with open_dataset(own) as data:
        assert choose_splits(data, None, None) == (None, None)
        assert choose_splits(data, "own", "none") == ("own", "none")
        with pytest.raises(WsssError, match="split 'none' holds no image"):
            choose_splits(data, "none", None)


def test_values_by_stage() -> None:
    texts = ["--time=1", "a,c=--mem=2", "b=x=y\nz", "UPPER=3"]
    assert by_stage("--sbatch", texts, ["a", "b", "c"]) == {
        "a": ["--time=1", "--mem=2", "UPPER=3"],
        "b": ["--time=1", "x=y\nz", "UPPER=3"],
        "c": ["--time=1", "--mem=2", "UPPER=3"],
    }
    with pytest.raises(UsageError, match="--sbatch d=1: no stage 'd'") as caught:
        by_stage("--sbatch", ["d=1"], ["a", "b"])
    assert caught.value.hint == "one of a, b"


def test_flags_of_a_stage_add_up() -> None:
    known = [*NAMES, EVAL]
    texts = ["make-cam=--stride 8", "make-cam,predict=--max-side 300", "eval=--average all"]
    flags = stage_flags(texts, known)
    assert list(flags) == known
    assert flags["make-cam"] == "--stride 8 --max-side 300"
    assert flags["predict"] == "--max-side 300"
    assert flags["eval"] == "--average all"
    assert flags["train-cls"] == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--stride 8", "--flags --stride 8: needs STAGE=OPTIONS, as make-cam='--scales 1'"),
        ("stride", "needs STAGE=OPTIONS"),
        ("cam=--stride 8", "--flags cam=--stride 8: no stage 'cam'"),
        ("make-cam=--strides 8", "make-cam: No such option: --strides"),
        ("make-cam=--stride '8", "make-cam --stride '8: No closing quotation"),
        ("make-cam=--out x.h5", "--flags make-cam: --out is not yours to give here"),
        ("make-cam=--data x.h5", "--data is not yours"),
        ("train-seg=--labels x.h5", "--labels is not yours"),
        ("eval=--average some", "eval: Invalid value"),
    ],
)
def test_flags_that_are_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        stage_flags([text], [*NAMES, EVAL])
    assert said in str(caught.value)


def test_only_files_that_are_here_are_spelled_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a b.txt", "cam"):
        (tmp_path / name).touch()
    flags = stage_flags(["make-cam=--ids 'a b.txt' --method cam", "predict=--ids=gone.txt"], NAMES)
    assert flags["make-cam"] == f"--ids '{tmp_path}/a b.txt' --method cam"
    assert flags["predict"] == "--ids=gone.txt"


def test_options_are_those_of_the_command_line_under_the_method() -> None:
    given = parse(stage("make-cam"), "--stride 7")
    assert (given["stride"], plain(given["method"])) == (7, "cam")
    expected = {"": 3, OAA: 15, f"{OAA} --epochs 2": 2}
    assert {text: parse(stage("train-cls"), text)["epochs"] for text in expected} == expected
    names = settled(stage("train-cls"), "--batch-size 5")
    assert names["batch_size"] == 5
    with pytest.raises(UsageError, match="train-cls: Invalid value for '--epochs'"):
        settled(stage("train-cls"), "--epochs few")


def test_the_card_is_the_methods() -> None:
    def chosen(name: str, text: str) -> str | None:
        card = card_of(stage(name), settled(stage(name), text))
        return None if card is None else card.name

    assert chosen("make-cam", "") == "cam"
    assert chosen("make-cam", "--method layercam") == "layercam"
    assert chosen("train-aff", "--method psa") == "psa"
    assert chosen("predict", "") is None
