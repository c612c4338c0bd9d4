//! What is decided of a submission and of a review: functions of the facts, without I/O. The writer asks them while it
//! holds the head of the journal, so that all that was decided before is among the facts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use vigia_platform::{Caller, Error, check_etag, clock::instant, timestamp};
use vigia_proto::{
    identity::Role,
    reporting::{Finding, IndicatorValue, Report, ReportReviewed, ReportState, ReportSubmitted, Review, ReviewReportRequest, Spending},
};
use vigia_rules::{
    self as rules, Exact, Period, Refused,
    obligation::{ValueRefused, check_values, stated_before},
};

use crate::{
    content::{self, Asked},
    desk::Desk,
    entities::report_draft,
    findings::{self, Known},
    kinds::Kinds,
    lines::Plan,
    links,
    names::{ObligationName, ReportName},
    record::Record,
    refusal::{head_required, period_not_ended, refused},
    texts,
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
    pub(crate) report: Report,
    /// What the journal gets of it.
    pub(crate) event: ReportSubmitted,
    pub(crate) findings: Vec<Finding>,
    pub(crate) institution: String,
    /// The action, by plan and id.
    pub(crate) action: (String, String),
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
        let (kinds, record) = (desk.kinds(), desk.record());
        desk.ask(caller, name, |plan| {
            let accepted = accepted(plan, caller, name, now)?;
            let asked = asked(plan, name, &record, now);
            let (content, mut faults) = content::check(given, &asked, |value| is_mixed(plan, name, value, &kinds, now));
            let known = known(plan, name, &content, &asked, &record, now);
            findings::check_traces(&mut faults, &content, &asked, &known);
            faults.done()?;
            let findings = findings::findings(&content, &asked, &known);
            // The rules answer with the obligation as it is after the submission: what comes next is one more than this.
            let version = accepted.next_version.saturating_sub(1);
            let mut report = Report {
                name: ReportName::version(name, version).to_string(),
                state: ReportState::Submitted.into(),
                version: i32::try_from(version).unwrap_or(i32::MAX),
                receive_time: Some(timestamp(caller.received_at())),
                ..content
            };
            Ok(Submitted {
                event: ReportSubmitted {
                    report: Some(texts::seal(&mut report)?),
                },
                report,
                findings,
                institution: format!("institutions/{}", accepted.institution),
                action: (name.plan.clone(), accepted.action.to_string()),
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
        let (reviewed, own_institution) = desk.ask(caller, obligation, |plan| {
            let acting = links::acts_for(caller);
            let own = plan
                .answerable(obligation.assignment.as_str())
                .any(|institution| acting.contains(institution));
            let reviewed = rules::review(plan.facts, &obligation.assignment, obligation.period, version, *decision, now);
            let reviewed = reviewed.map(|reviewed| (reviewed, own));
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
            observations: request.observations.clone(),
            attachments: request.attachments.clone(),
            own_institution,
        };
        Ok(Reviewed {
            event: ReportReviewed { review: Some(review) },
            institution: format!("institutions/{}", reviewed.institution),
        })
    }
}

/// The content of a draft in canonical form, or all that is wrong with it.
pub(crate) fn checked(desk: &Desk, caller: &Caller, name: &ObligationName, given: &Report, t: Timestamp) -> Result<Report, Error> {
    let (kinds, record) = (desk.kinds(), desk.record());
    desk.ask(caller, name, |plan| {
        let asked = asked(plan, name, &record, t);
        let (content, faults) = content::check(given, &asked, |value| is_mixed(plan, name, value, &kinds, t));
        faults.done().map(|()| content)
    })
}

/// What the evidence of a report lacks as of now.
pub(crate) fn evidence_lacks(desk: &Desk, caller: &Caller, name: &ObligationName, report: &Report) -> Result<Vec<Finding>, Error> {
    let record = desk.record();
    let received_at = report.receive_time.as_ref().and_then(instant);
    desk.ask(caller, name, |plan| {
        let stored = stored(plan, name, report, &record);
        let since = received_at.map(|received_at| (caller.received_at(), received_at));
        Ok(findings::of_evidence(report, &stored, since))
    })
}

/// The obligation as a submission received now would leave it, if the rules let it pass and the caller is one who may.
fn accepted(plan: &Plan<'_>, caller: &Caller, name: &ObligationName, now: Timestamp) -> Result<rules::Obligation, Error> {
    let accepted = rules::submit(plan.facts, &name.assignment, name.period, now).map_err(|refusal| refused(refusal, name))?;
    // The report is recorded a moment after it is received, perhaps beyond a midnight: the receipt counts.
    if caller.received_at() < accepted.opens_at {
        return Err(period_not_ended(name, accepted.opens_at));
    }
    if plan.reporting_at(now).is_some_and(|reporting| reporting.head_submits) {
        let heads = caller.grants().iter().filter(|grant| grant.role() == Role::Head);
        let is_head = plan
            .answerable(name.assignment.as_str())
            .any(|institution| heads.clone().any(|grant| grant.scope == institution));
        if !is_head {
            return Err(head_required(name));
        }
    }
    Ok(accepted)
}

/// What the plan in force at `t` asks for in an obligation's action, and what was observed; nothing where the action is
/// unknown.
fn asked<'a>(plan: &Plan<'a>, name: &ObligationName, record: &'a Record, t: Timestamp) -> Asked<'a> {
    let action = plan
        .seat(name.assignment.as_str())
        .map(|seat| seat.action.as_str())
        .unwrap_or_default();
    let in_force = plan.facts.plan_versions().filter(|(acts_from, _)| *acts_from <= t).last();
    let mut asked = Asked::of(
        plan.action_at(action, t),
        plan.known.described_at(action, t),
        plan.reporting_at(t),
        name.period,
    );
    asked.today = in_force.map(|(_, plan)| plan.calendar.day_of(t));
    asked.observations = record.observations(&name.to_string());
    asked
}

/// What is known beside a report.
fn known(plan: &Plan<'_>, name: &ObligationName, content: &Report, asked: &Asked<'_>, record: &Record, t: Timestamp) -> Known {
    let is_budgeted = |spent: &Spending| asked.budget.contains_key(spent.classifier.as_str());
    let mut spent = BTreeMap::new();
    if content.spending.iter().any(is_budgeted) {
        for line in standing_in_year(plan, name, t).iter().flat_map(|report| record.spending(report)) {
            let accrued = line
                .accrued
                .as_ref()
                .and_then(|accrued| accrued.value.parse::<rules::Decimal>().ok());
            let sum = spent.entry(line.classifier.clone()).or_insert_with(Exact::zero);
            *sum = &*sum + &accrued.map_or_else(Exact::zero, Exact::from);
        }
    }
    let before = if content.values.is_empty() {
        BTreeMap::new()
    } else {
        stated_before(plan.facts, &name.assignment, name.period, t)
    };
    Known {
        before,
        spent,
        stored: stored(plan, name, content, record),
    }
}

/// The evidence of a report that is here for its obligation, with what in it could identify a person.
fn stored(plan: &Plan<'_>, name: &ObligationName, content: &Report, record: &Record) -> BTreeMap<String, Vec<String>> {
    let here = links::links(content).filter_map(|link| {
        let traces = record.traces(&link.evidence, plan.answerable(name.assignment.as_str()))?.to_vec();
        Some((link.evidence, traces))
    });
    here.collect()
}

/// Names of the reports that stand for earlier periods of the same year, of the whole line.
fn standing_in_year(plan: &Plan<'_>, name: &ObligationName, t: Timestamp) -> Vec<String> {
    let year = |period: Period| period.last_day().year();
    let earlier = plan
        .periods()
        .into_iter()
        .filter(|period| *period < name.period && year(*period) == year(name.period));
    let mut names = Vec::new();
    for period in earlier {
        for id in plan.line_back(name.assignment.as_str()) {
            if let Some(version) = rules::obligation(plan.facts, &id.into(), period, t).and_then(|owed| owed.version) {
                names.push(format!(
                    "plans/{}/assignments/{id}/obligations/{period}/reports/{version}",
                    name.plan
                ));
            }
        }
    }
    names
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
