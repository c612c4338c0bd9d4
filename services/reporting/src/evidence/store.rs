//! Where evidence lies once it is whole: in the data directory, or in an S3-compatible store.
//!
//! Uploads are always received into the data directory, hashed and looked into there. In the data directory they are then
//! renamed to their hash; to a store they are sent in parts. A replica that is gone takes its unfinished uploads with it:
//! then GetEvidence tells 0, and they begin anew.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, aws::AmazonS3Builder, local::LocalFileSystem, path::Path,
    prefix::PrefixStore,
};
use vigia_platform::{Error, StartError};
use vigia_proto::error::Reason;

use super::{Digest, EvidenceOptions, Part, Staging};

/// Bytes of a part that is sent to a store; S3 takes no fewer than 5 MiB and no more than 10,000 parts.
const PART_BYTES: usize = 16 << 20;

/// Unfinished and whole evidence. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) staging: Staging,
    pub(crate) file_bytes_max: u64,
    pub(crate) quota_bytes: u64,
    whole: Arc<dyn ObjectStore>,
    /// Where whole evidence lies in the data directory; none where a store keeps it.
    local: Option<PathBuf>,
}

impl Store {
    pub(crate) fn open(options: &EvidenceOptions) -> Result<Self, StartError> {
        let failed = |cause: &dyn std::fmt::Display| StartError::Other(format!("evidence: {cause}"));
        let staging = Staging::open(options.directory.join("uploads")).map_err(|cause| failed(&cause))?;
        let (whole, local): (Arc<dyn ObjectStore>, _) = match &options.url {
            None => {
                let directory = options.directory.join("stored");
                fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(&directory)
                    .map_err(|cause| failed(&cause))?;
                let whole = LocalFileSystem::new_with_prefix(&directory).map_err(|cause| failed(&cause))?;
                (Arc::new(whole), Some(directory))
            }
            Some(url) => (remote(url).map_err(|cause| failed(&cause))?, None),
        };
        Ok(Self {
            staging,
            file_bytes_max: options.file_bytes_max,
            quota_bytes: options.quota_bytes,
            whole,
            local,
        })
    }

    /// Keeps a part whose hash was checked under its name, durably.
    pub(crate) async fn keep(&self, mut part: Part, digest: Digest) -> Result<(), Error> {
        if let Some(local) = &self.local {
            let target = local.join(location(&digest));
            return blocking(move || part.publish(&target)).await;
        }
        let mut upload = self
            .whole
            .put_multipart(&Path::from(location(&digest)))
            .await
            .map_err(|cause| away(&cause))?;
        let sent = async {
            part = blocking(move || part.rewound().map(|_| ()).map(|()| part)).await?;
            loop {
                let (bytes, kept) = blocking(move || {
                    let mut bytes = Vec::with_capacity(PART_BYTES);
                    Read::by_ref(&mut part.file).take(PART_BYTES as u64).read_to_end(&mut bytes)?;
                    Ok((bytes, part))
                })
                .await?;
                part = kept;
                if bytes.is_empty() {
                    return Ok::<_, Error>(part);
                }
                upload.put_part(PutPayload::from(bytes)).await.map_err(|cause| away(&cause))?;
            }
        }
        .await;
        let part = match sent {
            Ok(part) => part,
            Err(error) => {
                // What was sent lies in the store until it is given up; that this fails changes nothing.
                let _ = upload.abort().await;
                return Err(error);
            }
        };
        upload.complete().await.map_err(|cause| away(&cause))?;
        blocking(move || part.remove()).await
    }

    /// The bytes of evidence that is whole, from `offset` on, `length` of them or all that follow.
    pub(crate) async fn read(
        &self,
        digest: &Digest,
        offset: u64,
        length: Option<u64>,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + use<>, Error> {
        let range = match length {
            Some(length) => GetRange::Bounded(offset..offset.saturating_add(length)),
            None => GetRange::Offset(offset),
        };
        let options = GetOptions {
            range: Some(range),
            ..GetOptions::default()
        };
        let got = self
            .whole
            .get_opts(&Path::from(location(digest)), options)
            .await
            .map_err(|cause| away(&cause))?;
        Ok(got.into_stream().map(|bytes| bytes.map_err(|cause| away(&cause))))
    }
}

/// The store does not answer, or not as it should. What was uploaded lies in the data directory still: the upload goes on
/// from there.
fn away(cause: &object_store::Error) -> Error {
    tracing::error!(%cause, "the evidence store fails");
    Error::refused(
        Reason::Unavailable,
        "El almacén de medios de verificación no responde: siga en un momento donde quedó.",
        "The store of evidence does not answer: go on in a moment where you were.",
    )
}

/// A store by its URL.
fn remote(url: &str) -> Result<Arc<dyn ObjectStore>, Box<dyn std::error::Error>> {
    if let Some(directory) = url.strip_prefix("file://") {
        return Ok(Arc::new(LocalFileSystem::new_with_prefix(directory)?.with_fsync(true)));
    }
    let Some(bucket) = url.strip_prefix("s3://") else {
        return Err(format!("{url}: must begin with s3:// or file://").into());
    };
    let (bucket, prefix) = bucket.split_once('/').unwrap_or((bucket, ""));
    // Fails only where a provider was set before: then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let store = AmazonS3Builder::from_env().with_bucket_name(bucket).build()?;
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}

/// Where evidence lies: not all of it in one directory.
fn location(digest: &Digest) -> String {
    let digest = digest.to_string();
    format!("{}/{digest}", &digest[..2])
}

/// Work on files, away from the threads that answer calls.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|cause| Error::internal(&cause))?
        .map_err(|cause| Error::internal(&cause))
}
