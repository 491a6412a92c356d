"""A page on which a photo is dropped, seen in colour beside itself, and taken home."""

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import numpy as np
import skimage
from PIL import Image, ImageColor

from src import files
from src.colorizers.colorizer import MIN_IMAGE_SIZE, Colorizer
from src.errors import EXPECTED, UserError
from src.images import EXTENSIONS, Photo, UnreadableImageError, read_rgb
from src.inference import result
from src.inference.result import Options
from src.web import sitting
from src.web.sitting import PREVIEW, Sitting

MAX_BYTES = 64_000_000
MAX_PIXELS = 50_000_000
MAX_WAITING = 64
LARGEST_SIZE = 1024  # pixels of what the network sees, unless it was trained on more
KEPT = 3600  # seconds that uploads and results stay at most
# Of all events that run a network or a solver: Gradio's default limit holds for each function, and
# several at once would run out of memory together.
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "heavy", "concurrency_limit": 1}
# Of the photographs that come with scikit-image.
EXAMPLES = {"photographer": "camera", "cat": "chelsea", "cup": "coffee", "rocket": "rocket"}
# The browser's own fonts: none is loaded from anywhere.
THEME = gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["monospace"])
INTRODUCTION = """# Colour an old photo
Drop a black-and-white photo: it comes back in colour, at its full size. **The colours are
guesses**, and the file says so in its metadata. Nothing leaves this computer."""
HINTS = """Click on the photo, then on a colour: it spreads to what looks alike. A click on the same
place again changes its colour."""
# Whether the network gives probabilities.
PALETTE = {
    True: "Colours for that place: what the network thinks likely there, then others.",
    False: "Colours for that place: what the model gave it and places of the same lightness (it "
    "does not tell what else is likely), then others.",
}
SWATCH = 64  # pixels of a side
HINTS_FILE = "hints.csv"  # as the result's metadata call it
TOO_LARGE = f"at most {MAX_PIXELS // 10**6} megapixels fit here: python -m src.colorize takes more"


def serve(models: Mapping[str, Colorizer], folder: Path, port: int) -> None:
    """Serve the page on 127.0.0.1 until the process is stopped.

    Args:
        models: to choose from, by name.
        folder: where uploads and results lie, an hour at most.
        port: 0 takes any that is free.
    """
    app = build(models, folder)
    launch(app, port)
    app.block_thread()


def launch(app: gr.Blocks, port: int) -> str:
    """Start serving, and return the address. Raises: UserError: if the port is taken."""
    try:
        _, address, _ = app.launch(
            server_name="127.0.0.1",
            server_port=port or None,
            share=False,
            quiet=True,
            theme=THEME,
            prevent_thread_lock=True,
            max_file_size=MAX_BYTES,
            footer_links=[],
            ssr_mode=False,
            enable_monitoring=False,
            show_error=True,
            strict_cors=True,
            mcp_server=False,
        )
    except OSError:
        raise UserError(f"port {port} of 127.0.0.1 is taken: choose another --port") from None
    print(f"The page is at {address} (Ctrl-C ends it)", flush=True)
    if not has_screen():
        own = urlsplit(address).port
        print(f"To see it elsewhere: ssh -L {own}:127.0.0.1:{own} HOST, there", flush=True)
    return str(address)


def has_screen() -> bool:
    """Tell whether a browser can be opened on this machine by who started the page."""
    if "SSH_CONNECTION" in os.environ:
        return False
    shown = "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return shown or sys.platform in ("darwin", "win32")


def build(models: Mapping[str, Colorizer], folder: Path) -> gr.Blocks:
    """Lay the page out. Args: models, folder: as for serve."""
    names = list(models)
    made = [str(path) for path in examples(folder)]
    largest = max(LARGEST_SIZE, *(model.image_size for model in models.values()))

    def colorize(
        upload: str | None, model: str, size: int, saturation: float, label: bool
    ) -> tuple[Any, ...]:
        _sweep(folder)
        if upload is None:
            off = gr.DownloadButton(interactive=False)
            return None, off, "Choose a photo first.", None, None
        options = Options(size=int(size), saturation=saturation, label=label)
        with told_of(upload):
            pair, painted, notes = colorize_upload(Path(upload), models[model], options, folder)
            begun = sitting.begin(Path(upload), models[model], options)
        button = gr.DownloadButton(value=str(painted), interactive=True)
        return pair, button, "\n\n".join(notes), begun, _marked(begun, pair[1], folder)

    with gr.Blocks(title="Colour an old photo", analytics_enabled=False) as app:
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                upload = gr.File(
                    label="Photo", file_types=["image", *sorted(EXTENSIONS)], height=140
                )
                model = gr.Dropdown(names, value=names[0], label="Model", visible=len(names) > 1)
                with gr.Accordion("Settings", open=False):
                    size = gr.Slider(
                        MIN_IMAGE_SIZE,
                        largest,
                        value=models[names[0]].image_size,
                        step=1,
                        label="Size",
                        info="What the network sees: more gives finer, other colours",
                    )
                    saturation = gr.Slider(0, 2, value=1, step=0.05, label="Saturation")
                    label = gr.Checkbox(label="Write into a corner that colours are guessed")
                start = gr.Button("Colour it", variant="primary")
                download = gr.DownloadButton("Download at full size", interactive=False)
                shown = gr.Dataset(
                    components=["image"],
                    samples=[[path] for path in made],
                    type="index",
                    label="Or try one of these",
                    layout="gallery",
                )
            with gr.Column(scale=2, min_width=280):
                slider = gr.ImageSlider(
                    label="Before and after",
                    interactive=False,
                    max_height=640,
                    buttons=["fullscreen"],  # a preview has no provenance: not to be downloaded
                )
                notes = gr.Markdown()
                hinting = Hinting(folder)
        inputs = [upload, model, size, saturation, label]
        outputs = [slider, download, notes, hinting.sitting, hinting.canvas]
        shown.click(lambda index: made[index], shown, upload, queue=False)
        start.click(colorize, inputs, outputs, api_name="color", **ONE_AT_A_TIME)
        hinting.connect(slider, download)
        # What is there to download is no longer this photo's.
        upload.change(lambda: gr.DownloadButton(interactive=False), None, download, queue=False)
        upload.change(
            lambda: (gr.DownloadButton(interactive=False), None),
            None,
            [hinting.save, hinting.palette],
            queue=False,
        )
        upload.change(colorize, inputs, outputs, **ONE_AT_A_TIME)
        model.change(lambda name: models[name].image_size, model, size, queue=False)
    return app.queue(max_size=MAX_WAITING, api_open=False)


def colorize_upload(
    source: Path, model: Colorizer, options: Options, folder: Path
) -> tuple[tuple[str, str], Path, list[str]]:
    """Colour a photo that someone sent.

    Returns: previews of before and after, the result at full size, and what to know about it.
    Raises: UserError: if it is too large or broken.
    """
    photo = Photo(source)
    pixels = sum(width * height for width, height in photo.sizes)
    if pixels > MAX_PIXELS:
        raise UnreadableImageError(f"{pixels / 1e6:.0f} megapixels are too many; {TOO_LARGE}")
    place = Path(mkdtemp(dir=folder))
    painted = place / result.output_name(photo, options)
    notes = result.colorize_file(photo, painted, model, options)
    before = _preview(source, place / "before.jpg")
    after = _preview(painted, place / "after.jpg")
    return (before, after), painted, notes


def examples(folder: Path) -> list[Path]:
    """Make grey photos of those that come with scikit-image."""
    place = folder / "examples"
    place.mkdir(exist_ok=True)
    made = []
    for name, own in EXAMPLES.items():
        (source,) = (Path(skimage.__file__).parent / "data").glob(f"{own}.*")
        made.append(place / f"{name}.jpg")
        read_rgb(source).convert("L").save(made[-1], quality=95)
    return made


def _preview(source: Path, target: Path) -> str:
    image = read_rgb(source)
    image.thumbnail((PREVIEW, PREVIEW), Image.Resampling.LANCZOS, reducing_gap=3.0)
    image.save(target, quality=92)
    return str(target)


@contextmanager
def told_of(upload: str | Path) -> Iterator[None]:
    """Show on the page what is wrong with a file."""
    try:
        yield
    except EXPECTED as error:
        said = f"{Path(upload).name}: {error}"
        raise gr.Error(said, duration=None, print_exception=False) from None


class Hinting:
    """The part of the page where a photo is clicked on, and places are given their colours.

    Args: folder: where its pictures lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sitting: gr.State = gr.State(None, time_to_live=KEPT)
        with gr.Accordion("Hints: you know a colour", open=False):
            gr.Markdown(HINTS)
            self.canvas = gr.Image(
                label="Click where you know the colour",
                interactive=False,
                type="filepath",
                buttons=[],
                elem_id="canvas",
            )
            self.told = gr.Markdown()
            self.palette = gr.Image(
                show_label=False,
                container=False,
                interactive=False,
                buttons=[],
                elem_id="palette",
            )
            with gr.Row():
                self.own = gr.ColorPicker(label="Or any colour", value="#3b6ea5", min_width=120)
                self.give = gr.Button("Give it this colour", min_width=120)
                self.undo = gr.Button("Undo", min_width=120)
            with gr.Row():
                self.load = gr.UploadButton(
                    "Load hints", file_types=[".csv"], size="sm", min_width=120
                )
                self.save = gr.DownloadButton(
                    "Save hints", size="sm", min_width=120, interactive=False
                )

    def connect(self, slider: gr.ImageSlider, download: gr.DownloadButton) -> None:
        """Let clicks do their work. Args: slider, download: of the whole page."""
        shown = [self.sitting, self.canvas, slider, self.save, download]
        clicked = [self.sitting, self.canvas, self.palette, self.told]
        self.canvas.select(self._clicked, self.sitting, clicked, **ONE_AT_A_TIME)
        for happens, answer, given in (
            (self.palette.select, self._chosen, [self.sitting]),
            (self.give.click, self._given, [self.sitting, self.own]),
            (self.undo.click, self._undone, [self.sitting]),
            (self.load.upload, self._loaded, [self.sitting, self.load]),
        ):
            event = happens(answer, given, shown, **ONE_AT_A_TIME)
            # The preview is there at once; the file at full size follows.
            event.success(self._whole, self.sitting, download, **ONE_AT_A_TIME)

    def _clicked(self, at: Sitting | None, event: gr.SelectData) -> tuple[Any, ...]:
        if at is None:
            return None, None, None, ""
        at = at.clicked(*map(int, event.index))
        strip = np.array(at.palette(), np.uint8)[None].repeat(SWATCH, 0).repeat(SWATCH, 1)
        marked = _marked(at, at.painted(), self._folder)
        return at, marked, strip, PALETTE[at.shades.knows]

    def _chosen(self, at: Sitting | None, event: gr.SelectData) -> tuple[Any, ...]:
        return self._shown(at and at.hinted(at.palette()[int(event.index[0]) // SWATCH]))

    def _given(self, at: Sitting | None, shade: str) -> tuple[Any, ...]:
        return self._shown(at and at.hinted(ImageColor.getrgb(_hexadecimal(shade))))

    def _undone(self, at: Sitting | None) -> tuple[Any, ...]:
        return self._shown(at and at.undone())

    def _loaded(self, at: Sitting | None, path: str) -> tuple[Any, ...]:
        with told_of(path):
            return self._shown(at and at.loaded(Path(path)))

    def _shown(self, at: Sitting | None) -> tuple[Any, ...]:
        """Paint the preview anew; what there is to download is no longer this."""
        if at is None:
            raise gr.Error("Choose a photo first.", print_exception=False)
        place = Path(mkdtemp(dir=self._folder))
        painted = at.painted()
        before, after = place / "before.jpg", place / "after.jpg"
        Image.fromarray(at.samples).save(before, quality=92)
        Image.fromarray(painted).save(after, quality=92)
        saved = gr.DownloadButton(interactive=False)
        if at.lines:
            files.write_text(place / f"{at.photo.stem}.csv", at.text())
            saved = gr.DownloadButton(value=str(place / f"{at.photo.stem}.csv"), interactive=True)
        off = gr.DownloadButton(interactive=False)
        return at, _marked(at, painted, self._folder), (str(before), str(after)), saved, off

    def _whole(self, at: Sitting) -> Any:
        """Paint the photo at its full size."""
        place = Path(mkdtemp(dir=self._folder))
        hints = place / HINTS_FILE if at.lines else None
        if hints is not None:
            files.write_text(hints, at.text())
        photo = Photo(at.photo)
        painted = place / result.output_name(photo, at.options)
        with told_of(at.photo):
            result.colorize_file(photo, painted, at.colorizer, at.options, hints)
        return gr.DownloadButton(value=str(painted), interactive=True)


def _hexadecimal(shade: str) -> str:
    """Return #rrggbb of what a colour picker gives: that, or rgba(r, g, b, a) of floats."""
    numbers = re.findall(r"[\d.]+", shade)
    if shade.startswith("#") or len(numbers) < 3:
        return shade
    return "#" + bytes(min(255, round(float(one))) for one in numbers[:3]).hex()


def _marked(at: Sitting, painted: Any, folder: Path) -> str:
    """Draw the hints on the preview. Args: painted: it, or its file."""
    if isinstance(painted, str):
        with Image.open(painted) as image:
            painted = np.asarray(image.convert("RGB"))
    path = Path(mkdtemp(dir=folder)) / "marked.jpg"
    at.marked(painted).save(path, quality=92)
    return str(path)


def _sweep(folder: Path) -> None:
    """Delete what has lain here for longer than KEPT, but the examples."""
    oldest = time.time() - KEPT
    for path in folder.rglob("*"):
        old = path.is_file() and path.stat().st_mtime < oldest
        if old and path.parent.name != "examples":
            path.unlink(missing_ok=True)
