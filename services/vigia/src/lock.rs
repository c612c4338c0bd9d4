//! One process for each service on a data directory: two of them would each believe that the journal is theirs alone.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, Result};
use vigia_platform::Area;

use crate::{institution::fault::told, output::Usage};

/// Locks of services on a directory, held until this goes or the process ends, however it ends.
#[derive(Debug)]
pub struct Locks(#[expect(dead_code, reason = "held, not read")] Vec<File>);

impl Locks {
    /// Takes them, or says which process has one of them.
    pub fn take(directory: &Path, areas: impl IntoIterator<Item = Area>) -> Result<Self> {
        areas.into_iter().map(|area| take(directory, area)).collect::<Result<_>>().map(Self)
    }
}

fn take(directory: &Path, area: Area) -> Result<File> {
    let path = directory.join(format!("{area}.lock"));
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = file.with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", std::process::id())?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder)?;
            let shown = directory.display();
            Err(Usage::of(told(
                format!(
                    "{shown}: el proceso {holder} ya atiende aquí el servicio «{area}»; deténgalo primero, o use otro directorio (--data)"
                ),
                format!("{shown}: process {holder} serves \"{area}\" here already; stop it first, or use another directory (--data)"),
            )))
        }
        Err(TryLockError::Error(cause)) => Err(cause).with_context(|| path.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_process_for_each_service() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let held = Locks::take(directory.path(), [Area::Plans, Area::Identity])?;
        let refused = Locks::take(directory.path(), [Area::Identity]).err().map(|cause| cause.to_string());
        let id = std::process::id().to_string();
        assert!(refused.is_some_and(|told| told.contains("identity") && told.contains(&id)));
        Locks::take(directory.path(), [Area::Reporting])?;
        drop(held);
        Locks::take(directory.path(), [Area::Identity])?;
        Ok(())
    }
}
