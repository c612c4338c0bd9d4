//! What every service is given: database, clock, its own copy of the grants, and the journals that it follows.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tonic::service::Routes;
use vigia_proto::{
    error::Reason,
    identity::{GetJwksRequest, token_service_client::TokenServiceClient},
    journal::Entry,
};

use crate::{
    Area,
    clock::{Clock, machine_now},
    db::Db,
    error::{Error, Faults},
    follow::{Cursor, Follow},
    grants::Grants,
    guard::Guarded,
    peer::{Peer, Route},
    share::Shares,
    shed::Shed,
    token::Verifier,
};

/// How long a call waits for a journal that the caller has already seen further.
const AT_LEAST_PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before identity is asked again at start.
const IDENTITY_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// How long to wait for identity's journal at start before saying so.
const IDENTITY_PATIENCE: Duration = Duration::from_secs(5);

/// How long a question about now waits until what was taken in is closed: three of the journals' heartbeats.
const CLOSED_PATIENCE: Duration = Duration::from_millis(300);

/// How long changes are taken in without having heard of the grants: a role that was revoked may act for so long at most.
const GRANTS_FRESH: SignedDuration = SignedDuration::from_secs(60);

/// Why a service can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database refuses.
    #[error("database: {0}")]
    Database(#[from] sea_orm::DbErr),
    /// A service that is needed does not answer.
    #[error("peer: {0}")]
    Peer(#[from] tonic::Status),
    /// Something else, in words.
    #[error("{0}")]
    Other(String),
}

impl From<Error> for StartError {
    fn from(error: Error) -> Self {
        Self::Other(tonic::Status::from(error).message().to_owned())
    }
}

/// What a service stands on. Clones share it.
#[derive(Clone, Debug)]
pub struct Kit {
    /// Its database.
    pub db: Db,
    /// Domain time.
    pub clock: Clock,
    /// Verifies tokens.
    pub verifier: Verifier,
    /// Who holds which role.
    pub grants: Grants,
    pub(crate) shares: Shares,
    /// How many calls it has shed.
    pub shed: Shed,
    follows: Arc<RwLock<Vec<Follow>>>,
}

impl Kit {
    /// A kit over a database. The grants are empty until identity is followed.
    pub fn new(db: Db, clock: Clock) -> Self {
        crate::metrics::show_journal(&db);
        Self {
            db,
            clock,
            verifier: Verifier::default(),
            grants: Grants::default(),
            shares: Shares::default(),
            shed: Shed::default(),
            follows: Arc::default(),
        }
    }

    /// Takes the keys from identity and follows its journal for the grants: every service but identity itself.
    pub async fn trust(&self, identity: Route, peer: Peer) -> Result<(), StartError> {
        let mut identity = TokenServiceClient::new(identity);
        let jwks_json = loop {
            // Services start in any order: one that can't reach identity yet waits and is not ready.
            match identity.get_jwks(GetJwksRequest {}).await {
                Ok(answer) => break answer.into_inner().jwks_json,
                Err(status) if status.code() == tonic::Code::Unavailable => {
                    tracing::warn!(%status, "waiting for identity");
                    tokio::time::sleep(IDENTITY_AGAIN_AFTER).await;
                }
                Err(status) => return Err(status.into()),
            }
        };
        if !self.verifier.set_keys(&jwks_json) {
            return Err(StartError::Other("identity has no keys".into()));
        }
        let (grants, verifier) = (self.grants.clone(), self.verifier.clone());
        let follow = self.follow(Area::Identity, peer, move |entry| Ok(grants.apply(entry, &verifier)?));
        // Until it knows who may do what, a service is not there: it would refuse everybody.
        let heard = Timestamp::MIN + SignedDuration::from_secs(1);
        while follow.wait_closed(heard, IDENTITY_PATIENCE).await.is_err() {
            tracing::warn!("waiting for identity's journal");
        }
        Ok(())
    }

    /// Follows another service's journal from its first entry on.
    pub fn follow(&self, area: Area, peer: Peer, take: impl FnMut(&Entry) -> Result<(), Error> + Send + 'static) -> Follow {
        self.follow_after(area, peer, std::future::ready(Cursor::START), take)
    }

    /// Follows another service's journal after an entry that is known from before, once it is told which.
    pub fn follow_after(
        &self,
        area: Area,
        peer: Peer,
        begin: impl Future<Output = Cursor> + Send + 'static,
        mut take: impl FnMut(&Entry) -> Result<(), Error> + Send + 'static,
    ) -> Follow {
        let (db, known) = (self.db.clone(), self.db.clone());
        let begin = async move {
            let cursor = begin.await;
            known.see(cursor.time);
            cursor
        };
        let follow = Follow::start(area, peer, begin, move |entry| {
            take(entry)?;
            // What follows from this entry is not dated before it.
            entry
                .time
                .as_ref()
                .and_then(crate::clock::instant)
                .into_iter()
                .for_each(|time| db.see(time));
            Ok(())
        });
        crate::metrics::show_follow(self.db.area(), &follow);
        self.follows.write().unwrap_or_else(PoisonError::into_inner).push(follow.clone());
        follow
    }

    /// Refuses a change where identity has not been heard of for too long: the grants may be stale. The permission layer
    /// asks for every method with a `request_id`; a method that changes something without one asks itself.
    pub fn check_grants(&self) -> Result<(), Error> {
        let follows = self.follows.read().unwrap_or_else(PoisonError::into_inner);
        // Identity itself follows nobody: its grants are its own rows.
        let identity = follows.iter().find(|follow| follow.area() == Area::Identity);
        identity.map_or(Ok(()), |follow| fresh(follow.now().heard_at, machine_now()))
    }

    /// The journals that are followed for what they say (not identity's, which is followed for the grants).
    pub fn followed(&self) -> Vec<Follow> {
        self.follows
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|follow| follow.area() != Area::Identity)
            .cloned()
            .collect()
    }

    /// Waits until this service has seen the positions that a caller has: `plans:12,assignments:3`. Journals that it
    /// does not follow are passed over.
    pub(crate) async fn wait_at_least(&self, positions: &str) -> Result<(), Error> {
        for part in positions.split(',').take(Area::ALL.len() * 2) {
            let parsed = part
                .trim()
                .split_once(':')
                .and_then(|(area, position)| Some((Area::of(area)?, position.parse::<i64>().ok()?)));
            let Some((area, position)) = parsed else {
                let mut faults = Faults::new();
                faults.add(
                    "vigia-at-least",
                    "debe ser como plans:12,assignments:3",
                    "must be like plans:12,assignments:3",
                );
                return faults.done();
            };
            let follow = self
                .follows
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .find(|follow| follow.area() == area)
                .cloned();
            if let Some(follow) = follow {
                follow.wait_position(position, AT_LEAST_PATIENCE).await?;
            } else if area == self.db.area() && !self.db.wait_observed(position, AT_LEAST_PATIENCE).await {
                return Err(crate::follow::not_that_far(area));
            }
        }
        Ok(())
    }

    /// The instant that an answer is as of: the one asked for, once all followed journals are closed at it; without one
    /// the newest at which they are.
    pub async fn as_of(&self, asked: Option<Timestamp>) -> Result<Timestamp, Error> {
        let followed = self.followed();
        let Some(t) = asked else {
            // What was taken in lies after the last instant at which the journals were closed until they say so again,
            // which takes a tenth of a second: whoever has just changed something must find it. Where a set clock
            // stands still that never comes.
            let newest = followed.iter().map(|follow| follow.now().time).max().unwrap_or(Timestamp::MIN);
            for follow in followed.iter().filter(|follow| follow.now().closed_at < newest) {
                if follow.wait_closed(newest, CLOSED_PATIENCE).await.is_err() {
                    break;
                }
            }
            return Ok(self.closed_at());
        };
        if t > self.clock.now() {
            return Err(Error::refused(
                Reason::AsOfInFuture,
                format!("{t} aún no llega: pregunte por un instante pasado."),
                format!("{t} lies in the future: ask for an instant that has passed."),
            )
            .with("as_of", t.to_string()));
        }
        for follow in followed {
            follow.wait_closed(t, AT_LEAST_PATIENCE).await?;
        }
        Ok(t)
    }

    /// The newest instant at which all followed journals are closed.
    pub fn closed_at(&self) -> jiff::Timestamp {
        let followed = self.followed();
        let closed = followed.iter().map(|follow| follow.now().closed_at).min();
        closed.unwrap_or_else(|| self.clock.now())
    }

    /// The service's routes behind the permission layer, with its journal beside them.
    pub fn guard(&self, routes: Routes) -> Guarded {
        let routes = crate::journal_service::add(routes, self.clone());
        Guarded {
            kit: self.clone(),
            routes: routes.prepare(),
        }
    }
}

fn fresh(heard_at: Timestamp, now: Timestamp) -> Result<(), Error> {
    if now.duration_since(heard_at) <= GRANTS_FRESH {
        return Ok(());
    }
    Err(Error::refused(
        Reason::GrantsStale,
        "Este servicio no sabe desde hace un minuto quién puede hacer qué: nada se cambió; intente de nuevo en un momento.",
        "This service has not heard for a minute who may do what: nothing was changed; try again in a moment.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_stale_after_a_minute_without_contact() {
        let heard_at = Timestamp::UNIX_EPOCH;
        let check = |after: SignedDuration, expect: bool| assert_eq!(fresh(heard_at, heard_at + after).is_ok(), expect, "{after}");
        check(SignedDuration::ZERO, true);
        check(GRANTS_FRESH, true);
        check(GRANTS_FRESH + SignedDuration::from_micros(1), false);
        assert!(fresh(Timestamp::MIN, heard_at).is_err(), "never heard of");
    }
}
