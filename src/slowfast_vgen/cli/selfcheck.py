"""`slowfast selfcheck`: does all that generation needs work on this machine?"""

import argparse

from slowfast_vgen.cli.common import add_json_argument, write_figures
from slowfast_vgen.cli.computing import add_compute_arguments, computed_with, start_computing, told_shortly
from slowfast_vgen.cli.outputs import check_output_file
from slowfast_vgen.results import Estimate

FAILED_EXIT_CODE = 1

_ABOUT = """\
Checks in about a minute what generation needs on this machine: devices, precision, the shipped weights, the text
encoder, threads and speed, that a saved session resumes bit for bit, that sessions fork and rewind, that a place seen
before looks again as it did (turning round three times in the shipped start image), and the memory taken. A line each;
the exit code is 1 where something failed."""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command `selfcheck`."""
    selfcheck = subparsers.add_parser(
        "selfcheck",
        help="does all that generation needs work on this machine? about a minute",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_compute_arguments(selfcheck)
    add_json_argument(selfcheck)
    selfcheck.set_defaults(handler=run_selfcheck)


def run_selfcheck(args: argparse.Namespace) -> int:
    """`slowfast selfcheck`."""
    if args.json:
        check_output_file(args.json)
    device = start_computing(args, batched=False)
    from slowfast_vgen.machine import git_commit, machine
    from slowfast_vgen.presets.selfcheck import SelfCheck

    print(f"computing on {told_shortly(args)}")
    selfcheck = SelfCheck(device, args.precision, args.threads)
    width, checks = max(len(name) for name in selfcheck.checks), []
    for check in selfcheck.run():
        checks.append(check)
        advice = f"; {check.advice}" if check.advice else ""
        print(f"{'ok' if check.passed else 'FAILED':<7}{check.name:<{width}}  {check.finding}{advice}", flush=True)
    failed = [check.name for check in checks if not check.passed]
    print(f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}" if failed else "all is well")
    protocol = {
        "command": "selfcheck",
        **computed_with(args),
        "checks": {one.name: {"passed": one.passed, "finding": one.finding, "advice": one.advice} for one in checks},
        "git_commit": git_commit(),
        "machine": machine(device),
    }
    figures = {name: value for check in checks for name, value in check.figures.items()}
    write_figures(args.json, protocol, figures | {"failed": Estimate.exact(len(failed), len(checks))})
    return FAILED_EXIT_CODE if failed else 0
