//! EvidenceService: bytes come in by chunks and are read through the reports that name them.

use std::time::{Duration, SystemTime};

use async_stream::try_stream;
use bytes::BytesMut;
use futures::{Stream, StreamExt, pin_mut};
use jiff::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};
use vigia_platform::{Caller, Error, Faults, clock::machine_now, from_micros, micros, name::split, new_id, timestamp};
use vigia_proto::{
    error::Reason,
    plans::EvidenceMetadata,
    reporting::{
        Classification, DownloadEvidenceRequest, DownloadEvidenceResponse, Evidence, EvidenceHead, EvidenceRead, EvidenceState,
        EvidenceStored, GetEvidenceRequest, GetEvidenceResponse, UploadEvidenceRequest, UploadEvidenceResponse, UploadStart,
        download_evidence_response, evidence_service_server::EvidenceService, upload_evidence_request::Part as Sent,
    },
};

use crate::{
    desk::Desk,
    entities::evidence,
    evidence::{ACCEPTED, Busy, CHUNK_BYTES_MAX, Digest, Inspected, KEPT, Part, Store, Unaccepted, blocking, inspect},
    findings::names_person,
    links::{linked, owner},
    names::{ReportName, wrong},
};

/// How long an upload waits for its next chunk.
const CHUNK_PATIENCE: Duration = Duration::from_mins(1);
/// Chunks that wait to be written.
const CHUNKS_WAITING: usize = 8;
/// Bytes that are sent at once.
const SENT_BYTES: usize = 256 << 10;
const READING_REASON_MAX: usize = 2_000;

/// The service over its desk and its store.
#[derive(Debug)]
pub(crate) struct EvidenceDesk {
    desk: Desk,
    store: Store,
}

/// An upload's start, read.
struct Start {
    digest: Digest,
    size: u64,
    offset: u64,
    institution: String,
    plan: String,
}

impl EvidenceDesk {
    pub(crate) fn new(desk: Desk, store: Store) -> Self {
        Self { desk, store }
    }

    fn start(&self, caller: &Caller, given: &UploadStart) -> Result<Start, Error> {
        let mut faults = Faults::new();
        let digest = Digest::of_name(&given.evidence);
        faults.require(
            digest.is_some(),
            "start.evidence",
            "debe ser «evidence/» y el SHA-256 en hexadecimal, en minúsculas",
            "must be \"evidence/\" and the SHA-256 in lower-case hex",
        );
        let offset = u64::try_from(given.offset)
            .ok()
            .filter(|offset| given.size_bytes < 0 || *offset <= given.size_bytes.unsigned_abs());
        faults.require(
            offset.is_some(),
            "start.offset",
            "debe estar entre 0 y el tamaño",
            "must lie between 0 and the size",
        );
        let plan = split("plans/{}", &given.plan).map(|parts| parts[0].to_owned());
        faults.require(plan.is_some(), "start.plan", "debe ser «plans/{plan}»", "must be \"plans/{plan}\"");
        faults.done()?;
        let institution = owner(caller, "start.institution", &given.institution)?;
        let limit = self.store.file_bytes_max;
        let size = u64::try_from(given.size_bytes).ok().filter(|size| (1..=limit).contains(size));
        let (Some(digest), Some(size), Some(offset), Some(plan)) = (digest, size, offset, plan) else {
            return Err(Error::refused(
                Reason::EvidenceSizeRefused,
                format!("Un archivo tiene de 1 a {limit} bytes; este declara {}.", given.size_bytes),
                format!("A file has 1 to {limit} bytes; this one declares {}.", given.size_bytes),
            )
            .with("size_bytes", given.size_bytes.to_string())
            .with("limit_bytes", limit.to_string()));
        };
        Ok(Start {
            digest,
            size,
            offset,
            institution,
            plan,
        })
    }

    /// Whether the plan refuses what could identify a person.
    fn refuses_traces(&self, plan: &str, t: Timestamp) -> Result<bool, Error> {
        let policy = self.desk.with_plan(plan, |plan| {
            plan.reporting_at(t)
                .map_or(EvidenceMetadata::Refuse, vigia_proto::plans::ReportingCalendar::evidence_metadata)
        });
        let policy = policy.ok_or_else(|| Error::not_found(format!("plans/{plan}")))?;
        Ok(policy != EvidenceMetadata::Accept)
    }

    /// Refuses what would not fit beside what the institution has.
    async fn check_quota(&self, db: &impl ConnectionTrait, start: &Start) -> Result<(), Error> {
        let stored = stored_bytes(db, &start.institution).await?;
        let (staging, institution, digest) = (self.store.staging.clone(), start.institution.clone(), start.digest);
        let (unfinished, one_more) = blocking(move || staging.others(&institution, &digest)).await?;
        let (used, limit) = (stored.saturating_add(unfinished), self.store.quota_bytes);
        if one_more && used.saturating_add(start.size) <= limit {
            return Ok(());
        }
        Err(Error::refused(
            Reason::EvidenceQuotaExceeded,
            format!("Los medios de verificación de la institución ocupan {used} de {limit} bytes, o tiene demasiadas cargas sin terminar."),
            format!("The institution's evidence takes {used} of {limit} bytes, or too many uploads are unfinished."),
        )
        .with("used_bytes", used.to_string())
        .with("limit_bytes", limit.to_string()))
    }

    /// Takes the upload's bytes, as many as come: whatever ends the stream, those that are here are durable then.
    async fn receive(&self, start: &Start, chunks: &mut Streaming<UploadEvidenceRequest>) -> Result<Part, Error> {
        let claim = self
            .store
            .staging
            .claim(&start.institution, &start.digest)
            .map_err(|busy| match busy {
                Busy::Same => Error::state_conflict(start.digest.name(), "UPLOADING"),
                Busy::TooMany => Error::refused(
                    Reason::Overloaded,
                    "Demasiadas cargas a la vez: espere a que terminen.",
                    "Too many uploads at once: wait for them to end.",
                ),
            })?;
        let (staging, offset) = (self.store.staging.clone(), start.offset);
        let opened = blocking(move || {
            staging.sweep(SystemTime::UNIX_EPOCH + Duration::from_micros(micros(machine_now()).unsigned_abs()))?;
            claim.open(offset)
        })
        .await?;
        let mut part = opened.map_err(|durable| {
            Error::refused(
                Reason::EvidenceOffsetWrong,
                format!("La carga sigue desde el byte {durable}, o empieza de nuevo desde 0."),
                format!("The upload goes on at byte {durable}, or begins anew at 0."),
            )
            .with("durable_bytes", durable.to_string())
        })?;
        let (waiting, mut written) = mpsc::channel::<Vec<u8>>(CHUNKS_WAITING);
        let writer = tokio::task::spawn_blocking(move || {
            while let Some(chunk) = written.blocking_recv() {
                part.write(&chunk)?;
            }
            part.sync()?;
            Ok::<_, std::io::Error>(part)
        });
        let ended = read_chunks(start, chunks, &waiting).await;
        drop(waiting);
        let part = writer
            .await
            .map_err(|cause| Error::internal(&cause))?
            .map_err(|cause| Error::internal(&cause))?;
        ended?;
        if part.size() < start.size {
            return Err(Error::refused(
                Reason::EvidenceIncomplete,
                format!("Llegaron {} de {} bytes: siga desde ahí.", part.size(), start.size),
                format!("{} of {} bytes are here: go on from there.", part.size(), start.size),
            )
            .with("durable_bytes", part.size().to_string()));
        }
        Ok(part)
    }

    /// Checks hash and content, and keeps the bytes. What is refused is thrown away.
    async fn check_and_keep(&self, start: &Start, part: Part, refuses_traces: bool) -> Result<Inspected, Error> {
        let digest = start.digest;
        let size = start.size;
        let (part, checked) = blocking(move || {
            let mut part = part;
            let received = part.digest();
            let checked = if received == digest {
                match inspect(part.rewound()?, size)? {
                    Ok(inspected) if refuses_traces && !inspected.traces.is_empty() => Err(names_a_person(&inspected)),
                    Ok(inspected) => Ok(inspected),
                    Err(unaccepted) => Err(type_refused(unaccepted)),
                }
            } else {
                Err(hash_mismatch(&digest, &received))
            };
            Ok((part, checked))
        })
        .await?;
        match checked {
            Ok(inspected) => self.store.keep(part, digest).await.map(|()| inspected),
            Err(refused) => {
                blocking(move || part.remove()).await?;
                Err(refused)
            }
        }
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

async fn next(chunks: &mut Streaming<UploadEvidenceRequest>) -> Result<Option<Sent>, Error> {
    let next = tokio::time::timeout(CHUNK_PATIENCE, chunks.message()).await;
    match next {
        Ok(Ok(message)) => Ok(message.and_then(|message| message.part)),
        // A stream that breaks is a client that went away, or one that sends what can't be read; it is told how to go on.
        Ok(Err(status)) => {
            tracing::debug!(%status, "upload broken off");
            Ok(None)
        }
        Err(_) => Ok(None),
    }
}

/// Hands chunks to the writer until the stream ends or says what it should not.
async fn read_chunks(start: &Start, chunks: &mut Streaming<UploadEvidenceRequest>, waiting: &mpsc::Sender<Vec<u8>>) -> Result<(), Error> {
    let mut size = start.offset;
    while let Some(sent) = next(chunks).await? {
        let Sent::Chunk(chunk) = sent else {
            return Err(wrong("chunk", "chunk"));
        };
        let mut faults = Faults::new();
        faults.require(chunk.len() <= CHUNK_BYTES_MAX, "chunk", "tiene más de 1 MiB", "has more than 1 MiB");
        size += chunk.len() as u64;
        faults.require(
            size <= start.size,
            "chunk",
            "llegan más bytes de los declarados",
            "more bytes come than were declared",
        );
        faults.done()?;
        if waiting.send(chunk).await.is_err() {
            // The writer has ended: it says why.
            return Ok(());
        }
    }
    Ok(())
}

fn hash_mismatch(declared: &Digest, received: &Digest) -> Error {
    Error::refused(
        Reason::EvidenceHashMismatch,
        "Los bytes no tienen el SHA-256 declarado: calcúlelo de nuevo y cargue el archivo desde el principio.",
        "The bytes do not have the SHA-256 that was declared: compute it again and upload the file from its beginning.",
    )
    .with("declared", declared.to_string())
    .with("received", received.to_string())
}

fn type_refused(unaccepted: Unaccepted) -> Error {
    let (es, en) = match unaccepted {
        Unaccepted::Type => (
            "El contenido no es de un tipo que se acepte, diga lo que diga el nombre.",
            "The content is of no type that is accepted, whatever its name says.",
        ),
        Unaccepted::Text => (
            "Es un texto que no está en UTF-8: guárdelo de nuevo en UTF-8.",
            "It is a text that is not UTF-8: save it again as UTF-8.",
        ),
        Unaccepted::Archive => (
            "Es un archivo comprimido que no es un documento: cargue cada documento por separado.",
            "It is an archive that is no document: upload each document by itself.",
        ),
        Unaccepted::Macros => (
            "El documento contiene macros: guárdelo sin ellas.",
            "The document has macros: save it without them.",
        ),
    };
    Error::refused(
        Reason::EvidenceTypeRefused,
        format!("{es} Se aceptan: {ACCEPTED}."),
        format!("{en} Accepted: {ACCEPTED}."),
    )
    .with("accepted", ACCEPTED)
}

fn names_a_person(inspected: &Inspected) -> Error {
    refused_traces(inspected.traces.iter().copied().collect())
}

fn refused_traces(traces: Vec<&str>) -> Error {
    let mut faults = Faults::new();
    for trace in &traces {
        let (es, en) = names_person(trace);
        faults.add(format!("content.{trace}"), es, en);
    }
    Error::refused(
        Reason::EvidenceNamesPerson,
        "Los metadatos del archivo podrían identificar a una persona: quítelos («vigia evidence add» lo hace) y cárguelo otra vez.",
        "The file's metadata could identify a person: remove them (\"vigia evidence add\" does) and upload it again.",
    )
    .with_faults(faults)
    .with("found", traces.join(" "))
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

async fn stored_bytes(db: &impl ConnectionTrait, institution: &str) -> Result<u64, Error> {
    let sum: Option<Option<i64>> = evidence::Entity::find()
        .select_only()
        .column_as(evidence::Column::SizeBytes.sum().cast_as("BIGINT"), "bytes")
        .filter(evidence::Column::Institution.eq(institution))
        .into_tuple()
        .one(db)
        .await?;
    Ok(sum.flatten().and_then(|sum| u64::try_from(sum).ok()).unwrap_or(0))
}
