import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from PIL import Image

from src import train
from src.sweeps import page, ranking
from src.training import run_folder
from tests.conftest import ROOT, TINY

FAILING = ("model=cnn", "seed=0,1", "model.generator_optimizer.lr=1e-3,1e-4,-1", "data=folder")


def sweep(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["train", "-m", *TINY, *arguments])
    try:
        train.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def only_sweep() -> Path:
    [folder] = Path("outputs/multirun").iterdir()
    return folder


def read(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def judged(folder: Path) -> list[dict[str, str]]:
    """The table of a sweep but for how fast its runs were."""
    rows = read(folder / "sweep.csv")
    return [{name: x for name, x in row.items() if name != "images_per_s"} for row in rows]


def test_runs_that_fail_stand_in_the_ranking_and_the_others_go_on(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (*FAILING, f"data.root={photos}")
    assert sweep(monkeypatch, *arguments) == 1
    folder = only_sweep()
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == f"Everything is in {folder}"
    names = {path.name for path in folder.iterdir() if path.is_dir()}
    assert len(names) == 6
    assert "model.generator_optimizer.lr-0.001_seed-0" in names

    rows = read(folder / "sweep.csv")
    done = [row for row in rows if row["status"] == "done"]
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "", ""]
    scores = [float(row["val/ab_mae"]) for row in done]
    assert scores == sorted(scores)
    for row in done:
        own = [float(r["val/ab_mae"]) for r in done if r["lr"] == row["lr"]]
        assert float(row["mean"]) == pytest.approx(sum(own) / 2)
        assert float(row["sd"]) == pytest.approx(abs(own[0] - own[1]) / 2**0.5)
        assert float(row["test/ab_mae_zero"]) > 0
    for row in rows[4:]:
        assert "Invalid learning rate: -1" in row["reason"]
    table = "\n".join(printed[-10:])
    assert table.count("failed: ") == 2
    assert f"{scores[0]:.3f}" in table
    assert "(2)" in table
    with Image.open(folder / "sweep.png") as image:
        assert min(image.size) > 100
    page = (folder / "sweep.html").read_text()
    assert page.count("<img") == 4  # of two learning rates, truth and grey
    assert f"{float(rows[0]['parameters']) / 1e6:.2f}</td>" in page
    assert page.count("lr=-1: failed") == 2

    # The same command resumes in the same folder, with what is not done.
    assert sweep(monkeypatch, *arguments) == 1
    again = capsys.readouterr().out
    assert only_sweep() == folder
    assert again.count("done before") == 4
    assert read(folder / "sweep.csv") == rows


def test_a_run_of_a_killed_sweep_is_resumed(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # What is given and also swept names the folders by what is swept.
    arguments = ("model=cnn", "seed=5", "seed=0,1", "data=folder", f"data.root={photos}")
    assert sweep(monkeypatch, *arguments) == 0
    folder = only_sweep()
    assert len(read(folder / "sweep.csv")) == 2
    before = judged(folder)
    # As SIGKILL would have left it in the second run's test.
    (folder / "seed-1" / "result.json").unlink()
    description = json.loads((folder / "sweep.json").read_text())
    (folder / "sweep.json").write_text(json.dumps(description | {"finished": False}))
    capsys.readouterr()
    assert sweep(monkeypatch, *arguments) == 0
    printed = capsys.readouterr().out
    assert f"resuming the sweep in {folder}" in printed
    assert "seed-0: done before" in printed
    assert f"resuming {folder}/seed-1 after 1 completed epochs" in printed
    assert judged(folder) == before
    # A finished sweep is not resumed: the same command repeats it.
    new = folder.with_name("new")
    assert sweep(monkeypatch, *arguments, f"hydra.sweep.dir={new}") == 0
    assert judged(new) == before


def test_the_story_trains_each_system_by_its_rate(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (Path("rates") / "cnn" / ".hydra").mkdir(parents=True)
    Path("rates/cnn/.hydra/config.yaml").write_text("run:\n  model: cnn\n")
    run_folder.write_result(Path("rates/cnn"), "done", figures={"images_per_s": 0.2})
    arguments = ("experiment=report_story", "model=cnn,unet", "seed=0", f"data.root={photos}")
    assert sweep(monkeypatch, *arguments, "rates=rates", "minutes=2", "trainer.max_epochs=2") == 1
    done, failed = read(only_sweep() / "sweep.csv")
    assert (done["model"], failed["model"]) == ("cnn", "unet")
    assert failed["reason"].startswith("rates=rates: expected a run of unet in it")
    metrics = read(only_sweep() / "model-cnn" / "metrics.csv")
    # 0.2 x 120 crops, in batches of 4.
    assert max(int(row["step"]) for row in metrics if row["train/g_loss"]) == 24 / 4 - 1


@pytest.mark.parametrize(("mode", "order"), [("min", "steady lucky"), ("max", "lucky steady")])
def test_the_page_ranks_systems_by_their_means_over_seeds(
    tmp_path: Path, mode: str, order: str
) -> None:
    scores = {"lucky": (1.0, 9.0), "steady": (4.0, 4.0), "failed": (None, None)}
    runs = [
        ranking.Run({"model": name, "seed": str(seed)}, "done", "", score, {}, tmp_path)
        for name, own in scores.items()
        for seed, score in enumerate(own)
    ]
    page.write(tmp_path, runs, "val/ab_mae", mode)
    heads = re.findall(r"<tr><th>model=(\w+)", (tmp_path / "sweep.html").read_text())
    assert heads == [*order.split(), "failed"]


def test_each_lot_of_test_pictures_stands_beside_its_own_grey(tmp_path: Path) -> None:
    runs = [
        ranking.Run({"size": size, "seed": str(seed)}, "done", "", 4.0, figures, tmp_path)
        for size, grey in (("64", 11.25), ("128", 12.75))
        for seed in (0, 1)
        for figures in [{"test/ab_mae_zero": grey, "test/colorfulness_true": 40 + grey}]
    ]
    page.write(tmp_path, runs, "val/ab_mae", "min")
    text = (tmp_path / "sweep.html").read_text()
    assert re.findall(r"<tr[^>]*><th>ab = 0 \(grey\): size=(\d+)", text) == ["64", "128"]
    page.write(tmp_path, runs[:2], "val/ab_mae", "min")
    assert (tmp_path / "sweep.html").read_text().count("ab = 0 (grey)<") == 1


def test_a_run_that_was_pruned_stands_on_the_page_with_its_reason(tmp_path: Path) -> None:
    figures = {"val/ab_mae": 9.0}  # it was never tested
    run = ranking.Run({"seed": "0"}, "pruned", "after 2 epochs", 9.0, figures, tmp_path)
    page.write(tmp_path, [run], "val/ab_mae", "min")
    assert "pruned after 2 epochs" in (tmp_path / "sweep.html").read_text()


@pytest.mark.slow
def test_optuna_searches_and_prunes(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (
        "experiment=search",
        f"data.root={photos}",
        "hydra.sweeper.n_trials=4",
        "trainer.max_epochs=3",
        "callbacks.pruning.min_runs=1",
        "callbacks.pruning.min_epochs=1",
    )
    assert sweep(monkeypatch, *arguments) == 0
    rows = read(only_sweep() / "sweep.csv")
    assert len(rows) == 4
    assert {row["status"] for row in rows} == {"done", "pruned"}
    assert len({row["l1"] for row in rows}) == 4
    best = OmegaConf.load(only_sweep() / "optimization_results.yaml")
    assert best.best_value == pytest.approx(float(rows[0]["val/ab_mae"]))
    for row in rows:
        assert (row["status"] == "pruned") == row["reason"].startswith("after ")


def launched(photos: Path, launcher: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "src.train",
            "-m",
            *TINY,
            f"hydra/launcher={launcher}",
            "model=cnn",
            "seed=0,1",
            "data=folder",
            f"data.root={photos}",
            *arguments,
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "ray"])
def test_a_launcher_runs_a_sweep_for_real(photos: Path, launcher: str) -> None:
    if launcher == "ray":
        pytest.importorskip("ray", reason="the extra ray is not installed")
    done = launched(photos, launcher, "model.generator_optimizer.lr=1e-3,-1")
    assert done.returncode == 1, done.stderr
    statuses = [row["status"] for row in read(only_sweep() / "sweep.csv")]
    assert statuses == ["done", "done", "failed", "failed"]


@pytest.mark.slow
def test_joblib_runs_jobs_side_by_side(photos: Path) -> None:
    done = launched(photos, "joblib", "hydra.launcher.n_jobs=2")
    assert done.returncode == 0, done.stderr
    assert [row["status"] for row in read(only_sweep() / "sweep.csv")] == ["done", "done"]


def run(folder: Path, overrides: list[str], score: float | None) -> None:
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(overrides), folder / ".hydra" / "overrides.yaml")
    if score is not None:
        run_folder.write_result(folder, "done", score=score, figures={"test/psnr": 20.0})


def test_a_ranking_names_what_differs_and_shortly(tmp_path: Path) -> None:
    for i, score in enumerate([20.0, 25.0, None]):
        shared = ["data=folder", f"model.generator_optimizer.lr={i}e-4"]
        run(tmp_path / str(i), [*shared, f"model.loss.l1={i}.123456789"], score)
    runs = ranking.find_runs(tmp_path, "max")
    assert [run.score for run in runs] == [25.0, 20.0, None]
    assert runs[0].name == "lr=1e-4 l1=1.123"
    assert runs[2].status == "unfinished"
    table = ranking.as_table(runs, "val/psnr", "max")
    assert "ranked by the highest val/psnr" in table
    assert "unfinished" in table


def test_names_that_would_be_alike_keep_more_of_themselves(tmp_path: Path) -> None:
    for i in range(2):
        run(tmp_path / str(i), [f"a.g.lr={i}", f"a.d.lr={i}", f"seed={i}"], 1.0 + i)
    runs = ranking.find_runs(tmp_path, "min")
    assert runs[0].name == "g.lr=0 d.lr=0 seed=0"
    assert runs[0].group == "g.lr=0 d.lr=0"
