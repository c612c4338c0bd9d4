// A client of Vigía in TypeScript: what an institution's own system does, in one file that can be read and copied.
//
// It makes its own Ed25519 key, proves with it who it is, sees what its institution owes, uploads evidence, submits a report
// and keeps the receipt, and sees the verdict change. README.md beside this folder shows it at work.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, sign, type KeyObject } from "node:crypto";
import { createReadStream, readFileSync, statSync, writeFileSync } from "node:fs";
import { create, toJson, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ConnectError, createClient, type Client, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { DescService } from "@bufbuild/protobuf";
import { BadRequestSchema, ErrorInfoSchema, LocalizedMessageSchema } from "../gen/google/rpc/error_details_pb.js";
import { ComplianceService } from "../gen/vigia/compliance/v1/compliance_service_pb.js";
import { PrincipalService } from "../gen/vigia/identity/v1/principal_service_pb.js";
import { TokenService } from "../gen/vigia/identity/v1/token_service_pb.js";
import { EvidenceService, EvidenceState, UploadEvidenceRequestSchema, type Evidence } from "../gen/vigia/reporting/v1/evidence_service_pb.js";
import { ObligationService, type Obligation } from "../gen/vigia/reporting/v1/obligation_service_pb.js";
import { ReportSchema, ReportService, SubmitReportResponseSchema, type SubmitReportResponse } from "../gen/vigia/reporting/v1/report_service_pb.js";

/** A token lives 15 minutes at most; a fresh one is taken this long before the old one ends. */
const RENEW_MS = 60_000;
/** No call of this client needs longer; without a deadline a lost connection would hang for ever. */
const DEADLINE_MS = 20_000;
/** An upload may take longer. */
const UPLOAD_MS = 30 * 60_000;
/** Bytes of a chunk; Vigía takes 1 MiB at most. */
const CHUNK_BYTES = 256 * 1024;

/** A call that Vigía refused: the stable reason, what it is about, and every fault with its field's path. */
export class Refused extends Error {
  readonly reason: string;
  readonly metadata: Record<string, string>;
  readonly violations: { field: string; description: string }[];

  constructor(error: ConnectError) {
    const info = error.findDetails(ErrorInfoSchema)[0];
    const spanish = error.findDetails(LocalizedMessageSchema).find((text) => text.locale.startsWith("es"));
    const violations = error.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations);
    const reason = info?.reason ?? `code ${error.code}`;
    const lines = [`${reason}: ${spanish?.message ?? error.rawMessage}`];
    super([...lines, ...violations.map((fault) => `  ${fault.field}: ${fault.description}`)].join("\n"));
    this.reason = reason;
    this.metadata = info?.metadata ?? {};
    this.violations = violations;
  }
}

/**
 * Makes an Ed25519 key, keeps the private half where only its owner can read it, and returns the public half (PEM), which
 * goes to whoever keeps the accounts. A key that is there already is never overwritten.
 */
export function makeKey(path: string): string {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  writeFileSync(path, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600, flag: "wx" });
  return publicKey.export({ type: "spki", format: "pem" }).toString();
}

/** Reads the private key. */
export function readKey(path: string): KeyObject {
  return createPrivateKey(readFileSync(path));
}

/** The public half of a private key, as PEM. */
export function publicHalf(key: KeyObject): string {
  return createPublicKey(key).export({ type: "spki", format: "pem" }).toString();
}

/** Who calls: a system with a key of its own, or a person with a password. */
export type Credentials = { client: string; kid: string; key: KeyObject } | { account: string; password: string };

/** What a client says to prove who it is (RFC 7523): good for one minute and used once. */
function clientAssertion(client: string, kid: string, key: KeyObject, nowMs: number): string {
  const iat = Math.floor(nowMs / 1000);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const header = part({ alg: "EdDSA", typ: "JWT", kid });
  const claims = part({ iss: client, sub: client, aud: "vigia", iat, exp: iat + 60, jti: randomUUID() });
  return `${header}.${claims}.${sign(null, Buffer.from(`${header}.${claims}`), key).toString("base64url")}`;
}

/** A connection that keeps its token fresh and reads its own writes. */
export class Vigia {
  /**
   * How far this client has seen each journal. Sent along as `vigia-at-least`, so that a service that only follows answers
   * with what we ourselves have just changed.
   */
  readonly positions = new Map<string, bigint>();
  private readonly transport: Transport;
  private readonly tokens: Client<typeof TokenService>;
  private token = "";
  private tokenEnds = 0;

  /** `now` is the machine's time in milliseconds; it must be right to half a minute. */
  constructor(
    readonly baseUrl: string,
    private readonly credentials: Credentials,
    private readonly now: () => number = Date.now,
  ) {
    this.tokens = createClient(TokenService, createGrpcTransport({ baseUrl, defaultTimeoutMs: DEADLINE_MS }));
    const withToken: Interceptor = (next) => async (request) => {
      request.header.set("authorization", `Bearer ${await this.bearer()}`);
      if (this.positions.size > 0) {
        request.header.set("vigia-at-least", [...this.positions].map(([area, position]) => `${area}:${position}`).join(","));
      }
      const response = await next(request);
      const [area, position] = response.header.get("vigia-position")?.split(":") ?? [];
      if (area !== undefined && position !== undefined) {
        const seen = this.positions.get(area) ?? 0n;
        this.positions.set(area, BigInt(position) > seen ? BigInt(position) : seen);
      }
      return response;
    };
    this.transport = createGrpcTransport({ baseUrl, defaultTimeoutMs: DEADLINE_MS, interceptors: [withToken] });
  }

  /** A client of one of Vigía's services, for the calls that have no method here. */
  of<S extends DescService>(service: S): Client<S> {
    return createClient(service, this.transport);
  }

  /** A token that is good for a while yet. */
  async bearer(): Promise<string> {
    if (this.now() > this.tokenEnds - RENEW_MS) {
      const who = this.credentials;
      const credentials =
        "key" in who
          ? ({ case: "clientAssertion", value: clientAssertion(who.client, who.kid, who.key, this.now()) } as const)
          : ({ case: "password", value: { account: who.account, password: who.password } } as const);
      const answer = await this.tokens.issueToken({ credentials });
      this.token = answer.accessToken;
      this.tokenEnds = answer.expireTime ? timestampDate(answer.expireTime).getTime() : 0;
    }
    return this.token;
  }

  /** What our institution owes (obligaciones de reporte), page after page, by due instant. */
  async *obligations(parent = "plans/-", filter = ""): AsyncGenerator<Obligation> {
    const client = this.of(ObligationService);
    let pageToken = "";
    do {
      const page = await client.listObligations({ parent, filter, pageSize: 200, pageToken });
      yield* page.obligations;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /**
   * Uploads a file (medio de verificación), or goes on where an upload of it broke off; returns what was stored.
   *
   * The file is named by its SHA-256; sent twice it is stored once, so this needs no request id. Metadata that could
   * identify a person are refused with EVIDENCE_NAMES_PERSON: `vigia evidence add` takes them out.
   */
  async addEvidence(path: string, plan: string): Promise<Evidence | undefined> {
    const client = this.of(EvidenceService);
    const sizeBytes = BigInt(statSync(path).size);
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    const name = `evidence/${hash.digest("hex")}`;
    let offset = 0n;
    try {
      const known = (await client.getEvidence({ name })).evidence;
      if (known?.state === EvidenceState.STORED) return known;
      offset = known?.durableBytes ?? 0n;
    } catch (error) {
      // Nothing of it is there yet.
      if (!(error instanceof ConnectError) || new Refused(error).reason !== "NOT_FOUND") throw error;
    }
    async function* parts() {
      const start = { evidence: name, sizeBytes, offset, plan };
      yield create(UploadEvidenceRequestSchema, { part: { case: "start", value: start } });
      for await (const chunk of createReadStream(path, { start: Number(offset), highWaterMark: CHUNK_BYTES })) {
        yield create(UploadEvidenceRequestSchema, { part: { case: "chunk", value: new Uint8Array(chunk as Buffer) } });
      }
    }
    return (await client.uploadEvidence(parts(), { timeoutMs: UPLOAD_MS })).evidence;
  }

  /** Reads evidence through the report that names it; reserved evidence wants a reason, which goes on the record. */
  async readEvidence(name: string, report: string, reason = ""): Promise<Buffer> {
    const chunks = [];
    for await (const answer of this.of(EvidenceService).downloadEvidence({ name, report, reason }, { timeoutMs: UPLOAD_MS })) {
      // The first answer says what it is; then come the bytes.
      if (answer.part.case === "chunk") chunks.push(answer.part.value);
    }
    return Buffer.concat(chunks);
  }

  /**
   * Submits a report (reporte de avance). With `validateOnly` it is only checked.
   *
   * `requestId` names the call: whoever is not sure that it arrived sends it again with the same one, and gets the first
   * answer again instead of a second version.
   */
  submit(parent: string, report: MessageInitShape<typeof ReportSchema>, validateOnly = false, requestId: string = randomUUID()) {
    return this.of(ReportService).submitReport({ parent, report, validateOnly, requestId });
  }

  /** The verdict (dictamen) on an action or an obligation: now, or as of an instant. */
  verdict(name: string, asOf?: Date) {
    return this.of(ComplianceService).getVerdict({ name, asOf: asOf && timestampFromDate(asOf) });
  }

  /** Who we are, and what we may do. */
  whoAmI() {
    return this.of(PrincipalService).whoAmI({});
  }
}

/**
 * A report: values are texts like `I1=90`, or `I1=3/4` for a ratio. Numbers stay texts: no float ever rounds them.
 * Evidence is named by what was stored; without more it is institutional: read by whoever may read the report.
 */
export function makeReport(given: {
  narrative?: string;
  values?: string[];
  milestones?: string[];
  nilReason?: string;
  letterNumber?: string;
  evidence?: string[];
}) {
  const values = (given.values ?? []).map((text) => {
    const [indicator, number] = text.split("=", 2);
    if (indicator === undefined || number === undefined) throw new Error(`${text}: not of the form I1=90`);
    const [num, den] = number.split("/", 2);
    const value =
      den === undefined
        ? ({ case: "number", value: { value: number } } as const)
        : ({ case: "ratio", value: { num: { value: num }, den: { value: den } } } as const);
    return { indicator, value };
  });
  return create(ReportSchema, { ...given, values });
}

/**
 * Keeps the receipt of a report: with position and leaf hash anybody can later ask for the proof that it is on the record.
 * An older receipt is never overwritten.
 */
export function keepReceipt(path: string, answer: SubmitReportResponse): void {
  writeFileSync(path, JSON.stringify(toJson(SubmitReportResponseSchema, answer), null, 2) + "\n", { flag: "wx" });
}

/** Turns what a call throws into `Refused`, where Vigía has refused it. */
export async function told<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw error instanceof ConnectError ? new Refused(error) : error;
  }
}
