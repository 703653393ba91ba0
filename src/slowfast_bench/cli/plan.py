"""`slowfast plan`: imagine with memory, act in the real engine."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from slowfast_bench.cli.plan_tables import print_plan
from slowfast_vgen.cli.common import (
    add_json_argument,
    add_model_argument,
    load_model,
    path_name,
    replaced,
    whole_number,
    write_rows,
)
from slowfast_vgen.cli.computing import computed_with
from slowfast_vgen.cli.outputs import check_output_file, check_output_folder
from slowfast_vgen.cli.unused import settle
from slowfast_vgen.errors import UserError

if TYPE_CHECKING:
    from slowfast_bench.planning.arms import Player
    from slowfast_bench.planning.runner import Stage
    from slowfast_bench.planning.task import Task
    from slowfast_bench.results import Results
    from slowfast_vgen.plan.goal import SubGoal

_ABOUT = """\
Plans in a real engine: a goal in words is split into sub-goals, a world model imagines a chunk of video for each, an
inverse dynamics model reads the action off it, the engine carries it out, and what it shows goes on into the memory.
In vizdoom-retrace the agent is led through rooms that it never saw and must go back the way it came; in
metaworld-return blocks are moved about a table and must be put back where they were."""

_EXAMPLES = """\
Arms: loop (the world's own memory), no_loop (eq. 3 on slow weights before any loop), no_memory (the same without),
anchor and raw_context (a denoiser of `train context`), path (the walked poses alone: nothing imagined, nothing read),
and two bounds: oracle reads the true video, random draws actions. Arms whose weights are not given are
left out and named. The run goes on where it was stopped.

examples:
  slowfast plan --task vizdoom-retrace --quick
  slowfast plan --task vizdoom-retrace --arms loop --episodes 1 --watch
  slowfast plan --task vizdoom-retrace --slow runs/slow-retrace/denoiser --context runs/context-retrace/denoiser \\
    --episodes 100 --json results/plan-vizdoom-retrace.json --video videos
  slowfast plan --task vizdoom-retrace --arms path --precision bfloat16 --json results/plan-vizdoom-retrace.json --add
  slowfast plan --task metaworld-return --arms loop --episodes 3 --seeds 1 --watch
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command `plan`."""
    plan = subparsers.add_parser(
        "plan",
        help="imagine with memory, act in a real engine",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    plan.add_argument("--task", required=True, metavar="NAME", help="vizdoom-retrace or metaworld-return")
    add_model_argument(plan, default=None)
    told = "a folder that `slowfast train inverse-dynamics` wrote: reads actions off frames; default: the shipped one"
    plan.add_argument("--inverse-dynamics", type=path_name, metavar="DIR", help=told)
    plan.add_argument("--slow", type=path_name, metavar="DIR", help="a denoiser before any loop: no_memory, no_loop")
    plan.add_argument("--context", type=path_name, metavar="DIR", help="a denoiser of `train context`: the baselines")
    plan.add_argument("--arms", default="", metavar="NAMES", help="with commas between; default: all")
    plan.add_argument("--episodes", type=whole_number(1, 10_000), metavar="N", help="default: 100")
    plan.add_argument("--seeds", type=whole_number(1, 1000), metavar="N", help="for each episode; default: 3")
    plan.add_argument("--split", choices=("train", "validation", "test"), default="test", help="of scenes; %(default)s")
    told = "which frames go on into the memory after an action; default: real"
    plan.add_argument("--feedback", choices=("real", "imagined"), default="real", help=told)
    plan.add_argument("--goal", metavar="WORDS", help="in place of the task's own")
    told = "an OpenAI-compatible server that splits the goal, such as http://localhost:8000/v1; default: by rules"
    plan.add_argument("--endpoint", metavar="URL", help=told)
    plan.add_argument("--endpoint-model", metavar="NAME", help="the model that the server is asked for")
    plan.add_argument("--video", type=path_name, metavar="DIR", help="write videos of each arm's first episodes here")
    plan.add_argument("--videos", type=whole_number(1, 10_000), metavar="N", help="how many; default: 3")
    plan.add_argument(
        "--watch", action="store_true", help="write the videos as they come, playable after each decision; in ./plan"
    )
    plan.add_argument("--quick", action="store_true", help="2 short episodes, 1 seed: does it run?")
    add_json_argument(plan)
    told = "keep the rows of other arms that the file of --json holds; task and settings must be the same"
    plan.add_argument("--add", action="store_true", help=told)
    plan.set_defaults(handler=run_plan)


def run_plan(args: argparse.Namespace) -> int:
    """`slowfast plan`."""
    from slowfast_bench.planning.arms import chosen_arms, players
    from slowfast_bench.planning.rows import joined_rows, with_own_commits
    from slowfast_bench.planning.runner import Stage
    from slowfast_bench.planning.tasks import open_task
    from slowfast_bench.planning.trial import Trial, TrialConfig
    from slowfast_vgen.models.world_model import load_denoiser
    from slowfast_vgen.plan.reader import load_reader
    from slowfast_vgen.presets.readers import shipped_reader

    settle(args, bool(args.video or args.watch), "is of --video and --watch", videos=3)
    settle(args, bool(args.endpoint), "is of --endpoint", endpoint_model="")
    kept = _kept_rows(args)
    videos = args.video or (Path("plan") if args.watch else None)
    if videos:
        check_output_folder(videos)
    task, names = open_task(args.task, args.split, args.quick), chosen_arms(args.arms)
    config = TrialConfig.quick() if args.quick else TrialConfig()
    config = replaced(config, num_episodes=args.episodes, num_seeds=args.seeds)
    reader = load_reader(args.inverse_dynamics or shipped_reader(task.reader), task.action_texts)
    sub_goals, warning = _sub_goals(args, args.goal or task.goal, task)
    arms, missing = players(
        load_model(args, task.world_model),
        load_denoiser(args.slow) if args.slow else None,
        load_denoiser(args.context) if args.context else None,
        names,
    )
    for name, told in missing.items():
        print(f"left out {name}: {told}")
    stage = Stage(task, reader, sub_goals, args.feedback)
    trial = Trial(stage, arms, config)
    if videos:
        _record(stage, arms, videos, min(args.videos, config.num_episodes), args.watch)
    results = trial.run(trial.folder(args.json) if args.json else None)
    print_plan({arm.name: arm.label for arm in arms}, results, task.unit)
    for crash in results.protocol["crashed"]:
        print(f"crashed: episode {crash['episode']} of {crash['arm']}, seed {crash['seed']}: {crash['error']}")
    own = {"goal": args.goal or task.goal, "needs_weights": missing, "warnings": [warning] if warning else []}
    own |= computed_with(args)
    results = replace(results, protocol=results.protocol | own)
    if kept is not None:
        results = joined_rows(kept, results)
    write_rows(args.json, with_own_commits(results.protocol), results.rows)
    return 0


def _kept_rows(args: argparse.Namespace) -> "Results | None":
    """What the results file holds, for rows to be added to it; None where it is written anew."""
    from slowfast_bench.planning.rows import check_rows
    from slowfast_bench.results import read_results

    if args.add and args.json is None:
        raise UserError("--add adds rows to a results file; name it with --json FILE")
    if args.json:
        check_output_file(args.json)
    if not args.add or not args.json.is_file():
        return None
    kept = read_results(args.json)
    check_rows(kept)  # now, and not after the episodes were played
    return kept


def _sub_goals(args: argparse.Namespace, goal: str, task: "Task") -> "tuple[tuple[SubGoal, ...], str]":
    """The goal's sub-goals, and why the endpoint did not give them, where it was asked and did not."""
    from slowfast_vgen.plan.endpoint import EndpointSplitter
    from slowfast_vgen.plan.goal import split_goal

    if not args.endpoint:
        return split_goal(goal, task.vocabulary), ""
    sub_goals, warning = EndpointSplitter(args.endpoint, args.endpoint_model).split(
        goal, task.action_texts, task.vocabulary
    )
    if warning:
        print(warning)
    return sub_goals, warning


def _record(stage: "Stage", arms: "list[Player]", folder: Path, count: int, watch: bool) -> None:
    from slowfast_bench.planning.videos import record_episodes

    for arm in arms:
        for film in record_episodes(stage, arm, count, folder, watch):
            print(f"wrote {film.path}{film.error and f', whose episode broke off: {film.error}'}")
