//! The plan file as the rules see it (VERDICTS, "Plan file"): dates, calendar, policy, actions
//! with indicators and milestones; what an import refuses; what can be measured.

use std::collections::HashSet;

use jiff::civil::Date;

use crate::calendar::Calendar;
use crate::exact::{Decimal, Exact};
use crate::names::{ActionId, ComponentId, IndicatorId, MilestoneId, PlanId};

/// The number of the rules that this crate implements.
pub const RULES: u32 = 1;
/// Default of [`Policy::on_track_from`], in percent.
pub const ON_TRACK_FROM: Decimal = Decimal::from_int(85);
/// Default of [`Policy::at_risk_from`], in percent.
pub const AT_RISK_FROM: Decimal = Decimal::from_int(70);
/// Default of [`Policy::reported_from`], in percent.
pub const REPORTED_FROM: Decimal = Decimal::from_int(50);
/// Default of [`Policy::stale_after`], in periods.
pub const STALE_AFTER: u32 = 2;
/// Default of [`Policy::reporting_roles`].
pub const REPORTING_ROLES: [Role; 2] = [Role::Lead, Role::CoResponsible];
/// Default of [`Indicator::reported_by`].
pub const REPORTED_BY: [Role; 1] = [Role::Lead];

/// A whole plan, as it is from some instant on.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its id.
    pub id: PlanId,
    /// Its first day.
    pub start: Date,
    /// Its last day.
    pub end: Date,
    /// Zone, periods and due days.
    pub calendar: Calendar,
    /// How compliance is judged.
    pub policy: Policy,
    /// The tree that the actions hang on.
    pub components: Vec<Component>,
    /// The actions.
    pub actions: Vec<Action>,
}

/// `plan.compliance_policy`.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The number of the rules; only [`RULES`] is known.
    pub rules: u32,
    /// Strict achievement from which an action is on track, in percent.
    pub on_track_from: Decimal,
    /// Strict achievement from which an action is at risk rather than off track, in percent.
    pub at_risk_from: Decimal,
    /// Share of the reports asked for from which a period is reported, in percent.
    pub reported_from: Decimal,
    /// How many periods a reading looks back.
    pub stale_after: u32,
    /// How a trajectory runs from target to target.
    pub interpolation: Interpolation,
    /// The roles that owe reports.
    pub reporting_roles: Vec<Role>,
    /// The weight of the milestones beside the indicators.
    pub milestones_weight: Decimal,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            rules: RULES,
            on_track_from: ON_TRACK_FROM,
            at_risk_from: AT_RISK_FROM,
            reported_from: REPORTED_FROM,
            stale_after: STALE_AFTER,
            interpolation: Interpolation::Linear,
            reporting_roles: REPORTING_ROLES.to_vec(),
            milestones_weight: Decimal::ONE,
        }
    }
}

/// How a trajectory runs from target to target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// Straight between points, flat before the first and after the last.
    #[default]
    Linear,
    /// At the last point reached.
    Step,
}

/// What an institution is to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It answers for the action.
    Lead,
    /// It answers for a part.
    CoResponsible,
    /// It helps.
    Supporting,
    /// It stands opposite (civil society, academia).
    Counterpart,
}

/// A node of the plan's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Its id.
    pub id: ComponentId,
    /// The component above it.
    pub parent: Option<ComponentId>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// Its id.
    pub id: ActionId,
    /// The component that it hangs on.
    pub component: ComponentId,
    /// Its weight in roll-ups; above 0.
    pub weight: Decimal,
    /// Its first day.
    pub start: Date,
    /// Its last day.
    pub end: Date,
    /// What it is measured by.
    pub indicators: Vec<Indicator>,
    /// What must be done by when.
    pub milestones: Vec<Milestone>,
    /// When it rests.
    pub suspended: Vec<Suspension>,
    /// From this day on it is given up.
    pub withdrawn_on: Option<Date>,
}

impl Action {
    /// An action with nothing but its dates; weight 1.
    pub fn new(id: impl Into<ActionId>, component: impl Into<ComponentId>, start: Date, end: Date) -> Self {
        Self {
            id: id.into(),
            component: component.into(),
            weight: Decimal::ONE,
            start,
            end,
            indicators: Vec::new(),
            milestones: Vec::new(),
            suspended: Vec::new(),
            withdrawn_on: None,
        }
    }

    /// Whether it is given up on a day.
    #[must_use]
    pub fn is_withdrawn_on(&self, day: Date) -> bool {
        self.withdrawn_on.is_some_and(|from| from <= day)
    }

    /// Whether it rests on a day.
    #[must_use]
    pub fn is_suspended_on(&self, day: Date) -> bool {
        self.suspended
            .iter()
            .any(|rest| rest.from <= day && rest.to.is_none_or(|to| day <= to))
    }
}

/// Days on which an action rests, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// The first.
    pub from: Date,
    /// The last; none as long as it is not known.
    pub to: Option<Date>,
}

/// Something that is done or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// Its id.
    pub id: MilestoneId,
    /// The day by which it is to be done.
    pub due: Date,
}

/// What an action is measured by.
#[derive(Clone, Debug, PartialEq)]
pub struct Indicator {
    /// Its id.
    pub id: IndicatorId,
    /// Its weight within the action; above 0.
    pub weight: Decimal,
    /// Which way is better.
    pub direction: Direction,
    /// How values of periods make one.
    pub aggregation: Aggregation,
    /// How values of lines make one.
    pub across: Across,
    /// What values and targets count over.
    pub window: Window,
    /// The roles whose values count.
    pub reported_by: Vec<Role>,
    /// Where it started.
    pub baseline: Option<Point>,
    /// Where it is to go, in any order.
    pub targets: Vec<Point>,
}

impl Indicator {
    /// An indicator of a count that is to increase, with the defaults of a plan file (its `unit`
    /// is `count`: values of lines are added; with another unit set `across` to
    /// [`Across::Mean`]).
    pub fn new(id: impl Into<IndicatorId>, aggregation: Aggregation) -> Self {
        Self {
            id: id.into(),
            weight: Decimal::ONE,
            direction: Direction::Increase,
            aggregation,
            across: Across::Sum,
            window: Window::Plan,
            reported_by: REPORTED_BY.to_vec(),
            baseline: None,
            targets: Vec::new(),
        }
    }

    /// Whether a value is at a mark or better.
    #[must_use]
    pub fn is_better_or_equal(&self, value: &Exact, mark: &Exact) -> bool {
        match self.direction {
            Direction::Increase | Direction::AtLeast => value >= mark,
            Direction::Decrease | Direction::AtMost => value <= mark,
        }
    }
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Up from the baseline, along a trajectory.
    Increase,
    /// Down from the baseline, along a trajectory.
    Decrease,
    /// A floor.
    AtLeast,
    /// A ceiling.
    AtMost,
}

/// How an indicator's values of several periods make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// The latest value of each line in force.
    Latest,
    /// The latest value of each line: each report gives the total so far.
    Cumulative,
    /// All values added.
    Sum,
    /// The greatest.
    Max,
}

/// How the latest values of several lines make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Across {
    /// Added.
    Sum,
    /// Their mean.
    Mean,
}

/// What values and targets count over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The whole plan.
    Plan,
    /// Each calendar year anew.
    Year,
}

/// A value on a day: a baseline or a target (one given by year lies on 31 December).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The day.
    pub on: Date,
    /// The value.
    pub value: Decimal,
}

/// One thing for which an import is refused, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path within the plan file, by index: `actions[3].indicators[0].window`.
    pub path: String,
    /// What is wrong; its `Display` is the message.
    pub problem: Problem,
}

/// What an import refuses (VERDICTS, "Plan file").
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// `window: year` without increase.
    #[error("a yearly window needs the direction increase")]
    YearlyWithoutIncrease,
    /// Sum or max with decrease.
    #[error("values that are added, or the greatest of them, cannot be asked to decrease")]
    DecreaseOfSumOrMax,
    /// A target of at_least not above 0.
    #[error("a target of at_least must be above 0")]
    FloorNotPositive,
    /// A target of at_most below 0.
    #[error("a target of at_most must not be below 0")]
    CeilingNegative,
    /// A weight not above 0.
    #[error("a weight must be above 0")]
    WeightNotPositive,
    /// An action's dates outside the plan's.
    #[error("the action's dates must lie within the plan's")]
    OutsidePlan,
    /// An end before its start.
    #[error("the end lies before the start")]
    EndBeforeStart,
    /// Rules that this crate does not know.
    #[error("only rules {RULES} are known")]
    UnknownRules,
    /// Two of the same id: facts could not be told apart.
    #[error("the code is used twice")]
    Duplicate,
    /// A component that the plan does not have, or that stands above itself.
    #[error("there is no such component above this")]
    UnknownComponent,
}

/// Everything for which the import of a plan is refused; empty for a good one.
#[must_use]
pub fn check(plan: &Plan) -> Vec<Fault> {
    let mut faults = Faults(Vec::new());
    faults.when(plan.end < plan.start, "plan.period.end", Problem::EndBeforeStart);
    faults.when(plan.policy.rules != RULES, "plan.compliance_policy.rules", Problem::UnknownRules);
    faults.when(
        plan.policy.milestones_weight <= Decimal::ZERO,
        "plan.compliance_policy.milestones_weight",
        Problem::WeightNotPositive,
    );
    let components: HashSet<_> = plan.components.iter().map(|component| &component.id).collect();
    let mut seen = HashSet::new();
    for (i, component) in plan.components.iter().enumerate() {
        let at = format!("components[{i}]");
        faults.when(!seen.insert(&component.id), format!("{at}.code"), Problem::Duplicate);
        // What stands above itself would be found under no root; nothing above it would end.
        let mut above = component.parent.as_ref();
        let mut steps = 0;
        while let Some(parent) = above {
            let next = plan.components.iter().find(|other| &other.id == parent);
            steps += 1;
            if next.is_none() || steps > plan.components.len() {
                faults.when(true, format!("{at}.parent"), Problem::UnknownComponent);
                break;
            }
            above = next.and_then(|other| other.parent.as_ref());
        }
    }
    let mut seen = HashSet::new();
    for (i, action) in plan.actions.iter().enumerate() {
        let at = format!("actions[{i}]");
        faults.when(!seen.insert(&action.id), format!("{at}.code"), Problem::Duplicate);
        faults.when(
            !components.contains(&action.component),
            format!("{at}.component"),
            Problem::UnknownComponent,
        );
        check_action(&mut faults, plan, action, &at);
    }
    faults.0
}

fn check_action(faults: &mut Faults, plan: &Plan, action: &Action, at: &str) {
    let zero = Decimal::ZERO;
    faults.when(action.weight <= zero, format!("{at}.weight"), Problem::WeightNotPositive);
    faults.when(action.start < plan.start, format!("{at}.start"), Problem::OutsidePlan);
    faults.when(action.end > plan.end, format!("{at}.end"), Problem::OutsidePlan);
    faults.when(action.end < action.start, format!("{at}.end"), Problem::EndBeforeStart);
    for (i, rest) in action.suspended.iter().enumerate() {
        faults.when(
            rest.to.is_some_and(|to| to < rest.from),
            format!("{at}.suspended[{i}].to"),
            Problem::EndBeforeStart,
        );
    }
    let mut seen = HashSet::new();
    for (i, milestone) in action.milestones.iter().enumerate() {
        let path = format!("{at}.milestones[{i}].code");
        faults.when(!seen.insert(&milestone.id), path, Problem::Duplicate);
    }
    let mut seen = HashSet::new();
    for (i, indicator) in action.indicators.iter().enumerate() {
        let at = format!("{at}.indicators[{i}]");
        faults.when(!seen.insert(&indicator.id), format!("{at}.code"), Problem::Duplicate);
        faults.when(indicator.weight <= zero, format!("{at}.weight"), Problem::WeightNotPositive);
        faults.when(
            indicator.window == Window::Year && indicator.direction != Direction::Increase,
            format!("{at}.window"),
            Problem::YearlyWithoutIncrease,
        );
        faults.when(
            indicator.direction == Direction::Decrease && matches!(indicator.aggregation, Aggregation::Sum | Aggregation::Max),
            format!("{at}.aggregation"),
            Problem::DecreaseOfSumOrMax,
        );
        for (i, target) in indicator.targets.iter().enumerate() {
            let path = || format!("{at}.targets[{i}].value");
            match indicator.direction {
                Direction::AtLeast if target.value <= zero => {
                    faults.when(true, path(), Problem::FloorNotPositive);
                }
                Direction::AtMost if target.value < zero => {
                    faults.when(true, path(), Problem::CeilingNegative);
                }
                _ => {}
            }
        }
    }
}

struct Faults(Vec<Fault>);

impl Faults {
    fn when(&mut self, wrong: bool, path: impl Into<String>, problem: Problem) {
        if wrong {
            self.0.push(Fault {
                path: path.into(),
                problem,
            });
        }
    }
}

/// Why an indicator is left out everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMeasurable {
    /// It has no target.
    NoTarget,
    /// It is to decrease, and nobody says from where.
    NoBaseline,
    /// Its last target is not better than its baseline (0 without one).
    TargetNotBetter {
        /// The baseline.
        baseline: Decimal,
        /// The last target that remains.
        last_target: Decimal,
    },
}

/// The targets that remain, by date: the first on or after the action's end lies on the end, later
/// ones fall away (VERDICTS, "Expected"). Of two on one day the later written counts.
#[must_use]
pub fn remaining_targets(action: &Action, indicator: &Indicator) -> Vec<Point> {
    let mut targets = indicator.targets.clone();
    targets.sort_by_key(|target| target.on);
    let mut remaining: Vec<Point> = Vec::with_capacity(targets.len());
    for target in targets {
        match remaining.last() {
            Some(last) if last.on == target.on => {
                remaining.pop();
            }
            Some(last) if last.on >= action.end => break,
            _ => {}
        }
        remaining.push(target);
    }
    if let Some(last) = remaining.last_mut() {
        last.on = last.on.min(action.end);
    }
    remaining
}

/// Whether an indicator can be measured, or why not (VERDICTS, "Plan file").
pub fn measurable(action: &Action, indicator: &Indicator) -> Result<(), NotMeasurable> {
    let targets = remaining_targets(action, indicator);
    let last_target = targets.last().ok_or(NotMeasurable::NoTarget)?.value;
    let not_better = |baseline| NotMeasurable::TargetNotBetter { baseline, last_target };
    match indicator.direction {
        Direction::AtLeast | Direction::AtMost => Ok(()),
        Direction::Increase if indicator.window == Window::Year => Ok(()),
        Direction::Increase => {
            let baseline = indicator.baseline.map_or(Decimal::ZERO, |point| point.value);
            if last_target > baseline {
                Ok(())
            } else {
                Err(not_better(baseline))
            }
        }
        Direction::Decrease => {
            let baseline = indicator.baseline.ok_or(NotMeasurable::NoBaseline)?.value;
            if last_target < baseline {
                Ok(())
            } else {
                Err(not_better(baseline))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{day, indicator, plan, point};

    fn first(plan: &mut Plan) -> &mut Indicator {
        &mut plan.actions[0].indicators[0]
    }

    #[test]
    fn an_import_is_refused_for_what_cannot_be_judged() {
        let check = |edit: fn(&mut Plan), expect: &[(&str, Problem)]| {
            let mut plan = plan();
            edit(&mut plan);
            let faults: Vec<_> = check(&plan).into_iter().map(|fault| (fault.path, fault.problem)).collect();
            let expect: Vec<_> = expect.iter().map(|(path, problem)| ((*path).to_owned(), *problem)).collect();
            assert_eq!(faults, expect);
        };
        check(|_| {}, &[]);
        check(|plan| first(plan).window = Window::Year, &[]);
        check(
            |plan| {
                first(plan).window = Window::Year;
                first(plan).direction = Direction::AtLeast;
            },
            &[("actions[0].indicators[0].window", Problem::YearlyWithoutIncrease)],
        );
        check(
            |plan| first(plan).direction = Direction::Decrease,
            &[("actions[0].indicators[0].aggregation", Problem::DecreaseOfSumOrMax)],
        );
        check(
            |plan| {
                first(plan).direction = Direction::AtLeast;
                first(plan).targets.push(point("2026-06-30", "0"));
            },
            &[("actions[0].indicators[0].targets[1].value", Problem::FloorNotPositive)],
        );
        check(
            |plan| {
                first(plan).direction = Direction::AtMost;
                first(plan).targets = vec![point("2026-06-30", "0"), point("2026-12-31", "-0.000001")];
            },
            &[("actions[0].indicators[0].targets[1].value", Problem::CeilingNegative)],
        );
        check(
            |plan| first(plan).weight = Decimal::ZERO,
            &[("actions[0].indicators[0].weight", Problem::WeightNotPositive)],
        );
        check(
            |plan| plan.actions[0].weight = Decimal::from_int(-1),
            &[("actions[0].weight", Problem::WeightNotPositive)],
        );
        check(
            |plan| plan.policy.milestones_weight = Decimal::ZERO,
            &[("plan.compliance_policy.milestones_weight", Problem::WeightNotPositive)],
        );
        check(
            |plan| plan.policy.rules = 2,
            &[("plan.compliance_policy.rules", Problem::UnknownRules)],
        );
        check(
            |plan| plan.actions[0].start = day("2025-12-31"),
            &[("actions[0].start", Problem::OutsidePlan)],
        );
        check(
            |plan| plan.actions[0].end = day("2028-01-01"),
            &[("actions[0].end", Problem::OutsidePlan)],
        );
        check(
            |plan| plan.actions[0].component = "X".into(),
            &[("actions[0].component", Problem::UnknownComponent)],
        );
        check(
            |plan| plan.components[0].parent = Some("C".into()),
            &[("components[0].parent", Problem::UnknownComponent)],
        );
        check(
            |plan| plan.actions.push(plan.actions[0].clone()),
            &[("actions[1].code", Problem::Duplicate)],
        );
    }

    #[test]
    fn the_first_target_on_or_after_the_end_lies_on_the_end_and_later_ones_fall_away() {
        let check = |end: &str, targets: &[(&str, &str)], expect: &[(&str, &str)]| {
            let action = Action::new("A", "C", day("2026-01-01"), day(end));
            let points = |points: &[(&str, &str)]| points.iter().map(|(on, value)| point(on, value)).collect::<Vec<_>>();
            let indicator = Indicator {
                targets: points(targets),
                ..indicator()
            };
            assert_eq!(remaining_targets(&action, &indicator), points(expect), "{end} {targets:?}");
        };
        let targets = [("2028-12-31", "3"), ("2026-12-31", "1"), ("2027-12-31", "2")];
        check(
            "2028-12-31",
            &targets,
            &[("2026-12-31", "1"), ("2027-12-31", "2"), ("2028-12-31", "3")],
        );
        check("2027-08-31", &targets, &[("2026-12-31", "1"), ("2027-08-31", "2")]);
        check("2026-12-31", &targets, &[("2026-12-31", "1")]);
        check("2026-12-30", &targets, &[("2026-12-30", "1")]);
        check("2030-12-31", &targets[..1], &[("2028-12-31", "3")]);
        check(
            "2026-06-30",
            &[("2026-12-31", "1"), ("2026-12-31", "2"), ("2027-12-31", "3")],
            &[("2026-06-30", "2")],
        );
        check("2026-06-30", &[], &[]);
    }

    #[test]
    fn what_asks_for_no_way_is_not_measurable() {
        use Direction::{AtLeast, AtMost, Decrease, Increase};
        let check = |direction: Direction, baseline: Option<&str>, targets: &[&str], expect: bool| {
            let action = Action::new("A", "C", day("2026-01-01"), day("2027-06-30"));
            let years = ["2026-12-31", "2027-12-31", "2028-12-31"];
            let indicator = Indicator {
                direction,
                baseline: baseline.map(|value| point("2025-12-31", value)),
                targets: targets.iter().zip(years).map(|(value, on)| point(on, value)).collect(),
                ..indicator()
            };
            assert_eq!(
                measurable(&action, &indicator).is_ok(),
                expect,
                "{direction:?} {baseline:?} {targets:?}"
            );
        };
        check(Increase, None, &[], false);
        check(Increase, None, &["0"], false);
        check(Increase, None, &["1"], true);
        check(Increase, Some("5"), &["5"], false);
        check(Increase, Some("5"), &["4", "6"], true);
        // The third target falls away, and what remains does not lead anywhere.
        check(Increase, Some("5"), &["4", "5", "9"], false);
        check(Decrease, None, &["1"], false);
        check(Decrease, Some("1"), &["1"], false);
        check(Decrease, Some("2"), &["1"], true);
        check(AtLeast, None, &["1"], true);
        check(AtMost, None, &["0"], true);
        check(AtMost, None, &[], false);
    }
}
