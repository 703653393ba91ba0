"""One training run: optimiser, learning rate, EMA, log, validation, checkpoints. What is trained is the caller's."""

import json
import math
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from tqdm import tqdm

from slowfast_vgen.allocator import keep_freed_memory
from slowfast_vgen.diffusion.noising import Rows
from slowfast_vgen.errors import SlowFastWarning, UserError
from slowfast_vgen.extras import needs
from slowfast_vgen.files import append_text, atomic_path, hold_folder
from slowfast_vgen.models.weights import check_part_target, save_part
from slowfast_vgen.precision import computing
from slowfast_vgen.train.checkpoint import Progress, is_checkpoint, load_checkpoint, save_checkpoint
from slowfast_vgen.train.settings import OptimisationConfig
from slowfast_vgen.train.tracking import Tracker

with needs("train"):
    from accelerate import PartialState
    from accelerate.utils import reduce

LOG_FILE = "log.jsonl"


@dataclass(frozen=True)
class Share:
    """Which part of a batch one of several processes computes."""

    index: int = 0
    count: int = 1

    def rows(self, size: int) -> Rows:
        """Its rows of a batch of `size`.

        Raises:
            UserError: the batch cannot be dealt out evenly.
        """
        if size % self.count:
            raise UserError(f"a batch of {size} cannot be dealt out evenly to {self.count} processes; change one")
        length = size // self.count
        return torch.arange(length * self.index, length * (self.index + 1))


ALL = Share()
"""The whole batch, in a training by one process."""


@dataclass(frozen=True)
class Step:
    """What the loss of one step is drawn by: its number alone, so that a resumed run repeats an uninterrupted one."""

    number: int
    rng: np.random.Generator
    generator: torch.Generator
    share: Share = ALL

    @classmethod
    def of(cls, seed: int, number: int, share: Share = ALL) -> "Step":
        """The step of this number in a training of this seed."""
        rng = np.random.default_rng((seed, number))
        return cls(number, rng, torch.Generator().manual_seed(int(rng.integers(2**62))), share)


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Ctrl-C and a termination are held back until the block ends, so that what is saved then is of one piece."""
    if threading.current_thread() is not threading.main_thread():  # no other thread is ever interrupted
        yield
        return
    held: list[int] = []
    with ExitStack() as stack:  # a signal that comes between two of its steps leaves none of them out
        for number in (signal.SIGTERM, signal.SIGINT):
            stack.callback(signal.signal, number, signal.getsignal(number) or signal.SIG_DFL)
            signal.signal(number, lambda number, _: held.append(number))
        yield
    if held:
        signal.raise_signal(held[0])


def _step_of(line: str) -> float:
    """The step that a line of the log tells of; of a line that broke off, one that is never reached."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return math.inf


def _plain(value: Any) -> object:
    """What the description of a run keeps of a setting that is no JSON; its optimisation is described once."""
    if isinstance(value, OptimisationConfig):
        return None
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    return json.loads(value.to_json_string())  # a module with a configuration, as all of ours


def _finite(figures: dict[str, float], step: int) -> dict[str, float | None]:
    """The figures of a validation, None for those that JSON cannot tell, of which is warned."""
    for name, value in figures.items():
        if not math.isfinite(value):
            warnings.warn(f"{name} is {value} at step {step}; the log tells null", SlowFastWarning, stacklevel=2)
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


class TrainingRun:
    """Runs `loss(step)` for `num_steps` steps over the parameters of `module`.

    `loss` gives the parts of a step's loss one by one; each is differentiated before the next is asked for, so that a
    long unroll needs the memory of its largest part only. Under `accelerate launch` each process computes its `share`
    of every batch, and the gradients are averaged; the first process alone validates and writes.

    Every random choice of `loss` must come from its `Step`. Writes `log.jsonl` (a line a validation) and `checkpoint/`
    into `folder`. A run is resumed only with the same `description`: JSON values, dataclasses and configured modules.
    `held_out`, where the data to validate on was taken out of the data to learn from, says how, and belongs to it.
    """

    def __init__(
        self,
        module: nn.Module,
        optimisation: OptimisationConfig,
        folder: Path,
        loss: Callable[[Step], Iterator[Tensor]],
        validate: Callable[[], dict[str, float]],
        description: Mapping[str, object],
        held_out: Mapping[str, object] | None = None,
    ) -> None:
        self.module, self.optimisation, self.folder = module, optimisation, folder
        self.loss, self.validate = loss, validate
        self.processes = PartialState(cpu=next(module.parameters()).device.type == "cpu")
        self.share = Share(self.processes.process_index, self.processes.num_processes)
        self.parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=optimisation.learning_rate, betas=(0.9, 0.99), weight_decay=optimisation.weight_decay
        )
        self.ema = EMAModel(self.parameters, decay=optimisation.ema_decay, foreach=True)
        # Only what changes the weights must match on resuming.
        moving: dict[str, object] = asdict(optimisation) | {"checkpoint_minutes": None}
        del moving["tracker"]
        described: dict[str, object] = {**description, "optimisation": moving}
        described |= {} if held_out is None else {"held out": dict(held_out)}
        self.description: dict[str, object] = json.loads(json.dumps(described, default=_plain))
        self.progress = Progress()
        self.tracker = Tracker()

    @contextmanager
    def ema_weights(self) -> Iterator[None]:
        """The module carries the averaged weights inside the block."""
        self.ema.store(self.parameters)
        try:
            self.ema.copy_to(self.parameters)
            yield
        finally:
            self._take_weights_back()

    def _take_weights_back(self) -> None:
        """Ends `ema_weights`, wherever it was broken off: while weights are stored there, those are the true ones."""
        if self.ema.temp_stored_params is not None:
            self.ema.restore(self.parameters)

    def train_part(
        self,
        name: str,
        write: Callable[[Path], None] | None = None,
        complete: Callable[[], object] = lambda: None,
    ) -> None:
        """Trains to the end, leaves the averaged weights in the module, and saves it as the part `name` of the run.

        Args:
            name: of the part's folder in the run's, such as "denoiser".
            write: see `save_part`.
            complete: done with the averaged weights before they are saved, by every process.

        Raises:
            UserError: as `run`; or that folder holds something else, which is told before the first step.
        """
        check_part_target(self.folder / name)
        self.run()
        self.ema.copy_to(self.parameters)
        complete()
        if self.processes.is_main_process:
            save_part(self.folder / name, self.module, write)
        self.processes.wait_for_everyone()

    def run(self) -> None:
        """Trains to the end, from the checkpoint where there is one.

        Raises:
            UserError: the checkpoint belongs to other settings, another program trains in the folder, or loss, gradient
                or weights are no longer finite; the last sound checkpoint is kept.
        """
        keep_freed_memory()
        with hold_folder(self.folder) if self.processes.is_main_process else nullcontext():
            try:
                self._run(self.folder / "checkpoint")
            finally:
                self.tracker.finish()

    def _run(self, checkpoint: Path) -> None:
        self._take_weights_back()
        self.optimizer.zero_grad(set_to_none=True)  # a step may have been broken off
        if is_checkpoint(checkpoint):
            self.progress = load_checkpoint(checkpoint, self.module, self.ema, self.optimizer, self.description)
            if self.processes.is_main_process:
                self._cut_log()
        if self.processes.is_main_process:
            self.tracker = Tracker(self.optimisation.tracker, self.folder, self.description)
        progress, num_steps = self.progress, self.optimisation.num_steps
        saved = time.monotonic()
        started = saved - progress.seconds
        quiet = not self.processes.is_main_process
        with tqdm(total=num_steps, initial=progress.step, unit="step", dynamic_ncols=True, disable=quiet) as bar:
            try:
                self._log_if_due()  # the run may have been stopped while it validated
                while progress.step < num_steps:
                    self._take_step()
                    progress.seconds = time.monotonic() - started
                    bar.update()
                    if figures := self._log_if_due():
                        bar.set_postfix(figures)
                    last = progress.step == num_steps
                    if time.monotonic() - saved > 60 * self.optimisation.checkpoint_minutes or last:
                        self._save(checkpoint)
                        saved = time.monotonic()
            except KeyboardInterrupt:
                self._save(checkpoint)
                raise

    def _autocast(self) -> AbstractContextManager[object]:
        return computing(self.parameters[0].device, self.optimisation.precision)

    def _take_step(self) -> None:
        step = self.progress.step
        for group in self.optimizer.param_groups:
            group["lr"] = self.optimisation.learning_rate_at(step)
        self.module.train()
        value = self._differentiate(step)
        if not math.isfinite(value):
            raise UserError(
                f"{self.folder}: the loss is {value} at step {step}; start again with a smaller --learning-rate "
                "in a new --out"
            )
        norm = float(nn.utils.clip_grad_norm_(self.parameters, self.optimisation.clip_norm))
        if not math.isfinite(norm):
            raise UserError(
                f"{self.folder}: the gradient is {norm} at step {step}; start again with a smaller --learning-rate "
                "in a new --out"
            )
        with _interrupts_wait():
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.ema.step(self.parameters)
            self.progress.step += 1
            self.progress.recent_losses.append(value)

    def _differentiate(self, step: int) -> float:
        """Fills the gradients of all parts of the loss, averaged over the processes; returns the loss."""
        total = torch.zeros((), device=self.parameters[0].device)
        parts = self.loss(Step.of(self.optimisation.seed, step, self.share))
        while True:
            with self._autocast():
                part = next(parts, None)
            if part is None:
                break
            total += part.detach()
            if not bool(part.detach().isfinite()):
                break  # nothing may learn from it
            part.backward()
        if self.share.count > 1:
            total = reduce(total, "mean")
            if bool(total.isfinite()):
                for parameter in self.parameters:
                    if parameter.grad is not None:  # the same ones on every process: shares differ in rows alone
                        parameter.grad = reduce(parameter.grad, "mean")
        return float(total)

    def _log_if_due(self) -> dict[str, float]:
        step, recent = self.progress.step, self.progress.recent_losses
        if not recent or (step % self.optimisation.validate_every and step < self.optimisation.num_steps):
            return {}
        if not self.processes.is_main_process:
            recent.clear()
            self.processes.wait_for_everyone()
            return {}
        self.module.eval()
        figures = self._validate_averaged()
        loss = {"loss": sum(recent) / len(recent)}
        record = {"step": step, "seconds": round(self.progress.seconds, 1)} | loss | _finite(figures, step)
        self.tracker.log({name: value for name, value in record.items() if name != "step"}, step)
        with _interrupts_wait():
            append_text(self.folder / LOG_FILE, json.dumps(record) + "\n")
            recent.clear()
        self.processes.wait_for_everyone()
        return loss | figures

    @torch.no_grad()
    def _validate_averaged(self) -> dict[str, float]:
        with self.ema_weights():
            return self.validate()

    def _cut_log(self) -> None:
        """Takes out the lines written after the checkpoint: its steps are taken, and logged, again."""
        path = self.folder / LOG_FILE
        lines = path.read_text(errors="replace").splitlines(keepends=True) if os.path.isfile(path) else []
        kept = [line for line in lines if _step_of(line) <= self.progress.step]
        if len(kept) < len(lines):
            with atomic_path(path) as temporary:
                temporary.write_text("".join(kept))

    def _save(self, checkpoint: Path) -> None:
        if not self.processes.is_main_process:
            return
        self._take_weights_back()
        save_checkpoint(checkpoint, self.module, self.ema, self.optimizer, self.progress, self.description)
