//! Periods: calendar months, quarters, half-years and years (VERDICTS, "Periods").

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, date};

/// How often a plan asks for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Frequency {
    /// `2026-03`.
    Monthly,
    /// `2026-Q1`.
    Quarterly,
    /// `2026-S1`.
    Semiannual,
    /// `2026`.
    Annual,
}

impl Frequency {
    const fn months(self) -> i8 {
        match self {
            Self::Monthly => 1,
            Self::Quarterly => 3,
            Self::Semiannual => 6,
            Self::Annual => 12,
        }
    }

    /// The period of this frequency that holds a day.
    #[must_use]
    pub fn period_of(self, day: Date) -> Period {
        let number = (day.month() - 1) / self.months() + 1;
        Period {
            year: day.year(),
            number,
            frequency: self,
        }
    }

    /// The periods that touch the days from `start` to `end`, in order; none if `end` comes first.
    pub fn periods(self, start: Date, end: Date) -> impl Iterator<Item = Period> {
        let first = (start <= end).then(|| self.period_of(start));
        std::iter::successors(first, |period| period.next()).take_while(move |period| period.first_day() <= end)
    }
}

/// A calendar month, quarter, half-year or year. Ordered by last day, then by first day.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    year: i16,
    /// From 1, within the year.
    number: i8,
    frequency: Frequency,
}

/// The text names no period: `2026-03`, `2026-Q1`, `2026-S1` and `2026` do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a period such as 2026-03, 2026-Q1, 2026-S1 or 2026")]
pub struct NotAPeriod(pub String);

impl Period {
    /// Its frequency.
    #[must_use]
    pub const fn frequency(self) -> Frequency {
        self.frequency
    }

    /// The year that it lies in.
    #[must_use]
    pub const fn year(self) -> i16 {
        self.year
    }

    /// Its first day.
    #[must_use]
    pub fn first_day(self) -> Date {
        date(self.year, (self.number - 1) * self.frequency.months() + 1, 1)
    }

    /// Its last day.
    #[must_use]
    pub fn last_day(self) -> Date {
        date(self.year, self.number * self.frequency.months(), 1).last_of_month()
    }

    /// Whether it holds the day.
    #[must_use]
    pub fn holds(self, day: Date) -> bool {
        self.frequency.period_of(day) == self
    }

    /// Whether it touches the days from `start` to `end`.
    #[must_use]
    pub fn touches(self, start: Date, end: Date) -> bool {
        start <= end && self.first_day() <= end && start <= self.last_day()
    }

    /// The next period of the same frequency, or none after the year 9999.
    fn next(self) -> Option<Self> {
        self.last_day().tomorrow().ok().map(|day| self.frequency.period_of(day))
    }
}

impl Ord for Period {
    fn cmp(&self, other: &Self) -> Ordering {
        // Months counted from the year 0: of the last one, and of the one before the first.
        let key = |period: &Self| {
            let months = i32::from(period.frequency.months());
            let last = i32::from(period.year) * 12 + i32::from(period.number) * months;
            (last, last - months)
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Period {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frequency {
            Frequency::Monthly => write!(f, "{:04}-{:02}", self.year, self.number),
            Frequency::Quarterly => write!(f, "{:04}-Q{}", self.year, self.number),
            Frequency::Semiannual => write!(f, "{:04}-S{}", self.year, self.number),
            Frequency::Annual => write!(f, "{:04}", self.year),
        }
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        let refused = || NotAPeriod(text.to_owned());
        let (year, rest) = match text.split_once('-') {
            Some((year, rest)) => (year, Some(rest)),
            None => (text, None),
        };
        let number = |digits: &str, width: usize| {
            let plain = digits.len() == width && digits.bytes().all(|byte| byte.is_ascii_digit());
            if plain {
                digits.parse::<i16>().map_err(|_| refused())
            } else {
                Err(refused())
            }
        };
        let (frequency, part) = match rest {
            None => (Frequency::Annual, 1),
            Some(rest) => match rest.as_bytes().first() {
                Some(b'Q') => (Frequency::Quarterly, number(&rest[1..], 1)?),
                Some(b'S') => (Frequency::Semiannual, number(&rest[1..], 1)?),
                _ => (Frequency::Monthly, number(rest, 2)?),
            },
        };
        let year = number(year, 4)?;
        let in_year = i16::from(12 / frequency.months());
        if part < 1 || part > in_year || year < 1 {
            return Err(refused());
        }
        let number = i8::try_from(part).map_err(|_| refused())?;
        Ok(Self { year, number, frequency })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_and_shown() {
        let check = |text: &str, expect: Option<(Date, Date)>| {
            let period = text.parse::<Period>().ok();
            let days = period.map(|period| (period.first_day(), period.last_day()));
            assert_eq!(days, expect, "{text}");
            if let Some(period) = period {
                assert_eq!(period.to_string(), text);
            }
        };
        check("2026-02", Some((date(2026, 2, 1), date(2026, 2, 28))));
        check("2024-02", Some((date(2024, 2, 1), date(2024, 2, 29))));
        check("2026-Q4", Some((date(2026, 10, 1), date(2026, 12, 31))));
        check("2026-S1", Some((date(2026, 1, 1), date(2026, 6, 30))));
        check("2026", Some((date(2026, 1, 1), date(2026, 12, 31))));
        check("9999-12", Some((date(9999, 12, 1), date(9999, 12, 31))));
        for text in [
            "2026-13", "2026-00", "2026-Q5", "2026-Q0", "2026-S3", "26", "2026-", "2026-1", "", "x", "2026-ñ1", "0000",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_plan_has_the_periods_that_it_touches() {
        let check = |frequency: Frequency, start: Date, end: Date, expect: &str| {
            let periods: Vec<_> = frequency.periods(start, end).map(|period| period.to_string()).collect();
            assert_eq!(periods.join(" "), expect);
        };
        check(Frequency::Quarterly, date(2026, 3, 31), date(2026, 7, 1), "2026-Q1 2026-Q2 2026-Q3");
        check(Frequency::Monthly, date(2026, 12, 1), date(2027, 1, 1), "2026-12 2027-01");
        check(Frequency::Semiannual, date(2026, 7, 1), date(2026, 12, 31), "2026-S2");
        check(Frequency::Annual, date(2026, 12, 31), date(2027, 1, 1), "2026 2027");
        check(Frequency::Annual, date(2027, 1, 1), date(2026, 1, 1), "");
        check(Frequency::Monthly, date(9999, 11, 30), date(9999, 12, 31), "9999-11 9999-12");
    }
}
