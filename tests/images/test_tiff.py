"""TIFF and DNG: the picture, not its thumbnail, and at its own depth."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from src.images import Page, Photo, UnreadableImageError, read_rgb

RAMP = np.add.outer(np.arange(40) * 3, np.arange(60) * 2).astype(np.uint8)
DEEP = RAMP.astype(np.uint16) * 256 + 77
COLOR = np.dstack([RAMP, RAMP[::-1], RAMP[:, ::-1]])
CFA, LINEAR_RAW = 32803, 34892


def only_page(path: Path) -> Page:
    (page,) = Photo(path).pages()
    return page


def with_preview(path: Path, picture: np.ndarray, **options: Any) -> Path:
    """Write as cameras and scanners do: a reduced copy first, and the picture below it."""
    with tifffile.TiffWriter(path) as file:
        file.write(COLOR[::4, ::4].copy(), photometric="rgb", subfiletype=1, subifds=1)
        file.write(picture, **options)
    return path


@pytest.mark.parametrize("name", ["a.tif", "a.dng"])
@pytest.mark.parametrize("picture", [RAMP, DEEP, COLOR, COLOR.astype(np.uint16) * 257])
@pytest.mark.parametrize("compression", [None, "zlib", "jpeg"])
def test_a_picture_below_its_thumbnail_is_read(
    tmp_path: Path, name: str, picture: np.ndarray, compression: str | None
) -> None:
    if compression == "jpeg" and picture.dtype == np.uint16:
        pytest.skip("JPEG of 16 bits does not exist")
    kind = "rgb" if picture.ndim == 3 else "minisblack"
    path = with_preview(tmp_path / name, picture, photometric=kind, compression=compression)
    assert Photo(path).sizes == [(60, 40)]
    page = only_page(path)
    assert page.samples.dtype == picture.dtype
    assert np.abs(page.samples.astype(int) - picture).mean() < (4 if compression == "jpeg" else 0.1)
    assert read_rgb(path).size == (60, 40)


def test_a_thumbnail_above_a_picture_says_what_it_is(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        tags = [(271, 2, 5, b"Nikon", True), (274, 3, 1, 6, True)]
        small = COLOR[::4, ::4].copy()
        file.write(small, photometric="rgb", subfiletype=1, subifds=1, extratags=tags)
        file.write(COLOR, photometric="rgb")
    page = only_page(tmp_path / "a.tif")
    assert page.samples.shape == (60, 40, 3)
    assert page.metadata.exif[271] == "Nikon"


def test_a_thumbnail_that_comes_first_is_no_page(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(RAMP[::4, ::4].copy(), subfiletype=1)
        file.write(RAMP)
        file.write(DEEP)
    assert [page.samples.dtype for page in Photo(tmp_path / "a.tif").pages()] == [
        np.uint8,
        np.uint16,
    ]
    assert read_rgb(tmp_path / "a.tif").size == (60, 40)


def test_reduced_copies_below_a_picture_are_no_pages(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(DEEP, subifds=2)
        file.write(DEEP[::2, ::2].copy(), subfiletype=1)
        file.write(DEEP[::4, ::4].copy(), subfiletype=1)
    assert np.array_equal(only_page(tmp_path / "a.tif").samples, DEEP)


def test_a_larger_picture_below_a_small_one_that_claims_to_be_whole_is_it(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(RAMP[::4, ::4].copy(), subifds=1)
        file.write(DEEP)
    assert np.array_equal(only_page(tmp_path / "a.tif").samples, DEEP)


def test_a_file_of_nothing_but_a_reduced_page_is_read(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RAMP, subfiletype=1)
    assert np.array_equal(only_page(tmp_path / "a.tif").samples, RAMP)


@pytest.mark.parametrize("photometric", [CFA, LINEAR_RAW])
@pytest.mark.parametrize("name", ["a.dng", "a.tif", "a.nef", "a.arw"])
def test_camera_raw_is_to_be_developed_first(tmp_path: Path, photometric: int, name: str) -> None:
    picture = DEEP if photometric == CFA else np.dstack([DEEP] * 3)
    path = with_preview(tmp_path / name, picture, photometric=photometric)
    for read in (Photo, read_rgb):
        with pytest.raises(UnreadableImageError, match="camera raw: develop it first"):
            read(path)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a.cr3", b"\0\0\0\x18ftypcrx "),
        ("a.raf", b"FUJIFILMCCD-RAW 0201"),
        ("a.orf", b"IIRO\x08\0"),
        ("a.rw2", b"IIU\0\x18\0"),
        ("a.x3f", b"FOVb"),
        ("a.tif", b"II*\0\x10\0\0\0CR\x02\0"),
        ("a.kdc", b"anything"),
        ("A.NEF", b"anything"),
    ],
)
def test_camera_raw_of_other_kinds_is_to_be_developed_first(
    tmp_path: Path, name: str, head: bytes
) -> None:
    (tmp_path / name).write_bytes(head + bytes(2000))
    with pytest.raises(UnreadableImageError, match="camera raw: develop it first"):
        Photo(tmp_path / name)


def test_raw_of_which_only_the_preview_can_be_read_is_to_be_developed_first(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.nef", COLOR, photometric="rgb", subfiletype=1)
    with pytest.raises(UnreadableImageError, match="camera raw"):
        Photo(tmp_path / "a.nef")


@pytest.mark.parametrize("associated", [False, True])
def test_16_bit_grey_with_alpha_is_read(tmp_path: Path, associated: bool) -> None:
    veil = np.full_like(DEEP, 32768)
    kind = "assocalpha" if associated else "unassalpha"
    stored = np.dstack([DEEP // 2 if associated else DEEP, veil])
    for compression in (None, "zlib"):
        tifffile.imwrite(
            tmp_path / "a.tif",
            stored,
            photometric="minisblack",
            planarconfig="contig",
            extrasamples=[kind],
            compression=compression,
        )
        page = only_page(tmp_path / "a.tif")
        assert np.abs(page.samples.astype(int) - DEEP).max() <= (2 if associated else 0)
        assert page.alpha is not None
        assert np.array_equal(page.alpha, veil)
        white = np.asarray(read_rgb(tmp_path / "a.tif"))[..., 0].astype(float)
        assert np.abs(white - (DEEP / 257 + 255) / 2).max() <= 1


def test_16_bit_cmyk_keeps_its_depth(tmp_path: Path) -> None:
    ink = np.zeros((40, 60, 4), np.uint16)
    ink[..., :3] = DEEP[..., None]
    for planar in ("contig", "separate"):
        stored = ink if planar == "contig" else np.moveaxis(ink, -1, 0)
        tifffile.imwrite(tmp_path / "a.tif", stored, photometric="separated", planarconfig=planar)
        page = only_page(tmp_path / "a.tif")
        assert page.samples.dtype == np.uint16
        assert np.abs(page.samples.astype(int) - (65535 - DEEP[..., None].astype(int))).max() <= 1


def test_every_storage_of_8_bits_is_read(tmp_path: Path) -> None:
    image = Image.fromarray(COLOR)
    stored: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "lzw": (image, {"compression": "tiff_lzw"}),
        "packbits": (image, {"compression": "packbits"}),
        "deflate": (image, {"compression": "tiff_adobe_deflate"}),
        "jpeg": (image, {"compression": "jpeg", "quality": 95}),
        "ycbcr": (image.convert("YCbCr"), {"compression": "tiff_lzw"}),
        "palette": (image.quantize(256), {}),
        "cmyk": (image.convert("CMYK"), {}),
        "rgba": (image.convert("RGBA"), {}),
    }
    for name, (own, options) in stored.items():
        own.save(tmp_path / f"{name}.tif", **options)
        assert np.abs(only_page(tmp_path / f"{name}.tif").samples - COLOR.astype(int)).mean() < 8, (
            name
        )


@pytest.mark.parametrize("compression", ["raw", "group3", "group4"])
def test_line_art_is_read(tmp_path: Path, compression: str) -> None:
    lines = Image.fromarray(RAMP > 100)
    lines.save(tmp_path / "a.tif", compression=compression)
    assert np.array_equal(only_page(tmp_path / "a.tif").samples, (RAMP > 100) * np.uint8(255))


def test_selections_that_photoshop_keeps_are_not_transparency(tmp_path: Path) -> None:
    rgba = np.dstack([COLOR, np.zeros_like(RAMP)])
    tag = (34377, 7, 12, b"8BIM\x03\xed\0\0\0\0\0\0", True)
    tifffile.imwrite(
        tmp_path / "a.tif", rgba, photometric="rgb", extrasamples=["unspecified"], extratags=[tag]
    )
    page = only_page(tmp_path / "a.tif")
    assert page.alpha is None
    assert np.array_equal(page.samples, COLOR)


def test_samples_of_no_known_range_are_refused_in_one_line(tmp_path: Path) -> None:
    for kind in (np.float32, np.int16, np.uint32):
        tifffile.imwrite(tmp_path / "a.tif", RAMP.astype(kind))
        with pytest.raises(UnreadableImageError, match="unknown range"):
            read_rgb(tmp_path / "a.tif")


def test_tiffs_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "tile.tif", RAMP, tile=(64, 64), compression="zlib")
    content = bytearray((tmp_path / "tile.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "tile.tif") as file:
        tags = file.pages[0].aspage().tags
        for tag in (322, 323):  # the tile's width and length
            struct.pack_into("<H", content, tags[tag].valueoffset, 60_000)
    (tmp_path / "tile.tif").write_bytes(content)
    spectra = np.zeros((4, 5, 40), np.uint8)
    tifffile.imwrite(tmp_path / "b.tif", spectra, photometric="minisblack", planarconfig="contig")
    for name, said in (("tile.tif", "more pixels"), ("b.tif", "40 samples a pixel")):
        with pytest.raises(UnreadableImageError, match=said):
            read_rgb(tmp_path / name)


def test_pages_that_point_at_each_other_end(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RAMP)
    content = bytearray((tmp_path / "a.tif").read_bytes())
    (offset,) = struct.unpack_from("<L", content, 4)
    (count,) = struct.unpack_from("<H", content, offset)
    struct.pack_into("<L", content, offset + 2 + 12 * count, offset)
    (tmp_path / "a.tif").write_bytes(content)
    assert np.array_equal(next(Photo(tmp_path / "a.tif").pages()).samples, RAMP)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (1, 7, 3), (7, 1, 3), (3, 3, 3)])
def test_lines_of_one_pixel_are_pictures_too(tmp_path: Path, shape: tuple[int, ...]) -> None:
    samples = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    kind = "rgb" if len(shape) == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric=kind, planarconfig="contig")
    assert np.array_equal(only_page(tmp_path / "a.tif").samples, samples)


def test_bombs_are_refused_below_a_thumbnail_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_preview(tmp_path / "a.tif", RAMP, photometric="minisblack")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_100)
    with pytest.raises(UnreadableImageError, match="more pixels"):
        next(Photo(path).pages())
