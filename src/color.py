"""sRGB, CIELAB and the scaling that networks see. Only this file knows the constants of Lab."""

import torch
from jaxtyping import Bool, Float, Int, UInt8
from kornia.color import lab_to_rgb as kornia_lab_to_rgb
from kornia.color import rgb_to_lab as kornia_rgb_to_lab
from torch import Tensor

# L* spans [0, 100]; sRGB's a* and b* stay within [-107.9, 98.3], so 110 clips nothing.
L_HALF_RANGE = 50.0
AB_RANGE = 110.0
# The scale of the source report, which divides a* and b* by 128.
REPORT_AB_RANGE = 128.0
# Each hue is 30 degrees of CIELAB wide and named after what lies in its middle; the first at 0.
HUES = (
    *("pink", "red", "orange", "yellow", "lime", "green"),
    *("teal", "cyan", "azure", "blue", "violet", "magenta"),
)
NEUTRAL = 5.0  # chroma below which a pixel has no hue that people would name
GAMUT_TOLERANCE = 1e-4  # of [0, 1]: far below what 8 bits can tell, and little in 16


def rgb_to_lab(rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Convert sRGB to CIELAB (D65, 2 degrees), in float32 or better.

    Args: rgb: gamma-encoded sRGB in [0, 1].
    Returns: L* in [0, 100]; a* and b* in CIE units.
    Source: CIE 15:2004; checked against skimage.color.rgb2lab.
    """
    # bfloat16 autocast would cost 0.8 delta-E on average.
    with torch.autocast(rgb.device.type, enabled=False):
        return kornia_rgb_to_lab(_at_least_float32(rgb))


def lab_to_rgb(lab: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Convert CIELAB to sRGB in [0, 1], in float32 or better; what lies outside sRGB is clipped.

    Args: lab: L* in [0, 100]; a* and b* in CIE units.
    Source: CIE 15:2004; checked against skimage.color.lab2rgb.
    """
    with torch.autocast(lab.device.type, enabled=False):
        return kornia_lab_to_rgb(_at_least_float32(lab))


def rgb_to_L_ab(
    rgb: Float[Tensor, "b 3 h w"],
) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 2 h w"]]:
    """Split sRGB in [0, 1] into what networks see: L = L*/50 - 1 and ab = (a*, b*)/110."""
    return lab_to_L_ab(rgb_to_lab(rgb))


def lab_to_L_ab(
    lab: Float[Tensor, "b 3 h w"],
) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 2 h w"]]:
    """Scale CIELAB in CIE units to what networks see, in [-1, 1]."""
    return lab[:, :1] / L_HALF_RANGE - 1, lab[:, 1:] / AB_RANGE


def hue_bins(lab: Float[Tensor, "b 3 ..."]) -> Int[Tensor, "b ..."]:
    """Return the place of each pixel's hue in HUES, and len(HUES) where it is neutral.

    Args: lab: in CIE units.
    """
    _, a, b = lab.unbind(dim=1)
    hue = (torch.atan2(b, a) * (len(HUES) / (2 * torch.pi))).round().long() % len(HUES)
    return torch.where(torch.hypot(a, b) < NEUTRAL, len(HUES), hue)


def toned(L: Float[Tensor, "b 1 h w"], power: Float[Tensor, " b"]) -> Float[Tensor, "b 1 h w"]:
    """Raise L, as a share of white, to each picture's power: below 1 it brightens mid-tones."""
    share = ((L + 1) / 2).clamp(min=0)
    return share ** power.to(L).view(-1, 1, 1, 1) * 2 - 1


def L_ab_to_rgb(
    L: Float[Tensor, "b 1 h w"], ab: Float[Tensor, "b 2 h w"]
) -> Float[Tensor, "b 3 h w"]:
    """Join a network's L and ab, both in [-1, 1], to sRGB in [0, 1], clipped."""
    L, ab = _at_least_float32(L), _at_least_float32(ab)
    return lab_to_rgb(torch.cat([(L + 1) * L_HALF_RANGE, ab * AB_RANGE], dim=1))


def L_ab_to_rgb_keeping_L(
    L: Float[Tensor, "b 1 h w"], ab: Float[Tensor, "b 2 h w"]
) -> tuple[Float[Tensor, "b 3 h w"], Bool[Tensor, "b h w"]]:
    """Join L and ab to sRGB in [0, 1]; what lies outside sRGB loses chroma, not lightness.

    Such a pixel keeps its L and hue and moves towards grey until it fits, by bisection. Clipping
    each of R, G and B, as L_ab_to_rgb does, is faster, and moves L.

    Args: L, ab: in [-1, 1]. Returns: sRGB, and which pixels lay outside it.
    """
    with torch.autocast(L.device.type, enabled=False):
        L, ab = _at_least_float32(L), _at_least_float32(ab)
        # Black and white have no colour: spares large margins the search.
        ab = torch.where(L.abs() < 1, ab, 0)
        lab = torch.cat([(L + 1) * L_HALF_RANGE, ab * AB_RANGE], dim=1)
        rgb = kornia_lab_to_rgb(lab, clip=False)
        outside = ~_in_gamut(rgb)
        if outside.any():
            pixels = lab.movedim(1, -1)[outside].T[:, None]
            fitting = _less_chroma(pixels)
            rgb.movedim(1, -1)[outside] = kornia_lab_to_rgb(fitting, clip=False)[:, 0].T
        return rgb.clamp(0, 1), outside


def _in_gamut(rgb: Float[Tensor, "... 3 h w"]) -> Bool[Tensor, "... h w"]:
    return ((rgb >= -GAMUT_TOLERANCE) & (rgb <= 1 + GAMUT_TOLERANCE)).all(dim=-3)


def _less_chroma(lab: Float[Tensor, "3 1 n"]) -> Float[Tensor, "3 1 n"]:
    """Return the colours of the largest chroma within sRGB, to 1/256 of the one they had."""
    kept = torch.zeros_like(lab[:1])
    for halving in range(1, 9):
        tried = kept + 0.5**halving
        fits = _in_gamut(kornia_lab_to_rgb(torch.cat([lab[:1], lab[1:] * tried]), clip=False))
        kept = torch.where(fits[None], tried, kept)
    return torch.cat([lab[:1], lab[1:] * kept])


def uint8_to_L_ab(
    rgb: UInt8[Tensor, "b 3 h w"],
) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 2 h w"]]:
    """Take 8-bit sRGB, as loaders yield it, to a network's L and ab on the tensor's device."""
    return rgb_to_L_ab(rgb.float() / 255)


def L_ab_to_uint8(
    L: Float[Tensor, "b 1 h w"], ab: Float[Tensor, "b 2 h w"]
) -> UInt8[Tensor, "b 3 h w"]:
    """Join a network's L and ab to 8-bit sRGB, rounded to the nearest value."""
    return (L_ab_to_rgb(L, ab) * 255).round().to(torch.uint8)


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()
