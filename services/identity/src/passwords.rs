//! Passwords: argon2id, as RFC 9106 and OWASP advise.

use std::sync::LazyLock;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use vigia_platform::Error;

/// How dear a guess is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// 19 MiB, two passes (OWASP's second choice: old machines log in, too).
    Full,
    /// Next to nothing: for scratch directories only, whose accounts protect nothing.
    Scratch,
}

impl Cost {
    fn argon2(self) -> Argon2<'static> {
        let params = match self {
            Self::Full => Params::new(19 * 1024, 2, 1, None),
            Self::Scratch => Params::new(8, 1, 1, None),
        };
        // The numbers above lie within argon2's bounds; its defaults would do otherwise.
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.unwrap_or_default())
    }
}

/// The hash of a password, with its parameters and salt.
pub(crate) fn hash(password: &str, cost: Cost) -> Result<String, Error> {
    let hash = cost
        .argon2()
        .hash_password(password.as_bytes())
        .map_err(|cause| Error::internal(&cause))?;
    Ok(hash.to_string())
}

/// A hash of no password: checking against it takes as long as against a real one, so that nobody learns by the clock
/// which accounts exist.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash("nobody has this password", Cost::Full).unwrap_or_default());

/// Whether the password fits; without a stored hash it never does, and takes as long.
pub(crate) fn fits(password: &str, stored: Option<&str>) -> bool {
    let known = stored.is_some_and(|stored| !stored.is_empty());
    let Ok(parsed) = PasswordHash::new(stored.filter(|_| known).unwrap_or(&NOBODY)) else {
        return false;
    };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known
}
