//! What became of a file that was sent: a result sheet and a JSON file beside it, with the receipt of each report.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rust_xlsxwriter::XlsxError;
use serde::Serialize;
use vigia_platform::instant;
use vigia_proto::{journal::Entry, reporting::SubmittedRow};

use super::{
    book::{Origin, keys},
    csv_names::{book_path, is_csv},
    fault::Fault,
    submit::recorded,
    write::{self, Looks},
};

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// Received now.
    Received,
    /// Received before, with the same content.
    Already,
    /// Refused after all: something changed since it was checked.
    Refused,
    /// The line broke before: run it again.
    Waiting,
    /// Nothing was filled in.
    Empty,
}

/// The proof that a report is on the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The report's version, as resource name.
    pub report: String,
    /// When its last byte was received, RFC 3339.
    pub received_at: String,
    /// Position in the journal of reporting.
    pub position: i64,
    /// Leaf hash of the journal entry, in hex.
    pub leaf_hash: String,
}

/// One report of the file.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The obligation, as resource name.
    pub obligation: String,
    /// What became of it.
    pub sent: Sent,
    /// Its receipt, where it was received.
    pub receipt: Option<Receipt>,
    /// What is incomplete but was accepted.
    pub findings: Vec<String>,
    /// Why it was refused.
    pub faults: Vec<Fault>,
}

impl Outcome {
    /// An outcome with nothing more to say.
    pub fn of(obligation: &str, sent: Sent) -> Self {
        Self {
            obligation: obligation.to_owned(),
            sent,
            receipt: None,
            findings: Vec::new(),
            faults: Vec::new(),
        }
    }
}

impl Receipt {
    /// Of a report that was received just now.
    pub fn of_row(row: &SubmittedRow, received_at: &str) -> Self {
        Self {
            report: row.report.clone(),
            received_at: received_at.to_owned(),
            position: row.position,
            leaf_hash: hex::encode(&row.leaf_hash),
        }
    }

    /// Of a report that was received before, from its journal entry.
    pub fn of_entry(entry: &Entry) -> Option<Self> {
        let report = recorded(&entry.event)?;
        Some(Self {
            report: report.name,
            received_at: at(report.receive_time.as_ref()),
            position: entry.position,
            leaf_hash: hex::encode(&entry.leaf_hash),
        })
    }
}

fn at(time: Option<&prost_types::Timestamp>) -> String {
    time.and_then(instant).map_or_else(String::new, |at| at.to_string())
}

/// Writes the result beside the file; gives the paths.
pub fn write(file: &Path, origin: &Origin, digest: &[u8], outcomes: &[Outcome]) -> Result<Vec<PathBuf>> {
    // The CSV files of one book have one result together.
    let stem = if is_csv(file) { book_path(file) } else { file.with_extension("") };
    let name = stem.file_name().unwrap_or_default().to_string_lossy();
    let sheet = stem.with_file_name(format!("{name}.resultado.xlsx"));
    let json = stem.with_file_name(format!("{name}.resultado.json"));
    write::save(&sheet, &xlsx(outcomes)?)?;
    let all = serde_json::json!({
        "server": origin.server, "plan": origin.plan, "institution": origin.institution,
        "file_sha256": hex::encode(digest), "reports": outcomes,
    });
    write::save(&json, &serde_json::to_vec_pretty(&all)?)?;
    Ok(vec![sheet, json])
}

const COLUMNS: [(&str, u16); 9] = [
    ("Asignación", 18),
    ("Período", 10),
    ("Resultado", 16),
    ("Versión", 9),
    ("Recibido (UTC)", 28),
    ("Bitácora", 12),
    ("Huella", 68),
    ("Observaciones", 60),
    ("Obligación", 60),
];

/// The sheet is in Spanish, as the template is, whoever reads it.
fn xlsx(outcomes: &[Outcome]) -> Result<Vec<u8>, XlsxError> {
    let looks = Looks::new();
    let mut workbook = write::workbook("Vigía: resultado");
    let sheet = workbook.add_worksheet();
    sheet.set_name("Resultado")?;
    looks.head(sheet, &COLUMNS, outcomes.len())?;
    for (row, outcome) in (1..).zip(outcomes) {
        let (assignment, period) = keys(&outcome.obligation).unwrap_or_default();
        let receipt = outcome.receipt.as_ref();
        let version = receipt.and_then(|receipt| receipt.report.rsplit('/').next()).unwrap_or_default();
        let remarks = outcome.findings.iter().cloned().chain(outcome.faults.iter().map(Fault::to_string));
        let texts = [
            assignment.to_owned(),
            period.to_owned(),
            word(outcome.sent).to_owned(),
            version.to_owned(),
            receipt.map_or_else(String::new, |receipt| receipt.received_at.clone()),
            receipt.map_or_else(String::new, |receipt| format!("reporting:{}", receipt.position)),
            receipt.map_or_else(String::new, |receipt| receipt.leaf_hash.clone()),
            remarks.collect::<Vec<_>>().join("; "),
            outcome.obligation.clone(),
        ];
        for (column, text) in (0..).zip(&texts) {
            // A cell takes no more than 32,767 characters.
            looks.locked(sheet, row, column, &crate::commands::shortened(text, 32_000))?;
        }
    }
    workbook.save_to_buffer()
}

fn word(sent: Sent) -> &'static str {
    match sent {
        Sent::Received => "recibido",
        Sent::Already => "ya estaba",
        Sent::Refused => "rechazado",
        Sent::Waiting => "no enviado",
        Sent::Empty => "sin llenar",
    }
}
