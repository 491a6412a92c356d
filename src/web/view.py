"""What shows a photo's colours: before and after, and the easel."""

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import gradio as gr
from PIL import Image

from src.web import easel
from src.web.sitting import Sitting


class View:
    """The components that show a sitting.

    Args:
        folder: where pictures lie.
        sitting: the state that holds it.
        slider: shows the photo before and after.
        painted: the easel.
        save: saves hints, if there are any.

    Attributes: outputs: of every event that changes the sitting.
    """

    def __init__(
        self,
        folder: Path,
        sitting: gr.State,
        slider: gr.ImageSlider,
        painted: gr.HTML,
        save: gr.Button,
    ) -> None:
        self._folder = folder
        self.sitting = sitting
        self.outputs = [sitting, slider, painted, save]

    def __call__(self, at: Sitting, number: int = 0) -> dict[Any, Any]:
        """Return what `outputs` show. Args: number: as for the easel."""
        for path in filter(Path.exists, at.in_use()):
            path.touch()  # it is not old
        place = Path(mkdtemp(dir=self._folder))
        before, after = place / "before.jpg", place / "after.jpg"
        Image.fromarray(at.samples).save(before, quality=92)
        Image.fromarray(at.painted).save(after, quality=92)
        shown = easel.shown(at, number)
        slid, save = (str(before), str(after)), gr.Button(interactive=bool(at.drawing))
        return dict(zip(self.outputs, (at, slid, shown, save), strict=True))
