"""The option `--no-skips` of pytest, for conftest.py; apart from it, since it needs none of our package."""

import re
from collections.abc import Generator

import pytest

ALLOWED_SKIPS = re.compile(r"for want of (a GPU|a mount|another interpreter|weights that cannot be installed)")
"""Reasons for which `--no-skips` lets a test be skipped."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skip is a failure but for ALLOWED_SKIPS")


def _fail_if_skipped(config: pytest.Config, report: pytest.CollectReport | pytest.TestReport) -> None:
    if report.skipped and config.getoption("--no-skips") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not ALLOWED_SKIPS.search(reason):
            report.outcome = "failed"
            report.longrepr = f"skipped, which --no-skips does not let pass: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(item.config, report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(collector.config, report)
    return report
