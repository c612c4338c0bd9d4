//! EvidenceService: bytes come in by chunks and are read through the reports that name them.

use async_stream::try_stream;
use bytes::BytesMut;
use futures::{Stream, StreamExt, pin_mut};
use jiff::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use tonic::{Request, Response, Status, Streaming};
use vigia_platform::{Caller, Error, Faults, clock::machine_now, from_micros, micros, new_id, timestamp};
use vigia_proto::{
    error::Reason,
    reporting::{
        Classification, DownloadEvidenceRequest, DownloadEvidenceResponse, Evidence, EvidenceHead, EvidenceRead, EvidenceState,
        EvidenceStored, GetEvidenceRequest, GetEvidenceResponse, UploadEvidenceRequest, UploadEvidenceResponse, download_evidence_response,
        evidence_service_server::EvidenceService, upload_evidence_request::Part as Sent,
    },
};

use crate::{
    desk::Desk,
    entities::evidence,
    evidence::{Digest, KEPT, Store, blocking},
    evidence_upload::{next, refused_traces},
    links::{linked, owner},
    names::{ReportName, wrong},
};

/// Bytes that are sent at once.
const SENT_BYTES: usize = 256 << 10;
const READING_REASON_MAX: usize = 2_000;

/// The service over its desk and its store.
#[derive(Debug)]
pub(crate) struct EvidenceDesk {
    pub(crate) desk: Desk,
    pub(crate) store: Store,
}

impl EvidenceDesk {
    pub(crate) fn new(desk: Desk, store: Store) -> Self {
        Self { desk, store }
    }
}

#[tonic::async_trait]
impl EvidenceService for EvidenceDesk {
    async fn upload_evidence(
        &self,
        request: Request<Streaming<UploadEvidenceRequest>>,
    ) -> Result<Response<UploadEvidenceResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.desk.kit.check_grants()?;
        let mut chunks = request.into_inner();
        let Some(Sent::Start(given)) = next(&mut chunks).await? else {
            return Err(wrong("start", "start { evidence, size_bytes, plan }, chunk, chunk, …").into());
        };
        self.desk.ready().await?;
        let start = self.start(&caller, &given)?;
        let refuses_traces = self.refuses_traces(&start.plan, caller.received_at())?;
        let db = self.desk.kit.db.read(&caller);
        if let Some(row) = stored(db, &start.institution, &start.digest).await? {
            let inspected_before = traces_of(&row);
            if refuses_traces && !inspected_before.is_empty() {
                return Err(refused_traces(inspected_before).into());
            }
            return Ok(Response::new(uploaded(&row)));
        }
        self.check_quota(db, &start).await?;
        let part = self.receive(&start, &mut chunks).await?;
        let inspected = self.check_and_keep(&start, part, refuses_traces).await?;

        // It needs no request_id of the client's: the hash names it.
        let mut change = self.desk.kit.db.change(&caller, &new_id(), &given).await?;
        // Where two of the same ran at once, the second finds the first.
        if let Some(row) = stored(change.tx(), &start.institution, &start.digest).await? {
            return Ok(Response::new(uploaded(&row)));
        }
        let row = evidence::Model {
            institution: start.institution.clone(),
            digest: start.digest.to_string(),
            size_bytes: given.size_bytes,
            media_type: inspected.media_type.to_owned(),
            traces: inspected.traces.into_iter().collect::<Vec<_>>().join(" "),
            stored_at: micros(change.now()),
        };
        let event = EvidenceStored {
            evidence: Some(shown(&row)),
        };
        change
            .record("vigia.reporting.v1.EvidenceStored", &start.digest.name(), &row.institution, &event)
            .await?;
        evidence::Entity::insert(active(&row))
            .exec_without_returning(change.tx())
            .await
            .map_err(Error::from)?;
        change.commit(uploaded(&row)).await
    }

    async fn get_evidence(&self, request: Request<GetEvidenceRequest>) -> Result<Response<GetEvidenceResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let digest = Digest::of_name(&request.name).ok_or_else(|| wrong("name", "evidence/{sha256}"))?;
        let institution = owner(&caller, "institution", &request.institution)?;
        if let Some(row) = stored(self.desk.kit.db.read(&caller), &institution, &digest).await? {
            return Ok(Response::new(GetEvidenceResponse {
                evidence: Some(shown(&row)),
            }));
        }
        let (staging, of) = (self.store.staging.clone(), institution.clone());
        let unfinished = blocking(move || staging.durable(&of, &digest)).await?;
        let (durable, written_at) = unfinished.ok_or_else(|| Error::not_found(&*request.name))?;
        let expires_at = Timestamp::try_from(written_at + KEPT).unwrap_or_else(|_| machine_now());
        let evidence = Evidence {
            name: digest.name(),
            institution,
            state: EvidenceState::Uploading.into(),
            durable_bytes: i64::try_from(durable).unwrap_or(i64::MAX),
            expire_time: Some(timestamp(expires_at)),
            ..Evidence::default()
        };
        Ok(Response::new(GetEvidenceResponse { evidence: Some(evidence) }))
    }

    type DownloadEvidenceStream = std::pin::Pin<Box<dyn Stream<Item = Result<DownloadEvidenceResponse, Status>> + Send>>;

    async fn download_evidence(&self, request: Request<DownloadEvidenceRequest>) -> Result<Response<Self::DownloadEvidenceStream>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let Asked {
            digest,
            report,
            offset,
            length,
        } = parse_download(&request)?;
        self.desk.ready().await?;
        let db = self.desk.kit.db.read(&caller);
        let hidden = || Error::not_found(digest.name());
        let (link, owners) = linked(&self.desk, db, &caller, &report, &digest).await?.ok_or_else(hidden)?;
        let row = stored_by(db, &owners, &digest).await?;
        let row = row.ok_or_else(|| Error::state_conflict(digest.name(), "PENDING"))?;
        if !i64::try_from(offset).is_ok_and(|offset| offset < row.size_bytes) {
            let mut faults = Faults::new();
            faults.add(
                "offset",
                format!("el archivo tiene {} bytes", row.size_bytes),
                format!("the file has {} bytes", row.size_bytes),
            );
            faults.done()?;
        }
        if link.classification() == Classification::Reserved {
            self.record_reading(&caller, &request, &report).await?;
        }
        let head = EvidenceHead {
            evidence: Some(shown(&row)),
            link: Some(link),
        };
        let bytes = self.store.read(&digest, offset, length).await?;
        Ok(Response::new(Box::pin(sent(head, bytes))))
    }
}

impl EvidenceDesk {
    /// Puts a reading of reserved evidence on the record, before the first byte is sent.
    async fn record_reading(&self, caller: &Caller, request: &DownloadEvidenceRequest, report: &ReportName) -> Result<(), Error> {
        self.desk.kit.check_grants()?;
        if request.reason.trim().is_empty() {
            return Err(Error::refused(
                Reason::ReadingReasonRequired,
                "Es reservado: diga para qué lo lee; quedará en la bitácora.",
                "It is reserved: say what you read it for; that goes on the record.",
            )
            .with("evidence", request.name.as_str()));
        }
        let obligation = &report.obligation;
        let institution = self
            .desk
            .ask(caller, obligation, |plan| {
                Ok(plan.seat(obligation.assignment.as_str()).map(|seat| seat.institution.clone()))
            })?
            .unwrap_or_default();
        // Each reading is an entry of its own, also where a client reads in ranges.
        let mut change = self.desk.kit.db.change(caller, &new_id(), request).await?;
        let event = EvidenceRead {
            evidence: request.name.clone(),
            report: request.report.clone(),
            reason: request.reason.clone(),
        };
        change
            .record("vigia.reporting.v1.EvidenceRead", &request.name, &institution, &event)
            .await?;
        change.commit(()).await.map(|_| ()).map_err(|status| Error::internal(&status))
    }
}

/// What a download asks for, read.
struct Asked {
    digest: Digest,
    report: ReportName,
    offset: u64,
    /// None for all that follow.
    length: Option<u64>,
}

fn parse_download(request: &DownloadEvidenceRequest) -> Result<Asked, Error> {
    let digest = Digest::of_name(&request.name).ok_or_else(|| wrong("name", "evidence/{sha256}"))?;
    let report = ReportName::parse("report", &request.report)?;
    let mut faults = Faults::new();
    faults.text("reason", &request.reason, 0..=READING_REASON_MAX);
    faults.require(request.offset >= 0, "offset", "no puede ser menor que 0", "can't be below 0");
    faults.require(request.length >= 0, "length", "no puede ser menor que 0", "can't be below 0");
    faults.done()?;
    Ok(Asked {
        digest,
        report,
        offset: request.offset.unsigned_abs(),
        length: u64::try_from(request.length).ok().filter(|length| *length > 0),
    })
}

/// What a download sends: first what it is, then chunks of a fair size, whatever those of the store are.
fn sent(
    head: EvidenceHead,
    bytes: impl Stream<Item = Result<bytes::Bytes, Error>> + Send,
) -> impl Stream<Item = Result<DownloadEvidenceResponse, Status>> + Send {
    use download_evidence_response::Part as Told;
    let answer = |part| DownloadEvidenceResponse { part: Some(part) };
    try_stream! {
        yield answer(Told::Head(head));
        let mut chunk = BytesMut::with_capacity(SENT_BYTES);
        pin_mut!(bytes);
        while let Some(more) = bytes.next().await {
            chunk.extend_from_slice(&more?);
            while chunk.len() >= SENT_BYTES {
                yield answer(Told::Chunk(chunk.split_to(SENT_BYTES).to_vec()));
            }
        }
        if !chunk.is_empty() {
            yield answer(Told::Chunk(chunk.to_vec()));
        }
    }
}

fn traces_of(row: &evidence::Model) -> Vec<&str> {
    row.traces.split(' ').filter(|trace| !trace.is_empty()).collect()
}

fn uploaded(row: &evidence::Model) -> UploadEvidenceResponse {
    UploadEvidenceResponse {
        evidence: Some(shown(row)),
        findings: traces_of(row)
            .into_iter()
            .map(|trace| crate::findings::trace(&format!("content.{trace}"), trace))
            .collect(),
    }
}

fn shown(row: &evidence::Model) -> Evidence {
    Evidence {
        name: format!("evidence/{}", row.digest),
        institution: row.institution.clone(),
        state: EvidenceState::Stored.into(),
        size_bytes: row.size_bytes,
        durable_bytes: row.size_bytes,
        media_type: row.media_type.clone(),
        traces: traces_of(row).into_iter().map(str::to_owned).collect(),
        store_time: Some(timestamp(from_micros(row.stored_at))),
        expire_time: None,
    }
}

fn active(row: &evidence::Model) -> evidence::ActiveModel {
    evidence::ActiveModel {
        institution: Set(row.institution.clone()),
        digest: Set(row.digest.clone()),
        size_bytes: Set(row.size_bytes),
        media_type: Set(row.media_type.clone()),
        traces: Set(row.traces.clone()),
        stored_at: Set(row.stored_at),
    }
}

async fn stored(db: &impl ConnectionTrait, institution: &str, digest: &Digest) -> Result<Option<evidence::Model>, Error> {
    Ok(evidence::Entity::find_by_id((institution.to_owned(), digest.to_string()))
        .one(db)
        .await?)
}

async fn stored_by(db: &impl ConnectionTrait, owners: &[String], digest: &Digest) -> Result<Option<evidence::Model>, Error> {
    Ok(evidence::Entity::find()
        .filter(evidence::Column::Digest.eq(digest.to_string()))
        .filter(evidence::Column::Institution.is_in(owners))
        .one(db)
        .await?)
}
