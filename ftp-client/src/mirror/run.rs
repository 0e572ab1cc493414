//! A mirror from its beginning to its end: looks at both folders, begins the two walks, and lets the planner decide.

mod backup;
mod inputs;

use super::clearing::Clearing;
use super::effects::{DryRun, Effects};
use super::executor::MirrorExecutor;
use super::finish::ComparisonResult;
use super::pairs::Pairs;
use super::plan::{LoadedPlan, PlanHead, PlanLogin, PlanWriter};
use super::plan_effects::{PlanApplier, PlanRecorder};
use super::planner::Planner;
use super::recipe::Text;
use super::selection::EntrySelection;
use super::side::{EmptySide, LocalSide, RemoteSide, TreeSide};
use super::target::{MirrorDirection, Trees};
use super::{
    DeleteRefusal, DeleteWhen, MirrorListener, MirrorOptions, MirrorOutcome, MirrorRequest, MirrorSummary,
    Mode, RefusalReason,
};
use crate::error::Error;
use crate::local::{self, error_at};
use crate::report::Reporter;
use crate::resume_store::about;
use crate::session::{Pages, Session};
use backup::{backup_below, check_backup, check_backup_place};
use inputs::{MirrorInputs, TargetPlace, identity, look};
use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::Arc;
use tokio::runtime::Handle;
use wire::command::Needs;
use wire::message::Resume;
use wire::store::FolderCache;
use wire::{FailureCode, RemotePath};

impl Session {
    /// Mirrors a tree.
    ///
    /// # Errors
    /// If no folder could be compared, or the connection is lost; items that fail are in the outcome.
    pub async fn mirror(
        &self,
        request: MirrorRequest,
        listener: Arc<dyn MirrorListener>,
    ) -> Result<MirrorOutcome, Error> {
        let reporter = Reporter::new(listener.clone(), request.options.checksum(self.checksum()));
        let Some(again) = request.again() else {
            return run(&self.latest(), request, Resume::Never, listener, reporter).await;
        };
        let about = about(b"mirror", &self.inner.key, &[request.remote.as_bytes()], &request.local);
        self.lasting(request.options.transfer.resume.then_some(about), |session, resume, record| {
            record.set_place(b""); // both folders are given
            let (request, listener, reporter) = (again(), listener.clone(), reporter.clone());
            Box::pin(async move { run(&session, request, resume, listener, reporter).await })
        })
        .await
    }
}

/// Makes one attempt of it.
async fn run(
    session: &Session,
    mut request: MirrorRequest,
    resume: Resume,
    listener: Arc<dyn MirrorListener>,
    reporter: Arc<Reporter>,
) -> Result<MirrorOutcome, Error> {
    let details = request.options.details();
    if request.direction == MirrorDirection::Download {
        request.options.transfer.modes = request.options.transfer.modes.received();
    }
    let access = session.welcome().await?.access;
    check_backup(&request, access)?;
    let (inputs, local) = look(session, &request, details).await?;
    check_backup_place(session, &request, &inputs).await?;
    let target = TargetPlace::of(&request, &inputs);
    let remote = request.remote.clone();
    let trees = Trees {
        direction: request.direction,
        leaves_root: request.direction == MirrorDirection::Upload
            && remote.is_root()
            && !Needs::Remove.met_by(access),
        session: session.clone(),
        remote,
        is_at_server: inputs.remote_root.is_some(),
        local,
        follow_there: request.options.follow_there(request.direction),
        shown: request.local.clone(),
        resume,
        reporter,
        runtime: Handle::current(),
    };
    let outcome =
        local::blocking(move || inputs.mirror(&trees, request.options, request.mode, &listener)).await?;
    if let Some(target) = target.filter(|_| outcome.has_changed_something()) {
        target.check_place(session).await?;
    }
    Ok(outcome)
}

impl MirrorInputs {
    fn mirror(
        self,
        trees: &Trees,
        mut options: MirrorOptions,
        mode: Mode,
        listener: &Arc<dyn MirrorListener>,
    ) -> Result<MirrorOutcome, Error> {
        options.backup_below = backup_below(trees, &options);
        let looks_for_marks = trees.direction == MirrorDirection::Upload && !options.folder_marks.is_empty();
        options.marked_folders = looks_for_marks.then(|| options.folder_marks.in_source(&trees.shown));
        let (source, _) = self.roots(trees.direction);
        if source.is_none() {
            return Err(missing_source(trees, &options));
        }
        match mode {
            Mode::Run => {
                let mut executor = self.executor(trees, &options, listener);
                let (planned, refusal) = self.compare_all(trees, &options, &mut executor, listener)?;
                if refusal.is_none() {
                    executor.prune()?;
                }
                Ok(MirrorOutcome { summary: planned.with(executor.close()?), refusal, drifted: 0 })
            }
            Mode::DryRun => {
                let mut dry = DryRun::new(listener.clone());
                let ComparisonResult { summary, refusal, .. } = self.compare(trees, &options, &mut dry)?;
                refusal.iter().for_each(|refusal| listener.refused(*refusal));
                Ok(MirrorOutcome { summary: summary.with(dry.summary()), refusal, drifted: 0 })
            }
            Mode::Plan(mut writer) => {
                writer.head(&self.head(trees, &writer))?;
                let mut planning = PlanRecorder { dry: DryRun::new(listener.clone()), writer };
                let ComparisonResult { summary, refusal, .. } =
                    self.compare(trees, &options, &mut planning)?;
                refusal.iter().for_each(|refusal| listener.refused(*refusal));
                if refusal.is_none() {
                    planning.writer.finish()?;
                }
                Ok(MirrorOutcome { summary: summary.with(planning.dry.summary()), refusal, drifted: 0 })
            }
            Mode::Apply(plan) => {
                self.check(trees, &plan.head)?;
                let executor = self.executor(trees, &options, listener);
                let mut applying = PlanApplier { executor, plan, again: HashSet::new() };
                let (planned, refusal) = self.compare_all(trees, &options, &mut applying, listener)?;
                let PlanApplier { mut executor, plan, .. } = applying;
                if refusal.is_none() {
                    executor.prune()?;
                }
                let summary = planned.with(executor.close()?);
                let is_refused = refusal.is_some_and(|refusal| refusal.is_first);
                let drifted = if is_refused { 0 } else { tell_drifted(&plan, listener)? };
                Ok(MirrorOutcome { summary, refusal, drifted })
            }
        }
    }

    /// Makes the effects of a run. Where something may be deleted, it waits until all is compared.
    fn executor<'a>(
        &self,
        trees: &'a Trees,
        options: &'a MirrorOptions,
        listener: &Arc<dyn MirrorListener>,
    ) -> MirrorExecutor<'a> {
        let mut executor = MirrorExecutor::new(trees, options, self.scope.clone(), listener.clone());
        let (_, target) = self.roots(trees.direction);
        if options.delete && target.is_some() && !options.established {
            executor.hold_back();
        }
        executor
    }

    /// Compares and does, and where deletions are to make room, those first.
    fn compare_all(
        self,
        trees: &Trees,
        options: &MirrorOptions,
        effects: &mut dyn Effects,
        listener: &Arc<dyn MirrorListener>,
    ) -> Result<(MirrorSummary, Option<DeleteRefusal>), Error> {
        let scope = self.scope.clone();
        let again = || Self::again(trees, options, &scope);
        let (_, target) = self.roots(trees.direction);
        let is_cleared = options.delete && options.delete_when == DeleteWhen::Before && target.is_some();
        let mut inputs = self;
        if is_cleared {
            if let Some(refusal) = inputs.clear(trees, options, effects)? {
                listener.refused(refusal);
                return Ok((MirrorSummary::default(), Some(refusal)));
            }
            inputs = again()?;
        }
        let ComparisonResult { mut summary, mut refusal, lacks_room } =
            inputs.compare(trees, options, effects)?;
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

    /// Only makes the deletions.
    fn clear(
        self,
        trees: &Trees,
        options: &MirrorOptions,
        effects: &mut dyn Effects,
    ) -> Result<Option<DeleteRefusal>, Error> {
        effects.release()?;
        let options = MirrorOptions { by_digest: false, established: false, ..options.clone() };
        let mut clearing = Clearing { effects, failures: 0, has_moves: false };
        Ok(self.compare(trees, &options, &mut clearing)?.refusal)
    }

    /// Looks at both folders once more.
    fn again(trees: &Trees, options: &MirrorOptions, scope: &RemotePath) -> Result<Self, Error> {
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

    fn compare(
        self,
        trees: &Trees,
        options: &MirrorOptions,
        effects: &mut dyn Effects,
    ) -> Result<ComparisonResult, Error> {
        let (source, target) = self.roots(trees.direction);
        let (source, target) = (source.cloned(), target.cloned());
        let Some(source) = source else { return Err(missing_source(trees, options)) };
        let mut here = local_side(trees, options, &self.scope)?;
        let mut there = remote_side(self.pages, &self.scope);
        let pairs = match trees.direction {
            MirrorDirection::Upload => Pairs::new(&mut *here, &mut *there),
            MirrorDirection::Download => Pairs::new(&mut *there, &mut *here),
        };
        let mut planner = Planner::new(options, source, target, effects, trees);
        planner.walk(pairs)?;
        planner.finish()
    }

    fn head(&self, trees: &Trees, writer: &PlanWriter) -> PlanHead {
        let remote = Text(trees.remote.as_bytes().to_vec());
        let roots = (identity(self.remote_root.as_ref()), identity(self.local_root.as_ref()));
        PlanHead::new(
            trees.direction,
            &writer.place,
            self.login.clone(),
            remote,
            roots,
            writer.recipe.clone(),
        )
    }

    /// A plan is for the very folders that it was made for: a backup disk that is not mounted is another folder.
    fn check(&self, trees: &Trees, head: &PlanHead) -> Result<(), Error> {
        let PlanLogin { key, user } = &self.login;
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
fn tell_drifted(plan: &LoadedPlan, listener: &Arc<dyn MirrorListener>) -> Result<u64, Error> {
    plan.drifted(|path| {
        if let Ok(path) = RemotePath::from_wire(path) {
            listener.failed(&path, &FailureCode::Drifted.into());
        }
    })
}

/// The tree here. What the rules leave out of it is not looked at.
fn local_side<'a>(
    trees: &Trees,
    options: &'a MirrorOptions,
    scope: &RemotePath,
) -> Result<Box<dyn TreeSide + 'a>, Error> {
    let selection = EntrySelection::new(options);
    let is_source = trees.direction == MirrorDirection::Upload;
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
        None => Box::new(EmptySide),
    })
}

fn remote_side(pages: Option<Pages>, scope: &RemotePath) -> Box<dyn TreeSide> {
    match pages {
        Some(pages) => Box::new(RemoteSide::new(pages, scope.clone())),
        None => Box::new(EmptySide),
    }
}

fn missing_source(trees: &Trees, options: &MirrorOptions) -> Error {
    match (options.delete, trees.direction) {
        (true, _) => Error::Refused(DeleteRefusal::first(RefusalReason::MissingSource).to_string()),
        (false, MirrorDirection::Upload) => error_at(&trees.shown, ErrorKind::NotFound.into()),
        (false, MirrorDirection::Download) => Error::remote(&trees.remote, FailureCode::NotFound),
    }
}
