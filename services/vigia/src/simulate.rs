//! `vigia simulate`: plays scenario files through the public API and compares what compliance answers with what they
//! expect.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde::Serialize;
use tonic::Code;
use vigia_platform::{decimal, instant, name::id_of_code, timestamp};
use vigia_proto::{
    compliance::{
        GetScorecardRequest, GetVerdictRequest, ListAssessmentsRequest, Scorecard, SideBySide, Verdict,
        assessment_service_client::AssessmentServiceClient, compliance_service_client::ComplianceServiceClient,
    },
    reporting::{ListObligationsRequest, obligation_service_client::ObligationServiceClient},
};

use crate::{
    cast::Principal,
    lang::say,
    output::Usage,
    refused::Refused,
    scenario::{About, Event, Expectation, Scenario},
    stage::{Backstage, Processes, Stage},
    voices::grades::Scale,
};

/// Decimals to which a scenario writes indices.
const DECIMALS: usize = 6;

/// What came of one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    file: String,
    title: String,
    events: usize,
    answers: Vec<Answer>,
    /// Where each obligation stands at the end, of a file that expects nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    obligations: Vec<Stands>,
}

/// Where an obligation stands.
#[derive(Clone, Debug, Serialize)]
struct Stands {
    obligation: String,
    institution: String,
    state: String,
}

/// One question, what was expected and what was answered.
#[derive(Clone, Debug, Serialize)]
struct Answer {
    at: String,
    about: String,
    expected: serde_json::Map<String, serde_json::Value>,
    got: serde_json::Map<String, serde_json::Value>,
    differs: Vec<String>,
    /// Whether the file asked for it; an event that is refused against expectation was not asked for.
    asked: bool,
    /// Of an event that was refused: the line in the file, and the sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// What came of all.
#[derive(Clone, Debug, Serialize)]
pub struct Outcomes {
    scenarios: Vec<Outcome>,
    expectations: usize,
    differ: usize,
    summary: String,
}

/// Plays all files, several at once, and tells the differences. Says whether there was none.
///
/// With the URL of a PostgreSQL server each scenario has a database of its own there, which is dropped in the end.
pub async fn run(files: &[PathBuf], processes: Processes, server: Option<String>, json: bool) -> Result<bool> {
    let files = collect(files)?;
    let mut scenarios = Vec::new();
    let mut unread = Vec::new();
    for path in files {
        let file = path.display().to_string();
        match read(&path) {
            Ok(scenario) => scenarios.push((file, scenario)),
            Err(cause) => unread.push(Outcome::failed(&file, None, &cause)),
        }
    }
    if scenarios.is_empty() && !unread.is_empty() {
        let faults = unread
            .iter()
            .flat_map(|outcome| &outcome.answers)
            .flat_map(|answer| &answer.differs);
        return Err(Usage::of(faults.map(String::as_str).collect::<Vec<_>>().join("\n")));
    }
    let events: usize = scenarios
        .iter()
        .map(|(_, scenario)| scenario.events.len() + scenario.expect.len())
        .sum();
    let progress = progress(events);
    let institutions = scenarios.iter().flat_map(|(_, scenario)| scenario.institutions()).collect();
    let backstage = Backstage::prepare(processes, server.as_deref(), &institutions).await?;
    // Four times as many as there are cores: each waits now and then, for a commit or for a follower.
    let at_once = 4 * std::thread::available_parallelism().map_or(2, usize::from);
    let mut played: Vec<Outcome> = futures::stream::iter(scenarios)
        .map(|(file, scenario)| {
            let (progress, backstage) = (&progress, &backstage);
            async move {
                let played = play(&file, &scenario, backstage, progress).await;
                // One that can't be played takes none of the others along.
                played.unwrap_or_else(|cause| Outcome::failed(&file, Some(&scenario), &cause))
            }
        })
        .buffered(at_once)
        .collect()
        .await;
    backstage.strike().await?;
    played.extend(unread);
    progress.finish_and_clear();
    let outcomes = Outcomes::of(played);
    if json {
        crate::output::json(&outcomes)?;
    } else {
        outcomes.tell();
    }
    Ok(outcomes.differ == 0)
}

fn read(path: &Path) -> Result<Scenario> {
    Scenario::parse(&fs::read_to_string(path)?)
}

/// The files; of a directory all that end in `.yaml`, by name.
fn collect(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in given {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(|cause| Usage::of(format!("{}: {cause}", path.display())))? {
            inside.push(entry?.path());
        }
        inside.retain(|path| path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml"));
        if inside.is_empty() {
            let text = say("no hay ningún archivo .yaml", "there is no .yaml file");
            return Err(Usage::of(format!("{}: {text}", path.display())));
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

/// A progress bar on standard error, where that is a terminal and there is something to wait for.
pub fn progress(steps: usize) -> ProgressBar {
    let steps = u64::try_from(steps).unwrap_or(u64::MAX);
    let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
    // The bar draws itself for the first time after a second: what is quick needs none.
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}

async fn play(file: &str, scenario: &Scenario, backstage: &Backstage, progress: &ProgressBar) -> Result<Outcome> {
    let mut stage = Stage::set(scenario, backstage).await?;
    let mut answers = Vec::new();
    for event in &scenario.events {
        let result = stage.play(scenario, event).await.with_context(|| describe(event))?;
        answers.extend(compare_event(event, result.err().as_ref()));
        progress.inc(1);
    }
    stage.turn_clock(after_everything(scenario)?).await?;
    let auditor = stage.cast.of("auditor")?;
    for expectation in &scenario.expect {
        let got = ask(&auditor, &stage.plan, scenario, expectation).await;
        let answer = got.and_then(|got| compare(&scenario.zone, expectation, got));
        answers.push(answer.unwrap_or_else(|cause| Answer::failed(Some(expectation), &format!("{cause:#}"))));
        progress.inc(1);
    }
    let obligations = if scenario.expect.is_empty() {
        stand(&auditor, &stage.plan).await?
    } else {
        Vec::new()
    };
    drop(auditor);
    stage.strike().await?;
    Ok(Outcome {
        file: file.to_owned(),
        title: scenario.title.clone(),
        events: scenario.events.len(),
        answers,
        obligations,
    })
}

/// Where the obligations of a plan stand now, the first thousand of them.
async fn stand(auditor: &Principal, plan: &str) -> Result<Vec<Stands>> {
    let request = ListObligationsRequest {
        parent: plan.to_owned(),
        page_size: 1_000,
        ..ListObligationsRequest::default()
    };
    let mut reporting = ObligationServiceClient::new(auditor.clone());
    let answer = reporting.list_obligations(request).await.map_err(crate::refused::told)?;
    let stands = answer.into_inner().obligations.into_iter().map(|owed| Stands {
        state: owed.state().as_str_name().trim_start_matches("OBLIGATION_STATE_").to_owned(),
        institution: owed.institution,
        obligation: owed.name,
    });
    Ok(stands.collect())
}

/// A day after the last event and the last question, so that nothing that is asked lies in the future.
fn after_everything(scenario: &Scenario) -> Result<Timestamp> {
    let events = scenario.events.iter().map(|event| event.at);
    let last = events.chain(scenario.expect.iter().map(|expectation| expectation.as_of)).max();
    let last = last.unwrap_or(scenario.plan_start.at(0, 0, 0, 0));
    Ok(scenario.instant(last)? + SignedDuration::from_hours(24))
}

fn describe(event: &Event) -> String {
    format!(
        "{} {} {:?} {} {}",
        event.at,
        event.by.join("+"),
        event.verb,
        event.arg("assignment"),
        event.arg("period")
    )
    .trim()
    .to_owned()
}

/// An answer where an event was expected to be refused, or was refused; none where it simply went through. A refusal
/// that the file does not speak of is told but is no difference: the call changed nothing, and what follows shows it.
fn compare_event(event: &Event, refusal: Option<&Refused>) -> Option<Answer> {
    if refusal.is_none() && event.refused.is_none() {
        return None;
    }
    let of = |refused: Option<&str>| serde_json::Map::from_iter([("refused".to_owned(), serde_json::Value::from(refused))]);
    let reason = refusal.map(|refusal| refusal.reason.as_str());
    let differs = if event.refused.is_none() || reason == event.refused.as_deref() {
        Vec::new()
    } else {
        let got = refusal.map_or_else(|| say("aceptado", "accepted").to_owned(), Refused::to_string);
        vec![difference("refused", event.refused.as_deref(), Some(&got))]
    };
    Some(Answer {
        at: event.at.to_string(),
        about: describe(event),
        expected: of(event.refused.as_deref()),
        got: of(reason),
        differs,
        asked: event.refused.is_some(),
        why: refusal.map(|refusal| format!("{} {}: {refusal}", say("línea", "line"), event.node.line)),
    })
}

/// What was answered, by the keys of scenario files.
type Got = Vec<(&'static str, Option<String>)>;

async fn ask(auditor: &Principal, plan: &str, scenario: &Scenario, expectation: &Expectation) -> Result<Got> {
    let mut compliance = ComplianceServiceClient::new(auditor.clone());
    let as_of = Some(timestamp(scenario.instant(expectation.as_of)?));
    let name = match &expectation.about {
        About::Obligation(assignment, period) => format!("{plan}/assignments/{assignment}/obligations/{period}"),
        About::Action(code) => format!("{plan}/actions/{}", id_of_code(code)),
        About::Scorecard(scope) => {
            let request = GetScorecardRequest {
                name: scope_name(plan, scope)?,
                plan: plan.to_owned(),
                as_of,
            };
            let answer = compliance.get_scorecard(request).await.map_err(crate::refused::told)?.into_inner();
            return Ok(of_scorecard(&answer.scorecard.context("scorecard")?));
        }
        About::Assessment(code, assessor) => {
            let request = ListAssessmentsRequest {
                parent: plan.to_owned(),
                as_of,
                page_size: 1000,
                filter: format!(
                    "action = \"{plan}/actions/{}\" AND assessor = \"institutions/{assessor}\"",
                    id_of_code(code)
                ),
                ..ListAssessmentsRequest::default()
            };
            let mut service = AssessmentServiceClient::new(auditor.clone());
            let answer = service.list_assessments(request).await.map_err(crate::refused::told)?.into_inner();
            return Ok(answer.assessments.last().map(of_assessment).unwrap_or_default());
        }
    };
    let answer = compliance.get_verdict(GetVerdictRequest { name, as_of }).await;
    let verdict = match answer {
        Err(status) if status.code() == Code::NotFound => return Ok(vec![("state", Some("NOT_OWED".into()))]),
        answer => answer.map_err(crate::refused::told)?.into_inner().verdict.context("verdict")?,
    };
    Ok(match &expectation.about {
        About::Obligation(..) => of_obligation(&verdict, &scenario.zone),
        _ => of_action(&verdict),
    })
}

/// The resource that a scorecard's scope names.
fn scope_name(plan: &str, scope: &str) -> Result<String> {
    Ok(match scope.split_once(' ') {
        None if scope == "plan" => plan.to_owned(),
        Some(("component", code)) => format!("{plan}/components/{}", id_of_code(code)),
        Some(("institution", id)) => format!("institutions/{id}"),
        Some(("territory", code)) => format!("territories/{code}"),
        _ => bail!("scorecard: {scope}: plan, component X, institution x, territory NN"),
    })
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn of_obligation(verdict: &Verdict, zone: &TimeZone) -> Got {
    let due = verdict.due_time.as_ref().and_then(instant);
    vec![
        ("state", some(&verdict.obligation_state)),
        ("timeliness", some(&verdict.timeliness)),
        ("due", due.map(|due| zone.to_datetime(due).to_string())),
    ]
}

fn of_action(verdict: &Verdict) -> Got {
    let state = verdict.action_state().as_str_name();
    vec![
        ("state", some(state.strip_prefix("ACTION_STATE_").unwrap_or(state))),
        ("period", some(&verdict.period)),
        ("strict", some(&verdict.strict)),
        ("observed", some(&verdict.observed)),
        ("validated", some(&verdict.validated)),
    ]
}

fn of_assessment(beside: &SideBySide) -> Got {
    let assessed = beside.assessment.clone().unwrap_or_default();
    vec![
        ("completion", some(&Scale::Completion.write(&assessed.completion))),
        ("early_results", some(&Scale::EarlyResults.write(&assessed.early_results))),
        ("official", some(&Scale::Completion.write(&[beside.official_completion]))),
        ("difference", beside.difference.map(|difference| difference.to_string())),
    ]
}

fn of_scorecard(card: &Scorecard) -> Got {
    let discipline = card.discipline.unwrap_or_default();
    let count = |n: i64| Some(n.to_string());
    vec![
        ("strict", some(&card.strict)),
        ("observed", some(&card.observed)),
        ("validated", some(&card.validated)),
        ("coverage_observed", some(&card.coverage_observed)),
        ("coverage_validated", some(&card.coverage_validated)),
        ("owed", count(discipline.owed)),
        ("received", count(discipline.received)),
        ("on_time", count(discipline.on_time)),
        ("validated_reports", count(discipline.validated)),
        ("validated_on_time", count(discipline.validated_on_time)),
        ("nil", count(discipline.nil)),
        ("waived_after_due", count(discipline.waived_after_due)),
        ("extended_after_due", count(discipline.extended_after_due)),
        ("assignments_proposed", count(discipline.assignments_proposed)),
        ("assignments_accepted", count(discipline.assignments_accepted)),
        ("assignments_contested", count(discipline.assignments_contested)),
        ("assignments_unanswered", count(discipline.assignments_unanswered)),
        ("median_delay_days", discipline.median_delay_days.and_then(count)),
        ("median_review_days", discipline.median_review_days.and_then(count)),
    ]
}

const INDICES: [&str; 5] = ["strict", "observed", "validated", "coverage_observed", "coverage_validated"];

fn compare(zone: &TimeZone, expectation: &Expectation, got: Got) -> Result<Answer> {
    let mut differs = Vec::new();
    for (key, expected) in &expectation.answer {
        let found = got.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.clone());
        let expected = match (key.as_str(), expected) {
            ("due", Some(due)) => Some(local(zone, due)?),
            (key, Some(index)) if INDICES.contains(&key) => {
                Some(rounded(index).with_context(|| format!("{key}: {index}: no es un número / is not a number"))?)
            }
            (_, expected) => expected.clone(),
        };
        let found = if INDICES.contains(&key.as_str()) {
            found.map(|index| rounded(&index).unwrap_or(index))
        } else {
            found
        };
        if expected != found {
            differs.push(difference(key, expected.as_deref(), found.as_deref()));
        }
    }
    Ok(Answer {
        at: expectation.as_of.to_string(),
        about: expectation.about.to_string(),
        expected: expected_of(expectation),
        got: got
            .into_iter()
            .map(|(key, value)| (key.to_owned(), serde_json::Value::from(value)))
            .collect(),
        differs,
        asked: true,
        why: None,
    })
}

/// A local time in the form in which ours are written.
fn local(zone: &TimeZone, text: &str) -> Result<String> {
    let local: DateTime = text.parse().with_context(|| format!("due: {text}"))?;
    Ok(zone.to_datetime(crate::scenario::instant(zone, local)?).to_string())
}

/// A decimal that is not negative, rounded half up to six decimals, on its digits.
fn rounded(text: &str) -> Option<String> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit()) || whole.len() > 15 {
        return None;
    }
    let kept: String = part.chars().chain("000000".chars()).take(DECIMALS).collect();
    let up = part.as_bytes().get(DECIMALS).is_some_and(|digit| *digit >= b'5');
    let digits = format!("{whole}{kept}").parse::<u64>().ok()? + u64::from(up);
    let scale = 10u64.pow(u32::try_from(DECIMALS).ok()?);
    decimal::canonical(&format!("{}.{:06}", digits / scale, digits % scale))
}

fn difference(key: &str, expected: Option<&str>, got: Option<&str>) -> String {
    let null = |value: Option<&str>| value.unwrap_or("null").to_owned();
    format!(
        "{key}: {} {}, {} {}",
        say("se esperaba", "expected"),
        null(expected),
        say("fue", "got"),
        null(got)
    )
}

impl Outcome {
    /// Of a file that can't be read or played: nothing is as it is expected.
    fn failed(file: &str, scenario: Option<&Scenario>, cause: &anyhow::Error) -> Self {
        let told = format!("{file}: {cause:#}");
        let expect = scenario.map(|scenario| scenario.expect.as_slice()).unwrap_or_default();
        let mut answers: Vec<_> = expect.iter().map(|expectation| Answer::failed(Some(expectation), &told)).collect();
        if answers.is_empty() {
            answers.push(Answer::failed(None, &told));
        }
        Self {
            file: file.to_owned(),
            title: scenario.map(|scenario| scenario.title.clone()).unwrap_or_default(),
            events: scenario.map_or(0, |scenario| scenario.events.len()),
            answers,
            obligations: Vec::new(),
        }
    }
}

impl Answer {
    /// To a question that was not answered.
    fn failed(expectation: Option<&Expectation>, cause: &str) -> Self {
        Self {
            at: expectation.map(|asked| asked.as_of.to_string()).unwrap_or_default(),
            about: expectation.map(|asked| asked.about.to_string()).unwrap_or_default(),
            expected: expectation.map(expected_of).unwrap_or_default(),
            got: serde_json::Map::new(),
            differs: vec![cause.to_owned()],
            asked: true,
            why: None,
        }
    }
}

fn expected_of(expectation: &Expectation) -> serde_json::Map<String, serde_json::Value> {
    let answer = expectation.answer.iter().cloned();
    answer.map(|(key, value)| (key, serde_json::Value::from(value))).collect()
}

impl Outcomes {
    fn of(scenarios: Vec<Outcome>) -> Self {
        let answers = || scenarios.iter().flat_map(|scenario| &scenario.answers);
        let expectations = answers().filter(|answer| answer.asked).count();
        let differ = answers().filter(|answer| !answer.differs.is_empty()).count();
        // This line is read by machines: it is the same in every language.
        let summary = format!("{expectations} expectations, {differ} differ");
        Self {
            scenarios,
            expectations,
            differ,
            summary,
        }
    }

    fn tell(&self) {
        for scenario in &self.scenarios {
            for (answer, why) in scenario.answers.iter().filter_map(|answer| Some((answer, answer.why.as_ref()?))) {
                // What the file says will be refused is no news.
                if !answer.asked {
                    let refused = say("rechazado", "refused");
                    crate::output::line(&format!("{} · {} · {refused}, {why}", scenario.file, answer.about));
                }
            }
            if scenario.answers.iter().all(|answer| !answer.asked) {
                let text = say(
                    "no espera nada (falta «expect»); así queda lo que se debe:",
                    "expects nothing (there is no \"expect\"); this is how what is owed stands:",
                );
                crate::output::line(&format!("{} · {text}", scenario.file));
                for Stands {
                    obligation,
                    institution,
                    state,
                } in &scenario.obligations
                {
                    let state = crate::output::obligation_word(state, crate::lang::lang());
                    crate::output::line(&format!("    {obligation} · {institution} · {state}"));
                }
            }
            for answer in scenario.answers.iter().filter(|answer| !answer.differs.is_empty()) {
                crate::output::line(&format!("{} · {} · {}", scenario.file, answer.at, answer.about));
                for difference in &answer.differs {
                    crate::output::line(&format!("    {difference}"));
                }
            }
        }
        crate::output::line(&self.summary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_rounded_half_up_on_their_digits() {
        for (text, expect) in [
            ("1.0", Some("1")),
            ("0.9124995", Some("0.9125")),
            ("0.9999995", Some("1")),
            ("0.0000005", Some("0.000001")),
            ("0.0000004", Some("0")),
            ("0.303030303030", Some("0.30303")),
            ("", None),
            ("abc", None),
            ("0", Some("0")),
        ] {
            assert_eq!(rounded(text).as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_played_meets_no_expectation() {
        let file = "title: t\nplan: {plan: {id: demo, time_zone: America/Guayaquil, period: {start: 2026-01-01}}}\nexpect: [{as_of: '2026-01-03 09:00', action: A1, state: ACHIEVED}, {as_of: '2026-01-04 09:00', action: A1, period: null}]\n";
        let scenario = Scenario::parse(file).unwrap_or_else(|e| panic!("{e:#}"));
        let cause = anyhow::anyhow!("no");
        let outcomes = Outcomes::of(vec![
            Outcome::failed("a.yaml", Some(&scenario), &cause),
            Outcome::failed("b.yaml", None, &cause),
        ]);
        assert_eq!(outcomes.summary, "3 expectations, 3 differ");
    }

    #[test]
    fn scopes_name_resources() {
        let name = |scope| scope_name("plans/demo", scope).ok();
        assert_eq!(name("plan").as_deref(), Some("plans/demo"));
        assert_eq!(name("component P1.3").as_deref(), Some("plans/demo/components/p1-3"));
        assert_eq!(name("institution msp").as_deref(), Some("institutions/msp"));
        assert_eq!(name("canton x"), None);
    }
}
