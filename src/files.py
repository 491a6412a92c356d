"""Writing files so that they are whole or absent, and telling which file it is."""

import errno
import hashlib
import json
import os
import secrets
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

CONF = Path(__file__).resolve().parents[1] / "conf"  # the commands' configuration
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a disk, or a share of it, is full


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a place beside `path` to write to; it takes that name once the block has ended well.

    What was at `path` before stays until then, and for good where the block raises.

    Raises: OSError: if it cannot be written, with a file's name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{secrets.token_hex(8)}.part")  # the name itself may be the longest
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())  # a machine that loses power must not keep the name alone
        partial.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk names none
        raise
    finally:
        partial.unlink(missing_ok=True)


def remove_partials(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder that this one has locked."""
    for partial in folder.glob(".*.part"):
        partial.unlink(missing_ok=True)


def lock(folder: Path) -> filelock.BaseFileLock:
    """Keep other processes from working in `folder` until this one ends or releases the lock.

    Raises: BlockingIOError: if another one does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = filelock.FileLock(folder / ".lock")
    try:
        own.acquire(timeout=0)
    except filelock.Timeout:
        raise BlockingIOError(
            f"another process is at work in {from_here(folder)}: let it end"
        ) from None
    return own


def is_locked(folder: Path) -> bool:
    """Tell whether another process is at work in `folder`."""
    if not (folder / ".lock").exists():
        return False
    try:
        lock(folder).release()
    except BlockingIOError:
        return True
    return False


def claim(folder: Path) -> Path:
    """Make a folder that no other process has: this one, or with _2, _3 and so on after its name.

    Raises: OSError: if none can be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    own, number = folder, 1
    while True:
        try:
            own.mkdir()
        except FileExistsError:
            number += 1
            own = folder.with_name(f"{folder.name}_{number}")
        else:
            return own


def from_here(path: Path) -> Path:
    """Shorten a path below the working directory, for people to copy."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def stamp(path: Path) -> tuple[int, int]:
    """Return size in bytes and modification time in ns, by which a changed file is known."""
    try:
        status = path.stat()
    except OSError:  # a dangling link: whoever reads it will say so
        return -1, -1
    return status.st_size, status.st_mtime_ns


def sha256(path: Path) -> str:
    """Hash a file's content, hexadecimal. Raises: OSError: if it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_paste(*words: object) -> str:
    """Write a command so that a shell reads each of its words as it is."""
    return shlex.join(map(str, words))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with the line ends of `text`; names of files need not be Unicode."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty where there is none, or a broken one."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
