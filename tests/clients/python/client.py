#!/usr/bin/env python3
"""A client of Vigía in Python: what an institution's own system does, in one file that can be read and copied.

It makes its own Ed25519 key, proves with it who it is, sees what its institution owes, submits a report, and sees
the verdict change. Nothing of Vigía is installed: the stubs are generated from the contract in `proto/` when it
starts. README.md beside this file shows it at work.

    client.py --key msp.pem keygen
    client.py --server 127.0.0.1:7300 --client clients/msp-1 --key msp.pem obligations
"""

import argparse
import datetime
import hashlib
import importlib
import json
import os
import pathlib
import sys
import tempfile
import time
import uuid

import grpc
import grpc_tools
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto"
# A token lives 15 minutes at most; a fresh one is taken this many seconds before the old one ends.
RENEW_SECONDS = 60
# No call of this client needs longer; without a deadline a lost connection would hang for ever.
DEADLINE_SECONDS = 20
# But for evidence, which may be large and the line slow.
UPLOAD_SECONDS = 3600
# No chunk of evidence is larger than 1 MiB.
CHUNK_BYTES = 1 << 20


def load_contract(proto: pathlib.Path = PROTO) -> None:
    """Generates the stubs from the .proto files into a folder of their own and makes them importable.

    A system that is shipped generates them once, when it is built, with the same call.
    """
    folder = tempfile.TemporaryDirectory(prefix="vigia-stubs-")
    # Kept until the process ends: modules are imported from it later, one by one.
    load_contract.folder = folder
    files = sorted(str(path.relative_to(proto)) for path in (proto / "vigia").rglob("*.proto"))
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{proto}", f"-I{well_known}", f"--python_out={folder.name}", f"--grpc_python_out={folder.name}"]
    if not files or protoc.main(arguments + files) != 0:
        raise SystemExit(f"no contract that can be compiled in {proto}")
    sys.path.insert(0, folder.name)


def area(name: str, file: str):
    """The messages and the stubs of one file of the contract: `area("reporting", "report_service")`."""
    module = f"vigia.{name}.v1.{file}_pb2"
    return importlib.import_module(module), importlib.import_module(module + "_grpc")


class Refused(Exception):
    """A call that Vigía refused: the stable reason, what it is about, and every fault with its field's path."""

    def __init__(self, error: grpc.RpcError):
        self.code = error.code()
        self.reason = ""
        self.metadata: dict[str, str] = {}
        self.violations: list[tuple[str, str]] = []
        self.message = error.details() or ""
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            info, bad, text = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.LocalizedMessage()
            if detail.Unpack(info):
                self.reason, self.metadata = info.reason, dict(info.metadata)
            elif detail.Unpack(bad):
                self.violations = [(fault.field, fault.description) for fault in bad.field_violations]
            elif detail.Unpack(text) and text.locale.startswith("es"):
                self.message = text.message
        lines = [f"{self.reason or self.code.name}: {self.message}"]
        lines += [f"  {field}: {description}" for field, description in self.violations]
        super().__init__("\n".join(lines))


def make_key(path: pathlib.Path) -> str:
    """Makes an Ed25519 key, keeps the private half where only its owner can read it, and returns the public half.

    The public half (PEM) goes to whoever keeps the accounts, who adds it to the client with AddClientKey. The private
    half never leaves the institution: Vigía knows no secret of a client.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # O_EXCL: a key that is there already is never overwritten.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    return public_half(key)


def public_half(key: Ed25519PrivateKey) -> str:
    """The public key as PEM (SubjectPublicKeyInfo)."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def read_key(path: pathlib.Path) -> Ed25519PrivateKey:
    """Reads the private key."""
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise SystemExit(f"{path} holds no Ed25519 key")
    return key


def now() -> float:
    """The machine's time, which must be right to half a minute: the assertion below says when it was made."""
    return time.time()


def client_assertion(client: str, kid: str, key: Ed25519PrivateKey) -> str:
    """What a client says to prove who it is (RFC 7523): good for one minute and used once."""
    at = int(now())
    claims = {"iss": client, "sub": client, "aud": "vigia", "iat": at, "exp": at + 60, "jti": str(uuid.uuid4())}
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"typ": "JWT", "kid": kid})


class Vigia:
    """A connection that keeps its token fresh and reads its own writes."""

    def __init__(self, channel: grpc.Channel, client: str = "", kid: str = "", key: Ed25519PrivateKey | None = None):
        self.channel, self.client, self.kid, self.key = channel, client, kid, key
        self._password: tuple[str, str] | None = None
        self._token, self._token_ends = "", 0.0
        # How far this client has seen each journal. Sent along as `vigia-at-least`, so that a service that only
        # follows answers with what we ourselves have just changed.
        self.positions: dict[str, int] = {}

    @classmethod
    def of_person(cls, channel: grpc.Channel, account: str, password: str) -> "Vigia":
        """The connection of a person with account and password, instead of a system with a key."""
        vigia = cls(channel)
        vigia._password = (account, password)
        return vigia

    def token(self) -> str:
        """A token that is good for a while yet."""
        if now() > self._token_ends - RENEW_SECONDS:
            messages, stubs = area("identity", "token_service")
            if self._password:
                account, password = self._password
                request = messages.IssueTokenRequest(password=messages.Password(account=account, password=password))
            else:
                request = messages.IssueTokenRequest(client_assertion=client_assertion(self.client, self.kid, self.key))
            try:
                answer = stubs.TokenServiceStub(self.channel).IssueToken(request, timeout=DEADLINE_SECONDS)
            except grpc.RpcError as error:
                raise Refused(error) from None
            self._token, self._token_ends = answer.access_token, answer.expire_time.seconds
        return self._token

    def call(self, method, request, timeout: float = DEADLINE_SECONDS):
        """Calls a method of a stub: `vigia.call(stub.GetVerdict, request)`. Raises Refused."""
        metadata = [("authorization", f"Bearer {self.token()}")]
        if self.positions:
            metadata.append(("vigia-at-least", ",".join(f"{area}:{position}" for area, position in self.positions.items())))
        try:
            answer, call = method.with_call(request, metadata=metadata, timeout=timeout)
        except grpc.RpcError as error:
            raise Refused(error) from None
        for key, value in call.initial_metadata() or ():
            if key == "vigia-position":
                journal, position = value.split(":")
                self.positions[journal] = max(int(position), self.positions.get(journal, 0))
        return answer

    def who_am_i(self):
        """Who we are, and what we may do."""
        messages, stubs = area("identity", "principal_service")
        return self.call(stubs.PrincipalServiceStub(self.channel).WhoAmI, messages.WhoAmIRequest())

    def obligations(self, parent: str = "plans/-", filter: str = ""):
        """What our institution owes (obligaciones de reporte), page after page, by due instant."""
        messages, stubs = area("reporting", "obligation_service")
        stub = stubs.ObligationServiceStub(self.channel)
        request = messages.ListObligationsRequest(parent=parent, filter=filter, page_size=200)
        while True:
            page = self.call(stub.ListObligations, request)
            yield from page.obligations
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def add_evidence(self, path: pathlib.Path, plan: str, chunk_bytes: int = CHUNK_BYTES):
        """Uploads a file (medio de verificación), or goes on where an upload of it broke off. Returns what was stored.

        The file is named by its SHA-256; sent twice it is stored once, so this needs no request_id.
        """
        messages, stubs = area("reporting", "evidence_service")
        stub = stubs.EvidenceServiceStub(self.channel)
        with open(path, "rb") as file:
            name = f"evidence/{hashlib.file_digest(file, 'sha256').hexdigest()}"
            size = file.seek(0, os.SEEK_END)
            offset = 0
            try:
                known = self.call(stub.GetEvidence, messages.GetEvidenceRequest(name=name)).evidence
                if known.state == messages.EVIDENCE_STATE_STORED:
                    return known
                offset = known.durable_bytes
            except Refused as refused:
                # Nothing of it is there yet.
                if refused.reason != "NOT_FOUND":
                    raise

            def parts():
                start = messages.UploadStart(evidence=name, size_bytes=size, offset=offset, plan=plan)
                yield messages.UploadEvidenceRequest(start=start)
                file.seek(offset)
                while chunk := file.read(chunk_bytes):
                    yield messages.UploadEvidenceRequest(chunk=chunk)

            return self.call(stub.UploadEvidence, parts(), timeout=UPLOAD_SECONDS).evidence

    def read_evidence(self, name: str, report: str, reason: str = "") -> bytes:
        """Reads evidence through the report that names it; reserved evidence wants a reason, which goes on the record."""
        messages, stubs = area("reporting", "evidence_service")
        request = messages.DownloadEvidenceRequest(name=name, report=report, reason=reason)
        metadata = [("authorization", f"Bearer {self.token()}")]
        stub = stubs.EvidenceServiceStub(self.channel)
        try:
            answers = stub.DownloadEvidence(request, metadata=metadata, timeout=UPLOAD_SECONDS)
            # The first answer says what it is; then come the bytes.
            return b"".join(answer.chunk for answer in answers if answer.HasField("chunk"))
        except grpc.RpcError as error:
            raise Refused(error) from None

    def submit(self, obligation: str, report, validate_only: bool = False, request_id: str = ""):
        """Submits a report (reporte de avance). With validate_only it is only checked.

        The request_id names the call: whoever is not sure that it arrived sends it again with the same one, and gets
        the first answer again instead of a second version.
        """
        messages, stubs = area("reporting", "report_service")
        request = messages.SubmitReportRequest(
            parent=obligation, report=report, validate_only=validate_only, request_id=request_id or str(uuid.uuid4())
        )
        return self.call(stubs.ReportServiceStub(self.channel).SubmitReport, request)

    def verdict(self, name: str, as_of: str = ""):
        """The verdict (dictamen) on an action or an obligation: now, or as of an instant such as 2026-03-31T23:59:59Z."""
        messages, stubs = area("compliance", "compliance_service")
        request = messages.GetVerdictRequest(name=name)
        if as_of:
            request.as_of.CopyFrom(instant(as_of))
        return self.call(stubs.ComplianceServiceStub(self.channel).GetVerdict, request)


    def watch(self, plan: str, filter: str = "", resume_token: str = "", seconds: float | None = None):
        """What changes in a plan, as it changes (seguimiento en vivo): first all that passes the filter, then differences.

        Ends after so many seconds, if they are given. Whoever keeps the last answer's resume_token can go on from it
        later, and gets the net difference since.
        """
        messages, stubs = area("compliance", "compliance_service")
        request = messages.WatchComplianceRequest(parent=plan, filter=filter, resume_token=resume_token)
        metadata = [("authorization", f"Bearer {self.token()}")]
        try:
            yield from stubs.ComplianceServiceStub(self.channel).WatchCompliance(request, metadata=metadata, timeout=seconds)
        except grpc.RpcError as error:
            if seconds is None or error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
                raise Refused(error) from None


def instant(text: str) -> Timestamp:
    """An instant from ISO 8601 with an offset."""
    at = datetime.datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise SystemExit(f"{text}: an offset is missing, such as Z or -05:00")
    wire = Timestamp()
    wire.FromDatetime(at)
    return wire


def make_report(narrative: str = "", values=(), milestones=(), nil_reason: str = "", evidence=()):
    """A report: values are texts like `I1=90`, or `I1=3/4` for a ratio. Numbers stay texts: no float ever rounds them.

    Evidence is named by what was stored; without more it is institutional: read by whoever may read the report.
    """
    messages, _ = area("reporting", "report_service")
    report = messages.Report(narrative=narrative, milestones=milestones, nil_reason=nil_reason, evidence=evidence)
    for value in values:
        code, separator, number = value.partition("=")
        if not separator:
            raise SystemExit(f"{value}: not of the form I1=90")
        entry = report.values.add(indicator=code)
        if "/" in number:
            entry.ratio.num.value, entry.ratio.den.value = number.split("/", 1)
        else:
            entry.number.value = number
    return report


def show(message) -> None:
    """Prints a message as JSON."""
    print(json.dumps(MessageToDict(message, preserving_proto_field_name=True), ensure_ascii=False, indent=2))


def show_verdict(verdict, basis) -> None:
    """Prints a verdict as a person reads it."""
    messages, _ = area("compliance", "compliance_service")
    if verdict.obligation_state:
        state = f"{verdict.obligation_state}, {verdict.timeliness}"
    else:
        state = messages.ActionState.Name(verdict.action_state).removeprefix("ACTION_STATE_")
    readings = [verdict.strict or "-", verdict.observed or "-", verdict.validated or "-"]
    simulated = "  [simulado]" if basis.simulated else ""
    print(f"{verdict.name}: {state} {verdict.period}  estricta {readings[0]}  observada {readings[1]}  validada {readings[2]}{simulated}")
    for step in verdict.explanation:
        print(f"  {step.rule}: {step.text_es}")
    for remedy in verdict.remedies:
        print(f"  → {remedy.text_es}")


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="A client of Vigía in Python.")
    parser.add_argument("--server", default="127.0.0.1:7300", help="host:port (default: %(default)s)")
    parser.add_argument("--tls", action="store_true", help="over TLS; without it only to a server on this machine")
    parser.add_argument("--client", default="", help="who we are: clients/msp-1")
    parser.add_argument("--key", type=pathlib.Path, required=True, help="file of our private key (PEM)")
    parser.add_argument("--kid", default="", help="id under which the key was added (default: the client's: msp-1)")
    parser.add_argument("--proto", type=pathlib.Path, default=PROTO, help="folder of the contract")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("keygen", help="make a key and print its public half")
    commands.add_parser("whoami", help="who we are and what we may do")
    owed = commands.add_parser("obligations", help="what we owe")
    owed.add_argument("--parent", default="plans/-", help="plan or assignment (default: all)")
    owed.add_argument("--filter", default="", help="such as 'state=\"OVERDUE\"'")
    submit = commands.add_parser("submit", help="submit a report, and see the verdict before and after")
    submit.add_argument("obligation", help="plans/…/assignments/…/obligations/2026-Q1")
    submit.add_argument("--narrative", default="", help="what was done, in Spanish; names no person")
    submit.add_argument("--value", action="append", default=[], help="I1=90, or I1=3/4 for a ratio; repeat for more")
    submit.add_argument("--milestone", action="append", default=[], help="a milestone that is done; repeat for more")
    submit.add_argument("--evidence", action="append", default=[], type=pathlib.Path, help="a file that shows it; repeat for more")
    submit.add_argument("--nil-reason", default="", help="why there is nothing to report (sin novedad)")
    submit.add_argument("--validate-only", action="store_true", help="only check")
    verdict = commands.add_parser("verdict", help="the verdict on an action or an obligation")
    verdict.add_argument("name", help="plans/…/actions/… or plans/…/assignments/…/obligations/…")
    verdict.add_argument("--as-of", default="", help="2026-03-31T23:59:59-05:00; now if left out")
    watch = commands.add_parser("watch", help="what changes in a plan, as it changes; without explanations")
    watch.add_argument("plan", help="plans/…")
    watch.add_argument("--filter", default="", help="such as 'state = OFF_TRACK'")
    watch.add_argument("--resume-token", default="", help="from the last answer of an earlier watch")
    watch.add_argument("--seconds", type=float, default=None, help="end after so many seconds (default: never)")
    return parser.parse_args()


def run(given: argparse.Namespace) -> None:
    """Does what was asked for."""
    if given.command == "keygen":
        print(make_key(given.key), end="")
        return
    load_contract(given.proto)
    channel = (
        grpc.secure_channel(given.server, grpc.ssl_channel_credentials()) if given.tls else grpc.insecure_channel(given.server)
    )
    with channel:
        kid = given.kid or given.client.removeprefix("clients/")
        vigia = Vigia(channel, given.client, kid, read_key(given.key))
        if given.command == "whoami":
            show(vigia.who_am_i())
        elif given.command == "obligations":
            messages, _ = area("reporting", "obligation_service")
            for owed in vigia.obligations(given.parent, given.filter):
                state = messages.ObligationState.Name(owed.state).removeprefix("OBLIGATION_STATE_")
                print(f"{owed.due_time.ToJsonString()}  {state:<16} {owed.name}")
        elif given.command == "verdict":
            answer = vigia.verdict(given.name, given.as_of)
            show_verdict(answer.verdict, answer.basis)
        elif given.command == "watch":
            for answer in vigia.watch(given.plan, given.filter, given.resume_token, given.seconds):
                for verdict in answer.verdicts:
                    show_verdict(verdict, answer.basis)
                for name in answer.removed:
                    print(f"{name}: ya no")
        elif given.command == "submit":
            before = vigia.verdict(given.obligation)
            show_verdict(before.verdict, before.basis)
            plan = "/".join(given.obligation.split("/")[:2])
            evidence = [vigia.add_evidence(path, plan).name for path in given.evidence]
            report = make_report(given.narrative, given.value, given.milestone, given.nil_reason, evidence)
            answer = vigia.submit(given.obligation, report, given.validate_only)
            for finding in answer.findings:
                print(f"  {finding.kind} {finding.field}: {finding.text_es}")
            if given.validate_only:
                return
            # Kept by the institution: with it anybody can later ask for the proof that this report is on the record.
            print(f"bitácora reporting:{answer.position}  {answer.leaf_hash.hex()}")
            after = vigia.verdict(given.obligation)
            show_verdict(after.verdict, after.basis)


def main() -> int:
    """Runs, and says in words what went wrong."""
    try:
        run(arguments())
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
