"""ICC profiles: from what a file's samples mean to sRGB."""

import io
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageCms

STRIP = 256  # rows; a whole scan at once would be in memory twice


@cache
def srgb() -> bytes:
    """The profile that every written file carries."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def to_srgb(samples: NDArray[Any], profile: bytes | None) -> NDArray[Any]:
    """Convert samples to sRGB; one that is broken or of another kind changes nothing.

    Args: samples: uint8 or uint16, (h, w) of grey or (h, w, 3); changed in place where possible.
    """
    if not profile or _is_srgb(profile):
        return samples
    try:
        return _of_grey(samples, profile) if samples.ndim == 2 else _of_rgb(samples, profile)
    except (RuntimeError, ValueError):  # of imagecodecs; the samples themselves are still good
        return samples


def _is_srgb(profile: bytes) -> bool:
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return "sRGB" in ImageCms.getProfileDescription(opened)
    except (ImageCms.PyCMSError, OSError):
        return True  # broken: nothing to convert by


def _of_grey(samples: NDArray[Any], profile: bytes) -> NDArray[Any]:
    import imagecodecs

    # A grey picture has no more values than its type: convert those.
    values = np.arange(np.iinfo(samples.dtype).max + 1, dtype=samples.dtype)[None]
    rgb = imagecodecs.cms_transform(
        values, profile, srgb(), colorspace="gray", outcolorspace="rgb", outdtype=samples.dtype
    )
    return rgb[0, :, 1][samples]


def _of_rgb(samples: NDArray[Any], profile: bytes) -> NDArray[Any]:
    import imagecodecs

    samples = np.require(samples, requirements=["C", "W"])
    for top in range(0, len(samples), STRIP):
        strip = samples[top : top + STRIP]
        samples[top : top + STRIP] = imagecodecs.cms_transform(
            strip, profile, srgb(), colorspace="rgb", outcolorspace="rgb", outdtype=strip.dtype
        )
    return samples
