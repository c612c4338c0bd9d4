//! From journal entries to the facts that the rules judge by: for reporting and compliance alike.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use prost::Message;
use vigia_proto::{
    assignments as a, journal,
    plans::{self as p, PlanDefinition, Revision, RevisionApproved},
    reporting as r,
    types::Decimal as WireDecimal,
};
use vigia_rules::{
    Across, Action, ActionId, Aggregation, Assignment, AssignmentId, Calendar, Component, Count, Cover, Decimal, Decision, Direction,
    Entry, Extension, Facts, Frequency, Indicator, Interpolation, Milestone, Period, Plan, Point, Policy, Position, Resolution, Role,
    Source, Suspension, Window,
};

use crate::{Area, clock::instant, error::Error, name, plan_changes};

mod submission;

pub use submission::Submission;

/// How long the bytes of evidence may follow the receipt of a report that names it.
pub const EVIDENCE_FOLLOWS_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// Events on a plan's resources from which no verdict follows.
const BEAR_ON_NO_VERDICT: [&str; 9] = [
    "vigia.plans.v1.PlanImported",
    "vigia.plans.v1.PlanSaved",
    "vigia.plans.v1.ComponentSaved",
    "vigia.plans.v1.ActionSaved",
    "vigia.plans.v1.IndicatorSaved",
    "vigia.plans.v1.RevisionProposed",
    "vigia.plans.v1.RevisionRejected",
    "vigia.assignments.v1.AgreementCreated",
    "vigia.reporting.v1.ReportTextsErased",
];

/// The facts of one plan, and what it takes to name them.
#[derive(Clone, Debug, Default)]
pub struct PlanFacts {
    /// What the rules judge by. Ids are the last parts of resource names; indicators and milestones have their codes.
    pub facts: Facts,
    /// The plan as the revision that begins to act last leaves it.
    pub definition: PlanDefinition,
    base: PlanDefinition,
    revisions: Vec<Revision>,
    versions: Vec<DefinitionVersion>,
    assignments: Vec<Assignment>,
    indicative: HashSet<AssignmentId>,
    evidence_named: Vec<EvidenceNamed>,
}

/// A whole plan as it is from an instant on, beside the rules' version of it.
#[derive(Clone, Debug)]
struct DefinitionVersion {
    acts_from: Timestamp,
    recorded_at: Timestamp,
    definition: Arc<PlanDefinition>,
    /// By action, as resource name: its place, and those of its indicators.
    places: HashMap<String, (usize, Vec<usize>)>,
}

/// An action with its texts.
#[derive(Clone, Debug)]
pub struct Described<'a> {
    /// The action.
    pub action: &'a p::Action,
    /// Its indicators, in the plan's order.
    pub indicators: Vec<&'a p::Indicator>,
}

/// Evidence that a submitted report names: its bytes may follow within 24 hours of the receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceNamed {
    /// Where the submission was recorded.
    pub entry: Entry,
    /// Whose report.
    pub assignment: AssignmentId,
    /// For when.
    pub period: Period,
    /// Which version.
    pub version: u32,
    /// When it was received.
    pub received_at: Timestamp,
    /// Evidence, as resource name.
    pub evidence: String,
}

impl PlanFacts {
    /// All assignments that were ever made, in the order of their making.
    pub fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    /// The assignment of that id.
    pub fn assignment(&self, id: &str) -> Option<&Assignment> {
        self.facts.assignment(&AssignmentId::from(id))
    }

    /// The plan with its texts as it was as of t; none as long as it was a draft.
    pub fn definition_at(&self, t: Timestamp) -> Option<&PlanDefinition> {
        self.version_at(t).map(|version| &*version.definition)
    }

    /// An action with its texts as it was as of t, found without looking through the plan; `name` is its resource name.
    pub fn described_at(&self, name: &str, t: Timestamp) -> Option<Described<'_>> {
        let version = self.version_at(t)?;
        let (action, indicators) = version.places.get(name)?;
        Some(Described {
            action: version.definition.actions.get(*action)?,
            indicators: indicators
                .iter()
                .filter_map(|place| version.definition.indicators.get(*place))
                .collect(),
        })
    }

    fn version_at(&self, t: Timestamp) -> Option<&DefinitionVersion> {
        let known = |version: &&DefinitionVersion| version.acts_from <= t && version.recorded_at <= t;
        self.versions.iter().rev().find(known)
    }

    /// Whether an assignment is only indicative: it does not bind.
    pub fn is_indicative(&self, assignment: &AssignmentId) -> bool {
        self.indicative.contains(assignment)
    }

    fn take_assignment(&mut self, made: Assigned) -> Assignment {
        let Assigned { assignment, indicative } = made;
        if indicative {
            self.indicative.insert(assignment.id.clone());
        }
        self.assignments.push(assignment.clone());
        assignment
    }

    /// All evidence that submitted reports name, in the order of recording.
    pub fn evidence_named(&self) -> &[EvidenceNamed] {
        &self.evidence_named
    }

    /// An indicator of an action, by its code, in the newest plan.
    pub fn indicator(&self, plan: &str, action: &ActionId, code: &str) -> Option<&p::Indicator> {
        let above = format!("plans/{plan}/actions/{action}/indicators/");
        self.definition
            .indicators
            .iter()
            .find(|indicator| indicator.name.starts_with(&above) && indicator.code == code)
    }
}

/// The facts of all plans. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct SharedFacts(Arc<RwLock<HashMap<String, PlanFacts>>>, Arc<RwLock<EvidenceStored>>);

/// Evidence by resource name, then the institutions that have uploaded it, as resource names.
type EvidenceStored = HashMap<String, HashMap<String, Entry>>;

impl SharedFacts {
    /// Asks something of the facts of one plan; none where there is no such plan.
    pub fn with_plan<T>(&self, plan: &str, question: impl FnOnce(&PlanFacts) -> T) -> Option<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(plan).map(question)
    }

    /// The ids of all plans, in order.
    pub fn plans(&self) -> Vec<String> {
        let mut plans: Vec<_> = self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        plans.sort_unstable();
        plans
    }

    /// Since when an institution has all bytes of evidence stored; none where it has not.
    pub fn evidence_stored(&self, evidence: &str, institution: &str) -> Option<Entry> {
        let stored = self.1.read().unwrap_or_else(PoisonError::into_inner);
        stored.get(evidence)?.get(institution).copied()
    }

    fn take_evidence(&self, entry: &journal::Entry) -> Result<(), Error> {
        let recorded_at = entry.time.as_ref().and_then(instant).ok_or_else(|| unreadable("time"))?;
        let number = u64::try_from(entry.position).map_err(|_| unreadable("position"))?;
        let at = Entry {
            recorded_at,
            position: Position {
                source: Source::Reporting,
                number,
            },
        };
        let mut stored = self.1.write().unwrap_or_else(PoisonError::into_inner);
        stored
            .entry(entry.resource.clone())
            .or_default()
            .entry(entry.institution.clone())
            .or_insert(at);
        Ok(())
    }

    /// Takes in an entry of the journal of plans, assignments or reporting. Entries that bear on no verdict are passed
    /// over; one that can't be read is refused: to go on without it would be a lie.
    pub fn take(&self, area: Area, entry: &journal::Entry) -> Result<(), Error> {
        if entry.event_type == "vigia.reporting.v1.EvidenceStored" {
            return self.take_evidence(entry);
        }
        let Some((plan, at, fact)) = read(area, entry)? else {
            return Ok(());
        };
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(plan.to_owned()).or_default().take(plan, at, fact)
    }
}

/// What an entry records from which verdicts follow.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A revision of the plan was approved.
    Revised(Box<RevisionApproved>),
    /// An assignment was made.
    Proposed(Assigned),
    /// Its institution accepted it.
    Accepted(AssignmentId),
    /// It contested it.
    Contested(AssignmentId),
    /// The contest was resolved.
    Resolved(AssignmentId, Resolution),
    /// It ended, with its last day.
    Ended(AssignmentId, Date),
    /// It passed on to another.
    HandedOver(AssignmentId, Assigned),
    /// A report came.
    Submitted(Submission),
    /// A report version was reviewed.
    Reviewed {
        /// Whose report.
        assignment: AssignmentId,
        /// For when.
        period: Period,
        /// Which version.
        version: u32,
        /// What was decided.
        decision: Decision,
        /// By somebody who acts for the very institution that owes it.
        own_institution: bool,
    },
    /// A due day was moved.
    Extended(Extension),
    /// An obligation was waived.
    Waived(AssignmentId, Period),
}

/// An assignment as it was made.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// As the rules know it.
    pub assignment: Assignment,
    /// It does not bind.
    pub indicative: bool,
}

/// What an entry of plans, assignments or reporting says of which plan; none where no verdict follows from it. One that
/// can't be read is refused.
pub fn read(area: Area, entry: &journal::Entry) -> Result<Option<(&str, Entry, Fact)>, Error> {
    let source = match area {
        Area::Plans => Source::Plans,
        Area::Assignments => Source::Assignments,
        Area::Reporting => Source::Reporting,
        Area::Identity | Area::Compliance => return Ok(None),
    };
    let plan = entry.resource.strip_prefix("plans/").and_then(|rest| rest.split('/').next());
    let Some(plan) = plan else { return Ok(None) };
    let at = Entry {
        recorded_at: entry.time.as_ref().and_then(instant).ok_or_else(|| unreadable("time"))?,
        position: Position {
            source,
            number: u64::try_from(entry.position).map_err(|_| unreadable("position"))?,
        },
    };
    let event = entry.event.as_slice();
    let fact = match entry.event_type.as_str() {
        "vigia.reporting.v1.ReportSubmitted" => Fact::Submitted(Submission::read(event)?),
        "vigia.reporting.v1.ReportReviewed" => {
            let review = r::ReportReviewed::decode(event)?.review.unwrap_or_default();
            let (assignment, period, version) = report_name(&review.report)?;
            let decision = match review.decision() {
                r::Decision::Validated => Decision::Validated,
                r::Decision::Returned => Decision::Returned {
                    answer_by: date(&review.answer_by)?,
                },
                r::Decision::Rejected => Decision::Rejected,
                r::Decision::Unspecified => return Err(unreadable("decision")),
            };
            Fact::Reviewed {
                assignment,
                period,
                version,
                decision,
                own_institution: review.own_institution,
            }
        }
        "vigia.reporting.v1.ExtensionGranted" => {
            Fact::Extended(extension(&r::ExtensionGranted::decode(event)?.extension.unwrap_or_default())?)
        }
        "vigia.reporting.v1.ObligationWaived" => {
            let (id, period) = obligation_name(&r::ObligationWaived::decode(event)?.obligation)?;
            Fact::Waived(id, period)
        }
        "vigia.plans.v1.RevisionApproved" => Fact::Revised(Box::new(RevisionApproved::decode(event)?)),
        "vigia.assignments.v1.AssignmentProposed" => Fact::Proposed(assigned(a::AssignmentProposed::decode(event)?.assignment)?),
        "vigia.assignments.v1.AssignmentAccepted" => Fact::Accepted(assignment_id(a::AssignmentAccepted::decode(event)?.assignment)),
        "vigia.assignments.v1.AssignmentContested" => Fact::Contested(assignment_id(a::AssignmentContested::decode(event)?.assignment)),
        "vigia.assignments.v1.AssignmentResolved" => {
            let event = a::AssignmentResolved::decode(event)?;
            let resolution = match event.resolution() {
                a::Resolution::Confirmed => Resolution::Confirmed,
                a::Resolution::Withdrawn => Resolution::Withdrawn,
                a::Resolution::Unspecified => return Err(unreadable("resolution")),
            };
            Fact::Resolved(assignment_id(event.assignment), resolution)
        }
        "vigia.assignments.v1.AssignmentEnded" => {
            let ended = a::AssignmentEnded::decode(event)?.assignment.unwrap_or_default();
            Fact::Ended(last(&ended.name).into(), date(&ended.last_day)?)
        }
        "vigia.assignments.v1.AssignmentHandedOver" => {
            let event = a::AssignmentHandedOver::decode(event)?;
            Fact::HandedOver(assignment_id(event.predecessor), assigned(event.successor)?)
        }
        event_type if BEAR_ON_NO_VERDICT.contains(&event_type) => return Ok(None),
        // An older replica must not go on past a change that it can't judge.
        unknown => return Err(unreadable(unknown)),
    };
    Ok(Some((plan, at, fact)))
}

impl PlanFacts {
    /// Takes in what an entry says of this plan.
    pub fn take(&mut self, plan: &str, at: Entry, fact: Fact) -> Result<(), Error> {
        match fact {
            Fact::Revised(approved) => self.revised(plan, at, *approved)?,
            Fact::Proposed(made) => {
                let made = self.take_assignment(made);
                self.facts.assignment_proposed(at, made);
            }
            Fact::Accepted(id) => self.facts.assignment_accepted(at, &id),
            Fact::Contested(id) => self.facts.assignment_contested(at, &id),
            Fact::Resolved(id, resolution) => self.facts.assignment_resolved(at, &id, resolution),
            Fact::Ended(id, last_day) => self.facts.assignment_ended(at, &id, last_day),
            Fact::HandedOver(from, to) => {
                let to = self.take_assignment(to);
                self.facts.assignment_handed_over(at, &from, to);
            }
            Fact::Submitted(Submission { report, evidence, .. }) => {
                self.evidence_named.extend(evidence.into_iter().map(|evidence| EvidenceNamed {
                    entry: at,
                    assignment: report.assignment.clone(),
                    period: report.period,
                    version: report.version,
                    received_at: report.received_at,
                    evidence,
                }));
                self.facts.report_submitted(at, report);
            }
            Fact::Reviewed {
                assignment,
                period,
                version,
                decision,
                ..
            } => self.facts.report_reviewed(at, &assignment, period, version, decision),
            Fact::Extended(extension) => self.facts.extension_granted(at, extension),
            Fact::Waived(id, period) => self.facts.obligation_waived(at, &id, period),
        }
        Ok(())
    }
}

impl PlanFacts {
    /// A revision is approved: every version from its beginning on is composed anew, since one that is approved later
    /// may begin to act earlier.
    fn revised(&mut self, plan: &str, at: Entry, approved: RevisionApproved) -> Result<(), Error> {
        let revision = approved.revision.unwrap_or_default();
        let from = acts_from(&revision)?;
        if let Some(base) = approved.definition {
            self.base = base;
        }
        self.revisions.push(revision);
        let mut order = Vec::new();
        for revision in &self.revisions {
            order.push((acts_from(revision)?, number(&revision.name), revision));
        }
        order.sort_by_key(|(acts_from, number, _)| (*acts_from, *number));
        let mut definition = self.base.clone();
        for (acts_from, _, revision) in order {
            for change in &revision.changes {
                plan_changes::apply(&mut definition, change);
            }
            if acts_from >= from {
                self.facts
                    .plan_version(acts_from, date(&revision.effective_on)?, at, rules_plan(plan, &definition)?);
                let recorded_at = at.recorded_at;
                let key = (acts_from, recorded_at);
                let place = self.versions.partition_point(|other| (other.acts_from, other.recorded_at) <= key);
                let version = DefinitionVersion {
                    acts_from,
                    recorded_at,
                    places: places(&definition),
                    definition: Arc::new(definition.clone()),
                };
                self.versions.insert(place, version);
            }
        }
        self.definition = definition;
        Ok(())
    }
}

/// Where each action stands in a plan, and its indicators.
fn places(definition: &PlanDefinition) -> HashMap<String, (usize, Vec<usize>)> {
    let actions = definition.actions.iter().enumerate();
    let mut places: HashMap<String, (usize, Vec<usize>)> =
        actions.map(|(place, action)| (action.name.clone(), (place, Vec::new()))).collect();
    for (place, indicator) in definition.indicators.iter().enumerate() {
        if let Some((_, indicators)) = places.get_mut(plan_changes::action_of(&indicator.name)) {
            indicators.push(place);
        }
    }
    places
}

fn unreadable(what: &str) -> Error {
    Error::internal(&format!("a journal entry can't be read: {what}"))
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

fn number(name: &str) -> i64 {
    last(name).parse().unwrap_or(0)
}

fn date(text: &str) -> Result<Date, Error> {
    text.parse().map_err(|_| unreadable("date"))
}

fn some_date(text: &str) -> Result<Option<Date>, Error> {
    if text.is_empty() { Ok(None) } else { date(text).map(Some) }
}

fn acts_from(revision: &Revision) -> Result<Timestamp, Error> {
    revision.acts_from.as_ref().and_then(instant).ok_or_else(|| unreadable("acts_from"))
}

fn decimal(wire: Option<&WireDecimal>) -> Result<Option<Decimal>, Error> {
    wire.map(|wire| wire.value.parse().map_err(|_| unreadable("decimal"))).transpose()
}

fn decimal_or(wire: Option<&WireDecimal>, default: Decimal) -> Result<Decimal, Error> {
    Ok(decimal(wire)?.unwrap_or(default))
}

fn assignment_id(assignment: Option<a::Assignment>) -> AssignmentId {
    last(&assignment.unwrap_or_default().name).into()
}

fn assigned(wire: Option<a::Assignment>) -> Result<Assigned, Error> {
    let wire = wire.unwrap_or_default();
    let assignment = assignment(&wire)?;
    let indicative = wire.indicative;
    Ok(Assigned { assignment, indicative })
}

fn assignment(wire: &a::Assignment) -> Result<Assignment, Error> {
    Ok(Assignment {
        id: last(&wire.name).into(),
        action: last(&wire.action).into(),
        institution: last(&wire.institution).into(),
        role: match wire.role() {
            a::AssignmentRole::Lead => Role::Lead,
            a::AssignmentRole::CoResponsible => Role::CoResponsible,
            a::AssignmentRole::Supporting => Role::Supporting,
            a::AssignmentRole::Counterpart => Role::Counterpart,
            a::AssignmentRole::Unspecified => return Err(unreadable("role")),
        },
        territory: (!wire.territory.is_empty()).then(|| wire.territory.as_str().into()),
        from: date(&wire.from)?,
        last_day: some_date(&wire.last_day)?,
    })
}

/// Assignment and period of an obligation's name.
pub fn obligation_name(name: &str) -> Result<(AssignmentId, Period), Error> {
    let parts = name::split("plans/{}/assignments/{}/obligations/{}", name).ok_or_else(|| Error::not_found(name))?;
    Ok((parts[1].into(), parts[2].parse().map_err(|_| Error::not_found(name))?))
}

/// Assignment, period and version of a submitted report's name.
fn report_name(name: &str) -> Result<(AssignmentId, Period, u32), Error> {
    let (obligation, version) = name.split_once("/reports/").ok_or_else(|| unreadable("report"))?;
    let (assignment, period) = obligation_name(obligation)?;
    Ok((assignment, period, version.parse().map_err(|_| unreadable("version"))?))
}

/// An extension, as the rules take it. Fails where it covers nobody or its period or day can't be read.
pub fn extension(wire: &r::Extension) -> Result<Extension, Error> {
    let cover = match &wire.covers {
        Some(r::extension::Covers::Assignment(name)) => Cover::Assignment(last(name).into()),
        Some(r::extension::Covers::Institution(name)) => Cover::Institution(last(name).into()),
        Some(r::extension::Covers::Territory(code)) => Cover::Territory(code.as_str().into()),
        Some(r::extension::Covers::All(true)) => Cover::All,
        Some(r::extension::Covers::All(false)) | None => return Err(unreadable("covers")),
    };
    Ok(Extension {
        period: wire.period.parse().map_err(|_| unreadable("period"))?,
        cover,
        until: date(&wire.until)?,
        emergency: wire.emergency,
    })
}

/// A plan as the rules judge it.
pub fn rules_plan(id: &str, definition: &PlanDefinition) -> Result<Plan, Error> {
    let plan = definition.plan.as_ref().ok_or_else(|| unreadable("plan"))?;
    let mut indicators: HashMap<&str, Vec<Indicator>> = HashMap::new();
    for indicator in &definition.indicators {
        let action = indicator.name.split('/').nth(3).unwrap_or_default();
        indicators.entry(action).or_default().push(rules_indicator(indicator)?);
    }
    let mut actions = Vec::new();
    for action in &definition.actions {
        let id = last(&action.name);
        actions.push(Action {
            id: id.into(),
            component: last(&action.component).into(),
            weight: decimal_or(action.weight.as_ref(), Decimal::ONE)?,
            start: date(&action.start)?,
            end: date(&action.end)?,
            indicators: indicators.remove(id).unwrap_or_default(),
            milestones: action
                .milestones
                .iter()
                .map(|milestone| {
                    Ok(Milestone {
                        id: milestone.code.as_str().into(),
                        due: date(&milestone.due)?,
                    })
                })
                .collect::<Result<_, Error>>()?,
            suspended: action
                .suspended
                .iter()
                .map(|span| {
                    Ok(Suspension {
                        from: date(&span.from)?,
                        to: some_date(&span.to)?,
                    })
                })
                .collect::<Result<_, Error>>()?,
            withdrawn_on: some_date(&action.withdrawn_on)?,
        });
    }
    Ok(Plan {
        id: id.into(),
        start: date(&plan.start)?,
        end: date(&plan.end)?,
        calendar: calendar(plan)?,
        policy: policy(plan.compliance_policy.as_ref())?,
        components: definition
            .components
            .iter()
            .map(|component| Component {
                id: last(&component.name).into(),
                parent: (!component.parent.is_empty()).then(|| last(&component.parent).into()),
            })
            .collect(),
        actions,
    })
}

fn calendar(plan: &p::Plan) -> Result<Calendar, Error> {
    let reporting = plan.reporting.clone().unwrap_or_default();
    Ok(Calendar {
        time_zone: TimeZone::get(&plan.time_zone).map_err(|_| unreadable("time_zone"))?,
        frequency: match reporting.frequency() {
            p::Frequency::Monthly => Frequency::Monthly,
            p::Frequency::Quarterly => Frequency::Quarterly,
            p::Frequency::Semiannual => Frequency::Semiannual,
            p::Frequency::Annual => Frequency::Annual,
            p::Frequency::Unspecified => return Err(unreadable("frequency")),
        },
        due_days: u16::try_from(reporting.due_days_after_period).map_err(|_| unreadable("due_days_after_period"))?,
        count: match reporting.count() {
            p::DayCount::Working => Count::Working,
            p::DayCount::Calendar | p::DayCount::Unspecified => Count::Calendar,
        },
        holidays: reporting.holidays.iter().map(|day| date(day)).collect::<Result<_, _>>()?,
        due_hour: match reporting.hour.as_str() {
            "" => None,
            hour => Some(hour.parse().map_err(|_| unreadable("hour"))?),
        },
        review_days: u16::try_from(reporting.review_days).ok().filter(|days| *days > 0),
    })
}

fn role(text: &str) -> Result<Role, Error> {
    match text {
        "lead" => Ok(Role::Lead),
        "co_responsible" => Ok(Role::CoResponsible),
        "supporting" => Ok(Role::Supporting),
        "counterpart" => Ok(Role::Counterpart),
        _ => Err(unreadable("role")),
    }
}

fn policy(wire: Option<&p::CompliancePolicy>) -> Result<Policy, Error> {
    let default = Policy::default();
    let Some(wire) = wire else { return Ok(default) };
    let roles = wire.reporting_roles.iter().map(|text| role(text)).collect::<Result<Vec<_>, _>>()?;
    Ok(Policy {
        rules: u32::try_from(wire.rules).ok().filter(|rules| *rules > 0).unwrap_or(default.rules),
        on_track_from: decimal_or(wire.on_track_from.as_ref(), default.on_track_from)?,
        at_risk_from: decimal_or(wire.at_risk_from.as_ref(), default.at_risk_from)?,
        reported_from: decimal_or(wire.reported_from.as_ref(), default.reported_from)?,
        stale_after: u32::try_from(wire.stale_after).map_err(|_| unreadable("stale_after"))?,
        interpolation: match wire.interpolation() {
            p::Interpolation::Step => Interpolation::Step,
            p::Interpolation::Linear | p::Interpolation::Unspecified => Interpolation::Linear,
        },
        reporting_roles: if roles.is_empty() { default.reporting_roles } else { roles },
        milestones_weight: decimal_or(wire.milestones_weight.as_ref(), default.milestones_weight)?,
    })
}

fn rules_indicator(wire: &p::Indicator) -> Result<Indicator, Error> {
    let point = |target: &p::Target| {
        Ok::<_, Error>(Point {
            on: date(&target.on)?,
            value: decimal_or(target.value.as_ref(), Decimal::ZERO)?,
        })
    };
    let aggregation = match wire.aggregation() {
        p::Aggregation::Latest | p::Aggregation::Unspecified => Aggregation::Latest,
        p::Aggregation::Cumulative => Aggregation::Cumulative,
        p::Aggregation::Sum => Aggregation::Sum,
        p::Aggregation::Max => Aggregation::Max,
    };
    let default = Indicator::new(wire.code.as_str(), aggregation);
    let reported_by = wire.reported_by.iter().map(|text| role(text)).collect::<Result<Vec<_>, _>>()?;
    Ok(Indicator {
        weight: decimal_or(wire.weight.as_ref(), Decimal::ONE)?,
        direction: match wire.direction() {
            p::Direction::Increase | p::Direction::Unspecified => Direction::Increase,
            p::Direction::Decrease => Direction::Decrease,
            p::Direction::AtLeast => Direction::AtLeast,
            p::Direction::AtMost => Direction::AtMost,
        },
        across: match wire.across() {
            p::Across::Sum => Across::Sum,
            p::Across::Unspecified if wire.unit == "count" => Across::Sum,
            p::Across::Mean | p::Across::Unspecified => Across::Mean,
        },
        window: match wire.window() {
            p::Window::Year => Window::Year,
            p::Window::Plan | p::Window::Unspecified => Window::Plan,
        },
        reported_by: if reported_by.is_empty() {
            default.reported_by.clone()
        } else {
            reported_by
        },
        baseline: wire.baseline.as_ref().map(point).transpose()?,
        targets: wire.targets.iter().map(point).collect::<Result<_, _>>()?,
        ..default
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::timestamp;

    #[test]
    fn evidence_is_named_by_reports_and_stored_by_institutions() {
        let facts = SharedFacts::default();
        let time = |second: i64| Timestamp::from_second(second).expect("an instant");
        let take = |position: i64, event_type: &str, resource: &str, institution: &str, event: Vec<u8>| {
            let entry = journal::Entry {
                position,
                time: Some(timestamp(time(position))),
                event_type: format!("vigia.reporting.v1.{event_type}"),
                resource: resource.to_owned(),
                institution: institution.to_owned(),
                event,
                ..journal::Entry::default()
            };
            facts.take(Area::Reporting, &entry).expect("an entry");
        };
        let obligation = "plans/p/assignments/a1/obligations/2026-Q1";
        let report = r::Report {
            name: format!("{obligation}/reports/2"),
            receive_time: Some(timestamp(time(1))),
            evidence: vec!["evidence/a".to_owned()],
            evidence_links: vec![r::EvidenceLink {
                evidence: "evidence/b".to_owned(),
                ..r::EvidenceLink::default()
            }],
            ..r::Report::default()
        };
        let submitted = r::ReportSubmitted { report: Some(report) };
        take(2, "ReportSubmitted", obligation, "institutions/msp", submitted.encode_to_vec());
        take(3, "EvidenceStored", "evidence/b", "institutions/msp", Vec::new());
        take(4, "EvidenceRead", "evidence/b", "institutions/msp", Vec::new());
        take(5, "EvidenceStored", "evidence/b", "institutions/msp", Vec::new());
        let named = facts.with_plan("p", |plan| {
            let named = plan.evidence_named().iter();
            named
                .map(|named| (named.evidence.clone(), named.version, named.received_at))
                .collect::<Vec<_>>()
        });
        assert_eq!(
            named,
            Some(vec![("evidence/a".to_owned(), 2, time(1)), ("evidence/b".to_owned(), 2, time(1))])
        );
        let stored = |evidence: &str, institution: &str| facts.evidence_stored(evidence, institution).map(|entry| entry.recorded_at);
        assert_eq!(stored("evidence/b", "institutions/msp"), Some(time(3)), "the first time");
        assert_eq!(stored("evidence/b", "institutions/mies"), None);
        assert_eq!(stored("evidence/a", "institutions/msp"), None);
    }
}
