//! The state and the readings of an action as of an instant (VERDICTS, "Action as of t").

use jiff::Timestamp;
use jiff::civil::Date;

use crate::exact::{Decimal, Exact, Reading};
use crate::facts::{Facts, Report};
use crate::finding::Finding;
use crate::history::InForce;
use crate::indicator::{Case, Cell, Counting, achievement, rows};
use crate::names::ActionId;
use crate::obligation::{ObligationState, Timeliness};
use crate::period::Period;
use crate::plan::{Direction, Indicator, Role, Window, measurable, remaining_targets};
use crate::remedy::Remedy;

/// What an action is, as of an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionVerdict {
    /// The action.
    pub action: ActionId,
    /// The number of the rules that judged.
    pub rules: u32,
    /// The state.
    pub state: ActionState,
    /// The rule that fitted first.
    pub rule: Rule,
    /// The period judged, once the rules have looked for one.
    pub period: Option<Period>,
    /// Unreported counts as zero.
    pub strict: Option<Reading>,
    /// Only what is reported.
    pub observed: Option<Reading>,
    /// Only what is validated.
    pub validated: Option<Reading>,
    /// What was observed and required.
    pub findings: Vec<Finding>,
    /// What would make it comply; empty where it does, or where nobody can do anything.
    pub remedies: Vec<Remedy>,
}

/// The state of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActionState {
    /// Given up.
    Withdrawn,
    /// At rest.
    Suspended,
    /// Not begun.
    Scheduled,
    /// The plan gives nothing to measure it by.
    Unmeasured,
    /// Every target and milestone is reached.
    Achieved,
    /// The same, but after the end that the plan first set.
    AchievedLate,
    /// Nobody has accepted to lead it.
    Unassigned,
    /// Nothing to judge yet.
    NotYetDue,
    /// Over, and all that its leads owed was waived.
    Excused,
    /// Too few of its leads have reported.
    Unreported,
    /// Over, and not achieved.
    NotAchieved,
    /// Strict achievement from `on_track_from`.
    OnTrack,
    /// Strict achievement from `at_risk_from`.
    AtRisk,
    /// Strict achievement below that.
    OffTrack,
}

impl ActionState {
    /// Whether scorecards count it (VERDICTS, "Scorecard as of t").
    #[must_use]
    pub const fn is_counted(self) -> bool {
        !matches!(
            self,
            Self::Withdrawn | Self::Suspended | Self::Scheduled | Self::NotYetDue | Self::Unmeasured | Self::Excused
        )
    }
}

/// The rules on an action, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// 1: withdrawn or suspended on the day of t.
    OutOfForce = 1,
    /// 2: the day of t is before its start.
    NotBegun = 2,
    /// 3: neither a measurable indicator nor a milestone.
    NothingToMeasure = 3,
    /// 4: every target and milestone is reached.
    AllReached = 4,
    /// 5: no lead assignment is accepted and in force.
    NobodyLeads = 5,
    /// 6: no period is due with something asked for.
    NothingAsked = 6,
    /// 7: not reported at the period judged.
    NotReported = 7,
    /// 8: the action is over.
    Over = 8,
    /// 9: by strict achievement.
    ByAchievement = 9,
}

impl Rule {
    /// Its number in VERDICTS.md.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// The verdict on an action as of t; none if the plan does not have it then.
#[must_use]
pub fn action(facts: &Facts, action: &ActionId, t: Timestamp) -> Option<ActionVerdict> {
    let plan = InForce::at(facts, t)?;
    let action = plan.now().action(action)?;
    let periods = plan.periods();
    let rows = rows(&plan, &periods, &action.id);
    Some(judge(&Case::new(&plan, &periods, action, &rows)).0)
}

/// The verdict, and the place of the period judged.
pub(crate) fn judge(case: &Case<'_, '_>) -> (ActionVerdict, Option<usize>) {
    let today = case.plan.today;
    let early = if case.action.is_withdrawn_on(today) {
        Some((ActionState::Withdrawn, Rule::OutOfForce))
    } else if case.action.is_suspended_on(today) {
        Some((ActionState::Suspended, Rule::OutOfForce))
    } else if today < case.action.start {
        Some((ActionState::Scheduled, Rule::NotBegun))
    } else if case.indicators.is_empty() && case.action.milestones.is_empty() {
        Some((ActionState::Unmeasured, Rule::NothingToMeasure))
    } else {
        None
    };
    let (outcome, q) = if let Some((state, rule)) = early {
        (Outcome::new(state, rule, Strict::None), None)
    } else {
        let q = case.period_judged();
        (case.outcome(q), q)
    };
    let has_readings =
        !matches!(outcome.rule, Rule::NothingAsked) && outcome.rule >= Rule::AllReached && outcome.state != ActionState::NotYetDue;
    let looked_at = q.filter(|_| has_readings);
    let strict = match &outcome.strict {
        Strict::None => None,
        Strict::Zero => Some(Reading::ZERO),
        Strict::One => Some(Reading::ONE),
        Strict::Share(share) => share.as_ref().map(Reading::of),
    };
    let observed = match outcome.strict {
        Strict::One => Some(Reading::ONE),
        _ => looked_at.and_then(|q| case.reading(q, Counting::Received)),
    };
    let verdict = ActionVerdict {
        action: case.action.id.clone(),
        rules: case.policy().rules,
        state: outcome.state,
        rule: outcome.rule,
        period: q.map(|q| case.periods[q].period),
        strict,
        observed,
        validated: looked_at.and_then(|q| case.reading(q, Counting::Validated)),
        findings: case.findings(q),
        remedies: case.remedies(outcome.state, q),
    };
    (verdict, q)
}

struct Outcome {
    state: ActionState,
    rule: Rule,
    strict: Strict,
}

enum Strict {
    None,
    Zero,
    One,
    /// Achievement at q; none where there is nothing to average.
    Share(Option<Exact>),
}

impl Outcome {
    fn new(state: ActionState, rule: Rule, strict: Strict) -> Self {
        Self { state, rule, strict }
    }
}

impl<'v, 'f> Case<'v, 'f> {
    /// Rules 4 to 9.
    fn outcome(&self, q: Option<usize>) -> Outcome {
        let is_over = self.is_over();
        if let Some(q) = q.filter(|&q| self.is_achieved(q, is_over)) {
            let state = if self.is_achieved_late(q) {
                ActionState::AchievedLate
            } else {
                ActionState::Achieved
            };
            return Outcome::new(state, Rule::AllReached, Strict::One);
        }
        if !self.is_led() {
            return Outcome::new(ActionState::Unassigned, Rule::NobodyLeads, Strict::Zero);
        }
        let Some(q) = q else {
            let (mut owed, mut waived) = (0, 0);
            for cell in self.lead_cells(self.periods.len()) {
                owed += 1;
                waived += usize::from(cell.state == ObligationState::Waived);
            }
            let (state, strict) = match (is_over, owed) {
                (true, 0) => (ActionState::Unreported, Strict::Zero),
                (true, _) if owed == waived => (ActionState::Excused, Strict::None),
                _ => (ActionState::NotYetDue, Strict::None),
            };
            return Outcome::new(state, Rule::NothingAsked, strict);
        };
        if !self.is_reported(q, Counting::Received) {
            return Outcome::new(ActionState::Unreported, Rule::NotReported, Strict::Zero);
        }
        let achieved = self.achievement(q, Counting::Received, true);
        if is_over {
            return Outcome::new(ActionState::NotAchieved, Rule::Over, Strict::Share(achieved));
        }
        let Some(achieved) = achieved else {
            return Outcome::new(ActionState::NotYetDue, Rule::ByAchievement, Strict::None);
        };
        let percent = &achieved * &Exact::from_int(100);
        let state = if percent >= self.policy().on_track_from.into() {
            ActionState::OnTrack
        } else if percent >= self.policy().at_risk_from.into() {
            ActionState::AtRisk
        } else {
            ActionState::OffTrack
        };
        Outcome::new(state, Rule::ByAchievement, Strict::Share(Some(achieved)))
    }

    /// The last period whose calendar due instant has come, with something asked for.
    fn period_judged(&self) -> Option<usize> {
        (0..self.periods.len())
            .rev()
            .find(|&p| self.periods[p].due_at <= self.plan.t && self.asked(p).next().is_some())
    }

    /// The lead obligations asked for at p.
    pub(crate) fn asked(&self, p: usize) -> impl Iterator<Item = &'v Cell<'f>> {
        let column = self.column(p);
        column.filter(|(row, cell)| row.is_lead() && cell.is_asked).map(|(_, cell)| cell)
    }

    /// The lead obligations of the first so many periods.
    pub(crate) fn lead_cells(&self, periods: usize) -> impl Iterator<Item = &'v Cell<'f>> {
        let leads = self.rows.iter().filter(|row| row.is_lead());
        leads.flat_map(move |row| row.cells[..periods].iter().flatten())
    }

    pub(crate) fn counts_of_asked(&self, p: usize, counting: Counting) -> (usize, usize) {
        self.asked(p).fold((0, 0), |(counted, asked), cell| {
            (counted + usize::from(cell.counts(counting)), asked + 1)
        })
    }

    /// Whether enough of what is asked for at p is received (validated).
    pub(crate) fn is_reported(&self, p: usize, counting: Counting) -> bool {
        let (counted, asked) = self.counts_of_asked(p, counting);
        let percent = |count: usize| i128::try_from(count).unwrap_or(i128::MAX);
        let required = percent(asked) * self.policy().reported_from.millionths();
        asked > 0 && percent(counted) * Decimal::from_int(100).millionths() >= required
    }

    /// The observed or validated reading: the achievement at the last such period, not further
    /// back than `stale_after`; none where there is nothing to average there.
    fn reading(&self, q: usize, counting: Counting) -> Option<Reading> {
        let back = usize::try_from(self.policy().stale_after).unwrap_or(usize::MAX);
        let mut recent = (q.saturating_sub(back)..=q).rev();
        let last = recent.find(|&p| self.is_reported(p, counting))?;
        self.achievement(last, counting, false).as_ref().map(Reading::of)
    }

    /// A lead assignment, accepted by t, is in force on the day of t or the action's last.
    fn is_led(&self) -> bool {
        let day = self.plan.today.min(self.action.end);
        self.rows
            .iter()
            .any(|row| row.is_lead() && row.standing.accepted_at.is_some() && row.standing.is_in_force_on(day))
    }

    /// Every period up to its end is due by the calendar, and no lead waits under an extension.
    pub(crate) fn is_over(&self) -> bool {
        let end = self.action.end.min(self.plan.plan().end);
        let mut due = self.periods.iter().filter(|terms| terms.first_day <= end);
        due.all(|terms| terms.due_at <= self.plan.t) && !self.is_awaited(self.periods.len())
    }

    pub(crate) fn is_awaited(&self, periods: usize) -> bool {
        self.lead_cells(periods).any(Cell::waits_under_extension)
    }

    fn is_achieved(&self, q: usize, is_over: bool) -> bool {
        self.asked(q).all(|cell| cell.state.is_received())
            && !self.is_awaited(q + 1)
            && self.is_all_reached(q)
            && self.indicators.iter().all(|indicator| {
                let bounded = matches!(indicator.direction, Direction::AtLeast | Direction::AtMost);
                let last = remaining_targets(self.action, indicator).last().map(|target| target.on);
                let is_time = || is_over || last.is_some_and(|last| self.day(q) >= last);
                !bounded || (is_time() && self.is_fresh(indicator, q))
            })
    }

    /// Every indicator's value at p reaches its last target, and every milestone is done.
    fn is_all_reached(&self, p: usize) -> bool {
        let reached = |indicator: &&'f Indicator| self.is_reached(indicator, p);
        let mut milestones = self.action.milestones.iter();
        self.indicators.iter().all(reached) && milestones.all(|milestone| self.is_done(milestone, p, Counting::Received))
    }

    fn is_reached(&self, indicator: &'f Indicator, p: usize) -> bool {
        let targets = remaining_targets(self.action, indicator);
        let reaches = |at: usize, target: Decimal| {
            let value = self.value(indicator, at, Counting::Received);
            value.is_some_and(|value| indicator.is_better_or_equal(&value, &target.into()))
        };
        match indicator.window {
            Window::Plan => targets.last().is_some_and(|target| reaches(p, target.value)),
            // Each year's target at the period, not after p, that holds its day.
            Window::Year => targets.iter().all(|target| {
                let holder = self.periods[..=p].iter().position(|terms| terms.period.holds(target.on));
                holder.is_some_and(|at| reaches(at, target.value))
            }),
        }
    }

    /// Whether the unbroken run of periods in which all was reached, up to q, begins after the end
    /// that the plan first set.
    fn is_achieved_late(&self, q: usize) -> bool {
        let run = (0..=q).rev().take_while(|&p| self.is_all_reached(p)).last();
        let first_end: Option<Date> = self.plan.first_end(&self.action.id);
        run.zip(first_end).is_some_and(|(run, end)| self.periods[run].first_day > end)
    }

    fn findings(&self, q: Option<usize>) -> Vec<Finding> {
        let version = self.plan.now();
        let (acts_from, position) = (version.acts_from, version.entry.position);
        let mut findings = vec![Finding::PlanVersion { acts_from, position }];
        for indicator in &self.action.indicators {
            if let Err(why) = measurable(self.action, indicator) {
                findings.push(Finding::NotMeasurable {
                    indicator: indicator.id.clone(),
                    why,
                });
            }
        }
        self.both_roles(&mut findings);
        let Some(q) = q else {
            // Nothing to judge: what there is to say is what was waived or extended.
            for p in 0..self.periods.len() {
                self.report_findings(p, false, &mut findings);
            }
            return findings;
        };
        let period = self.periods[q].period;
        let (received, asked) = self.counts_of_asked(q, Counting::Received);
        let required_percent = self.policy().reported_from;
        findings.push(Finding::Reported {
            period,
            received,
            asked,
            required_percent,
        });
        self.report_findings(q, true, &mut findings);
        for indicator in &self.indicators {
            self.indicator_findings(indicator, q, &mut findings);
        }
        let due = self.milestones_due(q).count();
        if due > 0 {
            let undone = self.milestones_due(q).filter(|m| !self.is_done(m, q, Counting::Received));
            let missing = undone.map(|milestone| milestone.id.clone()).collect();
            findings.push(Finding::MilestonesDue { period, due, missing });
        }
        findings
    }

    /// Who leads and is co-responsible at once, on the day of t or the action's last.
    fn both_roles(&self, findings: &mut Vec<Finding>) {
        let day = self.plan.today.min(self.action.end);
        let of = |role: Role| {
            let rows = self.rows.iter().filter(move |row| row.standing.assignment.role == role);
            rows.filter(move |row| row.standing.is_in_force_on(day) && !row.standing.is_withdrawn)
        };
        for lead in of(Role::Lead) {
            let institution = &lead.standing.assignment.institution;
            if let Some(other) = of(Role::CoResponsible).find(|other| other.standing.assignment.institution == *institution) {
                findings.push(Finding::BothRoles {
                    institution: institution.clone(),
                    lead: lead.standing.assignment.id.clone(),
                    co_responsible: other.standing.assignment.id.clone(),
                    facts: vec![lead.standing.made, other.standing.made],
                });
            }
        }
    }

    /// On the reports of a period; what is missing and received only where it is `judged`.
    fn report_findings(&self, p: usize, judged: bool, findings: &mut Vec<Finding>) {
        for (row, cell) in self.column(p) {
            let assignment = row.standing.assignment.id.clone();
            let period = self.periods[p].period;
            let facts = cell.owed.course.facts.clone();
            let due_at = cell.owed.due.at;
            let is_empty = |report: &Report| report.values.is_empty() && report.milestones.is_empty() && !report.nil;
            if judged && cell.report(Counting::Received).is_some_and(is_empty) {
                let (assignment, facts) = (assignment.clone(), facts.clone());
                let on_time = cell.timeliness == Timeliness::OnTime;
                findings.push(Finding::Empty {
                    assignment,
                    period,
                    on_time,
                    facts,
                });
            }
            match cell.state {
                ObligationState::Waived => findings.push(Finding::Waived { assignment, period, facts }),
                _ if cell.waits_under_extension() => {
                    let facts = cell.owed.due.extended_by.clone();
                    findings.push(Finding::Extended {
                        assignment,
                        period,
                        due_at,
                        facts,
                    });
                }
                ObligationState::Overdue if judged => {
                    let owed = &cell.owed;
                    let facts = [owed.plan_version, owed.assigned].into_iter();
                    let facts = facts.chain(owed.due.extended_by.iter().copied()).collect();
                    findings.push(Finding::Missing {
                        assignment,
                        period,
                        due_at,
                        facts,
                    });
                }
                ObligationState::ReturnedOverdue if judged => {
                    findings.push(Finding::AnswerOverdue { assignment, period, facts });
                }
                state if judged && state.is_received() => {
                    findings.push(Finding::Received { assignment, period, facts });
                }
                _ => {}
            }
        }
    }

    fn indicator_findings(&self, indicator: &'f Indicator, q: usize, findings: &mut Vec<Finding>) {
        let id = || indicator.id.clone();
        let period = self.periods[q].period;
        let value = self.value(indicator, q, Counting::Received);
        let expected = self.expected(indicator, q);
        let last_target = remaining_targets(self.action, indicator).last().map(|target| target.value);
        for (row, stated) in self.beside(indicator, q) {
            if let Some(counted) = value.clone().filter(|value| *value != stated) {
                let assignment = row.standing.assignment.id.clone();
                findings.push(Finding::Differs {
                    indicator: id(),
                    assignment,
                    period,
                    stated,
                    counted,
                });
            }
        }
        match (value, expected, last_target) {
            (Some(value), Some(expected), Some(last_target)) => findings.push(Finding::Judged {
                indicator: id(),
                period,
                direction: indicator.direction,
                achievement: Reading::of(&achievement(indicator, &expected, &value)),
                value,
                expected,
                last_target,
                facts: self.facts_of(indicator, q),
            }),
            (_, expected, _) => {
                findings.push(Finding::NoValue {
                    indicator: id(),
                    period,
                    expected,
                });
                for (row, p) in self.silent(indicator, q, Counting::Received) {
                    let assignment = row.standing.assignment.id.clone();
                    let period = self.periods[p].period;
                    findings.push(Finding::NotEverybody {
                        indicator: id(),
                        assignment,
                        period,
                    });
                }
            }
        }
        let (answered, asked) = self.answered(indicator, q);
        if answered < asked {
            findings.push(Finding::Answered {
                indicator: id(),
                period,
                answered,
                asked,
            });
        }
        for (row, p, from, to) in self.falls(indicator, q) {
            let assignment = row.standing.assignment.id.clone();
            let period = self.periods[p].period;
            findings.push(Finding::Fell {
                indicator: id(),
                assignment,
                period,
                from,
                to,
            });
        }
    }
}

#[cfg(test)]
mod tests;
