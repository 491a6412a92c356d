"""Picture files as they really are: read, and written whole or not at all."""

from src.images.faults import UnreadableImageError, allow_megapixels, require_regular
from src.images.listing import EXTENSIONS, find, in_words, listing
from src.images.metadata import Metadata
from src.images.photo import Page, Photo, eight_bit, read_rgb, read_rgb_and_size
from src.images.reader import FORMATS
from src.images.writer import write_image, write_pages

__all__ = [
    "EXTENSIONS",
    "FORMATS",
    "Metadata",
    "Page",
    "Photo",
    "UnreadableImageError",
    "allow_megapixels",
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
