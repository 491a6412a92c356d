import csv
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from src import evaluate
from src.generators.cnn import CNN

FIGURES = ("ab_mae", "delta_e76", "delta_e2000", "clipped")


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    config = {"_target_": "src.generators.cnn.CNN", "base_channels": 4}
    state = {f"generator.{key}": value for key, value in CNN(4).state_dict().items()}
    state["mean_ab"] = torch.tensor([0.02, 0.05])
    content = {"hyper_parameters": {"generator": config, "image_size": 32}, "state_dict": state}
    torch.save(content, tmp_path / "a.ckpt")
    return tmp_path / "a.ckpt"


@pytest.fixture
def few(photos: Path, tmp_path: Path) -> Path:
    for path in sorted(photos.iterdir())[::4]:
        target = tmp_path / "few" / path.name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    return tmp_path / "few"


def judge(monkeypatch: pytest.MonkeyPatch, *overrides: str) -> int:
    words = ["src.evaluate", *overrides, "num_workers=0", "hydra.run.dir=judged"]
    monkeypatch.setattr(sys, "argv", words)
    try:
        evaluate.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def colorizers() -> dict[str, Any]:
    return dict(json.loads(Path("judged/metrics.json").read_text())["colorizers"])


def test_a_checkpoint_is_judged_beside_grey_and_constants(
    trained: Path, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert judge(monkeypatch, f"checkpoints=[{trained}]", f"data.root={few}") == 0
    found = colorizers()
    assert {"a", "zero", "constant", "oracle_constant"} <= found.keys()
    for figures in found.values():
        for figure in FIGURES:
            own = figures[figure]
            assert own["low"] <= own["mean"] <= own["high"]
    assert found["zero"]["colorfulness"]["mean"] == pytest.approx(0, abs=0.1)
    assert found["oracle_constant"]["ab_mae"]["mean"] < found["zero"]["ab_mae"]["mean"]
    with Path("judged/per_image.csv").open() as file:
        assert len({row[next(iter(row))] for row in csv.DictReader(file)}) >= 4
    page = Path("judged/report.html").read_text()
    assert "stretch256" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert 'src="https' not in page


def test_the_truth_itself_makes_no_error(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(few, "other")
    assert judge(monkeypatch, "predictions=other", f"data.root={few}") == 0
    found = colorizers()["other"]
    for figure in ("ab_mae", "delta_e76", "delta_e2000"):
        assert found[figure]["mean"] == pytest.approx(0, abs=1e-3)


def test_what_cannot_be_judged_is_said_in_one_line(
    few: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.ckpt").write_text("no checkpoint")
    assert judge(monkeypatch, f"data.root={few}") == 1
    assert "no checkpoint is given" in capsys.readouterr().err
    assert judge(monkeypatch, "checkpoints=[bad.ckpt]", f"data.root={few}") == 1
    assert "bad.ckpt" in capsys.readouterr().err
    assert judge(monkeypatch, "checkpoints=[bad.ckpt]", "data.root=nowhere") == 1
    said = capsys.readouterr().err
    assert "nowhere" in said
    assert "Traceback" not in said
