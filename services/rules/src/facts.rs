//! The facts of one plan: what was recorded, when, and where it stands. Append-only.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::exact::Decimal;
use crate::history::Version;
use crate::names::{ActionId, AssignmentId, IndicatorId, InstitutionId, MilestoneId, TerritoryCode};
use crate::period::Period;
use crate::plan::{Plan, Role};

/// The journal that a fact stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Of plans and their revisions.
    Plans,
    /// Of assignments.
    Assignments,
    /// Of reports, reviews, extensions and waivers.
    Reporting,
}

/// Where a fact stands: `plans:1042`. Opaque to the rules; callers turn it into a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The journal.
    pub source: Source,
    /// The entry's number in it.
    pub number: u64,
}

/// When a fact was recorded, and where it stands. Facts recorded after t do not exist as of t.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The journal entry's time.
    pub recorded_at: Timestamp,
    /// Where the entry stands.
    pub position: Position,
}

/// An assignment as it is proposed, or as a hand-over makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Its id.
    pub id: AssignmentId,
    /// The action.
    pub action: ActionId,
    /// Who is to answer.
    pub institution: InstitutionId,
    /// As what.
    pub role: Role,
    /// Where; none for the whole country.
    pub territory: Option<TerritoryCode>,
    /// The first day on which it is in force.
    pub from: Date,
    /// The last, where one was set from the start.
    pub last_day: Option<Date>,
}

/// How a contested assignment was resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It stands: from then on it counts as accepted.
    Confirmed,
    /// It does not stand.
    Withdrawn,
}

/// A value as reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(Decimal),
    /// A part of a whole; ratios add up their parts, never their percentages.
    Ratio {
        /// The part.
        num: Decimal,
        /// The whole.
        den: Decimal,
    },
}

/// One submission for an obligation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Who owed it.
    pub assignment: AssignmentId,
    /// For when.
    pub period: Period,
    /// Its number among the submissions for this obligation; a review names it.
    pub version: u32,
    /// When the server received it: this times it.
    pub received_at: Timestamp,
    /// The values stated, at most one for each indicator.
    pub values: Vec<(IndicatorId, Value)>,
    /// The milestones listed as done.
    pub milestones: Vec<MilestoneId>,
    /// Whether it says that there is nothing to report.
    pub nil: bool,
}

/// A reviewer's decision on a report version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stands.
    Validated,
    /// It is to be answered by the end of a day.
    Returned {
        /// That day, as a due day.
        answer_by: Date,
    },
    /// It is taken away, as if never sent.
    Rejected,
}

/// Whom an extension covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cover {
    /// An assignment and all others of its line.
    Assignment(AssignmentId),
    /// All of an institution.
    Institution(InstitutionId),
    /// All in a territory, by the code's beginning.
    Territory(TerritoryCode),
    /// Everyone.
    All,
}

/// A due day moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// For which period.
    pub period: Period,
    /// For whom.
    pub cover: Cover,
    /// The new due day.
    pub until: Date,
    /// Whether it moves also what was already due.
    pub emergency: bool,
}

/// All facts of one plan. Entries of one source arrive in its order; sources may interleave.
///
/// A plan version is the *whole* plan as it is from `acts_from` on. The caller composes revisions:
/// one that is approved before another begins to act hands in the later one's plan once more.
///
/// A copy shares everything with its original until one of them changes: it costs nothing to put a question to the facts
/// as they are while entries go on coming in.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// In the order in which they begin to act, then of recording.
    pub versions: Arc<Vec<Version>>,
    /// In the order in which anything named them.
    pub assignments: Arc<Vec<Arc<Desk>>>,
    desk_of: Arc<HashMap<AssignmentId, usize>>,
    /// The places in `assignments` of an action's, in the order of their making.
    pub by_action: Arc<BTreeMap<ActionId, Vec<usize>>>,
    /// The places in `assignments` of those that were made, in the order of their making: journals may be read in any
    /// order beside each other, and answers must not show which.
    pub in_order: Arc<Vec<usize>>,
    /// In the order of recording.
    pub extensions: Arc<HashMap<Period, Vec<(Entry, Extension)>>>,
}

/// Everything about one assignment.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    /// None as long as only reports named it: their journal may be read before the other.
    pub made: Option<Made>,
    /// What became of it, in the order of recording.
    pub events: Vec<(Entry, DeskEvent)>,
    /// What was sent and decided for each period, in the order of recording.
    pub courses: Courses,
}

/// The events of each period, in the order of recording. A list in the order of the periods, since most assignments have
/// few, and there are very many assignments.
#[derive(Clone, Debug, Default)]
pub struct Courses(Vec<(Period, Vec<(Entry, CourseEvent)>)>);

impl Courses {
    fn place(&self, period: Period) -> Result<usize, usize> {
        self.0.binary_search_by_key(&period, |(other, _)| *other)
    }

    /// What was recorded for a period, if anything was.
    #[must_use]
    pub fn get(&self, period: Period) -> Option<&Vec<(Entry, CourseEvent)>> {
        self.place(period).ok().map(|at| &self.0[at].1)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, period: Period) -> Option<&mut Vec<(Entry, CourseEvent)>> {
        self.place(period).ok().map(|at| &mut self.0[at].1)
    }

    /// The events of a period, to be added to.
    pub fn of(&mut self, period: Period) -> &mut Vec<(Entry, CourseEvent)> {
        let at = self.place(period).unwrap_or_else(|at| {
            if self.0.len() < 4 {
                self.0.reserve_exact(1);
            }
            self.0.insert(at, (period, Vec::new()));
            at
        });
        &mut self.0[at].1
    }

    /// Takes the events of a period away.
    pub fn remove(&mut self, period: Period) {
        if let Ok(at) = self.place(period) {
            self.0.remove(at);
        }
    }

    /// All periods with their events, in order.
    pub fn all(&self) -> impl Iterator<Item = (&Period, &Vec<(Entry, CourseEvent)>)> {
        self.0.iter().map(|(period, events)| (period, events))
    }

    /// The periods before one.
    pub fn before(&self, period: Period) -> impl Iterator<Item = (&Period, &Vec<(Entry, CourseEvent)>)> {
        self.all().take_while(move |(earlier, _)| **earlier < period)
    }
}

/// How an assignment came to be.
#[derive(Clone, Debug)]
pub struct Made {
    /// When, and where that stands.
    pub entry: Entry,
    /// As it was made.
    pub assignment: Assignment,
    /// The one that handed it over; such an assignment is accepted by itself.
    pub handed_from: Option<usize>,
}

/// What becomes of an assignment.
#[derive(Clone, Debug)]
pub enum DeskEvent {
    /// The institution accepts.
    Accepted,
    /// It contests.
    Contested,
    /// The contest is resolved.
    Resolved(Resolution),
    /// With its last day: an end, or a hand-over to another from the next day on.
    Ended(Date),
}

/// What is recorded for an obligation.
#[derive(Clone, Debug)]
pub enum CourseEvent {
    /// A report came.
    Submitted(Arc<Report>),
    /// A version was judged.
    Reviewed {
        /// Which.
        version: u32,
        /// How.
        decision: Decision,
    },
    /// It is not owed any more.
    Waived,
}

impl Facts {
    /// No facts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The whole plan as it is from `acts_from` on: the later of the revision's approval and the
    /// start of `effective_on`. The calendar acts on periods that begin on or after `effective_on`.
    pub fn plan_version(&mut self, acts_from: Timestamp, effective_on: Date, entry: Entry, plan: impl Into<Arc<Plan>>) {
        let version = Version::new(acts_from, effective_on, entry, plan.into());
        let key = |version: &Version| (version.acts_from, version.entry.recorded_at);
        let at = self.versions.partition_point(|other| key(other) <= key(&version));
        Arc::make_mut(&mut self.versions).insert(at, version);
    }

    /// An assignment is proposed to an institution. A second of the same id is not taken.
    pub fn assignment_proposed(&mut self, entry: Entry, assignment: Assignment) {
        self.make(entry, assignment, None);
    }

    /// The institution accepts.
    pub fn assignment_accepted(&mut self, entry: Entry, id: &AssignmentId) {
        self.desk_event(entry, id, DeskEvent::Accepted);
    }

    /// The institution contests.
    pub fn assignment_contested(&mut self, entry: Entry, id: &AssignmentId) {
        self.desk_event(entry, id, DeskEvent::Contested);
    }

    /// A contested assignment is resolved.
    pub fn assignment_resolved(&mut self, entry: Entry, id: &AssignmentId, resolution: Resolution) {
        self.desk_event(entry, id, DeskEvent::Resolved(resolution));
    }

    /// An assignment ends with its last day; of several ends the last recorded counts.
    pub fn assignment_ended(&mut self, entry: Entry, id: &AssignmentId, last_day: Date) {
        self.desk_event(entry, id, DeskEvent::Ended(last_day));
    }

    /// An assignment passes on to a new one, from that one's first day (`to.from`) on. The new one
    /// is thereby accepted; the old one ends the day before.
    pub fn assignment_handed_over(&mut self, entry: Entry, from: &AssignmentId, to: Assignment) {
        let last_day = to.from.yesterday().unwrap_or(Date::MIN);
        let handed_from = self.desk(from);
        self.make(entry, to, Some(handed_from));
        self.desk_event(entry, from, DeskEvent::Ended(last_day));
    }

    /// A report enters the journal.
    pub fn report_submitted(&mut self, entry: Entry, report: Report) {
        let desk = self.desk(&report.assignment);
        self.course_event(entry, desk, report.period, CourseEvent::Submitted(Arc::new(report)));
    }

    /// A report version is reviewed.
    pub fn report_reviewed(&mut self, entry: Entry, assignment: &AssignmentId, period: Period, version: u32, decision: Decision) {
        let desk = self.desk(assignment);
        self.course_event(entry, desk, period, CourseEvent::Reviewed { version, decision });
    }

    /// An obligation is waived.
    pub fn obligation_waived(&mut self, entry: Entry, assignment: &AssignmentId, period: Period) {
        let desk = self.desk(assignment);
        self.course_event(entry, desk, period, CourseEvent::Waived);
    }

    /// A due day is moved.
    pub fn extension_granted(&mut self, entry: Entry, extension: Extension) {
        let extensions = Arc::make_mut(&mut self.extensions);
        insert(extensions.entry(extension.period).or_default(), entry, extension);
    }

    /// The versions of the plan, in the order in which they begin to act.
    pub fn plan_versions(&self) -> impl Iterator<Item = (Timestamp, &Arc<Plan>)> {
        self.versions.iter().map(|version| (version.acts_from, &version.plan))
    }

    /// An assignment as it was made, if it was recorded.
    #[must_use]
    pub fn assignment(&self, id: &AssignmentId) -> Option<&Assignment> {
        let desk = &self.assignments[*self.desk_of.get(id)?];
        desk.made.as_ref().map(|made| &made.assignment)
    }

    /// The place of an assignment, if anything named it.
    #[must_use]
    pub fn find(&self, id: &AssignmentId) -> Option<usize> {
        self.desk_of.get(id).copied()
    }

    /// All assignments that anything named, each with its place.
    pub fn names(&self) -> impl Iterator<Item = (&AssignmentId, usize)> {
        self.desk_of.iter().map(|(id, desk)| (id, *desk))
    }

    /// The first of the line that an assignment belongs to.
    #[must_use]
    pub fn line_of(&self, desk: usize) -> usize {
        let mut first = desk;
        // Ids are made once, so nobody inherits from an heir; the bound keeps a wrong journal from
        // turning in a circle.
        for _ in 0..self.assignments.len() {
            match self.assignments[first].made.as_ref().and_then(|made| made.handed_from) {
                Some(from) => first = from,
                None => return first,
            }
        }
        desk
    }

    /// An assignment and those that it was handed on to by t, one after the other: who answers for what it owes.
    #[must_use]
    pub fn line_from(&self, id: &AssignmentId, t: Timestamp) -> Vec<&Assignment> {
        let mut line = Vec::new();
        let mut at = self.find(id);
        // No more steps than there are assignments, so that a wrong journal can't turn in a circle.
        while let Some(desk) = at.filter(|_| line.len() < self.assignments.len()) {
            let Some(made) = self.assignments[desk].made.as_ref() else { break };
            line.push(&made.assignment);
            let beside = self.by_action.get(&made.assignment.action).map(Vec::as_slice).unwrap_or_default();
            at = beside.iter().copied().find(|next| {
                let made = self.assignments[*next].made.as_ref();
                made.is_some_and(|made| made.handed_from == Some(desk) && made.entry.recorded_at <= t)
            });
        }
        line
    }

    fn desk(&mut self, id: &AssignmentId) -> usize {
        if let Some(&at) = self.desk_of.get(id) {
            return at;
        }
        let at = self.assignments.len();
        Arc::make_mut(&mut self.assignments).push(Arc::default());
        Arc::make_mut(&mut self.desk_of).insert(id.clone(), at);
        at
    }

    /// Everything about an assignment, to be added to.
    pub fn desk_mut(&mut self, at: usize) -> &mut Desk {
        Arc::make_mut(&mut Arc::make_mut(&mut self.assignments)[at])
    }

    fn make(&mut self, entry: Entry, assignment: Assignment, handed_from: Option<usize>) {
        let at = self.desk(&assignment.id);
        if self.assignments[at].made.is_none() {
            Arc::make_mut(&mut self.in_order).push(at);
            let by_action = Arc::make_mut(&mut self.by_action);
            by_action.entry(assignment.action.clone()).or_default().push(at);
            self.desk_mut(at).made = Some(Made {
                entry,
                assignment,
                handed_from,
            });
        }
    }

    fn desk_event(&mut self, entry: Entry, id: &AssignmentId, event: DeskEvent) {
        let at = self.desk(id);
        insert(&mut self.desk_mut(at).events, entry, event);
    }

    fn course_event(&mut self, entry: Entry, desk: usize, period: Period, event: CourseEvent) {
        insert(self.desk_mut(desk).courses.of(period), entry, event);
    }
}

/// Keeps the order of recording; what is recorded at one instant stays in the order of arrival.
fn insert<T>(events: &mut Vec<(Entry, T)>, entry: Entry, event: T) {
    let at = events.partition_point(|(other, _)| other.recorded_at <= entry.recorded_at);
    // Nearly all of these lists have one or two events, and there are very many of them.
    if events.len() < 4 {
        events.reserve_exact(1);
    }
    events.insert(at, (entry, event));
}
