//! What holds for all stories: of calls that the rules let through, and of facts in any disorder.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use vigia_rules::{
    Action, ActionId, ActionState, Aggregation, Assignment, AssignmentId, Calendar, Component, Count, Cover, Decimal, Decision, Difference,
    Direction, Entry, Extension, Facts, Frequency, Index, Indicator, Interpolation, Milestone, Obligation, ObligationState, Period, Plan,
    Point, Policy, Position, Reading, Report, Resolution, Role, Scope, Slice, Source, Timeliness, Value, Verdicts, Window, action,
    action_since, check, extend, judgement, moves, obligation, obligation_since, obligations, review, submit, trajectory, waive,
};

/// Assignments `a0` to `a3`; `a3` is co-responsible, in the canton 1701.
const ASSIGNMENTS: usize = 4;
/// The story lies within so many hours from the plan's first midnight: two years and a half.
const HOURS: i64 = 24 * 900;

#[derive(Clone, Debug)]
struct Event {
    hour: i64,
    assignment: usize,
    period: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Submit {
        value: i32,
        ratio: bool,
        nil: bool,
        milestone: bool,
    },
    Review {
        decision: u8,
        days: i64,
    },
    Waive,
    Extend {
        all: bool,
        days: i64,
        emergency: bool,
    },
    Accept,
    Contest,
    Resolve {
        confirmed: bool,
    },
    End {
        days: i64,
    },
    HandOver {
        days: i64,
    },
    Revise {
        change: u8,
        days: i64,
    },
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        8 => (0..500_i32, prop::bool::weighted(0.1), prop::bool::weighted(0.1), any::<bool>())
            .prop_map(|(value, ratio, nil, milestone)| What::Submit { value, ratio, nil, milestone }),
        4 => (0..3_u8, -5..40_i64).prop_map(|(decision, days)| What::Review { decision, days }),
        1 => Just(What::Waive),
        2 => (any::<bool>(), -5..60_i64, any::<bool>()).prop_map(|(all, days, emergency)| What::Extend { all, days, emergency }),
        1 => Just(What::Accept),
        1 => Just(What::Contest),
        1 => any::<bool>().prop_map(|confirmed| What::Resolve { confirmed }),
        1 => (-60..200_i64).prop_map(|days| What::End { days }),
        1 => (-60..60_i64).prop_map(|days| What::HandOver { days }),
        1 => (0..6_u8, -100..100_i64).prop_map(|(change, days)| What::Revise { change, days }),
    ]
}

/// In the order of their times.
fn story() -> impl Strategy<Value = Vec<Event>> {
    let event = (0..HOURS, 0..ASSIGNMENTS, 0..8_usize, what()).prop_map(|(hour, assignment, period, what)| {
        // Most reports come soon after their period, so that stories are about something.
        let soon = matches!(what, What::Submit { .. }) && hour % 4 != 0;
        let hour = if soon {
            (i64::try_from(period).expect("small") + 1) * 24 * 91 + hour % (24 * 20)
        } else {
            hour
        };
        Event {
            hour,
            assignment,
            period,
            what,
        }
    });
    prop::collection::vec(event, 0..60).prop_map(|mut events| {
        events.sort_by_key(|event| event.hour);
        events
    })
}

fn calendar() -> Calendar {
    Calendar {
        time_zone: TimeZone::get("America/Guayaquil").expect("a zone"),
        frequency: Frequency::Quarterly,
        due_days: 10,
        count: Count::Calendar,
        holidays: std::iter::empty().collect(),
        due_hour: None,
        review_days: Some(5),
    }
}

fn at(hour: i64) -> Timestamp {
    calendar().start_of(date(2026, 1, 1)) + SignedDuration::from_hours(hour)
}

fn day(hour: i64, days: i64) -> Date {
    calendar().day_of(at(hour + 24 * days))
}

fn periods() -> Vec<Period> {
    Frequency::Quarterly.periods(date(2026, 1, 1), date(2027, 12, 31)).collect()
}

fn plan() -> Plan {
    let target = |year, value| Point {
        on: date(year, 12, 31),
        value: Decimal::from_int(value),
    };
    let indicator = |id: &str, aggregation, direction, targets: Vec<Point>| Indicator {
        direction,
        targets,
        ..Indicator::new(id, aggregation)
    };
    let sum = indicator(
        "sum",
        Aggregation::Sum,
        Direction::Increase,
        vec![target(2026, 300), target(2027, 900)],
    );
    let yearly = Indicator {
        id: "yearly".into(),
        window: Window::Year,
        ..sum.clone()
    };
    let latest = indicator("latest", Aggregation::Latest, Direction::AtMost, vec![target(2027, 400)]);
    let total = indicator("total", Aggregation::Cumulative, Direction::Increase, vec![target(2027, 800)]);
    let first = Action {
        indicators: vec![sum, latest, total],
        milestones: vec![Milestone {
            id: "M1".into(),
            due: date(2026, 5, 1),
        }],
        ..Action::new("A1", "C", date(2026, 1, 1), date(2027, 6, 30))
    };
    let second = Action {
        indicators: vec![yearly],
        ..Action::new("A2", "C1", date(2026, 2, 1), date(2027, 12, 31))
    };
    let component = |id: &str, parent: Option<&str>| Component {
        id: id.into(),
        parent: parent.map(Into::into),
    };
    let plan = Plan {
        id: "demo".into(),
        start: date(2026, 1, 1),
        end: date(2027, 12, 31),
        calendar: calendar(),
        policy: Policy::default(),
        components: vec![component("C", None), component("C1", Some("C"))],
        actions: vec![first, second],
    };
    assert_eq!(check(&plan), []);
    plan
}

/// Entries to be appended, by source; what a call did is told by what it left.
struct Writer {
    facts: Facts,
    entries: u64,
    only: Option<Source>,
    /// The versions given in disorder, by assignment and period.
    versions: BTreeMap<(usize, usize), u32>,
}

impl Writer {
    fn begin(only: Option<Source>) -> Self {
        let mut writer = Self {
            facts: Facts::new(),
            entries: 0,
            only,
            versions: BTreeMap::new(),
        };
        writer.begin_again(only);
        writer
    }

    /// From the first entry on, writing those of one source only, or of all.
    fn begin_again(&mut self, only: Option<Source>) {
        self.entries = 0;
        self.only = only;
        self.versions.clear();
        if let Some(entry) = self.entry(0, Source::Plans) {
            self.facts.plan_version(at(0), date(2026, 1, 1), entry, plan());
        }
        for i in 0..ASSIGNMENTS {
            if let Some(entry) = self.entry(0, Source::Assignments) {
                self.facts
                    .assignment_proposed(entry, assignment(i, &i.to_string(), date(2026, 1, 1)));
                if i < 3 {
                    self.facts.assignment_accepted(entry, &id(i));
                }
            }
        }
    }

    fn entry(&mut self, hour: i64, source: Source) -> Option<Entry> {
        self.entries += 1;
        let entry = Entry {
            recorded_at: at(hour),
            position: Position {
                source,
                number: self.entries,
            },
        };
        self.only.is_none_or(|only| only == source).then_some(entry)
    }

    /// Writes an event, whatever the rules say of it; or asks them first, if `lawful`.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
    fn write(&mut self, event: &Event, lawful: bool) {
        let Event {
            hour, assignment, period, ..
        } = *event;
        let (now, period) = (at(hour), periods()[period]);
        let id = id(assignment);
        let allowed = |answer: Option<Obligation>| !lawful || answer.is_some();
        match event.what {
            What::Submit {
                value,
                ratio,
                nil,
                milestone,
            } => {
                let answer = submit(&self.facts, &id, period, now).ok();
                let given = self.versions.entry((event.assignment, event.period)).or_insert(0);
                *given += 1;
                let version = if lawful {
                    answer.as_ref().map_or(0, |owed| owed.next_version - 1)
                } else {
                    *given
                };
                if allowed(answer)
                    && let Some(entry) = self.entry(hour, Source::Reporting)
                {
                    let number = Decimal::from_int(value);
                    let value = if ratio {
                        Value::Ratio {
                            num: number,
                            den: Decimal::from_int(value % 7),
                        }
                    } else {
                        Value::Number(number)
                    };
                    let values = ["sum", "latest", "total", "yearly"].map(|id| (id.into(), value));
                    let report = Report {
                        assignment: id,
                        period,
                        version,
                        received_at: now,
                        values: if nil { Vec::new() } else { values.to_vec() },
                        milestones: if milestone { vec!["M1".into()] } else { Vec::new() },
                        nil,
                    };
                    self.facts.report_submitted(entry, report);
                }
            }
            What::Review { decision, days } => {
                let decision = match decision {
                    0 => Decision::Validated,
                    1 => Decision::Returned {
                        answer_by: day(hour, days),
                    },
                    _ => Decision::Rejected,
                };
                let standing = obligation(&self.facts, &id, period, now).and_then(|owed| owed.version);
                let given = self.versions.get(&(event.assignment, event.period)).copied();
                let version = if lawful { standing } else { given }.unwrap_or(1);
                let answer = review(&self.facts, &id, period, version, decision, now).ok();
                if allowed(answer)
                    && let Some(entry) = self.entry(hour, Source::Reporting)
                {
                    self.facts.report_reviewed(entry, &id, period, version, decision);
                }
            }
            What::Waive => {
                let answer = waive(&self.facts, &id, period, now).ok();
                if allowed(answer)
                    && let Some(entry) = self.entry(hour, Source::Reporting)
                {
                    self.facts.obligation_waived(entry, &id, period);
                }
            }
            What::Extend { all, days, emergency } => {
                let cover = if all { Cover::All } else { Cover::Assignment(id) };
                let extension = Extension {
                    period,
                    cover,
                    until: day(hour, days),
                    emergency,
                };
                let answer = extend(&self.facts, &extension, now);
                if (!lawful || answer.is_ok())
                    && let Some(entry) = self.entry(hour, Source::Reporting)
                {
                    self.facts.extension_granted(entry, extension);
                }
            }
            What::Revise { change, days } => {
                let mut plan = plan();
                match change {
                    0 => plan.actions[0].end = date(2027, 12, 31),
                    1 => plan.actions[0].withdrawn_on = Some(day(hour, days)),
                    2 => plan.calendar.due_days = 25,
                    3 => plan.calendar.frequency = Frequency::Monthly,
                    4 => plan.actions.truncate(1),
                    _ => plan.end = date(2027, 9, 30),
                }
                let effective_on = day(hour, days);
                let acts_from = now.max(calendar().start_of(effective_on));
                if let Some(entry) = self.entry(hour, Source::Plans) {
                    self.facts.plan_version(acts_from, effective_on, entry, plan);
                }
            }
            ref what => {
                let Some(entry) = self.entry(hour, Source::Assignments) else {
                    return;
                };
                match what {
                    What::Contest => self.facts.assignment_contested(entry, &id),
                    What::Resolve { confirmed: true } => self.facts.assignment_resolved(entry, &id, Resolution::Confirmed),
                    What::Resolve { confirmed: false } => self.facts.assignment_resolved(entry, &id, Resolution::Withdrawn),
                    What::End { days } => self.facts.assignment_ended(entry, &id, day(hour, *days)),
                    What::HandOver { days } => {
                        let heir = self::assignment(event.assignment, &format!("heir-{hour}"), day(hour, *days));
                        self.facts.assignment_handed_over(entry, &id, heir);
                    }
                    _ => self.facts.assignment_accepted(entry, &id),
                }
            }
        }
    }
}

fn id(i: usize) -> AssignmentId {
    format!("a{i}").as_str().into()
}

fn assignment(i: usize, name: &str, from: Date) -> Assignment {
    Assignment {
        id: format!("a{name}").as_str().into(),
        action: if i == 1 { "A2" } else { "A1" }.into(),
        institution: format!("i{i}").as_str().into(),
        role: if i == 3 { Role::CoResponsible } else { Role::Lead },
        territory: (i == 3).then(|| "1701".into()),
        from,
        last_day: None,
    }
}

fn told(events: &[Event], lawful: bool) -> Facts {
    let mut writer = Writer::begin(None);
    for event in events {
        writer.write(event, lawful);
    }
    writer.facts
}

fn scopes() -> Vec<Scope> {
    let mut scopes = vec![
        Scope::Plan,
        Scope::Component("C1".into()),
        Scope::Component("C".into()),
        Scope::Territory("17".into()),
    ];
    scopes.extend((0..ASSIGNMENTS).map(|i| Scope::Institution(format!("i{i}").as_str().into())));
    scopes
}

fn slices() -> Vec<Slice> {
    let mut slices: Vec<_> = scopes().into_iter().map(Slice::Scope).collect();
    slices.extend([
        Slice::InstitutionIn("i1".into(), "C1".into()),
        Slice::Role(Role::CoResponsible),
        Slice::Actions(["A2".into()].into()),
        Slice::Assignments([id(0), id(1)].into()),
    ]);
    slices
}

/// Everything that can be asked as of t, as text.
fn everything(facts: &Facts, t: Timestamp) -> Vec<String> {
    let Some(verdicts) = Verdicts::as_of(facts, t) else {
        return Vec::new();
    };
    let mut said: Vec<String> = verdicts.actions().map(|verdict| format!("{verdict:?}")).collect();
    let mut owed: Vec<String> = obligations(facts, t).map(|owed| format!("{owed:?}")).collect();
    owed.sort();
    said.append(&mut owed);
    said.extend(slices().iter().map(|slice| format!("{slice:?} {:?}", verdicts.slice(slice))));
    said.extend(
        verdicts
            .actions()
            .map(|verdict| format!("{:?}", trajectory(facts, &verdict.action, t))),
    );
    said
}

fn agree(facts: &Facts, t: Timestamp) -> Result<(), TestCaseError> {
    let Some(verdicts) = Verdicts::as_of(facts, t) else { return Ok(()) };
    prop_assert!(verdicts.next_change() > t);
    for verdict in verdicts.actions() {
        let alone = action(facts, &verdict.action, t);
        prop_assert_eq!(alone.as_ref(), Some(verdict));
        let readings = [verdict.strict, verdict.observed, verdict.validated];
        prop_assert!(readings.into_iter().flatten().all(|reading| reading <= Reading::ONE));
        match verdict.state {
            ActionState::Achieved | ActionState::AchievedLate => prop_assert_eq!(verdict.strict, Some(Reading::ONE)),
            ActionState::Unreported | ActionState::Unassigned => prop_assert_eq!(verdict.strict, Some(Reading::ZERO)),
            state if !state.is_counted() => prop_assert_eq!(readings, [None; 3]),
            _ => {}
        }
    }
    for owed in obligations(facts, t) {
        let alone = obligation(facts, &owed.assignment, owed.period, t);
        prop_assert_eq!(alone.as_ref(), Some(&owed));
        prop_assert!(owed.calendar_due_at <= owed.due_at);
        let fits = match owed.timeliness {
            Timeliness::Pending => matches!(owed.state, ObligationState::NotOpen | ObligationState::Open),
            Timeliness::Missing => matches!(owed.state, ObligationState::Overdue | ObligationState::ReturnedOverdue),
            Timeliness::Late | Timeliness::OnTime => owed.is_received(),
            Timeliness::NotApplicable => owed.state == ObligationState::Waived,
        };
        prop_assert!(fits, "{owed:?}");
    }
    for scope in scopes() {
        let discipline = verdicts.scorecard(&scope).discipline;
        prop_assert!(discipline.received <= discipline.owed);
        prop_assert!(discipline.on_time <= discipline.received);
        prop_assert!(discipline.validated <= discipline.received);
        prop_assert!(discipline.validated_on_time <= discipline.validated.min(discipline.on_time));
        prop_assert!(discipline.nil <= discipline.received);
        prop_assert!(discipline.accepted + discipline.contested + discipline.unanswered <= discipline.proposed);
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_facts_make_it_panic_and_its_answers_agree(events in story(), hour in 0..HOURS) {
        agree(&told(&events, false), at(hour))?;
        agree(&told(&events, true), at(hour))?;
    }

    #[test]
    fn an_answer_as_of_an_instant_knows_nothing_later(events in story(), hour in 0..HOURS) {
        let earlier: Vec<_> = events.iter().filter(|event| event.hour <= hour).cloned().collect();
        prop_assert_eq!(everything(&told(&events, false), at(hour)), everything(&told(&earlier, false), at(hour)));
    }

    #[test]
    fn what_was_owed_for_an_ended_period_stays_owed(events in story(), hour in 0..HOURS, later in 0..HOURS) {
        let facts = told(&events, false);
        let (t, later) = (at(hour.min(later)), at(hour.max(later)));
        for owed in obligations(&facts, t).filter(|owed| calendar().end_of(owed.period.last_day()) <= t) {
            let then = obligation(&facts, &owed.assignment, owed.period, later);
            prop_assert!(then.is_some_and(|then| then.due_at >= owed.due_at && then.reference_day == owed.reference_day));
        }
    }

    #[test]
    fn the_parts_of_a_difference_add_up_to_it(events in story(), one in 0..HOURS, other in 0..HOURS, which in any::<prop::sample::Index>()) {
        let facts = told(&events, true);
        let (from, to) = (at(one.min(other)), at(one.max(other)));
        let slice = which.get(&slices()).clone();
        let index = |t: Timestamp| {
            let parts = Verdicts::as_of(&facts, t).map(|all| all.parts(&slice)).unwrap_or_default();
            Index::of(&parts)
        };
        let judge = |t: Timestamp, wanted: Option<&BTreeSet<ActionId>>| judgement(&facts, Some(&slice), t, wanted);
        let due = Verdicts::as_of(&facts, to).map(|all| all.periods().map(|(_, due_at)| due_at).collect::<Vec<_>>());
        let parts = moves(&facts, &facts.recorded(from, to), due.into_iter().flatten(), judge, (from, to));
        let sum = parts.iter().fold(Difference::default(), |sum, part| sum.plus(part.added));
        prop_assert_eq!(sum, Difference::between(&index(from), &index(to)), "{:?} {:#?}", slice, parts);
        // Whatever moved was moved by something that lies between.
        prop_assert!(parts.iter().all(|part| from < part.at && part.at <= to));
    }

    #[test]
    fn a_state_stands_since_the_instant_that_is_named(events in story(), hour in 0..HOURS, within in 0.0..1.0_f64) {
        let facts = told(&events, true);
        let t = at(hour);
        let just_before = |t: Timestamp| t - SignedDuration::from_micros(1);
        let between = |since: Timestamp| {
            let span = t.duration_since(since).as_secs_f64() * within;
            since + SignedDuration::from_secs_f64(span.floor())
        };
        for verdict in Verdicts::as_of(&facts, t).iter().flat_map(Verdicts::actions) {
            let since = action_since(&facts, &verdict.action, t).expect("it began some time");
            let state = |t: Timestamp| action(&facts, &verdict.action, t).map(|verdict| verdict.state);
            prop_assert!(since <= t && state(just_before(since)) != Some(verdict.state));
            prop_assert_eq!(state(between(since)), Some(verdict.state), "{} since {}, at {}", verdict.action, since, between(since));
        }
        for owed in obligations(&facts, t) {
            let since = obligation_since(&facts, &owed.assignment, owed.period, t).expect("it began some time");
            let state = |t: Timestamp| obligation(&facts, &owed.assignment, owed.period, t).map(|owed| owed.state);
            prop_assert!(since <= t && state(just_before(since)) != Some(owed.state));
            prop_assert_eq!(state(between(since)), Some(owed.state), "{:?} since {}, at {}", owed, since, between(since));
        }
    }

    #[test]
    fn sources_may_come_in_any_order(events in story(), hour in 0..HOURS) {
        let whole = told(&events, false);
        let mut turned = Writer::begin(Some(Source::Reporting));
        for source in [Source::Reporting, Source::Assignments, Source::Plans] {
            turned.begin_again(Some(source));
            for event in &events {
                turned.write(event, false);
            }
        }
        let sorted = |facts: &Facts| {
            let mut said: Vec<_> = obligations(facts, at(hour)).map(|owed| (owed.assignment, owed.period, owed.state, owed.due_at)).collect();
            said.sort();
            said
        };
        prop_assert_eq!(sorted(&turned.facts), sorted(&whole));
    }

    #[test]
    fn an_extension_never_makes_a_report_late(
        events in story(),
        hour in 0..HOURS,
        (granted, period, days, emergency) in (0..HOURS, 0..8_usize, 0..400_i64, any::<bool>()),
    ) {
        let before = told(&events, true);
        let mut after = before.clone();
        let extension = Extension { period: periods()[period], cover: Cover::All, until: day(granted, days), emergency };
        let entry = Entry { recorded_at: at(granted), position: Position { source: Source::Reporting, number: 9999 } };
        after.extension_granted(entry, extension);
        for owed in obligations(&before, at(hour)) {
            let then = obligation(&after, &owed.assignment, owed.period, at(hour)).expect("still owed");
            prop_assert!(owed.due_at <= then.due_at);
            match owed.timeliness {
                Timeliness::Late => prop_assert!(matches!(then.timeliness, Timeliness::Late | Timeliness::OnTime)),
                Timeliness::Missing => prop_assert!(then.timeliness != Timeliness::NotApplicable),
                same => prop_assert_eq!(then.timeliness, same),
            }
        }
    }

    #[test]
    fn what_a_call_foretells_is_what_is_recorded(events in story(), last in what(), place in (0..HOURS, 0..ASSIGNMENTS, 0..8_usize)) {
        let (hour, assignment, period) = place;
        let events: Vec<_> = events.into_iter().filter(|event| event.hour <= hour).collect();
        let mut writer = Writer::begin(None);
        for event in &events {
            writer.write(event, true);
        }
        let (id, of) = (id(assignment), periods()[period]);
        let foretold = match last {
            What::Submit { .. } => submit(&writer.facts, &id, of, at(hour)).ok(),
            What::Waive => waive(&writer.facts, &id, of, at(hour)).ok(),
            _ => None,
        };
        if let Some(foretold) = foretold {
            writer.write(&Event { hour, assignment, period, what: last }, true);
            let recorded = obligation(&writer.facts, &id, of, at(hour)).expect("owed");
            let key = |owed: &Obligation| (owed.state, owed.timeliness, owed.due_at, owed.version, owed.received_at, owed.answer_due_at);
            prop_assert_eq!(key(&recorded), key(&foretold));
        }
    }

    #[test]
    fn a_hand_over_leaves_values_unchanged(values in prop::collection::vec(0..300_i32, 6), handed in 1..500_i64, hour in 0..HOURS) {
        let tell = |heir: bool| {
            let mut facts = Facts::new();
            let entry = |hour, source| Entry { recorded_at: at(hour), position: Position { source, number: 1 } };
            facts.plan_version(at(0), date(2026, 1, 1), entry(0, Source::Plans), plan());
            facts.assignment_proposed(entry(0, Source::Assignments), assignment(0, "0", date(2026, 1, 1)));
            facts.assignment_accepted(entry(0, Source::Assignments), &id(0));
            if heir {
                let effective = day(0, handed);
                facts.assignment_handed_over(entry(24 * handed, Source::Assignments), &id(0), assignment(0, "1", effective));
            }
            for (period, value) in periods().into_iter().zip(&values) {
                let received_at = calendar().end_of(period.last_day()) + SignedDuration::from_hours(24 * 5);
                let owing = [id(0), id(1)].into_iter().find(|id| obligation(&facts, id, period, received_at).is_some());
                let value = Value::Number(Decimal::from_int(*value));
                let report = Report {
                    assignment: owing.expect("somebody owes it"),
                    period,
                    version: 1,
                    received_at,
                    values: ["sum", "latest", "total"].map(|id| (id.into(), value)).to_vec(),
                    milestones: Vec::new(),
                    nil: false,
                };
                let position = Position { source: Source::Reporting, number: 1 };
                facts.report_submitted(Entry { recorded_at: received_at, position }, report);
            }
            facts
        };
        let (one, two) = (tell(false), tell(true));
        prop_assert_eq!(trajectory(&one, &"A1".into(), at(hour)), trajectory(&two, &"A1".into(), at(hour)));
        let readings = |facts: &Facts| action(facts, &"A1".into(), at(hour)).map(|verdict| {
            (verdict.state, verdict.period, verdict.strict, verdict.observed, verdict.validated)
        });
        prop_assert_eq!(readings(&one), readings(&two));
    }

    #[test]
    fn achievement_lies_between_0_and_1_and_grows_with_the_value(
        direction in prop::sample::select(vec![Direction::Increase, Direction::Decrease, Direction::AtLeast, Direction::AtMost]),
        (baseline, target) in (prop::option::of(0..1000_i32), 1..1000_i32),
        (one, two) in (0..1500_i32, 0..1500_i32),
        days in 0..900_i64,
    ) {
        let point = |on, value| Point { on, value: Decimal::from_int(value) };
        let indicator = Indicator {
            direction,
            baseline: baseline.map(|value| point(date(2025, 12, 31), value)),
            targets: vec![point(date(2026, 12, 31), target)],
            ..Indicator::new("I", Aggregation::Latest)
        };
        let action = Action::new("A", "C", date(2026, 1, 1), date(2027, 12, 31));
        let expected = vigia_rules::indicator::expected(&action, &indicator, Interpolation::default(), day(0, days)).expect("a target");
        let achieved = |value: i32| vigia_rules::indicator::achievement(&indicator, &expected, &Decimal::from_int(value).into());
        let (low, high) = (one.min(two), one.max(two));
        let (worse, better) = match direction {
            Direction::Increase | Direction::AtLeast => (low, high),
            Direction::Decrease | Direction::AtMost => (high, low),
        };
        prop_assert!(achieved(worse) <= achieved(better));
        prop_assert!(achieved(worse) >= vigia_rules::Exact::zero() && achieved(better) <= vigia_rules::Exact::one());
    }

    #[test]
    fn periods_read_back_and_follow_each_other(days in 0..20_000_i64, apart in -400..400_i64) {
        for frequency in [Frequency::Monthly, Frequency::Quarterly, Frequency::Semiannual, Frequency::Annual] {
            let day = day(0, days);
            let period = frequency.period_of(day);
            prop_assert!(period.holds(day) && period.first_day() <= day && day <= period.last_day());
            prop_assert_eq!(period.to_string().parse::<Period>(), Ok(period));
            let next = frequency.period_of(period.last_day().tomorrow().expect("a day"));
            prop_assert!(period < next && next.first_day() > period.last_day());
            // They are ordered by their last days, then by their first ones.
            for other in [Frequency::Monthly, Frequency::Quarterly, Frequency::Semiannual, Frequency::Annual] {
                let other = other.period_of(self::day(0, days + apart));
                let by_days = |period: Period| (period.last_day(), period.first_day());
                prop_assert_eq!(period.cmp(&other), by_days(period).cmp(&by_days(other)), "{} {}", period, other);
            }
        }
    }
}
