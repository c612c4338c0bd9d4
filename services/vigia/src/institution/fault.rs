//! What is wrong with a file: where it stands, what it is, and how to put it right, in the language of whoever reads.

use std::fmt;

use serde::Serialize;

use super::layout::{self, Sheet};
use crate::lang::{Lang, lang};

/// Faults of a file that are listed at most; a file with more has a deeper problem.
pub const FAULTS_MAX: usize = 1_000;

/// One thing wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The sheet's name; empty where it is about the whole file.
    pub sheet: String,
    /// The cell's name, such as `H7`; empty where it is about the sheet.
    pub cell: String,
    /// What is wrong.
    pub problem: String,
    /// How to put it right.
    pub remedy: String,
}

/// The one of two sentences that the reader understands.
pub fn told(es: String, en: String) -> String {
    if lang() == Lang::Es { es } else { en }
}

impl Fault {
    /// About the whole file.
    pub fn of_file(problem: String, remedy: String) -> Self {
        Self {
            sheet: String::new(),
            cell: String::new(),
            problem,
            remedy,
        }
    }

    /// About a sheet.
    pub fn of_sheet(sheet: &str, problem: String, remedy: String) -> Self {
        Self {
            sheet: sheet.to_owned(),
            ..Self::of_file(problem, remedy)
        }
    }

    /// About a cell; row and column count from 0.
    pub fn of_cell(sheet: Sheet, row: u32, column: u16, problem: String, remedy: String) -> Self {
        Self {
            cell: layout::cell_name(row, column),
            ..Self::of_sheet(sheet.name(), problem, remedy)
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.sheet.as_str(), self.cell.as_str()) {
            ("", _) => {}
            (sheet, "") => write!(f, "{sheet}: ")?,
            (sheet, cell) => write!(f, "{sheet}!{cell}: ")?,
        }
        write!(f, "{}. {}", self.problem, self.remedy)
    }
}

/// A text from a file as it can be shown: shortened, and without what could play tricks on a terminal or its reader.
pub fn shown(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() || turns_writing(c) { '\u{b7}' } else { c })
        .collect();
    crate::commands::shortened(&clean, 40)
}

/// Whether a character turns the direction of writing, so that a text reads as another than it is.
pub fn turns_writing(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
