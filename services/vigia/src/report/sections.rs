//! From what was gathered to what is said, section by section, in one language.

mod differences;
mod index;
mod late;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, tz::TimeZone};
use vigia_proto::{
    assignments::ContactPoint,
    plans::{Action, Indicator},
    types::Provenance,
};

use super::{
    delicate,
    document::{Document, Section},
    gather::Materials,
};
use crate::{commands::shortened, lang::Lang, output};

/// Characters of an action's text in a table.
const TEXT_SHOWN: usize = 160;

/// The report.
pub fn document(materials: &Materials, lang: Lang) -> Document {
    let writer = Writer::new(materials, lang);
    let mut sections = vec![
        writer.summary(),
        writer.over_time(),
        writer.axes(),
        writer.institutions(),
        writer.late(),
    ];
    sections.extend(materials.comparison.as_ref().map(|comparison| writer.differences(comparison)));
    sections.extend(writer.assessments());
    sections.extend([writer.actions(), writer.coverage(), writer.how_to_read()]);
    Document {
        lang,
        title: writer.title(),
        head: writer.head(),
        warnings: writer.warnings(),
        sections,
    }
}

struct Writer<'m> {
    materials: &'m Materials,
    lang: Lang,
    /// Actions that count few people in a small place, as resource names.
    few: BTreeSet<&'m str>,
}

/// An instant in the plan's time.
pub fn local(zone: &TimeZone, at: Option<Timestamp>) -> String {
    at.map_or_else(|| "—".to_owned(), |at| zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string())
}

/// An office, as one line.
pub fn contact_line(contact: &ContactPoint) -> String {
    let parts = [&contact.office, &contact.email, &contact.phone];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .cloned()
        .collect::<Vec<_>>()
        .join(" · ")
}

impl<'m> Writer<'m> {
    fn new(materials: &'m Materials, lang: Lang) -> Self {
        let mut indicators: BTreeMap<&str, Vec<&Indicator>> = BTreeMap::new();
        for indicator in &materials.indicators {
            let action = indicator.name.split("/indicators/").next().unwrap_or_default();
            indicators.entry(action).or_default().push(indicator);
        }
        let of = |action: &Action| indicators.get(action.name.as_str()).map(Vec::as_slice).unwrap_or_default();
        let few = materials.actions.values().filter(|action| delicate::counts_few(action, of(action)));
        Self {
            materials,
            lang,
            few: few.map(|action| action.name.as_str()).collect(),
        }
    }

    fn say<'a>(&self, es: &'a str, en: &'a str) -> &'a str {
        self.lang.say(es, en)
    }

    /// A share as people write it: `91,3 %`; a dash where there is none.
    fn percent(&self, index: &str) -> String {
        let text = output::percent(index);
        if self.lang == Lang::Es { text.replace('.', ",") } else { text }
    }

    fn local(&self, at: Option<Timestamp>) -> String {
        local(&self.materials.zone, at)
    }

    fn readings(&self) -> [&'static str; 3] {
        [
            self.lang.say("estricta", "strict"),
            self.lang.say("observada", "observed"),
            self.lang.say("validada", "validated"),
        ]
    }

    fn title(&self) -> String {
        let plan = &self.materials.plan;
        let board = self
            .materials
            .board()
            .map(|card| card.title_es.as_str())
            .filter(|title| !title.is_empty());
        let title = self.lang.text(board.unwrap_or(&plan.title_es), &plan.title_en);
        let title = if title.is_empty() { &plan.name } else { title };
        format!("{}: {title}", self.say("Informe de cumplimiento", "Compliance report"))
    }

    fn head(&self) -> Vec<(String, String)> {
        let (plan, basis) = (&self.materials.plan, &self.materials.basis);
        let governing = format!("institutions/{}", plan.governing_institution.trim_start_matches("institutions/"));
        let governing = self
            .materials
            .institutions
            .get(&governing)
            .map_or("—", |institution| institution.name_es.as_str());
        let as_of = format!("{} ({})", self.local(Some(self.materials.as_of)), plan.time_zone);
        let pairs = [
            (self.say("Al", "As of"), as_of),
            (
                self.say("Período del plan", "Period of the plan"),
                format!("{} – {}", plan.start, plan.end),
            ),
            (
                self.say("Ente rector (según el plan)", "Governing body (by the plan)"),
                governing.to_owned(),
            ),
            (self.say("Bitácoras", "Journals"), basis.positions.join(", ")),
            (self.say("Reglas", "Rules"), basis.rules.to_string()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.materials.basis.simulated {
            warnings.push(self.say(
                "SIMULADO: los reportes y las revisiones de este informe son inventados; nada de esto dice algo sobre una conducta real.",
                "SIMULATED: reports and reviews in this report are made up; none of it says anything about real conduct.",
            ).to_owned());
        }
        let actions = self.materials.actions.values();
        let made_up = actions.filter(|action| is_made_up(action.provenance.as_ref())).count();
        let indicators = self
            .materials
            .indicators
            .iter()
            .filter(|indicator| is_made_up(indicator.provenance.as_ref()))
            .count();
        if made_up + indicators > 0 {
            let (all, measured) = (self.materials.actions.len(), self.materials.indicators.len());
            warnings.push(self.lang.say(
                &format!("ILUSTRATIVO: {made_up} de {all} acciones y {indicators} de {measured} indicadores son ejemplos plausibles, no deberes ni metas oficiales."),
                &format!("ILLUSTRATIVE: {made_up} of {all} actions and {indicators} of {measured} indicators are plausible examples, no official duties or targets."),
            ).to_owned());
        }
        warnings
    }

    /// `P1.3 · Formar promotoras`.
    fn action_label(&self, name: &str, text_es: &str) -> String {
        let action = self.materials.actions.get(name);
        let code = action.map_or_else(|| name.rsplit('/').next().unwrap_or_default(), |action| &action.code);
        let text = self.lang.text(text_es, action.map_or("", |action| &action.gloss_en));
        format!("{code} · {}", shortened(text, TEXT_SHOWN))
    }

    fn how_to_read(&self) -> Section {
        let texts = [
            self.say(
                "El índice es la media ponderada de lo alcanzado frente a lo esperado. Estricta: lo no reportado vale cero. Observada: solo lo reportado. Validada: solo lo que el ente rector validó. Las tres van juntas, porque ninguna sola dice la verdad.",
                "The index is the weighted mean of what was reached against what was expected. Strict: what is not reported counts as zero. Observed: only what is reported. Validated: only what the governing body has validated. The three stand together, because none alone tells the truth.",
            ),
            self.say(
                "Todo se calculó de lo registrado hasta el instante del corte, con el plan como regía entonces; la misma pregunta por el mismo instante tiene siempre la misma respuesta. Códigos y fuentes del plan, y el punto focal, son los de hoy.",
                "All was computed from what was recorded by the instant named above, under the plan as it was then; the same question for the same instant always has the same answer. Codes and sources of the plan, and focal points, are those of today.",
            ),
            self.say(
                "Ningún valor reportado ni relato aparece aquí. Lo que deje ver cuentas pequeñas en un cantón dice «reservada»: podría señalar a personas.",
                "No reported value and no narrative stands here. What would show small counts in a canton says \"withheld\": it could point to people.",
            ),
        ];
        Section {
            title: self.say("Cómo leerlo", "How to read it").to_owned(),
            text: texts.map(str::to_owned).into(),
            ..Section::default()
        }
    }
}

fn is_made_up(from: Option<&Provenance>) -> bool {
    from.is_some_and(|from| from.illustrative)
}
