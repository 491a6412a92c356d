"""Imagenette: 13,394 photographs of ten ImageNet classes, downloaded on first use."""

from pathlib import Path
from typing import Any

from src.data.download import download, unpack
from src.data.folder import FolderData


class ImagenetteData(FolderData):
    """Imagenette at 160 pixels (fast.ai): train/ as it is, val/ halved into val and test.

    Args:
        url: a .tgz archive that holds one folder with train/ and val/ inside.
        md5: the archive's md5 sum.
        folder: where the archive and what it holds are put.
        data: arguments of FolderData.
    """

    def __init__(self, *, url: str, md5: str, folder: str = "data", **data: Any) -> None:
        name = url.rsplit("/", 1)[-1]
        self.archive = Path(folder) / name
        super().__init__(root=str(Path(folder) / name.removesuffix(".tgz")), **data)
        self.url = url
        self.md5 = md5

    def prepare_data(self) -> None:
        if not self.root.is_dir():
            download(self.url, self.archive, self.md5)
            unpack(self.archive, self.root)
        super().prepare_data()
