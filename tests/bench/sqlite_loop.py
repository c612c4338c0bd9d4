#!/usr/bin/env python3
"""A loop of single durable commits on SQLite, of the rows that one submission writes: prints commits per second."""

import os
import sqlite3
import sys
import tempfile
import time


def main(directory: str, seconds: float, definition_bytes: int, event_bytes: int, answer_bytes: int) -> None:
    with tempfile.TemporaryDirectory(dir=directory) as inside:
        db = sqlite3.connect(os.path.join(inside, "loop.sqlite"), isolation_level=None)
        db.executescript(
            """
            PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
            CREATE TABLE obligation (id INTEGER PRIMARY KEY, name TEXT UNIQUE, state TEXT, version INTEGER, received_at INTEGER);
            CREATE TABLE report (name TEXT PRIMARY KEY, obligation TEXT, version INTEGER, definition BLOB, UNIQUE (obligation, version));
            CREATE TABLE journal_entry (position INTEGER PRIMARY KEY, time INTEGER, caller TEXT, permission TEXT, method TEXT, call_id TEXT,
              resource TEXT, event_type TEXT, event BLOB, salt BLOB, leaf_hash BLOB, institution TEXT);
            CREATE INDEX journal_entry_resource ON journal_entry (resource);
            CREATE TABLE idempotency (key TEXT PRIMARY KEY, request_hash BLOB, answer BLOB, position INTEGER, time INTEGER);
            """
        )
        db.execute("BEGIN")
        for n in range(20_000):
            name = f"plans/carga/assignments/i{n % 32}-a{n % 60}/obligations/2020-{n}"
            db.execute("INSERT INTO obligation VALUES (?, ?, 'OPEN', 0, NULL)", (n, name))
        db.execute("COMMIT")
        definition, event, answer = b"x" * definition_bytes, b"x" * event_bytes, b"x" * answer_bytes
        hash_bytes, salt = b"h" * 32, b"s" * 16
        commits, begun = 0, time.monotonic()
        while time.monotonic() - begun < seconds:
            n = commits * 7919 % 20_000
            db.execute("BEGIN IMMEDIATE")
            updated = db.execute(
                "UPDATE obligation SET state = 'SUBMITTED', version = version + 1, received_at = ? WHERE id = ? RETURNING name, version",
                (commits, n),
            )
            name, version = updated.fetchone()
            updated.close()
            db.execute("INSERT INTO report VALUES (?, ?, ?, ?)", (f"{name}/reports/{version}", name, version, definition))
            db.execute(
                "INSERT INTO journal_entry VALUES (?, ?, 'clients/i12', 'reports.submit', "
                "'/vigia.reporting.v1.ReportService/SubmitReport', ?, ?, 'vigia.reporting.v1.ReportSubmitted', ?, ?, ?, 'institutions/i12')",
                (commits, commits, f"0198c0de-0000-7000-8000-{commits:012}", name, event, salt, hash_bytes),
            )
            key = f"clients/i12\n/vigia.reporting.v1.ReportService/SubmitReport\n{os.urandom(18).hex()}"
            db.execute("INSERT INTO idempotency VALUES (?, ?, ?, ?, ?)", (key, hash_bytes, answer, commits, commits))
            db.execute("COMMIT")
            commits += 1
        print(round(commits / (time.monotonic() - begun)))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), *map(int, sys.argv[3:6]))
