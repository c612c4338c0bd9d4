//! `vigia submit`: sends a filled file. Nothing is sent while anything in it is wrong, and nothing is ever sent twice: a
//! report whose content the server has already is left alone, and each call has an id that follows from file, obligation
//! and the version that it builds on.

use std::path::{Path, PathBuf};

use anyhow::Result;
use futures::{StreamExt, stream};
use uuid::Uuid;
use vigia_proto::reporting::{ReportSubmitted, SubmitReportRequest};

use super::{
    check::{finding_text, tell_faults},
    examine::{CALLS, Standing, bar, examine, faults},
    fault::{Fault, told},
    filled::{Stated, filled},
    outcome::{Outcome, Receipt, Sent, write},
    read::read,
    receipt::submission,
    server::Server,
};
use crate::{commands::Access, lang::say, output};

/// The space of the ids of our calls (UUIDv5): made once, at random, never to be changed.
const IDS: Uuid = Uuid::from_u128(0x3f6d_9c1e_52b7_4a08_9e41_d7c0_2b6a_85f3);

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Archivo .xlsx o .csv / file.
    pub file: PathBuf,
    /// Reemplaza lo que se recibió después de hecha la plantilla / replace what was received after the template was made.
    #[arg(long)]
    pub replace: bool,
    #[command(flatten)]
    pub access: Access,
}

/// Runs the command; says whether all was received.
pub async fn run(args: &Args, json: bool) -> Result<bool> {
    let raw = match read(&args.file) {
        Ok(raw) => raw,
        Err(faults) => return tell_faults(&faults, json),
    };
    let filled = match filled(&raw) {
        Ok(filled) => filled,
        Err(faults) => return tell_faults(&faults, json),
    };
    let server = Server::connect(&args.access).await?;
    let (standings, found) = examine(&server, &filled, args.replace).await?;
    if !found.is_empty() {
        return tell_faults(&found, json);
    }
    let bar = bar(filled.reports.len(), say("enviando", "sending"));
    let mut sent = stream::iter(filled.reports.iter().zip(&standings))
        .map(|(stated, standing)| send(&server, stated, standing, &raw.digest))
        .buffered(CALLS);
    let mut outcomes = Vec::new();
    let mut broken = None;
    while let Some(outcome) = sent.next().await {
        match outcome {
            Ok(outcome) => outcomes.push(outcome),
            // The line is gone: what was received so far is kept, the rest waits for the next run.
            Err(cause) => {
                broken = Some(cause);
                break;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let waiting = filled.reports.iter().skip(outcomes.len());
    outcomes.extend(waiting.map(|stated| Outcome::of(&stated.obligation, Sent::Waiting)));
    outcomes.extend(filled.untouched.iter().map(|obligation| Outcome::of(obligation, Sent::Empty)));
    let files = write(&args.file, &filled.origin, &raw.digest, &outcomes)?;
    let all = tell(&args.file, &outcomes, &files, json)?;
    broken.map_or(Ok(all), |cause| {
        Err(cause.context(say(
            "se cortó el envío; lo recibido está en el resultado, y ejecutarlo otra vez sigue donde quedó",
            "sending broke off; what was received stands in the result, and running it again goes on from there",
        )))
    })
}

async fn send(server: &Server, stated: &Stated, standing: &Standing, digest: &[u8]) -> Result<Outcome> {
    let base = match standing {
        Standing::ToSend { base, .. } => base,
        Standing::Received { version } => {
            let entry = submission(&server.entries(&stated.obligation).await?, Some(*version));
            return Ok(Outcome {
                receipt: entry.and_then(|entry| Receipt::of_entry(&entry)),
                ..Outcome::of(&stated.obligation, Sent::Already)
            });
        }
        // Nothing of a file is sent while a fault is left in it.
        Standing::Faulty => return Ok(Outcome::of(&stated.obligation, Sent::Waiting)),
    };
    let request = SubmitReportRequest {
        parent: stated.obligation.clone(),
        report: Some(stated.report.clone()),
        request_id: request_id(digest, &stated.obligation, *base),
        ..SubmitReportRequest::default()
    };
    Ok(match server.submit(request).await? {
        Ok(answer) => Outcome {
            findings: answer.findings.iter().map(|finding| finding_text(finding).to_owned()).collect(),
            receipt: Some(Receipt::of_answer(&answer)),
            ..Outcome::of(&stated.obligation, Sent::Received)
        },
        Err(refused) => Outcome {
            faults: faults(stated, &refused),
            ..Outcome::of(&stated.obligation, Sent::Refused)
        },
    })
}

/// The id of a call: the same file says the same of the same obligation only once, until the server has another version.
fn request_id(digest: &[u8], obligation: &str, base: i32) -> String {
    let name = [digest, obligation.as_bytes(), b"\n", &base.to_be_bytes()].concat();
    Uuid::new_v5(&IDS, &name).to_string()
}

fn tell(file: &Path, outcomes: &[Outcome], files: &[PathBuf], json: bool) -> Result<bool> {
    let count = |sent| outcomes.iter().filter(|outcome| outcome.sent == sent).count();
    let (received, already, refused, empty) = (
        count(Sent::Received),
        count(Sent::Already),
        count(Sent::Refused),
        count(Sent::Empty),
    );
    let waiting = count(Sent::Waiting);
    let all = refused + waiting == 0;
    if json {
        output::json(&serde_json::json!({
            "file": file, "received": received, "already_received": already, "refused": refused, "waiting": waiting,
            "empty": empty, "reports": outcomes, "result_files": files,
        }))?;
        return Ok(all);
    }
    output::line(&told(
        format!("Recibidos: {received} · ya estaban: {already} · rechazados: {refused} · sin llenar: {empty}"),
        format!("Received: {received} · already there: {already} · refused: {refused} · empty: {empty}"),
    ));
    let refusals: Vec<&Fault> = outcomes.iter().flat_map(|outcome| &outcome.faults).collect();
    for fault in refusals {
        output::line(&format!("  {fault}"));
    }
    let findings: usize = outcomes.iter().map(|outcome| outcome.findings.len()).sum();
    if findings > 0 {
        output::line(&told(
            format!("{findings} observaciones automáticas: están en el resultado; nadie incumple por ellas."),
            format!("{findings} automatic remarks stand in the result; nobody fails by them."),
        ));
    }
    for file in files {
        output::line(&format!("{}: {}", say("comprobantes", "receipts"), file.display()));
    }
    Ok(all)
}

/// The report that a journal entry has recorded.
pub fn recorded(event: &[u8]) -> Option<vigia_proto::reporting::Report> {
    <ReportSubmitted as prost::Message>::decode(event).ok()?.report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_the_same_id_until_something_is_different() {
        let id = request_id(&[1; 32], "plans/p/assignments/a/obligations/2026-Q1", 0);
        assert_eq!(id, request_id(&[1; 32], "plans/p/assignments/a/obligations/2026-Q1", 0));
        for other in [
            request_id(&[2; 32], "plans/p/assignments/a/obligations/2026-Q1", 0),
            request_id(&[1; 32], "plans/p/assignments/a/obligations/2026-Q2", 0),
            request_id(&[1; 32], "plans/p/assignments/a/obligations/2026-Q1", 1),
        ] {
            assert_ne!(id, other);
        }
    }
}
