"""The photo to paint on, with brushes and a palette: strokes are seen at once, colours follow."""

import base64
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import ImageColor

from src.colorizers.palette import Shade
from src.web.sitting import Sitting, several_pages

BROADEST = 0.1  # radius, of the short side
MOST_POINTS = 4000  # of a stroke
BEGIN = "Click or paint on the photo where you know a colour, then choose that colour."
# Whether the network gives probabilities.
CHOOSE = {
    True: "Which colour is it? First those that the network thinks likely there.",
    False: "Which colour is it? First those of places of the same lightness: this model does not "
    "tell what is likely.",
}
GO_ON = (
    "Choose again to change this colour, or paint where you know the next one, and where this one "
    "went too far."
)


def easel() -> gr.HTML:
    """Lay it out. Its events are `input` of a stroke, `select` of a colour, and `undo`."""
    own = {kind: Path(__file__).with_name(f"easel.{kind}") for kind in ("html", "css", "js")}
    html, css, js = (path.read_text(encoding="utf-8") for path in own.values())
    return gr.HTML(
        html_template=html,
        css_template=css,
        js_on_load=js,
        apply_default_css=False,
        elem_id="easel",
    )


def shown(at: Sitting, number: int = 0) -> dict[str, Any]:
    """Return the easel's value. Args: number: of the latest stroke that is on it."""
    encoded = io.BytesIO()
    at.marked().save(encoded, "JPEG", quality=90)
    likely, others = at.palette()
    return {
        "picture": f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}",
        "number": number,
        "changes": len(at.past),
        "color": at.rgb and hexadecimal(at.rgb),
        "in_hand": at.in_hand,
        "likely": [hexadecimal(one) for one in likely],
        "others": [hexadecimal(one) for one in others],
        "told": _told(at),
    }


def _told(at: Sitting) -> str:
    if at.pages > 1:
        return several_pages(at.pages)
    if not at.active:
        return BEGIN
    return CHOOSE[at.shades.knows] if at.drawing.strokes[-1].rgb is None else GO_ON


@dataclass(frozen=True)
class Drawn:
    """A stroke that came from the page. Raises: ValueError: if it is none."""

    path: list[tuple[float, float]]
    radius: float
    number: int
    keep: bool

    @classmethod
    def read(cls, sent: Mapping[str, Any]) -> "Drawn":
        path = [(float(x), float(y)) for x, y in sent["path"]]
        radius, number = float(sent["radius"]), int(sent["number"])
        inside = all(0 <= x <= 1 and 0 <= y <= 1 for x, y in path)
        if not (inside and 0 < len(path) <= MOST_POINTS and 0 < radius <= BROADEST):
            raise ValueError("no stroke")
        return cls(path, radius, number, bool(sent["keep"]))


def hexadecimal(shade: Shade) -> str:
    return f"#{bytes(shade).hex()}"


def color(sent: str) -> Shade:
    """Read a colour that came from the page. Raises: ValueError: if it is none."""
    if not re.fullmatch("#[0-9a-f]{6}", sent):
        raise ValueError(f"{sent!r} is no colour")
    red, green, blue = ImageColor.getrgb(sent)[:3]
    return red, green, blue
