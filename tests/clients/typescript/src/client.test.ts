// A foreign client against `vigia serve` on a real socket: key, token, obligations, evidence, report, receipt, and the verdict
// that changes.
//
// What an institution owes falls due months after it was accepted, and a server that is not a scratch one lives by the
// machine's clock. So the server runs with its clock shifted (libfaketime, a Debian package): once in January, when the
// duty is accepted, and, started anew on the same data, on 20 April, when the first report is overdue.
//
//     VIGIA_BIN=target/debug/vigia npm test
import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { AssignmentRole, AssignmentService } from "../gen/vigia/assignments/v1/assignment_service_pb.js";
import { InstitutionService } from "../gen/vigia/assignments/v1/institution_service_pb.js";
import { PrincipalService, Role } from "../gen/vigia/identity/v1/principal_service_pb.js";
import { PlanService } from "../gen/vigia/plans/v1/plan_service_pb.js";
import { RevisionService } from "../gen/vigia/plans/v1/revision_service_pb.js";
import { EvidenceService, EvidenceState, UploadEvidenceRequestSchema } from "../gen/vigia/reporting/v1/evidence_service_pb.js";
import { ObligationState } from "../gen/vigia/reporting/v1/obligation_service_pb.js";
import { ReportingJournalService } from "../gen/vigia/reporting/v1/journal_service_pb.js";
import { keepReceipt, makeKey, makeReport, readKey, Refused, told, Vigia } from "./client.js";

const BINARY = resolve(process.env["VIGIA_BIN"] ?? "../../../target/debug/vigia");
const ACCEPTED = Date.parse("2026-01-05T15:00:00Z");
const OVERDUE = Date.parse("2026-04-20T15:00:00Z");
const PASSWORD = "una contraseña de prueba";
const OBLIGATION = "plans/ejemplo/assignments/a1/obligations/2026-Q1";
const PLAN = `
plan:
  id: ejemplo
  title_es: Plan de ejemplo
  period: {start: 2026-01-01, end: 2026-12-31}
  time_zone: America/Guayaquil
  reporting: {frequency: quarterly, due_days_after_period: 15}
components: [{code: P, level: eje, title_es: Prevención}]
actions:
- {code: A1, component: P, text_es: Formar promotoras, lead: msp, start: 2026-01-01, end: 2026-12-31,
   indicators: [{code: I1, name_es: Promotoras, unit: count, aggregation: sum, targets: [{year: 2026, value: 400}]}]}
`;

const directory = mkdtempSync(join(tmpdir(), "vigia-typescript-"));
const keyPath = join(directory, "msp.pem");
let address = "";
let process_: ChildProcess | undefined;
let shiftMs = 0;
const now = () => Date.now() + shiftMs;

/** The environment in which a program's clock is shifted. Monotonic time stays: timeouts live by it. */
function shifted(): NodeJS.ProcessEnv {
  const libraries = readdirSync("/usr/lib").map((folder) => `/usr/lib/${folder}/faketime/libfaketimeMT.so.1`);
  const library = libraries.find((path) => existsSync(path));
  assert.ok(library, "libfaketime is missing: apt-get install faketime");
  return {
    LD_PRELOAD: library,
    FAKETIME: `${shiftMs >= 0 ? "+" : ""}${Math.round(shiftMs / 1000)}s`,
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    TZ: "UTC",
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const at = server.address();
  await new Promise((done) => server.close(done));
  assert.ok(at !== null && typeof at === "object");
  return at.port;
}

/** Starts `vigia serve` as of an instant from which its clock goes on. */
async function start(at: number): Promise<void> {
  shiftMs = at - Date.now();
  const port = await freePort();
  address = `http://127.0.0.1:${port}`;
  const given = ["serve", "--data", join(directory, "data"), "--listen", `127.0.0.1:${port}`];
  process_ = spawn(BINARY, given, { env: shifted(), stdio: "ignore" });
  const answers = () =>
    new Promise<boolean>((done) => {
      const socket = connect(port, "127.0.0.1", () => done(true)).on("error", () => done(false));
      socket.on("connect", () => socket.destroy());
    });
  // Not a wait for an effect to have happened, but for a process to open its port.
  while (!(await answers())) await new Promise((done) => setTimeout(done, 20));
}

async function stop(): Promise<void> {
  const ended = new Promise((done) => process_?.once("exit", done));
  process_?.kill("SIGTERM");
  await ended;
}

const person = (account: string, password: string) => new Vigia(address, { account: `accounts/${account}`, password }, now);
const institution = () => new Vigia(address, { client: "clients/msp", kid: "msp", key: readKey(keyPath) }, now);

/** What the governing body does first: who may call, the plan, and who answers for what. */
async function prepare(password: string, publicKeyPem: string): Promise<void> {
  const admin = person("admin", password);
  const principals = admin.of(PrincipalService);
  const grant = (principal: string, role: Role, scope = "") =>
    principals.grantRole({ principal, grant: { role, scope }, requestId: randomUUID() });
  for (const [accountId, role] of [["una", Role.COORDINATOR], ["otra", Role.APPROVER]] as const) {
    await principals.createAccount({ accountId, account: {}, password: PASSWORD, requestId: randomUUID() });
    await grant(`accounts/${accountId}`, role);
  }
  await principals.createClient({ clientId: "msp", client: { keys: [{ kid: "msp", publicKeyPem }] }, requestId: randomUUID() });
  await grant("clients/msp", Role.HEAD, "institutions/msp");

  const [una, otra, msp] = [person("una", PASSWORD), person("otra", PASSWORD), institution()];
  /** What one of them has changed, the others see. */
  const share = () => {
    const all = [admin, una, otra, msp];
    for (const from of all) for (const to of all) from.positions.forEach((position, area) => {
      if (position > (to.positions.get(area) ?? 0n)) to.positions.set(area, position);
    });
  };
  share();
  const body = { nameEs: "Ministerio de Salud Pública", branch: "executive", kind: "ministry" };
  await una.of(InstitutionService).createInstitution({ institutionId: "msp", institution: body, requestId: randomUUID() });
  await una.of(PlanService).importPlan({ file: new TextEncoder().encode(PLAN), requestId: randomUUID() });
  const revision = { legalInstrument: "Acuerdo 1", effectiveOn: "2026-01-01" };
  const proposed = await una.of(RevisionService).proposeRevision({ parent: "plans/ejemplo", revision, requestId: randomUUID() });
  share();
  await otra.of(RevisionService).approveRevision({ name: proposed.revision?.name ?? "", requestId: randomUUID() });
  share();
  const assignment = { action: "plans/ejemplo/actions/a1", institution: "institutions/msp", role: AssignmentRole.LEAD, from: "2026-01-01" };
  await una.of(AssignmentService).proposeAssignment({ parent: "plans/ejemplo", assignmentId: "a1", assignment, requestId: randomUUID() });
  share();
  await msp.of(AssignmentService).acceptAssignment({ name: "plans/ejemplo/assignments/a1", requestId: randomUUID() });
}

before(async () => {
  const publicKey = makeKey(keyPath);
  shiftMs = ACCEPTED - Date.now();
  const made = execFileSync(BINARY, ["init", "--data", join(directory, "data"), "-o", "json"], { env: shifted() });
  await start(ACCEPTED);
  await prepare((JSON.parse(made.toString()) as { password: string }).password, publicKey);
  await stop();
  await start(OVERDUE);
});

after(async () => {
  await stop();
  rmSync(directory, { recursive: true });
});

/** The refusal of a call, which must have this reason. */
async function refused(reason: string, call: Promise<unknown>): Promise<Refused> {
  const error = await told(call).then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof Refused, `not refused: ${String(error)}`);
  assert.equal(error.reason, reason);
  return error;
}

test("only its own key gets a token", async () => {
  assert.equal(statSync(keyPath).mode & 0o777, 0o600);
  assert.throws(() => makeKey(keyPath), /EEXIST/);
  const stranger = join(directory, "stranger.pem");
  makeKey(stranger);
  await refused("CREDENTIALS_WRONG", new Vigia(address, { client: "clients/msp", kid: "msp", key: readKey(stranger) }, now).bearer());
  const me = await institution().whoAmI();
  assert.equal(me.principal, "clients/msp");
  assert.ok(me.permissions.includes("reports.submit"));
});

test("it reads what it owes", async () => {
  const owed = [];
  for await (const one of institution().obligations("plans/ejemplo", 'state = "OVERDUE"')) owed.push(one);
  assert.deepEqual(owed.map((one) => [one.name, one.state]), [[OBLIGATION, ObligationState.OVERDUE]]);
  // Midnight after 15 April in Guayaquil.
  assert.equal(owed[0]?.dueTime && timestampDate(owed[0].dueTime).toISOString(), "2026-04-16T05:00:00.000Z");
});

test("what cannot be is refused, with every fault at once, and changes nothing", async () => {
  const vigia = institution();
  const good = makeReport({ narrative: "Dos talleres", values: ["I1=90"] });
  await refused("NOT_FOUND", vigia.submit(OBLIGATION.replace("a1", "of-somebody-else"), good));
  await refused("PERIOD_NOT_ENDED", vigia.submit(OBLIGATION.replace("Q1", "Q2"), good));
  const faults = await refused("INVALID_FIELDS", vigia.submit(OBLIGATION, makeReport({ narrative: "x".repeat(20_001), values: ["I1=NaN"] })));
  for (const part of ["narrative", "values"]) assert.ok(faults.violations.some((fault) => fault.field.includes(part)), faults.message);
  await vigia.submit(OBLIGATION, good, true);
  assert.equal((await vigia.verdict(OBLIGATION)).verdict?.obligationState, "OVERDUE");
});

const attendance = join(directory, "asistencia.csv");

test("an upload that breaks off goes on where it was, and is stored once", async () => {
  const vigia = institution();
  const bytes = Buffer.from("canton;promotoras\n" + "Manta;1\n".repeat(100_000));
  writeFileSync(attendance, bytes);
  const name = `evidence/${createHash("sha256").update(bytes).digest("hex")}`;
  const evidence = vigia.of(EvidenceService);
  const begun = 300_000;
  async function* brokenOff() {
    const start = { evidence: name, sizeBytes: BigInt(bytes.length), plan: "plans/ejemplo" };
    yield create(UploadEvidenceRequestSchema, { part: { case: "start", value: start } });
    yield create(UploadEvidenceRequestSchema, { part: { case: "chunk", value: bytes.subarray(0, begun) } });
  }
  const cut = await refused("EVIDENCE_INCOMPLETE", evidence.uploadEvidence(brokenOff()));
  assert.equal(cut.metadata["durable_bytes"], String(begun));
  assert.equal((await evidence.getEvidence({ name })).evidence?.state, EvidenceState.UPLOADING);

  const stored = await vigia.addEvidence(attendance, "plans/ejemplo");
  assert.deepEqual([stored?.name, stored?.state, stored?.mediaType], [name, EvidenceState.STORED, "text/plain; charset=utf-8"]);
  assert.deepEqual(await vigia.addEvidence(attendance, "plans/ejemplo"), stored);
  // Whoever knows its hash alone reads nothing.
  await refused("NOT_FOUND", vigia.readEvidence(name, `${OBLIGATION}/reports/1`));
});

test("a report changes the verdict, and its receipt is in the journal", async () => {
  const vigia = institution();
  const stored = await vigia.addEvidence(attendance, "plans/ejemplo");
  const evidence = [stored?.name ?? ""];
  const [call, report] = [randomUUID(), makeReport({ narrative: "Dos talleres en Manabí", values: ["I1=90"], evidence })];
  const first = await vigia.submit(OBLIGATION, report, false, call);
  assert.equal(first.report?.version, 1);
  assert.deepEqual(first.findings.filter((finding) => finding.kind.startsWith("EVIDENCE")), []);
  assert.deepEqual(await vigia.readEvidence(evidence[0] ?? "", `${OBLIGATION}/reports/1`), readFileSync(attendance));
  // Sent again because the answer was lost: the first answer, no second version.
  assert.deepEqual(await vigia.submit(OBLIGATION, report, false, call), first);
  await refused("REQUEST_ID_REUSED", vigia.submit(OBLIGATION, makeReport({ narrative: "Otro" }), false, call));
  const { verdict } = await vigia.verdict(OBLIGATION);
  assert.deepEqual([verdict?.obligationState, verdict?.timeliness], ["SUBMITTED", "LATE"]);
  assert.equal((await vigia.verdict(OBLIGATION, new Date("2026-04-16T04:59:59Z"))).verdict?.obligationState, "OPEN");

  const path = join(directory, "receipt.json");
  keepReceipt(path, first);
  const kept = JSON.parse(readFileSync(path, "utf8")) as { position: string; leafHash: string };
  const { entries } = await vigia.of(ReportingJournalService).listEntries({ resource: OBLIGATION });
  const entry = entries.find((entry) => entry.position === BigInt(kept.position));
  assert.equal(entry && Buffer.from(entry.leafHash).toString("base64"), kept.leafHash);
});
