//! Unfinished uploads: a file each, whose length is where the upload goes on. Nothing else is kept of them.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};

use super::Digest;

/// How long an unfinished upload is kept after its last byte.
pub(crate) const KEPT: Duration = Duration::from_hours(48);
/// Unfinished uploads of one institution at most.
const UNFINISHED_MAX: usize = 100;
/// Uploads of one institution that run at once.
const AT_ONCE_EACH: usize = 8;
/// Uploads that run at once.
const AT_ONCE: usize = 64;

/// Where unfinished uploads lie. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Staging {
    directory: PathBuf,
    running: Arc<Mutex<BTreeSet<String>>>,
}

/// Why an upload can't begin now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Busy {
    /// The same one is under way.
    Same,
    /// Too many are.
    TooMany,
}

/// The right to write one unfinished upload; nobody else has it at the same time.
#[derive(Debug)]
pub(crate) struct Claim {
    staging: Staging,
    key: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.staging.running().remove(&self.key);
    }
}

/// An unfinished upload that is being written.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) file: File,
    hash: Sha256,
    size: u64,
    path: PathBuf,
    _claim: Claim,
}

impl Staging {
    pub(crate) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self {
            directory,
            running: Arc::default(),
        })
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an upload is known by here. The owner is hashed, so that a name can't be a path.
    fn key(owner: &str, digest: &Digest) -> String {
        format!("{}-{digest}.part", Self::owner_key(owner))
    }

    fn owner_key(owner: &str) -> String {
        hex::encode(&Sha256::digest(owner.as_bytes())[..16])
    }

    /// Claims an upload. Then everything that is too old is thrown away.
    pub(crate) fn claim(&self, owner: &str, digest: &Digest) -> Result<Claim, Busy> {
        let key = Self::key(owner, digest);
        let mut running = self.running();
        if running.contains(&key) {
            return Err(Busy::Same);
        }
        let own = Self::owner_key(owner);
        if running.len() >= AT_ONCE || running.iter().filter(|other| other.starts_with(&own)).count() >= AT_ONCE_EACH {
            return Err(Busy::TooMany);
        }
        running.insert(key.clone());
        Ok(Claim {
            staging: self.clone(),
            key,
        })
    }

    /// Bytes of an owner's unfinished uploads but this one, and whether it may begin one more.
    pub(crate) fn others(&self, owner: &str, digest: &Digest) -> io::Result<(u64, bool)> {
        let (own, this) = (Self::owner_key(owner), Self::key(owner, digest));
        let (mut bytes, mut count) = (0, 0);
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(&own) && name != this {
                bytes += entry.metadata().map_or(0, |metadata| metadata.len());
                count += 1;
            }
        }
        Ok((bytes, count < UNFINISHED_MAX))
    }

    /// How many bytes of an unfinished upload survive a power cut, and when it was last written; none where there is none.
    pub(crate) fn durable(&self, owner: &str, digest: &Digest) -> io::Result<Option<(u64, SystemTime)>> {
        let file = match File::open(self.directory.join(Self::key(owner, digest))) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(cause),
        };
        // First the length, then the sync: what comes in between is durable too, but not promised.
        let metadata = file.metadata()?;
        file.sync_all()?;
        Ok(Some((metadata.len(), metadata.modified()?)))
    }

    /// Throws away what nobody has written to for long.
    pub(crate) fn sweep(&self, now: SystemTime) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let old = modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > KEPT));
            let running = self.running().contains(entry.file_name().to_string_lossy().as_ref());
            if old && !running {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Claim {
    /// Opens the upload to go on at `offset`; the length that it has where that is another. From 0 on it begins anew.
    pub(crate) fn open(self, offset: u64) -> io::Result<Result<Part, u64>> {
        let path = self.staging.directory.join(&self.key);
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        if offset == 0 {
            options.create(true).truncate(true);
        }
        let mut file = match options.open(&path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Err(0)),
            Err(cause) => return Err(cause),
        };
        let length = file.metadata()?.len();
        if length != offset {
            return Ok(Err(length));
        }
        if offset == 0 {
            sync_directory(&self.staging.directory)?;
        }
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
        }
        Ok(Ok(Part {
            file,
            hash,
            size: offset,
            path,
            _claim: self,
        }))
    }
}

impl Part {
    /// Appends bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Makes what was written survive a power cut.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// The hash of all that was written.
    pub(crate) fn digest(&self) -> Digest {
        Digest::from(<[u8; 32]>::from(self.hash.clone().finalize()))
    }

    /// Throws it away.
    pub(crate) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }

    /// Moves it to where it stays, durably. Whatever is there already has the same bytes: its name is their hash.
    pub(crate) fn publish(self, target: &Path) -> io::Result<()> {
        let directory = target.parent().ok_or_else(|| io::Error::other("no directory"))?;
        if !directory.exists() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            if let Some(above) = directory.parent() {
                sync_directory(above)?;
            }
        }
        fs::rename(&self.path, target)?;
        sync_directory(directory)
    }

    /// The file from its first byte on.
    pub(crate) fn rewound(&mut self) -> io::Result<&mut File> {
        self.file.seek(SeekFrom::Start(0))?;
        Ok(&mut self.file)
    }
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn digest() -> Digest {
        Digest::from([7; 32])
    }

    #[test]
    fn an_upload_goes_on_where_it_ended_and_nowhere_else() {
        let directory = tempfile::tempdir().unwrap();
        let staging = Staging::open(directory.path().join("uploads")).unwrap();
        let claim = || staging.claim("institutions/msp", &digest()).unwrap();
        assert_eq!(staging.durable("institutions/msp", &digest()).unwrap(), None);
        assert_eq!(claim().open(4).unwrap().unwrap_err(), 0);
        let mut part = claim().open(0).unwrap().unwrap();
        part.write(b"uno ").unwrap();
        drop(part);
        assert_eq!(staging.durable("institutions/msp", &digest()).unwrap().unwrap().0, 4);
        assert_eq!(
            staging.durable("institutions/mies", &digest()).unwrap(),
            None,
            "another institution's"
        );
        assert_eq!(claim().open(3).unwrap().unwrap_err(), 4);
        let mut part = claim().open(4).unwrap().unwrap();
        part.write(b"dos").unwrap();
        assert_eq!(part.digest(), Digest::from(<[u8; 32]>::from(Sha256::digest(b"uno dos"))));
        let target = directory.path().join("stored/07/x");
        fs::create_dir(directory.path().join("stored")).unwrap();
        part.publish(&target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"uno dos");
        assert_eq!(staging.durable("institutions/msp", &digest()).unwrap(), None);
    }

    #[test]
    fn the_same_upload_runs_once_and_there_are_not_too_many() {
        let directory = tempfile::tempdir().unwrap();
        let staging = Staging::open(directory.path().to_owned()).unwrap();
        let nth = |n: usize| Digest::from([u8::try_from(n).unwrap(); 32]);
        let held: Vec<_> = (0..AT_ONCE_EACH).map(|n| staging.claim("a", &nth(n)).unwrap()).collect();
        assert_eq!(staging.claim("a", &nth(0)).unwrap_err(), Busy::Same);
        assert_eq!(staging.claim("a", &nth(99)).unwrap_err(), Busy::TooMany);
        assert!(staging.claim("b", &nth(0)).is_ok());
        drop(held);
        assert!(staging.claim("a", &nth(0)).is_ok());
    }

    #[test]
    fn what_is_old_is_thrown_away_unless_it_runs() {
        let directory = tempfile::tempdir().unwrap();
        let staging = Staging::open(directory.path().to_owned()).unwrap();
        let part = staging.claim("a", &digest()).unwrap().open(0).unwrap().unwrap();
        let modified = part.file.metadata().unwrap().modified().unwrap();
        let there = || staging.durable("a", &digest()).unwrap().is_some();
        staging.sweep(modified + KEPT + Duration::from_secs(1)).unwrap();
        assert!(there(), "it runs");
        drop(part);
        staging.sweep(modified + KEPT).unwrap();
        assert!(there());
        staging.sweep(modified + KEPT + Duration::from_secs(1)).unwrap();
        assert!(!there());
    }

    #[test]
    fn an_owner_has_so_many_unfinished_uploads_and_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let staging = Staging::open(directory.path().to_owned()).unwrap();
        let nth = |n: usize| Digest::from([u8::try_from(n).unwrap(); 32]);
        for n in 0..UNFINISHED_MAX {
            assert_eq!(staging.others("a", &nth(n)).unwrap(), (3 * n as u64, true));
            staging
                .claim("a", &nth(n))
                .unwrap()
                .open(0)
                .unwrap()
                .unwrap()
                .write(b"abc")
                .unwrap();
        }
        assert_eq!(staging.others("a", &nth(200)).unwrap(), (300, false));
        assert_eq!(staging.others("b", &nth(200)).unwrap(), (0, true));
        assert_eq!(staging.others("a", &nth(0)).unwrap(), (297, true), "its own going on is none more");
    }
}
