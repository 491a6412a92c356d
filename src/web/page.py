"""A page on which a photo is dropped, seen in colour beside itself, and taken home."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import skimage
from PIL import Image

from src.colorizers.colorizer import MIN_IMAGE_SIZE, Colorizer
from src.errors import EXPECTED, UserError
from src.images import EXTENSIONS, Photo, UnreadableImageError, read_rgb
from src.inference import result
from src.inference.result import Options

MAX_BYTES = 64_000_000
MAX_PIXELS = 50_000_000
MAX_WAITING = 64
LARGEST_SIZE = 1024  # pixels of what the network sees, unless it was trained on more
PREVIEW = 1280  # pixels of the long side
KEPT = 3600  # seconds that uploads and results stay at most
# Of the photographs that come with scikit-image.
EXAMPLES = {"photographer": "camera", "cat": "chelsea", "cup": "coffee", "rocket": "rocket"}
# The browser's own fonts: none is loaded from anywhere.
THEME = gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["monospace"])
INTRODUCTION = """# Colour an old photo
Drop a black-and-white photo: it comes back in colour, at its full size. **The colours are
guesses**, and the file says so in its metadata. Nothing leaves this computer."""
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
    ) -> tuple[Any, Any, str]:
        _sweep(folder)
        if upload is None:
            return None, gr.DownloadButton(interactive=False), "Choose a photo first."
        options = Options(size=int(size), saturation=saturation, label=label)
        try:
            pair, painted, notes = colorize_upload(Path(upload), models[model], options, folder)
        except EXPECTED as error:
            said = f"{Path(upload).name}: {error}"
            raise gr.Error(said, duration=None, print_exception=False) from None
        return pair, gr.DownloadButton(value=str(painted), interactive=True), "\n\n".join(notes)

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
        inputs, outputs = [upload, model, size, saturation, label], [slider, download, notes]
        shown.click(lambda index: made[index], shown, upload, queue=False)
        start.click(colorize, inputs, outputs, api_name="color")
        # What is there to download is no longer this photo's.
        upload.change(lambda: gr.DownloadButton(interactive=False), None, download, queue=False)
        upload.change(colorize, inputs, outputs)
        model.change(lambda name: models[name].image_size, model, size, queue=False)
    # One at a time: the others wait, instead of running out of memory together.
    return app.queue(default_concurrency_limit=1, max_size=MAX_WAITING, api_open=False)


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


def _sweep(folder: Path) -> None:
    """Delete what has lain here for longer than KEPT, but the examples."""
    oldest = time.time() - KEPT
    for path in folder.rglob("*"):
        old = path.is_file() and path.stat().st_mtime < oldest
        if old and path.parent.name != "examples":
            path.unlink(missing_ok=True)
