"""How a photo looks with hints, soon enough to go on painting."""

from dataclasses import replace
from functools import partial

import torch.nn.functional as F

from src.colorizers.colorizer import Colorizer
from src.colorizers.correction import Correction
from src.colorizers.scene import Scene
from src.inference.hints import Strokes
from src.inference.prediction import Prediction, predict_shown
from src.inference.result import Options


class Preview:
    """A prediction at the size that its colouriser wants, which hints change within a second.

    What hints change is told by one view, and added to the prediction; the whole photo, when it is
    painted, is shown in all views.

    Args:
        whole: of all views, without hints.
        options: with which it was made.
    Attributes: prediction: without hints.
    """

    def __init__(self, whole: Prediction, colorizer: Colorizer, options: Options) -> None:
        L = whole.shown[len(whole.shown) // 2]
        ab = F.interpolate(whole.ab, L.shape[2:], mode="area")
        self.prediction = replace(whole, shown=[L], ab=ab)
        self._correction = Correction(Scene(L), ab)
        self._predict = partial(
            predict_shown,
            [L],
            colorizer,
            1,
            reference=options.reference,
            saturation=options.saturation,
        )
        self._without = self._predict().ab if colorizer.takes_hints else None

    def hinted(self, strokes: Strokes) -> Prediction:
        """Return the prediction as hints ask for it. Raises: UserError: as `predict`."""
        prediction, correction = self.prediction, self._correction
        if self._without is not None:
            one = self._predict(strokes)
            ab = (prediction.ab + one.ab - self._without).clamp(-1, 1)
            prediction = replace(prediction, ab=ab)
            correction = Correction(correction.scene, ab, told=one.told)
        return prediction.corrected(strokes, correction)
