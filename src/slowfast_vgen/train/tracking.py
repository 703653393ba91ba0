"""Trackers of experiments that accelerate knows: they get what is logged of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slowfast_vgen.errors import UserError
from slowfast_vgen.extras import needs

with needs("train"):
    from accelerate import Accelerator
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
    from accelerate.utils import LoggerType


def check_tracker(name: str | None) -> None:
    """Refuses a tracker that accelerate does not know, or that is not installed.

    Raises:
        UserError: see above.
    """
    if name is None:
        return
    known = sorted({str(each) for each in LOGGER_TYPE_TO_CLASS})
    if name not in known:
        raise UserError(f"there is no tracker {name!r:.80}; choose one of {', '.join(known)}")
    if name in LoggerType.list() and name not in map(str, get_available_trackers()):
        how = "'slowfast-vgen[trackers]'" if name == str(LoggerType.TENSORBOARD) else f"{name} or leave out --tracker"
        raise UserError(f"the tracker {name} is not installed; install it with: pip install {how}")


class Tracker:
    """A tracker of one run; without a name, none."""

    def __init__(
        self, name: str | None = None, folder: Path = Path(), description: Mapping[str, Any] | None = None
    ) -> None:
        check_tracker(name)
        self._accelerator: Any = None
        if name is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._accelerator = Accelerator(log_with=name, project_dir=folder)
            self._accelerator.init_trackers("tracker", dict(_scalars(description or {})))

    def log(self, figures: Mapping[str, float | None], step: int) -> None:
        """Logs the metrics of a step; those that are not finite are left out."""
        if self._accelerator is not None:
            finite = {name: value for name, value in figures.items() if value is not None}
            self._accelerator.log(finite, step=step)

    def finish(self) -> None:
        """Ends the tracker's own run."""
        if self._accelerator is not None:
            self._accelerator.end_training()


def _scalars(values: Mapping[str, Any], within: str = "") -> Any:
    """The settings one by one, such as `optimisation/num_steps`, as trackers take them."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{within}{name}/")
        elif isinstance(value, int | float | str):
            yield f"{within}{name}", value
