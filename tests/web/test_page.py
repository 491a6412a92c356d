"""The web page, in a real browser and as an intruder would use it."""

import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import src.web
from src import demo
from src.colorizers import registry
from src.inference.result import Options
from src.web import sitting
from src.web.sitting import Sitting
from tests.browser import Browser
from tests.colorizers.test_proposals import save_unsure
from tests.conftest import ROOT
from tests.test_colorize import save_checkpoint

gradio = pytest.importorskip("gradio", reason="the demo extra is not installed")


class Served:
    """A page that is served while tests run."""

    def __init__(self, address: str, folder: Path, app: Any) -> None:
        self.address, self.folder, self.app = address, folder, app
        (self.color,) = (i for i, function in app.fns.items() if function.api_name == "color")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("page")
    models = {
        name: registry.from_file(save_checkpoint(place / f"{name}.ckpt", ab))
        for name, ab in {"red": (0.3, 0.1), "blue": (0.0, -0.4)}.items()
    }
    models["unsure"] = registry.from_file(save_unsure(place / "unsure.ckpt"))
    models["zero"] = registry.load("zero", None)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("GRADIO_TEMP_DIR", folder)
        monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        from src.web import page

        monkeypatch.setattr(page, "MAX_BYTES", 3_000_000)
        app = page.build(models, Path(folder))
        yield Served(page.launch(app, 0), Path(folder), app)
        app.close()


def grey(path: Path, size: tuple[int, int] = (300, 200)) -> Path:
    exif = Image.Exif()
    exif[0x013B] = "A. Photographer"
    Image.radial_gradient("L").resize(size).save(path, exif=exif)
    return path


def header_of(width: int, height: int) -> bytes:
    """A PNG that claims to be that large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


def give(page: Any, path: Path, box: str = "photo") -> None:
    page.wait_for_selector("img[src*='cat.jpg']")  # before, the page may not listen
    page.set_input_files(f"#{box} input[type=file]", path)


READY = "button:has-text('Download at full size'):visible"


def test_a_photo_is_coloured_slid_over_and_downloaded(
    served: Served, browser: Browser, tmp_path: Path
) -> None:
    photo = grey(tmp_path / "grandma.jpg")
    with browser.visit(served.address) as visit:
        page = visit.page
        give(page, photo)
        page.wait_for_selector(READY)
        handle = page.wait_for_selector(".slider-wrap img, [data-testid=slider] img, .inner")
        before = page.screenshot()
        box = handle.bounding_box() or page.locator("img").first.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2 - 150, box["y"] + box["height"] / 2, steps=5)
        page.mouse.up()
        assert page.screenshot() != before
        assert page.locator("[download]:visible").count() == 0  # a preview has no provenance
        with page.expect_download() as download:
            page.click(READY)
        assert download.value.suggested_filename == "grandma.jpg"
        download.value.save_as(tmp_path / "coloured.jpg")
    with Image.open(tmp_path / "coloured.jpg") as image:
        assert image.size == (300, 200)
        assert image.getexif()[0x013B] == "A. Photographer"
        assert b"compositeWithTrainedAlgorithmicMedia" in image.info["xmp"]
        assert np.ptp(np.asarray(image).astype(int), axis=2).mean() > 10
    assert visit.errors == []
    outside = [
        url for url in visit.requests if not url.startswith((served.address, "blob:", "data:"))
    ]
    assert outside == []


def test_colors_are_painted_changed_undone_saved_loaded_and_downloaded(
    served: Served, browser: Browser, tmp_path: Path
) -> None:
    with browser.visit(served.address, viewport={"width": 390, "height": 844}) as visit:
        page = visit.page
        give(page, grey(tmp_path / "coat.png"))
        page.click("role=tab[name='Paint']")
        canvas = page.locator("#easel canvas")
        canvas.scroll_into_view_if_needed()
        # On a phone the picture is smaller than its pixels.
        box = canvas.bounding_box()
        x, y = box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.75
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x, y - box["height"] * 0.25, steps=4)
        page.mouse.up()
        page.wait_for_selector("text=this model does not tell what is likely")
        page.locator("#easel .others button").first.click()
        page.wait_for_selector("text=Choose again to change this colour")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        pressed = "#easel [data-color][aria-pressed=true]"
        assert page.locator(pressed).count() == 1
        page.locator("#easel input[type=color]").fill("#2040c0")
        page.wait_for_selector(pressed, state="detached")
        saved = tmp_path / "coat.csv"
        for button, target in (("Save hints", saved), (READY, tmp_path / "hinted.png")):
            with page.expect_download() as download:
                page.click(button if button is READY else f"text={button}")
            download.value.save_as(target)
        page.click("text=Undo")  # the change
        page.wait_for_selector("text=Click or paint on the photo")
        page.click("text=Undo")  # the colour
        page.wait_for_selector("#easel .undo[disabled], button:has-text('Save hints')[disabled]")
        page.locator("input[accept^='.csv']").set_input_files(saved)
        page.wait_for_selector("button:has-text('Save hints'):not([disabled])")
        # Another setting is no reason to forget them.
        page.click("text=Settings")
        page.click("button:has-text('Colour it')")
        page.wait_for_selector("#easel .undo:not([disabled])")
        page.wait_for_selector("button:has-text('Save hints'):not([disabled])")
    header, *lines = saved.read_text().splitlines()
    assert header == "x,y,color,radius"
    first, last = lines[0].split(","), lines[-1].split(",")
    assert {line.split(",")[2] for line in lines} == {"#2040c0"}
    assert [abs(int(first[0]) - 75) <= 2, abs(int(first[1]) - 150) <= 2] == [True, True]
    assert [abs(int(last[0]) - 75) <= 2, abs(int(last[1]) - 100) <= 2] == [True, True]
    with Image.open(tmp_path / "hinted.png") as image:
        red, _, blue = np.asarray(image.convert("RGB")).astype(int)[125, 75]
        assert blue > red + 20  # the model paints red
        assert b"hints=1 by a person, from coat.csv" in image.info["xmp"]
    assert visit.errors == []


def test_a_version_is_chosen_beside_a_similar_picture_and_guesses_are_shown(
    served: Served, browser: Browser, tmp_path: Path
) -> None:
    Image.effect_mandelbrot((90, 60), (-2, -1, 1, 1), 60).save(tmp_path / "grey.png")
    colors = [Image.radial_gradient("L"), Image.linear_gradient("L"), Image.new("L", (256, 256))]
    Image.merge("RGB", colors).save(tmp_path / "like.png")
    with browser.visit(served.address, viewport={"width": 390, "height": 844}) as visit:
        page = visit.page
        page.click("text=Settings")
        page.click("input[aria-label=Model], label:has-text('Model') input")
        page.click("role=option[name='unsure']")
        give(page, tmp_path / "grey.png", "similar")
        give(page, grey(tmp_path / "field.png"))
        page.wait_for_selector("text=reference grey.png: it is grey")
        page.click("#similar .icon-button")
        page.wait_for_selector(READY)
        give(page, tmp_path / "like.png", "similar")
        page.wait_for_selector("text=The similar picture is followed")
        page.click("role=tab[name='Versions']")
        page.click("text=Show 4 likely versions")
        page.locator("#variants button").nth(1).click()
        page.wait_for_selector("text=Number 2 is what you paint on")
        page.click("role=tab[name='Guesses']")
        page.click("text=Show where colours are a guess")
        page.wait_for_selector("#doubts img")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for button, target in (("text=Download the map", "map.png"), (READY, "field.png")):
            with page.expect_download() as download:
                page.click(button)
            download.value.save_as(tmp_path / "out" / target)
            assert download.value.suggested_filename in ("field_uncertainty.png", "field.png")
    with Image.open(tmp_path / "out" / "map.png") as image:
        assert image.size == (300, 200)
    with Image.open(tmp_path / "out" / "field.png") as image:
        assert b"proposal=2 of 4" in image.info["xmp"]
        assert b"reference=like.png sha256:" in image.info["xmp"]
    assert visit.errors == []


def test_a_chosen_version_stays_with_its_photo(tmp_path: Path) -> None:
    from src.web import page

    network, options = registry.from_file(save_unsure(tmp_path / "unsure.ckpt")), Options(size=32)
    coat, boat = grey(tmp_path / "coat.png"), grey(tmp_path / "boat.png", (90, 60))
    chosen = sitting.begin(coat, network, options).variants(4)[2]
    other = page.begun(boat, network, options, chosen)
    assert other.number == 1
    back = page.begun(coat, network, options, other)
    assert back.number == 3
    assert np.array_equal(back.painted, chosen.painted)
    assert page.begun(coat, registry.load("zero", None), options, back).number == 1


def test_a_fault_of_hints_is_told_once_and_goes(
    served: Served, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.web.events.READ", 2)
    (tmp_path / "coat.csv").write_text("x,y,colour\n1,1,#ffffff\n")
    with browser.visit(served.address) as visit:
        page = visit.page
        give(page, grey(tmp_path / "coat.png"))
        page.click("role=tab[name='Paint']")
        page.wait_for_selector("#easel canvas")
        page.locator("input[accept^='.csv']").set_input_files(tmp_path / "coat.csv")
        told = page.wait_for_selector("text=has the columns x,y,colour")
        assert told.inner_text().count("coat.csv") == 1
        page.wait_for_selector("text=has the columns x,y,colour", state="detached")


def test_a_file_of_several_pages_says_at_once_that_it_takes_no_hints(served: Served) -> None:
    pages = [Image.radial_gradient("L").resize((60, 40))] * 2
    album = served.folder / "album.tif"
    pages[0].save(album, save_all=True, append_images=pages[1:])
    assert "hints are taken on a photo of one page only" in json.dumps(ask(served, str(album)))


def test_settings_and_examples_work_on_a_phone(served: Served, browser: Browser) -> None:
    with browser.visit(served.address, viewport={"width": 390, "height": 844}) as visit:
        page = visit.page
        examples = page.locator(f"img[src*='{served.folder}/examples/']")
        page.wait_for_function("[...document.images].filter(i => i.naturalWidth > 100).length == 4")
        assert examples.count() == 4
        page.click("img[src*='cat.jpg']")
        page.wait_for_selector(READY)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.click("text=Settings")
        page.get_by_label("Write into a corner").check()
        page.click("button:has-text('Colour it')")
        with page.expect_download() as download:
            page.click(READY)
        assert download.value.suggested_filename == "cat.jpg"
    assert visit.errors == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("text.jpg", b"no picture", "not a picture"),
        ("bomb.png", header_of(50_000, 40_000), "more pixels than is safe to decode"),
        ("scan.png", header_of(10_000, 8_000), "80 megapixels are too many"),
        ("large.jpg", bytes(4_000_000), "maximum"),
    ],
    ids=["text", "bomb", "scan", "large"],
)
def test_what_cannot_be_coloured_is_told_in_words(
    served: Served, browser: Browser, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with browser.visit(served.address) as visit:
        give(visit.page, tmp_path / name)
        visit.page.wait_for_selector(f"text={said}")


def described(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def ask(served: Served, path: str, *, model: str = "red") -> dict[str, Any]:
    """Colour a file of the server's through the page's own interface, and wait for the answer."""
    session = f"s{threading.get_ident()}{time.monotonic_ns()}"
    asked = {
        "data": [described(path), None, None, model, 32, 1.0, False],
        "fn_index": served.color,
        "session_hash": session,
    }
    request = urllib.request.Request(
        f"{served.address}gradio_api/queue/join",
        json.dumps(asked).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=60).read()
    stream = f"{served.address}gradio_api/queue/data?session_hash={session}"
    with urllib.request.urlopen(stream, timeout=120) as events:
        for line in events:
            if line.startswith(b"data:"):
                told = json.loads(line[5:])
                if told["msg"] == "process_completed":
                    return dict(told)
    raise AssertionError("no answer")


def test_a_method_is_chosen_as_a_model_is(served: Served) -> None:
    answer = ask(served, str(served.folder / "examples" / "cup.jpg"), model="zero")
    assert answer["success"]
    after = answer["output"]["data"][1][1]
    with Image.open(after["path"] if isinstance(after, dict) else after) as image:
        assert np.ptp(np.asarray(image).astype(int), axis=2).max() <= 2


def test_files_outside_its_folder_cannot_be_read(served: Served, tmp_path: Path) -> None:
    secret = grey(tmp_path / "secret.jpg")
    for path in (
        str(secret),
        "/etc/passwd",
        f"{served.folder}/../{secret}",
        f"file://{secret}",
        "http://127.0.0.1:9/a.png",
    ):
        assert not ask(served, path)["success"], path
        for place in ("file=", "file/"):
            with pytest.raises(urllib.error.HTTPError) as refusal:
                urllib.request.urlopen(f"{served.address}gradio_api/{place}{path}", timeout=10)
            assert refusal.value.code in (400, 403, 404)


def test_16_people_at_once_wait_for_each_other(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from src.web import page

    at_once, most, answers = 0, 0, []
    begin = sitting.begin

    def watched(*arguments: Any) -> Sitting:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.02)
        begun = begin(*arguments)
        at_once -= 1
        return begun

    monkeypatch.setattr(page, "begin", watched)
    example = str(served.folder / "examples" / "cup.jpg")
    people = [
        threading.Thread(target=lambda: answers.append(ask(served, example))) for _ in range(16)
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert [answer["success"] for answer in answers] == [True] * 16
    assert most == 1
    # Nor do hints of one person run beside another's photo.
    queued = [event for event in served.app.fns.values() if event.queue]
    assert {(event.concurrency_id, event.concurrency_limit) for event in queued} == {("heavy", 1)}


def test_what_is_old_is_deleted_and_examples_stay(served: Served) -> None:
    example = served.folder / "examples" / "cup.jpg"
    old, new = served.folder / "old.jpg", served.folder / "new.jpg"
    for path in (old, new):
        path.write_bytes(b"")
    an_age_ago = time.time() - 3601
    for path in (old, example):
        os.utime(path, (an_age_ago, an_age_ago))
    assert ask(served, str(example))["success"]
    assert not old.exists()
    assert new.exists()
    assert example.exists()


def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())  # the served page has its own settings
    monkeypatch.setitem(sys.modules, "src.web.page", None)
    monkeypatch.delattr(src.web, "page", raising=False)
    with pytest.raises(SystemExit, match="1"):
        demo.main(["--checkpoint", str(save_checkpoint(tmp_path / "a.ckpt"))])
    assert "colorization[demo]" in capsys.readouterr().err


@pytest.mark.slow
def test_make_demo_serves_the_page_until_it_is_stopped(tmp_path: Path) -> None:
    if not (ROOT / ".venv").is_dir():
        pytest.skip("this is not the .venv that make setup makes")
    checkpoint = save_checkpoint(tmp_path / "a.ckpt")
    before = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [
            "make",
            "--no-print-directory",
            "-o",
            ".venv/.ready",
            "demo",
            f"ARGS=--port 0 --checkpoint {checkpoint}",
        ],
        cwd=ROOT,
        env=before,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as make:
        try:
            assert make.stdout is not None
            said = next(line for line in make.stdout if line.startswith("The page is at "))
            with urllib.request.urlopen(said.split()[4], timeout=10) as answer:
                assert b"Colour an old photo" in answer.read()
            assert list(tmp_path.glob("colorization-*"))
        finally:
            os.killpg(make.pid, signal.SIGINT)  # as Ctrl-C does
        make.stdout.read()  # until the last of its processes has ended
    assert not list(tmp_path.glob("colorization-*"))


PROXIES = {
    "http_proxy": "http://127.0.0.1:9",
    "HTTPS_PROXY": "nonsense",
    "ALL_PROXY": "socks5://10.0.0.1:1",
    "no_proxy": "",
}


def test_the_page_starts_whatever_proxies_say_and_tells_how_it_is_seen_from_afar(
    tmp_path: Path,
) -> None:
    checkpoint = save_checkpoint(tmp_path / "a.ckpt")
    hidden = ("DISPLAY", "WAYLAND_DISPLAY")
    own = {name: value for name, value in os.environ.items() if name not in hidden} | PROXIES
    command = [sys.executable, "-m", "src.demo", "--port", "0", "--checkpoint", str(checkpoint)]
    with subprocess.Popen(
        command, cwd=ROOT, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as page:
        try:
            assert page.stdout is not None
            said = page.stdout.readline()
            assert said.startswith("The page is at http://127.0.0.1:")
            port = urllib.parse.urlparse(said.split()[4]).port
            assert f"ssh -L {port}:127.0.0.1:{port} HOST" in page.stdout.readline()
        finally:
            page.send_signal(signal.SIGINT)


@pytest.mark.parametrize("name", ["a.mpo", "a.jp2", "a.JFIF", "a.heic", "a.dng", "a.TIF"])
def test_the_file_box_takes_what_colorize_takes(
    served: Served, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    utils = pytest.importorskip("gradio_client.utils")
    files = [one for one in served.app.blocks.values() if isinstance(one, gradio.File)]
    [box] = [one for one in files if one.label == "Photo"]
    monkeypatch.setattr(utils, "get_mimetype", lambda _: None)  # where /etc/mime.types is empty
    assert utils.is_valid_file(name, box.file_types)


def test_mistakes_end_with_one_line(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(served.folder))  # the command sets its own
    taken = urllib.parse.urlparse(served.address).port
    for words, fault in (
        (["--checkpoint", "absent.ckpt"], "absent.ckpt"),
        (["--port", "-1"], "--port"),
        (["--port", str(taken)], "is taken: choose another --port"),
    ):
        with pytest.raises(SystemExit, match="1"):
            demo.main(words)
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert fault in said
