//! How long all verdicts of a plan take: 50 actions with two indicators, 5 assignments each, 22
//! half-years, everything reported and reviewed; and all its scorecards.

use std::hint::black_box;
use std::time::Instant;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vigia_rules::{
    Action, Aggregation, Assignment, AssignmentId, Calendar, Component, Count, Decimal, Decision, Direction, Entry, Facts, Frequency,
    Indicator, Plan, Point, Policy, Position, Report, Role, Scope, Source, Value, Verdicts, obligation,
};

const ACTIONS: usize = 50;
const ASSIGNMENTS: usize = 5;
const ROUNDS: u32 = 20;

fn main() {
    let (facts, t) = facts();
    let started = Instant::now();
    for _ in 0..ROUNDS {
        black_box(Verdicts::as_of(&facts, t));
    }
    let all = started.elapsed() / ROUNDS;
    let verdicts = Verdicts::as_of(&facts, t).expect("a plan");
    let started = Instant::now();
    for i in 0..ASSIGNMENTS {
        black_box(verdicts.scorecard(&Scope::Institution(format!("i{i}").into())));
    }
    let card = started.elapsed() / 5;
    let id = AssignmentId::from("a0-0");
    let period = "2025-S2".parse().expect("a period");
    let started = Instant::now();
    for _ in 0..1000 {
        black_box(obligation(&facts, &id, period, t));
    }
    let one = started.elapsed() / 1000;
    let owed = verdicts.obligations().count();
    println!("{owed} obligations: all verdicts {all:?}, a scorecard {card:?}, one obligation {one:?}");
}

fn facts() -> (Facts, Timestamp) {
    let calendar = Calendar {
        time_zone: TimeZone::get("America/Guayaquil").expect("a zone"),
        frequency: Frequency::Semiannual,
        due_days: 30,
        count: Count::Calendar,
        holidays: std::iter::empty().collect(),
        due_hour: None,
        review_days: None,
    };
    let (start, end) = (date(2020, 1, 1), date(2030, 12, 31));
    let indicators = [(Aggregation::Sum, Direction::Increase), (Aggregation::Latest, Direction::AtMost)];
    let action = |i: usize| Action {
        indicators: indicators
            .iter()
            .map(|(aggregation, direction)| Indicator {
                direction: *direction,
                targets: (2020..=2030)
                    .map(|year| Point {
                        on: date(year, 12, 31),
                        value: Decimal::from_int(100 * i32::from(year - 2019)),
                    })
                    .collect(),
                ..Indicator::new(format!("{aggregation:?}"), *aggregation)
            })
            .collect(),
        ..Action::new(format!("A{i}"), "C", start, end)
    };
    let plan = Plan {
        id: "demo".into(),
        start,
        end,
        calendar: calendar.clone(),
        policy: Policy::default(),
        components: vec![Component {
            id: "C".into(),
            parent: None,
        }],
        actions: (0..ACTIONS).map(action).collect(),
    };
    let begins = calendar.start_of(start);
    let mut facts = Facts::new();
    let mut number = 0;
    let mut entry = |recorded_at, source| {
        number += 1;
        Entry {
            recorded_at,
            position: Position { source, number },
        }
    };
    facts.plan_version(begins, start, entry(begins, Source::Plans), plan);
    for i in 0..ACTIONS {
        for j in 0..ASSIGNMENTS {
            let id = AssignmentId::from(format!("a{i}-{j}"));
            let assignment = Assignment {
                id: id.clone(),
                action: format!("A{i}").into(),
                institution: format!("i{j}").into(),
                role: Role::Lead,
                territory: None,
                from: start,
                last_day: None,
            };
            facts.assignment_proposed(entry(begins, Source::Assignments), assignment);
            facts.assignment_accepted(entry(begins, Source::Assignments), &id);
            for period in Frequency::Semiannual.periods(start, end) {
                let received_at = calendar.end_of(period.last_day()) + SignedDuration::from_hours(48);
                let value = |number| Value::Number(Decimal::from_int(number));
                let report = Report {
                    assignment: id.clone(),
                    period,
                    version: 1,
                    received_at,
                    values: vec![("Sum".into(), value(9)), ("Latest".into(), value(3))],
                    milestones: Vec::new(),
                    nil: false,
                };
                facts.report_submitted(entry(received_at, Source::Reporting), report);
                let reviewed = entry(received_at + SignedDuration::from_hours(24), Source::Reporting);
                facts.report_reviewed(reviewed, &id, period, 1, Decision::Validated);
            }
        }
    }
    (facts, calendar.start_of(date(2031, 3, 1)))
}
