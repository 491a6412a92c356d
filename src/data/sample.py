"""The colour photographs inside scikit-image's wheel: real pictures without a download."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import skimage.data

from src import files
from src.data.crops import Picture
from src.data.datamodule import ColorizationData, Subset, Subsets
from src.data.picture_list import Listed
from src.errors import UserError, require, require_whole
from src.images import read_rgb

# By scene: the two motorcycle pictures show the same one from two sides.
SCENES: dict[Subset, tuple[str, ...]] = {
    "train": ("astronaut.png", "chelsea.png", "motorcycle_left.png", "motorcycle_right.png"),
    "val": ("coffee.png",),
    "test": ("rocket.jpg",),
}


class SampleData(ColorizationData):
    """Square tiles of five scenes, split by scene.

    Args:
        tile: side of a tile in pixels of the photograph.
        root: None, since the scenes are not in a folder of yours.
        loading: arguments of ColorizationData.
    """

    next_step = (
        "Five scenes teach no network to colour new ones: it can only learn its training tiles.\n"
        "Next, with photographs: python -m src.train model=unet_gan data=imagenette\n"
        "or with your own:       python -m src.train model=unet_gan data=folder data.root=DIR"
    )

    def __init__(self, *, tile: int, root: str | None = None, **loading: Any) -> None:
        super().__init__(**loading)
        require(root is None, "data.root", root, "data=folder beside it: data=sample has no folder")
        require_whole("data.tile", tile, 1)
        self.tile = tile

    def find_pictures(self) -> Subsets:
        folder = Path(skimage.data.__file__).parent
        self.listed = [
            Listed(scene, subset, files.sha256(folder / scene))
            for subset, scenes in SCENES.items()
            for scene in scenes
        ]
        self.require_recorded()
        return {
            subset: [tile for scene in scenes for tile in self._tiles(folder / scene)]
            for subset, scenes in SCENES.items()
        }

    def _tiles(self, path: Path) -> Iterator[Picture]:
        width, height = read_rgb(path).size
        columns, rows = width // self.tile, height // self.tile
        if not columns or not rows:
            raise UserError(
                f"data.tile={self.tile}: expected at most {min(width, height)}, since {path.name} "
                f"has {width}x{height} pixels"
            )
        left, top = (width - columns * self.tile) // 2, (height - rows * self.tile) // 2
        for row in range(rows):
            for column in range(columns):
                x, y = left + column * self.tile, top + row * self.tile
                box = (x, y, x + self.tile, y + self.tile)
                yield Picture(path, f"{path.stem} {row + 1}-{column + 1}", box)
