//! Texts that people wrote: they stand beside the journal, which has only their salted hash, so that they can be erased
//! and every proof still holds. No verdict depends on them.

use sha2::{Digest, Sha256};
use vigia_platform::Error;
use vigia_proto::reporting::Report;

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
    fn a_hash_holds_its_texts_and_nothing_can_be_moved_between_them() {
        let of = |narrative: &str, answer: &str| hash(b"salt", &report(narrative, answer));
        assert_ne!(of("ab", "c"), of("a", "bc"));
        assert_ne!(of("a", "b"), of("a", "c"));
        assert_ne!(hash(b"salt", &report("a", "b")), hash(b"tlas", &report("a", "b")));
    }
}
