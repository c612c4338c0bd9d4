//! TLS (rustls): how this program shows who it is, whom it believes, and whom it lets in.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

use crate::{lang::say, output::Usage};

/// Certificates and keys, as PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The certificate with its chain, which is shown to callers, and to other services. `VIGIA_TLS_CERT`.
    pub cert: Option<PathBuf>,
    /// Its private key, which only its owner may read. `VIGIA_TLS_KEY`.
    pub key: Option<PathBuf>,
    /// Only callers with a certificate of this authority are let in (mutual TLS). `VIGIA_TLS_CLIENT_CA`.
    pub client_ca: Option<PathBuf>,
    /// The authority that other services' certificates are from; the machine's own if not said. `VIGIA_TLS_CA`.
    pub ca: Option<PathBuf>,
}

impl Tls {
    fn identity(&self) -> Result<Option<Identity>> {
        match (&self.cert, &self.key) {
            (None, None) => Ok(None),
            (Some(cert), Some(key)) => Ok(Some(Identity::from_pem(read(cert)?, read_private(key)?))),
            _ => Err(Usage::of(say("tls: cert y key van juntos", "tls: cert and key go together"))),
        }
    }

    /// For the server; none where it answers in the clear.
    pub fn server(&self) -> Result<Option<ServerTlsConfig>> {
        let Some(identity) = self.identity()? else {
            return if self.client_ca.is_some() {
                Err(Usage::of(say(
                    "tls: client_ca necesita cert y key",
                    "tls: client_ca needs cert and key",
                )))
            } else {
                Ok(None)
            };
        };
        let tls = ServerTlsConfig::new().identity(identity);
        Ok(Some(match &self.client_ca {
            Some(ca) => tls.client_ca_root(Certificate::from_pem(read(ca)?)),
            None => tls,
        }))
    }

    /// For calling other services.
    pub fn client(&self) -> Result<ClientTlsConfig> {
        let tls = believing(self.ca.as_deref())?;
        Ok(match self.identity()? {
            Some(identity) => tls.identity(identity),
            None => tls,
        })
    }
}

/// Believes servers with certificates of this authority; of the machine's own if none is named.
pub fn believing(ca: Option<&Path>) -> Result<ClientTlsConfig> {
    Ok(match ca {
        Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

/// A private key of a service. One that others can read, or that its group can write, is refused: it may be theirs by
/// now. The group may read it: so Kubernetes gives secrets to a process that is not root.
pub fn read_private(path: &Path) -> Result<String> {
    let mode = fs::metadata(path).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o027 != 0) {
        return Err(Usage::of(format!(
            "{0}: {1}: chmod 600 '{0}'",
            path.display(),
            say(
                "otros pueden leer o cambiar esta clave privada",
                "others can read or change this private key"
            )
        )));
    }
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_that_others_can_read_is_refused() -> Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        for (mode, is_private) in [(0o600, true), (0o440, true), (0o644, false), (0o604, false), (0o660, false)] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode))?;
            assert_eq!(read_private(file.path()).is_ok(), is_private, "{mode:o}");
        }
        Ok(())
    }

    #[test]
    fn half_a_configuration_is_refused() {
        let some = || Some(PathBuf::from("x"));
        for tls in [
            Tls {
                cert: some(),
                ..Tls::default()
            },
            Tls {
                key: some(),
                ..Tls::default()
            },
            Tls {
                client_ca: some(),
                ..Tls::default()
            },
        ] {
            assert!(tls.server().is_err(), "{tls:?}");
        }
        assert!(Tls::default().server().is_ok_and(|tls| tls.is_none()));
    }
}
