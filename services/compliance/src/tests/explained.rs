//! The sentences that a minister reads.

use std::fmt::Write;

use jiff::Timestamp;
use vigia_proto::{assignments as a, compliance::Verdict, reporting as r};

use super::journal::{Journals, at, report};
use crate::{answers, memory::Memory};

fn world() -> Journals {
    let mut journals = Journals::begin();
    let begin = at("2025-12-02 09:00");
    for (id, action, institution, role) in [
        ("x1", "a1", "msp", a::AssignmentRole::Lead),
        ("x2", "a1", "mdg", a::AssignmentRole::CoResponsible),
        ("x3", "a2", "msp", a::AssignmentRole::Lead),
        ("x4", "a2", "msp", a::AssignmentRole::CoResponsible),
    ] {
        let assignment = Journals::assignment(id, action, institution, role, "2026-01-01");
        journals.propose(begin, &assignment);
        journals.accept(begin, &assignment);
    }
    journals
}

fn memory(journals: &Journals) -> Memory {
    let memory = Memory::default();
    for (area, entry) in &journals.0 {
        memory.take(*area, entry).expect("taken in");
    }
    memory
}

fn action(journals: &Journals, id: &str, t: Timestamp) -> Verdict {
    let found = memory(journals).ask("siempre", t, |view| {
        let verdict = vigia_rules::action(&view.facts_on(&id.into()), &id.into(), t).expect("an action");
        Ok(answers::action(view, &verdict))
    });
    found.expect("a plan")
}

fn obligation(journals: &Journals, id: &str, period: &str, t: Timestamp) -> Verdict {
    let found = memory(journals).ask("siempre", t, |view| {
        let period = period.parse().expect("a period");
        let owed = vigia_rules::obligation(&view.facts_of_assignment(&id.into()), &id.into(), period, t).expect("owed");
        Ok(answers::obligation(view, &owed))
    });
    found.expect("a plan")
}

/// All that is said, in both languages.
fn said(verdict: &Verdict) -> String {
    let mut text = format!("{} · {}\n", verdict.title_es, verdict.institution_titles_es.join(", "));
    for step in &verdict.explanation {
        let _ = write!(
            text,
            "{} [{}]\n  {}\n  {}\n",
            step.rule,
            step.positions.join(" "),
            step.text_es,
            step.text_en
        );
        if !step.observed.is_empty() || !step.required.is_empty() {
            let _ = writeln!(text, "  {} / {}", step.observed, step.required);
        }
    }
    for remedy in &verdict.remedies {
        let _ = write!(text, "→ {}\n→ {}\n", remedy.text_es, remedy.text_en);
    }
    text
}

#[test]
fn nothing_came() {
    insta::assert_snapshot!(said(&action(&world(), "a1", at("2026-04-20 10:00"))));
}

#[test]
fn too_little_was_reached() {
    let mut journals = world();
    journals.submit(
        at("2026-04-10 09:30"),
        "x1/obligations/2026-Q1",
        1,
        report(&[("I1", 60), ("I2", 12)]),
    );
    journals.submit(at("2026-04-12 09:30"), "x2/obligations/2026-Q1", 1, report(&[("I1", 75)]));
    journals.submit(
        at("2026-07-10 09:30"),
        "x1/obligations/2026-Q2",
        1,
        report(&[("I1", 20), ("I2", 9)]),
    );
    insta::assert_snapshot!(said(&action(&journals, "a1", at("2026-07-20 10:00"))));
}

#[test]
fn an_instrument_that_nothing_shows_and_one_who_is_both() {
    let mut journals = world();
    let claimed = r::Report {
        milestones: vec!["M1".into()],
        ..report(&[("I1", 6)])
    };
    journals.submit(at("2026-07-10 09:30"), "x3/obligations/2026-Q2", 1, claimed);
    journals.submit(at("2026-07-11 09:30"), "x4/obligations/2026-Q2", 1, r::Report::default());
    insta::assert_snapshot!(said(&action(&journals, "a2", at("2026-07-20 10:00"))));
}

/// Which of these rules a verdict's explanation names, each with its positions.
fn named<'a>(verdict: &'a Verdict, rules: &[&str]) -> Vec<(&'a str, String)> {
    let steps = verdict.explanation.iter().filter(|step| rules.contains(&step.rule.as_str()));
    steps.map(|step| (step.rule.as_str(), step.positions.join(" "))).collect()
}

#[test]
fn evidence_that_does_not_come_within_a_day_is_a_finding_until_it_comes() {
    let mut journals = world();
    let named_in = |evidence: &[&str]| r::Report {
        milestones: vec!["M1".into()],
        evidence: evidence.iter().map(|name| (*name).to_owned()).collect(),
        ..r::Report::default()
    };
    let sent = "x3/obligations/2026-Q2";
    journals.submit(at("2026-07-10 09:30"), sent, 1, named_in(&["evidence/a", "evidence/b"]));
    // Another institution's bytes show nothing; those of its own come late, and one of them never.
    journals.store(at("2026-07-10 10:00"), "evidence/a", "mdg");
    journals.store(at("2026-07-11 12:00"), "evidence/a", "msp");
    let heir = Journals::assignment("x5", "a2", "mdg", a::AssignmentRole::Lead, "2026-07-14");
    let old = Journals::assignment("x3", "a2", "msp", a::AssignmentRole::Lead, "2026-01-01");
    journals.hand_over(at("2026-07-13 09:00"), &old, &heir);
    journals.store(at("2026-07-15 09:00"), "evidence/b", "mdg");
    let rules = ["FINDING_EVIDENCE_NEVER_CAME", "FINDING_NO_EVIDENCE"];
    let never = ("FINDING_EVIDENCE_NEVER_CAME", "reporting:1".to_owned());
    let nothing = ("FINDING_NO_EVIDENCE", "reporting:1".to_owned());
    for (t, of_obligation, of_action) in [
        ("2026-07-11 09:29", vec![], vec![]),
        ("2026-07-11 09:30", vec![never.clone()], vec![nothing.clone()]),
        ("2026-07-11 12:00", vec![never.clone()], vec![]),
        // What whoever took the duty over brings counts from then on.
        ("2026-07-15 08:59", vec![never.clone()], vec![]),
        ("2026-07-15 09:00", vec![], vec![]),
    ] {
        assert_eq!(named(&obligation(&journals, "x3", "2026-Q2", at(t)), &rules), of_obligation, "{t}");
        assert_eq!(named(&action(&journals, "a2", at(t)), &rules[1..]), of_action, "{t}");
    }
    // Once the period is judged, the action's verdict tells it too, also as of then.
    let all = ["FINDING_EVIDENCE_NEVER_CAME"];
    journals.submit(at("2026-07-15 10:00"), sent, 2, named_in(&["evidence/c"]));
    let never = [("FINDING_EVIDENCE_NEVER_CAME", "reporting:5".to_owned())];
    assert_eq!(named(&action(&journals, "a2", at("2026-07-16 09:59")), &all), []);
    assert_eq!(named(&action(&journals, "a2", at("2026-07-16 10:00")), &all), never);
    insta::assert_snapshot!(said(&obligation(&journals, "x3", "2026-Q2", at("2026-07-16 10:00"))));
}

#[test]
fn a_review_of_the_own_institution_is_told() {
    let mut journals = world();
    let sent = "x1/obligations/2026-Q1";
    journals.submit(at("2026-04-10 09:30"), sent, 1, report(&[("I1", 60)]));
    journals.validate_own(at("2026-04-12 09:00"), sent, 1);
    let rules = ["FINDING_OWN_REVIEW"];
    let told = [("FINDING_OWN_REVIEW", "reporting:2".to_owned())];
    for (t, told) in [("2026-04-12 08:59", &told[..0]), ("2026-04-20 10:00", &told[..])] {
        assert_eq!(named(&obligation(&journals, "x1", "2026-Q1", at(t)), &rules), told, "{t}");
        assert_eq!(named(&action(&journals, "a1", at(t)), &rules), told, "{t}");
    }
    // A version that somebody else judges is another matter.
    journals.review(at("2026-04-21 09:00"), sent, 1, r::Decision::Returned, "2026-05-05");
    journals.submit(at("2026-04-22 09:00"), sent, 2, report(&[("I1", 60)]));
    journals.review(at("2026-04-23 09:00"), sent, 2, r::Decision::Validated, "");
    assert_eq!(named(&obligation(&journals, "x1", "2026-Q1", at("2026-04-24 10:00")), &rules), []);
}

#[test]
fn an_obligation_from_its_ground_to_its_answer() {
    let mut journals = world();
    let mut told = vec![said(&obligation(&journals, "x1", "2026-Q1", at("2026-04-20 10:00")))];
    journals.extend(at("2026-04-21 09:00"), "2026-Q1", "2026-04-30".parse().expect("a date"));
    told.push(said(&obligation(&journals, "x1", "2026-Q1", at("2026-04-22 10:00"))));
    journals.submit(at("2026-04-23 17:05"), "x1/obligations/2026-Q1", 1, report(&[("I1", 60)]));
    journals.review(
        at("2026-04-24 09:00"),
        "x1/obligations/2026-Q1",
        1,
        r::Decision::Returned,
        "2026-05-05",
    );
    told.push(said(&obligation(&journals, "x1", "2026-Q1", at("2026-05-01 10:00"))));
    told.push(said(&obligation(&journals, "x1", "2026-Q1", at("2026-05-07 10:00"))));
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_lies_too_far_apart_is_not_compared() {
    // One past the limit: 20,001 entries, and the refusal names the field.
    let mut journals = world();
    let begin = at("2026-07-01 00:00");
    journals.submit(begin, "x1/obligations/2026-Q2", 1, report(&[("I1", 1)]));
    let (area, last) = journals.0.last().cloned().expect("an entry");
    let entries = (1..=20_000).map(|n| {
        let later = begin + jiff::SignedDuration::from_secs(n);
        let entry = vigia_proto::journal::Entry {
            position: last.position + n,
            time: Some(vigia_platform::timestamp(later)),
            ..last.clone()
        };
        (area, entry)
    });
    journals.0.extend(entries);
    let memory = memory(&journals);
    let compare = |from: Timestamp| {
        memory.ask("siempre", at("2026-07-02 00:00"), |view| {
            crate::comparison::check_distance(view.recorded_since(from).len())
        })
    };
    assert!(compare(begin - jiff::SignedDuration::from_secs(1)).is_err());
    assert!(compare(begin).is_ok());
}
