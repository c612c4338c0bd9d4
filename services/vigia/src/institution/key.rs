//! The client's key: a file that only its owner can read, and what `vigia login` remembers of the server.
//!
//! Not in the system's key store: on Linux that is a service on the desktop's D-Bus, which a scheduled job, a container or
//! a server does not have, and the kernel's own keyring forgets when the machine restarts. A key that may lie in one of two
//! places is looked for in the wrong one; a file of mode 0600 is where it is, and others' eyes on it are refused.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use vigia_platform::token::Key;

use super::fault::told;
use crate::{cluster, output::Usage};

/// What is remembered between commands. Flags and `VIGIA_…` variables win over it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The server's address.
    pub server: String,
    /// The client, as resource name.
    pub client: String,
    /// The file with its private key.
    pub key: PathBuf,
    /// Id of the key.
    pub kid: String,
}

/// Where all of it lies: `~/.config/vigia`, or below `XDG_CONFIG_HOME`; none where there is no home.
pub fn folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    Some(set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?.join("vigia"))
}

impl Profile {
    /// What `vigia login` has kept; none where nobody has logged in.
    pub fn load() -> Result<Option<Self>> {
        let Some(path) = folder().map(|folder| folder.join("client.json")) else {
            return Ok(None);
        };
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?)),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause).with_context(|| path.display().to_string()),
        }
    }

    /// Keeps it.
    pub fn save(&self) -> Result<PathBuf> {
        let folder = folder().context("HOME")?;
        make_folder(&folder)?;
        let path = folder.join("client.json");
        super::write::save(&path, &serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| folder.display().to_string())
}

/// Reads the key. One that others can read too is refused: whoever has it can report in the institution's name.
pub fn read(path: &Path, kid: &str) -> Result<Key> {
    if let Ok(about) = fs::metadata(path) {
        let mode = about.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let shown = path.display();
            return Err(Usage::of(told(
                format!(
                    "{shown}: otras personas de este equipo pueden leer la clave (permisos {mode:o}); ciérrela con: chmod 600 '{shown}'"
                ),
                format!("{shown}: other people on this machine can read the key (mode {mode:o}); close it with: chmod 600 '{shown}'"),
            )));
        }
    }
    cluster::read_key(path, kid)
}

/// Makes a key in a file of its owner's, unless it is there; says whether it was made.
pub fn make(path: &Path, kid: &str) -> Result<bool> {
    if path.exists() {
        return Ok(false);
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder)?;
    }
    let pem = Key::generate(kid).and_then(|key| key.to_pem()).map_err(tonic::Status::from)?;
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| path.display().to_string())?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("deep/msp.pem");
        assert!(make(&path, "msp")?);
        assert!(!make(&path, "msp")?);
        read(&path, "msp")?;
        for mode in [0o640, 0o604, 0o644, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            let refused = read(&path, "msp").err().map(|cause| cause.to_string()).unwrap_or_default();
            assert!(refused.contains("chmod 600"), "{mode:o}: {refused}");
        }
        Ok(())
    }
}
