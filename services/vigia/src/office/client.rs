//! `vigia client`: institutions' systems, which sign with a key of their own.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use vigia_platform::new_id;
use vigia_proto::identity::{
    AddClientKeyRequest, Client, ClientKey, CreateClientRequest, principal_service_client::PrincipalServiceClient,
};

use super::{
    desk::{self, named, settle},
    grant::grant_all,
    role::{Roles, all_shown},
};
use crate::{access::Access, lang::say, output::Usage, refused::told};

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Deja entrar a un sistema con la parte pública de su clave / let a system in, by the public part of its key.
    #[command(
        after_help = "Ejemplo / example:\n  vigia client create msp-1 --public-key msp-1.pub.pem --role head --institution msp --account admin"
    )]
    Create(Create),
    /// Le agrega una clave / add a key to it.
    #[command(after_help = "Ejemplo / example:\n  vigia client add-key msp-1 --public-key nueva.pub.pem --key-id msp-2027 --account admin")]
    AddKey(AddKey),
}

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Create {
    /// Id del cliente / the client's id: msp-1.
    pub id: String,
    /// Parte pública de su clave, el archivo que hace «vigia login» / its public key, the file that "vigia login" makes.
    #[arg(long, value_name = "FILE")]
    pub public_key: PathBuf,
    /// Id de la clave; el del cliente si no se dice / id of the key; the client's if not said.
    #[arg(long)]
    pub key_id: Option<String>,
    /// Qué es / what it is.
    #[arg(long, default_value = "")]
    pub name: String,
    #[command(flatten)]
    pub roles: Roles,
    #[command(flatten)]
    pub access: Access,
}

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct AddKey {
    /// clients/msp-1 o msp-1.
    pub id: String,
    /// Parte pública de la clave / the public key.
    #[arg(long, value_name = "FILE")]
    pub public_key: PathBuf,
    /// Id de la clave, nuevo en el cliente / id of the key, new for the client.
    #[arg(long)]
    pub key_id: String,
    #[command(flatten)]
    pub access: Access,
}

fn key(file: &std::path::Path, kid: &str) -> Result<ClientKey> {
    let public_key_pem = String::from_utf8(desk::read(file)?).unwrap_or_default();
    if public_key_pem.contains("PRIVATE KEY") {
        let text = say(
            "es una clave privada, que no debe salir de donde está; se entrega la pública, que hace «vigia login»",
            "is a private key, which must not leave its place; hand over the public one, which \"vigia login\" makes",
        );
        return Err(Usage::of(format!("{}: {text}", file.display())));
    }
    Ok(ClientKey {
        kid: kid.to_owned(),
        public_key_pem,
    })
}

/// Runs a command.
pub async fn run(command: &Command, json: bool) -> Result<()> {
    match command {
        Command::Create(args) => create(args, json).await,
        Command::AddKey(args) => add_key(args, json).await,
    }
}

async fn create(args: &Create, json: bool) -> Result<()> {
    let grants = args.roles.grants()?;
    let id = args.id.strip_prefix("clients/").unwrap_or(&args.id);
    let key = key(&args.public_key, args.key_id.as_deref().unwrap_or(id))?;
    let principal = desk::open(&args.access).await?;
    let request = CreateClientRequest {
        client_id: id.to_owned(),
        client: Some(Client {
            display_name: args.name.clone(),
            keys: vec![key],
            ..Client::default()
        }),
        request_id: new_id(),
    };
    let mut service = PrincipalServiceClient::new(principal.clone());
    let answer = service.create_client(request).await.map_err(told)?.into_inner();
    let mut client = answer.client.unwrap_or_default();
    client.grants = grant_all(&principal, &client.name, &grants).await?;
    settle(&principal).await;
    let text = format!("{}: {}", client.name, all_shown(&client.grants));
    desk::tell(json, "vigia.identity.v1.Client", &client, &text)
}

async fn add_key(args: &AddKey, json: bool) -> Result<()> {
    let request = AddClientKeyRequest {
        name: named("clients", &args.id),
        key: Some(key(&args.public_key, &args.key_id)?),
        request_id: new_id(),
    };
    let principal = desk::open(&args.access).await?;
    let mut service = PrincipalServiceClient::new(principal.clone());
    let answer = service.add_client_key(request).await.map_err(told)?.into_inner();
    settle(&principal).await;
    let client = answer.client.unwrap_or_default();
    let kids: Vec<&str> = client.keys.iter().map(|key| key.kid.as_str()).collect();
    let text = format!("{}: {} {}", client.name, say("claves", "keys"), kids.join(", "));
    desk::tell(json, "vigia.identity.v1.Client", &client, &text)
}
