"""A network that follows a reference where it shows the same."""

import torch
from jaxtyping import Float
from torch import Tensor

from src.colorizers import exemplar
from src.colorizers.colorizer import Colorizer, Hints, Reference
from src.colorizers.scribbles import spread

PULL = 1e-2  # of the network's colours, beside all neighbours together
MOST = 0.99  # that a match is trusted


class Referenced(Colorizer):
    """A colouriser's prediction, corrected by weak hints that an exemplar gives.

    The difference between the reference's colours and the prediction is spread as hints are, each
    superpixel's as firmly as its match is to be trusted: an unlike reference changes little.

    Args: colorizer: that predicts; what it is called, its size and its views stay.
    """

    takes_reference = True

    def __init__(self, colorizer: Colorizer) -> None:
        self._colorizer = colorizer
        self._exemplar = exemplar.load()
        self.name, self.sha256 = colorizer.name, colorizer.sha256
        self.image_size, self.views = colorizer.image_size, colorizer.views
        self.mean_ab, self.takes_hints = colorizer.mean_ab, colorizer.takes_hints

    def __call__(
        self,
        L: Float[Tensor, "b 1 h w"],
        hints: Hints | None = None,
        reference: Reference | None = None,
    ) -> Float[Tensor, "b 2 h w"]:
        ab = self._colorizer(L, hints)
        if reference is None:
            return ab
        each = zip(L.split(1), ab.split(1), strict=True)
        return torch.cat([self.followed(*one, reference) for one in each])

    @property
    def predictor(self) -> Colorizer:
        return self._colorizer

    def to(self, device: torch.device) -> "Referenced":
        self._colorizer.to(device)
        return self

    def followed(
        self, L: Float[Tensor, "1 1 h w"], ab: Float[Tensor, "1 2 h w"], reference: Reference
    ) -> Float[Tensor, "1 2 h w"]:
        found = self._exemplar.borrowed(L, reference)
        difference = found.cut.painted(found.ab) - ab.cpu()
        trusted = found.confidence.clamp(max=MOST)
        # So that the pull leaves of a difference the share by which it is trusted.
        firmness = found.cut.painted((PULL * trusted / (1 - trusted))[:, None])
        hints = Hints(difference, torch.ones_like(firmness, dtype=torch.bool))
        return ab + spread(L, hints, pull=PULL, firmness=firmness).to(ab)
