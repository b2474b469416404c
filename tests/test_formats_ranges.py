"""One range for all images of more than 8 bits."""

from __future__ import annotations

import pytest

from wsss_cli.core.reading import AS_IT_IS, Reading, Span
from wsss_cli.errors import WsssError
from wsss_cli.formats.ranges import refuse_unclear, settled

DIM = [Span(412, 3000, 65535), Span(500, 3406, 65535)]


def test_nothing_is_said_where_there_are_none() -> None:
    assert settled([], AS_IT_IS, True, "t") == (AS_IT_IS, None)
    refuse_unclear([], "t")


def test_dim_images_are_refused_with_the_range_found() -> None:
    with pytest.raises(WsssError) as caught:
        settled(DIM, AS_IT_IS, False, "t.csv")
    assert str(caught.value) == (
        "t.csv: 2 images of more than 8 bits hold 412..3406 of 0..65535: 12 of 256 grey levels "
        "would be left"
    )
    assert "--range 412,3406" in str(caught.value.hint)
    assert "--range 0,65535" in str(caught.value.hint)


def test_single_bright_pixels_do_not_hide_dim_images() -> None:
    hot = [Span(9, 65535, 65535, most=(412, 3000)), Span(0, 65535, 65535, most=(500, 3406))]
    with pytest.raises(WsssError) as caught:
        settled(hot, AS_IT_IS, False, "t.csv")
    assert str(caught.value) == (
        "t.csv: 2 images of more than 8 bits hold 0..65535 of 0..65535, but 99 % of the pixels "
        "412..3406: 12 of 256 grey levels would be left"
    )
    assert "--range 412,3406" in str(caught.value.hint)
    given = Reading(range=(0, 65535))
    assert settled(hot, given, False, "t.csv")[0] == given


def test_dim_images_among_others_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    bright = Span(0, 65535, 65535, most=(30, 60000))
    assert settled([bright, bright], AS_IT_IS, False, "t.csv")[0] == AS_IT_IS
    assert capsys.readouterr().err == ""
    settled([*DIM, bright], AS_IT_IS, False, "t.csv")
    said = capsys.readouterr().err
    assert "t.csv: 2 of 3 images of more than 8 bits use less than 1/8 of 0..65535" in said


def test_values_without_a_range_of_their_own_are_refused() -> None:
    with pytest.raises(WsssError, match=r"-1\.\.0.25: which have no range of their own") as caught:
        refuse_unclear([Span(-1, 0.25, None)], "t")
    assert caught.value.hint == "pack with --range -1,0.25 to make that black to white"


def test_bright_images_are_taken_and_said() -> None:
    reading, said = settled([Span(3, 60000, 65535)], AS_IT_IS, False, "t")
    assert reading == AS_IT_IS
    assert said == "1 images of more than 8 bits hold 3..60000 of 0..65535"


def test_a_range_is_taken_and_auto_finds_it() -> None:
    given = Reading(range=(0, 4095))
    assert settled(DIM, given, False, "t")[0] == given
    assert settled(DIM, AS_IT_IS, True, "t")[0] == Reading(range=(412, 3406))
    assert settled([Span(7, 7, 65535)], AS_IT_IS, True, "t")[0] == Reading(range=(7, 8))


@pytest.mark.parametrize("ends", [(0, 1), (0, 412), (3406, 9000)])
def test_a_range_that_no_value_lies_in(ends: tuple) -> None:
    with pytest.raises(WsssError, match="none of it within --range"):
        settled(DIM, Reading(range=ends), False, "t")


def test_floats_and_integers_have_no_range_in_common() -> None:
    mixed = [*DIM, Span(0, 1, None, whole=False)]
    for auto in (True, False):
        with pytest.raises(WsssError, match="1 images hold floats and 2 integers"):
            settled(mixed, AS_IT_IS, auto, "t")
