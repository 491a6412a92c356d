import io
import resource
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from src.images import Photo, UnreadableImageError, read_rgb, read_rgb_and_size, write_image

ORANGE = (230, 120, 40)


def orange(mode: str = "RGB", size: tuple[int, int] = (8, 6)) -> Image.Image:
    image = Image.new("RGB", size, ORANGE)
    return image.quantize() if mode == "P" else image.convert(mode)


def near(image: Image.Image, color: tuple[int, ...], tolerance: int = 6) -> bool:
    return bool(np.abs(np.asarray(image).astype(int) - color).max() <= tolerance)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.jpg", "RGB"),
        ("a.png", "RGB"),
        ("a.webp", "RGB"),
        ("a.tif", "RGB"),
        ("a.bmp", "RGB"),
        ("a.png", "P"),
        ("a.gif", "P"),
        ("a.jpg", "CMYK"),
        ("a.tif", "CMYK"),
        ("a.png", "RGBA"),
        ("a.jp2", "RGB"),
        ("a.avif", "RGB"),
        ("a.ppm", "RGB"),
    ],
)
def test_every_format_gives_the_same_rgb(tmp_path: Path, name: str, mode: str) -> None:
    orange(mode).save(tmp_path / name)
    image = read_rgb(tmp_path / name)
    assert (image.mode, image.size) == ("RGB", (8, 6))
    assert near(image, ORANGE)


def test_16_bit_grey_keeps_its_tones(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(2, axis=0)
    for name in ("a.png", "a.tif"):
        Image.fromarray(ramp).save(tmp_path / name)
        assert near(read_rgb(tmp_path / name), np.arange(256)[None, :, None], 1)  # type: ignore[arg-type]


def test_alpha_lies_over_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.new("LA", (4, 4), (0, 128)).save(tmp_path / "half.png")
    assert near(read_rgb(tmp_path / "clear.png"), (255, 255, 255), 0)
    assert near(read_rgb(tmp_path / "half.png"), (127, 127, 127), 1)


def test_palette_with_a_transparent_entry_lies_over_white(tmp_path: Path) -> None:
    image = orange("P")
    image.save(tmp_path / "a.png", transparency=image.getpixel((0, 0)))
    assert near(read_rgb(tmp_path / "a.png"), (255, 255, 255), 0)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (10, 4), "black")
    image.paste("white", (0, 0, 5, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    image.save(tmp_path / "a.png", exif=exif)
    upright = read_rgb(tmp_path / "a.png")
    assert upright.size == (4, 10)
    assert upright.getpixel((1, 0)) == (255, 255, 255)
    assert upright.getpixel((1, 9)) == (0, 0, 0)


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG"])
def test_size_and_picture_are_upright_together(tmp_path: Path, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (10, 4)).save(tmp_path / "a", form, exif=exif)
    image, size = read_rgb_and_size(tmp_path / "a")
    assert image.size == size == (4, 10)


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG"])
def test_broken_exif_spoils_no_picture(tmp_path: Path, form: str) -> None:
    Image.new("RGB", (10, 4)).save(tmp_path / "a", form, dpi=(72, 72), exif=b"Exif\0\0" + bytes(30))
    assert read_rgb(tmp_path / "a").size == (10, 4)
    [page] = Photo(tmp_path / "a").pages()
    assert page.samples.shape[:2] == (4, 10)


def test_a_jpeg_2000_whose_stream_is_larger_than_it_says_is_refused(tmp_path: Path) -> None:
    whole = imagecodecs.jpeg2k_encode(np.zeros((8, 8), np.uint16), level=0, codecformat="jp2")
    at = whole.index(b"\xff\x4f\xff\x51") + 8
    (tmp_path / "a.jp2").write_bytes(whole[:at] + 2 * b"\0\0\xea\x60" + whole[at + 8 :])
    with pytest.raises(UnreadableImageError, match="more pixels than is safe"):
        read_rgb(tmp_path / "a.jp2")


def test_a_large_jpeg_may_be_decoded_smaller_but_never_below_what_is_asked(tmp_path: Path) -> None:
    waves = np.sin(np.linspace(0, 20, 400))[:, None] * np.cos(np.linspace(0, 20, 300))[None]
    pixels = (127 + 100 * waves[..., None] * [1, -1, 0.5]).astype(np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95, exif=turned)
    whole, reduced = read_rgb(tmp_path / "a.jpg"), read_rgb(tmp_path / "a.jpg", short_side=75)
    assert (whole.size, reduced.size) == ((400, 300), (100, 75))
    assert read_rgb(tmp_path / "a.jpg", short_side=76).size == (200, 150)
    assert read_rgb(tmp_path / "a.jpg", short_side=500).size == whole.size
    difference = np.asarray(whole.resize((100, 75)), float) - np.asarray(reduced, float)
    assert np.abs(difference).mean() < 2


def test_icc_profiles_are_converted_to_srgb(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    orange().save(tmp_path / "srgb.png", icc_profile=lab)
    orange().save(tmp_path / "broken.png", icc_profile=b"no profile at all")
    assert near(read_rgb(tmp_path / "srgb.png"), ORANGE, 1)
    assert near(read_rgb(tmp_path / "broken.png"), ORANGE, 0)


def test_the_first_frame_of_an_animation_is_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (6, 6), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert near(read_rgb(tmp_path / "a.gif"), (255, 0, 0))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_is_none_turns_nothing(
    tmp_path: Path, name: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    orange().save(tmp_path / name, exif=exif)
    assert read_rgb(tmp_path / name).size == (8, 6)


def test_broken_files_say_what_is_wrong(tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(whole, "JPEG")
    (tmp_path / "truncated.jpg").write_bytes(whole.getvalue()[:-400])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "folder.jpg").mkdir()
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    faults = {
        "truncated.jpg": "truncated",
        "empty.jpg": "empty",
        "text.jpg": "not a picture",
        "folder.jpg": "not a regular file",
        "absent.jpg": "no such file",
        "float.tif": "unknown range",
    }
    for name, fault in faults.items():
        with pytest.raises(UnreadableImageError, match=fault):
            read_rgb(tmp_path / name)


def test_decompression_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orange(size=(100, 100)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4_000)
    with pytest.raises(UnreadableImageError, match="more pixels"):
        read_rgb(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6_000)  # Pillow refuses twice its limit
    assert read_rgb(tmp_path / "a.png").size == (100, 100)


def test_formats_that_start_other_programs_are_refused(tmp_path: Path) -> None:
    orange().save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.jpg")
    with pytest.raises(UnreadableImageError, match="not a picture"):
        read_rgb(tmp_path / "a.jpg")


def test_a_write_that_finds_no_room_leaves_the_old_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8))
    write_image(noise, path)
    size = path.stat().st_size
    write_image(orange(), path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_image(noise, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert near(read_rgb(path), ORANGE)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]
