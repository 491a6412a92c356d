import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from src import color, evaluate
from src.colorizers.colorizer import Colorizer
from src.evaluation import examples, guesses, protocols
from src.evaluation.guesses import judge_guesses
from src.evaluation.judge import read
from tests.colorizers.test_proposals import save_unsure


class Grey(Colorizer):
    """Paints everything grey."""

    name, image_size = "grey", 64

    def __call__(self, L: Tensor, hints: object = None, reference: object = None) -> Tensor:
        return torch.zeros(len(L), 2, *L.shape[2:])


@pytest.fixture
def few(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(protocols, "SIDE", 64)
    (tmp_path / "few").mkdir()
    for name in ("coffee0.jpg", "coffee2.jpg", "chelsea1.jpg"):
        shutil.copy(photos / name, tmp_path / "few")
    return tmp_path / "few"


@pytest.mark.parametrize(("sign", "expected"), [(1, 1.0), (-1, -1.0), (0, 0.0)])
def test_who_knows_where_it_errs_has_a_rank_correlation_of_one(
    few: Path, monkeypatch: pytest.MonkeyPatch, sign: float, expected: float
) -> None:
    shown = examples.Examples(examples.choose(few).pictures, "stretch256", {}, None)
    chroma = {
        one.samples.tobytes(): color.uint8_to_L_ab(one.rgb[None])[1].norm(dim=1)[0]
        for one in read(shown, 0)
        if one.rgb is not None
    }
    # The error of grey is the chroma; parts are means, whose length is not the mean length.
    monkeypatch.setattr(guesses, "SIDE", 64)
    monkeypatch.setattr(guesses, "uncertainty", lambda samples, _: sign * chroma[samples.tobytes()])
    found = judge_guesses({"grey": Grey()}, shown, 0)["grey"]
    assert found["within_pictures"].mean == pytest.approx(expected, abs=0.001)
    assert found["over_pictures"].mean == pytest.approx(expected, abs=0.001)


def test_evaluate_tells_it_of_checkpoints(
    few: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_unsure(Path("unsure.ckpt"))
    typed = ["checkpoints=[unsure.ckpt]", "uncertainty=true", f"data.root={few}"]
    monkeypatch.setattr(sys, "argv", ["evaluate", *typed, "num_workers=0", "hydra.run.dir=run"])
    evaluate.main()
    found = json.loads(Path("run/metrics.json").read_text())["uncertainty"]["unsure"]
    assert -1 <= found["within_pictures"]["low"] <= found["within_pictures"]["high"] <= 1
    assert "unsure: rank correlation of uncertainty and error" in capsys.readouterr().out
