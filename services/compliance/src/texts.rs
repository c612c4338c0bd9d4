//! Texts that people wrote: they stand beside the journal, which has only their salted hash, so that they can be erased
//! and every proof still holds. No verdict depends on them.

use std::collections::HashMap;

use prost::Message;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};
use sha2::{Digest, Sha256};
use vigia_platform::{Change, Error, timestamp};
use vigia_proto::compliance::{Assessment, Comment, FollowUp, TextSeal};

use crate::{entities::text, record::Record};

/// Something said that has texts.
pub(crate) trait Spoken: Clone {
    /// Its resource name.
    fn name(&self) -> &str;
    /// Its texts, in the order in which the seal takes them.
    fn texts(&mut self) -> Vec<&mut String>;
    /// What binds them to the journal.
    fn seal(&mut self) -> &mut Option<TextSeal>;
}

impl Spoken for Assessment {
    fn name(&self) -> &str {
        &self.name
    }

    fn texts(&mut self) -> Vec<&mut String> {
        vec![&mut self.reasons]
    }

    fn seal(&mut self) -> &mut Option<TextSeal> {
        &mut self.seal
    }
}

impl Spoken for Comment {
    fn name(&self) -> &str {
        &self.name
    }

    fn texts(&mut self) -> Vec<&mut String> {
        vec![&mut self.text]
    }

    fn seal(&mut self) -> &mut Option<TextSeal> {
        &mut self.seal
    }
}

impl Spoken for FollowUp {
    fn name(&self) -> &str {
        &self.name
    }

    fn texts(&mut self) -> Vec<&mut String> {
        vec![&mut self.contact, &mut self.outcome]
    }

    fn seal(&mut self) -> &mut Option<TextSeal> {
        &mut self.seal
    }
}

/// How texts are stored.
#[derive(Clone, PartialEq, prost::Message)]
struct Stored {
    #[prost(string, repeated, tag = "1")]
    texts: Vec<String>,
}

/// Keeps the texts of what is said in this change, and returns what the journal and the stored answer get of it: all but
/// texts and salt.
pub(crate) async fn keep<T: Spoken>(change: &Change, spoken: &mut T) -> Result<T, Error> {
    let mut salt = vec![0; 16];
    getrandom::fill(&mut salt).map_err(|cause| Error::internal(&cause))?;
    let texts: Vec<String> = spoken.texts().into_iter().map(|text| text.clone()).collect();
    let hash = hash(&salt, &texts);
    let seal = |salt: Vec<u8>| {
        Some(TextSeal {
            hash: hash.clone(),
            salt,
            ..TextSeal::default()
        })
    };
    let mut recorded = spoken.clone();
    recorded.texts().into_iter().for_each(String::clear);
    *recorded.seal() = seal(Vec::new());
    let row = text::Model {
        name: spoken.name().to_owned(),
        salt: salt.clone(),
        texts: Stored { texts }.encode_to_vec(),
    };
    text::Entity::insert(row.into_active_model())
        .exec_without_returning(change.tx())
        .await?;
    *spoken.seal() = seal(salt);
    Ok(recorded)
}

/// Gives what was recorded its texts back, or says when and why they were erased.
pub(crate) async fn fill<T: Spoken>(db: &impl ConnectionTrait, record: &Record, spoken: &mut [T]) -> Result<(), Error> {
    let names = spoken.iter().map(|one| one.name().to_owned());
    let rows = text::Entity::find().filter(text::Column::Name.is_in(names)).all(db).await?;
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.name.clone(), row)).collect();
    for one in spoken {
        let row = rows.remove(one.name());
        let erased = record.voices(|voices| voices.erased(one.name()));
        let seal = one.seal().get_or_insert_default();
        if let Some((time, reason)) = erased {
            seal.erase_time = Some(timestamp(time));
            seal.erase_reason = reason;
        }
        let Some(row) = row else { continue };
        seal.salt = row.salt;
        let texts = Stored::decode(row.texts.as_slice())?.texts;
        one.texts().into_iter().zip(texts).for_each(|(place, text)| *place = text);
    }
    Ok(())
}

/// Takes the texts away.
pub(crate) async fn erase(change: &Change, name: &str) -> Result<(), Error> {
    text::Entity::delete_by_id(name).exec(change.tx()).await?;
    Ok(())
}

/// Each text with its length before it: what has the same hash has the same texts.
fn hash(salt: &[u8], texts: &[String]) -> Vec<u8> {
    let mut hash = Sha256::new_with_prefix(salt);
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_holds_its_texts_and_nothing_can_be_moved_between_them() {
        let of = |salt: &[u8], contact: &str, outcome: &str| hash(salt, &[contact.to_owned(), outcome.to_owned()]);
        assert_ne!(of(b"salt", "ab", "c"), of(b"salt", "a", "bc"));
        assert_ne!(of(b"salt", "a", "b"), of(b"tlas", "a", "b"));
        assert_eq!(of(b"salt", "a", "b"), of(b"salt", "a", "b"));
    }
}
