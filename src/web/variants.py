"""The part of the page where one of several colourings is chosen to start from."""

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import gradio as gr
from PIL import Image

from src.errors import EXPECTED
from src.web.events import KEPT, ONE_AT_A_TIME, READ, present
from src.web.sitting import Sitting
from src.web.view import View

COUNT = 4
SIDE = 640  # pixels of a thumbnail's long side
HELP = "Choose one to paint on and to download."


class Variants:
    """Thumbnails of likely colourings. Args: folder: where they lie."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._each: gr.State = gr.State([], time_to_live=KEPT)
        self._show = gr.Button(f"Show {COUNT} likely versions")
        self._gallery = gr.Gallery(
            show_label=False,
            columns=2,
            height="auto",
            object_fit="contain",
            allow_preview=False,
            interactive=False,
            buttons=[],
            visible=False,
            elem_id="variants",
        )
        self._said = gr.Markdown(HELP)
        self.cleared = {
            self._each: [],
            self._gallery: gr.Gallery(value=None, visible=False),
            self._said: HELP,
        }

    def connect(self, view: View) -> None:
        """Let thumbnails do their work."""
        self._view = view
        shown = [self._each, self._gallery, self._said]
        self._show.click(self._shown, view.sitting, shown, **ONE_AT_A_TIME)
        self._gallery.select(
            self._chosen, [view.sitting, self._each], [*view.outputs, self._said], **ONE_AT_A_TIME
        )

    def _shown(self, at: Sitting | None) -> tuple[Any, ...]:
        try:
            each = present(at).variants(COUNT)
        except EXPECTED as error:
            raise gr.Error(str(error), duration=READ, print_exception=False) from None
        place = Path(mkdtemp(dir=self._folder))
        made = []
        for number, one in enumerate(each, start=1):
            image = Image.fromarray(one.painted)
            image.thumbnail((SIDE, SIDE))
            image.save(place / f"{number}.jpg", quality=92)
            made.append((str(place / f"{number}.jpg"), str(number)))
        return each, gr.Gallery(value=made, visible=True), HELP

    def _chosen(
        self, at: Sitting | None, each: list[Sitting], event: gr.SelectData
    ) -> dict[Any, Any]:
        chosen = present(each or None)[int(event.index)].following(present(at))
        said = f"Number {event.index + 1} is what you paint on and download now."
        return {**self._view(chosen), self._said: said}
