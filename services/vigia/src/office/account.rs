//! `vigia account`: persons who may call.

use std::env;

use anyhow::Result;
use clap::Subcommand;
use vigia_platform::{new_id, token::Key};
use vigia_proto::identity::{Account, CreateAccountRequest, principal_service_client::PrincipalServiceClient};

use super::{
    desk::{self, settle},
    grant::grant_all,
    role::{Roles, all_shown},
};
use crate::{access::Access, lang::say, output, refused::told};

/// The variable that holds a new account's first password.
const NEW_PASSWORD: &str = "VIGIA_NEW_PASSWORD";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Crea la cuenta de una persona, con una contraseña que se muestra una vez / make a person's account, with a password
    /// that is shown once.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia account create ana --role coordinator --account admin\n  vigia account create jefa-msp --role head --institution msp --account admin\n\nVIGIA_NEW_PASSWORD da la contraseña en vez de una al azar / gives the password instead of a random one."
    )]
    Create(Create),
}

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Create {
    /// Id de la cuenta: minúsculas, cifras y guiones; nada que diga quién es / id; nothing that says who it is.
    pub id: String,
    /// Cómo la ven sus colegas / how colleagues see it.
    #[arg(long, default_value = "")]
    pub name: String,
    #[command(flatten)]
    pub roles: Roles,
    #[command(flatten)]
    pub access: Access,
}

/// Runs a command.
pub async fn run(command: &Command, json: bool) -> Result<()> {
    let Command::Create(args) = command;
    let grants = args.roles.grants()?;
    let principal = desk::open(&args.access).await?;
    let given = env::var(NEW_PASSWORD).ok().filter(|password| !password.is_empty());
    let made_up = if given.is_none() { Some(random()?) } else { None };
    let request = CreateAccountRequest {
        account_id: args.id.strip_prefix("accounts/").unwrap_or(&args.id).to_owned(),
        account: Some(Account {
            display_name: args.name.clone(),
            ..Account::default()
        }),
        password: given.or_else(|| made_up.clone()).unwrap_or_default(),
        request_id: new_id(),
    };
    let mut service = PrincipalServiceClient::new(principal.clone());
    let answer = service.create_account(request).await.map_err(told)?.into_inner();
    let mut account = answer.account.unwrap_or_default();
    // Shown before the roles are given: if that fails, the account is there and its password would be lost.
    if let Some(password) = made_up.as_ref().filter(|_| !json) {
        let shown_once = say("contraseña (no se mostrará otra vez)", "password (it is not shown again)");
        output::line(&format!("{}\n{shown_once}: {password}", account.name));
    }
    account.grants = grant_all(&principal, &account.name, &grants).await?;
    settle(&principal).await;
    if json {
        let account = output::value("vigia.identity.v1.Account", &account)?;
        return output::json(&serde_json::json!({"account": account, "password": made_up}));
    }
    output::line(&format!("{}: {}", account.name, all_shown(&account.grants)));
    Ok(())
}

/// 256 bits from the machine's source of randomness, as `vigia init` makes the first one.
fn random() -> Result<String> {
    let key = Key::generate("password").map_err(tonic::Status::from)?;
    Ok(key.jwk()["x"].as_str().unwrap_or_default().to_owned())
}
