"""The file that HDF5 writes into."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_cli.artifacts.sink import Sink


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.binary(min_size=1, max_size=20)), max_size=8),
    st.integers(0, 8),
)
def test_a_sink_reads_back_what_it_was_given_on_a_full_disk_too(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, bytes]], good: int
) -> None:
    expected = bytearray()
    with open(tmp_path_factory.mktemp("sink") / "f", "w+b", buffering=0) as file:
        sink = Sink(file)
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
