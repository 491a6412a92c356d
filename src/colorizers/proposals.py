"""Several plausible colourings of one picture, drawn from what a network thinks likely."""

import hashlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from src.colorizers.colorizer import Colorizer, Hints, Reference
from src.colorizers.likeness import ByEncoder, Features, cosines
from src.colorizers.superpixels import Superpixels
from src.colorizers.trained import Trained
from src.errors import UserError
from src.generators.ab_bins import Bins
from src.generators.generator import Generator

DRAWN = 3  # for each proposal so many are drawn, and those are kept that differ most
ALIKE = 2.0  # how soon superpixels that look different are coloured independently
REACH = 0.7  # of the picture's sides, beyond which even like ones are
REGIONS = 6  # patterns that lots are made of: with more of them, one thing has several colours
BOLDNESS = 0.8  # standard deviations of the lots; 1 draws colours as often as they are likely


class Proposal(Colorizer):
    """One of several colourings: the first is the network's own, the others are drawn.

    What lies near and looks alike has the same lot, so that each is coherent. A picture's content,
    the network and the count decide all lots: the k-th is always the same.

    Args: network: that gives probabilities; number: from 1 to count.
    Raises: UserError: if the network gives no probabilities.
    """

    views = 1  # a mirrored picture has other lots

    def __init__(self, network: Colorizer, number: int, count: int, likeness: ByEncoder) -> None:
        self._network, self._bins = with_bins(network)
        self._colorizer, self._likeness = network, likeness
        self.number, self.count = number, count
        self.name, self.sha256 = network.name, network.sha256
        self.image_size, self.mean_ab = network.image_size, network.mean_ab

    def __call__(
        self,
        L: Float[Tensor, "b 1 h w"],
        hints: Hints | None = None,
        reference: Reference | None = None,
    ) -> Float[Tensor, "b 2 h w"]:
        if self.number == 1:
            return self._colorizer(L)
        return torch.cat([self._drawn(one) for one in L.split(1)])

    def _drawn(self, L: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "1 2 h w"]:
        device = next(self._network.parameters()).device
        logits = self._network.logits(L.to(device)).cpu()
        cut = Superpixels.of(L)
        small = cut.enlarged(*logits.shape[2:])
        content = (L.cpu().numpy().tobytes(), self.sha256.encode(), str(self.count).encode())
        seed = int.from_bytes(hashlib.sha256(b"\0".join(content)).digest()[:7])
        _, *features = self._likeness.features(L.cpu(), cut)  # the finest see texture
        lots = drawn_lots(features, cut, DRAWN * (self.count - 1), seed)
        own = self._bins.ab(logits)
        found = [own, *(self._bins.drawn(logits, small.painted(lot)) for lot in lots)]
        ab = found[_apart(found, self.count)[self.number - 1]]
        return F.interpolate(ab, L.shape[2:], mode="bilinear").to(L)


def proposals(network: Colorizer, count: int) -> list[Proposal]:
    """Return several colourisers that differ. Raises: UserError: as Proposal."""
    with_bins(network)  # before a second network is loaded
    likeness = ByEncoder()
    return [Proposal(network, number, count, likeness) for number in range(1, count + 1)]


def spread(colorizer: Colorizer, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"] | None:
    """Return the standard deviation of likely colours, in units of [-1, 1]; None if unknown."""
    if not gives_probabilities(colorizer):
        return None
    network, bins = with_bins(colorizer)
    found = bins.spread(network.logits(L.to(next(network.parameters()).device)))
    return F.interpolate(found, L.shape[2:], mode="bilinear").to(L)


def gives_probabilities(colorizer: Colorizer) -> bool:
    """Tell whether a colouriser knows what else is likely."""
    network = colorizer.network if isinstance(colorizer, Trained) else None
    return isinstance(network, Generator) and network.bins is not None


def drawn_lots(
    features: Features, cut: Superpixels, count: int, seed: int
) -> Sequence[Float[Tensor, "n 2"]]:
    """Draw lots in [0, 1] for superpixels, alike where they are near and look alike."""
    far = torch.cdist(cut.places, cut.places).square() / (2 * REACH**2)
    # Of a Gaussian process: both factors are kernels, and so is their product.
    covariance = torch.exp(ALIKE * (cosines(features) - 1) - far).double()
    strength, patterns = (one[..., -REGIONS:] for one in torch.linalg.eigh(covariance))
    root = patterns * strength.clamp(min=0).sqrt()
    root = root / root.norm(dim=1, keepdim=True).clamp(min=1e-6)
    own = torch.Generator().manual_seed(seed)
    noise = torch.randn(root.shape[1], 2 * count, generator=own, dtype=torch.float64)
    lots = torch.special.ndtr(BOLDNESS * (root @ noise)).float()
    return lots.split(2, dim=1)


def _apart(found: Sequence[Float[Tensor, "1 2 i j"]], count: int) -> list[int]:
    """Choose the first, and then always what is farthest from all chosen ones."""
    flat = torch.stack(list(found)).flatten(1)
    apart = torch.cdist(flat, flat, p=1)
    chosen = [0]
    while len(chosen) < count:
        chosen.append(int(apart[chosen].amin(dim=0).argmax()))
    return chosen


def with_bins(colorizer: Colorizer) -> tuple[Generator, Bins]:
    network = colorizer.network if isinstance(colorizer, Trained) else None
    if not isinstance(network, Generator) or network.bins is None:
        raise UserError(
            f"{colorizer.name} knows one colour a place and nothing of others: expected a network "
            "that gives probabilities, such as model=lite0_bins trains"
        )
    return network, network.bins
