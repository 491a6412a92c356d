"""A page on which a photo is dropped, seen in colour, corrected, and taken home."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlsplit

import gradio as gr

from src.colorizers import registry
from src.colorizers.colorizer import MIN_IMAGE_SIZE, Colorizer
from src.errors import UserError
from src.images import EXTENSIONS
from src.inference import references, result
from src.inference.result import Options
from src.web.doubts import Doubts
from src.web.events import KEPT, ONE_AT_A_TIME, SEND, present, told_of
from src.web.hinting import Hinting
from src.web.sitting import Sitting, begin, several_pages
from src.web.uploads import examples, require_small, sweep
from src.web.variants import COUNT, Variants
from src.web.view import View

MAX_BYTES = 64_000_000
MAX_WAITING = 64
LARGEST_SIZE = 1024  # pixels of what the network sees, unless it was trained on more
# The browser's own fonts: none is loaded from anywhere.
THEME = gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["monospace"])
INTRODUCTION = """# Colour an old photo
Drop a black-and-white photo: it comes back in colour, at its full size. **The colours are
guesses**, and the file says so in its metadata. Nothing leaves this computer."""
DOWNLOAD = "Download at full size"
# What a box of an upload offers to download is what came; and its sign lies behind its label.
CSS = """.gradio-container { max-width: 62rem !important; margin: 0 auto; }
.uploaded [download], .uploaded .icon-wrap { display: none; }
@media (max-width: 30rem) {
  .tab-wrapper button { padding: 0 0.4rem !important; font-size: 0.9rem !important; }
}
#variants .grid-wrap { min-height: 0; max-height: none; overflow: visible; }
#variants .thumbnail-lg { aspect-ratio: auto; }
#doubts .icon-button-wrapper { display: none; }"""


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
            css=CSS,
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
    with gr.Blocks(title="Colour an old photo", analytics_enabled=False) as app:
        gr.Markdown(INTRODUCTION)
        sitting = gr.State(None, time_to_live=KEPT)
        with gr.Row(equal_height=True):
            upload = picture_box("Photo", "photo")
            reference = picture_box("Similar picture in colour (optional)", "similar")
        with gr.Column(visible=False) as results:
            with gr.Tabs():
                with gr.Tab("Compare"):
                    slider = gr.ImageSlider(
                        show_label=False,
                        interactive=False,
                        max_height=640,
                        buttons=["fullscreen"],  # a preview has no provenance
                    )
                with gr.Tab("Paint"):
                    hinting = Hinting(folder)
                with gr.Tab("Versions"):
                    variants = Variants(folder)
                with gr.Tab("Guesses"):
                    doubts = Doubts(folder)
            notes = gr.Markdown()
            download = gr.Button(DOWNLOAD, variant="primary")
        settings = Settings(models)
        sent = gr.File(visible="hidden")
        made = [str(path) for path in examples(folder)]
        shown = gr.Dataset(
            components=["image"],
            samples=[[path] for path in made],
            type="index",
            label="Or try one of these",
            layout="gallery",
        )
        view = View(folder, sitting, slider, hinting.easel, hinting.save)
        hinting.connect(view, sent)
        variants.connect(view)
        doubts.connect(sitting)
        cleared = variants.cleared | doubts.cleared

        def colorize(
            path: str | None, like: str | None, before: Sitting | None, *given: Any
        ) -> dict[Any, Any]:
            sweep(folder)
            if path is None:
                return {results: gr.Column(visible=False)}
            network, options = settings.read(*given)
            if like is not None:
                options = looking_at(Path(like), network, options)
            with told_of(path):
                require_small(Path(path))
                at = begun(Path(path), network, options, before)
            said = "\n\n".join([*told(at), *kept(at, before)])
            return {**view(at), **cleared, results: gr.Column(visible=True), notes: said}

        def paint(at: Sitting | None) -> tuple[str, str]:
            at = present(at)
            with told_of(at.photo):
                target, said = at.whole(Path(mkdtemp(dir=folder)))
            return str(target), "\n\n".join(said)

        inputs = [upload, reference, sitting, *settings.inputs]
        outputs = [*view.outputs, *cleared, results, notes]
        shown.click(lambda index: made[index], shown, upload, queue=False)
        # What it shows is not there yet, where a photo is the first.
        seen = ONE_AT_A_TIME | {"show_progress_on": [upload, slider]}
        settings.start.click(colorize, inputs, outputs, api_name="color", **seen)
        upload.change(colorize, inputs, outputs, **seen)
        reference.change(colorize, inputs, outputs, **seen)
        painted = download.click(
            lambda: gr.Button("Painting at full size …", interactive=False),
            None,
            download,
            queue=False,
        ).then(paint, sitting, [sent, notes], show_progress="hidden", **ONE_AT_A_TIME)
        painted.success(None, sent, None, js=SEND)
        painted.then(lambda: gr.Button(DOWNLOAD, interactive=True), None, download, queue=False)
    return app.queue(max_size=MAX_WAITING, api_open=False)


def picture_box(label: str, name: str) -> gr.File:
    return gr.File(
        label=label,
        file_types=["image", *sorted(EXTENSIONS)],
        height=140,
        min_width=280,
        elem_id=name,
        elem_classes="uploaded",
    )


def looking_at(like: Path, network: Colorizer, options: Options) -> Options:
    """Add a picture whose colours are followed. Raises: gr.Error: if there are none to follow."""
    with told_of(like):
        require_small(like)
        registry.following(network)
        return replace(options, references=references.read([like]))


def begun(path: Path, network: Colorizer, options: Options, before: Sitting | None) -> Sitting:
    """Colour a photo, in the variant and with the hints that it had before."""
    at = begin(path, network, options)
    number = 1 if before is None else before.said_of(path).number
    if number > 1:
        with suppress(UserError):  # another network may have no variants
            at = at.variants(COUNT)[number - 1]
    return at.following(before)


def told(at: Sitting) -> list[str]:
    """Say what to know about the photo and its colours."""
    pages = [several_pages(at.pages)] if at.pages > 1 else []
    if at.network.takes_reference and at.options.references is None:
        return [*pages, "It takes the colours of another picture: choose one beside the photo."]
    if at.options.references is not None:
        followed = "The similar picture is followed where it shows the same."
        return [*pages, followed, *at.options.references.notes]
    return [*pages, *result.on_grey(at.colorizer, [at.preview.prediction.mean_chroma])]


def kept(at: Sitting, before: Sitting | None) -> list[str]:
    """Say which hints are on the page and not seen."""
    if before is None or before.photo == at.photo or not before.drawing:
        return []
    return [
        f"The hints on {before.photo.name} are kept while this page is open: choose it again to go "
        "on with them."
    ]


class Settings:
    """What few people need: another model, and how it is used."""

    def __init__(self, models: Mapping[str, Colorizer]) -> None:
        names = list(models)
        self._models = models
        with gr.Accordion("Settings", open=False):
            model = gr.Dropdown(names, value=names[0], label="Model", visible=len(names) > 1)
            size = gr.Slider(
                MIN_IMAGE_SIZE,
                max(LARGEST_SIZE, *(one.image_size for one in models.values())),
                value=models[names[0]].image_size,
                step=1,
                label="Size",
                info="What the network sees: more gives finer, other colours",
            )
            saturation = gr.Slider(0, 2, value=1, step=0.05, label="Saturation")
            label = gr.Checkbox(label="Write into a corner that colours are guessed")
            self.start = gr.Button("Colour it")
        self.inputs = [model, size, saturation, label]
        model.change(lambda name: models[name].image_size, model, size, queue=False)

    def read(
        self, model: str, size: int, saturation: float, label: bool
    ) -> tuple[Colorizer, Options]:
        """Return what to colour with, and how. Args: as the `inputs` are."""
        return self._models[model], Options(size=int(size), saturation=saturation, label=label)
