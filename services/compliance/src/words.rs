//! Days, instants, periods and numbers as people write them, in Spanish and English.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use vigia_rules::{Exact, Frequency, Period, Reading};

/// The same said in Spanish and in English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Both {
    pub(crate) es: String,
    pub(crate) en: String,
}

impl Both {
    pub(crate) fn new(es: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            es: es.into(),
            en: en.into(),
        }
    }

    /// The same word in both.
    pub(crate) fn same(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(text.clone(), text)
    }
}

const MONTHS: [(&str, &str); 12] = [
    ("enero", "January"),
    ("febrero", "February"),
    ("marzo", "March"),
    ("abril", "April"),
    ("mayo", "May"),
    ("junio", "June"),
    ("julio", "July"),
    ("agosto", "August"),
    ("septiembre", "September"),
    ("octubre", "October"),
    ("noviembre", "November"),
    ("diciembre", "December"),
];

const QUARTERS: [(&str, &str); 4] = [
    ("primer", "first"),
    ("segundo", "second"),
    ("tercer", "third"),
    ("cuarto", "fourth"),
];

fn month(date: Date) -> (&'static str, &'static str) {
    MONTHS[usize::try_from(date.month() - 1).unwrap_or(0).min(11)]
}

/// `15 de abril de 2026`, `15 April 2026`.
pub(crate) fn day(date: Date) -> Both {
    let (es, en) = month(date);
    Both::new(
        format!("{} de {es} de {}", date.day(), date.year()),
        format!("{} {en} {}", date.day(), date.year()),
    )
}

/// `el 15 de abril de 2026 a las 17:05`.
pub(crate) fn at(zone: &TimeZone, t: Timestamp) -> Both {
    let local = zone.to_datetime(t);
    let Both { es, en } = day(local.date());
    let (hour, minute) = (local.hour(), local.minute());
    Both::new(
        format!("el {es} a las {hour:02}:{minute:02}"),
        format!("on {en} at {hour:02}:{minute:02}"),
    )
}

/// The end of a due day: `al terminar el 15 de abril de 2026`, or the hour at which the plan ends its days.
pub(crate) fn due(zone: &TimeZone, t: Timestamp) -> Both {
    let just_before = t.checked_sub(SignedDuration::from_micros(1)).unwrap_or(t);
    let (local, last) = (zone.to_datetime(t), zone.to_datetime(just_before));
    if local.date() == last.date() {
        return at(zone, t);
    }
    let Both { es, en } = day(last.date());
    Both::new(format!("al terminar el {es}"), format!("at the end of {en}"))
}

/// `el primer trimestre de 2026`, `the first quarter of 2026`.
pub(crate) fn period(period: Period) -> Both {
    let (first, year) = (period.first_day(), period.year());
    let ordinal = |months: i8| QUARTERS[usize::try_from((first.month() - 1) / months).unwrap_or(0).min(3)];
    match period.frequency() {
        Frequency::Monthly => {
            let (es, en) = month(first);
            Both::new(format!("{es} de {year}"), format!("{en} {year}"))
        }
        Frequency::Quarterly => {
            let (es, en) = ordinal(3);
            Both::new(format!("el {es} trimestre de {year}"), format!("the {en} quarter of {year}"))
        }
        Frequency::Semiannual => {
            let (es, en) = ordinal(6);
            Both::new(format!("el {es} semestre de {year}"), format!("the {en} half of {year}"))
        }
        Frequency::Annual => Both::same(year.to_string()),
    }
}

/// Of a period: `del primer trimestre de 2026`, `for the first quarter of 2026`.
pub(crate) fn of_period(of: Period) -> Both {
    let Both { es, en } = period(of);
    let es = es
        .strip_prefix("el ")
        .map_or_else(|| format!("de {es}"), |rest| format!("del {rest}"));
    Both::new(es, format!("for {en}"))
}

/// `al cierre del primer trimestre de 2026`, `at the end of the first quarter of 2026`.
pub(crate) fn at_end_of(of: Period) -> Both {
    Both::new(
        format!("al cierre {}", of_period(of).es),
        format!("at the end of {}", period(of).en),
    )
}

/// Rounded half up to two decimals: `98,63`, `98.63`.
pub(crate) fn number(value: &Exact) -> Both {
    let hundred = Exact::from_int(100);
    let half = Exact::one().divided_by(&Exact::from_int(2)).unwrap_or_else(Exact::zero);
    let scaled = &(value * &hundred) + &half;
    let rounded = scaled.floor().and_then(|units| Exact::from_int(units).divided_by(&hundred));
    let en = rounded.map_or_else(|| value.to_string(), |rounded| rounded.to_string());
    Both::new(en.replace('.', ","), en)
}

/// `41,2 %`, `41.2 %`.
pub(crate) fn percent(reading: Reading) -> Both {
    let tenths = reading.rounded(3);
    let units: u32 = tenths.replace('.', "").parse().unwrap_or(0);
    let en = format!("{}.{} %", units / 10, units % 10);
    Both::new(en.replace('.', ","), en)
}

/// A list: `a, b y c`, `a, b and c`.
pub(crate) fn list(parts: &[String]) -> Both {
    let joined = |and: &str| match parts {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} {and} {last}", rest.join(", ")),
    };
    Both::new(joined("y"), joined("and"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: Both, es: &str, en: &str) {
        assert_eq!(said, Both::new(es, en));
    }

    #[test]
    fn days_and_numbers_are_said_as_people_say_them() {
        let zone = TimeZone::get("America/Guayaquil").expect("a zone");
        let t = |text: &str| text.parse::<Timestamp>().expect("an instant");
        check(
            due(&zone, t("2026-04-16T05:00:00Z")),
            "al terminar el 15 de abril de 2026",
            "at the end of 15 April 2026",
        );
        check(
            due(&zone, t("2026-04-15T22:00:00Z")),
            "el 15 de abril de 2026 a las 17:00",
            "on 15 April 2026 at 17:00",
        );
        let of = |text: &str| text.parse::<Period>().expect("a period");
        check(
            of_period(of("2026-Q1")),
            "del primer trimestre de 2026",
            "for the first quarter of 2026",
        );
        check(
            of_period(of("2026-S2")),
            "del segundo semestre de 2026",
            "for the second half of 2026",
        );
        check(of_period(of("2026-03")), "de marzo de 2026", "for March 2026");
        check(of_period(of("2026")), "de 2026", "for 2026");
        let exact = |num: i64, den: i64| Exact::from_int(num).divided_by(&Exact::from_int(den)).expect("den");
        check(number(&exact(7200, 73)), "98,63", "98.63");
        check(number(&exact(-1, 8)), "-0,12", "-0.12");
        check(number(&exact(90, 1)), "90", "90");
        check(percent(Reading::of(&exact(9125, 10_000))), "91,3 %", "91.3 %");
        check(percent(Reading::ONE), "100,0 %", "100.0 %");
        check(list(&["a".into(), "b".into(), "c".into()]), "a, b y c", "a, b and c");
    }
}
