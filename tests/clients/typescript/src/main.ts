// The command line of client.ts.
import { parseArgs } from "node:util";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { ObligationState } from "../gen/vigia/reporting/v1/obligation_service_pb.js";
import { keepReceipt, makeKey, makeReport, readKey, told, Vigia } from "./client.js";

const USAGE = `node dist/src/main.js --server http://127.0.0.1:7300 --client clients/msp-1 --key msp.pem COMMAND
  keygen                      make a key and print its public half
  whoami                      who we are and what we may do
  obligations                 what we owe
  submit OBLIGATION           submit a report: --narrative, --value I1=90 (or I1=3/4), --milestone M1, --nil-reason,
                              --letter-number, --evidence FILE; --validate-only; --receipt FILE
  verdict NAME                the verdict on an action or an obligation`;

async function run(): Promise<void> {
  const { values: given, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      server: { type: "string", default: "http://127.0.0.1:7300" },
      client: { type: "string", default: "" },
      key: { type: "string", default: "" },
      kid: { type: "string" },
      narrative: { type: "string" },
      value: { type: "string", multiple: true },
      milestone: { type: "string", multiple: true },
      "nil-reason": { type: "string" },
      "letter-number": { type: "string" },
      "validate-only": { type: "boolean", default: false },
      receipt: { type: "string" },
      evidence: { type: "string", multiple: true, default: [] },
    },
  });
  const [command, name = ""] = positionals;
  if (command === "keygen") {
    process.stdout.write(makeKey(given.key));
    return;
  }
  const kid = given.kid ?? given.client.replace("clients/", "");
  const vigia = new Vigia(given.server, { client: given.client, kid, key: readKey(given.key) });
  switch (command) {
    case "whoami": {
      const me = await told(vigia.whoAmI());
      console.log(me.principal, me.permissions.join(" "));
      return;
    }
    case "obligations":
      for await (const owed of vigia.obligations()) {
        const due = owed.dueTime ? timestampDate(owed.dueTime).toISOString() : "-";
        console.log(`${due}  ${ObligationState[owed.state]?.padEnd(16)} ${owed.name}`);
      }
      return;
    case "verdict": {
      const { verdict } = await told(vigia.verdict(name));
      console.log(verdict?.name, verdict?.obligationState, verdict?.timeliness);
      verdict?.explanation.forEach((step) => console.log(`  ${step.rule}: ${step.textEs}`));
      return;
    }
    case "submit": {
      const plan = name.split("/").slice(0, 2).join("/");
      const evidence = [];
      for (const path of given.evidence) evidence.push((await told(vigia.addEvidence(path, plan)))?.name ?? "");
      const report = makeReport({
        evidence,
        narrative: given.narrative,
        values: given.value,
        milestones: given.milestone,
        nilReason: given["nil-reason"],
        letterNumber: given["letter-number"],
      });
      const answer = await told(vigia.submit(name, report, given["validate-only"]));
      answer.findings.forEach((finding) => console.log(`  ${finding.kind} ${finding.field}: ${finding.textEs}`));
      if (given["validate-only"]) return;
      console.log(`bitácora reporting:${answer.position}  ${Buffer.from(answer.leafHash).toString("hex")}`);
      if (given.receipt !== undefined) keepReceipt(given.receipt, answer);
      return;
    }
    default:
      console.error(USAGE);
      process.exitCode = 2;
  }
}

run().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
