"""Whether a network knows where it guesses: its uncertainty against its error."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.stats import rankdata
from torch import Tensor

from src import color, pace
from src.colorizers.colorizer import Colorizer
from src.evaluation.examples import Example, Examples
from src.evaluation.judge import read
from src.inference.alternatives import uncertainty
from src.inference.prediction import predict
from src.metrics import bootstrap
from src.metrics.bootstrap import Interval
from src.threads import side_by_side

SIDE = 32  # a picture is ranked by so many parts squared: neighbouring pixels tell nothing new


@dataclass
class Guesses:
    """Of pictures. Attributes: within: rank correlation; means: of uncertainty, and of error."""

    within: list[float] = field(default_factory=list)
    means: list[tuple[float, float]] = field(default_factory=list)

    def totals(self) -> dict[str, Interval]:
        """Return the rank correlation within a picture, their mean, and that over pictures."""
        mean, *_ = bootstrap.means(np.array(self.within)[:, None])
        uncertain, wrong = np.array(self.means).T
        between = _rank_correlation(uncertain, wrong) if len(self.means) > 1 else 0.0
        return {"within_pictures": mean, "over_pictures": Interval(between, None, None)}


def judge_guesses(
    colorizers: Mapping[str, Colorizer], examples: Examples, num_workers: int
) -> dict[str, dict[str, Interval]]:
    """Return the rank correlations of each colouriser's uncertainty and its error in ab."""

    @torch.inference_mode()
    def measured(example: Example) -> dict[str, tuple[float, float, float]]:
        if example.fault:
            return {}
        return {name: _measured(example, one) for name, one in colorizers.items()}

    found = {name: Guesses() for name in colorizers}
    each = side_by_side(measured, read(examples, num_workers))
    for own in pace.each(each, "judging uncertainty", len(examples), "pictures"):
        for name, (within, uncertain, wrong) in own.items():
            found[name].within.append(within)
            found[name].means.append((uncertain, wrong))
    return {name: guesses.totals() for name, guesses in found.items()}


def _measured(example: Example, colorizer: Colorizer) -> tuple[float, float, float]:
    ab = predict(example.samples, colorizer).ab
    _, real_ab = color.uint8_to_L_ab(torch.from_numpy(example.samples).permute(2, 0, 1)[None])
    apart = _parts(ab) - _parts(real_ab)
    wrong = apart.norm(dim=1).flatten().numpy() * color.AB_RANGE
    uncertain = _parts(uncertainty(example.samples, colorizer)[None, None]).flatten().numpy()
    return _rank_correlation(uncertain, wrong), float(uncertain.mean()), float(wrong.mean())


def _parts(maps: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c i j"]:
    return F.adaptive_avg_pool2d(maps, SIDE)


def _rank_correlation(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> float:
    """Return Spearman's; 0 where one of them is constant."""
    ranks = rankdata(one), rankdata(other)
    if min(np.ptp(own) for own in ranks) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])
