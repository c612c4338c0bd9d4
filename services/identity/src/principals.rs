//! PrincipalService: accounts, clients, keys and roles.

use prost::Message;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use tonic::{Request, Response, Status};
use vigia_platform::{
    Caller, Change, Error, Faults, Kit, Page, caller, check_etag, etag, from_micros, micros, name, new_id, timestamp, token,
};
use vigia_proto::{
    error::Reason,
    identity::{
        Account, AccountCreated, AccountUpdated, AddClientKeyRequest, AddClientKeyResponse, Client, ClientCreated, ClientKey,
        ClientUpdated, CreateAccountRequest, CreateAccountResponse, CreateClientRequest, CreateClientResponse, DisableAccountRequest,
        DisableAccountResponse, DisableClientRequest, DisableClientResponse, GetAccountRequest, GetAccountResponse, GetClientRequest,
        GetClientResponse, GrantRoleRequest, GrantRoleResponse, ListAccountsRequest, ListAccountsResponse, ListClientsRequest,
        ListClientsResponse, PrincipalDisabled, RemoveClientKeyRequest, RemoveClientKeyResponse, RevokeRoleRequest, RevokeRoleResponse,
        Role, RoleGrant, RoleGranted, RoleRevoked, UpdateAccountRequest, UpdateAccountResponse, UpdateClientRequest, UpdateClientResponse,
        WhoAmIRequest, WhoAmIResponse, principal_service_server,
    },
};

use crate::{
    entities::principal,
    passwords::{self, Cost},
};

/// Keys that a client may have at once: enough to rotate them.
const KEYS_MAX: usize = 8;
/// Roles that a principal may hold.
const GRANTS_MAX: usize = 100;

#[derive(Debug)]
pub(crate) struct Principals {
    pub(crate) kit: Kit,
    pub(crate) cost: Cost,
}

pub(crate) async fn find(db: &impl ConnectionTrait, name: &str) -> Result<principal::Model, Error> {
    principal::Entity::find_by_id(name)
        .one(db)
        .await?
        .ok_or_else(|| Error::not_found(name))
}

/// What is stored of a principal: an `Account` or a `Client`.
trait Principal: Message + Default + Clone {
    fn shown(row: &principal::Model) -> Result<Self, Error>;
}

impl Principal for Account {
    fn shown(row: &principal::Model) -> Result<Self, Error> {
        let account = Self::decode(row.definition.as_slice())?;
        let create_time = Some(timestamp(from_micros(row.created_at)));
        Ok(Self {
            display_name: row.display_name.clone(),
            disabled: row.disabled,
            etag: row.etag.clone(),
            create_time,
            ..account
        })
    }
}

impl Principal for Client {
    fn shown(row: &principal::Model) -> Result<Self, Error> {
        let client = Self::decode(row.definition.as_slice())?;
        let create_time = Some(timestamp(from_micros(row.created_at)));
        Ok(Self {
            display_name: row.display_name.clone(),
            disabled: row.disabled,
            etag: row.etag.clone(),
            create_time,
            ..client
        })
    }
}

/// Writes a new principal.
pub(crate) async fn insert(
    change: &Change,
    name: &str,
    display_name: &str,
    password_hash: String,
    definition: &impl Message,
) -> Result<principal::Model, Error> {
    if principal::Entity::find_by_id(name).one(change.tx()).await?.is_some() {
        return Err(Error::already_exists(name));
    }
    let row = principal::Model {
        name: name.to_owned(),
        display_name: display_name.to_owned(),
        disabled: false,
        password_hash,
        definition: definition.encode_to_vec(),
        etag: etag(definition),
        created_at: micros(change.now()),
    };
    principal::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(change.tx())
        .await?;
    Ok(row)
}

/// Writes a principal's new definition.
async fn save(
    change: &Change,
    row: principal::Model,
    display_name: String,
    disabled: bool,
    definition: &impl Message,
) -> Result<principal::Model, Error> {
    let mut active = row.into_active_model();
    active.etag = Set(new_id());
    active.display_name = Set(display_name);
    active.disabled = Set(disabled);
    active.definition = Set(definition.encode_to_vec());
    Ok(active.update(change.tx()).await?)
}

fn grants(definition: &[u8], name: &str) -> Result<Vec<RoleGrant>, Error> {
    Ok(if name.starts_with("accounts/") {
        Account::decode(definition)?.grants
    } else {
        Client::decode(definition)?.grants
    })
}

/// Gives or takes a role, and says what the principal holds afterwards.
pub(crate) async fn set_role(change: &mut Change, principal: &str, grant: &RoleGrant, held: bool) -> Result<Vec<RoleGrant>, Error> {
    let row = find(change.tx(), principal).await?;
    let mut grants = grants(&row.definition, principal)?;
    if grants.contains(grant) == held {
        return if held {
            Ok(grants)
        } else {
            Err(Error::not_found(format!("{principal}: {}", grant.role().as_str_name())))
        };
    }
    if held {
        if grants.len() >= GRANTS_MAX {
            let mut faults = Faults::new();
            faults.add("grant", "tiene ya demasiados roles", "holds too many roles already");
            faults.done()?;
        }
        grants.push(grant.clone());
        let event = RoleGranted {
            principal: principal.to_owned(),
            grant: Some(grant.clone()),
        };
        change.record("vigia.identity.v1.RoleGranted", principal, "", &event).await?;
    } else {
        grants.retain(|other| other != grant);
        let event = RoleRevoked {
            principal: principal.to_owned(),
            grant: Some(grant.clone()),
        };
        change.record("vigia.identity.v1.RoleRevoked", principal, "", &event).await?;
    }
    let (display_name, disabled) = (row.display_name.clone(), row.disabled);
    if principal.starts_with("accounts/") {
        let account = Account {
            grants: grants.clone(),
            ..Account::decode(row.definition.as_slice())?
        };
        save(change, row, display_name, disabled, &account).await?;
    } else {
        let client = Client {
            grants: grants.clone(),
            ..Client::decode(row.definition.as_slice())?
        };
        save(change, row, display_name, disabled, &client).await?;
    }
    Ok(grants)
}

fn check_grant(grant: Option<&RoleGrant>) -> Result<RoleGrant, Error> {
    let mut faults = Faults::new();
    let grant = grant.cloned().unwrap_or_default();
    let role = Role::try_from(grant.role).unwrap_or_default();
    faults.require(role != Role::Unspecified, "grant.role", "falta el rol", "the role is missing");
    let institution = name::split("institutions/{}", &grant.scope).is_some();
    if caller::needs_institution(role) {
        faults.require(
            institution,
            "grant.scope",
            "este rol es de una institución: institutions/…",
            "this role is held for an institution: institutions/…",
        );
    } else {
        faults.require(
            grant.scope.is_empty(),
            "grant.scope",
            "este rol no tiene ámbito",
            "this role has no scope",
        );
    }
    faults.done()?;
    Ok(grant)
}

fn check_key(faults: &mut Faults, path: &str, key: &ClientKey) {
    faults.id(&format!("{path}.kid"), &key.kid);
    faults.require(
        token::is_public_key(&key.public_key_pem),
        &format!("{path}.public_key_pem"),
        "debe ser una clave pública Ed25519 en PEM",
        "must be an Ed25519 public key, PEM",
    );
}

fn id_or_new(faults: &mut Faults, path: &str, id: &str) -> String {
    if id.is_empty() {
        return new_id();
    }
    faults.id(path, id);
    id.to_owned()
}

fn check_mask(faults: &mut Faults, mask: Option<&prost_types::FieldMask>) {
    let fits = mask.is_some_and(|mask| !mask.paths.is_empty() && mask.paths.iter().all(|path| path == "display_name"));
    faults.require(fits, "update_mask", "solo puede nombrar display_name", "can only name display_name");
}

impl Principals {
    async fn page(&self, caller: &Caller, prefix: &str, page: &Page) -> Result<(Vec<principal::Model>, String), Error> {
        let mut query = principal::Entity::find().filter(principal::Column::Name.starts_with(prefix));
        if let Some(after) = &page.after {
            query = query.filter(principal::Column::Name.gt(after));
        }
        let mut rows = query
            .order_by_asc(principal::Column::Name)
            .limit(page.size + 1)
            .all(self.kit.db.read(caller))
            .await?;
        let more = u64::try_from(rows.len()).is_ok_and(|rows| rows > page.size);
        rows.truncate(usize::try_from(page.size).unwrap_or(usize::MAX));
        let next = page.next(rows.last().filter(|_| more).map(|row| row.name.as_str()));
        Ok((rows, next))
    }
}

/// Whoever keeps the accounts can't lock himself out: so an administrator is always left.
fn of_another(caller: &Caller, principal: &str) -> Result<(), Error> {
    if caller.principal() != principal {
        return Ok(());
    }
    let refused = Error::refused(
        Reason::SecondPersonRequired,
        "Nadie se quita a sí mismo la administración ni el acceso: que lo haga otra cuenta con el rol administrator.",
        "Nobody takes administration or access from himself: let another account with the role administrator do it.",
    );
    Err(refused.with("resource", principal))
}

async fn disable(change: &mut Change, name: &str) -> Result<principal::Model, Error> {
    let row = find(change.tx(), name).await?;
    if row.disabled {
        return Ok(row);
    }
    change
        .record(
            "vigia.identity.v1.PrincipalDisabled",
            name,
            "",
            &PrincipalDisabled {
                principal: name.to_owned(),
            },
        )
        .await?;
    let mut active = row.into_active_model();
    active.disabled = Set(true);
    active.etag = Set(new_id());
    Ok(active.update(change.tx()).await?)
}

#[tonic::async_trait]
impl principal_service_server::PrincipalService for Principals {
    async fn create_account(&self, request: Request<CreateAccountRequest>) -> Result<Response<CreateAccountResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::new();
        let id = id_or_new(&mut faults, "account_id", &request.account_id);
        let display_name = request
            .account
            .as_ref()
            .map(|account| account.display_name.clone())
            .unwrap_or_default();
        faults.text("account.display_name", &display_name, 0..=200);
        faults.text("password", &request.password, 12..=200);
        faults.done()?;
        // The dear part before the lock is taken.
        let (password, cost) = (request.password.clone(), self.cost);
        let hash = tokio::task::spawn_blocking(move || passwords::hash(&password, cost))
            .await
            .map_err(|cause| Error::internal(&cause))??;
        let name = format!("accounts/{id}");
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let row = insert(
            &change,
            &name,
            &display_name,
            hash,
            &Account {
                name: name.clone(),
                ..Account::default()
            },
        )
        .await?;
        change
            .record(
                "vigia.identity.v1.AccountCreated",
                &name,
                "",
                &AccountCreated { account: name.clone() },
            )
            .await?;
        change
            .commit(CreateAccountResponse {
                account: Some(Account::shown(&row)?),
            })
            .await
    }

    async fn get_account(&self, request: Request<GetAccountRequest>) -> Result<Response<GetAccountResponse>, Status> {
        let caller = Caller::of(&request)?;
        let name = &request.get_ref().name;
        let row = Some(find(self.kit.db.read(&caller), name).await?).filter(|row| row.name.starts_with("accounts/"));
        let row = row.ok_or_else(|| Error::not_found(name))?;
        Ok(Response::new(GetAccountResponse {
            account: Some(Account::shown(&row)?),
        }))
    }

    async fn list_accounts(&self, request: Request<ListAccountsRequest>) -> Result<Response<ListAccountsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let page = Page::parse(&caller, request.page_size, &request.page_token, &[])?;
        let (rows, next_page_token) = self.page(&caller, "accounts/", &page).await?;
        let accounts = rows.iter().map(Account::shown).collect::<Result<_, _>>()?;
        Ok(Response::new(ListAccountsResponse { accounts, next_page_token }))
    }

    async fn update_account(&self, request: Request<UpdateAccountRequest>) -> Result<Response<UpdateAccountResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.account.clone().unwrap_or_default();
        let mut faults = Faults::new();
        faults.text("account.display_name", &given.display_name, 0..=200);
        check_mask(&mut faults, request.update_mask.as_ref());
        faults.done()?;
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let row = Some(find(change.tx(), &given.name).await?).filter(|row| row.name.starts_with("accounts/"));
        let row = row.ok_or_else(|| Error::not_found(&given.name))?;
        check_etag(&given.etag, &row.etag, &given.name)?;
        let account = Account::decode(row.definition.as_slice()).map_err(Error::from)?;
        let disabled = row.disabled;
        let row = save(&change, row, given.display_name, disabled, &account).await?;
        change
            .record(
                "vigia.identity.v1.AccountUpdated",
                &given.name,
                "",
                &AccountUpdated {
                    account: given.name.clone(),
                },
            )
            .await?;
        change
            .commit(UpdateAccountResponse {
                account: Some(Account::shown(&row)?),
            })
            .await
    }

    async fn disable_account(&self, request: Request<DisableAccountRequest>) -> Result<Response<DisableAccountResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        if !request.name.starts_with("accounts/") {
            return Err(Error::not_found(&request.name).into());
        }
        of_another(&caller, &request.name)?;
        let row = disable(&mut change, &request.name).await?;
        change
            .commit(DisableAccountResponse {
                account: Some(Account::shown(&row)?),
            })
            .await
    }

    async fn create_client(&self, request: Request<CreateClientRequest>) -> Result<Response<CreateClientResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.client.clone().unwrap_or_default();
        let mut faults = Faults::new();
        let id = id_or_new(&mut faults, "client_id", &request.client_id);
        faults.text("client.display_name", &given.display_name, 0..=200);
        faults.require(
            given.keys.len() <= KEYS_MAX,
            "client.keys",
            "ocho claves como máximo",
            "eight keys at most",
        );
        for (i, key) in given.keys.iter().enumerate().take(KEYS_MAX) {
            check_key(&mut faults, &format!("client.keys[{i}]"), key);
        }
        faults.done()?;
        let name = format!("clients/{id}");
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let client = Client {
            name: name.clone(),
            keys: given.keys,
            ..Client::default()
        };
        let row = insert(&change, &name, &given.display_name, String::new(), &client).await?;
        let client = Client::shown(&row)?;
        change
            .record(
                "vigia.identity.v1.ClientCreated",
                &name,
                "",
                &ClientCreated {
                    client: Some(client.clone()),
                },
            )
            .await?;
        change.commit(CreateClientResponse { client: Some(client) }).await
    }

    async fn get_client(&self, request: Request<GetClientRequest>) -> Result<Response<GetClientResponse>, Status> {
        let caller = Caller::of(&request)?;
        let name = &request.get_ref().name;
        let row = Some(find(self.kit.db.read(&caller), name).await?).filter(|row| row.name.starts_with("clients/"));
        let row = row.ok_or_else(|| Error::not_found(name))?;
        Ok(Response::new(GetClientResponse {
            client: Some(Client::shown(&row)?),
        }))
    }

    async fn list_clients(&self, request: Request<ListClientsRequest>) -> Result<Response<ListClientsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let page = Page::parse(&caller, request.page_size, &request.page_token, &[])?;
        let (rows, next_page_token) = self.page(&caller, "clients/", &page).await?;
        let clients = rows.iter().map(Client::shown).collect::<Result<_, _>>()?;
        Ok(Response::new(ListClientsResponse { clients, next_page_token }))
    }

    async fn update_client(&self, request: Request<UpdateClientRequest>) -> Result<Response<UpdateClientResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.client.clone().unwrap_or_default();
        let mut faults = Faults::new();
        faults.text("client.display_name", &given.display_name, 0..=200);
        check_mask(&mut faults, request.update_mask.as_ref());
        faults.done()?;
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let client = update_client(&mut change, &given.name, &given.etag, |_, row| {
            row.display_name.clone_from(&given.display_name);
            Ok(())
        })
        .await?;
        change.commit(UpdateClientResponse { client: Some(client) }).await
    }

    async fn disable_client(&self, request: Request<DisableClientRequest>) -> Result<Response<DisableClientResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        if !request.name.starts_with("clients/") {
            return Err(Error::not_found(&request.name).into());
        }
        of_another(&caller, &request.name)?;
        let row = disable(&mut change, &request.name).await?;
        change
            .commit(DisableClientResponse {
                client: Some(Client::shown(&row)?),
            })
            .await
    }

    async fn add_client_key(&self, request: Request<AddClientKeyRequest>) -> Result<Response<AddClientKeyResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let key = request.key.clone().unwrap_or_default();
        let mut faults = Faults::new();
        check_key(&mut faults, "key", &key);
        faults.done()?;
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let client = update_client(&mut change, &request.name, "", |client, _| {
            if client.keys.len() >= KEYS_MAX || client.keys.iter().any(|held| held.kid == key.kid) {
                return Err(Error::refused(
                    Reason::AlreadyExists,
                    "Ya hay una clave con ese kid, o ya son ocho.",
                    "There is a key of that kid already, or there are eight.",
                )
                .with("resource", &key.kid));
            }
            client.keys.push(key.clone());
            Ok(())
        })
        .await?;
        change.commit(AddClientKeyResponse { client: Some(client) }).await
    }

    async fn remove_client_key(&self, request: Request<RemoveClientKeyRequest>) -> Result<Response<RemoveClientKeyResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let client = update_client(&mut change, &request.name, "", |client, _| {
            let before = client.keys.len();
            client.keys.retain(|key| key.kid != request.kid);
            if client.keys.len() == before {
                Err(Error::not_found(&request.kid))
            } else {
                Ok(())
            }
        })
        .await?;
        change.commit(RemoveClientKeyResponse { client: Some(client) }).await
    }

    async fn grant_role(&self, request: Request<GrantRoleRequest>) -> Result<Response<GrantRoleResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let grant = check_grant(request.grant.as_ref())?;
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let grants = set_role(&mut change, &request.principal, &grant, true).await?;
        change.commit(GrantRoleResponse { grants }).await
    }

    async fn revoke_role(&self, request: Request<RevokeRoleRequest>) -> Result<Response<RevokeRoleResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let grant = check_grant(request.grant.as_ref())?;
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        if grant.role() == Role::Administrator {
            of_another(&caller, &request.principal)?;
        }
        let grants = set_role(&mut change, &request.principal, &grant, false).await?;
        change.commit(RevokeRoleResponse { grants }).await
    }

    async fn who_am_i(&self, request: Request<WhoAmIRequest>) -> Result<Response<WhoAmIResponse>, Status> {
        let caller = Caller::of(&request)?;
        let mut permissions: Vec<String> = caller::PERMISSIONS
            .iter()
            .filter(|(role, _)| caller.grants().iter().any(|grant| grant.role() == *role))
            .flat_map(|(_, permissions)| permissions.iter().map(|permission| (*permission).to_owned()))
            .filter(|permission| permission != "any")
            .collect();
        permissions.sort_unstable();
        permissions.dedup();
        Ok(Response::new(WhoAmIResponse {
            principal: caller.principal().to_owned(),
            grants: caller.grants().to_vec(),
            permissions,
        }))
    }
}

/// Changes a client and records it whole.
async fn update_client(
    change: &mut Change,
    name: &str,
    given_etag: &str,
    edit: impl FnOnce(&mut Client, &mut principal::Model) -> Result<(), Error>,
) -> Result<Client, Error> {
    let row = Some(find(change.tx(), name).await?).filter(|row| row.name.starts_with("clients/"));
    let mut row = row.ok_or_else(|| Error::not_found(name))?;
    check_etag(given_etag, &row.etag, name)?;
    let mut client = Client::decode(row.definition.as_slice())?;
    edit(&mut client, &mut row)?;
    let (display_name, disabled) = (row.display_name.clone(), row.disabled);
    let row = save(change, row, display_name, disabled, &client).await?;
    let client = Client::shown(&row)?;
    change
        .record(
            "vigia.identity.v1.ClientUpdated",
            name,
            "",
            &ClientUpdated {
                client: Some(client.clone()),
            },
        )
        .await?;
    Ok(client)
}
