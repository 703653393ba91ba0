"""One training run: optimiser, learning rate, EMA, log, validation, checkpoints, resuming. What is trained is the caller's."""

import ctypes
import json
import math
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from tqdm import tqdm

from slowfast_vgen.errors import UserError
from slowfast_vgen.train.checkpoint import HEADER_FILE, load_checkpoint, save_checkpoint


@dataclass(frozen=True)
class OptimisationConfig:
    """How any of our trainings moves its weights."""

    num_steps: int
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    decay_share: float = 0.4
    """Share of the steps, at the end, over which the learning rate falls linearly to zero."""
    weight_decay: float = 0.01
    ema_decay: float = 0.998
    clip_norm: float = 1.0
    seed: int = 0
    validate_every: int = 250
    """Steps between two validations."""
    checkpoint_minutes: float = 5.0

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise UserError(f"a training needs at least 1 step, got {self.num_steps}")
        if not 0 < self.learning_rate < 1:
            raise UserError(f"the learning rate must lie between 0 and 1, got {self.learning_rate}")

    def learning_rate_at(self, step: int) -> float:
        """Warm-up, plateau, linear decay to zero.

        >>> config = OptimisationConfig(num_steps=1000, learning_rate=0.1, warmup_steps=10, decay_share=0.5)
        >>> [round(config.learning_rate_at(step), 3) for step in (0, 9, 400, 750, 1000)]
        [0.01, 0.1, 0.1, 0.05, 0.0]
        """
        decay_start = self.num_steps * (1 - self.decay_share)
        remaining = (self.num_steps - step) / max(1.0, self.num_steps - decay_start)
        return self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup_steps), max(0.0, remaining))


def keep_memory_mapped() -> None:
    """Tells glibc to keep freed blocks: returning 10 MB activations to the system at every layer costs up to half of the time."""
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return  # another C library: only slower
    m_trim_threshold, m_mmap_threshold = -1, -3
    libc.mallopt(m_mmap_threshold, 1 << 30)
    libc.mallopt(m_trim_threshold, (1 << 31) - 1)


class TrainingRun:
    """Runs `loss(step)` for `num_steps` steps over the parameters of `module`.

    Every random choice of `loss` must come from the step's number, so that a resumed run repeats an uninterrupted one exactly.
    Writes `log.jsonl` (a line a validation) and `checkpoint/` into `folder`.
    """

    def __init__(
        self,
        module: nn.Module,
        optimisation: OptimisationConfig,
        folder: Path,
        loss: Callable[[int], Tensor],
        validate: Callable[[], dict[str, float]],
        description: dict[str, object],
    ) -> None:
        self.module, self.optimisation, self.folder = module, optimisation, folder
        self.loss, self.validate = loss, validate
        self.parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=optimisation.learning_rate, betas=(0.9, 0.99), weight_decay=optimisation.weight_decay
        )
        self.ema = EMAModel(self.parameters, decay=optimisation.ema_decay, foreach=True)
        # Only what changes the weights must match on resuming.
        self.description: dict[str, object] = json.loads(
            json.dumps(description | {"optimisation": asdict(optimisation) | {"checkpoint_minutes": None}})
        )
        self.step = 0
        self.seconds = 0.0

    @contextmanager
    def ema_weights(self):
        """The module carries the averaged weights inside the block."""
        self.ema.store(self.parameters)
        self.ema.copy_to(self.parameters)
        try:
            yield
        finally:
            self.ema.restore(self.parameters)

    def run(self) -> None:
        """Trains to the end, from the checkpoint where there is one.

        Raises:
            UserError: the checkpoint belongs to other settings, or the loss is no longer finite.
        """
        keep_memory_mapped()
        self.folder.mkdir(parents=True, exist_ok=True)
        checkpoint = self.folder / "checkpoint"
        if (checkpoint / HEADER_FILE).exists():
            self.step = load_checkpoint(checkpoint, self.module, self.ema, self.optimizer, self.description)
            self.seconds = self._seconds_logged()
        saved = started = time.monotonic()
        already = self.seconds
        recent: list[float] = []
        with tqdm(total=self.optimisation.num_steps, initial=self.step, unit="step", dynamic_ncols=True) as progress:
            try:
                while self.step < self.optimisation.num_steps:
                    recent.append(self._take_step())
                    self.seconds = already + time.monotonic() - started
                    progress.update()
                    last = self.step == self.optimisation.num_steps
                    if self.step % self.optimisation.validate_every == 0 or last:
                        progress.set_postfix(self._log(sum(recent) / len(recent)))
                        recent.clear()
                    if time.monotonic() - saved > 60 * self.optimisation.checkpoint_minutes or last:
                        self._save(checkpoint)
                        saved = time.monotonic()
            except KeyboardInterrupt:
                self._save(checkpoint)
                raise

    def _take_step(self) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.optimisation.learning_rate_at(self.step)
        self.module.train()
        loss = self.loss(self.step)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise UserError(
                f"the loss is {value} at step {self.step}; resume from the checkpoint with a smaller --learning-rate in a new --out"
            )
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.optimisation.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.step(self.parameters)
        self.step += 1
        return value

    def _log(self, loss: float) -> dict[str, float]:
        self.module.eval()
        with self.ema_weights(), torch.no_grad():
            figures = self.validate()
        record = {"step": self.step, "seconds": round(self.seconds, 1), "loss": loss} | figures
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")
        return {"loss": loss} | figures

    def _seconds_logged(self) -> float:
        path = self.folder / "log.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return float(json.loads(lines[-1])["seconds"]) if lines else 0.0

    def _save(self, checkpoint: Path) -> None:
        save_checkpoint(checkpoint, self.module, self.ema, self.optimizer, self.step, self.description)
