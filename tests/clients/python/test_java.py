#!/usr/bin/env python3
"""The Java client against `vigia serve`, on the server of test_client: what is owed, evidence, a report, its receipt, and
the same call again.

    VIGIA_BIN=target/debug/vigia JAVA_CLIENT=/tmp/java-client python test_java.py    # built by ../java/build
"""

import hashlib
import json
import os
import pathlib
import subprocess
import unittest

import client
from test_client import OBLIGATION, ClientTest, new_id, shifted

JAVA_CLIENT = pathlib.Path(os.environ.get("JAVA_CLIENT", "/tmp/java-client"))


class JavaTest(unittest.TestCase):
    """The first report is overdue, and nothing has been sent."""

    setUpClass = classmethod(ClientTest.setUpClass.__func__)
    prepare = classmethod(ClientTest.prepare.__func__)

    def java(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs the Java client as a person would, with the server's clock; a JVM takes some 20 s a run under a shifted one."""
        who = [self.server.address, "clients/msp-1", str(self.key_path)]
        command = ["java", "-cp", (JAVA_CLIENT / "classpath").read_text(), "Client", *who, *arguments]
        environment = shifted(self.server.shift) | {"PATH": os.environ["PATH"]}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    def test_1_it_reads_what_it_owes(self):
        owed = self.java("obligations", 'state = "OVERDUE"')
        self.assertEqual(owed.returncode, 0, owed.stderr)
        self.assertEqual(owed.stdout, f"2026-04-16T05:00:00Z  OBLIGATION_STATE_OVERDUE  {OBLIGATION}\n")

    def test_2_an_upload_that_broke_off_goes_on(self):
        messages, stubs = client.area("reporting", "evidence_service")
        stub = stubs.EvidenceServiceStub(self.server.channel)
        path = self.directory / "asistencia.csv"
        path.write_text("canton;promotoras\n" + "Manta;1\n" * 100_000)
        content = path.read_bytes()
        name = f"evidence/{hashlib.sha256(content).hexdigest()}"
        parts = [
            messages.UploadEvidenceRequest(
                start=messages.UploadStart(evidence=name, size_bytes=len(content), plan="plans/ejemplo")
            ),
            messages.UploadEvidenceRequest(chunk=content[:300_000]),
        ]
        with self.assertRaises(client.Refused) as cut:
            self.vigia.call(stub.UploadEvidence, iter(parts))
        self.assertEqual(cut.exception.reason, "EVIDENCE_INCOMPLETE")
        added = self.java("evidence", "plans/ejemplo", str(path))
        self.assertEqual((added.returncode, added.stdout), (0, name + "\n"), added.stderr)
        stored = self.vigia.call(stub.GetEvidence, messages.GetEvidenceRequest(name=name)).evidence
        self.assertEqual(stored.state, messages.EVIDENCE_STATE_STORED)
        type(self).evidence = name

    def test_3_it_reports_once_and_keeps_the_receipt(self):
        receipt, call = self.directory / "receipt.json", new_id()
        arguments = ("submit", OBLIGATION, "Dos talleres", "I1=90", str(receipt), call, self.evidence)
        for _ in range(2):
            sent = self.java(*arguments)
            self.assertEqual(sent.returncode, 0, sent.stderr)
        kept = json.loads(receipt.read_text())
        self.assertEqual((kept["report"]["version"], kept["report"]["evidence"]), (1, [self.evidence]))
        _, stubs = client.area("reporting", "journal_service")
        journal, _ = client.area("journal", "journal")
        stub = stubs.ReportingJournalServiceStub(self.server.channel)
        entries = self.vigia.call(stub.ListEntries, journal.ListEntriesRequest(resource=OBLIGATION)).entries
        self.assertEqual([str(entry.position) for entry in entries], [kept["position"]])

    def test_4_a_refusal_is_told(self):
        refused = self.java("submit", OBLIGATION.replace("Q1", "Q2"), "Dos talleres", "I1=90", "/dev/null")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("FAILED_PRECONDITION", refused.stderr)


# Its server is test_client's; the tests of that file are not run twice.
del ClientTest

if __name__ == "__main__":
    unittest.main()
