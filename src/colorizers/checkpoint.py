"""Loading checkpoints of strangers: no code of theirs runs, and only known classes are built."""

import importlib
import inspect
import json
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from torch import Tensor, nn

from src.errors import UserError
from src.generators.generator import Generator

T = TypeVar("T")
GENERATORS = "src.generators"
DISCRIMINATORS = "src.discriminators"
LOSSES = "src.losses"
OPTIMIZERS = "torch.optim"
GENERATOR_PREFIX = "generator."
EMA_PREFIX = "ema_generator.module."
ENCODER_PREFIX = "encoder."  # of what src.pretrain leaves
WEIGHTS_SUFFIX = ".safetensors"
DESCRIPTION = "hyper_parameters"  # what a file of weights says of its network, as JSON


def build(package: str, config: object, *args: Any) -> Any:
    """Construct what a plain dict names: its `_target_` called with `args` and its other entries.

    Args: package: GENERATORS, DISCRIMINATORS, LOSSES or OPTIMIZERS; nothing else is ever built.
    Raises: UserError: if `_target_` is no class at home in `package`, or refuses its arguments.
    """
    target = config.get("_target_") if isinstance(config, Mapping) else None
    if not isinstance(config, Mapping) or not isinstance(target, str):
        raise UserError(f"{config!r} is not allowed: expected a _target_ in {package}")
    cls = class_in(package, target)
    options = {str(key): value for key, value in config.items() if key != "_target_"}
    try:
        for name, parameter in inspect.signature(cls).parameters.items():
            if parameter.annotation is bool and not isinstance(options.get(name, False), bool):
                raise ValueError(f"{name} is {options[name]}: expected true or false")
        built = cls(*args, **options)
        # torch builds layers without channels, and fails when they are to compute something.
        if isinstance(built, nn.Module) and any(not one.numel() for one in built.parameters()):
            raise ValueError("it has layers without channels: expected widths of at least 1")
        return built
    # Whatever a network or an optimiser makes of a stranger's numbers.
    except Exception as error:
        said = f"{target} cannot be built with {options}: {_first_line(error)}"
        raise UserError(said) from error


def build_a(kind: type[T], package: str, config: object) -> T:
    """Construct what a plain dict names, as `build`. Raises: UserError: also if it is no `kind`."""
    built = build(package, config)
    if not isinstance(built, kind):
        said = f"_target_ {type(built).__name__} is not allowed: expected a {kind.__name__.lower()}"
        raise UserError(f"{said}, which derives from {kind.__module__}.{kind.__name__}")
    return built


def build_generator(config: object) -> Generator:
    """Construct the generator that a plain dict names. Raises: UserError: as `build_a`."""
    return build_a(Generator, GENERATORS, config)


def class_in(package: str, target: str) -> type:
    """Import a class by its full name. Raises: UserError: if it is not at home in `package`."""
    refusal = f"_target_ {target!r} is not allowed: expected a class of {package}"
    module, _, name = target.rpartition(".")
    if not _is_in(package, module):
        raise UserError(refusal)
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise UserError(f"_target_ {target!r} does not exist in this version") from None
    # A module also holds what it imported: the class must be at home where the name says.
    if not isinstance(found, type) or not _is_in(package, found.__module__):
        raise UserError(refusal)
    return found


def _is_in(package: str, module: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint, or weights that were saved from one, as plain data; no code of it runs.

    Raises: UserError: if the file is missing, broken, or holds more than tensors and plain data.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of pickles that torch.save did not write
            checkpoint = (
                _load_weights(path)
                if path.suffix == WEIGHTS_SUFFIX
                else torch.load(path, map_location="cpu", weights_only=True)
            )
    except FileNotFoundError:
        raise UserError(f"no checkpoint at {path}") from None
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error):
            reason = "it holds more than tensors and plain data, so loading it could run code"
        else:
            reason = "it is broken or no checkpoint"
        raise UserError(f"refused to load {path}: {reason}") from None
    # Hostile or broken bytes end in whatever exception comes first.
    except Exception as error:
        reason = getattr(error, "strerror", None) or "it is broken or no checkpoint"
        raise UserError(f"cannot read {path} as a checkpoint: {reason}") from error
    if not isinstance(checkpoint, dict):
        raise UserError(f"{path} is no checkpoint of this project: expected a dict inside")
    return checkpoint


def _load_weights(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        described = json.loads((file.metadata() or {}).get(DESCRIPTION, "{}"))
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    return {"hyper_parameters": described, "state_dict": tensors}


def generator_weights(checkpoint: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """Return the weights that inference uses: the moving average where there is one.

    Raises: UserError: if the checkpoint has no weights, or those of an encoder only.
    """
    tensors = _tensors(checkpoint, path)
    if any(key.startswith(ENCODER_PREFIX) for key in tensors):
        raise UserError(f"{path} holds only an encoder of src.pretrain, for model.init_encoder")
    averaged = any(key.startswith(EMA_PREFIX) for key in tensors)
    return _below(EMA_PREFIX if averaged else GENERATOR_PREFIX, tensors)


def _tensors(checkpoint: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    state = checkpoint.get("state_dict")
    if not isinstance(state, Mapping):
        raise UserError(f"{path} is no checkpoint of this project: it lacks a state_dict")
    return {str(key): value for key, value in state.items() if isinstance(value, Tensor)}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def initialize(generator: Generator, path: str | None, branch: str | None = None) -> None:
    """Let a generator start from a checkpoint's, or else from pretrained weights if it has any.

    Args: branch: a part of the generator that stays as it is where the checkpoint lacks it.

    Raises: UserError: if they cannot be had, or do not match.
    """
    if path:
        weights = generator_weights(load(Path(path)), Path(path))
        load_strictly(generator, weights, Path(path), may_lack=branch)
        return
    try:
        generator.load_pretrained()
    except ValueError as error:
        raise UserError(str(error)) from error


def encoder_weights(generator: Generator) -> dict[str, Tensor]:
    """Return what `encoder_layers` hold, by the generator's own names; empty where it has none."""
    layers = {id(module) for layer in generator.encoder_layers() for module in layer}
    return {
        f"{name}.{key}": tensor
        for name, module in generator.named_modules()
        if id(module) in layers
        for key, tensor in module.state_dict().items()
    }


def initialize_encoder(generator: Generator, path: Path) -> list[str]:
    """Let a generator's encoder start from what src.pretrain left. Returns: the modules it filled.

    Raises: UserError: if the file holds no encoder, or another one than the generator's.
    """
    own, name = encoder_weights(generator), type(generator).__name__
    if not own:
        raise UserError(
            f"model.init_encoder={path}: {name} has no encoder that src.pretrain trains: expected "
            "null, or model/generator=cnn or model/generator=unet"
        )
    weights = _below(ENCODER_PREFIX, _tensors(load(path), path))
    if not weights:
        raise UserError(f"{path} holds no encoder: expected what src.pretrain left")
    choice = f"model/generator={type(generator).__module__.split('.')[-1]}"
    advice = (
        f"; python -m src.pretrain {choice}, with this run's size= and settings of "
        "model.generator, makes one that does"
    )
    _require_fitting(weights, own, f"the encoder in {path} does not match {name}", advice)
    generator.load_state_dict(weights, strict=False)
    return [*dict.fromkeys(key.rpartition(".")[0] for key in weights)]


def load_strictly(
    network: nn.Module,
    weights: Mapping[str, Tensor],
    path: Path,
    *,
    assign: bool = False,
    may_lack: str | None = None,
) -> None:
    """Load weights of which every key and shape must match.

    Args: may_lack: a part of the network that is left as it is where the weights have none of it.

    Raises: UserError: naming the keys that do not.
    """
    own, part = network.state_dict(), f"{may_lack}."
    if may_lack is not None and not any(key.startswith(part) for key in weights):
        own = {key: one for key, one in own.items() if not key.startswith(part)}
    fault = f"the generator in {path} does not match {type(network).__name__}"
    _require_fitting(weights, own, fault)
    network.load_state_dict(weights, strict=may_lack is None, assign=assign)


def _require_fitting(
    weights: Mapping[str, Tensor], own: Mapping[str, Tensor], fault: str, advice: str = ""
) -> None:
    missing = sorted(own.keys() - weights.keys())
    unexpected = sorted(weights.keys() - own.keys())
    shared = own.keys() & weights.keys()
    reshaped = sorted(key for key in shared if not _fits(weights[key], own[key]))
    if missing or unexpected or reshaped:
        found = {"missing": missing, "unexpected": unexpected, "of another shape or kind": reshaped}
        said = "; ".join(f"{word}: {_some(keys)}" for word, keys in found.items() if keys)
        raise UserError(f"{fault}: {said}{advice}")


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:4]) + " ..." * (len(keys) > 4)


def _fits(weight: Tensor, own: Tensor) -> bool:
    # Dense and as large as it claims: a view may stand for far more than the file holds.
    return (
        weight.layout == torch.strided
        and weight.device.type == "cpu"
        and weight.shape == own.shape
        and weight.is_floating_point() == own.is_floating_point()
        and weight.nbytes <= weight.untyped_storage().nbytes()
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
