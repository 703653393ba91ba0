"""`slowfast evaluate words`: does a world do what people mean, however they say it?"""

import argparse

from slowfast_bench.cli.results import check_outputs, finish
from slowfast_vgen.cli.common import add_json_argument, add_model_argument, load_model, replaced, whole_number

WORLDS = ("rooms-64", "rooms-64-retrace")
"""Measured where no world is named."""


def add_words(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command `words`."""
    parser = commands.add_parser("words", help="does a world do what people mean? paraphrases, nonsense, negations")
    add_model_argument(parser, default=None)
    parser.add_argument("--maps", type=whole_number(1, 10_000), metavar="N", help="for the laps; default: 16")
    parser.add_argument("--seeds", type=whole_number(1, 1000), metavar="N", help="for each map; default: 3")
    parser.add_argument("--quick", action="store_true", help="1 map, 1 seed: does it run?")
    add_json_argument(parser)
    parser.set_defaults(handler=evaluate_words)


def evaluate_words(args: argparse.Namespace) -> int:
    """`slowfast evaluate words`."""
    from slowfast_bench.words import WordsConfig, WordsTest

    check_outputs(args)
    config = replaced(WordsConfig.quick() if args.quick else WordsConfig(), num_maps=args.maps, num_seeds=args.seeds)
    names = (args.model,) if args.model else WORLDS
    test = WordsTest([load_model(args, name) for name in names], config)
    results = test.run()
    for stem, rows in results.protocol["missed"].items():
        for row in rows:
            print(f"{stem}: {row['text']!r} should be {row['wanted']}, and is {row['found'] or 'nothing'}")
    return finish(args, results)
