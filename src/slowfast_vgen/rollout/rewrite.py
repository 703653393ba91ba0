"""A memory written again for other weights, for example when `rooms-64@2` replaces `rooms-64@1`.

A ridge memory's journal holds frames, in the old world's latents, and the poses that they were seen from. The old
codec decodes them, the new one encodes them, and the new denoiser computes the features that the new memory keeps.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.images import frame_from_image
from slowfast_vgen.memory.columns import from_columns
from slowfast_vgen.memory.config import MemoryConfig
from slowfast_vgen.memory.episode import EpisodeMemory
from slowfast_vgen.memory.journal import Written
from slowfast_vgen.memory.ridge_memory import RidgeMemory
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.precision import computing
from slowfast_vgen.rollout.world import WorldModel


@dataclass(frozen=True)
class Rewritten:
    """A memory of the new weights, and what it lacks of the old one."""

    memory: EpisodeMemory
    num_frames: int
    """Number of frames that were written."""
    left_out: tuple[str, ...]
    """Descriptions of what could not be taken over, a sentence each."""


@torch.no_grad()
def rewritten(memory: EpisodeMemory, old: WorldModel, new: WorldModel) -> Rewritten:
    """Writes what a memory of `old` remembers into one of `new`, by the same ridge rule along the same path.

    Only frames in the journal can be shown again. What gradients learned belongs to the old weights and stays behind.

    Raises:
        UserError: a memory without a ridge part or without frames, one that is not of `old`, or a new world in which
            such a memory cannot act, or whose camera is another one.
    """
    source = memory.ridge
    if source is None:
        raise UserError(
            "a memory learned by gradients alone keeps no frames, so it cannot be rewritten for other weights; let a "
            "new session of the new world learn it"
        )
    if memory.base_fingerprint != old.model.fingerprint:
        raise UserError(f"the memory was not learned on the weights of {old.model.config.full_name}")
    if memory.base_fingerprint == new.model.fingerprint:
        raise UserError(f"the memory is of the weights of {new.model.config.full_name} already; load it as it is")
    fresh = new.fresh_memory(MemoryConfig(source.config), [0])
    target = None if fresh is None else fresh.ridge
    assert fresh is not None and target is not None
    scale = _scale(old, new)
    _check_camera(old, new)
    past = torch.empty(1, 0, *new.model.latent_shape, device=new.device)
    entries = source.journal
    for entry in entries:
        latents = _encoded(old, new, source, entry)
        past = torch.cat([past, latents], dim=1)[:, -new.model.config.num_past_frames :]
        with computing(new.device, new.precision):
            denoiser, levels = new.model.denoiser, past.new_zeros(past.shape[:2])
            features = denoiser.memory_features(denoiser.encode_past(past, levels))
        target.put(entry.chunk, entry.poses.to(new.device) * scale, latents, features, entry.tick)
    target.stand(source.pose.to(new.device) * scale, source.num_chunks, source.tick)
    return Rewritten(fresh, sum(entry.poses.shape[1] for entry in entries), _left_out(memory, source, entries))


def _check_camera(old: WorldModel, new: WorldModel) -> None:
    """Checks that the cameras of both worlds see the same from the same pose.

    Raises:
        UserError: one camera moves and the other does not, or their fields of view differ.
    """
    assert old.model.address is not None and new.model.address is not None
    seen = [_camera(old.model.address), _camera(new.model.address)]
    if seen[0] != seen[1]:
        names = [world.model.config.full_name for world in (old, new)]
        raise UserError(
            f"the camera of {names[0]} {seen[0]} and that of {names[1]} {seen[1]}, so the poses of this memory mean "
            "nothing there; rewrite it for a world with the same camera"
        )


def _camera(address: PlanarAddress) -> str:
    return "does not move" if address.is_still else f"moves and sees {address.config.fov_degrees:g} degrees"


def _scale(old: WorldModel, new: WorldModel) -> Tensor:
    """Factors for poses of the old world: a step may have another length in the new one."""
    assert old.model.address is not None and new.model.address is not None
    steps = old.model.address.config.step_units / new.model.address.config.step_units
    return torch.tensor([steps, steps, 1.0], device=new.device)


def _encoded(old: WorldModel, new: WorldModel, source: RidgeMemory, entry: Written) -> Tensor:
    """A chunk's frames in the new world's latents, `[1, frames, ...]`; other sizes are fitted like start images."""
    assert entry.values is not None
    shape = old.model.latent_shape
    novelty = torch.zeros(entry.values.shape[:3], device=entry.values.device)
    remembered = from_columns(entry.values, novelty, shape, source.memory_width)
    frames = old.model.codec.decode(remembered.latents[0]).cpu().numpy()
    if frames.shape[1:3] != new.frame_size:
        frames = np.stack([frame_from_image(frame, *new.frame_size) for frame in frames])
    return new.model.codec.encode(torch.from_numpy(frames).to(new.device))[None]


def _left_out(memory: EpisodeMemory, source: RidgeMemory, entries: list[Written]) -> tuple[str, ...]:
    notes = []
    missing = source.num_chunks - len({entry.chunk for entry in entries if entry.chunk >= 0})
    if missing:
        notes.append(f"{missing} of {source.num_chunks} chunks are forgotten, or older than the journal, and not in it")
    if memory.lora is not None:
        notes.append("what gradients learned belongs to the old weights and is not in it")
    return tuple(notes)
