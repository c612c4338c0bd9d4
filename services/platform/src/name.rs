//! Resource names and ids.

use uuid::Uuid;

/// Whether the text is an id: `[a-z0-9-]{1,63}`.
pub fn is_id(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// A new id, unique and in the order of time (UUIDv7).
pub fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// The variable parts of a resource name, or none where it is not of that pattern. A part must be an id, a period such
/// as `2026-Q1`, or `-`.
///
/// `split("plans/{}/actions/{}", "plans/vcm/actions/p1-1")` is `["vcm", "p1-1"]`.
pub fn split<'a>(pattern: &str, name: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = Vec::new();
    let mut given = name.split('/');
    for wanted in pattern.split('/') {
        let part = given.next()?;
        if wanted == "{}" {
            let fits = (1..=64).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            parts.push(fits.then_some(part)?);
        } else if wanted != part {
            return None;
        }
    }
    given.next().is_none().then_some(parts)
}

/// An id made from a plan's code: lower case, everything else becomes a hyphen (`P1.3` → `p1-3`). Empty where nothing
/// is left.
pub fn id_of_code(code: &str) -> String {
    let mut id = String::new();
    for c in code.chars() {
        if c.is_ascii_alphanumeric() {
            id.push(c.to_ascii_lowercase());
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    id.trim_end_matches('-').chars().take(63).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_by_their_pattern() {
        assert_eq!(split("plans/{}/actions/{}", "plans/vcm/actions/p1-1"), Some(vec!["vcm", "p1-1"]));
        assert_eq!(split("plans/{}", "plans/vcm/actions"), None);
        assert_eq!(split("plans/{}", "plans/"), None);
        assert_eq!(split("plans/{}", "plans/../x"), None);
        assert_eq!(id_of_code("P1.3"), "p1-3");
        assert_eq!(id_of_code("  ñ "), "");
    }
}
