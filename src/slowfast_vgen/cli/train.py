"""`slowfast train`: the trainings of the slow weights."""

import argparse

from slowfast_vgen.cli.common import number, path_name, whole_number
from slowfast_vgen.cli.computing import add_compute_arguments, start_computing
from slowfast_vgen.cli.outputs import check_output_folder
from slowfast_vgen.cli.train_data import (
    Commands,
    add_chunks_argument,
    add_training,
    load_chains,
    open_sets,
    optimisation,
    some_episodes,
    start_on_texts,
    start_training,
)
from slowfast_vgen.cli.train_denoiser import add_context, add_loop, add_slow
from slowfast_vgen.cli.train_reader import add_inverse_dynamics
from slowfast_vgen.errors import UserError

PATH_CHUNKS = 16
"""Of the chains, where the data has as long ones."""


def register(subparsers: Commands) -> None:
    """Adds the group `train` and its commands."""
    group = subparsers.add_parser("train", help="train each part of a world and its loop; goes on where it was stopped")
    commands = group.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for add in (_add_codec, add_slow, _add_path, _add_still_path, add_loop, add_context, add_inverse_dynamics):
        add(commands)


def _add_codec(commands: Commands) -> None:
    told = "the autoencoder between pixels and latents"
    codec = add_training(commands, "codec", told, train_codec, 6000, 16, 1e-3)
    told = "default: 8, or those of --init, to which more can be added"
    codec.add_argument("--latent-channels", type=whole_number(1, 64), metavar="N", help=told)
    told = "start from the weights of this codec folder; wanted where the camera stands still"
    codec.add_argument("--init", type=path_name, metavar="DIR", help=told)


def _add_path(commands: Commands) -> None:
    told = "where actions lead: the part that gives a local memory its addresses"
    path = add_training(commands, "path", told, train_path, 5000, 8, 3e-3, cached=True)
    path.add_argument("--key-width", type=whole_number(2, 65536), default=768, help="of the memory; default: 768")
    add_chunks_argument(path, PATH_CHUNKS)
    told = "the camera's field of view across a frame, where the data does not tell it; default: 89.7"
    path.add_argument("--fov", type=number(1, 179), metavar="DEGREES", help=told)
    told = "learn as well which texts ask for the way back; --data must have some"
    path.add_argument("--retrace", action="store_true", help=told)


def _add_still_path(commands: Commands) -> None:
    still = commands.add_parser("still-path", help="the same for a camera that never moves: nothing is to be learned")
    still.add_argument("--out", required=True, type=path_name, metavar="DIR", help="folder of the run")
    still.add_argument("--key-width", type=whole_number(2, 65536), default=64, help="of the memory; default: 64")
    add_compute_arguments(still, device_alone=True)
    still.set_defaults(handler=write_still_path)


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


def train_path(args: argparse.Namespace) -> int:
    """`slowfast train path`."""
    from slowfast_vgen.models.addressing.address import PlanarAddress
    from slowfast_vgen.models.denoiser import memory_grid
    from slowfast_vgen.train.path import PathTrainingConfig, train_path

    device, text_encoder = start_on_texts(args)
    data = load_chains(args, text_encoder, PATH_CHUNKS)
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
    from slowfast_vgen.models.addressing.address import FOV_DEGREES

    if args.fov is not None and told is not None and abs(args.fov - told) > 1:
        raise UserError(f"the data tells a field of view of {told:g} degrees, not {args.fov:g}; leave out --fov")
    if args.fov is None and told is None:
        print(f"the data does not tell the camera's field of view; {FOV_DEGREES} degrees are taken (--fov)")
    return float(told or args.fov or FOV_DEGREES)


def write_still_path(args: argparse.Namespace) -> int:
    """`slowfast train still-path`."""
    from slowfast_vgen.models.addressing.address import PlanarAddress
    from slowfast_vgen.models.weights import check_part_target, save_part

    folder = args.out / "address"
    check_output_folder(folder)
    check_part_target(folder)
    save_part(folder, PlanarAddress.still(args.key_width).to(start_computing(args)))
    print(f"wrote {folder}")
    return 0
