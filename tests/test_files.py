import threading
from pathlib import Path

import pytest

from src import files
from tests.conftest import read_by_shell

LONGEST = 255  # bytes that a name may have on the file systems of Linux and macOS


@pytest.mark.parametrize("stem", ["a" * (LONGEST - 4), "ß" * ((LONGEST - 4) // 2), "写" * 83])
def test_names_may_be_as_long_as_the_file_system_takes(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.png"
    files.write_text(path, "first")
    files.write_text(path, "second")
    assert path.read_text() == "second"
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_stays_where_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "before")
    with pytest.raises(UnicodeEncodeError), files.whole(path) as partial:
        partial.write_text("half \udce9", encoding="utf-8")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_each_that_claims_a_folder_gets_its_own(tmp_path: Path) -> None:
    claimed: list[Path] = []
    together = threading.Barrier(8)

    def claim() -> None:
        together.wait()
        claimed.append(files.claim(tmp_path / "runs" / "now"))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = ["now", *(f"now_{number}" for number in range(2, 9))]
    assert sorted(path.name for path in claimed) == sorted(names)


@pytest.mark.parametrize(
    "name",
    ["plain", "a b", "Oma's", 'say "x"', "Größe", "$HOME", "a;b&c", "`ls`", "a\nb", "!", "*"],
)
def test_pasted_commands_mean_what_was_printed(name: str) -> None:
    assert read_by_shell(files.to_paste("python", Path(name))) == ["python", name]
