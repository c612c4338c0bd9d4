//! What explains a verdict: what was observed, what was required, what would make it comply. Values
//! only; whoever shows them says them (DESIGN, "Verdicts").

use jiff::Timestamp;

use crate::exact::{Decimal, Exact, Reading};
use crate::facts::Position;
use crate::names::{AssignmentId, IndicatorId, InstitutionId, MilestoneId};
use crate::period::Period;
use crate::plan::{Direction, NotMeasurable};

/// One thing that a verdict rests on, or that a reader should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// An indicator is left out everywhere.
    NotMeasurable {
        /// The indicator.
        indicator: IndicatorId,
        /// Why.
        why: NotMeasurable,
    },
    /// An indicator was judged at the period: observed against required.
    Judged {
        /// The indicator.
        indicator: IndicatorId,
        /// At the end of it.
        period: Period,
        /// Which way is better.
        direction: Direction,
        /// What was observed.
        value: Exact,
        /// What was required.
        expected: Exact,
        /// From 0 to 1.
        achievement: Reading,
        /// The last target, where it is to go.
        last_target: Decimal,
        /// The reports that the value is made of, in order.
        facts: Vec<Position>,
    },
    /// How many of those who were asked for an indicator's value at the period gave one.
    Answered {
        /// The indicator.
        indicator: IndicatorId,
        /// The period judged.
        period: Period,
        /// Those who gave one that counts.
        answered: usize,
        /// Those who were asked.
        asked: usize,
    },
    /// An indicator has no value at the period: it counts 0 in the strict reading.
    NoValue {
        /// The indicator.
        indicator: IndicatorId,
        /// At the end of it.
        period: Period,
        /// What was required, where something was.
        expected: Option<Exact>,
    },
    /// A low total needs everybody; this one gave no value that counts.
    NotEverybody {
        /// The indicator.
        indicator: IndicatorId,
        /// Who gave none.
        assignment: AssignmentId,
        /// For when.
        period: Period,
    },
    /// A cumulative value falls.
    Fell {
        /// The indicator.
        indicator: IndicatorId,
        /// Whose value.
        assignment: AssignmentId,
        /// The period in which it is lower than before.
        period: Period,
        /// The value before.
        from: Exact,
        /// The value then.
        to: Exact,
    },
    /// A role that does not count states another value than the one that counts.
    Differs {
        /// The indicator.
        indicator: IndicatorId,
        /// Who states it.
        assignment: AssignmentId,
        /// For when.
        period: Period,
        /// What it states.
        stated: Exact,
        /// The indicator's value.
        counted: Exact,
    },
    /// Milestones were due by the period.
    MilestonesDue {
        /// At the end of it.
        period: Period,
        /// How many were due.
        due: usize,
        /// Which of them no received report lists as done.
        missing: Vec<MilestoneId>,
    },
    /// How many of the reports asked for at the period were received.
    Reported {
        /// The period judged.
        period: Period,
        /// Received.
        received: usize,
        /// Asked for.
        asked: usize,
        /// From which share the period is reported, in percent.
        required_percent: Decimal,
    },
    /// A report was received.
    Received {
        /// Who sent it.
        assignment: AssignmentId,
        /// For when.
        period: Period,
        /// What was recorded for it, in order.
        facts: Vec<Position>,
    },
    /// A report is due and not received.
    Missing {
        /// Who owes it.
        assignment: AssignmentId,
        /// For when.
        period: Period,
        /// Since when.
        due_at: Timestamp,
        /// Where the assignment and the plan that asks for it stand, and the extensions that moved it.
        facts: Vec<Position>,
    },
    /// A returned report was not answered in time.
    AnswerOverdue {
        /// Who owes the answer.
        assignment: AssignmentId,
        /// For when.
        period: Period,
        /// What was recorded for it, in order.
        facts: Vec<Position>,
    },
    /// A report is not due yet, by an extension.
    Extended {
        /// Who owes it.
        assignment: AssignmentId,
        /// For when.
        period: Period,
        /// Until when.
        due_at: Timestamp,
        /// The extensions.
        facts: Vec<Position>,
    },
    /// A report is not owed, by a waiver.
    Waived {
        /// Who owed it.
        assignment: AssignmentId,
        /// For when.
        period: Period,
        /// What was recorded for it, in order.
        facts: Vec<Position>,
    },
    /// A report has neither values nor milestones nor says that there is nothing to report.
    Empty {
        /// Who sent it.
        assignment: AssignmentId,
        /// For when.
        period: Period,
        /// Whether it came in time all the same: punctual but empty.
        on_time: bool,
        /// What was recorded for it, in order.
        facts: Vec<Position>,
    },
    /// The plan version that judges, and where it stands.
    PlanVersion {
        /// Since when it acts.
        acts_from: Timestamp,
        /// Where it stands.
        position: Position,
    },
    /// One institution both leads an action and is co-responsible for it, as after a merger.
    BothRoles {
        /// The institution.
        institution: InstitutionId,
        /// The assignment by which it leads.
        lead: AssignmentId,
        /// The assignment by which it is co-responsible.
        co_responsible: AssignmentId,
        /// Where both were made.
        facts: Vec<Position>,
    },
}
