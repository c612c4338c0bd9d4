#!/usr/bin/env python3
"""The workbook against what is promised: a template of 500 obligations in 1 s, a check of 10,000 rows in 2 s.

    tests/bench/run workbook
    VIGIA_BIN=$PWD/target/debug/vigia tests/bench/workbook.sh

One institution owes 500 reports with 20 indicators each: 10,000 rows of values, each filled in. Whole processes by the
wall clock, in three rounds, against `vigia serve` on this machine. The last line is the worst of the two promised
figures against its promise: below 1 holds.
"""

import pathlib
import resource
import statistics
import subprocess
import sys
import time
import unittest

import openpyxl

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients" / "python"))
import client
import test_client
from test_client import VIGIA, ClientTest, new_id, shifted

OBLIGATIONS, INDICATORS, RUNS = 500, 20, 3
# Seconds.
TEMPLATE_WANTED, CHECK_WANTED = 1.0, 2.0


def plan() -> str:
    """The plan of test_client with more actions."""
    head = test_client.PLAN.split("actions:")[0] + "actions:\n"
    indicator = "{{code: I{i}, name_es: Promotoras formadas, unit: count, aggregation: sum, targets: [{{year: 2026, value: 400}}]}}"
    indicators = ", ".join(indicator.format(i=i) for i in range(1, INDICATORS + 1))
    action = "- {{code: A{a}, component: P, text_es: Formar promotoras, start: 2026-01-01, end: 2026-12-31, indicators: [{i}]}}\n"
    return head + "".join(action.format(a=a, i=indicators) for a in range(1, OBLIGATIONS + 1))


class Measure(unittest.TestCase):
    """Everybody is as in test_client; the one assignment there becomes 500."""

    setUpClass = classmethod(ClientTest.setUpClass.__func__)

    @classmethod
    def prepare(cls, server):
        """The same people, a larger plan."""
        test_client.PLAN = plan()
        ClientTest.prepare.__func__(cls, server)
        coordinator = client.Vigia.of_person(server.channel, "accounts/coordinadora", test_client.PASSWORD)
        institution = client.Vigia(server.channel, "clients/msp-1", "msp-1", client.read_key(cls.key_path))
        institution.positions = coordinator.positions
        duties, stubs = client.area("assignments", "assignment_service")
        stub = stubs.AssignmentServiceStub(server.channel)
        for a in range(2, OBLIGATIONS + 1):
            duty = duties.Assignment(
                action=f"plans/ejemplo/actions/a{a}", institution="institutions/msp", role=duties.ASSIGNMENT_ROLE_LEAD
            )
            setattr(duty, "from", "2026-01-01")
            request = duties.ProposeAssignmentRequest(
                parent="plans/ejemplo", assignment_id=f"a{a}", assignment=duty, request_id=new_id()
            )
            coordinator.call(stub.ProposeAssignment, request)
            name = f"plans/ejemplo/assignments/a{a}"
            institution.call(stub.AcceptAssignment, duties.AcceptAssignmentRequest(name=name, request_id=new_id()))

    def seconds(self, *arguments: str) -> tuple[float, float]:
        """How long one run takes, which must succeed: by the wall clock, and of processor time in the command itself."""
        who = ["--server", self.server.address, "--client", "clients/msp-1", "--key", str(self.key_path)]
        used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        began, before = time.monotonic(), used()
        done = subprocess.run([VIGIA, *arguments, *who], env=shifted(self.server.shift), capture_output=True, text=True, cwd=self.directory)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return time.monotonic() - began, used() - before

    def measured(self, what: str, runs: list[tuple[float, float]], wanted: float | None = None) -> float:
        """Prints a row of the table, and returns the median by the wall clock."""
        median = statistics.median(wall for wall, _ in runs)
        each = ", ".join(f"{wall:.2f}" for wall, _ in runs)
        cpu = statistics.median(cpu for _, cpu in runs)
        print(f"| {what} | {median:.2f} | {each} | {cpu:.2f} | {wanted or ''} |", flush=True)
        return median

    def test_figures(self):
        print("| seconds | median | each | processor time of the command | wanted |\n|---|---|---|---|---|")
        template = [self.seconds("template", f"t{i}.xlsx") for i in range(RUNS)]
        worst = self.measured("template, 500 obligations and 10,000 indicators", template, TEMPLATE_WANTED) / TEMPLATE_WANTED
        book = openpyxl.load_workbook(self.directory / "t0.xlsx")
        sheet = book["Indicadores"]
        self.assertEqual(sheet.max_row, OBLIGATIONS * INDICATORS + 1)
        for row in range(2, sheet.max_row + 1):
            sheet.cell(row, 8).value = row / 8
        book.save(self.directory / "t0.xlsx")
        self.measured("check, 10,000 rows, the file alone", [self.seconds("check", "t0.xlsx", "--offline") for _ in range(RUNS)])
        check = [self.seconds("check", "t0.xlsx") for _ in range(RUNS)]
        worst = max(worst, self.measured("check, 10,000 rows, with the server", check, CHECK_WANTED) / CHECK_WANTED)
        self.measured("submit, 500 reports with 10,000 values", [self.seconds("submit", "t0.xlsx")])
        self.measured("submit, the same again", [self.seconds("submit", "t0.xlsx")])
        print(f"ratio {worst:.2f}")


if __name__ == "__main__":
    # Its server is test_client's; the tests of that file are not run here.
    unittest.main(defaultTest="Measure")
