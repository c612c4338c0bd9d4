//! The files of institutions and territories (`deploy/data/*.csv`), read with all their faults at once: each names its
//! line and column. No I/O, no rows of ours: what must exist elsewhere is checked by who imports.

use std::collections::HashMap;

use csv::{ReaderBuilder, StringRecord};
use jiff::tz::TimeZone;
use vigia_platform::Faults;
use vigia_proto::{
    assignments::{Institution, Territory},
    types::Provenance,
};

use crate::fields;

/// A file has at most 4 MiB.
pub(crate) const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Columns of the file of institutions; those marked true must be there.
const INSTITUTION_COLUMNS: [(&str, bool); 14] = [
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
    ("note", false),
];

/// Columns of the file of territories.
const TERRITORY_COLUMNS: [(&str, bool); 7] =
    [("code", true), ("name", true), ("time_zone", true), ("is_province", false), ("source", false), ("verified", false), ("note", false)];

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
    faults.add(path(line, column), format!("línea {line}, columna {column}: {es}"), format!("line {line}, column {column}: {en}"));
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
            ..Institution::default()
        };
        row.check(faults, "name_es", |faults, path| fields::name_es(faults, path, &institution.name_es));
        row.check(faults, "acronym", |faults, path| fields::acronym(faults, path, &institution.acronym));
        row.check(faults, "function", |faults, path| fields::branch(faults, path, &institution.branch));
        row.check(faults, "kind", |faults, path| fields::kind(faults, path, &institution.kind));
        one_of(&row, "snipevcm_member", &["", "yes", "no", "unknown"], faults);
        if !row.get("ruc").is_empty() {
            row.fault(faults, "ruc", "aún no se guarda: déjelo vacío", "is not kept yet: leave it empty");
        }
        reference(&row, "successor_id", faults);
        if !row.get("succession_date").is_empty() {
            row.check(faults, "succession_date", |faults, path| drop(faults.date(path, row.get("succession_date"))));
        }
        read.push(Read { line: row.line, value: institution });
    }
    read
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
        read.push(Read { line: row.line, value: territory });
    }
    read
}

/// A line of a file by its columns.
struct Row<'a> {
    line: u64,
    columns: &'a HashMap<String, usize>,
    cells: StringRecord,
}

impl Row<'_> {
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
fn rows<'a>(file: &[u8], columns: &[(&str, bool)], faults: &mut Faults) -> Vec<Row<'a>> {
    let Some((header, records)) = records(file, faults) else { return Vec::new() };
    let mut places = HashMap::new();
    for (i, column) in header.iter().enumerate() {
        let column = column.trim();
        if !columns.iter().any(|(known, _)| *known == column) {
            fault(faults, 1, column, "la columna no se conoce", "the column is not known");
        } else if places.insert(column.to_owned(), i).is_some() {
            fault(faults, 1, column, "la columna está dos veces", "the column is there twice");
        }
    }
    for (column, _) in columns.iter().filter(|(column, needed)| *needed && !places.contains_key(*column)) {
        fault(faults, 1, column, "falta la columna", "the column is missing");
    }
    if !faults.list().is_empty() {
        return Vec::new();
    }
    // One header for all rows of the file, kept as long as they are.
    let places: &'a HashMap<String, usize> = Box::leak(Box::new(places));
    records.into_iter().map(|(line, cells)| Row { line, columns: places, cells }).collect()
}
