//! `vigia backup` and `vigia restore`: the data directory as it is at one moment, while the services run, and back.
//!
//! Databases are copied one after the other, each before those that it follows: so no service in the copy has seen an
//! entry that its source does not have there. Evidence comes after the databases that name it. A list of all files with
//! their SHA-256 is written last; without it a directory is no backup.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use comfy_table::Cell;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vigia_platform::{
    Area,
    clock::machine_now,
    db::{JournalEnd, begin_epoch, copy_database, verify_database},
};

use crate::{
    config::Config,
    lang::say,
    output::{self, Usage},
    simulate::progress,
};

/// The list of what is in a backup.
const LIST: &str = "backup.json";
/// The form of that list.
const FORM: u32 = 1;
/// Bytes of that list at most: 100,000 files of evidence take 15 MiB.
const LIST_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Backup {
    form: u32,
    made_at: String,
    services: BTreeMap<String, Ended>,
    /// SHA-256 by path.
    files: BTreeMap<String, String>,
    /// Where evidence lies that is not in this backup: an object store has its own.
    evidence_elsewhere: Option<String>,
}

/// Where a service's journal ends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ended {
    origin: String,
    epoch: i64,
    position: i64,
    leaf_hash: String,
}

impl From<&JournalEnd> for Ended {
    fn from(end: &JournalEnd) -> Self {
        Self {
            origin: end.origin.clone(),
            epoch: end.epoch,
            position: end.position,
            leaf_hash: hex::encode(&end.leaf_hash),
        }
    }
}

/// `vigia backup DIRECTORY`.
pub async fn backup(config: &Config, target: &Path, json: bool) -> Result<()> {
    if config.database.is_some() {
        return Err(Usage::of(say(
            "los datos están en PostgreSQL: respáldelos con pg_dump o con archivado continuo (deploy/README.md)",
            "the data is in PostgreSQL: back it up with pg_dump or continuous archiving (deploy/README.md)",
        )));
    }
    let data = &config.data;
    if !data.join("identity.sqlite").exists() {
        return Err(Usage::of(format!(
            "{}: {}",
            data.display(),
            say(
                "no es un directorio de datos: indíquelo con --data",
                "is no data directory: name it with --data"
            )
        )));
    }
    if data.join("SCRATCH").exists() {
        return Err(Usage::of(say(
            "es un directorio de ensayo: nada en él es para guardar",
            "it is a scratch directory: nothing in it is for keeping",
        )));
    }
    must_be_new(target)?;
    let making = beside(target, "making")?;
    private_directory(&making)?;
    let made = make(config, &making).await;
    let backup = match made {
        Ok(backup) => backup,
        Err(cause) => {
            fs::remove_dir_all(&making).with_context(|| making.display().to_string())?;
            return Err(cause);
        }
    };
    put_in_place(&making, target)?;
    tell(&backup, target, json)
}

async fn make(config: &Config, target: &Path) -> Result<Backup> {
    let mut services = BTreeMap::new();
    for area in Area::ALL.into_iter().rev() {
        copy_database(area, &config.data, target).await?;
        let end = verify_database(area, target).await?;
        services.insert(area.name().to_owned(), Ended::from(&end));
    }
    let mut sources = Vec::new();
    walk(&config.data.join("keys"), &mut sources)?;
    if config.evidence.url.is_none() {
        walk(&config.data.join("evidence/stored"), &mut sources)?;
    }
    let bar = progress(sources.len());
    for source in &sources {
        let to = target.join(source.strip_prefix(&config.data)?);
        if let Some(directory) = to.parent() {
            private_directory(directory)?;
        }
        fs::copy(source, &to).with_context(|| source.display().to_string())?;
        fs::File::open(&to)?.sync_all()?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let backup = Backup {
        form: FORM,
        made_at: machine_now().to_string(),
        services,
        files: hashes(target)?,
        evidence_elsewhere: config.evidence.url.clone(),
    };
    fs::write(target.join(LIST), serde_json::to_vec_pretty(&backup)?)?;
    fs::File::open(target.join(LIST))?.sync_all()?;
    Ok(backup)
}

/// `vigia restore BACKUP`: checks all of it, then makes it a data directory, in which each journal begins a new epoch.
pub async fn restore(config: &Config, from: &Path, json: bool) -> Result<()> {
    must_be_new(&config.data)?;
    let list = fs::File::open(from.join(LIST)).with_context(|| {
        format!(
            "{}: {}",
            from.join(LIST).display(),
            say(
                "no es un respaldo entero / falta su lista",
                "is no whole backup: its list is missing"
            )
        )
    })?;
    let mut text = Vec::new();
    list.take(LIST_BYTES_MAX).read_to_end(&mut text)?;
    let mut backup: Backup = serde_json::from_slice(&text).with_context(|| from.join(LIST).display().to_string())?;
    if backup.form != FORM {
        bail!(
            "{}: {} {}",
            from.display(),
            say(
                "otra versión de Vigía hizo este respaldo:",
                "another version of Vigía made this backup:"
            ),
            backup.form
        );
    }
    check_files(from, &backup)?;
    let making = beside(&config.data, "restoring")?;
    private_directory(&making)?;
    let put = put_back(from, &making, &mut backup).await;
    if let Err(cause) = put {
        fs::remove_dir_all(&making).with_context(|| making.display().to_string())?;
        return Err(cause);
    }
    put_in_place(&making, &config.data)?;
    tell(&backup, &config.data, json)
}

async fn put_back(from: &Path, to: &Path, backup: &mut Backup) -> Result<()> {
    let bar = progress(backup.files.len());
    for path in backup.files.keys() {
        let target = to.join(path);
        if let Some(directory) = target.parent() {
            private_directory(directory)?;
        }
        fs::copy(from.join(path), &target).with_context(|| path.clone())?;
        fs::File::open(&target)?.sync_all()?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    for area in Area::ALL {
        let end = verify_database(area, to).await?;
        let told = backup.services.get(area.name());
        if told.is_none_or(|told| told.position != end.position || told.leaf_hash != hex::encode(&end.leaf_hash)) {
            bail!(
                "{area}: {}",
                say(
                    "la bitácora no termina donde dice la lista",
                    "the journal does not end where the list says"
                )
            );
        }
        begin_epoch(area, to, &end).await?;
        backup
            .services
            .insert(area.name().to_owned(), Ended::from(&verify_database(area, to).await?));
    }
    Ok(())
}

/// Every file is there and as it was, and there is no other: all that is wrong, at once.
fn check_files(from: &Path, backup: &Backup) -> Result<()> {
    let mut faults = Vec::new();
    for path in backup.files.keys() {
        // A list that somebody has written may name any path.
        if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
            faults.push(format!(
                "{path}: {}",
                say("no es una ruta dentro del respaldo", "is no path inside the backup")
            ));
        }
    }
    if faults.is_empty() {
        let found = hashes(from)?;
        for (path, hash) in &backup.files {
            match found.get(path) {
                None => faults.push(format!("{path}: {}", say("falta", "is missing"))),
                Some(now) if now != hash => faults.push(format!(
                    "{path}: {}",
                    say("no es el archivo que se respaldó", "is not the file that was backed up")
                )),
                Some(_) => {}
            }
        }
        let surplus = found.keys().filter(|path| !backup.files.contains_key(*path));
        faults.extend(surplus.map(|path| format!("{path}: {}", say("no está en la lista", "is not in the list"))));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        bail!(
            "{}\n{}",
            say(
                "el respaldo no está entero; nada se cambió:",
                "the backup is not whole; nothing was changed:"
            ),
            faults.join("\n")
        )
    }
}

/// SHA-256 of every file but the list.
fn hashes(directory: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = Vec::new();
    walk(directory, &mut files)?;
    let bar: ProgressBar = progress(files.len());
    let mut hashes = BTreeMap::new();
    for file in files {
        let path = file.strip_prefix(directory)?.to_string_lossy().into_owned();
        if path != LIST {
            let mut hasher = Sha256::new();
            io::copy(&mut fs::File::open(&file)?, &mut HashWriter(&mut hasher)).with_context(|| path.clone())?;
            hashes.insert(path, hex::encode(hasher.finalize()));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(hashes)
}

struct HashWriter<'h>(&'h mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// All files below a directory; none if it is not there. Links are not followed.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(cause).with_context(|| directory.display().to_string()),
    };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn must_be_new(target: &Path) -> Result<()> {
    let is_new = match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(cause) => cause.kind() == io::ErrorKind::NotFound,
    };
    if is_new {
        return Ok(());
    }
    Err(Usage::of(format!(
        "{}: {}",
        target.display(),
        say(
            "debe ser un directorio nuevo o vacío; nada se cambió",
            "must be a new or empty directory; nothing was changed"
        )
    )))
}

/// The name under which a directory is made before it is whole.
fn beside(target: &Path, what: &str) -> Result<PathBuf> {
    let name = target.file_name().with_context(|| target.display().to_string())?;
    let making = target.with_file_name(format!("{}.{what}", name.to_string_lossy()));
    must_be_new(&making)?;
    Ok(making)
}

fn private_directory(directory: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.with_context(|| directory.display().to_string())?;
    Ok(fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?)
}

/// All or nothing: the directory has its name once it is whole and on the disk.
fn put_in_place(making: &Path, target: &Path) -> Result<()> {
    if target.exists() {
        fs::remove_dir(target)?;
    }
    fs::rename(making, target).with_context(|| target.display().to_string())?;
    let above = target
        .parent()
        .filter(|above| !above.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    Ok(fs::File::open(above)?.sync_all()?)
}

fn tell(backup: &Backup, directory: &Path, json: bool) -> Result<()> {
    if json {
        return output::json(&serde_json::json!({
            "directory": directory,
            "made_at": backup.made_at,
            "services": backup.services,
            "files": backup.files.len(),
            "evidence_elsewhere": backup.evidence_elsewhere,
        }));
    }
    let rows = Area::ALL.iter().filter_map(|area| {
        let ended = backup.services.get(area.name())?;
        Some(vec![Cell::new(area.name()), Cell::new(ended.epoch), Cell::new(ended.position)])
    });
    let heading = [say("servicio", "service"), say("época", "epoch"), say("entradas", "entries")];
    output::line(&output::table(&heading, rows.collect()));
    output::line(&format!(
        "{}: {} {}",
        directory.display(),
        backup.files.len(),
        say("archivos", "files")
    ));
    if let Some(url) = &backup.evidence_elsewhere {
        output::line(&format!(
            "{} {url}",
            say("la evidencia no está aquí sino en", "evidence is not here but in")
        ));
    }
    output::line(say(
        "contiene claves privadas y textos reservados: guárdelo cifrado y lejos de este equipo",
        "it holds private keys and reserved texts: keep it encrypted and away from this machine",
    ));
    Ok(())
}
