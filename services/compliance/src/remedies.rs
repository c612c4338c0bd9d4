//! Says in words what would make a verdict comply: what, and by when.

use vigia_platform::timestamp;
use vigia_proto::compliance::Remedy as Wire;
use vigia_rules::{Direction, Exact, Obligation, ObligationState, Remedy};

use crate::{
    explain::{Named, at_least_or_most},
    words::{self, Both},
};

impl Named<'_> {
    /// One step of what would make an action comply.
    pub(crate) fn remedy(&self, remedy: &Remedy) -> Wire {
        let view = self.view;
        let report = |verb: Both, assignment: &vigia_rules::AssignmentId, period: vigia_rules::Period, by: Option<jiff::Timestamp>| {
            let (who, of) = (view.who(assignment), words::of_period(period));
            let until = by.map_or_else(
                || Both::new("cuanto antes, pues ya venció", "at once, since it is overdue"),
                |by| {
                    let due = words::due(&view.zone, by);
                    let es = due.es.replacen("al terminar el", "hasta el", 1);
                    Both::new(es, due.en.replacen("at the end of", "by the end of", 1))
                },
            );
            Wire {
                text_es: format!("que {who} {} {}, {}", verb.es, of.es, until.es),
                text_en: format!("{who} {} {}, {}", verb.en, of.en, until.en),
                by: by.map(timestamp),
                assignment: format!("plans/{}/assignments/{assignment}", view.plan),
                period: period.to_string(),
                ..Wire::default()
            }
        };
        match remedy {
            Remedy::AcceptLead {
                assignment: Some(assignment),
            } => {
                let who = view.who(assignment);
                Wire {
                    text_es: format!("que {who} acepte ser responsable de la acción"),
                    text_en: format!("{who} accepts to lead the action"),
                    assignment: format!("plans/{}/assignments/{assignment}", view.plan),
                    ..Wire::default()
                }
            }
            Remedy::AcceptLead { assignment: None } => Wire {
                text_es: "que se asigne la acción a una institución y esta acepte ser responsable".to_owned(),
                text_en: "the action is assigned to an institution, which accepts to lead it".to_owned(),
                ..Wire::default()
            },
            Remedy::Submit { assignment, period, by } => {
                report(Both::new("presente el reporte", "sends the report"), assignment, *period, *by)
            }
            Remedy::Answer { assignment, period, by } => {
                let verb = Both::new("responda las observaciones al reporte", "answers the observations on the report");
                report(verb, assignment, *period, *by)
            }
            Remedy::Reach {
                indicator,
                direction,
                period,
                from,
                value,
            } => {
                let (es, en) = at_least_or_most(*direction);
                let whole = self.whole(indicator, *direction, value);
                let (named, when, wanted) = (self.indicator(indicator), words::at_end_of(*period), self.value(indicator, &whole));
                let (is_es, is_en) = match from {
                    Some(from) => {
                        let now = self.value(indicator, from);
                        (format!(" (sin ello, {})", now.es), format!(" (without it, {})", now.en))
                    }
                    None => (
                        " (sin ello no tiene valor)".to_owned(),
                        " (without it there is no value)".to_owned(),
                    ),
                };
                Wire {
                    text_es: format!(
                        "que con ello el indicador {} llegue a {es} {} {}{is_es}",
                        named.es, wanted.es, when.es
                    ),
                    text_en: format!("indicator {} thereby reaches {en} {} {}{is_en}", named.en, wanted.en, when.en),
                    period: period.to_string(),
                    indicator: indicator.to_string(),
                    value: value.to_string(),
                    ..Wire::default()
                }
            }
            Remedy::Finish { milestone, period } => {
                let named = self.milestone(milestone);
                Wire {
                    text_es: format!("que se cumpla el hito {} y el reporte lo diga", named.es),
                    text_en: format!("milestone {} is done and the report says so", named.en),
                    period: period.to_string(),
                    milestone: milestone.to_string(),
                    ..Wire::default()
                }
            }
            Remedy::Revise => Wire {
                text_es: "que una revisión del plan le dé más plazo: con lo que aún se puede reportar ya no llega a la meta".to_owned(),
                text_en: "a revision of the plan gives it more time: with what can still be reported it no longer reaches its target"
                    .to_owned(),
                ..Wire::default()
            },
        }
    }

    /// Things are counted in wholes: the next whole number that is enough.
    fn whole(&self, indicator: &vigia_rules::IndicatorId, direction: Direction, value: &Exact) -> Exact {
        let is_count = self
            .view
            .indicator(self.action, indicator)
            .is_some_and(|indicator| indicator.unit == "count");
        let Some(below) = value.floor().filter(|_| is_count) else {
            return value.clone();
        };
        let up = matches!(direction, Direction::Increase | Direction::AtLeast) && Exact::from_int(below) < *value;
        Exact::from_int(below.saturating_add(i64::from(up)))
    }

    /// What would make an obligation comply; none where it does, or where nothing can be sent yet.
    pub(crate) fn obligation_remedy(&self, owed: &Obligation) -> Option<Wire> {
        let (assignment, period) = (owed.assignment.clone(), owed.period);
        let by = |at: jiff::Timestamp| Some(at).filter(|&at| at > self.view.t);
        let remedy = match owed.state {
            ObligationState::Open | ObligationState::Overdue => Remedy::Submit {
                assignment,
                period,
                by: by(owed.due_at),
            },
            ObligationState::Returned | ObligationState::ReturnedOverdue => Remedy::Answer {
                assignment,
                period,
                by: by(owed.answer_due_at.unwrap_or(owed.due_at)),
            },
            _ => return None,
        };
        Some(self.remedy(&remedy))
    }
}
