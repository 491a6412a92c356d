"""What a coloured file says about itself: XMP metadata, and a visible label."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

# IPTC's words for a photograph joined with what a trained model made, or changed by plain rules.
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
BY_MODEL = f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
BY_RULES = f"{SOURCE_TYPES}algorithmicallyEnhanced"
LABEL = "Colours guessed by AI"
NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
}
# No longer true of an upright, coloured copy.
STALE = (
    "tiff:Orientation", "tiff:ImageWidth", "tiff:ImageLength", "exif:PixelXDimension",
    "exif:PixelYDimension", "xmp:Thumbnails",
    "xmpNote:HasExtendedXMP",
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """How a picture was coloured.

    Attributes:
        software: its name.
        version: of the software.
        model: where the colours come from: sha256:... of a trained model's file, or a method.
        is_trained: whether that is a trained model.
        settings: that the colours depend on.
        when: with its time zone.
    """

    software: str
    version: str
    model: str
    is_trained: bool
    settings: Mapping[str, object]
    when: datetime


def described(packet: bytes, record: Record | None, extended: bytes = b"") -> bytes:
    """Return a photo's own XMP packet with what was done to it; all of its own words are kept.

    Args:
        packet: may be empty; one that is broken is left out.
        record: None adds nothing, and just removes what is no longer true.
        extended: RDF that goes with it, of a JPEG whose packet could not hold it.
    """
    root = _parsed(packet)
    if root is None:
        if record is None:
            return b""
        root = ElementTree.Element(_name("x:xmpmeta"))
    rdf = _rdf(root)
    more = _parsed(extended)
    rdf.extend([] if more is None else list(_rdf(more)))
    _remove(rdf, STALE)
    if record is not None:
        _add(rdf, record)
    return _packet(root)


def split(packet: bytes, most: int) -> tuple[bytes, bytes]:
    """Split what one segment of a JPEG cannot hold into a packet, with the latest words, and RDF.

    Args: packet: that `described` made; most: bytes of a segment.
    """
    root = _parsed(packet) if len(packet) > most else None
    if root is None:
        return packet, b""
    rdf = _rdf(root)
    latest = rdf[-1]
    if len(ElementTree.tostring(latest)) < most // 2:
        rdf.remove(latest)
    else:
        latest = ElementTree.Element(_name("rdf:Description"), {_name("rdf:about"): ""})
    rest = ElementTree.tostring(root)
    digest = hashlib.md5(rest, usedforsecurity=False).hexdigest().upper()
    latest.set(_name("xmpNote:HasExtendedXMP"), digest)
    short = ElementTree.Element(_name("x:xmpmeta"))
    _rdf(short).append(latest)
    return _packet(short), rest


def _rdf(root: ElementTree.Element) -> ElementTree.Element:
    found = root if root.tag == _name("rdf:RDF") else root.find(_name("rdf:RDF"))
    return ElementTree.SubElement(root, _name("rdf:RDF")) if found is None else found


def _packet(root: ElementTree.Element) -> bytes:
    xml = ElementTree.tostring(root, encoding="unicode")
    head = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    return f'{head}\n{xml}\n<?xpacket end="w"?>'.encode()


def _add(rdf: ElementTree.Element, record: Record) -> None:
    own = {
        "Iptc4xmpExt:DigitalSourceType": BY_MODEL if record.is_trained else BY_RULES,
        "xmp:MetadataDate": record.when.isoformat(timespec="seconds"),
    }
    if record.is_trained:
        own["Iptc4xmpExt:AISystemUsed"] = record.software
        own["Iptc4xmpExt:AISystemVersionUsed"] = f"{record.version}, model {record.model}"
    _remove(rdf, tuple(own))
    first = rdf.find(_name("rdf:Description"))
    about = "" if first is None else first.get(_name("rdf:about"), "")
    history = rdf.find(f".//{_name('xmpMM:History')}/{_name('rdf:Seq')}")
    description = ElementTree.SubElement(rdf, _name("rdf:Description"), {_name("rdf:about"): about})
    for name, value in own.items():
        ElementTree.SubElement(description, _name(name)).text = value
    if history is None:
        _remove(rdf, ("xmpMM:History",))
        history = ElementTree.SubElement(
            ElementTree.SubElement(description, _name("xmpMM:History")), _name("rdf:Seq")
        )
    event = ElementTree.SubElement(history, _name("rdf:li"), {_name("rdf:parseType"): "Resource"})
    settings = "; ".join(f"{name}={value}" for name, value in record.settings.items())
    for name, value in {
        "stEvt:action": "edited",
        "stEvt:softwareAgent": f"{record.software} {record.version}",
        "stEvt:when": record.when.isoformat(timespec="seconds"),
        "stEvt:parameters": f"colorized by model {record.model}; {settings}",
    }.items():
        ElementTree.SubElement(event, _name(name)).text = value


def _parsed(packet: bytes) -> ElementTree.Element | None:
    root: ElementTree.Element | None = None
    try:
        source = io.BytesIO(packet.strip(b"\0 \n"))
        for event, found in iterparse(source, ("start-ns", "start"), forbid_dtd=True):
            if event == "start" and root is None:
                root = found
            elif event == "start-ns" and not found[0].startswith("ns"):
                ElementTree.register_namespace(*found)  # its own prefixes are kept
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    return root if root is not None and root.tag in (_name("x:xmpmeta"), _name("rdf:RDF")) else None


def _remove(rdf: ElementTree.Element, names: tuple[str, ...]) -> None:
    for description in rdf.iter(_name("rdf:Description")):
        for name in names:
            description.attrib.pop(_name(name), None)
            for element in description.findall(_name(name)):
                description.remove(element)


def _name(qualified: str) -> str:
    prefix, _, local = qualified.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


for _prefix, _uri in NAMESPACES.items():
    ElementTree.register_namespace(_prefix, _uri)


def draw_label(samples: NDArray[Any]) -> None:
    """Write LABEL into the lower right corner. Args: samples: (h, w, 3), changed in place."""
    height, width = samples.shape[:2]
    size = max(9.0, min(height, width) / 30)
    size *= min(1.0, 0.9 * width / ImageFont.load_default(size).getlength(LABEL))
    font = ImageFont.load_default(max(1.0, size))
    margin = round(size / 2)
    left, top, right, bottom = (round(side) for side in font.getbbox(LABEL))
    mark = Image.new("L", (right - left + 2 * margin, bottom - top + 2 * margin), 0)
    ImageDraw.Draw(mark).text((margin - left, margin - top), LABEL, fill=255, font=font)
    text = np.asarray(mark)[:height, :width, None] / 255.0
    corner = samples[height - text.shape[0] :, width - text.shape[1] :]
    # White letters on a veil that leaves a third of the picture.
    veiled = corner * 0.35 * (1 - text) + np.iinfo(samples.dtype).max * text
    corner[:] = veiled.round()
