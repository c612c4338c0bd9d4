//! Ten million obligations, made up the same way every time: 500 actions, 300 institutions, 245 territories, 120 months;
//! as the journals have them, entry by entry.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use prost::Message;
use vigia_platform::{Area, timestamp};
use vigia_proto::{assignments as a, journal, plans as p, reporting as r, types};
use vigia_rules::{Assignment, AssignmentId, Calendar, Count, Cover, Decimal, Extension, Frequency, Period, Role};

pub(crate) const ACTIONS: usize = 500;
pub(crate) const INSTITUTIONS: usize = 300;
pub(crate) const PROVINCES: usize = 24;
pub(crate) const CANTONS: usize = 221;
pub(crate) const PERIODS: usize = 120;
/// The period that is open as of the instant asked about.
pub(crate) const ASKED: usize = 100;
/// Those handed over half-way.
const HANDED_EVERY: usize = 100;
const HALF: usize = 60;

pub(crate) struct World {
    pub(crate) calendar: Calendar,
    pub(crate) assignments: usize,
    /// When each period ends.
    pub(crate) ends: Vec<Timestamp>,
    pub(crate) periods: Vec<Period>,
    pub(crate) extensions: Vec<(Timestamp, Extension)>,
}

/// What becomes of an obligation.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Missing,
    Plain,
    Returned,
    Rejected,
    SentTwice,
    Waived,
}

pub(crate) struct Course {
    pub(crate) kind: Kind,
    pub(crate) received_at: Timestamp,
    pub(crate) recorded_at: Timestamp,
    pub(crate) validated_at: Option<Timestamp>,
    pub(crate) nil: bool,
    pub(crate) num: i64,
    pub(crate) den: i64,
}

/// One entry of reporting, by what it is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    micros: i64,
    cell: u32,
    step: u8,
}

/// The step of an extension; its cell is its number.
const EXTENDED: u8 = 9;

/// A number from a number, well mixed (splitmix64).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn pick(seed: u64, salt: u64, below: u64) -> u64 {
    mix(seed.wrapping_mul(64).wrapping_add(salt)) % below
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).expect("small")
}

impl World {
    pub(crate) fn new(obligations: usize) -> Self {
        let calendar = Calendar {
            time_zone: TimeZone::get("America/Guayaquil").expect("a zone"),
            frequency: Frequency::Monthly,
            due_days: 10,
            count: Count::Calendar,
            holidays: BTreeSet::new(),
            due_hour: None,
            review_days: None,
        };
        let periods: Vec<_> = Frequency::Monthly.periods(date(2026, 1, 1), date(2035, 12, 31)).collect();
        let ends: Vec<_> = periods.iter().map(|period| calendar.end_of(period.last_day())).collect();
        let mut world = Self {
            calendar,
            assignments: obligations.div_ceil(PERIODS),
            ends,
            periods,
            extensions: Vec::new(),
        };
        let days = |n| SignedDuration::from_hours(24 * n);
        let mut extend = |p: usize, cover: Cover, granted: i64, until: i64, emergency: bool| {
            let until = world.calendar.day_of(world.ends[p] + days(until));
            let extension = Extension {
                period: world.periods[p],
                cover,
                until,
                emergency,
            };
            world.extensions.push((world.ends[p] + days(granted), extension));
        };
        // An outage: everybody gets five days more. Then institutions, provinces, single assignments.
        extend(40, Cover::All, 11, 15, true);
        for i in 0..40_u64 {
            let p = usize::try_from(pick(i, 1, 118)).expect("small");
            let institution = Cover::Institution(institution(usize::try_from(pick(i, 2, 300)).expect("small")).into());
            extend(p, institution, 3, 20, false);
            let territory = Cover::Territory(territory(usize::try_from(pick(i, 3, 24)).expect("small")).into());
            extend(p + 1, territory, 12, 25, true);
            extend(p, Cover::Assignment(id(1 + usize::try_from(i).expect("small") * 7)), 1, 30, false);
        }
        world
    }

    /// The instant asked about: in the middle of a month, in the past of most of what is recorded.
    pub(crate) fn t(&self) -> Timestamp {
        self.ends[ASKED - 1] + SignedDuration::from_hours(24 * 14 + 7)
    }

    /// The plan as a revision leaves it; weights, the calendar and the policy change.
    fn definition(version: usize) -> p::PlanDefinition {
        let target = |year: i32, value: i32| p::Target {
            on: format!("{year}-12-31"),
            value: Some(number(value)),
        };
        let of_action = |i: usize| {
            let (aggregation, direction, targets) = match i % 10 {
                0..=3 => (
                    p::Aggregation::Sum,
                    p::Direction::Increase,
                    vec![target(2030, 300_000), target(2035, 1_000_000)],
                ),
                4 | 5 => (p::Aggregation::Cumulative, p::Direction::Increase, vec![target(2035, 400_000)]),
                6 | 7 => (p::Aggregation::Latest, p::Direction::AtLeast, vec![target(2035, 80)]),
                8 => (p::Aggregation::Latest, p::Direction::AtLeast, vec![target(2035, 1)]),
                _ => (p::Aggregation::Latest, p::Direction::AtMost, vec![target(2035, 40)]),
            };
            p::Indicator {
                name: format!("plans/{PLAN}/actions/{}/indicators/i", action(i)),
                code: "I".into(),
                // Counts are added up over those who report, anything else is averaged.
                unit: if i % 10 <= 5 { "count".into() } else { "percent".into() },
                aggregation: aggregation.into(),
                direction: direction.into(),
                targets,
                ..p::Indicator::default()
            }
        };
        let actions = (0..ACTIONS).map(|i| p::Action {
            name: format!("plans/{PLAN}/actions/{}", action(i)),
            component: format!("plans/{PLAN}/components/{}", component(2, i)),
            text_es: format!("Acción {i}"),
            weight: Some(number(1 + i32::try_from((i + version) % 5).expect("small"))),
            start: "2026-01-01".into(),
            end: "2035-12-31".into(),
            ..p::Action::default()
        });
        let components = [4, 20, 100].into_iter().enumerate().flat_map(|(level, count)| {
            (0..count).map(move |i| p::Component {
                name: format!("plans/{PLAN}/components/{}", component(level, i)),
                parent: level
                    .checked_sub(1)
                    .map(|above| format!("plans/{PLAN}/components/{}", component(above, i)))
                    .unwrap_or_default(),
                ..p::Component::default()
            })
        });
        p::PlanDefinition {
            plan: Some(p::Plan {
                name: format!("plans/{PLAN}"),
                start: "2026-01-01".into(),
                end: "2035-12-31".into(),
                time_zone: "America/Guayaquil".into(),
                reporting: Some(p::ReportingCalendar {
                    frequency: p::Frequency::Monthly.into(),
                    due_days_after_period: if version >= 2 { 12 } else { 10 },
                    ..p::ReportingCalendar::default()
                }),
                compliance_policy: Some(p::CompliancePolicy {
                    rules: 1,
                    stale_after: if version >= 3 { 3 } else { 2 },
                    ..p::CompliancePolicy::default()
                }),
                ..p::Plan::default()
            }),
            components: components.collect(),
            actions: actions.collect(),
            indicators: (0..ACTIONS).map(of_action).collect(),
        }
    }

    /// Revisions: effective day and number.
    pub(crate) fn versions(&self) -> Vec<(Date, usize)> {
        [(0, 0), (30, 1), (HALF, 2), (90, 3)]
            .map(|(p, version)| (self.periods[p].first_day(), version))
            .to_vec()
    }

    pub(crate) fn assignment(i: usize) -> Assignment {
        let place = usize::try_from(pick(i as u64, 5, (PROVINCES + CANTONS) as u64)).expect("small");
        Assignment {
            id: id(i),
            action: action(i % ACTIONS).into(),
            institution: institution(usize::try_from(pick(i as u64, 4, INSTITUTIONS as u64)).expect("small")).into(),
            role: if Self::is_lead(i) { Role::Lead } else { Role::CoResponsible },
            territory: Some(territory(place).into()),
            from: date(2026, 1, 1),
            last_day: None,
        }
    }

    fn is_lead(i: usize) -> bool {
        (i / ACTIONS).is_multiple_of(2)
    }

    /// The one that takes an assignment over half-way: of the same action and role, by another institution.
    pub(crate) fn heir(&self, i: usize) -> Option<Assignment> {
        i.is_multiple_of(HANDED_EVERY).then(|| Assignment {
            id: heir_id(i),
            institution: institution((i / HANDED_EVERY) % INSTITUTIONS).into(),
            from: self.periods[HALF].first_day(),
            ..Self::assignment(i)
        })
    }

    /// Who owes the report of an assignment's line for a period.
    pub(crate) fn owing(i: usize, p: usize) -> AssignmentId {
        if i.is_multiple_of(HANDED_EVERY) && p >= HALF {
            heir_id(i)
        } else {
            id(i)
        }
    }

    pub(crate) fn course(&self, i: usize, p: usize) -> Course {
        let seed = (i * PERIODS + p) as u64;
        let random = |salt, below| signed(pick(seed, salt, below));
        let day = 24 * 3_600_000_000;
        let kind = match random(10, 1000) {
            0..60 => Kind::Missing,
            60..65 => Kind::Returned,
            65..67 => Kind::Rejected,
            67..69 => Kind::SentTwice,
            69..70 => Kind::Waived,
            _ => Kind::Plain,
        };
        let late = random(11, 100) < 15;
        let after = if late {
            8 * day + random(12, 50) * day
        } else {
            random(12, 9) * day
        } + random(13, 86_400_000_000);
        let received_at = self.ends[p] + SignedDuration::from_micros(after);
        let recorded_at = received_at + SignedDuration::from_micros(500 + random(14, 60_000));
        let validated_at = (random(15, 100) < 75).then(|| recorded_at + SignedDuration::from_micros(day + random(16, 45 * 86_400_000_000)));
        let nil = random(17, 100) < 5;
        let p = signed(p as u64);
        let (num, den) = match (i % ACTIONS) % 10 {
            0..=3 => (random(18, 20_000) * 10_000, 1_000_000),
            4 | 5 => ((p + 1) * (20_000_000 + random(18, 20_000_000)), 1_000_000),
            8 => (random(18, 600) * 1_000_000, 1_000_000_000),
            _ => (random(18, 100_000) * 1_000, 1_000_000),
        };
        Course {
            kind,
            received_at,
            recorded_at,
            validated_at,
            nil,
            num,
            den,
        }
    }

    /// A report of a version; a nil one without values.
    fn report(&self, i: usize, p: usize, course: &Course, version: i32) -> r::Report {
        let decimal = |millionths: i64| {
            let value = Decimal::from_millionths(millionths.into()).expect("small").to_string();
            types::Decimal { value }
        };
        let value = if (i % ACTIONS) % 10 == 8 {
            r::indicator_value::Value::Ratio(r::Ratio {
                num: Some(decimal(course.num)),
                den: Some(decimal(course.den)),
            })
        } else {
            r::indicator_value::Value::Number(decimal(course.num))
        };
        let stated = r::IndicatorValue {
            indicator: "I".into(),
            value: Some(value),
            ..r::IndicatorValue::default()
        };
        let again = SignedDuration::from_hours(24 * 12 * i64::from(version - 1));
        r::Report {
            name: format!("{}/reports/{version}", self.obligation(i, p)),
            version,
            narrative: NARRATIVE.into(),
            values: if course.nil { Vec::new() } else { vec![stated] },
            nil_reason: if course.nil { "Sin novedad".into() } else { String::new() },
            receive_time: Some(timestamp(course.received_at + again)),
            ..r::Report::default()
        }
    }

    fn obligation(&self, i: usize, p: usize) -> String {
        format!("plans/{PLAN}/assignments/{}/obligations/{}", Self::owing(i, p), self.periods[p])
    }

    /// All entries of reporting, in order.
    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let day = 24 * 3_600_000_000;
        for i in 0..self.assignments {
            for p in 0..PERIODS {
                let course = self.course(i, p);
                let at = course.recorded_at.as_microsecond();
                let cell = u32::try_from(i * PERIODS + p).expect("small");
                let mut push = |step, micros| events.push(Event { micros, cell, step });
                match course.kind {
                    Kind::Missing => {}
                    Kind::Plain => {
                        push(0, at);
                        course.validated_at.into_iter().for_each(|at| push(1, at.as_microsecond()));
                    }
                    Kind::Returned | Kind::Rejected | Kind::SentTwice => {
                        push(0, at);
                        push(2, at + 5 * day);
                        push(3, at + 12 * day);
                        push(4, at + 20 * day);
                    }
                    Kind::Waived => push(5, at),
                }
            }
        }
        for (i, (granted_at, _)) in self.extensions.iter().enumerate() {
            events.push(Event {
                micros: granted_at.as_microsecond(),
                cell: u32::try_from(i).expect("small"),
                step: EXTENDED,
            });
        }
        events.sort_unstable();
        events
    }

    /// The journals of plans and assignments.
    pub(crate) fn begin(&self) -> Vec<(Area, journal::Entry)> {
        let mut entries = Vec::new();
        for (effective_on, number) in self.versions() {
            let acts_from = self.calendar.start_of(effective_on);
            let name = format!("plans/{PLAN}/revisions/{}", number + 1);
            let approved = p::RevisionApproved {
                revision: Some(p::Revision {
                    name: name.clone(),
                    effective_on: effective_on.to_string(),
                    acts_from: Some(timestamp(acts_from)),
                    ..p::Revision::default()
                }),
                definition: Some(Self::definition(number)),
            };
            let position = number + 1;
            entries.push((
                Area::Plans,
                entry(position, acts_from, &name, "plans.v1.RevisionApproved", &approved),
            ));
        }
        let begins = self.calendar.start_of(date(2026, 1, 1));
        let mut position = 0;
        let mut push = |at: Timestamp, name: &str, kind: &str, event: &dyn Encoded| {
            position += 1;
            let entry = journal::Entry {
                event: event.bytes(),
                ..entry(position, at, name, kind, &())
            };
            entries.push((Area::Assignments, entry));
        };
        for i in 0..self.assignments {
            let assignment = Some(wire(&Self::assignment(i)));
            let name = format!("plans/{PLAN}/assignments/{}", id(i));
            let proposed = a::AssignmentProposed {
                assignment: assignment.clone(),
            };
            push(begins, &name, "assignments.v1.AssignmentProposed", &proposed);
            push(
                begins,
                &name,
                "assignments.v1.AssignmentAccepted",
                &a::AssignmentAccepted { assignment },
            );
        }
        for i in 0..self.assignments {
            let Some(heir) = self.heir(i) else { continue };
            let name = format!("plans/{PLAN}/assignments/{}", id(i));
            let handed = a::AssignmentHandedOver {
                predecessor: Some(wire(&Self::assignment(i))),
                successor: Some(wire(&heir)),
                effective_on: heir.from.to_string(),
            };
            push(self.ends[HALF - 2], &name, "assignments.v1.AssignmentHandedOver", &handed);
        }
        entries
    }

    /// The journal of reporting: of obligations only those of which `of` says so, and all extensions.
    pub(crate) fn reports<'w>(&'w self, of: impl Fn(usize, usize) -> bool + 'w) -> impl Iterator<Item = journal::Entry> + 'w {
        let events = self.events().into_iter().enumerate();
        events.filter_map(move |(number, event)| {
            let (i, p) = (event.cell as usize / PERIODS, event.cell as usize % PERIODS);
            if event.step != EXTENDED && !of(i, p) {
                return None;
            }
            let at = Timestamp::from_microsecond(event.micros).expect("in range");
            let position = number + 1;
            if event.step == EXTENDED {
                let name = format!("plans/{PLAN}/extensions/x{}", event.cell);
                let extension = Some(extension(&self.extensions[event.cell as usize].1));
                return Some(entry(
                    position,
                    at,
                    &name,
                    "reporting.v1.ExtensionGranted",
                    &r::ExtensionGranted { extension },
                ));
            }
            let (course, obligation) = (self.course(i, p), self.obligation(i, p));
            Some(match (event.step, course.kind) {
                (0 | 3, _) | (2, Kind::SentTwice) => {
                    let version = match (event.step, course.kind) {
                        (0, _) => 1,
                        (3, Kind::SentTwice) => 3,
                        _ => 2,
                    };
                    let report = self.report(i, p, &course, version);
                    let name = report.name.clone();
                    let submitted = r::ReportSubmitted { report: Some(report) };
                    entry(position, at, &name, "reporting.v1.ReportSubmitted", &submitted)
                }
                (5, _) => {
                    let waived = r::ObligationWaived {
                        obligation: obligation.clone(),
                        ..r::ObligationWaived::default()
                    };
                    entry(position, at, &obligation, "reporting.v1.ObligationWaived", &waived)
                }
                (step, kind) => {
                    let (version, decision) = match (step, kind) {
                        (2, Kind::Returned) => (1, r::Decision::Returned),
                        (2, _) => (1, r::Decision::Rejected),
                        (4, Kind::SentTwice) => (3, r::Decision::Validated),
                        (4, _) => (2, r::Decision::Validated),
                        _ => (1, r::Decision::Validated),
                    };
                    let answer_by = self.calendar.day_of(at + SignedDuration::from_hours(24 * 10));
                    let returned = decision == r::Decision::Returned;
                    let report = format!("{obligation}/reports/{version}");
                    let review = Some(r::Review {
                        report: report.clone(),
                        decision: decision.into(),
                        answer_by: if returned { answer_by.to_string() } else { String::new() },
                        review_time: Some(timestamp(at)),
                        reviewer: "accounts/revisora".into(),
                        ..r::Review::default()
                    });
                    entry(position, at, &report, "reporting.v1.ReportReviewed", &r::ReportReviewed { review })
                }
            })
        })
    }

    /// Whether an extension covers an obligation.
    pub(crate) fn is_extended(&self, i: usize, p: usize, assignment: &Assignment) -> bool {
        let of_period = self.extensions.iter().filter(|(_, extension)| extension.period == self.periods[p]);
        of_period.into_iter().any(|(_, extension)| match &extension.cover {
            Cover::All => true,
            Cover::Institution(id) => *id == assignment.institution,
            Cover::Territory(code) => assignment.territory.as_ref().is_some_and(|territory| territory.lies_in(code)),
            Cover::Assignment(covered) => *covered == id(i),
        })
    }
}

/// The plan's id.
pub(crate) const PLAN: &str = "bench";
/// As long as what is written in a hurry.
const NARRATIVE: &str = concat!(
    "Se formaron promotoras comunitarias en los cantones priorizados del período, con la participación de las mesas ",
    "territoriales y de la sociedad civil; los listados de asistencia y el informe técnico constan en el expediente.",
);

trait Encoded {
    fn bytes(&self) -> Vec<u8>;
}

impl<M: Message> Encoded for M {
    fn bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

fn entry(position: usize, at: Timestamp, resource: &str, kind: &str, event: &impl Message) -> journal::Entry {
    journal::Entry {
        position: i64::try_from(position).expect("small"),
        time: Some(timestamp(at)),
        resource: resource.to_owned(),
        event_type: format!("vigia.{kind}"),
        event: event.encode_to_vec(),
        ..journal::Entry::default()
    }
}

fn number(value: i32) -> types::Decimal {
    types::Decimal { value: value.to_string() }
}

fn wire(made: &Assignment) -> a::Assignment {
    let role = match made.role {
        Role::Lead => a::AssignmentRole::Lead,
        _ => a::AssignmentRole::CoResponsible,
    };
    a::Assignment {
        name: format!("plans/{PLAN}/assignments/{}", made.id),
        action: format!("plans/{PLAN}/actions/{}", made.action),
        institution: format!("institutions/{}", made.institution),
        role: role.into(),
        territory: made.territory.as_ref().map(ToString::to_string).unwrap_or_default(),
        from: made.from.to_string(),
        ..a::Assignment::default()
    }
}

fn extension(extension: &Extension) -> r::Extension {
    let covers = match &extension.cover {
        Cover::Assignment(id) => r::extension::Covers::Assignment(format!("plans/{PLAN}/assignments/{id}")),
        Cover::Institution(id) => r::extension::Covers::Institution(format!("institutions/{id}")),
        Cover::Territory(code) => r::extension::Covers::Territory(code.to_string()),
        Cover::All => r::extension::Covers::All(true),
    };
    r::Extension {
        period: extension.period.to_string(),
        covers: Some(covers),
        until: extension.until.to_string(),
        emergency: extension.emergency,
        ..r::Extension::default()
    }
}

pub(crate) fn id(i: usize) -> AssignmentId {
    format!("a{i}").into()
}

fn heir_id(i: usize) -> AssignmentId {
    format!("h{i}").into()
}

pub(crate) fn action(i: usize) -> String {
    format!("A{i:03}")
}

pub(crate) fn institution(i: usize) -> String {
    format!("i{i:03}")
}

/// Provinces have two digits, their cantons four.
pub(crate) fn territory(i: usize) -> String {
    match i.checked_sub(PROVINCES) {
        None => format!("{:02}", i + 1),
        Some(canton) => format!("{:02}{:02}", canton % PROVINCES + 1, canton / PROVINCES + 1),
    }
}

/// Of the first level 4, of the second 20, of the third 100.
pub(crate) fn component(level: usize, i: usize) -> String {
    let among = [4, 20, 100][level];
    format!("c{level}-{:02}", i % among)
}
