//! Asks the server about a filled file before anything is sent: is it ours, is it still of these obligations, would each
//! report be taken?

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal,
};

use anyhow::Result;
use futures::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use vigia_proto::reporting::{BatchMode, Finding, Obligation, ObligationState, Report, SubmitReportBatchRequest, SubmittedRow};

use super::{
    batches::{Batch, UNDER_WAY, batches},
    book::keys,
    fault::{Fault, told},
    filled::{Filled, Stated, periods},
    server::Server,
    template::institutions,
    words,
};
use crate::{cluster, lang::say, refused::Refused};

/// Calls under way at a time: the server makes those that wait together durable at once, and no official's line is busy.
pub const CALLS: usize = 8;

/// How a report of the file stands with the server.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It can be sent, on top of this version.
    ToSend {
        /// Newest version that the server has; 0 for none.
        base: i32,
        /// What is incomplete but would be accepted.
        findings: Vec<Finding>,
    },
    /// The server has just this content already.
    Received {
        /// In this version.
        version: i32,
    },
    /// It can't be sent.
    Faulty,
}

/// Asks about all reports of a file, and adds the evidence that a workbook does not hold. With `replace`, a report that was
/// received after the template was made is no fault.
pub async fn examine(server: &Server, filled: &mut Filled, replace: bool) -> Result<(Vec<Standing>, Vec<Fault>)> {
    if let Some(fault) = stranger(server, filled).await? {
        return Ok((vec![Standing::Faulty; filled.reports.len()], vec![fault]));
    }
    let owed = server.obligations(&filled.origin.plan, "").await?;
    let owed: BTreeMap<String, Obligation> = owed.into_iter().map(|owed| (owed.name.clone(), owed)).collect();
    if let Some(fault) = of_another_period(filled, &owed) {
        return Ok((vec![Standing::Faulty; filled.reports.len()], vec![fault]));
    }
    let bar = bar(filled.reports.len(), say("revisando", "checking"));
    let mut known = stream::iter(&mut filled.reports)
        .map(|stated| known(server, stated, owed.get(&stated.obligation), replace))
        .buffered(CALLS);
    let (mut standings, mut faults) = (Vec::new(), Vec::new());
    while let Some(known) = known.next().await {
        let (standing, found) = match known? {
            Ok(standing) => (standing, None),
            Err(fault) => (Standing::Faulty, Some(fault)),
        };
        // What is still to be asked about is counted when it is answered.
        bar.inc(u64::from(!matches!(standing, Standing::ToSend { .. })));
        standings.push(standing);
        faults.push(found.into_iter().collect());
    }
    drop(known);
    let to_send = (0..standings.len()).filter(|place| matches!(standings[*place], Standing::ToSend { .. }));
    let mut answers = stream::iter(batches(&filled.reports, to_send.collect::<Vec<_>>()))
        .map(|batch| checked(server, batch))
        .buffered(UNDER_WAY);
    while let Some(answer) = answers.next().await {
        for (place, answer) in answer? {
            match (answer, &mut standings[place]) {
                (Ok(row), Standing::ToSend { findings, .. }) => *findings = row.findings,
                (Ok(_), _) => {}
                (Err(refused), standing) => {
                    *standing = Standing::Faulty;
                    faults[place] = self::faults(&filled.reports[place], &refused);
                }
            }
            bar.inc(1);
        }
    }
    drop(answers);
    bar.finish_and_clear();
    Ok((standings, faults.into_iter().flatten().collect()))
}

/// What the server would make of a batch's reports, by their places.
async fn checked(server: &Server, batch: Batch) -> Result<Vec<(usize, Result<SubmittedRow, Refused>)>> {
    let request = SubmitReportBatchRequest {
        rows: batch.rows,
        mode: BatchMode::Each.into(),
        validate_only: true,
        request_id: String::new(),
    };
    Ok(batch.places.into_iter().zip(server.submit(request).await?.rows).collect())
}

/// A progress bar, where a person looks at it.
pub fn bar(length: usize, what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() || length < 2 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {eta}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length as u64).with_style(style).with_message(what)
}

/// Whether the file was made for somebody else, or from another server.
async fn stranger(server: &Server, filled: &Filled) -> Result<Option<Fault>> {
    let origin = &filled.origin;
    let same = |address: &str| cluster::url(address).trim_end_matches('/').to_lowercase();
    if same(&origin.server) != same(&server.address) {
        let (made, asked) = (super::fault::shown(&origin.server), &server.address);
        return Ok(Some(Fault::of_file(
            told(
                format!("la plantilla es del servidor {made}, y este es {asked}"),
                format!("the template is of the server {made}, and this is {asked}"),
            ),
            told(
                format!("Envíela allí con --server {made}, o haga una plantilla nueva aquí."),
                format!("Send it there with --server {made}, or make a new template here."),
            ),
        )));
    }
    let ours = institutions(server).await?;
    if ours.contains(&origin.institution) {
        return Ok(None);
    }
    let (made, ours) = (super::fault::shown(&origin.institution), ours.join(", "));
    Ok(Some(Fault::of_file(
        told(
            format!("la plantilla es de {made}, y usted reporta por {ours}"),
            format!("the template is of {made}, and you report for {ours}"),
        ),
        told(
            "Use la plantilla de su institución: «vigia template» la hace.".to_owned(),
            "Use your own institution's template: \"vigia template\" makes it.".to_owned(),
        ),
    )))
}

/// The file of a period that is done with, while another one waits: the likeliest slip of all.
fn of_another_period(filled: &Filled, owed: &BTreeMap<String, Obligation>) -> Option<Fault> {
    let states = filled.origin.obligations.iter().filter_map(|known| owed.get(&known.name));
    let mut states = states.map(Obligation::state).peekable();
    let closed = states.peek().is_some() && states.all(|state| matches!(state, ObligationState::Validated | ObligationState::Waived));
    let of_file = periods(&filled.origin);
    let waiting: BTreeSet<&str> = owed
        .values()
        .filter(|owed| words::is_awaited(owed))
        .filter_map(|owed| Some(keys(&owed.name)?.1))
        .filter(|period| !of_file.contains(*period))
        .collect();
    let next = *waiting.first().filter(|_| closed)?;
    let of_file = of_file.into_iter().collect::<Vec<_>>().join(", ");
    Some(Fault::of_file(
        told(
            format!("la plantilla es de {of_file}, que ya está cerrado; lo que se debe ahora es {next}"),
            format!("the template is of {of_file}, which is closed; what is owed now is {next}"),
        ),
        told(
            format!("Haga la de este período: vigia template --period {next}"),
            format!("Make the one of this period: vigia template --period {next}"),
        ),
    ))
}

/// How a report stands by what is owed and what was received; one that can be sent is still to be checked.
async fn known(server: &Server, stated: &mut Stated, owed: Option<&Obligation>, replace: bool) -> Result<Result<Standing, Fault>> {
    let faulty = |fault: Fault| Ok(Err(fault));
    let Some(owed) = owed else {
        return faulty(stated.fault(
            "",
            told(
                "la obligación ya no existe, o no es suya".to_owned(),
                "the obligation is not there any more, or is not yours".to_owned(),
            ),
            told(
                "Haga una plantilla nueva con «vigia template».".to_owned(),
                "Make a new template with \"vigia template\".".to_owned(),
            ),
        ));
    };
    let base = owed.version;
    let before = if base > 0 {
        Some(server.report(&owed.name, base).await?)
    } else {
        None
    };
    // What a workbook has no cells for is not lost by sending it: the evidence that «vigia evidence add» has named in the
    // draft, or else that of the version before.
    let draft = server.draft(&owed.name).await?;
    if let Some(source) = draft.as_ref().or(before.as_ref()) {
        stated.report.evidence.clone_from(&source.evidence);
        stated.report.evidence_links.clone_from(&source.evidence_links);
    }
    if let Some(before) = before {
        let received = matches!(owed.state(), ObligationState::Submitted | ObligationState::Validated);
        let same = says_the_same(&before, &stated.report);
        if received && same {
            return Ok(Ok(Standing::Received { version: base }));
        }
        let changed = base != stated.version && !replace;
        let unanswered = !received && same && matches!(owed.state(), ObligationState::Returned | ObligationState::ReturnedOverdue);
        if unanswered {
            return faulty(stated.fault(
                "",
                told(
                    format!("la versión {base} fue devuelta con observaciones, y la fila dice lo mismo"),
                    format!("version {base} was returned with observations, and the row says the same"),
                ),
                told(
                    "«vigia status» muestra las observaciones; corrija lo que piden.".to_owned(),
                    "\"vigia status\" shows the observations; correct what they ask for.".to_owned(),
                ),
            ));
        }
        if changed {
            return faulty(stated.fault(
                "",
                told(
                    format!("después de hecha la plantilla se recibió la versión {base}, con otro contenido"),
                    format!("version {base} was received after the template was made, with other content"),
                ),
                told(
                    "Si quiere reemplazarla con lo que dice esta fila, envíe con --replace; si no, vacíe la fila.".to_owned(),
                    "To replace it with what this row says, submit with --replace; else empty the row.".to_owned(),
                ),
            ));
        }
    }
    Ok(Ok(Standing::ToSend {
        base,
        findings: Vec::new(),
    }))
}

/// A refusal as faults of the cells that it is about.
pub fn faults(stated: &Stated, refused: &Refused) -> Vec<Fault> {
    let remedy = match refused.reason.as_str() {
        "INVALID_FIELDS" => told("Corrija la celda.".to_owned(), "Correct the cell.".to_owned()),
        "PERIOD_NOT_ENDED" => told(
            "Envíelo cuando termine el período; por ahora vacíe la fila.".to_owned(),
            "Send it when the period has ended; for now empty the row.".to_owned(),
        ),
        "ALREADY_VALIDATED" | "WAIVED" | "NOTHING_OWED" => told(
            "Vacíe la fila: ya no se espera este reporte.".to_owned(),
            "Empty the row: this report is not waited for any more.".to_owned(),
        ),
        _ => format!("[{}]", refused.reason),
    };
    if refused.fields.is_empty() {
        return vec![stated.fault("", refused.text.trim_end_matches('.').to_owned(), remedy)];
    }
    let fields = refused.fields.iter();
    fields
        .map(|(path, text)| stated.fault(path, text.clone(), remedy.clone()))
        .collect()
}

/// Whether two reports state the same, whatever the server has added to one of them.
fn says_the_same(stored: &Report, given: &Report) -> bool {
    let content = |report: &Report| Report {
        name: String::new(),
        state: 0,
        version: 0,
        receive_time: None,
        etag: String::new(),
        texts_salt: Vec::new(),
        texts_hash: Vec::new(),
        texts_erase_time: None,
        ..report.clone()
    };
    content(stored) == content(given)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::book::{Known, obligation_name};
    use super::*;

    fn owed(period: &str, state: ObligationState) -> (String, Obligation) {
        let name = obligation_name("plans/p", "a", period);
        let owed = Obligation {
            name: name.clone(),
            period: period.to_owned(),
            state: state.into(),
            ..Obligation::default()
        };
        (name, owed)
    }

    #[test]
    fn last_quarters_file_is_told_apart_from_this_quarters() {
        let mut filled = Filled::default();
        filled.origin.obligations.push(Known {
            name: obligation_name("plans/p", "a", "2026-Q1"),
            version: 0,
        });
        let told = |states: [ObligationState; 2]| {
            let [first, second] = states;
            let owed = BTreeMap::from([owed("2026-Q1", first), owed("2026-Q2", second)]);
            of_another_period(&filled, &owed).map(|fault| fault.to_string())
        };
        assert_snapshot!(
            told([ObligationState::Validated, ObligationState::Open]).unwrap_or_default(),
            @"la plantilla es de 2026-Q1, que ya está cerrado; lo que se debe ahora es 2026-Q2. Haga la de este período: vigia template --period 2026-Q2"
        );
        // Nothing else waits, or this one still does.
        assert_eq!(told([ObligationState::Validated, ObligationState::NotOpen]), None);
        assert_eq!(told([ObligationState::Returned, ObligationState::Open]), None);
    }

    #[test]
    fn what_the_server_adds_to_a_report_makes_no_difference() {
        let given = Report {
            narrative: "n".to_owned(),
            ..Report::default()
        };
        let stored = Report {
            name: "r".to_owned(),
            version: 1,
            state: 2,
            texts_hash: vec![1],
            ..given.clone()
        };
        assert!(says_the_same(&stored, &given));
        assert!(!says_the_same(&stored, &Report::default()));
    }
}
