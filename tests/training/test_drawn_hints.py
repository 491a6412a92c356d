import torch
from torch import Tensor

from src.training import drawn_hints


def lots(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def flat(batch: int = 32) -> Tensor:
    """Each picture in one colour of its own."""
    return torch.linspace(-0.5, 0.5, batch).view(-1, 1, 1, 1).expand(-1, 2, 24, 40).contiguous()


def test_hints_are_the_truths_colors_as_the_same_lot_draws_them_again() -> None:
    truth = flat()
    ab, mask = drawn_hints.drawn(truth, lots(3))
    torch.testing.assert_close(ab, truth * mask)
    again = drawn_hints.drawn(truth, lots(3))
    assert torch.equal(again[0], ab)
    assert torch.equal(again[1], mask)


def test_batches_have_few_hints_as_often_as_many_and_some_pictures_none() -> None:
    shares, without = [], 0.0
    for seed in range(24):
        _, mask = drawn_hints.drawn(flat(), lots(seed))
        covered = mask.flatten(1).sum(dim=1).float()
        shares.append(covered.max().item() / (24 * 40))
        without += (covered == 0).float().mean().item() / 24
    assert min(shares) < 0.06
    assert max(shares) > 0.3
    assert 0.03 < without < 0.1


def test_a_hint_is_one_color_in_a_small_square() -> None:
    noise = torch.rand(32, 2, 24, 40, generator=lots(0)) - 0.5
    seed = 1
    while int((drawn_hints.MOST + 1) ** torch.rand(1, generator=lots(seed))) > 1:
        seed += 1
    ab, mask = drawn_hints.drawn(noise, lots(seed))
    for own, where in zip(ab, mask[:, 0], strict=True):
        assert where.sum() <= 25
        if where.any():
            assert torch.equal(own[:, where], own[:, where][:, :1].expand(-1, int(where.sum())))
