"""Colourisers that were trained here: a checkpoint, or weights that were saved from one."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn

from src import files
from src.colorizers import checkpoint
from src.colorizers.colorizer import MAX_IMAGE_SIZE, VIEWS, Colorizer, Hints, Reference
from src.errors import UserError
from src.generators.folding import fold

MEAN_AB = "mean_ab"


@dataclass(eq=False, kw_only=True)
class Trained(Colorizer):
    """A generator in eval mode with what its checkpoint says of it."""

    network: nn.Module
    image_size: int
    views: int = 1
    mean_ab: Float[Tensor, "2"]
    sha256: str
    name: str
    takes_hints: bool = False

    def __call__(
        self,
        L: Float[Tensor, "b 1 h w"],
        hints: Hints | None = None,
        reference: Reference | None = None,
    ) -> Float[Tensor, "b 2 h w"]:
        device = next(self.network.parameters()).device
        told = () if hints is None or not self.takes_hints else (one.to(device) for one in hints)
        return self.network(L.to(device), *told).float().to(L.device)

    def folded(self) -> "Trained":
        """Return itself with a network that only predicts, faster; it saves and exports no more."""
        fold(self.network)
        return self

    def to(self, device: torch.device) -> "Trained":
        self.network.to(device)
        return self


def load(
    path: Path, settings: Mapping[str, Any] | None = None, branch: Path | None = None
) -> Trained:
    """Build the generator of a checkpoint, with its averaged weights where it has them.

    Args:
        settings: of the generator, that are to be others than the checkpoint's.
        branch: weights of a part that the checkpoint lacks, with the generator that has it.

    Raises: UserError: if the checkpoint is unsafe, incomplete, or no colouriser's.
    """
    content = _changed(checkpoint.load(path), path, settings or {})
    if branch is not None:
        added = checkpoint.load(branch)
        content["hyper_parameters"]["generator"] = added["hyper_parameters"]["generator"]
        content["state_dict"] = added["state_dict"] | content["state_dict"]
    return _trained(content, path)


def _changed(content: dict[str, Any], path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in settings.items():
        generator = content.get("hyper_parameters", {}).get("generator", {})
        if name not in generator:
            raise UserError(f"{path} holds a network without {name}: leave --{name} out")
        generator[name] = value
    return content


def save_weights(
    sources: Sequence[Path],
    target: Path,
    image_size: int | None = None,
    views: int | None = None,
    settings: Mapping[str, Any] | None = None,
    branch: str | None = None,
) -> None:
    """Write what inference needs of a checkpoint, in float16 and without the optimisers' state.

    Args:
        sources: of several, the mean of the weights is written (Wortsman et al. 2022, Model soups,
            arXiv:2203.05482), with what the first one says of them.
        image_size, views: at which pictures are to be shown; None keeps what the checkpoint says.
        settings: as for `load`.
        branch: the part of the generator that only is written, for `load`; None writes all.

    Raises: UserError: if a checkpoint is unsafe, incomplete, no colouriser's or of another network
        than the first, or has no such part.
    """
    source = sources[0]
    content = _changed(checkpoint.load(source), source, settings or {})
    trained, given = _trained(content, source), content["hyper_parameters"]
    _average(trained.network, sources[1:])
    described = json.dumps(
        {
            "generator": given["generator"],
            "image_size": image_size or trained.image_size,
            "views": views or trained.views,
        }
    )
    weights = {
        # Training with channels_last leaves an order of memory that the format does not know.
        f"{checkpoint.GENERATOR_PREFIX}{key}": (
            weight.half() if weight.is_floating_point() else weight
        ).contiguous()
        for key, weight in trained.network.state_dict().items()
        if branch is None or key.startswith(f"{branch}.")
    }
    if not weights:
        parts = ", ".join(name for name, _ in trained.network.named_children())
        raise UserError(f"{source} has no branch {branch}: expected one of {parts}")
    # One call gives the bytes, so that the file is whole or absent.
    encoded = safetensors_bytes(
        weights | {MEAN_AB: trained.mean_ab}, {checkpoint.DESCRIPTION: described}
    )
    with files.whole(target) as partial:
        partial.write_bytes(encoded)


def _average(network: nn.Module, others: Sequence[Path]) -> None:
    """Give a network the mean of its weights and those of other checkpoints of it."""
    mean = network.state_dict()
    for number, path in enumerate(others, 2):
        other = copy.deepcopy(network)
        checkpoint.load_strictly(
            other, checkpoint.generator_weights(checkpoint.load(path), path), path
        )
        for key, weight in other.state_dict().items():
            if weight.is_floating_point():  # others count the batches that were seen
                mean[key].lerp_(weight, 1 / number)


def _trained(content: Mapping[str, Any], path: Path) -> Trained:
    try:
        hyper_parameters = content["hyper_parameters"]
        config, image_size = hyper_parameters["generator"], hyper_parameters["image_size"]
    except (KeyError, TypeError):
        raise UserError(f"{path} is no checkpoint of this project: it lacks a generator") from None
    if type(image_size) is not int or not 0 < image_size <= MAX_IMAGE_SIZE:
        raise UserError(f"{path} asks for pictures of {image_size!r} pixels: not believable")
    views = hyper_parameters.get("views", 1)
    if type(views) is not int or views not in VIEWS:
        raise UserError(f"{path} asks for {views!r} views: expected one of {VIEWS}")
    # On the meta device a network takes no memory, whatever size a stranger's numbers ask for.
    try:
        with torch.device("meta"):
            network = checkpoint.build_generator(config)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    weights = checkpoint.generator_weights(content, path)
    checkpoint.load_strictly(network, weights, path, assign=True)
    # On CPUs, the network that ships takes two thirds of the time with this order of memory.
    network.float().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    _try(network, path)
    return Trained(
        network=network,
        takes_hints=network.takes_hints,
        image_size=image_size,
        views=views,
        mean_ab=_mean_ab(content, path),
        sha256=files.sha256(path),
        name=path.name,
    )


def _mean_ab(content: Mapping[str, Any], path: Path) -> Float[Tensor, "2"]:
    mean_ab = content["state_dict"].get(MEAN_AB)
    is_pair = isinstance(mean_ab, Tensor) and mean_ab.shape == (2,)
    if not is_pair or not bool((mean_ab.float().abs() <= 1).all()):
        raise UserError(f"{path} does not say what the mean ab of its training set is")
    return mean_ab.float()


@torch.inference_mode()
def _try(network: nn.Module, path: Path) -> None:
    fault = f"{path} holds no working generator: it does not take L to ab"
    try:
        ab = network(torch.zeros(1, 1, 32, 32))
    # Whatever a network makes of a stranger's weights.
    except Exception as error:
        raise UserError(f"{fault} ({str(error).partition(chr(10))[0]})") from error
    if ab.shape != (1, 2, 32, 32) or not bool(ab.isfinite().all()):
        raise UserError(fault)
