"""Images on their way to the network: loaded ahead, in batches that a GPU has room for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from wsss_cli.errors import WsssError
from wsss_cli.inference import feed as _inference
from wsss_cli.inference.feed import Feed, load_ahead, one_ahead
from wsss_cli.training.compute import Compute

CUDA = Compute(torch.device("cuda"))
IDS = [f"{number:03}" for number in range(60)]


class Seen(NamedTuple):
    copies: list[Tensor]


class Source:
    """Images of 8 x 6."""

    def size(self, image_id: str) -> tuple[int, int]:
        return 6, 8


class Counted:
    """Loads images, and says how many."""

    def __init__(self) -> None:
        self.done = 0
        self._lock = threading.Lock()

    def __call__(self, image_id: str) -> Seen:
        with self._lock:
            self.done += 1
        return Seen([torch.zeros(3, 6, 8, dtype=torch.uint8)])


def settled(value: Callable[[], int], expected: int) -> bool:
    """Whether a value that threads raise gets there, and no further."""
    deadline = time.monotonic() + 300  # a hang, not a slow machine
    while value() < expected and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    return value() == expected


@pytest.fixture
def cuda_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA's streams and transfers as nothing at all."""

    class Stream:
        def __init__(self, device: torch.device) -> None:
            pass

        def record_event(self) -> None:
            pass

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda _: None)
    monkeypatch.setattr(Feed, "_pinned", staticmethod(lambda load: load))
    monkeypatch.setattr(_inference, "_moved", lambda batch, _: batch)
    monkeypatch.setattr(_inference, "_arrived", lambda batch, *_: batch)


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("ahead", [0, 2, 100])
def test_images_come_in_order_however_far_ahead(threads: int, ahead: int) -> None:
    found = list(load_ahead(lambda i: i * 2, IDS, threads, lambda *_: ahead))
    assert found == [(i, i * 2) for i in IDS]
    assert list(load_ahead(lambda i: i, [], threads)) == []


def test_as_many_are_loaded_ahead_as_one_like_the_last_allows() -> None:
    load = Counted()
    items = load_ahead(load, IDS, 2, lambda *_: 20)
    next(items)
    assert settled(lambda: load.done, 3)  # one, and one for each thread: nothing was known before
    next(items)
    assert settled(lambda: load.done, 22)
    items.close()
    assert load.done == 22


def test_the_next_item_is_made_while_one_is_used() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1, 4):
            made.append(number)
            yield number

    prepared: list[str] = []
    found = one_ahead(items(), lambda: prepared.append(threading.current_thread().name))
    assert next(found) == 1
    assert settled(lambda: len(made), 2)
    assert list(found) == [2, 3]
    assert [name.startswith("ahead") for name in prepared] == [True]


def test_an_item_is_there_before_the_next_is_complete() -> None:
    go_on = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        assert go_on.wait(300)
        yield 2

    found = one_ahead(items())
    assert next(found) == 1
    go_on.set()
    assert list(found) == [2]


def test_an_error_comes_after_what_was_made_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise WsssError("broken")

    found = one_ahead(items())
    assert next(found) == 1
    with pytest.raises(WsssError, match="broken"):
        next(found)


def test_two_batches_are_loaded_ahead_on_cuda(
    cuda_on_cpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_inference, "GPU_BYTES", 10 * 48 * _inference.PIXEL_BYTES)
    load = Counted()
    batches = Feed(CUDA, 2, None, 0).batches(load, IDS, Source())  # type: ignore[arg-type]
    assert [image_id for image_id, _ in next(batches)] == IDS[:10]
    assert settled(lambda: load.done, 40)  # the first, the next, and two batches more
    assert [len(batch) for batch in batches] == [10] * 5


def test_what_is_loaded_ahead_has_a_bound(
    cuda_on_cpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_inference, "AHEAD_BYTES", 12 * 3 * 48)
    load = Counted()
    batches = Feed(CUDA, 2, 20, 0).batches(load, IDS, Source())  # type: ignore[arg-type]
    next(batches)
    assert settled(lambda: load.done, 52)
    assert [len(batch) for batch in batches] == [20, 20]


def test_the_default_batch_leaves_room_for_the_scores() -> None:
    copies = [torch.empty(3, 750, 1000, device="meta"), torch.empty(3, 375, 500, device="meta")]
    at_once: Any = {}
    for scores in (0, 21, 151):
        feed = Feed(CUDA, 1, None, 0, scores)
        at_once[scores] = feed._at_once(copies, (375, 500))
        smaller = feed._at_once(copies[1:], (750, 1000))  # scores are added up at the full size
        assert smaller == at_once[scores]
        logits = at_once[scores] * 2 * 750 * 1000 * scores * 4
        assert 2 * logits < 8e9
    assert at_once == {0: 10, 21: 7, 151: 2}
    assert Feed(CUDA, 1, 5, 0, 151)._at_once(copies, (375, 500)) == 5
    assert Feed(Compute(torch.device("cpu")), 1, None, 0, 151)._at_once(copies, (375, 500)) == 1
