//! Evidence: bytes named by their SHA-256. Where they lie (`store`), what they are (`kind`), and what in their metadata
//! could identify a person (`traces`).

mod kind;
mod office;
mod part;
mod pdf;
mod scan;
mod store;
mod text;
mod traces;

use std::{fmt, path::PathBuf};

pub(crate) use kind::ACCEPTED;
pub use kind::{Inspected, Unaccepted, inspect};
pub(crate) use part::{Busy, KEPT, Part, Staging};
pub(crate) use store::{Store, blocking};

/// Bytes of a chunk at most.
pub(crate) const CHUNK_BYTES_MAX: usize = 1 << 20;

/// Where evidence lies, and how much of it there may be.
#[derive(Clone, Debug)]
pub struct EvidenceOptions {
    /// Unfinished uploads lie here, and without a `url` what is stored too.
    pub directory: PathBuf,
    /// An S3-compatible store, such as `s3://bucket/prefix`, with its keys in `AWS_…` variables; required for more than one
    /// replica of reporting. `file:///…` is a directory that is written as such a store is.
    pub url: Option<String>,
    /// Bytes of a file at most.
    pub file_bytes_max: u64,
    /// Bytes of all evidence of one institution at most, unfinished uploads included.
    pub quota_bytes: u64,
}

impl EvidenceOptions {
    /// Below the data directory, 2 GiB a file and 50 GiB an institution.
    pub fn in_directory(directory: PathBuf) -> Self {
        Self {
            directory,
            url: None,
            file_bytes_max: 2 << 30,
            quota_bytes: 50 << 30,
        }
    }
}

/// The SHA-256 by which evidence is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// Reads `evidence/{sha256}`; none where it is not of that form.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let hex = name.strip_prefix("evidence/")?;
        let lower = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut digest = [0; 32];
        (lower && hex::decode_to_slice(hex, &mut digest).is_ok()).then_some(Self(digest))
    }

    /// As resource name.
    pub(crate) fn name(&self) -> String {
        format!("evidence/{self}")
    }
}

impl From<[u8; 32]> for Digest {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_hash_and_nothing_else() {
        let hex = "0".repeat(63) + "a";
        assert_eq!(
            Digest::of_name(&format!("evidence/{hex}")).map(|digest| digest.to_string()),
            Some(hex.clone())
        );
        for name in [
            hex.clone(),
            format!("evidence/{}", hex.to_uppercase()),
            format!("evidence/{hex}0"),
            "evidence/".to_owned(),
        ] {
            assert_eq!(Digest::of_name(&name), None, "{name}");
        }
    }
}
