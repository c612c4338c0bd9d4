//! Every service's own copy of who holds which role, followed from identity's journal.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use prost::Message;
use vigia_proto::{
    identity::{AccountCreated, ClientCreated, PrincipalDisabled, RoleGrant, RoleGranted, RoleRevoked, TokenRevoked},
    journal::Entry,
};

use crate::{clock::instant, token::Verifier};

/// Who holds which role. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Grants(Arc<RwLock<HashMap<String, Arc<Vec<RoleGrant>>>>>);

impl Grants {
    /// The roles of a principal; none where it is unknown or disabled.
    pub fn of(&self, principal: &str) -> Option<Arc<Vec<RoleGrant>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(principal).cloned()
    }

    /// Takes in one entry of identity's journal. Types that do not matter here are passed over.
    pub fn apply(&self, entry: &Entry, verifier: &Verifier) -> Result<(), prost::DecodeError> {
        let event = entry.event.as_slice();
        let mut principals = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match entry.event_type.as_str() {
            "vigia.identity.v1.AccountCreated" => {
                principals.entry(AccountCreated::decode(event)?.account).or_default();
            }
            "vigia.identity.v1.ClientCreated" => {
                principals
                    .entry(ClientCreated::decode(event)?.client.unwrap_or_default().name)
                    .or_default();
            }
            "vigia.identity.v1.RoleGranted" => {
                let RoleGranted {
                    principal,
                    grant: Some(grant),
                } = RoleGranted::decode(event)?
                else {
                    return Ok(());
                };
                if let Some(grants) = principals.get_mut(&principal).filter(|grants| !grants.contains(&grant)) {
                    Arc::make_mut(grants).push(grant);
                }
            }
            "vigia.identity.v1.RoleRevoked" => {
                let RoleRevoked {
                    principal,
                    grant: Some(grant),
                } = RoleRevoked::decode(event)?
                else {
                    return Ok(());
                };
                if let Some(grants) = principals.get_mut(&principal) {
                    Arc::make_mut(grants).retain(|held| *held != grant);
                }
            }
            "vigia.identity.v1.PrincipalDisabled" => {
                principals.remove(&PrincipalDisabled::decode(event)?.principal);
            }
            "vigia.identity.v1.TokenRevoked" => {
                let revoked = TokenRevoked::decode(event)?;
                let expires_at = revoked.expire_time.as_ref().and_then(instant).unwrap_or(jiff::Timestamp::MAX);
                verifier.revoke(&revoked.token_id, expires_at);
            }
            _ => {}
        }
        Ok(())
    }
}
