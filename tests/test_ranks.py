import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig, OmegaConf

from src import ranks
from src.data.crops import EpochShuffle
from src.training import launcher, metrics_csv
from src.training.experiment import train
from tests.conftest import ROOT, TINY, made_once, run_train

# Two ranks give what one process does where no batch norm comes between: this generator has none,
# and does not descend what the discriminator makes of it.
GAN = (
    "model=cnn",
    "model/discriminator=patchgan",
    "model/loss=vanilla",
    "model.loss.adversarial_weight=0",
    "model.ema_decay=0.9",
    "data=folder",
    "trainer.log_every_n_steps=1",
    "trainer.max_epochs=2",
)
BOTH = ("trainer=ddp", "trainer.devices=2")


# Forked ranks import nothing again; slow tests start them as the command does.
FORKED = """
import functools, gc
gc.disable()
from src import train
from src.training import launcher
launcher.LaunchConfig = functools.partial(launcher.LaunchConfig, start_method="fork")
train.main()
"""


class RanksAgree(Callback):
    """Writes how many of the network's tensors differ between the ranks when training ends."""

    def on_validation_end(self, trainer: lightning.Trainer, module: Any) -> None:
        states = [None] * trainer.world_size
        own = {key: value.tolist() for key, value in module.state_dict().items()}
        torch.distributed.all_gather_object(states, own)
        if trainer.is_global_zero:
            first, *others = states
            report = {"ranks": len(states), "differ": sum(other != first for other in others)}
            Path("agree.json").write_text(json.dumps(report))


@pytest.fixture(scope="module")
def pair(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same training in one process and, by the command line, in two."""
    shared = [*TINY, *GAN, f"data.root={photos}"]
    agree = "+callbacks.agree._target_=tests.test_ranks.RanksAgree"

    def make(place: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-c", FORKED, *shared, *BOTH, agree, "hydra.run.dir=two"],
            cwd=place,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        one = run_train(place, *shared, "trainer=cpu", "hydra.run.dir=one")
        for name, streams in {"one": one, "two": (done.stdout, done.stderr)}.items():
            for suffix, text in zip(("txt", "err"), streams, strict=True):
                (place / f"{name}.{suffix}").write_text(text)

    return made_once(tmp_path_factory, "ranks", make)


def logged(folder: Path, name: str) -> list[float]:
    return [float(row[name]) for row in metrics_csv.read(folder / "metrics.csv") if row[name]]


def test_the_same_total_batch_gives_the_same_first_losses(pair: Path) -> None:
    one, two = (logged(pair / folder, "train/g_loss") for folder in ("one", "two"))
    assert len(one) == len(two)
    assert two == pytest.approx(one, rel=1e-3)


def test_metrics_are_those_of_one_process_over_the_same_pictures(pair: Path) -> None:
    for subset in ("val", "fit", "test"):
        for name in ("ab_mae", "ab_mae_zero", "ab_mae_constant", "psnr", "colorfulness_true"):
            one, two = (logged(pair / folder, f"{subset}/{name}") for folder in ("one", "two"))
            assert two == pytest.approx(one, rel=2e-2 if name in ("ab_mae", "psnr") else 1e-5)


def test_all_networks_and_their_statistics_are_identical_on_the_ranks(pair: Path) -> None:
    assert json.loads((pair / "agree.json").read_text()) == {"ranks": 2, "differ": 0}


def test_two_ranks_print_what_one_process_does(pair: Path) -> None:
    one, two = (
        # Where a run takes long, every half minute adds a line.
        [line for line in (pair / f"{name}.txt").read_text().splitlines() if "| batch" not in line]
        for name in ("one", "two")
    )
    assert len(one) == len(two)
    assert two[-1] == "Everything is in two"
    assert (pair / "two.err").read_text() == (pair / "one.err").read_text()


@pytest.mark.slow
def test_a_mistake_on_the_ranks_is_one_line(
    configure: Callable[..., DictConfig], photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = configure("data=folder", f"data.root={photos}", "data.batch_size=5", tiny=TINY)
    config.trainer.devices, config.trainer.strategy = 2, "ddp"
    with pytest.raises(
        launcher.RankError, match=r"data.batch_size=5: expected a multiple of the 2"
    ):
        train(config)
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["trainer=cpu", "trainer.devices=2"], "trainer=ddp or trainer=gpu_multi takes more"),
        (["trainer=ddp", "trainer.devices=0"], "expected at least one"),
        (["trainer=ddp", "trainer.num_nodes=2"], "start one process a device"),
    ],
)
def test_devices_that_do_not_fit_are_refused(
    configure: Callable[..., DictConfig], overrides: list[str], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        launcher.must_be_launched(configure(*overrides).trainer)


def test_processes_that_others_started_need_a_strategy_for_several(
    configure: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TorchElasticEnvironment, "detect", lambda: True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match=r"2 processes were started with trainer.strategy=auto"):
        launcher.must_be_launched(configure("trainer=cpu").trainer)
    assert not launcher.must_be_launched(configure("trainer=ddp").trainer)


def test_the_batches_of_all_ranks_are_the_batch_of_one_process() -> None:
    whole = list(EpochShuffle([""] * 11, seed=3))
    parts = [list(EpochShuffle([""] * 11, 3, rank, 2)) for rank in range(2)]
    assert len(EpochShuffle([""] * 11, 3, 0, 2)) == len(parts[0]) == len(parts[1]) == 5
    assert {*parts[0][:2], *parts[1][:2]} == {*whole[:4]}


SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NAME": "train",
    "SLURM_NTASKS": "2",
    "SLURM_NNODES": "1",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_NODELIST": "localhost",
    "SLURM_NODEID": "0",
}


@pytest.mark.slow
@pytest.mark.parametrize("cluster", ["torchrun", "slurm"])
def test_ranks_that_others_started_are_joined(pair: Path, photos: Path, cluster: str) -> None:
    arguments = ["-m", "src.train", *TINY, *GAN, *BOTH, f"data.root={photos}"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    if cluster == "torchrun":
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
        subprocess.run([*command, *arguments], env=env, check=True)
    else:
        tasks = [
            subprocess.Popen(
                [sys.executable, *arguments],
                env=env | SLURM | {"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)},
            )
            for i in range(2)
        ]
        assert [task.wait() for task in tasks] == [0, 0]
    [folder] = Path("outputs/cnn").iterdir()
    assert logged(folder, "train/g_loss") == logged(pair / "two", "train/g_loss")
    assert OmegaConf.load(folder / ".hydra" / "config.yaml").trainer.devices == 2


def cgroups(system: Path, named: str, files: dict[str, str]) -> Path:
    for name, text in ({"proc/self/cgroup": named} | files).items():
        (system / name).parent.mkdir(parents=True, exist_ok=True)
        (system / name).write_text(text)
    return system


V1 = {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "250000"}


@pytest.mark.parametrize(
    ("named", "files", "cores"),
    [
        ("", {}, math.inf),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, math.inf),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        # Of a group and the one around it, the tighter quota holds.
        (
            "0::/a/b\n",
            {
                "sys/fs/cgroup/a/cpu.max": "200000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
            },
            2.0,
        ),
        (
            "4:cpu,cpuacct:/job\n1:name=systemd:/\n0::/\n",
            {f"sys/fs/cgroup/cpu,cpuacct/job/{name}": text for name, text in V1.items()},
            2.5,
        ),
        # A container sees its own group at the top, and its name from outside.
        (
            "4:cpu:/docker/4f\n",
            {f"sys/fs/cgroup/cpu/{name}": text for name, text in V1.items()},
            2.5,
        ),
        (
            "1:cpu:/\n0::/\n",
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            math.inf,
        ),
    ],
)
def test_quotas_of_containers_count_as_cores(
    named: str, files: dict[str, str], cores: float, tmp_path: Path
) -> None:
    assert ranks.cpu_quota(cgroups(tmp_path, named, files)) == cores


def test_workers_are_one_a_core_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setattr(ranks, "cpu_quota", lambda: math.inf)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {*range(12)}, raising=False)
    assert ranks.default_workers() == 8
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert ranks.default_workers() == 3
    monkeypatch.setattr(ranks, "cpu_quota", lambda: 1.5)
    assert (ranks.cores(), ranks.default_workers()) == (2, 1)
