"""The rules of a sound episode, each with a name: used for both writing and checking."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slowfast_vgen.action_texts import length_fault
from slowfast_vgen.errors import UserError
from slowfast_vgen.types import Chunk, Poses

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Defect:
    """One thing wrong with a data set."""

    path: str
    """File or folder in which it was found."""
    code: str
    """Name of the defect, listed in docs/data-format.md."""
    message: str

    def __str__(self) -> str:
        """Returns the line that `slowfast data check` prints."""
        return f"{self.path}: {self.code}: {self.message}"


class DefectiveDataError(UserError):
    """Data that break the rules, with every defect found."""

    def __init__(self, defects: Sequence[Defect]) -> None:
        """Keeps `defects`, at least one; the message states the first."""
        more = f" (and {len(defects) - 1} more defects)" if len(defects) > 1 else ""
        super().__init__(f"{defects[0]}{more}")
        self.defects = tuple(defects)


def one_line(error: Exception) -> str:
    """Returns the message of an error, without the path of an operating system's, on one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())


def refuse(defects: Sequence[Defect]) -> None:
    """Raises DefectiveDataError if there is any defect."""
    if defects:
        raise DefectiveDataError(defects)


def require(path: Path) -> None:
    """Raises DefectiveDataError unless `path` is a file."""
    if not path.is_file():
        refuse([Defect(str(path), "missing-file", "the file is not there")])


def chunk_defects(path: Path, chunks: Sequence[Chunk], num_frames: int) -> list[Defect]:
    """Returns breaches of the rule that chunks tile frames 1 to `num_frames - 1` in order, each with a valid action."""
    defects = []

    def found(code: str, message: str) -> None:
        defects.append(Defect(str(path), code, message))

    covered = 1  # frame 0 is the start image and belongs to no chunk
    for number, chunk in enumerate(chunks):
        this = f"chunk {number}"
        if not chunk.action.strip():
            found("empty-action", f"{this} has no action; write what is done in it")
        if fault := length_fault(chunk.action):
            found("long-action", f"the action of {this} {fault}; shorten it")
        if any("\ud800" <= letter <= "\udfff" for letter in chunk.action + chunk.verb):
            found("bad-text", f"the action or verb of {this} is not valid Unicode text")
        frames = f"frames {chunk.start_frame} to {chunk.end_frame - 1}"
        if chunk.num_frames < 1:
            found("chunk-range", f"{this} has {chunk.num_frames} frames; it needs one at least")
        elif chunk.start_frame < 1 or chunk.end_frame > num_frames:
            found("chunk-range", f"{this} has {frames}; the episode's actions have frames 1 to {num_frames - 1}")
        elif chunk.start_frame > covered:
            found("chunk-gap", f"frames {covered} to {chunk.start_frame - 1}, before {this}, belong to no chunk")
        elif chunk.start_frame < covered:
            found("chunk-overlap", f"{this} has {frames}, but chunks before it reach to frame {covered - 1}")
        covered = max(covered, chunk.end_frame)
    if covered < num_frames:
        found("chunk-gap", f"frames {covered} to {num_frames - 1}, at the end, belong to no chunk")
    return defects


def pose_defects(path: Path, poses: Poses, num_frames: int) -> list[Defect]:
    """Returns breaches of the rule that each frame has one finite pose, with its heading in [0, 360)."""
    defects = []
    if len(poses) != num_frames:
        message = f"{len(poses)} poses for {num_frames} frames; there is one a frame"
        defects.append(Defect(str(path), "pose-count", message))
    unfit = ~np.isfinite(poses).all(axis=1)
    heading = poses[:, 2]
    turned = ~unfit & ~((heading >= 0) & (heading < 360))
    for code, rows, rule in (
        ("pose-not-finite", unfit, "is not finite"),
        ("heading-range", turned, "has its heading outside [0, 360) degrees"),
    ):
        if rows.any():
            first = int(np.argmax(rows))
            values = ", ".join(map(str, poses[first].tolist()))
            message = f"the pose of frame {first} ({values}) {rule}; {int(rows.sum())} such poses"
            defects.append(Defect(str(path), code, message))
    return defects
