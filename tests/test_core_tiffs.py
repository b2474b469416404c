"""TIFFs that Pillow would not give whole: what is decoded is what was written, or refused."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tifffile
from rasters import tiff

from wsss_cli.core.images import decode_image, examine, image_size, is_wide
from wsss_cli.core.percentiles import Tally
from wsss_cli.core.raster import tiff_tags
from wsss_cli.core.reading import AS_IT_IS, Reading
from wsss_cli.core.tiffs import EXTRA_WANTED, TiffPixels, beyond_pillow, is_ranged, size_of

H, W = 9, 12
RNG = np.random.default_rng(0)
SIXTEEN = RNG.integers(1, 65536, (H, W, 4)).astype(np.uint16)
FLOATS = RNG.normal(0, 100, (H, W, 4)).astype(np.float32)
NODATA, TURN, MASK_PAGE = 42113, 274, 4


def written(values: np.ndarray, **options: Any) -> bytes:
    """A TIFF as tifffile writes it, of (H, W, bands); `tags` are further ones."""
    stream, tags = io.BytesIO(), options.pop("tags", ())
    options = {"photometric": "minisblack", "planarconfig": "contig", **options}
    if values.shape[2] == 1:
        values, options["planarconfig"] = values[..., 0], None
    elif options["planarconfig"] == "separate":
        values = np.moveaxis(values, -1, 0)
    tifffile.imwrite(stream, values, metadata=None, extratags=tags, **options)
    return stream.getvalue()


def entry(data: bytes | bytearray, tag: int) -> int:
    """Where a tag of one number stands."""
    known = [struct.pack("<HHI", tag, kind, 1) for kind in (3, 4)]
    return next(data.index(one) for one in known if one in data)


def ranged(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """The reference: a plain formula in float64."""
    plain = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.broadcast_to(np.rint(np.clip(plain, 0, 255)).astype(np.uint8), (H, W, 3))


def made(kind: str, bands: int) -> np.ndarray:
    rng = np.random.default_rng(bands)
    if kind[0] == "f":
        return rng.normal(0, 100, (H, W, bands)).astype(kind)
    ends = np.iinfo(kind)
    return rng.integers(ends.min, ends.max, (H, W, bands), dtype=kind, endpoint=True)


# How bands lie, compression and predictor, tiles, order of bytes.
LAYOUTS = [
    ("contig", None, False, None, "<"),
    ("contig", None, False, (16, 16), ">"),
    ("contig", "lzw", True, None, ">"),
    ("contig", "deflate", True, (16, 16), "<"),
    ("separate", None, False, None, "<"),
    ("separate", "lzw", False, (16, 16), ">"),
    ("separate", "deflate", True, None, ">"),
    ("separate", "zstd", False, None, "<"),
]


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"])
@pytest.mark.parametrize("bands", [1, 2, 4])
def test_what_is_decoded_is_what_was_written(kind: str, bands: int) -> None:
    values = made(kind, bands)
    narrow = kind == "u1"
    low, high = np.percentile(values.astype(np.float64), (10, 90))
    for planes, compression, predicted, tile, order in LAYOUTS:
        for colours in ("minisblack", "rgb") if bands > 2 else ("minisblack",):
            data = written(
                values,
                photometric=colours,
                planarconfig=planes,
                compression=compression,
                predictor=predicted,
                tile=tile,
                byteorder=order,
            )
            for chosen in ((bands,), (bands, 1, 2)) if bands > 2 else ((bands,),):
                ends = None if narrow else (float(low), float(high))
                found = decode_image(data, Reading(range=ends, bands=chosen))
                taken = values[..., [one - 1 for one in chosen]]
                expected = np.broadcast_to(taken, (H, W, 3)) if narrow else ranged(taken, low, high)
                np.testing.assert_array_equal(found, expected)
            assert (image_size(data), is_wide(data)) == ((H, W), not narrow)


def test_bands_beside_the_colours_need_a_choice() -> None:
    for data in (written(SIXTEEN), written(SIXTEEN, planarconfig="separate"), written(FLOATS)):
        for function in (decode_image, examine):
            with pytest.raises(ValueError, match=r"^4 .*bands of \d+ bits: choose with"):
                function(data)


def test_colours_of_any_numbers_need_no_choice() -> None:
    found = decode_image(written(FLOATS[..., :3], photometric="rgb"), Reading(range=(-100, 100)))
    np.testing.assert_array_equal(found, ranged(FLOATS[..., :3], -100, 100))


def test_signed_numbers_need_a_range() -> None:
    values = made("i1", 1)
    with pytest.raises(ValueError, match="have no fixed range: pack's --range says it"):
        decode_image(written(values))
    found = decode_image(written(values), Reading(range=(-128, 127)))
    np.testing.assert_array_equal(found, ranged(values, -128, 127))


def test_a_band_that_is_not_there() -> None:
    for bands in ((9,), (1, 2, 5)):
        with pytest.raises(ValueError, match=r"4 bands of 16 bits, .* asks for number"):
            decode_image(written(SIXTEEN), Reading(bands=bands))


def test_white_as_0_is_turned() -> None:
    for kind in ("u1", "u2"):
        values = made(kind, 2)
        data = written(values, photometric="miniswhite")
        top = np.iinfo(kind).max
        found = decode_image(data, Reading(bands=(2,), range=None if kind == "u1" else (0, top)))
        np.testing.assert_array_equal(found, ranged(top - values[..., 1:].astype(int), 0, top))
    with pytest.raises(ValueError, match="whose 0 is white"):
        decode_image(written(FLOATS, photometric="miniswhite"), Reading(bands=(1,), range=(0, 1)))


@pytest.mark.parametrize("turn", range(1, 9))
def test_it_is_turned_as_its_tag_says(turn: int) -> None:
    values = SIXTEEN[..., [3]]
    whole = np.asarray(decode_image(written(values), Reading(range=(0, 65535))))
    data = written(SIXTEEN, tags=[(TURN, "H", 1, turn, True)])
    turns = {
        1: whole, 2: whole[:, ::-1], 3: whole[::-1, ::-1], 4: whole[::-1],
        5: whole.transpose(1, 0, 2), 6: np.rot90(whole, -1), 8: np.rot90(whole),
        7: np.rot90(whole, 2).transpose(1, 0, 2),
    }  # fmt: skip
    reading = Reading(range=(0, 65535), bands=(4,))
    np.testing.assert_array_equal(decode_image(data, reading), turns[turn])
    assert image_size(data) == examine(data, reading)[0] == turns[turn].shape[:2]


def test_alpha_of_greys_is_asked_for_and_of_floats_refused() -> None:
    values = SIXTEEN[..., :2].copy()
    values[0, 0, 1], values[0, 1, 1] = 0, 65535
    data = written(values, extrasamples=["unassalpha"])
    with pytest.raises(ValueError, match="transparent"):
        decode_image(data, Reading(range=(0, 65535)))
    found = decode_image(data, Reading(range=(0, 65535), alpha="black"))
    assert found[0, 0].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(found[0, 1], ranged(values[..., :1], 0, 65535)[0, 1])
    for extra, numbers in (("unassalpha", FLOATS[..., :2]), ("assocalpha", values)):
        with pytest.raises(ValueError, match="alpha"):
            decode_image(written(numbers, extrasamples=[extra]), Reading(range=(0, 1)))


STRETCHED = Reading(bands=(4, 1, 2), stretch=(2, 98))


def test_nodata_does_not_count_and_becomes_0() -> None:
    for value, values in (("0", SIXTEEN), ("nan", FLOATS), ("-3.4028234663852886e+38", FLOATS)):
        values = values.copy()
        gaps = RNG.random(values.shape) < 0.3
        values[gaps] = float(value)
        data = written(values, tags=[(NODATA, "s", 0, value, True)])
        own, total = Tally(), Tally()
        _, span = examine(data, STRETCHED, own)
        total.add(own)
        assert span is not None
        taken, left = values[..., [3, 0, 1]], ~gaps[..., [3, 0, 1]]
        assert (span.low, span.high) == (taken[left].min(), taken[left].max())
        assert total.empty == (~left).sum()
        pairs = tuple(tuple(total.percentiles(band, (2, 98)) or ()) for band in range(3))
        for band in range(3):
            expected = np.percentile(taken[..., band][left[..., band]].astype(np.float64), (2, 98))
            assert pairs[band] == pytest.approx(expected, rel=1e-3)
        found = decode_image(data, Reading(pairs, bands=(4, 1, 2), stretch=(2, 98)))
        for band, (low, high) in enumerate(pairs):
            shown = ranged(np.where(left, taken, low)[..., [band]], low, high)[..., 0]
            np.testing.assert_array_equal(found[..., band], shown)
        assert (found[~left] == 0).all()


def test_without_a_stretch_nodata_is_a_number() -> None:
    values = FLOATS.copy()
    values[0, 0, 0] = np.nan
    data = written(values, tags=[(NODATA, "s", 0, "nan", True)])
    with pytest.raises(ValueError, match="no numbers"):
        decode_image(data, Reading(range=(0, 1), bands=(1,)))


@pytest.mark.parametrize("bands", [1, 4])
def test_a_mask_in_the_file_is_nodata(bands: int) -> None:
    inside = RNG.random((H, W)) < 0.6
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        one, planes = (SIXTEEN[..., 0], None) if bands == 1 else (SIXTEEN, "contig")
        file.write(one, photometric="minisblack", planarconfig=planes, metadata=None)
        file.write(inside, photometric="mask", subfiletype=MASK_PAGE, metadata=None)
    reading = Reading(((100, 60000),), bands=(1,), stretch=(0, 100))
    own = Tally()
    examine(stream.getvalue(), reading, own)
    assert (own.pixels, own.empty) == (H * W, (~inside).sum())
    found = decode_image(stream.getvalue(), reading)
    expected = np.where(inside[..., None], ranged(SIXTEEN[..., [0]], 100, 60000), 0)
    np.testing.assert_array_equal(found, expected)


def test_an_image_of_nodata_alone_is_black() -> None:
    data = written(np.zeros_like(SIXTEEN), tags=[(NODATA, "s", 0, "0", True)])
    own = Tally()
    _, span = examine(data, STRETCHED, own)
    assert span is not None
    assert own.empty == own.pixels
    pairs = ((5, 9),) * 3
    assert not decode_image(data, Reading(pairs, bands=(4, 1, 2), stretch=(2, 98))).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_numbers_that_are_no_nodata_are_refused(bad: float) -> None:
    values = FLOATS.copy()
    values[3, 2, 0] = bad
    data = written(values, tags=[(NODATA, "s", 0, "-9999", True)])
    with pytest.raises(ValueError, match="infinite, or no numbers"):
        examine(data, STRETCHED, Tally())
    with pytest.raises(ValueError, match="infinite, or no numbers"):
        decode_image(data, Reading(((0, 1),), bands=(1,), stretch=(2, 98)))


@pytest.mark.parametrize("options", [{}, {"compression": "deflate", "rowsperstrip": 2}])
def test_what_is_cut_short_is_refused(options: dict) -> None:
    data = written(SIXTEEN, **options)
    reading = Reading(bands=(4,), range=(0, 9))
    assert decode_image(data, reading).any()
    for part in (0.3, 0.6, 0.9):
        cut = data[: int(len(data) * part)]
        for function in (decode_image, examine):
            with pytest.raises(ValueError, match=r"cut short|damaged|cannot"):
                function(cut, reading)


def test_strips_that_are_missing_are_refused() -> None:
    data = bytearray(written(SIXTEEN, rowsperstrip=3))
    place = entry(data, 278)
    data[place + 8 : place + 12] = struct.pack("<I", 1)  # of one row each, three of nine
    for bands in ((1,), (4,)):
        with pytest.raises(ValueError, match="a part of its pixels is not there"):
            decode_image(bytes(data), Reading(bands=bands, range=(0, 9)))


@pytest.mark.parametrize(
    ("tag", "value", "reason"),
    [
        (256, 10**9, "more than 179 million pixels"),
        (257, 10**9, "more than 179 million pixels"),
        (257, 10**6, "not there"),
        (277, 60000, "not there|bands|damaged|GB"),
    ],
)
def test_sizes_that_are_not_true(tag: int, value: int, reason: str) -> None:
    data = bytearray(written(np.repeat(SIXTEEN, 2, axis=2)))
    place = entry(data, tag)
    data[place : place + 12] = struct.pack("<HHII", tag, 4, 1, value)
    with pytest.raises(ValueError, match=reason):
        decode_image(bytes(data), Reading(bands=(8,), range=(0, 9)))


def test_layers_are_refused() -> None:
    stream = io.BytesIO()
    tifffile.imwrite(
        stream, np.zeros((16, 16, 16, 4), np.uint16), volumetric=True, tile=(16, 16, 16),
        photometric="minisblack", planarconfig="contig", metadata=None,
    )  # fmt: skip
    with pytest.raises(ValueError, match="16 layers"):
        decode_image(stream.getvalue(), Reading(bands=(4,), range=(0, 9)))


def test_numbers_that_are_no_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="save it as RGB or grey"):
        decode_image(written(FLOATS.astype(np.complex64)), Reading(bands=(1,), range=(0, 9)))


def test_pages_are_refused() -> None:
    data = tiff(SIXTEEN, pages=(0, 0))
    with pytest.raises(ValueError, match="a TIFF of 2 pages"):
        decode_image(data, Reading(bands=(4,), range=(0, 9)))


def test_what_pillow_gives_is_left_to_it() -> None:
    for values in (SIXTEEN[..., :1], SIXTEEN[..., :1] >> 8, FLOATS[..., :1]):
        assert beyond_pillow(written(values)) is None
    for values in (SIXTEEN[..., :3], (SIXTEEN[..., :3] >> 8).astype(np.uint8)):
        assert beyond_pillow(written(values, photometric="rgb")) is None
    assert beyond_pillow(b"no TIFF") is None
    rgbn = written((SIXTEEN >> 8).astype(np.uint8), photometric="rgb", extrasamples=["unspecified"])
    assert beyond_pillow(rgbn, Reading(bands=(1, 2, 3))) is None
    assert beyond_pillow(rgbn, Reading(bands=(4,))) is not None


def test_facts_of_a_tiff() -> None:
    data = written(SIXTEEN)
    tags = beyond_pillow(data)
    assert tags is not None
    assert (size_of(tags), is_ranged(tags)) == ((W, H), True)
    pixels = TiffPixels(data, tags, Reading(bands=(2,)))
    assert (pixels.height, pixels.width, pixels.wide, pixels.plain) == (H, W, True, False)
    ((top, values, alpha, gaps),) = pixels.strips()
    assert (top, alpha, gaps) == (0, None, None)
    np.testing.assert_array_equal(values, SIXTEEN[..., [1]])
    narrow = tiff_tags(written((SIXTEEN >> 8).astype(np.uint8)))
    assert narrow is not None
    assert not is_ranged(narrow)


def test_imagecodecs_is_named_where_it_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    reading = Reading(bands=(4,), range=(0, 9))
    with pytest.raises(ValueError, match="16 bits needs imagecodecs, which is not installed"):
        decode_image(written(SIXTEEN, compression="lzw"), reading)
    assert decode_image(written(SIXTEEN), reading).any()


def test_tifffile_is_named_where_it_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tifffile", None)
    data = written(SIXTEEN)
    with pytest.raises(ValueError, match=r"4 bands of 16 bits needs tifffile") as caught:
        decode_image(data, Reading(bands=(4,), range=(0, 9)))
    assert EXTRA_WANTED in str(caught.value)
    with pytest.raises(ValueError, match="--bands"):  # which is said first
        decode_image(data, AS_IT_IS)


def test_ordinary_files_do_not_load_tifffile() -> None:
    code = (
        "import io, sys; from PIL import Image; from wsss_cli.core.images import decode_image\n"
        "for kind in ('PNG', 'JPEG', 'TIFF'):\n"
        "    stream = io.BytesIO(); Image.new('RGB', (4, 4)).save(stream, kind)\n"
        "    decode_image(stream.getvalue())\n"
        "sys.exit('tifffile' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
