"""Colour differences of pixels, from CIELAB in CIE units."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def delta_e76(
    lab: Float[Tensor, "b 3 h w"], true_lab: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, "b h w"]:
    """Euclidean distance of each pixel in CIELAB (CIE 1976)."""
    return (lab - true_lab).square().sum(dim=1).sqrt()


def delta_e2000(
    lab: Float[Tensor, "b 3 h w"], true_lab: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, "b h w"]:
    """CIEDE2000 colour difference of each pixel, from CIELAB in CIE units.

    Source: Sharma, Wu and Dalal 2005, whose equation numbers stand beside the code.
    """
    L1, a1, b1 = lab.unbind(dim=1)
    L2, a2, b2 = true_lab.unbind(dim=1)

    mean_C = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2  # (2), (3)
    G = 0.5 * (1 - _chroma_weight(mean_C))  # (4)
    a1, a2 = (1 + G) * a1, (1 + G) * a2  # (5)
    C1, C2 = torch.hypot(a1, b1), torch.hypot(a2, b2)  # (6)
    h1, h2 = torch.atan2(b1, a1) % (2 * math.pi), torch.atan2(b2, a2) % (2 * math.pi)  # (7)

    grey = C1 * C2 == 0
    turn = (h2 - h1 + math.pi) % (2 * math.pi) - math.pi  # (10): the shorter way round
    turn = turn * ~grey
    dL, dC, dH = L2 - L1, C2 - C1, 2 * torch.sqrt(C1 * C2) * torch.sin(turn / 2)  # (8), (9), (11)

    mean_L, mean_C = (L1 + L2) / 2, (C1 + C2) / 2  # (12), (13)
    mean_h = (h1 + h2) * (0.5 + 0.5 * grey)  # (14)
    # Opposite hues are halfway round up to rounding, and must not fall on either side by it.
    far = ~grey & ((h1 - h2).abs() > math.pi + 1e-6)
    mean_h = (mean_h + math.pi * far.to(mean_h.dtype)) % (2 * math.pi)

    T = (  # (15)
        1
        - 0.17 * torch.cos(mean_h - math.radians(30))
        + 0.24 * torch.cos(2 * mean_h)
        + 0.32 * torch.cos(3 * mean_h + math.radians(6))
        - 0.20 * torch.cos(4 * mean_h - math.radians(63))
    )
    theta = math.radians(30) * torch.exp(-(((torch.rad2deg(mean_h) - 275) / 25) ** 2))  # (16)
    R_C = 2 * _chroma_weight(mean_C)  # (17)
    S_L = 1 + 0.015 * (mean_L - 50) ** 2 / torch.sqrt(20 + (mean_L - 50) ** 2)  # (18)
    S_C, S_H = 1 + 0.045 * mean_C, 1 + 0.015 * mean_C * T  # (19), (20)
    R_T = -torch.sin(2 * theta) * R_C  # (21)
    squared = (dL / S_L) ** 2 + (dC / S_C) ** 2 + (dH / S_H) ** 2  # (22)
    return torch.sqrt((squared + R_T * (dC / S_C) * (dH / S_H)).clamp(min=0))


def _chroma_weight(C: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    seventh = C.square().square() * C.square() * C  # a general power takes three times as long
    return torch.sqrt(seventh / (seventh + 25**7))
