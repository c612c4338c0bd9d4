//! Compliance over ten million obligations, for `tests/bench/run scorecard`. It takes the entries of their journals in,
//! writes them to a directory for other databases, serves its scorecards on a port of this machine, and answers the
//! lines of its standard input: `a` (discipline of every node), `b` (the index of every node), `memory` (reading as many
//! bytes as `a` touches). Each answer is a line of milliseconds.

#![expect(clippy::cast_precision_loss, reason = "figures to be read")]

mod served;
mod world;

use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vigia_compliance::projection::{Instants, Node, Projection, Tally};
use vigia_compliance::{Memory, store};
use vigia_platform::facts::SharedFacts;
use vigia_platform::{Area, journal::Origin};
use vigia_proto::journal::Entry;
use vigia_rules::indicator::expected;
use vigia_rules::{ActionId, Facts, Reading, Role, Scope, Verdicts, obligation};

use world::{Kind, PERIODS, PLAN, World};

/// Entries that are made before the clock runs, and taken in while it does.
const ENTRIES_AT_ONCE: usize = 5_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let directory = args.next().map(PathBuf::from).ok_or("a directory")?;
    let obligations = args.next().and_then(|text| text.parse().ok()).unwrap_or(10_000_000);
    std::fs::create_dir_all(&directory)?;
    let world = World::new(obligations);
    let mut out = std::io::stdout();
    let t = world.t();

    let before = resident();
    let memory = Memory::default();
    let (begun, _) = take_in(&memory, world.begin().into_iter())?;
    let reports = world.reports(|_, _| true).map(|entry| (Area::Reporting, entry));
    let (entries, took) = take_in(&memory, reports)?;
    let started = Instant::now();
    let projected = Projected::of(&memory);
    let took = took + started.elapsed();
    let total = projected.discipline(jiff::Timestamp::MAX).first().expect("the plan").1;
    let count = (total.owed + total.waived_after_due) as f64;
    writeln!(out, "obligations {count}")?;
    writeln!(out, "entries {entries}")?;
    writeln!(out, "entries_per_second {:.0}", entries as f64 / took.as_secs_f64())?;
    writeln!(out, "bytes_per_obligation {:.1}", (resident() - before) as f64 / count)?;
    writeln!(out, "bytes_in_columns_per_obligation {:.1}", projected.bytes() as f64 / count)?;
    check(&world, &projected)?;
    export(&world, &projected, &directory)?;

    let path = directory.join("compliance.store");
    let origin = Origin {
        origin: "vigia/reporting/bench".into(),
        epoch: 1,
    };
    let started = Instant::now();
    store::write(&path, &memory, origin)?;
    writeln!(out, "store_write_s {:.2}", started.elapsed().as_secs_f64())?;
    writeln!(out, "store_bytes_per_obligation {:.1}", path.metadata()?.len() as f64 / count)?;
    let answers = (projected.discipline(t), index(&projected, t));
    drop((projected, memory));
    let memory = Memory::default();
    let (others, read) = take_in(&memory, world.begin().into_iter())?;
    assert_eq!(others, begun);
    let started = Instant::now();
    store::restore(&path, &memory)?;
    let projected = Projected::of(&memory);
    writeln!(out, "start_s {:.2}", (read + started.elapsed()).as_secs_f64())?;
    assert!(
        (projected.discipline(t), index(&projected, t)) == answers,
        "the store gives other answers"
    );

    writeln!(out, "address {}", served::start(memory)?)?;
    let plain = Plain::new(world.assignments * world::ASKED);
    writeln!(out, "ready")?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        let started = Instant::now();
        match line?.as_str() {
            "a" => drop(black_box(projected.discipline(t))),
            "b" => drop(black_box(index(&projected, t))),
            "memory" => drop(black_box(plain.read())),
            _ => break,
        }
        writeln!(out, "{:.3}", started.elapsed().as_secs_f64() * 1e3)?;
        out.flush()?;
    }
    Ok(())
}

/// Takes entries in, and says how many that were and how long it took: that they are made first does not count.
fn take_in(memory: &Memory, mut entries: impl Iterator<Item = (Area, Entry)>) -> Result<(usize, Duration), tonic::Status> {
    let (mut count, mut took) = (0, Duration::ZERO);
    loop {
        let made: Vec<_> = entries.by_ref().take(ENTRIES_AT_ONCE).collect();
        if made.is_empty() {
            return Ok((count, took));
        }
        let started = Instant::now();
        for (area, entry) in &made {
            memory.take(*area, entry).map_err(tonic::Status::from)?;
        }
        took += started.elapsed();
        count += made.len();
    }
}

/// The plan's projection, and the journal whose positions it holds.
struct Projected {
    projection: Projection,
    journal: Arc<Instants>,
}

impl Projected {
    fn of(memory: &Memory) -> Self {
        let (projection, journal) = memory.projection(PLAN).expect("the plan");
        Self { projection, journal }
    }

    fn discipline(&self, t: jiff::Timestamp) -> Vec<(Node, Tally)> {
        self.projection.discipline(&self.journal, t).expect("a plan")
    }

    fn bytes(&self) -> usize {
        self.projection.bytes() + self.journal.bytes()
    }
}

/// Facts as the rules know them: of what was sent only some.
fn facts_of(world: &World, of: impl Fn(usize, usize) -> bool) -> Result<Facts, tonic::Status> {
    let shared = SharedFacts::default();
    let reports = world.reports(of).map(|entry| (Area::Reporting, entry));
    for (area, entry) in world.begin().into_iter().chain(reports) {
        shared.take(area, &entry).map_err(tonic::Status::from)?;
    }
    Ok(shared.with_plan(PLAN, |plan| plan.facts.clone()).unwrap_or_default())
}

type Line = (Node, Option<Reading>, Option<Reading>, Option<Reading>);

/// The index of every action, component and institution, and of the plan.
fn index(projected: &Projected, t: jiff::Timestamp) -> Vec<Line> {
    let board = projected.projection.board(&projected.journal, t).expect("a plan");
    let actions = board.actions().iter();
    let mut lines: Vec<_> = actions
        .map(|judged| {
            (
                Node::Action(judged.action.clone()),
                judged.strict,
                judged.observed,
                judged.validated,
            )
        })
        .collect();
    let (whole, components) = board.components();
    lines.push((Node::Plan, whole.strict, whole.observed, whole.validated));
    let components = components.into_iter().map(|(id, index)| (Node::Component(id), index));
    let institutions = board.institutions().into_iter().map(|(id, index)| (Node::Institution(id), index));
    lines.extend(
        components
            .chain(institutions)
            .map(|(node, index)| (node, index.strict, index.observed, index.validated)),
    );
    lines
}

/// The three actions that the rules know are judged alike.
fn check(world: &World, projected: &Projected) -> Result<(), tonic::Status> {
    let t = world.t();
    let facts = &facts_of(world, |i, _| [0, 4, 259].contains(&(i % world::ACTIONS)))?;
    let board = projected.projection.board(&projected.journal, t).expect("a plan");
    let verdicts = Verdicts::as_of(facts, t).expect("a plan");
    for number in [0, 4, 259] {
        let id = ActionId::from(world::action(number));
        let verdict = verdicts.action(&id).expect("it is in the plan");
        let judged = board
            .actions()
            .iter()
            .find(|judged| judged.action == id)
            .expect("it is in the plan");
        let theirs = (verdict.state, verdict.strict, verdict.observed, verdict.validated);
        assert_eq!((judged.state, judged.strict, judged.observed, judged.validated), theirs, "{id}");
    }
    let nodes = projected.discipline(t);
    let three: i64 = nodes
        .iter()
        .filter(|(node, _)| {
            [0, 4, 259]
                .iter()
                .any(|number| *node == Node::Action(world::action(*number).into()))
        })
        .map(|(_, tally)| tally.on_time)
        .sum();
    let discipline = verdicts.scorecard(&Scope::Plan).discipline;
    assert_eq!(three, i64::try_from(discipline.on_time).expect("small"));
    Ok(())
}

/// As many bytes as discipline touches, in two columns as it does.
struct Plain {
    columns: [Vec<u32>; 2],
}

impl Plain {
    fn new(places: usize) -> Self {
        let column = |salt: u32| (0..u32::try_from(places).expect("small")).map(|i| i ^ salt).collect();
        Self {
            columns: [column(1), column(2)],
        }
    }

    /// Reads all of it on two threads.
    fn read(&self) -> u32 {
        let sum = |column: &[u32]| column.iter().fold(0_u32, |sum, word| sum.wrapping_add(*word));
        std::thread::scope(|scope| {
            let other = scope.spawn(|| sum(&self.columns[0]));
            sum(&self.columns[1]).wrapping_add(other.join().expect("it adds"))
        })
    }
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok())
        .unwrap_or(0)
        * 1024
}

fn create(directory: &Path, name: &str) -> std::io::Result<BufWriter<File>> {
    File::create(directory.join(name)).map(BufWriter::new)
}

/// Everything as tables, and the answers. Obligations that are not plain are given already judged as of the instant
/// asked about: that spares the other databases their histories.
fn export(world: &World, projected: &Projected, directory: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let t = world.t();
    let mut file = create(directory, "t.csv")?;
    writeln!(file, "{}", t.as_microsecond())?;
    let is_irregular = |i: usize, p: usize| !matches!(world.course(i, p).kind, Kind::Missing | Kind::Plain);
    let heir_or = |i: usize, p: usize| match world.heir(i) {
        Some(heir) if heir.id == World::owing(i, p) => heir,
        _ => World::assignment(i),
    };
    let is_odd = |i: usize, p: usize| is_irregular(i, p) || world.is_extended(i, p, &heir_or(i, p));
    let odd_facts = facts_of(world, is_odd)?;
    let asked = vigia_rules::history::InForce::at(&odd_facts, jiff::Timestamp::MAX).expect("a plan");
    let terms = asked.periods();
    let mut file = create(directory, "period.csv")?;
    for (p, terms) in terms.iter().enumerate() {
        writeln!(file, "{p},{}", terms.due_at.as_microsecond())?;
    }
    // Assignments by number: heirs come after all others.
    let mut file = create(directory, "assignment.csv")?;
    let mut plain = create(directory, "obligation.csv")?;
    let mut odd = create(directory, "odd.csv")?;
    for i in 0..world.assignments {
        for (number, made) in [(i, Some(World::assignment(i))), (world.assignments + i, world.heir(i))] {
            let Some(made) = made else { continue };
            let action = i % world::ACTIONS;
            let territory = made.territory.as_ref().map(ToString::to_string).unwrap_or_default();
            let (institution, is_lead) = (&made.institution, i32::from(made.role == Role::Lead));
            writeln!(
                file,
                "{number},{},{institution},{territory},{},{is_lead},{i}",
                world::action(action),
                &territory[..2]
            )?;
            for p in (0..PERIODS).filter(|p| World::owing(i, *p) == made.id) {
                let due_at = terms[p].due_at;
                let course = world.course(i, p);
                if is_odd(i, p) {
                    let Some(found) = obligation(&odd_facts, &made.id, world.periods[p], t) else {
                        continue;
                    };
                    let is_owed = found.due_at <= t && found.state != vigia_rules::ObligationState::Waived;
                    let received = found.is_received();
                    let validated = found.state == vigia_rules::ObligationState::Validated;
                    let on_time = found.timeliness == vigia_rules::Timeliness::OnTime;
                    let flags = [is_owed, received, on_time, validated, found.nil && received].map(i32::from);
                    let [is_owed, received, on_time, validated, nil] = flags;
                    let asked =
                        i32::from(found.state != vigia_rules::ObligationState::Waived && (found.is_received() || found.due_at <= t));
                    let value = if received == 1 && !course.nil {
                        format!("{},{}", course.num, course.den)
                    } else {
                        ",".into()
                    };
                    writeln!(odd, "{number},{p},{is_owed},{asked},{received},{on_time},{validated},{nil},{value}")?;
                    continue;
                }
                let us = |at: jiff::Timestamp| at.as_microsecond();
                if course.kind == Kind::Missing {
                    writeln!(plain, "{number},{p},{},,,,0,,", us(due_at))?;
                    continue;
                }
                let validated = course.validated_at.map(|at| us(at).to_string()).unwrap_or_default();
                let value = if course.nil {
                    ",".into()
                } else {
                    format!("{},{}", course.num, course.den)
                };
                let (received, recorded) = (us(course.received_at), us(course.recorded_at));
                writeln!(
                    plain,
                    "{number},{p},{},{received},{recorded},{validated},{},{value}",
                    us(due_at),
                    i32::from(course.nil)
                )?;
            }
        }
    }
    // What the plan as of then expects of each action by period, in millionths and rounded; kinds as `World::plan` has them.
    let then = vigia_rules::history::InForce::at(&odd_facts, t).expect("a plan");
    let mut file = create(directory, "action.csv")?;
    let mut wanted = create(directory, "expected.csv")?;
    for (i, action) in then.plan().actions.iter().enumerate() {
        let weight = action.weight;
        let (a, b, c) = (world::component(0, i), world::component(1, i), world::component(2, i));
        writeln!(file, "{},{},{weight},{a},{b},{c}", action.id, i % 10)?;
        for (p, terms) in terms.iter().enumerate() {
            let day = terms.last_day.min(action.end);
            let value = expected(action, &action.indicators[0], then.plan().policy.interpolation, day).expect("a target");
            writeln!(wanted, "{},{p},{value}", action.id)?;
        }
    }
    let name = |node: &Node| match node {
        Node::Plan => "plan".to_owned(),
        Node::Action(id) => id.to_string(),
        Node::Component(id) => id.to_string(),
        Node::Institution(id) => id.to_string(),
        Node::Territory(code) => format!("t{code}"),
    };
    let mut file = create(directory, "a.csv")?;
    for (node, tally) in projected.discipline(t) {
        let counts = [
            tally.owed,
            tally.received,
            tally.on_time,
            tally.validated,
            tally.validated_on_time,
            tally.nil,
        ];
        let counts = counts.map(|count| count.to_string()).join(",");
        writeln!(file, "{},{counts}", name(&node))?;
    }
    let mut file = create(directory, "b.csv")?;
    for (node, strict, observed, validated) in index(projected, t) {
        let text = |reading: Option<Reading>| reading.map(|reading| reading.to_string()).unwrap_or_default();
        writeln!(file, "{},{},{},{}", name(&node), text(strict), text(observed), text(validated))?;
    }
    Ok(())
}
