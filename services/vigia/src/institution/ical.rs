//! iCalendar (RFC 5545), as much of it as due days need: all-day or timed events with one reminder.

use jiff::{Timestamp, civil::Date};

/// When an event is.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// A whole day.
    Day(Date),
    /// An instant.
    At(Timestamp),
}

/// An event.
#[derive(Clone, Debug)]
pub struct Event {
    /// What names it, the same each time that the file is made: a calendar that has it already changes it.
    pub uid: String,
    /// When.
    pub when: When,
    /// Its title.
    pub summary: String,
    /// What else there is to say, in lines.
    pub description: String,
    /// What the reminder a week before says.
    pub reminder: String,
}

/// The file's content, made at `stamp`.
pub fn file(name: &str, events: &[Event], stamp: Timestamp) -> String {
    let mut text = String::new();
    let mut line = |content: &str| fold(&mut text, content);
    line("BEGIN:VCALENDAR");
    line("VERSION:2.0");
    line("PRODID:-//Vigia//institution//ES");
    line("METHOD:PUBLISH");
    line(&format!("X-WR-CALNAME:{}", escaped(name)));
    for event in events {
        line("BEGIN:VEVENT");
        line(&format!("UID:{}", event.uid));
        line(&format!("DTSTAMP:{}", utc(stamp)));
        match event.when {
            When::Day(day) => line(&format!("DTSTART;VALUE=DATE:{}", day.strftime("%Y%m%d"))),
            When::At(at) => line(&format!("DTSTART:{}", utc(at))),
        }
        line(&format!("SUMMARY:{}", escaped(&event.summary)));
        line(&format!("DESCRIPTION:{}", escaped(&event.description)));
        line("TRANSP:TRANSPARENT");
        line("BEGIN:VALARM");
        line("ACTION:DISPLAY");
        line("TRIGGER:-P7D");
        line(&format!("DESCRIPTION:{}", escaped(&event.reminder)));
        line("END:VALARM");
        line("END:VEVENT");
    }
    line("END:VCALENDAR");
    text
}

fn utc(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A text as RFC 5545, 3.3.11 wants it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Adds a content line: no more than 75 bytes on a line, the rest behind a space on the next (RFC 5545, 3.1).
fn fold(text: &mut String, line: &str) {
    let mut room = 75;
    for c in line.chars() {
        if c.len_utf8() > room {
            text.push_str("\r\n ");
            room = 74;
        }
        room -= c.len_utf8();
        text.push(c);
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_due_day_is_a_whole_day_and_a_due_hour_an_instant() {
        let event = |when| Event {
            uid: "u".to_owned(),
            when,
            summary: "Vence; el reporte, de 2026-Q1".to_owned(),
            description: "uno\ndos \\ tres".to_owned(),
            reminder: "r".to_owned(),
        };
        let events = [
            event(When::Day(jiff::civil::date(2026, 4, 15))),
            event(When::At(Timestamp::from_second(1_776_286_800).expect("an instant"))),
        ];
        insta::assert_snapshot!(file("Reportes", &events, Timestamp::UNIX_EPOCH).replace('\r', ""), @r"
        BEGIN:VCALENDAR
        VERSION:2.0
        PRODID:-//Vigia//institution//ES
        METHOD:PUBLISH
        X-WR-CALNAME:Reportes
        BEGIN:VEVENT
        UID:u
        DTSTAMP:19700101T000000Z
        DTSTART;VALUE=DATE:20260415
        SUMMARY:Vence\; el reporte\, de 2026-Q1
        DESCRIPTION:uno\ndos \\ tres
        TRANSP:TRANSPARENT
        BEGIN:VALARM
        ACTION:DISPLAY
        TRIGGER:-P7D
        DESCRIPTION:r
        END:VALARM
        END:VEVENT
        BEGIN:VEVENT
        UID:u
        DTSTAMP:19700101T000000Z
        DTSTART:20260415T210000Z
        SUMMARY:Vence\; el reporte\, de 2026-Q1
        DESCRIPTION:uno\ndos \\ tres
        TRANSP:TRANSPARENT
        BEGIN:VALARM
        ACTION:DISPLAY
        TRIGGER:-P7D
        DESCRIPTION:r
        END:VALARM
        END:VEVENT
        END:VCALENDAR
        ");
    }

    proptest! {
        #[test]
        fn lines_are_never_too_long_and_say_the_same(line in "\\PC{0,300}") {
            let mut folded = String::new();
            fold(&mut folded, &line);
            prop_assert!(folded.split("\r\n").all(|line| line.len() <= 75));
            let unfolded = folded.replace("\r\n ", "");
            prop_assert_eq!(unfolded.strip_suffix("\r\n"), Some(line.as_str()));
        }
    }
}
