"""Forgetting, going back and merging against a reference in float64 that writes only what should remain."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import shaken
from torch import Tensor

from slowfast_vgen.errors import UserError
from slowfast_vgen.memory.episode import EpisodeMemory
from slowfast_vgen.memory.ridge import RidgeConfig
from slowfast_vgen.memory.ridge_memory import RidgeMemory
from slowfast_vgen.models.addressing.address import PlanarAddress
from slowfast_vgen.models.world_model import WorldWeights
from slowfast_vgen.rollout import Session, WorldModel

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
CLOSE: dict[str, float] = {"rtol": 0, "atol": 2e-5}
Entry = tuple[Tensor, Tensor]
"""Addresses and values of one write, float64."""


@pytest.fixture(scope="module")
def world(ridge_world: WorldModel) -> WorldModel:
    """A ridge world whose path moves."""
    model = ridge_world.model
    address = shaken(lambda: PlanarAddress(key_width=64), size=0.3).eval().requires_grad_(False)
    return WorldModel(WorldWeights(replace(model.config, num_sampling_steps=1), *_parts(model), address))  # type: ignore[arg-type]


def _parts(model: WorldWeights) -> tuple[Any, ...]:
    return model.codec, model.denoiser, model.text_encoder


def walked(world: WorldModel, config: RidgeConfig, actions: str, seed: int = 1) -> Session:
    """See `continue_walk`."""
    session = world.start(IMAGE, memory=config, seed=seed)
    continue_walk(session, actions)
    return session


def continue_walk(session: Session, actions: str) -> None:
    """l, r, f, b: turn left or right, go forward or back."""
    texts = {"l": "turn left", "r": "turn right", "f": "go forward", "b": "go back"}
    for letter in actions:
        session.step(texts[letter])


def ridge(memory: EpisodeMemory | None) -> RidgeMemory:
    assert memory is not None and memory.ridge is not None
    return memory.ridge


def entries(memory: RidgeMemory) -> dict[int, Entry]:
    """What is in the journal by chunk number."""
    found = {}
    for each in memory.journal:
        assert each.values is not None
        found[each.chunk] = memory.keys(each.poses)[0].double(), each.values.flatten(1, 2)[0].double()
    return found


def reference(config: RidgeConfig, writes: list[Entry | None]) -> tuple[Tensor, Tensor]:
    """`C` and `D` after writing these in turn; None stands for a chunk that only lets time pass."""
    width, value_width = next((keys.shape[1], values.shape[1]) for keys, values in filter(None, writes))
    gram = torch.zeros(width, width, dtype=torch.float64)
    cross = torch.zeros(width, value_width, dtype=torch.float64)
    for write in writes:
        if write is not None:
            keys, values = write
            solved = torch.linalg.solve(gram + config.ridge * torch.eye(width), keys.T).T
            novelty = config.ridge * (solved * keys).sum(1)
            weights = (novelty / config.familiar).clamp(max=1).square() if config.familiar else torch.ones(len(keys))
        gram, cross = gram * (1 - config.forgetting), cross * (1 - config.forgetting)
        if write is not None:
            gram, cross = gram + (keys * weights[:, None]).T @ keys, cross + (keys * weights[:, None]).T @ values
    return gram, cross


def assert_is(memory: RidgeMemory, wanted: tuple[Tensor, Tensor]) -> None:
    torch.testing.assert_close(memory.state.gram[0].double(), wanted[0], **CLOSE)
    torch.testing.assert_close(memory.state.cross[0].double(), wanted[1], rtol=1e-5, atol=2e-4)
    memory.state.factor()


CONFIGS = [
    RidgeConfig(journal_chunks=32),
    RidgeConfig(journal_chunks=32, forgetting=0.01),
    RidgeConfig(journal_chunks=32, forgetting=0.3, familiar=0.4),
    RidgeConfig(journal_chunks=32, familiar=0.0),
]
WALK = "lrlrfbfblr"


@pytest.mark.parametrize("config", CONFIGS, ids=["shipped", "forgetting", "much", "all alike"])
@pytest.mark.parametrize(
    "order",
    [
        [9, 2, 5],
        [3, 2, 1, 0],
        *[pytest.param(order, marks=pytest.mark.slow) for order in ([0, 4], [4, 0], [0, 1, 2, 3])],
    ],
)
def test_forgotten_chunks_were_never_written_whatever_the_order(
    world: WorldModel, config: RidgeConfig, order: list[int]
) -> None:
    session = walked(world, config, WALK)
    memory = ridge(session.memory)
    all_of_it = entries(memory)
    assert_is(memory, reference(config, [all_of_it[chunk] for chunk in range(-1, 10)]))
    for chunk in order:
        assert session.memory is not None
        session.memory.forget(chunk, chunk + 1)
    kept = [None if chunk in order else all_of_it[chunk] for chunk in range(-1, 10)]
    assert_is(ridge(session.memory), reference(config, kept))
    assert session.memory.describe()["ridge"]["chunks_forgotten"] == len(order)
    session.step("turn left")
    assert session.memory.num_chunks == 11


def test_forgetting_a_first_visit_leaves_the_place_to_the_later_ones(world: WorldModel) -> None:
    """The same view is written three times; the first time takes all the weight."""
    session = walked(world, RidgeConfig(), "lrlr")
    memory = ridge(session.memory)
    poses = memory.journal[1].poses
    before = memory.recall_at(poses).novelty.max()
    assert session.memory is not None
    session.memory.forget(0, 1)
    weights = [each.weights for each in memory.journal]
    after = memory.recall_at(poses).novelty
    assert float(before) < 0.1
    assert float(after.max()) < 0.5  # something else saw it, and counts now
    assert all(each is not None for each in weights)


@pytest.mark.parametrize("forgetting", [0.0, 0.01, 0.3])
@pytest.mark.parametrize("rule", ["least-squares", "delta"])
@pytest.mark.parametrize("journal_chunks", [4, 32])
def test_a_rewound_memory_is_what_it_was_bit_for_bit(
    world: WorldModel, forgetting: float, rule: Any, journal_chunks: int
) -> None:
    config = RidgeConfig(rule, forgetting=forgetting, journal_chunks=journal_chunks)
    session, earlier = walked(world, config, WALK), walked(world, config, WALK[:7])
    session.rewind(3)
    one, other = ridge(session.memory), ridge(earlier.memory)
    assert torch.equal(one.state.gram, other.state.gram)
    assert torch.equal(one.state.cross, other.state.cross)
    assert torch.equal(one.pose, other.pose)
    assert np.array_equal(session.step("turn left"), earlier.step("turn left"))
    with pytest.raises(UserError, match="cannot"):
        session.rewind(9 if journal_chunks == 32 else 4)


def test_what_was_forgotten_can_be_rewound_over(world: WorldModel) -> None:
    config = RidgeConfig(forgetting=0.01)
    session = walked(world, config, WALK)
    memory = ridge(session.memory)
    all_of_it = entries(memory)
    assert session.memory is not None
    session.memory.forget(2, 4)
    session.memory.forget(6, 7)
    session.rewind(3)  # to where chunk 6 ended, which nobody remembers but as a way
    assert_is(
        ridge(session.memory), reference(config, [None if c in (2, 3, 6) else all_of_it[c] for c in range(-1, 7)])
    )
    assert memory.path.shape[1] == 1 + 4 * 7 + 1
    session.rewind(3)
    assert_is(ridge(session.memory), reference(config, [None if c in (2, 3) else all_of_it[c] for c in range(-1, 4)]))


@pytest.mark.parametrize("config", CONFIGS, ids=["shipped", "forgetting", "much", "all alike"])
def test_merged_memories_can_still_be_told_apart(world: WorldModel, tmp_path: Path, config: RidgeConfig) -> None:
    one, other = walked(world, config, WALK, seed=1), walked(world, config, "llfrfl", seed=2)
    mine, theirs = entries(ridge(one.memory)), entries(ridge(other.memory))
    assert one.memory is not None and other.memory is not None
    merged = one.memory.fork()
    merged.merge(other.memory)
    assert merged.num_chunks == 16
    assert [each.chunk for each in ridge(merged).journal] == [*range(-1, 10), -1, *range(10, 16)]
    told = merged.describe()["ridge"]
    assert (told["chunks_in_journal"], told["episodes_merged_in"]) == (18, 1)

    def wanted(gone: set[int]) -> tuple[Tensor, Tensor]:
        first = reference(config, [None if c in gone else mine[c] for c in range(-1, 10)])
        second = reference(config, [None if c + 10 in gone else theirs[c] for c in range(-1, 6)])
        return first[0] + second[0], first[1] + second[1]

    assert_is(ridge(merged), wanted(set()))
    merged.forget(12, 13)
    assert_is(ridge(merged), wanted({12}))
    merged.forget(0, 2)
    assert_is(ridge(merged), wanted({0, 1, 12}))
    merged.save(tmp_path / "m")
    loaded = world.load_memory(tmp_path / "m")
    fork = loaded.fork()
    for memory in (loaded, merged):
        memory.forget(10, 11)
        assert_is(ridge(memory), wanted({0, 1, 10, 12}))
    assert_is(ridge(fork), wanted({0, 1, 12}))
    fork.rewind(6)
    assert fork.num_chunks == 10
    assert_is(ridge(fork), reference(config, [None if c in (0, 1) else mine[c] for c in range(-1, 10)]))
    assert_is(ridge(other.memory), reference(config, [theirs[c] for c in range(-1, 6)]))


def test_what_is_written_after_a_merge_counts_by_both_episodes(world: WorldModel, tmp_path: Path) -> None:
    config = RidgeConfig(forgetting=0.02)
    one, other = walked(world, config, "lrf", seed=1), walked(world, config, "flb", seed=2)
    assert one.memory is not None and other.memory is not None
    merged = one.memory.fork()
    merged.merge(other.memory)
    session = world.start(IMAGE, merged, seed=3)
    for action in ("turn left", "go forward", "go back"):
        session.step(action)
    memory = ridge(session.memory)
    assert session.memory is not None
    assert [each.chunk for each in memory.journal] == [-1, 0, 1, 2, -1, 3, 4, 5, 6, 7, 8, 9]
    session.save(tmp_path / "s")
    assert np.array_equal(world.resume(tmp_path / "s").step("turn left"), session.fork().step("turn left"))
    parts = [entries(ridge(each.memory)) for each in (one, other)]
    # The two episodes' own weights, then a reference that goes on from both.
    new = [each for each in memory.journal if each.chunk >= 6]

    def wanted(gone: int | None) -> tuple[Tensor, Tensor]:
        sums = [
            reference(config, [None if c + 3 * n == gone else part[c] for c in range(-1, 3)])
            for n, part in enumerate(parts)
        ]
        gram, cross = sums[0][0] + sums[1][0], sums[0][1] + sums[1][1]
        for each in new:
            assert each.values is not None
            keys, values = memory.keys(each.poses)[0].double(), each.values.flatten(1, 2)[0].double()
            novelty = config.ridge * (torch.linalg.solve(gram + config.ridge * torch.eye(64), keys.T).T * keys).sum(1)
            weights = (novelty / config.familiar).clamp(max=1).square()[:, None]
            gram, cross = 0.98 * gram + (keys * weights).T @ keys, 0.98 * cross + (keys * weights).T @ values
        return gram, cross

    assert_is(memory, wanted(None))
    for gone in (1, 4):
        fork = session.memory.fork()
        fork.forget(gone, gone + 1)
        assert_is(ridge(fork), wanted(gone))


@pytest.mark.parametrize(("before", "after", "back"), [("lf", "", 1), ("lf", "r", 1), ("lf", "rb", 2), ("lf", "r", 3)])
def test_a_session_goes_back_over_a_merge_to_where_it_stood(
    world: WorldModel, tmp_path: Path, before: str, after: str, back: int
) -> None:
    """What was merged in is still known where the merge came earlier, and gone with the chunks before it."""
    config = RidgeConfig(journal_chunks=64)
    session, other = walked(world, config, before, seed=1), walked(world, config, "flfb", seed=2)
    kept = (before + after)[:-back]
    wanted = walked(world, config, kept[: len(before)], seed=1)
    for each in (session, wanted) if back <= len(after) else (session,):
        assert each.memory is not None and other.memory is not None
        each.memory.merge(other.memory)
    continue_walk(wanted, kept[len(before) :])
    continue_walk(session, after)
    session.save(tmp_path / "s")
    for each in (session, world.resume(tmp_path / "s")):
        each.rewind(back)
        one, two = ridge(each.memory), ridge(wanted.memory)
        assert torch.equal(one.pose, two.pose)
        assert torch.equal(one.state.gram, two.state.gram)
        assert one.num_chunks == two.num_chunks
        assert np.array_equal(each.step("turn left"), wanted.fork().step("turn left"))


def test_a_merged_start_image_is_kept_where_the_merge_is_not_gone_back_over(world: WorldModel) -> None:
    """An episode that has not begun to walk has no chunk that would tell when it was merged in."""
    config = RidgeConfig(journal_chunks=64)
    session, other = walked(world, config, "lf", seed=1), walked(world, config, "", seed=2)
    assert session.memory is not None and other.memory is not None
    session.memory.merge(other.memory)
    wanted = session.fork()
    continue_walk(session, "rb")
    session.rewind(2)
    assert torch.equal(ridge(session.memory).state.gram, ridge(wanted.memory).state.gram)
    session.rewind(1)
    alone = walked(world, config, "l", seed=1)
    assert torch.equal(ridge(session.memory).state.gram, ridge(alone.memory).state.gram)


def test_a_memory_that_is_rewound_into_what_was_merged_stands_where_it_stood(world: WorldModel) -> None:
    config = RidgeConfig(journal_chunks=64)
    session, other = walked(world, config, "lf", seed=1), walked(world, config, "flfb", seed=2)
    assert session.memory is not None and other.memory is not None
    pose = ridge(session.memory).pose
    session.memory.merge(other.memory)
    session.memory.rewind(2)
    assert torch.equal(ridge(session.memory).pose, pose)
    assert session.memory.num_chunks == 4


def test_a_full_journal_keeps_what_it_dropped_and_says_what_it_cannot(world: WorldModel, tmp_path: Path) -> None:
    config = RidgeConfig(journal_chunks=4, forgetting=0.05)
    session = walked(world, config, "")
    everything = entries(ridge(session.memory))
    for number in range(len(WALK)):
        continue_walk(session, WALK[number])
        everything |= entries(ridge(session.memory))
    assert session.memory is not None
    assert [each.chunk for each in ridge(session.memory).journal] == [6, 7, 8, 9]
    with pytest.raises(UserError, match="longer ago than the 4 chunks that the journal"):
        session.memory.forget(5, 6)
    session.memory.save(tmp_path / "m")
    loaded = world.load_memory(tmp_path / "m")
    for memory in (session.memory, loaded):
        memory.forget(7, 8)
        memory.forget(6, 7)
        kept = [None if c in (6, 7) else everything[c] for c in range(-1, 10)]
        assert_is(ridge(memory), reference(config, kept))
    two = session.memory.fork()
    two.merge(loaded)
    assert [each.chunk for each in ridge(two).journal] == [8, 9, 18, 19]
    two.forget(18, 19)
    first, second = (
        reference(config, kept),
        reference(config, [None if c in (6, 7, 8) else everything[c] for c in range(-1, 10)]),
    )
    assert_is(ridge(two), (first[0] + second[0], first[1] + second[1]))


def test_a_corrected_path_writes_the_latest_chunks_from_where_they_were_seen(world: WorldModel) -> None:
    for config in (RidgeConfig(), RidgeConfig(forgetting=0.02)):
        session = walked(world, config, WALK)
        memory = ridge(session.memory)
        before = entries(memory)
        poses = [each.poses + torch.tensor([2.0, -1.0, 0.0]) for each in memory.journal[-3:]]
        path = memory.path.shape
        memory.move(poses)
        assert torch.equal(memory.pose, poses[-1][:, -1])
        assert memory.path.shape == path
        moved = [(memory.keys(each)[0].double(), before[7 + n][1]) for n, each in enumerate(poses)]
        assert_is(memory, reference(config, [*(before[c] for c in range(-1, 7)), *moved]))
        session.step("turn left")
        session.rewind(2)
        assert_is(memory, reference(config, [*(before[c] for c in range(-1, 7)), *moved[:2]]))
    with pytest.raises(UserError, match="can be corrected over"):
        memory.move([poses[0]] * 99)


def test_a_batch_forgets_as_each_of_its_episodes(world: WorldModel) -> None:
    images = np.stack([IMAGE, IMAGE[::-1], IMAGE[:, ::-1]])
    together = world.start_batch(images, RidgeConfig(), [1, 2, 3])
    alone = [world.start_batch(images[row : row + 1], RidgeConfig(), [row + 1]) for row in range(3)]
    for turn in range(6):
        texts = [("turn left", "turn right", "go back")[(turn + row) % 3] for row in range(3)]
        together.step(texts)
        for row in range(3):
            alone[row].step([texts[row]])
    for each in (together, *alone):
        assert each.memory is not None
        each.memory.forget(4, 5)
        each.memory.forget(0, 2)
    for row in range(3):
        torch.testing.assert_close(
            ridge(together.memory).state.gram[row], ridge(alone[row].memory).state.gram[0], rtol=0, atol=1e-3
        )


def test_a_full_memory_tells_it_and_one_with_room_is_left_as_it_was(world: WorldModel) -> None:
    """The same walk in memories of three widths: what is told falls with the load as what is right does."""
    model = world.model
    assert model.address is not None
    told, true, novelties = [], [], []
    for width in (512, 64, 16):
        address = PlanarAddress(key_width=width)
        address.path.load_state_dict(model.address.path.state_dict())
        narrowed = WorldModel(WorldWeights(model.config, *_parts(model), address.eval().requires_grad_(False)))  # type: ignore[arg-type]
        images = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
        rollout = narrowed.start_batch(images, RidgeConfig(familiar=0.0), [0])
        for number in range(12):
            latents = torch.randn(1, 4, 8, 8, 8, generator=torch.Generator().manual_seed(number))
            rollout.observe_latents(latents, ["turn left", "go forward"][number % 2 : number % 2 + 1])
        memory = ridge(rollout.memory)
        wrong = whole = 0.0
        for entry in memory.journal:
            assert entry.values is not None
            written = entry.values.flatten(1, 2)[..., :128]
            read, plain = memory.state.read(memory.state.factor(), memory.keys(entry.poses))
            wrong, whole = (
                wrong + float((read[..., :128] - written).square().sum()),
                whole + float(written.square().sum()),
            )
        recalled = memory.recall_at(memory.journal[-1].poses).novelty.flatten()
        confidence = float(memory.confidence)
        torch.testing.assert_close(recalled, 1 - confidence * (1 - plain.flatten()))
        assert rollout.memory is not None
        assert rollout.memory.describe()["ridge"]["confidence"] == confidence
        told.append(confidence)
        true.append(wrong / whole)
        novelties.append(float(plain.mean()))
        assert abs(float(memory.recall_error) - wrong / whole) < 0.15
    assert told[0] > told[1] > told[2]
    assert true[0] < true[1] < true[2]
    assert told[2] < 0.4
    assert novelties[2] < 0.05  # which says "known"

    session = walked(world, RidgeConfig(), "l")
    memory = ridge(session.memory)
    memory.recall_error = torch.full_like(memory.recall_error, 0.2)  # right: not a bit of what is told changes
    poses = memory.journal[0].poses
    assert torch.equal(
        memory.recall_at(poses).novelty.flatten(),
        memory.state.read(memory.state.factor(), memory.keys(poses))[1].flatten(),
    )
