//! Who is late, and the verdict on each action.

use super::{
    super::{
        document::{Section, Table},
        gather::{Late, late},
    },
    Writer, contact_line,
};
use crate::{output, voices::grades::Scale};

/// Rows of the late list that are shown; beside it stands how many there are.
const LATE_SHOWN: usize = 1_000;

impl Writer<'_> {
    pub(super) fn late(&self) -> Section {
        let late = late(self.materials);
        let reports: usize = late.iter().map(|late| late.owed.len()).sum();
        let told = self
            .lang
            .say(
                &format!(
                    "Reportes vencidos, o devueltos y sin respuesta: {reports}, en {} filas de institución y acción; primero lo más antiguo.",
                    late.len()
                ),
                &format!(
                    "Reports overdue, or returned and not answered: {reports}, in {} rows of institution and action; the oldest first.",
                    late.len()
                ),
            )
            .to_owned();
        let more = late.len().saturating_sub(LATE_SHOWN);
        let mut text = vec![told];
        if more > 0 {
            text.push(format!(
                "{} {more} {}",
                self.say("No se muestran", "Not shown:"),
                self.say("más.", "more.")
            ));
        }
        let rows = late.iter().take(LATE_SHOWN).map(|late| self.late_row(late));
        let table = Table::new(
            self.say("A quién llamar, y por qué", "Whom to call, and about what"),
            &[
                self.say("desde", "since"),
                self.say("institución", "institution"),
                self.say("punto focal", "focal point"),
                self.say("acción", "action"),
                self.say("períodos", "periods"),
            ],
        );
        Section {
            title: self.say("Quién está en mora", "Who is late").to_owned(),
            text,
            tables: vec![table.with(rows)],
            ..Section::default()
        }
    }

    fn late_row(&self, late: &Late<'_>) -> Vec<String> {
        let who = match late.successor {
            Some(successor) => format!("{} ({}: {})", late.title, self.say("hoy", "now"), successor.name_es),
            None => late.title.to_owned(),
        };
        let periods = late.owed.iter().map(|owed| {
            let word = output::obligation_word(&owed.obligation_state, self.lang);
            if owed.obligation_state == "OVERDUE" {
                owed.period.clone()
            } else {
                format!("{} ({word})", owed.period)
            }
        });
        vec![
            self.local(late.since),
            who,
            self.materials
                .contact(late)
                .map_or_else(|| self.say("sin registrar", "none on record").to_owned(), contact_line),
            self.action_label(late.action, late.text),
            periods.collect::<Vec<_>>().join(", "),
        ]
    }

    /// What others conclude, beside the official verdict, what differs most first; none where nobody has said anything.
    pub(super) fn assessments(&self) -> Option<Section> {
        let mut beside: Vec<_> = self.materials.assessments.iter().collect();
        if beside.is_empty() {
            return None;
        }
        beside.sort_by_key(|one| std::cmp::Reverse(one.difference.map(i32::abs)));
        let rows = beside.iter().map(|one| {
            let assessed = one.assessment.clone().unwrap_or_default();
            let verdict = one.verdict.clone().unwrap_or_default();
            let assessor = self.materials.institutions.get(&assessed.assessor);
            let assessor = assessor.map_or(assessed.assessor.as_str(), |institution| &institution.name_es);
            let own = if one.own_action {
                self.say(" (juez y parte)", " (its own action)")
            } else {
                ""
            };
            vec![
                self.action_label(&assessed.action, &verdict.title_es),
                format!("{assessor}{own}"),
                Scale::Completion.say(&assessed.completion, self.lang),
                Scale::EarlyResults.say(&assessed.early_results, self.lang),
                output::state_word_in(verdict.action_state().as_str_name(), self.lang).to_owned(),
                one.difference
                    .map_or_else(|| "—".to_owned(), |difference| format!("{difference:+}")),
                assessed.provenance.unwrap_or_default().source,
            ]
        });
        let table = Table::new(
            self.say(
                "Lado a lado; la diferencia, en grados de cumplimiento",
                "Side by side; the difference, in grades of completion",
            ),
            &[
                self.say("acción", "action"),
                self.say("evalúa", "assessor"),
                self.say("cumplimiento", "completion"),
                self.say("resultados tempranos", "early results"),
                self.say("dictamen oficial", "official verdict"),
                self.say("#diferencia", "#difference"),
                self.say("fuente", "source"),
            ],
        );
        Some(Section {
            title: self.say("Evaluación independiente", "Independent assessment").to_owned(),
            text: vec![
                self.say(
                    "El dictamen oficial y el juicio independiente se miran juntos; ninguno corrige al otro.",
                    "The official verdict and the independent judgement are read together; neither corrects the other.",
                )
                .to_owned(),
            ],
            tables: vec![table.with(rows)],
            ..Section::default()
        })
    }

    /// Only the verdict, which is a band: an action's reading can show how many people it reached.
    pub(super) fn actions(&self) -> Section {
        let rows = self.materials.verdicts.iter().map(|verdict| {
            let leads = if verdict.institution_titles_es.is_empty() {
                self.say("nadie", "nobody").to_owned()
            } else {
                verdict.institution_titles_es.join("; ")
            };
            let word = output::state_word_in(verdict.action_state().as_str_name(), self.lang).to_owned();
            vec![
                self.action_label(&verdict.name, &verdict.title_es),
                word,
                verdict.period.clone(),
                leads,
            ]
        });
        let table = Table::new(
            self.say("Dictamen de cada acción", "Verdict on each action"),
            &[
                self.say("acción", "action"),
                self.say("dictamen", "verdict"),
                self.say("período", "period"),
                self.say("responde", "answers"),
            ],
        );
        Section {
            title: self.say("Acciones", "Actions").to_owned(),
            tables: vec![table.with(rows)],
            ..Section::default()
        }
    }
}
