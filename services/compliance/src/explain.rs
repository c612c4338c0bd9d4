//! Says in words, Spanish and English, what the rules found. The rules carry values only.

use vigia_proto::compliance::Explanation;
use vigia_rules::{
    ActionState, Direction, Finding, Remedy, Timeliness,
    facts::{Position, Source},
};

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
struct Step {
    rule: &'static str,
    es: String,
    en: String,
    observed: String,
    required: String,
    positions: Vec<String>,
}

impl Step {
    fn new(rule: &'static str, es: String, en: String) -> Self {
        Self {
            rule,
            es,
            en,
            observed: String::new(),
            required: String::new(),
            positions: Vec::new(),
        }
    }

    fn values(mut self, observed: &dyn ToString, required: &dyn ToString) -> Self {
        self.observed = observed.to_string();
        self.required = required.to_string();
        self
    }

    fn at(mut self, facts: &[Position]) -> Self {
        self.positions = facts.iter().copied().map(position).collect();
        self
    }

    fn done(self) -> Explanation {
        let Self {
            rule,
            es,
            en,
            observed,
            required,
            positions,
        } = self;
        Explanation {
            rule: rule.to_owned(),
            text_es: es,
            text_en: en,
            observed,
            required,
            positions,
        }
    }
}

fn at_least_or_most(direction: Direction) -> (&'static str, &'static str) {
    match direction {
        Direction::Increase | Direction::AtLeast => ("al menos", "at least"),
        Direction::Decrease | Direction::AtMost => ("como máximo", "at most"),
    }
}

/// A finding in words.
#[expect(clippy::too_many_lines, reason = "one arm for each finding, to be read side by side")]
pub(crate) fn finding(found: &Finding) -> Explanation {
    match found {
        Finding::NotMeasurable { indicator, .. } => Step::new(
            "FINDING_NOT_MEASURABLE",
            format!("El indicador {indicator} no se puede medir: le falta una meta, una línea base, o la meta no la mejora. No cuenta."),
            format!("Indicator {indicator} can't be measured: a target or a baseline is missing, or the target is not better. It does not count."),
        ),
        Finding::Judged { indicator, period, direction, value, expected, achievement, last_target } => {
            let (es, en) = at_least_or_most(*direction);
            Step::new(
                "FINDING_JUDGED",
                format!("El indicador {indicator} llegó a {value} al cierre de {period}; se esperaba {es} {expected}. Cumplimiento {achievement}; la última meta es {last_target}."),
                format!("Indicator {indicator} was {value} at the end of {period}; {en} {expected} was expected. Achievement {achievement}; the last target is {last_target}."),
            )
            .values(value, expected)
        }
        Finding::NoValue { indicator, period, expected } => {
            let required = expected.as_ref().map(ToString::to_string).unwrap_or_default();
            Step::new(
                "FINDING_NO_VALUE",
                format!("El indicador {indicator} no tiene valor en {period}: en la lectura estricta cuenta cero."),
                format!("Indicator {indicator} has no value at {period}: in the strict reading it counts zero."),
            )
            .values(&"", &required)
        }
        Finding::NotEverybody { indicator, assignment, period } => Step::new(
            "FINDING_NOT_EVERYBODY",
            format!("El indicador {indicator} debe ser bajo y suma a todos: falta el valor de la asignación {assignment} en {period}."),
            format!("Indicator {indicator} should be low and adds everybody up: the value of assignment {assignment} for {period} is missing."),
        ),
        Finding::Fell { indicator, assignment, period, from, to } => Step::new(
            "FINDING_FELL",
            format!("El valor acumulado de {indicator} de la asignación {assignment} baja en {period}: de {from} a {to}."),
            format!("The cumulative value of {indicator} of assignment {assignment} falls in {period}: from {from} to {to}."),
        )
        .values(to, from),
        Finding::Differs { indicator, assignment, period, stated, counted } => Step::new(
            "FINDING_DIFFERS",
            format!("La asignación {assignment} declara {stated} para {indicator} en {period}; cuenta {counted}."),
            format!("Assignment {assignment} states {stated} for {indicator} in {period}; {counted} counts."),
        )
        .values(stated, counted),
        Finding::MilestonesDue { period, due, missing } => {
            let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
            let (es, en) = if missing.is_empty() {
                ("todos cumplidos".to_owned(), "all done".to_owned())
            } else {
                (format!("faltan {}", names.join(", ")), format!("missing: {}", names.join(", ")))
            };
            Step::new(
                "FINDING_MILESTONES_DUE",
                format!("Hasta {period} debían cumplirse {due} hitos: {es}."),
                format!("{due} milestones were due by {period}: {en}."),
            )
            .values(&(due - missing.len().min(*due)), due)
        }
        Finding::Reported { period, received, asked, required_percent } => Step::new(
            "FINDING_REPORTED",
            format!("En {period} se recibieron {received} de {asked} reportes exigibles; el período cuenta como reportado desde el {required_percent} %."),
            format!("For {period} {received} of {asked} reports asked for were received; the period counts as reported from {required_percent} %."),
        )
        .values(received, asked),
        Finding::Received { assignment, period, facts } => Step::new(
            "FINDING_RECEIVED",
            format!("El reporte de {period} de la asignación {assignment} se recibió."),
            format!("The report of assignment {assignment} for {period} was received."),
        )
        .at(facts),
        Finding::Missing { assignment, period, due_at } => Step::new(
            "FINDING_MISSING",
            format!("El reporte de {period} de la asignación {assignment} vencía el {due_at} y no se recibió."),
            format!("The report of assignment {assignment} for {period} was due at {due_at} and was not received."),
        )
        .values(&"", due_at),
        Finding::AnswerOverdue { assignment, period, facts } => Step::new(
            "FINDING_ANSWER_OVERDUE",
            format!("El reporte de {period} de la asignación {assignment} se devolvió y no se respondió a tiempo."),
            format!("The report of assignment {assignment} for {period} was returned and not answered in time."),
        )
        .at(facts),
        Finding::Extended { assignment, period, due_at, facts } => Step::new(
            "FINDING_EXTENDED",
            format!("El reporte de {period} de la asignación {assignment} tiene prórroga hasta {due_at}."),
            format!("The report of assignment {assignment} for {period} is extended until {due_at}."),
        )
        .at(facts),
        Finding::Waived { assignment, period, facts } => Step::new(
            "FINDING_WAIVED",
            format!("El reporte de {period} de la asignación {assignment} fue dispensado."),
            format!("The report of assignment {assignment} for {period} was waived."),
        )
        .at(facts),
        Finding::Empty { assignment, period, facts } => Step::new(
            "FINDING_EMPTY",
            format!("El reporte de {period} de la asignación {assignment} no trae valores ni hitos ni dice que no hay novedad."),
            format!("The report of assignment {assignment} for {period} has neither values nor milestones nor says that there is nothing to report."),
        )
        .at(facts),
        Finding::PlanVersion { acts_from, position } => Step::new(
            "FINDING_PLAN_VERSION",
            format!("Se juzga por el plan que rige desde {acts_from}."),
            format!("It is judged by the plan that acts from {acts_from}."),
        )
        .at(std::slice::from_ref(position)),
    }
    .done()
}

/// What would make an action comply, in Spanish and English.
pub(crate) fn remedy(remedy: &Remedy) -> (String, String) {
    match remedy {
        Remedy::AcceptLead => (
            "que una institución acepte la responsabilidad".into(),
            "an institution accepts to lead".into(),
        ),
        Remedy::Submit { assignment, period } => (
            format!("que la asignación {assignment} presente el reporte de {period}"),
            format!("assignment {assignment} sends the report for {period}"),
        ),
        Remedy::Answer { assignment, period } => (
            format!("que la asignación {assignment} responda las observaciones de {period}"),
            format!("assignment {assignment} answers the observations on {period}"),
        ),
        Remedy::Reach {
            indicator,
            direction,
            value,
        } => {
            let (es, en) = at_least_or_most(*direction);
            (
                format!("que el indicador {indicator} llegue a {es} {value}"),
                format!("indicator {indicator} reaches {en} {value}"),
            )
        }
        Remedy::Finish { milestone } => (
            format!("que se cumpla el hito {milestone}"),
            format!("milestone {milestone} is done"),
        ),
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
        Timeliness::OnTime => ("a tiempo", "on time"),
        Timeliness::Late => ("tarde", "late"),
        Timeliness::Missing => ("no recibido", "missing"),
        Timeliness::NotApplicable => ("no aplica", "not applicable"),
    }
}
