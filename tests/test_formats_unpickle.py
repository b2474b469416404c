"""What a restricted unpickler reads, and what it refuses without running it."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import pickle
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_cli.errors import WsssError
from wsss_cli.formats import unpickle
from wsss_cli.formats.unpickle import load_pickle, load_pickled_dict


def npy(path: Path, content: bytes) -> Path:
    """A file with a npy header for one object, and these bytes as its pickle."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    path.write_bytes(stream.getvalue() + content)
    return path


def wrapped(value: Any, protocol: int) -> bytes:
    """As numpy.save pickles it, with a protocol of choice."""
    return pickle.dumps(np.array(value, dtype=object), protocol=protocol)


def vector(*on: int, count: int = 20, dtype: str = "f4") -> np.ndarray:
    result = np.zeros(count, dtype)
    result[list(on)] = 1
    return result


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_numpy_writes(tmp_path: Path, protocol: int) -> None:
    table = {"a": vector(0, 14), "日本": vector(3), "c": vector(1, dtype=">f8")}
    loaded = load_pickled_dict(npy(tmp_path / "x.npy", wrapped(table, protocol)))
    assert list(loaded) == list(table)
    for key, value in table.items():
        np.testing.assert_array_equal(loaded[key], value)


def test_numpys_own_file(tmp_path: Path) -> None:
    table = {"a": vector(2), np.str_("b"): [0.0, 1.0], "c": np.float32(1), "d": np.array([])}
    np.save(tmp_path / "x.npy", table)
    loaded = load_pickled_dict(tmp_path / "x.npy")
    assert list(loaded) == ["a", "b", "c", "d"]
    assert all(type(key) is str for key in loaded)
    assert loaded["b"] == [0.0, 1.0]
    assert loaded["c"] == 1
    assert loaded["d"].shape == (0,)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("protocol", [2, 5])
def test_shapes_and_orders(tmp_path: Path, order: str, protocol: int) -> None:
    array = np.asarray(np.arange(6, dtype="i2").reshape(2, 3), order=order)  # type: ignore[call-overload]
    loaded = load_pickled_dict(npy(tmp_path / "x.npy", wrapped({"a": array}, protocol)))
    np.testing.assert_array_equal(loaded["a"], array)


def test_an_ordered_dict(tmp_path: Path) -> None:
    table = OrderedDict(b=vector(1), a=vector(2))
    assert list(load_pickled_dict(npy(tmp_path / "x.npy", wrapped(table, 4)))) == ["b", "a"]


class Command:
    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_hostile_pickle_does_not_run(tmp_path: Path, protocol: int) -> None:
    witness = tmp_path / "ran"
    for hostile in (
        Command(os.system, f"touch {witness}"),
        Command(os.mkdir, str(witness)),
        Command(eval, f"open({str(witness)!r}, 'w')"),
        Command(io.open, str(witness), "w"),
        Command(pickle.loads, pickle.dumps(Command(os.mkdir, str(witness)))),
        Command(np.load, str(witness)),
        Command(getattr, "text", "upper"),
    ):
        for content in (hostile, {"a": hostile}, {"a": [vector(1), hostile]}):
            file = npy(tmp_path / "x.npy", wrapped(content, protocol))
            with pytest.raises(WsssError, match="refused, its pickle holds more than"):
                load_pickled_dict(file)
            assert not witness.exists()
    Path(tmp_path, "y.npy").write_bytes(wrapped({"a": 1}, protocol))
    with pytest.raises(WsssError, match="not a readable npy file"):
        load_pickled_dict(tmp_path / "y.npy")


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x80\x04\x95\x1a\0\0\0\0\0\0\0\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85R.",
        b"cnumpy\nndarray\n}S'x'\nS'y'\nsb.",  # sets an attribute of what it was given
        b"cnumpy\ndtype\n(N}S'_function'\nS'y'\nstb.",  # the same by slots
        b"cnumpy\ndtype.type\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x10dtype.__init__.a\x93.",  # dotted path
        b"cnumpy\nndarray\n)\x81.",  # NEWOBJ
        b"Pwitness\n.",  # persistent id
        b"\x82\x01.",  # extension registry
        b"ccollections\ndefaultdict\n.",
        b"cbuiltins\ngetattr\n.",
        b"\x95\0\0\0\0\0\0\0\x01.",  # a frame of 2^56 bytes
        b"\x8e\0\0\0\0\0\0\0\x01.",  # as many bytes
        b"Nr\xff\xff\xff\xff.",  # a memo of 2^32 places
        b"Np99999999999\n.",
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O8'\nI0\nI1\ntRS'abcdefgh'\ntR.",
    ],
)
def test_raw_opcodes(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(WsssError):
        load_pickled_dict(npy(tmp_path / "x.npy", content))


def test_numpys_functions_are_never_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that does not fit its array must not reach numpy's own __setstate__."""
    state = (1, (1 << 40,), np.dtype("f4"), False, b"abcd")

    class Huge:
        def __reduce__(self) -> Any:
            function, args, _ = np.zeros(1, "f4").__reduce__()
            return function, args, state

    with pytest.raises(WsssError, match="not a readable npy file"):
        load_pickled_dict(npy(tmp_path / "x.npy", wrapped({"a": Huge()}, 4)))


@pytest.mark.parametrize(
    "value",
    [
        np.array([(1, 2)], dtype=[("x", "i4"), ("y", "i4")]),
        np.array([object, 1], dtype=object),
        np.array([1 + 2j]),
        np.array(["2020-01-01"], "M8[D]"),
        np.array([b"x"], "V1"),
        defaultdict(int),
        {1, 2},
        Path("x"),
    ],
)
def test_other_values_are_refused(tmp_path: Path, value: Any) -> None:
    protocol = 2 if isinstance(value, set) else 4  # 2 names a function to make a set
    with pytest.raises(WsssError, match="refused"):
        load_pickled_dict(npy(tmp_path / "x.npy", wrapped({"a": value}, protocol)))


@pytest.mark.parametrize("part", [0, 5, 40, 90, 200])
def test_cut_short(tmp_path: Path, part: int) -> None:
    np.save(tmp_path / "x.npy", {"a": vector(1), "b": vector(2)})
    (tmp_path / "y.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:part])
    with pytest.raises(WsssError, match=r"not a readable npy file|refused"):
        load_pickled_dict(tmp_path / "y.npy")


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="No such file"):
        load_pickled_dict(tmp_path / "gone.npy")
    np.save(tmp_path / "x.npy", np.zeros((3, 20)))
    with pytest.raises(WsssError, match="holds no dictionary"):
        load_pickled_dict(tmp_path / "x.npy")
    np.save(tmp_path / "y.npy", np.array(["a", 3], object))
    with pytest.raises(WsssError, match="holds no dictionary"):
        load_pickled_dict(tmp_path / "y.npy")
    with pytest.raises(WsssError, match="holds no dictionary"):
        load_pickled_dict(npy(tmp_path / "z.npy", wrapped("text", 4)))


@given(content=st.binary(max_size=60))
def test_any_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = npy(tmp_path_factory.getbasetemp() / "any.npy", content)
    with contextlib.suppress(WsssError):
        assert isinstance(load_pickled_dict(file), dict)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_and_its_digest(tmp_path: Path, zipped: bool) -> None:
    raw = pickle.dumps({"a": vector(1), "b": [1, "x"]}, protocol=2)
    content = gzip.compress(raw) if zipped else raw
    (tmp_path / "x.pickle").write_bytes(content)
    found, digest = load_pickle(tmp_path / "x.pickle")
    assert digest == hashlib.sha256(content).hexdigest()  # of the file, not of what it unfolds to
    assert found["b"] == [1, "x"]
    assert found["a"].tolist() == vector(1).tolist()


def test_a_pickle_that_unfolds_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpickle, "LARGEST", 1 << 20)
    file = tmp_path / "x.pickle"
    file.write_bytes(gzip.compress(pickle.dumps(b"\0" * (1 << 20))))
    with pytest.raises(WsssError, match=r"not a readable pickle \(more than 1 MiB\)"):
        load_pickle(file)
    file.write_bytes(gzip.compress(pickle.dumps({"a": 1})))
    assert load_pickle(file)[0] == {"a": 1}


def test_pickles_run_nothing_either(tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    (tmp_path / "x.pickle").write_bytes(pickle.dumps(Command(os.mkdir, str(witness))))
    with pytest.raises(WsssError, match="refused, its pickle holds more than") as caught:
        load_pickle(tmp_path / "x.pickle")
    assert not witness.exists()
    assert caught.value.hint == "a file from an unknown source could run code; none of it was run"
    with pytest.raises(WsssError, match="No such file"):
        load_pickle(tmp_path / "gone.pickle")
