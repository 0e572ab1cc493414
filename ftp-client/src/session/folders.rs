//! Paths of the server that were typed with a `/` at the end: the folder is meant, and a link to one is followed.

use super::Session;
use crate::error::Error;
use wire::metadata::Kind;
use wire::stdio::HOME;
use wire::{Failure, FailureCode, RemotePath};

impl Session {
    /// The path of the folder at `path`, which may be a link to one within the root.
    ///
    /// # Errors
    /// `NotAFolder` if it is something else; as the server has it, or if the connection is lost.
    pub async fn folder_at(&self, path: &RemotePath) -> Result<RemotePath, Error> {
        match self.kind_of(path).await? {
            Kind::Folder => Ok(path.clone()),
            Kind::Symlink => self.real_folder(path).await,
            Kind::File | Kind::Special => Err(Error::remote(path, FailureCode::NotAFolder)),
        }
    }

    /// As [`folder_at`](Self::folder_at), and there is no link above the folder either.
    ///
    /// # Errors
    /// As [`folder_at`](Self::folder_at).
    pub async fn real_folder(&self, path: &RemotePath) -> Result<RemotePath, Error> {
        let failed = |failure: Failure| Error::remote(path, failure);
        let (mut folder, mut links) = (RemotePath::root(), 0);
        // Still to be followed, the next one last.
        let mut names: Vec<Vec<u8>> = path.as_bytes().rsplit(is_slash).map(<[u8]>::to_vec).collect();
        while let Some(name) = names.pop() {
            let next = match &name[..] {
                b"" | b"." => continue,
                b".." if folder.as_bytes() == HOME => return Err(failed(FailureCode::OutsideRoot.into())),
                b".." => {
                    let (parent, _) =
                        folder.split_last().ok_or_else(|| failed(FailureCode::OutsideRoot.into()))?;
                    folder = parent;
                    continue;
                }
                name => wire::Name::new(name).and_then(|name| folder.join(&name)),
            };
            let next = next.map_err(|error| failed(error.into()))?;
            let entry = self.stat(&next, false).await.map_err(|error| at(path, error))?;
            match entry.metadata.kind {
                Kind::Folder => folder = next,
                Kind::Symlink if links < LINKS_MAX && !entry.link_target.starts_with(b"/") => {
                    links += 1;
                    names.extend(entry.link_target.rsplit(is_slash).map(<[u8]>::to_vec));
                }
                Kind::Symlink => return Err(failed(FailureCode::OutsideRoot.into())),
                Kind::File | Kind::Special => return Err(failed(FailureCode::NotAFolder.into())),
            }
        }
        Ok(folder)
    }

    /// Makes sure that `path` is a folder itself, as what removes or renames it needs it: a link to one is none.
    ///
    /// # Errors
    /// `NotAFolder` if it is something else; as the server has it, or if the connection is lost.
    pub async fn require_own_folder(&self, path: &RemotePath) -> Result<(), Error> {
        match self.kind_of(path).await? {
            Kind::Folder => Ok(()),
            Kind::Symlink => {
                let reason =
                    "is a symbolic link, not a folder: without the / at the end, the link itself is meant";
                Err(Error::remote(path, Failure::new(FailureCode::NotAFolder, reason)))
            }
            Kind::File | Kind::Special => Err(Error::remote(path, FailureCode::NotAFolder)),
        }
    }

    async fn kind_of(&self, path: &RemotePath) -> Result<Kind, Error> {
        Ok(self.stat(path, path.is_root()).await?.metadata.kind)
    }
}

fn is_slash(byte: &u8) -> bool {
    *byte == b'/'
}

/// The same error, of the path that was typed.
fn at(path: &RemotePath, error: Error) -> Error {
    if let Error::Remote { failure, .. } = error { Error::remote(path, failure) } else { error }
}

/// As many links as Linux follows in one path.
const LINKS_MAX: u32 = 40;
