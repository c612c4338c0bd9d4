//! Decimals as text, exact: never through a float.

/// The canonical form of a decimal text (`007.50` → `7.5`), or none where it is not one of at most 15 digits before
/// and 6 after the point.
pub fn canonical(text: &str) -> Option<String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(part) || (digits.contains('.') && part.is_empty()) || text.len() > 64 {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let part = part.trim_end_matches('0');
    if whole.len() > 15 || part.len() > 6 {
        return None;
    }
    let sign = if negative && !(whole.is_empty() && part.is_empty()) {
        "-"
    } else {
        ""
    };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if part.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{part}"))
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn decimals_become_canonical_or_are_refused() {
        for (text, expect) in [
            ("0", Some("0")),
            ("-0", Some("0")),
            ("-0.0", Some("0")),
            ("007.50", Some("7.5")),
            ("1000", Some("1000")),
            ("0.000001", Some("0.000001")),
            ("0.0000001", None),
            ("999999999999999", Some("999999999999999")),
            ("1000000000000000", None),
            ("", None),
            ("-", None),
            (".5", None),
            ("5.", None),
            ("1e3", None),
            ("NaN", None),
            ("inf", None),
            ("1,5", None),
            ("+1", None),
            (" 1", None),
            ("1.2.3", None),
            ("-12.5", Some("-12.5")),
        ] {
            assert_eq!(canonical(text).as_deref(), expect, "{text}");
        }
    }
}
