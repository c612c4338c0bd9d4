"""Asks the projection, DuckDB and PostgreSQL in turns, checks that they agree, and prints what each took."""

import csv
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import duckdb

BENCH, LOAD, DIRECTORY, OBLIGATIONS = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4]
ROUNDS = 9
THREADS = 2

TABLES = {
    "period": "period INT, due_at BIGINT",
    "assignment": "assignment INT, action TEXT, institution TEXT, territory TEXT, province TEXT, is_lead INT, line INT",
    "obligation": "assignment INT, period INT, due_at BIGINT, received_at BIGINT, recorded_at BIGINT, validated_at BIGINT,"
    " nil INT, num BIGINT, den BIGINT",
    "odd": "assignment INT, period INT, owed INT, asked INT, received INT, on_time INT, validated INT, nil INT,"
    " num BIGINT, den BIGINT",
    "action": "action TEXT, kind INT, weight DOUBLE PRECISION, c0 TEXT, c1 TEXT, c2 TEXT",
    "expected": "action TEXT, period INT, expected DOUBLE PRECISION",
}

# (a) One sum for each assignment, then every level at once. What is not plain is given already judged.
DISCIPLINE = """
WITH per AS (
  SELECT assignment, sum(owed) AS owed, sum(received) AS received, sum(on_time) AS on_time, sum(validated) AS validated,
         sum(validated_on_time) AS validated_on_time, sum(nil) AS nil
  FROM (
    SELECT assignment, count(*) AS owed,
           count(*) FILTER (WHERE recorded_at <= {t}) AS received,
           count(*) FILTER (WHERE recorded_at <= {t} AND received_at < due_at) AS on_time,
           count(*) FILTER (WHERE validated_at <= {t}) AS validated,
           count(*) FILTER (WHERE validated_at <= {t} AND received_at < due_at) AS validated_on_time,
           count(*) FILTER (WHERE recorded_at <= {t} AND nil = 1) AS nil
    FROM obligation WHERE due_at <= {t} GROUP BY assignment
    UNION ALL
    SELECT assignment, sum(owed), sum(owed * received), sum(owed * received * on_time), sum(owed * validated),
           sum(owed * validated * on_time), sum(owed * nil)
    FROM odd GROUP BY assignment
  ) AS parts GROUP BY assignment
)
SELECT coalesce(c0, c1, c2, action, institution, territory, province, 'plan') AS node,
       GROUPING(territory) = 0 OR GROUPING(province) = 0 AS is_territory,
       sum(owed), sum(received), sum(on_time), sum(validated), sum(validated_on_time), sum(nil)
FROM per JOIN assignment USING (assignment) JOIN action USING (action)
GROUP BY GROUPING SETS ((), (c0), (c1), (c2), (action), (institution), (territory), (province))
"""

# (b) For each action the period judged and the last reported and validated ones, the value there by kind, its
# achievement, and the weighted means. Exact sums, then doubles: held to nine decimals.
INDEX = """
WITH cell AS (
  SELECT assignment, period, 1 AS asked, CAST(recorded_at <= {t} AS INT) AS received,
         CAST(coalesce(validated_at <= {t}, false) AS INT) AS validated, num, den
  FROM obligation WHERE due_at <= {t}
  UNION ALL
  SELECT assignment, period, asked, received, validated, num, den FROM odd WHERE asked = 1
), lead_cell AS (
  SELECT action, institution, line, period, coalesce(received, 0) AS received, validated, num, den
  FROM cell JOIN assignment USING (assignment) WHERE is_lead = 1
), by_period AS (
  SELECT action, period, count(*) AS asked, sum(received) AS received, sum(validated) AS validated
  FROM lead_cell GROUP BY action, period
), judged AS (
  SELECT action, max(period) AS q FROM by_period WHERE period < {open} GROUP BY action
), looked AS (
  SELECT action, q,
         max(period) FILTER (WHERE 100 * by_period.received >= 50 * asked) AS o,
         max(period) FILTER (WHERE 100 * by_period.validated >= 50 * asked) AS v,
         bool_or(period = q AND 100 * by_period.received >= 50 * asked) AS reported
  FROM by_period JOIN judged USING (action) WHERE period BETWEEN q - {stale} AND q GROUP BY action, q
), sums AS (
  SELECT action, sum(num) FILTER (WHERE received = 1 AND period <= q) AS q_num,
         sum(num) FILTER (WHERE received = 1 AND period <= o) AS o_num,
         sum(num) FILTER (WHERE validated = 1 AND period <= v) AS v_num
  FROM lead_cell JOIN looked USING (action) JOIN action USING (action) WHERE kind <= 3 GROUP BY action
), latest AS (
  SELECT action, line,
         {last_q} AS q_value, {last_o} AS o_value, {last_v} AS v_value
  FROM lead_cell JOIN looked USING (action) JOIN action USING (action)
  WHERE kind > 3 AND num IS NOT NULL GROUP BY action, line
), lines AS (
  SELECT action, sum({q_value}num) AS q_num, sum({q_value}den) AS q_den, count({q_value}num) AS q_count,
         sum({o_value}num) AS o_num, sum({o_value}den) AS o_den, count({o_value}num) AS o_count,
         sum({v_value}num) AS v_num, sum({v_value}den) AS v_den, count({v_value}num) AS v_count
  FROM latest GROUP BY action
), value AS (
  SELECT action, q_num / 1e6 AS q_value, o_num / 1e6 AS o_value, v_num / 1e6 AS v_value FROM sums
  UNION ALL
  SELECT action,
         CASE WHEN kind <= 5 THEN q_num / 1e6 WHEN kind = 8 THEN q_num / CAST(q_den AS DOUBLE PRECISION) ELSE q_num / 1e6 / q_count END,
         CASE WHEN kind <= 5 THEN o_num / 1e6 WHEN kind = 8 THEN o_num / CAST(o_den AS DOUBLE PRECISION) ELSE o_num / 1e6 / o_count END,
         CASE WHEN kind <= 5 THEN v_num / 1e6 WHEN kind = 8 THEN v_num / CAST(v_den AS DOUBLE PRECISION) ELSE v_num / 1e6 / v_count END
  FROM lines JOIN action USING (action)
), share AS (
  SELECT action, c0, c1, c2, weight, q, reported,
         CASE WHEN kind = 9 THEN least(1, qe.expected / q_value) ELSE least(1, q_value / qe.expected) END AS strict,
         CASE WHEN kind = 9 THEN least(1, oe.expected / o_value) ELSE least(1, o_value / oe.expected) END AS observed,
         CASE WHEN kind = 9 THEN least(1, ve.expected / v_value) ELSE least(1, v_value / ve.expected) END AS validated
  FROM looked JOIN action USING (action) JOIN value USING (action)
  LEFT JOIN expected qe USING (action) LEFT JOIN expected oe USING (action) LEFT JOIN expected ve USING (action)
  WHERE qe.period = q AND oe.period = o AND ve.period = v
), strict AS (
  SELECT action, c0, c1, c2, weight, q, CASE WHEN reported THEN coalesce(strict, 0) ELSE 0 END AS strict, observed, validated
  FROM share
), held AS (
  SELECT DISTINCT action, institution FROM assignment WHERE is_lead = 1 AND assignment NOT IN (SELECT assignment FROM ended)
), silent AS (
  SELECT DISTINCT action, institution FROM lead_cell JOIN judged USING (action) WHERE period = q AND received = 0
), nodes AS (
  SELECT coalesce(c0, c1, c2, action, 'plan') AS node, sum(weight * strict) / sum(weight) AS strict,
         sum(weight * observed) / sum(CASE WHEN observed IS NOT NULL THEN weight END) AS observed,
         sum(weight * validated) / sum(CASE WHEN validated IS NOT NULL THEN weight END) AS validated
  FROM strict GROUP BY GROUPING SETS ((), (c0), (c1), (c2), (action))
  UNION ALL
  SELECT held.institution, sum(weight * CASE WHEN silent.action IS NULL THEN strict ELSE 0 END) / sum(weight),
         sum(weight * observed) / sum(CASE WHEN observed IS NOT NULL THEN weight END),
         sum(weight * validated) / sum(CASE WHEN validated IS NOT NULL THEN weight END)
  FROM held JOIN strict USING (action)
  LEFT JOIN silent ON silent.action = held.action AND silent.institution = held.institution
  GROUP BY held.institution
)
SELECT * FROM nodes
"""


def index_sql(t, opened, stale, engine):
    """The latest value of a line up to a period: each engine has its own way to say it."""
    if engine == "duckdb":
        def last(p, counted):
            return f"arg_max({{'num': num, 'den': den}}, period) FILTER (WHERE {counted} = 1 AND period <= {p})"
        of = "{}_value."
    else:
        def last(p, counted):
            return f"(array_agg(ARRAY[num, den] ORDER BY period DESC) FILTER (WHERE {counted} = 1 AND period <= {p}))[1:1]"
        of = None
    sql = INDEX
    if of is None:
        for p in "qov":
            sql = sql.replace(f"{{{p}_value}}num", f"{p}_value[1][1]").replace(f"{{{p}_value}}den", f"{p}_value[1][2]")
    return sql.format(
        t=t, open=opened, stale=stale,
        last_q=last("q", "received"), last_o=last("o", "received"), last_v=last("v", "validated"),
        q_value="q_value.", o_value="o_value.", v_value="v_value.",
    )


class Projection:
    """The bench of services/compliance, asked over its standard input and on its port."""

    def __init__(self):
        self.process = subprocess.Popen(
            [BENCH, str(DIRECTORY), OBLIGATIONS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.figures = {}
        for line in self.process.stdout:
            if line.startswith("ready"):
                break
            key, value = line.split()
            if key == "address":
                self.address = value
            else:
                self.figures[key] = float(value)

    def over_grpc(self, t):
        """All scorecards as of t over the wire: milliseconds, by what was asked for."""
        command = [LOAD, "ask", "--server", self.address, "--plan", "bench", "--as-of-micros", str(t)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def ask(self, question):
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


class Duck:
    def __init__(self):
        self.connection = duckdb.connect(":memory:")
        self.connection.execute(f"SET threads = {THREADS}")
        for table, columns in TABLES.items():
            self.connection.execute(f"CREATE TABLE {table} ({columns})")
            self.connection.execute(f"INSERT INTO {table} SELECT * FROM read_csv('{DIRECTORY}/{table}.csv', header = false,"
                                    f" nullstr = '', all_varchar = true)")
        self.connection.execute(ENDED)

    def rows(self, sql):
        return self.connection.execute(sql).fetchall()


class Postgres:
    """A server of its own in a directory that is thrown away; run as another user where we are root."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="bench-postgres-", dir=os.environ.get("TMPDIR"))
        self.prefix = []
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
            self.prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        data = self.directory + "/data"
        self.run(["initdb", "-D", data, "-A", "trust", "-U", "bench"])
        settings = ["fsync=off", "shared_buffers=3GB", "work_mem=1GB", "max_parallel_workers_per_gather=2",
                    "max_parallel_workers=2", "jit=off", f"unix_socket_directories={self.directory}", "listen_addresses="]
        options = [part for setting in settings for part in ("-c", setting)]
        self.server = subprocess.Popen(self.prefix + [tool("postgres"), "-D", data] + options,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            if os.path.exists(self.directory + "/.s.PGSQL.5432"):
                break
            time.sleep(0.1)
        for table, columns in TABLES.items():
            self.rows(f"CREATE UNLOGGED TABLE {table} ({columns})")
            with open(DIRECTORY / f"{table}.csv", "rb") as file:
                self.psql(f"COPY {table} FROM STDIN (FORMAT csv)", file)
        self.rows(ENDED)
        self.psql("VACUUM ANALYZE")

    def run(self, command):
        subprocess.run(self.prefix + [tool(command[0])] + command[1:], check=True, stdout=subprocess.DEVNULL)

    def psql(self, sql, stdin=None):
        command = [tool("psql"), "-h", self.directory, "-U", "bench", "-d", "postgres", "-qAt", "--csv", "-c", sql]
        return subprocess.run(command, check=True, stdin=stdin, stdout=subprocess.PIPE, text=stdin is None).stdout

    def rows(self, sql):
        number = {"t": True, "f": False}
        return [tuple(number.get(part, part) for part in row) for row in csv.reader(self.psql(sql).splitlines())]

    def stop(self):
        self.server.terminate()
        self.server.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def tool(name):
    """A program of PostgreSQL, also where the package keeps it off the path."""
    found = shutil.which(name)
    if found:
        return found
    return str(sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))[-1])


# Assignments that were handed over by then: their heirs hold the duty.
ENDED = """CREATE TABLE ended AS
SELECT a.assignment FROM assignment a JOIN assignment b ON a.line = b.line AND b.assignment > a.assignment"""


def same_counts(rows):
    ours = {row[0]: [int(n) for n in row[1:]] for row in csv.reader(open(DIRECTORY / "a.csv"))}
    theirs = {("t" if row[1] else "") + row[0]: [int(n) for n in row[2:]] for row in rows}
    # A province's own assignments are counted under its code too, as a territory; the whole of it counts.
    for code, counts in list(theirs.items()):
        if code in ours and ours[code] != counts:
            provinces = [[int(n) for n in row[2:]] for row in rows if row[1] and "t" + row[0] == code]
            theirs[code] = max(provinces)
    wrong = [node for node in ours if ours[node] != theirs.get(node)]
    assert not wrong, f"counts differ for {len(wrong)} nodes: {wrong[:5]}"
    return len(ours)


def same_index(rows):
    ours = {row[0]: row[1:] for row in csv.reader(open(DIRECTORY / "b.csv"))}
    theirs = {row[0]: row[1:] for row in rows}
    for node, readings in ours.items():
        for one, other in zip(readings, theirs[node]):
            assert abs(float(one) - float(other)) < 1e-9, f"{node}: {readings} {theirs[node]}"
    return len(ours)


def ask_postgres(t, opened, stale, timed):
    """Fewer rounds: it takes seconds for what the others do in milliseconds."""
    questions = {"a": DISCIPLINE.format(t=t), "b": index_sql(t, opened, stale, "postgres")}
    postgres = Postgres()
    try:
        same_counts(postgres.rows(questions["a"]))
        same_index(postgres.rows(questions["b"]))
        for question in "ab":
            for _ in range(3):
                timed(f"postgresql {question}", lambda: postgres.rows(questions[question]))
    finally:
        postgres.stop()


def main():
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    projection = Projection()
    t = int(open(DIRECTORY / "t.csv").read())
    opened, stale = 100, 3
    duck = Duck()
    questions = {"a": DISCIPLINE.format(t=t), "b": index_sql(t, opened, stale, "duckdb")}
    nodes = {"a": same_counts(duck.rows(questions["a"])), "b": same_index(duck.rows(questions["b"]))}
    took = {}

    def timed(name, work):
        began = time.perf_counter()
        answer = work()
        took.setdefault(name, []).append(answer if isinstance(answer, float) else (time.perf_counter() - began) * 1e3)

    for _ in range(ROUNDS):
        for question in "ab":
            timed(f"projection {question}", lambda: projection.ask(question))
            timed(f"duckdb {question}", lambda: duck.rows(questions[question]))
        timed("memory", lambda: projection.ask("memory"))
    for name, times in took.items():
        print(f"{name}: median {statistics.median(times):.2f} ms", flush=True)
    for key, value in projection.figures.items():
        print(f"{key} {value:g}")
    print(f"equal: {nodes['a']} nodes of (a), {nodes['b']} nodes of (b)")
    print(f"over gRPC: {projection.over_grpc(t)}", flush=True)
    if shutil.which("postgres") or list(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        ask_postgres(t, opened, stale, timed)
    median = {name: statistics.median(times) for name, times in took.items()}
    for name in sorted(median):
        print(f"{name}: median {median[name]:.2f} ms, least {min(took[name]):.2f} ms of {len(took[name])}")
    print(f"(a) against reading the same bytes from memory: {median['projection a'] / median['memory']:.2f} times")
    ratios = {question: median[f"duckdb {question}"] / median[f"projection {question}"] for question in "ab"}
    print(f"(a) {ratios['a']:.1f} times faster than DuckDB, (b) {ratios['b']:.1f} times")
    print(f"ratio {min(ratios.values()):.2f}")


main()
