"""A visible mark that says what a picture's colours are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

LABEL = "Colours guessed by AI"


def draw_label(samples: NDArray[Any]) -> None:
    """Write LABEL into the lower right corner. Args: samples: (h, w, 3), changed in place."""
    height, width = samples.shape[:2]
    size = max(9.0, min(height, width) / 30)
    size *= min(1.0, 0.9 * width / ImageFont.load_default(size).getlength(LABEL))
    font = ImageFont.load_default(max(1.0, size))
    margin = round(size / 2)
    left, top, right, bottom = (round(side) for side in font.getbbox(LABEL))
    mark = Image.new("L", (right - left + 2 * margin, bottom - top + 2 * margin), 0)
    ImageDraw.Draw(mark).text((margin - left, margin - top), LABEL, fill=255, font=font)
    text = np.asarray(mark)[:height, :width, None] / 255.0
    corner = samples[height - text.shape[0] :, width - text.shape[1] :]
    # White letters on a veil that leaves a third of the picture.
    veiled = corner * 0.35 * (1 - text) + np.iinfo(samples.dtype).max * text
    corner[:] = veiled.round()
