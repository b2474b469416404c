"""Artifacts: round trip, strict reading, journalled writing, shards, hostile files."""

from __future__ import annotations

import io
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import IO

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wsss_cli.artifacts import CAM, DATASET, LABEL, Artifact, Shard, Writer, create, open_artifact
from wsss_cli.artifacts import columns as columns_module
from wsss_cli.artifacts.journal import FRAME, MAGIC
from wsss_cli.artifacts.merge import merge
from wsss_cli.artifacts.sink import Sink
from wsss_cli.artifacts.writer import partial_path
from wsss_cli.errors import UsageError, WsssError

IDS = ["b", "a/é 1", "a.b", "ü", "a", "a/b/c"]


def begin(path: Path, ids: list[str] = IDS, **options: object) -> Writer:
    settings = {"classes": ["x", "y"], "params": {"low": 0.1}, "ids": ids, **options}
    return create(path, LABEL, **settings)  # type: ignore[arg-type]


def item(image_id: str) -> dict[str, np.ndarray]:
    """What any run makes of an id: arrays of a shape and values that hang on the id alone."""
    rng = np.random.default_rng(list(image_id.encode()))
    height, width = rng.integers(0, 9, 2)
    label = rng.integers(0, 3, (height, width)).astype(np.uint8)
    return {"label": label, "present": np.arange(height % 3, dtype=np.uint16)}


def write(path: Path, ids: list[str] = IDS, **options: object) -> Path:
    with begin(path, ids, **options) as out:
        for image_id in out.todo:
            out.put(image_id, **item(image_id))
    return path


def interrupted_after(path: Path, count: int) -> None:
    def start() -> None:
        with begin(path) as out:
            for image_id in out.todo[:count]:
                out.put(image_id, **item(image_id))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start()


def assert_items(path: Path, ids: list[str]) -> None:
    with open_artifact(path, LABEL) as found:
        assert found.ids == sorted(ids)
        for image_id in ids:
            expected, got = item(image_id), found[image_id]
            assert got.keys() == expected.keys()
            for name, array in expected.items():
                assert got[name].dtype == array.dtype
                np.testing.assert_array_equal(got[name], array)


def test_round_trip_keeps_ids_order_shapes_and_values(tmp_path: Path) -> None:
    path = write(tmp_path / "l.h5")
    assert_items(path, IDS)
    with open_artifact(path) as found:
        assert (len(found), found.classes, found.params) == (6, ["x", "y"], {"low": 0.1})
        assert "a/é 1" in found
        assert "a/é" not in found
        with pytest.raises(WsssError, match="has no image 'zz'"):
            found["zz"]
    assert os.listdir(tmp_path) == ["l.h5"]


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
        hnp.arrays(
            np.float16,
            hnp.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=4),
            elements=st.floats(0, 1, width=16),
        ),
        max_size=8,
    )
)
def test_any_ids_and_shapes_survive(
    tmp_path_factory: pytest.TempPathFactory, cams: dict[str, np.ndarray]
) -> None:
    path = tmp_path_factory.mktemp("any") / "c.h5"
    with create(path, CAM, classes=["x"] * 4, params={}, ids=list(cams)) as out:
        for image_id in out.todo:
            cam = cams[image_id]
            out.put(
                image_id,
                cam=cam,
                classes=np.arange(len(cam), dtype=np.uint16),
                size=np.array([1, 2], np.int32),
                background=cam[0] if len(cam) % 2 else None,
            )
    with open_artifact(path, CAM) as found:
        assert found.ids == sorted(cams)
        for image_id, cam in cams.items():
            np.testing.assert_array_equal(found[image_id]["cam"], cam)
            assert ("background" in found[image_id]) == bool(len(cam) % 2)


def test_values_larger_than_the_write_buffer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns_module, "BUFFER", 50)
    monkeypatch.setattr(columns_module, "CHUNK", 16)
    ids = [f"{i:03d}" for i in range(60)]
    assert_items(write(tmp_path / "l.h5", ids), ids)


def test_an_empty_artifact_reads(tmp_path: Path) -> None:
    with open_artifact(write(tmp_path / "l.h5", []), LABEL) as found:
        assert found.ids == []
        assert "a" not in found


def test_ordinary_hdf5_reads_an_item_by_the_documented_recipe(tmp_path: Path) -> None:
    with h5py.File(write(tmp_path / "l.h5")) as file:
        row = int(np.flatnonzero(file["ids"].asstr()[:] == "a/b/c")[0])
        start, stop = file["label/offset"][row : row + 2]
        label = file["label/values"][start:stop].reshape(file["label/shape"][row])
        assert json.loads(file.attrs["schema"]) == "wsss/label"
    np.testing.assert_array_equal(label, item("a/b/c")["label"])


def test_put_checks_fields_at_the_door(tmp_path: Path) -> None:
    out = begin(tmp_path / "l.h5")
    good = item("a")
    with pytest.raises(ValueError, match="label: got float32"):
        out.put("a", label=good["label"].astype(np.float32), present=good["present"])
    with pytest.raises(ValueError, match="label: got uint8 with 1 axes"):
        out.put("a", label=good["label"].ravel(), present=good["present"])
    with pytest.raises(ValueError, match="field present of 'a' is missing"):
        out.put("a", label=good["label"])
    with pytest.raises(ValueError, match="no field 'seed'"):
        out.put("a", seed=good["label"])


def test_items_must_share_a_dtype(tmp_path: Path) -> None:
    out = create(tmp_path / "c.h5", CAM, classes=["x"], params={}, ids=["a", "b"])
    rest = {"classes": np.array([0], np.uint16), "size": np.array([4, 4], np.int32)}
    out.put("a", cam=np.zeros((1, 1, 1), np.float16), **rest)
    with pytest.raises(ValueError, match="uint8 differs from earlier items"):
        out.put("b", cam=np.zeros((1, 1, 1), np.uint8), **rest)


# Refusals: one clear line, and nothing lost


def test_existing_output_is_refused_without_force(tmp_path: Path) -> None:
    path = write(tmp_path / "l.h5")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        begin(path)
    assert path.read_bytes() == before
    write(path, IDS[:2], force=True)
    assert_items(path, IDS[:2])


def test_other_kind_newer_version_foreign_truncated_and_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "l.h5")
    with pytest.raises(WsssError, match="holds wsss/label, not wsss/cam") as caught:
        open_artifact(path, CAM)
    assert caught.value.hint == "`wsss make-cam` writes wsss/cam"

    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = "99"
    with pytest.raises(WsssError, match="wsss/label version 99, this wsss reads 1"):
        open_artifact(path)

    foreign = tmp_path / "foreign.h5"
    with h5py.File(foreign, "w") as file:
        file["x"] = 1
    with pytest.raises(WsssError, match="an HDF5 file, but not one of wsss's"):
        open_artifact(foreign)

    whole = write(tmp_path / "whole.h5").read_bytes()
    for length in (0, 10, 100, len(whole) // 2, len(whole) - 1):
        cut = tmp_path / "cut.h5"
        cut.write_bytes(whole[:length])
        with pytest.raises(
            WsssError, match=r"cut.h5: (cut short|not an HDF5 file|cannot be opened|damaged)"
        ):
            open_artifact(cut)

    with pytest.raises(WsssError, match="no such file"):
        open_artifact(tmp_path / "none.h5")
    with pytest.raises(WsssError, match="is a folder"):
        open_artifact(tmp_path)


def test_flipped_bytes_never_give_a_traceback_of_another_kind(tmp_path: Path) -> None:
    whole = bytearray(write(tmp_path / "l.h5").read_bytes())
    rng = np.random.default_rng(0)
    damaged = tmp_path / "damaged.h5"
    for _ in range(60):
        copy = bytearray(whole)
        for position in rng.integers(0, len(whole), 20):
            copy[position] ^= 0xFF
        damaged.write_bytes(copy)
        try:
            with open_artifact(damaged) as found:
                for image_id in found.ids:
                    found[image_id]
        except WsssError:
            pass


def test_missing_folder_and_folder_as_output(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="no such folder"):
        begin(tmp_path / "none" / "l.h5")
    with pytest.raises(UsageError, match="is a folder"):
        begin(tmp_path)


def test_a_full_disk_is_one_line_and_keeps_what_is_done(tmp_path: Path) -> None:
    """A file size limit stands in for the full disk: writes past it fail the same way."""
    script = f"""
import resource, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import numpy as np
from wsss_cli.artifacts import LABEL, create
from wsss_cli.errors import WsssError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
rng = np.random.default_rng(0)
try:
    with create({str(tmp_path / "l.h5")!r}, LABEL, classes=["x"], params={{}},
                ids=[f"{{i:02d}}" for i in range(20)]) as out:
        for image_id in out.todo:
            out.put(image_id, label=rng.integers(0, 255, (100, 100)).astype(np.uint8),
                    present=np.zeros(0, np.uint16))
except WsssError as err:
    print(err)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "l.h5: cannot be written (File too large)" in done.stdout
    assert os.listdir(tmp_path) == ["l.h5.partial"]
    with create(
        tmp_path / "l.h5", LABEL, classes=["x"], params={}, ids=[f"{i:02d}" for i in range(20)]
    ) as out:
        assert out.todo == [f"{i:02d}" for i in range(len(out), 20)]
        assert 3 <= len(out) <= 6
        for image_id in out.todo:
            out.put(image_id, **item(image_id))


def test_a_disk_that_fills_while_hdf5_writes_is_one_line_too(tmp_path: Path) -> None:
    """HDF5 used to be left with a file it could not close, and to crash the process at exit."""
    script = f"""
import resource, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_artifacts import IDS, begin, item
from wsss_cli.errors import WsssError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
try:
    with begin(Path({str(tmp_path / "l.h5")!r})) as out:
        for image_id in out.todo:
            out.put(image_id, **item(image_id))
except WsssError as err:
    print(err)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'l.h5'}: cannot be written (File too large)\n"
    assert os.listdir(tmp_path) == ["l.h5.partial"]
    with begin(tmp_path / "l.h5") as out:
        assert out.todo == []  # nothing done was lost
    assert_items(tmp_path / "l.h5", IDS)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.binary(min_size=1, max_size=20)), max_size=8),
    st.integers(0, 8),
)
def test_a_sink_reads_back_what_it_was_given_on_a_full_disk_too(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, bytes]], good: int
) -> None:
    expected = bytearray()
    with Sink(tmp_path_factory.mktemp("sink") / "f") as sink:
        for index, (position, data) in enumerate(writes):
            if index == good:
                sink._file.close()
                sink._file = FullDisk(tmp_path_factory.mktemp("full") / "f", bytes(expected))
            sink.seek(position)
            assert sink.write(data) == len(data)
            assert sink.tell() == position + len(data)
            expected.extend(bytes(max(0, position + len(data) - len(expected))))
            expected[position : position + len(data)] = data
        sink.seek(0)
        assert sink.read(len(expected)) == bytes(expected)
        if len(writes) > good:
            with pytest.raises(OSError, match="full"):
                sink.check()
        else:
            sink.check()


class FullDisk(io.FileIO):
    """A file of given contents that takes no more."""

    def __init__(self, path: Path, contents: bytes) -> None:
        path.write_bytes(contents)
        super().__init__(path, "r+")

    def write(self, data: object) -> int:
        raise OSError(28, "full")


def test_an_input_a_device_and_unfinished_work_are_no_outputs(tmp_path: Path) -> None:
    path = write(tmp_path / "l.h5")
    before = path.read_bytes()
    with open_artifact(path) as source, pytest.raises(UsageError, match="is an input"):
        begin(path, inputs=[source], force=True)
    (tmp_path / "link.h5").hardlink_to(path)
    with open_artifact(path) as source, pytest.raises(UsageError, match="is an input"):
        begin(tmp_path / "link.h5", inputs=[source], force=True)
    assert path.read_bytes() == before
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="not a regular file"):
        begin(tmp_path / "pipe", force=True)
    with pytest.raises(UsageError, match=r"ending in \.partial"):
        begin(tmp_path / "l.h5.partial", force=True)
    assert (tmp_path / "pipe").is_fifo()


def test_what_is_no_journal_is_not_overwritten(tmp_path: Path) -> None:
    partial = tmp_path / "l.h5.partial"
    for contents in (b"a training's state", MAGIC + b"\xff" * 300, b"w" * 8):
        partial.write_bytes(contents)
        with pytest.raises(WsssError, match="not what a stage of this kind leaves"):
            begin(tmp_path / "l.h5")
        assert partial.read_bytes() == contents
    write(tmp_path / "l.h5", force=True)
    assert os.listdir(tmp_path) == ["l.h5"]


@pytest.mark.parametrize("length", range(0, 150, 11))
def test_a_journal_torn_in_its_header_is_begun_anew(tmp_path: Path, length: int) -> None:
    interrupted_after(tmp_path / "l.h5", 1)
    partial = partial_path(tmp_path / "l.h5")
    head = len(MAGIC) + FRAME.size + FRAME.unpack(partial.read_bytes()[len(MAGIC) :][:8])[0]
    partial.write_bytes(partial.read_bytes()[: min(length, head - 1)])
    assert_items(write(tmp_path / "l.h5"), IDS)


def test_a_journal_finished_by_another_process_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other finishes between our look for the output and our lock on the journal."""
    import wsss_cli.artifacts.journal as module

    path, lock = tmp_path / "l.h5", module._lock

    def late(journal: Path, stream: IO[bytes]) -> None:
        monkeypatch.setattr(module, "_lock", lock)
        write(path, IDS[:2])
        lock(journal, stream)

    monkeypatch.setattr(module, "_lock", late)
    with pytest.raises(UsageError, match="exists already"):
        begin(path)
    assert_items(path, IDS[:2])
    assert os.listdir(tmp_path) == ["l.h5"]


def test_file_names_that_are_no_utf8_are_recorded(tmp_path: Path) -> None:
    source = write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.h5")))
    with open_artifact(source) as one:
        write(tmp_path / "l.h5", inputs=[one])
    with open_artifact(tmp_path / "l.h5") as found:
        assert found.inputs[0]["file"] == source.name


# Interruption


def test_an_exception_keeps_the_journal_and_the_next_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "l.h5"
    interrupted_after(path, 2)
    assert os.listdir(tmp_path) == ["l.h5.partial"]
    with begin(path) as out:
        assert out.todo == sorted(IDS)[2:]
        for image_id in out.todo:
            out.put(image_id, **item(image_id))
    assert_items(path, IDS)
    assert os.listdir(tmp_path) == ["l.h5"]


def test_failing_before_the_first_item_leaves_nothing(tmp_path: Path) -> None:
    interrupted_after(tmp_path / "l.h5", 0)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_torn_last_record_is_dropped(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "l.h5"
    interrupted_after(path, 3)
    journal = partial_path(path)
    journal.write_bytes(journal.read_bytes()[: -cut or None])
    with begin(path) as out:
        assert out.todo == sorted(IDS)[3 if cut == 0 else 2 :]
        for image_id in out.todo:
            out.put(image_id, **item(image_id))
    assert_items(path, IDS)


def test_a_journal_of_another_run_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "l.h5"
    interrupted_after(path, 1)
    before = partial_path(path).read_bytes()
    with pytest.raises(WsssError, match="unfinished work of another run"):
        begin(path, params={"low": 0.2})
    assert partial_path(path).read_bytes() == before
    forced = begin(path, params={"low": 0.2}, force=True)
    assert len(forced) == 0


def test_two_writers_of_one_file_are_refused(tmp_path: Path) -> None:
    first = begin(tmp_path / "l.h5")
    with pytest.raises(WsssError, match="another wsss process is writing it"):
        begin(tmp_path / "l.h5")
    first.put("a", **item("a"))


def test_killed_at_any_instant_then_run_again_equals_uninterrupted(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_artifacts import write
print("ready", flush=True)
write(Path({str(tmp_path / "l.h5")!r}), [f"{{i:04d}}" for i in range(3000)])
"""
    command = [sys.executable, "-c", script]
    rng = np.random.default_rng(1)
    for delay in rng.uniform(0.0, 0.4, 6):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if (tmp_path / "l.h5").exists():
            break
    if not (tmp_path / "l.h5").exists():
        subprocess.run(command, check=True, capture_output=True)
    assert_items(tmp_path / "l.h5", [f"{i:04d}" for i in range(3000)])
    assert os.listdir(tmp_path) == ["l.h5"]


# Shards


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


@given(st.lists(st.text(min_size=1), unique=True), st.integers(1, 6))
def test_shards_part_the_ids(ids: list[str], count: int) -> None:
    parts = [Shard(i, count).take(ids) for i in range(1, count + 1)]
    assert sorted(itertools.chain(*parts)) == sorted(ids)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", "", "²/3"])
def test_bad_shards_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(text)


# Runs


def test_the_run_digest_follows_what_decides_the_numbers(tmp_path: Path) -> None:
    def run(**options: object) -> str:
        with open_artifact(write(tmp_path / "l.h5", force=True, **options)) as found:
            return found.run

    base = run()
    assert run() == base
    assert run(shard=Shard(1, 3)) == base
    assert run(params={"low": 0.3}) != base
    assert run(seed=1) != base
    assert run(classes=["x", "z"]) != base
    assert run(ids=IDS[:3]) != base


def test_a_data_sets_run_follows_its_contents(tmp_path: Path) -> None:
    def run(pixel: int, splits: dict[str, list[str]]) -> str:
        path = tmp_path / "d.h5"
        with create(
            path, DATASET, classes=["x"], params={}, ids=["a"], splits=splits, force=True
        ) as out:
            out.put(
                "a",
                image=np.array([pixel], np.uint8),
                tags=np.zeros(0, np.uint16),
                size=np.array([1, 1], np.int32),
            )
        with open_artifact(path) as found:
            return found.run

    assert run(1, {"t": ["a"]}) == run(1, {"t": ["a"]})
    assert run(1, {"t": ["a"]}) != run(2, {"t": ["a"]})
    assert run(1, {"t": ["a"]}) != run(1, {"v": ["a"]})


def test_an_open_artifact_can_be_pickled_and_read_in_another_process(tmp_path: Path) -> None:
    with open_artifact(write(tmp_path / "l.h5")) as found:
        found["a"]
        copy = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(copy["a"]["label"], item("a")["label"])


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


def test_many_small_items_take_little_memory_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their arrays are joined long before there are enough values to write."""

    def peak(count: int) -> int:
        ids = [f"{i:06d}" for i in range(count)]
        with create(tmp_path / f"{count}.h5", LABEL, classes=["a"], params={}, ids=ids) as out:
            for image_id in ids:
                out.put(
                    image_id,
                    label=np.full((1, 2), int(image_id) % 2, np.uint8),
                    present=np.array([0], np.uint16),
                )
            tracemalloc.start()
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return taken

    monkeypatch.setattr(columns_module, "PIECES", 256)
    peak(100)  # what is imported and cached at first
    few, many = peak(1000), peak(3000)
    assert (many - few) / 2000 < 350  # bytes an item; 690 if each stayed an array
    with open_artifact(tmp_path / "3000.h5", LABEL) as found:
        for i in (0, 255, 256, 2999):
            assert (found[f"{i:06d}"]["label"] == i % 2).all()
