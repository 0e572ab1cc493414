//! A mirror from its beginning to its end: looks at both folders, begins the two walks, and lets the planner decide.

use super::clearing::Clearing;
use super::difference::Comparison;
use super::doing::Doing;
use super::effects::{DryRun, Effects};
use super::finish::Ending;
use super::pairs::Pairs;
use super::plan::{Head, Wanted, Writer};
use super::planned::{Applying, Planning};
use super::planner::Planner;
use super::recipe::Text;
use super::selection::Selection;
use super::side::{LocalSide, Nothing, RemoteSide, Side};
use super::target::{Direction, Trees};
use super::{DeleteWhen, Listener, MirrorRequest, Mode, Options, Outcome, Reason, Refusal, Summary};
use crate::error::Error;
use crate::local::{self, error_at};
use crate::report::Reporter;
use crate::session::{Pages, Session};
use std::collections::HashSet;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;
use wire::command::Needs;
use wire::message::{Details, Entry, Resume};
use wire::metadata::Kind;
use wire::store::entry::of_folder;
use wire::store::{Folder, FolderCache, LocalFolder};
use wire::{Access, Failure, FailureCode, RemotePath};

/// Mirrors.
pub(crate) async fn run(
    session: &Session,
    mut request: MirrorRequest,
    resume: Resume,
    listener: Arc<dyn Listener>,
    reporter: Arc<Reporter>,
) -> Result<Outcome, Error> {
    let details = request.options.details();
    if request.direction == Direction::Download {
        request.options.modes = request.options.modes.received();
    }
    let access = session.welcome().await?.access;
    check_backup(&request, access)?;
    let (begun, local) = look(session, &request, details).await?;
    check_backup_place(session, &request, &begun).await?;
    let target = Target::of(&request, &begun);
    let remote = request.remote.clone();
    let trees = Trees {
        direction: request.direction,
        leaves_root: request.direction == Direction::Upload
            && remote.is_root()
            && !Needs::Remove.met_by(access),
        session: session.clone(),
        remote,
        is_at_server: begun.remote_root.is_some(),
        local,
        shown: request.local.clone(),
        resume,
        reporter,
        runtime: Handle::current(),
    };
    let outcome =
        local::blocking(move || begun.mirror(&trees, request.options, request.mode, &listener)).await?;
    if let Some(target) = target.filter(|_| outcome.has_changed_something()) {
        target.check_place(session).await?;
    }
    Ok(outcome)
}

/// The target as it was when the mirror began. All is written into the folder that was there then, wherever somebody moves it.
struct Target {
    direction: Direction,
    remote: RemotePath,
    local: PathBuf,
    scope: RemotePath,
    /// Device and inode, if it was there and they are known.
    identity: Option<(u64, u64)>,
}

impl Target {
    /// The target of a run that changes something.
    fn of(request: &MirrorRequest, begun: &Begun) -> Option<Self> {
        let root = match (&request.mode, request.direction) {
            (Mode::DryRun | Mode::Plan(_), _) => return None,
            (Mode::Run | Mode::Apply(_), Direction::Upload) => begun.remote_root.as_ref(),
            (Mode::Run | Mode::Apply(_), Direction::Download) => begun.local_root.as_ref(),
        };
        let (remote, local, scope) = (request.remote.clone(), request.local.clone(), request.scope.clone());
        Some(Self { direction: request.direction, remote, local, scope, identity: identity(root) })
    }

    /// Makes sure that its path leads to the same folder still.
    async fn check_place(self, session: &Session) -> Result<(), Error> {
        let links = Details { links: true, ..Details::default() };
        let Self { direction, remote, local, scope, identity: before } = self;
        let moved = Failure::new(
            FailureCode::NotFound,
            "TARGET was moved or replaced meanwhile, and all went into the folder that was there: run again",
        );
        let (now, moved) = match direction {
            Direction::Upload => {
                let path = remote.join_path(&scope).map_err(|error| Error::remote(&remote, error))?;
                (existing(session.stat_folder(&path, links).await, &scope)?, Error::remote(&path, moved))
            }
            Direction::Download => {
                let moved = Error::local(&local, moved);
                (local::blocking(move || open_local(&local, &scope, links)).await?.0, moved)
            }
        };
        let same = before.is_none() || identity(now.as_ref()) == before;
        if now.is_some() && same { Ok(()) } else { Err(moved) }
    }
}

/// A backup at the server needs what a rename needs: told before anything is done.
fn check_backup(request: &MirrorRequest, access: Access) -> Result<(), Error> {
    let is_at_server = request.options.backup.is_some() && request.direction == Direction::Upload;
    if !is_at_server || Needs::Remove.met_by(access) {
        return Ok(());
    }
    let reason = "--backup renames files of the target, which needs full access";
    Err(Error::remote(&request.remote, Failure::new(FailureCode::AccessDenied, reason)))
}

/// A backup that is the target itself would keep nothing: told before anything is done, if it is there already.
async fn check_backup_place(session: &Session, request: &MirrorRequest, begun: &Begun) -> Result<(), Error> {
    let Some(path) = request.options.backup.clone() else { return Ok(()) };
    let links = Details { links: true, ..Details::default() };
    let (target, backup) = match request.direction {
        Direction::Upload => {
            let Ok(there) = RemotePath::from_user(path.as_os_str().as_bytes()) else { return Ok(()) };
            (begun.remote_root.as_ref(), session.stat_folder(&there, links).await.ok())
        }
        Direction::Download => {
            let found = local::blocking(move || open_local(&path, &RemotePath::root(), links)).await;
            (begun.local_root.as_ref(), found.ok().and_then(|(root, _)| root))
        }
    };
    if identity(target).is_none() || identity(target) != identity(backup.as_ref()) {
        return Ok(()); // what else leads there is found out where it is written
    }
    Err(Error::Refused("the folder of --backup is TARGET itself, so nothing would be kept".to_owned()))
}

/// Looks at both folders, and asks for the listing.
async fn look(
    session: &Session,
    request: &MirrorRequest,
    details: Details,
) -> Result<(Begun, Option<Arc<dyn Folder>>), Error> {
    let root_details = Details { links: true, ..details };
    let (remote, scope) = (request.remote.clone(), request.scope.clone());
    let there = remote.join_path(&scope).map_err(|error| Error::remote(&remote, error))?;
    // All of it goes out at once, and is answered in a round trip.
    let (pages, root) =
        tokio::join!(session.list_with(&there, true, details), session.stat_folder(&there, root_details),);
    let remote_root = existing(root, &scope)?;
    let (local_root, local) = local::blocking({
        let (shown, scope) = (request.local.clone(), scope.clone());
        move || open_local(&shown, &scope, root_details)
    })
    .await?;
    let begun = Begun {
        pages: remote_root.as_ref().map(|_| pages).transpose()?,
        remote_root,
        local_root,
        scope,
        identity: match request.mode {
            Mode::Run | Mode::DryRun => (String::new(), String::new()),
            Mode::Plan(_) | Mode::Apply(_) => (session.server_key(), session.welcome().await?.user),
        },
    };
    Ok((begun, local))
}

/// What is known before the first pair.
struct Begun {
    pages: Option<Pages>,
    remote_root: Option<Entry>,
    local_root: Option<Entry>,
    /// The folder below both that is compared.
    scope: RemotePath,
    /// The server's key, and the user there.
    identity: (String, String),
}

impl Begun {
    fn mirror(
        self,
        trees: &Trees,
        mut options: Options,
        mode: Mode,
        listener: &Arc<dyn Listener>,
    ) -> Result<Outcome, Error> {
        options.backup_below = backup_below(trees, &options);
        let (source, _) = self.roots(trees.direction);
        if source.is_none() {
            return Err(missing_source(trees, &options));
        }
        match mode {
            Mode::Run => {
                let mut doing = self.doing(trees, &options, listener);
                let (planned, refusal) = self.compare_all(trees, &options, &mut doing, listener)?;
                Ok(Outcome { summary: planned.with(doing.close()?), refusal, drifted: 0 })
            }
            Mode::DryRun => {
                let mut dry = DryRun::new(listener.clone());
                let Ending { summary, refusal, .. } = self.compare(trees, &options, &mut dry)?;
                refusal.iter().for_each(|refusal| listener.refused(*refusal));
                Ok(Outcome { summary: summary.with(dry.summary()), refusal, drifted: 0 })
            }
            Mode::Plan(mut writer) => {
                writer.head(&self.head(trees, &writer))?;
                let mut planning = Planning { dry: DryRun::new(listener.clone()), writer };
                let Ending { summary, refusal, .. } = self.compare(trees, &options, &mut planning)?;
                refusal.iter().for_each(|refusal| listener.refused(*refusal));
                if refusal.is_none() {
                    planning.writer.finish()?;
                }
                Ok(Outcome { summary: summary.with(planning.dry.summary()), refusal, drifted: 0 })
            }
            Mode::Apply(wanted) => {
                self.check(trees, &wanted.head)?;
                let doing = self.doing(trees, &options, listener);
                let mut applying = Applying { doing, wanted, again: HashSet::new() };
                let (planned, refusal) = self.compare_all(trees, &options, &mut applying, listener)?;
                let Applying { doing, wanted, .. } = applying;
                let summary = planned.with(doing.close()?);
                let is_refused = refusal.is_some_and(|refusal| refusal.is_first);
                let drifted = if is_refused { 0 } else { tell_drifted(&wanted, listener)? };
                Ok(Outcome { summary, refusal, drifted })
            }
        }
    }

    /// What does what is decided. Where something may be deleted, it waits until all is compared.
    fn doing<'a>(&self, trees: &'a Trees, options: &'a Options, listener: &Arc<dyn Listener>) -> Doing<'a> {
        let mut doing = Doing::new(trees, options, self.scope.clone(), listener.clone());
        let (_, target) = self.roots(trees.direction);
        if options.delete && target.is_some() && !options.established {
            doing.hold_back();
        }
        doing
    }

    /// Compares and does, and where deletions are to make room, those first.
    fn compare_all(
        self,
        trees: &Trees,
        options: &Options,
        effects: &mut dyn Effects,
        listener: &Arc<dyn Listener>,
    ) -> Result<(Summary, Option<Refusal>), Error> {
        let scope = self.scope.clone();
        let again = || Self::again(trees, options, &scope);
        let (_, target) = self.roots(trees.direction);
        let is_cleared = options.delete && options.delete_when == DeleteWhen::Before && target.is_some();
        let mut begun = self;
        if is_cleared {
            if let Some(refusal) = begun.clear(trees, options, effects)? {
                listener.refused(refusal);
                return Ok((Summary::default(), Some(refusal)));
            }
            begun = again()?;
        }
        let Ending { mut summary, mut refusal, lacks_room } = begun.compare(trees, options, effects)?;
        if lacks_room && !is_cleared {
            refusal = again()?.clear(trees, options, effects)?;
            if refusal.is_some() {
                effects.tell_short_of_room();
            } else {
                effects.try_again();
                let second = again()?.compare(trees, options, effects)?;
                (summary.transfer.skipped, refusal) = (second.summary.transfer.skipped, second.refusal);
                summary.unchanged = summary.unchanged.min(second.summary.unchanged); // what the first has sent is none
            }
        }
        refusal.iter().for_each(|refusal| listener.refused(*refusal));
        Ok((summary, refusal))
    }

    /// Deletes what is to go, and does nothing else.
    fn clear(
        self,
        trees: &Trees,
        options: &Options,
        effects: &mut dyn Effects,
    ) -> Result<Option<Refusal>, Error> {
        effects.release()?;
        let options = Options { by_digest: false, established: false, ..options.clone() };
        let mut clearing = Clearing { effects, failures: 0, has_moves: false };
        Ok(self.compare(trees, &options, &mut clearing)?.refusal)
    }

    /// Looks at both folders once more.
    fn again(trees: &Trees, options: &Options, scope: &RemotePath) -> Result<Self, Error> {
        let request = MirrorRequest {
            direction: trees.direction,
            local: trees.shown.clone(),
            remote: trees.remote.clone(),
            options: options.clone(),
            mode: Mode::Run,
            scope: scope.clone(),
        };
        Ok(trees.runtime.block_on(look(&trees.session, &request, options.details()))?.0)
    }

    fn compare(self, trees: &Trees, options: &Options, effects: &mut dyn Effects) -> Result<Ending, Error> {
        let comparison = Comparison::new(options);
        let (source, target) = self.roots(trees.direction);
        let (source, target) = (source.cloned(), target.cloned());
        let Some(source) = source else { return Err(missing_source(trees, options)) };
        let mut here = local_side(trees, options, &self.scope)?;
        let mut there = remote_side(self.pages, &self.scope);
        let pairs = match trees.direction {
            Direction::Upload => Pairs::new(&mut *here, &mut *there),
            Direction::Download => Pairs::new(&mut *there, &mut *here),
        };
        let mut planner = Planner::new(options, comparison, (source, target), effects, trees);
        planner.walk(pairs)?;
        planner.finish()
    }

    /// The folders themselves: the source's and the target's.
    fn roots(&self, direction: Direction) -> (Option<&Entry>, Option<&Entry>) {
        match direction {
            Direction::Upload => (self.local_root.as_ref(), self.remote_root.as_ref()),
            Direction::Download => (self.remote_root.as_ref(), self.local_root.as_ref()),
        }
    }

    fn head(&self, trees: &Trees, writer: &Writer) -> Head {
        let remote = Text(trees.remote.as_bytes().to_vec());
        let roots = (identity(self.remote_root.as_ref()), identity(self.local_root.as_ref()));
        Head::new(trees.direction, &writer.place, self.identity.clone(), remote, roots, writer.recipe.clone())
    }

    /// A plan is for the very folders that it was made for: a backup disk that is not mounted is another folder.
    fn check(&self, trees: &Trees, head: &Head) -> Result<(), Error> {
        let (key, user) = &self.identity;
        let roots = (identity(self.remote_root.as_ref()), identity(self.local_root.as_ref()));
        let reason = if *key != head.key {
            "the plan is for another server: its key was another"
        } else if *user != head.user {
            "the plan is for another user of the server"
        } else if roots.0 != head.roots.0 {
            "the plan is for another folder at the server: this one was made, mounted or moved there since"
        } else if roots.1 != head.roots.1 {
            "the plan is for another local folder: this one was made, mounted or moved there since"
        } else if head.remote.0 != trees.remote.as_bytes() {
            "the plan is for another folder"
        } else {
            return Ok(());
        };
        Err(Error::Refused(reason.to_owned()))
    }
}

/// Tells of the items of a plan that no longer fit.
fn tell_drifted(wanted: &Wanted, listener: &Arc<dyn Listener>) -> Result<u64, Error> {
    wanted.drifted(|path| {
        if let Ok(path) = RemotePath::from_wire(path) {
            listener.failed(&path, &FailureCode::Drifted.into());
        }
    })
}

/// The tree here. What the rules leave out of it is not looked at.
fn local_side<'a>(
    trees: &Trees,
    options: &'a Options,
    scope: &RemotePath,
) -> Result<Box<dyn Side + 'a>, Error> {
    let selection = Selection::new(options);
    let is_source = trees.direction == Direction::Upload;
    let leaves_out = move |path: &RemotePath, is_folder: bool| {
        if is_source { selection.hides(path, is_folder) } else { is_folder && selection.leaves_alone(path) }
    };
    Ok(match &trees.local {
        Some(folder) => {
            let folder = FolderCache::new(folder.clone()).get(scope.as_bytes(), false);
            let folder = folder.map_err(|error| error_at(&trees.shown, error))?;
            let details = options.details();
            let side = LocalSide::new(folder, scope.clone(), details, leaves_out, &trees.shown)?;
            let marks = trees.session.marks().filter(|_| !is_source);
            Box::new(side.doubting(marks.map(|marks| marks.unproven()).unwrap_or_default()))
        }
        None => Box::new(Nothing),
    })
}

fn remote_side(pages: Option<Pages>, scope: &RemotePath) -> Box<dyn Side> {
    match pages {
        Some(pages) => Box::new(RemoteSide::new(pages, scope.clone())),
        None => Box::new(Nothing),
    }
}

/// What is known of a folder here, and the folder; neither if it is not there.
type Here = (Option<Entry>, Option<Arc<dyn Folder>>);

/// The folder here, if it is there, and what is known of what is compared of it.
fn open_local(path: &Path, scope: &RemotePath, details: Details) -> Result<Here, Error> {
    let folder = match LocalFolder::open_ambient(path) {
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
fn existing(root: Result<Entry, Error>, scope: &RemotePath) -> Result<Option<Entry>, Error> {
    match root {
        Ok(root) if root.metadata.kind == Kind::Folder => Ok(Some(Entry { path: scope.clone(), ..root })),
        Ok(root) => Err(Error::remote(&root.path, FailureCode::NotAFolder)),
        Err(error) if error.failure_code() == Some(FailureCode::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn missing_source(trees: &Trees, options: &Options) -> Error {
    match (options.delete, trees.direction) {
        (true, _) => Error::Refused(Refusal::first(Reason::EmptySource).to_string()),
        (false, Direction::Upload) => error_at(&trees.shown, ErrorKind::NotFound.into()),
        (false, Direction::Download) => Error::remote(&trees.remote, FailureCode::NotFound),
    }
}

/// Where the backup folder is in the target, if it is there: what was set aside is not to be deleted next time.
fn backup_below(trees: &Trees, options: &Options) -> Option<RemotePath> {
    let backup = options.backup.as_ref()?;
    let below = match trees.direction {
        Direction::Upload => {
            RemotePath::from_user(backup.as_os_str().as_bytes()).ok()?.strip_prefix(&trees.remote)
        }
        Direction::Download => {
            let below = |target: PathBuf, backup: PathBuf| {
                RemotePath::from_user(backup.strip_prefix(target).ok()?.as_os_str().as_bytes()).ok()
            };
            // By its name first: a link of that name in the target is one that was mirrored, and leads the backup nowhere.
            let named = below(std::path::absolute(&trees.shown).ok()?, std::path::absolute(backup).ok()?);
            named.or_else(|| below(resolved(&trees.shown)?, resolved(backup)?))
        }
    };
    below.filter(|below| !below.is_root())
}

/// The path without links, as far as it is there.
fn resolved(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let there = path.ancestors().find_map(|there| Some((there, there.canonicalize().ok()?)))?;
    Some(there.1.join(path.strip_prefix(there.0).ok()?))
}

/// Which folder it is.
fn identity(root: Option<&Entry>) -> Option<(u64, u64)> {
    root?.details.as_ref()?.file.map(|file| (file.device, file.inode))
}
