//! Numbers as people write them. `1.234,56` and `1,234.56` can mean one thing only; `1.234` could be a thousand and more
//! or one and a bit: what could be read in two ways is refused, never guessed.

use vigia_platform::decimal::canonical;

/// Why a text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// Could be thousands or decimals: `1.234`, `12,345`.
    Ambiguous,
    /// Ends with a percent sign.
    Percent,
    /// Looks like a day: `31/03/2026`, `2026-03-31`.
    Date,
    /// A number, but with more than 15 digits before or 6 after the point.
    TooLong,
    /// No number at all.
    NotANumber,
}

/// The decimal that a text states, in canonical form.
pub fn of_text(text: &str) -> Result<String, Unclear> {
    let text = text.trim();
    if let Some(number) = text.strip_suffix('%') {
        return Err(of_text(number).map_or(Unclear::NotANumber, |_| Unclear::Percent));
    }
    let (sign, body) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(body) => ("-", body),
        None => ("", text),
    };
    if is_date(text) {
        return Err(Unclear::Date);
    }
    let spaces = [' ', '\u{a0}', '\u{202f}'];
    if !body.starts_with(|c: char| c.is_ascii_digit())
        || !body.ends_with(|c: char| c.is_ascii_digit())
        || !body
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | ',') || spaces.contains(&c))
    {
        return Err(Unclear::NotANumber);
    }
    let has_spaces = body.contains(spaces);
    let (points, commas) = (body.matches('.').count(), body.matches(',').count());
    let (whole, part) = match (points, commas) {
        (0, 0) => (body, ""),
        // Both: the last one divides, if it is there once; the other one groups.
        (1.., 1..) => {
            let at = body.rfind(['.', ',']).ok_or(Unclear::NotANumber)?;
            let (whole, part) = (&body[..at], &body[at + 1..]);
            if has_spaces || whole.contains(&body[at..=at]) {
                return Err(Unclear::NotANumber);
            }
            (whole, part)
        }
        (1, 0) | (0, 1) => {
            let (whole, part) = body.split_once(['.', ',']).ok_or(Unclear::NotANumber)?;
            let could_group = part.len() == 3 && whole.len() <= 3 && !whole.starts_with('0');
            if could_group && !has_spaces {
                return Err(Unclear::Ambiguous);
            }
            (whole, part)
        }
        // Only one kind, several times: groups.
        _ if has_spaces => return Err(Unclear::NotANumber),
        _ => (body, ""),
    };
    if !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unclear::NotANumber);
    }
    let groups: Vec<&str> = whole.split(|c: char| !c.is_ascii_digit()).collect();
    let grouped = groups.len() == 1 || ((1..=3).contains(&groups[0].len()) && groups[1..].iter().all(|group| group.len() == 3));
    if !grouped {
        return Err(Unclear::NotANumber);
    }
    let point = if part.is_empty() { "" } else { "." };
    canonical(&format!("{sign}{}{point}{part}", groups.concat())).ok_or(Unclear::TooLong)
}

/// The decimal that a numeric cell holds. A spreadsheet keeps 15 digits and writes up to 17 of them; the shortest text
/// that gives the same binary number is what was typed in.
pub fn of_cell(number: f64) -> Result<String, Unclear> {
    canonical(&number.to_string()).ok_or(Unclear::TooLong)
}

fn is_date(text: &str) -> bool {
    ['/', '-', '.'].into_iter().any(|divider| {
        let parts: Vec<&str> = text.split(divider).collect();
        let digits = |part: &&str, lengths: &[usize]| lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        match parts.as_slice() {
            [a, b, year] if digits(a, &[1, 2]) && digits(b, &[1, 2]) => digits(year, &[2, 4]),
            [year, b, c] => digits(year, &[4]) && digits(b, &[1, 2]) && digits(c, &[1, 2]),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written_or_not_at_all() {
        for (text, expect) in [
            ("90", Ok("90")),
            (" 90 ", Ok("90")),
            ("-12,5", Ok("-12.5")),
            ("\u{2212}3", Ok("-3")),
            ("12.5", Ok("12.5")),
            ("0,125", Ok("0.125")),
            ("0.125", Ok("0.125")),
            ("1234,567", Ok("1234.567")),
            ("1.234,56", Ok("1234.56")),
            ("1,234.56", Ok("1234.56")),
            ("1.234.567", Ok("1234567")),
            ("1,234,567", Ok("1234567")),
            ("12 345,678", Ok("12345.678")),
            ("12\u{a0}345", Ok("12345")),
            ("12.3450", Ok("12.345")),
            ("1.234", Err(Unclear::Ambiguous)),
            ("12,345", Err(Unclear::Ambiguous)),
            ("-999.000", Err(Unclear::Ambiguous)),
            ("85 %", Err(Unclear::Percent)),
            ("31/03/2026", Err(Unclear::Date)),
            ("2026-03-31", Err(Unclear::Date)),
            ("31.03.2026", Err(Unclear::Date)),
            ("1.2.3", Err(Unclear::NotANumber)),
            ("1.23,456,789", Err(Unclear::NotANumber)),
            ("1,23.4", Err(Unclear::NotANumber)),
            ("1 23", Err(Unclear::NotANumber)),
            (",5", Err(Unclear::NotANumber)),
            ("5.", Err(Unclear::NotANumber)),
            ("1e3", Err(Unclear::NotANumber)),
            ("", Err(Unclear::NotANumber)),
            ("-", Err(Unclear::NotANumber)),
            ("%", Err(Unclear::NotANumber)),
            ("noventa", Err(Unclear::NotANumber)),
            ("$ 90", Err(Unclear::NotANumber)),
            ("٩٠", Err(Unclear::NotANumber)),
            ("33.3333333", Err(Unclear::TooLong)),
            ("1234567890123456", Err(Unclear::TooLong)),
        ] {
            assert_eq!(of_text(text).as_deref(), expect.as_ref().map(|text: &&str| &**text), "{text}");
        }
    }

    /// Digits with a mark before each group of three, from the right.
    fn grouped(digits: &str, mark: char) -> String {
        let mut text = String::new();
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                text.push(mark);
            }
            text.push(digit);
        }
        text
    }

    proptest! {
        #[test]
        fn no_way_of_writing_a_number_is_read_as_another(
            whole in 0_u64..=999_999_999_999_999, part in "[0-9]{0,6}", negative: bool, style in 0_usize..6
        ) {
            let whole = whole.to_string();
            let (mark, divider): (Option<char>, char) = [(None, '.'), (None, ','), (Some('.'), ','), (Some(','), '.'), (Some(' '), ','), (Some('\u{202f}'), '.')][style];
            let shown = mark.map_or_else(|| whole.clone(), |mark| grouped(&whole, mark));
            let sign = if negative { "-" } else { "" };
            let (text, meant) = if part.is_empty() {
                (format!("{sign}{shown}"), canonical(&format!("{sign}{whole}")))
            } else {
                (format!("{sign}{shown}{divider}{part}"), canonical(&format!("{sign}{whole}.{part}")))
            };
            match of_text(&text) {
                Ok(read) => prop_assert_eq!(Some(read), meant),
                Err(unclear) => prop_assert_eq!(unclear, Unclear::Ambiguous, "{}", text),
            }
        }

        #[test]
        fn nothing_that_is_typed_breaks_it(text in "\\PC{0,40}") {
            if let Ok(number) = of_text(&text) {
                prop_assert_eq!(canonical(&number), Some(number));
            }
        }

        #[test]
        fn what_a_spreadsheet_can_show_survives_its_binary_number(digits in 0_u64..=999_999_999_999_999, places in 0_usize..=6, negative: bool) {
            let padded = format!("{digits:0>7}");
            let (whole, part) = padded.split_at(padded.len() - places);
            let sign = if negative { "-" } else { "" };
            let text = if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") };
            // Excel writes 17 digits into the file: the number is the same.
            let typed: f64 = text.parse().expect("a number");
            let filed: f64 = format!("{typed:.16e}").parse().expect("a number");
            prop_assert_eq!(of_cell(filed).ok(), canonical(&text));
        }
    }
}
