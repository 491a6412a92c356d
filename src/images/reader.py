"""Reading picture files of all kinds but TIFF."""

from io import BufferedReader, BytesIO

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps

from src.images import jp2, metadata, png, profiles
from src.images.faults import UnreadableImageError
from src.images.metadata import Metadata
from src.images.raster import UPRIGHT, Raster, Samples, scaled

# Pillow opens more formats than these; some of them start other programs (EPS) or are exotic
# enough to be an attack surface only.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "WEBP")
PHOTOS = ("JPEG", "MPO", "WEBP")  # formats whose samples need no looking at
# How camera raw begins that is no TIFF.
RAW_HEADS = (
    b"FUJIFILMCCD-RAW",
    b"FOVb",
    b"IIII",
    b"IIRO",
    b"IIRS",
    b"IIU\0",
    b"MMMM",
    b"MMOR",
    b"\0MRM",
)
TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HEIF_BRANDS = {b"heic", b"heif", b"heim", b"heis", b"heix", b"hevc", b"hevx", b"mif1", b"msf1"}
NOT_DEVELOPED = (
    "camera raw: develop it first, with darktable or RawTherapee for instance, "
    "and name the TIFF or JPEG that comes of it"
)


def is_camera_raw(head: bytes) -> bool:
    """Tell camera raw by its first 16 bytes, where it is no TIFF, or Canon's."""
    return (
        head.startswith(RAW_HEADS)
        or head[4:12] == b"ftypcrx "
        or head[8:10] == b"CR"
        or head[6:14] == b"HEAPCCDR"
    )


class PillowFile:
    """A picture that Pillow has opened.

    Attributes:
        format: in Pillow's words, by content.
        animated: whether frames follow the one that is read.
        sizes: (width, height) of it as it lies in the file.
    """

    def __init__(self, file: BufferedReader | BytesIO) -> None:
        self._file = file
        self._image = open_image(file)
        self._orientation: int | None = None
        self.format = "JPEG" if self._image.format == "MPO" else str(self._image.format)
        animated = bool(getattr(self._image, "is_animated", False))
        self.animated = self.format != "JPEG" and animated
        self.sizes = [self._image.size]
        if self.format == "JPEG2000":
            self._image.info.pop("comment", None)  # the encoder's own
            self._image.info.update(jp2.info(file))

    def rgb(self, short_side: int | None) -> Image.Image | None:
        """Read it upright as sRGB, if its samples are that: of most photos it spares all copies."""
        image, space = self._image, {"L": profiles.GREY, "RGB": profiles.RGB}.get(self._image.mode)
        if image.format not in PHOTOS or space is None:
            return None
        if not profiles.is_srgb(space, image.info.get("icc_profile")):
            return None
        if short_side is not None:
            image.draft(None, (short_side, short_side))
        self.orientation(0)
        ImageOps.exif_transpose(image, in_place=True)
        image.load()  # which turning does only where there is something to turn
        return image.convert("RGB") if image.mode == "L" else image

    def raster(self, _: int, short_side: int | None = None) -> Raster:
        """Read it. Args: short_side: of which a JPEG may be decoded smaller, but not below."""
        image = self._image
        if short_side is not None:
            image.draft(None, (short_side, short_side))
        if image.format == "PNG" and ";16" in str(image.tile[:1]):
            samples, alpha, space = _split(_decoded(self._file, "png_decode"))
        elif image.info.get("bits", 8) > 8 and image.mode in ("I;16", "RGB", "RGBA"):
            # The stream only: of the whole file, the decoder would apply the profile itself.
            decoded = _decoded(self._file, "jpeg2k_decode", image.info["codestream"])
            samples, alpha, space = _split(scaled(decoded, image.info["bits"]))
        else:
            image.load()
            samples, alpha, space = _samples(image)
        # After loading: a PNG may say the following at its end.
        profile = image.info.get("icc_profile")
        if image.format == "PNG":
            profile = png.profile(self._file, image.info) or profile
        return Raster(samples, space, alpha, profile, self.orientation(0))

    def orientation(self, _: int) -> int:
        """Return EXIF's, as the file has it: turning the picture removes it."""
        if self._orientation is None:
            try:
                told = self._image.getexif().get(ExifTags.Base.Orientation)
            except Exception:  # whatever is wrong with it, and from then on it is empty
                told = 1
            self._orientation = told if told in UPRIGHT else 1
        return self._orientation

    def metadata(self, _: int) -> Metadata:
        return metadata.of_image(self._image)


def open_image(file: BufferedReader | BytesIO) -> ImageFile.ImageFile:
    """Read a picture's header with Pillow, HEIC through the package that knows it.

    Raises: UnreadableImageError: if that package is absent; and what Pillow raises.
    """
    head = file.read(12)
    file.seek(0)
    if head[4:8] != b"ftyp" or head[8:] not in HEIF_BRANDS:
        return Image.open(file, formats=FORMATS)
    try:
        import pillow_heif
    except ImportError:
        raise UnreadableImageError(
            "HEIC needs one more package: pip install 'colorization[heic]' brings it"
        ) from None
    pillow_heif.register_heif_opener()
    return Image.open(file, formats=["HEIF"])


def _samples(image: Image.Image) -> tuple[Samples, Samples | None, bytes]:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return np.asarray(image).astype(np.uint16), None, profiles.GREY
    if image.mode in ("I", "F"):
        raise UnreadableImageError(f"samples of unknown range (Pillow mode {image.mode})")
    if image.mode == "CMYK":
        return np.asarray(image), None, profiles.CMYK
    grey = image.mode in ("1", "L", "LA", "La")
    space = profiles.GREY if grey else profiles.RGB
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        samples = np.asarray(image.convert("LA" if grey else "RGBA"))
        alpha = np.ascontiguousarray(samples[..., -1])
        return samples[..., 0] if grey else samples[..., :3], alpha, space
    return np.asarray(image.convert("L" if grey else "RGB")), None, space


def _decoded(file: BufferedReader | BytesIO, decoder: str, start: int = 0) -> Samples:
    """Decode what Pillow would cut to 8 bits. Args: start: in the file."""
    import imagecodecs

    file.seek(start)
    decoded: Samples = getattr(imagecodecs, decoder)(file.read())
    return decoded


def _split(samples: Samples) -> tuple[Samples, Samples | None, bytes]:
    samples = samples[..., None] if samples.ndim == 2 else samples
    alpha = samples[..., -1] if samples.shape[2] in (2, 4) else None
    if samples.shape[2] < 3:
        return samples[..., 0], alpha, profiles.GREY
    return samples[..., :3], alpha, profiles.RGB
