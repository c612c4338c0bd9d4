//! ReportService: drafts, submissions, reviews.

use std::collections::BTreeMap;

use jiff::Timestamp;
use prost::Message;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tonic::{Request, Response, Status};
use vigia_platform::{Caller, Error, Page, Scope, check_etag, etag, timestamp};
use vigia_proto::reporting::{
    CreateReportRequest, CreateReportResponse, DeleteReportRequest, DeleteReportResponse, GetReportRequest, GetReportResponse,
    IndicatorValue, ListReportsRequest, ListReportsResponse, Report, ReportReviewed, ReportState, ReportSubmitted, Review,
    ReviewReportRequest, ReviewReportResponse, SubmitReportRequest, SubmitReportResponse, UpdateReportRequest, UpdateReportResponse,
    report_service_server::ReportService,
};
use vigia_rules::{
    self as rules, Period, Refused,
    obligation::{ValueRefused, check_values},
};

use crate::{
    content::{self, Asked},
    desk::{Desk, Touches},
    entities::{journal_entry, report, report_draft},
    lines::Plan,
    names::{ObligationName, ReportName},
    refusal::{period_not_ended, refused},
    requests::{merge, parse_decision},
};

/// The service over its desk.
#[derive(Debug)]
pub(crate) struct Reports {
    desk: Desk,
}

/// Values that the line of an obligation gave before: by indicator, the latest before its period.
type Before = BTreeMap<String, (Period, rules::Value)>;

impl Reports {
    pub(crate) fn new(desk: Desk) -> Self {
        Self { desk }
    }

    /// The content of a report in canonical form, or all that is wrong with it.
    fn checked(
        &self,
        caller: &Caller,
        name: &ObligationName,
        given: &Report,
        waiting: &[journal_entry::Model],
        t: Timestamp,
    ) -> Result<Report, Error> {
        self.desk.ask(caller, name, |plan| {
            let (content, faults) = content::check(given, &asked(plan, name, t), |value| is_mixed(plan, name, value, waiting, t));
            faults.done().map(|()| content)
        })
    }

    /// The values that the line's standing reports give for earlier periods. Read only where a value gives the total so
    /// far, which must not fall.
    async fn before(
        &self,
        db: &impl ConnectionTrait,
        caller: &Caller,
        name: &ObligationName,
        content: &Report,
        t: Timestamp,
    ) -> Result<Before, Error> {
        let names = self.desk.ask(caller, name, |plan| {
            let asked = asked(plan, name, t);
            if !content.values.iter().any(|value| asked.is_cumulative(&value.indicator)) {
                return Ok(BTreeMap::new());
            }
            Ok(standing_before(plan, name, t))
        })?;
        let mut before = Before::new();
        if names.is_empty() {
            return Ok(before);
        }
        let rows = report::Entity::find()
            .filter(report::Column::Name.is_in(names.keys()))
            .all(db)
            .await?;
        for row in rows {
            let Some(period) = names.get(&row.name) else { continue };
            for value in Report::decode(row.definition.as_slice())?.values {
                let Some((_, parsed)) = content::parsed(&value) else { continue };
                if before.get(&value.indicator).is_none_or(|(other, _)| other < period) {
                    before.insert(value.indicator, (*period, parsed));
                }
            }
        }
        Ok(before)
    }

    /// The obligation as a submission received now would leave it, if the rules let it pass.
    fn accepted(&self, caller: &Caller, name: &ObligationName, t: Timestamp) -> Result<rules::Obligation, Error> {
        self.desk.ask(caller, name, |plan| {
            let accepted = rules::submit(plan.facts, &name.assignment, name.period, t).map_err(|refusal| refused(refusal, name))?;
            // The report is recorded a moment after it is received, perhaps beyond a midnight: the receipt counts.
            if caller.received_at() < accepted.opens_at {
                return Err(period_not_ended(name, accepted.opens_at));
            }
            Ok(accepted)
        })
    }
}

#[tonic::async_trait]
impl ReportService for Reports {
    async fn create_report(&self, request: Request<CreateReportRequest>) -> Result<Response<CreateReportResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let name = ObligationName::parse("parent", &request.parent)?;
        self.desk.ready().await?;
        self.desk.owed(&caller, &name, caller.received_at())?;
        let (mut change, waiting) = self
            .desk
            .change(&caller, &request.request_id, &request, Touches::Obligation(&name))
            .await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let stored = report_draft::Entity::find_by_id(name.to_string())
            .one(change.tx())
            .await
            .map_err(Error::from)?;
        if stored.is_some() {
            return Err(Error::already_exists(draft_name(&name)).into());
        }
        let content = self.checked(&caller, &name, &request.report.unwrap_or_default(), &waiting, change.now())?;
        let draft = draft(&name, content);
        report_draft::Entity::insert(draft_row(&name, &draft))
            .exec_without_returning(change.tx())
            .await
            .map_err(Error::from)?;
        change.commit(CreateReportResponse { report: Some(draft) }).await
    }

    async fn update_report(&self, request: Request<UpdateReportRequest>) -> Result<Response<UpdateReportResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.report.clone().unwrap_or_default();
        let name = ReportName::parse("report.name", &given.name)?;
        let paths = request.update_mask.as_ref().map(|mask| mask.paths.clone()).unwrap_or_default();
        self.desk.ready().await?;
        let obligation = &name.obligation;
        self.desk.owed(&caller, obligation, caller.received_at())?;
        let (mut change, waiting) = self
            .desk
            .change(&caller, &request.request_id, &request, Touches::Obligation(obligation))
            .await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let (stored, stored_etag) = stored_draft(change.tx(), &name).await?;
        check_etag(&given.etag, &stored_etag, &name.to_string())?;
        let merged = merge(stored, &given, &paths)?;
        let content = self.checked(&caller, obligation, &merged, &waiting, change.now())?;
        let draft = draft(obligation, content);
        report_draft::Entity::update(draft_row(obligation, &draft))
            .exec(change.tx())
            .await
            .map_err(Error::from)?;
        change.commit(UpdateReportResponse { report: Some(draft) }).await
    }

    async fn delete_report(&self, request: Request<DeleteReportRequest>) -> Result<Response<DeleteReportResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let name = ReportName::parse("name", &request.name)?;
        self.desk.ready().await?;
        let obligation = &name.obligation;
        // A draft can be thrown away also where nothing is owed any more.
        self.desk.ask(&caller, obligation, |_| Ok(()))?;
        let (mut change, _) = self
            .desk
            .change(&caller, &request.request_id, &request, Touches::Obligation(obligation))
            .await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let (_, stored_etag) = stored_draft(change.tx(), &name).await?;
        check_etag(&request.etag, &stored_etag, &name.to_string())?;
        report_draft::Entity::delete_by_id(obligation.to_string())
            .exec(change.tx())
            .await
            .map_err(Error::from)?;
        change.commit(DeleteReportResponse {}).await
    }

    async fn submit_report(&self, request: Request<SubmitReportRequest>) -> Result<Response<SubmitReportResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let name = ObligationName::parse("parent", &request.parent)?;
        self.desk.ready().await?;
        let t = caller.received_at();
        self.desk.owed(&caller, &name, t)?;
        if request.validate_only {
            let db = self.desk.kit.db.read(&caller);
            let given = given_or_draft(db, &name, &request).await?;
            let accepted = self.accepted(&caller, &name, t)?;
            let content = self.checked(&caller, &name, &given, &[], t)?;
            let before = self.before(db, &caller, &name, &content, t).await?;
            let findings = self.desk.ask(&caller, &name, |plan| {
                Ok(content::findings(&content, &asked(plan, &name, t), &before))
            })?;
            let report = submitted(&name, accepted.next_version.saturating_sub(1), caller.received_at(), content);
            return Ok(Response::new(SubmitReportResponse {
                report: Some(report),
                findings,
                ..SubmitReportResponse::default()
            }));
        }
        let (mut change, waiting) = self
            .desk
            .change(&caller, &request.request_id, &request, Touches::Obligation(&name))
            .await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let now = change.now();
        let given = given_or_draft(change.tx(), &name, &request).await?;
        let accepted = self.accepted(&caller, &name, now)?;
        let content = self.checked(&caller, &name, &given, &waiting, now)?;
        let before = self.before(change.tx(), &caller, &name, &content, now).await?;
        let findings = self.desk.ask(&caller, &name, |plan| {
            Ok(content::findings(&content, &asked(plan, &name, now), &before))
        })?;
        // The rules answer with the obligation as it is after the submission: what comes next is one more than this.
        let report = submitted(&name, accepted.next_version.saturating_sub(1), caller.received_at(), content);
        let event = ReportSubmitted {
            report: Some(report.clone()),
        };
        let institution = format!("institutions/{}", accepted.institution);
        let recorded = change
            .record("vigia.reporting.v1.ReportSubmitted", &name.to_string(), &institution, &event)
            .await?;
        report::Entity::insert(report_row(&name, &report))
            .exec_without_returning(change.tx())
            .await
            .map_err(Error::from)?;
        if request.report.is_none() {
            report_draft::Entity::delete_by_id(name.to_string())
                .exec(change.tx())
                .await
                .map_err(Error::from)?;
        }
        let (position, leaf_hash) = (recorded.position, recorded.leaf_hash.to_vec());
        change
            .commit(SubmitReportResponse {
                report: Some(report),
                findings,
                position,
                leaf_hash,
            })
            .await
    }

    async fn get_report(&self, request: Request<GetReportRequest>) -> Result<Response<GetReportResponse>, Status> {
        let caller = Caller::of(&request)?;
        let name = ReportName::parse("name", &request.get_ref().name)?;
        self.desk.ready().await?;
        self.desk.ask(&caller, &name.obligation, |_| Ok(()))?;
        let db = self.desk.kit.db.read(&caller);
        let report = match name.version {
            Some(_) => {
                let row = report::Entity::find_by_id(name.to_string()).one(db).await.map_err(Error::from)?;
                Report::decode(row.ok_or_else(|| Error::not_found(name.to_string()))?.definition.as_slice()).map_err(Error::from)?
            }
            None if may_see_drafts(&caller) => stored_draft(db, &name).await?.0,
            None => return Err(Error::not_found(name.to_string()).into()),
        };
        Ok(Response::new(GetReportResponse { report: Some(report) }))
    }

    async fn list_reports(&self, request: Request<ListReportsRequest>) -> Result<Response<ListReportsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let name = ObligationName::parse("parent", &request.parent)?;
        let page = Page::parse(&caller, request.page_size, &request.page_token, &[&request.parent])?;
        self.desk.ready().await?;
        self.desk.ask(&caller, &name, |_| Ok(()))?;
        let db = self.desk.kit.db.read(&caller);
        let after = page.after.as_ref().and_then(|after| after.parse::<i32>().ok()).unwrap_or(0);
        let query = report::Entity::find()
            .filter(report::Column::Obligation.eq(name.to_string()))
            .filter(report::Column::Version.gt(after));
        let rows = query
            .order_by_asc(report::Column::Version)
            .limit(page.size + 1)
            .all(db)
            .await
            .map_err(Error::from)?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let last = if rows.len() > size {
            rows.get(size - 1).map(|row| row.version.to_string())
        } else {
            None
        };
        let decoded = rows.iter().take(size).map(|row| Report::decode(row.definition.as_slice()));
        let mut reports = decoded.collect::<Result<Vec<_>, _>>().map_err(Error::from)?;
        // The draft will be the next version: it comes after all others, beyond the page's size if need be.
        if last.is_none() && may_see_drafts(&caller) {
            let draft = report_draft::Entity::find_by_id(name.to_string())
                .one(db)
                .await
                .map_err(Error::from)?;
            if let Some(row) = draft {
                reports.push(Report::decode(row.definition.as_slice()).map_err(Error::from)?);
            }
        }
        Ok(Response::new(ListReportsResponse {
            reports,
            next_page_token: page.next(last.as_deref()),
        }))
    }

    async fn review_report(&self, request: Request<ReviewReportRequest>) -> Result<Response<ReviewReportResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let name = ReportName::parse("name", &request.name)?;
        self.desk.ready().await?;
        let obligation = &name.obligation;
        self.desk.owed(&caller, obligation, caller.received_at())?;
        let version = name.version.ok_or_else(|| Error::not_found(name.to_string()))?;
        let decision = parse_decision(&request)?;
        let (mut change, _) = self
            .desk
            .change(&caller, &request.request_id, &request, Touches::Obligation(obligation))
            .await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let now = change.now();
        let reviewed = self.desk.ask(&caller, obligation, |plan| {
            let reviewed = rules::review(plan.facts, &obligation.assignment, obligation.period, version, decision, now);
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
            answer_by: request.answer_by,
            observation: request.observation,
            review_time: Some(timestamp(now)),
            reviewer: caller.principal().to_owned(),
        };
        let event = ReportReviewed {
            review: Some(review.clone()),
        };
        let institution = format!("institutions/{}", reviewed.institution);
        change
            .record("vigia.reporting.v1.ReportReviewed", &obligation.to_string(), &institution, &event)
            .await?;
        change.commit(ReviewReportResponse { review: Some(review) }).await
    }
}

/// What the plan in force at `t` asks for in an obligation's action; nothing where the action is unknown.
fn asked<'a>(plan: &Plan<'a>, name: &ObligationName, t: Timestamp) -> Asked<'a> {
    let action = plan
        .seat(name.assignment.as_str())
        .map(|seat| seat.action.as_str())
        .unwrap_or_default();
    Asked::of(plan.action_at(action, t), &plan.known.definition, action)
}

/// Whether other reports on the action give another kind of value: those that are facts, and those that wait for the
/// commit that this one will share.
fn is_mixed(plan: &Plan<'_>, name: &ObligationName, value: &IndicatorValue, waiting: &[journal_entry::Model], t: Timestamp) -> bool {
    let Some((id, parsed)) = content::parsed(value) else { return false };
    let is_ratio = |value: &rules::Value| matches!(value, rules::Value::Ratio { .. });
    let ratio = is_ratio(&parsed);
    let action = |id: &str| plan.seat(id).map(|seat| seat.action.as_str());
    let beside = waiting
        .iter()
        .filter(|entry| entry.event_type == "vigia.reporting.v1.ReportSubmitted")
        .any(|entry| {
            let same_action = ObligationName::read(&entry.resource)
                .is_some_and(|other| other.plan == name.plan && action(other.assignment.as_str()) == action(name.assignment.as_str()));
            let values = same_action
                .then(|| ReportSubmitted::decode(entry.event.as_slice()).ok())
                .flatten()
                .and_then(|event| event.report);
            values.is_some_and(|report| {
                report
                    .values
                    .iter()
                    .filter_map(content::parsed)
                    .any(|(other, value)| other == id && is_ratio(&value) != ratio)
            })
        });
    let refusals = check_values(plan.facts, &name.assignment, name.period, &[(id, parsed)], t);
    beside || refusals.iter().any(|refusal| matches!(refusal, ValueRefused::Mixed { .. }))
}

/// The reports that stand for earlier periods of the line: names, and the periods that they are for.
fn standing_before(plan: &Plan<'_>, name: &ObligationName, t: Timestamp) -> BTreeMap<String, Period> {
    let mut names = BTreeMap::new();
    for period in plan.periods().into_iter().filter(|period| *period < name.period) {
        for id in plan.line_back(name.assignment.as_str()) {
            let standing = rules::obligation(plan.facts, &id.into(), period, t).and_then(|owed| owed.version);
            if let Some(version) = standing {
                names.insert(
                    format!("plans/{}/assignments/{id}/obligations/{period}/reports/{version}", name.plan),
                    period,
                );
            }
        }
    }
    names
}

fn may_see_drafts(caller: &Caller) -> bool {
    matches!(caller.scope(), Scope::Institutions(_))
}

fn draft_name(obligation: &ObligationName) -> String {
    ReportName {
        obligation: obligation.clone(),
        version: None,
    }
    .to_string()
}

fn draft(obligation: &ObligationName, content: Report) -> Report {
    let mut draft = Report {
        name: draft_name(obligation),
        state: ReportState::Draft.into(),
        ..content
    };
    draft.etag = etag(&draft);
    draft
}

fn draft_row(obligation: &ObligationName, draft: &Report) -> report_draft::ActiveModel {
    report_draft::ActiveModel {
        obligation: Set(obligation.to_string()),
        definition: Set(draft.encode_to_vec()),
        etag: Set(draft.etag.clone()),
    }
}

fn submitted(obligation: &ObligationName, version: u32, received_at: Timestamp, content: Report) -> Report {
    Report {
        name: ReportName {
            obligation: obligation.clone(),
            version: Some(version),
        }
        .to_string(),
        state: ReportState::Submitted.into(),
        version: i32::try_from(version).unwrap_or(i32::MAX),
        receive_time: Some(timestamp(received_at)),
        ..content
    }
}

fn report_row(obligation: &ObligationName, report: &Report) -> report::ActiveModel {
    report::ActiveModel {
        name: Set(report.name.clone()),
        obligation: Set(obligation.to_string()),
        version: Set(report.version),
        definition: Set(report.encode_to_vec()),
    }
}

/// A draft that is changed, and its etag. What was submitted is there, but can't be changed.
async fn stored_draft(db: &impl ConnectionTrait, name: &ReportName) -> Result<(Report, String), Error> {
    if name.version.is_some() {
        let submitted = report::Entity::find_by_id(name.to_string()).one(db).await?;
        return Err(submitted.map_or_else(
            || Error::not_found(name.to_string()),
            |_| Error::state_conflict(name.to_string(), "SUBMITTED"),
        ));
    }
    let row = report_draft::Entity::find_by_id(name.obligation.to_string()).one(db).await?;
    let row = row.ok_or_else(|| Error::not_found(name.to_string()))?;
    Ok((Report::decode(row.definition.as_slice())?, row.etag))
}

/// The content that is submitted: what the request gives, or else the draft.
async fn given_or_draft(db: &impl ConnectionTrait, name: &ObligationName, request: &SubmitReportRequest) -> Result<Report, Error> {
    if let Some(report) = &request.report {
        return Ok(report.clone());
    }
    let name = ReportName {
        obligation: name.clone(),
        version: None,
    };
    let (draft, stored_etag) = stored_draft(db, &name).await?;
    check_etag(&request.etag, &stored_etag, &name.to_string())?;
    Ok(draft)
}
