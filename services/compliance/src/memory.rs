//! All that compliance keeps of the journals, in memory: the facts that the rules judge by and, beside them, what only
//! names, explains or accompanies a verdict. All of it is kept with its time, so that an answer as of an instant is the
//! same for ever.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use jiff::{Timestamp, tz::TimeZone};
use prost::Message;
use vigia_platform::{
    Area, Error,
    facts::{EVIDENCE_FOLLOWS_WITHIN, EvidenceNamed, PlanFacts, SharedFacts, obligation_name},
    instant,
};
use vigia_proto::{
    assignments::{ContactPoint, InstitutionSaved, TerritorySaved},
    journal::Entry,
    plans::{self as p, PlanDefinition},
    reporting::{Report, ReportReviewed, ReportSubmitted},
};
use vigia_rules::{ActionId, AssignmentId, Decimal, Exact, IndicatorId, InstitutionId, Period, TerritoryCode};

/// What compliance remembers. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    facts: SharedFacts,
    beside: Arc<RwLock<Beside>>,
}

/// What stands beside the facts.
#[derive(Debug, Default)]
struct Beside {
    /// Names of institutions and territories, by resource name, as they were from when on.
    names: HashMap<String, Vec<(Timestamp, String)>>,
    /// For each journal the last position at each instant.
    positions: BTreeMap<Area, Vec<(Timestamp, i64)>>,
    contents: HashMap<String, Contents>,
    /// By plan: reviews by somebody who acts for the very institution that owes the report.
    own_reviews: HashMap<String, OwnReviews>,
    /// How institutions are reached, by resource name, from when on.
    contacts: HashMap<String, Vec<(Timestamp, Contact)>>,
}

type OwnReviews = HashMap<(AssignmentId, Period), Vec<OwnReview>>;

/// A review of the reviewer's own institution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnReview {
    recorded_at: Timestamp,
    /// Where it stands.
    pub(crate) position: i64,
    version: u32,
}

/// How an institution is reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contact {
    /// The body that it hangs on, as resource name; empty if unknown.
    pub(crate) parent: String,
    /// Its offices that are told.
    pub(crate) focal_points: Vec<ContactPoint>,
}

impl Contact {
    /// The offices that have an address, each with it.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&str, &str)> {
        let reached = self.focal_points.iter().filter(|point| !point.email.is_empty());
        reached.map(|point| (point.office.as_str(), point.email.as_str()))
    }
}

type Contents = HashMap<(AssignmentId, Period), Vec<Content>>;

/// What a submission brought that no verdict depends on.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// When it was recorded.
    pub(crate) recorded_at: Timestamp,
    /// Where it stands.
    pub(crate) position: i64,
    /// Which version of the report.
    pub(crate) version: u32,
    /// Whether it states values or milestones.
    pub(crate) claims: bool,
    /// What it says was spent in the period; none where it says nothing of money.
    pub(crate) spent: Option<Exact>,
    /// The indicators that it states a value for, each with the dimensions that the value is broken down by.
    pub(crate) broken_down: Vec<(IndicatorId, Vec<String>)>,
}

impl Memory {
    /// Takes in an entry of a followed journal.
    pub(crate) fn take(&self, area: Area, entry: &Entry) -> Result<(), Error> {
        self.facts.take(area, entry)?;
        let time = entry.time.as_ref().and_then(instant).unwrap_or(Timestamp::MIN);
        let mut beside = self.beside.write().unwrap_or_else(PoisonError::into_inner);
        let positions = beside.positions.entry(area).or_default();
        match positions.last_mut() {
            Some((last, position)) if *last == time => *position = entry.position,
            _ => positions.push((time, entry.position)),
        }
        let event = entry.event.as_slice();
        match entry.event_type.as_str() {
            "vigia.assignments.v1.InstitutionSaved" => {
                let saved = InstitutionSaved::decode(event)?.institution.unwrap_or_default();
                let contact = Contact {
                    parent: saved.parent,
                    focal_points: saved.focal_points,
                };
                beside.contacts.entry(saved.name.clone()).or_default().push((time, contact));
                beside.names.entry(saved.name).or_default().push((time, saved.name_es));
            }
            "vigia.assignments.v1.TerritorySaved" => {
                let saved = TerritorySaved::decode(event)?.territory.unwrap_or_default();
                beside.names.entry(saved.name).or_default().push((time, saved.display_name));
            }
            "vigia.reporting.v1.ReportSubmitted" => {
                let report = ReportSubmitted::decode(event)?.report.unwrap_or_default();
                let (obligation, _) = report.name.split_once("/reports/").unwrap_or_default();
                let plan = obligation.split('/').nth(1).unwrap_or_default().to_owned();
                let content = Content {
                    recorded_at: time,
                    position: entry.position,
                    version: u32::try_from(report.version).unwrap_or(0),
                    claims: !report.values.is_empty() || !report.milestones.is_empty(),
                    spent: spent(&report),
                    broken_down: broken_down(event)?,
                };
                let key = obligation_name(obligation)?;
                beside.contents.entry(plan).or_default().entry(key).or_default().push(content);
            }
            "vigia.reporting.v1.ReportReviewed" => {
                let review = ReportReviewed::decode(event)?.review.unwrap_or_default();
                if review.own_institution {
                    let (obligation, version) = review.report.split_once("/reports/").unwrap_or_default();
                    let plan = obligation.split('/').nth(1).unwrap_or_default().to_owned();
                    let own = OwnReview {
                        recorded_at: time,
                        position: entry.position,
                        version: version.parse().unwrap_or(0),
                    };
                    let key = obligation_name(obligation)?;
                    beside.own_reviews.entry(plan).or_default().entry(key).or_default().push(own);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Positions of the journals as of an instant, such as `plans:12`: those of the last entries recorded by then.
    pub(crate) fn positions(&self, t: Timestamp) -> Vec<String> {
        let beside = self.beside.read().unwrap_or_else(PoisonError::into_inner);
        [Area::Plans, Area::Assignments, Area::Reporting]
            .into_iter()
            .map(|area| {
                let marks = beside.positions.get(&area).map(Vec::as_slice).unwrap_or_default();
                let by_then = marks.partition_point(|(time, _)| *time <= t);
                let position = by_then.checked_sub(1).map_or(0, |last| marks[last].1);
                format!("{area}:{position}")
            })
            .collect()
    }

    /// The ids of all plans, in order.
    pub(crate) fn plans(&self) -> Vec<String> {
        self.facts.plans()
    }

    /// How an institution is reached now.
    pub(crate) fn contact(&self, institution: &str) -> Contact {
        let beside = self.beside.read().unwrap_or_else(PoisonError::into_inner);
        let last = beside.contacts.get(institution).and_then(|contacts| contacts.last());
        last.map(|(_, contact)| contact.clone()).unwrap_or_default()
    }

    /// Whether an institution or a territory of that name was ever recorded.
    pub(crate) fn knows(&self, resource: &str) -> bool {
        self.beside
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .names
            .contains_key(resource)
    }

    /// Asks something of a plan as it was as of t. A draft, and a plan that does not exist, are not found.
    pub(crate) fn ask<T>(&self, plan: &str, t: Timestamp, question: impl FnOnce(&View<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let not_found = || Error::not_found(format!("plans/{plan}"));
        let asked = |facts: &PlanFacts| {
            let definition = facts.definition_at(t).ok_or_else(not_found)?;
            let beside = self.beside.read().unwrap_or_else(PoisonError::into_inner);
            let zone = definition.plan.as_ref().and_then(|plan| TimeZone::get(&plan.time_zone).ok());
            question(&View {
                plan,
                t,
                facts,
                definition,
                zone: zone.unwrap_or(TimeZone::UTC),
                names: &beside.names,
                contents: beside.contents.get(plan),
                own_reviews: beside.own_reviews.get(plan),
                stored: &self.facts,
                contacts: &beside.contacts,
            })
        };
        self.facts.with_plan(plan, asked).unwrap_or_else(|| Err(not_found()))
    }
}

/// Of a `ReportSubmitted` what the rules do not need: the dimensions by which each value is broken down. Read by field
/// numbers, so that an entry tells them also to a service whose contract is older than the report.
mod breakdowns {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Submitted {
        #[prost(message, optional, tag = "1")]
        pub(super) report: Option<Report>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Report {
        #[prost(message, repeated, tag = "5")]
        pub(super) values: Vec<Value>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Value {
        #[prost(string, tag = "1")]
        pub(super) indicator: String,
        #[prost(message, repeated, tag = "4")]
        pub(super) breakdowns: Vec<Breakdown>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Breakdown {
        #[prost(string, tag = "1")]
        pub(super) dimension: String,
    }
}

/// What a report says was spent, over all lines of the budget.
fn spent(report: &Report) -> Option<Exact> {
    let stated = report
        .spending
        .iter()
        .filter_map(|spending| spending.accrued.as_ref()?.value.parse::<Decimal>().ok());
    stated.map(Exact::from).reduce(|sum, part| &sum + &part)
}

/// The dimensions by which each value of a submission is broken down.
fn broken_down(event: &[u8]) -> Result<Vec<(IndicatorId, Vec<String>)>, Error> {
    let values = breakdowns::Submitted::decode(event)?.report.unwrap_or_default().values;
    let told = values.into_iter().map(|value| {
        let dimensions = value.breakdowns.into_iter().map(|breakdown| breakdown.dimension);
        (value.indicator.as_str().into(), dimensions.collect())
    });
    Ok(told.collect())
}

/// A plan as it was as of an instant, with all that it takes to name things.
pub(crate) struct View<'m> {
    /// Its id.
    pub(crate) plan: &'m str,
    /// The instant.
    pub(crate) t: Timestamp,
    /// What the rules judge by; later facts are among them, and are passed over by whoever asks as of t.
    pub(crate) facts: &'m PlanFacts,
    /// The plan with its texts, as it was.
    pub(crate) definition: &'m PlanDefinition,
    /// Where its days end.
    pub(crate) zone: TimeZone,
    names: &'m HashMap<String, Vec<(Timestamp, String)>>,
    contents: Option<&'m Contents>,
    own_reviews: Option<&'m OwnReviews>,
    /// Knows which evidence is stored.
    stored: &'m SharedFacts,
    contacts: &'m HashMap<String, Vec<(Timestamp, Contact)>>,
}

impl<'m> View<'m> {
    /// The same plan as of another, earlier instant; none where it was a draft then.
    pub(crate) fn at(&self, t: Timestamp) -> Option<Self> {
        Some(Self {
            t,
            definition: self.facts.definition_at(t)?,
            zone: self.zone.clone(),
            ..*self
        })
    }

    /// The action of that id.
    pub(crate) fn action(&self, id: &ActionId) -> Option<&'m p::Action> {
        let name = format!("plans/{}/actions/{id}", self.plan);
        self.definition.actions.iter().find(|action| action.name == name)
    }

    /// What an action is to do, in Spanish; its id where the plan does not have it.
    pub(crate) fn action_title(&self, id: &ActionId) -> String {
        self.action(id).map_or_else(|| id.to_string(), |action| action.text_es.clone())
    }

    /// The indicator of an action, by its code.
    pub(crate) fn indicator(&self, action: &ActionId, code: &IndicatorId) -> Option<&'m p::Indicator> {
        let above = format!("plans/{}/actions/{action}/indicators/", self.plan);
        let mut indicators = self.definition.indicators.iter();
        indicators.find(|indicator| indicator.code == code.as_str() && indicator.name.starts_with(&above))
    }

    /// The official name of a resource, as it was; its last part where it has none.
    pub(crate) fn name_of(&self, resource: &str) -> String {
        let names = self.names.get(resource).map(Vec::as_slice).unwrap_or_default();
        let by_then = names.partition_point(|(from, _)| *from <= self.t);
        let last = by_then.checked_sub(1).map(|last| names[last].1.clone());
        last.unwrap_or_else(|| resource.rsplit('/').next().unwrap_or_default().to_owned())
    }

    /// An institution's name.
    pub(crate) fn institution(&self, id: &InstitutionId) -> String {
        self.name_of(&format!("institutions/{id}"))
    }

    /// A territory's name.
    pub(crate) fn territory(&self, code: &TerritoryCode) -> String {
        self.name_of(&format!("territories/{code}"))
    }

    /// Who holds an assignment, with its territory where it has one.
    pub(crate) fn who(&self, assignment: &AssignmentId) -> String {
        let Some(made) = self.facts.facts.assignment(assignment) else {
            return assignment.to_string();
        };
        let institution = self.institution(&made.institution);
        match &made.territory {
            Some(territory) => format!("{institution} ({})", self.territory(territory)),
            None => institution,
        }
    }

    /// How an institution was reached, and since when; none where nobody has heard of it.
    pub(crate) fn contact(&self, institution: &str) -> Option<(Timestamp, &'m Contact)> {
        let contacts = self.contacts.get(institution)?;
        let by_then = contacts.partition_point(|(from, _)| *from <= self.t);
        by_then.checked_sub(1).map(|last| (contacts[last].0, &contacts[last].1))
    }

    /// All that was sent by then: whose, for when, and each version in order.
    pub(crate) fn all_contents(&self) -> impl Iterator<Item = (&'m AssignmentId, Period, &'m [Content])> {
        let t = self.t;
        let contents = self.contents.into_iter().flatten();
        contents.map(move |((assignment, period), all)| {
            let by_then = all.partition_point(|content| content.recorded_at <= t);
            (assignment, *period, &all[..by_then])
        })
    }

    /// What was sent for an obligation by then, in order.
    pub(crate) fn contents(&self, assignment: &AssignmentId, period: Period) -> &'m [Content] {
        let key = (assignment.clone(), period);
        let all = self
            .contents
            .and_then(|contents| contents.get(&key))
            .map(Vec::as_slice)
            .unwrap_or_default();
        &all[..all.partition_point(|content| content.recorded_at <= self.t)]
    }

    /// The evidence that a submission names and whose bytes did not come in time: by then nobody who answers for the
    /// report has stored them, and the time in which they may follow has passed.
    pub(crate) fn never_came(&self, content: &Content) -> Vec<&'m EvidenceNamed> {
        let named = self.evidence_of(content);
        named
            .iter()
            .filter(|named| self.t.duration_since(named.received_at) >= EVIDENCE_FOLLOWS_WITHIN && !self.is_stored(named))
            .collect()
    }

    /// Whether a submission shows anything: evidence that is here, or may still come.
    pub(crate) fn shows(&self, content: &Content) -> bool {
        self.evidence_of(content).len() > self.never_came(content).len()
    }

    fn evidence_of(&self, content: &Content) -> &'m [EvidenceNamed] {
        self.facts.evidence_named_at(u64::try_from(content.position).unwrap_or(u64::MAX))
    }

    fn is_stored(&self, named: &EvidenceNamed) -> bool {
        let line = self.facts.facts.line_from(&named.assignment, self.t);
        line.iter().any(|answers| {
            let stored = self
                .stored
                .evidence_stored(&named.evidence, &format!("institutions/{}", answers.institution));
            stored.is_some_and(|stored| stored.recorded_at <= self.t)
        })
    }

    /// The reviews of a version, by then, by somebody who acts for the institution that owes it.
    pub(crate) fn own_reviews(&self, assignment: &AssignmentId, period: Period, version: u32) -> Vec<&'m OwnReview> {
        let key = (assignment.clone(), period);
        let all = self.own_reviews.and_then(|reviews| reviews.get(&key)).into_iter().flatten();
        all.filter(|review| review.version == version && review.recorded_at <= self.t)
            .collect()
    }

    /// What was sent on an action by then, by anyone.
    pub(crate) fn contents_on(&self, action: &ActionId) -> Vec<&'m Content> {
        let Some(contents) = self.contents else { return Vec::new() };
        let on_it = contents.iter().filter(|((assignment, _), _)| {
            let made = self.facts.facts.assignment(assignment);
            made.is_some_and(|made| made.action == *action)
        });
        let mut sent: Vec<_> = on_it
            .flat_map(|(_, contents)| contents.iter().filter(|content| content.recorded_at <= self.t))
            .collect();
        sent.sort_by_key(|content| content.position);
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dimensions_of_each_value_are_read() {
        let value = |indicator: &str, dimensions: &[&str]| breakdowns::Value {
            indicator: indicator.into(),
            breakdowns: dimensions
                .iter()
                .map(|dimension| breakdowns::Breakdown {
                    dimension: (*dimension).into(),
                })
                .collect(),
        };
        let report = breakdowns::Report {
            values: vec![value("I1", &["province", "age"]), value("I2", &[])],
        };
        let event = breakdowns::Submitted { report: Some(report) }.encode_to_vec();
        let read = broken_down(&event).expect("readable");
        assert_eq!(
            read,
            [
                ("I1".into(), vec!["province".to_owned(), "age".to_owned()]),
                ("I2".into(), Vec::new())
            ]
        );
        assert!(broken_down(&[0xff]).is_err());
    }
}
