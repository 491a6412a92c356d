"""EXIF: reading it from any file, and what of it is true of a coloured, upright sRGB copy."""

from typing import Any

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from src.images.iptc import decoded

ORIENTATION = ExifTags.Base.Orientation
DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
# What describes a photograph; the rest of a TIFF's first directory describes its samples.
DESCRIPTIVE = {
    ExifTags.Base.DocumentName,
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.PageName,
    ExifTags.Base.PageNumber,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.HostComputer,
    ExifTags.Base.Rating,
    ExifTags.Base.RatingPercent,
    ExifTags.Base.Copyright,
    ExifTags.Base.XPTitle,
    ExifTags.Base.XPComment,
    ExifTags.Base.XPAuthor,
    ExifTags.Base.XPKeywords,
    ExifTags.Base.XPSubject,
    ExifTags.Base.ProcessingSoftware,
}
# Of the directory of EXIF: how the samples were stored.
STALE = (
    ExifTags.Base.ExifImageWidth,
    ExifTags.Base.ExifImageHeight,
    ExifTags.Base.Gamma,
    ExifTags.Base.ComponentsConfiguration,
    ExifTags.Base.CompressedBitsPerPixel,
    ExifTags.IFD.Interop,
)
PLACES = (0x9214, 0xA214)  # the subject's area and its middle
USER_COMMENT = ExifTags.Base.UserComment
X_RESOLUTION, Y_RESOLUTION = ExifTags.Base.XResolution, ExifTags.Base.YResolution
RESOLUTION_UNIT, INCHES, CENTIMETRES = ExifTags.Base.ResolutionUnit, 2, 3


class Text(str):
    """Text of EXIF, which Pillow reads as Latin-1, and would write as ASCII: its bytes are kept."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return super().encode("latin-1", "replace")


def text_of(value: Any) -> str:
    """Return what text of EXIF means."""
    return decoded(Text(value).encode()).strip("\0 ") if isinstance(value, str) else ""


def text(meaning: str) -> Text:
    """Return text as EXIF holds it, in UTF-8."""
    return Text(meaning.encode().decode("latin-1"))


def kept(source: Image.Exif) -> Image.Exif:
    """Keep what is true of a coloured, upright sRGB copy: no thumbnail, for one."""
    exif = Image.Exif()
    exif.endian = source.endian  # comments and makers' notes are in this order
    exif.update(_kept({tag: value for tag, value in source.items() if tag in DESCRIPTIVE}))
    for directory in DIRECTORIES:
        content = _kept(source.get_ifd(directory), directory)
        for tag in STALE if directory == ExifTags.IFD.Exif else ():
            content.pop(tag, None)
        if content:
            exif.get_ifd(directory).update(content)
    details = exif.get_ifd(ExifTags.IFD.Exif)
    if ExifTags.Base.ColorSpace in details:
        details[ExifTags.Base.ColorSpace] = 1  # sRGB
    return exif


def _kept(content: dict[int, Any], directory: int | None = None) -> dict[int, Any]:
    """Keep the bytes of texts, and leave out what is broken: it could not be written."""
    texts = {
        tag: Text(value) if isinstance(value, str) else value for tag, value in content.items()
    }
    return {tag: value for tag, value in texts.items() if _is_writable(tag, value, directory)}


def _is_writable(tag: int, value: Any, directory: int | None) -> bool:
    alone = ImageFileDirectory_v2(group=directory)
    try:
        alone[tag] = value
        alone.tobytes()
    except Exception:  # of whatever kind comes first: Pillow writes less than it reads
        return False
    return True


def cut(exif: Image.Exif, most: int) -> list[str]:
    """Remove the largest parts, usually the camera maker's, until `most` bytes hold the rest.

    Returns: the names of what was removed.
    """
    removed = []
    parts = exif, *(exif.get_ifd(directory) for directory in DIRECTORIES)
    while len(exif.tobytes()) > most:
        where, largest = max(
            ((part, tag) for part in parts for tag in part if tag not in DIRECTORIES),
            key=lambda found: len(str(found[0][found[1]])),
        )
        del where[largest]
        removed.append(ExifTags.TAGS.get(largest, str(largest)))
    return removed


def resolution(exif: Image.Exif) -> tuple[float, float] | None:
    """Return pixels per inch across and down, where they are told."""
    unit = exif.get(RESOLUTION_UNIT, INCHES)
    factor = {INCHES: 1.0, CENTIMETRES: 2.54}.get(unit, 0.0)
    found = [exif.get(tag, 0) for tag in (X_RESOLUTION, Y_RESOLUTION)]
    if not all(isinstance(value, int | float | IFDRational) for value in found):
        return None
    return known(float(found[0]) * factor, float(found[1]) * factor)


def known(across: float, down: float) -> tuple[float, float] | None:
    """Return a resolution that can be one."""
    return (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None


def comment(meaning: str, endian: str | None) -> bytes:
    """Return a user's comment as EXIF holds it, with its encoding before it.

    Args: endian: the order of the file's bytes, "<" or Pillow's other.
    """
    if meaning.isascii():
        return b"ASCII\0\0\0" + meaning.encode()
    return b"UNICODE\0" + meaning.encode("utf-16-le" if endian == "<" else "utf-16-be")
