"""`slowfast data shard`."""

import argparse

from slowfast_vgen.cli.common import add_json_argument, path_name, whole_number, write_figures


def register_shard(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds `shard`."""
    parser = commands.add_parser(
        "shard", help="write data sets of one split as WebDataset shards; goes on where it was stopped"
    )
    parser.add_argument("sources", nargs="+", type=path_name, metavar="SRC", help="folder of a data set")
    parser.add_argument("out", type=path_name, metavar="OUT", help="new or empty folder, or the same shards")
    parser.add_argument(
        "--max-bytes-per-shard", type=whole_number(1, 2**40), default=2**28, metavar="BYTES",
        help="an episode that is larger makes a shard of its own; default: 268435456",
    )  # fmt: skip
    add_json_argument(parser)
    parser.set_defaults(handler=shard_datasets)


def shard_datasets(args: argparse.Namespace) -> int:
    """`slowfast data shard`."""
    from tqdm import tqdm

    from slowfast_vgen.data.shards.write import write_shards

    num_done = 0
    try:
        with tqdm(unit="episode", dynamic_ncols=True) as bar:

            def show(done: int, total: int) -> None:
                nonlocal num_done
                num_done = done
                bar.total = total
                bar.update(done - bar.n)

            index = write_shards(args.sources, args.out, args.max_bytes_per_shard, show)
    except KeyboardInterrupt:
        told = f"{num_done} episodes are done; the same command goes on from the last finished shard"
        raise KeyboardInterrupt(told) from None
    print(
        f"{args.out} holds {index.num_episodes} episodes ({index.num_frames} frames) in {len(index.shards)} shards, "
        f"{index.num_bytes / 1e6:.1f} MB, content {index.content_sha256[:12]}"
    )
    protocol = {
        "command": "data shard",
        "sources": [str(source) for source in args.sources],
        "max_bytes_per_shard": args.max_bytes_per_shard,
        "content_sha256": index.content_sha256,
    }
    counts = {"episodes": index.num_episodes, "frames": index.num_frames, "bytes": index.num_bytes}
    figures = counts | {"shards": len(index.shards)}
    write_figures(args.json, protocol, figures)
    return 0
