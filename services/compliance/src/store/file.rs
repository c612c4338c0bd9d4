//! The file: its kind and version, sections each behind its length, and the SHA-256 of all that. It is written beside the
//! old one, made durable and put in its place; it is read twice, first to see that all of it fits.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use jiff::Timestamp;
use prost::Message;
use sha2::{Digest, Sha256};
use vigia_platform::facts::Submission;
use vigia_rules::{Cover, Decision, Extension, Report, Value};

use crate::{
    aside::{At, Named, OwnReview, Told},
    memory::{Memory, Restoring, Stored},
    projection::{Instants, StoredCourse, StoredEvent, StoredSlot, StoredTable},
};

/// Its kind, and in the last byte its version: another one is passed over.
const MAGIC: [u8; 8] = *b"VIGIACS\x01";
/// No section is longer: a table of a thousand assignments over a thousand periods with sixty indicators.
const SECTION_BYTES_MAX: u32 = 1 << 30;
const SUM_BYTES: usize = 32;

/// Why a store is not taken.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It can't be read or written.
    #[error("the store can't be read or written")]
    Io(#[from] io::Error),
    /// It is not whole, or not of this version.
    #[error("the store is damaged, or of another version")]
    Damaged,
    /// It does not fit to the journals.
    #[error("the store is of another journal")]
    OtherJournal,
    /// Something can't be stored: what no journal brings.
    #[error("an instant or a number can't be stored")]
    Unstorable,
}

impl From<prost::DecodeError> for StoreError {
    fn from(_: prost::DecodeError) -> Self {
        Self::Damaged
    }
}

/// Of which journal it is, and how far it goes.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Begin {
    #[prost(string, tag = "1")]
    pub(crate) origin: String,
    #[prost(int64, tag = "2")]
    pub(crate) epoch: i64,
    #[prost(uint64, tag = "3")]
    pub(crate) position: u64,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) leaf_hash: Vec<u8>,
    /// How far the journals of plans and assignments were followed.
    #[prost(uint64, tag = "5")]
    pub(crate) plans: u64,
    #[prost(uint64, tag = "6")]
    pub(crate) assignments: u64,
}

/// One of these.
#[derive(Clone, PartialEq, prost::Message)]
struct Section {
    #[prost(message, optional, tag = "1")]
    begin: Option<Begin>,
    #[prost(message, optional, tag = "2")]
    instants: Option<Step>,
    /// What follows is of this plan.
    #[prost(string, optional, tag = "3")]
    plan: Option<String>,
    #[prost(message, optional, tag = "4")]
    extension: Option<ExtensionAt>,
    #[prost(message, optional, tag = "5")]
    table: Option<Table>,
    #[prost(message, optional, tag = "6")]
    course: Option<Course>,
    #[prost(message, optional, tag = "7")]
    named: Option<NamedBy>,
    #[prost(message, optional, tag = "8")]
    stored: Option<StoredBy>,
    /// Of the plan.
    #[prost(message, optional, tag = "9")]
    own_review: Option<OwnReviewAt>,
}

/// Evidence and spending that a submission names.
#[derive(Clone, PartialEq, prost::Message)]
struct NamedBy {
    #[prost(uint32, tag = "1")]
    position: u32,
    #[prost(string, tag = "2")]
    assignment: String,
    #[prost(int64, tag = "3")]
    received_at: i64,
    #[prost(string, repeated, tag = "4")]
    evidence: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    spent: Vec<String>,
}

/// Evidence that an institution has stored.
#[derive(Clone, PartialEq, prost::Message)]
struct StoredBy {
    #[prost(uint32, tag = "1")]
    position: u32,
    #[prost(string, tag = "2")]
    evidence: String,
    #[prost(string, tag = "3")]
    institution: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OwnReviewAt {
    #[prost(uint32, tag = "1")]
    position: u32,
    #[prost(string, tag = "2")]
    assignment: String,
    #[prost(string, tag = "3")]
    period: String,
    #[prost(uint32, tag = "4")]
    version: u32,
}

/// Entries one after the other: the time of the first in microseconds, and the steps from each to the next.
#[derive(Clone, PartialEq, prost::Message)]
struct Step {
    #[prost(int64, tag = "1")]
    first: i64,
    #[prost(uint64, repeated, tag = "2")]
    steps: Vec<u64>,
}

/// Columns are bytes, little end first.
#[derive(Clone, PartialEq, prost::Message)]
struct Table {
    #[prost(string, repeated, tag = "1")]
    assignments: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    periods: Vec<String>,
    #[prost(bytes = "vec", tag = "3")]
    sent: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    judged: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    lag: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    flags: Vec<u8>,
    #[prost(message, repeated, tag = "7")]
    slots: Vec<Slot>,
    #[prost(bytes = "vec", tag = "8")]
    shape: Vec<u8>,
    #[prost(message, repeated, tag = "9")]
    shapes: Vec<Shape>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Slot {
    #[prost(string, tag = "1")]
    indicator: String,
    #[prost(bytes = "vec", tag = "2")]
    num: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "3")]
    den: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Shape {
    #[prost(message, repeated, tag = "1")]
    broken_down: Vec<BrokenDown>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct BrokenDown {
    #[prost(string, tag = "1")]
    indicator: String,
    #[prost(string, repeated, tag = "2")]
    dimensions: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Course {
    #[prost(string, tag = "1")]
    assignment: String,
    #[prost(string, tag = "2")]
    period: String,
    #[prost(message, repeated, tag = "3")]
    events: Vec<Event>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Event {
    #[prost(uint32, tag = "1")]
    position: u32,
    /// A waiver, where neither of the others is there.
    #[prost(message, optional, tag = "2")]
    submitted: Option<Submitted>,
    #[prost(message, optional, tag = "3")]
    reviewed: Option<Reviewed>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Submitted {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(int64, tag = "2")]
    received_at: i64,
    #[prost(message, repeated, tag = "3")]
    values: Vec<Stated>,
    #[prost(string, repeated, tag = "4")]
    milestones: Vec<String>,
    #[prost(bool, tag = "5")]
    nil: bool,
    #[prost(message, repeated, tag = "7")]
    broken_down: Vec<BrokenDown>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Stated {
    #[prost(string, tag = "1")]
    indicator: String,
    #[prost(string, tag = "2")]
    num: String,
    #[prost(string, optional, tag = "3")]
    den: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Reviewed {
    #[prost(uint32, tag = "1")]
    version: u32,
    /// 1 validated, 2 returned, 3 rejected.
    #[prost(uint32, tag = "2")]
    decision: u32,
    #[prost(string, tag = "3")]
    answer_by: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ExtensionAt {
    #[prost(uint32, tag = "1")]
    position: u32,
    #[prost(string, tag = "2")]
    period: String,
    /// 1 an assignment, 2 an institution, 3 a territory, 4 all.
    #[prost(uint32, tag = "3")]
    kind: u32,
    #[prost(string, tag = "4")]
    covered: String,
    #[prost(string, tag = "5")]
    until: String,
    #[prost(bool, tag = "6")]
    emergency: bool,
}

/// Writes all that is stored, and puts it in the place of what was there.
pub(super) fn write(path: &Path, begin: &Begin, stored: &Stored) -> Result<(), StoreError> {
    let new = path.with_extension("store.new");
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let mut sections = Written {
        file: BufWriter::with_capacity(1 << 20, file),
        sum: Sha256::new(),
    };
    sections.bytes(&MAGIC)?;
    sections.write(&Section {
        begin: Some(begin.clone()),
        ..Section::default()
    })?;
    for instants in stored.journal.steps() {
        let instants = Some(Step::of(&instants).ok_or(StoreError::Unstorable)?);
        sections.write(&Section {
            instants,
            ..Section::default()
        })?;
    }
    for (plan, projection) in stored.plans() {
        let plan = Some(plan.to_owned());
        sections.write(&Section {
            plan,
            ..Section::default()
        })?;
        for (position, extension) in projection.stored_extensions() {
            let extension = Some(ExtensionAt::of(position, extension));
            sections.write(&Section {
                extension,
                ..Section::default()
            })?;
        }
        for table in projection.stored_tables().filter(|table| table.sent.iter().any(|sent| *sent > 0)) {
            let table = Some(Table::of(&table));
            sections.write(&Section {
                table,
                ..Section::default()
            })?;
        }
        for course in projection.stored_courses() {
            let course = Some(Course::of(&course).ok_or(StoreError::Unstorable)?);
            sections.write(&Section {
                course,
                ..Section::default()
            })?;
        }
    }
    for section in aside_of(stored)? {
        sections.write(&section)?;
    }
    let Written { mut file, sum } = sections;
    file.write_all(&sum.finalize())?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(())
}

/// What stands beside the facts.
fn aside_of(stored: &Stored) -> Result<Vec<Section>, StoreError> {
    let Told {
        named,
        stored: kept,
        own_reviews,
    } = &stored.aside;
    let mut sections = Vec::new();
    for (position, named) in named {
        let named = Some(NamedBy {
            position: *position,
            assignment: named.assignment.to_string(),
            received_at: micros(named.received_at).ok_or(StoreError::Unstorable)?,
            evidence: named.evidence.clone(),
            spent: named.spent.iter().map(ToString::to_string).collect(),
        });
        sections.push(Section {
            named,
            ..Section::default()
        });
    }
    for ((evidence, institution), at) in kept {
        let stored = Some(StoredBy {
            position: at.position,
            evidence: evidence.clone(),
            institution: institution.clone(),
        });
        sections.push(Section {
            stored,
            ..Section::default()
        });
    }
    for ((plan, assignment, period), reviews) in own_reviews {
        for review in reviews {
            let own_review = Some(OwnReviewAt {
                position: review.at.position,
                assignment: assignment.to_string(),
                period: period.to_string(),
                version: review.version,
            });
            sections.push(Section {
                plan: Some(plan.clone()),
                own_review,
                ..Section::default()
            });
        }
    }
    Ok(sections)
}

struct Written {
    file: BufWriter<File>,
    sum: Sha256,
}

impl Written {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.sum.update(bytes);
        Ok(self.file.write_all(bytes)?)
    }

    fn write(&mut self, section: &Section) -> Result<(), StoreError> {
        let bytes = section.encode_to_vec();
        let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= SECTION_BYTES_MAX);
        self.bytes(&length.ok_or(StoreError::Unstorable)?.to_le_bytes())?;
        self.bytes(&bytes)
    }
}

/// How a store begins; none where there is none.
pub(super) fn begin(path: &Path) -> Result<Option<Begin>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let first = Sections::of(&file)?.next()?.and_then(|section| section.begin);
    first.map(Some).ok_or(StoreError::Damaged)
}

/// Fills a memory that has nothing of reporting yet. Nothing is changed unless all of it is whole and fits. Returns the
/// time of the last entry.
pub(super) fn restore(path: &Path, memory: &Memory) -> Result<Timestamp, StoreError> {
    let file = File::open(path)?;
    let mut journal = Instants::default();
    let mut filled = memory.restoring(&mut journal);
    walk(&file, &mut filled, false)?;
    let begin = walk(&file, &mut filled, true)?;
    filled.done(&begin.leaf_hash).ok_or(StoreError::Damaged)
}

/// Reads all sections, and checks them or takes them in.
fn walk(file: &File, memory: &mut Restoring<'_>, fill: bool) -> Result<Begin, StoreError> {
    let mut sections = Sections::of(file)?;
    let mut plan = None;
    memory.told = Told::default();
    let begin = sections.next()?.and_then(|section| section.begin).ok_or(StoreError::Damaged)?;
    while let Some(section) = sections.next()? {
        if let Some(step) = section.instants {
            if !fill {
                step.push(memory.journal)?;
            }
            continue;
        }
        let last = memory.journal.len();
        let lies = |position: u32| (1..=last).contains(&position);
        let at = |position: u32| {
            let recorded_at = lies(position).then(|| memory.journal.at(position)).ok_or(StoreError::Damaged)?;
            Ok::<_, StoreError>(At { recorded_at, position })
        };
        if let Some(named) = section.named {
            let evidence = Named {
                assignment: named.assignment.into(),
                received_at: instant(named.received_at)?,
                evidence: named.evidence,
                spent: named.spent.iter().map(|spent| parse(spent)).collect::<Result<_, _>>()?,
            };
            let position = at(named.position)?.position;
            memory.told.named.insert(position, evidence);
        } else if let Some(stored) = section.stored {
            let at = at(stored.position)?;
            memory.told.stored.insert((stored.evidence, stored.institution), at);
        } else if let Some(review) = section.own_review {
            let key = (
                section.plan.ok_or(StoreError::Damaged)?,
                review.assignment.into(),
                parse(&review.period)?,
            );
            let at = at(review.position)?;
            let version = review.version;
            memory.told.own_reviews.entry(key).or_default().push(OwnReview { at, version });
        } else if let Some(named) = section.plan {
            plan = Some(named);
        } else {
            let plan = plan.as_deref().ok_or(StoreError::Damaged)?;
            if let Some(extension) = section.extension {
                let position = extension.position;
                let extension = extension.read()?;
                if !lies(position) {
                    return Err(StoreError::Damaged);
                }
                if fill {
                    memory.extension(plan, position, extension);
                }
            } else if let Some(table) = section.table {
                let table = table.read()?;
                if fill {
                    memory.table(plan, &table);
                } else if !memory.fits(plan, &table) {
                    return Err(StoreError::OtherJournal);
                }
            } else if let Some(course) = section.course {
                let course = course.read()?;
                if !course.events.iter().all(|(position, _)| lies(*position)) {
                    return Err(StoreError::Damaged);
                }
                if fill {
                    memory.course(plan, course);
                }
            } else {
                return Err(StoreError::Damaged);
            }
        }
    }
    if u64::from(memory.journal.len()) == begin.position {
        Ok(begin)
    } else {
        Err(StoreError::Damaged)
    }
}

/// The sections of a file, one after the other; after the last it holds its sum against what was read.
struct Sections<'f> {
    file: BufReader<&'f File>,
    sum: Sha256,
    left: u64,
}

impl<'f> Sections<'f> {
    fn of(file: &'f File) -> Result<Self, StoreError> {
        let mut this = file;
        io::Seek::rewind(&mut this)?;
        let sum_bytes = u64::try_from(SUM_BYTES).unwrap_or(0);
        let mut sections = Self {
            file: BufReader::with_capacity(1 << 20, file),
            sum: Sha256::new(),
            left: file.metadata()?.len().checked_sub(sum_bytes).ok_or(StoreError::Damaged)?,
        };
        if sections.bytes(MAGIC.len())? == MAGIC {
            Ok(sections)
        } else {
            Err(StoreError::Damaged)
        }
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, StoreError> {
        let left = u64::try_from(length).ok().and_then(|length| self.left.checked_sub(length));
        self.left = left.ok_or(StoreError::Damaged)?;
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes)?;
        self.sum.update(&bytes);
        Ok(bytes)
    }

    fn next(&mut self) -> Result<Option<Section>, StoreError> {
        if self.left == 0 {
            let mut sum = [0; SUM_BYTES];
            self.file.read_exact(&mut sum)?;
            let is_whole = self.sum.finalize_reset().as_slice() == sum;
            return if is_whole { Ok(None) } else { Err(StoreError::Damaged) };
        }
        let length = self.bytes(4)?.try_into().map(u32::from_le_bytes).map_err(|_| StoreError::Damaged)?;
        let length = usize::try_from(length).map_err(|_| StoreError::Damaged)?;
        Ok(Some(Section::decode(self.bytes(length)?.as_slice())?))
    }
}

fn micros(t: Timestamp) -> Option<i64> {
    (t.subsec_nanosecond() % 1000 == 0).then(|| t.as_microsecond())
}

fn instant(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|_| StoreError::Damaged)
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Damaged)
}

impl Step {
    fn of(instants: &[Timestamp]) -> Option<Self> {
        let all: Vec<_> = instants.iter().map(|at| micros(*at)).collect::<Option<_>>()?;
        let steps = all.windows(2).map(|two| u64::try_from(two[1] - two[0]).ok());
        Some(Self {
            first: *all.first()?,
            steps: steps.collect::<Option<_>>()?,
        })
    }

    fn push(&self, journal: &mut Instants) -> Result<(), StoreError> {
        let mut at = self.first;
        let mut push = |at: i64| {
            let next = u64::from(journal.len()) + 1;
            journal.push(next, instant(at)?).map_err(|_| StoreError::Damaged).map(drop)
        };
        push(at)?;
        for step in &self.steps {
            at = at.checked_add_unsigned(*step).ok_or(StoreError::Damaged)?;
            push(at)?;
        }
        Ok(())
    }
}

macro_rules! columns {
    ($($to:ident, $from:ident: $of:ty, $bytes:literal;)*) => {$(
        fn $to(column: &[$of]) -> Vec<u8> {
            column.iter().flat_map(|one| one.to_le_bytes()).collect()
        }

        fn $from(bytes: &[u8]) -> Result<Vec<$of>, StoreError> {
            let (all, rest) = bytes.as_chunks::<$bytes>();
            if rest.is_empty() { Ok(all.iter().map(|one| <$of>::from_le_bytes(*one)).collect()) } else { Err(StoreError::Damaged) }
        }
    )*};
}

columns! {
    from_u16, to_u16: u16, 2;
    from_u32, to_u32: u32, 4;
    from_i64, to_i64: i64, 8;
}

impl BrokenDown {
    fn of(one: &(vigia_rules::IndicatorId, Vec<String>)) -> Self {
        Self {
            indicator: one.0.to_string(),
            dimensions: one.1.clone(),
        }
    }

    fn read(self) -> (vigia_rules::IndicatorId, Vec<String>) {
        (self.indicator.into(), self.dimensions)
    }
}

impl Table {
    fn of(stored: &StoredTable) -> Self {
        Self {
            assignments: stored.assignments.iter().map(ToString::to_string).collect(),
            periods: stored.periods.iter().map(ToString::to_string).collect(),
            sent: from_u32(&stored.sent),
            judged: from_u32(&stored.judged),
            lag: from_u32(&stored.lag),
            flags: stored.flags.clone(),
            slots: stored
                .slots
                .iter()
                .map(|slot| Slot {
                    indicator: slot.indicator.to_string(),
                    num: from_i64(&slot.num),
                    den: slot.den.as_deref().map(from_i64),
                })
                .collect(),
            shape: from_u16(&stored.shape),
            shapes: stored
                .shapes
                .iter()
                .map(|shape| Shape {
                    broken_down: shape.iter().map(BrokenDown::of).collect(),
                })
                .collect(),
        }
    }

    fn read(self) -> Result<StoredTable, StoreError> {
        let slot = |slot: Slot| {
            Ok::<_, StoreError>(StoredSlot {
                indicator: slot.indicator.into(),
                num: to_i64(&slot.num)?,
                den: slot.den.as_deref().map(to_i64).transpose()?,
            })
        };
        Ok(StoredTable {
            assignments: self.assignments.into_iter().map(Into::into).collect(),
            periods: self.periods.iter().map(|period| parse(period)).collect::<Result<_, _>>()?,
            sent: to_u32(&self.sent)?,
            judged: to_u32(&self.judged)?,
            lag: to_u32(&self.lag)?,
            flags: self.flags,
            slots: self.slots.into_iter().map(slot).collect::<Result<_, _>>()?,
            shape: to_u16(&self.shape)?,
            shapes: self
                .shapes
                .into_iter()
                .map(|shape| shape.broken_down.into_iter().map(BrokenDown::read).collect())
                .collect(),
        })
    }
}

impl Course {
    fn of(stored: &StoredCourse) -> Option<Self> {
        let event = |(position, event): &(u32, StoredEvent)| {
            let mut written = Event {
                position: *position,
                ..Event::default()
            };
            match event {
                StoredEvent::Submitted(submission) => written.submitted = Some(Submitted::of(submission)?),
                StoredEvent::Reviewed(version, decision) => {
                    let (decision, answer_by) = match decision {
                        Decision::Validated => (1, String::new()),
                        Decision::Returned { answer_by } => (2, answer_by.to_string()),
                        Decision::Rejected => (3, String::new()),
                    };
                    written.reviewed = Some(Reviewed {
                        version: *version,
                        decision,
                        answer_by,
                    });
                }
                StoredEvent::Waived => {}
            }
            Some(written)
        };
        Some(Self {
            assignment: stored.assignment.to_string(),
            period: stored.period.to_string(),
            events: stored.events.iter().map(event).collect::<Option<_>>()?,
        })
    }

    fn read(self) -> Result<StoredCourse, StoreError> {
        let (assignment, period) = (vigia_rules::AssignmentId::from(self.assignment), parse(&self.period)?);
        let event = |event: Event| {
            let read = match (event.submitted, event.reviewed) {
                (Some(submitted), _) => StoredEvent::Submitted(submitted.read(assignment.clone(), period)?),
                (None, Some(reviewed)) => {
                    let decision = match reviewed.decision {
                        1 => Decision::Validated,
                        2 => Decision::Returned {
                            answer_by: parse(&reviewed.answer_by)?,
                        },
                        3 => Decision::Rejected,
                        _ => return Err(StoreError::Damaged),
                    };
                    StoredEvent::Reviewed(reviewed.version, decision)
                }
                (None, None) => StoredEvent::Waived,
            };
            Ok((event.position, read))
        };
        let events = self.events.into_iter().map(event).collect::<Result<_, _>>()?;
        Ok(StoredCourse {
            assignment,
            period,
            events,
        })
    }
}

impl Submitted {
    fn of(submission: &Submission) -> Option<Self> {
        let report = &submission.report;
        let stated = |(id, value): &(vigia_rules::IndicatorId, Value)| {
            let (num, den) = match value {
                Value::Number(number) => (number, None),
                Value::Ratio { num, den } => (num, Some(den.to_string())),
            };
            Stated {
                indicator: id.to_string(),
                num: num.to_string(),
                den,
            }
        };
        Some(Self {
            version: report.version,
            received_at: micros(report.received_at)?,
            values: report.values.iter().map(stated).collect(),
            milestones: report.milestones.iter().map(ToString::to_string).collect(),
            nil: report.nil,
            broken_down: submission.broken_down.iter().map(BrokenDown::of).collect(),
        })
    }

    fn read(self, assignment: vigia_rules::AssignmentId, period: vigia_rules::Period) -> Result<Submission, StoreError> {
        let stated = |stated: Stated| {
            let num = parse(&stated.num)?;
            let value = match stated.den {
                None => Value::Number(num),
                Some(den) => Value::Ratio { num, den: parse(&den)? },
            };
            Ok::<_, StoreError>((stated.indicator.into(), value))
        };
        Ok(Submission {
            report: Report {
                assignment,
                period,
                version: self.version,
                received_at: instant(self.received_at)?,
                values: self.values.into_iter().map(stated).collect::<Result<_, _>>()?,
                milestones: self.milestones.into_iter().map(Into::into).collect(),
                nil: self.nil,
            },
            evidence: Vec::new(),
            spent: Vec::new(),
            broken_down: self.broken_down.into_iter().map(BrokenDown::read).collect(),
        })
    }
}

impl ExtensionAt {
    fn of(position: u32, extension: &Extension) -> Self {
        let (kind, covered) = match &extension.cover {
            Cover::Assignment(id) => (1, id.to_string()),
            Cover::Institution(id) => (2, id.to_string()),
            Cover::Territory(code) => (3, code.to_string()),
            Cover::All => (4, String::new()),
        };
        Self {
            position,
            period: extension.period.to_string(),
            kind,
            covered,
            until: extension.until.to_string(),
            emergency: extension.emergency,
        }
    }

    fn read(self) -> Result<Extension, StoreError> {
        let cover = match self.kind {
            1 => Cover::Assignment(self.covered.into()),
            2 => Cover::Institution(self.covered.into()),
            3 => Cover::Territory(self.covered.into()),
            4 => Cover::All,
            _ => return Err(StoreError::Damaged),
        };
        Ok(Extension {
            period: parse(&self.period)?,
            cover,
            until: parse(&self.until)?,
            emergency: self.emergency,
        })
    }
}
