import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from src.data.imagenette import ImagenetteData


def archive(photos: Path, extra: Callable[[tarfile.TarFile], None] | None = None) -> bytes:
    """A .tgz as Imagenette's: one folder, with pictures in train/ and val/ by class."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for i, path in enumerate(sorted(photos.iterdir())):
            tar.add(path, f"tiny/{('train', 'val')[i % 2]}/class{i % 3}/{path.name}")
        if extra:
            extra(tar)
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    """Serves one file; breaks the first `breaks` answers off in the middle."""

    content = b""
    breaks = 0
    ranges = True
    requests: list[str | None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/tiny.tgz"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append(wanted)
        whole, start = self.server.content, 0
        if wanted and self.server.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(whole):
                self.send_error(416)
                return
            self.send_response(206)
        else:
            self.send_response(200)
        body = whole[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.breaks:
            self.server.breaks -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(photos: Path) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.content, running.requests = archive(photos), []
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def imagenette(server: Server, tmp_path: Path, md5: str | None = None) -> ImagenetteData:
    return ImagenetteData(
        url=server.url,
        md5=md5 or hashlib.md5(server.content).hexdigest(),
        folder=str(tmp_path / "data"),
        report_dir=str(tmp_path / "run"),
        image_size=32,
        batch_size=4,
        num_workers=0,
    )


def test_it_is_downloaded_checked_unpacked_and_split(server: Server, tmp_path: Path) -> None:
    data = imagenette(server, tmp_path)
    data.prepare_data()
    data.setup("fit")
    assert {subset: len(own) for subset, own in data.subsets.items()}["train"] == 12
    assert len(data.subsets["val"]) + len(data.subsets["test"]) == 12
    left = {path.name for path in (tmp_path / "data").iterdir()} - {"index"}
    assert left == {"tiny", "tiny.tgz"}
    imagenette(server, tmp_path).prepare_data()
    assert len(server.requests) == 1


def test_a_broken_download_is_taken_up_again(server: Server, tmp_path: Path) -> None:
    server.breaks = 1
    with pytest.raises(OSError, match="resumes where it stopped"):
        imagenette(server, tmp_path).prepare_data()
    half = (tmp_path / "data" / "tiny.tgz.part").stat().st_size
    assert 0 < half < len(server.content)
    imagenette(server, tmp_path).prepare_data()
    assert server.requests == [None, f"bytes={half}-"]
    assert (tmp_path / "data" / "tiny.tgz").read_bytes() == server.content


def test_a_server_without_ranges_sends_it_all_again(server: Server, tmp_path: Path) -> None:
    server.breaks, server.ranges = 1, False
    with pytest.raises(OSError, match="broke off"):
        imagenette(server, tmp_path).prepare_data()
    imagenette(server, tmp_path).prepare_data()
    assert (tmp_path / "data" / "tiny.tgz").read_bytes() == server.content


def test_a_whole_part_needs_only_its_name(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tiny.tgz.part").write_bytes(server.content)
    imagenette(server, tmp_path).prepare_data()
    assert (tmp_path / "data" / "tiny").is_dir()


def test_a_wrong_md5_is_refused_and_nothing_stays(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected 0{32}: removed"):
        imagenette(server, tmp_path, md5="0" * 32).prepare_data()
    assert not any((tmp_path / "data").iterdir())


def test_no_server_ends_with_one_line(server: Server, tmp_path: Path) -> None:
    data = imagenette(server, tmp_path)
    data.url = "http://127.0.0.1:9/tiny.tgz"
    with pytest.raises(OSError, match=r"broke off: .*refused.*put the file at") as refusal:
        data.prepare_data()
    assert "\n" not in str(refusal.value)


def climbing(tar: tarfile.TarFile) -> None:
    tar.addfile(tarfile.TarInfo("tiny/../../../escaped"))


def linking(tar: tarfile.TarFile) -> None:
    link = tarfile.TarInfo("tiny/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    tar.addfile(link)


def absolute_link(tar: tarfile.TarFile) -> None:
    link = tarfile.TarInfo("tiny/hard")
    link.type, link.linkname = tarfile.LNKTYPE, "../../outside"
    tar.addfile(link)


@pytest.mark.parametrize("attack", [climbing, linking, absolute_link])
def test_no_path_leaves_the_folder(
    server: Server, tmp_path: Path, photos: Path, attack: Callable[[tarfile.TarFile], None]
) -> None:
    server.content = archive(photos, attack)
    with pytest.raises(ValueError, match="was not unpacked") as refusal:
        imagenette(server, tmp_path).prepare_data()
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.rglob("escaped"))
    assert not (tmp_path / "data" / "tiny").exists()


def test_a_truncated_archive_leaves_no_half_folder(server: Server, tmp_path: Path) -> None:
    server.content = server.content[: len(server.content) // 2]
    with pytest.raises(ValueError, match="was not unpacked"):
        imagenette(server, tmp_path).prepare_data()
    assert not (tmp_path / "data" / "tiny").exists()
