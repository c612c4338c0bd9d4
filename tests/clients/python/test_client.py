#!/usr/bin/env python3
"""A foreign client against `vigia serve` on a real socket: key, token, obligations, evidence, report, and the verdict that changes.

What an institution owes falls due months after it was accepted, and a server that is not a scratch one lives by the
machine's clock. So the server runs with its clock shifted (libfaketime, a Debian package): once in January, when the
duty is accepted, and, started anew on the same data, on 20 April, when the first report is overdue.

    VIGIA_BIN=target/debug/vigia python test_client.py
"""

import datetime
import glob
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import uuid
from unittest import mock

import grpc

import client

HERE = pathlib.Path(__file__).resolve().parent
VIGIA = os.environ.get("VIGIA_BIN", str(HERE.parents[2] / "target" / "debug" / "vigia"))
ACCEPTED = datetime.datetime(2026, 1, 5, 15, tzinfo=datetime.timezone.utc)
OVERDUE = datetime.datetime(2026, 4, 20, 15, tzinfo=datetime.timezone.utc)
PASSWORD = "una contraseña de prueba"
OBLIGATION = "plans/ejemplo/assignments/a1/obligations/2026-Q1"
ACTION = "plans/ejemplo/actions/a1"
PLAN = """
plan:
  id: ejemplo
  title_es: Plan de ejemplo
  period: {start: 2026-01-01, end: 2026-12-31}
  time_zone: America/Guayaquil
  reporting: {frequency: quarterly, due_days_after_period: 15}
components:
- {code: P, level: eje, title_es: Prevención}
actions:
- code: A1
  component: P
  text_es: Formar promotoras
  lead: msp
  start: 2026-01-01
  end: 2026-12-31
  indicators:
  - code: I1
    name_es: Promotoras formadas
    unit: count
    aggregation: sum
    baseline: {year: 2025, value: 0}
    targets: [{year: 2026, value: 400}]
"""


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def shifted(seconds: int) -> dict[str, str]:
    """The environment in which a program's clock is shifted. Monotonic time stays: timeouts live by it."""
    libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not libraries:
        raise SystemExit("libfaketime is missing: apt-get install faketime")
    # The server takes every VIGIA_… as configuration, and refuses what it does not know.
    ours = {name: value for name, value in os.environ.items() if not name.startswith("VIGIA_")}
    return ours | {
        "LD_PRELOAD": libraries[0],
        "FAKETIME": f"{seconds:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "TZ": "UTC",
        "LANG": "es_EC.UTF-8",
    }


class Server:
    """`vigia serve` on a data directory, as of an instant from which its clock goes on."""

    def __init__(self, directory: pathlib.Path, began: datetime.datetime):
        # The client's clock must go with the server's: its assertions say when they were made.
        self.shift = int(began.timestamp() - time.time())
        self.clock = mock.patch.object(client, "now", lambda: time.time() + self.shift)
        self.address = f"127.0.0.1:{free_port()}"
        self.log = open(directory / "serve.log", "ab")
        command = [VIGIA, "serve", "--data", str(directory), "--listen", self.address]
        self.process = subprocess.Popen(command, env=shifted(self.shift), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.channel = grpc.insecure_channel(self.address)
        try:
            grpc.channel_ready_future(self.channel).result(timeout=60)
        except grpc.FutureTimeoutError:
            self.stop()
            raise SystemExit("vigia serve does not answer:\n" + (directory / "serve.log").read_text()) from None
        self.clock.start()

    def stop(self) -> int:
        """Asks it to end, and returns its exit code."""
        mock.patch.stopall()
        self.channel.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self.log.close()


def new_id() -> str:
    """Names a call."""
    return str(uuid.uuid4())


class ClientTest(unittest.TestCase):
    """The tests stand in the order in which an institution would do it."""

    @classmethod
    def setUpClass(cls):
        client.load_contract()
        scratch = tempfile.TemporaryDirectory(prefix="vigia-python-")
        cls.addClassCleanup(scratch.cleanup)
        cls.directory = pathlib.Path(scratch.name)
        cls.key_path = cls.directory / "msp.pem"
        cls.public = client.make_key(cls.key_path)
        shift = int(ACCEPTED.timestamp() - time.time())
        # The password is shown once, and kept nowhere.
        made = subprocess.run(
            [VIGIA, "init", "--data", str(cls.directory), "-o", "json"], env=shifted(shift), check=True, stdout=subprocess.PIPE
        )
        cls.admin_password = json.loads(made.stdout)["password"]

        january = Server(cls.directory, ACCEPTED)
        try:
            cls.prepare(january)
        finally:
            code = january.stop()
        assert code == 0, f"vigia serve ended with {code}"
        cls.server = Server(cls.directory, OVERDUE)
        cls.addClassCleanup(cls.server.stop)
        cls.vigia = client.Vigia(cls.server.channel, "clients/msp-1", "msp-1", client.read_key(cls.key_path))

    @classmethod
    def prepare(cls, server: Server):
        """What the governing body does first: who may call, the plan, and who answers for what."""
        principals, stubs = client.area("identity", "principal_service")
        admin = client.Vigia.of_person(server.channel, "accounts/admin", cls.admin_password)
        stub = stubs.PrincipalServiceStub(server.channel)

        def grant(principal, role, scope=""):
            held = principals.RoleGrant(role=role, scope=scope)
            admin.call(stub.GrantRole, principals.GrantRoleRequest(principal=principal, grant=held, request_id=new_id()))

        for account, role in (("coordinadora", principals.ROLE_COORDINATOR), ("aprobadora", principals.ROLE_APPROVER)):
            admin.call(
                stub.CreateAccount,
                principals.CreateAccountRequest(
                    account_id=account, account=principals.Account(display_name=account), password=PASSWORD, request_id=new_id()
                ),
            )
            grant(f"accounts/{account}", role)
        key = principals.ClientKey(kid="msp-1", public_key_pem=cls.public)
        admin.call(
            stub.CreateClient,
            principals.CreateClientRequest(
                client_id="msp-1", client=principals.Client(display_name="SIGP del MSP", keys=[key]), request_id=new_id()
            ),
        )
        grant("clients/msp-1", principals.ROLE_HEAD, "institutions/msp")

        coordinator = client.Vigia.of_person(server.channel, "accounts/coordinadora", PASSWORD)
        approver = client.Vigia.of_person(server.channel, "accounts/aprobadora", PASSWORD)
        institution = client.Vigia(server.channel, "clients/msp-1", "msp-1", client.read_key(cls.key_path))
        # What one of them has changed, the others see: they share how far the journals have been seen.
        coordinator.positions = approver.positions = institution.positions = admin.positions

        bodies, stubs = client.area("assignments", "institution_service")
        coordinator.call(
            stubs.InstitutionServiceStub(server.channel).CreateInstitution,
            bodies.CreateInstitutionRequest(
                institution_id="msp",
                institution=bodies.Institution(name_es="Ministerio de Salud Pública", branch="executive", kind="ministry"),
                request_id=new_id(),
            ),
        )
        plans, stubs = client.area("plans", "plan_service")
        coordinator.call(
            stubs.PlanServiceStub(server.channel).ImportPlan, plans.ImportPlanRequest(file=PLAN.encode(), request_id=new_id())
        )
        revisions, stubs = client.area("plans", "revision_service")
        stub = stubs.RevisionServiceStub(server.channel)
        first = revisions.Revision(legal_instrument="Acuerdo de ejemplo", effective_on="2026-01-01", reason="Primera versión")
        proposed = coordinator.call(
            stub.ProposeRevision, revisions.ProposeRevisionRequest(parent="plans/ejemplo", revision=first, request_id=new_id())
        )
        approver.call(stub.ApproveRevision, revisions.ApproveRevisionRequest(name=proposed.revision.name, request_id=new_id()))

        duties, stubs = client.area("assignments", "assignment_service")
        stub = stubs.AssignmentServiceStub(server.channel)
        duty = duties.Assignment(action=ACTION, institution="institutions/msp", role=duties.ASSIGNMENT_ROLE_LEAD)
        # `from` is a word of Python.
        setattr(duty, "from", "2026-01-01")
        coordinator.call(
            stub.ProposeAssignment,
            duties.ProposeAssignmentRequest(parent="plans/ejemplo", assignment_id="a1", assignment=duty, request_id=new_id()),
        )
        institution.call(
            stub.AcceptAssignment, duties.AcceptAssignmentRequest(name="plans/ejemplo/assignments/a1", request_id=new_id())
        )

    def refused(self, reason: str, call, *arguments, **named) -> client.Refused:
        """The refusal of a call, which must have this reason."""
        with self.assertRaises(client.Refused) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.reason, reason, caught.exception)
        return caught.exception

    def state(self, name: str, as_of: str = "") -> tuple[str, str]:
        """State and timeliness of an obligation, or state and strict reading of an action."""
        messages, _ = client.area("compliance", "compliance_service")
        verdict = self.vigia.verdict(name, as_of).verdict
        if verdict.obligation_state:
            return verdict.obligation_state, verdict.timeliness
        return messages.ActionState.Name(verdict.action_state).removeprefix("ACTION_STATE_"), verdict.strict

    def run_client(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs client.py as a person would."""
        command = [sys.executable, str(HERE / "client.py"), "--server", self.server.address, "--client", "clients/msp-1"]
        command += ["--key", str(self.key_path), *arguments]
        return subprocess.run(command, env=shifted(self.server.shift), capture_output=True, text=True, timeout=120)

    def test_1_only_its_own_key_gets_a_token(self):
        stranger = self.directory / "stranger.pem"
        client.make_key(stranger)
        self.assertEqual(stranger.stat().st_mode & 0o777, 0o600)
        with self.assertRaises(FileExistsError):
            client.make_key(stranger)
        other = client.Vigia(self.server.channel, "clients/msp-1", "msp-1", client.read_key(stranger))
        self.refused("CREDENTIALS_WRONG", other.token)
        unknown = client.Vigia(self.server.channel, "clients/nobody", "msp-1", client.read_key(self.key_path))
        self.refused("CREDENTIALS_WRONG", unknown.token)
        me = self.vigia.who_am_i()
        self.assertEqual(me.principal, "clients/msp-1")
        self.assertIn("reports.submit", me.permissions)

    def test_2_it_reads_what_it_owes(self):
        messages, _ = client.area("reporting", "obligation_service")
        owed = list(self.vigia.obligations("plans/ejemplo"))
        self.assertEqual([one.period for one in owed][:1], ["2026-Q1"])
        self.assertEqual(owed[0].name, OBLIGATION)
        self.assertEqual(owed[0].state, messages.OBLIGATION_STATE_OVERDUE)
        # Midnight after 15 April in Guayaquil.
        self.assertEqual(owed[0].due_time.ToJsonString(), "2026-04-16T05:00:00Z")
        late = list(self.vigia.obligations("plans/ejemplo", 'state="OVERDUE"'))
        self.assertEqual([one.name for one in late], [OBLIGATION])

    def test_3_what_cannot_be_is_refused_and_changes_nothing(self):
        good = client.make_report("Dos talleres", ["I1=90"])
        self.refused("NOT_FOUND", self.vigia.submit, OBLIGATION.replace("a1", "of-somebody-else"), good)
        self.refused("PERIOD_NOT_ENDED", self.vigia.submit, OBLIGATION.replace("Q1", "Q2"), good)
        faults = self.refused("INVALID_FIELDS", self.vigia.submit, OBLIGATION, client.make_report("x" * 20001, ["I1=NaN"]))
        self.assertGreaterEqual(len(faults.violations), 2, faults)
        self.assertTrue(any("narrative" in field for field, _ in faults.violations), faults)
        self.assertTrue(any("values" in field for field, _ in faults.violations), faults)
        self.vigia.submit(OBLIGATION, good, validate_only=True)
        self.assertEqual(self.state(OBLIGATION), ("OVERDUE", "MISSING"))

    def test_4_a_report_changes_the_verdict(self):
        self.assertEqual(self.state(OBLIGATION), ("OVERDUE", "MISSING"))
        self.assertEqual(self.state(ACTION)[0], "UNREPORTED")
        call, report = new_id(), client.make_report("Dos talleres en Manabí", ["I1=90"])
        first = self.vigia.submit(OBLIGATION, report, request_id=call)
        self.assertEqual(first.report.version, 1)
        self.assertEqual(len(first.leaf_hash), 32)
        # Sent again because the answer was lost: the first answer, no second version.
        self.assertEqual(self.vigia.submit(OBLIGATION, report, request_id=call), first)
        self.refused("REQUEST_ID_REUSED", self.vigia.submit, OBLIGATION, client.make_report("Otro"), request_id=call)
        # It was late and stays late; 90 of the 98.6 that 90 of 365 days ask for.
        self.assertEqual(self.state(OBLIGATION), ("SUBMITTED", "LATE"))
        state, strict = self.state(ACTION)
        self.assertEqual((state, float(strict)), ("ON_TRACK", 0.9125))
        # The past stands as it was.
        self.assertEqual(self.state(OBLIGATION, "2026-04-17T00:00:00-05:00"), ("OVERDUE", "MISSING"))
        self.assertEqual(self.state(OBLIGATION, "2026-04-15T23:59:59-05:00"), ("OPEN", "PENDING"))
        self.refused("AS_OF_IN_FUTURE", self.vigia.verdict, OBLIGATION, "2027-01-01T00:00:00Z")

    def test_5_evidence_is_uploaded_and_read_through_the_report(self):
        messages, stubs = client.area("reporting", "evidence_service")
        listing = self.directory / "listado.csv"
        listing.write_text("canton;promotoras\nPortoviejo;55\nManta;35\n" * 20_000, encoding="utf-8")
        # A first attempt breaks off after two chunks.
        stub = stubs.EvidenceServiceStub(self.server.channel)
        content = listing.read_bytes()
        name = "evidence/" + client.hashlib.sha256(content).hexdigest()
        start = messages.UploadStart(evidence=name, size_bytes=len(content), plan="plans/ejemplo")
        chunks = [messages.UploadEvidenceRequest(chunk=content[at : at + 65_536]) for at in (0, 65_536)]
        broken = self.refused(
            "EVIDENCE_INCOMPLETE", self.vigia.call, stub.UploadEvidence, iter([messages.UploadEvidenceRequest(start=start), *chunks])
        )
        self.assertEqual(broken.metadata["durable_bytes"], "131072")
        stored = self.vigia.add_evidence(listing, "plans/ejemplo", chunk_bytes=65_536)
        self.assertEqual((stored.name, stored.size_bytes, stored.media_type), (name, len(content), "text/plain; charset=utf-8"))
        self.assertEqual(self.vigia.add_evidence(listing, "plans/ejemplo"), stored)
        report = client.make_report("Dos talleres", ["I1=90"], evidence=[stored.name])
        submitted = self.vigia.submit(OBLIGATION, report)
        self.assertEqual([finding.kind for finding in submitted.findings], [])
        self.assertEqual(self.vigia.read_evidence(stored.name, submitted.report.name), content)
        self.refused("NOT_FOUND", self.vigia.read_evidence, "evidence/" + "0" * 64, submitted.report.name)
        # A program stays a program, whatever it is called.
        program = self.directory / "report.pdf"
        program.write_bytes(b"MZ\x90\x00" * 100)
        self.refused("EVIDENCE_TYPE_REFUSED", self.vigia.add_evidence, program, "plans/ejemplo")

    def test_6_the_command_line(self):
        owed = self.run_client("obligations", "--parent", "plans/ejemplo")
        self.assertEqual(owed.returncode, 0, owed.stderr)
        self.assertIn(OBLIGATION, owed.stdout)
        act = self.directory / "acta.txt"
        act.write_text("Acta del tercer taller", encoding="utf-8")
        corrected = self.run_client("submit", OBLIGATION, "--narrative", "Tres talleres", "--value", "I1=95", "--evidence", str(act))
        self.assertEqual(corrected.returncode, 0, corrected.stderr)
        self.assertIn("bitácora reporting:", corrected.stdout)
        refused = self.run_client("verdict", "plans/ejemplo/actions/none")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("NOT_FOUND", refused.stderr)

    def test_6_it_sees_changes_as_they_come(self):
        changes = self.vigia.watch("plans/ejemplo", seconds=60)
        first = next(changes)
        states = {verdict.name: verdict.strict for verdict in first.verdicts}
        self.assertIn(ACTION, states)
        # A corrected report comes in: the verdict and every scorecard that it moves are sent, and nothing else.
        self.vigia.submit(OBLIGATION, client.make_report("Cuatro talleres", ["I1=97"]))
        change = next(changes)
        self.assertEqual([verdict.name for verdict in change.verdicts], [ACTION])
        self.assertNotEqual(change.verdicts[0].strict, states[ACTION])
        self.assertIn("plans/ejemplo", [card.name for card in change.scorecards])
        changes.close()
        # What would make it comply is told step by step.
        owed = self.vigia.verdict(OBLIGATION.replace("Q1", "Q2")).verdict
        self.assertEqual(list(owed.remedies), [])
        # Who comes back with the token of the first answer gets the difference since.
        back = next(self.vigia.watch("plans/ejemplo", resume_token=first.resume_token, seconds=60))
        self.assertEqual([verdict.strict for verdict in back.verdicts], [change.verdicts[0].strict])
        shown = self.run_client("watch", "plans/ejemplo", "--seconds", "1")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn(ACTION, shown.stdout)


if __name__ == "__main__":
    unittest.main()
