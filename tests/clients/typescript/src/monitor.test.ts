// The monitoring client against `vigia demo` on a real socket: real plans and institutions, simulated reports.
//
//     VIGIA_BIN=target/debug/vigia npm test
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import type { WatchComplianceResponse } from "../gen/vigia/compliance/v1/compliance_service_pb.js";
import { ReportService } from "../gen/vigia/reporting/v1/report_service_pb.js";
import { readKey, Refused, told, Vigia } from "./client.js";
import { Monitor } from "./monitor.js";

const BINARY = resolve(process.env["VIGIA_BIN"] ?? "../../../target/debug/vigia");
const directory = mkdtempSync(join(tmpdir(), "vigia-monitor-"));
let demo: ChildProcess | undefined;
let address = "";

/** Starts the demo, which plays its story the first time, and goes on from there the next. */
async function start(): Promise<void> {
  demo = spawn(BINARY, ["demo", "--data", directory, "-o", "json"], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  for await (const chunk of demo.stdout ?? []) {
    said += String(chunk);
    // It says all that it has to say at once, and stays up.
    if (said.trimEnd().endsWith("\n}")) break;
  }
  address = `http://${(JSON.parse(said) as { address: string }).address}`;
}

async function stop(): Promise<void> {
  const ended = new Promise((done) => demo?.once("exit", done));
  demo?.kill("SIGTERM");
  await ended;
}

before(start);

after(async () => {
  await stop();
  rmSync(directory, { recursive: true });
});

const client = (id: string) => new Vigia(address, { client: `clients/${id}`, kid: id, key: readKey(join(directory, "keys", `${id}.pem`)) });
const monitor = () => new Monitor(client("auditor"));

async function all<T>(items: AsyncGenerator<T>): Promise<T[]> {
  const list = [];
  for await (const item of items) list.push(item);
  return list;
}

test("it lists plans and reads scorecards in three readings", async () => {
  const plans = await all(monitor().plans());
  assert.deepEqual(plans.map((plan) => plan.name).sort(), ["plans/lgbti", "plans/ogp-2019-2022", "plans/vcm"]);
  const cards = await all(monitor().scorecards("plans/vcm"));
  const plan = cards.find((card) => card.name === "plans/vcm");
  assert.ok(plan && Number(plan.strict) > 0 && plan.observed !== "" && plan.validated !== "" && Number(plan.coverageObserved) < 1);
  assert.ok(cards.filter((card) => card.name.startsWith("institutions/")).length > 10);
});

test("a verdict explains itself, as of any instant", async () => {
  const [first] = await all(monitor().late("plans/vcm"));
  assert.ok(first);
  const lines = await monitor().explain(first.name);
  assert.ok(lines.length > 2 && lines.some((line) => line.startsWith("Para cumplir: ")), lines.join("\n"));
  assert.ok(lines.at(-1)?.startsWith("SIMULADO"));
  const then = new Date("2024-01-15T00:00:00Z");
  assert.deepEqual(await all(monitor().late("plans/vcm", then)), await all(monitor().late("plans/vcm", then)));
});

test("published grades stand beside the official verdict", async () => {
  const differing = await all(monitor().disagreements("plans/ogp-2019-2022"));
  assert.ok(differing.length > 0);
  const by = differing.map((one) => Math.abs(one.difference ?? 0));
  assert.deepEqual(by, [...by].sort((a, b) => b - a));
  assert.ok(differing.every((one) => one.assessment?.assessor === "institutions/irm" && one.assessment.provenance?.source));
});

test("an alert is taken up once, by whoever keeps the plan", async () => {
  const [first] = await all(monitor().alerts("plans/vcm"));
  assert.ok(first && first.textEs !== "" && first.acknowledgement === undefined);
  const coordinator = new Monitor(client("coordinator"));
  await coordinator.acknowledge(first.name, "Se llamó al punto focal");
  const again = (await all(coordinator.alerts("plans/vcm"))).find((alert) => alert.name === first.name);
  assert.deepEqual([again?.acknowledgement?.acknowledgedBy, again?.acknowledgement?.note], ["clients/coordinator", "Se llamó al punto focal"]);
  const twice = await told(coordinator.acknowledge(first.name, "otra vez")).then(() => undefined, (error: unknown) => error);
  assert.equal(twice instanceof Refused && twice.reason, "STATE_CONFLICT");
});

/** Reads a watch until something holds; answers with it and with the token of the last answer. */
async function until(from: Monitor, resumeToken: string, holds: (answer: WatchComplianceResponse) => boolean) {
  const stopped = new AbortController();
  let token = resumeToken;
  for await (const answer of from.watch("plans/vcm", stopped.signal, resumeToken)) {
    token = answer.resumeToken || token;
    if (holds(answer)) {
      stopped.abort();
      return { answer, token };
    }
  }
  throw new Error("the watch ended");
}

test("a watch tells who is no longer late, and after a break only what changed", async () => {
  const late = await all(monitor().late("plans/vcm"));
  const owed = late.find((verdict) => verdict.obligationState === "OVERDUE");
  assert.ok(owed);
  const { answer: first, token } = await until(monitor(), "", (answer) => answer.resumeToken !== "");
  assert.ok(first.basis?.simulated);
  await stop();
  await start();
  const institution = (owed.institutions[0] ?? "").replace("institutions/", "");
  await client(institution).of(ReportService).submitReport({ parent: owed.name, report: { nilReason: "Sin novedad (prueba)" }, requestId: randomUUID() });
  const heard = new Set<string>();
  await until(monitor(), token, (answer) => {
    answer.verdicts.forEach((verdict) => heard.add(verdict.name));
    return answer.removed.includes(owed.name);
  });
  assert.ok(late.every((verdict) => verdict === owed || !heard.has(verdict.name)), "what has not changed is not told again");
});
