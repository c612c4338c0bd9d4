//! What somebody has filled in: reports, each with the cells that it came from; or all that is wrong with the file.
//! A pure function of the file's content.

use std::collections::{BTreeMap, BTreeSet};

use vigia_proto::{
    reporting::{Breakdown, IndicatorValue, Ratio, Report, Spending, indicator_value::Value},
    types::Decimal,
};

use super::{
    book::{Origin, keys, obligation_name},
    breakdown,
    cell::{decimal, not_a_text},
    fault::{FAULTS_MAX, Fault, shown, told, turns_writing},
    layout::{
        self, ACCRUED, ASSIGNMENT, BREAKDOWN, BREAKDOWN_MAX, CODE, DENOMINATOR, DONE, LETTER_NUMBER, LETTER_NUMBER_MAX, NARRATIVE,
        NARRATIVE_MAX, NIL_REASON, NIL_REASON_MAX, NOTE, NOTE_MAX, PERIOD, Sheet, VALUE,
    },
    read::{Cell, Line, Raw, Table},
};

/// A file that was filled in.
#[derive(Clone, Debug, Default)]
pub struct Filled {
    /// Where it comes from.
    pub origin: Origin,
    /// What it reports, in the order of the template.
    pub reports: Vec<Stated>,
    /// Obligations whose rows were left empty: nothing is sent for them.
    pub untouched: Vec<String>,
}

/// A report, and where in the file it stands.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    /// The obligation, as resource name.
    pub obligation: String,
    /// Newest version when the template was made.
    pub version: i32,
    /// The content.
    pub report: Report,
    /// Its row in the sheet of reports; none where that row was taken out.
    row: Option<u32>,
    /// Rows of its values, in their order.
    value_rows: Vec<u32>,
    /// Rows of its milestones, in their order.
    milestone_rows: Vec<u32>,
    /// Rows of its spending, in their order.
    spending_rows: Vec<u32>,
}

impl Stated {
    /// A fault of the report as the server tells it, with the cell that the field's path leads to.
    pub fn fault(&self, path: &str, fault: String, remedy: String) -> Fault {
        let index = |rows: &[u32]| {
            let (_, rest) = path.split_once('[')?;
            rows.get(rest.split_once(']')?.0.parse::<usize>().ok()?).copied()
        };
        let place = match path {
            "report.narrative" => self.row.map(|row| (Sheet::Reports, row, NARRATIVE)),
            "report.nil_reason" => self.row.map(|row| (Sheet::Reports, row, NIL_REASON)),
            "report.letter_number" => self.row.map(|row| (Sheet::Reports, row, LETTER_NUMBER)),
            _ if path.starts_with("report.values[") => {
                let column = if path.contains(".breakdowns[") {
                    BREAKDOWN
                } else if path.contains(".ratio.den") {
                    DENOMINATOR
                } else {
                    VALUE
                };
                index(&self.value_rows).map(|row| (Sheet::Indicators, row, column))
            }
            _ if path.starts_with("report.spending[") => {
                let column = if path.contains(".note") { NOTE } else { ACCRUED };
                index(&self.spending_rows).map(|row| (Sheet::Spending, row, column))
            }
            _ if path.starts_with("report.milestones[") => index(&self.milestone_rows).map(|row| (Sheet::Milestones, row, DONE)),
            _ => self.row.map(|row| (Sheet::Reports, row, ASSIGNMENT)),
        };
        match place {
            Some((sheet, row, column)) => Fault::of_cell(sheet, row, column, fault, remedy),
            None => Fault::of_sheet(Sheet::Reports.name(), format!("{}: {fault}", self.obligation), remedy),
        }
    }

    /// How many values and milestones it has.
    pub fn counts(&self) -> (usize, usize) {
        (self.report.values.len(), self.report.milestones.len())
    }

    fn is_empty(&self) -> bool {
        self.report == Report::default()
    }
}

/// Reads what was filled in.
pub fn filled(raw: &Raw) -> Result<Filled, Vec<Fault>> {
    let origin = origin(raw).map_err(|fault| vec![fault])?;
    let mut form = Form {
        reports: BTreeMap::new(),
        order: BTreeMap::new(),
        origin: &origin,
        faults: Vec::new(),
    };
    for (i, known) in origin.obligations.iter().enumerate() {
        form.order.insert(known.name.clone(), i);
        form.reports.insert(
            i,
            Stated {
                obligation: known.name.clone(),
                version: known.version,
                ..Stated::default()
            },
        );
    }
    for sheet in Sheet::ALL {
        match raw.sheets.get(&sheet) {
            Some(table) if form.shape(sheet, table) => form.rows(sheet, table),
            Some(_) => {}
            None => form.faults.push(missing_sheet(sheet.name())),
        }
    }
    form.nil_stands_alone();
    let (reports, mut faults) = (form.reports, form.faults);
    if !faults.is_empty() {
        faults.truncate(FAULTS_MAX);
        return Err(faults);
    }
    let (untouched, reports): (Vec<_>, Vec<_>) = reports.into_values().partition(Stated::is_empty);
    Ok(Filled {
        origin,
        reports,
        untouched: untouched.into_iter().map(|stated| stated.obligation).collect(),
    })
}

fn new_template() -> String {
    told(
        "Haga una plantilla nueva con «vigia template» y copie en ella los valores.".to_owned(),
        "Make a new template with \"vigia template\" and copy the values into it.".to_owned(),
    )
}

fn missing_sheet(name: &str) -> Fault {
    Fault::of_sheet(
        name,
        told("falta la hoja".to_owned(), "the sheet is missing".to_owned()),
        new_template(),
    )
}

/// Where the file comes from, as its hidden sheet says.
fn origin(raw: &Raw) -> Result<Origin, Fault> {
    let no_template = || {
        Fault::of_file(
            told(
                "no es una plantilla de Vigía: le falta la hoja oculta con las obligaciones".to_owned(),
                "it is no template of Vigía: the hidden sheet with the obligations is missing".to_owned(),
            ),
            new_template(),
        )
    };
    let table = raw.hidden.as_ref().ok_or_else(no_template)?;
    let lines = table.lines.iter().map(|line| {
        [0, 1, 2].map(|column| match line.cells.get(&column) {
            Some(Cell::Text(text)) => text.clone(),
            Some(Cell::Number(number)) => number.to_string(),
            _ => String::new(),
        })
    });
    let lines: Vec<[String; 3]> = lines.collect();
    let texts = lines.iter().map(|[a, b, c]| [a.as_str(), b.as_str(), c.as_str()]);
    let (format, origin) = Origin::of_lines(texts).ok_or_else(no_template)?;
    if format != layout::FORMAT {
        return Err(Fault::of_file(
            told(
                format!(
                    "la plantilla es de la versión {}; este programa usa la {}",
                    shown(&format),
                    layout::FORMAT
                ),
                format!(
                    "the template is of version {}; this program uses {}",
                    shown(&format),
                    layout::FORMAT
                ),
            ),
            new_template(),
        ));
    }
    let is_whole = origin.obligations.iter().all(|known| keys(&known.name).is_some());
    if is_whole { Ok(origin) } else { Err(no_template()) }
}

struct Form<'a> {
    reports: BTreeMap<usize, Stated>,
    order: BTreeMap<String, usize>,
    origin: &'a Origin,
    faults: Vec<Fault>,
}

impl Form<'_> {
    /// Whether a sheet still has the columns that it was made with; nothing else is looked at otherwise.
    fn shape(&mut self, sheet: Sheet, table: &Table) -> bool {
        let before = self.faults.len();
        for range in &table.merged {
            self.faults.push(Fault {
                cell: range.clone(),
                ..Fault::of_sheet(
                    sheet.name(),
                    told("hay celdas combinadas".to_owned(), "cells are merged".to_owned()),
                    told(
                        "Sepárelas: Inicio, Combinar y centrar, Separar celdas; y escriba el dato en cada fila.".to_owned(),
                        "Unmerge them and write the value into each row.".to_owned(),
                    ),
                )
            });
        }
        let heading = table.lines.first().filter(|line| line.row == 0);
        for (column, expect) in (0..).zip(sheet.columns()) {
            let found = match heading.and_then(|line| line.cells.get(&column)) {
                Some(Cell::Text(text)) => text.trim(),
                _ => "",
            };
            if found != expect.title {
                self.faults.push(Fault::of_cell(
                    sheet,
                    0,
                    column,
                    told(
                        format!("la columna se llama «{}» y debe llamarse «{}»", shown(found), expect.title),
                        format!("the column is called \"{}\" and must be called \"{}\"", shown(found), expect.title),
                    ),
                    told(
                        "Devuélvale su nombre y su lugar; no agregue, quite ni mueva columnas.".to_owned(),
                        "Give it its name and place back; don't add, remove or move columns.".to_owned(),
                    ),
                ));
            }
        }
        self.faults.len() == before
    }

    fn rows(&mut self, sheet: Sheet, table: &Table) {
        let mut seen = BTreeMap::new();
        for line in table.lines.iter().filter(|line| line.row > 0) {
            if self.faults.len() >= FAULTS_MAX {
                return;
            }
            let Some(at) = self.obligation(sheet, line) else { continue };
            let code = match line.cells.get(&CODE) {
                Some(Cell::Text(code)) if sheet != Sheet::Reports => code.trim().to_owned(),
                _ => String::new(),
            };
            if let Some(first) = seen.insert((at, code.clone()), line.row) {
                self.faults.push(Fault::of_cell(
                    sheet,
                    line.row,
                    ASSIGNMENT,
                    told(
                        format!("la fila repite la fila {}", first + 1),
                        format!("the row repeats row {}", first + 1),
                    ),
                    told("Deje una sola de las dos.".to_owned(), "Keep only one of the two.".to_owned()),
                ));
                continue;
            }
            let known = sheet == Sheet::Reports || self.knows(sheet, at, &code);
            if !known {
                self.faults.push(Fault::of_cell(
                    sheet,
                    line.row,
                    CODE,
                    told(
                        format!("«{}» no es de esta obligación", shown(&code)),
                        format!("\"{}\" does not belong to this obligation", shown(&code)),
                    ),
                    new_template(),
                ));
                continue;
            }
            match sheet {
                Sheet::Reports => self.report(at, line),
                Sheet::Indicators => self.value(at, line, code),
                Sheet::Milestones => self.milestone(at, line, code),
                Sheet::Spending => self.spending(at, line, code),
            }
        }
    }

    fn knows(&self, sheet: Sheet, at: usize, code: &str) -> bool {
        let obligation = &self.origin.obligations[at].name;
        self.origin.parts.contains(&(sheet, obligation.clone(), code.to_owned()))
    }

    /// Which obligation a row is about.
    fn obligation(&mut self, sheet: Sheet, line: &Line) -> Option<usize> {
        let key = |column| match line.cells.get(&column) {
            Some(Cell::Text(text)) => text.trim().to_owned(),
            Some(Cell::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let (assignment, period) = (key(ASSIGNMENT), key(PERIOD));
        let name = obligation_name(&self.origin.plan, &assignment, &period);
        let at = self.order.get(&name).copied();
        if at.is_none() {
            let fault = if assignment.is_empty() || period.is_empty() {
                told(
                    "la fila no dice de qué asignación y período es".to_owned(),
                    "the row does not say of which assignment and period it is".to_owned(),
                )
            } else if self
                .origin
                .obligations
                .iter()
                .any(|known| keys(&known.name).is_some_and(|(id, _)| id == assignment))
            {
                told(
                    format!("el período «{}» no es de esta plantilla", shown(&period)),
                    format!("the period \"{}\" is not of this template", shown(&period)),
                )
            } else {
                told(
                    format!("la asignación «{}» no es de esta plantilla", shown(&assignment)),
                    format!("the assignment \"{}\" is not of this template", shown(&assignment)),
                )
            };
            let remedy = told(
                "Quite la fila, o haga una plantilla nueva con «vigia template»: las columnas de clave no se cambian.".to_owned(),
                "Take the row out, or make a new template with \"vigia template\": key columns are not to be changed.".to_owned(),
            );
            self.faults.push(Fault::of_cell(sheet, line.row, ASSIGNMENT, fault, remedy));
        }
        at
    }

    fn stated(&mut self, at: usize) -> &mut Stated {
        self.reports.entry(at).or_default()
    }

    fn report(&mut self, at: usize, line: &Line) {
        let narrative = self.text(Sheet::Reports, line, NARRATIVE, NARRATIVE_MAX);
        let nil_reason = self.text(Sheet::Reports, line, NIL_REASON, NIL_REASON_MAX);
        let letter_number = self.text(Sheet::Reports, line, LETTER_NUMBER, LETTER_NUMBER_MAX);
        let stated = self.stated(at);
        stated.row = Some(line.row);
        stated.report.narrative = narrative;
        stated.report.nil_reason = nil_reason;
        stated.report.letter_number = letter_number;
    }

    /// A text that somebody has written; empty where there is none, or a fault.
    fn text(&mut self, sheet: Sheet, line: &Line, column: u16, most: u32) -> String {
        let row = line.row;
        let text = match line.cells.get(&column) {
            None => return String::new(),
            Some(Cell::Text(text)) => text.trim().replace("\r\n", "\n").replace("_x000D_", ""),
            Some(Cell::Number(number)) => number.to_string(),
            Some(other) => {
                self.faults.push(not_a_text(sheet, row, column, other));
                return String::new();
            }
        };
        let length = text.chars().count();
        if u32::try_from(length).unwrap_or(u32::MAX) > most {
            self.faults.push(Fault::of_cell(
                sheet,
                row,
                column,
                told(
                    format!("el texto tiene {length} caracteres y admite {most}"),
                    format!("the text has {length} characters and takes {most}"),
                ),
                told("Acórtelo.".to_owned(), "Shorten it.".to_owned()),
            ));
        }
        if text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\t') || turns_writing(c))
        {
            self.faults.push(Fault::of_cell(
                sheet,
                row,
                column,
                told(
                    format!("«{}» tiene caracteres invisibles", shown(&text)),
                    format!("\"{}\" has characters that can't be seen", shown(&text)),
                ),
                told(
                    "Bórrelo y escríbalo de nuevo, o péguelo como texto sin formato.".to_owned(),
                    "Delete it and type it again, or paste it as plain text.".to_owned(),
                ),
            ));
        }
        text
    }

    fn value(&mut self, at: usize, line: &Line, code: String) {
        let given = line.cells.get(&VALUE);
        let total = line.cells.get(&DENOMINATOR);
        let breakdowns = self.breakdowns(line);
        let mut number = |cell: Option<&Cell>, column| match cell.map(decimal) {
            None => None,
            Some(Ok(number)) => Some(number),
            Some(Err((fault, remedy))) => {
                self.faults.push(Fault::of_cell(Sheet::Indicators, line.row, column, fault, remedy));
                None
            }
        };
        let (num, den) = (number(given, VALUE), number(total, DENOMINATOR));
        let wrong = match (given, &den) {
            (None, None) if !breakdowns.is_empty() => Some((
                VALUE,
                told(
                    "hay una desagregación pero falta el valor".to_owned(),
                    "there is a breakdown but no value".to_owned(),
                ),
                told(
                    "Escriba el valor, o borre la desagregación.".to_owned(),
                    "Write the value, or delete the breakdown.".to_owned(),
                ),
            )),
            (None, Some(_)) => Some((
                VALUE,
                told(
                    "hay un total pero falta el valor".to_owned(),
                    "there is a total but no value".to_owned(),
                ),
                told(
                    "Escriba el valor, o borre el total.".to_owned(),
                    "Write the value, or delete the total.".to_owned(),
                ),
            )),
            (_, Some(den)) if den == "0" || den.starts_with('-') => Some((
                DENOMINATOR,
                told(
                    format!("el total es {den} y debe ser mayor que 0"),
                    format!("the total is {den} and must be above 0"),
                ),
                told(
                    "Corríjalo o, si no hubo casos, deje vacíos el valor y el total.".to_owned(),
                    "Correct it or, if there were no cases, leave value and total empty.".to_owned(),
                ),
            )),
            _ => None,
        };
        if let Some((column, fault, remedy)) = wrong {
            self.faults.push(Fault::of_cell(Sheet::Indicators, line.row, column, fault, remedy));
            return;
        }
        let Some(num) = num.map(|value| Decimal { value }) else { return };
        let value = match den {
            Some(value) => Value::Ratio(Ratio {
                num: Some(num),
                den: Some(Decimal { value }),
            }),
            None => Value::Number(num),
        };
        let stated = self.stated(at);
        stated.value_rows.push(line.row);
        stated.report.values.push(IndicatorValue {
            indicator: code,
            value: Some(value),
            breakdowns,
        });
    }

    /// A value by dimensions; nothing where none is written, or a fault.
    fn breakdowns(&mut self, line: &Line) -> Vec<Breakdown> {
        let text = self.text(Sheet::Indicators, line, BREAKDOWN, BREAKDOWN_MAX);
        match breakdown::read(&text) {
            Ok(breakdowns) => breakdowns,
            Err((fault, remedy)) => {
                self.faults
                    .push(Fault::of_cell(Sheet::Indicators, line.row, BREAKDOWN, fault, remedy));
                Vec::new()
            }
        }
    }

    fn spending(&mut self, at: usize, line: &Line, classifier: String) {
        let note = self.text(Sheet::Spending, line, NOTE, NOTE_MAX);
        let mut fault = |column, (fault, remedy)| self.faults.push(Fault::of_cell(Sheet::Spending, line.row, column, fault, remedy));
        let accrued = match line.cells.get(&ACCRUED).map(decimal) {
            Some(Ok(accrued)) => accrued,
            Some(Err(wrong)) => return fault(ACCRUED, wrong),
            None if note.is_empty() => return,
            None => {
                let wrong = told(
                    "hay una nota pero falta lo devengado".to_owned(),
                    "there is a note but nothing spent".to_owned(),
                );
                let remedy = told(
                    "Escriba lo devengado, o borre la nota.".to_owned(),
                    "Write what was spent, or delete the note.".to_owned(),
                );
                return fault(ACCRUED, (wrong, remedy));
            }
        };
        let stated = self.stated(at);
        stated.spending_rows.push(line.row);
        stated.report.spending.push(Spending {
            classifier,
            accrued: Some(Decimal { value: accrued }),
            note,
        });
    }

    fn milestone(&mut self, at: usize, line: &Line, code: String) {
        let answer = match line.cells.get(&DONE) {
            None | Some(Cell::Bool(false)) => return,
            Some(Cell::Bool(true)) => layout::YES.to_owned(),
            Some(Cell::Text(text)) => text.trim().to_lowercase(),
            Some(_) => String::new(),
        };
        match answer.as_str() {
            "sí" | "si" => {
                let stated = self.stated(at);
                stated.milestone_rows.push(line.row);
                stated.report.milestones.push(code);
            }
            "no" => {}
            _ => self.faults.push(Fault::of_cell(
                Sheet::Milestones,
                line.row,
                DONE,
                told(
                    format!("«{}» no es ni sí ni no", shown(&answer)),
                    format!("\"{}\" is neither sí nor no", shown(&answer)),
                ),
                told(
                    "Elija «sí» de la lista, o deje la celda vacía.".to_owned(),
                    "Choose \"sí\" from the list, or leave the cell empty.".to_owned(),
                ),
            )),
        }
    }

    /// Nothing to report and something reported do not go together.
    fn nil_stands_alone(&mut self) {
        let both = self.reports.values().filter(|stated| {
            let (values, milestones) = stated.counts();
            !stated.report.nil_reason.is_empty() && values + milestones > 0
        });
        let faults: Vec<Fault> = both
            .map(|stated| {
                stated.fault(
                    "report.nil_reason",
                    told(
                        "dice «sin novedad» y a la vez hay valores o hitos".to_owned(),
                        "it says that there is nothing to report, and there are values or milestones".to_owned(),
                    ),
                    told(
                        "Borre el motivo, o los valores e hitos de esa obligación.".to_owned(),
                        "Delete the reason, or that obligation's values and milestones.".to_owned(),
                    ),
                )
            })
            .collect();
        self.faults.extend(faults);
    }
}

/// The obligations that a file is about.
pub fn periods(origin: &Origin) -> BTreeSet<String> {
    let periods = origin.obligations.iter().filter_map(|known| keys(&known.name));
    periods.map(|(_, period)| period.to_owned()).collect()
}
