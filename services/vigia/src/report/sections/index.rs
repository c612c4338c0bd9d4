//! The index: as it stands, over time, by axis and institution, and what it rests on.

use vigia_platform::instant;
use vigia_proto::{
    compliance::{Scorecard, Verdict},
    plans::Action,
};

use super::{
    super::{
        chart::Chart,
        delicate,
        document::{Section, Table},
    },
    Writer,
};
use crate::output;

impl Writer<'_> {
    /// The three readings of a scorecard, each with what it rests on.
    fn index_cells(&self, card: &Scorecard, hidden: bool) -> Vec<String> {
        let cells = [
            &card.strict,
            &card.observed,
            &card.coverage_observed,
            &card.validated,
            &card.coverage_validated,
        ];
        cells
            .map(|cell| {
                if hidden {
                    self.say("reservada", "withheld").to_owned()
                } else {
                    self.percent(cell)
                }
            })
            .into()
    }

    pub(super) fn summary(&self) -> Section {
        let card = self.materials.board().cloned().unwrap_or_default();
        let readings = self.readings();
        let row = |name: &str, value: &str, coverage: String| vec![name.to_owned(), self.percent(value), coverage];
        let index = Table::new(
            self.say("El índice en sus tres lecturas", "The index in its three readings"),
            &[
                self.say("lectura", "reading"),
                self.say("#índice", "#index"),
                self.say("#descansa sobre", "#rests on"),
            ],
        )
        .with([
            row(
                readings[0],
                &card.strict,
                self.say("todas las acciones que cuentan", "all actions that count").to_owned(),
            ),
            row(readings[1], &card.observed, self.percent(&card.coverage_observed)),
            row(readings[2], &card.validated, self.percent(&card.coverage_validated)),
        ]);
        let discipline = card.discipline.unwrap_or_default();
        let days = |days: Option<i64>| days.map_or_else(|| "—".to_owned(), |days| days.to_string());
        let pairs = [
            (self.say("reportes debidos", "reports owed"), discipline.owed.to_string()),
            (self.say("recibidos", "received"), discipline.received.to_string()),
            (self.say("a tiempo", "on time"), discipline.on_time.to_string()),
            (self.say("validados", "validated"), discipline.validated.to_string()),
            (self.say("sin novedad", "nothing to report"), discipline.nil.to_string()),
            (
                self.say("dispensados después de vencer", "waived after they were due"),
                discipline.waived_after_due.to_string(),
            ),
            (
                self.say("prorrogados después de vencer", "extended after they were due"),
                discipline.extended_after_due.to_string(),
            ),
            (
                self.say("mediana del retraso, en días", "median delay, in days"),
                days(discipline.median_delay_days),
            ),
            (
                self.say("mediana de la revisión, en días", "median time of review, in days"),
                days(discipline.median_review_days),
            ),
        ];
        let discipline = Table::new(
            self.say("Disciplina de reporte", "Reporting discipline"),
            &[self.say("qué", "what"), self.say("#cuánto", "#how many")],
        )
        .with(pairs.map(|(name, value)| vec![name.to_owned(), value]));
        let states = card.states.iter().map(|count| {
            let word = output::state_word_in(count.state().as_str_name(), self.lang);
            vec![word.to_owned(), count.actions.to_string()]
        });
        let states = Table::new(
            self.say("Acciones por dictamen", "Actions by verdict"),
            &[self.say("dictamen", "verdict"), self.say("#acciones", "#actions")],
        )
        .with(states);
        Section {
            title: self.say("En breve", "In short").to_owned(),
            tables: vec![index, discipline, states],
            ..Section::default()
        }
    }

    pub(super) fn over_time(&self) -> Section {
        let points = &self.materials.trajectory;
        let readings = self.readings();
        let series = |of: fn(&vigia_proto::compliance::IndexPoint) -> &String| points.iter().map(|point| of(point).parse().ok()).collect();
        let labels = points.iter().map(|point| {
            if point.period.is_empty() {
                self.say("hoy", "now").to_owned()
            } else {
                point.period.clone()
            }
        });
        let chart = Chart::Lines {
            labels: labels.collect(),
            series: vec![
                (readings[0].to_owned(), series(|point| &point.strict)),
                (readings[1].to_owned(), series(|point| &point.observed)),
                (readings[2].to_owned(), series(|point| &point.validated)),
            ],
        };
        let rows = points.iter().map(|point| {
            let period = if point.period.is_empty() {
                self.say("al corte", "at the end").to_owned()
            } else {
                point.period.clone()
            };
            let mut row = vec![period, self.local(point.time.as_ref().and_then(instant))];
            row.extend(
                [
                    &point.strict,
                    &point.observed,
                    &point.coverage_observed,
                    &point.validated,
                    &point.coverage_validated,
                ]
                .map(|cell| self.percent(cell)),
            );
            row
        });
        let caption = self.say(
            "El índice cuando vencían los reportes de cada período, por lo que se sabía entonces",
            "The index when each period's reports were due, by what was known then",
        );
        let table = Table::new(
            caption,
            &[
                self.say("período", "period"),
                self.say("al", "as of"),
                &format!("#{}", readings[0]),
                &format!("#{}", readings[1]),
                self.say("#cobertura", "#coverage"),
                &format!("#{}", readings[2]),
                self.say("#cobertura", "#coverage"),
            ],
        );
        Section {
            title: self.say("El índice en el tiempo", "The index over time").to_owned(),
            chart: (!points.is_empty()).then_some(chart),
            tables: vec![table.with(rows)],
            ..Section::default()
        }
    }

    /// The components at the top of the plan's tree, by their own codes.
    pub(super) fn axes(&self) -> Section {
        let top: Vec<_> = self
            .materials
            .components
            .iter()
            .filter(|component| component.parent.is_empty())
            .collect();
        let level = top
            .first()
            .and_then(|component| self.materials.plan.levels.iter().find(|level| level.key == component.level));
        let title = level.map_or("", |level| self.lang.text(&level.name_es, &level.name_en));
        let mut bars = Vec::new();
        let mut rows = Vec::new();
        for component in top {
            let Some(card) = self.materials.scorecards.iter().find(|card| card.name == component.name) else {
                continue;
            };
            let name = format!("{} · {}", component.code, self.lang.text(&card.title_es, &component.title_en));
            let hidden = self.hides_actions(|action| self.is_below(action, &component.name));
            let values = [&card.strict, &card.observed, &card.validated];
            bars.push((
                name.clone(),
                values.map(|value| if hidden { None } else { value.parse().ok() }).into(),
            ));
            rows.push(self.card_row(name, card, hidden));
        }
        Section {
            title: if title.is_empty() {
                self.say("Ejes", "Axes").to_owned()
            } else {
                title.to_owned()
            },
            chart: (!bars.is_empty()).then(|| Chart::Bars {
                series: self.readings().map(str::to_owned).into(),
                rows: bars,
            }),
            tables: vec![self.card_table(self.say("Índice y disciplina", "Index and discipline")).with(rows)],
            ..Section::default()
        }
    }

    fn card_table(&self, caption: &str) -> Table {
        let readings = self.readings();
        Table::new(
            caption,
            &[
                self.say("de", "of"),
                &format!("#{}", readings[0]),
                &format!("#{}", readings[1]),
                self.say("#cobertura", "#coverage"),
                &format!("#{}", readings[2]),
                self.say("#cobertura", "#coverage"),
                self.say("#debidos", "#owed"),
                self.say("#recibidos", "#received"),
                self.say("#a tiempo", "#on time"),
                self.say("#validados", "#validated"),
            ],
        )
    }

    fn card_row(&self, name: String, card: &Scorecard, hidden: bool) -> Vec<String> {
        let discipline = card.discipline.unwrap_or_default();
        let mut row = vec![name];
        row.extend(self.index_cells(card, hidden));
        row.extend([discipline.owed, discipline.received, discipline.on_time, discipline.validated].map(|count| count.to_string()));
        row
    }

    /// Whether an action hangs on a component or on one below it.
    fn is_below(&self, action: &Action, component: &str) -> bool {
        let mut at = action.component.as_str();
        for _ in 0..=self.materials.components.len() {
            if at == component {
                return true;
            }
            let Some(above) = self.materials.components.iter().find(|other| other.name == at) else {
                return false;
            };
            at = &above.parent;
        }
        false
    }

    /// Whether a reading over the actions that hold would show one that counts few.
    fn hides_actions(&self, holds: impl Fn(&Action) -> bool) -> bool {
        let held = self.materials.actions.values().filter(|action| holds(action));
        delicate::shows_few(&held.map(|action| self.few.contains(action.name.as_str())).collect::<Vec<_>>())
    }

    /// Those first who sent the smallest share of what they owed.
    pub(super) fn institutions(&self) -> Section {
        let cards = self
            .materials
            .scorecards
            .iter()
            .filter(|card| card.name.starts_with("institutions/"));
        let mut cards: Vec<_> = cards.map(|card| (card.discipline.unwrap_or_default(), card)).collect();
        // a/b < c/d as a·d < c·b: whole numbers, no rounding. Who owes nothing stands at the end.
        cards.sort_by(|(a, one), (b, other)| {
            let (received, on_time) = (
                (a.received * b.owed).cmp(&(b.received * a.owed)),
                (a.on_time * b.owed).cmp(&(b.on_time * a.owed)),
            );
            let nothing = (a.owed == 0).cmp(&(b.owed == 0));
            nothing
                .then(received)
                .then(on_time)
                .then(b.owed.cmp(&a.owed))
                .then_with(|| one.name.cmp(&other.name))
        });
        let rows = cards.iter().map(|(_, card)| {
            let leads = |verdict: &&Verdict| verdict.institutions.contains(&card.name);
            let held: Vec<_> = self
                .materials
                .verdicts
                .iter()
                .filter(leads)
                .map(|verdict| self.few.contains(verdict.action.as_str()))
                .collect();
            let title = if card.title_es.is_empty() { &card.name } else { &card.title_es };
            self.card_row(title.clone(), card, delicate::shows_few(&held))
        });
        Section {
            title: self.say("Instituciones", "Institutions").to_owned(),
            text: vec![self.say(
                "Primero las que enviaron la menor parte de lo que debían. Una institución que dejó de existir responde por lo que debía entonces.",
                "Those first who sent the smallest share of what they owed. An institution that has ended answers for what it owed then.",
            ).to_owned()],
            tables: vec![self.card_table(self.say("Índice y disciplina", "Index and discipline")).with(rows)],
            ..Section::default()
        }
    }

    pub(super) fn coverage(&self) -> Section {
        let card = self.materials.board().cloned().unwrap_or_default();
        let discipline = card.discipline.unwrap_or_default();
        let in_state = |name: &str| {
            let counts = card.states.iter().filter(|count| count.state().as_str_name() == name);
            counts.map(|count| i64::from(count.actions)).sum::<i64>()
        };
        let sourced = |verified: bool| {
            let actions = self.materials.actions.values();
            actions
                .filter(|action| action.provenance.as_ref().is_some_and(|from| from.verified) == verified)
                .count()
        };
        let pairs = [
            (
                self.say(
                    "peso de las acciones con reporte reciente",
                    "weight of actions with a recent report",
                ),
                self.percent(&card.coverage_observed),
            ),
            (
                self.say(
                    "peso de las acciones con reporte validado",
                    "weight of actions with a validated report",
                ),
                self.percent(&card.coverage_validated),
            ),
            (
                self.say("responsabilidades propuestas", "assignments proposed"),
                discipline.assignments_proposed.to_string(),
            ),
            (self.say("aceptadas", "accepted"), discipline.assignments_accepted.to_string()),
            (self.say("impugnadas", "contested"), discipline.assignments_contested.to_string()),
            (
                self.say("sin respuesta", "not answered"),
                discipline.assignments_unanswered.to_string(),
            ),
            (
                self.say("acciones sin responsable", "actions that nobody answers for"),
                in_state("ACTION_STATE_UNASSIGNED").to_string(),
            ),
            (
                self.say(
                    "acciones que el plan no permite medir",
                    "actions that the plan gives nothing to measure by",
                ),
                in_state("ACTION_STATE_UNMEASURED").to_string(),
            ),
            (
                self.say("acciones con fuente verificada", "actions with a verified source"),
                sourced(true).to_string(),
            ),
            (
                self.say("acciones sin fuente verificada", "actions without a verified source"),
                sourced(false).to_string(),
            ),
        ];
        let table = Table::new(
            self.say("De cuántos se sabe", "Of how many is anything known"),
            &[self.say("qué", "what"), self.say("#cuánto", "#how much")],
        );
        Section {
            title: self.say("Cobertura", "Coverage").to_owned(),
            tables: vec![table.with(pairs.map(|(name, value)| vec![name.to_owned(), value]))],
            ..Section::default()
        }
    }
}
