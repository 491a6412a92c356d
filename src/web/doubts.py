"""The part of the page that shows where colours are a guess."""

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import gradio as gr

from src.web.events import ONE_AT_A_TIME, present, told_of
from src.web.sitting import Sitting

HELP = "The more orange a place is, the less sure the network: there your own knowledge helps most."


class Doubts:
    """A map over the photo. Args: folder: where files lie."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._show = gr.Button("Show where colours are a guess")
        self._picture = gr.Image(
            show_label=False,
            interactive=False,
            type="filepath",
            buttons=[],
            visible=False,
            elem_id="doubts",
        )
        self._said = gr.Markdown(HELP, visible=False)
        self._map = gr.DownloadButton("Download the map", size="sm", visible=False)
        self.cleared = {
            self._picture: gr.Image(value=None, visible=False),
            self._said: gr.Markdown(visible=False),
            self._map: gr.DownloadButton(visible=False),
        }

    def connect(self, sitting: gr.State) -> None:
        """Let the button do its work."""
        self._show.click(self._shown, sitting, [*self.cleared], **ONE_AT_A_TIME)

    def _shown(self, at: Sitting | None) -> tuple[Any, ...]:
        at, place = present(at), Path(mkdtemp(dir=self._folder))
        with told_of(at.photo):
            over, written = at.doubted(place)
        over.save(place / "over.jpg", quality=92)
        shown = gr.Image(value=str(place / "over.jpg"), visible=True)
        map_of = gr.DownloadButton(value=str(written), visible=True)
        return shown, gr.Markdown(visible=True), map_of
