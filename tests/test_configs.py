import inspect
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from src.colorizers.checkpoint import GENERATORS, build
from src.data.datamodule import ColorizationData
from src.data.folder import FolderData
from src.data.imagenette import ImagenetteData
from src.data.sample import SampleData
from src.training.module import ColorizationModule
from tests.conftest import ROOT

Configure = Callable[..., DictConfig]


def options(group: str) -> list[str]:
    files = (ROOT / "conf" / group).glob("[!_]*.yaml")
    return sorted(path.stem for path in files)


BRANCHES = {"lite0_palette", "lite0_hints"}
NOT_IN_THE_STORY = {"lite0_unet", "lite0_unet_gan", "lite0_bins", *BRANCHES}
DISCRIMINATORS, LOSSES = options("model/discriminator"), options("model/loss")
OF_BINS = {"lite0_classes", "lite0_bins", "lite0_palette"}
# Every generator as it is trained and with what it might refuse, every loss with and without the
# usual judge, and every judge with what asks something of it.
PARTS = [
    *itertools.product(OF_BINS, ("none", "patchgan"), ("cross_entropy", "l1", "vanilla")),
    *(
        (generator, *judged)
        for generator in {*options("model/generator")} - OF_BINS
        for judged in (("none", "cross_entropy"), ("none", "l1"), ("patchgan", "vanilla"))
    ),
    *itertools.product(["unet"], ("none", "patchgan"), LOSSES),
    *itertools.product(["unet"], DISCRIMINATORS, ("vanilla", "wgan_gp")),
]


@pytest.mark.parametrize("model", options("model"))
def test_every_model_is_built(configure: Configure, model: str) -> None:
    start = ["model.init_generator=x.ckpt"] if model in BRANCHES else []
    colorizer = instantiate(configure(f"model={model}", *start).model)
    assert isinstance(colorizer, ColorizationModule)
    is_adversarial = "gan" in model.split("_") or model in ("pix2pix", "nazeri")
    assert (colorizer.discriminator is not None) is is_adversarial


def test_a_system_has_its_own_settings_on_the_sample_until_others_are_given(
    configure: Configure,
) -> None:
    own = configure("model=lite0_unet")
    assert (own.data.image_size, own.model.generator.frozen_blocks) == (128, 16)
    given = configure("model=lite0_unet", "data.image_size=96", "model.generator.frozen_blocks=3")
    assert (given.data.image_size, given.model.generator.frozen_blocks) == (96, 3)
    for others in (["model=unet_gan"], ["model=lite0_unet", "data=folder", "data.root=x"]):
        assert configure(*others).data.aging is False


@pytest.mark.parametrize(("generator", "discriminator", "loss"), sorted({*PARTS}))
def test_all_parts_go_together_or_it_is_said_why_not(
    configure: Configure, generator: str, discriminator: str, loss: str
) -> None:
    config = configure(
        f"model/generator={generator}",
        f"model/discriminator={discriminator}",
        f"model/loss={loss}",
    )
    fault = None
    if discriminator == "none" and loss not in ("l1", "log_mse", "cross_entropy"):
        fault = "but there is no discriminator"
    elif discriminator != "none" and loss in ("l1", "log_mse"):
        fault = r"model\.loss\.adversarial is null"
    elif discriminator != "none" and loss == "wgan_gp":
        fault = r"expected model\.discriminator\.norm=layer or none"
    of_bins = generator in OF_BINS
    if of_bins and (loss != "cross_entropy" or discriminator != "none"):
        fault = r"only model/loss=cross_entropy, and model/discriminator=none"
    elif not of_bins and loss == "cross_entropy":
        fault = r"model\.loss\.cross_entropy is"
    if fault:
        with pytest.raises(Exception, match=fault):
            instantiate(config.model)
        return
    colorizer = instantiate(config.model)
    assert (colorizer.discriminator is None) is (discriminator == "none")


# Those of model/ are built above.
GROUPS = ("size", "model", "data", "trainer", "logger", "callbacks", "experiment")
CHOICES = [f"{group}={option}" for group in GROUPS for option in options(group)]
OPTIMIZERS = [f"model/optimizer@model.generator_optimizer={o}" for o in options("model/optimizer")]


def parts_with_targets(node: object) -> Iterator[dict[str, Any]]:
    """Find every part of a configuration that says what it is built with, nested ones too."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield cast(dict[str, Any], node)
        for part in node.values():
            yield from parts_with_targets(part)


def bind(target: Any, options: dict[str, Any]) -> None:
    """Check options against what a target takes, and what it passes on against its parent."""
    given_by_the_module = [None] if target.__module__.startswith("torch.optim") else []
    inspect.signature(target).bind(*given_by_the_module, **options)
    rest, parents = options, iter(inspect.getmro(target) if inspect.isclass(target) else [target])
    while rest:
        signature = inspect.signature(next(parents))
        bound = signature.bind_partial(**rest).arguments
        passed_on = [p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD]
        rest = bound.get(passed_on[0], {}) if passed_on else {}


@pytest.mark.parametrize("choice", [*CHOICES, *OPTIMIZERS])
def test_what_a_configuration_gives_is_what_its_targets_take(
    configure: Configure, tmp_path: Path, choice: str
) -> None:
    """Nothing is built, so that parts for GPUs are held as well."""
    has_root = choice.startswith("experiment") and choice != "experiment=debug"
    needs_root = has_root or choice in ("data=folder", "data=shards")
    given = [f"data.root={tmp_path}"] if needs_root else []
    if choice == "experiment=report_story":
        given.append("run.epoch_crops=1000")
    config = configure(choice, *given, tiny=())
    assert not OmegaConf.missing_keys(config)
    parts = list(parts_with_targets(OmegaConf.to_container(config, resolve=True)))
    assert len(parts) > 10
    for part in parts:
        options = {key: value for key, value in part.items() if not key.startswith("_")}
        bind(get_object(part["_target_"]), options)


@pytest.mark.parametrize("data", options("data"))
def test_every_kind_of_data_is_built(configure: Configure, tmp_path: Path, data: str) -> None:
    root = [f"data.root={tmp_path}"] if data in ("folder", "shards") else []
    config = configure(f"data={data}", *root, tiny=())
    assert isinstance(instantiate(config.data), ColorizationData)


@pytest.mark.parametrize("trainer", sorted({*options("trainer")} - {"gpu", "gpu_multi"}))
def test_trainers_and_callbacks_are_built(configure: Configure, trainer: str) -> None:
    config = configure(f"trainer={trainer}", tiny=())
    instantiate(config.trainer, logger=False)
    for name, callback in instantiate(config.callbacks, _convert_="all").items():
        assert name == "attention" or hasattr(callback, "on_fit_start")


@pytest.mark.parametrize("experiment", ["imagenet50k", "report_cnn", "report_gan", "report_unet"])
def test_every_repeated_experiment_has_full_networks(
    configure: Configure, tmp_path: Path, experiment: str
) -> None:
    config = configure(f"experiment={experiment}", f"data.root={tmp_path}", tiny=())
    assert config.data.image_size == config.model.image_size == 256
    model = cast(Any, OmegaConf.to_container(config.model, resolve=True))
    generator = build(GENERATORS, model["generator"])
    millions = sum(parameter.numel() for parameter in generator.parameters()) / 1e6
    assert millions == pytest.approx(0.9 if experiment == "report_cnn" else 31.0, abs=0.2)


@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_says_what_it_needs_and_gives(experiment: str) -> None:
    header = (ROOT / "conf/experiment" / f"{experiment}.yaml").read_text().split("defaults:")[0]
    for said in (f"experiment={experiment} ", "data.root=DIR", "Hardware:", "Expect:"):
        assert said in header


def test_the_story_is_of_models_that_there_are() -> None:
    parts = OmegaConf.load(ROOT / "conf/experiment/_report_systems.yaml")
    told = parts.hydra.sweeper.params.model.split(",")
    assert len(told) == len({*told})
    # Those that the report neither has nor cites.
    assert {*options("model")} - {*told} == NOT_IN_THE_STORY


def test_the_reports_settings_are_kept(configure: Configure) -> None:
    cnn = configure("experiment=report_cnn", "data.root=x", tiny=())
    assert (cnn.data.max_images, cnn.trainer.max_epochs) == (1000, 30)
    gan = configure("experiment=report_gan", "data.root=x", tiny=())
    assert (gan.trainer.max_epochs, gan.model.loss.l1) == (150, 100)
    for optimizer in (gan.model.generator_optimizer, gan.model.discriminator_optimizer):
        assert (optimizer.lr, list(optimizer.betas)) == (2e-4, [0.5, 0.999])


def test_the_full_network_is_one_override_away(configure: Configure) -> None:
    config = configure("size=full", tiny=())
    assert config.model.generator.base_channels == 64
    assert config.model.discriminator.base_channels == 64


def test_a_gpu_runs_in_bfloat16_compiled_and_channels_last(configure: Configure) -> None:
    config = configure("trainer=gpu", tiny=())
    assert (config.trainer.accelerator, config.trainer.precision) == ("gpu", "bf16-mixed")
    assert config.model.channels_last
    assert config.model.compile


def test_every_argument_of_the_colorizer_can_be_overridden_without_a_plus(
    configure: Configure,
) -> None:
    assert set(configure().model) >= inspect.signature(ColorizationModule).parameters.keys()


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("folder", [FolderData]),
        ("imagenette", [ImagenetteData, FolderData]),
        ("sample", [SampleData, FolderData]),
    ],
)
def test_every_argument_of_the_data_can_be_overridden_without_a_plus(
    configure: Configure, name: str, classes: list[type]
) -> None:
    given = set(configure(f"data={name}", tiny=()).data)
    for cls in (*classes, ColorizationData):
        own = inspect.signature(cls).parameters.values()
        wanted = {p.name for p in own if p.kind == p.KEYWORD_ONLY}
        assert wanted - given <= ({"root"} if name == "imagenette" else set())


@pytest.mark.parametrize(
    ("typo", "named"), [("model.los.l1=1", "los"), ("trainer.max_epoch=1", "max_epoch")]
)
def test_a_typo_is_named(typo: str, named: str) -> None:
    with (
        initialize_config_dir(str(ROOT / "conf"), version_base="1.3"),
        pytest.raises(ConfigCompositionException, match=named),
    ):
        compose("train", [typo])
