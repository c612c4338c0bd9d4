//! A workbook before it is written: what the layout's sheets hold, and what the hidden one says of their origin.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::layout::Sheet;

/// Where a workbook comes from and what it may speak of: the content of the hidden sheet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Address of the server that it was made from.
    pub server: String,
    /// The plan, as resource name.
    pub plan: String,
    /// The institution that it was made for, as resource name.
    pub institution: String,
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// The obligations that it holds.
    pub obligations: Vec<Known>,
    /// Indicators, milestones and lines of the budget that may be reported: sheet, obligation and code.
    pub parts: BTreeSet<(Sheet, String, String)>,
}

/// An obligation, and the version of its report when the workbook was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Resource name.
    pub name: String,
    /// Newest version then; 0 where there was none.
    pub version: i32,
}

/// A row of a sheet: texts for the locked columns from A on.
pub type Row = Vec<String>;

/// A workbook that waits to be filled in.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Where it comes from.
    pub origin: Origin,
    /// Rows of the sheet of reports.
    pub reports: Vec<Row>,
    /// Rows of the sheet of indicators.
    pub indicators: Vec<Row>,
    /// Rows of the sheet of milestones.
    pub milestones: Vec<Row>,
    /// Rows of the sheet of spending.
    pub spending: Vec<Row>,
}

impl Book {
    /// The rows of a sheet.
    pub fn rows(&self, sheet: Sheet) -> &[Row] {
        match sheet {
            Sheet::Reports => &self.reports,
            Sheet::Indicators => &self.indicators,
            Sheet::Milestones => &self.milestones,
            Sheet::Spending => &self.spending,
        }
    }
}

/// The obligation of a row, by the two keys that stand in it.
pub fn obligation_name(plan: &str, assignment: &str, period: &str) -> String {
    format!("{plan}/assignments/{assignment}/obligations/{period}")
}

/// Assignment and period of an obligation's name.
pub fn keys(obligation: &str) -> Option<(&str, &str)> {
    match obligation.split('/').collect::<Vec<_>>().as_slice() {
        ["plans", _, "assignments", assignment, "obligations", period] => Some((assignment, period)),
        _ => None,
    }
}

/// Keys of the hidden sheet's lines.
pub mod hidden {
    /// Version of the layout.
    pub const FORMAT: &str = "formato";
    /// Address of the server.
    pub const SERVER: &str = "servidor";
    /// The plan.
    pub const PLAN: &str = "plan";
    /// The institution.
    pub const INSTITUTION: &str = "institucion";
    /// When it was made.
    pub const MADE_AT: &str = "hecho";
    /// An obligation and its version.
    pub const OBLIGATION: &str = "obligacion";
    /// An obligation and the code of an indicator.
    pub const INDICATOR: &str = "indicador";
    /// An obligation and the code of a milestone.
    pub const MILESTONE: &str = "hito";
    /// An obligation and a line of its budget.
    pub const SPENDING: &str = "partida";
}

impl Origin {
    /// The lines of the hidden sheet, three cells each.
    pub fn lines(&self) -> Vec<[String; 3]> {
        let head = [
            (hidden::FORMAT, super::layout::FORMAT),
            (hidden::SERVER, &self.server),
            (hidden::PLAN, &self.plan),
            (hidden::INSTITUTION, &self.institution),
            (hidden::MADE_AT, &self.made_at),
        ];
        let mut lines: Vec<_> = head
            .iter()
            .map(|(key, value)| [(*key).to_owned(), (*value).to_owned(), String::new()])
            .collect();
        for known in &self.obligations {
            lines.push([hidden::OBLIGATION.to_owned(), known.name.clone(), known.version.to_string()]);
        }
        for (sheet, obligation, code) in &self.parts {
            let key = match sheet {
                Sheet::Milestones => hidden::MILESTONE,
                Sheet::Spending => hidden::SPENDING,
                Sheet::Indicators | Sheet::Reports => hidden::INDICATOR,
            };
            lines.push([key.to_owned(), obligation.clone(), code.clone()]);
        }
        lines
    }

    /// Reads them back, with the version of the layout; none where a line is not of that form.
    pub fn of_lines<'a>(lines: impl Iterator<Item = [&'a str; 3]>) -> Option<(String, Self)> {
        let mut origin = Self::default();
        let mut format = String::new();
        for [key, a, b] in lines {
            match key {
                hidden::FORMAT => a.clone_into(&mut format),
                // Of another version only the number is looked at: its lines may mean something else.
                _ if format != super::layout::FORMAT => {}
                hidden::SERVER => a.clone_into(&mut origin.server),
                hidden::PLAN => a.clone_into(&mut origin.plan),
                hidden::INSTITUTION => a.clone_into(&mut origin.institution),
                hidden::MADE_AT => a.clone_into(&mut origin.made_at),
                hidden::OBLIGATION => origin.obligations.push(Known {
                    name: a.to_owned(),
                    version: b.parse().ok()?,
                }),
                hidden::INDICATOR | hidden::MILESTONE | hidden::SPENDING => {
                    let sheet = match key {
                        hidden::INDICATOR => Sheet::Indicators,
                        hidden::MILESTONE => Sheet::Milestones,
                        _ => Sheet::Spending,
                    };
                    origin.parts.insert((sheet, a.to_owned(), b.to_owned()));
                }
                "" => {}
                _ => return None,
            }
        }
        (!format.is_empty()).then_some((format, origin))
    }
}
