//! The reporting calendar: when a day ends, and when a period's report is due
//! (VERDICTS, "Periods"; DESIGN, "Time").

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::period::{Frequency, Period};

/// What counts as a day on the way to a due day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Count {
    /// Every day (*plazo*).
    #[default]
    Calendar,
    /// Monday to Friday without the plan's holidays (*término*).
    Working,
}

/// A plan's zone, reporting frequency and due days: `plan.time_zone` and `plan.reporting`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// The zone whose midnights end the days.
    pub time_zone: TimeZone,
    /// How long a period is.
    pub frequency: Frequency,
    /// A report is due at the end of this many due days after the period's last day.
    pub due_days: u16,
    /// What those days are.
    pub count: Count,
    /// Days that are no working days.
    pub holidays: BTreeSet<Date>,
    /// Due days end at this hour instead of at midnight.
    pub due_hour: Option<Time>,
    /// A review is due at the end of this many due days after the receipt.
    pub review_days: Option<u16>,
}

impl Calendar {
    /// The instant at which a local time comes: the first of two, or the instant after the gap in
    /// which it would lie. Beyond what timestamps can hold, the nearest that they can.
    #[must_use]
    pub fn instant(&self, local: DateTime) -> Timestamp {
        let ambiguous = self.time_zone.to_ambiguous_timestamp(local);
        let in_gap = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
        // In a fold the earlier is the first; in a gap it lies before the change of the clocks.
        let Ok(earlier) = ambiguous.earlier() else {
            return if local.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
        };
        if !in_gap {
            return earlier;
        }
        self.time_zone
            .following(earlier)
            .next()
            .map_or(earlier, |change| change.timestamp())
    }

    /// The day that an instant belongs to.
    #[must_use]
    pub fn day_of(&self, t: Timestamp) -> Date {
        self.time_zone.to_datetime(t).date()
    }

    /// The instant at which a day begins.
    #[must_use]
    pub fn start_of(&self, day: Date) -> Timestamp {
        self.instant(day.to_datetime(Time::midnight()))
    }

    /// The instant at which the next day begins.
    #[must_use]
    pub fn end_of(&self, day: Date) -> Timestamp {
        day.tomorrow().map_or(Timestamp::MAX, |next| self.start_of(next))
    }

    /// The end of a day as a due day: the plan's hour, or else the following midnight.
    #[must_use]
    pub fn due_end_of(&self, day: Date) -> Timestamp {
        match self.due_hour {
            Some(hour) => self.instant(day.to_datetime(hour)),
            None => self.end_of(day),
        }
    }

    /// The day so many due days after another; the last that dates can hold, beyond that.
    #[must_use]
    pub fn days_after(&self, day: Date, days: u16) -> Date {
        let mut due = day;
        let mut left = days;
        while left > 0 {
            let Ok(next) = due.tomorrow() else { break };
            due = next;
            if self.is_counted(due) {
                left -= 1;
            }
        }
        due
    }

    /// The calendar due instant of a period.
    #[must_use]
    pub fn due_at(&self, period: Period) -> Timestamp {
        self.due_end_of(self.days_after(period.last_day(), self.due_days))
    }

    /// When a report received at an instant should have been reviewed, where the plan says so.
    #[must_use]
    pub fn review_due_at(&self, received_at: Timestamp) -> Option<Timestamp> {
        let received_on = self.day_of(received_at);
        self.review_days.map(|days| self.due_end_of(self.days_after(received_on, days)))
    }

    fn is_counted(&self, day: Date) -> bool {
        match self.count {
            Count::Calendar => true,
            Count::Working => !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !self.holidays.contains(&day),
        }
    }

    /// Takes over what a revision changed from `before` to `after`, field by field: what it left
    /// as it was may come from another revision that does not act on this period.
    pub(crate) fn take_changes(&mut self, before: &Self, after: &Self) {
        macro_rules! take {
            ($($field:ident)*) => {$(
                if before.$field != after.$field {
                    self.$field = after.$field.clone();
                }
            )*};
        }
        take!(time_zone frequency due_days count holidays due_hour review_days);
    }
}

#[cfg(test)]
pub(crate) fn calendar_in(zone: &str) -> Calendar {
    Calendar {
        time_zone: TimeZone::get(zone).expect("a zone"),
        frequency: Frequency::Quarterly,
        due_days: 10,
        count: Count::Calendar,
        holidays: BTreeSet::new(),
        due_hour: None,
        review_days: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime {
        text.parse().expect("a local time")
    }

    #[test]
    fn a_local_time_is_the_first_of_two_or_the_end_of_the_gap() {
        let check = |zone: &str, local: &str, expect: &str| {
            assert_eq!(calendar_in(zone).instant(at(local)).to_string(), expect, "{zone} {local}");
        };
        check("America/Guayaquil", "2026-04-16T00:00", "2026-04-16T05:00:00Z");
        check("Pacific/Galapagos", "2026-04-16T00:00", "2026-04-16T06:00:00Z");
        // Santiago skips from 00:00 to 01:00 on 7 September 2025.
        check("America/Santiago", "2025-09-07T00:00", "2025-09-07T04:00:00Z");
        check("America/Santiago", "2025-09-07T00:30", "2025-09-07T04:00:00Z");
        check("America/Santiago", "2025-09-07T01:00", "2025-09-07T04:00:00Z");
        // and on 6 April 2025 lives 23:00 to 24:00 of the 5th twice.
        check("America/Santiago", "2025-04-05T23:30", "2025-04-06T02:30:00Z");
        check("America/Santiago", "2025-04-06T00:00", "2025-04-06T04:00:00Z");
        // Havana lives 00:00 to 01:00 of 2 November 2025 twice.
        check("America/Havana", "2025-11-02T00:00", "2025-11-02T04:00:00Z");
        // New York skips from 02:00 to 03:00 on 8 March 2026.
        check("America/New_York", "2026-03-08T02:30", "2026-03-08T07:00:00Z");
        // Samoa had no 30 December 2011.
        check("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00:00Z");
        check("America/Guayaquil", "9999-12-31T23:59", "9999-12-30T22:00:00.999999999Z");
    }

    #[test]
    fn due_days_are_calendar_or_working_days_and_end_at_midnight_or_at_the_hour() {
        let check = |count: Count, days: u16, hour: Option<&str>, period: &str, expect: &str| {
            let calendar = Calendar {
                count,
                due_days: days,
                due_hour: hour.map(|hour| hour.parse().expect("an hour")),
                holidays: BTreeSet::from([jiff::civil::date(2026, 4, 3)]),
                ..calendar_in("America/Guayaquil")
            };
            let due = calendar.due_at(period.parse().expect("a period"));
            assert_eq!(calendar.time_zone.to_datetime(due), at(expect));
        };
        check(Count::Calendar, 15, None, "2026-Q1", "2026-04-16T00:00");
        check(Count::Calendar, 15, Some("17:00"), "2026-Q1", "2026-04-15T17:00");
        check(Count::Working, 10, None, "2026-Q1", "2026-04-16T00:00");
        check(Count::Working, 2, Some("12:30"), "2026-Q1", "2026-04-02T12:30");
        check(Count::Working, 3, None, "2026-Q1", "2026-04-07T00:00");
        check(Count::Calendar, 0, None, "2026-Q1", "2026-04-01T00:00");
    }
}
