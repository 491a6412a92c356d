"""From what a photo says about itself to what its result says: nothing lost, nothing untrue."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from PIL import ExifTags, Image

from src.images import exif, iptc
from src.images.metadata import Metadata
from src.images.provenance import Record, record_in
from src.images.xmp import Packet

MAX_SEGMENT = 65_502  # bytes of EXIF or XMP that a segment of a JPEG can hold
NAMES = {"WEBP": "WebP"}


class Field(NamedTuple):
    """One thing that is said of a photograph, and where each standard has its place for it.

    Attributes:
        xmp: the property's name.
        kind: of RDF's containers, Alt, Bag or Seq, or none.
        iptc: the dataset of record 2.
        exif: the tag.
        png: the keyword.
    """

    xmp: str
    kind: str = ""
    iptc: int | None = None
    exif: int | None = None
    png: str | None = None


# IPTC Photo Metadata Standard, "IPTC-IIM to XMP"; Metadata Working Group, Guidelines 2.0; XMP
# specification, part 3, on PNG.
FIELDS = (
    Field("dc:title", "Alt", 5, None, "Title"),
    Field("dc:creator", "Seq", 80, ExifTags.Base.Artist, "Author"),
    Field("dc:description", "Alt", 120, ExifTags.Base.ImageDescription, "Description"),
    Field("dc:rights", "Alt", 116, ExifTags.Base.Copyright, "Copyright"),
    Field("dc:subject", "Bag", 25),
    Field("dc:language", "Bag", 135),
    Field("dc:source", png="Source"),
    Field("photoshop:AuthorsPosition", "", 85),
    Field("photoshop:CaptionWriter", "", 122),
    Field("photoshop:Category", "", 15),
    Field("photoshop:City", "", 90),
    Field("photoshop:Country", "", 101),
    Field("photoshop:Credit", "", 110),
    Field("photoshop:DateCreated", "", 55),
    Field("photoshop:Headline", "", 105),
    Field("photoshop:Instructions", "", 40),
    Field("photoshop:Source", "", 115),
    Field("photoshop:State", "", 95),
    Field("photoshop:SupplementalCategories", "Bag", 20),
    Field("photoshop:TransmissionReference", "", 103),
    Field("photoshop:Urgency", "", 10),
    Field("Iptc4xmpCore:CountryCode", "", 100),
    Field("Iptc4xmpCore:IntellectualGenre", "", 4),
    Field("Iptc4xmpCore:Location", "", 92),
    Field("Iptc4xmpCore:SubjectCode", "Bag", 12),
    Field("xmp:CreateDate", "", 62, None, "Creation Time"),
    Field("xmp:CreatorTool", "", 65, ExifTags.Base.Software, "Software"),
    Field("xmpRights:UsageTerms", "Alt", None, None, "Disclaimer"),
    Field("exif:UserComment", "Alt", None, None, "Comment"),
)
TIMES = {55: 60, 62: 63}  # datasets of the times that belong to dates
PARTS = {60, 63}  # told with their dates
GENRE = 4  # "012:Feature": a number goes before the name
COMMENT = "Comment"


@dataclass(frozen=True)
class Transfer:
    """What a result is to say.

    Attributes:
        metadata: ready to be written.
        lost: what there is no place for, in words.
    """

    metadata: Metadata
    lost: list[str]


def transfer(
    metadata: Metadata, form: str, *, record: Record | None = None, moved: bool = False
) -> Transfer:
    """Hand a photo's words on to its result: none is overwritten, and each has all its places.

    Args:
        form: of the result: JPEG, PNG, TIFF or WEBP.
        record: what was done to it, if that is to be told.
        moved: whether pixels do not lie where they lay.
    """
    packet = Packet(metadata.xmp, metadata.extended_xmp)
    packet.remove_stale()
    told = exif.kept(metadata.exif)
    moved = moved or metadata.turned
    lost = _without_places(packet, told) if moved else []
    text = dict(metadata.text)
    lost += _shared(metadata, form, packet, told, text)
    if metadata.geo and (form != "TIFF" or moved):
        why = "" if form == "TIFF" else f"a {NAMES.get(form, form)} has no place for them"
        lost.append(f"left out GeoTIFF's tags: {why or 'the pixels do not lie where they lay'}")
    if record is not None:
        record_in(packet, record)
    if form == "WEBP" and metadata.dpi:
        told[exif.X_RESOLUTION], told[exif.Y_RESOLUTION] = metadata.dpi
        told[exif.RESOLUTION_UNIT] = exif.INCHES
    if form == "JPEG" and (cut := exif.cut(told, MAX_SEGMENT)):
        lost.append(f"left out, since a JPEG holds 64 kB of EXIF: {', '.join(cut)}")
    xmp, extended = packet.split(MAX_SEGMENT) if form == "JPEG" else (packet.to_bytes(), b"")
    comments = metadata.comments
    if not comments and (found := _found(metadata.text, COMMENT)):
        comments = (found.encode(),)
    ready = replace(
        metadata,
        exif=told,
        xmp=xmp,
        extended_xmp=extended,
        comments=comments,
        text=text,
        geo={} if moved else metadata.geo,
    )
    return Transfer(ready, lost)


def _without_places(packet: Packet, told: Image.Exif) -> list[str]:
    details = told.get_ifd(ExifTags.IFD.Exif)
    places = [details.pop(tag) for tag in exif.PLACES if tag in details]
    if packet.remove_places() or places:
        return ["left out where in the picture things are: the pixels do not lie where they lay"]
    return []


def _shared(
    metadata: Metadata, form: str, packet: Packet, told: Image.Exif, text: dict[str, str]
) -> list[str]:
    """Fill each empty place for what another place says; return what has none."""
    iim = iptc.texts(metadata.iptc)
    unsaid: list[str] = []  # where another place says something else
    homeless = sorted(set(iim) - {field.iptc for field in FIELDS} - PARTS)
    for field in FIELDS:
        said = packet.values(field.xmp)
        of_iptc = _of_iptc(iim, field)
        if said and of_iptc and not _agree(said, of_iptc):
            homeless.append(field.iptc or 0)
        of_png = _of_png(metadata, field)
        values = said or of_iptc or _of_exif(told, field) or of_png
        if field.png != COMMENT and of_png and not set(of_png) <= {*values, "; ".join(values)}:
            unsaid.append(str(field.png))
        if not values:
            continue
        if not said:
            packet.set(field.xmp, values, field.kind)
        if field.exif and not told.get(field.exif):
            told[field.exif] = exif.text("; ".join(values))
        if form == "PNG" and field.png and not _found(text, field.png):
            text[field.png] = "; ".join(values)
        if field.png == COMMENT and form in ("TIFF", "WEBP"):
            comment = exif.comment(values[0], "<" if form == "TIFF" else told.endian)
            told.get_ifd(ExifTags.IFD.Exif).setdefault(exif.USER_COMMENT, comment)
    for name, right in _rights(metadata).items():
        if not packet.values(name):
            packet.set(name, [right])
    lost = []
    if homeless and form == "WEBP":  # the other formats hold the records themselves
        numbers = ", ".join(f"2:{number:02}" for number in sorted(homeless))
        lost.append(f"a WebP has no place for IPTC's {numbers}")
    known = {field.png.lower() for field in FIELDS if field.png}
    words = unsaid + [keyword for keyword in metadata.text if keyword.lower() not in known]
    if words and form != "PNG":
        lost.append(f"a {NAMES.get(form, form)} has no place for its text: {', '.join(words)}")
    return lost


def _of_iptc(iim: dict[int, list[str]], field: Field) -> list[str]:
    values = iim.get(field.iptc or 0, [])
    if field.iptc in TIMES:
        times = iim.get(TIMES[field.iptc], [""])
        return [iptc.as_iso(value, times[0]) for value in values[:1]]
    if field.iptc == GENRE:
        return [value.partition(":")[2] or value for value in values]
    return values if field.kind in ("Bag", "Seq") else values[:1]


def _of_exif(told: Image.Exif, field: Field) -> list[str]:
    said = exif.text_of(told.get(field.exif)) if field.exif else ""
    return [said] if said else []


def _of_png(metadata: Metadata, field: Field) -> list[str]:
    said = _found(metadata.text, field.png) if field.png else ""
    if field.png == COMMENT and not said:
        said = "\n".join(iptc.decoded(comment).strip("\0 ") for comment in metadata.comments)
    return [said] if said else []


def _found(text: Mapping[str, str], keyword: str) -> str:
    """Find what a PNG says under a keyword; some programs write UTF-8 where Latin-1 is meant."""
    said = next((text[key] for key in text if key.lower() == keyword.lower()), "")
    try:
        return said.encode("latin-1").decode().strip("\0 ")
    except UnicodeError:
        return str(said).strip("\0 ")


def _agree(said: list[str], of_iptc: list[str]) -> bool:
    """Whether they say the same; IPTC's places are short, and cut long texts."""
    return set(of_iptc) <= set(said) or "; ".join(said).startswith(of_iptc[0])


def _rights(metadata: Metadata) -> dict[str, str]:
    said = {}
    if metadata.photoshop.get(iptc.COPYRIGHT_FLAG, b"\0") != b"\0":
        said["xmpRights:Marked"] = "True"
    if url := metadata.photoshop.get(iptc.URL):
        said["xmpRights:WebStatement"] = iptc.decoded(url)
    return said
