//! The writer: submissions and reviews are handed to it as values. It takes all that wait, decides them one after the
//! other while it holds the head of the journal, and writes them by a few statements in one transaction; while that is
//! made durable, the next ones gather. One that is refused is refused alone.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use prost::Message;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, sea_query::Value};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tonic::{Response, Status};
use vigia_platform::{Area, Batch, CallKey, Caller, Column, Error, NotWritten, answered};
use vigia_proto::reporting::{Report, ReviewReportResponse, SubmitReportResponse};

use crate::{
    desk::Desk,
    entities::report_draft,
    kinds::is_ratio,
    submission::{Content, Judgement, Submission},
};

/// Calls that one transaction holds at most: its statements stay small, and so does what one fault would repeat.
const CALLS_MAX: usize = 256;
/// Calls that wait for the writer at most; past it they wait to be let in. The server lets in no more at once.
const WAITING_MAX: usize = 1024;
/// How long a call waits for a database that is away, before its caller is told so.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before a database that is away is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

pub(crate) const REPORT_COLUMNS: [Column; 4] = [
    Column::Text("name"),
    Column::Text("obligation"),
    Column::Small("version"),
    Column::Bytes("definition"),
];

/// Hands calls over. Clones share the writer.
#[derive(Clone, Debug)]
pub(crate) struct Writer(mpsc::Sender<Call>);

/// What is handed over.
#[derive(Debug)]
pub(crate) enum What {
    Submit(Submission),
    Review(Judgement),
}

/// A call that waits for its answer: the answer as it is encoded, and its position.
#[derive(Debug)]
struct Call {
    caller: Caller,
    key: CallKey,
    what: What,
    since: Instant,
    answer: oneshot::Sender<Result<(Vec<u8>, i64), Error>>,
}

impl Writer {
    /// Starts it. It ends when nobody can hand anything over any more.
    pub(crate) fn start(desk: Desk) -> Self {
        let (queue, calls) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(desk, calls));
        Self(queue)
    }

    /// Hands a call over and waits until it is durable.
    pub(crate) async fn write<R: Message + Default>(&self, caller: Caller, key: CallKey, what: What) -> Result<Response<R>, Status> {
        let (answer, answered_by) = oneshot::channel();
        let call = Call {
            caller,
            key,
            what,
            since: Instant::now(),
            answer,
        };
        let gone = || Error::internal(&"the writer has ended");
        self.0.send(call).await.map_err(|_| gone())?;
        let (answer, position) = answered_by.await.map_err(|_| gone())??;
        Ok(answered(
            R::decode(answer.as_slice()).map_err(Error::from)?,
            Area::Reporting,
            position,
        ))
    }
}

async fn run(desk: Desk, mut calls: mpsc::Receiver<Call>) {
    let mut waiting = VecDeque::new();
    // After a group that could not be written, its calls are tried alone, so that the one at fault fails alone.
    let mut alone = 0_usize;
    loop {
        if waiting.is_empty() {
            match calls.recv().await {
                Some(call) => waiting.push_back(call),
                None => return,
            }
        }
        let batch = desk.kit.db.batch().await;
        // Whoever came while the batch before was made durable is part of this one.
        while waiting.len() < CALLS_MAX
            && let Ok(call) = calls.try_recv()
        {
            waiting.push_back(call);
        }
        let count = if alone > 0 { 1 } else { waiting.len().min(CALLS_MAX) };
        alone = alone.saturating_sub(1);
        let mut group = Group::of(waiting.drain(..count).collect());
        let written = match batch {
            Ok(batch) => group.write(&desk, batch).await,
            Err(cause) => Err(cause),
        };
        match written {
            Ok(()) => {}
            Err(NotWritten::Refused(cause)) if Error::passes(&cause) => {
                tracing::warn!(%cause, calls = group.undone(), "the database is away or busy");
                group.give_up_after(PATIENCE);
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            Err(NotWritten::Refused(cause)) if group.undone() > 1 => {
                tracing::error!(%cause, calls = group.undone(), "a group was refused: its calls are tried alone");
                alone = group.undone();
            }
            Err(NotWritten::Refused(cause)) => group.fail(|| Error::internal(&cause)),
            Err(NotWritten::Unknown) => group.fail(Error::outcome_unknown),
        }
        for call in group.left().rev() {
            waiting.push_front(call);
        }
    }
}

/// The calls of one transaction.
struct Group {
    calls: Vec<Option<Call>>,
    /// Answers of those that are decided and wait to be durable, by their place.
    answers: Vec<(usize, Vec<u8>, i64)>,
}

impl Group {
    fn of(calls: Vec<Call>) -> Self {
        Self {
            calls: calls.into_iter().map(Some).collect(),
            answers: Vec::new(),
        }
    }

    /// Decides and writes. Calls that must wait for what this group decides are left.
    async fn write(&mut self, desk: &Desk, mut batch: Batch) -> Result<(), NotWritten> {
        self.answers.clear();
        let keys: Vec<&CallKey> = self.calls.iter().flatten().map(|call| &call.key).collect();
        let mut stored = batch.answered(&keys).await?;
        let drafts = self.drafts(&batch).await?;
        let (mut rows, mut sent_drafts) = (Vec::new(), Vec::new());
        let mut decided = Decided::default();
        for place in 0..self.calls.len() {
            let Some(call) = &self.calls[place] else { continue };
            if let Some(before) = stored.remove(&place) {
                self.tell(place, before.map(|before| (before.answer, before.position)));
                continue;
            }
            let draft = drafts.get(&call.obligation());
            if !decided.is_apart_from(call, draft) {
                continue;
            }
            match decide(desk, &mut batch, call, draft) {
                Ok(Written { answer, position, row }) => {
                    decided.add(call, draft);
                    if matches!(&call.what, What::Submit(submission) if matches!(submission.content, Content::Draft { .. })) {
                        sent_drafts.push(call.obligation());
                    }
                    rows.extend(row);
                    batch.answer(call.key.clone(), answer.clone());
                    self.answers.push((place, answer, position));
                }
                Err(refusal) => self.tell(place, Err(refusal)),
            }
        }
        batch.insert("report", &REPORT_COLUMNS, rows);
        if !sent_drafts.is_empty() {
            let sent = report_draft::Column::Obligation.is_in(sent_drafts);
            report_draft::Entity::delete_many().filter(sent).exec(batch.tx()).await?;
        }
        batch.commit().await?;
        for (place, answer, position) in std::mem::take(&mut self.answers) {
            self.tell(place, Ok((answer, position)));
        }
        Ok(())
    }

    /// The drafts that are sent.
    async fn drafts(&self, batch: &Batch) -> Result<HashMap<String, report_draft::Model>, DbErr> {
        let sent = self.calls.iter().flatten().filter_map(|call| match &call.what {
            What::Submit(submission) if matches!(submission.content, Content::Draft { .. }) => Some(call.obligation()),
            _ => None,
        });
        let sent: Vec<String> = sent.collect();
        if sent.is_empty() {
            return Ok(HashMap::new());
        }
        let drafts = report_draft::Entity::find().filter(report_draft::Column::Obligation.is_in(sent));
        let drafts = drafts.all(batch.tx()).await?.into_iter();
        Ok(drafts.map(|draft| (draft.obligation.clone(), draft)).collect())
    }

    fn tell(&mut self, place: usize, answer: Result<(Vec<u8>, i64), Error>) {
        if let Some(call) = self.calls[place].take() {
            // Whoever went away meanwhile can ask again by the request_id.
            let _ = call.answer.send(answer);
        }
    }

    fn undone(&self) -> usize {
        self.calls.iter().flatten().count()
    }

    /// Tells those that have waited too long.
    fn give_up_after(&mut self, patience: Duration) {
        for place in 0..self.calls.len() {
            if self.calls[place].as_ref().is_some_and(|call| call.since.elapsed() > patience) {
                self.tell(place, Err(Error::unavailable()));
            }
        }
    }

    /// Tells those that were to be written; who was left for later waits on.
    fn fail(&mut self, error: impl Fn() -> Error) {
        let places: Vec<usize> = self.answers.iter().map(|(place, ..)| *place).collect();
        // Where it came to no decision, all were to be.
        let all = 0..if places.is_empty() { self.calls.len() } else { 0 };
        for place in places.into_iter().chain(all) {
            self.tell(place, Err(error()));
        }
    }

    fn left(self) -> impl DoubleEndedIterator<Item = Call> {
        self.calls.into_iter().flatten()
    }
}

impl Call {
    fn obligation(&self) -> String {
        match &self.what {
            What::Submit(submission) => submission.name.to_string(),
            What::Review(judgement) => judgement.name.obligation.to_string(),
        }
    }
}

/// A call that is decided: its answer and position, and the report's row where it is a submission.
struct Written {
    answer: Vec<u8>,
    position: i64,
    row: Option<Vec<Value>>,
}

fn decide(desk: &Desk, batch: &mut Batch, call: &Call, draft: Option<&report_draft::Model>) -> Result<Written, Error> {
    let (caller, now) = (&call.caller, batch.now());
    match &call.what {
        What::Submit(submission) => {
            let submitted = submission.decide(desk, caller, draft, now)?;
            let obligation = submission.name.to_string();
            let event_type = "vigia.reporting.v1.ReportSubmitted";
            let recorded = batch.record(caller, event_type, obligation.clone(), submitted.institution, &submitted.event)?;
            let report = submitted.report;
            let row = report_row(obligation, &report);
            let answer = SubmitReportResponse {
                report: Some(report),
                findings: submitted.findings,
                position: recorded.position,
                leaf_hash: recorded.leaf_hash.to_vec(),
            };
            Ok(Written {
                answer: answer.encode_to_vec(),
                position: recorded.position,
                row: Some(row),
            })
        }
        What::Review(judgement) => {
            let reviewed = judgement.decide(desk, caller, now)?;
            let obligation = judgement.name.obligation.to_string();
            let event_type = "vigia.reporting.v1.ReportReviewed";
            let recorded = batch.record(caller, event_type, obligation, reviewed.institution, &reviewed.event)?;
            let answer = ReviewReportResponse {
                review: reviewed.event.review,
            };
            Ok(Written {
                answer: answer.encode_to_vec(),
                position: recorded.position,
                row: None,
            })
        }
    }
}

/// The row of a version, in the order of its columns.
pub(crate) fn report_row(obligation: String, report: &Report) -> Vec<Value> {
    vec![
        report.name.as_str().into(),
        obligation.into(),
        report.version.into(),
        report.encode_to_vec().into(),
    ]
}

/// What a group has decided and is no fact yet. A call that depends on it waits for the next group.
#[derive(Default)]
struct Decided {
    keys: HashSet<String>,
    obligations: HashSet<String>,
    /// By plan and code of the indicator: whether ratios were given.
    kinds: HashMap<(String, String), bool>,
}

impl Decided {
    fn is_apart_from(&self, call: &Call, draft: Option<&report_draft::Model>) -> bool {
        !self.keys.contains(call.key.as_str())
            && !self.obligations.contains(&call.obligation())
            && kinds_of(call, draft).all(|(key, is_ratio)| self.kinds.get(&key).is_none_or(|other| *other == is_ratio))
    }

    fn add(&mut self, call: &Call, draft: Option<&report_draft::Model>) {
        self.keys.insert(call.key.as_str().to_owned());
        self.obligations.insert(call.obligation());
        self.kinds.extend(kinds_of(call, draft));
    }
}

fn kinds_of(call: &Call, draft: Option<&report_draft::Model>) -> impl Iterator<Item = ((String, String), bool)> {
    let values = match &call.what {
        What::Submit(Submission {
            name,
            content: Content::Given(report),
        }) => Some((name.plan.clone(), report.values.clone())),
        What::Submit(Submission { name, .. }) => {
            let report = draft.and_then(|draft| draft.report().ok());
            report.map(|report| (name.plan.clone(), report.values))
        }
        What::Review(_) => None,
    };
    let (plan, values) = values.unwrap_or_default();
    values
        .into_iter()
        .filter_map(move |value| Some(((plan.clone(), value.indicator.clone()), is_ratio(&value)?)))
}
