"""From a list of picture files to square uint8 tensors."""

import math
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from src.images import UnreadableImageError, read_rgb

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels
EvalFit = Literal["crop", "stretch"]
SUBSTITUTES = 8


@dataclass(frozen=True)
class Picture:
    """A picture file.

    Attributes:
        path: the file.
        name: what people are told about it: the path inside its data set.
        folder: that it came from.
    """

    path: Path
    name: str
    folder: str = ""

    def read(self, short_side: int | None = None) -> Image.Image:
        """Decode the picture as `read_rgb`."""
        return read_rgb(self.path, short_side)


def readable(
    pictures: Sequence[Picture], index: int, short_side: int | None = None
) -> tuple[Image.Image, str]:
    """Decode a picture as `read_rgb`, or one after it where it broke meanwhile; and its name.

    Raises: UnreadableImageError: if the next ones cannot be read either.
    """
    for offset in range(SUBSTITUTES):
        picture = pictures[(index + offset) % len(pictures)]
        try:
            return picture.read(short_side), picture.name
        except UnreadableImageError as error:
            fault = f"{picture.name} can no longer be read: {error}"
            warnings.warn(f"{fault}; another one takes its place", stacklevel=2)
    raise UnreadableImageError(f"{fault}, and neither can those after it: is the folder gone?")


class Sample(TypedDict):
    """One item of a data set: the picture as uint8 sRGB (3, size, size), and its name.

    A network is shown the picture's L, as a share of white, raised to the power `tone`, and then
    aged by the seed `age`, if there is one.
    """

    rgb: UInt8[Tensor, "3 size size"]
    name: str
    tone: Float[Tensor, ""]
    age: NotRequired[Int64[Tensor, ""]]


class EvalPictures(Dataset[Sample]):
    """Pictures of one size, the same ones each time: a centre crop, or stretched to a square."""

    def __init__(self, pictures: Sequence[Picture], size: int, fit: EvalFit) -> None:
        self.pictures = pictures
        self.size = size
        self.fit = fit

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Sample:
        image, name = readable(self.pictures, index)
        rgb = judged_square(image, self.size, self.fit)
        return {"rgb": rgb, "name": name, "tone": torch.tensor(1.0)}


class TrainPictures(Dataset[Sample]):
    """Random square crops, flipped half of the time.

    The short side of a picture is taken as zoom x size, as pix2pix loads 286 pixels to crop 256.
    Each crop draws its zoom between the two of `zooms`, every enlargement as likely as another,
    and the power of its tones between 1 / (1 + tone) and 1 + tone.

    Args:
        whole: share of the crops that take in more of the picture's long side, between none more
            and all of it, and squeeze it into the square.
        aging: whether L is to be aged.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        size: int,
        zooms: tuple[float, float],
        tone: float = 0.0,
        whole: float = 0.0,
        *,
        aging: bool = False,
    ) -> None:
        self.pictures = pictures
        self.size = size
        self.zooms = zooms
        self.tone = tone
        self.whole = whole
        self.aging = aging

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Cut the picture `key[0]` with the random numbers that the seed `key[1]` gives."""
        index, seed = key
        # Evaluation decodes at full size, so that its pictures are those of any other program.
        least, most = self.zooms
        image, name = readable(self.pictures, index, math.ceil(most * self.size))
        draws = torch.rand(7, generator=torch.Generator().manual_seed(seed))
        x, y, flip, z, t, kind, more = draws.tolist()
        zoom = least * (most / least) ** z
        rgb = cut(image, self.size, part(image, zoom, x, y, more if kind < self.whole else 0.0))
        tone = torch.tensor((1 + self.tone) ** (2 * t - 1))
        sample: Sample = {"rgb": rgb.flip(-1) if flip < 0.5 else rgb, "name": name, "tone": tone}
        return sample | {"age": torch.tensor(seed)} if self.aging else sample


class EpochShuffle(Sampler[tuple[int, int]]):
    """Shuffled indices, each with a seed for its augmentation: a function of seed and epoch only.

    What an epoch shows thus depends neither on workers nor on what ran before. Lightning calls
    `set_epoch`. Of several ranks each takes every n-th index, so that their batches together are
    those of one process; what does not divide is left out.

    Args:
        folders: the folder of each picture.
        max_per_folder: pictures that a pass shows of each folder, others each time; None: all.
        crops: that an epoch shows, of one pass after another; None: those of a pass.
    """

    def __init__(
        self,
        folders: Sequence[str],
        seed: int,
        rank: int = 0,
        ranks: int = 1,
        max_per_folder: int | None = None,
        crops: int | None = None,
    ) -> None:
        self.folders = folders
        self.most = len(folders) if max_per_folder is None else max_per_folder
        self.length = sum(min(self.most, count) for count in Counter(folders).values())
        self.crops = self.length if crops is None else crops
        self.seed = seed
        self.rank = rank
        self.ranks = ranks
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.crops // self.ranks

    def __iter__(self) -> Iterator[tuple[int, int]]:
        start = self.epoch * self.crops
        first, skipped = divmod(start, self.length)
        last = (start + self.crops - 1) // self.length
        keys = [key for number in range(first, last + 1) for key in self._pass(number)]
        end = skipped + len(self) * self.ranks
        return iter(keys[skipped + self.rank : end : self.ranks])

    def _pass(self, number: int) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(mixed_seed(self.seed, number))
        order = self._capped(torch.randperm(len(self.folders), generator=generator).tolist())
        seeds = torch.randint(2**63 - 1, (self.length,), generator=generator).tolist()
        return zip(order, seeds, strict=True)

    def _capped(self, order: Sequence[int]) -> list[int]:
        shown = Counter[str]()
        kept = []
        for index in order:
            shown[self.folders[index]] += 1
            if shown[self.folders[index]] <= self.most:
                kept.append(index)
        return kept


def mixed_seed(*entropy: int) -> int:
    """Make one seed of several numbers; their sum would be the same of (0, 1) and (1, 0)."""
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])


def square(image: Image.Image, zoom: float, x: float, y: float) -> Box:
    """Return the square with 1/zoom of the short side that lies at (x, y), both in [0, 1]."""
    return part(image, zoom, x, y, 0.0)


def part(image: Image.Image, zoom: float, x: float, y: float, more: float) -> Box:
    """As `square`, but of `more` in [0, 1] of the way from a square to the picture's own shape."""
    short = min(image.size)
    width, height = (short / zoom * (side / short) ** more for side in image.size)
    left, top = x * (image.width - width), y * (image.height - height)
    return left, top, left + width, top + height


def judged_square(image: Image.Image, size: int, fit: EvalFit) -> UInt8[Tensor, "3 size size"]:
    """Cut a picture as validation and test see it: its central square, or all of it stretched."""
    return resized(image, size, None if fit == "stretch" else square(image, 1.0, 0.5, 0.5))


def resized(image: Image.Image, size: int, box: Box | None) -> UInt8[Tensor, "3 size size"]:
    """Resample a part of a picture to a square of `size` pixels, bicubic with antialiasing."""
    pixels = np.array(image.resize((size, size), Image.Resampling.BICUBIC, box=box))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def cut(image: Image.Image, size: int, box: Box) -> UInt8[Tensor, "3 size size"]:
    """As `resized`, of the box to whole pixels, to within 1 of 255: in a quarter of its time."""
    left, top, right, bottom = map(round, box)
    cropped = image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
    pixels = torch.from_numpy(np.array(cropped)).permute(2, 0, 1)[None]
    return F.interpolate(pixels, (size, size), mode="bicubic", antialias=True)[0].contiguous()
