"""`slowfast generate`: a video from a packed world."""

import argparse
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

from slowfast_vgen.cli.action_list import parse_actions, read_actions
from slowfast_vgen.cli.common import (
    add_json_argument,
    add_model_argument,
    add_scale_argument,
    load_model,
    number,
    path_name,
    whole_number,
    write_figures,
)
from slowfast_vgen.cli.computing import computed_with, told_shortly
from slowfast_vgen.cli.outputs import check_output_file, check_output_folder
from slowfast_vgen.cli.quick_start import import_diffusers_quickly
from slowfast_vgen.cli.unused import check_apart
from slowfast_vgen.errors import ActionWarning, UserError
from slowfast_vgen.memory.names import MEMORY_NAMES, memory_name

if TYPE_CHECKING:
    from slowfast_vgen.rollout import Session, WorldModel

_GENERATE = """\
Makes a video from a start image and a list of actions, a few frames an action, as an MP4 file that browsers play.
With the memory on, what a chunk shows is kept with the place where it was seen, and comes back there.
The same world, image, actions and seed give the same video on the same machine."""

_GENERATE_EXAMPLES = """\
An action is free text, brought to the nearest verb of the world's vocabulary (`slowfast models`) where it has one; what
is not understood, or says what not to do, is refused with the nearest known action. Actions are parted by semicolons,
commas, "then" or line ends; a number of times may go with each ("turn left x4"). The first frame of the video is the
start image or, with --load-memory, the frame that the saved session ended with. Images of another size are cropped to
the frame's shape in their middle and resized. --memory also takes the name of a rule of fast learning
(docs/concepts.md); a rule that the world ships comes with the world's settings. Ctrl-C ends after the chunk in hand,
a second Ctrl-C at once: the video is kept, and the session is saved where --save-memory asks for it, as it was after
the last chunk.

examples:
  slowfast generate --image start.png --actions "turn left x4; go forward; go back" --out out.mp4
  slowfast generate --image photo.jpg --actions-file path.txt --memory off --seed 7 --out off.mp4
  slowfast generate --image start.png --actions "turn left x8" --save-memory episode --out first.mp4
  slowfast generate --load-memory episode --actions "go forward" --out second.mp4
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command `generate`."""
    generate = subparsers.add_parser(
        "generate",
        help="make a video from a start image and actions",
        description=_GENERATE,
        epilog=_GENERATE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model_argument(generate)
    start = generate.add_mutually_exclusive_group(required=True)
    start.add_argument("--image", type=path_name, metavar="FILE", help="the start image")
    start.add_argument("--load-memory", type=path_name, metavar="DIR", help="go on with a session that was saved there")
    actions = generate.add_mutually_exclusive_group(required=True)
    actions.add_argument("--actions", metavar="TEXT", help='such as "turn left x4; go forward"; one chunk each')
    actions.add_argument(
        "--actions-file", type=path_name, metavar="FILE", help="one action a line; blanks and # comments are skipped"
    )
    generate.add_argument(
        "--nearest", action="store_true", help="take the nearest known action for what is not understood: do not refuse"
    )
    generate.add_argument("--out", required=True, type=path_name, metavar="FILE.mp4", help="the video to write")
    generate.add_argument(
        "--memory",
        type=memory_name,
        metavar="RULE",
        help=f"{', '.join(MEMORY_NAMES)}, or MODULE:CLASS; default: on, the world's own, or the loaded session's",
    )
    generate.add_argument("--seed", type=whole_number(0), metavar="N", help="default: 0, or the loaded session's")
    generate.add_argument("--save-memory", type=path_name, metavar="DIR", help="save the session here")
    generate.add_argument("--steps", type=whole_number(1, 1000), metavar="N", help="sampling steps; default: as packed")
    generate.add_argument(
        "--guidance",
        type=number(0, 100),
        metavar="SCALE",
        help="how much more than asked the action decides; default: 1, which is off; any other takes twice as long",
    )
    add_scale_argument(generate)
    add_json_argument(generate)
    generate.set_defaults(handler=generate_video)


def generate_video(args: argparse.Namespace) -> int:
    """`slowfast generate`."""
    import_diffusers_quickly()
    _check_outputs(args)

    from tqdm import tqdm

    from slowfast_vgen.data.video import VideoWriter
    from slowfast_vgen.images import frame_from_image
    from slowfast_vgen.memory.sessions import read_session_header
    from slowfast_vgen.models.text import validate_action
    from slowfast_vgen.pictures import upscaled

    actions = _actions(args)
    for action in dict.fromkeys(actions):
        validate_action(action)
    if args.image is not None:
        frame_from_image(args.image, 1, 1)  # here too: what cannot be used is told before the weights are loaded
    stored = None if args.load_memory is None else asdict(read_session_header(args.load_memory))
    world = load_model(args, batched=False, stored=stored)
    session, settings = _begin(world, args)

    told: list[dict[str, str]] = []
    num_chunks = num_frames = 0
    begun_at = session.num_chunks
    start = time.perf_counter()
    try:
        with (
            VideoWriter(args.out, world.model.config.fps) as writer,
            _interrupt_after_chunk() as interrupted,
            tqdm(total=len(actions), unit="chunk", dynamic_ncols=True) as bar,
        ):
            writer.write(upscaled(session.start_frame[None], args.scale))
            for action in actions:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ActionWarning)  # told before the first chunk, once each
                    frames = session.step(action)
                if session.last_action is not None:
                    told.append(asdict(session.last_action))
                writer.write(upscaled(frames, args.scale))
                num_chunks += 1
                num_frames += len(frames)
                bar.set_postfix_str(f"{num_frames / (time.perf_counter() - start):.1f} frames/s", refresh=False)
                bar.update()
                if interrupted.is_set():
                    break
    except KeyboardInterrupt:
        pass  # within a chunk: the session stands where it did before it
    seconds = time.perf_counter() - start
    if args.save_memory is not None:
        session.save(args.save_memory)
    if num_chunks < len(actions):
        done = f"{args.out} holds {num_chunks} of {len(actions)} chunks"
        if args.save_memory is not None:
            stands = session.num_chunks - begun_at  # one more, where a chunk was made but not written any more
            done += f"; {args.save_memory} the session after {'them' if stands == num_chunks else f'{stands} chunks'}"
        raise KeyboardInterrupt(done)
    figures = {"frames": num_frames, "seconds": seconds, "frames_per_second": num_frames / seconds}
    if session.memory is not None:
        figures["rollbacks"] = session.memory.rollbacks[0]
    protocol = {
        "command": "generate",
        "world": world.model.config.full_name,
        "world_sha256": world.model.fingerprint,
        "start": str(args.image or args.load_memory),
        "actions": actions,
        "understood": told,
        **settings._asdict(),
        "text_encoder": world.model.text_encoder.used,
        **computed_with(args),
    }
    write_figures(args.json, protocol, figures)
    saved = f"; session in {args.save_memory}" if args.save_memory is not None else ""
    rate = f"{num_frames / seconds:.1f} frames/s ({told_shortly(args)})"
    print(f"{num_frames} frames in {seconds:.1f} s, {rate}: {args.out}{saved}")
    return 0


def _actions(args: argparse.Namespace) -> list[str]:
    """The actions, one a chunk, checked against what the world can be told; nothing but its list of words is loaded.

    Raises:
        UserError: no such world, a list that cannot be read, or an action that is not carried out as it is written.
    """
    from slowfast_vgen.presets.worlds import vocabulary as read_vocabulary
    from slowfast_vgen.rollout.telling import refusal

    vocabulary = read_vocabulary(args.model)
    listed = parse_actions(args.actions, vocabulary) if args.actions is not None else None
    actions = read_actions(args.actions_file, vocabulary) if listed is None else listed
    if vocabulary is None:
        return actions
    for action in dict.fromkeys(actions):
        heard = vocabulary.understand(action)
        if heard.problem and not vocabulary.is_free and not args.nearest:
            raise UserError(f"{refusal(vocabulary, heard)} (--nearest takes it)")
        if heard.problem or heard.note:
            warnings.warn(heard.note or refusal(vocabulary, heard), ActionWarning, stacklevel=2)
    return actions


def _check_outputs(args: argparse.Namespace) -> None:
    check_output_file(args.out, ".mp4")
    check_apart(image=args.image, actions_file=args.actions_file, out=args.out, json=args.json)
    if args.json is not None:
        check_output_file(args.json)
    if args.save_memory is None:
        return
    from slowfast_vgen.memory.sessions import check_session_target

    check_output_folder(args.save_memory.parent)
    check_session_target(args.save_memory)
    for file in filter(None, (args.out, args.json)):
        if file.resolve().is_relative_to(args.save_memory.resolve()):
            raise UserError(
                f"{file} lies inside {args.save_memory}, which --save-memory replaces as a whole; write it elsewhere"
            )


class _Settings(NamedTuple):
    """What a session runs with, by the names of the options."""

    memory: str
    seed: int
    steps: int
    guidance: float


def _begin(world: "WorldModel", args: argparse.Namespace) -> "tuple[Session, _Settings]":
    """A new session, or the saved one, which no option given beside it may contradict; and what it runs with."""
    from slowfast_vgen.memory.config import memory_by_name

    strict = False if args.nearest else None
    given = {name: getattr(args, name) for name in _Settings._fields if getattr(args, name) is not None}
    if args.load_memory is None:
        settings = _Settings("on", 0, world.model.config.num_sampling_steps, 1.0)._replace(**given)
        if settings.memory == "on" and not world.shipped_memory:
            if "memory" in given:
                raise UserError(
                    f"the world {world.model.config.name!r} has no memory of its own to switch on; leave --memory "
                    "away, or give a rule, such as --memory denoising"
                )
            settings = settings._replace(memory="off")
        memory = memory_by_name(settings.memory, world.shipped_memory) or False
        return world.start(args.image, memory, settings.seed, settings.steps, strict, settings.guidance), settings
    from slowfast_vgen.memory.sessions import read_session_header

    header = read_session_header(args.load_memory)
    state = "off" if header.memory is None else "on"
    settings = _Settings(state, header.seed, header.num_sampling_steps, header.guidance_scale)
    for name, value in given.items():
        if value != getattr(settings, name):
            raise UserError(
                f"--{name} {value} contradicts the session in {args.load_memory}, which goes on with --{name} "
                f"{getattr(settings, name)}; leave the option away"
            )
    return world.resume(args.load_memory, strict), settings


@contextmanager
def _interrupt_after_chunk() -> Iterator[threading.Event]:
    """Inside the block the first Ctrl-C only sets the event; the second one interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals belong to the main thread
        yield event
        return

    def handle(_: int, __: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()
        with suppress(OSError):  # nobody reads it
            os.write(
                2, b"\nending after this chunk; Ctrl-C once more ends at once\n"
            )  # print could be under way itself

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
