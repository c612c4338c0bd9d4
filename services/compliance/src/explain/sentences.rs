//! All sentences in which verdicts are explained, in Spanish and English, side by side. What stands in braces is filled in.

use crate::words::Both;

/// The rule of the step, after a slash which of its cases; the sentence in Spanish and in English.
const SENTENCES: [(&str, &str, &str); 40] = [
    (
        "ACTION_RULE",
        "{state} Cumplimiento estricto: {share}.",
        "{state} Strict achievement: {share}.",
    ),
    ("ACTION_RULE/no_share", "{state}", "{state}"),
    (
        "FINDING_NOT_MEASURABLE",
        "El indicador {indicator} no se puede medir: le falta una meta o una línea base, o la meta no la mejora. No cuenta.",
        "Indicator {indicator} can't be measured: a target or a baseline is missing, or the target is not better. It does not count.",
    ),
    (
        "FINDING_JUDGED",
        "El indicador {indicator} llegó a {value} {when}; se esperaba {bound} {expected}: cumple el {share}. Su última meta es {target}.",
        "Indicator {indicator} was {value} {when}; {bound} {expected} was expected: {share} achieved. Its last target is {target}.",
    ),
    (
        "FINDING_NO_VALUE",
        "El indicador {indicator} no tiene valor {when}: en la lectura estricta cuenta cero.",
        "Indicator {indicator} has no value {when}: in the strict reading it counts zero.",
    ),
    (
        "FINDING_ANSWERED",
        "Del indicador {indicator} respondieron {answered} de {asked} en {when}.",
        "Of indicator {indicator} {answered} of {asked} gave a value in {when}.",
    ),
    (
        "FINDING_NOT_EVERYBODY",
        "El indicador {indicator} debe ser bajo y suma a todos: falta el valor {of} de {who}.",
        "Indicator {indicator} should be low and adds everybody up: the value of {who} {of} is missing.",
    ),
    (
        "FINDING_FELL",
        "El valor acumulado de {indicator} que declara {who} baja en {when}: de {before} a {after}.",
        "The cumulative value of {indicator} stated by {who} falls in {when}: from {before} to {after}.",
    ),
    (
        "FINDING_DIFFERS",
        "Las fuentes no coinciden: {who} declara {theirs} para {indicator} en {when}; cuenta {ours}.",
        "Sources disagree: {who} states {theirs} for {indicator} in {when}; {ours} counts.",
    ),
    (
        "FINDING_MILESTONES_DUE",
        "Hitos exigibles {when}: {due}, cumplidos: {done}; falta {missing}.",
        "Milestones due {when}: {due}, done: {done}; {missing} is missing.",
    ),
    (
        "FINDING_MILESTONES_DUE/all",
        "Hitos exigibles {when}: {due}, cumplidos: {done}; todos están cumplidos.",
        "Milestones due {when}: {due}, done: {done}; all are done.",
    ),
    (
        "FINDING_REPORTED",
        "Período juzgado: {when}. Se recibieron {received} de {asked} reportes exigibles de responsables; cuenta como reportado desde el {required} %.",
        "Period judged: {when}. {received} of {asked} reports asked for of leads were received; it counts as reported from {required} %.",
    ),
    (
        "FINDING_RECEIVED",
        "El reporte {of} de {who} se recibió.",
        "The report of {who} {of} was received.",
    ),
    (
        "FINDING_MISSING",
        "El reporte {of} de {who} vencía {due} y no se recibió.",
        "The report of {who} {of} was due {due} and was not received.",
    ),
    (
        "FINDING_ANSWER_OVERDUE",
        "El reporte {of} de {who} se devolvió con observaciones, que no se respondieron a tiempo.",
        "The report of {who} {of} was returned with observations, which were not answered in time.",
    ),
    (
        "FINDING_EXTENDED",
        "El reporte {of} de {who} tiene prórroga: vence {due}.",
        "The report of {who} {of} has an extension: it is due {due}.",
    ),
    (
        "FINDING_WAIVED",
        "El reporte {of} de {who} fue dispensado.",
        "The report of {who} {of} was waived.",
    ),
    (
        "FINDING_EMPTY",
        "El reporte {of} de {who} llegó vacío: no trae valores ni hitos, ni dice que no hay novedad.",
        "The report of {who} {of} came empty: it has neither values nor milestones, nor says that there is nothing to report.",
    ),
    (
        "FINDING_EMPTY/on_time",
        "El reporte {of} de {who} llegó puntual pero vacío: no trae valores ni hitos, ni dice que no hay novedad.",
        "The report of {who} {of} came in time but empty: it has neither values nor milestones, nor says that there is nothing to report.",
    ),
    (
        "FINDING_PLAN_VERSION",
        "Se juzga por el plan que rige desde {from}.",
        "It is judged by the plan that acts from {from}.",
    ),
    (
        "FINDING_BOTH_ROLES",
        "{who} es a la vez responsable y corresponsable de la acción, como tras una fusión.",
        "{who} both leads the action and is co-responsible for it, as after a merger.",
    ),
    (
        "FINDING_NO_EVIDENCE",
        "Se dice que el instrumento avanza o existe, y ningún reporte trae un medio de verificación.",
        "The instrument is said to progress or to exist, and no report brings evidence.",
    ),
    (
        "FINDING_NO_BREAKDOWN",
        "El reporte {of} de {who} da un valor de {indicator} sin la desagregación que pide el plan: {lacking}.",
        "The report of {who} {of} gives a value of {indicator} without the breakdown that the plan asks for: {lacking}.",
    ),
    (
        "FINDING_EVIDENCE_NEVER_CAME",
        "El reporte {of} de {who} nombra un medio de verificación cuyo archivo no llegó en las 24 horas siguientes.",
        "The report of {who} {of} names evidence whose file did not come within 24 hours.",
    ),
    (
        "FINDING_EVIDENCE_NEVER_CAME/many",
        "El reporte {of} de {who} nombra {count} medios de verificación cuyos archivos no llegaron en las 24 horas siguientes.",
        "The report of {who} {of} names {count} pieces of evidence whose files did not come within 24 hours.",
    ),
    (
        "FINDING_OWN_REVIEW",
        "El reporte {of} de {who} fue revisado por alguien que actúa por la misma institución.",
        "The report of {who} {of} was reviewed by somebody who acts for the very institution.",
    ),
    (
        "OBLIGATION_OWED",
        "{who} debe el reporte {of}: era {role} de la acción «{title}» el {day}.",
        "{who} owes the report {of}: it was {role} of the action \"{title}\" on {day}.",
    ),
    (
        "OBLIGATION_DUE",
        "Según el calendario del plan vence {due}.",
        "By the plan's calendar it is due {due}.",
    ),
    (
        "OBLIGATION_EXTENDED",
        "Tiene prórroga: vence {due}.",
        "It has an extension: it is due {due}.",
    ),
    (
        "OBLIGATION_NOT_OPEN",
        "No se ha recibido: el período no ha terminado.",
        "It has not been received: the period has not ended.",
    ),
    (
        "OBLIGATION_OPEN",
        "No se ha recibido y el plazo está abierto.",
        "It has not been received and the time for it runs.",
    ),
    (
        "OBLIGATION_OVERDUE",
        "No se ha recibido y está vencido.",
        "It has not been received and it is overdue.",
    ),
    (
        "OBLIGATION_SUBMITTED",
        "Se recibió {received} (versión {version}), {time}; espera revisión.",
        "It was received {received} (version {version}), {time}; it waits for review.",
    ),
    (
        "OBLIGATION_VALIDATED",
        "Se recibió {received} (versión {version}), {time}, y fue validado.",
        "It was received {received} (version {version}), {time}, and was validated.",
    ),
    (
        "OBLIGATION_RETURNED",
        "Se recibió {received} (versión {version}) y se devolvió con observaciones; la respuesta vence {answer}.",
        "It was received {received} (version {version}) and was returned with observations; the answer is due {answer}.",
    ),
    (
        "OBLIGATION_RETURNED_OVERDUE",
        "Se recibió {received} (versión {version}) y se devolvió con observaciones; la respuesta vencía {answer} y no llegó.",
        "It was received {received} (version {version}) and was returned with observations; the answer was due {answer} and did not come.",
    ),
    ("OBLIGATION_WAIVED", "Fue dispensado: no se debe.", "It was waived: it is not owed."),
    ("quoted", "«{text}»", "\"{text}\""),
    ("percent", "{number} %", "{number} %"),
    ("days", "{number} días", "{number} days"),
];

/// A sentence with its parts.
pub(super) fn say(key: &str, parts: &[(&str, Both)]) -> Both {
    let found = SENTENCES.iter().find(|(known, ..)| *known == key);
    let (_, es, en) = found.copied().unwrap_or((key, key, key));
    Both::new(filled(es, parts, |both| &both.es), filled(en, parts, |both| &both.en))
}

fn filled(sentence: &str, parts: &[(&str, Both)], language: fn(&Both) -> &str) -> String {
    let mut text = String::new();
    let mut rest = sentence;
    while let Some((before, (name, after))) = rest
        .split_once('{')
        .and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        text += before;
        text += parts
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(name, |(_, part)| language(part));
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn both_languages_say_the_same_of_the_same() {
        let names = |sentence: &'static str| -> BTreeSet<&str> {
            let parts = sentence.split('{').skip(1);
            parts.map(|part| part.split_once('}').expect("a brace that ends").0).collect()
        };
        for (key, es, en) in SENTENCES {
            assert_eq!(names(es), names(en), "{key}");
        }
        let keys: BTreeSet<_> = SENTENCES.iter().map(|(key, ..)| key).collect();
        assert_eq!(keys.len(), SENTENCES.len());
    }

    #[test]
    fn a_sentence_is_filled_in_in_each_language() {
        let parts = [("number", Both::new("1,5", "1.5"))];
        assert_eq!(say("percent", &parts), Both::new("1,5 %", "1.5 %"));
    }
}
