//! Ten million obligations, made up the same way every time: 500 actions, 300 institutions, 245 territories, 120 months.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use vigia_compliance::projection::Projection;
use vigia_rules::{
    Across, Action, Aggregation, Assignment, AssignmentId, Calendar, Component, Count, Cover, Decimal, Decision, Direction, Entry,
    Extension, Facts, Frequency, Indicator, Period, Plan, Point, Policy, Position, Report, Role, Source, Value,
};

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

    pub(crate) fn plan(&self, version: usize) -> Plan {
        let target = |year, value| Point {
            on: date(year, 12, 31),
            value: Decimal::from_int(value),
        };
        let action = |i: usize| {
            let base = Indicator::new("I", Aggregation::Sum);
            let indicator = match i % 10 {
                0..=3 => Indicator {
                    targets: vec![target(2030, 300_000), target(2035, 1_000_000)],
                    ..base
                },
                4 | 5 => Indicator {
                    aggregation: Aggregation::Cumulative,
                    targets: vec![target(2035, 400_000)],
                    ..base
                },
                6 | 7 => Indicator {
                    aggregation: Aggregation::Latest,
                    across: Across::Mean,
                    direction: Direction::AtLeast,
                    targets: vec![target(2035, 80)],
                    ..base
                },
                8 => Indicator {
                    aggregation: Aggregation::Latest,
                    across: Across::Mean,
                    direction: Direction::AtLeast,
                    targets: vec![target(2035, 1)],
                    ..base
                },
                _ => Indicator {
                    aggregation: Aggregation::Latest,
                    across: Across::Mean,
                    direction: Direction::AtMost,
                    targets: vec![target(2035, 40)],
                    ..base
                },
            };
            Action {
                indicators: vec![indicator],
                weight: Decimal::from_int(1 + i32::try_from((i + version) % 5).expect("small")),
                ..Action::new(action(i), component(2, i), date(2026, 1, 1), date(2035, 12, 31))
            }
        };
        let mut components = Vec::new();
        for i in 0..4 {
            components.push(Component {
                id: component(0, i).into(),
                parent: None,
            });
        }
        for i in 0..20 {
            components.push(Component {
                id: component(1, i).into(),
                parent: Some(component(0, i).into()),
            });
        }
        for i in 0..100 {
            components.push(Component {
                id: component(2, i).into(),
                parent: Some(component(1, i).into()),
            });
        }
        let mut calendar = self.calendar.clone();
        if version >= 2 {
            calendar.due_days = 12;
        }
        Plan {
            id: "bench".into(),
            start: date(2026, 1, 1),
            end: date(2035, 12, 31),
            calendar,
            policy: Policy {
                stale_after: if version >= 3 { 3 } else { 2 },
                ..Policy::default()
            },
            components,
            actions: (0..ACTIONS).map(action).collect(),
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
    fn report(&self, i: usize, p: usize, course: &Course, version: u32) -> Report {
        let decimal = |millionths: i64| Decimal::from_millionths(millionths.into()).expect("small");
        let value = if (i % ACTIONS) % 10 == 8 {
            Value::Ratio {
                num: decimal(course.num),
                den: decimal(course.den),
            }
        } else {
            Value::Number(decimal(course.num))
        };
        let again = SignedDuration::from_hours(24 * 12 * i64::from(version - 1));
        Report {
            assignment: Self::owing(i, p),
            period: self.periods[p],
            version,
            received_at: course.received_at + again,
            values: if course.nil { Vec::new() } else { vec![("I".into(), value)] },
            milestones: Vec::new(),
            nil: course.nil,
        }
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

    /// Plan and assignments, into both.
    pub(crate) fn begin(&self, facts: &mut Facts, mut projection: Option<&mut Projection>, of: impl Fn(usize) -> bool) {
        let mut entries = 0;
        let mut entry = |recorded_at, source| {
            entries += 1;
            Entry {
                recorded_at,
                position: Position { source, number: entries },
            }
        };
        for (effective_on, number) in self.versions() {
            let acts_from = self.calendar.start_of(effective_on);
            let entry = entry(acts_from, Source::Plans);
            let plan = std::sync::Arc::new(self.plan(number));
            facts.plan_version(acts_from, effective_on, entry, plan.clone());
            if let Some(projection) = &mut projection {
                projection.plan_version(acts_from, effective_on, entry, plan);
            }
        }
        let begins = self.calendar.start_of(date(2026, 1, 1));
        for i in 0..self.assignments {
            let made = entry(begins, Source::Assignments);
            if let Some(projection) = &mut projection {
                projection.assignment_proposed(made, Self::assignment(i));
                projection.assignment_accepted(made, &id(i));
            }
            if of(i) {
                facts.assignment_proposed(made, Self::assignment(i));
                facts.assignment_accepted(made, &id(i));
            }
        }
        for i in 0..self.assignments {
            let Some(heir) = self.heir(i) else { continue };
            let entry = entry(self.ends[HALF - 2], Source::Assignments);
            if let Some(projection) = &mut projection {
                projection.assignment_handed_over(entry, &id(i), heir.clone());
            }
            if of(i) {
                facts.assignment_handed_over(entry, &id(i), heir);
            }
        }
    }

    /// Reports, reviews, waivers and extensions: into the projection all, into the facts those of which `of` says so.
    /// Returns how many entries that were, and how long the projection took for them.
    pub(crate) fn report_all(
        &self,
        facts: &mut Facts,
        mut projection: Option<&mut Projection>,
        of: impl Fn(usize, usize) -> bool,
    ) -> (usize, std::time::Duration) {
        let events = self.events();
        let started = std::time::Instant::now();
        for (number, event) in events.iter().enumerate() {
            let entry = Entry {
                recorded_at: Timestamp::from_microsecond(event.micros).expect("in range"),
                position: Position {
                    source: Source::Reporting,
                    number: number as u64 + 1,
                },
            };
            if event.step == EXTENDED {
                let extension = &self.extensions[event.cell as usize].1;
                facts.extension_granted(entry, extension.clone());
                if let Some(projection) = &mut projection {
                    projection.extension_granted(entry, extension.clone()).expect("in order");
                }
                continue;
            }
            let (i, p) = (event.cell as usize / PERIODS, event.cell as usize % PERIODS);
            let (course, owing, period) = (self.course(i, p), Self::owing(i, p), self.periods[p]);
            let wanted = of(i, p);
            let answer_by = || self.calendar.day_of(entry.recorded_at + SignedDuration::from_hours(24 * 10));
            match (event.step, course.kind) {
                (0 | 3, _) | (2, Kind::SentTwice) => {
                    let version = match (event.step, course.kind) {
                        (0, _) => 1,
                        (3, Kind::SentTwice) => 3,
                        _ => 2,
                    };
                    let report = self.report(i, p, &course, version);
                    if wanted {
                        facts.report_submitted(entry, report.clone());
                    }
                    if let Some(projection) = &mut projection {
                        projection.report_submitted(entry, report).expect("in order");
                    }
                }
                (5, _) => {
                    if wanted {
                        facts.obligation_waived(entry, &owing, period);
                    }
                    if let Some(projection) = &mut projection {
                        projection.obligation_waived(entry, &owing, period).expect("in order");
                    }
                }
                (step, kind) => {
                    let (version, decision) = match (step, kind) {
                        (2, Kind::Returned) => (1, Decision::Returned { answer_by: answer_by() }),
                        (2, _) => (1, Decision::Rejected),
                        (4, Kind::SentTwice) => (3, Decision::Validated),
                        (4, _) => (2, Decision::Validated),
                        _ => (1, Decision::Validated),
                    };
                    if wanted {
                        facts.report_reviewed(entry, &owing, period, version, decision);
                    }
                    if let Some(projection) = &mut projection {
                        projection
                            .report_reviewed(entry, &owing, period, version, decision)
                            .expect("in order");
                    }
                }
            }
        }
        (events.len(), started.elapsed())
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
