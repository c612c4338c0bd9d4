//! `vigia submit`: sends a filled file. Nothing is sent while anything in it is wrong, and nothing is ever sent twice: a
//! report whose content the server has already is left alone, and each call has an id that follows from file, obligations
//! and the versions that it builds on.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Result;
use futures::{StreamExt, stream};
use uuid::Uuid;
use vigia_proto::reporting::{BatchMode, ReportSubmitted, SubmitReportBatchRequest, SubmittedRow};

use super::{
    batches::{UNDER_WAY, batches},
    check::{finding_text, tell_faults},
    examine::{CALLS, Standing, bar, examine, faults},
    fault::{Fault, told},
    filled::{Stated, filled},
    outcome::{Outcome, Receipt, Sent, write},
    read::read,
    receipt::submission,
    server::Server,
};
use crate::{access::Access, lang::say, output, refused::Refused};

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
    let mut filled = match filled(&raw) {
        Ok(filled) => filled,
        Err(faults) => return tell_faults(&faults, json),
    };
    let server = Server::connect(&args.access).await?;
    let (standings, found) = examine(&server, &mut filled, args.replace).await?;
    if !found.is_empty() {
        return tell_faults(&found, json);
    }
    let bar = bar(filled.reports.len(), say("enviando", "sending"));
    let mut outcomes: Vec<Option<Outcome>> = vec![None; filled.reports.len()];
    let sent = send(&server, &filled.reports, &standings, &raw.digest, |place, outcome| {
        outcomes[place] = Some(outcome);
        bar.inc(1);
    });
    // Where the line is gone, what was received so far is kept, and the rest waits for the next run.
    let broken = sent.await.err();
    bar.finish_and_clear();
    let told = filled.reports.iter().zip(outcomes);
    let mut outcomes: Vec<Outcome> = told
        .map(|(stated, outcome)| outcome.unwrap_or_else(|| Outcome::of(&stated.obligation, Sent::Waiting)))
        .collect();
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

/// Sends what is to be sent and looks up the receipts of what the server has already; tells each by its place.
async fn send(
    server: &Server,
    reports: &[Stated],
    standings: &[Standing],
    digest: &[u8],
    mut told: impl FnMut(usize, Outcome),
) -> Result<()> {
    let (mut to_send, mut bases, mut received) = (Vec::new(), BTreeMap::new(), Vec::new());
    for (place, standing) in standings.iter().enumerate() {
        match standing {
            Standing::ToSend { base, .. } => {
                to_send.push(place);
                bases.insert(place, *base);
            }
            Standing::Received { version } => received.push((place, *version)),
            // Nothing of a file is sent while a fault is left in it.
            Standing::Faulty => {}
        }
    }
    let mut sent = stream::iter(batches(reports, to_send))
        .map(|batch| {
            let request = SubmitReportBatchRequest {
                request_id: request_id(
                    digest,
                    batch.places.iter().map(|place| (&*reports[*place].obligation, bases[place])),
                ),
                rows: batch.rows,
                mode: BatchMode::Each.into(),
                validate_only: false,
            };
            async move { anyhow::Ok((batch.places, server.submit(request).await?)) }
        })
        .buffered(UNDER_WAY);
    while let Some(answer) = sent.next().await {
        let (places, batch) = answer?;
        for (place, row) in places.into_iter().zip(batch.rows) {
            told(place, outcome(&reports[place], row, &batch.received_at));
        }
    }
    let mut receipts = stream::iter(received)
        .map(async |(place, version)| {
            let entry = submission(&server.entries(&reports[place].obligation).await?, Some(version));
            anyhow::Ok((place, entry.and_then(|entry| Receipt::of_entry(&entry))))
        })
        .buffered(CALLS);
    while let Some(receipt) = receipts.next().await {
        let (place, receipt) = receipt?;
        let already = Outcome {
            receipt,
            ..Outcome::of(&reports[place].obligation, Sent::Already)
        };
        told(place, already);
    }
    Ok(())
}

fn outcome(stated: &Stated, row: Result<SubmittedRow, Refused>, received_at: &str) -> Outcome {
    match row {
        Ok(row) => Outcome {
            findings: row.findings.iter().map(|finding| finding_text(finding).to_owned()).collect(),
            receipt: Some(Receipt::of_row(&row, received_at)),
            ..Outcome::of(&stated.obligation, Sent::Received)
        },
        Err(refused) => Outcome {
            faults: faults(stated, &refused),
            ..Outcome::of(&stated.obligation, Sent::Refused)
        },
    }
}

/// The id of a call: the same file says the same of the same obligations only once, until the server has another version
/// of one of them. A batch is recorded as a whole, so that no part of it can come again in another one.
fn request_id<'a>(digest: &[u8], rows: impl IntoIterator<Item = (&'a str, i32)>) -> String {
    let mut name = digest.to_vec();
    for (obligation, base) in rows {
        name.extend_from_slice(obligation.as_bytes());
        name.push(b'\n');
        name.extend_from_slice(&base.to_be_bytes());
    }
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
        let (q1, q2) = (
            "plans/p/assignments/a/obligations/2026-Q1",
            "plans/p/assignments/a/obligations/2026-Q2",
        );
        let id = request_id(&[1; 32], [(q1, 0), (q2, 0)]);
        assert_eq!(id, request_id(&[1; 32], [(q1, 0), (q2, 0)]));
        for other in [
            request_id(&[2; 32], [(q1, 0), (q2, 0)]),
            request_id(&[1; 32], [(q1, 0)]),
            request_id(&[1; 32], [(q1, 0), (q2, 1)]),
        ] {
            assert_ne!(id, other);
        }
    }
}
