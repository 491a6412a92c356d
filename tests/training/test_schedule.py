import pytest
from torch import nn

from src.training.schedule import parameter_groups, rate


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


def test_a_network_without_pretrained_layers_is_one_group() -> None:
    network = nn.Linear(2, 2)
    groups = parameter_groups(network, 0.1, [], 0.5)
    assert groups == [{"params": [*network.parameters()], "lr": 0.1}]


@pytest.mark.parametrize(
    ("epoch", "expected"), [(0, 0), (0.25, 0.5), (0.5, 1), (5, 1), (7.5, 0.5), (10, 0), (11, 0)]
)
def test_the_rate_rises_stays_and_falls(epoch: float, expected: float) -> None:
    assert rate(epoch, 10, decay_share=0.5, warmup_epochs=0.5) == pytest.approx(expected)


def test_without_warmup_and_decay_the_rate_stays() -> None:
    assert rate(0, 10, 0, 0) == rate(9.9, 10, 0, 0) == rate(3, -1, 0.5, 0) == 1
