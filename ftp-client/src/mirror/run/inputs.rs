//! The first look at both folders of a mirror, and whether the target is still in its place at the end.

use crate::error::Error;
use crate::local::{self, error_at};
use crate::mirror::plan::PlanLogin;
use crate::mirror::target::MirrorDirection;
use crate::mirror::{MirrorRequest, Mode};
use crate::session::{Pages, Session};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::message::{Details, Entry, FollowLinks};
use wire::metadata::Kind;
use wire::store::entry::of_folder;
use wire::store::{Folder, FolderCache, LocalFolder};
use wire::{Failure, FailureCode, RemotePath};

/// Both folders, before the first pair.
pub(super) struct MirrorInputs {
    pub(super) pages: Option<Pages>,
    pub(super) remote_root: Option<Entry>,
    pub(super) local_root: Option<Entry>,
    /// The folder below both that is compared.
    pub(super) scope: RemotePath,
    /// Empty where no plan is written or applied.
    pub(super) login: PlanLogin,
}

impl MirrorInputs {
    /// The folders themselves: the source's and the target's.
    pub(super) fn roots(&self, direction: MirrorDirection) -> (Option<&Entry>, Option<&Entry>) {
        match direction {
            MirrorDirection::Upload => (self.local_root.as_ref(), self.remote_root.as_ref()),
            MirrorDirection::Download => (self.remote_root.as_ref(), self.local_root.as_ref()),
        }
    }
}

/// Looks at both folders, and asks for the listing.
pub(super) async fn look(
    session: &Session,
    request: &MirrorRequest,
    details: Details,
) -> Result<(MirrorInputs, Option<Arc<dyn Folder>>), Error> {
    let root_details = Details { links: true, ..details };
    let (remote, scope) = (request.remote.clone(), request.scope.clone());
    let there = remote.join_path(&scope).map_err(|error| Error::remote(&remote, error))?;
    // All of it goes out at once, and is answered in a round trip.
    let (options, direction) = (&request.options, request.direction);
    let listing = session.list_following(&there, true, details, options.follow_there(direction));
    let (pages, root) = tokio::join!(listing, session.stat_folder(&there, root_details));
    let remote_root = existing(root, &scope)?;
    let (local_root, local) = local::blocking({
        let (shown, scope, follow) = (request.local.clone(), scope.clone(), options.follow_here(direction));
        move || open_local(&shown, &scope, root_details, follow)
    })
    .await?;
    let inputs = MirrorInputs {
        pages: remote_root.as_ref().map(|_| pages).transpose()?,
        remote_root,
        local_root,
        scope,
        login: match request.mode {
            Mode::Run | Mode::DryRun => PlanLogin::default(),
            Mode::Plan(_) | Mode::Apply(_) => {
                PlanLogin { key: session.server_key(), user: session.welcome().await?.user }
            }
        },
    };
    Ok((inputs, local))
}

/// The target as it was when the mirror began. All is written into the folder that was there then, wherever somebody moves it.
pub(super) struct TargetPlace {
    direction: MirrorDirection,
    remote: RemotePath,
    local: PathBuf,
    scope: RemotePath,
    /// Device and inode, if it was there and they are known.
    identity: Option<(u64, u64)>,
}

impl TargetPlace {
    /// The target of a run that changes something.
    pub(super) fn of(request: &MirrorRequest, inputs: &MirrorInputs) -> Option<Self> {
        let root = match (&request.mode, request.direction) {
            (Mode::DryRun | Mode::Plan(_), _) => return None,
            (Mode::Run | Mode::Apply(_), MirrorDirection::Upload) => inputs.remote_root.as_ref(),
            (Mode::Run | Mode::Apply(_), MirrorDirection::Download) => inputs.local_root.as_ref(),
        };
        let (remote, local, scope) = (request.remote.clone(), request.local.clone(), request.scope.clone());
        Some(Self { direction: request.direction, remote, local, scope, identity: identity(root) })
    }

    /// Makes sure that its path leads to the same folder still.
    pub(super) async fn check_place(self, session: &Session) -> Result<(), Error> {
        let links = Details { links: true, ..Details::default() };
        let Self { direction, remote, local, scope, identity: before } = self;
        let moved = Failure::new(
            FailureCode::NotFound,
            "TARGET was moved or replaced meanwhile, and all went into the folder that was there: run again",
        );
        let (now, moved) = match direction {
            MirrorDirection::Upload => {
                let path = remote.join_path(&scope).map_err(|error| Error::remote(&remote, error))?;
                (existing(session.stat_folder(&path, links).await, &scope)?, Error::remote(&path, moved))
            }
            MirrorDirection::Download => {
                let moved = Error::local(&local, moved);
                (
                    local::blocking(move || open_local(&local, &scope, links, FollowLinks::Never)).await?.0,
                    moved,
                )
            }
        };
        let same = before.is_none() || identity(now.as_ref()) == before;
        if now.is_some() && same { Ok(()) } else { Err(moved) }
    }
}

/// The entry and the folder of a path here; neither if it is not there.
type LocalRoot = (Option<Entry>, Option<Arc<dyn Folder>>);

/// Opens the folder here, if it is there, with the entry of the part that is compared.
pub(super) fn open_local(
    path: &Path,
    scope: &RemotePath,
    details: Details,
    follow: FollowLinks,
) -> Result<LocalRoot, Error> {
    let folder = match LocalFolder::open_ambient_following(path, follow) {
        Ok(folder) => folder,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((None, None)),
        Err(error) => return Err(error_at(path, error)),
    };
    let folder: Arc<dyn Folder> = Arc::new(folder);
    let scoped = FolderCache::new(folder.clone()).get(scope.as_bytes(), false);
    let root = scoped.and_then(|scoped| of_folder(&*scoped, scope.clone(), details));
    Ok((Some(root.map_err(|error| error_at(path, error))?), Some(folder)))
}

/// The server's folder, if it is there.
pub(super) fn existing(root: Result<Entry, Error>, scope: &RemotePath) -> Result<Option<Entry>, Error> {
    match root {
        Ok(root) if root.metadata.kind == Kind::Folder => Ok(Some(Entry { path: scope.clone(), ..root })),
        Ok(root) => Err(Error::remote(&root.path, FailureCode::NotAFolder)),
        Err(error) if error.failure_code() == Some(FailureCode::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The device and inode of a folder.
pub(super) fn identity(root: Option<&Entry>) -> Option<(u64, u64)> {
    root?.details.as_ref()?.file.map(|file| (file.device, file.inode))
}
