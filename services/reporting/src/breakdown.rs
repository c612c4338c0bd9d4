//! Values split by a dimension: the parts must add up to the whole, exactly.

use std::collections::BTreeSet;

use vigia_platform::Faults;
use vigia_proto::reporting::{Breakdown, BreakdownPart, Ratio, breakdown_part, indicator_value};
use vigia_rules::{Decimal, Exact};

use crate::content::{at_most, decimal};

const BREAKDOWNS_MAX: usize = 10;
const PARTS_MAX: usize = 300;
const NAME_MAX: usize = 100;

/// The breakdowns of a value in canonical form; `path` is the value's.
pub(crate) fn check(faults: &mut Faults, path: &str, given: &[Breakdown], whole: &indicator_value::Value) -> Vec<Breakdown> {
    at_most(faults, &format!("{path}.breakdowns"), given.len(), BREAKDOWNS_MAX);
    let mut seen = BTreeSet::new();
    let mut breakdowns = Vec::new();
    for (i, breakdown) in given.iter().enumerate().take(BREAKDOWNS_MAX) {
        let path = format!("{path}.breakdowns[{i}]");
        faults.text(&format!("{path}.dimension"), &breakdown.dimension, 1..=NAME_MAX);
        if !seen.insert(&breakdown.dimension) {
            faults.add(
                format!("{path}.dimension"),
                "la dimensión está dos veces",
                "the dimension is there twice",
            );
        }
        let before = faults.list().len();
        let parts = parts(faults, &path, &breakdown.parts, whole);
        if faults.list().len() == before {
            adds_up(faults, &path, &parts, whole);
        }
        breakdowns.push(Breakdown {
            dimension: breakdown.dimension.clone(),
            parts,
        });
    }
    breakdowns
}

fn parts(faults: &mut Faults, path: &str, given: &[BreakdownPart], whole: &indicator_value::Value) -> Vec<BreakdownPart> {
    use breakdown_part::Value as Part;
    use indicator_value::Value as Whole;
    at_most(faults, &format!("{path}.parts"), given.len(), PARTS_MAX);
    if given.is_empty() {
        faults.add(format!("{path}.parts"), "no tiene ninguna parte", "has no part");
    }
    let mut seen = BTreeSet::new();
    let mut parts = Vec::new();
    for (i, part) in given.iter().enumerate().take(PARTS_MAX) {
        let path = format!("{path}.parts[{i}]");
        faults.text(&format!("{path}.category"), &part.category, 1..=NAME_MAX);
        if !seen.insert(&part.category) {
            faults.add(
                format!("{path}.category"),
                "la categoría está dos veces",
                "the category is there twice",
            );
        }
        let value = match (&part.value, whole) {
            (Some(Part::Number(number)), Whole::Number(_)) => {
                decimal(faults, &format!("{path}.number"), Some(number), false).map(Part::Number)
            }
            (Some(Part::Ratio(ratio)), Whole::Ratio(_)) => {
                let num = decimal(faults, &format!("{path}.ratio.num"), ratio.num.as_ref(), false);
                let den = decimal(faults, &format!("{path}.ratio.den"), ratio.den.as_ref(), true);
                Some(Part::Ratio(Ratio { num, den }))
            }
            _ => {
                faults.add(
                    path,
                    "debe ser un número o una razón, como el total",
                    "must be a number or a ratio, as the total is",
                );
                None
            }
        };
        parts.push(BreakdownPart {
            category: part.category.clone(),
            value,
        });
    }
    parts
}

/// Numerators and denominators each add up to theirs.
fn adds_up(faults: &mut Faults, path: &str, parts: &[BreakdownPart], whole: &indicator_value::Value) {
    use breakdown_part::Value as Part;
    use indicator_value::Value as Whole;
    let exact = |wire: Option<&vigia_proto::types::Decimal>| {
        wire.and_then(|wire| wire.value.parse::<Decimal>().ok())
            .map_or_else(Exact::zero, Exact::from)
    };
    let sum = |of: &dyn Fn(&Part) -> Exact| {
        let values = parts.iter().filter_map(|part| part.value.as_ref());
        values.fold(Exact::zero(), |sum, value| &sum + &of(value))
    };
    let mut compare = |what: &str, sum: Exact, total: Exact| {
        if sum != total {
            faults.add(
                format!("{path}{what}"),
                format!("las partes suman {sum} y el total es {total}"),
                format!("the parts add up to {sum} and the total is {total}"),
            );
        }
    };
    match whole {
        Whole::Number(total) => {
            let added = sum(&|part| match part {
                Part::Number(number) => exact(Some(number)),
                Part::Ratio(_) => Exact::zero(),
            });
            compare("", added, exact(Some(total)));
        }
        Whole::Ratio(total) => {
            let num = sum(&|part| match part {
                Part::Ratio(ratio) => exact(ratio.num.as_ref()),
                Part::Number(_) => Exact::zero(),
            });
            let den = sum(&|part| match part {
                Part::Ratio(ratio) => exact(ratio.den.as_ref()),
                Part::Number(_) => Exact::zero(),
            });
            compare(".num", num, exact(total.num.as_ref()));
            compare(".den", den, exact(total.den.as_ref()));
        }
    }
}

#[cfg(test)]
mod tests {
    use vigia_proto::types::Decimal as Wire;

    use super::*;

    fn wire(text: &str) -> Wire {
        Wire { value: text.to_owned() }
    }

    fn part(category: &str, text: &str) -> BreakdownPart {
        let value = match text.split_once('/') {
            Some((num, den)) => breakdown_part::Value::Ratio(Ratio {
                num: Some(wire(num)),
                den: Some(wire(den)),
            }),
            None => breakdown_part::Value::Number(Wire { value: text.to_owned() }),
        };
        BreakdownPart {
            category: category.to_owned(),
            value: Some(value),
        }
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let check = |whole: &str, parts: &[(&str, &str)], expect: &[&str]| {
            let whole = match whole.split_once('/') {
                Some((num, den)) => indicator_value::Value::Ratio(Ratio {
                    num: Some(wire(num)),
                    den: Some(wire(den)),
                }),
                None => indicator_value::Value::Number(Wire { value: whole.to_owned() }),
            };
            let given = Breakdown {
                dimension: "province".to_owned(),
                parts: parts.iter().map(|(category, text)| part(category, text)).collect(),
            };
            let mut faults = Faults::new();
            super::check(&mut faults, "v", &[given], &whole);
            assert_eq!(faults.list().iter().map(|fault| fault.path.as_str()).collect::<Vec<_>>(), expect);
        };
        check("10", &[("09", "7"), ("17", "3")], &[]);
        check("0.3", &[("09", "0.1"), ("17", "0.2")], &[]);
        check("10", &[("09", "7"), ("17", "2.999999")], &["v.breakdowns[0]"]);
        check("3/4", &[("09", "1/1"), ("17", "2/3")], &[]);
        check("3/4", &[("09", "1/1"), ("17", "2/2"), ("01", "0/1")], &[]);
        check("3/4", &[("09", "1/1"), ("17", "1/3")], &["v.breakdowns[0].num"]);
        check(
            "3/4",
            &[("09", "1/1"), ("17", "1/1")],
            &["v.breakdowns[0].num", "v.breakdowns[0].den"],
        );
        check("10", &[("09", "7"), ("09", "3")], &["v.breakdowns[0].parts[1].category"]);
        check("10", &[("09", "7/1")], &["v.breakdowns[0].parts[0]"]);
        check("10", &[("09", "diez")], &["v.breakdowns[0].parts[0].number"]);
        check("10", &[], &["v.breakdowns[0].parts"]);
    }

    #[test]
    fn a_breakdown_has_so_many_parts_and_no_more() {
        let whole = indicator_value::Value::Number(Wire { value: "0".to_owned() });
        let faults = |count: usize| {
            let parts = (0..count).map(|n| part(&n.to_string(), "0")).collect();
            let mut faults = Faults::new();
            let given = Breakdown {
                dimension: "canton".to_owned(),
                parts,
            };
            check(&mut faults, "v", &[given], &whole);
            faults.list().len()
        };
        assert_eq!(faults(PARTS_MAX), 0);
        assert_eq!(faults(PARTS_MAX + 1), 1);
    }
}
