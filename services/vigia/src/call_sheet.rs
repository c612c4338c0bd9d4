//! `vigia call-sheet`: whom to call about what, as a table for a spreadsheet.

use std::path::{Path, PathBuf};

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;
use vigia_platform::instant;
use vigia_proto::compliance::Verdict;

use crate::{
    access::Access,
    commands,
    institution::write::{self, Looks, csv_text},
    lang::{lang, say},
    output::{self, Usage},
    report::{Late, Materials, late},
    voices,
};

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// plans/vcm o vcm.
    pub plan: String,
    /// Al instante, en hora del plan; ahora si no se dice / as of, in the plan's time; now if left out.
    #[arg(long)]
    pub as_of: Option<String>,
    /// Archivo .csv o .xlsx; CSV en la salida si no se dice / file; CSV on standard output if left out.
    #[arg(long, short = 'f')]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub access: Access,
}

/// One report that is late.
#[derive(Clone, Debug, Serialize)]
struct Row {
    institution: String,
    answers_now: String,
    focal_point: String,
    email: String,
    phone: String,
    action: String,
    text: String,
    period: String,
    state: String,
    late_since: String,
    days_late: i64,
    tried: String,
    next_on: String,
    obligation: String,
    /// Whether it comes from a scratch server.
    simulated: bool,
}

/// Headings with the width of their columns.
fn columns() -> [(&'static str, u16); 15] {
    [
        (say("institución", "institution"), 36),
        (say("hoy responde", "answers now"), 30),
        (say("punto focal", "focal point"), 28),
        (say("correo", "e-mail"), 26),
        (say("teléfono", "telephone"), 16),
        (say("acción", "action"), 10),
        (say("qué", "what"), 48),
        (say("período", "period"), 10),
        (say("estado", "state"), 24),
        (say("en mora desde", "late since"), 18),
        (say("días", "days"), 8),
        (say("qué se intentó", "what was tried"), 48),
        (say("próxima fecha", "next date"), 14),
        (say("obligación", "obligation"), 44),
        (say("simulado", "simulated"), 10),
    ]
}

impl Row {
    fn of(materials: &Materials, late: &Late<'_>, owed: &Verdict) -> Self {
        let contact = materials.contact(late).cloned().unwrap_or_default();
        let action = materials.actions.get(late.action);
        let due = commands::due(owed);
        Self {
            institution: late.title.to_owned(),
            answers_now: late.successor.map(|successor| successor.name_es.clone()).unwrap_or_default(),
            focal_point: contact.office,
            email: contact.email,
            phone: contact.phone,
            action: action.map(|action| action.code.clone()).unwrap_or_default(),
            text: late.text.to_owned(),
            period: owed.period.clone(),
            state: output::obligation_word(&owed.obligation_state, lang()).to_owned(),
            late_since: due
                .map(|due| materials.zone.to_datetime(due).strftime("%Y-%m-%d %H:%M").to_string())
                .unwrap_or_default(),
            days_late: due.map_or(0, |due| days(due, materials.as_of)),
            tried: tried(materials, &owed.name),
            next_on: next_on(materials, &owed.name),
            obligation: owed.name.clone(),
            simulated: materials.basis.simulated,
        }
    }

    fn cells(&self) -> [String; 15] {
        let days = self.days_late.to_string();
        let simulated = if self.simulated { say("SIMULADO", "SIMULATED") } else { "" }.to_owned();
        [
            &self.institution,
            &self.answers_now,
            &self.focal_point,
            &self.email,
            &self.phone,
            &self.action,
            &self.text,
            &self.period,
            &self.state,
            &self.late_since,
            &days,
            &self.tried,
            &self.next_on,
            &self.obligation,
            &simulated,
        ]
        .map(Clone::clone)
    }
}

/// What was tried about an obligation, the newest first: `2024-08-05 llamada: Enviarán el reporte`.
fn tried(materials: &Materials, obligation: &str) -> String {
    let on_it = materials.follow_ups.iter().flatten().filter(|one| one.obligation == obligation);
    let mut on_it: Vec<_> = on_it.map(|one| (one.happen_time.as_ref().and_then(instant), one)).collect();
    on_it.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let said = on_it.iter().map(|(at, one)| {
        let day = at.map(|at| materials.zone.to_datetime(at).date().to_string());
        format!(
            "{} {}: {}",
            day.unwrap_or_default(),
            voices::follow_ups::kind_word(one.kind()),
            one.outcome
        )
    });
    said.collect::<Vec<_>>().join(" · ")
}

/// The next date that was agreed on last.
fn next_on(materials: &Materials, obligation: &str) -> String {
    let on_it = materials.follow_ups.iter().flatten().filter(|one| one.obligation == obligation);
    on_it.map(|one| one.next_on.clone()).next_back().unwrap_or_default()
}

/// Whole days between two instants.
fn days(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_hours() / 24
}

/// Runs the command.
pub async fn run(args: &Args, json: bool) -> Result<()> {
    if let Some(path) = args.file.as_deref().filter(|path| !is_workbook(path) && !is_csv(path)) {
        let text = say("se escribe .csv o .xlsx", ".csv or .xlsx can be written");
        return Err(Usage::of(format!("{}: {text}", path.display())));
    }
    let principal = args.access.principal().await?;
    let materials = Materials::gather(&principal, &args.plan, args.as_of.as_deref(), None).await?;
    let late = late(&materials);
    let rows: Vec<Row> = late
        .iter()
        .flat_map(|late| late.owed.iter().map(|owed| Row::of(&materials, late, owed)))
        .collect();
    if json {
        return output::json(&rows);
    }
    let Some(path) = &args.file else {
        output::line(csv(&rows)?.trim_end());
        return Ok(());
    };
    let bytes = if is_workbook(path) {
        xlsx(&rows)?
    } else {
        csv(&rows)?.into_bytes()
    };
    write::save(path, &bytes)?;
    output::line(&format!("{}: {} · {}", say("escrito", "written"), path.display(), rows.len()));
    output::simulated(materials.basis.simulated);
    Ok(())
}

fn is_workbook(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xlsx"))
}

fn is_csv(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"))
}

/// UTF-8 with a byte order mark and `;`, as Excel in Spanish opens it. No cell is reckoned as a formula.
fn csv(rows: &[Row]) -> Result<String> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(b';')
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(columns().map(|(title, _)| title))?;
    for row in rows {
        writer.write_record(row.cells().map(|text| csv_text(&text)))?;
    }
    Ok(format!("\u{feff}{}", String::from_utf8(writer.into_inner()?)?))
}

/// A workbook whose heading stays in sight, is printed on each page and can filter.
fn xlsx(rows: &[Row]) -> Result<Vec<u8>> {
    let looks = Looks::new();
    let mut workbook = write::workbook(say("Vigía: a quién llamar", "Vigía: whom to call"));
    let sheet = workbook.add_worksheet();
    sheet.set_name(say("Llamadas", "Calls"))?;
    looks.head(sheet, &columns(), rows.len())?;
    for (place, row) in (1..).zip(rows) {
        for (column, text) in (0..).zip(row.cells()) {
            looks.locked(sheet, place, column, &text)?;
        }
    }
    Ok(workbook.save_to_buffer()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compliance_tests::{Play, STORY};

    /// The sheet gave the report's due day also where the report had come in time and only its answer had not.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_returned_report_is_late_since_its_answer_was_due() {
        let validated = "do: validate, assignment: a1, period: 2026-Q3}";
        let returned = "do: return, assignment: a1, period: 2026-Q3, answer_by: 2026-10-20, observation: Falta el desglose}";
        assert!(STORY.contains(validated));
        let mut play = Play::of(&STORY.replace(validated, returned)).await;
        play.until("2026-10-25 10:00").await;
        let auditor = play.stage.cast.of("auditor").expect("an auditor");
        let materials = Materials::gather(&auditor, "demo", Some("2026-10-25T09:00"), None).await;
        let materials = materials.expect("gathered");
        let late = late(&materials);
        let on_it = late.iter().find(|late| late.institution == "institutions/msp").expect("late");
        assert_eq!(on_it.since, "2026-10-21T00:00-05:00".parse().ok());
        let row = Row::of(&materials, on_it, on_it.owed[0]);
        assert_eq!((row.late_since.as_str(), row.days_late), ("2026-10-21 00:00", 4));
        // Whoever has never reported stays late since the calendar's day.
        let silent = late.iter().find(|late| late.institution == "institutions/mdg").expect("late");
        assert_eq!(silent.since, "2026-04-16T00:00-05:00".parse().ok());
    }

    #[test]
    fn cells_stay_text() -> Result<()> {
        let row = Row {
            institution: "=HYPERLINK(\"http://x\")".into(),
            answers_now: "+1".into(),
            focal_point: "-1".into(),
            email: "@SUM(A1)".into(),
            phone: "a;b\"c\nd".into(),
            action: String::new(),
            text: String::new(),
            period: "2024-S1".into(),
            state: String::new(),
            late_since: String::new(),
            days_late: 3,
            tried: String::new(),
            next_on: String::new(),
            obligation: String::new(),
            simulated: true,
        };
        let text = csv(std::slice::from_ref(&row))?;
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(b';')
            .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let read: Vec<_> = reader.records().collect::<std::result::Result<_, _>>()?;
        let cells: Vec<_> = read[0].iter().take(5).collect();
        assert_eq!(cells, ["'=HYPERLINK(\"http://x\")", "'+1", "'-1", "'@SUM(A1)", "a;b\"c\nd"]);

        use calamine::{Data, Reader, Xlsx, open_workbook_from_rs};
        let mut book: Xlsx<_> = open_workbook_from_rs(std::io::Cursor::new(xlsx(&[row])?))?;
        let sheet = book.worksheet_range_at(0).expect("a sheet")?;
        assert_eq!(sheet.get((1, 0)), Some(&Data::String("=HYPERLINK(\"http://x\")".into())));
        assert!(book.worksheet_formula("Llamadas")?.is_empty(), "no formula");
        Ok(())
    }
}
