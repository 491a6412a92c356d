"""Superpixels: small regions of alike lightness, whose features and colours are taken as one."""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from src.errors import UserError

AREA = 36  # pixels of one, about; of twice the side, their mean colours blur fine things
COMPACTNESS = 0.05  # of SLIC, for lightness in [0, 1]: little, so that they follow edges


@dataclass(frozen=True)
class Superpixels:
    """A picture cut into n of them. Attributes: labels: of each pixel its own, 0 to n - 1."""

    labels: Int64[Tensor, "h w"]

    @classmethod
    def of(cls, L: Float[Tensor, "1 1 h w"]) -> "Superpixels":
        """Cut a picture by its lightness in [-1, 1].

        Raises: UserError: if scikit-image is not installed.
        Source: SLIC, Achanta et al. 2012, as scikit-image has it.
        """
        try:
            from skimage.segmentation import slic
        except ImportError:
            said = "colours of a reference need scikit-image: pip install scikit-image"
            raise UserError(said) from None
        share = (L[0, 0].cpu().double().numpy() + 1) / 2
        count = max(1, share.size // AREA)
        labels = slic(share, count, COMPACTNESS, channel_axis=None, start_label=0)
        return cls(torch.from_numpy(labels).long())

    def enlarged(self, height: int, width: int) -> "Superpixels":
        """Return the same cut of a picture of another size."""
        labels = F.interpolate(self.labels[None, None].double(), (height, width)).long()
        return Superpixels(labels[0, 0])

    @cached_property
    def sizes(self) -> Float[Tensor, " n"]:
        """Pixels of each."""
        return torch.bincount(self.labels.flatten()).float()

    @cached_property
    def places(self) -> Float[Tensor, "n 2"]:
        """Mean row and column of each, as shares of the picture's height and width."""
        return self.means(_places(self.labels))

    @cached_property
    def touching(self) -> Bool[Tensor, "n n"]:
        """Which of them share a border; each touches itself."""
        found = torch.eye(len(self.sizes), dtype=torch.bool)
        for one, other in (
            (self.labels[1:], self.labels[:-1]),
            (self.labels[:, 1:], self.labels[:, :-1]),
        ):
            found[one.flatten(), other.flatten()] = True
        return found | found.T

    def means(self, maps: Float[Tensor, "1 c h w"]) -> Float[Tensor, "n c"]:
        """Return the mean of each map over each superpixel."""
        sums = torch.zeros(len(self.sizes), maps.shape[1])
        sums.index_add_(0, self.labels.flatten(), maps[0].flatten(1).T.contiguous())
        return sums / self.sizes[:, None].clamp(min=1)

    def sampled(self, maps: Float[Tensor, "1 c i j"]) -> Float[Tensor, "n c"]:
        """Return what maps of any size have at the place of each superpixel."""
        grid = (self.places * 2 - 1).flip(1)
        found = F.grid_sample(maps, grid[None, None], padding_mode="border", align_corners=False)
        return found[0, :, 0].T

    def painted(self, values: Float[Tensor, "n c"]) -> Float[Tensor, "1 c h w"]:
        """Return maps in which each superpixel has its own values."""
        return values[self.labels].movedim(-1, 0)[None]

    def middles(self) -> Bool[Tensor, "1 1 h w"]:
        """Mark one pixel of each: the nearest to its mean place."""
        apart = (_places(self.labels) - self.painted(self.places)).norm(dim=1).flatten()
        nearest_last = apart.argsort(descending=True)
        labels = self.labels.flatten()
        chosen = torch.zeros(len(self.sizes), dtype=torch.long)
        # Written one after the other, so that the last one stays.
        chosen.numpy()[labels[nearest_last].numpy()] = nearest_last.numpy()
        marked = torch.zeros(self.labels.numel(), dtype=torch.bool)
        marked[chosen[self.sizes > 0]] = True
        return marked.view(1, 1, *self.labels.shape)


def _places(labels: Int64[Tensor, "h w"]) -> Float[Tensor, "1 2 h w"]:
    height, width = labels.shape
    rows = ((torch.arange(height) + 0.5) / height)[:, None].expand(height, width)
    columns = ((torch.arange(width) + 0.5) / width).expand(height, width)
    return torch.stack([rows, columns])[None]
