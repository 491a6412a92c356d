"""Networks that others trained, by which colourings are judged."""

import importlib
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import torch.hub
import torch.nn.functional as F
from jaxtyping import Float
from omegaconf import DictConfig
from torch import Tensor

from src.errors import UserError
from src.generators.lite0 import Lite0Classifier, load_imagenet_weights

LITE0, FID, LPIPS = "frechet_lite0", "fid", "lpips"
LITE0_SIDE = 224  # pixels, at which the weights were trained
ALEXNET_LEAST = 31  # pixels of a side, below which its pooling has nothing to pool
# Where torch-fidelity and torchvision download them from.
INCEPTION_WEIGHTS = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
ALEXNET_WEIGHTS = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
Features = Callable[[Tensor], Tensor]  # sRGB (b, 3, h, w) in [0, 1] -> (b, d)
Distance = Callable[[Tensor, Tensor], Tensor]  # two of them -> (b,)


def asked(
    config: DictConfig, device: torch.device
) -> tuple[dict[str, Features], dict[str, Distance], list[str]]:
    """Return Lite0's features and what else is asked for.

    Returns: networks for Frechet distances, figures of pairs of pictures, and what is missing.
    """
    features: dict[str, Features] = {LITE0: lite0(device)}
    distances: dict[str, Distance] = {}
    faults = []
    try:
        if config.fid:
            features[FID] = inception(device)
    except UserError as error:
        faults.append(str(error))
    try:
        if config.lpips:
            distances[LPIPS] = lpips(device)
    except UserError as error:
        faults.append(str(error))
    return features, distances, faults


def lite0(device: torch.device) -> Features:
    """Return the 1280 pooled features of EfficientNet-Lite0, ImageNet weights, at 224x224.

    Raises: UserError: if the weights are not installed.
    """
    network = Lite0Classifier()
    try:
        load_imagenet_weights(network)
    except ValueError as error:
        raise UserError(str(error)) from error
    network = network.eval().to(device)

    def features(rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1280"]:
        side = (LITE0_SIDE, LITE0_SIDE)
        small = F.interpolate(rgb, side, mode="bilinear", antialias=True)
        return network.pooled(small * 2 - 1)

    return features


def inception(device: torch.device) -> Features:
    """Return the 2048 pooled features of the Inception network that standard FID is defined by.

    Raises: UserError: if its package or its weights are missing.
    """
    from torchmetrics.image import fid

    network = _from_others(
        FID,
        "torch_fidelity",
        INCEPTION_WEIGHTS,
        lambda: fid.NoTrainInceptionV3("inception-v3-compat", ["2048"]),
    ).to(device)
    return lambda rgb: network((rgb * 255).round().to(torch.uint8))


def lpips(device: torch.device) -> Distance:
    """Return LPIPS with AlexNet (Zhang et al. 2018).

    Raises: UserError: if its package or its weights are missing.
    """
    from torchmetrics.image import lpip

    metric = _from_others(
        LPIPS,
        "torchvision",
        ALEXNET_WEIGHTS,
        lambda: lpip.LearnedPerceptualImagePatchSimilarity("alex"),
    )
    # The metric around it keeps what it saw, which pictures that are judged side by side would mix.
    network = metric.net.to(device)

    def distance(rgb: Float[Tensor, "b 3 h w"], true_rgb: Float[Tensor, "b 3 h w"]) -> Tensor:
        if min(rgb.shape[2:]) < ALEXNET_LEAST:
            raise UserError(
                f"LPIPS needs sides of {ALEXNET_LEAST} pixels: got {rgb.shape[3]}x"
                f"{rgb.shape[2]}; leave lpips=true out, or the picture"
            )
        return network(rgb, true_rgb, normalize=True).flatten()

    return distance


def _from_others(option: str, package: str, weights: str, build: Callable[[], Any]) -> Any:
    """Build a network of an optional package, which downloads its weights. Raises: UserError."""
    try:
        importlib.import_module(package)
    # A torchvision that does not fit this torch fails in ways of its own.
    except (AttributeError, ImportError, RuntimeError) as error:
        raise UserError(
            f"{option}=true needs the package {package.replace('_', '-')}, which is missing or "
            f"does not fit this torch: pip install -c constraints.txt -e '.[{option}]' ({error})"
        ) from None
    try:
        return build().eval()
    except (EOFError, OSError, RuntimeError, UnpicklingError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise UserError(
            f"{option}=true needs weights that could not be downloaded or read: put {weights} "
            f"into {folder} ({error})"
        ) from None
