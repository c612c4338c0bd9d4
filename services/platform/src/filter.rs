//! Filters of lists, as [AIP-160](https://google.aip.dev/160) writes them, against the fields that a method allows: never
//! against the columns of a table.

use std::cmp::Ordering;

use aip_160::{Comparator, Expression, Restriction, StringMatch, Value, parse_filter_with_max_depth};
use vigia_proto::error::Reason;

use crate::error::Error;

/// Bytes of a filter at most.
const BYTES_MAX: usize = 2_000;
/// Terms in a filter at most.
const TERMS_MAX: usize = 20;
/// How deep parentheses nest at most.
const DEPTH_MAX: usize = 8;

/// A filter: `AND`, `OR`, `NOT`, parentheses, `= != < <= > >=`, and `*` at the ends of a quoted text. Texts compare by
/// their characters, which puts dates, and periods of one kind, in their order; whole numbers that are not quoted as numbers.
#[derive(Debug, Default)]
pub struct Filter(Option<Expression>);

/// Why a filter is refused.
enum Fault {
    Unreadable(String),
    UnknownField(String),
    Unsupported(String),
    TooManyTerms,
}

impl Filter {
    /// Reads a filter; fields that are not in `allowed` are refused.
    pub fn parse(text: &str, allowed: &[&str]) -> Result<Self, Error> {
        let read = || {
            if text.len() > BYTES_MAX {
                return Err(Fault::TooManyTerms);
            }
            let filter = parse_filter_with_max_depth(text, DEPTH_MAX).map_err(|fault| Fault::Unreadable(fault.to_string()))?;
            let mut terms = 0;
            filter
                .expression
                .as_ref()
                .map_or(Ok(()), |expression| check(expression, allowed, &mut terms))?;
            Ok(Self(filter.expression))
        };
        read().map_err(|fault| refused(text, &fault, allowed))
    }

    /// Whether something with these fields passes. A field that it does not have equals nothing.
    pub fn matches(&self, field: impl Fn(&str) -> Option<String>) -> bool {
        self.0.as_ref().is_none_or(|expression| holds(expression, &field))
    }

    /// The value that a field must equal for anything to pass, where there is such a term: to narrow a query by it.
    pub fn equal(&self, field: &str) -> Option<&str> {
        must_equal(self.0.as_ref()?, field)
    }
}

/// Refuses what the lists don't support, and counts the terms.
fn check(expression: &Expression, allowed: &[&str], terms: &mut usize) -> Result<(), Fault> {
    match expression {
        Expression::And(parts) | Expression::Sequence(parts) | Expression::Or(parts) => {
            parts.iter().try_for_each(|part| check(part, allowed, terms))
        }
        Expression::Not(part) => check(part, allowed, terms),
        Expression::Global(comparable) => Err(Fault::Unsupported(comparable.to_string())),
        Expression::Restriction(restriction) => {
            *terms += 1;
            if *terms > TERMS_MAX {
                return Err(Fault::TooManyTerms);
            }
            let field = restriction.comparable.field_path();
            let field = field.ok_or_else(|| Fault::Unsupported(restriction.to_string()))?;
            if !allowed.contains(&field.as_str()) {
                return Err(Fault::UnknownField(field));
            }
            if value(restriction).is_none() || restriction.comparator == Comparator::Has {
                return Err(Fault::Unsupported(restriction.to_string()));
            }
            Ok(())
        }
    }
}

/// What a term compares with, and whether it was quoted. Unquoted it may hold points, as codes do: `P1.3`.
fn value(restriction: &Restriction) -> Option<Value> {
    match &restriction.arg {
        aip_160::Arg::Comparable(comparable) => match restriction.arg.as_value() {
            Some(value) => Some(value.clone()),
            None => comparable.field_path().map(Value::Text),
        },
        aip_160::Arg::Composite(_) => None,
    }
}

fn holds(expression: &Expression, field: &impl Fn(&str) -> Option<String>) -> bool {
    match expression {
        Expression::And(parts) | Expression::Sequence(parts) => parts.iter().all(|part| holds(part, field)),
        Expression::Or(parts) => parts.iter().any(|part| holds(part, field)),
        Expression::Not(part) => !holds(part, field),
        // `check` lets none through.
        Expression::Global(_) => false,
        Expression::Restriction(restriction) => {
            let found = restriction.comparable.field_path().and_then(|name| field(&name));
            let Some(value) = value(restriction) else { return false };
            match restriction.comparator {
                Comparator::Equal => found.is_some_and(|found| equals(&found, &value)),
                Comparator::NotEqual => !found.is_some_and(|found| equals(&found, &value)),
                Comparator::LessThan => found.is_some_and(|found| order(&found, &value).is_lt()),
                Comparator::LessThanOrEqual => found.is_some_and(|found| order(&found, &value).is_le()),
                Comparator::GreaterThan => found.is_some_and(|found| order(&found, &value).is_gt()),
                Comparator::GreaterThanOrEqual => found.is_some_and(|found| order(&found, &value).is_ge()),
                Comparator::Has => false,
            }
        }
    }
}

/// Whole numbers are in the order of numbers, where none is quoted; all else in that of its characters.
fn order(found: &str, value: &Value) -> Ordering {
    let number = |text: &str| text.parse::<i64>().ok().filter(|_| !value.is_quoted());
    match (number(found), number(value.as_str())) {
        (Some(found), Some(value)) => found.cmp(&value),
        _ => found.cmp(value.as_str()),
    }
}

fn equals(found: &str, value: &Value) -> bool {
    match value.string_match() {
        Some(StringMatch::Prefix(part)) => found.starts_with(part),
        Some(StringMatch::Suffix(part)) => found.ends_with(part),
        Some(StringMatch::Contains(part)) => found.contains(part),
        Some(StringMatch::Exact(_)) | None => found == value.as_str(),
    }
}

fn must_equal<'a>(expression: &'a Expression, field: &str) -> Option<&'a str> {
    match expression {
        Expression::And(parts) | Expression::Sequence(parts) => parts.iter().find_map(|part| must_equal(part, field)),
        Expression::Restriction(restriction) if restriction.comparator == Comparator::Equal => {
            let value = restriction.arg.as_value()?;
            let exact = matches!(value.string_match(), None | Some(StringMatch::Exact(_)));
            (exact && restriction.comparable.field_path().as_deref() == Some(field)).then(|| value.as_str())
        }
        _ => None,
    }
}

fn refused(text: &str, fault: &Fault, allowed: &[&str]) -> Error {
    let known = allowed.join(", ");
    let (es, en) = match fault {
        Fault::Unreadable(why) => (
            format!("No se entiende el filtro ({why}): escriba «campo = valor», unidos por AND, OR, NOT."),
            format!("The filter can't be read ({why}): write \"field = value\", joined by AND, OR, NOT."),
        ),
        Fault::UnknownField(field) => (
            format!("No se filtra por «{field}»; se puede por: {known}."),
            format!("\"{field}\" can't be filtered by; you can use: {known}."),
        ),
        Fault::Unsupported(part) => (
            format!("«{part}» no es «campo = valor»; se puede filtrar por: {known}."),
            format!("\"{part}\" is not \"field = value\"; you can filter by: {known}."),
        ),
        Fault::TooManyTerms => (
            format!("Tiene más de {TERMS_MAX} condiciones o de {BYTES_MAX} bytes."),
            format!("It has more than {TERMS_MAX} conditions or {BYTES_MAX} bytes."),
        ),
    };
    Error::refused(Reason::FilterInvalid, es, en).with("filter", text.chars().take(200).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Filter> {
        Filter::parse(text, &["state", "institution", "period", "action", "days"]).ok()
    }

    #[test]
    fn a_filter_lets_through_what_it_says() {
        let row = |name: &str| match name {
            "state" => Some("OVERDUE".to_owned()),
            "institution" => Some("institutions/msp".to_owned()),
            "period" => Some("2026-Q2".to_owned()),
            "days" => Some("15".to_owned()),
            _ => None,
        };
        let check = |text: &str, expect: bool| assert_eq!(parse(text).map(|filter| filter.matches(row)), Some(expect), "{text}");
        check("", true);
        check("state = OVERDUE AND institution = institutions/msp", true);
        check("state=OVERDUE AND institution=\"institutions/mdt\"", false);
        check("state = OPEN OR state = OVERDUE", true);
        check("NOT state = OVERDUE", false);
        check("(state = OPEN OR state = OVERDUE) AND period >= 2026-Q1 AND period < 2026-Q3", true);
        check("institution = \"institutions/m*\"", true);
        check("action = P1.3", false);
        check("action != P1.3", true);
        check("days > 7 AND days >= 15 AND days < 100 AND days > -30", true);
        check("days <= 9", false);
        check("days > \"7\"", false);
    }

    #[test]
    fn what_a_list_does_not_support_is_refused() {
        for text in [
            "colour = red",
            "OVERDUE",
            "state",
            "state:OVERDUE",
            "regex(state, \"x\")",
            "state = (OPEN OR OVERDUE)",
            "state = OVERDUE AND",
            "((((((((((state = OPEN))))))))))",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
        let terms = |n: usize| vec!["state = OPEN"; n].join(" OR ");
        assert!(parse(&terms(TERMS_MAX)).is_some());
        assert!(parse(&terms(TERMS_MAX + 1)).is_none());
        let long = |n: usize| format!("state = {}", "x".repeat(n - "state = ".len()));
        assert!(parse(&long(BYTES_MAX)).is_some());
        assert!(parse(&long(BYTES_MAX + 1)).is_none());
    }

    #[test]
    fn a_query_is_narrowed_only_by_what_must_hold() {
        let check = |text: &str, expect: Option<&str>| assert_eq!(parse(text).as_ref().and_then(|f| f.equal("state")), expect, "{text}");
        check("state = OPEN AND period = 2026-Q1", Some("OPEN"));
        check("state = OPEN OR period = 2026-Q1", None);
        check("NOT state = OPEN", None);
        check("state != OPEN", None);
        check("state = \"OP*\"", None);
    }
}
