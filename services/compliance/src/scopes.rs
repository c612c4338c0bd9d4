//! What a scorecard may be about: from its name in the contract to the scope that the rules know, and all those of a plan.

use std::collections::{BTreeMap, BTreeSet};

use vigia_platform::{Error, name};
use vigia_proto::{
    compliance::{self as wire, ScopeKind},
    plans as p,
};
use vigia_rules::{ActionId, AssignmentId, InstitutionId, Role, Scope, Slice, TerritoryCode};

use crate::{answers, cards::Cards, view::View};

/// The names that a scope may have.
pub(crate) const PATTERN: &str = "plans/{plan}[/components/{c}[/institutions/{i}] | /kinds/{k} | /forces/{f} | /fundings/{s} | \
                                  /commitments/{code} | /roles/{r} | /institutions/{i} | /territories/{dpa}] | institutions/{i} | \
                                  territories/{dpa}";

const KINDS: [(&str, &str, p::ActionKind); 3] = [
    ("instrument", "Instrumentos", p::ActionKind::Instrument),
    ("implementation", "Implementación", p::ActionKind::Implementation),
    ("unstated", "Tipo no declarado", p::ActionKind::Unspecified),
];

const FORCES: [(&str, &str, bool); 2] = [("binding", "Obligatorias", false), ("indicative", "Indicativas", true)];

const FUNDINGS: [(&str, &str); 3] = [
    ("treasury", "Fisco"),
    ("cooperation", "Cooperación internacional"),
    ("none", "Sin partida presupuestaria"),
];

const ROLES: [(&str, &str, Role); 4] = [
    ("lead", "Responsables", Role::Lead),
    ("co_responsible", "Corresponsables", Role::CoResponsible),
    ("supporting", "Instituciones de apoyo", Role::Supporting),
    ("counterpart", "Contrapartes", Role::Counterpart),
];

/// A scope by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The plan's id.
    pub(crate) plan: String,
    /// The name as it was asked for.
    pub(crate) name: String,
    about: About,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum About {
    Plan,
    Component(String),
    Institution(String),
    InstitutionIn(String, String),
    Territory(String),
    Kind(String),
    Force(String),
    Funding(String),
    Commitment(String),
    Role(String),
}

impl Named {
    /// Reads a name; `plan` names the plan of institutions and territories.
    pub(crate) fn parse(asked: &str, plan: &str) -> Option<Self> {
        let named = |plan: &str, about: About| {
            Some(Self {
                plan: plan.to_owned(),
                name: asked.to_owned(),
                about,
            })
        };
        let of_plan = || name::split("plans/{}", plan).map(|parts| parts[0]);
        if let Some(parts) = name::split("institutions/{}", asked) {
            return named(of_plan()?, About::Institution(parts[0].to_owned()));
        }
        if let Some(parts) = name::split("territories/{}", asked) {
            return named(of_plan()?, About::Territory(parts[0].to_owned()));
        }
        let parts: Vec<_> = asked.split('/').collect();
        let (&["plans", plan], below) = parts.split_first_chunk::<2>()? else {
            return None;
        };
        name::split("plans/{}", &format!("plans/{plan}"))?;
        let about = match *below {
            [] => About::Plan,
            ["components", component] => About::Component(component.to_owned()),
            ["components", component, "institutions", institution] => About::InstitutionIn(institution.to_owned(), component.to_owned()),
            ["institutions", institution] => About::Institution(institution.to_owned()),
            ["territories", code] => About::Territory(code.to_owned()),
            ["kinds", kind] if KINDS.iter().any(|(id, ..)| *id == kind) => About::Kind(kind.to_owned()),
            ["forces", force] if FORCES.iter().any(|(id, ..)| *id == force) => About::Force(force.to_owned()),
            ["fundings", source] if FUNDINGS.iter().any(|(id, _)| *id == source) => About::Funding(source.to_owned()),
            ["commitments", code] => About::Commitment(code.to_owned()),
            ["roles", role] if ROLES.iter().any(|(id, ..)| *id == role) => About::Role(role.to_owned()),
            _ => return None,
        };
        named(plan, about)
    }

    fn of(view: &View<'_>, below: &str, about: About) -> Self {
        let name = match &about {
            About::Institution(id) => format!("institutions/{id}"),
            About::Territory(code) => format!("territories/{code}"),
            _ => format!("plans/{}{below}", view.plan),
        };
        Self {
            plan: view.plan.to_owned(),
            name,
            about,
        }
    }

    /// The slice that the rules know, as it was as of the view's instant. A component that the plan did not have then
    /// is not found.
    pub(crate) fn slice(&self, view: &View<'_>) -> Result<Slice, Error> {
        let component = |id: &str| {
            let found = self.component(view, id);
            found.map(|_| id.into()).ok_or_else(|| Error::not_found(&self.name))
        };
        let actions = |holds: &dyn Fn(&p::Action) -> bool| {
            let held = view.definition.actions.iter().filter(|action| holds(action));
            Slice::Actions(held.map(|action| id_of(&action.name)).collect())
        };
        Ok(match &self.about {
            About::Plan => Slice::Scope(Scope::Plan),
            About::Component(id) => Slice::Scope(Scope::Component(component(id)?)),
            About::Institution(id) => Slice::Scope(Scope::Institution(id.as_str().into())),
            About::InstitutionIn(institution, id) => Slice::InstitutionIn(institution.as_str().into(), component(id)?),
            About::Territory(code) => Slice::Scope(Scope::Territory(code.as_str().into())),
            About::Kind(kind) => {
                let wanted = KINDS.iter().find(|(id, ..)| id == kind).map(|(.., kind)| *kind);
                actions(&|action| Some(action.kind()) == wanted)
            }
            About::Force(force) => {
                let indicative = FORCES.iter().any(|(id, _, indicative)| id == force && *indicative);
                Slice::Assignments(assignments(view, |id| view.is_indicative(id) == indicative))
            }
            About::Funding(source) => actions(&|action| is_funded_by(action, source)),
            About::Commitment(code) => actions(&|action| action.commitments.iter().any(|other| serves(other, code))),
            About::Role(role) => {
                let wanted = ROLES.iter().find(|(id, ..)| id == role).map(|(.., role)| *role);
                Slice::Role(wanted.ok_or_else(|| Error::not_found(&self.name))?)
            }
        })
    }

    /// Its title in Spanish, as known then.
    pub(crate) fn title(&self, view: &View<'_>) -> String {
        let of = |table: &[(&str, &str)], id: &str| {
            let found = table.iter().find(|(other, _)| *other == id);
            found.map(|(_, title)| (*title).to_owned()).unwrap_or_default()
        };
        match &self.about {
            About::Plan => view.definition.plan.as_ref().map(|plan| plan.title_es.clone()).unwrap_or_default(),
            About::Component(id) => self.component(view, id).unwrap_or_default(),
            About::Institution(id) => view.name_of(&format!("institutions/{id}")),
            About::InstitutionIn(institution, id) => {
                let component = self.component(view, id).unwrap_or_default();
                format!("{} · {component}", view.name_of(&format!("institutions/{institution}")))
            }
            About::Territory(code) => view.name_of(&format!("territories/{code}")),
            About::Kind(id) => of(&KINDS.map(|(id, title, _)| (id, title)), id),
            About::Force(id) => of(&FORCES.map(|(id, title, _)| (id, title)), id),
            About::Funding(id) => of(&FUNDINGS, id),
            About::Commitment(code) => code.clone(),
            About::Role(id) => of(&ROLES.map(|(id, title, _)| (id, title)), id),
        }
    }

    fn component(&self, view: &View<'_>, id: &str) -> Option<String> {
        let name = format!("plans/{}/components/{id}", self.plan);
        let mut components = view.definition.components.iter();
        components
            .find(|component| component.name == name)
            .map(|component| component.title_es.clone())
    }

    /// Its scorecard.
    pub(crate) fn scorecard(&self, view: &View<'_>, cards: &Cards<'_>) -> Result<wire::Scorecard, Error> {
        let card = cards.slice(&self.slice(view)?);
        Ok(answers::scorecard(self.name.clone(), self.title(view), &card))
    }

    /// All scopes of some kinds that a plan has, in the order of the contract.
    pub(crate) fn all(view: &View<'_>, kinds: &BTreeSet<ScopeKind>) -> Vec<Self> {
        let components = || view.definition.components.iter().map(|component| last(&component.name));
        let mut institutions = BTreeSet::new();
        let mut territories = BTreeSet::new();
        let mut crossed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut on: BTreeMap<&ActionId, BTreeSet<&InstitutionId>> = BTreeMap::new();
        for (action, institution, territory) in view.held_by() {
            institutions.insert(institution.as_str());
            if let Some(code) = territory.map(TerritoryCode::as_str) {
                territories.insert(code);
                // A canton's code begins with its province's.
                territories.extend(code.get(..2));
            }
            on.entry(action).or_default().insert(institution);
        }
        if kinds.contains(&ScopeKind::InstitutionInComponent) {
            for (action, institutions) in &on {
                for component in above(view, action) {
                    let here = crossed.entry(component).or_default();
                    here.extend(institutions.iter().map(ToString::to_string));
                }
            }
        }
        let one = |below: String, about: About| Self::of(view, &below, about);
        let mut scopes = Vec::new();
        for kind in kinds {
            match kind {
                ScopeKind::Unspecified => {}
                ScopeKind::Plan => scopes.push(one(String::new(), About::Plan)),
                ScopeKind::Component => {
                    scopes.extend(components().map(|id| one(format!("/components/{id}"), About::Component(id.to_owned()))));
                }
                ScopeKind::Institution => scopes.extend(
                    institutions
                        .iter()
                        .map(|id| one(String::new(), About::Institution((*id).to_owned()))),
                ),
                ScopeKind::Territory => scopes.extend(territories.iter().map(|id| one(String::new(), About::Territory((*id).to_owned())))),
                ScopeKind::Kind => scopes.extend(KINDS.map(|(id, ..)| one(format!("/kinds/{id}"), About::Kind(id.to_owned())))),
                ScopeKind::Force => scopes.extend(FORCES.map(|(id, ..)| one(format!("/forces/{id}"), About::Force(id.to_owned())))),
                ScopeKind::Funding => {
                    scopes.extend(FUNDINGS.map(|(id, _)| one(format!("/fundings/{id}"), About::Funding(id.to_owned()))));
                }
                ScopeKind::Commitment => scopes.extend(
                    commitments(view)
                        .into_iter()
                        .map(|code| one(format!("/commitments/{code}"), About::Commitment(code))),
                ),
                ScopeKind::Role => scopes.extend(ROLES.map(|(id, ..)| one(format!("/roles/{id}"), About::Role(id.to_owned())))),
                ScopeKind::InstitutionInComponent => {
                    for component in components() {
                        let here = crossed.get(component).into_iter().flatten();
                        scopes.extend(here.map(|institution| {
                            let about = About::InstitutionIn(institution.clone(), component.to_owned());
                            one(format!("/components/{component}/institutions/{institution}"), about)
                        }));
                    }
                }
            }
        }
        scopes
    }
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

fn id_of(name: &str) -> ActionId {
    last(name).into()
}

fn assignments(view: &View<'_>, holds: impl Fn(&AssignmentId) -> bool) -> BTreeSet<AssignmentId> {
    let made = view.frame().standings(view.t).map(|standing| standing.assignment.id.clone());
    made.filter(|id| holds(id)).collect()
}

/// By its budget lines; `none` where there is no line.
fn is_funded_by(action: &p::Action, source: &str) -> bool {
    match source {
        "none" => action.budget_lines.is_empty(),
        source => action.budget_lines.iter().any(|line| line.source == source),
    }
}

/// Whether a commitment is another, or lies in it: `CEDAW:2` in `CEDAW`, `SDG:5.2` in `SDG:5` and in `SDG`.
fn serves(commitment: &str, other: &str) -> bool {
    let rest = commitment.strip_prefix(other);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '.']))
}

/// Every commitment that an action names, and the instrument of each.
fn commitments(view: &View<'_>) -> BTreeSet<String> {
    let named = view.definition.actions.iter().flat_map(|action| &action.commitments);
    named
        .flat_map(|code| {
            let instrument = code.split(':').next().unwrap_or_default();
            [code.clone(), instrument.to_owned()]
        })
        .filter(|code| !code.contains('/'))
        .collect()
}

/// The component of an action and all above it.
fn above(view: &View<'_>, action: &ActionId) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = view.action(action).map(|action| action.component.clone()).unwrap_or_default();
    while let Some(component) = view.definition.components.iter().find(|component| component.name == at) {
        // A tree that turns in a circle ends where it was before.
        if found.iter().any(|id| id == last(&component.name)) {
            break;
        }
        found.push(last(&component.name).to_owned());
        at.clone_from(&component.parent);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        let check = |asked: &str, plan: &str, expect: Option<About>| {
            assert_eq!(Named::parse(asked, plan).map(|named| named.about), expect, "{asked}");
        };
        check("plans/vcm", "", Some(About::Plan));
        check("plans/vcm/components/p1", "", Some(About::Component("p1".into())));
        check("institutions/msp", "plans/vcm", Some(About::Institution("msp".into())));
        check("plans/vcm/institutions/msp", "", Some(About::Institution("msp".into())));
        check("institutions/msp", "", None);
        check(
            "plans/vcm/components/p1/institutions/msp",
            "",
            Some(About::InstitutionIn("msp".into(), "p1".into())),
        );
        check("plans/vcm/kinds/instrument", "", Some(About::Kind("instrument".into())));
        check("plans/vcm/kinds/laws", "", None);
        check("plans/vcm/commitments/CEDAW:2", "", Some(About::Commitment("CEDAW:2".into())));
        check("plans/vcm/roles/lead", "", Some(About::Role("lead".into())));
        check("plans/vcm/actions/a1", "", None);
        check("plans/../x", "", None);
        check("plans", "", None);
        check("", "", None);
    }

    #[test]
    fn a_commitment_lies_in_its_instrument() {
        let check = |commitment: &str, other: &str, expect: bool| assert_eq!(serves(commitment, other), expect, "{commitment} {other}");
        check("CEDAW:2", "CEDAW:2", true);
        check("CEDAW:2", "CEDAW", true);
        check("SDG:5.2", "SDG:5", true);
        check("CEDAW:21", "CEDAW:2", false);
        check("CEDAW", "CEDAW:2", false);
    }
}
