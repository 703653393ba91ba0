"""`slowfast train slow`, `loop` and `context`: the trainings of the denoiser."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from slowfast_vgen.cli.common import number, path_name, whole_number
from slowfast_vgen.cli.streams import is_first_process
from slowfast_vgen.cli.train_data import (
    Commands,
    LatentData,
    add_chunks_argument,
    add_training,
    load_chains,
    load_latents,
    optimisation,
    start_on_texts,
)
from slowfast_vgen.cli.unused import settle
from slowfast_vgen.errors import UserError

TARGETS = ("epsilon", "v_prediction", "flow")
"""As in `models.training_record`, which needs no import before a training begins."""
LOOP_CHUNKS, CONTEXT_CHUNKS = 24, 24
"""Of the chains, where the data has as long ones."""

if TYPE_CHECKING:
    from slowfast_vgen.data.latents import LatentSet
    from slowfast_vgen.models.denoiser import DenoiserModule
    from slowfast_vgen.train.loop import LoopObjective
    from slowfast_vgen.train.slow import SlowObjective, SlowTrainingConfig


def add_slow(commands: Commands) -> None:
    """Adds `train slow`."""
    told = "the denoiser, on windows of past frames, action and next frames (eq. 1-2)"
    slow = add_training(commands, "slow", told, train_slow, 10_000, 16, 1e-3, cached=True)
    told = "default: transformer, or that of --init"
    slow.add_argument("--denoiser", choices=("transformer", "unet3d", "wan"), help=told)
    slow.add_argument("--width", type=whole_number(32, 4096), help="of a new transformer; default: 256")
    slow.add_argument("--depth", type=whole_number(1, 64), help="of a new transformer; default: 6")
    slow.add_argument("--noise-draws", type=whole_number(1, 64), default=2, help="a window and step; default: 2")
    _add_emphasis(slow)
    told = "what the denoiser learns to predict; default: flow, or that of --init"
    slow.add_argument("--target", choices=TARGETS, help=told)
    told = "make room for what a local memory recalls, which `train loop` then uses"
    slow.add_argument("--memory", action="store_true", help=told)
    told = "features that such a memory keeps of each patch; default: 64"
    slow.add_argument("--memory-width", type=whole_number(0, 1024), metavar="N", help=told)
    slow.add_argument("--init", type=path_name, metavar="DIR", help="start from the weights of this denoiser folder")


def add_loop(commands: Commands) -> None:
    """Adds `train loop`."""
    told = "the slow-fast loop (Algorithm 1b): slow weights learn to use a memory"
    loop = add_training(commands, "loop", told, train_loop, 2800, 4, 4e-4, cached=True)
    loop.add_argument("--init", required=True, type=path_name, metavar="DIR", help="the denoiser folder to start from")
    rules, told = ("local", "denoising", "denoising-original", "replay"), "how memories are written; default: local"
    loop.add_argument("--rule", choices=rules, default="local", help=told)
    told = "of `train path` or `still-path`: for the local rule"
    loop.add_argument("--address", type=path_name, metavar="DIR", help=told)
    add_chunks_argument(loop, LOOP_CHUNKS)
    told = "features of the local rule's memory; default: 64"
    loop.add_argument("--memory-width", type=whole_number(0, 1024), metavar="N", help=told)
    told = "of the local rule: through the last K writes; 0 is first order; default: through all"
    loop.add_argument("--write-gradients", type=whole_number(0, 4096), metavar="K", help=told)
    told = "of the local rule: differentiated at a time; default: all of an unroll"
    loop.add_argument("--segment", type=whole_number(1), metavar="CHUNKS", help=told)
    told = "of the local rule: below this, places count as known and are written less; default: 0, all count alike"
    loop.add_argument("--familiar", type=number(0, 1), metavar="NOVELTY", help=told)
    _add_emphasis(loop)
    loop.add_argument("--rank", type=whole_number(1, 4096), help="of a LoRA; default: 8")
    loop.add_argument("--fast-learning-rate", type=float, metavar="RATE", help="of a LoRA; default: 1e-4")
    told = "how a LoRA reaches the outer loop; default: on-the-fly"
    loop.add_argument("--triples", choices=("on-the-fly", "shards"), help=told)


def add_context(commands: Commands) -> None:
    """Adds `train context`."""
    told = "the denoiser whose memory are frames (raw context, anchor, retrieval): a baseline of `evaluate`"
    context = add_training(commands, "context", told, train_context, 4000, 8, 4e-4, cached=True)
    told = "the denoiser folder to start from"
    context.add_argument("--init", required=True, type=path_name, metavar="DIR", help=told)
    add_chunks_argument(context, CONTEXT_CHUNKS)
    _add_emphasis(context)
    told = "with commas between: raw_4, raw_12, raw_28, anchor_1, retrieval_4; default: all"
    context.add_argument("--kinds", default="", metavar="NAMES", help=told)


def _add_emphasis(parser: argparse.ArgumentParser) -> None:
    told = "above 0: more training at high noise, where it is decided what stands where; default: 0"
    parser.add_argument("--noise-logit-mean", type=number(-5, 5), default=0.0, metavar="MEAN", help=told)
    told = "how much a chunk's last frame counts, each other one counting 1; default: 1"
    parser.add_argument("--last-frame-weight", type=number(0.01, 100), default=1.0, metavar="WEIGHT", help=told)


def train_slow(args: argparse.Namespace) -> int:
    """`slowfast train slow`."""
    from slowfast_vgen.models.world_model import load_denoiser
    from slowfast_vgen.train.slow import train_slow

    settle(args, args.init is None, "is of fresh weights, and --init gives others", denoiser="transformer")
    fresh = args.init is None and args.denoiser == "transformer"
    settle(args, fresh, "is of a new transformer", width=256, depth=6)
    settle(args, args.memory, "is of --memory", memory_width=64)
    device, text_encoder = start_on_texts(args)
    data = load_latents(args, text_encoder)
    denoiser = load_denoiser(args.init) if args.init else _new_denoiser(args, *data.training.latents.shape[1:])
    target = _target(denoiser, args.init, args.target)
    if args.init:
        denoiser = _for_latents(denoiser, args.init, data.training)
    if args.memory:
        denoiser = _with_room(denoiser, args.memory_width)
    config, record = _slow_config(args, data, target), data.record(target)
    train_slow(
        config, denoiser.to(device), text_encoder, data.training, data.validation, args.out, record, data.held_out
    )
    return finish_denoiser(args)


def train_loop(args: argparse.Namespace) -> int:
    """`slowfast train loop`."""
    from slowfast_vgen.models.world_model import load_address, load_denoiser
    from slowfast_vgen.train.loop import LoopConfig, train_loop
    from slowfast_vgen.train.ridge_loop import LocalLoop, LocalLoopConfig

    local = args.rule == "local"
    settle(args, local, "is of --rule local", address=None, write_gradients=None, segment=None)
    settle(args, local, "is of --rule local", memory_width=64, familiar=0.0)
    settle(args, not local, "is of a LoRA, not of --rule local", rank=8, fast_learning_rate=1e-4, triples="on-the-fly")
    if local and args.address is None:
        raise UserError(
            "the local rule needs --address, a folder that `slowfast train path` or `train still-path` wrote"
        )
    device, text_encoder = start_on_texts(args)
    address = load_address(args.address) if local else None
    denoiser = load_denoiser(args.init)
    target = _target(denoiser, args.init)
    if local:
        denoiser = _with_room(denoiser, args.memory_width)
    poses_needed = address is not None and not address.is_still
    data = load_chains(args, text_encoder, LOOP_CHUNKS, address, poses_needed)
    _check_init(denoiser, args.init, data.training)

    def objective(slow: "SlowObjective") -> "LoopObjective":
        if address is None:
            return _lora_loop(args, slow)
        height, width = data.training.latents.shape[2:]
        fitted = address.fitted(width, denoiser.memory_shape(height, width).columns)
        return LocalLoop(
            slow,
            fitted.to(device),
            LocalLoopConfig(
                familiar=args.familiar, write_gradient_chunks=args.write_gradients, segment_chunks=args.segment
            ),
        )

    config = LoopConfig(_slow_config(args, data, target), args.batch_size, data.chains.num_chunks)
    chains, record = (data.chains, data.validation_chains), data.record(target)
    train_loop(config, denoiser.to(device), objective, text_encoder, *chains, args.out, record, data.held_out)
    return finish_denoiser(args)


def _lora_loop(args: argparse.Namespace, slow: "SlowObjective") -> "LoopObjective":
    from slowfast_vgen.memory.fast_learning import FastLearningConfig
    from slowfast_vgen.memory.lora import LoraConfig
    from slowfast_vgen.train.lora_loop import LoraLoop, LoraLoopConfig

    lora = LoraConfig(rank=args.rank)
    learning = FastLearningConfig(lora, args.rule, learning_rate=args.fast_learning_rate, rewind_chunks=0)
    return LoraLoop(slow, LoraLoopConfig(learning, args.triples), args.out / "shards")


def train_context(args: argparse.Namespace) -> int:
    """`slowfast train context`."""
    from slowfast_vgen.models.world_model import load_denoiser
    from slowfast_vgen.train.context import KINDS, ContextTrainingConfig, chosen_kinds, train_context

    names = [name.strip() for name in args.kinds.split(",") if name.strip()]
    kinds = chosen_kinds(names) if names else KINDS
    device, text_encoder = start_on_texts(args)
    poses_needed = any(kind.kind == "retrieval" for _, kind in kinds)
    data = load_chains(args, text_encoder, CONTEXT_CHUNKS, poses_needed=poses_needed, same_view=False)
    denoiser = load_denoiser(args.init)
    target = _target(denoiser, args.init)
    _check_init(denoiser, args.init, data.training)
    config, record = ContextTrainingConfig(_slow_config(args, data, target), kinds), data.record(target)
    chains = data.chains, data.validation_chains
    train_context(config, denoiser.to(device), text_encoder, *chains, args.out, record, data.held_out)
    return finish_denoiser(args)


def _slow_config(args: argparse.Namespace, data: LatentData, target: str) -> "SlowTrainingConfig":
    from slowfast_vgen.train.slow import SlowTrainingConfig

    return SlowTrainingConfig(
        optimisation(args),
        batch_size=args.batch_size,
        noise_draws=getattr(args, "noise_draws", SlowTrainingConfig.noise_draws),
        lengths=data.window_lengths(),
        target=target,
        noise_logit_mean=args.noise_logit_mean,
        last_frame_weight=args.last_frame_weight,
    )


def finish_denoiser(args: argparse.Namespace) -> int:
    """Writes `actions.json`, what the world can be told, next to the denoiser's weights, where `models pack` finds it.

    It has the texts of `--data`, and each verb's motion where the data has poses.
    """
    from slowfast_vgen.data.sources import open_episodes
    from slowfast_vgen.data.told import read_told
    from slowfast_vgen.models.vocabulary import FILE, Motion, vocabulary_of
    from slowfast_vgen.models.weights import add_to_part

    folder = args.out / "denoiser"
    if is_first_process():
        told = read_told(open_episodes(path) for path in args.data)
        vocabulary = vocabulary_of(told.actions, {verb: Motion(*motion) for verb, motion in told.motions.items()})
        add_to_part(folder, lambda part: vocabulary.save(part / FILE))
    print(f"wrote {folder}")
    return 0


def _target(denoiser: "DenoiserModule", init: Path | None, asked: str | None = None) -> str:
    """What the denoiser is trained to predict: as before where it was trained before, else what is asked for, or flow.

    Raises:
        UserError: something else is asked for than it was trained to predict.
    """
    if init is None:
        return asked or "flow"
    trained = denoiser.target or "flow"  # trainings from before there were records knew no other
    if asked not in (None, trained):
        raise UserError(
            f"{init} was trained to predict {trained}; leave out --target {asked}, or train from fresh weights"
        )
    return trained


def _with_room(denoiser: "DenoiserModule", memory_width: int) -> "DenoiserModule":
    """The denoiser with room for a local memory; what it is trained to predict stays.

    Raises:
        UserError: a transformer whose memory is to keep no features, which it could not read.
    """
    from slowfast_vgen.models.video_transformer import VideoTransformer

    if isinstance(denoiser, VideoTransformer) and not memory_width:
        raise UserError("the local memory of a transformer keeps learned features; give --memory-width 1 or more")
    return denoiser.with_memory(memory_width)


def _for_latents(denoiser: "DenoiserModule", folder: Path, latents: "LatentSet") -> "DenoiserModule":
    """A denoiser to start from, with more latent channels where the codec has more."""
    from slowfast_vgen.models.video_transformer import VideoTransformer

    channels = latents.latents.shape[1]
    if isinstance(denoiser, VideoTransformer) and (added := channels - denoiser.config.latent_channels) > 0:
        more = f"{added} are added, a local memory is left out"
        print(f"{folder} was made for {channels - added} latent channels; {more}")
        denoiser = denoiser.with_channels(channels)
    _check_init(denoiser, folder, latents)
    return denoiser


def _check_init(denoiser: "DenoiserModule", folder: Path, latents: "LatentSet") -> None:
    from slowfast_vgen.models.denoiser import check_latents

    channels, height, width = latents.latents.shape[1:]
    mend = f"start from a denoiser of such latents, not from {folder}"
    check_latents(denoiser, (channels, height, width), "a frame of the data", mend)


def _new_denoiser(args: argparse.Namespace, channels: int, height: int, width: int) -> "DenoiserModule":
    from slowfast_vgen.models.diffusers_denoisers import UNet3DDenoiser, WanDenoiser
    from slowfast_vgen.models.video_transformer import VideoTransformer

    if args.denoiser == "unet3d":
        return UNet3DDenoiser(latent_channels=channels)
    if args.denoiser == "wan":
        return WanDenoiser(latent_channels=channels)
    return VideoTransformer(
        latent_channels=channels, latent_height=height, latent_width=width, width=args.width, depth=args.depth
    )
