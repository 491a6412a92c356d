"""Generators as ONNX files: written, checked against PyTorch, and run by ONNX Runtime."""

import hashlib
import logging
import os
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from src import files
from src.colorizers.checkpoint import MAX_IMAGE_SIZE, TrainedGenerator
from src.errors import UserError

HINT = "pip install 'colorization[onnx]' brings it"
MAX_BYTES = 2_000_000_000  # what an ONNX file can be at most
LARGEST_ERROR = 1e-4  # of ab in [-1, 1]


class OnnxGenerator(nn.Module):
    """L -> ab by ONNX Runtime."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self._session = session

    def forward(self, L: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 h w"]:
        try:
            (ab,) = self._session.run(["ab"], {"L": L.cpu().contiguous().numpy()})
        # Of ONNX Runtime's own kinds, which share no parent but this.
        except Exception as error:
            raise RuntimeError(f"ONNX Runtime: {str(error).splitlines()[0]}") from None
        return torch.from_numpy(ab).to(L.device)


def load(path: Path) -> TrainedGenerator:
    """Load what `export` wrote.

    Raises: UserError: if ONNX Runtime is absent, or the file is missing, broken or foreign.
    """
    runtime = _runtime()
    if not path.is_file():
        raise UserError(f"no model at {path}")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path} is larger than an ONNX file can be")
    content = path.read_bytes()
    try:
        # From memory: such a model can name no other file to be read.
        network = OnnxGenerator(_session(runtime, content))
        told = network._session.get_modelmeta().custom_metadata_map
        image_size = int(told["image_size"])
        mean_ab = torch.tensor([float(value) for value in told["mean_ab"].split()])
        ab = network(torch.zeros(1, 1, 32, 32))
    except Exception as error:
        reason = (
            str(error).splitlines()[0] if isinstance(error, RuntimeError) else "not of src.export"
        )
        raise UserError(f"cannot use {path} as a model: {reason}") from None
    if not 0 < image_size <= MAX_IMAGE_SIZE or mean_ab.shape != (2,):
        raise UserError(f"{path} asks for pictures of {image_size} pixels: not believable")
    if ab.shape != (1, 2, 32, 32) or not bool(ab.isfinite().all()):
        raise UserError(f"{path} holds no working generator: it does not take L to ab")
    sha256 = hashlib.sha256(content).hexdigest()
    return TrainedGenerator(network, image_size, mean_ab, sha256)


def export(
    trained: TrainedGenerator, path: Path, checked_on: list[Float[Tensor, "_ 1 _ _"]]
) -> float:
    """Write a generator as ONNX with free batch, height and width.

    Args: checked_on: L that both must give the same ab for; else nothing is written.
    Returns: the largest difference of ab, in [-1, 1], between ONNX Runtime and PyTorch.
    Raises: UserError: if it is over LARGEST_ERROR, or a package is absent.
    """
    runtime = _runtime()
    try:
        import onnxscript  # noqa: F401  torch.onnx needs it
    except ImportError:
        raise UserError(f"exporting needs onnxscript and onnx: {HINT}") from None
    free = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, in four lines
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own parts to one another
        program = torch.onnx.export(
            trained.network, (torch.zeros(2, 1, 64, 96),), input_names=["L"], output_names=["ab"],
            dynamic_shapes=(free,), dynamo=True, verbose=False,
        )  # fmt: skip
    assert program is not None
    program.model.metadata_props.update(
        image_size=str(trained.image_size), checkpoint_sha256=trained.sha256,
        mean_ab=" ".join(str(float(value)) for value in trained.mean_ab),
    )  # fmt: skip
    content = program.model_proto.SerializeToString()
    network = OnnxGenerator(_session(runtime, content))
    with torch.inference_mode():
        error = max(float((network(L) - trained.network(L)).abs().max()) for L in checked_on)
    if not error <= LARGEST_ERROR:
        raise UserError(
            f"ONNX Runtime's ab is up to {error:.2g} from PyTorch's: expected at most "
            f"{LARGEST_ERROR:g}; nothing was written"
        )
    with files.whole(path) as partial:
        partial.write_bytes(content)
    return error


def _runtime() -> ModuleType:
    # Its official builds would keep a device's identifier and report what they run to Microsoft.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"ONNX needs the package onnxruntime: {HINT}") from None
    return onnxruntime


def _session(runtime: ModuleType, content: bytes) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what matters is raised as well
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that wait in a loop would take the cores from those that then paint the picture.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
