"""What a photo says, its result says too, whatever the format; and nothing that is untrue."""

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from src.images import Page, Photo, write_pages
from src.images.transfer import transfer
from tests.images.exiftool import told

RAMP = np.add.outer(np.arange(40) * 3, np.arange(60) * 2).astype(np.uint8)
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif", "WEBP": ".webp"}
UTF_8 = ((1, 90), b"\x1b%G")


def iim(*records: tuple[tuple[int, int], bytes]) -> bytes:
    return b"".join(
        bytes([0x1C, record, dataset]) + struct.pack(">H", len(content)) + content
        for (record, dataset), content in records
    )


IPTC = iim(
    UTF_8,
    ((2, 0), b"\0\4"),
    ((2, 5), b"Nana"),
    ((2, 25), b"boats"),
    ((2, 25), b"sea"),
    ((2, 55), b"19120401"),
    ((2, 60), b"120000+0100"),
    ((2, 80), "Jörg".encode()),
    ((2, 90), b"Kiel"),
    ((2, 95), b"Holstein"),
    ((2, 101), b"Germany"),
    ((2, 105), b"A regatta"),
    ((2, 110), b"Archive"),
    ((2, 115), b"Plate 12"),
    ((2, 116), b"(c) 1912"),
    ((2, 120), "Großmutter am Hafen".encode()),
)
IN_XMP = {
    "XMP-dc:Title": "Nana",
    "XMP-dc:Subject": ["boats", "sea"],
    "XMP-photoshop:DateCreated": "1912:04:01 12:00:00+01:00",
    "XMP-dc:Creator": "Jörg",
    "XMP-photoshop:City": "Kiel",
    "XMP-photoshop:State": "Holstein",
    "XMP-photoshop:Country": "Germany",
    "XMP-photoshop:Headline": "A regatta",
    "XMP-photoshop:Credit": "Archive",
    "XMP-photoshop:Source": "Plate 12",
    "XMP-dc:Rights": "(c) 1912",
    "XMP-dc:Description": "Großmutter am Hafen",
}


def resource(number: int, content: bytes) -> bytes:
    head = struct.pack(">4sHHL", b"8BIM", number, 0, len(content))
    return head + content + bytes(len(content) % 2)


def jpeg(path: Path, *segments: tuple[int, bytes], **options: Any) -> Path:
    """Write a JPEG with segments of its own. Args: segments: marker and content."""
    extra = b"".join(
        bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content
        for marker, content in segments
    )
    Image.fromarray(RAMP).save(path, "JPEG", extra=extra, **options)
    return path


def tiff(path: Path, *tags: tuple[int, int, Any], **options: Any) -> Path:
    """Write a TIFF with tags of its own. Args: tags: number, type and value."""
    extra = [(tag, kind, len(value), value, True) for tag, kind, value in tags]
    tifffile.imwrite(path, RAMP, extratags=extra, metadata=None, software=False, **options)
    return path


def png(path: Path, text: Sequence[tuple[str, str, str]], **options: Any) -> Path:
    """Write a PNG with text. Args: text: kind of chunk, keyword and text."""
    info = PngImagePlugin.PngInfo()
    for kind, keyword, said in text:
        if kind == "iTXt":
            info.add_itxt(keyword, said, "de", "")
        else:
            info.add_text(keyword, said, zip=kind == "zTXt")
    Image.fromarray(RAMP).save(path, "PNG", pnginfo=info, **options)
    return path


def xmp(properties: str, attributes: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        f"{attributes}>{properties}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def result(source: Path, form: str, **options: Any) -> tuple[Path, list[str]]:
    """Hand a photo's words on to a result; return it, and the notes."""
    (page,) = Photo(source).pages()
    handed = transfer(page.metadata, form, **options)
    target = source.with_name(f"result{SUFFIXES[form]}")
    samples = page.samples if page.samples.ndim == 3 else np.dstack([page.samples] * 3)
    write_pages([Page(samples, None, handed.metadata)], target, form, samples.size)
    return target, handed.lost


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("where", ["33723", "33723 as words", "34377", "JPEG", "PNG"])
def test_iptc_is_kept_or_told_in_xmp(tmp_path: Path, form: str, where: str) -> None:
    if where == "JPEG":
        source = jpeg(tmp_path / "a.jpg", (0xED, b"Photoshop 3.0\0" + resource(0x0404, IPTC)))
    elif where == "PNG":
        raw = f"\niptc\n{len(IPTC):8}\n{IPTC.hex()}\n"
        source = png(tmp_path / "a.png", [("zTXt", "Raw profile type iptc", raw)])
    elif where == "34377":
        source = tiff(tmp_path / "a.tif", (34377, 7, resource(0x0404, IPTC)))
    elif where == "33723":
        source = tiff(tmp_path / "a.tif", (33723, 7, IPTC))
    else:
        padded = IPTC + bytes(-len(IPTC) % 4)
        words = struct.unpack(f"<{len(padded) // 4}L", padded)
        source = tiff(tmp_path / "a.tif", (33723, 4, words))
    path, notes = result(source, form)
    found = told(path)
    assert notes == []
    assert {name: found.get(name) for name in IN_XMP} == IN_XMP
    if form != "WEBP":
        assert found["IPTC:Caption-Abstract"] == "Großmutter am Hafen"
        assert found["IPTC:Keywords"] == ["boats", "sea"]
    assert not [name for name in found if "Warning" in name]


def test_iptc_that_says_no_charset_is_read_as_latin_1(tmp_path: Path) -> None:
    source = tiff(tmp_path / "a.tif", (33723, 7, iim(((2, 120), "Großmutter".encode("latin-1")))))
    assert told(result(source, "PNG")[0])["XMP-dc:Description"] == "Großmutter"


def test_iptc_of_many_segments_is_kept(tmp_path: Path) -> None:
    keywords = [f"word {i} ".ljust(64, "x") for i in range(1500)]
    records = iim(*(((2, 25), keyword.encode()) for keyword in keywords))
    source = tiff(tmp_path / "a.tif", (33723, 7, records))
    path, _ = result(source, "JPEG")
    assert told(path)["IPTC:Keywords"] == keywords
    again, _ = result(path.rename(tmp_path / "b.jpg"), "TIFF")
    assert told(again)["IPTC:Keywords"] == keywords


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    own = xmp("<dc:title>In XMP</dc:title>", 'xmlns:dc="http://purl.org/dc/elements/1.1/"')
    exif = Image.Exif()
    exif[0x013B] = "In EXIF"
    segment = (0xED, b"Photoshop 3.0\0" + resource(0x0404, IPTC))
    source = jpeg(tmp_path / "a.jpg", segment, xmp=own, exif=exif)
    found = told(result(source, "TIFF")[0])
    assert found["XMP-dc:Title"] == "In XMP"
    assert found["IPTC:ObjectName"] == "Nana"
    assert found["IFD0:Artist"] == "In EXIF"
    _, notes = result(source, "WEBP")
    assert notes == ["a WebP has no place for IPTC's 2:05"]


def test_iptc_without_a_place_in_xmp_is_named(tmp_path: Path) -> None:
    source = tiff(tmp_path / "a.tif", (33723, 7, iim(((2, 5), b"Nana"), ((2, 22), b"fixture"))))
    assert result(source, "WEBP")[1] == ["a WebP has no place for IPTC's 2:22"]
    path, notes = result(source, "PNG")
    assert notes == []
    assert told(path)["IPTC:FixtureIdentifier"] == "fixture"


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt"])
def test_text_of_a_png_is_kept_or_told_otherwise(tmp_path: Path, form: str, kind: str) -> None:
    words = {
        "Title": "Nana",
        "Author": "A. P.",
        "Copyright": "(c) 1912",
        "Description": "A boat",
        "Comment": "found in the attic",
    }
    if kind != "tEXt":
        words["Description"] = "Großmutter"
    source = png(tmp_path / "a.png", [(kind, *pair) for pair in words.items()])
    path, notes = result(source, form)
    found = told(path)
    assert notes == []
    assert found["XMP-dc:Title"] == words["Title"]
    assert found["XMP-dc:Creator"] == found["IFD0:Artist"] == words["Author"]
    assert found["XMP-dc:Rights"] == found["IFD0:Copyright"] == words["Copyright"]
    assert found["XMP-dc:Description"] == found["IFD0:ImageDescription"] == words["Description"]
    if form == "PNG":
        language = "-de" if kind == "iTXt" else ""
        assert [found[f"PNG:{name}{language}"] for name in words] == list(words.values())
    elif form == "JPEG":
        assert found["File:Comment"] == words["Comment"]
    else:
        assert found["ExifIFD:UserComment"] == words["Comment"]


def test_text_that_disagrees_with_what_is_kept_is_named(tmp_path: Path) -> None:
    own = xmp("<dc:title>In XMP</dc:title>", 'xmlns:dc="http://purl.org/dc/elements/1.1/"')
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "In a chunk")
    info.add_itxt("XML:com.adobe.xmp", own.decode())
    Image.fromarray(RAMP).save(tmp_path / "a.png", pnginfo=info)
    assert result(tmp_path / "a.png", "JPEG")[1] == ["a JPEG has no place for its text: Title"]
    path, notes = result(tmp_path / "a.png", "PNG")
    assert notes == []
    found = told(path)
    assert (found["PNG:Title"], found["XMP-dc:Title"]) == ("In a chunk", "In XMP")


def test_text_without_a_place_is_named(tmp_path: Path) -> None:
    source = png(tmp_path / "a.png", [("tEXt", "Shelf", "12"), ("tEXt", "Title", "Nana")])
    assert told(result(source, "PNG")[0])["PNG:Shelf"] == 12
    assert result(source, "JPEG")[1] == ["a JPEG has no place for its text: Shelf"]


@pytest.mark.parametrize("form", SUFFIXES)
def test_comments_of_a_jpeg_are_kept_or_told_otherwise(tmp_path: Path, form: str) -> None:
    said = "Großmutter, 1912"
    path, notes = result(jpeg(tmp_path / "a.jpg", (0xFE, b"first"), (0xFE, said.encode())), form)
    found = told(path)
    assert notes == []
    if form == "JPEG":
        assert found["File:Comment"] == "first"
        assert b"\xff\xfe\0\x13" + said.encode() in path.read_bytes()
    else:
        name = "PNG:Comment" if form == "PNG" else "ExifIFD:UserComment"
        assert found[name].splitlines() == ["first", said]


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_letters_beyond_ascii_stay_in_exif(tmp_path: Path, form: str, encoding: str) -> None:
    said = "Großmutter am Öresund".encode(encoding)
    source = tiff(tmp_path / "a.tif", (270, 2, said + b"\0"))
    path, _ = result(source, form)
    (page,) = Photo(path).pages()
    assert page.metadata.exif[270].encode() == said
    assert told(path)["XMP-dc:Description"] == "Großmutter am Öresund"


def jp2(path: Path, *boxes: bytes) -> Path:
    """Write JPEG 2000 with boxes of its own after its header."""
    content = imagecodecs.jpeg2k_encode(RAMP, level=0, codecformat="jp2")
    at = content.index(b"jp2c") - 4
    path.write_bytes(content[:at] + b"".join(boxes) + content[at:])
    return path


def uuid_box(uuid: bytes, content: bytes) -> bytes:
    return struct.pack(">L4s", 24 + len(content), b"uuid") + uuid + content


@pytest.mark.parametrize("form", SUFFIXES)
def test_what_boxes_of_jpeg_2000_say_is_kept(tmp_path: Path, form: str) -> None:
    exif = Image.Exif()
    exif[0x013B] = "A. P."
    own = xmp("<dc:source>Plate 12</dc:source>", 'xmlns:dc="http://purl.org/dc/elements/1.1/"')
    geo = geotiff(tmp_path / "geo.tif").read_bytes()
    source = jp2(
        tmp_path / "a.jp2",
        uuid_box(bytes.fromhex("be7acfcb97a942e89c71999491e3afac"), own),
        uuid_box(b"JpgTiffExif->JP2", exif.tobytes().removeprefix(b"Exif\0\0")),
        uuid_box(bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"), IPTC),
        uuid_box(bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03"), geo),
    )
    path, notes = result(source, form)
    found = told(path)
    assert found["XMP-dc:Source"] == "Plate 12"
    assert found["IFD0:Artist"] == "A. P."
    assert found["XMP-photoshop:City"] == "Kiel"
    if form == "TIFF":
        assert found["GeoTiff:ProjectedCSType"] == 25832
    else:
        assert "GeoTIFF" in notes[0]


def geotiff(path: Path, **options: Any) -> Path:
    keys = (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 25832)
    return tiff(
        path,
        (33550, 12, (0.2, 0.2, 0.0)),
        (33922, 12, (0.0, 0, 0, 570000, 5930000, 0)),
        (34735, 3, keys),
        (34736, 12, (6378137.0,)),
        (34737, 2, b"ETRS89|\0"),
        (42113, 2, b"255\0"),
        *options.pop("tags", ()),
        **options,
    )


def test_geotiff_keeps_its_place_on_earth(tmp_path: Path) -> None:
    source = geotiff(tmp_path / "a.tif")
    path, notes = result(source, "TIFF")
    assert notes == []
    with tifffile.TiffFile(source) as before, tifffile.TiffFile(path) as after:
        for tag in (33550, 33922, 34735, 34736, 34737, 42113):
            own, kept = before.pages[0].aspage().tags[tag], after.pages[0].aspage().tags[tag]
            assert (kept.dtype, kept.value) == (own.dtype, own.value), tag
    assert told(path)["GeoTiff:ProjectedCSType"] == 25832
    for form in ("JPEG", "PNG", "WEBP"):
        assert "GeoTIFF" in result(source, form)[1][0]


def test_statistics_of_the_old_pixels_go_from_gdals_metadata(tmp_path: Path) -> None:
    items = '<Item name="FLIGHT">12</Item><Item name="STATISTICS_MEAN" sample="0">101.5</Item>'
    xml = f"<GDALMetadata>{items}</GDALMetadata>\0".encode()
    path, _ = result(geotiff(tmp_path / "a.tif", tags=[(42112, 2, xml)]), "TIFF")
    kept = '<GDALMetadata><Item name="FLIGHT">12</Item></GDALMetadata>'
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].aspage().tags[42112].value == kept


def test_geotiffs_text_beyond_ascii_keeps_its_bytes(tmp_path: Path) -> None:
    xml = "<GDALMetadata><Item>München</Item></GDALMetadata>".encode()
    path, _ = result(geotiff(tmp_path / "a.tif", tags=[(42112, 2, xml + b"\0")]), "TIFF")
    assert xml in path.read_bytes()


def test_pixels_that_do_not_lie_where_they_lay_have_no_place_on_earth(tmp_path: Path) -> None:
    turned = geotiff(tmp_path / "turned.tif", tags=[(274, 3, (6,))])
    for path, notes in (
        result(turned, "TIFF"),
        result(geotiff(tmp_path / "a.tif"), "TIFF", moved=True),
    ):
        assert not [name for name in told(path) if "GeoTiff" in name]
        assert "the pixels do not lie where they lay" in notes[0]


def test_regions_of_a_picture_that_was_turned_go(tmp_path: Path) -> None:
    own = xmp(
        '<r:Regions rdf:parseType="Resource"><r:RegionList/></r:Regions>',
        'xmlns:r="http://www.metadataworkinggroup.com/schemas/regions/" '
        'xmlns:g="http://ns.google.com/photos/1.0/panorama/" g:FullPanoWidthPixels="60"',
    )
    source = jpeg(tmp_path / "a.jpg", xmp=own)
    for moved, count in ((False, 1), (True, 0)):
        path, notes = result(source, "JPEG", moved=moved)
        assert path.read_bytes().count(b"FullPanoWidthPixels") == count
        assert (b"RegionList" in path.read_bytes()) == (not moved)
        assert bool(notes) == moved


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_the_resolution_is_kept(tmp_path: Path, source: str, form: str) -> None:
    path = tmp_path / f"a{SUFFIXES[source]}"
    exif = Image.Exif()
    exif[282], exif[283], exif[296] = 1200.0, 600.0, 2
    if source == "WEBP":
        Image.fromarray(RAMP).save(path, exif=exif)
    else:
        Image.fromarray(RAMP).save(path, dpi=(1200, 600))
    (page,) = Photo(result(path, form)[0]).pages()
    assert page.metadata.dpi == pytest.approx((1200, 600), rel=1e-3)
    if form == "WEBP":
        found = told(tmp_path / "result.webp")
        assert found["IFD0:XResolution"] == pytest.approx(1200, rel=1e-3)


STALE = {
    "hdrgm": ("http://ns.adobe.com/hdr-gain-map/1.0/", "Version"),
    "GCamera": ("http://ns.google.com/photos/1.0/camera/", "MotionPhoto"),
    "G2": ("http://ns.google.com/photos/1.0/camera/", "MicroVideoOffset"),
    "Op": ("http://ns.oplus.com/photos/1.0/camera/", "MotionPhotoOwner"),
    "crs": ("http://ns.adobe.com/camera-raw-settings/1.0/", "ConvertToGrayscale"),
    "dt": ("http://darktable.sf.net/", "raw_params"),
    "photoshop": ("http://ns.adobe.com/photoshop/1.0/", "ColorMode"),
    "p2": ("http://ns.adobe.com/photoshop/1.0/", "ICCProfile"),
    "tiff": ("http://ns.adobe.com/tiff/1.0/", "PhotometricInterpretation"),
    "t2": ("http://ns.adobe.com/tiff/1.0/", "SamplesPerPixel"),
    "t3": ("http://ns.adobe.com/tiff/1.0/", "BitsPerSample"),
    "t4": ("http://ns.adobe.com/tiff/1.0/", "NativeDigest"),
    "exif": ("http://ns.adobe.com/exif/1.0/", "NativeDigest"),
}


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("as_element", [False, True])
def test_what_is_no_longer_true_goes(tmp_path: Path, form: str, as_element: bool) -> None:
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, (uri, _) in STALE.items())
    spaces += ' xmlns:GContainer="http://ns.google.com/photos/1.0/container/"'
    spaces += ' xmlns:GC="http://ns.google.com/photos/1.0/camera/" GC:BurstID="b7"'
    names = [f"{prefix}:{local}" for prefix, (_, local) in STALE.items()]
    elements = "<GContainer:Directory><rdf:Seq><rdf:li>gain map</rdf:li></rdf:Seq>"
    elements += "</GContainer:Directory><photoshop:Headline>Nana</photoshop:Headline>"
    if as_element:
        elements += "".join(f"<{name}>1</{name}>" for name in names)
    else:
        spaces += " " + " ".join(f'{name}="1"' for name in names)
    source = tmp_path / "a.webp"
    Image.fromarray(RAMP).save(source, xmp=xmp(elements, spaces))
    path, _ = result(source, form)
    (page,) = Photo(path).pages()
    for _, local in STALE.values():
        assert local.encode() not in page.metadata.xmp, local
    assert b"gain map" not in page.metadata.xmp
    assert b"b7" in page.metadata.xmp
    assert told(path)["XMP-photoshop:Headline"] == "Nana"


@pytest.mark.parametrize("form", SUFFIXES)
def test_thumbnails_and_checksums_of_the_old_pixels_go(tmp_path: Path, form: str) -> None:
    shown = io.BytesIO()
    Image.fromarray(RAMP).resize((16, 12)).save(shown, "JPEG")
    resources = (
        resource(0x0404, iim(((2, 5), b"Nana"), ((2, 202), b"thumbnail" * 9)))
        + resource(0x040C, b"thumbnail" + shown.getvalue())
        + resource(0x0425, bytes(16))
        + resource(0x0422, b"histogram")
        + resource(0x040A, b"\1")
        + resource(0x040B, b"https://archive.example/12")
    )
    segments = (0xED, b"Photoshop 3.0\0" + resources), (0xE1, with_thumbnail(shown.getvalue()))
    source = jpeg(tmp_path / "a.jpg", *segments)
    assert "IFD1:ThumbnailLength" in told(source)
    made, notes = result(source, form)
    found = told(made)
    assert notes == []
    assert not [name for name in found if "Thumbnail" in name or name.endswith(":IPTCDigest")]
    assert b"thumbnail" not in made.read_bytes()
    assert b"histogram" not in made.read_bytes()
    assert found["IFD0:Artist"] == "A. P."
    assert found["XMP-xmpRights:Marked"] is True
    assert found["XMP-xmpRights:WebStatement"] == "https://archive.example/12"
    if form in ("JPEG", "TIFF"):
        assert found["Photoshop:CopyrightFlag"] == 1
        assert found["IPTC:ObjectName"] == "Nana"


def with_thumbnail(content: bytes) -> bytes:
    """EXIF with a second directory, that of the thumbnail."""
    artist = b"A. P.\0"
    first = struct.pack(">HHHLLL", 1, 0x013B, 2, len(artist), 26, 26 + len(artist)) + artist
    start = 8 + len(first) + 2 + 3 * 12 + 4
    second = struct.pack(">HHHLHH", 3, 0x0103, 3, 1, 6, 0)
    second += struct.pack(">HHLLHHLLL", 0x0201, 4, 1, start, 0x0202, 4, 1, len(content), 0)
    return b"Exif\0\0MM\0*" + struct.pack(">L", 8) + first + second + content


def test_exif_that_a_jpeg_cannot_hold_is_named(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x013B] = "A. P."
    exif.get_ifd(0x8769)[0x927C] = bytes(range(256)) * 300
    source = tmp_path / "a.webp"
    Image.fromarray(RAMP).save(source, exif=exif)
    path, notes = result(source, "JPEG")
    assert notes == ["left out, since a JPEG holds 64 kB of EXIF: MakerNote"]
    assert told(path)["IFD0:Artist"] == "A. P."
    path, notes = result(source, "TIFF")
    assert notes == []


def test_gps_that_a_jpeg_cannot_hold_is_named(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[0x1B] = bytes(80_000)
    Image.fromarray(RAMP).save(tmp_path / "a.webp", exif=exif)
    assert result(tmp_path / "a.webp", "JPEG")[1][0].startswith("left out, since a JPEG holds")


@pytest.mark.parametrize("place", ["EXIF", "PNG"])
def test_a_caption_may_hold_the_name_of_a_chunk(tmp_path: Path, place: str) -> None:
    said = "PRESIDENTIAL CANDIDATE"
    if place == "PNG":
        source = png(tmp_path / "a.png", [("tEXt", "Title", said)])
    else:
        source = tiff(tmp_path / "a.tif", (270, 2, f"{said}\0".encode()))
    with Image.open(result(source, "PNG")[0]) as image:
        image.load()
        assert said in str([image.info, *image.getexif().values()])


def test_comments_beyond_ascii_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    said = b"UNICODE\0" + "Öresund".encode("utf-16-le")
    exif = Image.Exif()
    exif.endian = "<"
    exif.get_ifd(0x8769)[0x9286] = said
    source = jpeg(tmp_path / "a.jpg", exif=exif.tobytes())
    for form in ("JPEG", "WEBP", "TIFF"):
        with Image.open(result(source, form)[0]) as image:
            assert image.getexif().endian == "<"
            assert image.getexif().get_ifd(0x8769)[0x9286] == said


def test_characters_that_xml_cannot_hold_do_not_break_the_packet(tmp_path: Path) -> None:
    source = tiff(tmp_path / "a.tif", (33723, 7, iim(((2, 120), b"a\x0bb\x01 & <c>"))))
    assert told(result(source, "PNG")[0])["XMP-dc:Description"] == "ab & <c>"


@pytest.mark.parametrize("form", SUFFIXES)
def test_exif_of_a_type_that_cannot_be_is_left_out(tmp_path: Path, form: str) -> None:
    exif = Image.Exif()
    exif[0x013B] = "A. P."
    exif.get_ifd(0x8769).update({0x9000: b"0232", 0x9003: "1912:04:01 12:00:00"})
    content = exif.tobytes()
    assert content.count(b"\x90\0\0\7") == 1
    source = jpeg(tmp_path / "a.jpg", exif=content.replace(b"\x90\0\0\7", b"\x90\0\0\2"))
    found = told(result(source, form)[0])
    assert found["IFD0:Artist"] == "A. P."
    assert found["ExifIFD:DateTimeOriginal"] == "1912:04:01 12:00:00"


def test_hostile_words_end_nothing(tmp_path: Path) -> None:
    for number, content in enumerate((b"\x1c\2\5\xff\xff", b"8BIM", b"\x1c\2\5\x80\xff", bytes(9))):
        source = tiff(tmp_path / f"{number}.tif", (33723, 7, content), (34377, 7, b"8BIM\4\4\xff"))
        for form in SUFFIXES:
            result(source, form)
    broken = struct.pack(">L", 7) + b"zTXt" + b"Title\0\0"
    broken += struct.pack(">L", zlib.crc32(broken[4:]))
    plain = png(tmp_path / "a.png", []).read_bytes()
    (tmp_path / "b.png").write_bytes(plain[:33] + broken + plain[33:])
    result(tmp_path / "b.png", "JPEG")
    deep = xmp(2000 * "<dc:x xmlns:dc='urn:x'>" + 2000 * "</dc:x>")
    result(png(tmp_path / "c.png", [("iTXt", "XML:com.adobe.xmp", deep.decode())]), "JPEG")
