"""How a photo looks with hints, soon enough to go on painting."""

from dataclasses import replace
from functools import partial

import torch.nn.functional as F

from src.colorizers.colorizer import Colorizer
from src.colorizers.correction import Correction
from src.colorizers.scene import Scene
from src.images.raster import Samples
from src.inference import result
from src.inference.hints import Strokes
from src.inference.prediction import Prediction, is_told, predict_shown
from src.inference.result import Options


class Preview:
    """A prediction that hints change within a second.

    A network that has learned hints is told them in one view, at the size that it wants, and what
    they change there is added to the prediction; when the whole photo is painted, it is told them
    in all views.

    Args: samples: of the whole photo: what is drawn at random depends on every pixel.
    Attributes: prediction: of all views, without hints.
    Raises: UserError: as `predict`.
    """

    def __init__(self, samples: Samples, colorizer: Colorizer, options: Options) -> None:
        self.prediction = whole = result.predicted(samples, colorizer, options, None)
        self._correction = Correction(Scene(whole.L), whole.ab)
        middle = whole.shown[len(whole.shown) // 2]
        self._predict = partial(predict_shown, [middle], colorizer, 1, reference=options.reference)
        tells = is_told(colorizer, options.saturation)
        self._without = self._predict().ab if tells else None

    def hinted(self, strokes: Strokes) -> Prediction:
        """Return the prediction as hints ask for it. Raises: UserError: as `predict`."""
        prediction, correction = self.prediction, self._correction
        if self._without is not None:
            change = self._predict(strokes).ab - self._without
            change = F.interpolate(change, prediction.ab.shape[2:], mode="bilinear")
            prediction = replace(prediction, ab=(prediction.ab + change).clamp(-1, 1))
            correction = Correction(correction.scene, prediction.ab, told=True)
        return prediction.corrected(strokes, correction)
