"""`slowfast train`: the trainings of the slow weights. Their settings are in `train.settings`."""

import argparse

from slowfast_vgen.cli.computing import add_compute_arguments, start_computing
from slowfast_vgen.cli.outputs import check_output_folder
from slowfast_vgen.cli.settings import SettingsParser, add_settings, settings_of, warn_unused
from slowfast_vgen.cli.train_denoiser import add_context, add_loop, add_slow
from slowfast_vgen.cli.train_reader import add_inverse_dynamics
from slowfast_vgen.cli.training import Commands, add_training, finish_training, start_on_texts, start_training
from slowfast_vgen.errors import UserError
from slowfast_vgen.train.settings import (
    AddressConfig,
    CodecStart,
    CodecTrainingConfig,
    LatentFiles,
    PathChainConfig,
    PathTrainingConfig,
    StillAddressConfig,
    TrainingFiles,
)


def register(subparsers: Commands) -> None:
    """Adds the group `train` and its commands."""
    group = subparsers.add_parser("train", help="train each part of a world and its loop; goes on where it was stopped")
    commands = group.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True, parser_class=SettingsParser
    )
    text = "the autoencoder between pixels and latents"
    add_training(commands, "codec", text, train_codec, TrainingFiles, CodecStart, CodecTrainingConfig)
    add_slow(commands)
    text = "where actions lead: the part that gives a ridge memory its addresses"
    add_training(commands, "path", text, train_path, LatentFiles, AddressConfig, PathChainConfig, PathTrainingConfig)
    still = commands.add_parser("still-path", help="the same for a camera that never moves: nothing is to be learned")
    add_settings(still, StillAddressConfig)
    add_compute_arguments(still, device_alone=True)
    still.set_defaults(handler=write_still_path)
    for add in (add_loop, add_context, add_inverse_dynamics):
        add(commands)


def train_codec(args: argparse.Namespace) -> int:
    """`slowfast train codec`."""
    from dataclasses import replace

    import numpy as np
    import torch

    from slowfast_vgen.models.codec import Codec
    from slowfast_vgen.train.codec import sample_frames, train_codec
    from slowfast_vgen.train.inputs import open_sets, some_episodes

    files, start = settings_of(args, TrainingFiles), settings_of(args, CodecStart)
    sizes_of_others = ("fold", "encoder_width", "decoder_width", "encoder_blocks", "decoder_blocks")
    warn_unused(args, start.init is None, "is of fresh weights, and --init gives others", *sizes_of_others)
    device, config = start_training(args, CodecTrainingConfig)
    seed, init = config.optimisation.seed, Codec.load(start.init) if start.init else None
    if init:
        args.latent_channels = channels = args.latent_channels or init.latent_channels
        torch.manual_seed(seed)  # for the weights of channels that are added
        init = init.with_channels(channels)
        config = replace(config, codec=replace(CodecTrainingConfig.codec, latent_channels=channels))
    opened = open_sets(files)
    # Every fifth frame is of every part of a chunk, which mostly has four.
    sets, held_out = (
        [sample_frames(some_episodes(source, seed, files.max_bad_share), every) for source in sources]
        for sources, every in ((opened.training, 5), (opened.validation, 15))
    )
    if len(sizes := {frames.shape[1:3] for frames in (*sets, *held_out)}) > 1:
        raise UserError(f"the sets have frames of {len(sizes)} sizes, {sorted(sizes)}; make them of one size")
    set_sizes = [len(frames) for frames in sets]
    frames = np.concatenate(sets) if len(sets) > 1 else sets[0]
    del sets  # one copy is enough
    train_codec(config, frames, np.concatenate(held_out), files.out, init, set_sizes, device, opened.held_out)
    return finish_training(args, files.out / "codec")


def train_path(args: argparse.Namespace) -> int:
    """`slowfast train path`."""
    from slowfast_vgen.models.addressing.address import PlanarAddress
    from slowfast_vgen.models.denoiser import memory_grid
    from slowfast_vgen.train.inputs import load_chains
    from slowfast_vgen.train.path import train_path

    files, wanted = settings_of(args, LatentFiles), settings_of(args, AddressConfig)
    device, text_encoder, config = start_on_texts(args, PathTrainingConfig)
    data = load_chains(files, text_encoder, settings_of(args, PathChainConfig).num_chunks, fewer=args.chunks is None)
    args.chunks = data.chains.num_chunks
    address = PlanarAddress(
        key_width=wanted.key_width,
        retrace=wanted.retrace,
        fov_degrees=_field_of_view(wanted.fov, data.motion.fov_degrees),
        step_units=data.motion.step_units or 1.0,
    )
    height, width = data.training.latents.shape[2:]
    address = address.fitted(width, memory_grid(height, width)[1])
    print(f"a step is {address.config.step_units:g} units of the data's poses")
    chains = data.chains, data.validation_chains
    train_path(config, address.to(device), text_encoder, *chains, files.out, data.held_out)
    return finish_training(args, files.out / "address")


def _field_of_view(given: float | None, of_data: float | None) -> float:
    """What the user gives, else what the data tells, else that of the ViZDoom worlds."""
    from slowfast_vgen.models.addressing.address import FOV_DEGREES

    if given is not None and of_data is not None and abs(given - of_data) > 1:
        raise UserError(f"the data tells a field of view of {of_data:g} degrees, not {given:g}; leave out --fov")
    if given is None and of_data is None:
        print(f"the data does not tell the camera's field of view; {FOV_DEGREES} degrees are taken (--fov)")
    return float(of_data or given or FOV_DEGREES)


def write_still_path(args: argparse.Namespace) -> int:
    """`slowfast train still-path`."""
    import torch

    from slowfast_vgen.models.addressing.address import PlanarAddress
    from slowfast_vgen.models.weights import check_part_target, save_part

    config = settings_of(args, StillAddressConfig)
    folder = config.out / "address"
    check_output_folder(folder)
    check_part_target(folder)
    torch.manual_seed(0)  # its weights are never used, and are the same every time
    save_part(folder, PlanarAddress.still(config.key_width).to(start_computing(args)))
    print(f"wrote {folder}")
    return 0
