//! Pages and etags of lists.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use sha2::{Digest, Sha256};
use vigia_proto::error::Reason;

use crate::{caller::Caller, error::Error};

/// Rows of a page where the caller does not say.
pub const PAGE_SIZE: u64 = 50;
/// Rows of a page at most.
pub const PAGE_SIZE_MAX: u64 = 1000;

/// Which page of a list is asked for.
#[derive(Debug)]
pub struct Page {
    /// How many rows.
    pub size: u64,
    /// The key after which it begins; none for the first page.
    pub after: Option<String>,
    bound_to: [u8; 8],
}

impl Page {
    /// Reads size and token. The token is bound to caller, method and arguments: that of another list is refused.
    pub fn parse(caller: &Caller, size: i32, token: &str, arguments: &[&str]) -> Result<Self, Error> {
        let size = match u64::try_from(size) {
            Ok(0) => PAGE_SIZE,
            Ok(size) => size.min(PAGE_SIZE_MAX),
            Err(_) => {
                let mut faults = crate::error::Faults::new();
                faults.add("page_size", "no puede ser negativo", "can't be negative");
                return Err(faults.done().err().unwrap_or_else(|| Error::internal(&"no fault")));
            }
        };
        let mut hash = Sha256::new();
        for part in [caller.principal(), caller.method()].iter().chain(arguments) {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let mut bound_to = [0; 8];
        bound_to.copy_from_slice(&digest[..8]);
        let after = if token.is_empty() {
            None
        } else {
            Some(open(token, bound_to).ok_or_else(invalid)?)
        };
        Ok(Self { size, after, bound_to })
    }

    /// The token of the page that begins after `last`; empty where there is none.
    pub fn next(&self, last: Option<&str>) -> String {
        last.map_or_else(String::new, |last| {
            URL_SAFE_NO_PAD.encode([self.bound_to.as_slice(), last.as_bytes()].concat())
        })
    }
}

fn open(token: &str, bound_to: [u8; 8]) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let key = bytes.strip_prefix(bound_to.as_slice())?;
    String::from_utf8(key.to_vec()).ok()
}

fn invalid() -> Error {
    Error::refused(
        Reason::PageTokenInvalid,
        "El page_token es de otra lista o de otros argumentos: empiece sin él.",
        "The page_token belongs to another list or other arguments: begin without it.",
    )
}

/// The etag of a resource: a hash of what it holds. Give it with its own etag field empty.
pub fn etag(resource: &impl Message) -> String {
    hex::encode(&Sha256::digest(resource.encode_to_vec())[..8])
}

/// Refuses an etag that is not the stored one; an empty one is not checked.
pub fn check_etag(given: &str, stored: &str, resource: &str) -> Result<(), Error> {
    if given.is_empty() || given == stored {
        Ok(())
    } else {
        Err(Error::etag_mismatch(resource))
    }
}
