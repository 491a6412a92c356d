"""A training step of full-size unet_gan, in the trainer and in plain loops."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from src.training.experiment import quieten
from src.training.module import ColorizationModule
from tests.benchmarks.row import row

ROOT = Path(__file__).resolve().parents[2]
SIZE, BATCH = 128, 4
MATRIX = 2048


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        named = ["run.model=bench", "run.name=bench", "run.folder=bench"]
        return compose("train", [*named, "logger=csv", *overrides])


class Alternating(Callback):
    """Runs the references after each step of the real trainer, so that all see the same machine."""

    def __init__(self, references: dict[str, Callable[[], object]]) -> None:
        self.references = references
        self.times: dict[str, list[float]] = {name: [] for name in ("trainer", *references)}
        self._own = 0.0  # seconds that the references took between two steps
        self._before: float | None = None

    def on_train_batch_end(self, *_: Any) -> None:
        now = clock()
        if self._before is not None:
            self.times["trainer"].append(now - self._before)
            for name, step in self.references.items():
                began = clock()
                step()
                self.times[name].append(clock() - began)
        self._before = clock()


def clock() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


class SameBatch(lightning.LightningDataModule):
    def __init__(self, L: torch.Tensor, ab: torch.Tensor, steps: int) -> None:
        super().__init__()
        names = [""] * len(L)
        self._batches = [{"L": L, "ab": ab, "name": names} for _ in range(steps)]

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(self._batches, batch_size=None)  # type: ignore[arg-type]

    def mean_ab(self, device: torch.device) -> torch.Tensor:
        return torch.zeros(2, device=device)


def noise(batch: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Make L and ab of pictures that show nothing, in [-1, 1]."""
    return torch.rand(batch, 1, size, size) * 2 - 1, torch.rand(batch, 2, size, size) * 2 - 1


def fit(
    config: DictConfig, data: lightning.LightningDataModule, callback: Callback, scratch: Path
) -> None:
    """Train one epoch as src.train does, with nothing beside it."""
    lightning.Trainer(
        accelerator=config.trainer.accelerator,
        precision=config.trainer.precision,
        devices=1,
        max_epochs=1,
        logger=False,
        callbacks=[callback],
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        default_root_dir=scratch,
        limit_val_batches=0,
    ).fit(instantiate(config.model), datamodule=data)


def step_rows(rounds: int, scratch: Path) -> list[dict[str, Any]]:
    config = composed("model=unet_gan", "size=full", f"data.image_size={SIZE}", "trainer=cpu")
    quieten()
    torch.manual_seed(0)
    L, ab = noise(BATCH, SIZE)
    bare = loop(instantiate(config.model), L, ab)
    book = loop(instantiate(config.model), L, ab, textbook=True)
    matrices = torch.rand(2, MATRIX, MATRIX)
    with FlopCounterMode(display=False) as counter:
        bare()
    flops = counter.get_total_flops()
    both = Alternating(
        {"bare": bare, "textbook": book, "matrix": lambda: matrices[0] @ matrices[1]}
    )
    fit(config, SameBatch(L, ab, rounds + 2), both, scratch)
    seconds = {name: times[1:] for name, times in both.times.items()}  # the first warms up
    middle = {name: statistics.median(times) for name, times in seconds.items()}
    said = ", ".join(f"{name} {middle[name]:.3f} s" for name in ("trainer", "bare", "textbook"))
    peak = [2 * MATRIX**3 / s for s in seconds["matrix"]]
    rate = [flops / s for s in seconds["trainer"]]
    gflops = f"{statistics.median(rate) / 1e9:.0f} of {statistics.median(peak) / 1e9:.0f} GFLOP/s"
    pairs = {
        name: [a / b for a, b in zip(seconds["trainer"], seconds[name], strict=True)]
        for name in ("bare", "textbook")
    }
    return [
        row("trainer step / bare loop", pairs["bare"], "at most 1.03", said),
        row("trainer step / textbook loop", pairs["textbook"], "at most 1.03", said),
        row(
            "share of the matrix-product rate",
            [a / b for a, b in zip(rate, peak, strict=True)],
            "at least 0.95",
            gflops,
        ),
    ]


def loop(
    model: ColorizationModule,
    L: torch.Tensor,
    ab: torch.Tensor,
    *,
    autocast: bool = False,
    textbook: bool = False,
) -> Callable[[], None]:
    """A plain PyTorch step of the same networks: as here, or as tutorials write pix2pix.

    Those judge real and fake in separate passes too, and make a new Adam with its defaults.
    """
    G, D = model.generator.to(L.device), model.discriminator
    assert D is not None
    D = D.to(L.device)
    if model.hparams["channels_last"] and not textbook:
        for network in (G, D):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        L = L.contiguous(memory_format=torch.channels_last)
    of_g, of_d = model.hparams["generator_optimizer"], model.hparams["discriminator_optimizer"]
    own = {} if textbook else {"betas": tuple(of_g["betas"]), "fused": of_g["fused"]}
    opt_g = torch.optim.Adam(G.parameters(), lr=of_g["lr"], **own)
    opt_d = torch.optim.Adam(D.parameters(), lr=of_d["lr"], **own)
    bce, l1, weight = nn.BCEWithLogitsLoss(), nn.L1Loss(), model.hparams["loss"]["l1"]

    def step() -> None:
        with torch.autocast(L.device.type, torch.bfloat16, enabled=autocast):
            fake = G(L)
            real_logits, fake_logits = D(L, ab).logits[0], D(L, fake.detach()).logits[0]
            loss_d = bce(real_logits, torch.ones_like(real_logits))
            loss_d = (loss_d + bce(fake_logits, torch.zeros_like(fake_logits))) / 2
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
        D.requires_grad_(False)
        with torch.autocast(L.device.type, torch.bfloat16, enabled=autocast):
            logits = D(L, fake).logits[0]
            loss_g = bce(logits, torch.ones_like(logits)) + weight * l1(fake, ab)
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
        D.requires_grad_(True)

    return step
