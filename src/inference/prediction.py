"""Predicting the colours of a picture, at the size at which a colouriser sees it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Optional

import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from src import color
from src.colorizers.colorizer import Colorizer, Hints, Reference
from src.errors import UserError
from src.inference.hints import Places, Strokes
from src.inference.lightness import small_lightnesses

if TYPE_CHECKING:
    from src.colorizers.correction import Correction

SCALES = (5 / 6, 1, 4 / 3)  # of the size, where there are six views; the last one is the largest


@dataclass(frozen=True)
class Prediction:
    """A small picture's colours, in [-1, 1].

    Attributes:
        shown: L, at each size, the largest last.
        ab: what came back, of the largest's size.
        places: where the large picture must have which colour.
        told: whether the colouriser knew hints.
    """

    shown: Sequence[Float[Tensor, "1 1 _ _"]]
    ab: Float[Tensor, "1 2 h w"]
    places: Places | None = None
    told: bool = False

    @property
    def L(self) -> Float[Tensor, "1 1 h w"]:
        return self.shown[-1]

    @property
    def mean_chroma(self) -> float:
        """Of all pixels, in Lab units; near 0 is grey."""
        return float(torch.hypot(*self.ab[0]).mean()) * color.AB_RANGE

    def saturated(self, factor: float) -> "Prediction":
        """Return the same with another chroma."""
        return replace(self, ab=self.ab * factor)

    @torch.inference_mode()
    def corrected(
        self, strokes: Strokes, correction: Optional["Correction"] = None
    ) -> "Prediction":
        """Return the same as hints ask for it.

        Args: correction: of this very prediction, where it is kept for more hints; None makes one.
        Raises: UserError: as Correction.
        """
        from src.colorizers.correction import Correction  # brings SciPy
        from src.colorizers.scene import Scene

        correction = correction or Correction(Scene(self.L), self.ab, told=self.told)
        hints, places = strokes.reduced(*correction.scene.size)
        return replace(self, ab=correction(hints), places=places)


def predict(
    samples: NDArray[Any],
    colorizer: Colorizer,
    image_size: int | None = None,
    views: int | None = None,
    strokes: Strokes | None = None,
    reference: Reference | None = None,
    saturation: float = 1.0,
) -> Prediction:
    """Show a picture's lightness to a colouriser, and average what it says of several views.

    Args:
        samples: uint8 or uint16, (h, w) of grey or (h, w, 3) of sRGB, whose own colours are not
            looked at.
        image_size: short side in pixels that the colouriser sees; None is what it wants.
        views: 1 is the picture; 2, and its mirror image; 6, both at three sizes; None is what the
            colouriser wants.
        strokes, reference, saturation: as for `predict_shown`.
    Raises: UserError: if its colours are not finite. MemoryError: if there is too little.
    """
    size, count = image_size or colorizer.image_size, views or colorizer.views
    sizes = [round(scale * size) for scale in SCALES] if count == 6 else [size]
    shown = small_lightnesses(samples, sizes)
    return predict_shown(shown, colorizer, views, strokes, reference, saturation)


@torch.inference_mode()
def predict_shown(
    shown: Sequence[Float[Tensor, "1 1 _ _"]],
    colorizer: Colorizer,
    views: int | None = None,
    strokes: Strokes | None = None,
    reference: Reference | None = None,
    saturation: float = 1.0,
) -> Prediction:
    """Predict as `predict` does, from what that showed, as other hints may ask for.

    Args:
        shown: of a Prediction with as many views.
        strokes: hints, of which a colouriser is told that takes them.
        reference: pictures whose colours are an example, for a colouriser that looks at them.
        saturation: factor of the chroma. Unless it is 1, a network's hints are only corrected,
            after it: how far they are from what it sees is not how far they are from what is shown.
            What has no colours but those of hints keeps them.
    Raises: as `predict`.
    """
    L, own = shown[-1], colorizer.predictor
    if colorizer.takes_hints and not colorizer.sha256:
        saturation = 1.0
    told = strokes if is_told(colorizer, saturation) else None
    mirrored = (views or colorizer.views) > 1
    each = [_of_view(own, one, told, reference, mirrored=mirrored) for one in shown]
    ab = torch.stack([F.interpolate(one, L.shape[2:], mode="bilinear") for one in each]).mean(dim=0)
    if reference is not None:
        ab = colorizer.followed(L, ab, reference)
    return Prediction(shown, ab, told=told is not None).saturated(saturation)


def is_told(colorizer: Colorizer, saturation: float) -> bool:
    """Tell whether a colouriser is told hints, rather than only corrected by them afterwards."""
    return colorizer.takes_hints and (saturation == 1 or not colorizer.sha256)


def _of_view(
    colorizer: Colorizer,
    L: Float[Tensor, "1 1 h w"],
    strokes: Strokes | None,
    reference: Reference | None,
    *,
    mirrored: bool,
) -> Float[Tensor, "1 2 h w"]:
    hints = None if strokes is None else strokes.reduced(L.shape[2], L.shape[3])[0]
    if not mirrored:
        return _seen(colorizer, L, hints, reference)
    both = None if hints is None else Hints(*(torch.cat([one, one.flip(-1)]) for one in hints))
    own, other = _seen(colorizer, torch.cat([L, L.flip(-1)]), both, reference).split(1)
    return (own + other.flip(-1)) / 2


def _seen(
    colorizer: Colorizer,
    L: Float[Tensor, "b 1 h w"],
    hints: Hints | None,
    reference: Reference | None,
) -> Float[Tensor, "b 2 h w"]:
    try:
        ab = colorizer(L, hints, reference)
    except RuntimeError as error:  # torch's word for memory that is not there
        if "DefaultCPUAllocator" not in str(error):
            raise
        raise MemoryError(f"too little memory to predict {L.shape[3]}x{L.shape[2]}") from error
    if not ab.isfinite().all():
        raise UserError("the model's colours of it are no numbers: is the model damaged?")
    return ab
