//! The files of institutions and territories (`deploy/data/*.csv`), read with all their faults at once: each names its
//! line and column. No I/O, no rows of ours: what must exist elsewhere is checked by who imports.

use std::{collections::HashMap, rc::Rc};

use csv::{ReaderBuilder, StringRecord};
use jiff::tz::TimeZone;
use vigia_platform::Faults;
use vigia_proto::{
    assignments::{Assignment, AssignmentRole, ContactPoint, Institution, Territory},
    types::Provenance,
};

use crate::fields;

/// A file has at most 4 MiB.
pub(crate) const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Columns of the file of institutions; those marked true must be there.
const INSTITUTION_COLUMNS: [(&str, bool); 15] = [
    ("id", true),
    ("name_es", true),
    ("acronym", false),
    ("function", true),
    ("kind", false),
    ("ruc", false),
    ("parent_id", false),
    ("snipevcm_member", false),
    ("successor_id", false),
    ("succession_date", false),
    ("source", false),
    ("verified", false),
    ("snipevcm_seat", false),
    ("focal_points", false),
    ("note", false),
];

/// Columns of the file of territories.
const TERRITORY_COLUMNS: [(&str, bool); 7] = [
    ("code", true),
    ("name", true),
    ("time_zone", true),
    ("is_province", false),
    ("source", false),
    ("verified", false),
    ("note", false),
];

/// Columns of the file of assignments.
const ASSIGNMENT_COLUMNS: [(&str, bool); 9] = [
    ("id", false),
    ("action", true),
    ("institution", true),
    ("role", true),
    ("territory", false),
    ("from", true),
    ("last_day", false),
    ("indicative", false),
    ("instrument", false),
];

/// Something read from a file, with the line it begins on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Read<T> {
    pub(crate) line: u64,
    pub(crate) value: T,
}

/// Where a fault of a file stands: `file.lines[12].name_es`.
pub(crate) fn path(line: u64, column: &str) -> String {
    format!("file.lines[{line}].{column}")
}

/// Notes a fault of a line, and says line and column in words too: some readers show no path.
pub(crate) fn fault(faults: &mut Faults, line: u64, column: &str, es: &str, en: &str) {
    faults.add(
        path(line, column),
        format!("línea {line}, columna {column}: {es}"),
        format!("line {line}, column {column}: {en}"),
    );
}

/// The institutions of a file. `successor_id` and `succession_date` are checked and not kept: who took over from whom
/// is recorded by a succession, on its day, with its duties. `ruc` and `snipevcm_member` are not kept either.
pub(crate) fn institutions(file: &[u8], faults: &mut Faults) -> Vec<Read<Institution>> {
    let mut read = Vec::new();
    let mut line_of = HashMap::new();
    for row in rows(file, &INSTITUTION_COLUMNS, faults) {
        let id = row.get("id");
        row.check(faults, "id", |faults, path| faults.id(path, id));
        once(&mut line_of, &row, "id", faults);
        let institution = Institution {
            name: format!("institutions/{id}"),
            name_es: row.get("name_es").to_owned(),
            acronym: row.get("acronym").to_owned(),
            branch: row.get("function").to_owned(),
            kind: row.get("kind").to_owned(),
            parent: reference(&row, "parent_id", faults),
            seats: seats(&row, faults),
            provenance: provenance(&row, faults),
            focal_points: focal_points(row.get("focal_points")),
            ..Institution::default()
        };
        row.check(faults, "focal_points", |faults, path| {
            fields::focal_points(faults, path, &institution.focal_points);
        });
        row.check(faults, "name_es", |faults, path| {
            fields::name_es(faults, path, &institution.name_es);
        });
        row.check(faults, "acronym", |faults, path| {
            fields::acronym(faults, path, &institution.acronym);
        });
        row.check(faults, "function", |faults, path| fields::branch(faults, path, &institution.branch));
        row.check(faults, "kind", |faults, path| fields::kind(faults, path, &institution.kind));
        one_of(&row, "snipevcm_member", &["", "yes", "no", "unknown"], faults);
        if !row.get("ruc").is_empty() {
            row.fault(faults, "ruc", "aún no se guarda: déjelo vacío", "is not kept yet: leave it empty");
        }
        reference(&row, "successor_id", faults);
        if !row.get("succession_date").is_empty() {
            row.check(faults, "succession_date", |faults, path| {
                faults.date(path, row.get("succession_date"));
            });
        }
        read.push(Read {
            line: row.line,
            value: institution,
        });
    }
    read
}

/// Offices with their addresses, as `Planificación <planificacion@salud.ejemplo>; Estadística`.
fn focal_points(cell: &str) -> Vec<ContactPoint> {
    let points = cell.split(';').map(str::trim).filter(|point| !point.is_empty());
    let point = |point: &str| {
        let (office, rest) = point.split_once('<').unwrap_or((point, ""));
        ContactPoint {
            office: office.trim().to_owned(),
            email: rest.strip_suffix('>').unwrap_or(rest).trim().to_owned(),
            phone: String::new(),
        }
    };
    points.map(point).collect()
}

/// The territories of a file.
pub(crate) fn territories(file: &[u8], faults: &mut Faults) -> Vec<Read<Territory>> {
    let mut read = Vec::new();
    let mut line_of = HashMap::new();
    for row in rows(file, &TERRITORY_COLUMNS, faults) {
        let (code, time_zone) = (row.get("code"), row.get("time_zone"));
        row.check(faults, "code", |faults, path| fields::territory_code(faults, path, code));
        once(&mut line_of, &row, "code", faults);
        row.check(faults, "name", |faults, path| faults.text(path, row.get("name"), 1..=200));
        if TimeZone::get(time_zone).is_err() {
            row.fault(faults, "time_zone", "no es una zona horaria IANA", "is not an IANA time zone");
        }
        one_of(&row, "is_province", &["", "yes", "no"], faults);
        let territory = Territory {
            name: format!("territories/{code}"),
            display_name: row.get("name").to_owned(),
            time_zone: time_zone.to_owned(),
            provenance: provenance(&row, faults),
        };
        read.push(Read {
            line: row.line,
            value: territory,
        });
    }
    read
}

/// The assignments of a file: `name` is the id asked for, or empty; `action` is an id or a code, as the file has it.
pub(crate) fn assignments(file: &[u8], faults: &mut Faults) -> Vec<Read<Assignment>> {
    let mut read = Vec::new();
    let mut line_of = HashMap::new();
    for row in rows(file, &ASSIGNMENT_COLUMNS, faults) {
        if !row.get("id").is_empty() {
            row.check(faults, "id", |faults, path| faults.id(path, row.get("id")));
            once(&mut line_of, &row, "id", faults);
        }
        let role = AssignmentRole::from_str_name(&format!("ASSIGNMENT_ROLE_{}", row.get("role").to_uppercase()));
        let role = role.unwrap_or(AssignmentRole::Unspecified);
        if role == AssignmentRole::Unspecified {
            one_of(&row, "role", &["lead", "co_responsible", "supporting", "counterpart"], faults);
        }
        if row.get("institution").is_empty() {
            row.fault(faults, "institution", "falta la institución", "the institution is missing");
        }
        if !row.get("territory").is_empty() {
            row.check(faults, "territory", |faults, path| {
                fields::territory_code(faults, path, row.get("territory"));
            });
        }
        let mut days = Faults::new();
        fields::days(&mut days, "", row.get("from"), row.get("last_day"));
        for found in days.list() {
            fault(faults, row.line, found.path.trim_start_matches('.'), &found.es, &found.en);
        }
        one_of(&row, "indicative", &["", "yes", "no"], faults);
        row.check(faults, "instrument", |faults, path| {
            fields::instrument(faults, path, row.get("instrument"));
        });
        read.push(Read {
            line: row.line,
            value: Assignment {
                name: row.get("id").to_owned(),
                action: row.get("action").to_owned(),
                institution: reference(&row, "institution", faults),
                role: role.into(),
                territory: row.get("territory").to_owned(),
                from: row.get("from").to_owned(),
                last_day: row.get("last_day").to_owned(),
                indicative: row.get("indicative") == "yes",
                instrument: row.get("instrument").to_owned(),
                ..Assignment::default()
            },
        });
    }
    read
}

/// A line of a file by its columns.
struct Row {
    line: u64,
    columns: Rc<HashMap<String, usize>>,
    cells: StringRecord,
}

impl Row {
    /// The cell of a column; empty where the file has no such column.
    fn get(&self, column: &str) -> &str {
        self.columns.get(column).and_then(|i| self.cells.get(*i)).unwrap_or("").trim()
    }

    fn fault(&self, faults: &mut Faults, column: &str, es: &str, en: &str) {
        fault(faults, self.line, column, es, en);
    }

    /// Runs a check of the contract's own fields, and gives its faults line and column.
    fn check(&self, faults: &mut Faults, column: &str, check: impl FnOnce(&mut Faults, &str)) {
        let mut found = Faults::new();
        check(&mut found, column);
        for found in found.list() {
            fault(faults, self.line, column, &found.es, &found.en);
        }
    }
}

/// The rows of a file that has the columns asked for, and no other; none where its shape is wrong.
fn rows(file: &[u8], columns: &[(&str, bool)], faults: &mut Faults) -> Vec<Row> {
    let Some((header, records)) = records(file, faults) else {
        return Vec::new();
    };
    let mut places = HashMap::new();
    // A row of the wrong length hides nothing of the others; a wrong header does.
    let mut shape = Faults::new();
    for (i, column) in header.iter().enumerate() {
        let column = column.trim();
        if !columns.iter().any(|(known, _)| *known == column) {
            fault(&mut shape, 1, column, "la columna no se conoce", "the column is not known");
        } else if places.insert(column.to_owned(), i).is_some() {
            fault(&mut shape, 1, column, "la columna está dos veces", "the column is there twice");
        }
    }
    for (column, _) in columns.iter().filter(|(column, needed)| *needed && !places.contains_key(*column)) {
        fault(&mut shape, 1, column, "falta la columna", "the column is missing");
    }
    if !shape.list().is_empty() {
        for found in shape.list() {
            faults.add(&found.path, &found.es, &found.en);
        }
        return Vec::new();
    }
    let columns = Rc::new(places);
    records
        .into_iter()
        .map(|(line, cells)| Row {
            line,
            columns: Rc::clone(&columns),
            cells,
        })
        .collect()
}

/// A file's header, and its rows with the lines they begin on.
type Records = (StringRecord, Vec<(u64, StringRecord)>);

fn records(file: &[u8], faults: &mut Faults) -> Option<Records> {
    if file.len() > FILE_BYTES_MAX {
        faults.add("file", "tiene más de 4 MiB", "has more than 4 MiB");
        return None;
    }
    // Spreadsheets put a byte order mark in front.
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    if let Err(cause) = std::str::from_utf8(file) {
        let before = &file[..cause.valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        faults.add(
            format!("file.lines[{line}]"),
            format!("línea {line}: no es UTF-8"),
            format!("line {line}: is not UTF-8"),
        );
        return None;
    }
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(file);
    let header = reader.headers().ok().cloned().unwrap_or_default();
    let mut records = Vec::new();
    for record in reader.records() {
        // What is UTF-8 and may have rows of any length is read without an error.
        let Ok(record) = record else { continue };
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            let (found, wanted) = (record.len(), header.len());
            faults.add(
                format!("file.lines[{line}]"),
                format!("línea {line}: tiene {found} columnas y no {wanted}"),
                format!("line {line}: has {found} columns and not {wanted}"),
            );
        }
        records.push((line, record));
    }
    if header.is_empty() || records.is_empty() {
        faults.add(
            "file",
            "debe tener un encabezado y al menos una fila",
            "must have a header and at least one row",
        );
        return None;
    }
    Some((header, records))
}

fn once(line_of: &mut HashMap<String, u64>, row: &Row, column: &str, faults: &mut Faults) {
    if let Some(first) = line_of.insert(row.get(column).to_owned(), row.line) {
        row.fault(
            faults,
            column,
            &format!("ya está en la línea {first}"),
            &format!("is in line {first} already"),
        );
    }
}

fn one_of(row: &Row, column: &str, allowed: &[&str], faults: &mut Faults) {
    if !allowed.contains(&row.get(column)) {
        let known = allowed
            .iter()
            .filter(|value| !value.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        row.fault(
            faults,
            column,
            &format!("debe ser uno de: {known}"),
            &format!("must be one of: {known}"),
        );
    }
}

/// An institution named by its id, as resource name; empty where the cell is.
fn reference(row: &Row, column: &str, faults: &mut Faults) -> String {
    let id = row.get(column);
    if id.is_empty() {
        return String::new();
    }
    row.check(faults, column, |faults, path| faults.id(path, id));
    format!("institutions/{id}")
}

/// Seats divided by `;`.
fn seats(row: &Row, faults: &mut Faults) -> Vec<i32> {
    let cell = row.get("snipevcm_seat");
    let mut seats = Vec::new();
    for seat in cell.split(';').map(str::trim).filter(|_| !cell.is_empty()) {
        match seat.parse() {
            Ok(seat) => seats.push(seat),
            Err(_) => row.fault(
                faults,
                "snipevcm_seat",
                "deben ser números divididos por «;»",
                "must be numbers divided by \";\"",
            ),
        }
    }
    row.check(faults, "snipevcm_seat", |faults, path| fields::seats(faults, path, &seats));
    seats
}

fn provenance(row: &Row, faults: &mut Faults) -> Option<Provenance> {
    one_of(row, "verified", &["", "yes", "no"], faults);
    let provenance = Provenance {
        source: row.get("source").to_owned(),
        verified: row.get("verified") == "yes",
        illustrative: false,
        note: row.get("note").to_owned(),
    };
    row.check(faults, "source", |faults, path| {
        faults.text(path, &provenance.source, 0..=fields::SOURCE_CHARS_MAX);
    });
    row.check(faults, "note", |faults, path| {
        faults.text(path, &provenance.note, 0..=fields::NOTE_CHARS_MAX);
    });
    (provenance != Provenance::default()).then_some(provenance)
}

#[cfg(test)]
mod tests;
