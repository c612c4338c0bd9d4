//! The five areas, each a service with its own journal.

use std::fmt;

/// An area of the contract: `vigia.<area>.v1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// Who may call.
    Identity,
    /// Plans and their revisions.
    Plans,
    /// Institutions and who answers for what.
    Assignments,
    /// Obligations, reports, reviews.
    Reporting,
    /// Verdicts and scorecards.
    Compliance,
}

impl Area {
    /// All areas, each after those that it asks.
    pub const ALL: [Self; 5] = [Self::Identity, Self::Plans, Self::Assignments, Self::Reporting, Self::Compliance];

    /// Its name in packages, files and positions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Plans => "plans",
            Self::Assignments => "assignments",
            Self::Reporting => "reporting",
            Self::Compliance => "compliance",
        }
    }

    /// The area of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|area| area.name() == name)
    }

    /// The area that a gRPC path such as `/vigia.plans.v1.PlanService/GetPlan` belongs to.
    pub fn of_path(path: &str) -> Option<Self> {
        Self::of(path.strip_prefix("/vigia.")?.split('.').next()?)
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
