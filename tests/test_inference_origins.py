"""The classifier behind maps: found by what they record, and asked for the right probability."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.models as zoo
from conftest import CLASSES
from made import random_cams, write_cam
from test_cli_make_cam import write_classifier
from torch import Tensor

from wsss_cli.artifacts import CAM, create, load_weights, open_artifact, open_dataset
from wsss_cli.errors import WsssError
from wsss_cli.inference.origins import Asked, asked, origin_of
from wsss_cli.inference.views import network_pass
from wsss_cli.machine.place import Place
from wsss_cli.methods.rebuild import classifier

CPU = Place(torch.device("cpu"))


@pytest.fixture
def weights(tiny_data: Path) -> Path:
    return write_classifier(tiny_data)


def write_maps(data: Path, *inputs: Any, name: str = "cam.h5") -> Path:
    return write_cam(data.with_name(name), data, random_cams(data), inputs=inputs)


def found(maps: Path, given: Path | None = None) -> Asked:
    with open_artifact(maps, CAM) as artifact:
        return asked(artifact, given, CPU, classifier)


def pictures() -> Tensor:
    return torch.randn((2, 3, 32, 48), generator=torch.Generator().manual_seed(0))


def answers(one: Asked) -> np.ndarray:
    with network_pass(CPU):
        return one.probabilities(pictures()).numpy()


def test_the_recorded_classifier_is_found_beside_the_maps(tiny_data: Path, weights: Path) -> None:
    trained = load_weights(weights)
    one = found(write_maps(tiny_data, trained))
    assert one.record() == {
        "file": "cls.pt",
        "kind": "wsss/cls",
        "run": trained.run,
        "made_the_maps": True,
    }
    assert (one.score, one.stride) == ("sigmoid", 16)
    with torch.no_grad():
        expected = classifier(trained, CPU)(pictures()).sigmoid().numpy()
    np.testing.assert_allclose(answers(one), expected, rtol=1e-5)


def test_an_exclusive_classifier_is_asked_by_softmax(tiny_data: Path) -> None:
    config = {"backbone": "tiny", "output_stride": 16, "dilated": False, "dropout": 0.0}
    path = write_classifier(tiny_data, config={**config, "loss": "softmax"})
    one = found(write_maps(tiny_data, load_weights(path)))
    assert one.score == "softmax"
    np.testing.assert_allclose(answers(one).sum(1), 1, rtol=1e-5)


def test_or_in_the_working_folder(
    tiny_data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = write_maps(tiny_data, load_weights(weights))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    weights.rename(elsewhere / "cls.pt")
    with pytest.raises(WsssError, match="no such file") as missing:
        found(maps)
    assert str(missing.value) == (f"{weights}: no such file (the classifier that {maps} records)")
    assert missing.value.hint == "--weights names the classifier's weights where they lie"
    assert found(maps, elsewhere / "cls.pt").made_the_maps is True
    monkeypatch.chdir(elsewhere)
    assert found(maps).made_the_maps is True


def test_walked_maps_lead_to_the_classifier_of_the_maps_that_were_walked(
    tiny_data: Path, weights: Path
) -> None:
    maps = write_maps(tiny_data, load_weights(weights))
    aff = SimpleNamespace(path=Path("aff.pt"), kind="wsss/aff", run="0" * 16, data=None)
    with open_artifact(maps, CAM) as before:
        walked = write_maps(tiny_data, before, aff, name="walk.h5")
    assert found(walked).made_the_maps is True
    maps.unlink()
    with pytest.raises(WsssError, match="does not record the classifier"):
        found(walked)
    assert found(walked, weights).made_the_maps is None
    write_maps(tiny_data, load_weights(write_classifier(tiny_data, "new.pt", seed=6)))
    with open_artifact(walked, CAM) as artifact:
        assert origin_of(artifact) is None  # other maps of that name


def test_another_classifier_is_asked_with_a_warning(
    tiny_data: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = write_maps(tiny_data, load_weights(weights))
    other = write_classifier(tiny_data, "other.pt", seed=6)
    assert found(maps, other).made_the_maps is False
    said = f"wsss: warning: {other}: is not the classifier that {maps} records\n"
    assert capsys.readouterr().err == said
    other.replace(weights)
    with pytest.raises(WsssError, match="is not the classifier") as strange:
        found(maps)
    assert strange.value.hint == f"--weights {weights} asks it all the same"


def test_what_is_no_classifier_of_these_classes_is_refused(tiny_data: Path, weights: Path) -> None:
    maps = write_maps(tiny_data, load_weights(weights))
    fewer = write_classifier(tiny_data, "fewer.pt", classes=["red", "green", "grue"])
    with pytest.raises(WsssError, match=r"fewer\.pt: is of other classes than"):
        found(maps, fewer)
    with pytest.raises(WsssError, match="not weights of wsss's"):
        found(write_maps(tiny_data, name="bare.h5"), _saved(tiny_data, {}))


def _saved(data: Path, state: dict[str, Tensor], name: str = "net.pth") -> Path:
    path = data.with_name(name)
    torch.save(state, path)
    return path


def foreign_maps(data: Path, outputs: Any, count: int = 5) -> tuple[Path, Any]:
    """Maps that record a classifier of torchvision, and that classifier."""
    torch.manual_seed(3)
    model = zoo.mobilenet_v3_small(num_classes=count).eval()
    path = _saved(data, model.state_dict())
    from wsss_cli.inference.classifiers import Network

    source = Network(network="mobilenet_v3_small").weights(path)
    params = {"stride": 4, "network": "mobilenet_v3_small", "outputs": outputs}
    with (
        open_dataset(data) as reader,
        create(
            data.with_name("cam.h5"),
            CAM,
            classes=CLASSES,
            params=params,
            inputs=[reader, source],
            ids=reader.ids,
        ) as out,
    ):
        for image_id, item in random_cams(data).items():
            out.put(image_id, size=np.array(reader.size(image_id), np.int32), **item)
    return data.with_name("cam.h5"), model


def test_torchvisions_classifiers_are_asked_by_their_outputs(tiny_data: Path) -> None:
    outputs = [[4], [0, 2], [1]]
    maps, model = foreign_maps(tiny_data, outputs)
    one = found(maps)
    assert (one.score, one.made_the_maps, one.weights.kind) == ("outputs", True, "torch/state-dict")
    with torch.no_grad():  # it sees its images padded to whole cells
        shares = model(torch.nn.functional.pad(pictures(), (0, 48, 0, 64))).softmax(1)
    expected = torch.stack([shares[:, 4], shares[:, 0] + shares[:, 2], shares[:, 1]], 1)
    np.testing.assert_allclose(answers(one), expected.numpy(), rtol=1e-4)
    assert found(maps, write_classifier(tiny_data)).made_the_maps is False


def test_one_output_a_class_is_taken_by_sigmoid(tiny_data: Path) -> None:
    maps, model = foreign_maps(tiny_data, None, count=3)
    one = found(maps)
    assert one.score == "sigmoid"
    with torch.no_grad():
        expected = model(torch.nn.functional.pad(pictures(), (0, 48, 0, 64))).sigmoid()
    np.testing.assert_allclose(answers(one), expected.numpy(), rtol=1e-4)


@pytest.mark.parametrize("outputs", [[[4], [0], [5]], None])
def test_outputs_that_it_has_not_are_refused(tiny_data: Path, outputs: Any) -> None:
    maps, _ = foreign_maps(tiny_data, outputs)
    with pytest.raises(WsssError, match=r"net\.pth: has not the outputs that"):
        found(maps)


@pytest.mark.parametrize("outputs", ["all", [[0], [1]], [[0], [1], []], [[0], [1], ["2"]]])
def test_outputs_that_make_no_sense_are_damage(tiny_data: Path, outputs: Any) -> None:
    maps, _ = foreign_maps(tiny_data, outputs)
    with pytest.raises(WsssError, match=r"damaged \(outputs\)"):
        found(maps)
