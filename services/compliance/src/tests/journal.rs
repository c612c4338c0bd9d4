//! Journals, entry by entry, as the other services write them.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use prost::Message;
use vigia_platform::{Area, timestamp};
use vigia_proto::{assignments as a, journal::Entry, plans as p, reporting as r, types::Decimal};

/// Entries in the order of their times, each with the journal that it stands in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journals(pub(crate) Vec<(Area, Entry)>);

pub(crate) fn zone() -> TimeZone {
    TimeZone::get("America/Guayaquil").expect("a zone")
}

/// A local time in Guayaquil: `2026-04-16 09:00`.
pub(crate) fn at(local: &str) -> Timestamp {
    let local: jiff::civil::DateTime = local.replace(' ', "T").parse().expect("a local time");
    zone().to_timestamp(local).expect("a time")
}

pub(crate) fn decimal(value: impl ToString) -> Decimal {
    Decimal { value: value.to_string() }
}

/// A plan over 2026 and 2027, quarterly, due 15 days after, in the Ministry's words.
pub(crate) fn definition() -> p::PlanDefinition {
    let component = |id: &str, parent: &str, title: &str| p::Component {
        name: format!("plans/siempre/components/{id}"),
        code: id.to_uppercase(),
        parent: if parent.is_empty() {
            String::new()
        } else {
            format!("plans/siempre/components/{parent}")
        },
        title_es: title.into(),
        ..p::Component::default()
    };
    let action = |id: &str, component: &str, text: &str| p::Action {
        name: format!("plans/siempre/actions/{id}"),
        code: id.to_uppercase(),
        component: format!("plans/siempre/components/{component}"),
        text_es: text.into(),
        start: "2026-01-01".into(),
        end: "2026-12-31".into(),
        ..p::Action::default()
    };
    let indicator = |action: &str, code: &str, name: &str, aggregation: p::Aggregation, target: i32| p::Indicator {
        name: format!("plans/siempre/actions/{action}/indicators/{}", code.to_lowercase()),
        code: code.into(),
        name_es: name.into(),
        unit: "count".into(),
        aggregation: aggregation.into(),
        targets: vec![p::Target {
            on: "2026-12-31".into(),
            value: Some(decimal(target)),
        }],
        ..p::Indicator::default()
    };
    p::PlanDefinition {
        plan: Some(p::Plan {
            name: "plans/siempre".into(),
            title_es: "Plan de prueba".into(),
            start: "2026-01-01".into(),
            end: "2027-12-31".into(),
            time_zone: "America/Guayaquil".into(),
            reporting: Some(p::ReportingCalendar {
                frequency: p::Frequency::Quarterly.into(),
                due_days_after_period: 15,
                ..p::ReportingCalendar::default()
            }),
            compliance_policy: Some(p::CompliancePolicy {
                rules: 1,
                stale_after: 2,
                ..p::CompliancePolicy::default()
            }),
            ..p::Plan::default()
        }),
        components: vec![component("p", "", "Prevención"), component("p1", "p", "Formación")],
        actions: vec![
            p::Action {
                kind: p::ActionKind::Implementation.into(),
                commitments: vec!["CEDAW:2".into(), "SDG:5.2".into()],
                budget_lines: vec![p::BudgetLine {
                    source: "treasury".into(),
                    ..p::BudgetLine::default()
                }],
                ..action("a1", "p1", "Formar promotoras comunitarias")
            },
            p::Action {
                kind: p::ActionKind::Instrument.into(),
                commitments: vec!["CEDAW:5".into()],
                milestones: vec![p::Milestone {
                    code: "M1".into(),
                    due: "2026-05-01".into(),
                    text_es: "Protocolo publicado".into(),
                    ..p::Milestone::default()
                }],
                ..action("a2", "p", "Protocolo de atención")
            },
        ],
        indicators: vec![
            indicator("a1", "I1", "Promotoras formadas", p::Aggregation::Sum, 400),
            indicator("a1", "I2", "Cantones con promotoras", p::Aggregation::Cumulative, 40),
            p::Indicator {
                breakdown: vec!["province".into(), "disability".into()],
                ..indicator("a2", "I1", "Servicios que aplican el protocolo", p::Aggregation::Latest, 20)
            },
        ],
    }
}

impl Journals {
    /// A plan in force and its institutions, from December 2025 on.
    pub(crate) fn begin() -> Self {
        let mut journals = Self::default();
        let begin = at("2025-12-01 09:00");
        journals.institution(begin, "msp", "Ministerio de Salud Pública");
        journals.institution(begin, "mdg", "Ministerio de Gobierno");
        journals.revise(begin, 1, "2025-12-01", Vec::new(), Some(definition()));
        journals
    }

    pub(crate) fn write(&mut self, time: Timestamp, area: Area, resource: &str, event_type: &str, event: &impl Message) -> i64 {
        let position = 1 + i64::try_from(self.0.iter().filter(|(other, _)| *other == area).count()).expect("few");
        let entry = Entry {
            position,
            time: Some(timestamp(time)),
            resource: resource.into(),
            event_type: format!("vigia.{area}.v1.{event_type}"),
            event: event.encode_to_vec(),
            ..Entry::default()
        };
        self.0.push((area, entry));
        position
    }

    pub(crate) fn institution(&mut self, time: Timestamp, id: &str, name: &str) {
        let name_of = format!("institutions/{id}");
        let saved = a::InstitutionSaved {
            institution: Some(a::Institution {
                name: name_of.clone(),
                name_es: name.into(),
                ..a::Institution::default()
            }),
        };
        self.write(time, Area::Assignments, &name_of, "InstitutionSaved", &saved);
    }

    pub(crate) fn revise(
        &mut self,
        time: Timestamp,
        number: i32,
        effective_on: &str,
        changes: Vec<p::Change>,
        definition: Option<p::PlanDefinition>,
    ) {
        let name = format!("plans/siempre/revisions/{number}");
        let effective: Date = effective_on.parse().expect("a date");
        let begins = zone().to_timestamp(effective.at(0, 0, 0, 0)).expect("a time");
        let approved = p::RevisionApproved {
            revision: Some(p::Revision {
                name: name.clone(),
                effective_on: effective_on.into(),
                acts_from: Some(timestamp(time.max(begins))),
                changes,
                ..p::Revision::default()
            }),
            definition,
        };
        self.write(time, Area::Plans, &name, "RevisionApproved", &approved);
    }

    pub(crate) fn assignment(id: &str, action: &str, institution: &str, role: a::AssignmentRole, from: &str) -> a::Assignment {
        a::Assignment {
            name: format!("plans/siempre/assignments/{id}"),
            action: format!("plans/siempre/actions/{action}"),
            institution: format!("institutions/{institution}"),
            role: role.into(),
            from: from.into(),
            ..a::Assignment::default()
        }
    }

    pub(crate) fn propose(&mut self, time: Timestamp, assignment: &a::Assignment) {
        let event = a::AssignmentProposed {
            assignment: Some(assignment.clone()),
        };
        self.write(time, Area::Assignments, &assignment.name, "AssignmentProposed", &event);
    }

    pub(crate) fn accept(&mut self, time: Timestamp, assignment: &a::Assignment) {
        let event = a::AssignmentAccepted {
            assignment: Some(assignment.clone()),
        };
        self.write(time, Area::Assignments, &assignment.name, "AssignmentAccepted", &event);
    }

    pub(crate) fn hand_over(&mut self, time: Timestamp, from: &a::Assignment, to: &a::Assignment) {
        let event = a::AssignmentHandedOver {
            predecessor: Some(from.clone()),
            successor: Some(to.clone()),
            effective_on: to.from.clone(),
        };
        self.write(time, Area::Assignments, &from.name, "AssignmentHandedOver", &event);
    }

    pub(crate) fn submit(&mut self, time: Timestamp, obligation: &str, version: i32, report: r::Report) {
        let name = format!("plans/siempre/assignments/{obligation}/reports/{version}");
        let event = r::ReportSubmitted {
            report: Some(r::Report {
                name: name.clone(),
                version,
                receive_time: Some(timestamp(time)),
                ..report
            }),
        };
        self.write(time, Area::Reporting, &name, "ReportSubmitted", &event);
    }

    pub(crate) fn review(&mut self, time: Timestamp, obligation: &str, version: i32, decision: r::Decision, answer_by: &str) {
        let report = format!("plans/siempre/assignments/{obligation}/reports/{version}");
        let event = r::ReportReviewed {
            review: Some(r::Review {
                report: report.clone(),
                decision: decision.into(),
                answer_by: answer_by.into(),
                ..r::Review::default()
            }),
        };
        self.write(time, Area::Reporting, &report, "ReportReviewed", &event);
    }

    /// An institution's evidence is here, to its last byte.
    pub(crate) fn store(&mut self, time: Timestamp, evidence: &str, institution: &str) {
        self.write(time, Area::Reporting, evidence, "EvidenceStored", &r::EvidenceStored::default());
        if let Some((_, entry)) = self.0.last_mut() {
            entry.institution = format!("institutions/{institution}");
        }
    }

    /// A validation by somebody who acts for the institution that owes the report.
    pub(crate) fn validate_own(&mut self, time: Timestamp, obligation: &str, version: i32) {
        let report = format!("plans/siempre/assignments/{obligation}/reports/{version}");
        let event = r::ReportReviewed {
            review: Some(r::Review {
                report: report.clone(),
                decision: r::Decision::Validated.into(),
                own_institution: true,
                ..r::Review::default()
            }),
        };
        self.write(time, Area::Reporting, &report, "ReportReviewed", &event);
    }

    pub(crate) fn extend(&mut self, time: Timestamp, period: &str, until: Date) {
        let event = r::ExtensionGranted {
            extension: Some(r::Extension {
                name: "plans/siempre/extensions/x".into(),
                period: period.into(),
                covers: Some(r::extension::Covers::All(true)),
                until: until.to_string(),
                emergency: true,
                ..r::Extension::default()
            }),
        };
        self.write(time, Area::Reporting, "plans/siempre/extensions/x", "ExtensionGranted", &event);
    }

    pub(crate) fn waive(&mut self, time: Timestamp, obligation: &str) {
        let name = format!("plans/siempre/assignments/{obligation}");
        let event = r::ObligationWaived {
            obligation: name.clone(),
            reason: "Sismo".into(),
        };
        self.write(time, Area::Reporting, &name, "ObligationWaived", &event);
    }
}

/// A report that states numbers for indicators.
pub(crate) fn report(values: &[(&str, i32)]) -> r::Report {
    r::Report {
        values: values
            .iter()
            .map(|(indicator, value)| r::IndicatorValue {
                indicator: (*indicator).into(),
                value: Some(r::indicator_value::Value::Number(decimal(value))),
                ..r::IndicatorValue::default()
            })
            .collect(),
        ..r::Report::default()
    }
}

pub(crate) fn hours(hours: i64) -> Timestamp {
    at("2026-01-01 00:00") + SignedDuration::from_hours(hours)
}
