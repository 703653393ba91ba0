"""`slowfast demo`: what the memory does, end to end."""

import argparse
from pathlib import Path

from slowfast_vgen.cli.common import (
    add_json_argument,
    add_model_argument,
    add_scale_argument,
    load_model,
    path_name,
    whole_number,
    write_rows,
)
from slowfast_vgen.cli.computing import computed_with
from slowfast_vgen.cli.outputs import check_output_file, check_output_folder
from slowfast_vgen.cli.unused import check_apart

_DEMO = """\
Shows what the memory does, end to end: a room of the test split, which no training has seen; a path of 24 actions that
comes back to places; the same path generated twice from the start image alone, with the memory on and off; and the true
frames from the engine beside both. Needs ViZDoom, which comes with this package, and a minute or two on two cores."""

_DEMO_EXAMPLES = """\
The folder then holds start.png, with_memory.mp4, without_memory.mp4, side_by_side.mp4 (true frames above, both videos
below), contact_sheet.png and demo.json with the figures. PSNR to truth: first visits show what no model can know from
the start image; revisits are poses whose first visit is more than 8 frames ago. PSNR to own first visit: whether a
place looks again as it did in the same video.

examples:
  slowfast demo
  slowfast demo --model worlds/mine --out mine --seed 3 --gif mine.gif
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command `demo`."""
    demo = subparsers.add_parser(
        "demo",
        help="see what the memory does, in two minutes",
        description=_DEMO,
        epilog=_DEMO_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model_argument(demo)
    demo.add_argument("--out", type=path_name, default=Path("demo"), metavar="DIR", help="folder; default: demo")
    demo.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="default: 0")
    demo.add_argument(
        "--gif", type=path_name, metavar="FILE", help="also write a small animated picture (.gif, .png or .webp)"
    )
    add_scale_argument(demo)
    add_json_argument(demo)
    demo.set_defaults(handler=make_demo)


def make_demo(args: argparse.Namespace) -> int:
    """`slowfast demo`."""
    check_output_folder(args.out)
    if args.gif is not None:
        check_output_file(args.gif, ".gif", ".png", ".webp")
    if args.json is not None:
        check_output_file(args.json)
    check_apart(gif=args.gif, json=args.json)

    from tqdm import tqdm

    from slowfast_bench import demo as presets

    world = load_model(args, batched=False)
    with tqdm(total=2 * len(presets.VERBS), unit="chunk", dynamic_ncols=True) as bar:

        def show(arm: str, _: int) -> None:
            bar.set_description_str(arm, refresh=False)
            bar.update()

        demo = presets.make_demo(world, args.seed, show)
    written = [path.name for path in presets.write_demo(demo, args.out, args.scale)]
    if args.gif is not None:
        presets.write_animation(demo, args.gif)
    rows = presets.measure(demo)
    protocol = {
        "command": "demo",
        "world": world.model.config.name,
        "world_sha256": world.model.fingerprint,
        "map": f"vizdoom-rooms, split test, seed 0, episode index {presets.MAP_INDEX}",
        "actions": list(demo.actions),
        "seed": args.seed,
        "sampling_steps": world.model.config.num_sampling_steps,
        **computed_with(args),
        "frame_size": list(world.frame_size),
        "intervals": "none: these are means over the frames of one episode, an illustration",
    }
    for path in filter(None, (args.out / "demo.json", args.json)):
        write_rows(path, protocol, rows)
    print(f"{'':<34} {'memory on':>10} {'memory off':>11}")
    for metric in dict.fromkeys(row.metric for row in rows):
        on, off = (row for row in rows if row.metric == metric)
        unit = "dB" if metric.startswith("PSNR") else ""
        print(f"{metric:<34} {on.mean:>10.1f} {off.mean:>11.1f} {unit}".rstrip())
    print(f"wrote {', '.join([*written, 'demo.json'])} in {args.out}{f'; {args.gif}' if args.gif else ''}")
    return 0
