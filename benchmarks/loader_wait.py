"""How long a training waits for its data: `python benchmarks/loader_wait.py` (part of results/data.json).

Trains the denoiser of rooms-64 by `slowfast train slow`'s own settings from shards, whose latents are cached, on two
threads, and takes the time of each step and of what of it goes by until the batch is there. With `--data` from shards
that are there; else some episodes are recorded and sharded first. Beside it: how fast one reader decodes the videos of
shards in shuffled order, without a cache.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from data_results import DATA_RESULTS, update_results

from slowfast_vgen.data.format import DatasetWriter
from slowfast_vgen.data.headers import DatasetHeader
from slowfast_vgen.data.latents import LatentSet, cached_latents
from slowfast_vgen.data.shards.read import ShardSet
from slowfast_vgen.data.shards.stream import ShardStream, StreamConfig
from slowfast_vgen.data.shards.write import write_shards
from slowfast_vgen.data.windows import WindowSampler
from slowfast_vgen.engines import open_env
from slowfast_vgen.machine import machine
from slowfast_vgen.models.text import TextEncoder
from slowfast_vgen.models.video_transformer import VideoTransformer
from slowfast_vgen.precision import PRECISIONS
from slowfast_vgen.presets.worlds import load
from slowfast_vgen.results import Estimate, Row
from slowfast_vgen.train import slow as slow_module
from slowfast_vgen.train.run import TrainingRun
from slowfast_vgen.train.settings import OptimisationConfig, SlowTrainingConfig
from slowfast_vgen.train.slow import train_slow

NUM_THREADS = 2
BYTES_PER_SHARD = 2**21
"""Of what is recorded here: several shards of few episodes, as a large set has many of many."""


class Clock:
    """Times the calls of a method, wherever it is called."""

    def __init__(self, owner: type, name: str) -> None:
        self.seconds: list[float] = []
        self._owner, self._name = owner, name
        self._method: Callable[..., Any] = getattr(owner, name)

    def __enter__(self) -> "Clock":
        def timed(*arguments: Any) -> Any:
            start = time.perf_counter()
            result = self._method(*arguments)
            self.seconds.append(time.perf_counter() - start)
            return result

        setattr(self._owner, self._name, timed)
        return self

    def __exit__(self, *_: object) -> None:
        setattr(self._owner, self._name, self._method)


def record_shards(folder: Path, num_episodes: int) -> Path:
    """Episodes of vizdoom-rooms in shards."""
    writer = DatasetWriter(folder / "set", DatasetHeader("vizdoom-rooms", "train", num_episodes))
    for episode in open_env("vizdoom-rooms", "train", 0).episodes(num_episodes, "mix", 32):
        writer.append(episode)
    write_shards([folder / "set"], folder / "shards", BYTES_PER_SHARD)
    return folder / "shards"


def wait_share(
    latents: LatentSet, text_encoder: TextEncoder, num_steps: int, num_warm_up: int, precision: str
) -> float:
    """The share of the steps' time that goes by until the batch is there."""
    channels, height, width = latents.latents.shape[1:]
    torch.manual_seed(0)
    denoiser = VideoTransformer(latent_channels=channels, latent_height=height, latent_width=width)
    steps = num_warm_up + num_steps
    config = SlowTrainingConfig(OptimisationConfig(steps, validate_every=steps, precision=precision))
    with (
        tempfile.TemporaryDirectory() as run,
        Clock(TrainingRun, "_take_step") as step,
        Clock(WindowSampler, "draw") as draw,
    ):
        train_slow(config, denoiser, text_encoder, latents, latents, Path(run))
    # What is drawn after the last step is for validation.
    return sum(draw.seconds[num_warm_up:steps]) / sum(step.seconds[num_warm_up:])


def stream_speed(shards: Path, seed: int, num_episodes: int) -> float:
    """Frames a second of processor time that one reader decodes."""
    stream = ShardStream(shards, StreamConfig(seed=seed))
    start = time.process_time()
    frames = sum(episode.num_frames for episode in itertools.islice(stream, num_episodes))
    return frames / (time.process_time() - start)


def main() -> None:
    """Prints and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of shards; default: recorded anew")
    parser.add_argument("--episodes", type=int, default=96, help="to record; default: 96")
    parser.add_argument("--steps", type=int, default=60, help="timed, of a repetition; default: 60")
    parser.add_argument("--warm-up", type=int, default=5, help="steps before them; default: 5")
    parser.add_argument("--repetitions", type=int, default=3, help="default: 3")
    told = "the faster one is the harder; default: bfloat16, which is slower on a CPU without instructions for it"
    parser.add_argument("--precision", choices=PRECISIONS, default="bfloat16", help=told)
    parser.add_argument("--json", type=Path, default=DATA_RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(NUM_THREADS)
    slow_module.VALIDATION_BATCHES, slow_module.VALIDATION_BATCH_SIZE = 1, 2  # the run's end is not what is timed
    codec, text_encoder = load("rooms-64").model.codec, TextEncoder.load()
    with tempfile.TemporaryDirectory() as folder:
        shards = args.data or record_shards(Path(folder), args.episodes)
        latents = cached_latents(
            ShardSet(shards),
            codec.encode,
            codec.fingerprint(),
            Path(folder) / "cache",
            lambda text: text_encoder([text]).tokens[0],
            text_encoder.fingerprint,
        )
        text_encoder.know(latents.texts)
        shares = [
            wait_share(latents, text_encoder, args.steps, args.warm_up, args.precision) for _ in range(args.repetitions)
        ]
        read = min(64, len(ShardSet(shards)))
        speeds = [stream_speed(shards, seed, read) for seed in range(args.repetitions)]
    rows = [
        Row.of(Estimate.over_repetitions(shares), "loader_wait_share"),
        Row.of(Estimate.over_repetitions(speeds), "shard_stream_frames_per_second"),
    ]
    for row in rows:
        print(f"{row.name:<32} {row.mean:.4g}   {row.low:.4g} to {row.high:.4g}")
    protocol = {
        "command": "benchmarks/loader_wait.py",
        "training": "slowfast train slow, its own settings, the denoiser of rooms-64, latents of shards in the cache",
        "precision": args.precision,
        "episodes": len(ShardSet(args.data)) if args.data else args.episodes,
        "steps": args.steps,
        "warm_up_steps": args.warm_up,
        "repetitions": args.repetitions,
        "machine": machine(),
    }
    update_results(args.json, "loader_wait", protocol, rows)


if __name__ == "__main__":
    main()
