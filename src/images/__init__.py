"""Picture files as they really are: read, and written whole or not at all."""

from src.images.photo import Metadata, Page, Photo
from src.images.reader import (
    EXTENSIONS,
    FORMATS,
    UnreadableImageError,
    find,
    read_rgb,
    read_rgb_and_size,
    require_regular,
)
from src.images.writer import MAX_SEGMENT, eight_bit, write_image, write_pages

__all__ = [
    "EXTENSIONS",
    "FORMATS",
    "MAX_SEGMENT",
    "Metadata",
    "Page",
    "Photo",
    "UnreadableImageError",
    "eight_bit",
    "find",
    "read_rgb",
    "read_rgb_and_size",
    "require_regular",
    "write_image",
    "write_pages",
]
