"""The LightningDataModule that every data set shares."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, cast, get_args

import lightning
import torch
from jaxtyping import Float
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor
from torch.utils import data
from torch.utils.data import DataLoader, Dataset

from src import color, ranks
from src.data.aging import aged
from src.data.crops import EpochShuffle, EvalFit, EvalPictures, Picture, Sample, TrainPictures
from src.data.picture_list import Listed
from src.errors import UserError, require, require_number, require_one_of, require_whole

Subset = Literal["train", "val", "test"]
Subsets = Mapping[Subset, Sequence[Picture]]
MIN_IMAGE_SIZE = 32
MAX_ZOOM = 8
MAX_TONE = 3


class ColorizationData(lightning.LightningDataModule, ABC):
    """Loads uint8 RGB and makes L and ab on the device; children say which pictures there are.

    Args:
        image_size: side in pixels of the squares that networks see.
        batch_size: pictures a step, of all ranks together.
        eval_fit: how validation and test pictures become squares: `crop` or `stretch`.
        zoom: training crops are taken from pictures with a short side of zoom x image_size; of
            [least, most], each crop draws its own.
        tone: each training crop's tones are raised to a power between 1 / (1 + tone) and 1 + tone,
            as in faded and in dense prints; its colours stay.
        whole: share of the training crops that take in more of the picture's long side, up to all
            of it, squeezed into the square.
        aging: whether the L of training crops is changed as old photographs show it.
        repeat: how often an epoch goes through the training pictures; for a handful of them.
        max_per_folder: training pictures that an epoch shows of each folder, others each time, so
            that no large class sets the colours of everything; None shows all.
        epoch_crops: crops that an epoch shows, however many pictures there are; None: one of each.
        fit_images: training pictures on which every validation also measures the fit.
        num_workers: loading processes of each rank; None takes one a core, up to 8.
        seed: of shuffling and augmentation.

    Raises: UserError: if an argument is out of its range.
    """

    next_step: str | None = None  # what to tell a person who has trained on this
    first_epoch = 0  # of this process; a resumed run's is not 0
    overfit_batches: int | float = 0  # as Lightning's Trainer has it: all that is shown, if not 0
    recorded: list[Listed] | None = None  # what a resumed run was begun with: all that it may use
    listed: list[Listed] | None = None  # once set up: what is used; None where nobody knows

    def __init__(
        self,
        *,
        image_size: int,
        batch_size: int,
        eval_fit: str = "crop",
        zoom: float | Sequence[float] = 1.12,
        tone: float = 0.0,
        whole: float = 0.0,
        aging: bool = False,
        repeat: int = 1,
        max_per_folder: int | None = None,
        epoch_crops: int | None = None,
        fit_images: int = 32,
        num_workers: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        require_whole("data.image_size", image_size, MIN_IMAGE_SIZE)
        require_whole("data.batch_size", batch_size, 1)
        require_one_of("data.eval_fit", eval_fit, get_args(EvalFit))
        least, most = zoom if isinstance(zoom, Sequence) and len(zoom) == 2 else (zoom, zoom)
        require_number("data.zoom", least, 1, MAX_ZOOM)
        require_number("data.zoom", most, cast(float, least), MAX_ZOOM)
        require_number("data.tone", tone, 0, MAX_TONE)
        require_number("data.whole", whole, 0, 1)
        require(isinstance(aging, bool), "data.aging", aging, "true or false")
        require_whole("data.repeat", repeat, 1)
        if max_per_folder is not None:
            require_whole("data.max_per_folder", max_per_folder, 1)
        if epoch_crops is not None:
            require_whole("data.epoch_crops", epoch_crops, batch_size)
        require_whole("data.fit_images", fit_images, 1)
        require_whole("data.num_workers", 0 if num_workers is None else num_workers, 0)
        require_whole("data.seed", seed, 0)
        self.image_size = image_size
        self.batch_size = batch_size
        self.eval_fit = cast(EvalFit, eval_fit)
        self.zooms = cast(float, least), cast(float, most)
        self.tone = tone
        self.whole = whole
        self.aging = aging
        self.repeat = repeat
        self.max_per_folder = max_per_folder
        self.epoch_crops = epoch_crops
        self.fit_images = fit_images
        self.num_workers = ranks.default_workers() if num_workers is None else num_workers
        self.seed = seed
        self.subsets: Subsets = {}

    @abstractmethod
    def find_pictures(self) -> Subsets:
        """List the pictures of each subset. Raises: UserError: if there are too few."""

    def require_recorded(self) -> None:
        """Refuse to resume a run with other pictures than it was begun with. Raises: UserError."""
        if self.recorded is not None and self.recorded != (self.listed or []):
            raise UserError(
                "the data set holds other pictures than those that the run was begun with: start "
                "the run anew, or put them back"
            )

    @property
    def protocol(self) -> str:
        """How evaluation pictures are cut, in words."""
        cut = "centre crop" if self.eval_fit == "crop" else "stretched"
        return f"{cut}, {self.image_size}x{self.image_size}"

    def setup(self, stage: str) -> None:
        if not self.subsets:
            found = self.find_pictures()
            self.subsets = self._few(found) if self.overfit_batches else found
            counts = ", ".join(f"{len(own)} {subset}" for subset, own in self.subsets.items())
            rank_zero_only(print)(f"pictures: {counts} ({self.protocol})")
        self._check_ranks(ranks.this_and_all()[1])

    def _few(self, subsets: Subsets) -> Subsets:
        """Keep of each subset what overfit_batches asks for."""
        asked = self.overfit_batches
        self.repeat, self.max_per_folder, self.epoch_crops = 1, None, None
        return {
            subset: _spread(
                own, math.ceil(asked * (len(own) if isinstance(asked, float) else self.batch_size))
            )
            for subset, own in subsets.items()
        }

    def _check_ranks(self, count: int) -> None:
        whole = self.batch_size % count == 0
        require(whole, "data.batch_size", self.batch_size, f"a multiple of the {count} devices")
        smallest = min(self.fit_images, *(len(own) for own in self.subsets.values()))
        if smallest < count:
            raise UserError(f"{smallest} pictures for {count} devices: expected one each at least")

    def train_dataloader(self) -> DataLoader[Any]:
        pictures = [*self.pictures_to_cut()] * self.repeat
        folders = [picture.folder for picture in pictures]
        sampler = EpochShuffle(
            folders, self.seed, *ranks.this_and_all(), self.max_per_folder, self.epoch_crops
        )
        # Lightning sets it only after loading processes have asked for the first pictures.
        # To overfit, each epoch shows the very same crops, a resumed run's too.
        sampler.set_epoch(0 if self.overfit_batches else self.first_epoch)
        return self._loader(
            self.cut_to_train(pictures),
            sampler=list(sampler) if self.overfit_batches else sampler,
            # A last batch of another size would make compiled networks compile again.
            drop_last=sampler.crops > self.batch_size,
        )

    def pictures_to_cut(self) -> Sequence[Picture]:
        """Return the training pictures, from where crops of them are read fastest."""
        return self.subsets["train"]

    @property
    def cut_to_train(self) -> Callable[[Sequence[Picture]], TrainPictures]:
        """Cuts pictures as the settings say, in any process."""
        return partial(
            TrainPictures,
            size=self.image_size,
            zooms=self.zooms,
            tone=self.tone,
            whole=self.whole,
            aging=self.aging,
        )

    def val_dataloader(self) -> list[DataLoader[Any]]:
        """Two loaders: the validation pictures, and some training pictures in the same geometry."""
        return [
            self.all_of("val"),
            self._loader(_of_this_rank(self.eval_pictures("train", limit=self.fit_images))),
        ]

    def test_dataloader(self) -> DataLoader[Any]:
        return self.all_of("test")

    def all_of(self, subset: Subset) -> DataLoader[Any]:
        """Load this rank's share of a subset's pictures as validation sees them."""
        return self._loader(_of_this_rank(self.eval_pictures(subset)))

    def eval_pictures(self, subset: Subset, limit: int | None = None) -> EvalPictures:
        """A subset's pictures as validation sees them, or `limit` spread evenly over it."""
        pictures = self.subsets[subset]
        if limit is not None:
            pictures = _spread(pictures, limit)
        return EvalPictures(pictures, self.image_size, self.eval_fit)

    def mean_ab(self, device: torch.device) -> Float[Tensor, "2"]:
        """Mean ab of the training pictures, each counted once, in a network's scale [-1, 1]."""
        return self.mean_of(lambda ab: ab.mean(dim=(2, 3)), device)

    def mean_of(
        self,
        figures: Callable[[Float[Tensor, "b 2 h w"]], Float[Tensor, "b n"]],
        device: torch.device,
    ) -> Float[Tensor, " n"]:
        """Mean of figures of the training pictures' ab, each picture counted once."""
        total: Any = 0.0  # numpy's floats are double: some devices have none
        count = 0
        for batch in self.all_of("train"):
            _, ab = color.uint8_to_L_ab(batch["rgb"].to(device))
            total = total + figures(ab).sum(dim=0).cpu().numpy().astype(float)
            count += len(ab)
        sums = ranks.summed(torch.tensor([*total, count], dtype=torch.float32, device=device))
        return (sums[:-1] / sums[-1]).cpu()

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        L, ab = color.uint8_to_L_ab(batch["rgb"])
        if self.tone:
            L = color.toned(L, batch["tone"])
        if "age" in batch:
            L = aged(L, batch["age"])
        return {"L": L, "ab": ab, "name": batch["name"]}

    def _loader(self, dataset: Dataset[Sample], **options: Any) -> DataLoader[Any]:
        workers = min(self.num_workers, len(cast(Any, dataset)))
        return DataLoader(
            dataset,
            batch_size=self.batch_size // ranks.this_and_all()[1],
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            **options,
        )


def _spread(pictures: Sequence[Picture], count: int) -> Sequence[Picture]:
    """Take `count` pictures, or all, that lie evenly among them."""
    if count >= len(pictures):
        return pictures
    return [pictures[i * len(pictures) // count] for i in range(count)]


def _of_this_rank(pictures: EvalPictures) -> Dataset[Sample]:
    """Every n-th picture, none twice, so that means over all ranks are those of one process."""
    rank, count = ranks.this_and_all()
    return data.Subset(pictures, range(rank, len(pictures), count))
