//! Scenario files: a plan, what happens, and what is to be expected. The format stands in VERDICTS, "Scenario file".

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, TimeZone},
};

use crate::yaml::{Kind, Node};

/// A scenario, read and checked.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// In one line.
    pub title: String,
    /// Id of its plan.
    pub plan_id: String,
    /// Its plan, as a plan file.
    pub plan: Node,
    /// First day of the plan.
    pub plan_start: Date,
    /// The plan's zone: all times of the file are local ones.
    pub zone: TimeZone,
    /// What happens, in order.
    pub events: Vec<Event>,
    /// What is expected.
    pub expect: Vec<Expectation>,
}

/// One call of the public API.
#[derive(Clone, Debug)]
pub struct Event {
    /// When, local.
    pub at: DateTime,
    /// By whom: an institution, coordinator, reviewer, or two persons.
    pub by: Vec<String>,
    /// The verb.
    pub verb: Verb,
    /// Its arguments and all else that the file says.
    pub node: Node,
    /// The reason with which it must be refused; none where it must be accepted.
    pub refused: Option<String>,
}

/// What an event does: the verbs of VERDICTS, 'Scenario file'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Propose,
    Accept,
    Contest,
    Resolve,
    HandOver,
    End,
    Succeed,
    Submit,
    Validate,
    Return,
    Reject,
    Extend,
    Waive,
    Revise,
    Assess,
}

/// Each verb with the keys that it takes besides [`ANY_VERB`]; those of the first list are needed.
const VERBS: [(&str, Verb, &[&str], &[&str]); 15] = [
    (
        "propose",
        Verb::Propose,
        &["assignment", "action", "institution", "role", "from"],
        &["territory", "last_day", "indicative"],
    ),
    ("accept", Verb::Accept, &["assignment"], &[]),
    ("contest", Verb::Contest, &["assignment"], &[]),
    ("resolve", Verb::Resolve, &["assignment", "resolution"], &[]),
    ("hand_over", Verb::HandOver, &["assignment", "to", "institution", "effective"], &[]),
    ("end", Verb::End, &["assignment", "last_day"], &[]),
    (
        "succeed",
        Verb::Succeed,
        &["predecessor", "successor", "effective"],
        &["kind", "assignments"],
    ),
    (
        "submit",
        Verb::Submit,
        &["assignment", "period"],
        &["values", "milestones", "nil", "narrative"],
    ),
    ("validate", Verb::Validate, &["assignment", "period"], &["version", "observation"]),
    (
        "return",
        Verb::Return,
        &["assignment", "period", "answer_by"],
        &["version", "observation"],
    ),
    ("reject", Verb::Reject, &["assignment", "period"], &["version", "observation"]),
    (
        "extend",
        Verb::Extend,
        &["period", "until"],
        &["assignment", "institution", "territory", "all", "emergency"],
    ),
    ("waive", Verb::Waive, &["assignment", "period"], &[]),
    ("revise", Verb::Revise, &["effective", "changes"], &[]),
    (
        "assess",
        Verb::Assess,
        &["action", "completion"],
        &["early_results", "assessor", "source", "on"],
    ),
];

/// What may stand in any event: the second line only tells the reader something.
const ANY_VERB: [&str; 9] = [
    "at",
    "as",
    "do",
    "refused", //
    "why",
    "note",
    "reason",
    "legal_basis",
    "instrument",
];

/// A question and the answer to it.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// As of when, local.
    pub as_of: DateTime,
    /// What is asked about.
    pub about: About,
    /// The answer, key by key; none for `null`.
    pub answer: Vec<(String, Option<String>)>,
}

/// What an expectation asks about.
#[derive(Clone, Debug)]
pub enum About {
    /// The obligation of an assignment for a period.
    Obligation(String, String),
    /// An action, by code.
    Action(String),
    /// A scorecard: `plan`, `component X`, `institution x`, `territory 17`.
    Scorecard(String),
    /// The newest judgement on an action, by code, of an assessor, beside the official one.
    Assessment(String, String),
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Obligation(assignment, period) => write!(f, "obligation {assignment} {period}"),
            Self::Action(code) => write!(f, "action {code}"),
            Self::Scorecard(scope) => write!(f, "scorecard {scope}"),
            Self::Assessment(code, assessor) => write!(f, "assessment {code} {assessor}"),
        }
    }
}

/// The keys that an answer may have, for obligations, actions and scorecards.
const OBLIGATION_KEYS: [&str; 3] = ["state", "timeliness", "due"];
const ACTION_KEYS: [&str; 5] = ["state", "period", "strict", "observed", "validated"];
const ASSESSMENT_KEYS: [&str; 4] = ["completion", "early_results", "official", "difference"];
const SCORECARD_KEYS: [&str; 19] = [
    "strict",
    "observed",
    "validated",
    "coverage_observed",
    "coverage_validated",
    "owed",
    "received",
    "on_time",
    "validated_reports",
    "validated_on_time",
    "nil",
    "waived_after_due",
    "extended_after_due",
    "assignments_proposed",
    "assignments_accepted",
    "assignments_contested",
    "assignments_unanswered",
    "median_delay_days",
    "median_review_days",
];

impl Scenario {
    /// Reads a scenario file.
    pub fn parse(text: &str) -> Result<Self> {
        let file = Node::parse(text)?;
        only(&file, &["title", "why", "plan", "events", "expect"])?;
        let plan = file.get("plan").context("falta / missing: plan")?.clone();
        let head = plan.get("plan").context("falta / missing: plan.plan")?;
        let zone = head.text_of("time_zone").context("falta / missing: plan.plan.time_zone")?;
        let start = head
            .get("period")
            .and_then(|period| period.text_of("start"))
            .context("falta / missing: plan.plan.period.start")?;
        let mut events = Vec::new();
        for node in file.get("events").map(Node::items).unwrap_or_default() {
            events.push(Event::parse(node).with_context(|| format!("línea / line {}", node.line))?);
        }
        events.sort_by_key(|event: &Event| event.at);
        let mut expect = Vec::new();
        for node in file.get("expect").map(Node::items).unwrap_or_default() {
            expect.push(Expectation::parse(node).with_context(|| format!("línea / line {}", node.line))?);
        }
        Ok(Self {
            title: file.text_of("title").unwrap_or_default().to_owned(),
            plan_id: head.text_of("id").context("falta / missing: plan.plan.id")?.to_owned(),
            plan_start: start.parse().with_context(|| format!("plan.plan.period.start: {start}"))?,
            zone: TimeZone::get(zone).with_context(|| format!("plan.plan.time_zone: {zone}"))?,
            plan,
            events,
            expect,
        })
    }

    /// Every institution that the file names: they come into being at the start.
    pub fn institutions(&self) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        if let Some(head) = self.plan.get("plan") {
            named.extend(head.text_of("governing_institution").map(str::to_owned));
        }
        for action in self.plan.get("actions").map(Node::items).unwrap_or_default() {
            for key in ["lead", "co_responsible", "supporting", "counterpart"] {
                named.extend(action.get(key).map(Node::texts).unwrap_or_default().into_iter().map(str::to_owned));
            }
        }
        for event in &self.events {
            for key in ["institution", "predecessor", "successor", "assessor"] {
                named.extend(event.node.text_of(key).map(str::to_owned));
            }
            named.extend(event.by.iter().filter(|by| !is_office(by)).cloned());
        }
        for expectation in &self.expect {
            if let About::Scorecard(scope) = &expectation.about {
                named.extend(scope.strip_prefix("institution ").map(str::to_owned));
            }
        }
        named
    }

    /// Those institutions that assess: they are counterparts.
    pub fn counterparts(&self) -> BTreeSet<String> {
        let assess = self.events.iter().filter(|event| event.verb == Verb::Assess);
        assess
            .flat_map(|event| event.by.iter().filter(|by| !is_office(by)).cloned())
            .collect()
    }

    /// A local time of the plan's zone as an instant.
    pub fn instant(&self, local: DateTime) -> Result<Timestamp> {
        instant(&self.zone, local)
    }
}

/// Whether somebody is an office of the governing body, or the auditor, and no institution.
pub fn is_office(who: &str) -> bool {
    matches!(who, "coordinator" | "reviewer" | "approver" | "auditor")
}

/// A local time as an instant: one that occurs twice means the first, one that does not exist the instant after the gap.
pub fn instant(zone: &TimeZone, local: DateTime) -> Result<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    if let AmbiguousOffset::Gap { before, .. } = ambiguous.offset() {
        let after_gap = before.to_timestamp(local)?;
        if let Some(transition) = zone.preceding(after_gap).next() {
            return Ok(transition.timestamp());
        }
    }
    Ok(ambiguous.compatible()?)
}

impl Event {
    fn parse(node: &Node) -> Result<Self> {
        let verb = node.text_of("do").context("falta / missing: do")?;
        let Some((_, verb, needed, allowed)) = VERBS.into_iter().find(|(name, ..)| *name == verb) else {
            bail!("do: no se conoce / not known: {verb}");
        };
        for key in needed {
            node.get(key).with_context(|| format!("falta / missing: {key}"))?;
        }
        only(node, &[needed, allowed, &ANY_VERB].concat())?;
        let by: Vec<String> = node
            .get("as")
            .map(Node::texts)
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect();
        if by.is_empty() {
            bail!("falta / missing: as");
        }
        Ok(Self {
            at: local(node, "at")?,
            by,
            verb,
            node: node.clone(),
            refused: node.text_of("refused").map(str::to_owned),
        })
    }

    /// A text argument; empty where it is absent.
    pub fn arg(&self, key: &str) -> &str {
        self.node.text_of(key).unwrap_or_default()
    }
}

impl Expectation {
    fn parse(node: &Node) -> Result<Self> {
        let part = |of: &Node, of_key: &str, key: &str| {
            let text = of.text_of(key).with_context(|| format!("falta / missing: {of_key}.{key}"));
            text.map(str::to_owned)
        };
        let asked = [
            node.get("obligation"),
            node.get("action"),
            node.get("scorecard"),
            node.get("assessment"),
        ];
        let (about, keys): (_, &[&str]) = match asked {
            [Some(of), None, None, None] => {
                let about = About::Obligation(part(of, "obligation", "assignment")?, part(of, "obligation", "period")?);
                (about, &OBLIGATION_KEYS)
            }
            [None, None, None, Some(of)] => {
                let about = About::Assessment(part(of, "assessment", "action")?, part(of, "assessment", "assessor")?);
                (about, &ASSESSMENT_KEYS)
            }
            [None, Some(code), None, None] => (About::Action(code.text().context("action")?.to_owned()), &ACTION_KEYS),
            [None, None, Some(scope), None] => (About::Scorecard(scope.text().context("scorecard")?.to_owned()), &SCORECARD_KEYS),
            _ => bail!("una de / one of: obligation, action, scorecard, assessment"),
        };
        only(
            node,
            &[keys, &["as_of", "obligation", "action", "scorecard", "assessment", "why"]].concat(),
        )?;
        let mut answer = Vec::new();
        for (key, value) in node.entries().iter().filter(|(key, _)| keys.contains(&key.as_str())) {
            if !matches!(value.kind, Kind::Scalar(..)) {
                bail!("{key}: debe ser un texto, un número o null / must be a text, a number or null");
            }
            answer.push((key.clone(), value.text().map(str::to_owned)));
        }
        Ok(Self {
            as_of: local(node, "as_of")?,
            about,
            answer,
        })
    }
}

fn local(node: &Node, key: &str) -> Result<DateTime> {
    let text = node.text_of(key).with_context(|| format!("falta / missing: {key}"))?;
    text.parse()
        .with_context(|| format!("{key}: {text} no es una hora local / is not a local time"))
}

/// Refuses keys that nobody reads: a slip of the pen must not pass for an expectation that was met.
fn only(node: &Node, allowed: &[&str]) -> Result<()> {
    match node.entries().iter().find(|(key, _)| !allowed.contains(&key.as_str())) {
        Some((key, value)) => bail!("línea / line {}: no se conoce / not known: {key}", value.line),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "title: t\nplan: {plan: {id: demo, time_zone: America/Guayaquil, period: {start: 2026-01-01}}}\n";

    #[test]
    fn events_are_sorted_and_institutions_found() {
        let file = format!(
            "{HEAD}events:\n- {{at: 2026-01-03 09:00, as: msp, do: accept, assignment: a1}}\n- {{at: 2026-01-02 09:00, as: coordinator, do: propose, assignment: a1, action: A1, institution: iess, role: lead, from: 2026-01-01}}\n"
        );
        let scenario = Scenario::parse(&file).unwrap_or_else(|e| panic!("{e:#}"));
        assert_eq!(scenario.events.first().map(|event| event.verb), Some(Verb::Propose));
        assert_eq!(scenario.institutions().into_iter().collect::<Vec<_>>(), ["iess", "msp"]);
    }

    #[test]
    fn unknown_keys_and_verbs_are_refused() {
        for rest in [
            "events: [{at: 2026-01-03 09:00, as: msp, do: dance, assignment: a1}]",
            "events: [{at: 2026-01-03 09:00, as: msp, do: accept, asignment: a1}]",
            "expect: [{as_of: '2026-01-03 09:00', action: A1, stat: ACHIEVED}]",
            "expect: [{as_of: tomorrow, action: A1, state: ACHIEVED}]",
        ] {
            assert!(Scenario::parse(&format!("{HEAD}{rest}\n")).is_err(), "{rest}");
        }
    }

    #[test]
    fn a_gap_means_the_instant_after_it() {
        // Chile: on 2024-09-08 the clocks went from 00:00 to 01:00.
        let zone = TimeZone::get("America/Santiago").unwrap_or_else(|e| panic!("{e}"));
        let noon = |text: &str| text.parse::<DateTime>().unwrap_or_else(|e| panic!("{e}"));
        let at = instant(&zone, noon("2024-09-08T00:30")).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(zone.to_datetime(at), noon("2024-09-08T01:00"));
    }
}
