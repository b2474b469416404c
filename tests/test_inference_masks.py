"""The steps of predict: what is loaded, what the network's logits become, labels of these."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from wsss_cli.artifacts import DatasetReader, open_dataset
from wsss_cli.core.crf import CrfParams
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.inference.masks import Labeller, Loaded, Presence, load_image, look, probabilities
from wsss_cli.inference.predicting import PredictSetting
from wsss_cli.machine.place import Place
from wsss_cli.nets.single_stage import PresenceRule
from wsss_cli.options.looking import Views

CPU = Place(torch.device("cpu"))
LOGITS = torch.tensor([0.0, 1.0, 2.0])  # of background and two classes, at the left


def setting(restrict: bool = False, flip: bool = False, **changes: Any) -> PredictSetting:
    views = Views((1.0,), flip, changes.pop("max_side", 0))
    return PredictSetting(views, restrict, 0.0, **{"crf": None, **changes})


def network(x: Tensor) -> Tensor:
    """Sees the logits above in an image's left half, and nothing in its right one."""
    found = LOGITS.view(1, 3, 1, 1).repeat(len(x), 1, *x.shape[-2:])
    found[..., x.shape[-1] // 2 :] = 0
    return found


def loaded(classes: list[int], copies: int = 1) -> Loaded:
    pixels = [torch.zeros(3, 2, 4, dtype=torch.uint8)] * copies
    return Loaded(pixels, (2, 4), np.array(classes, np.uint16), (2, 4), None)


def seen(batch: list[tuple[str, Loaded]], of: PredictSetting) -> list[np.ndarray]:
    return [one.numpy() for one in probabilities(network, CPU, of, batch)]  # type: ignore[arg-type]


def test_probabilities_are_a_softmax_over_all_labels() -> None:
    (found,) = seen([("a", loaded([0, 1]))], setting())
    exps = np.exp([0.0, 1.0, 2.0])
    np.testing.assert_allclose(found[:, 0, 0], exps / exps.sum(), rtol=1e-6)
    np.testing.assert_allclose(found[:, 1, 3], np.full(3, 1 / 3), rtol=1e-6)


def test_tags_leave_labels_out_before_the_softmax() -> None:
    one, other = seen([("a", loaded([1])), ("b", loaded([0]))], setting(restrict=True))
    np.testing.assert_allclose(one[:, 0, 0], np.exp([0, 2]) / np.exp([0, 2]).sum(), rtol=1e-6)
    np.testing.assert_allclose(other[:, 0, 0], np.exp([0, 1]) / np.exp([0, 1]).sum(), rtol=1e-6)


def test_the_mirror_images_logits_are_turned_back() -> None:
    (found,) = seen([("a", loaded([0, 1]))], setting(flip=True))
    half = np.exp([0, 0.5, 1])  # each half is seen once on the left, once on the right
    np.testing.assert_allclose(found[:, 0, 0], half / half.sum(), rtol=1e-6)
    np.testing.assert_allclose(found[:, 0, 3], half / half.sum(), rtol=1e-6)


def test_images_come_with_their_probabilities_or_none() -> None:
    empty = Loaded([], (2, 4), np.zeros(0, np.uint16), (2, 4), None)
    batches = [[("a", loaded([0, 1])), ("b", empty)]]
    (a, chances, one), (b, none, other) = look(network, CPU, setting(), batches, Path("w.pt"))  # type: ignore[arg-type]
    assert (a, b, chances.shape, none.shape) == ("a", "b", (3, 2, 4), (1, 0, 0))
    assert (one.copies, other.copies) == ([], [])  # no longer needed
    assert one.classes.tolist() == [0, 1]


def test_values_that_are_not_finite() -> None:
    def broken(x: Tensor) -> Tensor:
        return network(x) * float("nan")

    batches = [[("b", loaded([0, 1]))]]
    with pytest.raises(WsssError, match=r"w\.pt: gives probabilities of 'b' that are not finite"):
        list(look(broken, CPU, setting(), batches, Path("w.pt")))  # type: ignore[arg-type]


def test_an_image_is_loaded_with_what_is_asked_for(
    tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_dataset(tiny_data) as reader:
        plain = load_image(reader, 3, setting(max_side=24), "a/3")
        assert (plain.size, plain.work, plain.image) == ((32, 48), (16, 24), None)
        assert plain.classes.tolist() == [0, 1, 2]
        assert [tuple(copy.shape) for copy in plain.copies] == [(3, 16, 24)]
        refined = load_image(reader, 3, setting(restrict=True, crf=CrfParams(), max_side=24), "a/3")
        assert refined.image is not None
        assert (refined.image.shape, refined.classes.tolist()) == ((16, 24, 3), [0, 1])
        monkeypatch.setattr(DatasetReader, "image", lambda *_: pytest.fail("decoded"))
        nothing = load_image(reader, 3, setting(restrict=True), "a/5")
    assert (nothing.copies, nothing.size, nothing.work) == ([], (32, 48), (32, 48))
    assert len(nothing.classes) == 0


def test_labels_are_the_most_probable_classes() -> None:
    chances = np.array([[[0.5, 0.3, 0.2]], [[0.3, 0.6, 0.4]], [[0.2, 0.1, 0.4]]], np.float32)
    of = Loaded([], (1, 3), np.array([1, 4], np.uint16), (1, 3), None)
    item = Labeller(None, 0.0)("a", chances, of)
    assert item["label"].tolist() == [[0, 2, 2]]  # of equal ones the first
    assert item["present"].tolist() == [1, 4]
    assert Labeller(None, 0.5)("a", chances, of)["label"].tolist() == [[0, 2, 255]]


def test_labels_have_the_images_own_size_and_a_crf_its_copys() -> None:
    chances = np.stack([np.eye(2), 1 - np.eye(2)]).astype(np.float32)
    image = np.zeros((2, 2, 3), np.uint8)
    of = Loaded([], (4, 4), np.array([0], np.uint16), (2, 2), image)
    assert Labeller(None, 0.0)("a", chances, of)["label"][::3, ::3].tolist() == [[0, 1], [1, 0]]
    narrow = CrfParams(gaussian_sxy=0.1, gaussian_compat=1.0)
    wide = of._replace(image=np.zeros((1, 1001, 3), np.uint8))
    with pytest.raises(WsssError, match=r"a/1: a CRF of gaussian sxy 0\.1 cannot work on 1001"):
        Labeller(narrow, 0.0)("a/1", np.full((2, 1, 1001), 0.5, np.float32), wide)


def weights(config: dict[str, Any]) -> Any:
    return SimpleNamespace(config=config, path=Path("seg.pt"))


def test_a_rule_of_presence_is_the_published_one_unless_told() -> None:
    teller, tellers = weights({"method": "single-stage"}), ["single-stage"]
    assert Presence().rule(teller, tellers) == PresenceRule(0.1, 3.0)
    assert Presence(min_class=0.0, background_power=2.0).rule(teller, tellers) == PresenceRule(0, 2)
    assert Presence().rule(weights({}), tellers) is None


def test_other_networks_have_no_such_rule() -> None:
    said = r"--min-class: seg\.pt is not of `train-seg --method single-stage`"
    with pytest.raises(UsageError, match=said):
        Presence(min_class=0.0).rule(weights({"method": "rrm"}), ["single-stage"])
    with pytest.raises(UsageError, match=r"--background-power: .*--method one or two`"):
        Presence(background_power=1.0).rule(weights({}), ["one", "two"])
