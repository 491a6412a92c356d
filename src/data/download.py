"""Downloading an archive: resumed where it broke off, checked, and unpacked inside its folder."""

import gzip
import hashlib
import shutil
import tarfile
import urllib.error
import urllib.request
import zlib
from http import HTTPStatus
from pathlib import Path

from src import pace
from src.errors import UserError

CHUNK = 1 << 20
TIMEOUT_S = 30


def download(url: str, path: Path, md5: str) -> None:
    """Download `url` to `path` unless it is there; what an earlier try left is resumed.

    Raises:
        OSError: if the server cannot be reached or breaks off; what came stays for the next try.
        UserError: if the file that came has another md5 sum; it is then removed.
    """
    if path.is_file() and _md5(path) == md5:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    try:
        _fetch(url, partial)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise OSError(
            f"download of {url} broke off: {reason}. The same command resumes where it stopped; "
            f"without a network, put the file at {path}"
        ) from error
    got = _md5(partial)
    if got != md5:
        partial.unlink()
        raise UserError(f"{url} came with md5 {got}, expected {md5}: removed, try again")
    partial.replace(path)


def _fetch(url: str, partial: Path) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    if not url.startswith(("https://", "http://")):
        raise UserError(f"{url}: expected an http or https address")
    headers = {"Range": f"bytes={have}-"} if have else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing is left to fetch; the md5 sum judges
        raise
    with response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            have = 0  # the server sends the whole file again
        left = int(response.headers.get("Content-Length", 0))
        bar = pace.shown(url.rsplit("/", 1)[-1], -(-left // CHUNK), "MiB")
        with bar as advance, partial.open("ab" if have else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                advance(1)
        if left and partial.stat().st_size < have + left:
            raise ConnectionError(f"{partial.stat().st_size} of {have + left} bytes came")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive that holds one folder as `folder`; it appears only once it is whole.

    Raises: UserError: if a member would leave the folder, or the archive is broken or holds
        anything but one folder.
    """
    beside = folder.with_name(f"{folder.name}.unpacking")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(beside, filter="data")
        inside = [path for path in beside.iterdir() if path.is_dir()]
        if len(inside) != 1:
            raise UserError(f"{archive} holds {len(inside)} folders at its top: expected one")
        inside[0].replace(folder)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{archive} was not unpacked: {error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
