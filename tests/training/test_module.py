from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import lightning
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from src import color
from src.colorizers import checkpoint, trained
from src.discriminators.patchgan import PatchGAN
from src.errors import UserError
from src.generators.lite0 import Lite0, load_imagenet_weights
from src.training.experiment import train
from src.training.flags import PRECISIONS
from src.training.module import ColorizationModule, NonFiniteLossError

Configure = Callable[..., DictConfig]


class OneBatch(Dataset[dict[str, Any]]):
    """The same few pictures for ever, as L and ab."""

    def __init__(self, L: Tensor, ab: Tensor, length: int = 4) -> None:
        self.L, self.ab, self.length = L, ab, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        i = index % len(self.L)
        return {"L": self.L[i], "ab": self.ab[i], "name": f"picture {i}"}


def two_pictures() -> tuple[Tensor, Tensor]:
    """A red disc on blue, and the reverse, with different lightness."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    disc = (x**2 + y**2 < 0.4)[None].float()
    red, blue = (torch.tensor(c).view(3, 1, 1) for c in ([0.8, 0.2, 0.1], [0.1, 0.2, 0.5]))
    first = disc * red + (1 - disc) * blue
    second = disc * blue + (1 - disc) * red
    return color.rgb_to_L_ab(torch.stack([first, second]))


def fit(
    model: ColorizationModule,
    dataset: Dataset[Any],
    epochs: int,
    batch_size: int = 2,
    precision: Any = "32-true",
) -> None:
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        precision=precision,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model.mean_ab.zero_()
    trainer.fit(model, DataLoader(dataset, batch_size=batch_size))


def weights(network: nn.Module | None) -> list[Tensor]:
    assert network is not None
    return [parameter.detach().clone() for parameter in network.parameters()]


def same(before: list[Tensor], after: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("loss", "steps"), [("vanilla", "dgdg"), ("relativistic", "dgdg"), ("wgan_gp", "dgd")]
)
def test_each_step_changes_its_own_network_only(
    configure: Configure, loss: str, steps: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: ColorizationModule = instantiate(
        configure("model=unet_gan", f"model/loss={loss}", "model.discriminator.norm=layer").model
    )
    seen = []

    def watched(step: Callable[..., Any], own: str, other: str) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            before = {name: weights(getattr(model, name)) for name in (own, other)}
            figures = step(*args)
            changed = {n: not same(b, weights(getattr(model, n))) for n, b in before.items()}
            assert changed == {own: True, other: False}
            seen.append(own)
            return figures

        return run

    for own, other in (("discriminator", "generator"), ("generator", "discriminator")):
        name = f"_{own}_step"
        monkeypatch.setattr(model, name, watched(getattr(model, name), own, other))
    fit(model, OneBatch(*two_pictures()), epochs=1)
    assert "".join(own[0] for own in seen) == steps


def test_the_generator_runs_once_a_batch(configure: Configure) -> None:
    model: ColorizationModule = instantiate(configure("model=unet_gan").model)
    calls: list[int] = []
    model.generator.register_forward_hook(lambda *_: calls.append(1))
    fit(model, OneBatch(*two_pictures(), length=6), epochs=1)
    assert len(calls) == 3


def test_the_weighted_sum_is_what_the_generator_descends(configure: Configure) -> None:
    model: ColorizationModule = instantiate(configure("model=unet_gan", "model.loss.l1=10").model)
    fit(model, OneBatch(*two_pictures()), epochs=1)
    logged = model.trainer.callback_metrics
    total = logged["train/g_loss_adversarial"] + 10 * logged["train/g_loss_l1"]
    assert logged["train/g_loss"] == pytest.approx(total.item())
    assert logged["train/d_loss"] == pytest.approx(
        (logged["train/d_loss_real"] + logged["train/d_loss_fake"]).item() / 2
    )


@pytest.mark.parametrize(
    "model_name", ["cnn", pytest.param("unet", marks=pytest.mark.slow), "unet_gan"]
)
def test_one_batch_is_overfitted(configure: Configure, model_name: str) -> None:
    torch.manual_seed(0)
    config = configure(
        f"model={model_name}",
        "model.generator.base_channels=16",
        "model.generator_optimizer.lr=2e-3",
        "model.generator_optimizer.betas=[0.9,0.999]",
    )
    model: ColorizationModule = instantiate(config.model)
    L, ab = two_pictures()
    fit(model, OneBatch(L, ab, length=20), epochs=12)
    model.eval()
    error = (model.generator(L) - ab).abs().mean()
    own_mean = (ab.mean(dim=(2, 3), keepdim=True) - ab).abs().mean()
    assert error < 0.35 * own_mean


def test_under_deep_supervision_the_loss_is_the_mean_over_all_predictions(
    configure: Configure,
) -> None:
    model: ColorizationModule = instantiate(
        configure("model=nested_unet", "model.generator.deep_supervision=true").model
    )
    each, real_ab = torch.rand(2, 4, 2, 8, 8), torch.rand(2, 2, 8, 8)
    figures, loss = model.objective.of_prediction(each, real_ab)
    expected = torch.stack([(ab - real_ab).abs().mean() for ab in each.unbind(dim=1)]).mean()
    torch.testing.assert_close(loss, expected)
    assert figures.keys() == {"train/g_loss_l1"}
    fit(model, OneBatch(*two_pictures()), epochs=1)


def test_a_batch_of_two_colors_is_learned_as_bins(configure: Configure) -> None:
    torch.manual_seed(0)
    model: ColorizationModule = instantiate(
        configure("model=lite0_classes", "model.warmup_epochs=0", "model.ema_decay=null").model
    )
    L = torch.full((2, 1, 32, 32), -0.5)
    L[1] = 0.5
    ab = torch.zeros(2, 2, 32, 32)
    ab[0, 0], ab[1, 1] = 0.5, -0.4  # dark is red, light is blue
    fit(model, OneBatch(L, ab, length=20), epochs=6)
    logged = model.trainer.callback_metrics
    assert logged["train/g_loss"] == logged["train/g_loss_cross_entropy"]
    # In training mode: twenty steps are few for the running statistics of batch norm.
    assert model.generator.bins is not None
    learned = model.generator.bins.ab(model.generator.train()(L))
    assert (learned - ab[..., ::4, ::4]).abs().mean() < 0.05


def test_the_moving_average_is_only_of_the_generator_and_serves_inference(
    configure: Configure,
) -> None:
    model: ColorizationModule = instantiate(
        configure("model=unet_gan", "model.ema_decay=0.5").model
    )
    start = weights(model.generator)
    fit(model, OneBatch(*two_pictures(), length=2), epochs=1)
    # torch's average starts from the weights after the first step.
    first = weights(model.generator)
    assert not same(start, first)
    assert same(first, weights(model.ema_generator))
    fit(model, OneBatch(*two_pictures(), length=2), epochs=1)
    second = weights(model.generator)
    # After one step an average of 0.5 is still one of 2/11.
    mean = [(2 * a + 9 * b) / 11 for a, b in zip(first, second, strict=True)]
    for averaged, expected in zip(weights(model.ema_generator), mean, strict=True):
        torch.testing.assert_close(averaged, expected)
    assert model.ema_generator is not None
    assert model.inference_generator is model.ema_generator.module
    averaged_keys = [k for k in model.state_dict() if k.startswith("ema_")]
    assert not any("discriminator" in key for key in averaged_keys)


def test_the_moving_average_of_what_has_learnt_begins_with_it(
    configure: Configure, tmp_path: Path
) -> None:
    config = configure("model=unet_gan", "model.ema_decay=0.5")
    learnt: ColorizationModule = instantiate(config.model)
    state = {f"generator.{key}": one for key, one in learnt.generator.state_dict().items()}
    content = {"hyper_parameters": dict(learnt.hparams), "state_dict": state}
    torch.save(content | {"mean_ab": torch.zeros(2)}, tmp_path / "learnt.ckpt")
    config.model.init_generator = str(tmp_path / "learnt.ckpt")
    model: ColorizationModule = instantiate(config.model)
    fit(model, OneBatch(*two_pictures(), length=2), epochs=1)
    both = zip(weights(learnt.generator), weights(model.generator), strict=True)
    for averaged, (before, after) in zip(weights(model.ema_generator), both, strict=True):
        torch.testing.assert_close(averaged, (before + after) / 2)


def test_learning_rates_fall_over_the_last_share_of_epochs(configure: Configure) -> None:
    model: ColorizationModule = instantiate(
        configure("model=unet_gan", "model.decay_share=0.5", "size.unet_lr=2e-4").model
    )
    rates: list[tuple[float, float]] = []

    class Watch(lightning.Callback):
        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            rates.append(tuple(o.param_groups[0]["lr"] / 2e-4 for o in trainer.optimizers))

    trainer = lightning.Trainer(
        max_epochs=4,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        callbacks=[Watch()],
    )
    model.mean_ab.zero_()
    trainer.fit(model, DataLoader(OneBatch(*two_pictures(), length=2), batch_size=2))
    assert [g for g, _ in rates] == pytest.approx([1, 1, 1, 0.5])
    assert [d for _, d in rates] == pytest.approx([1, 1, 1, 0.5])


def test_learning_rates_fall_to_a_tenth_when_validation_stalls(
    configure: Configure, photos: Path
) -> None:
    config = configure(
        "model=cnn", "model.plateau_patience=1", "data=folder", f"data.root={photos}"
    )
    config.trainer.max_epochs, config.model.generator_optimizer.lr = 3, 1e-30  # no weight changes
    train(config)
    last = checkpoint.load(Path(config.run.folder) / "checkpoints" / "last.ckpt")
    assert last["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(1e-31)
    resumed: ColorizationModule = instantiate(config.model)
    resumed.trainer = lightning.Trainer(accelerator="cpu", logger=False)
    resumed.on_load_checkpoint(last)
    assert resumed.plateau is not None
    assert resumed.plateau.share == pytest.approx(0.01)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_gradients_are_clipped_for_both_networks(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    model: ColorizationModule = instantiate(
        configure("model=unet_gan", "model.clip_grad_norm=1e-3").model
    )
    norms: list[float] = []

    def watch(optimizer: torch.optim.Adam, *_: Any) -> None:
        grads = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        norms.append(torch.stack([grad.norm() for grad in grads]).norm().item())

    original = model.configure_optimizers

    def configured() -> Any:
        optimizers, schedules = original()
        for optimizer in optimizers:
            optimizer.register_step_pre_hook(watch)
        return optimizers, schedules

    monkeypatch.setattr(model, "configure_optimizers", configured)
    fit(model, OneBatch(*two_pictures()), epochs=1, precision=precision)
    assert len(norms) == 4
    assert max(norms) <= 1.01e-3


def test_a_loss_that_is_not_finite_names_its_pictures(configure: Configure) -> None:
    model: ColorizationModule = instantiate(configure("model=unet_gan").model)
    L, ab = two_pictures()
    L[1] = torch.nan
    with pytest.raises(
        NonFiniteLossError,
        match=r"is nan in epoch 1, .* picture 0, picture 1",
    ):
        fit(model, OneBatch(L, ab), epochs=1)


def test_weights_that_are_not_finite_never_reach_a_checkpoint(
    configure: Configure, photos: Path
) -> None:
    config = configure("model=unet", "data=folder", f"data.root={photos}", "trainer.max_epochs=2")
    config.model.generator_optimizer.lr = 1e30
    with pytest.raises(NonFiniteLossError):
        train(config)
    for path in Path(config.run.folder).rglob("*.ckpt"):
        state = checkpoint.load(path)["state_dict"]
        assert all(tensor.isfinite().all() for tensor in state.values())


def test_a_generator_can_start_from_a_regression_checkpoint(
    configure: Configure, photos: Path, tmp_path: Path
) -> None:
    folder = (f"data.root={photos}", "data=folder")
    train(configure("model=unet", *folder))
    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    before = trained.load(best).network.state_dict()
    config = configure("model=unet_gan", *folder, f"model.init_generator={best}")
    config.model.generator_optimizer.lr = config.model.discriminator_optimizer.lr = 0.0
    config.run.folder = str(tmp_path / "gan")
    train(config)
    started = trained.load(tmp_path / "gan" / "checkpoints" / "last.ckpt").network
    for name, parameter in started.named_parameters():
        assert torch.equal(parameter, before[name])

    wider = configure("model=unet_gan", *folder, f"model.init_generator={best}")
    wider.model.generator.base_channels = 8
    wider.run.folder = str(tmp_path / "wider")
    with pytest.raises(
        ValueError, match=r"does not match UNet: of another shape or kind: downs\.0\."
    ):
        train(wider)
    other = configure("model=cnn", *folder, f"model.init_generator={best}")
    other.run.folder = str(tmp_path / "other")
    with pytest.raises(ValueError, match=r"missing: .*decoder.*; unexpected: .*downs"):
        train(other)


def test_a_checkpoint_keeps_how_rare_colors_are_in_training(
    configure: Configure, photos: Path, tmp_path: Path
) -> None:
    train(configure("model=lite0_classes_rebalanced", "data=folder", f"data.root={photos}"))
    state = checkpoint.load(tmp_path / "run" / "checkpoints" / "last.ckpt")["state_dict"]
    rarity = state["rarity"]
    assert rarity.max() > 10 * rarity.min()
    grey, vivid = rarity[len(rarity) // 2], rarity[0]  # no photograph has much of the latter
    assert grey < 1 < vivid


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["model=unet", "model/discriminator=patchgan"], "model/loss=lsgan or model/loss=vanilla"),
        (["model=unet", "model/loss=hinge"], "Hinge but there is no discriminator: expected model"),
        (["model=unet", "model.loss.feature_matching=1"], "feature_matching is 1 but there is no"),
        (["model=unet", "model.loss.adversarial_weight=5"], "weight is 5 but there is no discrim"),
        (["model/loss=wgan_gp"], "batch norm .* expected model.discriminator.norm=layer or none"),
        (
            ["model/loss=hinge", "+model.loss.adversarial.real_label=0.9"],
            "Hinge cannot be built with {'real_label': 0.9}",
        ),
        (["model.loss.rebalance=0.5"], "rebalance is 0.5 for a generator that predicts no bins"),
        (["model=lite0_classes", "model.loss.rebalance=2"], r"rebalance=2: .* in \[0, 1\]"),
        (["model.loss.adversarial.real_label=0.3"], "real_label is 0.3: expected over 0.5"),
        (
            ["model.loss.adversarial=hinge"],
            "adversarial=hinge: expected null or a _target_ in src.lo",
        ),
        (["model.loss.adversarial._target_=os.system"], "expected a class of src.losses"),
        (["model.loss.adversarial_weight=-1"], "adversarial_weight=-1: expected a number in"),
        (
            ["+model.loss.adversarial_wight=1"],
            "adversarial_wight is unknown: expected adversarial, ",
        ),
        (["model.loss.l1=-1"], r"number in \[0, inf\]"),
        (["model.loss.l1=much"], r"number in \[0, inf\]"),
        (["model.loss.l1=nan"], r"number in \[0, inf\]"),
        (["model=lite0_classes", "model/loss=l1"], "predicts bins of ab: expected only model"),
        (["~model.loss.cross_entropy"], "model.loss.cross_entropy is missing: expected adve"),
        (
            ["model=lite0_classes", "model/discriminator=patchgan"],
            "expected only model/loss=cross_",
        ),
        (
            ["model=lite0_classes", "model.generator.temperature=0"],
            "temperature is 0: expected over",
        ),
        (["model/loss=cross_entropy"], "for a generator that predicts ab: expected 0"),
        (
            ["model/generator=nested_unet", "model.generator.deep_supervision=true"],
            "expected model/discriminator=none and model/loss=l1",
        ),
        (["model.generator.base_channels=0"], "layers without channels: expected widths of at l"),
        (["model=unet_gan", "model.discriminator.base_channels=0"], "layers without channels"),
        (["model=unet_gan", "model.discriminator.spectral_norm=yes"], "is yes: expected true or"),
        (["model=nested_unet", "model.generator.deep_supervision=4"], "is 4: expected true or f"),
        (
            ["model=pix2pix", "model.generator.dropout_at_inference=on_demand"],
            "dropout_at_inference is on_demand: expected true or false",
        ),
        (["model=pix2pix", "model.generator.dropout_seed=-1"], "seed is -1: expected at least 0"),
        (["model.pretrained_lr_scale=2"], r"number in \[0, 1\]"),
        (["model.warmup_epochs=-1"], r"number in \[0, inf\]"),
        (["model.plateau_patience=0"], "model.plateau_patience=0: expected a whole number of at"),
        (["model.decay_share=2.0"], r"number in \[0, 1\]"),
        (["model.ema_decay=1.0"], r"number in \(0, 1\)"),
        (["model.clip_grad_norm=0.0"], r"number in \(0, inf\)"),
    ],
)
def test_contradictions_are_explained(
    configure: Configure, overrides: list[str], fault: str
) -> None:
    with pytest.raises(Exception, match=fault):
        instantiate(configure(*overrides).model)


def test_a_heavier_adversarial_loss_is_one_weight(configure: Configure) -> None:
    model: ColorizationModule = instantiate(
        configure("model=unet_gan", "model.loss.adversarial_weight=7", "model.loss.l1=2").model
    )
    fit(model, OneBatch(*two_pictures()), epochs=1)
    logged = model.trainer.callback_metrics
    total = 7 * logged["train/g_loss_adversarial"] + 2 * logged["train/g_loss_l1"]
    assert logged["train/g_loss"] == pytest.approx(total.item())


def test_matching_features_joins_the_sum(configure: Configure) -> None:
    asked = (
        "model/discriminator=multiscale",
        "model.loss.feature_matching=10",
        "model.loss.l1=100",
    )
    model: ColorizationModule = instantiate(configure("model=unet_gan", *asked).model)
    L, ab = two_pictures()
    larger = OneBatch(L.repeat(1, 1, 3, 3), ab.repeat(1, 1, 3, 3))
    fit(model, larger, epochs=1)
    logged = model.trainer.callback_metrics
    total = logged["train/g_loss_adversarial"] + 100 * logged["train/g_loss_l1"]
    assert logged["train/g_loss_feature_matching"] > 0
    total = total + 10 * logged["train/g_loss_feature_matching"]
    assert logged["train/g_loss"] == pytest.approx(total.item())


def test_pictures_that_the_discriminator_cannot_judge_are_refused(
    configure: Configure, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatchGAN, "min_size", 71)
    with pytest.raises(UserError, match=r"data.image_size=32: expected at least 71.*none"):
        train(configure("model=unet_gan", "data=folder", f"data.root={photos}"))


def test_a_pretrained_encoder_is_where_training_starts(configure: Configure) -> None:
    config = configure("model=lite0_unet", "model.pretrained_lr_scale=0", "model.warmup_epochs=0")
    model: ColorizationModule = instantiate(config.model)
    imagenet = Lite0()
    load_imagenet_weights(imagenet)
    generator, average = cast(Any, model.generator), cast(Any, model.ema_generator)
    assert not same(weights(generator.encoder), weights(imagenet))
    decoder = weights(generator.merges)
    fit(model, OneBatch(*two_pictures(), length=2), epochs=1)
    assert same(weights(generator.encoder), weights(imagenet))
    assert same(weights(average.module.encoder), weights(imagenet))
    kept = imagenet._bn0.state_dict()["running_mean"]
    for network in (generator, average.module):
        assert torch.equal(network.encoder._bn0.running_mean, kept)
    assert not same(weights(generator.merges), decoder)


def test_validation_runs_in_eval_mode(configure: Configure) -> None:
    model: ColorizationModule = instantiate(
        configure("model=unet_gan", "model.ema_decay=null").model
    )
    modes: list[bool] = []
    model.generator.register_forward_hook(lambda net, *_: modes.append(net.training))
    L, ab = two_pictures()
    before = deepcopy(model.state_dict())
    loader = DataLoader(OneBatch(L, ab), batch_size=2)
    trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    model.mean_ab.zero_()
    before["mean_ab"].zero_()
    trainer.validate(model, [loader, loader], verbose=False)
    assert modes == [False] * 4
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("start", "model", "learnt"),
    [
        ("lite0_bins", "lite0_palette", "generator.classes.1.num_batches_tracked"),
        ("lite0_palette", "lite0_hints", "generator.hints.norms.0.num_batches_tracked"),
    ],
)
def test_a_branch_learns_on_a_network_that_stays_as_it_was_bit_for_bit(
    configure: Configure, photos: Path, tmp_path: Path, start: str, model: str, learnt: str
) -> None:
    narrow, given = "model.generator.decoder_channels=[8,8,8]", tmp_path / "start.ckpt"
    generator = configure(f"model={start}", narrow, f"model.init_generator={given}").model.generator
    before = {
        f"generator.{key}": one
        for key, one in checkpoint.build_generator(generator).state_dict().items()
    }
    torch.save({"state_dict": before}, given)
    data = ("data=folder", f"data.root={photos}")
    train(configure(f"model={model}", f"model.init_generator={given}", narrow, *data))
    made = checkpoint.load(tmp_path / "run/checkpoints/last.ckpt")["state_dict"]
    kept = {key: one for key, one in made.items() if key in before}
    assert kept.keys() == before.keys()
    assert all(torch.equal(one, before[key]) for key, one in kept.items())
    assert made[learnt] > 0
    # Another training goes on from what this one learnt.
    last = str(tmp_path / "run/checkpoints/last.ckpt")
    again = checkpoint.build_generator(configure(f"model={model}", narrow).model.generator)
    checkpoint.initialize(again, last, learnt.split(".")[1])
    assert torch.equal(again.state_dict()[learnt.removeprefix("generator.")], made[learnt])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["model.branch=class", "model.init_generator=x.ckpt"], "model.branch=class: expected one"),
        ([], "add model.init_generator=RUN"),
    ],
)
def test_a_branch_that_cannot_learn_is_refused(
    configure: Configure, asked: list[str], said: str
) -> None:
    with pytest.raises(Exception, match=said):
        instantiate(configure("model=lite0_palette", *asked).model)


def test_all_but_the_branch_must_be_in_the_checkpoint(configure: Configure, tmp_path: Path) -> None:
    other = ("model=lite0_bins", "model.generator.decoder_channels=[4,8,8]")
    narrow = checkpoint.build_generator(configure(*other).model.generator)
    state = {f"generator.{key}": one for key, one in narrow.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "narrow.ckpt")
    palette = checkpoint.build_generator(configure("model=lite0_palette").model.generator)
    with pytest.raises(UserError, match="does not match Lite0Palette"):
        checkpoint.initialize(palette, str(tmp_path / "narrow.ckpt"), "classes")
