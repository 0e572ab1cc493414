//! Removes sources of a transfer whose targets are proven. Each end reads its own file once more: a source is removed only if both
//! contents are equal and it was not changed since the transfer began. So it does not matter who wrote the target, and when: a
//! run that was interrupted leaves nothing behind that the next one could not remove.
//!
//! Here the inode, size, modification time and ctime show a change. At the server the size and the modification time do, and the
//! content, which is read there between the two looks; and a last look just before shows whether it is still the same inode.

use crate::error::Error;
use crate::local::{self, place};
use crate::mirror::MirrorDirection;
use crate::session::Session;
use crate::session::portions::portions;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::JoinSet;
use wire::checksum::{Checksum, Digest};
use wire::command::Needs;
use wire::message::{Batch, Change, Details, Entry, FollowLinks, Stat};
use wire::metadata::{Kind, Timestamp};
use wire::store::{Folder, FolderCache, Identity, digest, file_clock};
use wire::{Failure, FailureCode, Name, RemotePath};

/// Both ends of a transfer: the items' paths are below them.
#[derive(Debug, Clone)]
pub struct TransferEnds {
    /// Which of both is the source.
    pub direction: MirrorDirection,
    /// The end here.
    pub local: PathBuf,
    /// The end at the server.
    pub remote: RemotePath,
    /// Start of the transfer: what was changed later stays.
    pub began: Timestamp,
}

/// An item here.
struct LocalItem {
    folder: Arc<dyn Folder>,
    name: Name,
    identity: Identity,
    /// Device and inode.
    file: Option<(u64, u64)>,
    content: ItemContent,
}

/// The facts that must be the same at both ends.
#[derive(Debug, PartialEq, Eq)]
enum ItemContent {
    File(Digest),
    Link(Vec<u8>),
}

impl TransferEnds {
    /// Both ends of a transfer that begins now.
    #[must_use]
    pub fn now(direction: MirrorDirection, local: PathBuf, remote: RemotePath) -> Self {
        Self { direction, local, remote, began: file_clock() }
    }
}

impl Session {
    /// Makes sure that sources may be removed, before anything is transferred: at the server this needs the access that `rm` needs.
    ///
    /// # Errors
    /// `AccessDenied`, or if the connection is lost.
    pub async fn check_source_removal(&self, direction: MirrorDirection) -> Result<(), Error> {
        let access = self.welcome().await?.access;
        let (needs, reason) = match direction {
            MirrorDirection::Upload => {
                (Needs::See, "--remove-source compares, for which the user must be able to read")
            }
            MirrorDirection::Download => (Needs::Remove, "--remove-source needs full access at the server"),
        };
        if needs.met_by(access) {
            return Ok(());
        }
        Err(Error::remote(&RemotePath::root(), Failure::new(FailureCode::AccessDenied, reason)))
    }

    /// Removes files and links at the source whose targets have the same content. Reports each of the paths, which are below both ends.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn remove_sources(
        &self,
        ends: &TransferEnds,
        paths: Vec<RemotePath>,
        mut report: impl FnMut(&RemotePath, Result<(), Failure>),
    ) -> Result<(), Error> {
        for portion in portions(paths, |path| path.as_bytes().len()) {
            let (looking, checksum, below) = (ends.clone(), self.checksum(), portion.clone());
            let look = move || {
                let end = EndHere::open(&looking.local);
                let look = |path| end.as_ref().map_err(Failure::clone)?.look(path, checksum);
                Ok(below.iter().map(look).collect::<Vec<_>>())
            };
            let (here, there) = tokio::join!(local::blocking(look), self.look_there(ends, &portion));
            let proven = portion.into_iter().zip(here?).zip(there?).map(|((path, here), there)| {
                let proven = here.and_then(|here| ends.prove(here, there?));
                (path, proven)
            });
            let mut sources = Vec::new();
            for (path, proven) in proven {
                match proven {
                    Ok(source) => sources.push((path, source)),
                    Err(failure) => report(&path, Err(failure)),
                }
            }
            match ends.direction {
                MirrorDirection::Upload => {
                    let remove = move || {
                        let removed =
                            |(path, (here, _)): (RemotePath, (LocalItem, Entry))| (path, here.remove());
                        Ok(sources.into_iter().map(removed).collect::<Vec<_>>())
                    };
                    for (path, removed) in local::blocking(remove).await? {
                        report(&path, removed);
                    }
                }
                MirrorDirection::Download => {
                    let sources = self.still_there(ends, sources, &mut report).await?;
                    let change = |(path, (_, there)): &(RemotePath, (LocalItem, Entry))| {
                        Some(Change::RemoveFile {
                            path: ends.remote_path(path).ok()?,
                            was: Some(there.metadata),
                        })
                    };
                    let changes = sources.iter().filter_map(change).collect();
                    let failed = self.call(Batch::new(RemotePath::root(), changes, true)).await?.failures;
                    for (index, (path, _)) in (0..).zip(&sources) {
                        let failure = failed.iter().find(|failed| failed.index == index);
                        report(path, failure.map_or(Ok(()), |failed| Err(failed.failure.clone())));
                    }
                }
            }
        }
        Ok(())
    }

    /// Keeps those sources at the server that are still the files that were read.
    async fn still_there(
        &self,
        ends: &TransferEnds,
        sources: Vec<(RemotePath, (LocalItem, Entry))>,
        report: &mut impl FnMut(&RemotePath, Result<(), Failure>),
    ) -> Result<Vec<(RemotePath, (LocalItem, Entry))>, Error> {
        let paths: Vec<_> = sources.iter().map(|(path, _)| path.clone()).collect();
        let file = |entry: &Entry| entry.details.as_ref()?.file.map(|file| (file.device, file.inode));
        let mut same = Vec::with_capacity(sources.len());
        for (source, now) in sources.into_iter().zip(self.stat_there(ends, &paths).await?) {
            match now {
                Ok(now) if file(&now) == file(&source.1.1) => same.push(source),
                Ok(_) => report(&source.0, Err(FailureCode::Drifted.into())),
                Err(failure) => report(&source.0, Err(failure)),
            }
        }
        Ok(same)
    }

    /// The entries at the server, with the digests of files.
    async fn look_there(
        &self,
        ends: &TransferEnds,
        paths: &[RemotePath],
    ) -> Result<Vec<Result<Entry, Failure>>, Error> {
        let mut found = self.stat_there(ends, paths).await?;
        let is_file = |(_, entry): &(&RemotePath, &mut Result<Entry, Failure>)| {
            entry.as_ref().is_ok_and(|entry| entry.metadata.kind == Kind::File)
        };
        let (files, entries): (Vec<_>, Vec<_>) = paths.iter().zip(&mut found).filter(is_file).unzip();
        let files = files.into_iter().map(|path| ends.remote_path(path)).collect::<Result<Vec<_>, _>>()?;
        let mut digests = Vec::with_capacity(files.len());
        for portion in portions(files, |path| path.as_bytes().len()) {
            digests.extend(
                self.digests(&RemotePath::root(), self.checksum(), portion, FollowLinks::Never).await?,
            );
        }
        for (entry, digest) in entries.into_iter().zip(digests) {
            if let Ok(entry) = entry {
                entry.digest = digest;
            }
        }
        Ok(found)
    }

    /// The entries at the server, with their inodes.
    async fn stat_there(
        &self,
        ends: &TransferEnds,
        paths: &[RemotePath],
    ) -> Result<Vec<Result<Entry, Failure>>, Error> {
        let mut looks = JoinSet::new();
        for (number, path) in paths.iter().enumerate() {
            let (session, path) = (self.clone(), ends.remote_path(path)?);
            let details = Details { links: true, ..Details::default() };
            looks.spawn(async move { (number, session.call(Stat { path, follow: false, details }).await) });
        }
        let mut found: Vec<Result<Entry, Failure>> = vec![Err(FailureCode::NotFound.into()); paths.len()];
        while let Some(look) = looks.join_next().await {
            let (number, entry) = look.map_err(|_| Error::Interrupted)?;
            found[number] = match entry {
                Ok(entry) => Ok(entry),
                Err(Error::Remote { failure, .. }) if failure.code != FailureCode::ShuttingDown => {
                    Err(failure.at("on the server"))
                }
                Err(error) => return Err(error),
            };
        }
        Ok(found)
    }
}

impl TransferEnds {
    fn remote_path(&self, path: &RemotePath) -> Result<RemotePath, Error> {
        self.remote.join_path(path).map_err(|error| Error::remote(&self.remote, error))
    }

    /// Returns both if the source may be removed.
    fn prove(&self, here: LocalItem, there: Entry) -> Result<(LocalItem, Entry), Failure> {
        let stays = |reason: &str| Failure::new(FailureCode::Drifted, format!("stays: {reason}"));
        let changed = here.identity.changed;
        let is_later = (changed.seconds, changed.nanos) > (self.began.seconds, self.began.nanos);
        if self.direction == MirrorDirection::Upload && is_later {
            return Err(stays("it was changed since the transfer began"));
        }
        let file = there.details.as_ref().and_then(|details| details.file);
        if here.file.is_some() && here.file == file.map(|file| (file.device, file.inode)) {
            return Err(stays("it and its target are the same file"));
        }
        let content = match there.metadata.kind {
            Kind::File => there.digest.map(ItemContent::File),
            Kind::Symlink => Some(ItemContent::Link(there.link_target.clone())),
            Kind::Folder | Kind::Special => None,
        };
        if content.as_ref() == Some(&here.content) {
            Ok((here, there))
        } else {
            Err(stays("its target is not the same"))
        }
    }
}

/// The end here.
struct EndHere {
    /// The end as a folder, for the paths below it.
    tree: Option<FolderCache>,
    /// The folder that the end is in, with its name there.
    parent: Arc<dyn Folder>,
    name: Option<Name>,
}

impl EndHere {
    fn open(path: &Path) -> Result<Self, Failure> {
        let opened = || {
            let (parent, name) = place(path)?;
            let tree = local::folder(path).ok().map(FolderCache::new);
            Ok::<_, Error>(Self { tree, parent: local::folder(&parent)?, name })
        };
        opened().map_err(|error| Failure::new(FailureCode::NotFound, error.to_string()))
    }

    fn look(&self, path: &RemotePath, checksum: Checksum) -> Result<LocalItem, Failure> {
        let Self { tree, parent, name } = self;
        let (folder, name) = match (path.split_last(), tree, name) {
            (Some((below, name)), Some(tree), _) => (tree.get(below.as_bytes(), false)?, name),
            (None, _, Some(name)) => (parent.clone(), name.clone()),
            (Some(_), None, _) | (None, _, None) => return Err(FailureCode::NotFound.into()),
        };
        let identity = folder.identity((&name).into())?;
        let links = Details { links: true, ..Details::default() };
        let file = folder.details(Some((&name).into()), links)?.file.map(|file| (file.device, file.inode));
        let content = match identity.metadata.kind {
            Kind::File => {
                let opened = folder.open_file((&name).into())?;
                ItemContent::File(digest::of_file(&*opened, checksum, &|| false)?)
            }
            Kind::Symlink => ItemContent::Link(folder.read_link((&name).into())?),
            Kind::Folder | Kind::Special => return Err(FailureCode::SpecialFile.into()),
        };
        Ok(LocalItem { folder, name, identity, file, content })
    }
}

impl LocalItem {
    /// Removes it, unless it is not what was looked at. Its ctime may differ: another name of it may have been removed meanwhile.
    fn remove(self) -> Result<(), Failure> {
        let name = (&self.name).into();
        if !self.folder.identity(name)?.has_content_of(&self.identity) {
            return Err(FailureCode::Drifted.into());
        }
        Ok(self.folder.remove_file(name)?)
    }
}
