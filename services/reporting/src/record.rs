//! What our own journal says beside the facts of the rules: what was observed on reports that were returned, which evidence
//! is here, what was spent, and when this service was not there. Kept in memory, so that a submission is decided without
//! asking the database.

use std::collections::HashMap;

use prost::Message;
use vigia_platform::Error;
use vigia_proto::{
    journal::Entry,
    reporting::{Decision, EvidenceStored, Observation, Report, ReportReviewed, ReportSubmitted, Spending},
};

use crate::{granted::Granted, outage::Outages};

/// What was recorded.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// By obligation, as resource name: the observations of its last review, where that was a return.
    observations: HashMap<String, Vec<Observation>>,
    /// By evidence and institution, as resource names: what in it could identify a person.
    evidence: HashMap<String, HashMap<String, Vec<String>>>,
    /// By report, as resource name, where it states any.
    spending: HashMap<String, Vec<Spending>>,
    /// Extensions and waivers.
    pub(crate) granted: Granted,
    /// When this service could not take reports.
    pub(crate) outages: Outages,
}

impl Record {
    /// Takes in an entry of our own journal.
    pub(crate) fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        self.granted.take(entry)?;
        self.outages.take(entry)?;
        let event = entry.event.as_slice();
        match entry.event_type.as_str() {
            "vigia.reporting.v1.ReportReviewed" => {
                let review = ReportReviewed::decode(event)?.review.unwrap_or_default();
                // What is observed stays until the next decision: an answer may be replaced while it waits.
                if review.decision() == Decision::Returned && !review.observations.is_empty() {
                    self.observations.insert(entry.resource.clone(), review.observations);
                } else {
                    self.observations.remove(&entry.resource);
                }
            }
            "vigia.reporting.v1.EvidenceStored" => {
                let traces = EvidenceStored::decode(event)?.evidence.unwrap_or_default().traces;
                let of_evidence = self.evidence.entry(entry.resource.clone()).or_default();
                of_evidence.insert(entry.institution.clone(), traces);
            }
            "vigia.reporting.v1.ReportSubmitted" => {
                let report = ReportSubmitted::decode(event)?.report.unwrap_or_default();
                self.submitted(report);
            }
            _ => {}
        }
        Ok(())
    }

    fn submitted(&mut self, report: Report) {
        if !report.spending.is_empty() {
            self.spending.insert(report.name, report.spending);
        }
    }

    /// What waits for an answer.
    pub(crate) fn observations(&self, obligation: &str) -> &[Observation] {
        self.observations.get(obligation).map(Vec::as_slice).unwrap_or_default()
    }

    /// What in evidence could identify a person; none where none of these institutions has uploaded it.
    pub(crate) fn traces<'a>(&self, evidence: &str, institutions: impl IntoIterator<Item = &'a str>) -> Option<&[String]> {
        let uploaded = self.evidence.get(evidence)?;
        let mut institutions = institutions.into_iter();
        institutions.find_map(|institution| uploaded.get(institution)).map(Vec::as_slice)
    }

    /// What a report stated as spent.
    pub(crate) fn spending(&self, report: &str) -> &[Spending] {
        self.spending.get(report).map(Vec::as_slice).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use vigia_proto::reporting::{Evidence, Review};

    use super::*;

    #[test]
    fn what_was_observed_waits_until_the_next_decision() {
        let mut record = Record::default();
        let mut review = |decision: Decision, observations: &[&str]| {
            let observations = observations.iter().map(|id| Observation {
                id: (*id).to_owned(),
                ..Observation::default()
            });
            let event = ReportReviewed {
                review: Some(Review {
                    decision: decision.into(),
                    observations: observations.collect(),
                    ..Review::default()
                }),
            };
            let entry = Entry {
                event_type: "vigia.reporting.v1.ReportReviewed".to_owned(),
                resource: "o".to_owned(),
                event: event.encode_to_vec(),
                ..Entry::default()
            };
            record.take(&entry).expect("an entry");
            record.observations("o").len()
        };
        assert_eq!(review(Decision::Returned, &["1.1", "1.2"]), 2);
        assert_eq!(review(Decision::Returned, &[]), 0);
        assert_eq!(review(Decision::Returned, &["2.1"]), 1);
        assert_eq!(review(Decision::Validated, &[]), 0);
    }

    #[test]
    fn evidence_is_there_for_who_uploaded_it() {
        let mut record = Record::default();
        let event = EvidenceStored {
            evidence: Some(Evidence {
                traces: vec!["exif.gps".to_owned()],
                ..Evidence::default()
            }),
        };
        let entry = Entry {
            event_type: "vigia.reporting.v1.EvidenceStored".to_owned(),
            resource: "evidence/a".to_owned(),
            institution: "institutions/msp".to_owned(),
            event: event.encode_to_vec(),
            ..Entry::default()
        };
        record.take(&entry).expect("an entry");
        let both = ["institutions/mies", "institutions/msp"];
        assert_eq!(record.traces("evidence/a", both), Some(&["exif.gps".to_owned()][..]));
        assert_eq!(record.traces("evidence/a", ["institutions/mies"]), None);
        assert_eq!(record.traces("evidence/b", both), None);
    }
}
