//! Pages, etags and filters of lists.

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

/// Terms in a filter at most.
const TERMS_MAX: usize = 20;

/// A filter (AIP-160) of the plain kind: `field = value` and `field != value`, joined by `AND`.
#[derive(Debug, Default)]
pub struct Filter(Vec<Term>);

#[derive(Debug)]
struct Term {
    field: String,
    equal: bool,
    value: String,
}

impl Filter {
    /// Reads a filter; fields that are not in `allowed` are refused.
    pub fn parse(text: &str, allowed: &[&str]) -> Result<Self, Error> {
        let refuse = |es: String, en: String| Error::refused(Reason::FilterInvalid, es, en).with("filter", text);
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut terms = Vec::new();
        for part in text.split(" AND ") {
            let (field, equal, value) = part
                .split_once("!=")
                .map(|(field, value)| (field, false, value))
                .or_else(|| part.split_once('=').map(|(field, value)| (field, true, value)))
                .ok_or_else(|| {
                    refuse(
                        format!("«{part}» no es «campo = valor»."),
                        format!("\"{part}\" is not \"field = value\"."),
                    )
                })?;
            let (field, value) = (field.trim(), value.trim());
            if !allowed.contains(&field) {
                let known = allowed.join(", ");
                return Err(refuse(
                    format!("No se filtra por «{field}»; se puede por: {known}."),
                    format!("\"{field}\" can't be filtered by; you can use: {known}."),
                ));
            }
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            terms.push(Term {
                field: field.to_owned(),
                equal,
                value: value.to_owned(),
            });
            if terms.len() > TERMS_MAX {
                return Err(refuse(
                    format!("Tiene más de {TERMS_MAX} condiciones."),
                    format!("It has more than {TERMS_MAX} conditions."),
                ));
            }
        }
        Ok(Self(terms))
    }

    /// Whether something with these fields passes.
    pub fn matches(&self, field: impl Fn(&str) -> Option<String>) -> bool {
        self.0
            .iter()
            .all(|term| (field(&term.field).as_deref() == Some(term.value.as_str())) == term.equal)
    }

    /// The value that a field must equal, where there is such a term: for a query.
    pub fn equal(&self, field: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|term| term.equal && term.field == field)
            .map(|term| term.value.as_str())
    }
}
