"""XMP packets: what photographs say about themselves in RDF."""

import hashlib
import io
import re
from collections.abc import Callable, Sequence
from xml.etree import ElementTree

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "exifEX": "http://cipa.jp/exif/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "MP": "http://ns.microsoft.com/photo/1.2/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
}
for _prefix, _uri in NAMESPACES.items():
    ElementTree.register_namespace(_prefix, _uri)
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def _name(qualified: str) -> str:
    prefix, _, local = qualified.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


# No longer true of an upright, coloured sRGB copy: how the samples were stored, checksums of what
# stood there, thumbnails.
STALE_OF = {
    "dc": "format",
    "exif": "PixelXDimension PixelYDimension ColorSpace ComponentsConfiguration "
    "CompressedBitsPerPixel NativeDigest",
    "exifEX": "Gamma",
    "photoshop": "ColorMode ICCProfile LegacyIPTCDigest EmbeddedXMPDigest",
    "tiff": "Orientation ImageWidth ImageLength BitsPerSample Compression SamplesPerPixel "
    "PhotometricInterpretation PlanarConfiguration NativeDigest TransferFunction WhitePoint "
    "PrimaryChromaticities ReferenceBlackWhite YCbCrCoefficients YCbCrPositioning YCbCrSubSampling",
    "xmp": "Thumbnails",
    "xmpNote": "HasExtendedXMP",
}
STALE = {f"{prefix}:{local}" for prefix, names in STALE_OF.items() for local in names.split()}
# Settings of raw developers; gain and depth maps, and films, that lay beside the picture.
STALE_NAMESPACES = (
    "http://ns.adobe.com/camera-raw-settings/1.0/",
    "http://ns.adobe.com/camera-raw-saved-settings/1.0/",
    "http://ns.adobe.com/camera-raw-defaults/1.0/",
    "http://ns.adobe.com/camera-raw-embedded-lens-profile/1.0/",
    "http://darktable.sf.net/",
    "http://ns.apple.com/adjustment-settings/1.0/",
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.adobe.com/hdr-metadata/1.0/",
    "http://ns.apple.com/HDRGainMap/1.0/",
    "http://ns.apple.com/pixeldatainfo/1.0/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/dd/1.0/",
)
STALE_BEGINNINGS = ("MotionPhoto", "MicroVideo")  # of phones, in namespaces of their own
# Where in the picture something is.
PLACES = {
    "mwg-rs:Regions",
    "MP:RegionInfo",
    "Iptc4xmpExt:ImageRegion",
    "exif:SubjectArea",
    "exif:SubjectLocation",
}
PLACES_NAMESPACES = ("http://ns.google.com/photos/1.0/panorama/",)
DEEPEST = 100  # elements within each other; RDF of photographs takes a dozen


class Packet:
    """A packet that can be read and changed; a broken one counts as empty.

    Args:
        packet: may be empty.
        extended: RDF that goes with it, of a JPEG whose packet could not hold it.
    """

    def __init__(self, packet: bytes = b"", extended: bytes = b"") -> None:
        root, more = _parsed(packet), _parsed(extended)
        self._root = ElementTree.Element(_name("x:xmpmeta")) if root is None else root
        self._rdf = _rdf(self._root)
        self._rdf.extend([] if more is None else list(_rdf(more)))

    def values(self, name: str) -> list[str]:
        """Return a property's text, or texts; of several languages that of all, or the first."""
        for description in self._rdf.iter(_name("rdf:Description")):
            if text := description.get(_name(name), "").strip():
                return [text]
            element = description.find(_name(name))
            if element is None:
                continue
            items = list(element.iter(_name("rdf:li")))
            if element.find(_name("rdf:Alt")) is not None:
                items.sort(key=lambda item: item.get(LANGUAGE) != "x-default")
                items = items[:1]
            texts = ["".join(item.itertext()).strip() for item in items or [element]]
            if any(texts):
                return [text for text in texts if text]
        return []

    def set(self, name: str, texts: Sequence[str], kind: str = "") -> None:
        """Give a property its text or texts. Args: kind: Alt, Bag or Seq of RDF, or none."""
        self._remove(lambda found: found == _name(name))
        element = ElementTree.SubElement(self._latest(), _name(name))
        texts = [NOT_XML.sub("", text) for text in texts]
        if not kind:
            element.text = texts[0]
            return
        container = ElementTree.SubElement(element, _name(f"rdf:{kind}"))
        for text in texts if kind != "Alt" else texts[:1]:
            item = ElementTree.SubElement(container, _name("rdf:li"))
            item.text = text
            if kind == "Alt":
                item.set(LANGUAGE, "x-default")

    def append_event(self, event: dict[str, str]) -> None:
        """Add to the history what was done. Args: event: texts by stEvt's names."""
        history = self._rdf.find(f".//{_name('xmpMM:History')}/{_name('rdf:Seq')}")
        if history is None:
            self._remove(lambda found: found == _name("xmpMM:History"))
            element = ElementTree.SubElement(self._latest(), _name("xmpMM:History"))
            history = ElementTree.SubElement(element, _name("rdf:Seq"))
        item = ElementTree.SubElement(
            history, _name("rdf:li"), {_name("rdf:parseType"): "Resource"}
        )
        for name, text in event.items():
            ElementTree.SubElement(item, _name(f"stEvt:{name}")).text = text

    def remove_stale(self) -> None:
        """Remove what is no longer true of an upright, coloured copy."""
        stale = {_name(name) for name in STALE}
        self._remove(
            lambda found: (
                found in stale
                or found[1:].startswith(STALE_NAMESPACES)
                or found.partition("}")[2].startswith(STALE_BEGINNINGS)
            )
        )

    def remove_places(self) -> bool:
        """Remove where in the picture something is. Returns: whether it was said."""
        places = {_name(name) for name in PLACES}
        return self._remove(
            lambda found: found in places or found[1:].startswith(PLACES_NAMESPACES)
        )

    def to_bytes(self) -> bytes:
        """Return the packet; empty where nothing is said."""
        for description in self._rdf.findall(_name("rdf:Description")):
            if not len(description) and not set(description.attrib) - {_name("rdf:about")}:
                self._rdf.remove(description)
        return _packet(self._root) if len(self._rdf) else b""

    def split(self, most: int) -> tuple[bytes, bytes]:
        """Return the packet, and as RDF what a segment of a JPEG of `most` bytes cannot hold."""
        whole = self.to_bytes()
        if len(whole) <= most:
            return whole, b""
        latest = self._rdf[-1]
        if len(ElementTree.tostring(latest)) < most // 2:
            self._rdf.remove(latest)
        else:
            latest = ElementTree.Element(_name("rdf:Description"), {_name("rdf:about"): ""})
        rest = ElementTree.tostring(self._root)
        digest = hashlib.md5(rest, usedforsecurity=False).hexdigest().upper()
        latest.set(_name("xmpNote:HasExtendedXMP"), digest)
        short = ElementTree.Element(_name("x:xmpmeta"))
        _rdf(short).append(latest)
        return _packet(short), rest

    def begin(self) -> None:
        """Begin a description of its own, for what is set from now on."""
        first = self._rdf.find(_name("rdf:Description"))
        about = "" if first is None else first.get(_name("rdf:about"), "")
        ElementTree.SubElement(self._rdf, _name("rdf:Description"), {_name("rdf:about"): about})

    def _latest(self) -> ElementTree.Element:
        if not len(self._rdf):
            self.begin()
        return self._rdf[-1]

    def _remove(self, is_meant: Callable[[str], bool]) -> bool:
        removed = False
        for description in self._rdf.iter(_name("rdf:Description")):
            for name in [name for name in description.attrib if is_meant(name)]:
                del description.attrib[name]
                removed = True
            for element in [element for element in description if is_meant(str(element.tag))]:
                description.remove(element)
                removed = True
        return removed


def _parsed(packet: bytes) -> ElementTree.Element | None:
    root: ElementTree.Element | None = None
    depth = 0
    try:
        source = io.BytesIO(packet.strip(b"\0 \n"))
        for event, found in iterparse(source, ("start-ns", "start", "end"), forbid_dtd=True):
            depth += (event == "start") - (event == "end")
            if depth > DEEPEST:  # to write it again would take as deep a recursion
                return None
            if event == "start" and root is None:
                root = found
            elif event == "start-ns" and not found[0].startswith("ns"):
                ElementTree.register_namespace(*found)  # its own prefixes are kept
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    return root if root is not None and root.tag in (_name("x:xmpmeta"), _name("rdf:RDF")) else None


def _rdf(root: ElementTree.Element) -> ElementTree.Element:
    found = root if root.tag == _name("rdf:RDF") else root.find(_name("rdf:RDF"))
    return ElementTree.SubElement(root, _name("rdf:RDF")) if found is None else found


def _packet(root: ElementTree.Element) -> bytes:
    xml = ElementTree.tostring(root, encoding="unicode")
    head = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    return f'{head}\n{xml}\n<?xpacket end="w"?>'.encode()
