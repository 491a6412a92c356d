"""The LightningModule of all systems: one generator step, one discriminator step, validation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from jaxtyping import Float
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from src import ranks
from src.colorizers import checkpoint
from src.discriminators.discriminator import Discriminator
from src.errors import UserError, require, require_number, require_one_of, require_whole
from src.generators.generator import Generator
from src.losses import Verdicts
from src.training import drawn_hints, objective, schedule
from src.training.validation import SubsetMetrics

Batch = Mapping[str, Any]  # L (b, 1, h, w) and ab (b, 2, h, w) in [-1, 1], name: b strings


class NonFiniteLossError(UserError):
    """A loss became infinite or NaN; the message names it and the pictures of the batch."""


class ColorizationModule(lightning.LightningModule):
    """A generator trained by L1, and against a discriminator where there is one.

    Loss of the generator (Isola et al. 2017): loss.adversarial_weight * adversarial +
    loss.l1 * mean |fake_ab - real_ab|.

    Args:
        generator, discriminator: plain dicts with a `_target_`; an empty discriminator means
            plain regression.
        loss: `adversarial` is a plain dict with a `_target_` in src.losses, or None, weighed by
            `adversarial_weight`; `feature_matching` weighs that of the discriminator's features,
            `l1` the L1 term, `log_mse` the logarithm of each picture's squared error;
            `cross_entropy` is for a generator that predicts bins of ab, and excludes the others;
            `rebalance` weighs it by how rare a colour is in training.
        generator_optimizer, discriminator_optimizer: plain dicts with a `_target_` in torch.optim.
        image_size: short side in pixels at which inference shows pictures to the network, that of
            the training pictures unless set; travels in the checkpoint.
        pretrained_lr_scale: what starts from pretrained weights learns at this share of the rate.
        warmup_epochs: over which the learning rates rise from 0.
        decay_share: the learning rates fall linearly to 0 over this last share of the epochs.
        plateau_patience: the learning rates fall to a tenth each time that so many validations
            brought no new lowest val/ab_mae; None keeps them.
        clip_grad_norm: the largest gradient norm of each network; None does not clip.
        ema_decay: decay a step of the generator's moving average, which then serves validation
            and inference; None keeps no average.
        init_generator: a checkpoint whose generator training starts from.
        branch: the part of the generator that only learns; everything else is init_generator's, and
            stays so bit for bit, batch norm's statistics too.
        init_encoder: what src.pretrain left, which the generator's encoder starts from.
        channels_last, compile: how the networks run; the latter is worth it on GPUs.

    Raises: UserError: if arguments contradict each other or are out of range.
    """

    mean_ab: Tensor  # (2,) the training set's mean, in a network's scale
    rarity: Tensor | None  # of each bin, where there is a loss.rebalance

    def __init__(
        self,
        *,
        generator: dict[str, Any],
        discriminator: dict[str, Any],
        loss: dict[str, Any],
        generator_optimizer: dict[str, Any],
        discriminator_optimizer: dict[str, Any],
        image_size: int,
        pretrained_lr_scale: float = 1.0,
        warmup_epochs: float = 0.0,
        decay_share: float = 0.0,
        plateau_patience: int | None = None,
        clip_grad_norm: float | None = None,
        ema_decay: float | None = None,
        init_generator: str | None = None,
        branch: str | None = None,
        init_encoder: str | None = None,
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__()
        # Only plain dicts: such a checkpoint loads with weights_only.
        self.save_hyperparameters(logger=False)
        self.automatic_optimization = False
        require_number("model.pretrained_lr_scale", pretrained_lr_scale, 0, 1)
        require_number("model.warmup_epochs", warmup_epochs, 0)
        require_number("model.decay_share", decay_share, 0, 1)
        if plateau_patience is not None:
            require_whole("model.plateau_patience", plateau_patience, 1)
        if clip_grad_norm is not None:
            require_number("model.clip_grad_norm", clip_grad_norm, 0, open_ends=True)
        if ema_decay is not None:
            require_number("model.ema_decay", ema_decay, 0, 1, open_ends=True)
        is_one = not (init_generator and init_encoder)
        require(is_one, "model.init_encoder", init_encoder, "null beside model.init_generator")
        self.generator = checkpoint.build_generator(generator)
        if branch is not None:
            self._freeze_all_but(branch, init_generator)
        self.discriminator = (
            checkpoint.build_a(Discriminator, checkpoint.DISCRIMINATORS, discriminator)
            if discriminator
            else None
        )
        self.objective = objective.build(loss, self.generator, self.discriminator)
        self.ema_generator: AveragedModel | None = None
        if ema_decay is not None:
            average = schedule.averaging(ema_decay, learnt=bool(init_generator) and branch is None)
            # Batch norm's statistics are averaged with the weights that they belong to.
            self.ema_generator = AveragedModel(
                self.generator, multi_avg_fn=average, use_buffers=True
            ).requires_grad_(False)
        self.plateau = schedule.Plateau(plateau_patience) if plateau_patience else None
        self.register_buffer("mean_ab", torch.full((2,), torch.nan))
        rebalances = self.objective.rebalance > 0
        of_bins = torch.full((self.objective.plane.count,), torch.nan) if rebalances else None
        self.register_buffer("rarity", of_bins)
        in_full = {"val": ("",), "fit": ("",), "test": ("", "_zero", "_constant")}
        self.measured = {subset: SubsetMetrics(suffixes) for subset, suffixes in in_full.items()}
        self.metrics = nn.ModuleDict(self.measured)  # takes them to the network's device
        self._pictures: list[str] = []  # of the latest training batch
        self._figures: dict[str, Tensor] = {}  # of each network's latest step

    def _freeze_all_but(self, branch: str, init_generator: str | None) -> None:
        require_one_of(
            "model.branch", branch, [name for name, _ in self.generator.named_children()]
        )
        if not init_generator:
            raise UserError(
                f"model.branch={branch} learns on top of a trained network: add "
                "model.init_generator=RUN/checkpoints/best.ckpt"
            )
        for name, parameter in self.generator.named_parameters():
            if not name.startswith(f"{branch}."):
                parameter.requires_grad_(False)

    def train(self, mode: bool = True) -> "ColorizationModule":
        super().train(mode)
        branch = self.hparams["branch"]
        for name, part in self.generator.named_children():
            if branch not in (None, name):
                part.eval()  # batch norm's statistics and dropout
        return self

    @property
    def inference_generator(self) -> Generator:
        """The network that validation and inference use: the moving average where it is on."""
        if self.ema_generator is None:
            return self.generator
        return cast(Generator, self.ema_generator.module)

    def setup(self, stage: str) -> None:
        if stage != "fit":
            return
        self.train()  # which Lightning does not call: what is frozen goes to evaluation mode
        if self.trainer.ckpt_path is None:  # a resumed run gets its own weights
            given, branch = self.hparams["init_generator"], self.hparams["branch"]
            checkpoint.initialize(self.generator, given, branch)
            if self.hparams["init_encoder"]:
                start = Path(self.hparams["init_encoder"])
                took = checkpoint.initialize_encoder(self.generator, start)
                rank_zero_only(print)(f"The encoder starts from {start}: {', '.join(took)}")
            if self.ema_generator is not None:
                self.ema_generator.module.load_state_dict(self.generator.state_dict())
                if given and branch is None:
                    # Else the first step would replace what was learnt.
                    self.ema_generator.n_averaged.fill_(1)
        for network in (self.generator, self.discriminator):
            if network is not None and self.hparams["channels_last"]:
                cast(Any, network).to(memory_format=torch.channels_last)
            if network is not None and self.hparams["compile"]:
                network.compile()

    def on_fit_start(self) -> None:
        data = cast(Any, self.trainer).datamodule
        if self.mean_ab.isnan().any():
            self.mean_ab.copy_(data.mean_ab(self.device))
        if self.rarity is not None and self.rarity.isnan().any():
            bins = self.objective.plane
            shares = data.mean_of(bins.shares, self.device)
            self.rarity.copy_(bins.rarity(shares, self.objective.rebalance))

    def on_train_start(self) -> None:
        # Epochs shorter than the interval would leave no losses behind.
        trainer = cast(Any, self.trainer)
        interval = min(trainer.log_every_n_steps, trainer.num_training_batches)
        trainer.log_every_n_steps = max(1, int(interval))

    def configure_optimizers(self) -> tuple[list[torch.optim.Optimizer], list[Any]]:
        optimizers = self._fresh_optimizers()
        # No bound method, which the scheduler would put into checkpoints with all its object.
        schedules = [
            torch.optim.lr_scheduler.LambdaLR(o, lambda batches: self._rate(batches))
            for o in optimizers
        ]
        return optimizers, schedules

    def _fresh_optimizers(self) -> list[torch.optim.Optimizer]:
        pretrained = self.generator.pretrained_parameters()
        trained: list[tuple[nn.Module, str, list[nn.Parameter]]] = [
            (self.generator, "generator_optimizer", pretrained)
        ]
        if self.discriminator is not None:
            trained.append((self.discriminator, "discriminator_optimizer", []))
        optimizers = []
        for network, name, slow in trained:
            config, scale = self.hparams[name], self.hparams["pretrained_lr_scale"]
            groups = schedule.parameter_groups(network, config["lr"], slow, scale)
            optimizers.append(checkpoint.build(checkpoint.OPTIMIZERS, config, groups))
        return optimizers

    def _rate(self, batches: int) -> float:
        # The trainer counts batches after this is asked for the first time, at 0.
        epoch = batches / self.trainer.num_training_batches if batches else 0.0
        decay_share, warmup_epochs = self.hparams["decay_share"], self.hparams["warmup_epochs"]
        share = schedule.rate(epoch, self.trainer.max_epochs or 0, decay_share, warmup_epochs)
        return share if self.plateau is None else share * self.plateau.share

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.plateau is not None:
            checkpoint["plateau"] = asdict(self.plateau)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.trainer.training:
            self._require_same_parameters(checkpoint)
        if self.plateau is not None:
            self.plateau = schedule.Plateau(**checkpoint["plateau"])

    def _require_same_parameters(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to resume what a version began that named or grouped its parameters otherwise."""
        now = [one.state_dict() for one in self._fresh_optimizers()]
        same = _group_sizes(now) == _group_sizes(checkpoint["optimizer_states"])
        if not same or checkpoint["state_dict"].keys() != self.state_dict().keys():
            raise UserError(
                f"{self.trainer.ckpt_path}: another version of the project made this run, with "
                "other parameters or groups of them, and this one cannot resume it. Start it anew, "
                "with model.init_generator=PATH of a checkpoint to keep what it has learned"
            )

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        L, real_ab = self._channels_last(batch["L"]), batch["ab"]
        self._pictures = list(batch["name"])
        generator_learns = batch_idx % self.objective.critic_steps == 0
        with torch.set_grad_enabled(generator_learns):
            fake_ab = self.generator(L, *self.hints(real_ab, self._lot()))
        figures = self._discriminator_step(L, real_ab, fake_ab.detach())
        if generator_learns:
            figures |= self._generator_step(L, real_ab, fake_ab)
        self._figures |= {name: figure.detach() for name, figure in figures.items()}
        trainer = cast(Any, self.trainer)
        if (trainer.fit_loop.total_batch_idx + 1) % trainer.log_every_n_steps == 0:
            self._log_step()
        for lr_scheduler in _listed(self.lr_schedulers()):
            lr_scheduler.step()

    def _lot(self) -> int:
        """Return a number that no other batch of the training has, but a resumed one again."""
        batch = cast(Any, self.trainer).fit_loop.total_batch_idx
        return torch.initial_seed() + batch * self.trainer.world_size + self.global_rank

    def hints(self, real_ab: Float[Tensor, "b 2 h w"], lot: int) -> tuple[Tensor, ...]:
        """Return what a network that takes hints is told of the truth: ab, and where."""
        if not self.generator.takes_hints:
            return ()
        return drawn_hints.drawn(real_ab, torch.Generator().manual_seed(lot))

    def _log_step(self) -> None:
        # All at once: each of several collectives would wait for the slowest rank.
        means = ranks.mean(torch.stack([*self._figures.values()]))
        for name, mean in zip(self._figures, means, strict=True):
            self.log(name, mean, prog_bar=name in ("train/g_loss", "train/d_loss"))
        for letter, optimizer in zip("gd", _listed(self.optimizers()), strict=False):
            self.log(f"train/lr_{letter}", float(optimizer.param_groups[0]["lr"]))

    def _discriminator_step(
        self,
        L: Float[Tensor, "b 1 h w"],
        real_ab: Float[Tensor, "b 2 h w"],
        fake_ab: Tensor,
    ) -> dict[str, Tensor]:
        if self.discriminator is None:
            return {}
        optimizer = _listed(self.optimizers())[1]
        with self.toggled_optimizer(optimizer):
            verdicts = Verdicts(self.discriminator, L, real_ab, fake_ab)
            figures, loss = self.objective.of_discriminator(verdicts)
            self._descend(optimizer, loss, "train/d_loss")
        return figures | {"train/d_loss": loss}

    def _generator_step(
        self,
        L: Float[Tensor, "b 1 h w"],
        real_ab: Float[Tensor, "b 2 h w"],
        fake_ab: Tensor,  # (b, 2, h, w), or logits of bins
    ) -> dict[str, Tensor]:
        optimizer = _listed(self.optimizers())[0]
        with self.toggled_optimizer(optimizer):
            figures, loss = self.objective.of_prediction(fake_ab, real_ab, self.rarity)
            if self.discriminator is not None:
                verdicts = Verdicts(self.discriminator, L, real_ab, fake_ab)
                judged, adversarial = self.objective.of_verdicts(verdicts)
                figures, loss = figures | judged, loss + adversarial
            self._descend(optimizer, loss, "train/g_loss")
        if self.ema_generator is not None:
            self.ema_generator.update_parameters(self.generator)
        return figures | {"train/g_loss": loss}

    def _descend(self, optimizer: Any, loss: Tensor, name: str) -> None:
        if not loss.isfinite():
            raise self._not_finite(f"{name} is {loss.item()}")
        optimizer.zero_grad()
        with ranks.averaged_gradients(self.trainer.strategy, optimizer):
            self.manual_backward(loss)
        if self.hparams["clip_grad_norm"] is not None:
            # Lightning's own refuses fused optimisers under autocast, for the sake of gradients
            # that are scaled; those of bfloat16 never are.
            learning = [one for group in optimizer.param_groups for one in group["params"]]
            nn.utils.clip_grad_norm_(learning, self.hparams["clip_grad_norm"])
        optimizer.step()

    def on_validation_start(self) -> None:
        ranks.share_buffers(self)

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        # The second loader holds training pictures: how well does it fit what it has seen?
        self._measure(batch, self.measured[("val", "fit")[dataloader_idx]], batch_idx)

    def on_validation_epoch_end(self) -> None:
        if self.plateau is not None and not self.trainer.sanity_checking:
            self.plateau.see(self.measured["val"].by_name["ab_mae"].compute().item())
        self._log_measured("val", "fit")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._measure(batch, self.measured["test"], batch_idx)

    def on_test_epoch_end(self) -> None:
        self._log_measured("test")

    def _measure(self, batch: Batch, metrics: SubsetMetrics, batch_idx: int) -> None:
        L, true_ab = batch["L"], batch["ab"]
        hints = self.hints(true_ab, batch_idx)
        ab = self.inference_generator(self._channels_last(L), *hints).float()
        if not ab.isfinite().all():
            raise self._not_finite("the generator's weights are not finite")
        constants = {
            "_zero": torch.zeros_like(self.mean_ab).view(1, 2, 1, 1),
            "_constant": self.mean_ab.view(1, 2, 1, 1),
            "_own_mean": true_ab.mean(dim=(2, 3), keepdim=True),
        }
        expanded = {suffix: constant.expand_as(true_ab) for suffix, constant in constants.items()}
        metrics.update(L, true_ab, {"": ab, **expanded})

    def _log_measured(self, *subsets: str) -> None:
        # When the epoch ends, on every rank, whether it had pictures of the subset or not.
        for subset in subsets:
            for name, metric in self.measured[subset].by_name.items():
                self.log(f"{subset}/{name}", metric)

    def _not_finite(self, fault: str) -> NonFiniteLossError:
        return NonFiniteLossError(
            f"{fault} in epoch {self.current_epoch + 1}, in or after the batch of "
            f"{', '.join(self._pictures)}. Lower the learning rates or set model.clip_grad_norm"
        )

    def _channels_last(self, L: Tensor) -> Tensor:
        if not self.hparams["channels_last"]:
            return L
        return L.contiguous(memory_format=torch.channels_last)


def _listed(one_or_several: Any) -> list[Any]:
    """Lightning gives a single optimiser or schedule without a list."""
    return one_or_several if isinstance(one_or_several, list) else [one_or_several]


def _group_sizes(optimizers: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Count the parameters of each group of each optimiser. Args: optimizers: their states."""
    return [[len(group["params"]) for group in one["param_groups"]] for one in optimizers]
