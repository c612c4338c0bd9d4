//! Charts as SVG within the page: no program draws them and nothing is fetched. They can be told apart without colours.

use maud::{Markup, html};

/// A chart of shares between 0 and 1.
#[derive(Clone, Debug)]
pub enum Chart {
    /// Readings over time; a gap where there is none.
    Lines {
        /// What stands under each point.
        labels: Vec<String>,
        /// Name and values.
        series: Vec<(String, Vec<Option<f64>>)>,
    },
    /// Readings side by side for each of some things.
    Bars {
        /// Names of the readings.
        series: Vec<String>,
        /// What they are of, with a value for each reading.
        rows: Vec<(String, Vec<Option<f64>>)>,
    },
}

/// Width of a chart, in units of its own; it is drawn as wide as the page.
const WIDTH: f64 = 720.0;
/// Height of a chart over time.
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 44.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 24.0;
/// Height of a bar, and of what lies between two groups of them.
const BAR: f64 = 9.0;
const GAP: f64 = 26.0;
/// Labels under a chart at most, so that they do not run into each other.
const LABELS_MAX: usize = 12;
/// Colour and dashes of each series: told apart in colour, in grey, and by those who see no colours.
const LOOKS: [(&str, &str); 3] = [("#1b4f9c", "none"), ("#b35900", "7 4"), ("#1a7a3c", "2 3")];

fn look(place: usize) -> (&'static str, &'static str) {
    LOOKS[place % LOOKS.len()]
}

/// A coordinate with one decimal: a chart is no larger than it must be.
fn at(number: f64) -> String {
    format!("{number:.1}")
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred points")]
fn share(place: usize, of: usize) -> f64 {
    if of < 2 { 0.5 } else { place as f64 / (of - 1) as f64 }
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred bars")]
fn times(count: usize, size: f64) -> f64 {
    count as f64 * size
}

/// The chart; `title` is read out to those who can't see it.
pub fn svg(chart: &Chart, title: &str) -> Markup {
    match chart {
        Chart::Lines { labels, series } => lines(labels, series, title),
        Chart::Bars { series, rows } => bars(series, rows, title),
    }
}

fn legend<'a>(names: impl Iterator<Item = &'a String>) -> Markup {
    html! {
        @for (place, name) in names.enumerate() {
            @let x = LEFT + times(place, 150.0);
            @let (colour, dashes) = look(place);
            line x1=(at(x)) y1="10" x2=(at(x + 26.0)) y2="10" stroke=(colour) stroke-width="3" stroke-dasharray=(dashes) {}
            text x=(at(x + 32.0)) y="14" { (name) }
        }
    }
}

fn lines(labels: &[String], series: &[(String, Vec<Option<f64>>)], title: &str) -> Markup {
    let inner = (WIDTH - LEFT - 16.0, HEIGHT - TOP - BOTTOM);
    let x = |place: usize| LEFT + share(place, labels.len()) * inner.0;
    let y = |value: f64| TOP + (1.0 - value.clamp(0.0, 1.0)) * inner.1;
    let step = labels.len().div_ceil(LABELS_MAX).max(1);
    html! {
        svg viewBox={ "0 0 " (at(WIDTH)) " " (at(HEIGHT)) } role="img" aria-label=(title) {
            title { (title) }
            (legend(series.iter().map(|(name, _)| name)))
            @for quarter in 0..=4_u8 {
                @let value = f64::from(quarter) / 4.0;
                line class="grid" x1=(at(LEFT)) x2=(at(WIDTH - 16.0)) y1=(at(y(value))) y2=(at(y(value))) {}
                text class="axis" x=(at(LEFT - 6.0)) y=(at(y(value) + 4.0)) text-anchor="end" { (u16::from(quarter) * 25) }
            }
            @for (place, label) in labels.iter().enumerate().filter(|(place, _)| place % step == 0) {
                text class="axis" x=(at(x(place))) y=(at(HEIGHT - 6.0)) text-anchor="middle" { (label) }
            }
            @for (which, (_, values)) in series.iter().enumerate() {
                @let (colour, dashes) = look(which);
                @for run in runs(values) {
                    @let points: Vec<String> = run.iter().map(|(place, value)| format!("{},{}", at(x(*place)), at(y(*value)))).collect();
                    @if points.len() > 1 {
                        polyline points=(points.join(" ")) fill="none" stroke=(colour) stroke-width="2" stroke-dasharray=(dashes) {}
                    }
                    @for (place, value) in &run {
                        circle cx=(at(x(*place))) cy=(at(y(*value))) r="2.5" fill=(colour) {}
                    }
                }
            }
        }
    }
}

/// The stretches without a gap, each with its places.
fn runs(values: &[Option<f64>]) -> Vec<Vec<(usize, f64)>> {
    let placed: Vec<_> = values
        .iter()
        .enumerate()
        .filter_map(|(place, value)| Some((place, (*value)?)))
        .collect();
    placed.chunk_by(|one, next| one.0 + 1 == next.0).map(<[_]>::to_vec).collect()
}

fn bars(series: &[String], rows: &[(String, Vec<Option<f64>>)], title: &str) -> Markup {
    let group = times(series.len(), BAR) + GAP;
    let height = TOP + times(rows.len(), group);
    let width = WIDTH - LEFT - 60.0;
    html! {
        svg viewBox={ "0 0 " (at(WIDTH)) " " (at(height)) } role="img" aria-label=(title) {
            title { (title) }
            (legend(series.iter()))
            @for (place, (name, values)) in rows.iter().enumerate() {
                @let top = TOP + times(place, group);
                text x=(at(LEFT)) y=(at(top + 13.0)) { (name) }
                @for (which, value) in values.iter().enumerate() {
                    @let y = top + 18.0 + times(which, BAR);
                    @match value {
                        Some(value) => {
                            rect x=(at(LEFT)) y=(at(y)) width=(at(value.clamp(0.0, 1.0) * width)) height=(at(BAR - 2.0)) fill=(look(which).0) {}
                        }
                        None => { text class="axis" x=(at(LEFT)) y=(at(y + 7.0)) { "—" } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_a_gap() {
        let check = |values: &[Option<f64>], expect: &[&[usize]]| {
            let places: Vec<Vec<usize>> = runs(values)
                .iter()
                .map(|run| run.iter().map(|(place, _)| *place).collect())
                .collect();
            assert_eq!(places, expect);
        };
        check(&[Some(0.1), Some(0.2), None, Some(0.4)], &[&[0, 1], &[3]]);
        check(&[None, None], &[]);
        check(&[], &[]);
    }

    #[test]
    fn what_others_have_typed_is_text() {
        let chart = Chart::Bars {
            series: vec!["</svg><script>".into()],
            rows: vec![("<img src=x>".into(), vec![None])],
        };
        let svg = svg(&chart, "\" onload=\"").into_string();
        assert!(
            !svg.contains("<script") && !svg.contains("<img") && !svg.contains("\" onload"),
            "{svg}"
        );
    }
}
