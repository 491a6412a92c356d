"""Picture files as they really are: read, and written whole or not at all."""

from src.images.listing import EXTENSIONS, find, in_words, listing
from src.images.photo import Metadata, Page, Photo
from src.images.reader import (
    FORMATS,
    UnreadableImageError,
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
    "in_words",
    "listing",
    "read_rgb",
    "read_rgb_and_size",
    "require_regular",
    "write_image",
    "write_pages",
]
