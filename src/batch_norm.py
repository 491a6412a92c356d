"""Batch norm over the batches of all ranks on the CPU, which torch.nn.SyncBatchNorm refuses."""

from typing import Any, cast

import torch
from jaxtyping import Float
from lightning.pytorch.plugins import LayerSync
from torch import Tensor, distributed, nn


class RankBatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d whose statistics are those of all ranks' batches together.

    The ranks' batches may differ in size. Source: Ioffe and Szegedy 2015, with sums over ranks.
    """

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        count = x.new_full((1,), x.numel() / x.shape[1])
        sums = torch.cat([count, x.sum(dim=(0, 2, 3)), x.square().sum(dim=(0, 2, 3))])
        count, total, squares = _SumOverRanks.apply(sums).split([1, x.shape[1], x.shape[1]])
        mean = total / count
        variance = squares / count - mean.square()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            cast(Tensor, self.num_batches_tracked).add_(1)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return x * scale.view(1, -1, 1, 1) + (self.bias - mean * scale).view(1, -1, 1, 1)


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, own: Tensor) -> Tensor:
        total = own.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        # Each rank's sums are part of every rank's loss.
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total


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
