"""Profiles are read by what they do, for training and colouring alike."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from src.images import Photo, eight_bit, read_rgb
from src.images.profiles import srgb
from tests.images import icc

RAMP = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
# Muted, so that none of them lies outside of sRGB's gamut.
PALETTE = np.random.default_rng(0).integers(126, 136, (16, 16, 3)).astype(np.uint8)
PALETTE += np.arange(-60, 100, 10, dtype=np.int8).astype(np.uint8)[:, None, None]
SRGB_PARAMETERS = icc.parametric(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

OF_GREY = {
    "linear": icc.grey(icc.linear),
    "linear that says sRGB": icc.grey(icc.linear, "sRGB linear", 4),
    "gamma 1.8": icc.grey(icc.gamma(1.8)),
    "gamma 2.2": icc.grey(icc.gamma(2.2), version=4),
    "dot gain": icc.grey(icc.dot_gain),
}
OF_RGB = {
    "linear that says sRGB": icc.rgb(icc.SRGB, icc.linear, "sRGB-elle-V2-g10.icc"),
    "linear, version 4": icc.rgb(icc.SRGB, icc.parametric(1.0), "Krita sRGB linear", 4),
    "Display P3": icc.rgb(icc.DISPLAY_P3, SRGB_PARAMETERS, "Display P3", 4),
    "Adobe RGB": icc.rgb(icc.ADOBE_RGB, icc.gamma(2.2), "Adobe RGB (1998)"),
    "ProPhoto": icc.rgb(icc.PRO_PHOTO, icc.gamma(1.8), "ProPhoto RGB"),
    "table": icc.table(b"RGB ", lambda rgb: icc.opponent(rgb, 60), 3),
}
OF_SRGB = {
    "sampled": icc.rgb(icc.SRGB, icc.srgb_curve, "IEC 61966-2.1"),
    "parametric": icc.rgb(icc.SRGB, SRGB_PARAMETERS, "unnamed", 4),
    "lcms": srgb(),
}


def converted(image: Image.Image, profile: bytes) -> np.ndarray:
    """What lcms makes of a picture through Pillow, which the program does not use for it."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    done = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    assert done is not None
    return np.asarray(done).astype(int)


def both_read(path: Path) -> np.ndarray:
    """Read a picture as it is coloured, after making sure that it is trained on likewise."""
    (page,) = Photo(path).pages()
    samples = page.samples if page.samples.ndim == 3 else np.dstack([page.samples] * 3)
    assert np.array_equal(np.asarray(read_rgb(path)), eight_bit(samples))
    return samples.astype(float) / (257 if samples.dtype == np.uint16 else 1)


def save(samples: np.ndarray, path: Path, profile: bytes) -> Path:
    if path.suffix == ".tif":
        kind = "rgb" if samples.ndim == 3 else "minisblack"
        tifffile.imwrite(path, samples, photometric=kind, iccprofile=profile)
    elif samples.dtype == np.uint16 and samples.ndim == 3:
        path.write_bytes(imagecodecs.png_encode(samples))
        add_chunk(path, b"iCCP", b"name\0\0" + zlib.compress(profile))
    else:
        Image.fromarray(samples).save(path, icc_profile=profile)
    return path


def add_chunk(path: Path, kind: bytes, content: bytes) -> None:
    png = path.read_bytes()
    chunk = struct.pack(">L", len(content)) + kind + content
    chunk += struct.pack(">L", zlib.crc32(kind + content))
    path.write_bytes(png[:33] + chunk + png[33:])


@pytest.mark.parametrize("kind", OF_GREY)
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "deep.png", "deep.tif"])
def test_grey_profiles_are_applied(tmp_path: Path, kind: str, name: str) -> None:
    ramp: Any = RAMP.astype(np.uint16) * 257 if "deep" in name else RAMP
    path = save(ramp, tmp_path / name, OF_GREY[kind])
    expected = converted(Image.fromarray(RAMP), OF_GREY[kind])
    assert np.abs(expected - RAMP[..., None]).max() > 3
    # JPEG moves values before they are converted, and steep curves enlarge it.
    assert np.abs(both_read(path) - expected).max() <= (8 if name == "a.jpg" else 1)


@pytest.mark.parametrize("kind", OF_RGB)
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp", "deep.png", "deep.tif"])
def test_rgb_profiles_are_applied(tmp_path: Path, kind: str, name: str) -> None:
    samples: Any = PALETTE.astype(np.uint16) * 257 if "deep" in name else PALETTE
    path = tmp_path / name
    if name == "a.webp":
        Image.fromarray(samples).save(path, lossless=True, icc_profile=OF_RGB[kind])
    else:
        save(samples, path, OF_RGB[kind])
    assert np.abs(both_read(path) - converted(Image.fromarray(PALETTE), OF_RGB[kind])).max() < 1.5


@pytest.mark.parametrize("kind", OF_RGB)
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_profiles_of_jpeg_2000_are_applied(tmp_path: Path, kind: str, depth: Any) -> None:
    samples = PALETTE.astype(depth) * (257 if depth == np.uint16 else 1)
    content = imagecodecs.jpeg2k_encode(samples, level=0, reversible=True, codecformat="jp2")
    at = content.index(b"colr") - 4
    box = struct.pack(">L4sBBB", 11 + len(OF_RGB[kind]), b"colr", 2, 0, 0) + OF_RGB[kind]
    grown = struct.pack(">L", len(box) - 15)
    header = content.index(b"jp2h") - 4
    (length,) = struct.unpack_from(">L", content, header)
    length += struct.unpack(">l", grown)[0]
    parts = [content[:header], struct.pack(">L", length), content[header + 4 : at], box]
    (tmp_path / "a.jp2").write_bytes(b"".join(parts) + content[at + 15 :])
    expected = converted(Image.fromarray(PALETTE), OF_RGB[kind])
    assert np.abs(both_read(tmp_path / "a.jp2") - expected).max() < 1.5


def test_value_64_of_linear_light_is_137_in_srgb(tmp_path: Path) -> None:
    samples = np.full((4, 4, 3), 64, np.uint8)
    path = save(samples, tmp_path / "a.png", OF_RGB["linear that says sRGB"])
    assert both_read(path) == pytest.approx(137)


@pytest.mark.parametrize("kind", OF_SRGB)
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_srgb_of_any_maker_changes_no_sample(tmp_path: Path, kind: str, depth: Any) -> None:
    samples = PALETTE.astype(depth) * (257 if depth == np.uint16 else 1)
    for own in (samples, samples[..., 0].copy()):
        (page,) = Photo(save(own, tmp_path / "a.tif", OF_SRGB[kind])).pages()
        assert np.array_equal(page.samples, own)


def test_a_grey_picture_means_the_neutrals_of_its_rgb_profile(tmp_path: Path) -> None:
    for kind, profile in OF_RGB.items():
        path = save(RAMP, tmp_path / "a.png", profile)
        expected = converted(Image.fromarray(np.dstack([RAMP] * 3)), profile)
        assert np.abs(both_read(path) - expected[..., 1:2]).max() <= 1, kind


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_cmyk_is_read_by_its_profile(tmp_path: Path, depth: Any) -> None:
    def to_lab(ink: np.ndarray) -> np.ndarray:
        return icc.opponent(1 - np.minimum(1, ink[:, :3] + ink[:, 3:]), 80)

    profile = icc.table(b"CMYK", to_lab, 4)
    ink = np.random.default_rng(1).integers(0, 256, (16, 16, 4)).astype(np.uint8)
    expected = converted(Image.fromarray(ink, "CMYK"), profile)
    stored = ink.astype(depth) * (257 if depth == np.uint16 else 1)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="separated", iccprofile=profile)
    assert np.abs(both_read(tmp_path / "a.tif") - expected).max() <= 1
    if depth == np.uint8:
        Image.fromarray(ink, "CMYK").save(
            tmp_path / "a.jpg", quality=100, subsampling=0, icc_profile=profile
        )
        assert np.abs(both_read(tmp_path / "a.jpg") - expected).mean() < 3


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("photometric", ["cielab", "icclab"])
def test_lab_is_read(tmp_path: Path, depth: Any, photometric: str) -> None:
    rgb = np.array([[[200, 60, 40], [30, 90, 160], [128, 128, 128], [250, 250, 245]]], np.uint8)
    lab = ImageCms.profileToProfile(
        Image.fromarray(rgb),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    L, ab = np.asarray(lab)[..., :1].astype(int), np.asarray(lab)[..., 1:].astype(np.int8)
    ab = ab.astype(int) + 128
    if depth == np.uint8:
        stored = np.dstack([L, ab - 128 if photometric == "cielab" else ab]).astype(np.uint8)
    elif photometric == "cielab":
        stored = np.dstack([L * 257, (ab - 128) * 256]).astype(np.uint16)
    else:
        stored = np.dstack([L * 256, ab * 256]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric)
    assert np.abs(both_read(tmp_path / "a.tif") - rgb).max() <= 6


@pytest.mark.parametrize(
    "profile",
    [b"rubbish", srgb()[:200], icc.grey(icc.linear)[:180], icc.rgb(icc.SRGB, icc.linear)[:-2000]],
)
def test_a_broken_profile_changes_nothing(tmp_path: Path, profile: bytes) -> None:
    for samples in (RAMP, PALETTE):
        path = save(samples, tmp_path / "a.png", profile)
        assert np.array_equal(
            both_read(path), samples if samples.ndim == 3 else np.dstack([samples] * 3)
        )


def test_a_grey_profile_of_a_picture_in_color_is_passed_over(tmp_path: Path) -> None:
    path = save(PALETTE, tmp_path / "a.png", icc.grey(icc.linear))
    assert np.array_equal(both_read(path), PALETTE)


def test_alpha_is_laid_over_white_after_the_conversion(tmp_path: Path) -> None:
    samples = np.dstack([np.full((4, 4, 3), 64, np.uint8), np.full((4, 4), 128, np.uint8)])
    Image.fromarray(samples).save(tmp_path / "a.png", icc_profile=OF_RGB["linear, version 4"])
    assert np.asarray(read_rgb(tmp_path / "a.png"))[0, 0, 0] == pytest.approx(
        (137 + 255) / 2, abs=1
    )


def test_a_png_may_describe_its_colors_in_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    samples = np.full((4, 4, 3), 64, np.uint8)
    rec709 = struct.pack(">8L", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    for chunks, expected in (
        ([(b"gAMA", struct.pack(">L", 100_000))], 137),
        ([(b"gAMA", struct.pack(">L", 45_455))], 64),
        ([(b"cHRM", rec709), (b"gAMA", struct.pack(">L", 100_000))], 137),
        ([(b"gAMA", struct.pack(">L", 100_000)), (b"sRGB", b"\0")], 64),
        ([(b"cICP", bytes([1, 8, 0, 1]))], 137),
        ([(b"cICP", bytes([1, 13, 0, 1])), (b"gAMA", struct.pack(">L", 100_000))], 64),
        ([(b"gAMA", bytes(4))], 64),
    ):
        Image.fromarray(samples).save(path)
        for kind, content in chunks:
            add_chunk(path, kind, content)
        assert np.abs(both_read(path) - expected).max() <= 1, chunks


def test_the_profile_in_results_does_not_say_when_it_was_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make = ImageCms.ImageCmsProfile.tobytes

    def later(profile: ImageCms.ImageCmsProfile) -> bytes:
        made = make(profile)
        return made[:24] + bytes(byte ^ 1 for byte in made[24:36]) + made[36:]

    first = srgb.__wrapped__()
    monkeypatch.setattr(ImageCms.ImageCmsProfile, "tobytes", later)
    assert srgb.__wrapped__() == first
