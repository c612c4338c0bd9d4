//! A plan as it was as of an instant, with all that it takes to judge it and to name things.

use jiff::{Timestamp, tz::TimeZone};
use vigia_platform::{Error, facts::EVIDENCE_FOLLOWS_WITHIN};
use vigia_proto::plans::{self as p, PlanDefinition};
use vigia_rules::{
    ActionId, AssignmentId, Exact, Facts, IndicatorId, InstitutionId, Obligation, Period, TerritoryCode, Verdicts, obligations_of,
};

use crate::{
    aside::{Named, OwnReview},
    cards::Cards,
    memory::{Contact, Positions, Snapshot},
    projection::{Board, Content},
};

/// Assignments whose reports are laid out for the rules at once.
const ASSIGNMENTS_AT_ONCE: usize = 1000;

/// A plan as of an instant.
pub(crate) struct View<'m> {
    /// Its id.
    pub(crate) plan: &'m str,
    /// The instant.
    pub(crate) t: Timestamp,
    /// The plan with its texts, as it was.
    pub(crate) definition: &'m PlanDefinition,
    /// Where its days end.
    pub(crate) zone: TimeZone,
    snapshot: &'m Snapshot,
}

impl<'m> View<'m> {
    /// None where the plan was a draft.
    pub(crate) fn of(plan: &'m str, snapshot: &'m Snapshot, t: Timestamp) -> Option<Self> {
        let definition = snapshot.plan.definition_at(t)?;
        let zone = definition.plan.as_ref().and_then(|plan| TimeZone::get(&plan.time_zone).ok());
        Some(Self {
            plan,
            t,
            definition,
            zone: zone.unwrap_or(TimeZone::UTC),
            snapshot,
        })
    }

    /// The same plan as of another, earlier instant; none where it was a draft then.
    pub(crate) fn at(&self, t: Timestamp) -> Option<Self> {
        Self::of(self.plan, self.snapshot, t)
    }

    /// The last entries of the followed journals by then.
    pub(crate) fn positions(&self) -> Positions {
        self.snapshot.positions(self.t)
    }

    /// Plan versions, assignments and extensions as the rules know them; later ones are among them, and are passed over
    /// by whoever asks as of t. Reports are not: whoever asks the rules about them takes the facts on an action or of an
    /// assignment.
    pub(crate) fn frame(&self) -> &'m Facts {
        self.snapshot.plan.projection.frame()
    }

    /// The facts with all reports on an action.
    pub(crate) fn facts_on(&self, action: &ActionId) -> Facts {
        let Snapshot { plan, journal, .. } = self.snapshot;
        plan.projection.facts_on(journal, action)
    }

    /// The facts with the reports of one assignment.
    pub(crate) fn facts_of_assignment(&self, assignment: &AssignmentId) -> Facts {
        let Snapshot { plan, journal, .. } = self.snapshot;
        plan.projection.facts_of_one(journal, assignment)
    }

    /// All facts. Of a large plan they take more memory than the machine may have: only for what nothing else answers.
    pub(crate) fn all_facts(&self) -> Facts {
        self.facts_of(|_| true)
    }

    fn facts_of(&self, wanted: impl Fn(&AssignmentId) -> bool) -> Facts {
        let Snapshot { plan, journal, .. } = self.snapshot;
        plan.projection.facts_of(journal, wanted)
    }

    /// All obligations that exist, by assignment in the order of their making, then by period.
    pub(crate) fn obligations(&self) -> impl Iterator<Item = Obligation> {
        let frame = self.frame();
        frame.in_order.chunks(ASSIGNMENTS_AT_ONCE).flat_map(|desks| {
            let ids = desks.iter().filter_map(|&desk| frame.assignments[desk].made.as_ref());
            let ids: std::collections::HashSet<_> = ids.map(|made| &made.assignment.id).collect();
            let facts = self.facts_of(|id| ids.contains(id));
            let made = desks.iter().filter_map(|&desk| frame.assignments[desk].made.as_ref());
            let ids = made.map(|made| made.assignment.id.clone());
            obligations_of(&facts, ids, self.t).collect::<Vec<_>>()
        })
    }

    /// What was recorded after an instant and until the view's.
    pub(crate) fn recorded_since(&self, from: Timestamp) -> Vec<vigia_rules::Recorded> {
        let Snapshot { plan, journal, .. } = self.snapshot;
        plan.projection.recorded(journal, from, self.t)
    }

    /// Asks all scorecards and the verdicts on all actions: of the projection or, where it can't answer, of the rules.
    pub(crate) fn ask_cards<T>(&self, question: impl FnOnce(&Cards<'_>) -> Result<T, Error>) -> Result<T, Error> {
        if let Some(board) = self.board() {
            return question(&Cards::Columns(board));
        }
        let facts = self.all_facts();
        let all = Verdicts::as_of(&facts, self.t).ok_or_else(|| Error::not_found(format!("plans/{}", self.plan)))?;
        question(&Cards::Rules(&all))
    }

    /// The projection's answers, where it can give them.
    pub(crate) fn board(&self) -> Option<Board<'m>> {
        let Snapshot { plan, journal, .. } = self.snapshot;
        plan.projection.board(journal, self.t)
    }

    /// The institutions and territories that have held an assignment by then, with the action concerned.
    pub(crate) fn held_by(&self) -> impl Iterator<Item = (&'m ActionId, &'m InstitutionId, Option<&'m TerritoryCode>)> {
        self.snapshot.plan.projection.held_by(self.t)
    }

    /// Whether an assignment is only indicative: it does not bind.
    pub(crate) fn is_indicative(&self, assignment: &AssignmentId) -> bool {
        self.snapshot.plan.is_indicative(assignment)
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
        let name = self.snapshot.names.at(resource, self.t);
        name.unwrap_or_else(|| resource.rsplit('/').next().unwrap_or_default()).to_owned()
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
        let Some(made) = self.frame().assignment(assignment) else {
            return assignment.to_string();
        };
        let institution = self.institution(&made.institution);
        match &made.territory {
            Some(territory) => format!("{institution} ({})", self.territory(territory)),
            None => institution,
        }
    }

    /// What was sent for an obligation by then, in order.
    pub(crate) fn contents(&self, assignment: &AssignmentId, period: Period) -> Vec<Content> {
        let Snapshot { plan, journal, .. } = self.snapshot;
        let mut contents = plan.projection.contents(journal, assignment, period);
        contents.retain(|content| content.entry.recorded_at <= self.t);
        contents
    }

    /// How much of the evidence that a submission names did not come in time: by then nobody who answers for the report
    /// has stored it, and the time in which it may follow has passed.
    pub(crate) fn never_came(&self, content: &Content) -> usize {
        let Some(named) = self.named_by(content) else { return 0 };
        if self.t.duration_since(named.received_at) < EVIDENCE_FOLLOWS_WITHIN {
            return 0;
        }
        let line = self.frame().line_from(&named.assignment, self.t);
        let is_stored = |evidence: &&String| {
            let mut line = line.iter().map(|answers| format!("institutions/{}", answers.institution));
            line.any(|institution| self.snapshot.aside.is_stored(evidence, &institution, self.t))
        };
        named.evidence.iter().filter(|evidence| !is_stored(evidence)).count()
    }

    /// Until when evidence that a submission names may follow; none where it names none, or that has passed.
    pub(crate) fn evidence_may_follow_until(&self, content: &Content) -> Option<Timestamp> {
        let named = self.named_by(content).filter(|named| !named.evidence.is_empty())?;
        let until = named.received_at.checked_add(EVIDENCE_FOLLOWS_WITHIN).ok()?;
        (until > self.t).then_some(until)
    }

    /// Whether a submission shows anything: evidence that is here, or may still come.
    pub(crate) fn shows(&self, content: &Content) -> bool {
        let named = self.named_by(content).map_or(0, |named| named.evidence.len());
        named > self.never_came(content)
    }

    fn named_by(&self, content: &Content) -> Option<Named> {
        self.snapshot.aside.named(content.entry.position.number)
    }

    /// What a submission says was spent in the period; none where it says nothing of money.
    pub(crate) fn spent(&self, content: &Content) -> Option<Exact> {
        let spent = self.named_by(content)?.spent;
        spent.into_iter().map(Exact::from).reduce(|sum, part| &sum + &part)
    }

    /// How an institution was reached, and since when; none where nobody has heard of it.
    pub(crate) fn contact(&self, institution: &str) -> Option<(Timestamp, &'m Contact)> {
        self.snapshot.names.contact(institution, self.t)
    }

    /// All that was sent by then: whose, for when, and each version in order.
    pub(crate) fn all_contents(&self) -> impl Iterator<Item = (&'m AssignmentId, Period, Vec<Content>)> {
        let (Snapshot { plan, journal, .. }, t) = (self.snapshot, self.t);
        let all = plan.projection.all_contents(journal);
        all.map(move |(assignment, period, mut contents)| {
            contents.retain(|content| content.entry.recorded_at <= t);
            (assignment, period, contents)
        })
    }

    /// The reviews of a version, by then, by somebody who acts for the institution that owes it.
    pub(crate) fn own_reviews(&self, assignment: &AssignmentId, period: Period, version: u32) -> Vec<OwnReview> {
        self.snapshot.aside.own_reviews(self.plan, assignment, period, version, self.t)
    }

    /// What was sent on an action by then, by anyone, in order.
    pub(crate) fn contents_on(&self, action: &ActionId) -> Vec<Content> {
        let Snapshot { plan, journal, .. } = self.snapshot;
        plan.projection.contents_on(journal, action, self.t)
    }
}
