"""What holds for every generator."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from src import export, losses
from src.colorizers import registry
from src.colorizers.checkpoint import build_generator
from src.generators.generator import Generator


def random_L(*shape: int) -> Tensor:
    return torch.rand(shape[0], 1, *shape[1:]) * 2 - 1


class GeneratorContract:
    """The tests of a generator: a class that derives from it names a small one's configuration."""

    config: ClassVar[dict[str, Any]]

    @pytest.fixture
    def network(self) -> Generator:
        """One in evaluation mode, whose batch norm has seen a batch."""
        torch.manual_seed(0)
        network = build_generator(self.config).train()
        for parameter in network.parameters():
            if parameter.ndim == 4 and not parameter.any():  # else nothing before it would matter
                torch.nn.init.normal_(parameter, std=0.1)
        network(random_L(4, 64, 64))
        return network.eval()

    @pytest.fixture
    def checkpoint(self, network: Generator, tmp_path: Path) -> Path:
        state = {f"generator.{key}": value for key, value in network.state_dict().items()}
        content = {
            "hyper_parameters": {"generator": self.config, "image_size": 64},
            "state_dict": state | {"mean_ab": torch.zeros(2)},
        }
        torch.save(content, tmp_path / "best.ckpt")
        return tmp_path / "best.ckpt"

    @pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 70), (37, 50), (64, 33)])
    def test_any_size_comes_back_as_ab_of_that_size(
        self, network: Generator, height: int, width: int
    ) -> None:
        ab = network(random_L(2, height, width))
        assert ab.shape == (2, 2, height, width)
        assert ab.abs().max() <= 1

    def test_in_evaluation_a_picture_is_always_colored_alike(self, network: Generator) -> None:
        L = random_L(3, 40, 40)
        together = network(L)
        assert torch.equal(network(L), together)
        torch.testing.assert_close(network(L[1:2]), together[1:2], atol=1e-5, rtol=0)

    def test_training_reaches_every_parameter_that_learns(self, network: Generator) -> None:
        L, real_ab = random_L(2, 50, 37), torch.rand(2, 2, 50, 37) * 2 - 1
        fake = network.train()(L)
        if network.deep_supervision:
            fake, real_ab = fake.flatten(0, 1), real_ab.repeat_interleave(fake.shape[1], dim=0)
        loss = losses.l1 if network.bins is None else network.bins.cross_entropy
        loss(fake, real_ab).backward()
        for name, parameter in network.named_parameters():
            if parameter.requires_grad:
                assert parameter.grad is not None, name
                assert parameter.grad.isfinite().all(), name

    def test_what_is_pretrained_is_what_published_weights_fill(self, network: Generator) -> None:
        before = {name: p.detach().clone() for name, p in network.named_parameters()}
        network.load_pretrained()
        filled = {name for name, p in network.named_parameters() if not p.equal(before[name])}
        pretrained = {id(p) for p in network.pretrained_parameters()}
        named = {name for name, p in network.named_parameters() if id(p) in pretrained}
        assert filled == named

    def test_a_checkpoint_brings_it_back(self, network: Generator, checkpoint: Path) -> None:
        L = random_L(1, 40, 40)
        # What is folded into its convolutions rounds otherwise.
        torch.testing.assert_close(registry.from_file(checkpoint)(L), network(L), atol=1e-5, rtol=0)

    @pytest.mark.slow
    @pytest.mark.usefixtures("untyped_shapes")
    def test_its_export_agrees_at_sizes_beyond_its_training(
        self, network: Generator, checkpoint: Path
    ) -> None:
        export.main([str(checkpoint), "--output", "model.onnx"])
        L = random_L(1, 300, 201)
        exported = registry.from_file(Path("model.onnx"))(L)
        torch.testing.assert_close(exported, network(L), atol=1e-4, rtol=0)

    @pytest.mark.slow
    @pytest.mark.usefixtures("untyped_shapes")
    def test_compiled_it_gives_the_same(self, network: Generator) -> None:
        L = random_L(2, 50, 37)
        expected = network(L)
        network.compile(backend="aot_eager")  # which needs no compiler of C++
        torch.testing.assert_close(network(L), expected, atol=1e-5, rtol=0)
