//! `vigia check`: looks a filled file through, first by itself, then with the server; nothing is sent.

use std::path::{Path, PathBuf};

use anyhow::Result;
use vigia_proto::reporting::Finding;

use super::{
    examine::{Standing, examine},
    fault::{FAULTS_MAX, Fault, told},
    filled::{Filled, Stated, filled},
    read::read,
    server::Server,
};
use crate::{
    access::Access,
    lang::{Lang, lang, say},
    output,
};

/// Faults and findings that are shown to a person at a time; with `-o json` there are all.
const SHOWN_MAX: usize = 50;

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Archivo .xlsx o .csv / file.
    pub file: PathBuf,
    /// Sin preguntar al servidor / without asking the server.
    #[arg(long)]
    pub offline: bool,
    #[command(flatten)]
    pub access: Access,
}

/// Runs the command; says whether no fault was found.
pub async fn run(args: &Args, json: bool) -> Result<bool> {
    let mut filled = match look(&args.file) {
        Ok(filled) => filled,
        Err(faults) => return tell_faults(&faults, json),
    };
    let online = !args.offline && args.access.is_known();
    let standings = if online {
        let server = Server::connect(&args.access).await?;
        let (standings, faults) = examine(&server, &mut filled, false).await?;
        if !faults.is_empty() {
            return tell_faults(&faults, json);
        }
        standings
    } else {
        Vec::new()
    };
    let count = |wanted: fn(&Standing) -> bool| standings.iter().filter(|standing| wanted(standing)).count();
    let received = count(|standing| matches!(standing, Standing::Received { .. }));
    let (reports, (values, milestones)) = (filled.reports.len(), totals(&filled));
    let findings = findings(&filled, &standings);
    if json {
        output::json(&serde_json::json!({
            "faults": [], "reports": reports, "values": values, "milestones": milestones,
            "untouched": filled.untouched, "already_received": received, "asked_server": online,
            "findings": findings.iter().take(FAULTS_MAX).collect::<Vec<_>>(),
        }))?;
        return Ok(true);
    }
    output::line(&told(
        format!("Sin fallas. Reportes: {reports} · valores: {values} · hitos: {milestones}"),
        format!("No faults. Reports: {reports} · values: {values} · milestones: {milestones}"),
    ));
    if received > 0 {
        output::line(&told(
            format!("Ya recibidos, tal como los dice el archivo: {received}"),
            format!("Received already, just as the file says: {received}"),
        ));
    }
    if !filled.untouched.is_empty() {
        output::line(&told(
            format!("Obligaciones vacías, que no se envían: {}", filled.untouched.len()),
            format!("Empty obligations, which are not sent: {}", filled.untouched.len()),
        ));
    }
    if !findings.is_empty() {
        output::line(say(
            "Se acepta, pero está incompleto o llama la atención:",
            "Accepted, but incomplete or odd:",
        ));
        tell_list(&findings);
    }
    if !online {
        output::line(say(
            "Solo se revisó el archivo, sin preguntar al servidor.",
            "Only the file was checked; the server was not asked.",
        ));
    }
    if received < reports {
        let path = args.file.display();
        output::line(&told(
            format!("Para enviarlo: vigia submit '{path}'"),
            format!("To send it: vigia submit '{path}'"),
        ));
    }
    Ok(true)
}

/// Reads a file and all that it states.
pub fn look(path: &Path) -> Result<Filled, Vec<Fault>> {
    filled(&read(path)?)
}

/// How many values and milestones there are in all reports.
pub fn totals(filled: &Filled) -> (usize, usize) {
    filled
        .reports
        .iter()
        .map(Stated::counts)
        .fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
}

/// What the server would accept but remarks on, at the cells that it is about.
fn findings(filled: &Filled, standings: &[Standing]) -> Vec<Fault> {
    let of = |(stated, standing): (&Stated, &Standing)| match standing {
        Standing::ToSend { findings, .. } => findings.iter().map(|finding| found(stated, finding)).collect(),
        Standing::Received { .. } | Standing::Faulty => Vec::new(),
    };
    filled.reports.iter().zip(standings).flat_map(of).collect()
}

/// A finding at its cell. It says itself what is missing: there is no remedy beside it.
pub fn found(stated: &Stated, finding: &Finding) -> Fault {
    stated.fault(&finding.field, finding_text(finding).to_owned(), String::new())
}

/// A finding in the reader's language.
pub fn finding_text(finding: &Finding) -> &str {
    if lang() == Lang::Es { &finding.text_es } else { &finding.text_en }.trim_end_matches('.')
}

/// Says what is wrong, and gives what the exit code is to say.
pub fn tell_faults(faults: &[Fault], json: bool) -> Result<bool> {
    if json {
        output::json(&serde_json::json!({"faults": faults}))?;
        return Ok(false);
    }
    let count = faults.len();
    output::line(&match count {
        1 => say("Hay una falla; no se envió nada:", "There is one fault; nothing was sent:").to_owned(),
        FAULTS_MAX => told(
            format!("Hay {count} fallas o más; no se envió nada:"),
            format!("There are {count} faults or more; nothing was sent:"),
        ),
        _ => told(
            format!("Hay {count} fallas; no se envió nada:"),
            format!("There are {count} faults; nothing was sent:"),
        ),
    });
    tell_list(faults);
    Ok(false)
}

fn tell_list(faults: &[Fault]) {
    for fault in faults.iter().take(SHOWN_MAX) {
        output::line(&format!("  {}", fault.to_string().trim_end()));
    }
    if let Some(more) = faults.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        output::line(&told(
            format!("  … y {more} más; con «-o json» se ven todas."),
            format!("  … and {more} more; \"-o json\" shows all."),
        ));
    }
}
