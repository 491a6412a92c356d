import sys
from pathlib import Path

import pytest

from src.commands.command import command


def start(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Path:
    """Run a command that only tells its folder."""
    seen: list[str] = []
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    command("train")(lambda config: seen.append(config.run.folder))()
    return Path(seen[0])


def test_runs_that_start_in_one_second_get_folders_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hydra.core.utils.datetime", Stopped)
    folders = [start(monkeypatch, f"seed={seed}") for seed in range(3)]
    assert [folder.name for folder in folders] == ["then", "then_2", "then_3"]
    for seed, folder in enumerate(folders):
        assert f"seed: {seed}\n" in (folder / ".hydra" / "config.yaml").read_text()


def test_a_named_folder_with_the_time_in_it_is_each_runs_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hydra.core.utils.datetime", Stopped)
    folders = [start(monkeypatch, "hydra.run.dir=mine/${now:%Y}") for _ in range(2)]
    assert [folder.name for folder in folders] == ["then", "then_2"]


def test_a_name_that_is_no_text_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        start(monkeypatch, "data=folder", "data.root=caf\udce9")
    said = capsys.readouterr().err
    assert "rename the file or folder" in said
    assert said.count("\n") == 1


def test_a_folder_that_is_named_is_the_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        folder = start(monkeypatch, "hydra.run.dir=bilder/Käthe, 1")
        assert folder == Path("bilder/Käthe, 1").absolute()


def test_what_another_run_keeps_is_not_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    start(monkeypatch, "hydra.run.dir=mine", "seed=1")
    Path("mine/metrics.csv").touch()
    before = Path("mine/.hydra/overrides.yaml").read_bytes()
    start(monkeypatch, "hydra.run.dir=mine", "seed=2")
    assert Path("mine/.hydra/overrides.yaml").read_bytes() == before


class Stopped:
    """A clock that stands still."""

    @classmethod
    def now(cls) -> "Stopped":
        return cls()

    def strftime(self, _: str) -> str:
        return "then"
