"""The part of the page where a person paints what colours things had."""

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import gradio as gr

from src.errors import EXPECTED
from src.images import EXTENSIONS
from src.inference.hints import CSV
from src.web import easel
from src.web.easel import Drawn
from src.web.events import EACH, ONE_AT_A_TIME, SEND, present, told_of
from src.web.sitting import Sitting
from src.web.uploads import require_small
from src.web.view import View


class Hinting:
    """An easel, and hints saved and loaded. Args: folder: where files lie."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.easel = easel.easel()
        with gr.Row():
            self.save = gr.Button("Save hints", size="sm", min_width=120, interactive=False)
            self.load = gr.UploadButton(
                "Load hints",
                file_types=[CSV, "image", *sorted(EXTENSIONS)],
                size="sm",
                min_width=120,
            )

    def connect(self, view: View, sent: gr.File) -> None:
        """Let strokes do their work. Args: sent: hands files to the person."""
        self._view = view
        at = view.sitting
        self.easel.input(self._stroked, at, view.outputs, **EACH)
        self.easel.select(self._colored, at, view.outputs, **EACH)
        self.easel.undo(self._undone, at, view.outputs, **EACH)
        # A fault is told in words; over the photo it would only be in the way.
        quietly = ONE_AT_A_TIME | {"show_progress": "hidden"}
        self.load.upload(self._loaded, [at, self.load], view.outputs, **quietly)
        saved = self.save.click(self._saved, at, sent, **ONE_AT_A_TIME)
        saved.success(None, sent, None, js=SEND)

    def _stroked(self, at: Sitting | None, event: gr.EventData) -> dict[Any, Any]:
        drawn, at = Drawn.read(event._data), present(at)
        try:
            at = at.stroked(drawn.path, drawn.radius, keep=drawn.keep)
        except EXPECTED as error:
            gr.Warning(str(error))
        return self._view(at, drawn.number)

    def _colored(self, at: Sitting | None, event: gr.EventData) -> dict[Any, Any]:
        shade = easel.color(event._data["color"])
        return self._view(present(at).colored(shade, keep=bool(event._data["keep"])))

    def _undone(self, at: Sitting | None) -> dict[Any, Any]:
        return self._view(present(at).undone())

    def _loaded(self, at: Sitting | None, path: str) -> dict[Any, Any]:
        with told_of(path):
            if Path(path).suffix.lower() != CSV:
                require_small(Path(path))
            return self._view(present(at).loaded(Path(path), Path(mkdtemp(dir=self._folder))))

    def _saved(self, at: Sitting | None) -> str:
        at, place = present(at), Path(mkdtemp(dir=self._folder))
        with told_of(at.photo):
            return str(at.drawing.saved(place, at.photo.stem, at.size))
