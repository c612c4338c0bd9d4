//! Says in words, Spanish and English, why a verdict is what it is: the rules that fired in order, with what was
//! observed and required, and where the facts stand. The rules carry values only; here they get their names.

use vigia_proto::{compliance::Explanation, plans as p};
use vigia_rules::{
    ActionId, ActionState, ActionVerdict, AssignmentId, Direction, Exact, Finding, IndicatorId, MilestoneId, Obligation, ObligationState,
    Period, Role, Timeliness,
    facts::{Position, Source},
};

use crate::{
    memory::View,
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

/// A step of the reasons.
fn step(rule: &str, text: Both) -> Explanation {
    Explanation {
        rule: rule.to_owned(),
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
            Some(indicator) => Both::new(format!("«{}»", indicator.name_es), format!("\"{}\"", indicator.name_es)),
            None => Both::same(code.to_string()),
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
            Some(milestone) => Both::new(format!("«{}»", milestone.text_es), format!("\"{}\"", milestone.text_es)),
            None => Both::same(code.to_string()),
        }
    }

    /// A value with what its unit shows.
    pub(crate) fn value(&self, code: &IndicatorId, value: &Exact) -> Both {
        let Both { es, en } = words::number(value);
        let unit = self.view.indicator(self.action, code).map(|indicator| indicator.unit.as_str());
        match unit {
            Some("percent") => Both::new(format!("{es} %"), format!("{en} %")),
            Some("days") => Both::new(format!("{es} días"), format!("{en} days")),
            _ => Both::new(es, en),
        }
    }

    /// The report of an assignment for a period: `el reporte del primer trimestre de 2026 de Ministerio de …`.
    fn report(&self, assignment: &AssignmentId, of: Period) -> Both {
        let (who, of) = (self.view.who(assignment), words::of_period(of));
        Both::new(format!("El reporte {} de {who}", of.es), format!("The report of {who} {}", of.en))
    }

    fn milestones(&self, codes: &[MilestoneId]) -> Both {
        let named: Vec<_> = codes.iter().map(|code| self.milestone(code)).collect();
        let es: Vec<_> = named.iter().map(|both| both.es.clone()).collect();
        let en: Vec<_> = named.iter().map(|both| both.en.clone()).collect();
        Both::new(words::list(&es).es, words::list(&en).en)
    }

    /// A finding in words.
    fn finding(&self, found: &Finding) -> Explanation {
        match found {
            Finding::NotMeasurable { indicator, .. } => {
                let named = self.indicator(indicator);
                step(
                    "FINDING_NOT_MEASURABLE",
                    Both::new(
                        format!(
                            "El indicador {} no se puede medir: le falta una meta o una línea base, o la meta no la mejora. No cuenta.",
                            named.es
                        ),
                        format!(
                            "Indicator {} can't be measured: a target or a baseline is missing, or the target is not better. It does not count.",
                            named.en
                        ),
                    ),
                )
            }
            Finding::Judged {
                indicator,
                period,
                direction,
                value,
                expected,
                achievement,
                last_target,
                facts,
            } => {
                let (es, en) = at_least_or_most(*direction);
                let (named, when, share) = (self.indicator(indicator), words::at_end_of(*period), words::percent(*achievement));
                let (value_said, expected_said) = (self.value(indicator, value), self.value(indicator, expected));
                let target = self.value(indicator, &(*last_target).into());
                step(
                    "FINDING_JUDGED",
                    Both::new(
                        format!(
                            "El indicador {} llegó a {} {}; se esperaba {es} {}: cumple el {}. Su última meta es {}.",
                            named.es, value_said.es, when.es, expected_said.es, share.es, target.es
                        ),
                        format!(
                            "Indicator {} was {} {}; {en} {} was expected: {} achieved. Its last target is {}.",
                            named.en, value_said.en, when.en, expected_said.en, share.en, target.en
                        ),
                    ),
                )
                .values(value, expected)
                .at(facts)
            }
            Finding::NoValue {
                indicator,
                period,
                expected,
            } => {
                let (named, when) = (self.indicator(indicator), words::at_end_of(*period));
                let required = expected.as_ref().map(ToString::to_string).unwrap_or_default();
                step(
                    "FINDING_NO_VALUE",
                    Both::new(
                        format!(
                            "El indicador {} no tiene valor {}: en la lectura estricta cuenta cero.",
                            named.es, when.es
                        ),
                        format!(
                            "Indicator {} has no value {}: in the strict reading it counts zero.",
                            named.en, when.en
                        ),
                    ),
                )
                .values(&"", &required)
            }
            Finding::Answered {
                indicator,
                period,
                answered,
                asked,
            } => {
                let (named, when) = (self.indicator(indicator), words::period(*period));
                step(
                    "FINDING_ANSWERED",
                    Both::new(
                        format!("Del indicador {} respondieron {answered} de {asked} en {}.", named.es, when.es),
                        format!("Of indicator {} {answered} of {asked} gave a value in {}.", named.en, when.en),
                    ),
                )
                .values(answered, asked)
            }
            Finding::NotEverybody {
                indicator,
                assignment,
                period,
            } => {
                let (named, who, when) = (self.indicator(indicator), self.view.who(assignment), words::of_period(*period));
                step(
                    "FINDING_NOT_EVERYBODY",
                    Both::new(
                        format!(
                            "El indicador {} debe ser bajo y suma a todos: falta el valor {} de {who}.",
                            named.es, when.es
                        ),
                        format!(
                            "Indicator {} should be low and adds everybody up: the value of {who} {} is missing.",
                            named.en, when.en
                        ),
                    ),
                )
            }
            Finding::Fell {
                indicator,
                assignment,
                period,
                from,
                to,
            } => {
                let (named, who, when) = (self.indicator(indicator), self.view.who(assignment), words::period(*period));
                let (before, after) = (self.value(indicator, from), self.value(indicator, to));
                step(
                    "FINDING_FELL",
                    Both::new(
                        format!(
                            "El valor acumulado de {} que declara {who} baja en {}: de {} a {}.",
                            named.es, when.es, before.es, after.es
                        ),
                        format!(
                            "The cumulative value of {} stated by {who} falls in {}: from {} to {}.",
                            named.en, when.en, before.en, after.en
                        ),
                    ),
                )
                .values(to, from)
            }
            Finding::Differs {
                indicator,
                assignment,
                period,
                stated,
                counted,
            } => {
                let (named, who, when) = (self.indicator(indicator), self.view.who(assignment), words::period(*period));
                let (theirs, ours) = (self.value(indicator, stated), self.value(indicator, counted));
                step(
                    "FINDING_DIFFERS",
                    Both::new(
                        format!(
                            "Las fuentes no coinciden: {who} declara {} para {} en {}; cuenta {}.",
                            theirs.es, named.es, when.es, ours.es
                        ),
                        format!(
                            "Sources disagree: {who} states {} for {} in {}; {} counts.",
                            theirs.en, named.en, when.en, ours.en
                        ),
                    ),
                )
                .values(stated, counted)
            }
            Finding::MilestonesDue { period, due, missing } => {
                let (when, done) = (words::at_end_of(*period), due - missing.len().min(*due));
                let (es, en) = if missing.is_empty() {
                    ("; todos están cumplidos.".to_owned(), "; all are done.".to_owned())
                } else {
                    let names = self.milestones(missing);
                    (format!("; falta {}.", names.es), format!("; {} is missing.", names.en))
                };
                step(
                    "FINDING_MILESTONES_DUE",
                    Both::new(
                        format!("Hitos exigibles {}: {due}, cumplidos: {done}{es}", when.es),
                        format!("Milestones due {}: {due}, done: {done}{en}", when.en),
                    ),
                )
                .values(&done, due)
            }
            Finding::Reported {
                period,
                received,
                asked,
                required_percent,
            } => {
                let when = words::period(*period);
                step(
                    "FINDING_REPORTED",
                    Both::new(
                        format!("Período juzgado: {}. Se recibieron {received} de {asked} reportes exigibles de responsables; cuenta como reportado desde el {required_percent} %.", when.es),
                        format!("Period judged: {}. {received} of {asked} reports asked for of leads were received; it counts as reported from {required_percent} %.", when.en),
                    ),
                )
                .values(received, asked)
            }
            Finding::Received { assignment, period, facts } => step(
                "FINDING_RECEIVED",
                said(self.report(assignment, *period), "se recibió", "was received"),
            )
            .at(facts),
            Finding::Missing {
                assignment,
                period,
                due_at,
                facts,
            } => {
                let due = words::due(&self.view.zone, *due_at);
                let (es, en) = (
                    format!("vencía {} y no se recibió", due.es),
                    format!("was due {} and was not received", due.en),
                );
                step("FINDING_MISSING", said(self.report(assignment, *period), &es, &en))
                    .values(&"", due_at)
                    .at(facts)
            }
            Finding::AnswerOverdue { assignment, period, facts } => step(
                "FINDING_ANSWER_OVERDUE",
                said(
                    self.report(assignment, *period),
                    "se devolvió con observaciones, que no se respondieron a tiempo",
                    "was returned with observations, which were not answered in time",
                ),
            )
            .at(facts),
            Finding::Extended {
                assignment,
                period,
                due_at,
                facts,
            } => {
                let due = words::due(&self.view.zone, *due_at);
                let (es, en) = (
                    format!("tiene prórroga: vence {}", due.es),
                    format!("has an extension: it is due {}", due.en),
                );
                step("FINDING_EXTENDED", said(self.report(assignment, *period), &es, &en))
                    .values(&"", due_at)
                    .at(facts)
            }
            Finding::Waived { assignment, period, facts } => step(
                "FINDING_WAIVED",
                said(self.report(assignment, *period), "fue dispensado", "was waived"),
            )
            .at(facts),
            Finding::Empty {
                assignment,
                period,
                on_time,
                facts,
            } => {
                let (es, en) = if *on_time {
                    ("llegó puntual pero vacío", "came in time but empty")
                } else {
                    ("llegó vacío", "came empty")
                };
                let es = format!("{es}: no trae valores ni hitos, ni dice que no hay novedad");
                let en = format!("{en}: it has neither values nor milestones, nor says that there is nothing to report");
                step("FINDING_EMPTY", said(self.report(assignment, *period), &es, &en)).at(facts)
            }
            Finding::PlanVersion { acts_from, position } => {
                let from = words::at(&self.view.zone, *acts_from);
                step(
                    "FINDING_PLAN_VERSION",
                    Both::new(
                        format!("Se juzga por el plan que rige desde {}.", from.es),
                        format!("It is judged by the plan that acts from {}.", from.en.trim_start_matches("on ")),
                    ),
                )
                .at(std::slice::from_ref(position))
            }
            Finding::BothRoles { institution, facts, .. } => {
                let who = self.view.institution(institution);
                step(
                    "FINDING_BOTH_ROLES",
                    Both::new(
                        format!("{who} es a la vez responsable y corresponsable de la acción, como tras una fusión."),
                        format!("{who} both leads the action and is co-responsible for it, as after a merger."),
                    ),
                )
                .at(facts)
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
            let mut step = step(
                "FINDING_NO_EVIDENCE",
                Both::new(
                    "Se dice que el instrumento avanza o existe, y ningún reporte trae un medio de verificación.",
                    "The instrument is said to progress or to exist, and no report brings evidence.",
                ),
            );
            step.positions = claimed.iter().map(|content| format!("reporting:{}", content.position)).collect();
            steps.push(step);
        }
        for found in findings {
            let Finding::Received { assignment, period, .. } = found else {
                continue;
            };
            let Some(content) = self.view.contents(assignment, *period).last() else {
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
                let (named, report, lacks) = (self.indicator(indicator), self.report(assignment, *period), words::list(&lacking));
                let mut step = step(
                    "FINDING_NO_BREAKDOWN",
                    Both::new(
                        format!(
                            "{} da un valor de {} sin la desagregación que pide el plan: {}.",
                            report.es, named.es, lacks.es
                        ),
                        format!(
                            "{} gives a value of {} without the breakdown that the plan asks for: {}.",
                            report.en, named.en, lacks.en
                        ),
                    ),
                )
                .values(&given.join(", "), &asked.unwrap_or_default().join(", "));
                step.positions = vec![format!("reporting:{}", content.position)];
                steps.push(step);
            }
        }
        steps
    }

    /// What a reader should know of the last report sent for an obligation: evidence that never came, and a review by
    /// somebody of the very institution.
    fn of_evidence_and_review(&self, assignment: &AssignmentId, period: Period) -> Vec<Explanation> {
        let mut steps = Vec::new();
        let sent = self.view.contents(assignment, period);
        let Some(content) = sent.last() else { return steps };
        let report = self.report(assignment, period);
        let count = self.view.never_came(content).len();
        if count > 0 {
            let (es, en) = match count {
                1 => (
                    "nombra un medio de verificación cuyo archivo no llegó en las 24 horas siguientes".to_owned(),
                    "names evidence whose file did not come within 24 hours".to_owned(),
                ),
                _ => (
                    format!("nombra {count} medios de verificación cuyos archivos no llegaron en las 24 horas siguientes"),
                    format!("names {count} pieces of evidence whose files did not come within 24 hours"),
                ),
            };
            let mut step = step("FINDING_EVIDENCE_NEVER_CAME", said(report.clone(), &es, &en));
            step.positions = vec![format!("reporting:{}", content.position)];
            steps.push(step);
        }
        let own = self.view.own_reviews(assignment, period, content.version);
        if !own.is_empty() {
            let mut step = step(
                "FINDING_OWN_REVIEW",
                said(
                    report,
                    "fue revisado por alguien que actúa por la misma institución",
                    "was reviewed by somebody who acts for the very institution",
                ),
            );
            step.positions = own.iter().map(|review| format!("reporting:{}", review.position)).collect();
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
        let (es, en) = match share {
            Some(share) => (
                format!("{es} Cumplimiento estricto: {}.", share.es),
                format!("{en} Strict achievement: {}.", share.en),
            ),
            None => (es.to_owned(), en.to_owned()),
        };
        step(&format!("ACTION_RULE_{rule}"), Both::new(es, en)).values(&observed, &required)
    }

    /// The reasons of an obligation's verdict, in order: why it is owed, until when, what came, how it stands.
    pub(crate) fn obligation_reasons(&self, owed: &Obligation) -> Vec<Explanation> {
        let (view, zone) = (self.view, &self.view.zone);
        let (who, when) = (view.who(&owed.assignment), words::of_period(owed.period));
        let accepted = view.facts.facts.accepted_by(&owed.assignment, view.t);
        let (role_es, role_en) = role(owed.role);
        let (day, title) = (words::day(owed.reference_day), view.action_title(self.action));
        let mut facts = vec![owed.plan_version, owed.assigned];
        facts.extend(accepted.map(|entry| entry.position).filter(|position| *position != owed.assigned));
        let mut steps = vec![
            step(
                "OBLIGATION_OWED",
                Both::new(
                    format!(
                        "{who} debe el reporte {}: era {role_es} de la acción «{title}» el {}.",
                        when.es, day.es
                    ),
                    format!(
                        "{who} owes the report {}: it was {role_en} of the action \"{title}\" on {}.",
                        when.en, day.en
                    ),
                ),
            )
            .at(&facts),
        ];
        let due = words::due(zone, owed.calendar_due_at);
        steps.push(
            step(
                "OBLIGATION_DUE",
                Both::new(
                    format!("Según el calendario del plan vence {}.", due.es),
                    format!("By the plan's calendar it is due {}.", due.en),
                ),
            )
            .values(&"", &owed.calendar_due_at)
            .at(&[owed.plan_version]),
        );
        if !owed.extended_by.is_empty() {
            let due = words::due(zone, owed.due_at);
            steps.push(
                step(
                    "OBLIGATION_EXTENDED",
                    Both::new(
                        format!("Tiene prórroga: vence {}.", due.es),
                        format!("It has an extension: it is due {}.", due.en),
                    ),
                )
                .values(&"", &owed.due_at)
                .at(&owed.extended_by),
            );
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
        let received = owed.received_at.map(|at| words::at(zone, at));
        let sent = |es: &str, en: &str| match &received {
            Some(at) => Both::new(
                format!("Se recibió {} (versión {}){es}", at.es, owed.version.unwrap_or(0)),
                format!("It was received {} (version {}){en}", at.en, owed.version.unwrap_or(0)),
            ),
            None => Both::new(format!("No se ha recibido{es}"), format!("It has not been received{en}")),
        };
        let (time_es, time_en) = timeliness(owed.timeliness);
        let answer = owed.answer_due_at.map_or_else(|| Both::same(""), |at| words::due(zone, at));
        let text = match owed.state {
            ObligationState::NotOpen => sent(": el período no ha terminado.", ": the period has not ended."),
            ObligationState::Open => sent(" y el plazo está abierto.", " and the time for it runs."),
            ObligationState::Overdue => sent(" y está vencido.", " and it is overdue."),
            ObligationState::Submitted => sent(
                &format!(", {time_es}; espera revisión."),
                &format!(", {time_en}; it waits for review."),
            ),
            ObligationState::Validated => sent(
                &format!(", {time_es}, y fue validado."),
                &format!(", {time_en}, and was validated."),
            ),
            ObligationState::Returned => sent(
                &format!(" y se devolvió con observaciones; la respuesta vence {}.", answer.es),
                &format!(" and was returned with observations; the answer is due {}.", answer.en),
            ),
            ObligationState::ReturnedOverdue => sent(
                &format!(" y se devolvió con observaciones; la respuesta vencía {} y no llegó.", answer.es),
                &format!(
                    " and was returned with observations; the answer was due {} and did not come.",
                    answer.en
                ),
            ),
            ObligationState::Waived => Both::new("Fue dispensado: no se debe.", "It was waived: it is not owed."),
        };
        let observed = owed.received_at.map(|at| at.to_string()).unwrap_or_default();
        let required = owed.answer_due_at.unwrap_or(owed.due_at);
        let state = crate::answers::obligation_state(owed.state);
        step(&format!("OBLIGATION_{state}"), text)
            .values(&observed, &required)
            .at(&owed.facts)
    }
}

/// A sentence about a report.
fn said(report: Both, es: &str, en: &str) -> Both {
    Both::new(format!("{} {es}.", report.es), format!("{} {en}.", report.en))
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
