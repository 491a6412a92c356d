"""Photos as they are: every format, depth, orientation and metadatum, in and out."""

import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from src.images import Metadata, Page, Photo, UnreadableImageError, write_pages
from src.images.transfer import transfer
from tests.images.exiftool import told

RAMP = np.add.outer(np.arange(40) * 3, np.arange(60) * 2).astype(np.uint8)
DEEP = RAMP.astype(np.uint16) * 256 + 77


def only_page(path: Path) -> Page:
    (page,) = Photo(path).pages()
    return page


def save(samples: Any, path: Path, form: str, **metadata: Any) -> Path:
    alpha = metadata.pop("alpha", None)
    told = transfer(Metadata(**metadata), form).metadata
    write_pages([Page(samples, alpha, told)], path, form, samples.size)
    return path


def color(samples: np.ndarray) -> np.ndarray:
    return np.dstack([samples, samples[::-1], samples[:, ::-1]])


@pytest.mark.parametrize(
    ("form", "name"), [("PNG", "a.png"), ("TIFF", "a.tif"), ("WEBP", "a.webp")]
)
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_lossless_formats_give_back_every_sample(
    tmp_path: Path, form: str, name: str, alpha: bool, deep: bool
) -> None:
    samples = color(DEEP if deep else RAMP)
    veil = samples[..., 0].copy() if alpha else None
    page = only_page(save(samples, tmp_path / name, form, alpha=veil))
    if deep and form == "WEBP":
        samples, veil = samples // 257, None if veil is None else veil // 257
        assert np.abs(page.samples.astype(int) - samples).max() <= 1
        return
    assert page.samples.dtype == samples.dtype
    assert np.array_equal(page.samples, samples)
    assert (page.alpha is None) == (veil is None)
    assert veil is None or np.array_equal(page.alpha, veil)  # type: ignore[arg-type]


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_premultiplied_colors_are_read_as_they_look(tmp_path: Path, depth: type) -> None:
    most = np.iinfo(depth).max
    stored: Any = np.full((20, 30, 4), most // 4, depth)  # half of what alpha lets through
    stored[..., 3] = most // 2
    stored[:, :10, 3] = 0
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    page = only_page(tmp_path / "a.tif")
    assert page.alpha is not None
    np.testing.assert_array_equal(page.alpha, stored[..., 3])
    np.testing.assert_allclose(page.samples[:, 10:] / most, 0.5, atol=0.01)


def test_jpeg_is_close_of_full_color_resolution_and_lays_alpha_over_white(tmp_path: Path) -> None:
    page = only_page(save(color(DEEP), tmp_path / "a.jpg", "JPEG"))
    assert np.abs(page.samples * 257.0 - color(DEEP)).mean() < 2 * 257
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.layer[1][1:3] == image.layer[0][1:3]  # type: ignore[attr-defined]
    save(color(RAMP), tmp_path / "b.jpg", "JPEG", alpha=np.zeros_like(RAMP))
    assert only_page(tmp_path / "b.jpg").samples.min() == 255


def test_16_bit_grey_is_read_in_all_its_forms(tmp_path: Path) -> None:
    Image.fromarray(DEEP).save(tmp_path / "a.png")
    Image.fromarray(DEEP).save(tmp_path / "a.tif", compression="tiff_lzw")
    tifffile.imwrite(tmp_path / "big_endian.tif", DEEP, byteorder=">")
    tifffile.imwrite(tmp_path / "white_is_zero.tif", 65535 - DEEP, photometric="miniswhite")
    (tmp_path / "alpha.png").write_bytes(imagecodecs.png_encode(np.dstack([DEEP, DEEP])))
    for path in tmp_path.iterdir():
        page = only_page(path)
        assert np.array_equal(page.samples, DEEP), path.name
        assert (page.alpha is not None) == (path.name == "alpha.png")


@pytest.mark.parametrize("codec", ["jp2", "j2k"])
@pytest.mark.parametrize("bits", [12, 16])
def test_deep_jpeg_2000_keeps_its_depth(tmp_path: Path, codec: str, bits: int) -> None:
    for samples in (DEEP, color(DEEP)):
        stored = samples >> (16 - bits)
        encoded = imagecodecs.jpeg2k_encode(
            stored, level=0, reversible=True, codecformat=codec, bitspersample=bits
        )
        (tmp_path / "a.jp2").write_bytes(encoded)
        page = only_page(tmp_path / "a.jp2")
        assert page.samples.dtype == np.uint16
        assert np.abs(page.samples.astype(int) - samples).max() <= (16 if bits == 12 else 0)


def test_planar_and_12_bit_tiffs_are_read(tmp_path: Path) -> None:
    planes = np.moveaxis(color(DEEP), -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    assert np.array_equal(only_page(tmp_path / "a.tif").samples, color(DEEP))
    twelve = tifffile.TiffWriter(tmp_path / "b.tif")
    with twelve:
        twelve.write(DEEP >> 4, photometric="minisblack", bitspersample=12)
    assert np.abs(only_page(tmp_path / "b.tif").samples.astype(int) - DEEP).max() <= 16


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "deep.png", "a.webp", "a.tif", "deep.tif"])
def test_orientation_is_applied_once(tmp_path: Path, name: str, orientation: int) -> None:
    # One bright corner, that a viewer shows at the upper left.
    upright = np.zeros((40, 60), np.uint16 if "deep" in name else np.uint8)
    upright[:20, :30] = np.iinfo(upright.dtype).max
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, 3),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(turned)).save(tmp_path / name, exif=exif)
    page = only_page(tmp_path / name)
    assert np.abs(
        page.samples.astype(float).reshape(40, 60, -1)[..., 0] - upright
    ).mean() < 0.02 * (upright.max())
    form = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".tif": "TIFF"}[Path(name).suffix]
    again = save(
        color(page.samples.reshape(40, 60, -1)[..., 0]),
        tmp_path / f"again{name}",
        form,
        exif=page.metadata.exif,
    )
    assert only_page(again).samples.shape[:2] == (40, 60)


def test_exif_gps_and_resolution_are_kept_in_every_format(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x013B], exif[0x0112] = "Großmutter", "A. Photographer", 6
    exif.get_ifd(0x8769).update({0x9003: "1912:04:01 12:00:00", 0x829A: 0.01, 0xA001: 65535})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 13.5), 3: "E", 4: (11.0, 34.0, 30.0)})
    Image.fromarray(color(RAMP)).save(tmp_path / "source.jpg", exif=exif, dpi=(600, 600))
    page = only_page(tmp_path / "source.jpg")
    for form, name in {"JPEG": "a.jpg", "PNG": "a.png", "WEBP": "a.webp", "TIFF": "a.tif"}.items():
        again = Page(page.samples, None, transfer(page.metadata, form).metadata)
        write_pages([again], tmp_path / name, form, page.samples.size)
        found = told(tmp_path / name)
        assert found["ExifIFD:DateTimeOriginal"] == "1912:04:01 12:00:00", name
        assert found["ExifIFD:ExposureTime"] == pytest.approx(0.01)
        assert found["ExifIFD:ColorSpace"] == 1
        assert found["IFD0:Artist"] == "A. Photographer"
        assert found["Composite:GPSLatitude"] == pytest.approx(48.1370833)
        assert found.get("IFD0:Orientation", 1) == 1
        assert found["ICC_Profile:ProfileDescription"].startswith("sRGB")
        assert "Warning" not in str(found)
        (again,) = Photo(tmp_path / name).pages()
        assert again.metadata.dpi == pytest.approx((600, 600), rel=1e-3)


def test_pages_of_a_tiff_are_read_one_by_one_without_thumbnails(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(RAMP)
        file.write(RAMP[::4, ::4], subfiletype=1)
        file.write(DEEP)
        file.write(color(RAMP), photometric="rgb")
    pages = list(Photo(tmp_path / "a.tif").pages())
    assert [(page.samples.shape, page.samples.dtype) for page in pages] == [
        ((40, 60), np.dtype("u1")),
        ((40, 60), np.dtype("u2")),
        ((40, 60, 3), np.dtype("u1")),
    ]
    as_color = [
        Page(color(page.samples) if page.samples.ndim == 2 else page.samples) for page in pages
    ]
    write_pages(as_color, tmp_path / "b.tif", "TIFF", 9000)
    again = list(Photo(tmp_path / "b.tif").pages())
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(as_color, again, strict=True))


def test_tiffs_of_more_than_4_gb_keep_their_exif_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "1912:04:01 12:00:00"
    page = Page(color(RAMP), None, Metadata(exif))
    write_pages([page, page], tmp_path / "a.tif", "TIFF", 10**9)
    assert (tmp_path / "a.tif").read_bytes()[2] == 43  # BigTIFF
    found = {name.split(":")[-1]: value for name, value in told(tmp_path / "a.tif").items()}
    assert found["DateTimeOriginal"] == "1912:04:01 12:00:00"


def test_what_a_format_cannot_hold_is_refused_in_words(tmp_path: Path) -> None:
    wide = np.zeros((1, 16_384, 3), np.uint8)
    with pytest.raises(ValueError, match="16384x1 pixels are more than WEBP holds"):
        save(wide, tmp_path / "a.webp", "WEBP")
    assert list(tmp_path.iterdir()) == []


def test_a_heic_photo_is_read_and_the_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the heic extra is not installed")
    pillow_heif.from_pillow(Image.fromarray(color(RAMP))).save(tmp_path / "a.heic")
    assert Photo(tmp_path / "a.heic").format == "HEIF"
    assert np.abs(only_page(tmp_path / "a.heic").samples - color(RAMP).astype(int)).mean() < 12
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnreadableImageError, match=r"colorization\[heic\]"):
        Photo(tmp_path / "a.heic")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "deep.png", "a.webp", "a.tif", "deep.tif"])
def test_truncated_files_are_refused(tmp_path: Path, name: str) -> None:
    samples = np.random.default_rng(0).integers(0, 256, (90, 90, 3)).astype(np.uint8)
    form = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".tif": "TIFF"}[Path(name).suffix]
    whole = save(
        samples.astype(np.uint16) * 257 if "deep" in name else samples,
        tmp_path / f"whole_{name}",
        form,
    ).read_bytes()
    for share in (0.02, 0.3, 0.9):
        (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(UnreadableImageError):
            list(Photo(tmp_path / name).pages())
