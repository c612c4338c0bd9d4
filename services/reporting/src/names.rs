//! Names of obligations and reports, parsed once.

use std::fmt;

use vigia_platform::{Error, Faults, name::split};
use vigia_rules::{AssignmentId, Period};

/// `plans/{plan}/assignments/{id}/obligations/{period}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObligationName {
    pub(crate) plan: String,
    pub(crate) assignment: AssignmentId,
    pub(crate) period: Period,
}

impl ObligationName {
    /// Reads the field `path` of a request.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, Error> {
        Self::read(text).ok_or_else(|| wrong(path, "plans/{plan}/assignments/{id}/obligations/{period}"))
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let parts = split("plans/{}/assignments/{}/obligations/{}", text)?;
        Some(Self {
            plan: parts[0].to_owned(),
            assignment: parts[1].into(),
            period: parts[2].parse().ok()?,
        })
    }
}

impl fmt::Display for ObligationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plans/{}/assignments/{}/obligations/{}", self.plan, self.assignment, self.period)
    }
}

/// A report of an obligation: its draft, or a version that was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportName {
    pub(crate) obligation: ObligationName,
    /// None for the draft.
    pub(crate) version: Option<u32>,
}

impl ReportName {
    /// An obligation's draft.
    pub(crate) fn draft(obligation: &ObligationName) -> Self {
        Self {
            obligation: obligation.clone(),
            version: None,
        }
    }

    /// A version that was submitted.
    pub(crate) fn version(obligation: &ObligationName, version: u32) -> Self {
        Self {
            obligation: obligation.clone(),
            version: Some(version),
        }
    }

    /// Reads the field `path` of a request.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, Error> {
        let read = || {
            let (obligation, version) = text.split_once("/reports/")?;
            let version = match version {
                "draft" => None,
                number => Some(number.parse().ok().filter(|parsed: &u32| parsed.to_string() == number)?),
            };
            Some(Self {
                obligation: ObligationName::read(obligation)?,
                version,
            })
        };
        read().ok_or_else(|| wrong(path, "plans/{plan}/assignments/{id}/obligations/{period}/reports/{version}"))
    }
}

impl fmt::Display for ReportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            None => write!(f, "{}/reports/draft", self.obligation),
            Some(version) => write!(f, "{}/reports/{version}", self.obligation),
        }
    }
}

/// The refusal of a name that is not of the pattern.
pub(crate) fn wrong(path: &str, pattern: &str) -> Error {
    let mut faults = Faults::new();
    faults.add(
        path,
        format!("debe ser de la forma «{pattern}»"),
        format!("must be like \"{pattern}\""),
    );
    faults.done().err().unwrap_or_else(|| Error::internal(&"no fault"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_shown() {
        for (text, readable) in [
            ("plans/vcm/assignments/a1/obligations/2026-Q1/reports/3", true),
            ("plans/vcm/assignments/a1/obligations/2026-Q1/reports/draft", true),
            ("plans/vcm/assignments/a1/obligations/2026-Q1/reports/03", false),
            ("plans/vcm/assignments/a1/obligations/2026-Q9/reports/3", false),
            ("plans/vcm/assignments/a1/obligations/2026-Q1", false),
        ] {
            let read = ReportName::parse("name", text).ok();
            assert_eq!(read.map(|name| name.to_string()), readable.then(|| text.to_owned()), "{text}");
        }
    }
}
