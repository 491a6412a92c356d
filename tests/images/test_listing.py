from pathlib import Path

import pytest

from src import images


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_pictures_of_all_folders_are_found_in_order(tmp_path: Path) -> None:
    make(tmp_path, "b.JPG", "a/c.tiff", "a/Ä.dng", "a.b/d.heic", "notes.txt", "film.mp4", "a/c.xmp")
    assert images.find(tmp_path) == ["a.b/d.heic", "a/c.tiff", "a/Ä.dng", "b.JPG"]


def test_linked_albums_are_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make(tmp_path, "disk/album/a.jpg", "disk/album/deep/b.jpg", "root/own/c.jpg", "one/d.jpg")
    (root / "album").symlink_to(tmp_path / "disk" / "album")
    (root / "own" / "relative").symlink_to(Path("..", "..", "one"))
    (root / "photo.jpg").symlink_to(tmp_path / "one" / "d.jpg")
    expected = ["album/a.jpg", "album/deep/b.jpg", "own/c.jpg", "own/relative/d.jpg", "photo.jpg"]
    assert images.find(root) == expected
    (tmp_path / "itself").symlink_to(root)
    assert images.find(tmp_path / "itself") == expected


def test_loops_of_links_end(tmp_path: Path) -> None:
    root = tmp_path / "photos" / "root"
    make(tmp_path, "photos/root/a/b/c.jpg", "photos/other.jpg", "disk/d.jpg", "disk/x/e.jpg")
    (root / "a" / "self").symlink_to(root / "a" / "b")
    (root / "a" / "b" / "up").symlink_to(Path(".."))
    (root / "above").symlink_to(tmp_path / "photos")
    (root / "here").symlink_to(".")
    (root / "disk").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "x" / "back").symlink_to(root)
    (tmp_path / "disk" / "x" / "higher").symlink_to(tmp_path)
    (root / "bad").symlink_to("bad")
    (root / "gone").symlink_to("nowhere")
    assert images.find(root) == ["a/b/c.jpg", "disk/d.jpg", "disk/x/e.jpg"]


def test_what_two_links_share_is_found_once(tmp_path: Path) -> None:
    make(tmp_path, "disk/x/a.jpg", "disk/b.jpg", "root/real/c.jpg")
    (tmp_path / "root" / "1").symlink_to(tmp_path / "disk" / "x")
    (tmp_path / "root" / "2").symlink_to(tmp_path / "disk")
    (tmp_path / "root" / "0").symlink_to(tmp_path / "root" / "real")
    assert images.find(tmp_path / "root") == ["1/a.jpg", "2/b.jpg", "real/c.jpg"]


@pytest.mark.parametrize(
    "folder",
    [
        "@eaDir",
        "#recycle",
        "@Recycle",
        ".Trash-1000",
        ".Trashes",
        "$RECYCLE.BIN",
        "__MACOSX",
        "My Catalog Previews.lrdata",
        "Photos Library.photoslibrary",
        "System Volume Information",
        ".thumbnails",
        ".AppleDouble",
        "lost+found",
        ".@__thumb",
    ],
)
def test_what_systems_keep_in_folders_is_no_photograph(tmp_path: Path, folder: str) -> None:
    make(
        tmp_path,
        "a.jpg",
        f"{folder}/a.jpg",
        f"album/{folder}/b/SYNOPHOTO_THUMB_M.jpg",
        "._a.jpg",
        "Thumbs.db",
        f"{folder}/raw.cr2",
        "._raw.cr2",
    )
    listed = images.listing(tmp_path)
    assert listed.names == ["a.jpg"]
    assert not listed.left_out


def test_people_may_open_such_a_folder_themselves(tmp_path: Path) -> None:
    make(tmp_path, "#recycle/a.jpg")
    assert images.find(tmp_path / "#recycle") == ["a.jpg"]


def test_kinds_that_are_not_read_are_counted(tmp_path: Path) -> None:
    make(
        tmp_path,
        "a.jpg",
        "a.CR2",
        "b.cr2",
        "x/c.psd",
        "a.xmp",
        "a.txt",
        "a.mp4",
        "a",
        "@eaDir/d.nef",
    )
    listed = images.listing(tmp_path)
    assert listed.left_out == {".cr2": 2, ".psd": 1}
    assert images.in_words(listed.left_out) == "left out: 2 .cr2, 1 .psd"
    assert images.in_words(images.listing(tmp_path / "@eaDir" / "none").left_out) == ""
