//! How an upload comes in: what it declares, the bytes as many as come, and what is checked before any of it is kept.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use tokio::sync::mpsc;
use tonic::Streaming;
use vigia_platform::{Caller, Error, Faults, clock::machine_now, micros, name::split};
use vigia_proto::{
    error::Reason,
    plans::EvidenceMetadata,
    reporting::{UploadEvidenceRequest, UploadStart, upload_evidence_request::Part as Sent},
};

use crate::{
    entities::evidence,
    evidence::{ACCEPTED, Busy, CHUNK_BYTES_MAX, Digest, Inspected, Part, Unaccepted, blocking, inspect},
    evidence_service::EvidenceDesk,
    findings::names_person,
    links::owner,
    names::wrong,
};

/// How long an upload waits for its next chunk.
const CHUNK_PATIENCE: Duration = Duration::from_mins(1);
/// Chunks that wait to be written.
const CHUNKS_WAITING: usize = 8;

/// An upload's start, read.
pub(crate) struct Start {
    pub(crate) digest: Digest,
    size: u64,
    offset: u64,
    pub(crate) institution: String,
    pub(crate) plan: String,
}

impl EvidenceDesk {
    /// An upload's start, or all that is wrong with it.
    pub(crate) fn start(&self, caller: &Caller, given: &UploadStart) -> Result<Start, Error> {
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
    pub(crate) fn refuses_traces(&self, plan: &str, t: Timestamp) -> Result<bool, Error> {
        let policy = self.desk.with_plan(plan, |plan| {
            plan.reporting_at(t)
                .map_or(EvidenceMetadata::Refuse, vigia_proto::plans::ReportingCalendar::evidence_metadata)
        });
        let policy = policy.ok_or_else(|| Error::not_found(format!("plans/{plan}")))?;
        Ok(policy != EvidenceMetadata::Accept)
    }

    /// Refuses what would not fit beside what the institution has.
    pub(crate) async fn check_quota(&self, db: &impl ConnectionTrait, start: &Start) -> Result<(), Error> {
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
    pub(crate) async fn receive(&self, start: &Start, chunks: &mut Streaming<UploadEvidenceRequest>) -> Result<Part, Error> {
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
    pub(crate) async fn check_and_keep(&self, start: &Start, part: Part, refuses_traces: bool) -> Result<Inspected, Error> {
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

/// The next part of an upload; none where its stream has ended, by whatever.
pub(crate) async fn next(chunks: &mut Streaming<UploadEvidenceRequest>) -> Result<Option<Sent>, Error> {
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
    let (es, en) = unaccepted.said();
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

/// The refusal of metadata that could identify a person.
pub(crate) fn refused_traces(traces: Vec<&str>) -> Error {
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
