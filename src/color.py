"""sRGB, CIELAB and the scaling that networks see. Only this file knows the constants of Lab."""

from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
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
# Linear sRGB to XYZ, of D65's white (IEC 61966-2-1).
XYZ_OF_RGB = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
WHITE = (0.95047, 1.0, 1.08883)
# Where Lab's cube root, and sRGB's power, become straight lines.
CUBE_END, ROOT_END, GAMMA_END = 0.2068966, 0.008856, 0.0031308


def rgb_to_lab(rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Convert sRGB to CIELAB (D65, 2 degrees), in float32 or better.

    Args: rgb: gamma-encoded sRGB in [0, 1].
    Returns: L* in [0, 100]; a* and b* in CIE units.
    Source: CIE 15:2004; checked against skimage.color.rgb2lab.
    """
    # Here, because it takes a tenth of a second, and to colour a photo of 8 bits needs none of it.
    import kornia.color

    # bfloat16 autocast would cost 0.8 delta-E on average.
    with torch.autocast(rgb.device.type, enabled=False):
        return kornia.color.rgb_to_lab(_at_least_float32(rgb))


def lab_to_rgb(lab: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Convert CIELAB to sRGB in [0, 1], in float32 or better; what lies outside sRGB is clipped.

    Args: lab: L* in [0, 100]; a* and b* in CIE units.
    Source: CIE 15:2004; checked against skimage.color.lab2rgb.
    """
    import kornia.color

    with torch.autocast(lab.device.type, enabled=False):
        return kornia.color.lab_to_rgb(_at_least_float32(lab))


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
        ab = ab.masked_fill(L.abs() >= 1, 0)
        y = L * (L_HALF_RANGE / 116) + (L_HALF_RANGE + 16) / 116
        x_beyond_y, y_beyond_z = ab[:, :1] * (AB_RANGE / 500), ab[:, 1:] * (AB_RANGE / 200)
        rgb = _linear_rgb(y, x_beyond_y, y_beyond_z)
        outside = ~_in_gamut(rgb)
        if outside.any():
            pixels = [one.movedim(1, -1)[outside].T[None] for one in (y, x_beyond_y, y_beyond_z)]
            rgb.movedim(1, -1)[outside] = _with_less_chroma(*pixels)[0].T
        return _gamma_encoded(rgb).clamp_(0, 1), outside


def _linear_rgb(
    y: Float[Tensor, "b 1 ..."],
    x_beyond_y: Float[Tensor, "b 1 ..."],
    y_beyond_z: Float[Tensor, "b 1 ..."],
) -> Float[Tensor, "b 3 ..."]:
    """Return linear sRGB of Lab's roots: y = (L* + 16)/116, x - y = a*/500, y - z = b*/200."""
    roots = torch.cat([y + x_beyond_y, y, (y - y_beyond_z).clamp_(min=0)], dim=1)
    # A straight line up to CUBE_END, and from there a cube; torch.where takes far longer.
    cubes = roots.clamp(min=CUBE_END).pow_(3).sub_(CUBE_END**3)
    xyz = roots.clamp_(max=CUBE_END).sub_(4 / 29).div_(7.787).add_(cubes)
    return torch.einsum("oi,bi...->bo...", _matrix(xyz.device, xyz.dtype, inverse=True), xyz)


@cache
def _matrix(device: torch.device, dtype: torch.dtype, *, inverse: bool) -> Float[Tensor, "3 3"]:
    """Linear sRGB to XYZ as a share of white, or its inverse."""
    matrix = np.array(XYZ_OF_RGB) / np.array(WHITE)[:, None]
    values = (np.linalg.inv(matrix) if inverse else matrix).tolist()
    return torch.tensor(values, dtype=dtype, device=device)


def _gamma_encoded(linear: Float[Tensor, "b 3 ..."]) -> Float[Tensor, "b 3 ..."]:
    powers = _power_(linear.clamp(min=GAMMA_END), 1 / 2.4)
    powers.mul_(1.055).sub_(0.055 + 12.92 * GAMMA_END)
    return linear.clamp_(max=GAMMA_END).mul_(12.92).add_(powers)


def _power_(x: Float[Tensor, "..."], exponent: float) -> Float[Tensor, "..."]:
    """Raise positive values in place. With AVX2, pow takes three times as long."""
    return x.log_().mul_(exponent).exp_()


def _in_gamut(linear: Float[Tensor, "b 3 ..."]) -> Bool[Tensor, "b ..."]:
    least, most = -GAMUT_TOLERANCE / 12.92, ((1.055 + GAMUT_TOLERANCE) / 1.055) ** 2.4
    r, g, b = linear.unbind(dim=1)
    lowest, highest = torch.minimum(r, g).minimum(b), torch.maximum(r, g).maximum(b)
    return (lowest >= least) & (highest <= most)


def _with_less_chroma(
    y: Float[Tensor, "1 1 n"],
    x_beyond_y: Float[Tensor, "1 1 n"],
    y_beyond_z: Float[Tensor, "1 1 n"],
) -> Float[Tensor, "1 3 n"]:
    """Return linear sRGB of the largest chroma that fits, to 1/256 of the one they had."""
    kept = torch.zeros_like(y)
    for halving in range(1, 9):
        tried = kept + 0.5**halving
        fits = _in_gamut(_linear_rgb(y, x_beyond_y * tried, y_beyond_z * tried))
        kept = torch.where(fits[None], tried, kept)
    return _linear_rgb(y, x_beyond_y * kept, y_beyond_z * kept)


def uint8_to_L_ab(
    rgb: UInt8[Tensor, "b 3 h w"],
) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 2 h w"]]:
    """Take 8-bit sRGB, as loaders yield it, to a network's L and ab on the tensor's device.

    As rgb_to_L_ab, in fewer passes: the linear light of 256 values is known.
    """
    shape, device = rgb.shape[2:], rgb.device
    L, ab = (torch.empty(len(rgb), count, *shape, device=device) for count in (1, 2))
    # One by one, pictures stay in a processor's cache.
    count = 1 if device.type == "cpu" else max(1, len(rgb))
    with torch.autocast(device.type, enabled=False):
        for some, own_L, own_ab in zip(*(x.split(count) for x in (rgb, L, ab)), strict=True):
            linear = _linear_of_uint8(device).index_select(0, some.int().flatten())
            matrix = _matrix(device, linear.dtype, inverse=False)
            xyz = (matrix @ linear.view(some.shape).flatten(2)).view(some.shape)
            # The line touches the cube root at ROOT_END, and lies above it everywhere else.
            roots = _cube_roots_(xyz.clamp(min=ROOT_END))
            x, y, z = torch.minimum(roots, xyz.mul_(7.787).add_(4 / 29)).split(1, dim=1)
            torch.mul(y, 116 / L_HALF_RANGE, out=own_L).sub_(16 / L_HALF_RANGE + 1)
            torch.sub(x, y, out=own_ab[:, :1]).mul_(500 / AB_RANGE)
            torch.sub(y, z, out=own_ab[:, 1:]).mul_(200 / AB_RANGE)
    return L, ab


def _cube_roots_(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Take cube roots of positive values in place."""
    # numpy takes them in vectors with AVX-512 alone; with AVX2 it takes four times as long.
    if x.device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512":
        np.cbrt(x.numpy(), out=x.numpy())
        return x
    return _power_(x, 1 / 3)


@cache
def _linear_of_uint8(device: torch.device) -> Float[Tensor, "256"]:
    encoded = np.linspace(0, 1, 256)
    linear = np.where(encoded > 0.04045, ((encoded + 0.055) / 1.055) ** 2.4, encoded / 12.92)
    return torch.tensor(linear.tolist(), device=device)


def L_ab_to_uint8(
    L: Float[Tensor, "b 1 h w"], ab: Float[Tensor, "b 2 h w"]
) -> UInt8[Tensor, "b 3 h w"]:
    """Join a network's L and ab to 8-bit sRGB, rounded to the nearest value."""
    return (L_ab_to_rgb(L, ab) * 255).round().to(torch.uint8)


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()
