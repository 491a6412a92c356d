"""Data sets: lists of picture files, cut to tensors, with the Lab conversion on the device."""

from src.data.folder import FolderData
from src.data.imagenette import ImagenetteData
from src.data.module import ColorizationData
from src.data.sample import SampleData
from src.data.stream import ShardsData

__all__ = ["ColorizationData", "FolderData", "ImagenetteData", "SampleData", "ShardsData"]
