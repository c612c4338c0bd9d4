//! Says in words, Spanish and English, why a verdict is what it is: the rules that fired in order, with what was
//! observed and required, and where the facts stand. The rules carry values only; here they get their names, and
//! `sentences` says them.

mod sentences;

use jiff::Timestamp;
use sentences::say;
use vigia_proto::{compliance::Explanation, plans as p};
use vigia_rules::{
    ActionId, ActionState, ActionVerdict, AssignmentId, Direction, Exact, Finding, IndicatorId, MilestoneId, Obligation, Period, Role,
    Timeliness,
    facts::{Position, Source},
};

use crate::{
    view::View,
    words::{self, Both},
};

/// Positions of one step at most: a total of a hundred cantons over twenty periods stands on thousands of reports.
const POSITIONS_MAX: usize = 200;

/// A journal position as callers name it: `reporting:17`.
pub(crate) fn position(position: Position) -> String {
    let area = match position.source {
        Source::Plans => "plans",
        Source::Assignments => "assignments",
        Source::Reporting => "reporting",
    };
    format!("{area}:{}", position.number)
}

/// A step of the reasons: a sentence with its parts.
fn step(key: &str, parts: &[(&str, Both)]) -> Explanation {
    let text = say(key, parts);
    Explanation {
        rule: key.split('/').next().unwrap_or_default().to_owned(),
        text_es: text.es,
        text_en: text.en,
        ..Explanation::default()
    }
}

trait Facts: Sized {
    /// What was observed and what was required.
    fn values(self, observed: &dyn ToString, required: &dyn ToString) -> Self;
    /// Where the facts stand.
    fn at(self, facts: &[Position]) -> Self;
}

impl Facts for Explanation {
    fn values(mut self, observed: &dyn ToString, required: &dyn ToString) -> Self {
        self.observed = observed.to_string();
        self.required = required.to_string();
        self
    }

    fn at(mut self, facts: &[Position]) -> Self {
        let newest = &facts[facts.len().saturating_sub(POSITIONS_MAX)..];
        self.positions = newest.iter().copied().map(position).collect();
        self
    }
}

/// What a direction asks for.
pub(crate) fn at_least_or_most(direction: Direction) -> (&'static str, &'static str) {
    match direction {
        Direction::Increase | Direction::AtLeast => ("al menos", "at least"),
        Direction::Decrease | Direction::AtMost => ("como máximo", "at most"),
    }
}

/// Names things as a reader knows them, on one action.
pub(crate) struct Named<'v> {
    /// The plan.
    pub(crate) view: &'v View<'v>,
    /// The action.
    pub(crate) action: &'v ActionId,
}

impl Named<'_> {
    /// An indicator by its title, in quotation marks, with its code.
    pub(crate) fn indicator(&self, code: &IndicatorId) -> Both {
        match self.view.indicator(self.action, code) {
            Some(indicator) => say("quoted", &[("text", Both::same(&indicator.name_es))]),
            None => Both::same(code.as_str()),
        }
    }

    /// A milestone by its text, with its code.
    pub(crate) fn milestone(&self, code: &MilestoneId) -> Both {
        let milestones = self.view.action(self.action).map(|action| action.milestones.as_slice());
        let found = milestones
            .unwrap_or_default()
            .iter()
            .find(|milestone| milestone.code == code.as_str());
        match found.filter(|milestone| !milestone.text_es.is_empty()) {
            Some(milestone) => say("quoted", &[("text", Both::same(&milestone.text_es))]),
            None => Both::same(code.as_str()),
        }
    }

    /// A value with what its unit shows.
    pub(crate) fn value(&self, code: &IndicatorId, value: &Exact) -> Both {
        let number = words::number(value);
        let unit = self.view.indicator(self.action, code).map(|indicator| indicator.unit.as_str());
        match unit {
            Some(unit @ ("percent" | "days")) => say(unit, &[("number", number)]),
            _ => number,
        }
    }

    fn milestones(&self, codes: &[MilestoneId]) -> Both {
        let named: Vec<_> = codes.iter().map(|code| self.milestone(code)).collect();
        let es: Vec<_> = named.iter().map(|both| both.es.clone()).collect();
        let en: Vec<_> = named.iter().map(|both| both.en.clone()).collect();
        Both::new(words::list(&es).es, words::list(&en).en)
    }

    /// Whose, as part of a sentence.
    fn who(&self, assignment: &AssignmentId) -> (&'static str, Both) {
        ("who", Both::same(self.view.who(assignment)))
    }

    /// A sentence about the report of an assignment for a period.
    fn of_report(&self, key: &str, assignment: &AssignmentId, period: Period, due_at: Option<Timestamp>) -> Explanation {
        let due = due_at.map(|due_at| ("due", words::due(&self.view.zone, due_at)));
        let parts = [self.who(assignment), ("of", words::of_period(period))].into_iter().chain(due);
        let said = step(key, &parts.collect::<Vec<_>>());
        match due_at {
            Some(due_at) => said.values(&"", &due_at),
            None => said,
        }
    }

    /// A finding in words.
    fn finding(&self, found: &Finding) -> Explanation {
        let indicator = |code: &IndicatorId| ("indicator", self.indicator(code));
        match found {
            Finding::NotMeasurable { indicator: code, .. } => step("FINDING_NOT_MEASURABLE", &[indicator(code)]),
            Finding::Judged {
                indicator: code,
                period,
                direction,
                value,
                expected,
                achievement,
                last_target,
                facts,
            } => {
                let (es, en) = at_least_or_most(*direction);
                let parts = [
                    indicator(code),
                    ("value", self.value(code, value)),
                    ("when", words::at_end_of(*period)),
                    ("bound", Both::new(es, en)),
                    ("expected", self.value(code, expected)),
                    ("share", words::percent(*achievement)),
                    ("target", self.value(code, &(*last_target).into())),
                ];
                step("FINDING_JUDGED", &parts).values(value, expected).at(facts)
            }
            Finding::NoValue {
                indicator: code,
                period,
                expected,
            } => {
                let required = expected.as_ref().map(ToString::to_string).unwrap_or_default();
                let parts = [indicator(code), ("when", words::at_end_of(*period))];
                step("FINDING_NO_VALUE", &parts).values(&"", &required)
            }
            Finding::Answered {
                indicator: code,
                period,
                answered,
                asked,
            } => {
                let parts = [
                    indicator(code),
                    ("answered", Both::same(answered.to_string())),
                    ("asked", Both::same(asked.to_string())),
                    ("when", words::period(*period)),
                ];
                step("FINDING_ANSWERED", &parts).values(answered, asked)
            }
            Finding::NotEverybody {
                indicator: code,
                assignment,
                period,
            } => {
                let parts = [indicator(code), self.who(assignment), ("of", words::of_period(*period))];
                step("FINDING_NOT_EVERYBODY", &parts)
            }
            Finding::Fell {
                indicator: code,
                assignment,
                period,
                from,
                to,
            } => {
                let parts = [
                    indicator(code),
                    self.who(assignment),
                    ("when", words::period(*period)),
                    ("before", self.value(code, from)),
                    ("after", self.value(code, to)),
                ];
                step("FINDING_FELL", &parts).values(to, from)
            }
            Finding::Differs {
                indicator: code,
                assignment,
                period,
                stated,
                counted,
            } => {
                let parts = [
                    indicator(code),
                    self.who(assignment),
                    ("when", words::period(*period)),
                    ("theirs", self.value(code, stated)),
                    ("ours", self.value(code, counted)),
                ];
                step("FINDING_DIFFERS", &parts).values(stated, counted)
            }
            Finding::MilestonesDue { period, due, missing } => {
                let done = due - missing.len().min(*due);
                let key = if missing.is_empty() {
                    "FINDING_MILESTONES_DUE/all"
                } else {
                    "FINDING_MILESTONES_DUE"
                };
                let parts = [
                    ("when", words::at_end_of(*period)),
                    ("due", Both::same(due.to_string())),
                    ("done", Both::same(done.to_string())),
                    ("missing", self.milestones(missing)),
                ];
                step(key, &parts).values(&done, due)
            }
            Finding::Reported {
                period,
                received,
                asked,
                required_percent,
            } => {
                let parts = [
                    ("when", words::period(*period)),
                    ("received", Both::same(received.to_string())),
                    ("asked", Both::same(asked.to_string())),
                    ("required", Both::same(required_percent.to_string())),
                ];
                step("FINDING_REPORTED", &parts).values(received, asked)
            }
            Finding::Received { assignment, period, facts } => self.of_report("FINDING_RECEIVED", assignment, *period, None).at(facts),
            Finding::Missing {
                assignment,
                period,
                due_at,
                facts,
            } => self.of_report("FINDING_MISSING", assignment, *period, Some(*due_at)).at(facts),
            Finding::AnswerOverdue { assignment, period, facts } => {
                self.of_report("FINDING_ANSWER_OVERDUE", assignment, *period, None).at(facts)
            }
            Finding::Extended {
                assignment,
                period,
                due_at,
                facts,
            } => self.of_report("FINDING_EXTENDED", assignment, *period, Some(*due_at)).at(facts),
            Finding::Waived { assignment, period, facts } => self.of_report("FINDING_WAIVED", assignment, *period, None).at(facts),
            Finding::Empty {
                assignment,
                period,
                on_time,
                facts,
            } => {
                let key = if *on_time { "FINDING_EMPTY/on_time" } else { "FINDING_EMPTY" };
                self.of_report(key, assignment, *period, None).at(facts)
            }
            Finding::PlanVersion { acts_from, position } => {
                let from = words::at(&self.view.zone, *acts_from);
                let from = Both::new(from.es, from.en.trim_start_matches("on "));
                step("FINDING_PLAN_VERSION", &[("from", from)]).at(std::slice::from_ref(position))
            }
            Finding::BothRoles { institution, facts, .. } => {
                step("FINDING_BOTH_ROLES", &[("who", Both::same(self.view.institution(institution)))]).at(facts)
            }
        }
    }

    /// What the reports do not show though it is asked for: evidence of an instrument, required breakdowns.
    fn not_shown(&self, findings: &[Finding]) -> Vec<Explanation> {
        let mut steps = Vec::new();
        let sent = self.view.contents_on(self.action);
        let claimed: Vec<_> = sent.iter().filter(|content| content.claims).collect();
        let is_instrument = self
            .view
            .action(self.action)
            .is_some_and(|action| action.kind() == p::ActionKind::Instrument);
        if is_instrument && !claimed.is_empty() && !sent.iter().any(|content| self.view.shows(content)) {
            let mut step = step("FINDING_NO_EVIDENCE", &[]);
            step.positions = claimed.iter().map(|content| position(content.entry.position)).collect();
            steps.push(step);
        }
        for found in findings {
            let Finding::Received { assignment, period, .. } = found else {
                continue;
            };
            let Some(content) = self.view.contents(assignment, *period).pop() else {
                continue;
            };
            steps.extend(self.of_evidence_and_review(assignment, *period));
            for (indicator, given) in &content.broken_down {
                let asked = self
                    .view
                    .indicator(self.action, indicator)
                    .map(|indicator| indicator.breakdown.as_slice());
                let lacking: Vec<_> = asked
                    .unwrap_or_default()
                    .iter()
                    .filter(|dimension| !given.contains(dimension))
                    .cloned()
                    .collect();
                if lacking.is_empty() {
                    continue;
                }
                let parts = [
                    ("indicator", self.indicator(indicator)),
                    self.who(assignment),
                    ("of", words::of_period(*period)),
                    ("lacking", words::list(&lacking)),
                ];
                let said = step("FINDING_NO_BREAKDOWN", &parts);
                let mut step = said.values(&given.join(", "), &asked.unwrap_or_default().join(", "));
                step.positions = vec![position(content.entry.position)];
                steps.push(step);
            }
        }
        steps
    }

    /// What a reader should know of the last report sent for an obligation: evidence that never came, and a review by
    /// somebody of the very institution.
    fn of_evidence_and_review(&self, assignment: &AssignmentId, period: Period) -> Vec<Explanation> {
        let mut steps = Vec::new();
        let Some(content) = self.view.contents(assignment, period).pop() else {
            return steps;
        };
        let parts = |count: usize| {
            [
                self.who(assignment),
                ("of", words::of_period(period)),
                ("count", Both::same(count.to_string())),
            ]
        };
        let count = self.view.never_came(&content);
        if count > 0 {
            let key = match count {
                1 => "FINDING_EVIDENCE_NEVER_CAME",
                _ => "FINDING_EVIDENCE_NEVER_CAME/many",
            };
            steps.push(step(key, &parts(count)).at(&[content.entry.position]));
        }
        let own = self.view.own_reviews(assignment, period, content.version);
        if !own.is_empty() {
            let mut step = step("FINDING_OWN_REVIEW", &parts(own.len()));
            step.positions = own.iter().map(|review| format!("reporting:{}", review.at.position)).collect();
            steps.push(step);
        }
        steps
    }

    /// The reasons of an action's verdict: the rule that decided, and then all that led to it, in order.
    pub(crate) fn action_reasons(&self, verdict: &ActionVerdict) -> Vec<Explanation> {
        let mut steps = vec![self.rule(verdict)];
        steps.extend(verdict.findings.iter().map(|found| self.finding(found)));
        steps.extend(self.not_shown(&verdict.findings));
        steps
    }

    /// The rule that fitted first.
    fn rule(&self, verdict: &ActionVerdict) -> Explanation {
        let (es, en) = action_state(verdict.state);
        let rule = verdict.rule.number();
        let policy = self.view.definition.plan.as_ref().and_then(|plan| plan.compliance_policy.as_ref());
        let threshold = |of: fn(&p::CompliancePolicy) -> Option<&vigia_proto::types::Decimal>, default: &str| {
            policy
                .and_then(of)
                .map_or_else(|| default.to_owned(), |decimal| decimal.value.clone())
        };
        let on_track = threshold(|policy| policy.on_track_from.as_ref(), "85");
        let at_risk = threshold(|policy| policy.at_risk_from.as_ref(), "70");
        let answered = verdict.findings.iter().find_map(|found| match found {
            Finding::Reported {
                received,
                asked,
                required_percent,
                ..
            } if rule == 7 => Some((format!("{received}/{asked}"), format!("{required_percent} %"))),
            _ => None,
        });
        let strict = || verdict.strict.map(|strict| strict.to_string()).unwrap_or_default();
        let observed = answered.as_ref().map_or_else(strict, |(observed, _)| observed.clone());
        let action = self.view.action(self.action);
        let required = match rule {
            2 => action.map(|action| action.start.clone()).unwrap_or_default(),
            4 | 8 => "1".to_owned(),
            9 => format!("{on_track} % ({}), {at_risk} % ({})", "ON_TRACK", "AT_RISK"),
            _ => answered.map(|(_, required)| required).unwrap_or_default(),
        };
        let share = verdict.strict.filter(|_| rule >= 8).map(words::percent);
        let key = if share.is_some() { "ACTION_RULE" } else { "ACTION_RULE/no_share" };
        let parts = [Some(("state", Both::new(es, en))), share.map(|share| ("share", share))];
        let said = step(key, &parts.into_iter().flatten().collect::<Vec<_>>()).values(&observed, &required);
        Explanation {
            rule: format!("ACTION_RULE_{rule}"),
            ..said
        }
    }

    /// The reasons of an obligation's verdict, in order: why it is owed, until when, what came, how it stands.
    pub(crate) fn obligation_reasons(&self, owed: &Obligation) -> Vec<Explanation> {
        let (view, zone) = (self.view, &self.view.zone);
        let accepted = view.frame().accepted_by(&owed.assignment, view.t);
        let (es, en) = role(owed.role);
        let mut facts = vec![owed.plan_version, owed.assigned];
        facts.extend(accepted.map(|entry| entry.position).filter(|position| *position != owed.assigned));
        let parts = [
            self.who(&owed.assignment),
            ("of", words::of_period(owed.period)),
            ("role", Both::new(es, en)),
            ("title", Both::same(view.action_title(self.action))),
            ("day", words::day(owed.reference_day)),
        ];
        let due = |at| ("due", words::due(zone, at));
        let mut steps = vec![
            step("OBLIGATION_OWED", &parts).at(&facts),
            step("OBLIGATION_DUE", &[due(owed.calendar_due_at)])
                .values(&"", &owed.calendar_due_at)
                .at(&[owed.plan_version]),
        ];
        if !owed.extended_by.is_empty() {
            let extended = step("OBLIGATION_EXTENDED", &[due(owed.due_at)]);
            steps.push(extended.values(&"", &owed.due_at).at(&owed.extended_by));
        }
        steps.push(self.how_it_stands(owed));
        // What was rejected is as if it had never been sent.
        if owed.version.is_some() {
            steps.extend(self.of_evidence_and_review(&owed.assignment, owed.period));
        }
        steps
    }

    fn how_it_stands(&self, owed: &Obligation) -> Explanation {
        let zone = &self.view.zone;
        let (es, en) = timeliness(owed.timeliness);
        let told = |at: Option<Timestamp>, said: fn(&jiff::tz::TimeZone, Timestamp) -> Both| {
            at.map_or_else(|| Both::same(""), |at| said(zone, at))
        };
        let parts = [
            ("received", told(owed.received_at, words::at)),
            ("version", Both::same(owed.version.unwrap_or(0).to_string())),
            ("time", Both::new(es, en)),
            ("answer", told(owed.answer_due_at, words::due)),
        ];
        let observed = owed.received_at.map(|at| at.to_string()).unwrap_or_default();
        let required = owed.answer_due_at.unwrap_or(owed.due_at);
        let state = crate::answers::obligation_state(owed.state);
        step(&format!("OBLIGATION_{state}"), &parts)
            .values(&observed, &required)
            .at(&owed.facts)
    }
}

/// A role in words.
pub(crate) fn role(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Lead => ("responsable", "lead"),
        Role::CoResponsible => ("corresponsable", "co-responsible"),
        Role::Supporting => ("institución de apoyo", "supporting"),
        Role::Counterpart => ("contraparte", "counterpart"),
    }
}

/// An action's state in words.
pub(crate) fn action_state(state: ActionState) -> (&'static str, &'static str) {
    match state {
        ActionState::Scheduled => ("Programada: aún no empieza.", "Scheduled: it begins later."),
        ActionState::Unassigned => (
            "Sin responsable: nadie ha aceptado la responsabilidad.",
            "Unassigned: nobody has accepted to lead.",
        ),
        ActionState::Unmeasured => (
            "Sin medición: el plan no da con qué medirla.",
            "Unmeasured: the plan gives nothing to measure it by.",
        ),
        ActionState::NotYetDue => ("Aún no exigible.", "Not yet due."),
        ActionState::OnTrack => ("En curso, como se esperaba.", "On track."),
        ActionState::AtRisk => (
            "En riesgo: algo por debajo de lo esperado.",
            "At risk: somewhat below what was expected.",
        ),
        ActionState::OffTrack => (
            "Atrasada: muy por debajo de lo esperado.",
            "Off track: far below what was expected.",
        ),
        ActionState::Unreported => (
            "Sin reporte: no se recibió lo que vencía.",
            "Unreported: what was due was not received.",
        ),
        ActionState::Achieved => ("Cumplida.", "Achieved."),
        ActionState::AchievedLate => (
            "Cumplida con retraso: después del plazo que el plan fijó primero.",
            "Achieved late: after the end that the plan first set.",
        ),
        ActionState::NotAchieved => (
            "Incumplida: terminó sin llegar a la meta.",
            "Not achieved: it is over and did not reach its target.",
        ),
        ActionState::Excused => (
            "Excusada: todo lo que debía fue dispensado.",
            "Excused: all that was owed was waived.",
        ),
        ActionState::Suspended => ("Suspendida.", "Suspended."),
        ActionState::Withdrawn => ("Retirada del plan.", "Withdrawn from the plan."),
    }
}

/// The timeliness of an obligation in words.
pub(crate) fn timeliness(timeliness: Timeliness) -> (&'static str, &'static str) {
    match timeliness {
        Timeliness::Pending => ("pendiente", "pending"),
        Timeliness::OnTime => ("a tiempo", "in time"),
        Timeliness::Late => ("tarde", "late"),
        Timeliness::Missing => ("no recibido", "missing"),
        Timeliness::NotApplicable => ("no aplica", "not applicable"),
    }
}
