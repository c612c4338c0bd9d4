//! Evidence on its way to the server: what the server has already, and the bytes that it lacks, from where it says.

use std::{
    io::{IsTerminal, SeekFrom},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result};
use futures::stream;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tonic::{Code, Status};
use vigia_proto::reporting::{
    Evidence, EvidenceState, GetEvidenceRequest, UploadEvidenceRequest, UploadStart, upload_evidence_request::Part,
};

use super::server::{ATTEMPTS_MAX, Server, WAIT_FIRST};
use crate::{
    lang::say,
    refused::{self, Refused},
};

/// Bytes of a chunk: the server takes 1 MiB at most.
const CHUNK_BYTES: usize = 256 << 10;

/// Bytes that are to be on the server.
#[derive(Clone, Debug)]
pub struct Upload<'a> {
    /// The file that holds them.
    pub path: &'a Path,
    /// Their name: `evidence/{sha256}`.
    pub evidence: String,
    /// How many.
    pub size: u64,
    /// For which institution, as resource name; empty for the only one.
    pub institution: &'a str,
    /// Whose policy on metadata applies, as resource name.
    pub plan: &'a str,
}

/// What is on the server, and what it took.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// As the server has it.
    pub evidence: Evidence,
    /// Bytes that were sent; none where the server had all of them before.
    pub sent_bytes: u64,
}

/// Sends what the server does not have, however often the line breaks.
pub async fn upload(server: &Server, upload: &Upload<'_>) -> Result<Uploaded> {
    let bar = bar(upload.size);
    let sent = Arc::new(AtomicU64::new(0));
    let uploaded = |evidence| Uploaded {
        evidence,
        sent_bytes: sent.load(Ordering::Relaxed),
    };
    let mut wait = WAIT_FIRST;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let before = state(server, upload).await?;
        if let Some(stored) = before.as_ref().filter(|before| before.state() == EvidenceState::Stored) {
            bar.finish_and_clear();
            return Ok(uploaded(stored.clone()));
        }
        let offset = before.map_or(0, |before| before.durable_bytes.unsigned_abs());
        bar.set_position(offset);
        match send(server, upload, offset, &bar, &sent).await? {
            Ok(evidence) => {
                bar.finish_and_clear();
                return Ok(uploaded(evidence));
            }
            Err(status) if attempt < ATTEMPTS_MAX && passes(&status) => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            Err(status) => {
                bar.finish_and_clear();
                return Err(refused::told(status));
            }
        }
    }
}

/// How far an upload of ours has come; none where nothing is there.
async fn state(server: &Server, upload: &Upload<'_>) -> Result<Option<Evidence>> {
    let request = GetEvidenceRequest {
        name: upload.evidence.clone(),
        institution: upload.institution.to_owned(),
    };
    server.evidence(request).await
}

/// Sends the bytes from an offset on. The inner result is the server's answer.
async fn send(
    server: &Server,
    upload: &Upload<'_>,
    offset: u64,
    bar: &ProgressBar,
    sent: &Arc<AtomicU64>,
) -> Result<Result<Evidence, Status>> {
    let mut file = tokio::fs::File::open(upload.path)
        .await
        .with_context(|| upload.path.display().to_string())?;
    file.seek(SeekFrom::Start(offset)).await?;
    let start = UploadStart {
        evidence: upload.evidence.clone(),
        size_bytes: i64::try_from(upload.size)?,
        offset: i64::try_from(offset)?,
        institution: upload.institution.to_owned(),
        plan: upload.plan.to_owned(),
    };
    let start = UploadEvidenceRequest {
        part: Some(Part::Start(start)),
    };
    let (bar, sent) = (bar.clone(), sent.clone());
    // A file that can't be read any further ends the stream: the server says how far it has come.
    let chunks = stream::unfold((Some(start), file), move |(start, mut file)| {
        let (bar, sent) = (bar.clone(), sent.clone());
        async move {
            if let Some(start) = start {
                return Some((start, (None, file)));
            }
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let read = (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).await;
            let read = read.ok().filter(|read| *read > 0)?;
            bar.inc(read as u64);
            sent.fetch_add(read as u64, Ordering::Relaxed);
            let part = UploadEvidenceRequest {
                part: Some(Part::Chunk(chunk)),
            };
            Some((part, (None, file)))
        }
    });
    Ok(server.upload(chunks).await)
}

/// Whether another attempt may fare better: the line broke, the server is busy, or has not noticed yet that it did.
fn passes(status: &Status) -> bool {
    let reason = Refused::of(status).reason;
    match reason.as_str() {
        "EVIDENCE_INCOMPLETE" | "EVIDENCE_OFFSET_WRONG" | "STATE_CONFLICT" | "OVERLOADED" => true,
        "EVIDENCE_QUOTA_EXCEEDED" => false,
        _ => matches!(
            status.code(),
            Code::Unavailable | Code::ResourceExhausted | Code::Unknown | Code::Cancelled
        ),
    }
}

/// A progress bar in bytes, where a person looks at it.
fn bar(size: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(size).with_style(style).with_message(say("cargando", "uploading"))
}
