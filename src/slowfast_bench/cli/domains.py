"""`slowfast evaluate domains`: one model over many data sets."""

import argparse

from slowfast_bench.cli.results import check_outputs, finish_with_sheets
from slowfast_vgen.cli.common import (
    add_json_argument,
    add_model_argument,
    load_model,
    named_folder,
    replaced,
    whole_number,
)
from slowfast_vgen.errors import UserError

_EXAMPLE = """\
example:
  slowfast evaluate domains --model runs/worlds --on rooms=data/rooms/test --on streets=data/streets/test \\
    --without streets=runs/no-streets/denoiser --json results/domains.json"""


def add_domains(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command `domains`."""
    parser = commands.add_parser(
        "domains",
        help="quality in each of several data sets, and where a domain was left out of the training",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model_argument(parser)
    domain = named_folder("NAME", "rooms=data/rooms/test")
    parser.add_argument(
        "--on", required=True, action="append", type=domain, metavar="NAME=DIR",
        help="a domain and its held-out episodes, a data set or shards; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--without", action="append", default=[], type=domain, metavar="NAME=DIR",
        help="a denoiser folder of a training without that domain; may be given again",
    )  # fmt: skip
    parser.add_argument("--episodes", type=whole_number(1, 10_000), metavar="N", help="of each domain; default: 64")
    parser.add_argument("--seeds", type=whole_number(1, 1000), metavar="N", help="for each episode; default: 3")
    told = "of true frames before four that are generated; default: 11"
    parser.add_argument("--shown", type=whole_number(1, 10_000), metavar="CHUNKS", help=told)
    parser.add_argument("--quick", action="store_true", help="2 episodes, 1 seed: does it run?")
    add_json_argument(parser)
    parser.set_defaults(handler=evaluate_domains)


def evaluate_domains(args: argparse.Namespace) -> int:
    """`slowfast evaluate domains`."""
    from slowfast_bench.cache import cache_folder
    from slowfast_bench.domains import Domains, DomainsConfig, describe_source
    from slowfast_bench.paths.ways import recorded_ways
    from slowfast_bench.scores.next_chunk import CLIP_CHUNKS, CLIP_FRAMES
    from slowfast_vgen.data.sources import open_episodes
    from slowfast_vgen.metrics.networks import GivenWeights, Networks
    from slowfast_vgen.models.world_model import load_denoiser

    check_outputs(args)
    config = DomainsConfig.quick() if args.quick else DomainsConfig()
    config = replaced(config, num_episodes=args.episodes, num_seeds=args.seeds, num_shown=args.shown)
    for told, pairs in (("--on", args.on), ("--without", args.without)):
        names = [name for name, _ in pairs]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise UserError(f"{told} {twice[0]} is given twice; give each domain a name of its own")
    sources = {name: open_episodes(folder) for name, folder in args.on}
    domains = Domains(
        load_model(args),
        {
            name: recorded_ways(source, config.num_episodes, config.num_shown, CLIP_CHUNKS)
            for name, source in sources.items()
        },
        {name: load_denoiser(folder) for name, folder in args.without},
        config,
        Networks.load(GivenWeights()),
        {name: describe_source(source) for name, source in sources.items()},
    )
    results = domains.run(cache_folder(args.json, "domains", domains.protocol) if args.json else None)
    return finish_with_sheets(args, results, range(1, CLIP_FRAMES, 2))
