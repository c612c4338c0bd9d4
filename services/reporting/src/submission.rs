//! What is decided of a submission and of a review: functions of the facts, without I/O. The writer asks them while it
//! holds the head of the journal, so that all that was decided before is among the facts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use vigia_platform::{Caller, Error, check_etag, timestamp};
use vigia_proto::reporting::{Finding, IndicatorValue, Report, ReportReviewed, ReportState, ReportSubmitted, Review, ReviewReportRequest};
use vigia_rules::{
    self as rules, Period, Refused,
    obligation::{ValueRefused, check_values},
};

use crate::{
    content::{self, Asked},
    desk::Desk,
    entities::report_draft,
    kinds::Kinds,
    lines::Plan,
    names::{ObligationName, ReportName},
    refusal::{period_not_ended, refused},
};

/// A report that is sent.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    pub(crate) name: ObligationName,
    pub(crate) content: Content,
}

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// This.
    Given(Box<Report>),
    /// The draft, if it still has this etag; any where it is empty.
    Draft { etag: String },
}

/// What becomes of a submission.
#[derive(Debug)]
pub(crate) struct Submitted {
    pub(crate) event: ReportSubmitted,
    pub(crate) findings: Vec<Finding>,
    pub(crate) institution: String,
}

/// A review that is given.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    pub(crate) name: ReportName,
    pub(crate) decision: rules::Decision,
    pub(crate) request: ReviewReportRequest,
}

/// What becomes of a review.
#[derive(Debug)]
pub(crate) struct Reviewed {
    pub(crate) event: ReportReviewed,
    pub(crate) institution: String,
}

/// Values that the line of an obligation gave before: by indicator, the latest before its period.
type Before = BTreeMap<String, (Period, rules::Value)>;

impl Submission {
    /// The report as it is recorded at `now`, or why it is refused. `draft` is the obligation's, where that is sent.
    pub(crate) fn decide(
        &self,
        desk: &Desk,
        caller: &Caller,
        draft: Option<&report_draft::Model>,
        now: Timestamp,
    ) -> Result<Submitted, Error> {
        let name = &self.name;
        let stored;
        let given = match &self.content {
            Content::Given(report) => report,
            Content::Draft { etag } => {
                let draft_name = ReportName::draft(name).to_string();
                let draft = draft.ok_or_else(|| Error::not_found(draft_name.as_str()))?;
                check_etag(etag, &draft.etag, &draft_name)?;
                stored = draft.report()?;
                &stored
            }
        };
        let kinds = desk.kinds();
        desk.ask(caller, name, |plan| {
            let accepted = rules::submit(plan.facts, &name.assignment, name.period, now).map_err(|refusal| refused(refusal, name))?;
            // The report is recorded a moment after it is received, perhaps beyond a midnight: the receipt counts.
            if caller.received_at() < accepted.opens_at {
                return Err(period_not_ended(name, accepted.opens_at));
            }
            let asked = asked(plan, name, now);
            let (content, faults) = content::check(given, &asked, |value| is_mixed(plan, name, value, &kinds, now));
            faults.done()?;
            let findings = content::findings(&content, &asked, &before(plan, name, &content, &asked, now));
            // The rules answer with the obligation as it is after the submission: what comes next is one more than this.
            let version = accepted.next_version.saturating_sub(1);
            let report = Report {
                name: ReportName::version(name, version).to_string(),
                state: ReportState::Submitted.into(),
                version: i32::try_from(version).unwrap_or(i32::MAX),
                receive_time: Some(timestamp(caller.received_at())),
                ..content
            };
            Ok(Submitted {
                event: ReportSubmitted { report: Some(report) },
                findings,
                institution: format!("institutions/{}", accepted.institution),
            })
        })
    }
}

impl Judgement {
    /// The review as it is recorded at `now`, or why it is refused.
    pub(crate) fn decide(&self, desk: &Desk, caller: &Caller, now: Timestamp) -> Result<Reviewed, Error> {
        let Self { name, decision, request } = self;
        let obligation = &name.obligation;
        let version = name.version.ok_or_else(|| Error::not_found(name.to_string()))?;
        let reviewed = desk.ask(caller, obligation, |plan| {
            let reviewed = rules::review(plan.facts, &obligation.assignment, obligation.period, version, *decision, now);
            reviewed.map_err(|refusal| match refusal {
                // A version that never was is not one that was replaced.
                Refused::ReportReplaced { version: current } if version == 0 || version > current => Error::not_found(name.to_string()),
                Refused::ReportReplaced { version: current } => refused(refusal, obligation)
                    .with("version", version.to_string())
                    .with("current_version", current.to_string()),
                Refused::AnswerByPast { .. } => refused(refusal, obligation).with("answer_by", request.answer_by.as_str()),
                _ => refused(refusal, obligation),
            })
        })?;
        let review = Review {
            report: name.to_string(),
            decision: request.decision,
            answer_by: request.answer_by.clone(),
            observation: request.observation.clone(),
            review_time: Some(timestamp(now)),
            reviewer: caller.principal().to_owned(),
        };
        Ok(Reviewed {
            event: ReportReviewed { review: Some(review) },
            institution: format!("institutions/{}", reviewed.institution),
        })
    }
}

/// The content of a draft in canonical form, or all that is wrong with it.
pub(crate) fn checked(desk: &Desk, caller: &Caller, name: &ObligationName, given: &Report, t: Timestamp) -> Result<Report, Error> {
    let kinds = desk.kinds();
    desk.ask(caller, name, |plan| {
        let (content, faults) = content::check(given, &asked(plan, name, t), |value| is_mixed(plan, name, value, &kinds, t));
        faults.done().map(|()| content)
    })
}

/// What the plan in force at `t` asks for in an obligation's action; nothing where the action is unknown.
fn asked<'a>(plan: &Plan<'a>, name: &ObligationName, t: Timestamp) -> Asked<'a> {
    let action = plan
        .seat(name.assignment.as_str())
        .map(|seat| seat.action.as_str())
        .unwrap_or_default();
    Asked::of(plan.action_at(action, t), &plan.known.definition, action)
}

/// Whether other reports on the action give another kind of value.
fn is_mixed(plan: &Plan<'_>, name: &ObligationName, value: &IndicatorValue, kinds: &Kinds, t: Timestamp) -> bool {
    if !kinds.may_mix(&name.plan, value) {
        return false;
    }
    let Some(parsed) = content::parsed(value) else { return false };
    let refusals = check_values(plan.facts, &name.assignment, name.period, &[parsed], t);
    refusals.iter().any(|refusal| matches!(refusal, ValueRefused::Mixed { .. }))
}

/// The values that the line's standing reports give for earlier periods. Looked for only where a value gives the total
/// so far, which must not fall.
fn before(plan: &Plan<'_>, name: &ObligationName, content: &Report, asked: &Asked<'_>, t: Timestamp) -> Before {
    let mut before = Before::new();
    if !content.values.iter().any(|value| asked.is_cumulative(&value.indicator)) {
        return before;
    }
    for period in plan.periods().into_iter().filter(|period| *period < name.period) {
        for id in plan.line_back(name.assignment.as_str()) {
            let standing = rules::obligation::standing_report(plan.facts, &id.into(), period, t);
            for (indicator, value) in standing.map(|report| report.values.as_slice()).unwrap_or_default() {
                if before.get(indicator.as_str()).is_none_or(|(other, _)| *other < period) {
                    before.insert(indicator.as_str().to_owned(), (period, *value));
                }
            }
        }
    }
    before
}
