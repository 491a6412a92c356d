import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image
from torch import nn

from src import colorize, export
from src.colorizers import onnx as onnx_colorizer
from src.colorizers import registry, trained
from src.colorizers.trained import Trained
from src.generators.cnn import CNN
from src.inference.prediction import predict
from tests.conftest import ROOT
from tests.test_colorize import save_checkpoint


def untrained(network: nn.Module) -> Trained:
    return Trained(
        network=network.eval(), image_size=32, mean_ab=torch.zeros(2), sha256="0" * 64, name="new"
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with best.ckpt and the model.onnx that the command made of it."""
    folder = tmp_path_factory.mktemp("exported")
    save_checkpoint(folder / "best.ckpt")
    with pytest.MonkeyPatch.context() as monkeypatch:
        import jaxtyping

        monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
        export.main([f"{folder}/best.ckpt", "--output", f"{folder}/model.onnx"])
    return folder


@pytest.mark.parametrize("shape", [(1, 32, 32), (1, 1, 1), (3, 50, 37), (1, 9, 200)])
def test_batch_height_and_width_are_free(exported: Path, shape: tuple[int, int, int]) -> None:
    L = torch.rand(shape[0], 1, *shape[1:]) * 2 - 1
    model, loaded = (registry.from_file(exported / name) for name in ("best.ckpt", "model.onnx"))
    with torch.inference_mode():
        expected = model(L)
    torch.testing.assert_close(loaded(L), expected, atol=1e-5, rtol=0)


def test_the_file_alone_says_what_colorize_needs(exported: Path) -> None:
    model = trained.load(exported / "best.ckpt")
    loaded = registry.from_file(exported / "model.onnx")
    assert loaded.image_size == model.image_size
    assert loaded.mean_ab is not None
    assert torch.equal(loaded.mean_ab, model.mean_ab)
    assert loaded.sha256 != model.sha256
    told = onnx.load(exported / "model.onnx").metadata_props
    assert model.sha256 in {entry.value for entry in told}


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("a.safetensors", r"best\.ckpt has no branch hints: expected one of "),
        ("a.onnx", r"--branch hints: expected an --output of \.safetensors"),
    ],
)
def test_a_branch_that_cannot_be_written_is_told(
    exported: Path, output: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        export.main([f"{exported}/best.ckpt", "-o", output, "--branch", "hints"])
    assert re.search(said, capsys.readouterr().err)
    assert not Path(output).exists()


def test_a_photo_gets_the_colors_that_pytorch_gives(exported: Path, tmp_path: Path) -> None:
    Image.radial_gradient("L").save(tmp_path / "a.png")
    made = []
    for model in ("best.ckpt", "model.onnx"):
        with pytest.raises(SystemExit, match="0"):
            colorize.main(["a.png", "-o", model, "--checkpoint", str(exported / model)])
        made.append(np.asarray(Image.open(f"{model}/a.png")).astype(int))
    assert np.abs(made[0] - made[1]).max() <= 1


def test_onnx_runtime_reports_to_nobody(exported: Path, tmp_path: Path) -> None:
    Image.radial_gradient("L").save(tmp_path / "a.png")
    home = tmp_path / "home"
    home.mkdir()
    places = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    command = ["a.png", "-o", "out", "--checkpoint", str(exported / "model.onnx")]
    subprocess.run(
        [sys.executable, "-m", "src.colorize", *command],
        cwd=tmp_path,
        check=True,
        env={**os.environ, **places, "PYTHONPATH": str(ROOT)},
    )
    assert Path("out/a.png").is_file()
    assert not [*home.rglob("*")]  # where it would keep what it has yet to send


def test_a_model_that_disagrees_is_not_written(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Written:
        """What torch.onnx.export returned for the file that is there already."""

        def __init__(self) -> None:
            self.model_proto = onnx.load(exported / "model.onnx")
            self.model = self
            self.metadata_props: dict[str, str] = {}

    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: Written())
    pictures = export.pictures(32)
    assert len(pictures) > 5
    model = trained.load(exported / "best.ckpt")
    assert onnx_colorizer.export(model, tmp_path / "a.onnx", pictures) < 1e-5
    other = untrained(CNN(4))
    with pytest.raises(ValueError, match="nothing was written"):
        onnx_colorizer.export(other, tmp_path / "b.onnx", pictures)
    assert not (tmp_path / "b.onnx").exists()


def model(*weights: TensorProto, operation: str = "Add", **told: str) -> bytes:
    """A well-formed ONNX model that takes L to ab = (L + W, L + W)."""

    def sizes(channels: int) -> list[str | int | None]:
        return ["b", channels, "h", "w"]

    graph = helper.make_graph(
        [
            helper.make_node(operation, ["L", "W"], ["a"]),
            helper.make_node("Concat", ["a", "a"], ["ab"], axis=1),
        ],
        "g",
        [helper.make_tensor_value_info("L", TensorProto.FLOAT, sizes(1))],
        [helper.make_tensor_value_info("ab", TensorProto.FLOAT, sizes(2))],
        weights or [weights_of(1)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(made, {"image_size": "32", "mean_ab": "0 0"} | told)
    return bytes(made.SerializeToString())


def weights_of(*shape: int) -> TensorProto:
    return helper.make_tensor("W", TensorProto.FLOAT, shape, [0.5] * math.prod(shape))


def weights_in(place: str) -> TensorProto:
    """Weights that lie in another file, as a stranger may name any."""
    weights = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=[1])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=place)
    return weights


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "cannot use"),
        (b"rubbish", "cannot use"),
        (b"PK\x03\x04 zip", "cannot use"),
        (model(image_size="-3"), "not believable"),
        (model(image_size="many"), "not of src.export"),
        (model(mean_ab="1"), "not believable"),
        (model(mean_ab="nan nan"), "not believable"),
        (model(weights_in("/etc/passwd")), "cannot use"),
        (model(weights_in("beside.bin")), "cannot use"),
    ],
    ids=["empty", "text", "zip", "negative", "word", "lone", "nan", "outside", "beside"],
)
def test_damaged_foreign_and_hostile_models_are_refused_in_one_line(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    (tmp_path / "beside.bin").write_bytes(bytes(4))
    with pytest.raises(ValueError, match=fault) as refusal:
        registry.from_file(tmp_path / "a.onnx")
    assert "a.onnx" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_plain_model_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(model())
    loaded = registry.from_file(tmp_path / "a.onnx")
    assert predict(np.full((9, 9), 200, np.uint8), loaded).ab.shape == (1, 2, 32, 32)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["absent.ckpt", "-o", "a.onnx"], "absent.ckpt"),
        (["a.ckpt", "-o", "a.txt"], ".onnx"),
        (["rubbish.ckpt", "-o", "a.onnx"], "rubbish.ckpt"),
        (["a.ckpt", "b.ckpt", "-o", "a.onnx"], "2 checkpoints: expected an --output of .safet"),
    ],
)
def test_mistakes_end_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], fault: str
) -> None:
    (tmp_path / "rubbish.ckpt").write_text("rubbish")
    with pytest.raises(SystemExit, match="1"):
        export.main(words)
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert fault in said


@pytest.mark.parametrize("package", ["onnxruntime", "onnxscript"])
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ValueError, match=r"colorization\[onnx\]"):
        onnx_colorizer.export(untrained(CNN(4)), tmp_path / "a.onnx", [])


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx"])
def test_size_and_views_are_stored_with_the_weights(
    exported: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "pictures", lambda _: [torch.zeros(1, 1, 40, 40)])
    out = ["--output", str(tmp_path / name)]
    export.main([f"{exported}/best.ckpt", *out, "--size", "48", "--views", "6"])
    stored = registry.from_file(tmp_path / name)
    assert (stored.image_size, stored.views) == (48, 6)
    before = registry.from_file(exported / "best.ckpt")
    assert (before.image_size, before.views) == (32, 1)


def test_weights_alone_colour_as_the_checkpoint_does(exported: Path, tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    export.main([f"{exported}/best.ckpt", "--output", str(weights)])
    L = torch.rand(1, 1, 40, 40) * 2 - 1
    with torch.inference_mode():
        expected = registry.from_file(exported / "best.ckpt")(L)
        actual = registry.from_file(weights)(L)
    torch.testing.assert_close(actual, expected, atol=5e-3, rtol=0)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (model(weights_of(32, 32)), "ONNX Runtime: "),
        (model(weights_of(1), operation="Pow"), "no numbers"),
    ],
    ids=["of one size", "not finite"],
)
def test_a_model_that_fails_at_a_photo_is_reported_in_one_line_and_the_rest_goes_on(
    tmp_path: Path, content: bytes, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    for name in ("a.png", "b.png"):
        Image.radial_gradient("L").resize((70, 50)).save(tmp_path / name)
    with pytest.raises(SystemExit, match="1"):
        colorize.main(["a.png", "b.png", "-o", "out", "--checkpoint", "model.onnx"])
    printed = capsys.readouterr()
    assert [line.split(":")[0] for line in printed.err.splitlines()] == ["a.png", "b.png"]
    assert printed.err.count(fault) == 2
    assert printed.out == "0 coloured, 2 failed: out\n"
