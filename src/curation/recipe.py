"""What a data set is made with."""

from dataclasses import dataclass, field

from src.data import manifest
from src.errors import require, require_number, require_one_of, require_whole

SUFFIXES = {"jpeg": ".jpg", "png": ".png"}
FITS = ("short", "stretch", "crop")


@dataclass(frozen=True)
class Settings:
    """What a data set is made with; another one needs another folder.

    Attributes:
        image_size: pixels of the short side, or of the square.
        fit: `short` keeps the shape, `crop` takes the central square, `stretch` makes a square.
        format: of the written pictures, `jpeg` or `png`.
        min_size, min_chroma_spread, one_hue: the thresholds of images.grey.Rules.
        shares: of the groups, by split.
        part: such as 3/16: the third of sixteen parts, by content.
        held_out: folders at the top of the source, whose pictures are in the split `unseen`.
    Raises: UserError: if one is out of its range.
    """

    image_size: int
    fit: str
    format: str
    min_size: int
    min_chroma_spread: float
    one_hue: float
    shares: dict[str, float]
    part: str
    held_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        require_whole("image_size", self.image_size, 1)
        require_one_of("fit", self.fit, FITS)
        require_one_of("format", self.format, [*SUFFIXES])
        require_whole("min_size", self.min_size, 1)
        require_number("min_chroma_spread", self.min_chroma_spread, 0)
        require_number("one_hue", self.one_hue, 0, 1)
        require(isinstance(self.shares, dict), "shares", self.shares, "a share of each split")
        for split, share in self.shares.items():
            require_one_of("shares", split, manifest.SPLITS)
            require_number(f"shares.{split}", share, 0, 1)
        whole = abs(sum(self.shares.values()) - 1) < 1e-6
        require(whole, "shares", dict(self.shares), "numbers whose sum is 1")
        number, count = self.number_and_count
        require(1 <= number <= count, "part", self.part, "NUMBER/COUNT, such as 3/16")

    def holds_out(self, source: str) -> bool:
        """Tell whether a picture, by its path below the source's folder, is of a held-out set."""
        return source.partition("/")[0] in self.held_out

    @property
    def number_and_count(self) -> tuple[int, int]:
        number, _, count = str(self.part).partition("/")
        return (int(number), int(count)) if number.isdigit() and count.isdigit() else (0, 0)
