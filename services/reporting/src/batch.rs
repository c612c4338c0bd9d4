//! SubmitReportBatch: many reports in one change, all or none, or each on its own.
//!
//! Every row is judged as SubmitReport judges it, against the facts as they were before the batch: a batch holds one row
//! for each obligation, so rows do not depend on each other, but for the kind of an indicator's values.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use prost::Message;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use tonic::{Response, Status};
use vigia_platform::{Area, CallKey, Caller, Error, Faults, NotWritten, answered, timestamp};
use vigia_proto::{
    error::Reason,
    reporting::{
        BatchMode, IndicatorValue, SubmitReportBatchRequest, SubmitReportBatchResponse, SubmitReportResult, SubmitReportRow, SubmittedRow,
        submit_report_result::Result as Answer,
    },
};

use crate::{
    desk::Desk,
    entities::report_draft,
    kinds::is_ratio,
    names::ObligationName,
    submission::{Content, Submission, Submitted},
    writer::{REPORT_COLUMNS, report_row},
};

/// Rows of a batch at most. Judged and written they take well under the call deadline of 5 s.
pub(crate) const SUBMIT_ROWS_MAX: usize = 5_000;
/// Bytes of a batch at most.
pub(crate) const SUBMIT_BYTES_MAX: usize = 16 << 20;
/// Faults that an atomic batch is refused with at most: they travel in headers, which clients limit.
const TOLD_MAX: usize = 20;
/// Names that are asked for in one statement.
const AT_ONCE: usize = 500;
/// Rows that are judged before others get their turn on this thread.
const TURN_ROWS: usize = 50;

pub(crate) async fn submit(
    desk: &Desk,
    caller: &Caller,
    request: SubmitReportBatchRequest,
) -> Result<Response<SubmitReportBatchResponse>, Status> {
    let mut faults = Faults::new();
    faults.require(
        (1..=SUBMIT_ROWS_MAX).contains(&request.rows.len()),
        "rows",
        "debe tener de 1 a 5000 filas: parta el lote",
        "must have 1 to 5000 rows: split the batch",
    );
    faults.require(
        request.mode() != BatchMode::Unspecified,
        "mode",
        "falta: todo o nada, o cada uno por su cuenta",
        "is missing: all or none, or each on its own",
    );
    faults.done()?;
    desk.ready().await?;
    let received_at = caller.received_at();
    if request.validate_only {
        let drafts = drafts(desk.kit.db.read(caller), &request.rows).await.map_err(Error::from)?;
        let judged = judged(desk, caller, &request.rows, &drafts, received_at).await;
        let answers = judged.into_iter().map(|row| row.map(|(_, row)| answer(row, 0, Vec::new())));
        return Ok(Response::new(response(answers.collect(), received_at)));
    }
    let key = CallKey::of(caller, &request.request_id, &request)?;
    let mut batch = desk.kit.db.batch().await.map_err(not_written)?;
    if let Some(before) = batch.answered(&[&key]).await.map_err(Error::from)?.remove(&0) {
        let before = before?;
        let answer = SubmitReportBatchResponse::decode(before.answer.as_slice()).map_err(Error::from)?;
        return Ok(answered(answer, Area::Reporting, before.position));
    }
    let drafts = drafts(batch.tx(), &request.rows).await.map_err(Error::from)?;
    let judged = judged(desk, caller, &request.rows, &drafts, batch.now()).await;
    if request.mode() == BatchMode::Atomic && judged.iter().any(Result::is_err) {
        return Err(refused(&judged).into());
    }
    let (mut answers, mut rows, mut last) = (Vec::with_capacity(judged.len()), Vec::new(), 0);
    for row in judged {
        answers.push(match row {
            Err(error) => Err(error),
            Ok((name, row)) => {
                let obligation = name.to_string();
                let event_type = "vigia.reporting.v1.ReportSubmitted";
                let recorded = batch.record(caller, event_type, obligation.clone(), row.institution.clone(), &row.event)?;
                rows.push(report_row(obligation, &row.report));
                last = recorded.position;
                Ok(answer(row, recorded.position, recorded.leaf_hash.to_vec()))
            }
        });
    }
    batch.insert("report", &REPORT_COLUMNS, rows);
    let of_drafts = request.rows.iter().zip(&answers);
    let of_drafts = of_drafts.filter(|(row, answer)| row.report.is_none() && answer.is_ok());
    let sent: Vec<&str> = of_drafts.map(|(row, _)| row.parent.as_str()).collect();
    for sent in sent.chunks(AT_ONCE) {
        let sent = report_draft::Column::Obligation.is_in(sent.iter().copied());
        report_draft::Entity::delete_many()
            .filter(sent)
            .exec(batch.tx())
            .await
            .map_err(Error::from)?;
    }
    let response = response(answers, received_at);
    batch.answer(key, response.encode_to_vec());
    batch.commit().await.map_err(not_written)?;
    Ok(answered(response, Area::Reporting, last))
}

fn not_written(cause: NotWritten) -> Error {
    match cause {
        NotWritten::Refused(cause) if Error::passes(&cause) => Error::unavailable(),
        NotWritten::Refused(cause) => Error::internal(&cause),
        NotWritten::Unknown => Error::outcome_unknown(),
    }
}

type Judged = Result<(ObligationName, Submitted), Error>;

/// Every row in its order: what would be recorded, or why not.
async fn judged(
    desk: &Desk,
    caller: &Caller,
    rows: &[SubmitReportRow],
    drafts: &HashMap<String, report_draft::Model>,
    now: Timestamp,
) -> Vec<Judged> {
    let (mut seen, mut beside) = (BTreeSet::new(), Beside::default());
    let mut judged = Vec::with_capacity(rows.len());
    for (i, row) in rows.iter().enumerate() {
        if i % TURN_ROWS == TURN_ROWS - 1 {
            tokio::task::yield_now().await;
        }
        judged.push(if seen.insert(row.parent.as_str()) {
            judge(desk, caller, row, drafts, &mut beside, now)
        } else {
            Err(fault(
                "parent",
                "la obligación está dos veces en el lote",
                "the obligation is twice in the batch",
            ))
        });
    }
    judged
}

fn judge(
    desk: &Desk,
    caller: &Caller,
    row: &SubmitReportRow,
    drafts: &HashMap<String, report_draft::Model>,
    beside: &mut Beside,
    now: Timestamp,
) -> Judged {
    let submission = Submission {
        name: ObligationName::parse("parent", &row.parent)?,
        content: match &row.report {
            Some(report) => Content::Given(Box::new(report.clone())),
            None => Content::Draft { etag: row.etag.clone() },
        },
    };
    let submitted = submission.decide(desk, caller, drafts.get(&row.parent), now)?;
    beside.take(&submitted)?;
    Ok((submission.name, submitted))
}

/// Which kind of value each indicator of an action has in the rows before: of all reports it is the same.
#[derive(Default)]
struct Beside(HashMap<(String, String), HashMap<String, bool>>);

impl Beside {
    /// Takes a row in, or refuses it for a value of another kind than those before.
    fn take(&mut self, row: &Submitted) -> Result<(), Error> {
        let values = &row.report.values;
        let kinds = self.0.entry(row.action.clone()).or_default();
        let is_mixed =
            |value: &IndicatorValue| is_ratio(value).is_some_and(|ratio| kinds.get(&value.indicator).is_some_and(|other| *other != ratio));
        if let Some(i) = values.iter().position(is_mixed) {
            return Err(fault(
                &format!("report.values[{i}]"),
                "los valores de un indicador son todos números o todos razones",
                "an indicator's values are all numbers or all ratios",
            ));
        }
        kinds.extend(values.iter().filter_map(|value| Some((value.indicator.clone(), is_ratio(value)?))));
        Ok(())
    }
}

/// The drafts of the rows that bring no content.
async fn drafts(db: &impl ConnectionTrait, rows: &[SubmitReportRow]) -> Result<HashMap<String, report_draft::Model>, DbErr> {
    let names: Vec<&str> = rows
        .iter()
        .filter(|row| row.report.is_none())
        .map(|row| row.parent.as_str())
        .collect();
    let mut drafts = HashMap::new();
    for names in names.chunks(AT_ONCE) {
        let found = report_draft::Entity::find()
            .filter(report_draft::Column::Obligation.is_in(names.iter().copied()))
            .all(db)
            .await?;
        drafts.extend(found.into_iter().map(|row| (row.obligation.clone(), row)));
    }
    Ok(drafts)
}

fn fault(path: &str, es: &str, en: &str) -> Error {
    let mut faults = Faults::new();
    faults.add(path, es, en);
    faults.done().err().unwrap_or_else(|| Error::internal(&"no fault"))
}

fn answer(row: Submitted, position: i64, leaf_hash: Vec<u8>) -> SubmittedRow {
    SubmittedRow {
        report: row.report.name,
        findings: row.findings,
        position,
        leaf_hash,
    }
}

fn response(rows: Vec<Result<SubmittedRow, Error>>, received_at: Timestamp) -> SubmitReportBatchResponse {
    let count = |accepted: bool| i32::try_from(rows.iter().filter(|row| row.is_ok() == accepted).count()).unwrap_or(i32::MAX);
    let (submitted, refused) = (count(true), count(false));
    let results = rows.into_iter().map(|row| SubmitReportResult {
        result: Some(match row {
            Ok(row) => Answer::Submitted(row),
            Err(error) => Answer::Refusal(error.into_refusal()),
        }),
    });
    SubmitReportBatchResponse {
        results: results.collect(),
        submitted,
        refused,
        receive_time: Some(timestamp(received_at)),
    }
}

/// The refusal of an atomic batch, with the first of what is wrong.
fn refused(rows: &[Judged]) -> Error {
    let count = rows.iter().filter(|row| row.is_err()).count();
    let mut faults = Faults::new();
    for (i, row) in rows.iter().enumerate() {
        let Err(error) = row else { continue };
        if error.faults().is_empty() {
            let (es, en) = error.texts();
            faults.add(format!("rows[{i}]"), es, en);
        }
        for fault in error.faults() {
            faults.add(format!("rows[{i}].{}", fault.path), &fault.es, &fault.en);
        }
        if faults.list().len() >= TOLD_MAX {
            break;
        }
    }
    Error::refused(
        Reason::BatchRefused,
        format!(
            "{count} de {} filas tienen fallas; no se presentó ninguna. Con validate_only se responde fila por fila.",
            rows.len()
        ),
        format!(
            "{count} of {} rows have faults; none was submitted. With validate_only every row is answered.",
            rows.len()
        ),
    )
    .with_faults(faults)
    .with("refused", count.to_string())
    .with("rows", rows.len().to_string())
}
