"""What a card of make-seeds promises: its rule gets what it asks for, and no more is read."""

from __future__ import annotations

import pickle
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import random_cams, write_cam, wsss
from PIL import Image

from wsss_cli.artifacts import CAM, DatasetReader, open_artifact, open_dataset
from wsss_cli.core.crf import PRESETS
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.inference.saliency import Saliency
from wsss_cli.inference.seeding import Scene, SeedCard, SeedMaker, SeedTask, check_settings
from wsss_cli.methods.make_seeds import CARDS
from wsss_cli.options.cards import Chosen
from wsss_cli.options.refine import Refine, RefineOptions


@pytest.fixture
def cam(tiny_data: Path) -> Path:
    return write_cam(tiny_data.with_name("cam.h5"), tiny_data, random_cams(tiny_data))


def card_of(name: str) -> SeedCard:
    return next(card for card in CARDS if card.name == name)


def nothing(scene: Scene, refinement: Any, level: int = 7) -> np.ndarray:
    return np.full(scene.scores.shape[1:], level, np.uint8)


def asks_for_all(scene: Scene, refinement: Any) -> np.ndarray:
    assert scene.image().shape == (*scene.scores.shape[1:], 3)
    assert scene.saliency().shape == scene.scores.shape[1:]
    assert scene.background() is None
    assert len(scene.classes) == len(scene.scores)
    return nothing(scene, refinement)


def test_a_new_method_is_a_rule_and_a_card(tiny_data: Path, cam: Path) -> None:
    card = SeedCard(name="none", said="says nothing", rule=nothing)
    task = SeedTask(cam, tiny_data, None, None, None)
    with ExitStack() as files:
        seeds = card.begin(task, Chosen(card, card.options()), files)
        assert seeds.params == {"method": "none", "crf": None}
        assert len(seeds.ids) == 6
        assert [one.kind for one in seeds.inputs] == ["wsss/dataset", "wsss/cam"]
        item = seeds.make("a/3")
    assert (item["label"] == 7).all()
    assert item["label"].shape == (32, 48)


def test_images_are_read_only_for_rules_that_ask(
    tiny_data: Path, cam: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(self: DatasetReader, image_id: str) -> np.ndarray:
        raise WsssError(f"{image_id} was asked for")

    monkeypatch.setattr(DatasetReader, "image", unreadable)
    command = ["make-seeds", "--cam", cam, "-o", cam.with_name("seeds.h5"), "--workers", 0]
    assert wsss(*command, "--method", "threshold").exit_code == 0
    refused = wsss(*command, "--method", "irn", "--force")
    assert (refused.exit_code, "a/0 was asked for" in refused.stderr) == (3, True)


def test_a_scene_holds_all_that_there_is(tiny_data: Path, cam: Path) -> None:
    folder = tiny_data.parent / "eye" / "a"
    folder.mkdir(parents=True)
    Image.fromarray(np.zeros((32, 48), np.uint8)).save(folder / "3.png")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "4.png")
    saliency = Saliency(folder.parent, 0.5)
    with open_artifact(cam, CAM) as maps, open_dataset(tiny_data, maps) as data:
        rule = partial(asks_for_all, refinement=None)
        maker = SeedMaker(maps, data, rule, saliency, by_saliency=True)
        assert (maker("a/3")["label"] == 7).all()
        with pytest.raises(WsssError, match=r"a/4: saliency of \(9, 9\) for maps of \(32, 48\)"):
            maker("a/4")
        ground = SeedMaker(maps, data, partial(nothing, refinement=None, level=255), saliency)
        assert (ground("a/3")["label"] == 0).all()


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_rules_travel_to_workers(card: SeedCard) -> None:
    if card.rule is not None:
        assert pickle.loads(pickle.dumps(partial(card.rule, refinement=None))).func is card.rule


def test_refinements_that_a_method_does_not_have() -> None:
    plain, irn = card_of("threshold"), card_of("irn")
    assert irn.refinement(RefineOptions(), "cpu", ["irn"]) == PRESETS["irn"]
    assert plain.refinement(RefineOptions(), "cpu", ["irn"]) is None
    for options in (RefineOptions(crf="psa"), RefineOptions(refine=Refine.crf)):
        with pytest.raises(UsageError, match="--method threshold") as caught:
            plain.refinement(options, "cpu", ["irn", "new"])
        assert str(caught.value.hint).startswith("irn and new")


def test_settings_are_judged_by_the_rule() -> None:
    check_settings(card_of("irn"), {"fg": 0.5, "bg": 0.5})
    with pytest.raises(UsageError, match=r"--method irn: bg 0\.6, fg 0\.5: need"):
        check_settings(card_of("irn"), {"fg": 0.5, "bg": 0.6})
    with pytest.raises(UsageError, match="--alpha-low inf: must be finite"):
        check_settings(card_of("psa"), {"alpha_low": float("inf"), "alpha_high": 3.0})
