//! The demo's story: what happens between December 2019 and June 2026. Plans, institutions and successions are those of
//! `deploy/data`; who reports what, and when, is made up, always the same way.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use jiff::{ToSpan, civil::Date};
use sha2::{Digest, Sha256};
use vigia_platform::name::id_of_code;

use crate::yaml::Node;

/// The plans, as files.
pub const PLANS: [(&str, &str); 3] = [
    (
        "vcm",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/data/plans/vcm.yaml")),
    ),
    (
        "lgbti",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/data/plans/lgbti.yaml")),
    ),
    (
        "ogp-2019-2022",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/data/plans/ogp-2019-2022.yaml")),
    ),
];
/// The institutions.
pub const INSTITUTIONS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/data/institutions.csv"));
/// The provinces.
pub const TERRITORIES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/data/provinces.csv"));
const SUCCESSIONS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/data/successions.csv"));

/// The plan that was reprogrammed, the day on which its first version ended, and the day on which the second did.
pub const REPROGRAMMED: (&str, &str, &str) = ("ogp-2019-2022", "2021-08-31", "2022-08-31");

/// A number that looks random and always is the same for the same text, below `below`.
pub fn chance(of: &str, below: u32) -> u32 {
    let digest = Sha256::digest(of);
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % below
}

/// Who took over from whom.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "predecessor and successor are the words of the design")]
pub struct Successor {
    pub predecessor: String,
    pub successor: String,
    pub on: Date,
    pub kind: String,
    pub instrument: String,
    pub source: String,
    pub verified: bool,
}

/// The real successions, by day.
pub fn successions() -> Result<Vec<Successor>> {
    let mut reader = csv::Reader::from_reader(SUCCESSIONS.as_bytes());
    let mut all = Vec::new();
    for row in reader.deserialize::<BTreeMap<String, String>>() {
        let row = row?;
        let of = |column: &str| row.get(column).cloned().unwrap_or_default();
        all.push(Successor {
            predecessor: of("predecessor_id"),
            successor: of("successor_id"),
            on: of("date").parse().context("successions.csv")?,
            kind: of("kind"),
            instrument: of("instrument"),
            source: of("source"),
            verified: of("verified") == "yes",
        });
    }
    all.sort_by_key(|succession| succession.on);
    Ok(all)
}

/// Ids of the institutions that the data knows.
pub fn institutions() -> Result<Vec<String>> {
    let mut reader = csv::Reader::from_reader(INSTITUTIONS.as_bytes());
    let ids: std::result::Result<Vec<_>, _> = reader
        .records()
        .map(|row| row.map(|row| row.get(0).unwrap_or_default().to_owned()))
        .collect();
    Ok(ids?)
}

/// Who held an institution's duties on a day: duties pass on whole by rename, absorption and merger.
pub fn holder(id: &str, on: Date, successions: &[Successor]) -> String {
    let mut holder = id.to_owned();
    for succession in successions.iter().filter(|succession| succession.on <= on) {
        let whole = matches!(
            succession.kind.as_str(),
            "rename" | "absorption" | "merger" | "rename_by_absorption"
        );
        if whole && succession.predecessor == holder {
            holder.clone_from(&succession.successor);
        }
    }
    holder
}

/// An action, as far as the story needs it.
#[derive(Clone, Debug)]
pub struct Deed {
    pub code: String,
    pub start: Date,
    /// Role and institution.
    pub answers: Vec<(&'static str, String)>,
    pub indicators: Vec<Gauge>,
    /// Codes of milestones that the sources call done.
    pub done: Vec<String>,
}

/// An indicator, as far as the story needs it; numbers in millionths.
#[derive(Clone, Debug)]
pub struct Gauge {
    pub code: String,
    whole: bool,
    baseline: i64,
    targets: Vec<(i16, i64)>,
}

/// A plan, as far as the story needs it.
#[derive(Clone, Debug)]
pub struct Work {
    pub id: String,
    pub start: Date,
    pub file: String,
    pub node: Node,
    pub deeds: BTreeMap<String, Deed>,
}

/// Reads a plan file.
pub fn work(id: &str, text: &str) -> Result<Work> {
    let node = Node::parse(text).with_context(|| id.to_owned())?;
    let start = node
        .get("plan")
        .and_then(|plan| plan.get("period"))
        .and_then(|period| period.text_of("start"))
        .context("period.start")?;
    let mut deeds = BTreeMap::new();
    for action in node.get("actions").map(Node::items).unwrap_or_default() {
        let deed = deed(action).with_context(|| format!("{id}, {} {}", "línea", action.line))?;
        deeds.insert(id_of_code(&deed.code), deed);
    }
    // The plan is first adopted as it stood before it was reprogrammed.
    let file = if id == REPROGRAMMED.0 {
        text.replace(REPROGRAMMED.2, REPROGRAMMED.1)
    } else {
        text.to_owned()
    };
    Ok(Work {
        id: id.to_owned(),
        start: start.parse()?,
        file,
        node,
        deeds,
    })
}

fn deed(action: &Node) -> Result<Deed> {
    let mut answers = Vec::new();
    for role in ["lead", "co_responsible", "supporting"] {
        let who = action.get(role).map(Node::texts).unwrap_or_default();
        answers.extend(who.into_iter().map(|who| (role, who.to_owned())));
    }
    let mut gauges = Vec::new();
    for (node, code) in action.get("indicator").map(|node| (node, "I")).into_iter().chain(
        action
            .get("indicators")
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .map(|node| (node, "")),
    ) {
        let baseline = node
            .get("baseline")
            .and_then(|baseline| baseline.text_of("value"))
            .and_then(millionths)
            .unwrap_or(0);
        let targets = node.get("targets").map(Node::items).unwrap_or_default();
        let targets = targets
            .iter()
            .filter_map(|target| Some((target.text_of("year")?.parse().ok()?, millionths(target.text_of("value")?)?)))
            .collect();
        let whole = node.text_of("unit") == Some("count");
        gauges.push(Gauge {
            code: node.text_of("code").unwrap_or(code).to_owned(),
            whole,
            baseline,
            targets,
        });
    }
    let milestones = action.get("milestones").map(Node::items).unwrap_or_default();
    let done = milestones
        .iter()
        .filter(|milestone| milestone.text_of("status") == Some("done"))
        .filter_map(|milestone| milestone.text_of("code"));
    Ok(Deed {
        code: action.text_of("code").context("code")?.to_owned(),
        start: action.text_of("start").context("start")?.parse()?,
        done: done.map(str::to_owned).collect(),
        answers,
        indicators: gauges,
    })
}

/// A decimal text in millionths; our data has at most six digits after the point.
fn millionths(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let part = format!("{part:0<6}");
    Some(sign * (whole.parse::<i64>().ok()? * 1_000_000 + part.get(..6)?.parse::<i64>().ok()?))
}

impl Gauge {
    /// The value that is made up for the end of a period: on the way from the baseline to the year's target, as far as
    /// this action tends to come (55 to 115 percent). `year_share` is how much of the year is over, in twelfths.
    pub fn value(&self, salt: &str, year: i16, year_share: i64) -> Option<String> {
        let next = self.targets.iter().find(|(of, _)| *of >= year).or(self.targets.last())?.1;
        let before = self
            .targets
            .iter()
            .rev()
            .find(|(of, _)| *of < year)
            .map_or(self.baseline, |(_, value)| *value);
        let expected = before + (next - before) * year_share.clamp(0, 12) / 12;
        let reach = 55 + i64::from(chance(salt, 61));
        let value = (self.baseline + (expected - self.baseline) * reach / 100).max(0);
        let text = if self.whole {
            (value / 1_000_000).to_string()
        } else {
            format!("{}.{:02}", value / 1_000_000, value % 1_000_000 / 10_000)
        };
        vigia_platform::decimal::canonical(&text)
    }
}

/// How an institution keeps its duty for one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// So many days after the period's end.
    Sends(i32),
    /// Not at all.
    Silent,
}

/// Every institution has its habits: some are diligent, some slow, a few hardly ever report.
pub fn manner(institution: &str, obligation: &str) -> Manner {
    let luck = chance(obligation, 100);
    let (on_time, late) = match chance(&format!("habits of {institution}"), 10) {
        0 => (25, 55),
        1 | 2 => (60, 88),
        _ => (91, 98),
    };
    let days = i32::try_from(chance(&format!("days {obligation}"), 24)).unwrap_or(0);
    if luck < on_time {
        Manner::Sends(5 + days)
    } else if luck < late {
        Manner::Sends(32 + days)
    } else {
        Manner::Silent
    }
}

/// What the reviewer makes of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Validated.
    Validates,
    /// Returned; corrected so many days later, or never.
    Returns(Option<i32>),
    /// Not looked at.
    Leaves,
}

/// What the reviewer makes of a report, always the same for the same one.
pub fn judgement(obligation: &str) -> Judgement {
    match chance(&format!("review {obligation}"), 100) {
        0..=79 => Judgement::Validates,
        80..=85 => Judgement::Returns(Some(8)),
        86 | 87 => Judgement::Returns(Some(21)),
        88 => Judgement::Returns(None),
        _ => Judgement::Leaves,
    }
}

/// The half-years whose reports fall into the story: name, first day after, year.
pub fn periods(from: Date, to: Date) -> Vec<(String, Date)> {
    let mut periods = Vec::new();
    for year in from.year()..=to.year() {
        for (half, end) in [("S1", Date::new(year, 7, 1)), ("S2", Date::new(year + 1, 1, 1))] {
            if let Some(end) = end.ok().filter(|end| *end > from && *end <= to) {
                periods.push((format!("{year}-{half}"), end));
            }
        }
    }
    periods
}

/// The revision file that moves the reprogrammed plan to its second end.
pub fn reprogramming(work: &Work) -> String {
    let mut actions = Vec::new();
    for action in work.node.get("actions").map(Node::items).unwrap_or_default() {
        let mut changes = vec![format!("\"end\": \"{}\"", REPROGRAMMED.2)];
        if let Some(milestones) = action.get("milestones") {
            changes.push(format!("\"milestones\": {}", milestones.to_yaml().trim()));
        }
        actions.push(format!(
            "  \"{}\": {{{}}}",
            action.text_of("code").unwrap_or_default(),
            changes.join(", ")
        ));
    }
    let period = work
        .node
        .get("plan")
        .and_then(|plan| plan.get("period"))
        .map(Node::to_yaml)
        .unwrap_or_default();
    format!(
        "{{\"plan\": {{\"period\": {}}}, \"actions\": {{\n{}\n}}}}\n",
        period.trim(),
        actions.join(",\n")
    )
}

/// The day so many days after another.
pub fn after(day: Date, days: i32) -> Date {
    day.saturating_add(days.days())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_can_be_read() -> Result<()> {
        let works: Result<Vec<Work>> = PLANS.iter().map(|(id, text)| work(id, text)).collect();
        let deeds: Vec<usize> = works?.iter().map(|work| work.deeds.len()).collect();
        assert_eq!(deeds, [49, 31, 10]);
        assert_eq!(successions()?.len(), 22);
        assert_eq!(institutions()?.len(), 91);
        Ok(())
    }

    #[test]
    fn duties_pass_on_by_day() -> Result<()> {
        let successions = successions()?;
        for (day, expect) in [("2022-11-28", "sdh"), ("2022-11-29", "mmdh"), ("2025-08-15", "mdg")] {
            assert_eq!(holder("sdh", day.parse()?, &successions), expect, "{day}");
        }
        Ok(())
    }

    #[test]
    fn numbers_are_made_up_without_floats() {
        let gauge = Gauge {
            code: "I".into(),
            whole: true,
            baseline: 0,
            targets: vec![(2021, 2_000_000), (2022, 5_000_000)],
        };
        assert!(
            gauge
                .value("x", 2022, 12)
                .is_some_and(|value| value.parse::<i64>().is_ok_and(|value| (2..=5).contains(&value)))
        );
        assert_eq!(millionths("0.40"), Some(400_000));
        assert_eq!(periods(Date::constant(2021, 1, 1), Date::constant(2022, 1, 1)).len(), 2);
    }

    #[test]
    fn the_reprogramming_is_yaml() -> Result<()> {
        let work = work(PLANS[2].0, PLANS[2].1)?;
        let file = Node::parse(&reprogramming(&work))?;
        assert_eq!(file.get("actions").map(Node::entries).map(<[_]>::len), Some(10));
        assert!(!work.file.contains(REPROGRAMMED.2));
        Ok(())
    }
}
