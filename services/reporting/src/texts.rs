//! Texts that people wrote: they stand beside the journal, which has only their salted hash, so that they can be erased
//! and every proof still holds. No verdict depends on them.

use jiff::Timestamp;
use prost::Message;
use sha2::{Digest, Sha256};
use vigia_platform::{Error, timestamp};
use vigia_proto::reporting::{Report, SubmitReportResponse};

use crate::names::ReportName;

/// Gives a report a salt and the hash of its texts, and returns what the journal gets of it: all but texts and salt.
pub(crate) fn seal(report: &mut Report) -> Result<Report, Error> {
    let mut salt = vec![0; 16];
    getrandom::fill(&mut salt).map_err(|cause| Error::internal(&cause))?;
    report.texts_hash = hash(&salt, report);
    report.texts_salt = salt;
    let mut recorded = report.clone();
    recorded.texts_salt.clear();
    recorded.narrative.clear();
    for answer in &mut recorded.answers {
        answer.text.clear();
    }
    Ok(recorded)
}

/// Takes a report's texts away for good, and with them the salt, without which their hash tells nothing.
pub(crate) fn erase(report: &mut Report, at: Timestamp) {
    report.narrative.clear();
    for answer in &mut report.answers {
        answer.text.clear();
    }
    report.texts_salt.clear();
    report.texts_erase_time = Some(timestamp(at));
}

/// What a stored answer becomes in which a report's texts stand: that of its submission, or of a draft that it was. None
/// where they don't.
pub(crate) fn erased_answer(answer: &[u8], report: &ReportName, at: Timestamp) -> Option<Vec<u8>> {
    // The answers of CreateReport and UpdateReport are like the beginning of this one.
    let mut told = SubmitReportResponse::decode(answer).ok()?;
    let is_it = |told: &Report| told.name == report.to_string() || told.name == ReportName::draft(&report.obligation).to_string();
    let named = told.report.as_mut().filter(|told| is_it(told))?;
    erase(named, at);
    Some(told.encode_to_vec())
}

/// Each text with its length before it: two reports of the same hash have the same texts.
fn hash(salt: &[u8], report: &Report) -> Vec<u8> {
    let texts = std::iter::once(&report.narrative).chain(report.answers.iter().map(|answer| &answer.text));
    let mut hash = Sha256::new_with_prefix(salt);
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use vigia_proto::reporting::ObservationAnswer;

    use super::*;

    fn report(narrative: &str, answer: &str) -> Report {
        Report {
            narrative: narrative.to_owned(),
            answers: vec![ObservationAnswer {
                observation: "1.1".to_owned(),
                text: answer.to_owned(),
            }],
            ..Report::default()
        }
    }

    #[test]
    fn the_journal_gets_the_hash_of_the_texts_and_not_the_texts() {
        let mut kept = report("Dos talleres", "Corregido");
        let recorded = seal(&mut kept).expect("random bytes");
        let expect = Report {
            texts_hash: kept.texts_hash.clone(),
            ..report("", "")
        };
        assert_eq!(recorded, expect);
        assert_eq!((kept.texts_salt.len(), kept.texts_hash.len()), (16, 32));
        assert_eq!(kept.texts_hash, hash(&kept.texts_salt, &kept));
    }

    #[test]
    fn erased_texts_are_told_by_no_stored_answer() {
        let name = ReportName::parse("name", "plans/p/assignments/a/obligations/2026-Q1/reports/2").expect("a name");
        let at = Timestamp::UNIX_EPOCH;
        let stored = |report: &str| {
            let report = Report {
                name: format!("plans/p/assignments/a/obligations/2026-Q1/reports/{report}"),
                texts_salt: vec![1; 16],
                ..self::report("Dos talleres", "Corregido")
            };
            SubmitReportResponse {
                report: Some(report),
                position: 7,
                ..SubmitReportResponse::default()
            }
        };
        for told in ["2", "draft"] {
            let erased = erased_answer(&stored(told).encode_to_vec(), &name, at).expect("it tells them");
            let erased = SubmitReportResponse::decode(erased.as_slice()).expect("an answer");
            let report = erased.report.expect("a report");
            assert_eq!(
                (report.narrative.as_str(), report.answers[0].text.as_str(), report.texts_salt.len()),
                ("", "", 0)
            );
            assert_eq!((erased.position, report.texts_erase_time), (7, Some(timestamp(at))));
        }
        assert_eq!(erased_answer(&stored("1").encode_to_vec(), &name, at), None);
        assert_eq!(erased_answer(b"\xff", &name, at), None);
    }

    #[test]
    fn a_hash_holds_its_texts_and_nothing_can_be_moved_between_them() {
        let of = |narrative: &str, answer: &str| hash(b"salt", &report(narrative, answer));
        assert_ne!(of("ab", "c"), of("a", "bc"));
        assert_ne!(of("a", "b"), of("a", "c"));
        assert_ne!(hash(b"salt", &report("a", "b")), hash(b"tlas", &report("a", "b")));
    }
}
