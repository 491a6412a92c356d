"""The samples of a picture as they lie in its file, and what they mean."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.images import profiles

Samples = NDArray[Any]
SIDEWAYS = (5, 6, 7, 8)  # the EXIF orientations that exchange the sides
# From an array that lies in a file as EXIF's orientation says to the upright one, without a copy.
UPRIGHT: dict[int, Callable[[Samples], Samples]] = {
    2: np.fliplr,
    3: lambda samples: np.rot90(samples, 2),
    4: np.flipud,
    5: lambda samples: samples.swapaxes(0, 1),
    6: lambda samples: np.rot90(samples, 3),
    7: lambda samples: np.rot90(samples.swapaxes(0, 1), 2),
    8: np.rot90,
}


@dataclass
class Raster:
    """Samples as they lie in a file.

    Attributes:
        samples: uint8 or uint16, in the shape of their space.
        space: one of `profiles`.
        alpha: (h, w) of the same type, where there is one; colours are not multiplied by it.
        profile: ICC's, of the samples.
        orientation: EXIF's.
    """

    samples: Samples
    space: bytes = profiles.RGB
    alpha: Samples | None = None
    profile: bytes | None = None
    orientation: int = 1

    def upright_srgb(self) -> tuple[Samples, Samples | None]:
        """Return samples, (h, w) of grey or (h, w, 3) of sRGB, and alpha, as a viewer shows them.

        It is done once: the raster's own samples may be changed by it.
        """
        turn = UPRIGHT.get(self.orientation, np.asarray)
        samples = turn(profiles.to_srgb(self.samples, self.space, self.profile))
        return samples, None if self.alpha is None else turn(self.alpha)


def scaled(samples: Samples, bits: int) -> Samples:
    """Let samples of so many bits fill the range of their type."""
    full = samples.dtype.itemsize * 8
    if bits == full:
        return samples
    steps = np.arange(1 << bits) * ((1 << full) - 1) / ((1 << bits) - 1)
    return steps.astype(samples.dtype)[samples]
