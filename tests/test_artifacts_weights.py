"""Weights files: round trip, refusals, and what happens to one while it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.artifacts.weights import load_weights, save_weights, weights_run
from wsss_cli.errors import WsssError


def test_a_signal_amid_weights_being_written_is_no_error_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`torch.save` turns an interruption into a complaint about its own file."""
    import torch

    from wsss_cli.artifacts.weights import write_torch

    def stopped(value: object, stream: object) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("unexpected pos")

    monkeypatch.setattr(torch, "save", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_torch(tmp_path / "x.pt", {})
    monkeypatch.setattr(torch, "save", lambda value, stream: (_ for _ in ()).throw(OSError("full")))
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:  # as where an interrupted run is saved
        with pytest.raises(WsssError, match="cannot be written"):
            write_torch(tmp_path / "x.pt", {})
    assert list(tmp_path.iterdir()) == []


def test_weights_come_back_as_they_were_saved(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "x.pt"
    facts = {"config": {"a": 1}, "classes": ["x"], "params": {"lr": 0.1}, "seed": 3}
    state = {"w": torch.arange(3.0)}
    save_weights(
        path, kind="wsss/cls", inputs=[], state_dict=state, history=[{"epoch": 1}], **facts
    )
    found = load_weights(path, "wsss/cls")
    assert {name: getattr(found, name) for name in facts} == facts
    assert found.history == [{"epoch": 1}]
    assert torch.equal(found.state_dict["w"], state["w"])
    own = {name: value for name, value in facts.items() if name != "config"}
    assert found.run == weights_run("wsss/cls", inputs=[], **own)
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_weights_file_of_the_kind_is_refused(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "x.pt"
    for content, said in (
        ({"kind": "wsss/cls", "version": 99}, "wsss/cls version 99, this wsss reads 1"),
        ({"kind": "wsss/cls", "version": 1}, "damaged"),
        ({"kind": "wsss/aff"}, "holds wsss/aff, not wsss/cls"),
        ({"layer": torch.zeros(1)}, "not weights of wsss's"),
        ({"kind": Path()}, "holds more than tensors and plain values, and was not read"),
    ):
        torch.save(content, path)
        with pytest.raises(WsssError, match=said):
            load_weights(path, "wsss/cls")
    with pytest.raises(WsssError, match="is a folder"):
        load_weights(tmp_path)
    with pytest.raises(WsssError, match="no such file"):
        load_weights(tmp_path / "none.pt")
