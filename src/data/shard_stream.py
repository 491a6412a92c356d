"""A data set that is read from its start to its end: shards, each process its own."""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, cast

from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from src import ranks
from src.data.crops import EvalPictures, Picture, Sample, TrainPictures, mixed_seed
from src.data.datamodule import ColorizationData, Subset
from src.data.shards import Shards, TarPicture, find, listed
from src.errors import UserError, require

SHUFFLED = 1000  # pictures, not yet decoded, of which a loading process picks the next one
SCHEMES = ("http", "https", "s3")

Cut = Callable[[Sequence[Picture], int], Sample]  # of the first picture that can be read; a seed


def _cut_to_train(
    cut: Callable[[Sequence[Picture]], TrainPictures], pictures: Sequence[Picture], seed: int
) -> Sample:
    return cut(pictures)[0, seed]


def _cut_to_judge(size: int, fit: Any, pictures: Sequence[Picture], _seed: int) -> Sample:
    return EvalPictures(pictures, size, fit)[0]


class Stream(IterableDataset[Sample]):
    """This rank's share of a split, each loading process with whole batches of its own.

    Shards follow each other, shuffled for training, and each process of each rank reads one stretch
    of them; a shard at the border of two is read by both, who take different pictures of it. What
    an epoch shows is a function of seed, epoch, and the numbers of ranks and processes.

    Args:
        epoch: of the first pass; each later pass is the next epoch. None: always in order.
        drop_last: leave out what makes no whole batch of all ranks.
    """

    def __init__(
        self,
        shards: Shards,
        batch_size: int,
        cut: Cut,
        *,
        seed: int = 0,
        epoch: int | None = None,
        repeat: int = 1,
        drop_last: bool = False,
    ) -> None:
        self.shards = shards
        self.batch_size = batch_size
        self.cut = cut
        self.seed = seed
        self.epoch = epoch
        self.repeat = repeat
        rank, count = ranks.this_and_all()
        whole = len(shards) * repeat
        if epoch is None:
            self.start, self.stop = rank * whole // count, (rank + 1) * whole // count
        else:
            share = whole // count
            share -= share % batch_size if drop_last else 0
            self.start, self.stop = rank * share, (rank + 1) * share

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        number, count = (worker.id, worker.num_workers) if worker else (0, 1)
        batches = -(-len(self) // self.batch_size)
        start, stop = (
            min(self.start + n * batches // count * self.batch_size, self.stop)
            for n in (number, number + 1)
        )
        order = [*range(len(self.shards.counts))] * self.repeat
        if self.epoch is None:
            return self._samples(self.shards.read(order, start, stop), _random(0))
        _random(self.seed, self.epoch).shuffle(order)
        seeds = _random(self.seed, self.epoch, start)
        self.epoch += 1
        return self._samples(_mixed(self.shards.read(order, start, stop), seeds), seeds)

    def _samples(self, pictures: Iterator[TarPicture], seeds: random.Random) -> Iterator[Sample]:
        before: list[Picture] = []  # takes the place of one that cannot be read
        for picture in pictures:
            yield self.cut([picture, *before], seeds.getrandbits(62))
            before = [picture]


def _random(*entropy: int) -> random.Random:
    return random.Random(mixed_seed(*entropy))  # noqa: S311


def _mixed(pictures: Iterator[TarPicture], seeds: random.Random) -> Iterator[TarPicture]:
    from webdataset import shuffle

    return cast(Iterator[TarPicture], shuffle(SHUFFLED, initial=SHUFFLED, rng=seeds)(pictures))


class ShardsData(ColorizationData):
    """The shards of a data set that src.prepare has made with shards=true, in its splits.

    Args:
        root: the folder of shards, or its http://, https:// or s3:// address.
        loading: arguments of ColorizationData.
    """

    def __init__(self, *, root: str, **loading: Any) -> None:
        super().__init__(**loading)
        everything = self.max_per_folder is None
        require(everything, "data.max_per_folder", self.max_per_folder, "null for shards")
        require(self.epoch_crops is None, "data.epoch_crops", self.epoch_crops, "null for shards")
        require(isinstance(root, str), "data.root", root, "a folder of shards, or its address")
        scheme, separator, _ = root.partition("://")
        require(
            not separator or scheme in SCHEMES,
            "data.root",
            root,
            f"a folder, or an address that begins with {', '.join(SCHEMES)}",
        )
        self.root = root.rstrip("/")

    def find_pictures(self) -> dict[Subset, Shards]:
        few = self.overfit_batches
        require(
            not few, "trainer.overfit_batches", few, "0 with data=shards, which are read in turn"
        )
        subsets = cast(dict[Subset, Shards], find(self.root))
        self.listed = listed(subsets["train"].place)
        if self.listed is None:
            rank_zero_only(print)(
                f"unlisted: {self.root} has no pictures.csv, so evaluate cannot leave out what "
                "this run is trained on; src.prepare with shards=true adds it"
            )
        self.require_recorded()
        for subset, shards in subsets.items():
            if not len(shards):
                raise UserError(f"no picture for {subset} in {self.root}: prepare more pictures")
        return subsets

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader(
            Stream(
                self._shards("train"),
                self.batch_size // ranks.this_and_all()[1],
                partial(_cut_to_train, self.cut_to_train),
                seed=self.seed,
                epoch=self.first_epoch,
                repeat=self.repeat,
                drop_last=len(self.subsets["train"]) * self.repeat > self.batch_size,
            )
        )

    def all_of(self, subset: Subset) -> DataLoader[Any]:
        return self._loader(
            Stream(
                self._shards(subset),
                self.batch_size // ranks.this_and_all()[1],
                partial(_cut_to_judge, self.image_size, self.eval_fit),
            )
        )

    def eval_pictures(self, subset: Subset, limit: int | None = None) -> EvalPictures:
        shards = self._shards(subset)
        # Contents stand in the order of their hashes: the first ones are as good as any.
        some = min(limit or len(shards), len(shards))
        pictures = list(shards.read(range(len(shards.counts)), 0, some))
        return EvalPictures(pictures, self.image_size, self.eval_fit)

    def _shards(self, subset: Subset) -> Shards:
        return cast(Shards, self.subsets[subset])
