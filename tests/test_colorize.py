import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageOps, PngImagePlugin
from torch import Tensor

from src import color, images
from src.colorize import main
from src.colorizers import registry
from src.generators.cnn import CNN
from src.images.xmp import Packet
from src.inference import result
from src.inference.batch import Batch
from src.inference.result import Options
from tests.conftest import ROOT

Colorize = Callable[..., int]


def save_checkpoint(
    path: Path, ab: tuple[float, float] = (0.2, 0.1), mean_ab: tuple[float, float] = (0, 0)
) -> Path:
    """A network that paints everything in nearly one colour."""
    config = {"_target_": "src.generators.cnn.CNN", "base_channels": 4}
    state = {f"generator.{key}": value for key, value in CNN(4).state_dict().items()}
    state["generator.decoder.4.weight"] *= 0.3
    state["generator.decoder.4.bias"] = torch.tensor(ab)
    state["mean_ab"] = torch.tensor(mean_ab, dtype=torch.float32)
    content = {"hyper_parameters": {"generator": config, "image_size": 32}, "state_dict": state}
    torch.save(content, path)
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path / "model.ckpt")


@pytest.fixture
def colorize(checkpoint: Path) -> Colorize:
    def run(*arguments: object) -> int:
        words = [str(argument) for argument in arguments]
        is_chosen = {"--checkpoint", "--method"} & {*words}
        named = [] if is_chosen else ["--checkpoint", str(checkpoint)]
        with pytest.raises(SystemExit) as ended:
            main([*words, *named])
        return int(ended.value.code or 0)

    return run


def photo(path: Path, size: tuple[int, int] = (60, 40), **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.radial_gradient("L").resize(size).save(path, **options)
    return path


def made_in(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def lightness(path: Path) -> Tensor:
    with Image.open(path) as image:
        rgb = np.array(image.convert("RGB"))
    return color.rgb_to_lab(torch.from_numpy(rgb / 255).permute(2, 0, 1)[None])[:, 0]


def chroma(path: Path) -> float:
    with Image.open(path) as image:
        return float(np.ptp(np.asarray(image.convert("RGB")).astype(int), axis=2).mean())


@pytest.mark.parametrize("name", ["a.JPG", "a b [1].png", "a.tif", "a.webp", "a.jpeg"])
def test_a_photo_keeps_its_name_format_size_and_lightness(
    tmp_path: Path, colorize: Colorize, name: str
) -> None:
    source = photo(tmp_path / "in" / name)
    before = source.read_bytes()
    assert colorize(source, "--output", "out") == 0
    assert made_in("out") == [name]
    difference = (lightness(Path("out", name)) - lightness(source)).abs().mean()
    assert difference < (0.3 if name.lower().endswith(("jpg", "jpeg")) else 0.1)
    assert chroma(Path("out", name)) > 10
    assert source.read_bytes() == before


def test_folders_are_walked_and_their_shape_is_kept(tmp_path: Path, colorize: Colorize) -> None:
    for name in ("a.jpg", "sub/deep/b.png", "sub/c.gif", "sub/.hidden.png"):
        photo(tmp_path / "album" / name)
    (tmp_path / "album" / "notes.txt").write_text("no picture")
    out = tmp_path / "album" / "colored"
    for _ in range(2):  # what the first run made is no photo of the album
        assert colorize("album", "--output", out) == 0
    made = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert made == ["a.jpg", "sub/c.png", "sub/deep/b.png"]


def test_photos_side_by_side_are_told_of_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(8):
        photo(tmp_path / "in" / f"{i}.jpg", (300 // (i + 1), 200))
    (tmp_path / "in" / "4.jpg").write_text("no picture")
    photo(tmp_path / "in" / "5.png")  # its result would be that of 5.jpg
    said = []
    for threads, out in ((1, "one"), (2, "two")):
        options = Options(format="jpeg", provenance=False)  # which tells the time
        batch = Batch(Path(out), registry.load("zero", None), options, overwrite=False)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        batch.run([Path("in")])
        torch.set_num_threads(before)
        assert (batch.painted, batch.failed) == (7, 2)
        said.append([text.replace(f"{out}/", "out/") for text in capsys.readouterr()])
        for name in made_in(out):
            assert Path(out, name).read_bytes() == Path("one", name).read_bytes()
    assert said[0] == said[1]


def test_patterns_that_no_shell_expands_stand_for_their_files(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.jpg", "b.jpg", ".hidden.jpg", "c.png", "[d].jpg", "sub/deep/e.jpg"):
        photo(tmp_path / "in" / name)
    assert colorize("in/?.jpg", "--output", "out") == 0
    assert made_in("out") == ["a.jpg", "b.jpg"]
    assert colorize("in/[d].jpg", "in/**/*.png", "in/s*", "--output", "more") == 0
    assert sorted(path.name for path in Path("more").rglob("*.*")) == ["[d].jpg", "c.png", "e.jpg"]
    capsys.readouterr()
    assert colorize("in/*.gif", "in/c.png", "--output", "last") == 1
    assert "in/*.gif: no such file; no name matches the pattern either" in capsys.readouterr().err
    assert made_in("last") == ["c.png"]


def test_kinds_that_are_not_read_are_counted(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "in" / "a.jpg")
    photo(tmp_path / "in" / "@eaDir" / "a.jpg" / "SYNOPHOTO_THUMB_M.jpg")
    for name in ("a.cr2", "b.CR2", "c.psd", "a.xmp"):
        (tmp_path / "in" / name).touch()
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.nef").touch()
    assert colorize("in", "--output", "out") == 0
    assert "1 coloured; left out: 2 .cr2, 1 .psd" in capsys.readouterr().out
    assert made_in("out") == ["a.jpg"]
    assert colorize("raw", "--output", "out") == 1
    assert "no pictures in this folder; left out: 1 .nef" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".heic.bmp"])
def test_results_have_names_of_any_length(tmp_path: Path, colorize: Colorize, suffix: str) -> None:
    name = "ä" * ((255 - len(suffix)) // 2) + suffix
    source = photo(tmp_path / "in" / name)
    assert colorize(source, "--output", "out") == 0
    assert len(made_in("out")) == 1


def test_what_is_there_is_skipped_unless_it_is_to_be_overwritten(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    source = photo(tmp_path / "a.png")
    out = photo(tmp_path / "out" / "a.png", (9, 9))
    assert colorize(source, "--output", "out") == 0
    assert "1 were there already" in capsys.readouterr().out
    with Image.open(out) as image:
        assert image.size == (9, 9)
    assert colorize(source, "--output", "out", "--overwrite") == 0
    with Image.open(out) as image:
        assert image.size == (60, 40)


def test_one_failure_is_reported_and_the_rest_goes_on(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = photo(tmp_path / "in" / "whole.jpg").read_bytes()
    photo(tmp_path / "in" / "z.png")
    faults = {
        "empty.jpg": b"",
        "text.png": b"no picture",
        "truncated.jpg": whole[:-300],
        "truncated.png": (tmp_path / "in" / "z.png").read_bytes()[:90],
        "vector.tif": b"%PDF-1.7",
        "zeros.webp": bytes(500),
    }
    for name, content in faults.items():
        (tmp_path / "in" / name).write_bytes(content)
    assert colorize("in", "absent.png", "--output", "out") == 1
    printed = capsys.readouterr()
    for name in (*faults, "absent.png"):
        (line,) = [line for line in printed.err.splitlines() if f"{name}:" in line]
        assert len(line) > len(name) + 12
        assert "Error" not in line
    assert "Traceback" not in printed.err
    assert "2 coloured, 7 failed" in printed.out
    assert made_in("out") == ["whole.jpg", "z.png"]


def test_a_mislabelled_photo_gets_the_suffix_of_what_it_is(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "in" / "png.jpg", format="PNG")
    assert colorize("in", "--output", "out") == 0
    assert made_in("out") == ["png.png"]
    assert "in/png.jpg -> out/png.png" in capsys.readouterr().out


def test_nothing_is_overwritten_by_mistake(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    source = photo(tmp_path / "a.png")
    photo(tmp_path / "a.jpg")
    before = source.read_bytes()
    (tmp_path / "link").symlink_to(tmp_path)
    for out in (tmp_path, tmp_path / "link"):
        assert colorize(source, "--output", out, "--overwrite") == 1
        assert "is a photo itself" in capsys.readouterr().err
    assert colorize("a.png", "a.jpg", "--format", "png", "--output", "out") == 1
    assert "a.jpg: out/a.png is another photo's" in capsys.readouterr().err
    assert source.read_bytes() == before


def test_a_map_is_never_taken_for_that_of_a_photo_with_another_suffix(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "in" / "a.jpg")
    photo(tmp_path / "in" / "a.png")
    assert colorize("in", "--uncertainty", "--output", "out") == 1
    assert made_in("out") == ["a.jpg", "a_uncertainty.png"]
    assert "in/a.png: out/a_uncertainty.png is another photo's" in capsys.readouterr().err
    assert colorize("in", "--output", "out") == 0  # the other has its own name


def test_a_broken_photo_takes_no_name_from_a_good_one(tmp_path: Path, colorize: Colorize) -> None:
    photo(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.pgm").write_bytes(b"P5 60 40 255 ")
    assert colorize("in", "--output", "out") == 1
    assert made_in("out") == ["a.png"]


def test_a_folder_that_is_named_as_a_result_is_no_result(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "out" / "a.png").mkdir(parents=True)
    assert colorize("a.png", "--output", "out") == 1
    assert "out/a.png is a folder" in capsys.readouterr().err
    (tmp_path / "maps" / "a_uncertainty.png").mkdir(parents=True)
    assert colorize("a.png", "--uncertainty", "--output", "maps") == 1
    assert "maps/a_uncertainty.png is a folder" in capsys.readouterr().err


def test_an_empty_name_is_not_the_working_directory(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "a.png")
    for words in (["", "--output", "out"], ["a.png", "--output", ""]):
        assert colorize(*words) == 2
        assert "an empty name: expected a file or a folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_names_that_are_no_unicode_end_nothing(tmp_path: Path, checkpoint: Path) -> None:
    for name in (b"M\xfcller.png", b"z.png"):
        photo(tmp_path / "in" / os.fsdecode(name))
    words = ["in", "--output", "out", "--checkpoint", str(checkpoint)]
    subprocess.run(
        [sys.executable, "-m", "src.colorize", *words],
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8:strict"},
    )
    assert len(made_in("out")) == 2


def test_a_photo_that_is_named_twice_is_coloured_once(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "in" / "a.png")
    assert colorize("in/a.png", "in", "in/a.png", "--output", "out") == 0
    assert capsys.readouterr().out.count("in/a.png -> out/a.png\n") == 1


def test_a_file_in_the_way_of_a_folder_is_reported(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "in" / "sub" / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").write_text("in the way")
    assert colorize("in", "--output", "out") == 1
    assert capsys.readouterr().err == "in/sub/a.png: out/sub/a.png: File exists\n"


def test_a_folder_without_pictures_is_reported(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert colorize("empty", "--output", "out") == 1
    assert "empty: no pictures in this folder" in capsys.readouterr().err
    assert not Path("out").exists()


def test_a_folder_that_cannot_be_listed_is_told_and_the_rest_goes_on(
    tmp_path: Path,
    colorize: Colorize,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photo(tmp_path / "closed" / "a.png")
    photo(tmp_path / "b.png")
    whole = os.scandir

    def scandir(path: Any = ".") -> Any:
        if path == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return whole(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert colorize("closed", "b.png", "-o", "out") == 1
    assert capsys.readouterr().err.startswith("closed: ")
    assert made_in("out") == ["b.png"]


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["a.png"], "no --output"),
        (["a.png", "-o", "x.jpg"], "expected a folder"),
        (["a.png", "-o", "a.png"], "expected a folder"),
        (["a.png", "-o", "file"], "is a file"),
        (["a.png", "-o", "out", "--saturation", "-1"], "--saturation=-1"),
        (["a.png", "-o", "out", "--saturation", "nan"], "--saturation=nan"),
        (["a.png", "-o", "out", "--size", "3"], "--size=3"),
        (["a.png", "-o", "out", "--quality", "0"], "--quality=0"),
        (["a.png", "-o", "out", "--quality", "101"], "--quality=101"),
        (["a.png", "-o", "out", "--max-megapixels", "0"], "--max-megapixels=0"),
        (["a.png", "-o", "out", "--size", "99999"], "--size=99999"),
        (["-", "a.png"], "name it alone"),
        (["-", "-o", "out"], "name it alone"),
        (["a.png", "-o", "out", "--checkpoint", "rubbish.ckpt"], "rubbish.ckpt"),
        (["a.png", "-o", "out", "--checkpoint", "rubbish.onnx"], "rubbish.onnx"),
        (["a.png", "-o", "out", "--checkpoint", "absent.onnx"], "absent.onnx"),
        (["a.png", "-o", "out", "--checkpoint", "absent.ckpt"], "absent.ckpt"),
        (["a.png", "-o", "out", "--method", "zero", "--checkpoint", "file"], "leave one out"),
    ],
)
def test_mistakes_end_with_one_line_and_change_nothing(
    tmp_path: Path,
    colorize: Colorize,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    fault: str,
) -> None:
    photo(tmp_path / "a.png")
    for name in ("file", "rubbish.ckpt", "rubbish.onnx"):
        (tmp_path / name).write_text("rubbish")
    assert colorize(*words) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert fault in said
    assert not Path("out").exists()


def test_a_full_disk_ends_the_work_with_what_was_done(
    tmp_path: Path,
    colorize: Colorize,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for i in range(3):
        photo(tmp_path / "in" / f"{i}.png")
    write = images.write_pages

    def full(pages: Any, path: Path, *rest: Any) -> None:
        if path.name == "1.png":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(pages, path, *rest)

    monkeypatch.setattr(result, "write_pages", full)
    assert colorize("in", "--output", "out") == 1
    assert capsys.readouterr().err == (
        "error: out/1.png: No space left on device, after 1 coloured: out\n"
    )
    assert made_in("out") == ["0.png"]


def test_16_bit_grey_becomes_16_bit_color(tmp_path: Path, colorize: Colorize) -> None:
    ramp = np.linspace(5000, 60000, 2400).reshape(40, 60).astype(np.uint16)
    for name in ("a.png", "b.tif"):
        Image.fromarray(ramp).save(tmp_path / name)
        assert colorize(tmp_path / name, "--output", "out") == 0
        (page,) = images.Photo(Path("out", name)).pages()
        assert page.samples.dtype == np.uint16
        assert page.samples.shape == (40, 60, 3)
        assert len(np.unique(page.samples[..., 1])) > 2000
        rgb = torch.from_numpy(page.samples / 65535).permute(2, 0, 1)[None]
        grey = torch.from_numpy(ramp / 65535).expand(1, 3, -1, -1)
        difference = color.rgb_to_lab(rgb)[:, 0] - color.rgb_to_lab(grey)[:, 0]
        assert difference.abs().mean() < 0.001


def test_pages_are_not_lost_in_a_format_of_one(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Image.radial_gradient("L")
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page, page])
    assert colorize("a.tif", "--format", "jpeg", "--output", "out") == 1
    said = capsys.readouterr().err
    assert said == "a.tif: its 3 pages are more than a JPEG holds: choose --format tiff\n"


@pytest.mark.parametrize("form", ["jpeg", "png", "tiff"])
def test_the_format_can_be_chosen(tmp_path: Path, colorize: Colorize, form: str) -> None:
    photo(tmp_path / "a.webp")
    assert colorize("a.webp", "--format", form, "--output", "out") == 0
    (path,) = Path("out").iterdir()
    with Image.open(path) as image:
        assert str(image.format).lower() == form


def test_alpha_is_kept_and_covers_nothing(tmp_path: Path, colorize: Colorize) -> None:
    image = Image.radial_gradient("L").convert("LA")
    image.putalpha(Image.linear_gradient("L"))
    image.save(tmp_path / "a.png")
    assert colorize("a.png", "--output", "out") == 0
    with Image.open("out/a.png") as colored:
        assert colored.mode == "RGBA"
        assert list(colored.getchannel("A").getdata()) == list(image.getchannel("A").getdata())


def test_a_phones_portrait_photo_stays_upright(tmp_path: Path, colorize: Colorize) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Phone"
    photo(tmp_path / "a.jpg", (60, 40), exif=exif)
    assert colorize("a.jpg", "--output", "out") == 0
    with Image.open("out/a.jpg") as image:
        assert image.size == (40, 60)
        assert image.getexif().get(0x0112, 1) == 1
        assert image.getexif()[0x010F] == "Phone"


def hints(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))
    return path


def test_hints_lie_on_the_upright_photo_and_are_told(tmp_path: Path, colorize: Colorize) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(tmp_path / "a.png", (60, 40), exif=exif)
    hints(tmp_path / "h.csv", "x,y,color", "20,50,#2060c0", "5,5,#808080")
    assert colorize("a.png", "-o", "out", "--hints", "h.csv", "--saturation", 2) == 0
    with Image.open("out/a.png") as image:
        assert image.size == (40, 60)
        pixels = np.asarray(image.convert("RGB")).astype(int)
        assert pixels[50, 20, 2] > pixels[50, 20, 0] + 40  # where the network paints red
        assert np.ptp(pixels[5, 5]) < 6
        assert b"hints=2 by a person, from h.csv" in image.info["xmp"]


def test_hints_of_a_folder_go_by_name(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("album/a.jpg", "album/b.jpg", "album/sub/a.jpg"):
        photo(tmp_path / name)
    hints(tmp_path / "h" / "a.csv", "30,20,#2060c0")
    hints(tmp_path / "h" / "sub" / "a.csv", "30,20,#20c020")
    hints(tmp_path / "h" / "b.csv", "30,20,#20c020")
    layer = Image.new("RGBA", (60, 40))
    layer.save(tmp_path / "h" / "b.png")
    assert colorize("album", "-o", "out", "--hints", "h") == 1
    said = capsys.readouterr().err
    assert "h/b.csv and h/b.png are both hints for b.jpg: leave one there" in said
    (tmp_path / "h" / "b.csv").unlink()
    (tmp_path / "h" / "b.png").unlink()
    assert colorize("album", "-o", "out", "--hints", "h") == 0
    found = []
    for name in ("a.jpg", "b.jpg", "sub/a.jpg"):
        with Image.open(f"out/{name}") as image:
            found.append(int(np.argmax(np.asarray(image)[20, 30])))
    assert found == [2, 0, 1]


def test_hints_beside_photos_are_no_photos(tmp_path: Path, colorize: Colorize) -> None:
    photo(tmp_path / "album" / "a.jpg")
    layer = Image.new("RGBA", (60, 40))
    layer.putpixel((30, 20), (0, 0, 255, 255))
    (tmp_path / "album" / "hints").mkdir()
    layer.save(tmp_path / "album" / "hints" / "a.png")
    for given in (Path("album/hints"), tmp_path / "album" / "hints"):
        assert colorize("album", "-o", "out", "--hints", given, "--overwrite") == 0
        assert made_in("out") == ["a.jpg"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.jpg", "b.jpg", "--hints", "h.csv"], "--hints h.csv is one photo's: for several"),
        (["album", "--hints", "h.csv"], "--hints h.csv is one photo's: for several"),
        (["a.jpg", "--hints", "absent.png"], "no hints at absent.png"),
        (["a.jpg", "--method", "scribbles"], "--method scribbles spreads hints only"),
        (["album", "--hints", "album"], "--hints album holds the photos too"),
        (["a.jpg", "--hints", "empty"], "such as a.png or a.csv; there is none"),
        (["two.tif", "--hints", "h.csv"], "it has 2 pages"),
        (["a.jpg", "--hints", "a.png"], "a.png"),
    ],
)
def test_hints_that_cannot_be_meant_are_refused_in_one_line(
    tmp_path: Path,
    colorize: Colorize,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    for name in ("a.jpg", "b.jpg", "album/a.jpg"):
        photo(tmp_path / name)
    pages = [Image.new("L", (60, 40), 90)] * 2
    pages[0].save("two.tif", save_all=True, append_images=pages[1:])
    hints(tmp_path / "h.csv", "30,20,#2060c0")
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.png").write_text("no picture")
    assert colorize(*words, "-o", "out") == 1
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert not told.out
    assert not Path("out").exists()


def test_every_page_of_a_tiff_is_coloured(tmp_path: Path, colorize: Colorize) -> None:
    pages = [Image.radial_gradient("L").resize(size) for size in ((30, 20), (20, 50))]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert colorize("a.tif", "--output", "out") == 0
    made = list(images.Photo(Path("out/a.tif")).pages())
    assert [page.samples.shape for page in made] == [(20, 30, 3), (50, 20, 3)]
    assert all(np.ptp(page.samples.astype(int), axis=2).mean() > 10 for page in made)
    assert all(b"compositeWithTrained" in page.metadata.xmp for page in made)


def test_color_is_dropped_or_left_alone(
    tmp_path: Path, colorize: Colorize, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(photos / "chelsea0.jpg", tmp_path / "color.jpg")
    photo(tmp_path / "grey.jpg")
    sepia = Image.merge(
        "RGB",
        [
            Image.radial_gradient("L").point([min(255, int(v * k)) for v in range(256)])
            for k in (1.0, 0.9, 0.7)
        ],
    )
    sepia.save(tmp_path / "sepia.jpg")
    files = ("color.jpg", "grey.jpg", "sepia.jpg")
    assert colorize(*files, "--output", "out") == 0
    assert colorize(*files, "--output", "kept", "--keep-color") == 0
    assert Path("kept/color.jpg").read_bytes() == Path("color.jpg").read_bytes()
    assert "color.jpg: in colour already" in capsys.readouterr().err
    assert Path("out/color.jpg").read_bytes() != Path("color.jpg").read_bytes()
    for name in files[1:]:
        assert b"compositeWithTrained" in Path("kept", name).read_bytes()
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" tiff:Artist="A. P."/>'
        b"</rdf:RDF></x:xmpmeta>"
    )
    with Image.open("color.jpg") as image:
        image.save("own.jpg", quality=95, xmp=xmp)
    assert colorize("own.jpg", "--output", "png", "--keep-color", "--format", "png") == 0
    with Image.open("png/own.png") as image, Image.open("own.jpg") as own:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image), np.asarray(ImageOps.exif_transpose(own)))
        said = str(image.info["xmp"])
    assert "A. P." in said
    assert "Orientation" not in said  # it stands upright already
    assert "compositeWithTrained" not in said


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_less_quality_makes_fewer_bytes(
    tmp_path: Path, colorize: Colorize, photos: Path, name: str
) -> None:
    with Image.open(photos / "chelsea0.jpg") as image:
        image.convert("L").save(name, quality=95)
    sizes = []
    for words in ("", "--quality 95", "--quality 60"):
        assert colorize(name, "--output", "out", "--overwrite", *words.split()) == 0
        sizes.append(Path("out", name).stat().st_size)
        assert chroma(Path("out", name)) > 10
    assert sizes[2] < sizes[1] < sizes[0]
    with Image.open(f"out/{name}") as image:
        assert image.info["icc_profile"]
        if name == "a.jpg":
            assert image.layer[1][1:3] == image.layer[0][1:3]  # type: ignore[attr-defined]


def test_large_results_are_counted_at_the_end(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 300), dtype=np.uint8)
    Image.fromarray(noise).save("small.jpg", quality=30)
    Image.fromarray(noise).save("large.jpg", quality=99)
    assert colorize("small.jpg", "large.jpg", "--output", "out") == 0
    *_, summary, last = capsys.readouterr().out.splitlines()
    assert summary == "2 coloured: out"
    assert last.startswith(
        "1 of 2 results have over 2.5 times the bytes of their photos: --quality"
    )
    assert colorize("small.jpg", "large.jpg", "--output", "less", "--quality", "20") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 coloured: less"


def test_pictures_of_more_pixels_are_read_when_they_are_trusted(
    tmp_path: Path,
    colorize: Colorize,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    for name in ("a.png", "a.tif"):
        photo(tmp_path / name, (1200, 1000))
        assert colorize(name, "--output", "out", "--max-megapixels", "1.1") == 1
        assert "more pixels than is safe to decode (1 million)" in capsys.readouterr().err
        assert colorize(name, "--output", "out", "--max-megapixels", "1.2") == 0


@pytest.mark.slow
def test_a_large_scan_needs_its_own_bytes_and_those_of_its_colors(
    tmp_path: Path, checkpoint: Path
) -> None:
    side = 9_000
    scan = np.add.outer(np.arange(side) % 251, np.arange(side) % 5).astype(np.uint8)
    tifffile.imwrite("a.tif", scan, photometric="minisblack", compression="zlib", rowsperstrip=64)
    code = (
        "import re, sys\nfrom src.colorize import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit as ended: assert not ended.code\n"
        "print(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])"
    )
    words = ["a.tif", "-o", "out", "--checkpoint", str(checkpoint), "--max-megapixels", "400"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout.split()[-1]) * 1024 < 600e6 + 5 * side**2


def test_results_bear_the_dates_of_their_photos(
    tmp_path: Path, colorize: Colorize, photos: Path
) -> None:
    shutil.copy(photos / "chelsea0.jpg", tmp_path / "color.jpg")
    photo(tmp_path / "grey.png")
    for name in ("color.jpg", "grey.png"):
        os.utime(name, ns=(1_000_000_000_123_456_789, 1_000_000_000_123_456_789))
    assert colorize("color.jpg", "grey.png", "--keep-color", "--output", "out") == 0
    for name in ("color.jpg", "grey.png"):
        assert Path("out", name).stat().st_mtime_ns == 1_000_000_000_123_456_789


def test_what_a_format_cannot_hold_is_told(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    words = PngImagePlugin.PngInfo()
    words.add_text("Shelf", "12")
    photo(tmp_path / "a.png", pnginfo=words)
    assert colorize("a.png", "--output", "out", "--format", "jpeg") == 0
    assert capsys.readouterr().err == "a.png: a JPEG has no place for its text: Shelf\n"


def test_a_result_that_stays_grey_is_warned_of(
    tmp_path: Path, colorize: Colorize, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "a.png")
    dull = save_checkpoint(tmp_path / "dull.ckpt", (0.0, 0.0))
    assert colorize("a.png", "--output", "out", "--checkpoint", dull) == 0
    assert "stays near grey" in capsys.readouterr().err
    assert colorize("a.png", "--output", "vivid") == 0
    assert capsys.readouterr().err == ""


def test_side_by_side_shows_the_original_at_the_left(tmp_path: Path, colorize: Colorize) -> None:
    source = photo(tmp_path / "a.png")
    assert colorize("a.png", "--output", "out", "--side-by-side") == 0
    with Image.open("out/a.png") as both, Image.open(source) as original:
        assert both.size == (120, 40)
        left = np.asarray(both)[:, :60]
        assert np.array_equal(left, np.asarray(original.convert("RGB")))


def test_the_label_is_drawn_when_asked_for(tmp_path: Path, colorize: Colorize) -> None:
    photo(tmp_path / "a.png", (300, 200))
    assert colorize("a.png", "--output", "plain") == 0
    assert colorize("a.png", "--output", "marked", "--label") == 0
    plain, marked = (np.asarray(Image.open(f"{folder}/a.png")) for folder in ("plain", "marked"))
    changed = (plain != marked).any(axis=2)
    assert changed[150:, 150:].any()
    assert not changed[:150].any()


def test_a_method_colours_without_a_network_and_claims_none(
    tmp_path: Path, colorize: Colorize
) -> None:
    photo(tmp_path / "a.png")
    assert colorize("a.png", "--output", "grey", "--method", "zero") == 0
    assert (
        colorize(
            "a.png",
            "--output",
            "tinted",
            "--method",
            "constant",
            "--format",
            "jpeg",
            "--checkpoint",
            save_checkpoint(tmp_path / "b.ckpt", mean_ab=(0.1, 0.2)),
        )
        == 0
    )
    assert chroma(Path("grey/a.png")) == 0
    assert chroma(Path("tinted/a.jpg")) > 10
    said = Path("grey/a.png").read_bytes()
    assert b"colorized by model zero; " in said
    assert b"algorithmicallyEnhanced" in said
    assert b"AISystem" not in said


def test_saturation_size_and_enlarging_change_the_colors(
    tmp_path: Path, colorize: Colorize
) -> None:
    photo(tmp_path / "a.png")
    for name, words in {
        "plain": "",
        "strong": "--saturation 2",
        "grey": "--saturation 0",
        "fine": "--size 48",
        "bilinear": "--enlarge bilinear",
    }.items():
        assert colorize("a.png", "--output", name, *words.split()) == 0
    assert chroma(Path("grey/a.png")) < 1 < chroma(Path("plain/a.png")) / 5
    assert chroma(Path("strong/a.png")) > 1.3 * chroma(Path("plain/a.png"))
    made = {Path(name, "a.png").read_bytes() for name in ("plain", "fine", "bilinear")}
    assert len(made) == 3


def test_words_that_one_segment_of_a_jpeg_cannot_hold_are_kept(
    tmp_path: Path, colorize: Colorize
) -> None:
    history = "scanned, cropped, dusted; " * 8_000
    own = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="">'
        b"<dc:source>" + history.encode() + b"</dc:source></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    photo(tmp_path / "a.webp", xmp=own)
    assert colorize("a.webp", "--format", "jpeg", "--output", "jpeg") == 0
    assert colorize("jpeg/a.jpg", "--output", "again") == 0
    assert colorize("again/a.jpg", "--format", "png", "--output", "png") == 0
    assert colorize("again/a.jpg", "--no-provenance", "--output", "without") == 0
    for path, count in (("jpeg/a.jpg", 1), ("again/a.jpg", 2), ("png/a.png", 3)):
        (page,) = images.Photo(Path(path)).pages()
        packet = Packet(page.metadata.xmp, page.metadata.extended_xmp).to_bytes().decode()
        assert packet.count(history) == 1
        assert packet.count("colorized by model") == count
        if shutil.which("exiftool"):
            words = ["exiftool", "-b", "-XMP-dc:Source", "-XMP-iptcExt:DigitalSourceType", path]
            read = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            assert read.startswith(history.strip())
            assert "compositeWithTrainedAlgorithmicMedia" in read


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "deep.png", "a.webp", "a.tif", "deep.tif"])
def test_an_independent_reader_finds_what_was_done(
    tmp_path: Path, colorize: Colorize, checkpoint: Path, name: str
) -> None:
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed (Debian: libimage-exiftool-perl)")
    samples = np.arange(2400).reshape(40, 60)
    kind = np.uint16 if name.startswith("deep") else np.uint8
    exif = Image.Exif()
    exif[0x013B] = "A. Photographer"
    Image.fromarray((samples % 251).astype(kind)).save(tmp_path / name, exif=exif)
    subprocess.run(
        ["exiftool", "-q", "-overwrite_original", "-XMP-dc:Title=Nana", name], check=True
    )
    assert colorize(name, "--output", "out", "--saturation", 1.5) == 0
    assert colorize(name, "--output", "bare", "--no-provenance") == 0
    done = subprocess.run(
        ["exiftool", "-json", "-a", f"out/{name}", f"bare/{name}"],
        capture_output=True,
        text=True,
        check=True,
    )
    told, bare = json.loads(done.stdout)
    sha256 = registry.from_file(checkpoint).sha256
    assert told["DigitalSourceType"] == (
        "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
    )
    assert told["HistorySoftwareAgent"] == f"colorization {result.version()}"
    assert told["AISystemUsed"] == "colorization"
    assert told["AISystemVersionUsed"] == f"{result.version()}, model sha256:{sha256}"
    assert told["HistoryParameters"] == (
        f"colorized by model sha256:{sha256}; size=32; views=1; saturation=1.5; enlarge=guided"
    )
    assert told["HistoryWhen"][:2] == "20"
    for both in (told, bare):
        assert (both["Artist"], both["Title"]) == ("A. Photographer", "Nana")
        assert "Warning" not in both
    assert "DigitalSourceType" not in bare
    assert "HistoryAction" not in bare


def test_a_pipe_takes_and_gives_a_picture(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = io.TextIOWrapper(io.BytesIO(photo(tmp_path / "a.jpg").read_bytes()))
    given = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdin", taken)
    monkeypatch.setattr(sys, "stdout", given)
    main(["-", "--checkpoint", str(checkpoint)])
    with Image.open(given.buffer) as image:
        assert (image.format, image.size) == ("JPEG", (60, 40))
        assert b"compositeWithTrained" in image.info["xmp"]


def test_a_pipe_of_rubbish_gives_nothing_and_one_line(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"rubbish")))
    with pytest.raises(SystemExit, match="1"):
        main(["-", "--checkpoint", str(checkpoint)])
    printed = capsys.readouterr()
    assert printed.err == "error: standard input: not a picture\n"
    assert printed.out == ""


@pytest.mark.parametrize("closed", ["0<&-", ">&-"])
def test_a_closed_stream_is_told_in_words(tmp_path: Path, checkpoint: Path, closed: str) -> None:
    command = f"{sys.executable} -m src.colorize - --checkpoint {checkpoint} {closed}"
    done = subprocess.run(
        ["sh", "-c", command],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "error: - needs standard input and output, of which one is closed\n"


@pytest.mark.slow
def test_a_kill_leaves_nothing_half_written(tmp_path: Path, checkpoint: Path) -> None:
    for i in range(40):
        photo(tmp_path / "in" / f"{i:02}.png", (900, 700))
    process = subprocess.Popen(
        [sys.executable, "-m", "src.colorize", "in", "-o", "out", "--checkpoint", str(checkpoint)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    made = [path for path in Path("out").iterdir() if not path.name.startswith(".")]
    assert 0 < len(made) < 40
    for path in made:
        with Image.open(path) as image:
            image.load()


def test_nothing_heavy_is_loaded_while_a_photo_is_coloured(
    tmp_path: Path, checkpoint: Path
) -> None:
    photo(tmp_path / "a.jpg")
    code = (
        "import sys\nfrom src.colorize import main\n"
        "for own in [], sys.argv[1:]:\n"
        "    try: main(['a.jpg', '-o', 'out', '--overwrite', *own])\n"
        "    except SystemExit as ended: assert not ended.code\n"
        "heavy = {'lightning', 'pytorch_lightning', 'torchmetrics', 'wandb', 'hydra', 'omegaconf',"
        " 'matplotlib', 'skimage', 'scipy', 'gradio', 'onnxruntime', 'kornia', 'torch._dynamo'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--checkpoint", str(checkpoint)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    first, *_, last = done.stdout.splitlines()
    assert (first, last) == ("a.jpg -> out/a.jpg", "[]")


def test_options_are_what_a_person_gets_who_gives_none() -> None:
    assert Options().provenance
    assert not Options().label
