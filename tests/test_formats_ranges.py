"""One range for all images of more than 8 bits."""

from __future__ import annotations

import numpy as np
import pytest

from wsss_cli.core.percentiles import Tally
from wsss_cli.core.reading import AS_IT_IS, Reading, Span
from wsss_cli.errors import WsssError
from wsss_cli.formats.ranges import counting, refuse_unclear, settled

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
    assert caught.value.hint == (
        "pack with --range -1,0.25 to make that black to white, or with --stretch 2,98 to leave "
        "out what is rare"
    )


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


ASKED = Reading(bands=(4, 2, 1), stretch=(25, 75))
VALUES = np.arange(24, dtype=np.uint16).reshape(2, 4, 3) * 100


def filled(*images: np.ndarray, left_out: np.ndarray | None = None) -> Tally:
    total = counting(ASKED)
    assert total is not None
    for image in images:
        own = Tally()
        own.count(image, left_out)
        total.add(own)
    return total


def test_values_are_counted_for_percentiles_alone() -> None:
    assert counting(Reading(range=(0, 9))) is None


def test_each_band_is_stretched_over_all_images() -> None:
    images = [VALUES, VALUES + np.uint16(1000)]
    spans = [Span(0, 2300, 65535), Span(1000, 3300, 65535)]
    reading, said = settled(spans, ASKED, False, "t", filled(*images))
    pooled = np.concatenate([one.reshape(-1, 3) for one in images])
    expected = np.percentile(pooled, (25, 75), axis=0).T.tolist()
    assert reading == Reading(tuple(map(tuple, expected)), None, (4, 2, 1), (25, 75))
    assert said == (
        "2 images of more than 8 bits hold 0..3300 of 0..65535; --stretch 25,75: band 4 from 975 "
        "to 2125, band 2 from 1075 to 2225, band 1 from 1175 to 2325"
    )


def test_nodata_is_said() -> None:
    gaps = np.zeros(VALUES.shape, bool)
    gaps[0] = True
    _, said = settled([Span(0, 2300, 65535)], ASKED, False, "t", filled(VALUES, left_out=gaps))
    assert str(said).endswith("; 50 % nodata, read as 0")


def test_a_stretch_is_for_images_of_one_kind() -> None:
    spans = [Span(0, 2300, 65535)]
    with pytest.raises(WsssError, match="2 images have 8 bits and 1 more"):
        settled(spans, ASKED, False, "t", filled(VALUES), narrow=2)
    plain = Reading(stretch=(25, 75))
    grey = filled(VALUES, VALUES[..., :1])
    with pytest.raises(WsssError, match="1 of 1 and 1 of 3 bands") as caught:
        settled(spans * 2, plain, False, "t", grey)
    assert "--bands" in str(caught.value.hint)
    with pytest.raises(WsssError, match="1 images hold floats and 1 integers"):
        settled([*spans, Span(0, 1, None, whole=False)], ASKED, False, "t", filled(VALUES, VALUES))


def test_a_band_that_cannot_be_stretched() -> None:
    values = VALUES.copy()
    values[..., 1] = 7
    with pytest.raises(WsssError, match="the percentiles 25 and 75 of band 2 are both 7"):
        settled([Span(0, 2300, 65535)], ASKED, False, "t", filled(values))
    gaps = np.zeros(VALUES.shape, bool)
    gaps[..., 2] = True
    with pytest.raises(WsssError, match="band 1 of all images is nodata"):
        settled([Span(0, 2300, 65535)], ASKED, False, "t", filled(VALUES, left_out=gaps))


def test_a_stretch_of_8_bit_images_is_said_to_change_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert settled([], ASKED, False, "t", counting(ASKED), 3) == (Reading(bands=(4, 2, 1)), None)
    assert "no image has more than 8 bits: --stretch changes none" in capsys.readouterr().err
