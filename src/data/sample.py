"""The photographs that come with the project: real pictures without a download."""

from pathlib import Path
from typing import Any

from src.data.folder import FolderData
from src.errors import UserError, require

FOLDER = Path(__file__).resolve().parents[2] / "data" / "sample"


class SampleData(FolderData):
    """The pictures in data/sample, split as those of any folder; attribution.csv has their authors.

    Args:
        root: None, since it is not a folder of yours.
        data: arguments of FolderData.
    """

    next_step = (
        "So few photographs teach a network the colours of skies and leaves, and little else.\n"
        "Next, a network that knows ImageNet: python -m src.train model=lite0_unet\n"
        "more photographs, a download:        python -m src.train model=unet_gan data=imagenette\n"
        "or your own:                         "
        "python -m src.train model=unet_gan data=folder data.root=DIR"
    )

    def __init__(self, *, root: str | None = None, **data: Any) -> None:
        require(root is None, "data.root", root, "data=folder beside it: data=sample has its own")
        if not FOLDER.is_dir():
            raise UserError(
                f"{FOLDER} is missing: expected the photographs that come with the project's "
                "source; restore it, or give data=folder data.root=DIR"
            )
        super().__init__(root=str(FOLDER), **data)
