import pytest
import torch
from torch import nn

from src.training.schedule import Plateau, averaging, parameter_groups, rate


class Half(nn.Module):
    """Three layers, of which the second is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(1, 1, bias=False) for _ in range(3))
        self.layers[1].requires_grad_(False)


def test_pretrained_layers_learn_slower_and_frozen_ones_not_at_all() -> None:
    network = Half()
    pretrained_layers = list(network.layers[:2].parameters())
    fresh, pretrained = parameter_groups(network, 0.1, pretrained_layers, 0.5)
    assert fresh == {"params": [network.layers[2].weight], "lr": 0.1}
    assert pretrained == {"params": [network.layers[0].weight], "lr": 0.05}


def test_biases_do_not_decay() -> None:
    network = nn.Linear(2, 2)
    biases, weights = parameter_groups(network, 0.1, [], 0.5)
    assert weights == {"params": [network.weight], "lr": 0.1}
    assert biases == {"params": [network.bias], "lr": 0.1, "weight_decay": 0.0}


def test_a_moving_average_soon_forgets_its_first_steps() -> None:
    average = averaging(0.999, learnt=False)
    mean, count = [torch.zeros(1)], [torch.tensor(0)]
    for step in range(1, 21):
        average(mean, [torch.ones(1)], torch.tensor(step))
        average(count, [torch.tensor(step)], torch.tensor(step))
    assert mean[0].item() > 0.99  # of 0.999 from the start it would be 0.02
    assert count[0].item() == 20
    average(mean, [torch.zeros(1)], torch.tensor(100_000))
    assert mean[0].item() == pytest.approx(0.999, abs=1e-3)


def test_a_moving_average_of_what_had_learnt_keeps_it() -> None:
    average = averaging(0.999, learnt=True)
    mean = [torch.zeros(1)]
    for step in range(1, 21):
        average(mean, [torch.ones(1)], torch.tensor(step))
    assert mean[0].item() == pytest.approx(1 - 0.999**20)


@pytest.mark.parametrize(
    ("epoch", "expected"), [(0, 0), (0.25, 0.5), (0.5, 1), (5, 1), (7.5, 0.5), (10, 0), (11, 0)]
)
def test_the_rate_rises_stays_and_falls(epoch: float, expected: float) -> None:
    assert rate(epoch, 10, decay_share=0.5, warmup_epochs=0.5) == pytest.approx(expected)


def test_without_warmup_and_decay_the_rate_stays() -> None:
    assert rate(0, 10, 0, 0) == rate(9.9, 10, 0, 0) == rate(3, -1, 0.5, 0) == 1


def test_the_rate_falls_to_a_tenth_on_each_plateau() -> None:
    plateau = Plateau(patience=2)
    shares = []
    for figure in (9.0, 8.0, 8.5, 7.0, 7.0, 7.5, 7.2, 6.0, 6.1, 6.2):
        plateau.see(figure)
        shares.append(plateau.share)
    assert shares == pytest.approx([1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01])
