from datetime import UTC, datetime

import pytest

from src.images import Metadata
from src.images.provenance import BY_MODEL, Record
from src.images.transfer import transfer

RECORD = Record(
    "colorization",
    "1.2.3",
    "sha256:abc",
    True,
    {"size": 64, "saturation": 1.5},
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)
OWN = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="uuid:7" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/negativeFilm"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:album="urn:album" album:page="12">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Gro\xc3\x9fmutter</rdf:li></rdf:Alt></dc:title>
<xmpMM:History xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"><rdf:Seq><rdf:li>scanned</rdf:li>
</rdf:Seq></xmpMM:History></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
BOMB = b"""<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><x:xmpmeta
 xmlns:x="adobe:ns:meta/">&b;</x:xmpmeta>"""


def described(packet: bytes, record: Record | None) -> bytes:
    return transfer(Metadata(xmp=packet), "PNG", record=record).metadata.xmp


def test_a_new_packet_says_how_the_colors_were_made() -> None:
    packet = described(b"", RECORD).decode()
    for said in (
        BY_MODEL,
        "colorization 1.2.3",
        "sha256:abc",
        "size=64",
        "saturation=1.5",
        "2026-01-02T03:04:05+00:00",
    ):
        assert said in packet


def test_the_photos_own_words_are_kept_and_what_is_no_longer_true_is_not() -> None:
    packet = described(OWN, RECORD).decode()
    for kept in ("Großmutter", "uuid:7", 'album:page="12"', "scanned"):
        assert kept in packet
    assert packet.count("DigitalSourceType>") == 2  # one element
    assert "negativeFilm" not in packet
    assert "Orientation" not in packet
    assert packet.count("<xmpMM:History>") == 1


def test_coloring_twice_is_told_twice() -> None:
    packet = described(described(b"", RECORD), RECORD).decode()
    assert packet.count("stEvt:parameters>") == 4
    assert packet.count("Iptc4xmpExt:DigitalSourceType>") == 2


def test_without_a_record_nothing_is_added() -> None:
    assert described(b"", None) == b""
    packet = described(OWN, None).decode()
    assert "Großmutter" in packet
    assert "negativeFilm" in packet
    assert "colorization" not in packet
    assert "Orientation" not in packet


@pytest.mark.parametrize(
    "packet", [b"rubbish", b"<x>", b"<x></x>", BOMB, b"\xff\xfe\x00", OWN[:400]]
)
def test_broken_and_hostile_packets_are_left_out(packet: bytes) -> None:
    assert described(packet, None) == b""
    assert BY_MODEL in described(packet, RECORD).decode()
