"""`slowfast train`: the trainings of the slow weights."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from slowfast_vgen.cli.common import add_json_argument, number, path_name, whole_number
from slowfast_vgen.cli.computing import add_compute_arguments, start_computing
from slowfast_vgen.cli.outputs import check_output_folder
from slowfast_vgen.cli.train_data import (
    add_cached_arguments,
    add_data_arguments,
    load_chains,
    load_latents,
    open_sets,
    optimisation,
    some_episodes,
    start_training,
)
from slowfast_vgen.cli.train_reader import READS, train_inverse_dynamics
from slowfast_vgen.cli.train_words import write_vocabulary
from slowfast_vgen.cli.unused import settle
from slowfast_vgen.errors import UserError

TARGETS = ("epsilon", "v_prediction", "flow")
"""As in `models.training_record`, which needs no import before a training begins."""
PATH_CHUNKS, LOOP_CHUNKS, CONTEXT_CHUNKS = 16, 24, 24
"""Of the chains, where the data has as long ones."""

if TYPE_CHECKING:
    from slowfast_vgen.data.latents import LatentSet
    from slowfast_vgen.models.denoiser import DenoiserModule


class _Emphasis(TypedDict):
    noise_logit_mean: float
    last_frame_weight: float


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the group `train` and its commands."""
    group = subparsers.add_parser("train", help="train each part of a world and its loop; goes on where it was stopped")
    commands = group.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)

    codec = commands.add_parser("codec", help="the autoencoder between pixels and latents")
    _add_common(codec, num_steps=6000, batch_size=16, learning_rate=1e-3)
    told = "default: 8, or those of --init, to which more can be added"
    codec.add_argument("--latent-channels", type=whole_number(1, 64), metavar="N", help=told)
    told = "start from the weights of this codec folder; wanted where the camera stands still"
    codec.add_argument("--init", type=path_name, metavar="DIR", help=told)
    codec.set_defaults(handler=train_codec)

    slow = commands.add_parser("slow", help="the denoiser, on windows of past frames, action and next frames (eq. 1-2)")
    _add_common(slow, num_steps=10_000, batch_size=16, learning_rate=1e-3)
    add_cached_arguments(slow)
    told = "default: transformer, or that of --init"
    slow.add_argument("--denoiser", choices=("transformer", "unet3d", "wan"), help=told)
    slow.add_argument("--width", type=whole_number(32, 4096), help="of a new transformer; default: 256")
    slow.add_argument("--depth", type=whole_number(1, 64), help="of a new transformer; default: 6")
    slow.add_argument("--noise-draws", type=whole_number(1, 64), default=2, help="a window and step; default: 2")
    _add_emphasis(slow)
    slow.add_argument(
        "--target", choices=TARGETS, help="what the denoiser learns to predict; default: flow, or that of --init"
    )
    slow.add_argument(
        "--memory", action="store_true", help="make room for what a local memory recalls, which `train loop` then uses"
    )
    told = "features that such a memory keeps of each patch; default: 64"
    slow.add_argument("--memory-width", type=whole_number(0, 1024), metavar="N", help=told)
    slow.add_argument("--init", type=path_name, metavar="DIR", help="start from the weights of this denoiser folder")
    slow.set_defaults(handler=train_slow)

    path = commands.add_parser("path", help="where actions lead: the part that gives a local memory its addresses")
    _add_common(path, num_steps=5000, batch_size=8, learning_rate=3e-3)
    add_cached_arguments(path)
    path.add_argument("--key-width", type=whole_number(2, 65536), default=768, help="of the memory; default: 768")
    _add_chunks(path, PATH_CHUNKS)
    told = "the camera's field of view across a frame, where the data does not tell it; default: 89.7"
    path.add_argument("--fov", type=number(1, 179), metavar="DEGREES", help=told)
    path.add_argument(
        "--retrace", action="store_true", help="learn as well which texts ask for the way back; --data must have some"
    )
    path.set_defaults(handler=train_path)

    still = commands.add_parser("still-path", help="the same for a camera that never moves: nothing is to be learned")
    still.add_argument("--out", required=True, type=path_name, metavar="DIR", help="folder of the run")
    still.add_argument("--key-width", type=whole_number(2, 65536), default=64, help="of the memory; default: 64")
    add_compute_arguments(still, device_alone=True)
    still.set_defaults(handler=write_still_path)

    loop = commands.add_parser("loop", help="the slow-fast loop (Algorithm 1b): slow weights learn to use a memory")
    _add_common(loop, num_steps=2800, batch_size=4, learning_rate=4e-4)
    add_cached_arguments(loop)
    loop.add_argument("--init", required=True, type=path_name, metavar="DIR", help="the denoiser folder to start from")
    loop.add_argument(
        "--rule",
        choices=("local", "denoising", "denoising-original", "replay"),
        default="local",
        help="how memories are written; default: local",
    )
    loop.add_argument(
        "--address", type=path_name, metavar="DIR", help="of `train path` or `still-path`: for the local rule"
    )
    _add_chunks(loop, LOOP_CHUNKS)
    told = "features of the local rule's memory; default: 64"
    loop.add_argument("--memory-width", type=whole_number(0, 1024), metavar="N", help=told)
    loop.add_argument(
        "--write-gradients",
        type=whole_number(0, 4096),
        metavar="K",
        help="of the local rule: through the last K writes; 0 is first order; default: through all",
    )
    told = "of the local rule: differentiated at a time; default: all of an unroll"
    loop.add_argument("--segment", type=whole_number(1), metavar="CHUNKS", help=told)
    loop.add_argument(
        "--familiar", type=number(0, 1), metavar="NOVELTY",
        help="of the local rule: below this, places count as known and are written less; default: 0, all count alike",
    )  # fmt: skip
    _add_emphasis(loop)
    loop.add_argument("--rank", type=whole_number(1, 4096), help="of a LoRA; default: 8")
    loop.add_argument("--fast-learning-rate", type=float, metavar="RATE", help="of a LoRA; default: 1e-4")
    loop.add_argument(
        "--triples", choices=("on-the-fly", "shards"), help="how a LoRA reaches the outer loop; default: on-the-fly"
    )
    loop.set_defaults(handler=train_loop)

    context = commands.add_parser(
        "context",
        help="the denoiser whose memory are frames (raw context, anchor, retrieval): a baseline of `evaluate`",
    )
    _add_common(context, num_steps=4000, batch_size=8, learning_rate=4e-4)
    add_cached_arguments(context)
    context.add_argument(
        "--init", required=True, type=path_name, metavar="DIR", help="the denoiser folder to start from"
    )
    _add_chunks(context, CONTEXT_CHUNKS)
    _add_emphasis(context)
    told = "with commas between: raw_4, raw_12, raw_28, anchor_1, retrieval_4; default: all"
    context.add_argument("--kinds", default="", metavar="NAMES", help=told)
    context.set_defaults(handler=train_context)

    reading = commands.add_parser(
        "inverse-dynamics", help="which action led from one frame to the next: what `plan` reads imagined videos with"
    )
    _add_common(reading, num_steps=1500, batch_size=64, learning_rate=2e-3)
    reading.add_argument(
        "--codec", type=path_name, metavar="DIR", help="learn to read frames after its round trip as well"
    )
    told = "verbs, frame by frame, or whole moves: which thing was carried to which spot; default: verbs"
    reading.add_argument("--reads", choices=READS, default="verbs", help=told)
    told = "at most so many of the data to learn from; default: 400"
    reading.add_argument("--episodes", type=whole_number(1), default=400, metavar="N", help=told)
    add_json_argument(reading)
    reading.set_defaults(handler=train_inverse_dynamics)


def _add_common(parser: argparse.ArgumentParser, num_steps: int, batch_size: int, learning_rate: float) -> None:
    add_data_arguments(parser)
    parser.add_argument("--out", required=True, type=path_name, metavar="DIR", help="folder of the run")
    parser.add_argument("--steps", type=whole_number(1), default=num_steps, help=f"default: {num_steps}")
    parser.add_argument("--batch-size", type=whole_number(1), default=batch_size, help=f"default: {batch_size}")
    parser.add_argument("--learning-rate", type=float, default=learning_rate, help=f"default: {learning_rate}")
    parser.add_argument("--seed", type=whole_number(0), default=0, help="default: 0")
    parser.add_argument("--validate-every", type=whole_number(1), default=250, metavar="STEPS", help="default: 250")
    add_compute_arguments(parser)


def _add_emphasis(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--noise-logit-mean", type=number(-5, 5), default=0.0, metavar="MEAN",
        help="above 0: more training at high noise, where it is decided what stands where; default: 0",
    )  # fmt: skip
    told = "how much a chunk's last frame counts, each other one counting 1; default: 1"
    parser.add_argument("--last-frame-weight", type=number(0.01, 100), default=1.0, metavar="WEIGHT", help=told)


def _add_chunks(parser: argparse.ArgumentParser, most: int) -> None:
    told = f"of each chain of consecutive chunks; default: {most}, or as many as the data has"
    parser.add_argument("--chunks", type=whole_number(1, 4096), metavar="N", help=told)


def _emphasis(args: argparse.Namespace) -> _Emphasis:
    return {"noise_logit_mean": args.noise_logit_mean, "last_frame_weight": args.last_frame_weight}


def train_codec(args: argparse.Namespace) -> int:
    """`slowfast train codec`."""
    import numpy as np
    import torch

    from slowfast_vgen.models.codec import Codec, CodecConfig
    from slowfast_vgen.train.codec import CodecTrainingConfig, sample_frames, train_codec

    device = start_training(args)
    init = Codec.load(args.init) if args.init else None
    channels = args.latent_channels or (init.latent_channels if init else CodecConfig.latent_channels)
    if init:
        torch.manual_seed(args.seed)  # for the weights of channels that are added
        init = init.with_channels(channels)
    config = CodecTrainingConfig(optimisation(args), CodecConfig(latent_channels=channels), batch_size=args.batch_size)
    opened = open_sets(args)
    # Every fifth frame is of every part of a chunk, which mostly has four.
    sets = [sample_frames(some_episodes(source, args), every=5) for source in opened.training]
    held_out = [sample_frames(some_episodes(source, args), every=15) for source in opened.validation]
    if len(sizes := {frames.shape[1:3] for frames in (*sets, *held_out)}) > 1:
        raise UserError(f"the sets have frames of {len(sizes)} sizes, {sorted(sizes)}; make them of one size")
    set_sizes = [len(frames) for frames in sets]
    frames = np.concatenate(sets) if len(sets) > 1 else sets[0]
    del sets  # one copy is enough
    train_codec(config, frames, np.concatenate(held_out), args.out, init, set_sizes, device, opened.held_out)
    print(f"wrote {args.out / 'codec'}")
    return 0


def train_slow(args: argparse.Namespace) -> int:
    """`slowfast train slow`."""
    import torch

    from slowfast_vgen.models.text import TextEncoder
    from slowfast_vgen.models.world_model import load_denoiser
    from slowfast_vgen.train.slow import SlowTrainingConfig, train_slow

    settle(args, args.init is None, "is of fresh weights, and --init gives others", denoiser="transformer")
    fresh = args.init is None and args.denoiser == "transformer"
    settle(args, fresh, "is of a new transformer", width=256, depth=6)
    settle(args, args.memory, "is of --memory", memory_width=64)
    device = start_training(args)
    text_encoder = TextEncoder.load(device)
    torch.manual_seed(args.seed)  # the last thing before the weights are drawn
    data = load_latents(args, text_encoder)
    denoiser = load_denoiser(args.init) if args.init else _new_denoiser(args, *data.training.latents.shape[1:])
    target = _target(denoiser, args.init, args.target)
    if args.init:
        denoiser = _for_latents(denoiser, args.init, data.training)
    if args.memory:
        denoiser = _with_room(denoiser, args.memory_width)
    config = SlowTrainingConfig(
        optimisation(args),
        batch_size=args.batch_size,
        noise_draws=args.noise_draws,
        lengths=data.window_lengths(),
        target=target,
        **_emphasis(args),
    )
    record = data.record(target)
    train_slow(
        config, denoiser.to(device), text_encoder, data.training, data.validation, args.out, record, data.held_out
    )
    write_vocabulary(args, args.out / "denoiser")
    print(f"wrote {args.out / 'denoiser'}")
    return 0


def train_path(args: argparse.Namespace) -> int:
    """`slowfast train path`."""
    import torch

    from slowfast_vgen.models.denoiser import memory_grid
    from slowfast_vgen.models.planar_address import PlanarAddress
    from slowfast_vgen.models.text import TextEncoder
    from slowfast_vgen.train.path import PathTrainingConfig, train_path

    device = start_training(args)
    text_encoder = TextEncoder.load(device)
    data = load_chains(args, text_encoder, PATH_CHUNKS)
    torch.manual_seed(args.seed)
    address = PlanarAddress(
        key_width=args.key_width,
        retrace=args.retrace,
        fov_degrees=_field_of_view(args, data.motion.fov_degrees),
        step_units=data.motion.step_units or 1.0,
    )
    height, width = data.training.latents.shape[2:]
    address = address.fitted(width, memory_grid(height, width)[1])
    print(f"a step is {address.config.step_units:g} units of the data's poses")
    config = PathTrainingConfig(optimisation(args), batch_size=args.batch_size)
    train_path(config, address.to(device), text_encoder, data.chains, data.validation_chains, args.out, data.held_out)
    print(f"wrote {args.out / 'address'}")
    return 0


def _field_of_view(args: argparse.Namespace, told: float | None) -> float:
    """What the user gives, else what the data tells, else that of the ViZDoom worlds."""
    from slowfast_vgen.models.planar_address import FOV_DEGREES

    if args.fov is not None and told is not None and abs(args.fov - told) > 1:
        raise UserError(f"the data tells a field of view of {told:g} degrees, not {args.fov:g}; leave out --fov")
    if args.fov is None and told is None:
        print(f"the data does not tell the camera's field of view; {FOV_DEGREES} degrees are taken (--fov)")
    return float(told or args.fov or FOV_DEGREES)


def write_still_path(args: argparse.Namespace) -> int:
    """`slowfast train still-path`."""
    from slowfast_vgen.models.planar_address import PlanarAddress
    from slowfast_vgen.models.weights import check_part_target, save_part

    folder = args.out / "address"
    check_output_folder(folder)
    check_part_target(folder)
    save_part(folder, PlanarAddress.still(args.key_width).to(start_computing(args)))
    print(f"wrote {folder}")
    return 0


def train_loop(args: argparse.Namespace) -> int:
    """`slowfast train loop`."""
    import torch

    from slowfast_vgen.memory.fast_learning import FastLearningConfig
    from slowfast_vgen.memory.lora import LoraConfig
    from slowfast_vgen.models.text import TextEncoder
    from slowfast_vgen.models.world_model import load_address, load_denoiser
    from slowfast_vgen.train.local_loop import LocalLoop, LocalLoopConfig
    from slowfast_vgen.train.loop import LoopConfig, LoopObjective, train_loop
    from slowfast_vgen.train.lora_loop import LoraLoop, LoraLoopConfig
    from slowfast_vgen.train.slow import SlowObjective, SlowTrainingConfig

    local = args.rule == "local"
    settle(args, local, "is of --rule local", address=None, write_gradients=None, segment=None)
    settle(args, local, "is of --rule local", memory_width=64, familiar=0.0)
    settle(args, not local, "is of a LoRA, not of --rule local", rank=8, fast_learning_rate=1e-4, triples="on-the-fly")
    if local and args.address is None:
        raise UserError(
            "the local rule needs --address, a folder that `slowfast train path` or `train still-path` wrote"
        )
    device = start_training(args)
    text_encoder = TextEncoder.load(device)
    torch.manual_seed(args.seed)
    address = load_address(args.address) if local else None
    denoiser = load_denoiser(args.init)
    target = _target(denoiser, args.init)
    if local:
        denoiser = _with_room(denoiser, args.memory_width)
    poses_needed = address is not None and not address.is_still
    data = load_chains(args, text_encoder, LOOP_CHUNKS, address, poses_needed)
    _check_init(denoiser, args.init, data.training)
    if address is not None:
        height, width = data.training.latents.shape[2:]
        address = address.fitted(width, denoiser.memory_shape(height, width).columns)
    config = LoopConfig(
        SlowTrainingConfig(
            optimisation(args),
            batch_size=args.batch_size,
            lengths=data.window_lengths(),
            target=target,
            **_emphasis(args),
        ),
        num_chains=args.batch_size,
        num_chunks=data.chains.num_chunks,
    )

    def objective(slow: SlowObjective) -> LoopObjective:
        if address is not None:
            settings = LocalLoopConfig(
                familiar=args.familiar, write_gradient_chunks=args.write_gradients, segment_chunks=args.segment
            )
            return LocalLoop(slow, address.to(device), settings)
        learning = FastLearningConfig(
            LoraConfig(rank=args.rank), args.rule, learning_rate=args.fast_learning_rate, rewind_chunks=0
        )
        return LoraLoop(slow, LoraLoopConfig(learning, args.triples), args.out / "shards")

    train_loop(
        config,
        denoiser.to(device),
        objective,
        text_encoder,
        data.chains,
        data.validation_chains,
        args.out,
        data.record(target),
        data.held_out,
    )
    write_vocabulary(args, args.out / "denoiser")
    print(f"wrote {args.out / 'denoiser'}")
    return 0


def train_context(args: argparse.Namespace) -> int:
    """`slowfast train context`."""
    import torch

    from slowfast_vgen.models.text import TextEncoder
    from slowfast_vgen.models.world_model import load_denoiser
    from slowfast_vgen.train.context import KINDS, ContextTrainingConfig, chosen_kinds, train_context
    from slowfast_vgen.train.slow import SlowTrainingConfig

    names = [name.strip() for name in args.kinds.split(",") if name.strip()]
    kinds = chosen_kinds(names) if names else KINDS
    device = start_training(args)
    text_encoder = TextEncoder.load(device)
    torch.manual_seed(args.seed)
    poses_needed = any(kind.kind == "retrieval" for _, kind in kinds)
    data = load_chains(args, text_encoder, CONTEXT_CHUNKS, poses_needed=poses_needed, same_view=False)
    denoiser = load_denoiser(args.init)
    target = _target(denoiser, args.init)
    _check_init(denoiser, args.init, data.training)
    slow = SlowTrainingConfig(
        optimisation(args), batch_size=args.batch_size, lengths=data.window_lengths(), target=target, **_emphasis(args)
    )
    config = ContextTrainingConfig(slow, kinds)
    train_context(
        config,
        denoiser.to(device),
        text_encoder,
        data.chains,
        data.validation_chains,
        args.out,
        data.record(target),
        data.held_out,
    )
    write_vocabulary(args, args.out / "denoiser")
    print(f"wrote {args.out / 'denoiser'}")
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
