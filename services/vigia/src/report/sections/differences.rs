//! What changed between two instants, and why.

use vigia_platform::instant;
use vigia_proto::compliance::{ActionState, Basis, CompareScorecardsResponse, IndexChange};

use super::{
    super::document::{Section, Table},
    Writer,
};
use crate::{lang::Lang, output};

/// Parts of a difference that are told one by one; the rest is summed.
const CHANGES_SHOWN: usize = 40;

impl Writer<'_> {
    pub(super) fn differences(&self, comparison: &CompareScorecardsResponse) -> Section {
        let at = |basis: &Option<Basis>| basis.as_ref().and_then(|basis| basis.as_of.as_ref()).and_then(instant);
        let (before, after) = (
            comparison.before.clone().unwrap_or_default(),
            comparison.after.clone().unwrap_or_default(),
        );
        let readings = self.readings();
        let row = |name: &str, before: &str, after: &str, difference: &str| {
            vec![
                name.to_owned(),
                self.percent(before),
                self.percent(after),
                self.points(difference.parse().unwrap_or(0.0)),
            ]
        };
        let sums = Table::new(
            self.say("Antes y después", "Before and after"),
            &[
                self.say("lectura", "reading"),
                &format!("#{}", self.local(at(&comparison.basis_before))),
                &format!("#{}", self.local(at(&comparison.basis_after))),
                self.say("#diferencia, en puntos", "#difference, in points"),
            ],
        )
        .with([
            row(readings[0], &before.strict, &after.strict, &comparison.strict),
            row(readings[1], &before.observed, &after.observed, &comparison.observed),
            row(readings[2], &before.validated, &after.validated, &comparison.validated),
        ]);
        let (shown, rest) = self.parts(&comparison.changes);
        let mut rows: Vec<_> = shown.iter().map(|change| self.change_row(change)).collect();
        if !rest.is_empty() {
            let sum = |of: fn(&IndexChange) -> &String| self.points(rest.iter().filter_map(|change| of(change).parse::<f64>().ok()).sum());
            let told = self
                .lang
                .say(
                    &format!("la suma de {} partes menores o reservadas", rest.len()),
                    &format!("the sum of {} parts that are smaller or withheld", rest.len()),
                )
                .to_owned();
            rows.push(vec![
                String::new(),
                told,
                String::new(),
                sum(|change| &change.strict),
                sum(|change| &change.observed),
                sum(|change| &change.validated),
                String::new(),
            ]);
        }
        let parts = Table::new(
            self.say("Qué movió el índice, en puntos", "What moved the index, in points"),
            &[
                self.say("cuándo", "when"),
                self.say("acción", "action"),
                self.say("dictamen", "verdict"),
                &format!("#{}", readings[0]),
                &format!("#{}", readings[1]),
                &format!("#{}", readings[2]),
                self.say("por qué", "why"),
            ],
        )
        .with(rows);
        Section {
            title: self.say("Qué cambió, y por qué", "What changed, and why").to_owned(),
            text: vec![
                self.say(
                    "Las partes suman exactamente la diferencia.",
                    "The parts add up exactly to the difference.",
                )
                .to_owned(),
            ],
            tables: vec![sums, parts],
            ..Section::default()
        }
    }

    /// The parts that are told one by one, in the order of time, and the others. One that counts few is never told, nor
    /// left alone among the others, where the difference would show it.
    fn parts<'c>(&self, changes: &'c [IndexChange]) -> (Vec<&'c IndexChange>, Vec<&'c IndexChange>) {
        let weight = |change: &IndexChange| -> f64 {
            [&change.strict, &change.observed, &change.validated]
                .iter()
                .filter_map(|part| part.parse::<f64>().ok())
                .map(f64::abs)
                .sum()
        };
        let (mut rest, mut shown): (Vec<_>, Vec<_>) = changes.iter().partition(|change| self.few.contains(change.action.as_str()));
        shown.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
        rest.extend(shown.split_off(shown.len().min(CHANGES_SHOWN)));
        if let [only] = rest.as_slice()
            && self.few.contains(only.action.as_str())
        {
            rest.extend(shown.pop());
        }
        shown.sort_by_key(|change| change.time.as_ref().and_then(instant));
        (shown, rest)
    }

    fn change_row(&self, change: &IndexChange) -> Vec<String> {
        let word = |state: ActionState| match state {
            ActionState::Unspecified => "—".to_owned(),
            state => output::state_word_in(state.as_str_name(), self.lang).to_owned(),
        };
        let (before, after) = (word(change.state_before()), word(change.state_after()));
        let verdict = if before == after { after } else { format!("{before} → {after}") };
        let mut row = vec![
            self.local(change.time.as_ref().and_then(instant)),
            self.action_label(&change.action, &change.title_es),
            verdict,
        ];
        row.extend([&change.strict, &change.observed, &change.validated].map(|part| self.points(part.parse().unwrap_or(0.0))));
        let why = self.lang.text(&change.text_es, &change.text_en);
        row.push(match change.positions.as_slice() {
            [] => why.to_owned(),
            positions => format!("{why} [{}]", positions.join(", ")),
        });
        row
    }

    /// A difference of indices in points of percent.
    fn points(&self, difference: f64) -> String {
        let tenths = (difference * 1000.0).round() / 10.0;
        let text = if tenths == 0.0 { "·".to_owned() } else { format!("{tenths:+.1}") };
        if self.lang == Lang::Es { text.replace('.', ",") } else { text }
    }
}
