"""How well an ever fuller ridge memory tells that it recalls wrongly (docs/decisions/0005).

    python benchmarks/told_recall.py --key-width 128 --maps 10

Sessions walk through maps on true frames, as in `slowfast evaluate capacity`. After each map all frames ever written
are read back at their poses; beside their error stand the memory's `recall_error`, its confidence and the mean novelty.
"""

import argparse

import numpy as np
import torch
from scipy.stats import spearmanr

from slowfast_bench.scores.capacity import CapacityConfig, CapacityTest, _teleport, _with_key_width
from slowfast_vgen.memory.journal import Written
from slowfast_vgen.memory.ridge_memory import RidgeMemory
from slowfast_vgen.presets.worlds import load


@torch.no_grad()
def true_error(memory: RidgeMemory, entries: list[Written]) -> tuple[np.ndarray, np.ndarray]:
    """Squared error of the latents over their squares, and mean novelty, a session each."""
    raw = (
        memory.state.cross.shape[2]
        - memory.memory_width * memory.host.denoiser.memory_shape(*memory.host.latent_shape[1:]).rows
    )
    factor, wrong, whole, novelty = memory.state.factor(), 0.0, 0.0, 0.0
    for entry in entries:
        assert entry.values is not None
        written = entry.values.flatten(1, 2)[..., :raw].double()
        read, new = memory.state.read(factor, memory.keys(entry.poses))
        wrong = wrong + (read[..., :raw] - written).square().sum((1, 2)).numpy()
        whole, novelty = whole + written.square().sum((1, 2)).numpy(), novelty + new.mean(1).numpy() / len(entries)
    return wrong / whole, novelty


def main() -> None:
    """Prints a line a map, and the rank correlations over all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--key-width", type=int, default=128)
    parser.add_argument("--maps", type=int, default=10)
    parser.add_argument("--sessions", type=int, default=2)
    args = parser.parse_args()
    world = load("rooms-64")
    config = CapacityConfig((args.key_width,), (), (), rooms=(args.maps,), num_rows=args.sessions)
    test = CapacityTest(world, config)
    narrowed = _with_key_width(world, args.key_width)
    rollout = narrowed.start_batch(test._frames[:, 0, 0], world.shipped_memory, range(args.sessions))
    assert rollout.memory is not None and rollout.memory.ridge is not None
    memory, entries, rows = rollout.memory.ridge, [], []
    for room in range(args.maps):
        if room:
            _teleport(rollout, room, test._latents[:, room, :1])
        test._watch(rollout, room)
        entries += memory.journal[-config.chunks_per_room :]
        rows.append((*true_error(memory, entries), memory.recall_error.numpy(), memory.confidence.numpy()))
        true, novelty, told, confidence = (float(each.mean()) for each in rows[-1])
        print(f"{room + 1:>3} maps: true {true:.3f} told {told:.3f} confidence {confidence:.2f} novelty {novelty:.3f}")
    true, novelty, told, _ = (np.concatenate(each) for each in zip(*rows, strict=True))
    ranks = {name: spearmanr(each, true)[0] for name, each in (("told", told), ("novelty", novelty))}
    print("rank correlation with the true error:", *(f"{name} {rank:.3f}" for name, rank in ranks.items()))


if __name__ == "__main__":
    main()
