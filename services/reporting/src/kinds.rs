//! Which indicators were ever reported as numbers, and which as ratios: an index that spares nearly every submission a
//! walk over all reports of its action. It may say too much (a report was rejected since), never too little.

use std::collections::HashMap;

use prost::Message;
use vigia_platform::{Error, name::split};
use vigia_proto::{
    journal::Entry,
    reporting::{IndicatorValue, ReportSubmitted, indicator_value::Value},
};

/// By plan and code of the indicator: whether numbers were given, and ratios.
#[derive(Debug, Default)]
pub(crate) struct Kinds(HashMap<String, HashMap<String, [bool; 2]>>);

/// Whether a value is a ratio; none where it is neither.
pub(crate) fn is_ratio(value: &IndicatorValue) -> Option<bool> {
    value.value.as_ref().map(|value| matches!(value, Value::Ratio(_)))
}

impl Kinds {
    /// Takes in an entry of our own journal.
    pub(crate) fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        if entry.event_type != "vigia.reporting.v1.ReportSubmitted" {
            return Ok(());
        }
        let report = ReportSubmitted::decode(entry.event.as_slice())?.report.unwrap_or_default();
        if let Some(parts) = split("plans/{}/assignments/{}/obligations/{}", &entry.resource) {
            self.add(parts[0], &report.values);
        }
        Ok(())
    }

    /// Notes the values of a report on a plan.
    pub(crate) fn add(&mut self, plan: &str, values: &[IndicatorValue]) {
        for value in values {
            let Some(is_ratio) = is_ratio(value) else { continue };
            if !self.0.contains_key(plan) {
                self.0.insert(plan.to_owned(), HashMap::new());
            }
            let Some(of_plan) = self.0.get_mut(plan) else { continue };
            if !of_plan.contains_key(&value.indicator) {
                of_plan.insert(value.indicator.clone(), [false; 2]);
            }
            if let Some(seen) = of_plan.get_mut(&value.indicator) {
                seen[usize::from(is_ratio)] = true;
            }
        }
    }

    /// Whether the other kind was ever given for an indicator of that code.
    pub(crate) fn may_mix(&self, plan: &str, value: &IndicatorValue) -> bool {
        let seen = self.0.get(plan).and_then(|of_plan| of_plan.get(&value.indicator));
        is_ratio(value).is_some_and(|is_ratio| seen.is_some_and(|seen| seen[usize::from(!is_ratio)]))
    }
}

#[cfg(test)]
mod tests {
    use vigia_proto::{reporting::Ratio, types::Decimal};

    use super::*;

    #[test]
    fn only_the_other_kind_of_the_same_plan_and_code_may_mix() {
        let number = |indicator: &str| IndicatorValue {
            indicator: indicator.to_owned(),
            value: Some(Value::Number(Decimal { value: "1".to_owned() })),
            ..IndicatorValue::default()
        };
        let ratio = |indicator: &str| IndicatorValue {
            indicator: indicator.to_owned(),
            value: Some(Value::Ratio(Ratio::default())),
            ..IndicatorValue::default()
        };
        let mut kinds = Kinds::default();
        kinds.add("p", &[number("I1"), ratio("I2")]);
        for (plan, value, may_mix) in [
            ("p", number("I1"), false),
            ("p", ratio("I1"), true),
            ("p", number("I2"), true),
            ("p", ratio("I3"), false),
            ("q", ratio("I1"), false),
        ] {
            assert_eq!(kinds.may_mix(plan, &value), may_mix, "{plan} {value:?}");
        }
    }
}
