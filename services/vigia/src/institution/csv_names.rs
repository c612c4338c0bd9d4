//! How the CSV files of one book are named: `t1.reportes.csv`, `t1.indicadores.csv`, `t1.hitos.csv`,
//! `t1.gastos.csv`, `t1.plantilla.csv`.

use std::path::{Path, PathBuf};

use super::layout::Sheet;

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvPart {
    /// A sheet.
    Sheet(Sheet),
    /// What the hidden sheet holds.
    Hidden,
}

impl CsvPart {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Sheet(Sheet::Reports),
        Self::Sheet(Sheet::Indicators),
        Self::Sheet(Sheet::Milestones),
        Self::Sheet(Sheet::Spending),
        Self::Hidden,
    ];

    fn suffix(self) -> &'static str {
        match self {
            Self::Sheet(Sheet::Reports) => "reportes",
            Self::Sheet(Sheet::Indicators) => "indicadores",
            Self::Sheet(Sheet::Milestones) => "hitos",
            Self::Sheet(Sheet::Spending) => "gastos",
            Self::Hidden => "plantilla",
        }
    }
}

/// Whether a path means CSV files.
pub fn is_csv(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
}

/// The path of a part, from that of any part or of the whole (`t1.csv`).
pub fn csv_path(path: &Path, part: CsvPart) -> PathBuf {
    let stem = book_path(path);
    let name = stem.file_name().unwrap_or_default().to_string_lossy();
    stem.with_file_name(format!("{name}.{}.csv", part.suffix()))
}

/// The path without what says which part it is: `t1` of `t1.hitos.csv`, `t1` of `t1.xlsx`.
pub fn book_path(path: &Path) -> PathBuf {
    let stem = path.with_extension("");
    let is_part = is_csv(path)
        && stem
            .extension()
            .is_some_and(|extension| CsvPart::ALL.iter().any(|part| extension.eq_ignore_ascii_case(part.suffix())));
    if is_part { stem.with_extension("") } else { stem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_leads_to_all_parts() {
        for path in ["d/t1.csv", "d/t1.reportes.csv", "d/t1.hitos.csv", "d/t1.plantilla.csv"] {
            assert_eq!(
                csv_path(Path::new(path), CsvPart::Sheet(Sheet::Indicators)),
                Path::new("d/t1.indicadores.csv"),
                "{path}"
            );
        }
        assert_eq!(book_path(Path::new("d/mi.hitos.xlsx")), Path::new("d/mi.hitos"));
    }
}
