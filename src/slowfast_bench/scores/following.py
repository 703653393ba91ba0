"""Does a chunk do what its action says? Teacher-forced: each chunk follows the true past. Without memory."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8

from slowfast_bench.cache import Progress
from slowfast_bench.paths.episodes import Outcomes
from slowfast_envs.actions import FRAMES_PER_CHUNK, VERBS
from slowfast_vgen.metrics.frames import chunk_distance, horizontal_shift, psnr
from slowfast_vgen.rollout import WorldModel
from slowfast_vgen.types import Episode, Frames

ROWS_PER_BATCH = 32
"""Episodes that go side by side."""
TURNS = {"turn_left": 1, "turn_right": -1}
"""Which way the picture moves: to the right when the camera turns left."""

PerChunk = Float[np.ndarray, "episodes chunks"]
Chunks = UInt8[np.ndarray, "episodes chunks f_g height width 3"]


@dataclass(frozen=True)
class Following:
    """One seed's scores, a value a chunk; NaN where a measure does not apply."""

    verb: Int64[np.ndarray, "episodes chunks"]
    """The action's index in `VERBS`."""
    direction: PerChunk
    """Turns only: 1 where the chunk is nearer to the true outcome of its own turn than to that of the other turn."""
    five_way: PerChunk
    """1 where, of the true outcomes of all five verbs, that of its own is the nearest. Outcomes that equal its own
    exactly, such as that of staying where a wall blocks the way, are no rivals."""
    flow: PerChunk
    """Turns only: 1 where the picture moves the right way from the last past frame to the first new one."""
    first_frame_psnr: PerChunk
    copy_psnr: PerChunk
    """Of the last past frame, taken for the first new one."""
    first_frame_gain: PerChunk
    """The difference of the two, where the true first frame is from another pose than the past's last."""
    chunk_psnr: PerChunk


def generate_chunks(
    world: WorldModel, episodes: Sequence[Episode], num_chunks: int, seed: int, progress: Progress
) -> Chunks:
    """Each of the first chunks from the true past before it and the episode's own words."""
    num_past, parts = world.model.config.num_past_frames, []
    for begin in range(0, len(episodes), ROWS_PER_BATCH):
        block = episodes[begin : begin + ROWS_PER_BATCH]
        frames = np.stack([one.frames[: 1 + FRAMES_PER_CHUNK * num_chunks] for one in block])
        latents = world.model.codec.encode(torch.from_numpy(frames).to(world.device))
        rollout = world.start_batch(frames[:, 0], False, row_seeds(seed, begin, len(block)))
        chunks = []
        for number in range(num_chunks):
            now = 1 + FRAMES_PER_CHUNK * number
            rollout.history, rollout.num_chunks = latents[:, max(0, now - num_past) : now], number
            new = rollout.step([one.chunks[number].action for one in block])
            chunks.append(world.model.codec.decode(new).cpu().numpy())
            progress(len(block))
        parts.append(np.stack(chunks, 1))
    return np.concatenate(parts)


def row_seeds(seed: int, first: int, count: int) -> list[int]:
    """Each episode's own seed: apart from the others', the same in every arm."""
    return [seed * 100_000 + first + row for row in range(count)]


def score_chunks(chunks: Chunks, episodes: Sequence[Episode], outcomes: Outcomes) -> Following:
    """Scores generated (or any) chunks against the true outcomes of all verbs."""
    rows = [slice(row, row + 1) for row in range(len(episodes))]  # one by one: floats of all would fill the memory
    parts = [_score(chunks[row], episodes[row], outcomes.rows(row)) for row in rows]
    names = [field.name for field in fields(Following)]
    return Following(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _score(chunks: Chunks, episodes: Sequence[Episode], outcomes: Outcomes) -> Following:
    num_chunks = chunks.shape[1]
    true = np.take_along_axis(outcomes.frames, outcomes.given[:, :, None, None, None, None, None], 2)[:, :, 0]
    past = np.stack([one.frames[: FRAMES_PER_CHUNK * num_chunks : FRAMES_PER_CHUNK] for one in episodes])
    first_psnr, copy_psnr = psnr(chunks[:, :, 0], true[:, :, 0]), psnr(past, true[:, :, 0])
    distance = np.stack([chunk_distance(chunks, outcomes.frames[:, :, verb]) for verb in range(len(VERBS))], -1)
    given = outcomes.given[..., None]
    own = np.take_along_axis(distance, given, -1)
    same = np.stack([(outcomes.frames[:, :, verb] == true).all((2, 3, 4, 5)) for verb in range(len(VERBS))], -1)
    left, right = VERBS.index("turn_left"), VERBS.index("turn_right")
    is_turn = np.isin(outcomes.given, (left, right))
    other_turn = np.where(outcomes.given == left, distance[..., right], distance[..., left])
    distinct = ~(outcomes.frames[:, :, left] == outcomes.frames[:, :, right]).all((2, 3, 4, 5))
    return Following(
        verb=outcomes.given,
        direction=_where(is_turn & distinct, own[..., 0] < other_turn),
        five_way=_where(np.asarray(~same.all(-1)), np.all(own < np.where(same, np.inf, distance), axis=-1)),
        flow=_where(is_turn, _flows(past, chunks[:, :, 0], outcomes)),
        first_frame_psnr=first_psnr,
        copy_psnr=copy_psnr,
        first_frame_gain=_where(outcomes.moves, first_psnr - copy_psnr),
        chunk_psnr=psnr(chunks, true).mean(-1),
    )


def _flows(past: Frames, first: Frames, outcomes: Outcomes) -> Bool[np.ndarray, "episodes chunks"]:
    right_way = np.zeros(outcomes.given.shape, bool)
    for index, verb in np.ndenumerate(outcomes.given):
        if (sign := TURNS.get(VERBS[verb])) is not None:
            right_way[index] = sign * horizontal_shift(past[index], first[index]) > 0
    return right_way


def _where(applies: Bool[np.ndarray, "episodes chunks"], values: np.ndarray) -> PerChunk:
    return np.where(applies, values.astype(np.float64), np.nan)
