//! Writes a book as XLSX or as CSV files. Whatever a text begins with, it stays text.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rust_xlsxwriter::{
    Color, DataValidation, DataValidationRule, DocProperties, Format, FormatAlign, FormatBorder, Note, ProtectionOptions, Workbook,
    Worksheet, XlsxError,
};

use super::{
    book::Book,
    csv_names::{CsvPart, csv_path},
    layout::{self, BREAKDOWN_MAX, LETTER_NUMBER_MAX, NARRATIVE_MAX, NIL_REASON_MAX, NOTE_MAX, Sheet},
};

/// The most that a cell may hold; a value is far below it, and Excel refuses more digits anyway.
const NUMBER_MAX: f64 = 999_999_999_999_999.0;

/// Whether a spreadsheet could take a text for a formula: it begins with `=`, `+`, `-`, `@`, a tab or a line break.
pub fn looks_like_a_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])
}

/// A text for a CSV file: an apostrophe keeps a spreadsheet from reckoning it.
pub fn csv_text(text: &str) -> String {
    if looks_like_a_formula(text) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// How cells look.
pub struct Looks {
    heading: Format,
    title: Format,
    locked: Format,
    text: Format,
    number: Format,
}

impl Looks {
    /// The looks of our workbooks.
    pub fn new() -> Self {
        let border = Color::RGB(0x00BF_BFBF);
        let cell = Format::new()
            .set_align(FormatAlign::Top)
            .set_text_wrap()
            .set_border(FormatBorder::Thin)
            .set_border_color(border);
        let yellow = cell.clone().set_background_color(Color::RGB(0x00FF_F8D6)).set_unlocked();
        Self {
            heading: cell
                .clone()
                .set_bold()
                .set_font_color(Color::White)
                .set_background_color(Color::RGB(0x001F_3864)),
            title: Format::new().set_bold().set_font_size(14),
            locked: cell.set_font_color(Color::RGB(0x0040_4040)),
            text: yellow.clone().set_num_format("@"),
            number: yellow,
        }
    }

    /// Writes a text that nobody is to change, and that stays text also when somebody does.
    pub fn locked(&self, sheet: &mut Worksheet, row: u32, column: u16, text: &str) -> Result<(), XlsxError> {
        if looks_like_a_formula(text) {
            sheet.write_string_with_format(row, column, text, &self.locked.clone().set_quote_prefix())?;
        } else {
            sheet.write_string_with_format(row, column, text, &self.locked)?;
        }
        Ok(())
    }

    /// Writes the heading: it stays in sight, is printed on each page and can filter.
    pub fn head(&self, sheet: &mut Worksheet, columns: &[(&str, u16)], rows: usize) -> Result<(), XlsxError> {
        for (column, (title, width)) in (0..).zip(columns) {
            sheet.write_string_with_format(0, column, *title, &self.heading)?;
            sheet.set_column_width(column, f64::from(*width))?;
        }
        sheet.set_freeze_panes(1, 0)?;
        sheet.set_repeat_rows(0, 0)?;
        sheet.set_landscape().set_print_fit_to_pages(1, 0);
        let last_row = u32::try_from(rows).unwrap_or(u32::MAX).max(1);
        let last_column = u16::try_from(columns.len()).unwrap_or(1).saturating_sub(1);
        sheet.autofilter(0, 0, last_row, last_column)?;
        Ok(())
    }
}

/// A workbook of ours says by itself what it is.
pub fn workbook(title: &str) -> Workbook {
    let mut workbook = Workbook::new();
    workbook.set_properties(&DocProperties::new().set_title(title).set_author("Vigía"));
    workbook
}

/// The workbook's bytes.
pub fn xlsx(book: &Book) -> Result<Vec<u8>, XlsxError> {
    let looks = Looks::new();
    let mut workbook = workbook("Vigía: plantilla de reporte");
    let help = workbook.add_worksheet();
    help.set_name(layout::INSTRUCTIONS)?.set_column_width(0, 110)?;
    let wrapped = Format::new().set_text_wrap().set_align(FormatAlign::Top);
    for (row, line) in (0..).zip(layout::HELP) {
        match line.strip_prefix("# ") {
            Some(title) => help.write_string_with_format(row, 0, title, &looks.title)?,
            None => help.write_string_with_format(row, 0, *line, &wrapped)?,
        };
    }
    help.protect();
    for sheet in Sheet::ALL {
        fill(workbook.add_worksheet(), sheet, book, &looks)?;
    }
    let hidden = workbook.add_worksheet();
    hidden.set_name(layout::HIDDEN)?.set_very_hidden(true).protect();
    for (row, line) in (0..).zip(book.origin.lines()) {
        for (column, text) in (0..).zip(&line) {
            hidden.write_string(row, column, text)?;
        }
    }
    workbook.save_to_buffer()
}

fn fill(to: &mut Worksheet, sheet: Sheet, book: &Book, looks: &Looks) -> Result<(), XlsxError> {
    let rows = book.rows(sheet);
    let columns = sheet.columns();
    to.set_name(sheet.name())?;
    let titles: Vec<_> = columns.iter().map(|column| (column.title, column.width)).collect();
    looks.head(to, &titles, rows.len())?;
    for (row, texts) in (1..).zip(rows) {
        for (column, shape) in (0..).zip(columns) {
            match texts.get(usize::from(column)) {
                Some(text) => looks.locked(to, row, column, text)?,
                None if shape.hint.is_some() && is_number(sheet, column) => {
                    to.write_blank(row, column, &looks.number)?;
                }
                None => {
                    to.write_blank(row, column, &looks.text)?;
                }
            }
        }
    }
    let last = u32::try_from(rows.len()).unwrap_or(u32::MAX).max(1);
    for (column, shape) in (0..).zip(columns) {
        let Some(hint) = shape.hint else { continue };
        to.insert_note(0, column, &Note::new(hint).add_author_prefix(false).set_width(280).set_height(110))?;
        to.add_data_validation(1, column, last, column, &validation(sheet, column, shape.title, hint)?)?;
    }
    // Protected without a password: against slips, not against people.
    to.protect_with_options(&ProtectionOptions {
        format_columns: true,
        format_rows: true,
        use_autofilter: true,
        ..ProtectionOptions::default()
    });
    Ok(())
}

fn is_number(sheet: Sheet, column: u16) -> bool {
    match sheet {
        Sheet::Indicators => matches!(column, layout::VALUE | layout::DENOMINATOR),
        Sheet::Spending => column == layout::ACCRUED,
        Sheet::Reports | Sheet::Milestones => false,
    }
}

/// What a spreadsheet itself refuses while somebody types.
fn validation(sheet: Sheet, column: u16, title: &str, hint: &str) -> Result<DataValidation, XlsxError> {
    let at_most = |most| DataValidation::new().allow_text_length(DataValidationRule::LessThanOrEqualTo(most));
    let rule = match (sheet, column) {
        (Sheet::Indicators, layout::DENOMINATOR) => DataValidation::new().allow_decimal_number(DataValidationRule::GreaterThan(0.0)),
        (Sheet::Indicators, layout::BREAKDOWN) => at_most(BREAKDOWN_MAX),
        (Sheet::Spending, layout::ACCRUED) => DataValidation::new().allow_decimal_number(DataValidationRule::Between(0.0, NUMBER_MAX)),
        (Sheet::Spending, _) => at_most(NOTE_MAX),
        (Sheet::Indicators, _) => DataValidation::new().allow_decimal_number(DataValidationRule::Between(-NUMBER_MAX, NUMBER_MAX)),
        (Sheet::Milestones, _) => DataValidation::new().allow_list_strings(&[layout::YES, layout::NO])?,
        (Sheet::Reports, layout::NARRATIVE) => at_most(NARRATIVE_MAX),
        (Sheet::Reports, layout::NIL_REASON) => at_most(NIL_REASON_MAX),
        (Sheet::Reports, _) => at_most(LETTER_NUMBER_MAX),
    };
    rule.set_input_title(title)?
        .set_input_message(hint)?
        .set_error_title("No se puede escribir esto aquí")?
        .set_error_message(hint)
}

/// Writes the book as CSV files beside each other: one for each sheet, and one for what the hidden sheet holds. UTF-8
/// with a byte order mark and `;`, as Excel in Spanish opens it.
pub fn csv(book: &Book, path: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for sheet in Sheet::ALL {
        let titles = sheet.columns().iter().map(|column| column.title.to_owned()).collect();
        let rows = book.rows(sheet).iter().map(|row| {
            let mut row = row.clone();
            row.resize(sheet.columns().len(), String::new());
            row
        });
        let all: Vec<_> = std::iter::once(titles).chain(rows).collect();
        written.push(csv_file(&csv_path(path, CsvPart::Sheet(sheet)), &all)?);
    }
    let lines: Vec<_> = book.origin.lines().into_iter().map(Vec::from).collect();
    written.push(csv_file(&csv_path(path, CsvPart::Hidden), &lines)?);
    Ok(written)
}

fn csv_file(path: &Path, rows: &[Vec<String>]) -> Result<PathBuf> {
    let mut bytes = "\u{feff}".as_bytes().to_vec();
    let mut writer = csv::WriterBuilder::new()
        .delimiter(b';')
        .terminator(csv::Terminator::CRLF)
        .from_writer(&mut bytes);
    for row in rows {
        writer.write_record(row.iter().map(|text| csv_text(text)))?;
    }
    writer.flush()?;
    drop(writer);
    save(path, &bytes)?;
    Ok(path.to_owned())
}

/// Writes a file whole or not at all: beside its place first, then moved there.
pub fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let shown = || path.display().to_string();
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(shown)?;
    file.write_all(bytes).with_context(shown)?;
    file.as_file().sync_all().with_context(shown)?;
    file.persist(path).with_context(shown)?;
    // A file from a temporary one is its owner's only; a workbook is to be shared like any other.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(path, mode).with_context(shown)
}
