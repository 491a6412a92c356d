"""Which picture files lie below a folder, and how many of the kinds that are not read."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

EXTENSIONS = frozenset(
    {".apng", ".avif", ".bmp", ".dib", ".dng", ".gif", ".heic", ".heif", ".hif", ".j2k", ".jfif"}
    | {".jp2", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".mpo", ".pbm", ".pgm", ".png", ".pnm"}
    | {".ppm", ".tif", ".tiff", ".webp"}
)
# What cameras write of the samples of their sensors: to be developed before it is a picture.
CAMERA_RAW = frozenset(
    {".3fr", ".ari", ".arw", ".bay", ".cap", ".cr2", ".cr3", ".crw", ".dcr", ".dcs", ".drf"}
    | {".eip", ".erf", ".fff", ".gpr", ".iiq", ".k25", ".kdc", ".mdc", ".mef", ".mos", ".mrw"}
    | {".nef", ".nrw", ".orf", ".ori", ".pef", ".ptx", ".pxn", ".qtk", ".raf", ".raw", ".rw1"}
    | {".rw2", ".rwl", ".rwz", ".sr2", ".srf", ".srw", ".sti", ".x3f"}
)
# Pictures, and camera raw, that people have and this project does not read.
UNREAD = frozenset(
    CAMERA_RAW
    | {".afphoto", ".bpg", ".cin", ".cur", ".dcm", ".dds", ".dpx", ".exr", ".fit", ".fits"}
    | {".flif", ".fpx", ".hdr", ".icns", ".ico", ".iff", ".insp", ".jls", ".jps", ".jxl", ".jxr"}
    | {".kra", ".lbm", ".pcd", ".pct", ".pcx", ".pdn", ".pfm", ".pict", ".psb", ".psd", ".qoi"}
    | {".ras", ".sgi", ".tga", ".wdp", ".xbm", ".xcf", ".xpm"}
)
# Folders of thumbnails, previews and deleted files that systems and programs keep among photos,
# in lower case; others begin with a dot.
SYSTEM_FOLDERS = frozenset(
    {"#recycle", "#snapshot", "$recycle.bin", "@eadir", "@recently-snapshot", "@recycle", "@tmp"}
    | {"__macosx", "lost+found", "network trash folder", "recycled", "recycler"}
    | {"system volume information", "temporary items"}
)
# Endings of folders that a program shows as one file, with previews of the photos that it manages.
PACKAGES = (
    ".lrdata",
    ".lrcat-data",
    ".cosessiondb",
    ".cocatalogdb",
    ".aplibrary",
    ".photolibrary",
    ".photoslibrary",
)


@dataclass(frozen=True)
class Listing:
    """What lies below a folder.

    Attributes:
        names: paths of the files that are named like pictures, below the folder, sorted. Folders
            that cannot be listed stand here too, since pictures may be in them: reading one of
            them says why it cannot be read.
        left_out: how many pictures there are of each kind that is not read, by suffix.
    """

    names: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def find(root: Path) -> list[str]:
    """Return the names of a folder's `listing`."""
    return listing(root).names


def listing(root: Path) -> Listing:
    """List all picture files below `root`, but hidden ones and those of systems.

    Links to folders are followed, each folder only once, and none that leads back up.
    """
    found = Listing()
    top = os.path.realpath(root)
    seen: set[str] = set()
    folders, links = [(str(root), top)], list[tuple[str, str]]()
    while folders or links:
        # Links come last: a folder is named by its own place, where it has one below root.
        folder, real = folders.pop() if folders else links.pop(0)
        if real in seen:
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            found.names.append(Path(folder).relative_to(root).as_posix())
            continue
        for entry in entries:
            if not _is_folder(entry):
                _take(entry, root, found)
            elif _is_listed(entry.name) and not entry.is_symlink():
                folders.append((entry.path, str(Path(real, entry.name))))
            elif _is_listed(entry.name):
                target = os.path.realpath(entry.path)
                if not any(Path(place).is_relative_to(target) for place in (top, real)):
                    links.append((entry.path, target))
    found.names.sort()
    return found


def in_words(left_out: Counter[str]) -> str:
    """Say how many pictures were left out, of which kinds; nothing where there are none."""
    kinds = sorted(left_out.items(), key=lambda kind: (-kind[1], kind[0]))
    return f"left out: {', '.join(f'{count} {suffix}' for suffix, count in kinds)}" if kinds else ""


def _is_listed(folder: str) -> bool:
    """Tell by its name whether a folder is a person's, not a system's or a program's."""
    name = folder.lower()
    return not (name.startswith(".") or name in SYSTEM_FOLDERS or name.endswith(PACKAGES))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as a link to itself
        return False


def _take(entry: os.DirEntry[str], root: Path, found: Listing) -> None:
    if entry.name.startswith("."):  # such as macOS's "._photo.jpg"
        return
    suffix = Path(entry.name).suffix.lower()
    if suffix in EXTENSIONS:
        found.names.append(Path(entry.path).relative_to(root).as_posix())
    elif suffix in UNREAD:
        found.left_out[suffix] += 1
