//! A verdict as a page that can go into a letter: who answers for what, how it stands, why, and what would make it
//! comply. Wrapped, numbered, without colours.

use jiff::tz::TimeZone;
use vigia_platform::instant;
use vigia_proto::{
    compliance::{Basis, Verdict},
    plans::Plan,
};

use crate::{lang::Lang, output};

/// Characters of a line at most.
const WIDTH: usize = 80;

/// The page.
pub fn page(plan: &Plan, verdict: &Verdict, basis: &Basis, zone: &TimeZone, lang: Lang) -> String {
    let say = |es: &'static str, en: &'static str| if lang == Lang::Es { es } else { en };
    let text = |es: &str, en: &str| if lang == Lang::Es { es.to_owned() } else { en.to_owned() };
    let is_obligation = !verdict.obligation_state.is_empty();
    let mut lines = vec![say("DICTAMEN DE CUMPLIMIENTO", "COMPLIANCE VERDICT").to_owned(), String::new()];
    let as_of = basis.as_of.as_ref().and_then(instant);
    let as_of = as_of.map(|as_of| format!("{} ({})", zone.to_datetime(as_of).strftime("%Y-%m-%d %H:%M"), plan.time_zone));
    let leads = if verdict.institution_titles_es.is_empty() {
        say("nadie", "nobody").to_owned()
    } else {
        verdict.institution_titles_es.join("; ")
    };
    let title = if plan.title_es.is_empty() { &plan.name } else { &plan.title_es };
    let mut heads = vec![
        (say("Plan", "Plan"), title.clone()),
        (say("Acción", "Action"), format!("{} ({})", verdict.title_es, verdict.action)),
        (say("Responde", "Answers"), leads),
    ];
    if is_obligation {
        heads.push((say("Reporte", "Report"), verdict.period.clone()));
    }
    heads.push((say("Al", "As of"), as_of.unwrap_or_default()));
    let state = if is_obligation {
        output::obligation_word(&verdict.obligation_state, lang).to_owned()
    } else {
        output::state_word_in(verdict.action_state().as_str_name(), lang).to_owned()
    };
    let since = verdict.since_time.as_ref().and_then(instant);
    let since = since.map(|since| {
        format!(
            " ({} {})",
            say("desde el", "since"),
            zone.to_datetime(since).strftime("%Y-%m-%d %H:%M")
        )
    });
    heads.push((say("Dictamen", "Verdict"), state.to_uppercase() + &since.unwrap_or_default()));
    if !is_obligation {
        let readings = [
            (say("estricta", "strict"), &verdict.strict),
            (say("observada", "observed"), &verdict.observed),
            (say("validada", "validated"), &verdict.validated),
        ];
        let readings = readings.map(|(name, reading)| format!("{name} {}", output::percent(reading)));
        heads.push((say("Lecturas", "Readings"), readings.join(" · ")));
    }
    for (name, value) in heads {
        lines.extend(wrapped(&format!("{name:<10}"), &value));
    }
    lines.extend([String::new(), say("Por qué", "Why").to_owned()]);
    for (number, step) in verdict.explanation.iter().enumerate() {
        let positions = if step.positions.is_empty() {
            String::new()
        } else {
            format!(" [{}]", step.positions.join(", "))
        };
        let said = text(&step.text_es, &step.text_en) + &positions;
        lines.extend(wrapped(&format!("{:>3}. ", number + 1), &said));
    }
    if !verdict.remedies.is_empty() {
        lines.extend([String::new(), say("Para cumplir hace falta", "To comply, it takes that").to_owned()]);
        for remedy in &verdict.remedies {
            let said = text(&remedy.text_es, &remedy.text_en);
            lines.extend(wrapped("  – ", &format!("{};", said.trim_end_matches('.'))));
        }
        if let Some(last) = lines.last_mut() {
            *last = format!("{}.", last.trim_end_matches(';'));
        }
    }
    lines.push(String::new());
    let stands = format!(
        "{} {} {} {}. {}",
        say("Calculado con las reglas", "Computed by the rules"),
        basis.rules,
        say("sobre las bitácoras", "from the journals"),
        basis.positions.join(", "),
        say(
            "La misma pregunta para el mismo instante tiene siempre la misma respuesta.",
            "The same question for the same instant always has the same answer.",
        )
    );
    lines.extend(wrapped("", &stands));
    if basis.simulated {
        lines.extend(wrapped(
            "",
            say(
                "SIMULADO: nada de esto dice algo sobre una conducta real.",
                "SIMULATED: none of this says anything about real conduct.",
            ),
        ));
    }
    lines.join("\n")
}

/// Words on lines of at most [`WIDTH`] characters, behind a mark, further lines indented as far.
fn wrapped(mark: &str, text: &str) -> Vec<String> {
    let indent = " ".repeat(mark.chars().count());
    let mut lines = Vec::new();
    let mut line = mark.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push(line.trim_end().to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_no_longer_than_a_page_is_wide() {
        let lines = wrapped("  1. ", &"palabra ".repeat(30));
        assert!(
            lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= WIDTH),
            "{lines:?}"
        );
        assert!(
            lines[0].starts_with("  1. palabra") && lines[1].starts_with("     palabra"),
            "{lines:?}"
        );
        assert_eq!(wrapped("", ""), [""]);
        // A word that is longer than a line stands on one of its own.
        assert_eq!(wrapped("", &"x".repeat(100)), ["x".repeat(100)]);
    }
}
