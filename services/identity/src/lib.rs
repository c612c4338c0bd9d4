//! Identity: who may call. Accounts of persons, clients of institutions' systems, roles, and the tokens for them.

mod entities;
mod passwords;
mod principals;
mod tokens;

pub use passwords::Cost;

use tonic::service::Routes;
use vigia_platform::{Caller, Error, Guarded, Kit, StartError, new_id, token::Key};
use vigia_proto::identity::{
    Account, AccountCreated, Client, ClientCreated, ClientKey, Role, RoleGrant, principal_service_server::PrincipalServiceServer,
    token_service_server::TokenServiceServer,
};

/// Builds the service over its kit. `key` signs tokens; `cost` is how dear a guess of a password is.
pub async fn build(kit: Kit, key: Key, cost: Cost) -> Result<Guarded, StartError> {
    kit.verifier.set_keys(&tokens::jwks(&key));
    let (grants, verifier) = (kit.grants.clone(), kit.verifier.clone());
    kit.db
        .follow_own(move |entry| {
            if let Err(cause) = grants.apply(entry, &verifier) {
                tracing::error!(%cause, position = entry.position, "an entry of our own journal can't be read");
            }
        })
        .await?;
    let tokens = TokenServiceServer::new(tokens::Tokens::new(kit.clone(), key));
    let principals = PrincipalServiceServer::new(principals::Principals { kit: kit.clone(), cost });
    Ok(kit.guard(Routes::new(tokens).add_service(principals)))
}

/// Makes the first administrator, `accounts/admin`, and the clients of Vigía's own services with their public keys:
/// `(id, PEM)`. Says false, and changes nothing, where there is an administrator already.
pub async fn init(kit: &Kit, password: &str, services: &[(String, String)], cost: Cost) -> Result<bool, Error> {
    let caller = Caller::vigia(&kit.clock, "vigia init");
    let mut change = kit.db.change(&caller, &new_id(), &Account::default()).await?;
    let admin = "accounts/admin";
    if principals::find(change.tx(), admin).await.is_ok() {
        return Ok(false);
    }
    let hash = passwords::hash(password, cost)?;
    principals::insert(
        &change,
        admin,
        "",
        hash,
        &Account {
            name: admin.into(),
            ..Account::default()
        },
    )
    .await?;
    change
        .record(
            "vigia.identity.v1.AccountCreated",
            admin,
            "",
            &AccountCreated { account: admin.into() },
        )
        .await?;
    let grant = RoleGrant {
        role: Role::Administrator.into(),
        scope: String::new(),
    };
    principals::set_role(&mut change, admin, &grant, true).await?;
    for (id, public_key_pem) in services {
        let name = format!("clients/{id}");
        let client = Client {
            name: name.clone(),
            keys: vec![ClientKey {
                kid: id.clone(),
                public_key_pem: public_key_pem.clone(),
            }],
            ..Client::default()
        };
        principals::insert(&change, &name, "", String::new(), &client).await?;
        change
            .record(
                "vigia.identity.v1.ClientCreated",
                &name,
                "",
                &ClientCreated { client: Some(client) },
            )
            .await?;
        let grant = RoleGrant {
            role: Role::Service.into(),
            scope: String::new(),
        };
        principals::set_role(&mut change, &name, &grant, true).await?;
    }
    change.commit(Account::default()).await.map_err(|status| Error::internal(&status))?;
    Ok(true)
}
