"""Joining shards: equal to the unsharded file, and only what belongs together."""

from __future__ import annotations

from pathlib import Path

import pytest
from artifacts_made import IDS, assert_items, write

from wsss_cli.artifacts import Artifact, Shard, open_artifact
from wsss_cli.artifacts.merge import merge
from wsss_cli.errors import WsssError


def test_merged_shards_equal_the_unsharded_file(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.h5")
    parts = [write(tmp_path / f"{i}.h5", shard=Shard(i, 4)) for i in (3, 1, 4, 2)]
    assert merge(parts, tmp_path / "merged.h5") == 6
    assert_items(tmp_path / "merged.h5", IDS)
    with open_artifact(whole) as a, open_artifact(tmp_path / "merged.h5") as b:
        differ = {"command"}
        assert {k: v for k, v in a.attributes.items() if k not in differ} == {
            k: v for k, v in b.attributes.items() if k not in differ
        }


def test_more_shards_than_items(tmp_path: Path) -> None:
    parts = [write(tmp_path / f"{i}.h5", shard=Shard(i, 9)) for i in range(1, 10)]
    merge(parts, tmp_path / "merged.h5")
    assert_items(tmp_path / "merged.h5", IDS)


def test_merge_keeps_few_files_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wsss_cli.artifacts.merge as module

    monkeypatch.setattr(module, "OPEN", 2)
    parts = [write(tmp_path / f"{i}.h5", shard=Shard(i, 5)) for i in range(1, 6)]
    now: set[Path] = set()
    most = []
    opening, closing = Artifact._open, Artifact.close

    def opened(artifact: Artifact) -> None:
        now.add(artifact.path)
        most.append(len(now))
        opening(artifact)

    def closed(artifact: Artifact) -> None:
        now.discard(artifact.path)
        closing(artifact)

    monkeypatch.setattr(Artifact, "_open", opened)
    monkeypatch.setattr(Artifact, "close", closed)
    merge(parts, tmp_path / "merged.h5")
    assert max(most) == 1
    assert_items(tmp_path / "merged.h5", IDS)


def test_merge_refuses_what_does_not_belong(tmp_path: Path) -> None:
    one, two = (write(tmp_path / f"{i}.h5", shard=Shard(i, 2)) for i in (1, 2))
    other = write(tmp_path / "other.h5", shard=Shard(2, 2), params={"low": 0.2})
    third = write(tmp_path / "third.h5", shard=Shard(2, 3))
    out = tmp_path / "merged.h5"
    with pytest.raises(WsssError, match="shard 2/2 is missing"):
        merge([one], out)
    with pytest.raises(WsssError, match="both are shard 1/2"):
        merge([one, one, two], out)
    with pytest.raises(WsssError, match=r"other.h5: of another run than .*1.h5"):
        merge([one, other], out)
    with pytest.raises(WsssError, match=r"third.h5: of another run"):
        merge([one, third], out)
    assert not out.exists()
