"""What a training writes of its data beside the weights: what the world can be told."""

import argparse
from pathlib import Path


def write_vocabulary(args: argparse.Namespace, folder: Path) -> None:
    """Writes `actions.json` beside a denoiser's weights, where `models pack` finds it: what `--data` was told.

    Where the data has poses, each verb's motion is measured.
    """
    from slowfast_vgen.data.sources import open_episodes
    from slowfast_vgen.data.told import read_told
    from slowfast_vgen.models.vocabulary import FILE, Motion, vocabulary_of
    from slowfast_vgen.models.weights import add_to_part

    told = read_told(open_episodes(path) for path in args.data)
    motions = {verb: Motion(*motion) for verb, motion in told.motions.items()}
    vocabulary = vocabulary_of(told.actions, motions)
    add_to_part(folder, lambda part: vocabulary.save(part / FILE))
