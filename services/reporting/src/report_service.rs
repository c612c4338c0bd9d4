//! ReportService: drafts, submissions, reviews.

use prost::Message;
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use tonic::{Request, Response, Status};
use vigia_platform::{CallKey, Caller, Error, Faults, Page, Scope, check_etag, etag};
use vigia_proto::reporting::{
    CreateReportRequest, CreateReportResponse, DeleteReportRequest, DeleteReportResponse, EraseReportTextsRequest,
    EraseReportTextsResponse, GetReportRequest, GetReportResponse, ListReportsRequest, ListReportsResponse, Report, ReportState,
    ReportTextsErased, ReviewReportRequest, ReviewReportResponse, SubmitReportBatchRequest, SubmitReportBatchResponse, SubmitReportRequest,
    SubmitReportResponse, UpdateReportRequest, UpdateReportResponse, report_service_server::ReportService,
};

use crate::{
    batch,
    desk::Desk,
    entities::{report, report_draft},
    links,
    names::{ObligationName, ReportName},
    requests::{merge, numbered, parse_decision},
    submission::{self, Content, Judgement, Submission},
    texts,
    writer::{What, Writer},
};

/// Characters of the reason for erasing texts at most.
const REASON_MAX: usize = 2_000;

/// The service over its desk.
#[derive(Debug)]
pub(crate) struct Reports {
    desk: Desk,
    writer: Writer,
}

impl Reports {
    pub(crate) fn new(desk: Desk) -> Self {
        let writer = Writer::start(desk.clone());
        Self { desk, writer }
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
        let mut change = self.desk.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let stored = report_draft::Entity::find_by_id(name.to_string())
            .one(change.tx())
            .await
            .map_err(Error::from)?;
        if stored.is_some() {
            return Err(Error::already_exists(ReportName::draft(&name).to_string()).into());
        }
        let content = submission::checked(&self.desk, &caller, &name, &request.report.unwrap_or_default(), change.now())?;
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
        let mut change = self.desk.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let (stored, stored_etag) = stored_draft(change.tx(), &name).await?;
        check_etag(&given.etag, &stored_etag, &name.to_string())?;
        let merged = merge(stored, &given, &paths)?;
        let content = submission::checked(&self.desk, &caller, obligation, &merged, change.now())?;
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
        let mut change = self.desk.kit.db.change(&caller, &request.request_id, &request).await?;
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
        let validate_only = request.validate_only;
        let key = (!validate_only)
            .then(|| CallKey::of(&caller, &request.request_id, &request))
            .transpose()?;
        let content = match request.report {
            Some(report) => Content::Given(Box::new(report)),
            None => Content::Draft { etag: request.etag },
        };
        let submission = Submission { name, content };
        let Some(key) = key else {
            let draft = report_draft::Entity::find_by_id(submission.name.to_string());
            let draft = match submission.content {
                Content::Given(_) => None,
                Content::Draft { .. } => draft.one(self.desk.kit.db.read(&caller)).await.map_err(Error::from)?,
            };
            let submitted = submission.decide(&self.desk, &caller, draft.as_ref(), t)?;
            return Ok(Response::new(SubmitReportResponse {
                report: Some(submitted.report),
                findings: submitted.findings,
                ..SubmitReportResponse::default()
            }));
        };
        self.writer.write(caller, key, What::Submit(submission)).await
    }

    async fn submit_report_batch(&self, request: Request<SubmitReportBatchRequest>) -> Result<Response<SubmitReportBatchResponse>, Status> {
        let caller = Caller::of(&request)?;
        let (desk, request) = (self.desk.clone(), request.into_inner());
        // In a task of its own: a client that goes away in the middle must not stop what is half written.
        let written = tokio::spawn(async move { batch::submit(&desk, &caller, request).await });
        written.await.map_err(|cause| Error::internal(&cause))?
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
        let reviews = links::reviews(db, &name.obligation).await?;
        let lacks = submission::evidence_lacks(&self.desk, &caller, &name.obligation, &report)?;
        Ok(Response::new(GetReportResponse {
            reviews: reviews.into_iter().filter(|review| review.report == name.to_string()).collect(),
            findings: lacks,
            report: Some(report),
        }))
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
        self.desk.owed(&caller, &name.obligation, caller.received_at())?;
        let decision = parse_decision(&request)?;
        let key = CallKey::of(&caller, &request.request_id, &request)?;
        let mut request = request;
        if !request.observations.is_empty() {
            let judged = report::Entity::find_by_id(name.to_string()).one(self.desk.kit.db.read(&caller));
            let judged = judged
                .await
                .map_err(Error::from)?
                .map(|row| Report::decode(row.definition.as_slice()));
            let judged = judged.transpose().map_err(Error::from)?;
            request.observations = numbered(&request.observations, name.version.unwrap_or_default(), judged.as_ref())?;
        }
        let judgement = Judgement { name, decision, request };
        self.writer.write(caller, key, What::Review(judgement)).await
    }

    async fn erase_report_texts(&self, request: Request<EraseReportTextsRequest>) -> Result<Response<EraseReportTextsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let name = ReportName::parse("name", &request.name)?;
        let mut faults = Faults::new();
        faults.text("reason", &request.reason, 1..=REASON_MAX);
        faults.done()?;
        self.desk.ready().await?;
        let obligation = &name.obligation;
        let institution = self.desk.ask(&caller, obligation, |plan| {
            Ok(plan.seat(obligation.assignment.as_str()).map(|seat| seat.institution.clone()))
        })?;
        let db = &self.desk.kit.db;
        let told = db.answers_holding(&caller, &format!("{obligation}/reports/")).await?;
        let mut change = db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let stored = report::Entity::find_by_id(name.to_string())
            .one(change.tx())
            .await
            .map_err(Error::from)?;
        let stored = stored.ok_or_else(|| Error::not_found(name.to_string()))?;
        let mut report = Report::decode(stored.definition.as_slice()).map_err(Error::from)?;
        if report.texts_erase_time.is_some() {
            return Err(Error::state_conflict(name.to_string(), "ERASED").into());
        }
        let now = change.now();
        texts::erase(&mut report, now);
        let row = report::ActiveModel {
            name: Unchanged(stored.name),
            definition: Set(report.encode_to_vec()),
            ..report::ActiveModel::default()
        };
        report::Entity::update(row).exec(change.tx()).await.map_err(Error::from)?;
        change
            .rewrite_answers(&told, |answer| texts::erased_answer(answer, &name, now))
            .await?;
        let event = ReportTextsErased {
            report: request.name,
            reason: request.reason,
        };
        let institution = institution.unwrap_or_default();
        change
            .record(
                "vigia.reporting.v1.ReportTextsErased",
                &obligation.to_string(),
                &institution,
                &event,
            )
            .await?;
        change.commit(EraseReportTextsResponse { report: Some(report) }).await
    }
}

fn may_see_drafts(caller: &Caller) -> bool {
    matches!(caller.scope(), Scope::Institutions(_))
}

fn draft(obligation: &ObligationName, content: Report) -> Report {
    let mut draft = Report {
        name: ReportName::draft(obligation).to_string(),
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
    Ok((row.report()?, row.etag))
}
