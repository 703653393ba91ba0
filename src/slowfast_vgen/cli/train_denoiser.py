"""`slowfast train slow`, `loop` and `context`: the trainings of the denoiser."""

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from slowfast_vgen.cli.settings import flags_of, settings_of, warn_unused
from slowfast_vgen.cli.streams import is_first_process
from slowfast_vgen.cli.training import Commands, add_training, finish_training, start_on_texts
from slowfast_vgen.errors import UserError
from slowfast_vgen.train.settings import (
    ChainConfig,
    ContextStart,
    ContextTrainingConfig,
    LatentFiles,
    LoopConfig,
    LoopStart,
    LoraLoopConfig,
    RidgeLoopConfig,
    SlowStart,
    SlowTrainingConfig,
)

if TYPE_CHECKING:
    from slowfast_vgen.train.loop import LoopObjective
    from slowfast_vgen.train.slow import SlowObjective


def add_slow(commands: Commands) -> None:
    """Adds `train slow`."""
    text = "the denoiser, on windows of past frames, action and next frames (eq. 1-2)"
    add_training(commands, "slow", text, train_slow, LatentFiles, SlowStart, SlowTrainingConfig)


def add_loop(commands: Commands) -> None:
    """Adds `train loop`."""
    text = "the slow-fast loop (Algorithm 1b): slow weights learn to use a memory"
    rules = RidgeLoopConfig, LoraLoopConfig
    add_training(commands, "loop", text, train_loop, LatentFiles, LoopStart, LoopConfig, *rules)


def add_context(commands: Commands) -> None:
    """Adds `train context`."""
    text = "the denoiser whose memory are frames (raw context, anchor, retrieval): a baseline of `evaluate`"
    add_training(
        commands, "context", text, train_context, LatentFiles, ContextStart, ChainConfig, ContextTrainingConfig
    )


def train_slow(args: argparse.Namespace) -> int:
    """`slowfast train slow`."""
    from slowfast_vgen.models.world_model import load_denoiser
    from slowfast_vgen.train.inputs import load_latents
    from slowfast_vgen.train.slow import train_slow
    from slowfast_vgen.train.start import for_latents, new_denoiser, target_of, with_room

    files, start = settings_of(args, LatentFiles), settings_of(args, SlowStart)
    warn_unused(args, start.init is None, "is of fresh weights, and --init gives others", "denoiser")
    fresh = start.init is None and start.denoiser == "transformer"
    warn_unused(args, fresh, "is of a new transformer", "width", "depth")
    warn_unused(args, start.memory, "is of --memory", "memory_width")
    device, text_encoder, config = start_on_texts(args, SlowTrainingConfig)
    data = load_latents(files, text_encoder)
    if start.init:
        denoiser = load_denoiser(start.init)
        args.target = target = target_of(denoiser, start.init, args.target)
        denoiser = for_latents(denoiser, start.init, data.training)
    else:
        denoiser, target = new_denoiser(start, *data.training.latents.shape[1:]), config.target
    if start.memory:
        denoiser = with_room(denoiser, start.memory_width)
    config, record = replace(config, lengths=data.window_lengths(), target=target), data.record(target)
    sets = data.training, data.validation
    train_slow(config, denoiser.to(device), text_encoder, *sets, files.out, record, data.held_out)
    return finish_denoiser(args)


def train_loop(args: argparse.Namespace) -> int:
    """`slowfast train loop`."""
    from slowfast_vgen.models.world_model import load_address, load_denoiser
    from slowfast_vgen.train.inputs import load_chains
    from slowfast_vgen.train.loop import train_loop
    from slowfast_vgen.train.ridge_loop import RidgeLoop
    from slowfast_vgen.train.start import check_init, target_of, with_room

    files, start = settings_of(args, LatentFiles), settings_of(args, LoopStart)
    ridge = start.rule == "ridge"
    warn_unused(args, ridge, "is of --rule ridge", "address", "memory_width", *flags_of(RidgeLoopConfig))
    warn_unused(args, not ridge, "is of a LoRA, not of --rule ridge", *flags_of(LoraLoopConfig))
    if ridge and start.address is None:
        raise UserError(
            "the ridge rule needs --address, a folder that `slowfast train path` or `train still-path` wrote"
        )
    device, text_encoder, config = start_on_texts(args, LoopConfig)
    address = load_address(start.address) if start.address and ridge else None
    denoiser = load_denoiser(start.init)
    target = target_of(denoiser, start.init)
    if ridge:
        denoiser = with_room(denoiser, start.memory_width)
    poses_needed = address is not None and not address.is_still
    data = load_chains(files, text_encoder, config.num_chunks, args.chunks is None, address, poses_needed)
    check_init(denoiser, start.init, data.training)
    args.chunks = data.chains.num_chunks

    def objective(slow: "SlowObjective") -> "LoopObjective":
        if address is None:
            return _lora_loop(args, slow)
        height, width = data.training.latents.shape[2:]
        fitted = address.fitted(width, denoiser.memory_shape(height, width).columns)
        return RidgeLoop(slow, fitted.to(device), settings_of(args, RidgeLoopConfig))

    slow = replace(config.slow, batch_size=config.num_chains, lengths=data.window_lengths(), target=target)
    config, record = replace(config, slow=slow, num_chunks=data.chains.num_chunks), data.record(target)
    chains = data.chains, data.validation_chains
    train_loop(config, denoiser.to(device), objective, text_encoder, *chains, files.out, record, data.held_out)
    return finish_denoiser(args)


def _lora_loop(args: argparse.Namespace, slow: "SlowObjective") -> "LoopObjective":
    from slowfast_vgen.train.lora_loop import LoraLoop

    config = settings_of(args, LoraLoopConfig)
    learning = replace(config.learning, rule=args.rule)
    return LoraLoop(slow, replace(config, learning=learning), args.out / "shards")


def train_context(args: argparse.Namespace) -> int:
    """`slowfast train context`."""
    from slowfast_vgen.models.world_model import load_denoiser
    from slowfast_vgen.train.context import train_context
    from slowfast_vgen.train.inputs import load_chains
    from slowfast_vgen.train.start import check_init, target_of

    files, start = settings_of(args, LatentFiles), settings_of(args, ContextStart)
    kinds, most = start.chosen, settings_of(args, ChainConfig).num_chunks
    device, text_encoder, config = start_on_texts(args, ContextTrainingConfig)
    poses_needed = any(kind.kind == "retrieval" for _, kind in kinds)
    data = load_chains(files, text_encoder, most, fewer=args.chunks is None, poses_needed=poses_needed, same_view=False)
    denoiser = load_denoiser(start.init)
    target = target_of(denoiser, start.init)
    check_init(denoiser, start.init, data.training)
    args.chunks = data.chains.num_chunks
    slow = replace(config.slow, lengths=data.window_lengths(), target=target)
    config, record = replace(config, slow=slow, kinds=kinds), data.record(target)
    chains = data.chains, data.validation_chains
    train_context(config, denoiser.to(device), text_encoder, *chains, files.out, record, data.held_out)
    return finish_denoiser(args)


def finish_denoiser(args: argparse.Namespace) -> int:
    """Writes the actions of `--data` next to the denoiser's weights."""
    from slowfast_vgen.train.start import write_vocabulary

    if is_first_process():
        write_vocabulary(args.out / "denoiser", args.data)
    return finish_training(args, args.out / "denoiser")
