//! Reads a file into plain tables, whatever it is: XLSX or CSV. Nothing that a file can do to its reader gets past here:
//! what it unpacks to is measured before anything is parsed, and no cell is looked at beyond the layout's limits.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Cursor, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use calamine::{DataRef, Reader, Xlsx, XlsxError, open_workbook_from_rs};
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::{
    csv_names::{CsvPart, csv_path, is_csv},
    fault::{Fault, told},
    layout::{self, COLUMNS_MAX, FILE_BYTES_MAX, HIDDEN, PARTS_MAX, ROWS_MAX, Sheet, UNPACKED_BYTES_MAX},
};

/// What a cell holds; empty ones are left out.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A number that is shown as a percentage: 0.85 for what reads as 85 %.
    Percent,
    /// A day or a time.
    Date,
    /// Yes or no.
    Bool(bool),
    /// A formula, whatever its result.
    Formula,
    /// An error such as `#REF!`.
    Error,
}

/// A row that holds something; rows and columns count from 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Which row.
    pub row: u32,
    /// Its cells by column.
    pub cells: BTreeMap<u16, Cell>,
}

/// A sheet's content.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Rows in order, the heading among them.
    pub lines: Vec<Line>,
    /// Ranges of cells that were merged, such as `A2:A5`.
    pub merged: Vec<String>,
}

/// A file's content.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    /// The sheets that are there.
    pub sheets: BTreeMap<Sheet, Table>,
    /// The hidden sheet.
    pub hidden: Option<Table>,
    /// SHA-256 of the bytes: the same file has the same one.
    pub digest: [u8; 32],
}

/// Reads a file, or says why it can't be read.
pub fn read(path: &Path) -> Result<Raw, Vec<Fault>> {
    if is_csv(path) { read_csv(path) } else { read_xlsx(path) }.map_err(|fault| vec![fault])
}

fn read_xlsx(path: &Path) -> Result<Raw, Fault> {
    let bytes = bytes(path)?;
    measure(&bytes)?;
    let digest = Sha256::digest(&bytes).into();
    // The library is not ours, and what it reads comes from anywhere: a panic in it is a file that can't be read.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let read = catch_unwind(AssertUnwindSafe(|| tables(Cursor::new(bytes))));
    std::panic::set_hook(hook);
    let (sheets, hidden) = match read {
        Ok(Ok(read)) => read,
        Ok(Err(Stopped::Fault(fault))) => return Err(fault),
        Ok(Err(Stopped::Library(XlsxError::Password))) => return Err(old_or_locked()),
        Ok(Err(Stopped::Library(_))) | Err(_) => return Err(no_workbook()),
    };
    Ok(Raw { sheets, hidden, digest })
}

/// The file's bytes, no more of them than the limit.
fn bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    let unreadable = |cause: std::io::Error| {
        Fault::of_file(
            told(
                format!("no se puede leer «{}»: {cause}", path.display()),
                format!("\"{}\" can't be read: {cause}", path.display()),
            ),
            told("Revise el nombre y la carpeta.".to_owned(), "Check its name and folder.".to_owned()),
        )
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(too_large(FILE_BYTES_MAX));
    }
    Ok(bytes)
}

fn too_large(most: u64) -> Fault {
    let mib = most >> 20;
    Fault::of_file(
        told(
            format!("el archivo ocupa más de {mib} MiB, que es el límite"),
            format!("the file takes more than {mib} MiB, which is the limit"),
        ),
        told(
            "Quite imágenes y hojas ajenas, o haga una plantilla nueva y copie en ella los valores.".to_owned(),
            "Take images and other sheets out, or make a new template and copy the values into it.".to_owned(),
        ),
    )
}

fn no_workbook() -> Fault {
    Fault::of_file(
        told(
            "no es un libro de Excel (.xlsx), o está dañado".to_owned(),
            "it is no Excel workbook (.xlsx), or is damaged".to_owned(),
        ),
        told(
            "Ábralo en Excel o LibreOffice y guárdelo como «Libro de Excel (.xlsx)», o haga una plantilla nueva con «vigia template»."
                .to_owned(),
            "Open it in Excel or LibreOffice and save it as \"Excel workbook (.xlsx)\", or make a new template with \"vigia template\"."
                .to_owned(),
        ),
    )
}

fn old_or_locked() -> Fault {
    Fault::of_file(
        told(
            "es un libro del Excel antiguo (.xls) o tiene contraseña".to_owned(),
            "it is a workbook of an old Excel (.xls), or has a password".to_owned(),
        ),
        told(
            "Guárdelo sin contraseña como «Libro de Excel (.xlsx)».".to_owned(),
            "Save it without a password as \"Excel workbook (.xlsx)\".".to_owned(),
        ),
    )
}

/// Refuses what is no workbook, or would unpack to more than the limit, before anything is parsed. The zip directory's
/// own sizes may lie, so the parts are unpacked here once, one after the other, and counted.
fn measure(bytes: &[u8]) -> Result<(), Fault> {
    if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Err(old_or_locked());
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| no_workbook())?;
    let stated: u64 = (0..archive.len())
        .map(|i| archive.by_index_raw(i).map_or(0, |part| part.size()))
        .fold(0, u64::saturating_add);
    if archive.len() > PARTS_MAX || stated > UNPACKED_BYTES_MAX {
        return Err(too_large(UNPACKED_BYTES_MAX));
    }
    let mut left = UNPACKED_BYTES_MAX;
    let mut content = Vec::new();
    for i in 0..archive.len() {
        content.clear();
        let part = archive.by_index(i).map_err(|_| no_workbook())?;
        part.take(left + 1).read_to_end(&mut content).map_err(|_| no_workbook())?;
        left = left
            .checked_sub(content.len() as u64)
            .ok_or_else(|| too_large(UNPACKED_BYTES_MAX))?;
        // The library makes room for as many texts as the part says that it has.
        if !counts_are_sane(&content) {
            return Err(no_workbook());
        }
    }
    Ok(())
}

/// Whether a part says of itself that it has no more texts than it has bytes. In UTF-16, which no spreadsheet writes, the
/// question could not be asked.
fn counts_are_sane(part: &[u8]) -> bool {
    const COUNT: &[u8] = b"uniqueCount";
    let head = &part[..part.len().min(4)];
    if head.contains(&0) || head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        // Of what is no text only images and the like are that way, and nobody parses them.
        return !part.starts_with(b"<\0") && !part.starts_with(b"\0<") && head.first().is_none_or(|byte| *byte < 0xfe);
    }
    let mut rest = part;
    while let Some(at) = rest.windows(COUNT.len()).position(|window| window == COUNT) {
        rest = &rest[at + COUNT.len()..];
        let digits = rest
            .iter()
            .skip_while(|byte| !byte.is_ascii_digit() && **byte != b'>')
            .take_while(|byte| byte.is_ascii_digit());
        let count = digits.fold(0_usize, |count, digit| {
            count.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
        });
        if count > part.len() {
            return false;
        }
    }
    true
}

/// Why reading stopped.
enum Stopped {
    Fault(Fault),
    Library(XlsxError),
}

impl From<XlsxError> for Stopped {
    fn from(cause: XlsxError) -> Self {
        Self::Library(cause)
    }
}

type Tables = (BTreeMap<Sheet, Table>, Option<Table>);

fn tables(bytes: Cursor<Vec<u8>>) -> Result<Tables, Stopped> {
    let mut book: Xlsx<_> = open_workbook_from_rs(bytes)?;
    let names: Vec<String> = book.sheet_names();
    let mut sheets = BTreeMap::new();
    for sheet in Sheet::ALL {
        if names.iter().any(|name| name == sheet.name()) {
            sheets.insert(sheet, table(&mut book, sheet.name(), ROWS_MAX + 1)?);
        }
    }
    // A line for each obligation, and one for each of the rows of the other sheets.
    let hidden_rows = 4 * ROWS_MAX + 100;
    let hidden = names
        .iter()
        .any(|name| name == HIDDEN)
        .then(|| table(&mut book, HIDDEN, hidden_rows));
    Ok((sheets, hidden.transpose()?))
}

fn table(book: &mut Xlsx<Cursor<Vec<u8>>>, name: &str, rows_max: u32) -> Result<Table, Stopped> {
    let percent = percentages(book, name)?;
    let mut lines: Vec<Line> = Vec::new();
    let mut reader = book.worksheet_cells_reader(name)?;
    while let Some(record) = reader.next_cell_with_formula_metadata()? {
        let (row, column) = record.pos;
        let Some(column) = u16::try_from(column).ok().filter(|column| *column < COLUMNS_MAX) else {
            continue;
        };
        let cell = if record.formula.is_some() {
            Some(Cell::Formula)
        } else {
            cell(record.value, percent.contains(&(row, column)))
        };
        let Some(cell) = cell else { continue };
        if row >= rows_max {
            return Err(Stopped::Fault(too_many_rows(name)));
        }
        // Rows come in their order; a file that was made by hand may have them otherwise.
        match lines.last_mut() {
            Some(line) if line.row == row => {
                line.cells.insert(column, cell);
            }
            _ => lines.push(Line {
                row,
                cells: BTreeMap::from([(column, cell)]),
            }),
        }
    }
    drop(reader);
    lines.sort_by_key(|line| line.row);
    let merged = book.merge_cells_by_sheet_name(name)?;
    let merged = merged.iter().take(PARTS_MAX).map(|range| {
        let corner = |(row, column): (u32, u32)| layout::cell_name(row.min(1 << 20), u16::try_from(column).unwrap_or(u16::MAX));
        format!("{}:{}", corner(range.start), corner(range.end))
    });
    Ok(Table {
        lines,
        merged: merged.collect(),
    })
}

fn too_many_rows(sheet: &str) -> Fault {
    Fault::of_sheet(
        sheet,
        told(
            format!("tiene más de {ROWS_MAX} filas, que es el límite"),
            format!("it has more than {ROWS_MAX} rows, which is the limit"),
        ),
        told(
            "Haga una plantilla por plan y período («vigia template --period»), o use la API desde su sistema.".to_owned(),
            "Make one template for each plan and period (\"vigia template --period\"), or use the API from your own system.".to_owned(),
        ),
    )
}

/// Cells whose format shows them as percentages: what reads as 85 % is kept as 0.85, and only the format tells.
fn percentages(book: &mut Xlsx<Cursor<Vec<u8>>>, name: &str) -> Result<std::collections::BTreeSet<(u32, u16)>, Stopped> {
    let mut reader = book.worksheet_cells_reader(name)?;
    let is_percent: Vec<bool> = reader
        .styles()
        .iter()
        .map(|style| style.number_format.as_ref().is_some_and(|format| format.format_code.contains('%')))
        .collect();
    let mut cells = std::collections::BTreeSet::new();
    if !is_percent.contains(&true) {
        return Ok(cells);
    }
    while let Some((row, column, style)) = reader.next_style_id()? {
        if let (Some(true), Ok(column)) = (is_percent.get(style), u16::try_from(column))
            && column < COLUMNS_MAX
            && row <= ROWS_MAX
        {
            cells.insert((row, column));
        }
    }
    Ok(cells)
}

fn cell(value: DataRef<'_>, percent: bool) -> Option<Cell> {
    Some(match value {
        DataRef::Empty => return None,
        DataRef::String(text) => return filled(text),
        DataRef::SharedString(text) => return filled(text.to_owned()),
        DataRef::Float(_) | DataRef::Int(_) if percent => Cell::Percent,
        DataRef::Float(number) => Cell::Number(number),
        #[expect(clippy::cast_precision_loss, reason = "a spreadsheet knows no other numbers than these")]
        DataRef::Int(number) => Cell::Number(number as f64),
        DataRef::Bool(yes) => Cell::Bool(yes),
        DataRef::DateTime(_) | DataRef::DateTimeIso(_) | DataRef::DurationIso(_) => Cell::Date,
        DataRef::Error(_) => Cell::Error,
    })
}

fn filled(text: String) -> Option<Cell> {
    (!text.trim().is_empty()).then_some(Cell::Text(text))
}

fn read_csv(path: &Path) -> Result<Raw, Fault> {
    let mut raw = Raw::default();
    let mut hash = Sha256::new();
    for part in CsvPart::ALL {
        let path = csv_path(path, part);
        if !path.exists() {
            continue;
        }
        let bytes = bytes(&path)?;
        hash.update(Sha256::digest(&bytes));
        let (name, rows_max) = match part {
            CsvPart::Sheet(sheet) => (sheet.name(), ROWS_MAX + 1),
            CsvPart::Hidden => (HIDDEN, 3 * ROWS_MAX + 100),
        };
        let table = csv_table(name, &bytes, rows_max)?;
        match part {
            CsvPart::Sheet(sheet) => {
                raw.sheets.insert(sheet, table);
            }
            CsvPart::Hidden => raw.hidden = Some(table),
        }
    }
    raw.digest = hash.finalize().into();
    Ok(raw)
}

fn csv_table(name: &str, bytes: &[u8], rows_max: u32) -> Result<Table, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| {
        Fault::of_sheet(
            name,
            told("el CSV no está en UTF-8".to_owned(), "the CSV is not in UTF-8".to_owned()),
            told(
                "Guárdelo como «CSV UTF-8 (delimitado por comas)».".to_owned(),
                "Save it as \"CSV UTF-8 (comma delimited)\".".to_owned(),
            ),
        )
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Excel takes `;` where the comma is the decimal mark. The first line is ours: it has no mark but the divider.
    let heading = text.lines().next().unwrap_or_default();
    let delimiter = if heading.contains(';') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut table = Table::default();
    for (row, record) in (0_u32..).zip(reader.records()) {
        let record = record.map_err(|_| no_workbook())?;
        let cells: BTreeMap<u16, Cell> = (0..COLUMNS_MAX)
            .zip(record.iter())
            .filter_map(|(column, text)| Some((column, csv_cell(text)?)))
            .collect();
        if cells.is_empty() {
            continue;
        }
        if row >= rows_max {
            return Err(too_many_rows(name));
        }
        table.lines.push(Line { row, cells });
    }
    Ok(table)
}

/// In a CSV all is text. The apostrophe that keeps a text from being reckoned is taken away again; a text that would be
/// reckoned counts as the formula that it is, save a number with its sign.
fn csv_cell(text: &str) -> Option<Cell> {
    if let Some(rest) = text.strip_prefix('\'').filter(|rest| super::write::looks_like_a_formula(rest)) {
        return filled(rest.to_owned());
    }
    if text.starts_with(['=', '@']) {
        return Some(Cell::Formula);
    }
    filled(text.to_owned())
}
