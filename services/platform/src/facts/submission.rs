//! A submission as its entry tells it, read field by field from the bytes: of a hundred entries of a journal nearly all
//! are submissions and reviews, and of a report's texts no verdict needs any. Fields that are not needed are skipped, so
//! that an entry of a newer contract reads as well.

use jiff::Timestamp;
use vigia_rules::{Decimal, IndicatorId, Report, Value};

use super::{report_name, unreadable};
use crate::{clock::whole_micros, error::Error};

/// A report that came, and what it brought that no verdict depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// As the rules judge it.
    pub report: Report,
    /// The evidence that it names, as resource names.
    pub evidence: Vec<String>,
    /// What it says was spent, by lines of the budget.
    pub spent: Vec<Decimal>,
    /// The indicators whose values are broken down, each with the dimensions.
    pub broken_down: Vec<(IndicatorId, Vec<String>)>,
}

impl From<Report> for Submission {
    fn from(report: Report) -> Self {
        Self {
            report,
            evidence: Vec::new(),
            spent: Vec::new(),
            broken_down: Vec::new(),
        }
    }
}

impl Submission {
    /// Reads the bytes of a `vigia.reporting.v1.ReportSubmitted`.
    pub fn read(event: &[u8]) -> Result<Self, Error> {
        let (mut name, mut received_at, mut nil) = ("", None, false);
        let (mut values, mut milestones) = (Vec::new(), Vec::new());
        let (mut evidence, mut broken_down, mut spent) = (Vec::new(), Vec::new(), Vec::new());
        for field in Fields(event) {
            let Field::Bytes(1, report) = field? else { continue };
            for field in Fields(report) {
                match field? {
                    Field::Bytes(1, bytes) => name = text(bytes)?,
                    Field::Bytes(5, bytes) => {
                        let Stated {
                            indicator,
                            value,
                            dimensions,
                        } = Stated::read(bytes)?;
                        if !dimensions.is_empty() {
                            broken_down.push((indicator.into(), dimensions));
                        }
                        values.extend(value.map(|value| (indicator.into(), value)));
                    }
                    Field::Bytes(6, bytes) => milestones.push(text(bytes)?.into()),
                    Field::Bytes(7, bytes) => spent.extend(accrued(bytes)?),
                    Field::Bytes(8, bytes) => nil = !bytes.is_empty(),
                    Field::Bytes(10, bytes) => evidence.push(text(bytes)?.to_owned()),
                    Field::Bytes(11, bytes) => received_at = Some(time(bytes)?),
                    Field::Bytes(14, bytes) => evidence.push(first_text(bytes)?.to_owned()),
                    _ => {}
                }
            }
        }
        let (assignment, period, version) = report_name(name)?;
        let report = Report {
            assignment,
            period,
            version,
            received_at: received_at.ok_or_else(|| unreadable("receive_time"))?,
            values,
            milestones,
            nil,
        };
        Ok(Self {
            report,
            evidence,
            spent,
            broken_down,
        })
    }
}

/// An `IndicatorValue`.
struct Stated<'a> {
    indicator: &'a str,
    value: Option<Value>,
    dimensions: Vec<String>,
}

impl<'a> Stated<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut stated = Stated {
            indicator: "",
            value: None,
            dimensions: Vec::new(),
        };
        for field in Fields(bytes) {
            match field? {
                Field::Bytes(1, bytes) => stated.indicator = text(bytes)?,
                Field::Bytes(2, bytes) => stated.value = Some(Value::Number(decimal(bytes)?)),
                Field::Bytes(3, bytes) => stated.value = Some(ratio(bytes)?),
                Field::Bytes(4, bytes) => stated.dimensions.push(first_text(bytes)?.to_owned()),
                _ => {}
            }
        }
        Ok(stated)
    }
}

/// The text of a message's first field; empty where it has none.
fn first_text(bytes: &[u8]) -> Result<&str, Error> {
    let mut first = "";
    for field in Fields(bytes) {
        if let Field::Bytes(1, bytes) = field? {
            first = text(bytes)?;
        }
    }
    Ok(first)
}

/// What a `Spending` says was accrued. One that says nothing readable is passed over.
fn accrued(bytes: &[u8]) -> Result<Option<Decimal>, Error> {
    for field in Fields(bytes) {
        if let Field::Bytes(2, bytes) = field? {
            return Ok(first_text(bytes)?.parse().ok());
        }
    }
    Ok(None)
}

fn ratio(bytes: &[u8]) -> Result<Value, Error> {
    let (mut num, mut den) = (Decimal::ZERO, Decimal::ZERO);
    for field in Fields(bytes) {
        match field? {
            Field::Bytes(1, bytes) => num = decimal(bytes)?,
            Field::Bytes(2, bytes) => den = decimal(bytes)?,
            _ => {}
        }
    }
    Ok(Value::Ratio { num, den })
}

fn decimal(bytes: &[u8]) -> Result<Decimal, Error> {
    first_text(bytes)?.parse().map_err(|_| unreadable("decimal"))
}

/// A `google.protobuf.Timestamp`.
fn time(bytes: &[u8]) -> Result<Timestamp, Error> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in Fields(bytes) {
        match field? {
            Field::Number(1, number) => seconds = number.cast_signed(),
            Field::Number(2, number) => nanos = i32::try_from(number.cast_signed()).map_err(|_| unreadable("time"))?,
            _ => {}
        }
    }
    let time = Timestamp::new(seconds, nanos).map_err(|_| unreadable("time"))?;
    Ok(whole_micros(time))
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| unreadable("text"))
}

/// The fields of a message in the order in which they were written, each with its number.
struct Fields<'a>(&'a [u8]);

enum Field<'a> {
    Number(u64, u64),
    Bytes(u64, &'a [u8]),
    /// Of a width that nothing here has.
    Other,
}

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for (place, byte) in self.0.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.0 = &self.0[place + 1..];
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self, length: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    fn field(&mut self) -> Option<Field<'a>> {
        let tag = self.varint()?;
        Some(match tag & 7 {
            0 => Field::Number(tag >> 3, self.varint()?),
            1 => self.bytes(8).map(|_| Field::Other)?,
            2 => {
                let length = self.varint()?;
                Field::Bytes(tag >> 3, self.bytes(length)?)
            }
            5 => self.bytes(4).map(|_| Field::Other)?,
            _ => return None,
        })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| unreadable("event")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;
    use vigia_proto::{reporting as r, types::Decimal as WireDecimal};

    use super::*;
    use crate::clock::timestamp;

    fn wire(value: i32) -> WireDecimal {
        WireDecimal { value: value.to_string() }
    }

    fn value() -> impl Strategy<Value = r::IndicatorValue> {
        let stated = prop_oneof![
            Just(None),
            any::<i32>().prop_map(|n| Some(r::indicator_value::Value::Number(wire(n)))),
            any::<(i32, i32)>().prop_map(|(num, den)| Some(r::indicator_value::Value::Ratio(r::Ratio {
                num: Some(wire(num)),
                den: Some(wire(den)),
            }))),
        ];
        let dimension = "[a-z]{0,8}".prop_map(|dimension| r::Breakdown {
            dimension,
            parts: vec![r::BreakdownPart::default()],
        });
        ("[A-Z]{1,3}", stated, prop::collection::vec(dimension, 0..3)).prop_map(|(indicator, value, breakdowns)| r::IndicatorValue {
            indicator,
            value,
            breakdowns,
        })
    }

    proptest! {
        /// Field by field it reads what the generated code reads.
        #[test]
        fn it_reads_what_the_contract_says(
            values in prop::collection::vec(value(), 0..4),
            milestones in prop::collection::vec("[A-Z0-9]{1,4}", 0..3),
            evidence in prop::collection::vec("evidence/[0-9a-f]{4}", 0..3),
            (nil_reason, narrative) in (".{0,5}", ".{0,20}"),
            (micros, version) in (-62_000_000_000_000_000..250_000_000_000_000_000_i64, 1..9_i32),
        ) {
            let received_at = Timestamp::from_microsecond(micros).expect("in range");
            let (named, linked) = evidence.split_at(evidence.len() / 2);
            let report = r::Report {
                name: format!("plans/p/assignments/a1/obligations/2026-Q1/reports/{version}"),
                version,
                narrative,
                values: values.clone(),
                milestones: milestones.clone(),
                nil_reason: nil_reason.clone(),
                evidence: named.to_vec(),
                evidence_links: linked.iter().map(|evidence| r::EvidenceLink { evidence: evidence.clone(), ..Default::default() }).collect(),
                receive_time: Some(timestamp(received_at)),
                ..r::Report::default()
            };
            let event = r::ReportSubmitted { report: Some(report) }.encode_to_vec();
            let read = Submission::read(&event).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
            let number = |wire: &Option<WireDecimal>| wire.clone().unwrap_or_default().value.parse::<Decimal>().expect("a decimal");
            let stated = values.iter().filter_map(|value| {
                let stated = match value.value.as_ref()? {
                    r::indicator_value::Value::Number(wire) => Value::Number(number(&Some(wire.clone()))),
                    r::indicator_value::Value::Ratio(ratio) => Value::Ratio { num: number(&ratio.num), den: number(&ratio.den) },
                };
                Some((IndicatorId::from(value.indicator.as_str()), stated))
            });
            prop_assert_eq!(read.report.values, stated.collect::<Vec<_>>());
            prop_assert_eq!(read.report.milestones.len(), milestones.len());
            prop_assert_eq!(read.report.nil, !nil_reason.is_empty());
            prop_assert_eq!(read.report.received_at, received_at);
            prop_assert_eq!((read.report.assignment.as_str(), read.report.version), ("a1", u32::try_from(version).expect("small")));
            prop_assert_eq!(read.evidence, evidence);
            let dimensions = values.iter().filter(|value| !value.breakdowns.is_empty()).map(|value| {
                let dimensions = value.breakdowns.iter().map(|breakdown| breakdown.dimension.clone());
                (IndicatorId::from(value.indicator.as_str()), dimensions.collect::<Vec<_>>())
            });
            prop_assert_eq!(read.broken_down, dimensions.collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Submission::read(&bytes);
        }
    }
}
