"""Plays five years of a plan on a real server, quarter by quarter, and measures what its report takes."""

import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

import client
import test_client
from test_client import PASSWORD, VIGIA, Server, new_id

ACTIONS, INSTITUTIONS, COMPONENTS, FIRST, PERIODS, ROUNDS = 100, 20, 6, 2021, 20, 9
SECONDS_MAX, BYTES_MAX = 1.0, 1 << 20
UTC = datetime.timezone.utc
BEGIN = datetime.datetime(FIRST, 1, 5, 15, tzinfo=UTC)
# Four days after the last report was due.
END = datetime.datetime(FIRST + 5, 1, 20, 15, tzinfo=UTC)


def plan():
    """The plan file."""
    lines = [
        "plan:",
        "  id: p",
        "  title_es: Plan de cinco años con cien acciones",
        f"  period: {{start: {FIRST}-01-01, end: {FIRST + 4}-12-31}}",
        "  time_zone: America/Guayaquil",
        "  reporting: {frequency: quarterly, due_days_after_period: 15}",
        "components:",
        *(f"- {{code: P{i}, level: eje, title_es: Eje número {i} del plan}}" for i in range(COMPONENTS)),
        "actions:",
    ]
    for i in range(ACTIONS):
        targets = ", ".join(f"{{year: {FIRST + y}, value: {(y + 1) * 400}}}" for y in range(5))
        lines += [
            f"- code: A{i}",
            f"  component: P{i % COMPONENTS}",
            f"  text_es: Formar promotoras comunitarias y atender a mujeres en situación de violencia, tarea número {i}",
            f"  start: {FIRST}-01-01",
            f"  end: {FIRST + 4}-12-31",
            "  indicators:",
            f"  - {{code: I1, name_es: Personas formadas, unit: count, aggregation: sum, targets: [{targets}]}}",
        ]
    return "\n".join(lines).encode()


def prepare(server, password, public):
    """Who may call, the plan, and who answers for what."""
    principals, stubs = client.area("identity", "principal_service")
    admin = client.Vigia.of_person(server.channel, "accounts/admin", password)
    stub = stubs.PrincipalServiceStub(server.channel)

    def grant(principal, role, scope=""):
        held = principals.RoleGrant(role=role, scope=scope)
        admin.call(stub.GrantRole, principals.GrantRoleRequest(principal=principal, grant=held, request_id=new_id()))

    for account in ("una", "otra", "jefa"):
        made = principals.CreateAccountRequest(
            account_id=account, account=principals.Account(display_name=account), password=PASSWORD, request_id=new_id()
        )
        admin.call(stub.CreateAccount, made)
    grant("accounts/una", principals.ROLE_COORDINATOR)
    grant("accounts/otra", principals.ROLE_APPROVER)
    for i in range(INSTITUTIONS):
        grant("accounts/jefa", principals.ROLE_HEAD, f"institutions/i{i}")
    keys = [principals.ClientKey(kid="auditor", public_key_pem=public)]
    made = principals.CreateClientRequest(client_id="auditor", client=principals.Client(keys=keys), request_id=new_id())
    admin.call(stub.CreateClient, made)
    grant("clients/auditor", principals.ROLE_AUDITOR)

    una, otra, jefa = (client.Vigia.of_person(server.channel, f"accounts/{who}", PASSWORD) for who in ("una", "otra", "jefa"))
    una.positions = otra.positions = jefa.positions = admin.positions
    bodies, stubs = client.area("assignments", "institution_service")
    rows = [f"i{i},Ministerio número {i} de la República,executive,ministry" for i in range(INSTITUTIONS)]
    file = "\n".join(["id,name_es,function,kind", *rows]).encode()
    una.call(stubs.InstitutionServiceStub(server.channel).ImportInstitutions, bodies.ImportInstitutionsRequest(file=file, request_id=new_id()))
    plans, stubs = client.area("plans", "plan_service")
    una.call(stubs.PlanServiceStub(server.channel).ImportPlan, plans.ImportPlanRequest(file=plan(), request_id=new_id()))
    revisions, stubs = client.area("plans", "revision_service")
    stub = stubs.RevisionServiceStub(server.channel)
    first = revisions.Revision(legal_instrument="Acuerdo", effective_on=f"{FIRST}-01-01")
    proposed = una.call(stub.ProposeRevision, revisions.ProposeRevisionRequest(parent="plans/p", revision=first, request_id=new_id()))
    otra.call(stub.ApproveRevision, revisions.ApproveRevisionRequest(name=proposed.revision.name, request_id=new_id()))
    duties, stubs = client.area("assignments", "assignment_service")
    stub = stubs.AssignmentServiceStub(server.channel)
    rows = [f"a{i},A{i},i{i % INSTITUTIONS},lead,{FIRST}-01-01" for i in range(ACTIONS)]
    file = "\n".join(["id,action,institution,role,from", *rows]).encode()
    una.call(stub.ImportAssignments, duties.ImportAssignmentsRequest(parent="plans/p", file=file, request_id=new_id()))
    for i in range(ACTIONS):
        jefa.call(stub.AcceptAssignment, duties.AcceptAssignmentRequest(name=f"plans/p/assignments/a{i}", request_id=new_id()))


def report(server, period, nth):
    """Four in five report, each as far as it comes."""
    messages, stubs = client.area("reporting", "report_service")
    jefa = client.Vigia.of_person(server.channel, "accounts/jefa", PASSWORD)
    rows = []
    for i in range(ACTIONS):
        if (i * 7 + nth * 3) % 5 == 0:
            continue
        body = client.make_report(narrative="Talleres", values=[f"I1={40 + (i + nth) % 80}"])
        rows.append(messages.SubmitReportRow(parent=f"plans/p/assignments/a{i}/obligations/{period}", report=body))
    request = messages.SubmitReportBatchRequest(rows=rows, mode=messages.BATCH_MODE_ATOMIC, request_id=new_id())
    jefa.call(stubs.ReportServiceStub(server.channel).SubmitReportBatch, request)


def measure(server, directory, *compare):
    """Seconds of each run of the command, start of the program and all, and the page."""
    page = directory / "report.html"
    command = [VIGIA, "report", "p", *compare, "--file", str(page)]
    command += ["--server", server.address, "--client", "auditor", "--key", str(directory / "auditor.pem")]
    took = []
    for _ in range(ROUNDS):
        page.unlink(missing_ok=True)
        began = time.perf_counter()
        subprocess.run(command, env=test_client.shifted(server.shift), check=True, stdout=subprocess.DEVNULL)
        took.append(time.perf_counter() - began)
    return took, page.read_text(encoding="utf-8")


def main():
    client.load_contract()
    with tempfile.TemporaryDirectory(prefix="vigia-report-") as scratch:
        directory = pathlib.Path(scratch)
        public = client.make_key(directory / "auditor.pem")
        shift = int(BEGIN.timestamp() - time.time())
        made = subprocess.run(
            [VIGIA, "init", "--data", scratch, "-o", "json"], env=test_client.shifted(shift), check=True, stdout=subprocess.PIPE
        )
        server = Server(directory, BEGIN)
        try:
            prepare(server, json.loads(made.stdout)["password"], public)
        finally:
            server.stop()
        for nth in range(PERIODS):
            year, quarter = FIRST + nth // 4, nth % 4 + 1
            # Ten days after the quarter's end: five before the reports are due.
            after = datetime.datetime(year + quarter // 4, quarter % 4 * 3 + 1, 10, 15, tzinfo=UTC)
            server = Server(directory, after)
            try:
                report(server, f"{year}-Q{quarter}", nth)
            finally:
                server.stop()
        server = Server(directory, END)
        try:
            alone, _ = measure(server, directory)
            took, text = measure(server, directory, "--compare", f"{FIRST + 4}-01-20")
        finally:
            server.stop()
    outside = re.findall(r"(?:src|href)=\"(?!#)|url\(|@import|<script|<link", text)
    median, size = statistics.median(took), len(text.encode())
    print(f"{ACTIONS} actions, {PERIODS} periods, load {os.getloadavg()[0]:.1f}")
    for what, took in (("report", alone), ("report compared with a year before", took)):
        print(f"{what}: median {statistics.median(took):.3f} s, least {min(took):.3f}, most {max(took):.3f} ({SECONDS_MAX} s allowed)")
    print(f"HTML: {size} bytes ({BYTES_MAX} allowed), external resources: {len(outside)}")
    print(f"ratio {SECONDS_MAX / median:.2f}")


if __name__ == "__main__":
    main()
