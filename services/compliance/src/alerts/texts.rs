//! What is said: in the contract's answers and in messages. It names institutions, actions by their codes, and days; no
//! narrative, no value, nobody.

use vigia_rules::{
    ActionId, AssignmentId,
    alert::{Alert, AlertRule, Subject},
};

use super::board::Raised;
use crate::{
    view::View,
    words::{self, Both},
};

/// Alerts that a message says one by one; of the others it says how many they are.
const LINES_MAX: usize = 50;

/// An alert in a sentence.
pub(crate) fn said(view: &View<'_>, alert: &Alert) -> Both {
    let of = subject(view, &alert.subject);
    let due = words::due(&view.zone, alert.due_at);
    let since = words::at(&view.zone, alert.due_at);
    let n = alert.threshold;
    let said = |es: String, en: String| Both::new(format!("{}: {es}.", of.es), format!("{}: {en}.", of.en));
    let clock = |es: &str, en: &str| {
        let (when_es, when_en) = match n {
            ..0 => (format!("vence {}", due.es), format!("is due {}", due.en)),
            0 => (format!("vence hoy, {}", due.es), format!("is due today, {}", due.en)),
            1 => (
                format!("está atrasado; vencía {}", due.es),
                format!("is overdue; it was due {}", due.en),
            ),
            _ => (
                format!("lleva {n} días de atraso o más; vencía {}", due.es),
                format!("is {n} or more days late; it was due {}", due.en),
            ),
        };
        said(format!("{es} {when_es}"), format!("{en} {when_en}"))
    };
    match alert.rule {
        AlertRule::Report => clock("el reporte", "the report"),
        AlertRule::Review => clock("el dictamen de validación", "the review"),
        AlertRule::Answer => clock("el informe de respuesta a las observaciones", "the answer to the observations"),
        AlertRule::Unanswered => said(
            format!("nadie responde a la asignación, propuesta {}", since.es),
            format!("nobody has answered the assignment, proposed {}", since.en),
        ),
        AlertRule::Contested => said(
            format!(
                "la asignación está impugnada {} y espera una decisión",
                since.es.replacen("el ", "desde el ", 1)
            ),
            format!("the assignment was contested {} and waits for a decision", since.en),
        ),
        AlertRule::Unassigned => said("nadie la lidera".into(), "nobody leads it".into()),
        AlertRule::FallingIndex => said(
            format!("su índice cayó {n} puntos o más desde el vencimiento anterior"),
            format!("its index has fallen {n} points or more since the due instant before"),
        ),
        AlertRule::SpendingBehind => said(
            format!("su gasto va {n} puntos o más detrás del año"),
            format!("its spending lies {n} points or more behind the year"),
        ),
        AlertRule::MoneyLate => said(
            format!("en {n} días no se ha gastado nada de su presupuesto del año"),
            format!("in {n} days nothing of its budget of the year was spent"),
        ),
        AlertRule::SilentIndicator => said(
            format!("sin valor en {n} periodos seguidos"),
            format!("without a value for {n} periods in a row"),
        ),
        AlertRule::ReturnedAgain => said(
            format!("el reporte fue devuelto {n} veces o más"),
            format!("the report was returned {n} times or more"),
        ),
        AlertRule::EmptyReports => said(
            format!("{n} reportes seguidos puntuales y vacíos"),
            format!("{n} reports in a row that came in time and say nothing"),
        ),
        AlertRule::NoEvidence => said(
            "se dice que el instrumento existe y ningún medio de verificación lo muestra".into(),
            "the instrument is said to be there and no evidence shows it".into(),
        ),
        AlertRule::NoAddress => said(
            "ningún punto focal tiene dirección de correo".into(),
            "no focal point has an e-mail address".into(),
        ),
    }
}

/// What an alert is about: `Reporte 2026-Q1 de la acción A1, Ministerio de Salud`.
fn subject(view: &View<'_>, subject: &Subject) -> Both {
    match subject {
        Subject::Plan => Both::new("Plan", "Plan"),
        Subject::Institution(id) => Both::same(view.institution(id)),
        Subject::Action(id) => action(view, id),
        Subject::Indicator(id, code) => {
            let action = action(view, id);
            Both::new(
                format!("Indicador {code}, {}", lower(&action.es)),
                format!("Indicator {code}, {}", lower(&action.en)),
            )
        }
        Subject::Assignment(id) => assignment(view, id),
        Subject::Obligation(id, period) => {
            let of = assignment(view, id);
            Both::new(format!("{period}, {}", lower(&of.es)), format!("{period}, {}", lower(&of.en)))
        }
    }
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn action(view: &View<'_>, id: &ActionId) -> Both {
    let code = view.action(id).map(|action| action.code.as_str()).filter(|code| !code.is_empty());
    let code = code.unwrap_or(id.as_str());
    Both::new(format!("Acción {code}"), format!("Action {code}"))
}

fn assignment(view: &View<'_>, id: &AssignmentId) -> Both {
    let who = view.who(id);
    let of = view.frame().assignment(id).map(|made| action(view, &made.action));
    of.map_or_else(
        || Both::same(who.clone()),
        |of| Both::new(format!("{}, {who}", of.es), format!("{}, {who}", of.en)),
    )
}

/// What a plan's alerts say in a message, line by line.
pub(crate) struct Part {
    /// The plan's short title.
    pub(crate) plan: Both,
    /// One line for each alert.
    pub(crate) lines: Vec<Both>,
}

impl Part {
    /// Of a plan; in the order of the alerts.
    pub(crate) fn of(view: &View<'_>, raised: &[&Raised]) -> Self {
        let plan = view.definition.plan.clone().unwrap_or_default();
        let title = |title: &str| {
            if plan.acronym.is_empty() {
                title.to_owned()
            } else {
                plan.acronym.clone()
            }
        };
        Self {
            plan: Both::new(
                title(&plan.title_es),
                title(if plan.title_en.is_empty() { &plan.title_es } else { &plan.title_en }),
            ),
            lines: raised.iter().map(|raised| said(view, &raised.alert)).collect(),
        }
    }
}

/// An e-mail's subject and text: Spanish first, then English. Little is said; the rest is to be looked up.
pub(crate) fn message(institution: &str, parts: &[Part], link: Option<&str>) -> (String, String) {
    let count: usize = parts.iter().map(|part| part.lines.len()).sum();
    let subject = if count == 1 {
        format!("Vigía: 1 aviso para {institution}")
    } else {
        format!("Vigía: {count} avisos para {institution}")
    };
    let lines = |of: fn(&Both) -> &str, more: &str| {
        let (mut text, mut left) = (String::new(), LINES_MAX);
        for part in parts {
            text.push_str(&format!("\n{}\n", of(&part.plan)));
            for line in part.lines.iter().take(left) {
                text.push_str(&format!("- {}\n", of(line)));
            }
            left = left.saturating_sub(part.lines.len());
        }
        if count > LINES_MAX {
            text.push_str(&format!("… {more} {}\n", count - LINES_MAX));
        }
        text
    };
    let (see_es, see_en) = match link {
        Some(link) => (format!("Véalo en {link}"), format!("See it at {link}")),
        None => (
            "Véalo con: vigia obligations".to_owned(),
            "See it with: vigia obligations".to_owned(),
        ),
    };
    let text = format!(
        "Esto necesita a {institution}:\n{}\n{see_es}\nMensaje automático: no lo responda.\n\n--\nThis needs {institution}:\n{}\n{see_en}\nSent by a machine: do not answer.\n",
        lines(|both| &both.es, "y más:"),
        lines(|both| &both.en, "and more:"),
    );
    (subject, text)
}
