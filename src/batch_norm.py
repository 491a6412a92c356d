"""Batch norm over the batches of all ranks on the CPU, which torch.nn.SyncBatchNorm refuses."""

from typing import Any, cast

import torch
from jaxtyping import Float
from lightning.pytorch.plugins import LayerSync
from torch import Tensor, distributed, nn


class RankBatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d whose statistics are those of all ranks' batches together.

    The ranks' batches may differ in size. Source: Ioffe and Szegedy 2015; variances are joined as
    by Chan et al. 1979.
    """

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        with torch.no_grad():
            count, mean, variance = _over_ranks(x)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            cast(Tensor, self.num_batches_tracked).add_(1)
        return cast(
            Tensor,
            _Normalize.apply(x, self.weight, self.bias, mean, variance, count, self.eps),
        )


def _over_ranks(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the number of values of each channel on all ranks, their mean and their variance."""
    count = x.new_full((1,), x.numel() / x.shape[1])
    own = torch.cat([count, *torch.batch_norm_update_stats(x, None, None, 0.0)])
    all_own = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(all_own, own)
    counts, means, variances = torch.stack(all_own).split([1, x.shape[1], x.shape[1]], dim=1)
    total = counts.sum()
    mean = (counts * means).sum(0) / total
    variance = (counts * (variances + (means - mean).square())).sum(0) / total
    return total, mean, variance


class _Normalize(torch.autograd.Function):
    """Batch norm by given statistics, which depend on the x of every rank."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor,
        count: Tensor, eps: float,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(x, weight, mean, variance, count)
        ctx.eps = eps
        return nn.functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance, count = ctx.saved_tensors
        inverse = torch.rsqrt(variance + ctx.eps)
        # As if the statistics were constants; then what each x does through them.
        of_x, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradients[0], x, weight, mean, variance, None, None, False, ctx.eps, [True] * 3
        )
        sums = torch.cat([of_weight, of_bias])
        distributed.all_reduce(sums)
        all_of_weight, all_of_bias = sums.chunk(2)
        slope = weight * inverse.square() * all_of_weight / count
        offset = weight * inverse * all_of_bias / count - slope * mean
        of_x.addcmul_(x, -slope.view(1, -1, 1, 1)).sub_(offset.view(1, -1, 1, 1))
        return of_x, of_weight, of_bias, None, None, None, None


class CpuBatchNormSync(LayerSync):
    """What trainer.sync_batchnorm means on the CPU; the layers keep their parameters."""

    def apply(self, model: nn.Module) -> nn.Module:
        return _become(model, nn.BatchNorm2d, RankBatchNorm2d)

    def revert(self, model: nn.Module) -> nn.Module:
        return _become(model, RankBatchNorm2d, nn.BatchNorm2d)


def _become(model: nn.Module, before: type[nn.Module], after: type[nn.Module]) -> nn.Module:
    for module in model.modules():
        if type(module) is before:
            module.__class__ = after
    return model
