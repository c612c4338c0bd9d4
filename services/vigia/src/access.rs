//! How a command reaches a server, and as whom: an institution's client with its key, or a person with a password.

use std::{env, io::IsTerminal, path::PathBuf};

use anyhow::Result;
use clap::Args;

use crate::{
    cast::{Credentials, Principal},
    channels::Channels,
    institution::{
        fault::told,
        key::{self, Profile},
    },
    lang::say,
    output::{self, Usage},
};

/// Where a server is looked for, unless somebody says where.
const DEFAULT_SERVER: &str = "127.0.0.1:7300";
/// The variable that names a person.
const ACCOUNT: &str = "VIGIA_ACCOUNT";
/// The variable that holds a person's password.
const PASSWORD: &str = "VIGIA_PASSWORD";

/// How to reach a server, and as whom.
#[derive(Args, Clone, Debug, Default)]
pub struct Access {
    /// Servidor, o uno por servicio (identity=…,plans=…); 127.0.0.1:7300 si no se dice / the server, or one for each service.
    #[arg(long, env = "VIGIA_SERVER", global = true)]
    pub server: Option<String>,
    /// Persona, como accounts/admin; su contraseña está en VIGIA_PASSWORD o se pregunta / a person, whose password is in
    /// VIGIA_PASSWORD or asked for.
    #[arg(long, env = "VIGIA_ACCOUNT", global = true)]
    pub account: Option<String>,
    /// Cliente, como clients/msp-1 / the client that calls.
    #[arg(long, env = "VIGIA_CLIENT", default_value = "", global = true)]
    pub client: String,
    /// Archivo con su clave privada (PEM) / file with its private key.
    #[arg(long, env = "VIGIA_KEY", global = true)]
    pub key: Option<PathBuf>,
    /// Autoridad del certificado del servidor (PEM), con https://; la del sistema si no se dice / the server certificate's
    /// authority, with https://; the machine's own if not said.
    #[arg(long, env = "VIGIA_CA", global = true)]
    pub ca: Option<PathBuf>,
    /// Id de la clave, si no es el del cliente / id of the key, if it is not the client's.
    #[arg(long, env = "VIGIA_KID", global = true)]
    pub kid: Option<String>,
}

impl Access {
    /// Whether it is known whom to call as: by flags, variables or `vigia login`.
    pub fn is_known(&self) -> bool {
        self.account.is_some() || self.key.is_some() || matches!(Profile::load(), Ok(Some(_)))
    }

    /// The server's address.
    pub fn address(&self, profile: Option<&Profile>) -> String {
        let named = self.server.clone().or_else(|| Some(profile?.server.clone()));
        named.unwrap_or_else(|| DEFAULT_SERVER.to_owned())
    }

    /// Whoever calls, connected.
    pub async fn principal(&self) -> Result<Principal> {
        Ok(self.connect().await?.1)
    }

    /// The server's address, and the caller with its token.
    pub async fn connect(&self) -> Result<(String, Principal)> {
        // What `vigia login` has kept fills the gaps that flags and variables leave.
        let profile = Profile::load()?;
        let server = self.address(profile.as_ref());
        let credentials = match &self.account {
            Some(account) => {
                if let Some(kept) = &profile
                    && env::var(ACCOUNT).is_ok_and(|set| set == *account)
                {
                    output::note(&told(
                        format!(
                            "se llama como {account}, que dice {ACCOUNT}, y no como {}, que guardó «vigia login»",
                            kept.client
                        ),
                        format!(
                            "calling as {account}, which {ACCOUNT} says, and not as {}, which \"vigia login\" kept",
                            kept.client
                        ),
                    ));
                }
                self.person(account)?
            }
            None => self.client(profile.as_ref())?,
        };
        let channels = Channels::connect_believing(&server, self.ca.as_deref()).await?;
        Ok((server, Principal::new(channels, credentials)))
    }

    fn person(&self, account: &str) -> Result<Credentials> {
        if !self.client.is_empty() {
            return Err(Usage::of(say(
                "diga --account (una persona) o --client (un sistema), no los dos; también cuentan VIGIA_ACCOUNT y VIGIA_CLIENT",
                "say --account (a person) or --client (a system), not both; VIGIA_ACCOUNT and VIGIA_CLIENT count too",
            )));
        }
        let id = account.strip_prefix("accounts/").unwrap_or(account);
        let name = format!("accounts/{id}");
        let password = match env::var(PASSWORD) {
            Ok(password) if !password.is_empty() => password,
            _ => ask(&format!("{} {name}: ", say("Contraseña de", "Password of")))?,
        };
        Ok(Credentials::Account(name, password))
    }

    fn client(&self, profile: Option<&Profile>) -> Result<Credentials> {
        let path = self.key.as_ref().or_else(|| profile.map(|kept| &kept.key));
        let Some(path) = path else {
            let text = say(
                "falta decir quién llama: --account con su contraseña, o --client con --key (o VIGIA_KEY), la clave del cliente; «vigia login» la hace y la recuerda",
                "who calls? --account with its password, or --client with --key (or VIGIA_KEY), the client's key; \"vigia login\" makes and remembers it",
            );
            return Err(Usage::of(text));
        };
        let kept = profile.filter(|_| self.client.is_empty());
        let client = kept.map_or(self.client.as_str(), |kept| kept.client.as_str());
        let kid = self.kid.as_deref().or(kept.map(|kept| kept.kid.as_str()));
        let id = client.strip_prefix("clients/").unwrap_or(client);
        if id.is_empty() {
            return Err(Usage::of(say(
                "falta --client (o VIGIA_CLIENT), como clients/msp-1",
                "--client (or VIGIA_CLIENT) is missing, such as clients/msp-1",
            )));
        }
        let key = key::read(path, kid.unwrap_or(id))?;
        Ok(Credentials::Client(format!("clients/{id}"), key))
    }
}

/// Asks for a password on the terminal, and shows nothing of it.
pub fn ask(prompt: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Usage::of(say(
            "falta la contraseña: no hay terminal en que preguntarla; póngala en VIGIA_PASSWORD",
            "the password is missing: there is no terminal to ask for it on; put it into VIGIA_PASSWORD",
        )));
    }
    Ok(rpassword::prompt_password(prompt)?)
}
