//! The obligations of one action: a row for each assignment, in it a place for each period of the plan, side by side.
//!
//! A place says of the plain majority all that there is to say: one report, validated or not yet.
//!
//! | column | bytes | holds |
//! |---|---|---|
//! | `sent` | 4 | the position of the submission, and two flags: late, nil |
//! | `judged` | 4 | the position of the validation |
//! | `lag` | 2 | from the receipt to the journal entry, in microseconds; the few long ones lie beside |
//! | `late_days`, `review_days` | 1 + 1 | whole days, for the medians |
//! | a [`Slot`] for each indicator | 8 or 16 | the value stated, in millionths |
//! | `shape` | 2 | how the values are broken down; only where some are |
//! | `exists` | 1/8 | whether the obligation exists, once its period has ended |
//!
//! What is not plain (returned, rejected, sent again, waived, with milestones, values too great, very late) is
//! *irregular*: its place is empty, and its events lie among the facts, where the rules themselves judge them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use vigia_platform::facts::Submission;
use vigia_rules::assignment::Standing;
use vigia_rules::{ActionId, AssignmentId, Decimal, IndicatorId, Period, Report, Role, Value};

use super::odd::OddState;
use super::tally::Correction;

/// Nothing there: greater than every position and every word, and above 0 also where the sign bit counts.
pub(super) const NONE: u32 = 0x7fff_ffff;
/// No value stated. No plain value is so low.
pub(super) const MISSING: i64 = i64::MIN;
/// Values are plain below this magnitude, in millionths (nine thousand million): so many of them add up within 64 bits.
pub(super) const PLAIN_BELOW: i64 = 1 << 53;
/// How many rows can be added up before the sum is put aside.
pub(super) const ROWS_PER_SUM: usize = 512;

/// More indicators than this an action's columns do not hold: each is a column over all its obligations.
pub(super) const SLOTS_MAX: usize = 64;

const LATE: u32 = 1;
const NIL: u32 = 2;
/// Bits of a word of `sent` that are flags.
pub(super) const FLAGS: u32 = 2;
/// A lag that lies beside.
const LONG: u16 = u16::MAX;

/// The dimensions by which the values of a report are broken down, by indicator in the order of their ids; those that
/// are not are not among them.
pub type Shape = Vec<(IndicatorId, Vec<String>)>;

/// An action's columns.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) action: ActionId,
    /// How many periods.
    pub(super) width: usize,
    pub(super) rows: Vec<Row>,
    pub(super) sent: Vec<u32>,
    pub(super) judged: Vec<u32>,
    lag: Vec<u16>,
    long_lags: BTreeMap<u32, u32>,
    pub(super) late_days: Vec<u8>,
    pub(super) review_days: Vec<u8>,
    pub(super) slots: Vec<Slot>,
    /// The number of a place's shape, from 1; empty as long as nothing is broken down.
    shape: Vec<u16>,
    shapes: Vec<Shape>,
    /// One bit a place, [`Table::words`] words a row.
    pub(super) exists: Vec<u64>,
    /// What the action asks of everybody, by period; none where the plan has no such action.
    pub(super) duties: Vec<Option<Duty>>,
}

/// What the plan version by which a period is owed says of an action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Duty {
    pub(super) reference_day: Date,
    pub(super) opens_at: Timestamp,
    /// The roles that report, as bits.
    pub(super) roles: u8,
}

/// The values stated for an indicator.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) indicator: IndicatorId,
    /// Numbers, or the parts of ratios.
    pub(super) num: Vec<i64>,
    /// The wholes; none where values are numbers.
    pub(super) den: Option<Vec<i64>>,
}

/// An assignment.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its place among the facts.
    pub(super) desk: u32,
    pub(super) institution: u32,
    /// [`NONE`] for the whole country.
    pub(super) territory: u32,
    pub(super) role: Role,
    /// The place of the first of its line.
    pub(super) line: u32,
    pub(super) standing: RowStanding,
    /// The places that are not plain or whose due instant was moved, by period.
    pub(super) odds: Vec<Odd>,
    /// From when on all of them are quiet, and what their corrections add up to then.
    pub(super) rests_from: Timestamp,
    pub(super) correction: Correction,
    /// Whether something was recorded since it was last settled,
    pub(super) dirty: bool,
    /// and of that something by which other obligations may exist.
    pub(super) stale: bool,
}

impl Row {
    /// The odd place for a period, or where it would lie.
    pub(super) fn find_odd(&self, period: Period) -> Result<usize, usize> {
        self.odds.binary_search_by_key(&period, |odd| odd.period)
    }
}

/// How an assignment stands since the last event on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowStanding {
    pub(super) made_at: Timestamp,
    pub(super) changed_at: Timestamp,
    pub(super) from: Date,
    pub(super) last_day: Option<Date>,
    pub(super) is_accepted: bool,
    pub(super) is_contested: bool,
    pub(super) is_withdrawn: bool,
}

impl RowStanding {
    pub(super) fn of(standing: &Standing<'_>, made_at: Timestamp, changed_at: Timestamp) -> Self {
        Self {
            made_at,
            changed_at,
            from: standing.assignment.from,
            last_day: standing.last_day,
            is_accepted: standing.accepted_at.is_some(),
            is_contested: standing.is_contested,
            is_withdrawn: standing.is_withdrawn,
        }
    }

    pub(super) fn is_in_force_on(&self, day: Date) -> bool {
        self.from <= day && self.last_day.is_none_or(|last| day <= last)
    }

    pub(super) fn is_unanswered(&self) -> bool {
        !self.is_accepted && !self.is_contested && !self.is_withdrawn
    }
}

/// A place that the columns alone do not answer for.
#[derive(Clone, Debug)]
pub(super) struct Odd {
    pub(super) period: Period,
    /// Its period's column; none where the plan has no such period.
    pub(super) column: Option<u16>,
    /// Its course lies among the facts, not in the columns.
    pub(super) irregular: bool,
    /// Before this, the columns do answer for it.
    pub(super) first: Timestamp,
    /// From this on nothing changes any more by time alone, and what follows holds.
    pub(super) quiet: Timestamp,
    /// What discipline counts, less what the columns count of it.
    pub(super) correction: Correction,
    pub(super) rest: Option<OddState>,
}

/// A plain submission as the columns hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) position: u32,
    pub(super) late: bool,
    pub(super) nil: bool,
}

impl Table {
    pub(super) fn new(action: ActionId, width: usize) -> Self {
        Self {
            action,
            width,
            rows: Vec::new(),
            sent: Vec::new(),
            judged: Vec::new(),
            lag: Vec::new(),
            long_lags: BTreeMap::new(),
            late_days: Vec::new(),
            review_days: Vec::new(),
            slots: Vec::new(),
            shape: Vec::new(),
            shapes: Vec::new(),
            exists: Vec::new(),
            duties: vec![None; width],
        }
    }

    /// Words of `exists` a row.
    pub(super) fn words(&self) -> usize {
        self.width.div_ceil(64)
    }

    pub(super) fn push(&mut self, row: Row) -> usize {
        self.rows.push(row);
        let places = self.rows.len() * self.width;
        self.sent.resize(places, NONE);
        self.judged.resize(places, NONE);
        self.lag.resize(places, 0);
        self.late_days.resize(places, 0);
        self.review_days.resize(places, 0);
        if !self.shape.is_empty() {
            self.shape.resize(places, 0);
        }
        for slot in &mut self.slots {
            slot.num.resize(places, MISSING);
            if let Some(den) = &mut slot.den {
                den.resize(places, 0);
            }
        }
        self.exists.resize(self.rows.len() * self.words(), 0);
        self.rows.len() - 1
    }

    pub(super) fn at(&self, row: usize, column: usize) -> usize {
        row * self.width + column
    }

    pub(super) fn exists(&self, row: usize, column: usize) -> bool {
        self.exists[row * self.words() + column / 64] >> (column % 64) & 1 == 1
    }

    pub(super) fn set_exists(&mut self, row: usize, column: usize, exists: bool) {
        let word = row * self.words() + column / 64;
        let bit = 1 << (column % 64);
        if exists {
            self.exists[word] |= bit;
        } else {
            self.exists[word] &= !bit;
        }
    }

    pub(super) fn sent(&self, at: usize) -> Option<Sent> {
        let word = self.sent[at];
        (word != NONE).then_some(Sent {
            position: word >> FLAGS,
            late: word & LATE != 0,
            nil: word & NIL != 0,
        })
    }

    pub(super) fn set_sent(&mut self, at: usize, sent: Option<Sent>) {
        self.sent[at] = sent.map_or(NONE, |sent| {
            (sent.position << FLAGS) | (u32::from(sent.nil) * NIL) | (u32::from(sent.late) * LATE)
        });
    }

    /// From the receipt of what was sent to its entry, in microseconds.
    pub(super) fn lag(&self, at: usize) -> u32 {
        match self.lag[at] {
            LONG => self.long_lags.get(&place(at)).copied().unwrap_or(0),
            short => short.into(),
        }
    }

    pub(super) fn set_lag(&mut self, at: usize, lag: u32) {
        let short = u16::try_from(lag).ok().filter(|short| *short != LONG);
        self.lag[at] = short.unwrap_or(LONG);
        if short.is_none() {
            self.long_lags.insert(place(at), lag);
        }
    }

    /// How the values at a place are broken down.
    pub(super) fn shape(&self, at: usize) -> &[(IndicatorId, Vec<String>)] {
        let number = self.shape.get(at).copied().unwrap_or(0);
        let shape = usize::from(number).checked_sub(1).and_then(|number| self.shapes.get(number));
        shape.map(Vec::as_slice).unwrap_or_default()
    }

    /// All shapes, and which of them each place has.
    pub(super) fn all_shapes(&self) -> (Vec<u16>, Vec<Shape>) {
        (self.shape.clone(), self.shapes.clone())
    }

    /// Notes how values are broken down; false where there are too many ways to number them.
    pub(super) fn set_shape(&mut self, at: usize, broken_down: &[(IndicatorId, Vec<String>)]) -> bool {
        if broken_down.is_empty() && self.shape.is_empty() {
            return true;
        }
        let mut shape = broken_down.to_vec();
        shape.sort_by(|(one, _), (other, _)| one.cmp(other));
        let number = match self.shapes.iter().position(|known| *known == shape) {
            _ if shape.is_empty() => 0,
            Some(number) => number + 1,
            None => {
                self.shapes.push(shape);
                self.shapes.len()
            }
        };
        let Ok(number) = u16::try_from(number) else {
            self.shapes.pop();
            return false;
        };
        self.shape.resize(self.sent.len(), 0);
        self.shape[at] = number;
        true
    }

    /// Leaves a place as if nothing had come.
    pub(super) fn clear(&mut self, at: usize) {
        self.sent[at] = NONE;
        self.judged[at] = NONE;
        if self.lag[at] == LONG {
            self.long_lags.remove(&place(at));
        }
        self.lag[at] = 0;
        if let Some(shape) = self.shape.get_mut(at) {
            *shape = 0;
        }
        for slot in &mut self.slots {
            slot.num[at] = MISSING;
        }
    }

    /// The slot of an indicator.
    pub(super) fn slot(&self, indicator: &IndicatorId) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.indicator == *indicator)
    }

    /// Whether a report can lie in the columns, as far as its content goes.
    pub(super) fn takes(&self, submission: &Submission) -> bool {
        let Submission { report, broken_down, .. } = submission;
        let states = |id: &IndicatorId| report.values.iter().any(|(stated, _)| stated == id);
        let fits = |decimal: Decimal| decimal.millionths().unsigned_abs() < u128::from(PLAIN_BELOW.unsigned_abs());
        let once = |i: usize| report.values[..i].iter().all(|(id, _)| *id != report.values[i].0);
        let new = report.values.iter().filter(|(id, _)| self.slot(id).is_none()).count();
        report.version == 1
            && self.slots.len() + new <= SLOTS_MAX
            && report.milestones.is_empty()
            && broken_down.iter().all(|(id, _)| states(id))
            && report.values.iter().enumerate().all(|(i, (id, value))| {
                let is_ratio = matches!(value, Value::Ratio { .. });
                let same_kind = self.slot(id).is_none_or(|slot| slot.den.is_some() == is_ratio);
                let small = match value {
                    Value::Number(number) => fits(*number),
                    Value::Ratio { num, den } => fits(*num) && fits(*den),
                };
                same_kind && small && once(i)
            })
    }

    /// Puts a report's values into their slots; [`Table::takes`] has let it through.
    pub(super) fn put_values(&mut self, at: usize, values: &[(IndicatorId, Value)]) {
        let plain = |decimal: &Decimal| i64::try_from(decimal.millionths()).unwrap_or(MISSING);
        for (id, value) in values {
            match value {
                Value::Number(number) => self.put_value(at, id, plain(number), None),
                Value::Ratio { num, den } => self.put_value(at, id, plain(num), Some(plain(den))),
            }
        }
    }

    /// Puts a number, or the parts of a ratio, in millionths.
    pub(super) fn put_value(&mut self, at: usize, id: &IndicatorId, num: i64, den: Option<i64>) {
        let place = self.slots.iter().position(|slot| slot.indicator == *id).unwrap_or_else(|| {
            self.slots.push(Slot {
                indicator: id.clone(),
                num: vec![MISSING; self.sent.len()],
                den: den.map(|_| vec![0; self.sent.len()]),
            });
            self.slots.len() - 1
        });
        let slot = &mut self.slots[place];
        slot.num[at] = num;
        if let (Some(dens), Some(den)) = (&mut slot.den, den) {
            dens[at] = den;
        }
    }

    /// The values that a plain report states.
    pub(super) fn values(&self, at: usize) -> Vec<(IndicatorId, Value)> {
        let stated = self.slots.iter().filter(|slot| slot.num[at] != MISSING);
        let value = |slot: &Slot| plain_value(slot.num[at], slot.den.as_ref().map(|den| den[at]));
        let mut values: Vec<_> = stated.map(|slot| (slot.indicator.clone(), value(slot))).collect();
        // The slots' order is that in which indicators came: an answer must not show it.
        values.sort_by(|(one, _), (other, _)| one.cmp(other));
        values
    }

    /// The plain report at a place.
    pub(super) fn report(&self, at: usize, sent: Sent, received_at: Timestamp, (assignment, period): (AssignmentId, Period)) -> Report {
        Report {
            assignment,
            period,
            version: 1,
            received_at,
            values: self.values(at),
            milestones: Vec::new(),
            nil: sent.nil,
        }
    }

    /// The same rows over other periods: `from` says for each new column which old one it was.
    pub(super) fn widened(&self, from: &[Option<usize>]) -> Self {
        fn moved<T: Copy>(old: &[T], width: usize, rows: usize, from: &[Option<usize>], empty: T) -> Vec<T> {
            let rows = 0..rows;
            rows.flat_map(|row| {
                from.iter()
                    .map(move |column| column.map_or(empty, |column| old[row * width + column]))
            })
            .collect()
        }
        let (width, rows) = (self.width, self.rows.len());
        let mut table = Self::new(self.action.clone(), from.len());
        table.rows.clone_from(&self.rows);
        table.shapes.clone_from(&self.shapes);
        table.sent = moved(&self.sent, width, rows, from, NONE);
        table.judged = moved(&self.judged, width, rows, from, NONE);
        table.lag = moved(&self.lag, width, rows, from, 0);
        if !self.shape.is_empty() {
            table.shape = moved(&self.shape, width, rows, from, 0);
        }
        for (&at, &lag) in &self.long_lags {
            let (row, old) = (at as usize / width, at as usize % width);
            if let Some(column) = from.iter().position(|from| *from == Some(old)) {
                table.long_lags.insert(place(row * from.len() + column), lag);
            }
        }
        table.late_days = moved(&self.late_days, width, rows, from, 0);
        table.review_days = moved(&self.review_days, width, rows, from, 0);
        let slot = |slot: &Slot| Slot {
            indicator: slot.indicator.clone(),
            num: moved(&slot.num, width, rows, from, MISSING),
            den: slot.den.as_ref().map(|den| moved(den, width, rows, from, 0)),
        };
        table.slots = self.slots.iter().map(slot).collect();
        table.exists = vec![0; rows * table.words()];
        for row in 0..rows {
            for (column, old) in from.iter().enumerate() {
                table.set_exists(row, column, old.is_some_and(|old| self.exists(row, old)));
            }
        }
        table
    }

    /// Bytes held, without what the allocator keeps ready.
    pub(super) fn bytes(&self) -> usize {
        let slots = self
            .slots
            .iter()
            .map(|slot| 8 * (slot.num.len() + slot.den.as_ref().map_or(0, Vec::len)));
        self.sent.len() * 12
            + self.shape.len() * 2
            + self.exists.len() * 8
            + self.rows.len() * size_of::<Row>()
            + self.duties.len() * size_of::<Option<Duty>>()
            + self.rows.iter().map(|row| row.odds.len() * size_of::<Odd>()).sum::<usize>()
            + slots.sum::<usize>()
    }
}

/// A number, or the parts of a ratio, from millionths.
pub(super) fn plain_value(num: i64, den: Option<i64>) -> Value {
    let decimal = |plain: i64| Decimal::from_millionths(plain.into()).unwrap_or(Decimal::ZERO);
    match den {
        None => Value::Number(decimal(num)),
        Some(den) => Value::Ratio {
            num: decimal(num),
            den: decimal(den),
        },
    }
}

/// A place as it numbers the long lags; a table has far fewer places than that.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
