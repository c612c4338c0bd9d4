//! Access tokens (RFC 9068) and client assertions (RFC 7523): the one place that signs and verifies them.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{
        DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
        spki::der::{pem::LineEnding, zeroize::Zeroizing},
    },
};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{clock::machine_now, error::Error};

/// Who issues, and for whom: tokens of another system are not ours.
pub const ISSUER: &str = "vigia";
/// Life of an access token.
pub const TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(15);
/// Life of a client assertion at most.
pub const ASSERTION_LIFE: SignedDuration = SignedDuration::from_mins(5);
/// How far clocks may differ.
const SKEW_SECONDS: i64 = 30;
/// Bytes of a token at most: ours have about 400.
const TOKEN_BYTES_MAX: usize = 4096;
/// Verified tokens that are remembered; past it they are all forgotten and checked anew.
const CACHE_MAX: usize = 10_000;

/// The claims that we set and ask for. All are required.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer: ours, or the client itself in an assertion.
    pub iss: String,
    /// Who it is about: `clients/…` or `accounts/…`.
    pub sub: String,
    /// For whom it is: `vigia`.
    pub aud: String,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// When it was made.
    pub iat: i64,
    /// Its id.
    pub jti: String,
}

/// A private key with its id.
#[derive(Clone)]
pub struct Key {
    kid: String,
    signing: SigningKey,
    encoding: EncodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.kid)
    }
}

impl Key {
    /// A new key.
    pub fn generate(kid: &str) -> Result<Self, Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|cause| Error::internal(&cause))?;
        Self::of(kid, SigningKey::from_bytes(&seed))
    }

    /// Reads a private key (PKCS#8, PEM).
    pub fn from_pem(kid: &str, pem: &str) -> Result<Self, Error> {
        Self::of(kid, SigningKey::from_pkcs8_pem(pem).map_err(|cause| Error::internal(&cause))?)
    }

    fn of(kid: &str, signing: SigningKey) -> Result<Self, Error> {
        let pem = pkcs8_pem(&signing)?;
        let encoding = EncodingKey::from_ed_pem(pem.as_bytes()).map_err(|cause| Error::internal(&cause))?;
        Ok(Self {
            kid: kid.to_owned(),
            signing,
            encoding,
        })
    }

    /// Its id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The private key (PKCS#8, PEM).
    pub fn to_pem(&self) -> Result<String, Error> {
        Ok(pkcs8_pem(&self.signing)?.as_str().to_owned())
    }

    /// The public key (SubjectPublicKeyInfo, PEM).
    pub fn public_pem(&self) -> Result<String, Error> {
        self.signing
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .map_err(|cause| Error::internal(&cause))
    }

    /// The public key as a JSON Web Key (RFC 8037).
    pub fn jwk(&self) -> serde_json::Value {
        let x = URL_SAFE_NO_PAD.encode(self.signing.verifying_key().as_bytes());
        serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.kid, "use": "sig", "alg": "EdDSA"})
    }

    fn sign(&self, typ: &str, claims: &Claims) -> Result<String, Error> {
        let header = Header {
            typ: Some(typ.to_owned()),
            kid: Some(self.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(|cause| Error::internal(&cause))
    }

    /// An access token for `principal`, and when it ends.
    pub fn access_token(&self, principal: &str) -> Result<(String, Timestamp), Error> {
        let now = machine_now().as_second();
        let exp = now + TOKEN_LIFE.as_secs();
        let claims = Claims {
            iss: ISSUER.into(),
            sub: principal.into(),
            aud: ISSUER.into(),
            exp,
            nbf: None,
            iat: now,
            jti: crate::name::new_id(),
        };
        Ok((self.sign("at+jwt", &claims)?, Timestamp::from_second(exp).unwrap_or(Timestamp::MAX)))
    }

    /// A client's assertion that it is `client`.
    pub fn assertion(&self, client: &str) -> Result<String, Error> {
        let now = machine_now().as_second();
        let claims = Claims {
            iss: client.into(),
            sub: client.into(),
            aud: ISSUER.into(),
            exp: now + 60,
            nbf: None,
            iat: now,
            jti: crate::name::new_id(),
        };
        self.sign("JWT", &claims)
    }
}

/// A private key as PKCS#8 without the public key in it (RFC 5958's version 1): OpenSSL 3.0, Python and Node read no other.
fn pkcs8_pem(signing: &SigningKey) -> Result<Zeroizing<String>, Error> {
    let private_only = KeypairBytes {
        secret_key: signing.to_bytes(),
        public_key: None,
    };
    private_only.to_pkcs8_pem(LineEnding::LF).map_err(|cause| Error::internal(&cause))
}

/// Whether a text is an Ed25519 public key (SubjectPublicKeyInfo, PEM).
pub fn is_public_key(pem: &str) -> bool {
    ed25519_dalek::VerifyingKey::from_public_key_pem(pem).is_ok()
}

/// The client that an assertion says it is from; nothing of it is verified yet.
pub fn assertion_issuer(assertion: &str) -> Option<(String, String)> {
    if assertion.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let kid = jsonwebtoken::decode_header(assertion).ok()?.kid?;
    let claims = assertion.split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    Some((claims.iss, kid))
}

/// Verifies a client's assertion with that client's public key.
pub fn verify_assertion(assertion: &str, client: &str, public_pem: &str) -> Option<Claims> {
    let key = DecodingKey::from_ed_pem(public_pem.as_bytes()).ok()?;
    let claims = verify(assertion, "JWT", client, &key, ASSERTION_LIFE)?;
    (claims.sub == client).then_some(claims)
}

/// All that is checked of any token: the library's own checks are not enough (it accepts one without aud or iss, and
/// never looks at typ, crit or iat).
fn verify(token: &str, typ: &str, issuer: &str, key: &DecodingKey, life_max: SignedDuration) -> Option<Claims> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let header = jsonwebtoken::decode_header(token).ok()?;
    let raw: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?).ok()?;
    if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some(typ) || raw.get("crit").is_some() {
        return None;
    }
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[ISSUER]);
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.validate_nbf = true;
    validation.leeway = u64::try_from(SKEW_SECONDS).unwrap_or(0);
    #[expect(clippy::disallowed_methods, reason = "the one verifier")]
    let claims = jsonwebtoken::decode::<Claims>(token, key, &validation).ok()?.claims;
    let now = machine_now().as_second();
    let fits =
        claims.iat <= now + SKEW_SECONDS && claims.exp > now && claims.exp - claims.iat <= life_max.as_secs() && !claims.jti.is_empty();
    fits.then_some(claims)
}

/// Verifies access tokens, and remembers those it has verified. Clones share it.
#[derive(Clone, Default)]
pub struct Verifier(Arc<Inner>);

#[derive(Default)]
struct Inner {
    keys: RwLock<HashMap<String, DecodingKey>>,
    verified: RwLock<HashMap<[u8; 32], Arc<Claims>>>,
    revoked: RwLock<HashMap<String, i64>>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    /// Takes the keys of a JSON Web Key Set; says whether there was one.
    pub fn set_keys(&self, jwks_json: &str) -> bool {
        let Ok(set) = serde_json::from_str::<jsonwebtoken::jwk::JwkSet>(jwks_json) else {
            return false;
        };
        let keys: HashMap<_, _> = set
            .keys
            .iter()
            .filter_map(|jwk| Some((jwk.common.key_id.clone()?, DecodingKey::from_jwk(jwk).ok()?)))
            .collect();
        let any = !keys.is_empty();
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        any
    }

    /// The claims of a token that is ours, whole, in time and not revoked.
    pub fn verify(&self, token: &str) -> Option<Arc<Claims>> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        let remembered = self.0.verified.read().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        let claims = if let Some(claims) = remembered {
            claims
        } else {
            let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
            let key = self.0.keys.read().unwrap_or_else(PoisonError::into_inner).get(&kid)?.clone();
            let claims = Arc::new(verify(token, "at+jwt", ISSUER, &key, TOKEN_LIFE)?);
            let mut verified = self.0.verified.write().unwrap_or_else(PoisonError::into_inner);
            if verified.len() >= CACHE_MAX {
                verified.clear();
            }
            verified.insert(hash, claims.clone());
            claims
        };
        let revoked = self
            .0
            .revoked
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&claims.jti);
        (!revoked && claims.exp > machine_now().as_second()).then_some(claims)
    }

    /// Ends a token before its time; it is remembered until it would have ended by itself.
    pub fn revoke(&self, token_id: &str, expires_at: Timestamp) {
        let mut revoked = self.0.revoked.write().unwrap_or_else(PoisonError::into_inner);
        let now = machine_now().as_second();
        revoked.retain(|_, exp| *exp > now);
        revoked.insert(token_id.to_owned(), expires_at.as_second());
    }
}
