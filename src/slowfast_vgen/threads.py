"""The number of threads to compute with. It decides the speed, and the last bits of what is computed."""

import os
import time
from pathlib import Path

from slowfast_vgen.errors import UserError

MOST_THREADS = 8
"""Most threads that are used; more are no faster for networks of this size."""
SAMPLE_SECONDS = 0.1
_CPU_TIMES = Path("/proc/stat")
_CGROUP = Path("/sys/fs/cgroup")


def let_threads_sleep() -> None:
    """Makes OpenMP's threads sleep while they wait for each other. It works only before torch is first imported.

    By default they spin, which on a machine whose CPUs are all busy makes two threads many times slower than one.
    What the user has set stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def available_cpus() -> int:
    """Number of CPUs that this process may use: those it is bound to, or fewer where its control group has a quota."""
    try:
        bound = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        bound = os.cpu_count() or 1
    quota = _quota(_CGROUP)
    return bound if quota is None else max(1, min(bound, int(quota)))


def _quota(root: Path) -> float | None:
    """The control group's limit in CPUs (version 2, or 1); None where there is none."""
    try:
        if (root / "cpu.max").is_file():
            limit, period = (root / "cpu.max").read_text().split()
        else:
            limit = (root / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text()
        return int(limit) / int(period) if int(limit) > 0 else None
    except (OSError, ValueError):  # no such group, or "max"
        return None


def free_cpus(seconds: float = SAMPLE_SECONDS) -> float:
    """Measures for `seconds` how many of the CPUs that this process may use are idle."""
    before = _idle_and_total()
    if before is None:
        return max(0.0, available_cpus() - (os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0))
    time.sleep(seconds)
    after = _idle_and_total() or before
    free = 0.0
    for cpu, (idle, total) in after.items():
        idle_before, total_before = before.get(cpu, (idle, total))
        if total > total_before:
            free += (idle - idle_before) / (total - total_before)
    return min(free, float(available_cpus()))


def _idle_and_total() -> dict[str, tuple[int, int]] | None:
    """Clock ticks of each CPU that this process may use, idle and in total; None where they are not counted."""
    try:
        mine = {f"cpu{number}" for number in os.sched_getaffinity(0)}
        rows = [line.split() for line in _CPU_TIMES.read_text().splitlines()]
        # user, nice, system, idle, iowait, irq, softirq, steal; guests are counted among the users already
        times = {row[0]: [int(value) for value in row[1:9]] for row in rows if row and row[0] in mine}
    except (AttributeError, OSError, ValueError):
        return None
    return {cpu: (sum(values[3:5]), sum(values)) for cpu, values in times.items() if len(values) >= 5} or None


def choose_threads() -> int:
    """Number of threads: `OMP_NUM_THREADS`, else one for each CPU that is free, from 1 to `MOST_THREADS`."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return max(1, min(MOST_THREADS, round(free_cpus())))


def use_threads(count: int) -> None:
    """Makes torch compute with `count` threads.

    Raises:
        UserError: no positive number.
    """
    import torch

    if count < 1:
        raise UserError(f"threads must be 1 or more, got {count}")
    torch.set_num_threads(count)
