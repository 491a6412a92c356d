"""Colour differences of pixels, from CIELAB in CIE units."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

PIECE = 2**15  # pixels at a time: fewer cost more calls, and more leave a core's second cache
# (15) of CIEDE2000: what cosines and sines of so many times the mean hue add to T.
_T = {1: (-0.17, 30), 2: (0.24, 0), 3: (0.32, -6), 4: (-0.20, 63)}
T_COS = {times: share * math.cos(math.radians(shift)) for times, (share, shift) in _T.items()}
T_SIN = {times: share * math.sin(math.radians(shift)) for times, (share, shift) in _T.items()}


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
    pixels = [one.flatten(2) for one in (lab, true_lab)]
    count = PIECE if lab.device.type == "cpu" else max(1, pixels[0].shape[2])
    pieces = zip(*(one.split(count, dim=2) for one in pixels), strict=True)
    return torch.cat([_delta_e2000(*both) for both in pieces], dim=1).view_as(lab[:, 0])


def _delta_e2000(
    lab: Float[Tensor, "b 3 n"], true_lab: Float[Tensor, "b 3 n"]
) -> Float[Tensor, "b n"]:
    L1, a1, b1 = lab.unbind(dim=1)
    L2, a2, b2 = true_lab.unbind(dim=1)

    mean_C = _length(a1, b1).add_(_length(a2, b2)).div_(2)  # (2), (3)
    stretch = _chroma_weight(mean_C).mul_(-0.5).add_(1.5)  # (4), (5)
    a1, a2 = stretch * a1, stretch * a2
    C1, C2 = _length(a1, b1), _length(a2, b2)  # (6)

    # In place of the hues (7), both colours as vectors of the length C1 C2, since cosines of angles
    # take ten times as long as products. A grey's hue counts nowhere.
    CC = C1 * C2
    x1, y1, x2, y2 = a1 * C2, b1 * C2, a2 * C1, b2 * C1
    dx, dy = x1 - x2, y1 - y2
    # Above 0 where the shorter way from h1 to h2 is anticlockwise. Opposite hues are as near both
    # ways, up to rounding: there it is so where h1 < h2.
    way = (a1 * b2).addcmul_(b1, a2, value=-1)
    way.add_(torch.copysign(CC, b1 + 1e-9 * a1), alpha=1e-6)
    sign = way.sign_()
    dH = _length(dx, dy).mul_(sign).div_(CC.sqrt_().clamp_(min=1e-15))  # (10), (11)
    dL, dC = L2 - L1, C2 - C1  # (8), (9)

    mean_L, mean_C = (L1 + L2).div_(2), C1.add_(C2).div_(2)  # (12), (13)
    # Sum and difference, turned by a right angle, both have the mean hue: one of them is long.
    x, y = x1.add_(x2).addcmul_(sign, dy, value=-1), y1.add_(y2).addcmul_(sign, dx)
    norm = _length(x, y).clamp_(min=1e-30)
    cos, sin = x.div_(norm), y.div_(norm)  # of (14)

    # (15), whose cosines of several times the hue are polynomials of those of the hue.
    cos2, product = (cos * cos).mul_(2).sub_(1), cos * sin
    T = (2 * T_COS[4] * cos2).add_(product, alpha=4 * T_SIN[4]).add_(T_COS[2]).mul_(cos2)
    T.addcmul_(cos, (2 * T_COS[3] * cos2).add_(T_COS[1] - T_COS[3]))
    T.addcmul_(sin, (2 * T_SIN[3] * cos2).add_(T_SIN[1] + T_SIN[3])).add_(1 - T_COS[4])
    beyond = torch.atan2(sin.neg_(), cos.neg_()).sub_(math.radians(275 - 180))  # hues from 0 to 360
    theta = beyond.square_().mul_(-1 / math.radians(25) ** 2).exp_().mul_(math.radians(30))  # (16)
    R_T = theta.mul_(-2).sin_().mul_(_chroma_weight(mean_C)).mul_(2)  # (17), (21)
    from_50 = mean_L.sub_(50).square_()
    S_L = (from_50 / (20 + from_50).sqrt_()).mul_(0.015).add_(1)  # (18)
    S_C, S_H = (0.045 * mean_C).add_(1), T.mul_(mean_C).mul_(0.015).add_(1)  # (19), (20)
    dL, dC, dH = dL.div_(S_L), dC.div_(S_C), dH.div_(S_H)
    squared = dL.square_().addcmul_(dC, dC).addcmul_(dH, dH).addcmul_(R_T.mul_(dC), dH)  # (22)
    return squared.clamp_(min=0).sqrt_()


def _length(x: Float[Tensor, "b n"], y: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
    return torch.addcmul(x * x, y, y).sqrt_()  # torch.hypot takes three times as long


def _chroma_weight(C: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
    third = (C * C).mul_(C)  # a general power takes three times as long
    seventh = third.mul_(third).mul_(C)
    return (seventh / (seventh + 25**7)).sqrt_()
