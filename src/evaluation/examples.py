"""Which pictures are judged, and reading them: truth and other programs' predictions."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from src import files, images, pace, ranks
from src.colorizers.colorizer import Reference
from src.data.collection import Collection
from src.data.crops import Picture
from src.data.manifest import UNSEEN
from src.errors import UserError
from src.evaluation import protocols
from src.images import grey
from src.inference import references

SAID = {"test": "the test split", UNSEEN: "sets held out from training", "all": "all splits"}


@dataclass(frozen=True)
class Chosen:
    """The pictures of a data set that are judged.

    Attributes:
        classes: by name; empty without.
        said: which of the folder's pictures they are.
        hashes: sha256 of each file and, where a manifest names one, of its original, by name.
    """

    pictures: list[Picture]
    classes: dict[str, str]
    said: str
    hashes: dict[str, list[str]]


@dataclass(frozen=True)
class Example:
    """A picture as it is judged.

    Attributes:
        rgb: 8-bit sRGB (3, h, w).
        predictions: what other programs made of it, by their names, of the same size.
        reference: a picture whose colours colourisers may follow.
        sha256: of the file's bytes.
        fault: why the picture is left out; empty where it is judged.
        is_grey: the fault is that its truth has no colours to predict.
    """

    name: str
    rgb: UInt8[Tensor, "3 h w"] | None = None
    predictions: dict[str, UInt8[Tensor, "3 h w"]] = field(default_factory=dict)
    reference: Reference | None = None
    sha256: str = ""
    fault: str = ""
    is_grey: bool = False

    @property
    def samples(self) -> UInt8[ndarray, "h w 3"]:
        """The picture as src.inference takes it. Raises: UserError: if it is left out."""
        if self.rgb is None:
            raise UserError(self.fault)
        return as_samples(self.rgb)


def as_samples(rgb: UInt8[Tensor, "3 h w"]) -> UInt8[ndarray, "h w 3"]:
    return rgb.permute(1, 2, 0).contiguous().numpy()


def choose(root: Path, subset: str = "test") -> Chosen:
    """List the test pictures of a folder that is split, or else all below `root`.

    Args: subset: `unseen` takes the sets that were held out, `all` pictures of every split.
    Raises: UserError: if there are none.
    """
    collection = Collection(root)
    if subset == UNSEEN and not any(map(collection.is_unseen, collection.names())):
        raise UserError(
            f"subset=unseen: {root} holds no sets that src.prepare held out: give it "
            "held_out=[FOLDER,...], or judge subset=test"
        )
    only_one = collection.is_split and subset != "all"
    names = collection.names(subset if only_one else None)
    hashes = _hashes(root, names)
    if only_one:
        splits = collection.splits(hashes)
        names = [name for name in names if splits[name] == subset]
    said = "a folder without a split"
    if collection.is_split:
        said = SAID[subset]
    if not names:
        raise UserError(
            f"no pictures to judge in {root} ({said}): expected files named "
            f"{', '.join(sorted(images.EXTENSIONS))}"
        )
    classes = {name: collection.folder(name) for name in names}
    return Chosen(
        [Picture(root / name, name) for name in names],
        classes if len(set(classes.values())) > 1 else {},
        said,
        {name: [*filter(None, (hashes[name], collection.original(name)))] for name in names},
    )


def _hashes(root: Path, names: Sequence[str]) -> dict[str, str]:
    """Hash files by name; one that cannot be read, as judging will tell, has an empty hash."""

    def hashed(name: str) -> str:
        try:
            images.require_regular(root / name)
            return files.sha256(root / name)
        except (images.UnreadableImageError, OSError):
            return ""

    with ThreadPoolExecutor(ranks.default_workers()) as pool:
        found = pool.map(hashed, names)
        hashes = pace.each(found, "hashing", len(names), "pictures")
        return dict(zip(names, hashes, strict=True))


def _read_as_colorize(path: Path) -> Image.Image:
    """Read a picture as src.colorize does, whose metadata and depth are not judged."""
    page = next(images.Photo(path).pages())
    return Image.fromarray(images.eight_bit(page.samples)).convert("RGB")


class Examples(Dataset[Example]):
    """Reads pictures as a protocol wants them; whatever is wrong with one is said in its fault.

    Args:
        predictions: of each other program the files, by the names of the pictures.
        limits: what is left out as grey or tinted; None keeps it.
        followed: the reference of each picture, by name, where there are any.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        protocol: str,
        predictions: Mapping[str, Mapping[str, Path]],
        limits: grey.Rules | None,
        followed: Mapping[str, Path] | None = None,
    ) -> None:
        self.pictures = pictures
        self.protocol = protocol
        self.predictions = predictions
        self.limits = limits
        self.followed = followed or {}

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Example:
        picture = self.pictures[index]
        try:
            image = _read_as_colorize(picture.path)
            sha256 = files.sha256(picture.path)
            if self.limits is not None:
                fault = self.limits.fault(*image.size, grey.measure(image))
                if fault:
                    return Example(picture.name, sha256=sha256, fault=fault, is_grey=True)
            rgb = protocols.cut(image, self.protocol)
            predictions = {
                program: self._prediction(program, picture.name, image.size)
                for program in self.predictions
            }
            path = self.followed.get(picture.name)
            reference = None if path is None else references.read([path]).reference
        except (OSError, UserError) as error:
            return Example(picture.name, fault=str(error))
        return Example(picture.name, rgb, predictions, reference, sha256)

    def _prediction(
        self, program: str, name: str, true_size: tuple[int, int]
    ) -> UInt8[Tensor, "3 h w"]:
        path = self.predictions[program].get(name)
        if path is None:
            raise UserError(f"{program} has no picture of this name, or more than one")
        try:
            return protocols.cut_prediction(_read_as_colorize(path), true_size, self.protocol)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
