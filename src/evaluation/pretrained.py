"""Networks that others trained, by which colourings are judged."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from src.lite0 import Lite0Classifier, load_imagenet_weights

LITE0, FID, LPIPS = "frechet_lite0", "fid", "lpips"
LITE0_SIDE = 224  # pixels, at which the weights were trained
Features = Callable[[Tensor], Tensor]  # sRGB (b, 3, h, w) in [0, 1] -> (b, d)
Distance = Callable[[Tensor, Tensor], Tensor]  # two of them -> (b,)


def lite0(device: torch.device) -> Features:
    """Return the 1280 pooled features of EfficientNet-Lite0, ImageNet weights, at 224x224."""
    network = Lite0Classifier()
    load_imagenet_weights(network)
    network = network.eval().to(device)

    def features(rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1280"]:
        side = (LITE0_SIDE, LITE0_SIDE)
        small = F.interpolate(rgb, side, mode="bilinear", antialias=True)
        return network.pooled(small * 2 - 1)

    return features


def inception(device: torch.device) -> Features:
    """Return the 2048 pooled features of the Inception network that standard FID is defined by.

    Raises: ValueError: if its package or its weights are missing.
    """
    from torchmetrics.image.fid import NoTrainInceptionV3

    try:
        network = NoTrainInceptionV3("inception-v3-compat", ["2048"]).eval().to(device)
    except ImportError:
        raise ValueError(
            "fid=true needs the package torch-fidelity, which is missing: "
            "pip install -c constraints.txt -e '.[fid]'"
        ) from None
    except OSError as error:
        raise ValueError(
            "fid=true needs Inception's weights (pt_inception-2015-12-05-6726825d.pth), which "
            f"torch-fidelity could not download: {error}"
        ) from None
    return lambda rgb: network((rgb * 255).round().to(torch.uint8))


def lpips(device: torch.device) -> Distance:
    """Return LPIPS with AlexNet (Zhang et al. 2018).

    Raises: ValueError: if its package or its weights are missing.
    """
    try:
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        network = LearnedPerceptualImagePatchSimilarity("alex", normalize=True).eval().to(device)
    # A torchvision that does not fit this torch fails in ways of its own.
    except (ImportError, RuntimeError):
        raise ValueError(
            "lpips=true needs the package torchvision, which is missing or does not fit this "
            "torch: pip install -c constraints.txt -e '.[lpips]'"
        ) from None
    except OSError as error:
        raise ValueError(
            "lpips=true needs AlexNet's weights (alexnet-owt-7be5be79.pth), which torchvision "
            f"could not download: {error}"
        ) from None
    return lambda rgb, true_rgb: network(rgb, true_rgb)[None]
