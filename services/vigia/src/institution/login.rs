//! `vigia login`: makes the client's key, remembers server and client, and says what is still missing.

use std::path::PathBuf;

use anyhow::Result;

use super::{
    fault::told,
    key::{self, Profile},
    server::Server,
};
use crate::{
    access::Access,
    lang::say,
    output::{self, Usage},
    refused::Refused,
};

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    pub access: Access,
}

/// Runs the command; says whether the server knows us.
pub async fn run(args: &Args, json: bool) -> Result<bool> {
    let kept = Profile::load()?;
    let given = &args.access;
    let client = match (&*given.client, &kept) {
        ("", Some(kept)) => kept.client.clone(),
        ("", None) => {
            return Err(Usage::of(say(
                "falta --client (o VIGIA_CLIENT): el nombre que le dio quien administra las cuentas, como clients/msp-1",
                "--client (or VIGIA_CLIENT) is missing: the name that whoever keeps the accounts gave you, such as clients/msp-1",
            )));
        }
        (given, _) => format!("clients/{}", given.strip_prefix("clients/").unwrap_or(given)),
    };
    let id = client.strip_prefix("clients/").unwrap_or_default().to_owned();
    let same = kept.as_ref().filter(|kept| kept.client == client);
    let default_key = || {
        let folder = key::folder().unwrap_or_else(|| PathBuf::from("."));
        folder.join(format!("{id}.pem"))
    };
    let profile = Profile {
        server: given.address(kept.as_ref()),
        key: given.key.clone().or_else(|| Some(same?.key.clone())).unwrap_or_else(default_key),
        kid: given.kid.clone().or_else(|| Some(same?.kid.clone())).unwrap_or_else(|| id.clone()),
        client,
    };
    let profile = Profile {
        key: std::path::absolute(&profile.key)?,
        ..profile
    };
    let made = key::make(&profile.key, &profile.kid)?;
    let public = key::read(&profile.key, &profile.kid)?.public_pem().map_err(tonic::Status::from)?;
    let public_file = profile.key.with_extension("pub.pem");
    super::write::save(&public_file, public.as_bytes())?;
    let access = Access {
        server: Some(profile.server.clone()),
        client: profile.client.clone(),
        key: Some(profile.key.clone()),
        kid: Some(profile.kid.clone()),
        ca: given.ca.clone(),
        account: None,
    };
    let known = match Server::connect(&access).await?.who().await {
        Ok(who) => Some(who),
        Err(cause)
            if cause
                .downcast_ref::<Refused>()
                .is_some_and(|refused| refused.reason == "CREDENTIALS_WRONG" && refused.ahead_seconds.is_none()) =>
        {
            None
        }
        Err(cause) => return Err(cause),
    };
    // Only now: a server that could not be reached is not remembered.
    let saved = profile.save()?;
    let grants: Vec<String> = known
        .iter()
        .flat_map(|who| &who.grants)
        .map(|grant| {
            let role = grant.role().as_str_name().trim_start_matches("ROLE_").to_lowercase();
            format!("{role} {}", grant.scope).trim_end().to_owned()
        })
        .collect();
    if json {
        output::json(&serde_json::json!({
            "profile": saved, "server": profile.server, "client": profile.client, "key": profile.key, "kid": profile.kid,
            "key_made": made, "public_key_pem": public, "public_key": public_file, "known": known.is_some(), "roles": grants,
        }))?;
        return Ok(known.is_some());
    }
    let key = profile.key.display();
    if made {
        output::line(&told(
            format!("Clave nueva, que solo usted puede leer: {key}"),
            format!("A new key, which only you can read: {key}"),
        ));
    }
    if known.is_some() {
        output::line(&format!("{} · {} · {}", profile.client, profile.server, grants.join(", ")));
        if grants.is_empty() {
            output::line(say(
                "Aún no tiene ningún rol: pida el de «reporter» para su institución.",
                "You hold no role yet: ask for \"reporter\" of your institution.",
            ));
        }
        return Ok(!grants.is_empty());
    }
    let (file, kid) = (public_file.display(), &profile.kid);
    let other = if *kid == id { String::new() } else { format!(" --key-id {kid}") };
    output::line(&told(
        format!("El servidor aún no conoce esta clave. Entregue a quien administra las cuentas su parte pública, {file}:"),
        format!("The server does not know this key yet. Give its public half to whoever keeps the accounts, {file}:"),
    ));
    output::line(public.trim_end());
    output::line(&told(
        format!(
            "Con ella ejecuta:\n  vigia client create {id} --public-key '{file}'{other} --role head --institution SU-INSTITUCION --account accounts/admin"
        ),
        format!(
            "With it they run:\n  vigia client create {id} --public-key '{file}'{other} --role head --institution YOUR-INSTITUTION --account accounts/admin"
        ),
    ));
    Ok(false)
}
