"""How a picture was coloured, in the words of XMP and IPTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from src.images.xmp import Packet

# IPTC's words for a photograph joined with what a trained model made, or changed by plain rules.
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
BY_MODEL = f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
BY_RULES = f"{SOURCE_TYPES}algorithmicallyEnhanced"


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


def record_in(packet: Packet, record: Record) -> None:
    """Write into a photo's own packet what was done to it."""
    when = record.when.isoformat(timespec="seconds")
    packet.begin()
    source_type = BY_MODEL if record.is_trained else BY_RULES
    packet.set("Iptc4xmpExt:DigitalSourceType", [source_type])
    if record.is_trained:
        packet.set("Iptc4xmpExt:AISystemUsed", [record.software])
        version = f"{record.version}, model {record.model}"
        packet.set("Iptc4xmpExt:AISystemVersionUsed", [version])
    packet.set("xmp:MetadataDate", [when])
    settings = "; ".join(f"{name}={value}" for name, value in record.settings.items())
    packet.append_event(
        {
            "action": "edited",
            "softwareAgent": f"{record.software} {record.version}",
            "when": when,
            "parameters": f"colorized by model {record.model}; {settings}",
        }
    )
