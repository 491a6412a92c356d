"""IPTC-IIM records, as archives write them, and Photoshop's resources, in which they lie."""

import re
import struct
from collections.abc import Mapping

IPTC, COPYRIGHT_FLAG, URL = 0x0404, 0x040A, 0x040B
# The others are of the pixels that were: thumbnails, histograms, checksums, screens.
KEPT = (IPTC, COPYRIGHT_FLAG, URL)
CHARSET, UTF_8 = (1, 90), b"\x1b%G"
PREVIEW = range(200, 203)  # of record 2: a thumbnail
DESCRIPTIVE_RECORDS = (1, 2)  # the others describe samples
DATE, TIME = (
    re.compile(r"(\d{4})(\d\d)?(\d\d)?"),
    re.compile(r"(\d\d)(\d\d)(\d\d)([+-]\d\d)?(\d\d)?"),
)

Dataset = tuple[int, int]


def resources(content: bytes) -> dict[int, bytes]:
    """Split Photoshop's resources by their numbers, and leave out those that are stale."""
    found, at = {}, 0
    while content[at : at + 4] == b"8BIM" and at + 12 <= len(content):
        (number,) = struct.unpack_from(">H", content, at + 4)
        at += 6 + _even(content[at + 6] + 1)  # its name, in Pascal's manner
        if at + 4 > len(content):
            break
        (length,) = struct.unpack_from(">L", content, at)
        if number in KEPT:
            found[number] = content[at + 4 : at + 4 + length]
        at += 4 + _even(length)
    return found


def joined(found: Mapping[int, bytes]) -> bytes:
    """Join resources again."""
    return b"".join(
        struct.pack(">4sHHL", b"8BIM", number, 0, len(content)) + content + bytes(len(content) % 2)
        for number, content in found.items()
    )


def _even(length: int) -> int:
    return length + length % 2


def records(iim: bytes) -> list[tuple[Dataset, bytes]]:
    """Read records in their order; what comes after a broken one is left out."""
    found, at = [], 0
    while iim[at : at + 1] == b"\x1c" and at + 5 <= len(iim):
        record, dataset, length = struct.unpack_from(">BBH", iim, at + 1)
        at += 5
        if length & 0x8000:  # so many bytes of length follow
            size = length & 0x7FFF
            length = int.from_bytes(iim[at : at + size], "big")
            at += size
        if at + length > len(iim):
            break
        found.append(((record, dataset), iim[at : at + length]))
        at += length
    return found


def without_stale(iim: bytes) -> bytes:
    """Leave out thumbnails and descriptions of samples."""
    kept = b""
    for (record, dataset), content in records(iim):
        if record in DESCRIPTIVE_RECORDS and not (record == 2 and dataset in PREVIEW):
            length = len(content)
            size = (
                struct.pack(">H", length) if length < 0x8000 else struct.pack(">HL", 0x8004, length)
            )
            kept += bytes([0x1C, record, dataset]) + size + content
    return kept


def texts(iim: bytes) -> dict[int, list[str]]:
    """Return the texts of each dataset of record 2."""
    found: dict[int, list[str]] = {}
    every = records(iim)
    charset = dict(every).get(CHARSET)
    for (record, dataset), content in every:
        if record == 2 and dataset != 0:  # 0 is the version
            text = decoded(content) if charset != UTF_8 else content.decode("utf-8", "replace")
            if text := text.strip("\0 \r\n"):
                found.setdefault(dataset, []).append(text)
    return found


def decoded(content: bytes) -> str:
    """Read text whose encoding is not told: UTF-8, or else the usual one of western Windows."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def as_iso(date: str, time: str = "") -> str:
    """Return IPTC's date, of which day and month may be unknown, and time as XMP has them."""
    found = DATE.fullmatch(date)
    if found is None:
        return date
    parts = [part for part in found.groups() if part and int(part)]
    told = TIME.fullmatch(time)
    if len(parts) < 3 or told is None:
        return "-".join(parts)
    hours, minutes, seconds, zone, zone_minutes = told.groups()
    ending = f"{zone}:{zone_minutes or '00'}" if zone else ""
    return f"{'-'.join(parts)}T{hours}:{minutes}:{seconds}{ending}"
