"""What ends a training at its first step, and imports nothing that the training does not."""

import os
from typing import Any

from lightning.pytorch.callbacks import Callback


class StopAtFirstStep(Callback):
    def on_train_batch_start(self, *_: Any) -> None:
        os._exit(0)
