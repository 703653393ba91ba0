"""The record of its training in a denoiser's folder: what it predicts, and the frames it was trained on."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slowfast_vgen.errors import UserError
from slowfast_vgen.files import read_json, write_json
from slowfast_vgen.models.settings import check_target
from slowfast_vgen.models.weights import RECORD_FILE, PartFiles

MOST = 100_000
_WORLD_INDEX = "model_index.json"


@dataclass(frozen=True)
class TrainingRecord:
    """The format of the frames that a denoiser was trained on, and what it predicts."""

    target: str
    """`epsilon`, `v_prediction` or `flow`."""
    frame_height: int
    """Height of a frame in pixels."""
    frame_width: int
    """Width of a frame in pixels."""
    num_past_frames: int
    """Frames of the past, `f_p`."""
    num_new_frames: int
    """Frames of a chunk, `f_g`."""
    fps: float | None = None
    """Frames per second; None where the data had several rates."""

    def __post_init__(self) -> None:
        check_target(self.target)
        counts = {name: value for name, value in asdict(self).items() if name not in ("target", "fps")}
        if bad := [name for name, value in counts.items() if type(value) is not int or not 0 < value <= MOST]:
            shown = f"{counts[bad[0]]!r:.80}"
            raise UserError(f"a training record's {bad[0]} is {shown}; it must be a whole number from 1 to {MOST}")
        if self.fps is not None and not (type(self.fps) in (int, float) and 0 < self.fps <= MOST):
            raise UserError(f"a training record's fps is {self.fps!r:.80}; it must be a number above 0")


def write_record(folder: Path, record: TrainingRecord) -> None:
    """Writes the record into the folder of a denoiser."""
    write_json(folder / RECORD_FILE, asdict(record))


def read_record(part: PartFiles) -> TrainingRecord | None:
    """The training record among a denoiser's files, or the one of the packed world whose `denoiser` it is.

    None for the folder of a training from before there were records: it predicts the flow, whatever else is unknown.

    Raises:
        UserError: a record that cannot be read.
    """
    folder = part.folder
    path = folder / RECORD_FILE
    try:
        if RECORD_FILE in part.files:
            return TrainingRecord(**part.json(RECORD_FILE))
        index = folder.parent / _WORLD_INDEX
        if folder.name == "denoiser" and index.is_file():
            return _of_world(read_json(index)["world"])
    except (TypeError, KeyError, AttributeError, UserError) as error:
        raise UserError(f"{path} is no record of a training ({error}); train the denoiser again") from error
    return None


def _of_world(settings: dict[str, Any]) -> TrainingRecord:
    """The record that a packed world's settings give; settings that it leaves out have the format's defaults."""
    defaults: dict[str, Any] = {
        "target": "flow",
        "frame_height": 64,
        "frame_width": 64,
        "num_past_frames": 4,
        "num_new_frames": 4,
        "fps": 10.0,
    }
    return TrainingRecord(**{name: settings.get(name, default) for name, default in defaults.items()})
