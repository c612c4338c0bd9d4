// A monitoring client of Vigía in TypeScript: what the governing body's own tool does, in one file that can be read and
// copied. It lists plans and who is late, reads scorecards, explains a verdict, puts independent judgements beside it, takes
// alerts up, and watches what changes, going on where it broke off.
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { AlertService, type Alert } from "../gen/vigia/compliance/v1/alert_service_pb.js";
import { AssessmentService, type SideBySide } from "../gen/vigia/compliance/v1/assessment_service_pb.js";
import { ComplianceService, WatchKind, type Scorecard, type Verdict, type WatchComplianceResponse } from "../gen/vigia/compliance/v1/compliance_service_pb.js";
import { PlanService, type Plan } from "../gen/vigia/plans/v1/plan_service_pb.js";
import { Refused, type Vigia } from "./client.js";

/** A broken watch is taken up again after this long, and twice as long after each failure, up to the second. */
const AGAIN_AFTER_MS = [500, 30_000] as const;
/** What a watch is over for, because it will not get better by itself. */
const PASSES = [Code.Unavailable, Code.Unauthenticated, Code.Unknown, Code.Aborted, Code.ResourceExhausted, Code.Canceled];
/** Obligations that were due and are not there; verdicts on actions have no timeliness, and pass. */
const LATE = 'timeliness = "MISSING"';

/** Reads a list to its end. */
async function* pages<T>(page: (pageToken: string) => Promise<[T[], string]>): AsyncGenerator<T> {
  let token = "";
  do {
    const [items, next] = await page(token);
    yield* items;
    token = next;
  } while (token !== "");
}

/** What is asked, as of now or of an instant; all answers as of an instant are the same for ever. */
export class Monitor {
  constructor(private readonly vigia: Vigia) {}

  /** The plans in the server's order. */
  plans(): AsyncGenerator<Plan> {
    const client = this.vigia.of(PlanService);
    return pages(async (pageToken) => {
      const page = await client.listPlans({ pageToken, pageSize: 200 });
      return [page.plans, page.nextPageToken];
    });
  }

  /** The scorecards (tableros) of a plan, its components, institutions and territories. */
  scorecards(parent: string, asOf?: Date): AsyncGenerator<Scorecard> {
    const client = this.vigia.of(ComplianceService);
    return pages(async (pageToken) => {
      const page = await client.listScorecards({ parent, pageToken, asOf: asOf && timestampFromDate(asOf) });
      return [page.scorecards, page.nextPageToken];
    });
  }

  /** Who is late (en mora) with what. */
  late(parent: string, asOf?: Date): AsyncGenerator<Verdict> {
    const client = this.vigia.of(ComplianceService);
    return pages(async (pageToken) => {
      const at = asOf && timestampFromDate(asOf);
      const page = await client.listVerdicts({ parent, obligations: true, filter: LATE, pageSize: 1000, pageToken, asOf: at });
      return [page.verdicts, page.nextPageToken];
    });
  }

  /** A verdict (dictamen) in words: how it stands, why, and what would make it comply. */
  async explain(name: string, asOf?: Date): Promise<string[]> {
    const { verdict, basis } = await this.vigia.verdict(name, asOf);
    if (verdict === undefined) return [];
    const since = verdict.sinceTime ? ` (desde ${timestampDate(verdict.sinceTime).toISOString()})` : "";
    const state = verdict.obligationState || `${verdict.actionState}`;
    return [
      `${verdict.titleEs}: ${state}${since}`,
      ...verdict.explanation.map((step) => `${step.rule}: ${step.textEs} [${step.positions.join(", ")}]`),
      ...verdict.remedies.map((remedy) => `Para cumplir: ${remedy.textEs}`),
      ...(basis?.simulated ? ["SIMULADO: nada de esto dice algo sobre una conducta real."] : []),
    ];
  }

  /** Where independent assessors and the official verdict differ (discrepancias), the most first. */
  disagreements(parent: string, asOf?: Date): AsyncGenerator<SideBySide> {
    const client = this.vigia.of(AssessmentService);
    return pages(async (pageToken) => {
      const page = await client.listDisagreements({ parent, pageToken, pageSize: 200, asOf: asOf && timestampFromDate(asOf) });
      return [page.disagreements, page.nextPageToken];
    });
  }

  /** What needs somebody (alertas). */
  alerts(parent: string, asOf?: Date): AsyncGenerator<Alert> {
    const client = this.vigia.of(AlertService);
    return pages(async (pageToken) => {
      const page = await client.listAlerts({ parent, pageToken, pageSize: 1000, asOf: asOf && timestampFromDate(asOf) });
      return [page.alerts, page.nextPageToken];
    });
  }

  /** Says that we have taken an alert up (acuse); `requestId` names the call, so that it can be made again. */
  acknowledge(name: string, note: string, requestId: string = randomUUID()) {
    return this.vigia.of(AlertService).acknowledgeAlert({ name, note, requestId });
  }

  /**
   * What changes, as it changes: verdicts on actions, scorecards, and obligations that are late (one that is no longer late
   * comes as `removed`). It begins with all there is, or, with the last answer's `resumeToken`, with the net difference since;
   * it goes on so by itself after a break, until the signal aborts it.
   */
  async *watch(parent: string, signal: AbortSignal, resumeToken = ""): AsyncGenerator<WatchComplianceResponse> {
    const client = this.vigia.of(ComplianceService);
    const kinds = [WatchKind.ACTIONS, WatchKind.OBLIGATIONS, WatchKind.SCORECARDS];
    const filter = `timeliness = "" OR ${LATE}`;
    let again: number = AGAIN_AFTER_MS[0];
    while (!signal.aborted) {
      try {
        // A watch has no end of its own: the deadline of other calls would cut it off.
        for await (const answer of client.watchCompliance({ parent, kinds, filter, resumeToken }, { signal, timeoutMs: 0 })) {
          if (answer.resumeToken !== "") resumeToken = answer.resumeToken;
          again = AGAIN_AFTER_MS[0];
          yield answer;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ConnectError)) throw error;
        const refused = new Refused(error);
        // The journals are others, as after a restore: begin anew.
        if (refused.reason === "PAGE_TOKEN_INVALID" && resumeToken !== "") resumeToken = "";
        else if (!PASSES.includes(error.code)) throw refused;
      }
      await wait(again, undefined, { signal }).catch(() => undefined);
      again = Math.min(2 * again, AGAIN_AFTER_MS[1]);
    }
  }
}
