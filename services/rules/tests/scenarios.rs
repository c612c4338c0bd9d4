//! Every file in `/tests/scenarios`: a plan, calls in the order of their times, and what is
//! expected of obligations, actions and scorecards as of instants.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use serde_norway::{Mapping, Value as Yaml};
use vigia_rules::obligation::check_values;
use vigia_rules::{
    Across, Action, ActionId, Aggregation, Assignment, AssignmentId, Calendar, Component, Count, Cover, Decimal, Decision, Direction,
    Entry, Extension, Facts, Frequency, Indicator, IndicatorId, Interpolation, Milestone, Plan, Point, Policy, Position, Reading, Refused,
    Report, Resolution, Role, Scope, Source, Suspension, Value, Verdicts, Window, action, check, extend, obligation, review, submit, waive,
};

#[test]
fn every_scenario_is_judged_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let entries = std::fs::read_dir(&folder).expect("the scenarios' folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(files.len() >= 8, "only {} scenarios in {}", files.len(), folder.display());
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a readable file");
        let scenario: Yaml = serde_norway::from_str(&text).expect("YAML");
        for failure in play(&scenario) {
            wrong.push(format!("{}: {failure}", file.file_name().expect("a name").display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// What a scenario expects and does not get.
fn play(scenario: &Yaml) -> Vec<String> {
    let mut story = Story::begin(&scenario["plan"]);
    let mut events: Vec<&Mapping> = list(&scenario["events"]).map(mapping).collect();
    events.sort_by_key(|event| story.instant(&event["at"]));
    // What others than the governing body judge moves no verdict: the rules do not know it.
    for event in events.into_iter().filter(|event| text(&event["do"]) != "assess") {
        let at = story.instant(&event["at"]);
        // A call that is refused changes nothing; what follows shows it.
        let _ = story.call(at, event);
    }
    let expectations = list(&scenario["expect"]).map(mapping);
    expectations
        .filter(|expectation| !expectation.contains_key("assessment"))
        .flat_map(|expectation| story.compare(expectation))
        .collect()
}

struct Story {
    facts: Facts,
    zone: TimeZone,
    plan: Yaml,
    revisions: Vec<Revision>,
    entries: u64,
}

struct Revision {
    acts_from: Timestamp,
    effective_on: Date,
    changes: Yaml,
}

impl Story {
    fn begin(plan: &Yaml) -> Self {
        let zone = TimeZone::get(&text(&plan["plan"]["time_zone"])).expect("a zone");
        let mut story = Self {
            facts: Facts::new(),
            zone,
            plan: plan.clone(),
            revisions: Vec::new(),
            entries: 0,
        };
        let parsed = plan_of(plan);
        assert_eq!(check(&parsed), [], "a plan that can be imported");
        let from = Timestamp::from_second(-2_000_000_000).expect("1906");
        let (entry, start) = (story.entry(from, Source::Plans), parsed.start);
        story.facts.plan_version(from, start, entry, parsed);
        story
    }

    fn instant(&self, at: &Yaml) -> Timestamp {
        let text = text(at).replace(' ', "T");
        let local: DateTime = text.parse().unwrap_or_else(|_| panic!("a local time: {text}"));
        self.zone.to_ambiguous_timestamp(local).compatible().expect("an instant")
    }

    fn entry(&mut self, recorded_at: Timestamp, source: Source) -> Entry {
        self.entries += 1;
        Entry {
            recorded_at,
            position: Position {
                source,
                number: self.entries,
            },
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each verb of the scenario file")]
    fn call(&mut self, at: Timestamp, event: &Mapping) -> Result<(), Refused> {
        let assignment = || AssignmentId::from(text(&event["assignment"]));
        let period = || text(&event["period"]).parse().expect("a period");
        match text(&event["do"]).as_str() {
            "propose" => {
                let entry = self.entry(at, Source::Assignments);
                self.facts.assignment_proposed(
                    entry,
                    Assignment {
                        id: assignment(),
                        action: text(&event["action"]).into(),
                        institution: text(&event["institution"]).into(),
                        role: role(&event["role"]),
                        territory: event.get("territory").map(|code| text(code).into()),
                        from: date(&event["from"]),
                        last_day: None,
                    },
                );
            }
            "hand_over" => {
                let old = self.facts.assignment(&assignment()).expect("an assignment").clone();
                let entry = self.entry(at, Source::Assignments);
                self.facts.assignment_handed_over(
                    entry,
                    &old.id,
                    Assignment {
                        id: text(&event["to"]).into(),
                        institution: text(&event["institution"]).into(),
                        from: date(&event["effective"]),
                        ..old.clone()
                    },
                );
            }
            "accept" => {
                let entry = self.entry(at, Source::Assignments);
                self.facts.assignment_accepted(entry, &assignment());
            }
            "contest" => {
                let entry = self.entry(at, Source::Assignments);
                self.facts.assignment_contested(entry, &assignment());
            }
            "resolve" => {
                let resolution = match text(&event["resolution"]).as_str() {
                    "confirmed" => Resolution::Confirmed,
                    _ => Resolution::Withdrawn,
                };
                let entry = self.entry(at, Source::Assignments);
                self.facts.assignment_resolved(entry, &assignment(), resolution);
            }
            "end" => {
                let entry = self.entry(at, Source::Assignments);
                self.facts.assignment_ended(entry, &assignment(), date(&event["last_day"]));
            }
            "submit" => {
                let values: Vec<_> = match event.get("values") {
                    Some(values) => mapping(values)
                        .iter()
                        .map(|(code, stated)| (IndicatorId::from(text(code)), value(stated)))
                        .collect(),
                    None => Vec::new(),
                };
                let owed = submit(&self.facts, &assignment(), period(), at)?;
                if !check_values(&self.facts, &assignment(), period(), &values, at).is_empty() {
                    return Ok(());
                }
                let report = Report {
                    assignment: assignment(),
                    period: period(),
                    version: owed.next_version - 1,
                    received_at: at,
                    values,
                    milestones: event
                        .get("milestones")
                        .map(|codes| list(codes).map(|code| text(code).into()).collect())
                        .unwrap_or_default(),
                    nil: event.get("nil").is_some(),
                };
                let entry = self.entry(at, Source::Reporting);
                self.facts.report_submitted(entry, report);
            }
            verb @ ("validate" | "return" | "reject") => {
                let decision = match verb {
                    "validate" => Decision::Validated,
                    "return" => Decision::Returned {
                        answer_by: date(&event["answer_by"]),
                    },
                    _ => Decision::Rejected,
                };
                let (assignment, period) = (assignment(), period());
                let standing = obligation(&self.facts, &assignment, period, at);
                let version = standing.and_then(|owed| owed.version).unwrap_or(0);
                review(&self.facts, &assignment, period, version, decision, at)?;
                let entry = self.entry(at, Source::Reporting);
                self.facts.report_reviewed(entry, &assignment, period, version, decision);
            }
            "waive" => {
                waive(&self.facts, &assignment(), period(), at)?;
                let entry = self.entry(at, Source::Reporting);
                self.facts.obligation_waived(entry, &assignment(), period());
            }
            "extend" => {
                let cover = if event.get("assignment").is_some() {
                    Cover::Assignment(assignment())
                } else if let Some(institution) = event.get("institution") {
                    Cover::Institution(text(institution).into())
                } else if let Some(territory) = event.get("territory") {
                    Cover::Territory(text(territory).into())
                } else {
                    Cover::All
                };
                let emergency = event.get("emergency").and_then(Yaml::as_bool).unwrap_or(false);
                let until = date(&event["until"]);
                let extension = Extension {
                    period: period(),
                    cover,
                    until,
                    emergency,
                };
                extend(&self.facts, &extension, at)?;
                let entry = self.entry(at, Source::Reporting);
                self.facts.extension_granted(entry, extension);
            }
            "revise" => self.revise(at, date(&event["effective"]), &event["changes"]),
            verb => panic!("no such verb: {verb}"),
        }
        Ok(())
    }

    /// Composes the plan anew from this revision on: several apply in the order in which they begin
    /// to act, then of their numbers.
    fn revise(&mut self, at: Timestamp, effective_on: Date, changes: &Yaml) {
        let midnight = effective_on.to_datetime(Time::midnight());
        let starts = self.zone.to_ambiguous_timestamp(midnight).compatible().expect("an instant");
        let acts_from = at.max(starts);
        let place = self.revisions.partition_point(|other| other.acts_from <= acts_from);
        self.revisions.insert(
            place,
            Revision {
                acts_from,
                effective_on,
                changes: changes.clone(),
            },
        );
        let mut plan = self.plan.clone();
        for i in 0..self.revisions.len() {
            let revision = &self.revisions[i];
            apply(&mut plan, &revision.changes);
            let (acts_from, effective_on) = (revision.acts_from, revision.effective_on);
            if i >= place {
                let entry = self.entry(at, Source::Plans);
                self.facts.plan_version(acts_from, effective_on, entry, plan_of(&plan));
            }
        }
    }

    fn compare(&self, expectation: &Mapping) -> Vec<String> {
        let t = self.instant(&expectation["as_of"]);
        let got = if let Some(name) = expectation.get("obligation") {
            self.obligation(name, t)
        } else if let Some(name) = expectation.get("action") {
            self.action(&text(name), t)
        } else {
            self.scorecard(&text(&expectation["scorecard"]), t)
        };
        let mut wrong = Vec::new();
        for (key, expect) in expectation {
            let key = text(key);
            if ["as_of", "why", "obligation", "action", "scorecard"].contains(&key.as_str()) {
                continue;
            }
            let expect = match expect {
                Yaml::Null => "null".to_owned(),
                Yaml::Number(number) if number.is_f64() => format!("{:.6}", number.as_f64().expect("a number")),
                other => text(other),
            };
            let got = got.iter().find(|(name, _)| *name == key).map(|(_, got)| got.as_str());
            if got != Some(&expect) {
                let about = ["obligation", "action", "scorecard"];
                let about = about.iter().find_map(|key| expectation.get(key)).expect("a subject");
                let about = serde_norway::to_string(about).expect("YAML").trim().replace('\n', " ");
                wrong.push(format!(
                    "as of {} {about}: {key} should be {expect}, is {got:?}",
                    text(&expectation["as_of"])
                ));
            }
        }
        wrong
    }

    fn obligation(&self, name: &Yaml, t: Timestamp) -> Vec<(&'static str, String)> {
        let period = text(&name["period"]).parse().expect("a period");
        match obligation(&self.facts, &text(&name["assignment"]).into(), period, t) {
            None => vec![("state", "NOT_OWED".into())],
            Some(owed) => vec![
                ("state", screaming(owed.state)),
                ("timeliness", screaming(owed.timeliness)),
                ("due", self.zone.to_datetime(owed.due_at).strftime("%Y-%m-%dT%H:%M").to_string()),
            ],
        }
    }

    fn action(&self, id: &str, t: Timestamp) -> Vec<(&'static str, String)> {
        let verdict = action(&self.facts, &ActionId::from(id), t).expect("an action");
        let all = Verdicts::as_of(&self.facts, t).expect("a plan");
        assert_eq!(all.action(&ActionId::from(id)), Some(&verdict), "one or all: the same");
        vec![
            ("state", screaming(verdict.state)),
            ("period", verdict.period.map_or("null".into(), |period| period.to_string())),
            ("strict", six(verdict.strict)),
            ("observed", six(verdict.observed)),
            ("validated", six(verdict.validated)),
        ]
    }

    fn scorecard(&self, scope: &str, t: Timestamp) -> Vec<(&'static str, String)> {
        let scope = match scope.split_once(' ') {
            Some(("component", id)) => Scope::Component(id.into()),
            Some(("institution", id)) => Scope::Institution(id.into()),
            Some(("territory", code)) => Scope::Territory(code.into()),
            _ => Scope::Plan,
        };
        let card = Verdicts::as_of(&self.facts, t).expect("a plan").scorecard(&scope);
        let discipline = card.discipline;
        let days = |days: Option<i64>| days.map_or("null".into(), |days| days.to_string());
        vec![
            ("strict", six(card.strict)),
            ("observed", six(card.observed)),
            ("coverage_observed", six(card.coverage_observed)),
            ("validated", six(card.validated)),
            ("coverage_validated", six(card.coverage_validated)),
            ("owed", discipline.owed.to_string()),
            ("received", discipline.received.to_string()),
            ("on_time", discipline.on_time.to_string()),
            ("validated_reports", discipline.validated.to_string()),
            ("validated_on_time", discipline.validated_on_time.to_string()),
            ("nil", discipline.nil.to_string()),
            ("waived_after_due", discipline.waived_after_due.to_string()),
            ("extended_after_due", discipline.extended_after_due.to_string()),
            ("assignments_proposed", discipline.proposed.to_string()),
            ("assignments_accepted", discipline.accepted.to_string()),
            ("assignments_contested", discipline.contested.to_string()),
            ("assignments_unanswered", discipline.unanswered.to_string()),
            ("median_delay_days", days(discipline.median_delay_late_days)),
            ("median_review_days", days(discipline.median_delay_review_days)),
        ]
    }
}

fn apply(plan: &mut Yaml, changes: &Yaml) {
    for (key, change) in mapping(changes) {
        match text(key).as_str() {
            "actions" => {
                for (code, change) in mapping(change) {
                    change_one(&mut plan["actions"], code, change);
                }
            }
            "policy" | "compliance_policy" => {
                let plan = plan["plan"].as_mapping_mut().expect("a plan");
                let policy = plan.entry("compliance_policy".into());
                merge(policy.or_insert_with(|| Mapping::new().into()), change);
            }
            "reporting" => merge(&mut plan["plan"]["reporting"], change),
            "plan" => merge(&mut plan["plan"], change),
            key => panic!("no such change: {key}"),
        }
    }
}

/// Changes the member of a list that has a code: an action, or one of its indicators.
fn change_one(list: &mut Yaml, code: &Yaml, change: &Yaml) {
    let members = list.as_sequence_mut().expect("a list");
    let member = members.iter_mut().find(|member| member["code"] == *code).expect("a known code");
    for (key, change) in mapping(change) {
        if text(key) == "indicators" && change.is_mapping() {
            for (code, change) in mapping(change) {
                change_one(&mut member["indicators"], code, change);
            }
        } else {
            member[text(key).as_str()] = change.clone();
        }
    }
}

fn merge(into: &mut Yaml, change: &Yaml) {
    for (key, change) in mapping(change) {
        into[text(key).as_str()] = change.clone();
    }
}

fn plan_of(file: &Yaml) -> Plan {
    let plan = &file["plan"];
    let reporting = mapping(&plan["reporting"]);
    let number = |key: &str| reporting.get(key).map(|days| text(days).parse().expect("a number of days"));
    let calendar = Calendar {
        time_zone: TimeZone::get(&text(&plan["time_zone"])).expect("a zone"),
        frequency: match text(&reporting["frequency"]).as_str() {
            "monthly" => Frequency::Monthly,
            "quarterly" => Frequency::Quarterly,
            "semiannual" => Frequency::Semiannual,
            "annual" => Frequency::Annual,
            other => panic!("no such frequency: {other}"),
        },
        due_days: number("due_days_after_period").expect("due days"),
        count: match reporting.get("count").map(text).as_deref() {
            None | Some("calendar") => Count::Calendar,
            Some("working") => Count::Working,
            Some(other) => panic!("no such count: {other}"),
        },
        holidays: reporting
            .get("holidays")
            .map(|days| list(days).map(date).collect())
            .unwrap_or_default(),
        due_hour: reporting.get("hour").map(|hour| text(hour).parse().expect("an hour")),
        review_days: number("review_days"),
    };
    let mut policy = Policy::default();
    for (key, value) in plan.get("compliance_policy").map(mapping).into_iter().flatten() {
        match text(key).as_str() {
            "rules" => policy.rules = text(value).parse().expect("a number"),
            "on_track_from" => policy.on_track_from = decimal(value),
            "at_risk_from" => policy.at_risk_from = decimal(value),
            "reported_from" => policy.reported_from = decimal(value),
            "stale_after" => policy.stale_after = text(value).parse().expect("a number"),
            "interpolation" => {
                policy.interpolation = match text(value).as_str() {
                    "linear" => Interpolation::Linear,
                    _ => Interpolation::Step,
                }
            }
            "reporting_roles" => policy.reporting_roles = list(value).map(role).collect(),
            "milestones_weight" => policy.milestones_weight = decimal(value),
            key => panic!("no such policy: {key}"),
        }
    }
    Plan {
        id: text(&plan["id"]).into(),
        start: date(&plan["period"]["start"]),
        end: date(&plan["period"]["end"]),
        calendar,
        policy,
        components: list(&file["components"])
            .map(|component| Component {
                id: text(&component["code"]).into(),
                parent: component.get("parent").map(|parent| text(parent).into()),
            })
            .collect(),
        actions: list(&file["actions"]).map(action_of).collect(),
    }
}

fn action_of(file: &Yaml) -> Action {
    let mut action = Action::new(
        text(&file["code"]),
        text(&file["component"]),
        date(&file["start"]),
        date(&file["end"]),
    );
    if let Some(weight) = file.get("weight") {
        action.weight = decimal(weight);
    }
    if let Some(indicators) = file.get("indicators") {
        action.indicators = list(indicators).map(|file| indicator_of(file, &text(&file["code"]))).collect();
    } else if let Some(indicator) = file.get("indicator") {
        action.indicators = vec![indicator_of(indicator, "I")];
    }
    let milestone = |file: &Yaml| Milestone {
        id: text(&file["code"]).into(),
        due: date(&file["due"]),
    };
    action.milestones = file
        .get("milestones")
        .map(|all| list(all).map(milestone).collect())
        .unwrap_or_default();
    let rest = |file: &Yaml| Suspension {
        from: date(&file["from"]),
        to: file.get("to").map(date),
    };
    action.suspended = file.get("suspended").map(|all| list(all).map(rest).collect()).unwrap_or_default();
    action.withdrawn_on = file.get("withdrawn_on").map(date);
    action
}

fn indicator_of(file: &Yaml, code: &str) -> Indicator {
    let aggregation = match file.get("aggregation").map(text).as_deref() {
        Some("latest") => Aggregation::Latest,
        Some("cumulative") => Aggregation::Cumulative,
        Some("sum") => Aggregation::Sum,
        Some("max") => Aggregation::Max,
        other => panic!("no such aggregation: {other:?}"),
    };
    let mut indicator = Indicator::new(code, aggregation);
    if let Some(weight) = file.get("weight") {
        indicator.weight = decimal(weight);
    }
    indicator.direction = match file.get("direction").map(text).as_deref() {
        None | Some("increase") => Direction::Increase,
        Some("decrease") => Direction::Decrease,
        Some("at_least") => Direction::AtLeast,
        Some("at_most") => Direction::AtMost,
        Some(other) => panic!("no such direction: {other}"),
    };
    indicator.across = match file.get("across").map(text).as_deref() {
        Some("sum") => Across::Sum,
        None if text(&file["unit"]) == "count" => Across::Sum,
        _ => Across::Mean,
    };
    if file.get("window").is_some_and(|window| text(window) == "year") {
        indicator.window = Window::Year;
    }
    if let Some(roles) = file.get("reported_by") {
        indicator.reported_by = list(roles).map(role).collect();
    }
    indicator.baseline = file.get("baseline").map(point);
    indicator.targets = file.get("targets").map(|all| list(all).map(point).collect()).unwrap_or_default();
    indicator
}

fn point(file: &Yaml) -> Point {
    let on = match file.get("date") {
        Some(on) => date(on),
        None => jiff::civil::date(text(&file["year"]).parse().expect("a year"), 12, 31),
    };
    Point {
        on,
        value: decimal(&file["value"]),
    }
}

fn value(file: &Yaml) -> Value {
    match file.get("num") {
        Some(num) => Value::Ratio {
            num: decimal(num),
            den: decimal(&file["den"]),
        },
        None => Value::Number(decimal(file)),
    }
}

fn role(file: &Yaml) -> Role {
    match text(file).as_str() {
        "lead" => Role::Lead,
        "co_responsible" => Role::CoResponsible,
        "supporting" => Role::Supporting,
        "counterpart" => Role::Counterpart,
        other => panic!("no such role: {other}"),
    }
}

fn decimal(file: &Yaml) -> Decimal {
    text(file).trim_end_matches(".0").parse().expect("a decimal")
}

fn date(file: &Yaml) -> Date {
    text(file).parse().expect("a date")
}

fn text(file: &Yaml) -> String {
    match file {
        Yaml::String(text) => text.clone(),
        Yaml::Number(number) => number.to_string(),
        Yaml::Bool(truth) => truth.to_string(),
        other => panic!("a text: {other:?}"),
    }
}

fn list(file: &Yaml) -> impl Iterator<Item = &Yaml> {
    file.as_sequence().expect("a list").iter()
}

fn mapping(file: &Yaml) -> &Mapping {
    file.as_mapping().expect("a mapping")
}

fn six(reading: Option<Reading>) -> String {
    reading.map_or("null".into(), |reading| reading.rounded(6))
}

/// `OnTime` as `ON_TIME`.
fn screaming(state: impl std::fmt::Debug) -> String {
    let mut text = String::new();
    for letter in format!("{state:?}").chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}
