//! The value of an indicator from columns (VERDICTS, "Value, expectation, achievement"): as `vigia_rules::indicator`
//! has it, place by place.

use std::ops::RangeInclusive;

use vigia_rules::obligation::stated;
use vigia_rules::{Across, Aggregation, Direction, Indicator, Value, Window};

use super::fraction::Fraction;
use super::odd;
use super::table::{MISSING, ROWS_PER_SUM, Slot};
use super::verdict::Case;

/// Values added up: their parts, where they are ratios. In millionths.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total {
    count: i64,
    has_ratio: bool,
    num: i128,
    den: i128,
}

const ONE: i128 = 1_000_000;

impl Total {
    fn add(&mut self, value: Stated) {
        self.count += 1;
        self.has_ratio |= value.is_ratio;
        self.num += value.num;
        self.den += value.den;
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.has_ratio |= other.has_ratio;
        self.num += other.num;
        self.den += other.den;
    }

    fn sum(&self) -> Option<Fraction> {
        match self {
            Self { count: 0, .. } => None,
            Self { has_ratio: false, .. } => Some(Fraction::millionths(self.num)),
            Self { den, .. } if *den <= 0 => None,
            Self { num, den, .. } => Fraction::quotient(*num, *den),
        }
    }
}

/// A value as stated; a number is one of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stated {
    num: i128,
    den: i128,
    is_ratio: bool,
}

impl Stated {
    fn of(value: &Value) -> Self {
        match value {
            Value::Number(number) => Self {
                num: number.millionths(),
                den: ONE,
                is_ratio: false,
            },
            Value::Ratio { num, den } => Self {
                num: num.millionths(),
                den: den.millionths(),
                is_ratio: true,
            },
        }
    }

    fn of_column(slot: &Slot, at: usize) -> Option<Self> {
        let num = slot.num[at];
        (num != MISSING).then(|| Self {
            num: num.into(),
            den: slot.den.as_ref().map_or(ONE, |den| den[at].into()),
            is_ratio: slot.den.is_some(),
        })
    }

    fn quotient(self) -> Option<Fraction> {
        if self.is_ratio && self.den <= 0 {
            return None;
        }
        Fraction::quotient(self.num, self.den)
    }
}

/// What is added up, or compared, for an indicator, period by period; received and validated.
#[derive(Debug)]
pub(super) struct Series {
    totals: [Vec<Total>; 2],
    greatest: [Vec<Option<Fraction>>; 2],
    /// Whether somebody was asked for a value and gave none that counts.
    lacks: [Vec<bool>; 2],
}

/// What a column of numbers adds up to, period by period.
struct Sums {
    received: Vec<i64>,
    received_count: Vec<i64>,
    validated: Vec<i64>,
    validated_count: Vec<i64>,
}

impl Sums {
    fn new(periods: usize) -> Self {
        let zeros = || vec![0; periods];
        Self {
            received: zeros(),
            received_count: zeros(),
            validated: zeros(),
            validated_count: zeros(),
        }
    }

    /// Adds one row. A plain loop over slices of one length without a branch, so that the compiler makes vectors of it.
    fn add(&mut self, sent: &[u32], judged: &[u32], values: &[i64], sent_max: u32, judged_max: u32) {
        let n = self.received.len();
        let (sent, judged, values) = (&sent[..n], &judged[..n], &values[..n]);
        let (received, received_count) = (&mut self.received[..n], &mut self.received_count[..n]);
        let (validated, validated_count) = (&mut self.validated[..n], &mut self.validated_count[..n]);
        for i in 0..n {
            let is_stated = i64::from(values[i] != MISSING);
            let is_received = i64::from(sent[i] <= sent_max) & is_stated;
            let is_validated = i64::from(judged[i] <= judged_max) & is_stated;
            received[i] += values[i] & -is_received;
            received_count[i] += is_received;
            validated[i] += values[i] & -is_validated;
            validated_count[i] += is_validated;
        }
    }

    /// Puts the sums aside, into numbers that hold any of them, and begins anew.
    fn drain(&mut self, into: &mut [Vec<Total>; 2]) {
        let [received, validated] = into;
        let sums = [
            (received, &mut self.received, &mut self.received_count),
            (validated, &mut self.validated, &mut self.validated_count),
        ];
        for (totals, sums, counts) in sums {
            for ((total, sum), count) in totals.iter_mut().zip(sums).zip(counts) {
                total.num += i128::from(std::mem::take(sum));
                total.den += i128::from(*count) * ONE;
                total.count += std::mem::take(count);
            }
        }
    }
}

impl Case<'_, '_> {
    /// What an indicator adds up over the first so many periods; nothing for one that asks for the latest values.
    pub(super) fn series(&self, indicator: &Indicator, periods: usize) -> Series {
        let mut series = Series {
            totals: [vec![Total::default(); periods], vec![Total::default(); periods]],
            greatest: [vec![None; periods], vec![None; periods]],
            lacks: [vec![false; periods], vec![false; periods]],
        };
        let is_max = indicator.aggregation == Aggregation::Max;
        if !is_max && indicator.aggregation != Aggregation::Sum {
            return series;
        }
        match self.slot_of(indicator) {
            Some(slot) if slot.den.is_some() => self.add_each(indicator, slot, &mut series, is_max),
            Some(slot) if is_max => self.greatest_numbers(indicator, slot, &mut series),
            Some(slot) => self.add_numbers(indicator, slot, &mut series),
            None => {}
        }
        for place in self.odd.iter().filter(|place| place.period < periods && !place.state.in_columns) {
            let row = &self.table.rows[place.row];
            if !indicator.reported_by.contains(&row.role) {
                continue;
            }
            let report = odd::report(&self.question.projection.facts, row, place.odd, &place.state);
            if let Some(value) = report.and_then(|report| stated(report, &indicator.id)).map(Stated::of) {
                for validated in [false, true] {
                    if place.state.counts(validated) {
                        series.add(place.period, validated, value, is_max);
                    }
                }
            }
        }
        if Self::is_low(indicator) {
            for row in self.sources(indicator) {
                for period in 0..periods {
                    for validated in [false, true] {
                        let is_asked = || self.place(row, period).is_some_and(|place| place.is_asked);
                        series.lacks[usize::from(validated)][period] |=
                            self.stated_at(indicator, row, period, validated).is_none() && is_asked();
                    }
                }
            }
        }
        series
    }

    fn add_numbers(&self, indicator: &Indicator, slot: &Slot, series: &mut Series) {
        let periods = series.lacks[0].len();
        let mut sums = Sums::new(periods);
        for (i, row) in self.sources(indicator).enumerate() {
            if i % ROWS_PER_SUM == ROWS_PER_SUM - 1 {
                sums.drain(&mut series.totals);
            }
            let places = self.table.at(row, 0)..self.table.at(row, periods);
            sums.add(
                &self.table.sent[places.clone()],
                &self.table.judged[places.clone()],
                &slot.num[places],
                self.question.sent_max(),
                self.question.seen,
            );
        }
        sums.drain(&mut series.totals);
    }

    fn greatest_numbers(&self, indicator: &Indicator, slot: &Slot, series: &mut Series) {
        let periods = series.lacks[0].len();
        let (mut received, mut validated) = (vec![MISSING; periods], vec![MISSING; periods]);
        for row in self.sources(indicator) {
            let places = self.table.at(row, 0)..self.table.at(row, periods);
            let (sent, judged) = (&self.table.sent[places.clone()], &self.table.judged[places.clone()]);
            for (i, &value) in slot.num[places].iter().enumerate() {
                // What is missing is the least of all, so it never wins.
                received[i] = received[i].max(if sent[i] <= self.question.sent_max() { value } else { MISSING });
                validated[i] = validated[i].max(if judged[i] <= self.question.seen { value } else { MISSING });
            }
        }
        for (greatest, found) in series.greatest.iter_mut().zip([received, validated]) {
            let exact = found
                .iter()
                .map(|&value| (value != MISSING).then(|| Fraction::millionths(value.into())));
            *greatest = exact.collect();
        }
    }

    fn add_each(&self, indicator: &Indicator, slot: &Slot, series: &mut Series, is_max: bool) {
        for row in self.sources(indicator) {
            for period in 0..series.lacks[0].len() {
                let at = self.table.at(row, period);
                let Some(value) = Stated::of_column(slot, at) else { continue };
                if self.table.sent[at] <= self.question.sent_max() {
                    series.add(period, false, value, is_max);
                }
                if self.table.judged[at] <= self.question.seen {
                    series.add(period, true, value, is_max);
                }
            }
        }
    }

    /// The periods whose values make the one at p.
    pub(super) fn span(&self, indicator: &Indicator, p: usize) -> RangeInclusive<usize> {
        let terms = &self.question.terms;
        let year = terms[p].period.year();
        let first = match indicator.window {
            Window::Plan => 0,
            Window::Year => terms.partition_point(|terms| terms.period.year() < year),
        };
        first..=p
    }

    /// Whether a total is low where it is good: it needs everybody.
    fn is_low(indicator: &Indicator) -> bool {
        let adds_up = match indicator.aggregation {
            Aggregation::Sum | Aggregation::Max => true,
            Aggregation::Latest | Aggregation::Cumulative => indicator.across == Across::Sum,
        };
        adds_up && matches!(indicator.direction, Direction::Decrease | Direction::AtMost)
    }

    /// The value of an indicator at the end of a period.
    pub(super) fn value(&self, indicator: &Indicator, series: &Series, p: usize, validated: bool) -> Option<Fraction> {
        let reading = usize::from(validated);
        match indicator.aggregation {
            Aggregation::Sum | Aggregation::Max => {
                let span = self.span(indicator, p);
                let mut total = Total::default();
                for part in &series.totals[reading][span.clone()] {
                    total.merge(part);
                }
                if !total.has_ratio && series.lacks[reading][span.clone()].contains(&true) {
                    return None;
                }
                if indicator.aggregation == Aggregation::Max {
                    return series.greatest[reading][span].iter().flatten().max().cloned();
                }
                let grows = indicator.direction == Direction::Increase && indicator.window == Window::Plan;
                match indicator.baseline {
                    Some(baseline) if grows && !total.has_ratio => Some(total.sum()?.plus(&baseline.value.into())),
                    _ => total.sum(),
                }
            }
            Aggregation::Latest | Aggregation::Cumulative => self.latest(indicator, p, validated),
        }
    }

    /// The latest value of each line, however old, added or averaged.
    fn latest(&self, indicator: &Indicator, p: usize, validated: bool) -> Option<Fraction> {
        let (first, _) = self.span(indicator, p).into_inner();
        let latest_of = |row: usize| {
            let mut places = (first..=p).rev();
            places.find_map(|at| self.stated_at(indicator, row, at, validated).map(|value| (at, value)))
        };
        // Most lines are one row; of the others the later made wins a tie.
        let mut lines: Vec<(u32, Option<(usize, Stated)>)> = Vec::with_capacity(self.table.rows.len());
        for row in self.sources(indicator) {
            let (line, latest) = (self.table.rows[row].line, latest_of(row));
            let known = self
                .is_shared(row)
                .then(|| lines.iter_mut().find(|(other, _)| *other == line))
                .flatten();
            match known {
                Some((_, known)) => {
                    if latest.map(|(at, _)| at) >= known.map(|(at, _)| at) {
                        *known = latest;
                    }
                }
                None => lines.push((line, latest)),
            }
        }
        let is_latest = indicator.aggregation == Aggregation::Latest;
        let day = self.day(p).min(self.question.plan.plan().end);
        let mut total = Total::default();
        let in_force = (!is_latest).then(Vec::new).unwrap_or_else(|| self.lines_in_force_on(day));
        for (line, latest) in &lines {
            if let Some((_, value)) = latest
                && (!is_latest || in_force.binary_search(line).is_ok())
            {
                total.add(*value);
            }
        }
        if !total.has_ratio && Self::is_low(indicator) {
            let has_value = |row: usize| {
                let line = self.table.rows[row].line;
                lines.iter().any(|(other, latest)| *other == line && latest.is_some())
            };
            let is_silent = |row: usize| {
                let asked = self.place(row, p).map(|place| place.is_asked);
                asked.is_some_and(|asked| (asked && self.stated_at(indicator, row, p, validated).is_none()) || !has_value(row))
            };
            if self.sources(indicator).any(is_silent) {
                return None;
            }
        }
        match indicator.across {
            Across::Mean if !total.has_ratio => total.sum()?.over(&Fraction::whole(total.count.into())),
            Across::Mean | Across::Sum => total.sum(),
        }
    }

    /// What is stated for an indicator at a place, if it counts.
    pub(super) fn stated_at(&self, indicator: &Indicator, row: usize, period: usize, validated: bool) -> Option<Stated> {
        if let Some(place) = self.odd_at(row, period) {
            if !place.state.counts(validated) {
                return None;
            }
            if !place.state.in_columns {
                let report = odd::report(&self.question.projection.facts, &self.table.rows[row], place.odd, &place.state)?;
                return stated(report, &indicator.id).map(Stated::of);
            }
        } else if period >= self.question.ended {
            return None;
        }
        let at = self.table.at(row, period);
        let counts = if validated {
            self.table.judged[at] <= self.question.seen
        } else {
            self.table.sent[at] <= self.question.sent_max()
        };
        let slot = self.slot_of(indicator).filter(|_| counts)?;
        Stated::of_column(slot, at)
    }

    /// Whether a value that counts was reported for p or one of the periods before, as far back as `stale_after` says.
    pub(super) fn is_fresh(&self, indicator: &Indicator, p: usize) -> bool {
        let recent = self.oldest(p)..=p;
        self.sources(indicator)
            .any(|row| recent.clone().any(|period| self.stated_at(indicator, row, period, false).is_some()))
    }
}

impl Series {
    fn add(&mut self, period: usize, validated: bool, value: Stated, is_max: bool) {
        let reading = usize::from(validated);
        self.totals[reading][period].add(value);
        if is_max {
            let greatest = &mut self.greatest[reading][period];
            let known = greatest.take();
            *greatest = known.into_iter().chain(value.quotient()).max();
        }
    }
}
