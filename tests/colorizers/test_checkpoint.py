import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from src.colorizers import checkpoint, trained
from src.generators.attention_unet import AttentionGate
from src.generators.unet import UNet

UNET = {"_target_": "src.generators.unet.UNet", "base_channels": 4}


def save(path: Path, **changes: Any) -> Path:
    state = {f"generator.{key}": value for key, value in UNet(4).state_dict().items()}
    content = {"hyper_parameters": {"generator": UNET, "image_size": 32}, "state_dict": state}
    content |= changes
    if isinstance(content["state_dict"], dict):
        content["state_dict"] = {"mean_ab": torch.tensor([0.02, 0.05])} | content["state_dict"]
    torch.save(content, path)
    return path


def test_a_generator_comes_back_as_it_was_and_in_eval_mode(tmp_path: Path) -> None:
    original = UNet(4).eval()
    state = {f"generator.{key}": value for key, value in original.state_dict().items()}
    model = trained.load(save(tmp_path / "a.ckpt", state_dict=state))
    L = torch.rand(1, 1, 40, 40)
    assert not model.network.training
    assert model.image_size == 32
    torch.testing.assert_close(model.network(L), original(L))
    assert model.mean_ab.tolist() == pytest.approx([0.02, 0.05])
    assert model.sha256 == hashlib.sha256((tmp_path / "a.ckpt").read_bytes()).hexdigest()


@pytest.mark.parametrize("mean_ab", [None, 3, torch.ones(3), torch.full((2,), torch.nan)])
def test_a_mean_ab_that_is_none_is_refused(tmp_path: Path, mean_ab: object) -> None:
    state = {f"generator.{key}": value for key, value in UNet(4).state_dict().items()}
    path = save(tmp_path / "a.ckpt", state_dict=state | {"mean_ab": mean_ab})
    with pytest.raises(ValueError, match="mean ab of its training set"):
        trained.load(path)


def test_the_moving_average_is_preferred(tmp_path: Path) -> None:
    networks = {"generator.": UNet(4), "ema_generator.module.": UNet(4)}
    state = {p + key: v for p, net in networks.items() for key, v in net.state_dict().items()}
    model = trained.load(save(tmp_path / "a.ckpt", state_dict=state))
    L = torch.rand(1, 1, 32, 32)
    expected = networks["ema_generator.module."].eval()(L)
    torch.testing.assert_close(model.network(L), expected)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "src.train.main",
        "torch.load",
        "torch.optim.adam.torch",
        "src.generators.unet.torch.load",
        "src.generators.unet.nn.Module",
        "src.generators.unet.Tensor",
        "src.generatorsevil.X",
        "src.generators",
        "src.generators.nothing.X",
        7,
        None,
    ],
)
def test_targets_outside_the_allow_list_are_refused(tmp_path: Path, target: object) -> None:
    hostile = {"generator": {"_target_": target, "command": "true"}, "image_size": 32}
    path = save(tmp_path / "a.ckpt", hyper_parameters=hostile)
    with pytest.raises(ValueError, match=r"a\.ckpt: .*(not allowed|does not exist)") as refusal:
        trained.load(path)
    assert "\n" not in str(refusal.value)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch exploded",)


def test_a_pickle_that_calls_something_is_refused_and_does_not_run(tmp_path: Path) -> None:
    path = save(tmp_path / "a.ckpt", bomb=Bomb())
    with pytest.raises(ValueError, match="could run code") as refusal:
        trained.load(path)
    assert "\n" not in str(refusal.value)
    assert not Path("exploded").exists()


def test_huge_networks_cost_no_memory_before_they_are_refused(tmp_path: Path) -> None:
    huge = {"generator": UNET | {"base_channels": 100_000}, "image_size": 32}
    with pytest.raises(ValueError, match="of another shape"):
        trained.load(save(tmp_path / "a.ckpt", hyper_parameters=huge))


def changed(**changes: Any) -> dict[str, Any]:
    state = {f"generator.{key}": value for key, value in UNet(4).state_dict().items()}
    return state | {f"generator.{key}": value for key, value in changes.items()}


SHAPE = UNet(4).state_dict()["head.0.weight"].shape


@pytest.mark.parametrize(
    "weight",
    [
        torch.ones(SHAPE, dtype=torch.int64),
        torch.ones(SHAPE, dtype=torch.complex64),
        torch.ones(SHAPE).to_sparse(),
        torch.empty(SHAPE, device="meta"),
        torch.ones(1).expand(SHAPE),
        torch.full(SHAPE, torch.nan),
    ],
    ids=["int", "complex", "sparse", "meta", "expanded", "nan"],
)
def test_weights_that_are_not_plain_numbers_are_refused(tmp_path: Path, weight: Tensor) -> None:
    path = save(tmp_path / "a.ckpt", state_dict=changed(**{"head.0.weight": weight}))
    with pytest.raises(ValueError, match=r"a\.ckpt") as refusal:
        trained.load(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "generator",
    [
        [1],
        "src.generators.unet.UNet",
        {},
        UNET | {"base_channels": -1},
        UNET | {"base_channels": 10**12},
        UNET | {"base_channels": "4"},
        {"_target_": "src.discriminators.patchgan.PatchGAN", "base_channels": 4},
        {"_target_": "src.generators.unet.Up", "in_channels": 4},
        {"_target_": "src.generators.blocks.DoubleConv", "in_channels": 1, "out_channels": 2},
    ],
)
def test_generators_that_make_no_sense_are_refused(tmp_path: Path, generator: object) -> None:
    hyper_parameters = {"generator": generator, "image_size": 32}
    path = save(tmp_path / "a.ckpt", hyper_parameters=hyper_parameters)
    with pytest.raises(ValueError, match="not") as refusal:
        trained.load(path)
    assert "\n" not in str(refusal.value)


def test_a_part_of_a_network_is_no_generator(tmp_path: Path) -> None:
    config: dict[str, object] = {"_target_": "src.generators.attention_unet.AttentionGate"}
    config |= {"channels": 4, "coarser_channels": 8}
    state = {f"generator.{key}": value for key, value in AttentionGate(4, 8).state_dict().items()}
    path = save(
        tmp_path / "a.ckpt",
        hyper_parameters={"generator": config, "image_size": 32},
        state_dict=state,
    )
    with pytest.raises(ValueError, match="AttentionGate is not allowed: expected a gen"):
        trained.load(path)


def test_a_generator_that_does_not_work_is_refused(tmp_path: Path) -> None:
    hyper_parameters = {
        "generator": {"_target_": "src.generators.generator.Generator"},
        "image_size": 32,
    }
    path = save(tmp_path / "a.ckpt", hyper_parameters=hyper_parameters, state_dict={})
    with pytest.raises(ValueError, match="does not take L to ab"):
        trained.load(path)


def test_every_key_that_does_not_match_is_named(tmp_path: Path) -> None:
    state = {f"generator.{key}": value for key, value in UNet(4).state_dict().items()}
    state["generator.extra"] = state.pop("generator.head.0.bias")
    with pytest.raises(ValueError, match=r"missing: head\.0\.bias; unexpected: extra"):
        trained.load(save(tmp_path / "a.ckpt", state_dict=state))


@pytest.mark.parametrize("bad", [-1, 0, 10**9, "256", None, [1], True])
def test_unbelievable_sizes_are_refused(tmp_path: Path, bad: object) -> None:
    hyper_parameters = {"generator": UNET, "image_size": bad}
    with pytest.raises(ValueError, match="not believable"):
        trained.load(save(tmp_path / "a.ckpt", hyper_parameters=hyper_parameters))


def test_unknown_options_are_refused(tmp_path: Path) -> None:
    hyper_parameters = {"generator": UNET | {"wings": 2}, "image_size": 32}
    with pytest.raises(ValueError, match="cannot be built"):
        trained.load(save(tmp_path / "a.ckpt", hyper_parameters=hyper_parameters))


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", b"PK\x03\x04 broken zip", b"\x80\x02garbage"]
)
def test_files_that_are_no_checkpoints_say_so_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.ckpt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.ckpt") as refusal:
        trained.load(path)
    assert "\n" not in str(refusal.value)


def test_truncated_and_foreign_checkpoints_are_refused(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.ckpt").read_bytes()
    (tmp_path / "half.ckpt").write_bytes(whole[: len(whole) // 2])
    torch.save([1, 2], tmp_path / "list.ckpt")
    torch.save({"model": {}}, tmp_path / "other.ckpt")
    save(tmp_path / "stateless.ckpt", state_dict=None)
    for name in ("half", "list", "other", "stateless", "absent"):
        with pytest.raises(ValueError, match=f"{name}.ckpt") as refusal:
            trained.load(tmp_path / f"{name}.ckpt")
        assert len(str(refusal.value)) < len(str(tmp_path)) + 110


def test_saved_weights_are_small_and_colour_as_the_checkpoint_does(tmp_path: Path) -> None:
    original, weights = save(tmp_path / "a.ckpt"), tmp_path / "a.safetensors"
    trained.save_weights([original], weights)
    assert weights.stat().st_size < 0.6 * original.stat().st_size
    first, second = trained.load(original), trained.load(weights)
    L = torch.rand(1, 1, 40, 40) * 2 - 1
    torch.testing.assert_close(first.network(L), second.network(L), atol=2e-3, rtol=0)
    assert second.image_size == 32
    assert torch.equal(first.mean_ab, second.mean_ab)


def test_of_several_checkpoints_the_mean_of_the_weights_is_saved(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.ckpt" for name in "abc"]
    states = []
    for seed, path in enumerate(paths):
        torch.manual_seed(seed)
        states.append(trained.load(save(path)).network.state_dict())
    trained.save_weights(paths, tmp_path / "mean.safetensors")
    mean = trained.load(tmp_path / "mean.safetensors").network.state_dict()
    for key, weight in mean.items():
        each = torch.stack([state[key] for state in states])
        expected = each.mean(dim=0) if weight.is_floating_point() else each[0]
        torch.testing.assert_close(weight, expected, atol=1e-3, rtol=1e-3)
    larger = {f"generator.{key}": value for key, value in UNet(8).state_dict().items()}
    other = save(tmp_path / "other.ckpt", state_dict=larger)
    with pytest.raises(ValueError, match=r"the generator in .*other\.ckpt does not match"):
        trained.save_weights([paths[0], other], tmp_path / "none.safetensors")
    assert not (tmp_path / "none.safetensors").exists()


@pytest.mark.parametrize(
    ("description", "fault"),
    [
        (None, "lacks a generator"),
        ("{", "cannot read"),
        ("[]", "lacks a generator"),
        ('{"generator": {"_target_": "os.system"}, "image_size": 32}', "not allowed"),
    ],
)
def test_strange_weights_are_refused(tmp_path: Path, description: str | None, fault: str) -> None:
    path = tmp_path / "a.safetensors"
    metadata = None if description is None else {checkpoint.DESCRIPTION: description}
    save_file({"mean_ab": torch.zeros(2)}, path, metadata)
    with pytest.raises(ValueError, match=fault):
        trained.load(path)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ValueError, match="cannot read"):
        trained.load(path)
