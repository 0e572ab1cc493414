//! Lets contenders take turns, in a new random order for each round: other work on the machine affects all of them alike, and
//! none always follows the same other one. A pause precedes each run, in which the system recovers from the last one: virtual
//! machines, for example, return freed memory to their host, and a program that needs 1 GiB meanwhile waits longer for it than
//! for anything measured here.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tests::wan::Random;

use crate::contenders::{Contender, Direction, Job};
use crate::data;
use crate::measure::{self, Limit, Sample};
use crate::stage::Stage;

/// The task of every contender, and its number of runs.
pub(crate) struct Plan<'a> {
    pub(crate) direction: Direction,
    /// A file or folder below the site's source folder.
    pub(crate) source: PathBuf,
    /// Runs that are counted; with `warm_up`, one more precedes them.
    pub(crate) runs: u32,
    pub(crate) warm_up: bool,
    pub(crate) cap: Duration,
    /// Checks that the result equals the source.
    pub(crate) verify: &'a dyn Fn(&Path) -> Result<()>,
    /// Puts the target into its state before each run; `None` if there is no target.
    pub(crate) prepare: Option<Step<'a>>,
}

/// Acts on a path.
type Step<'a> = &'a dyn Fn(&Path) -> Result<()>;

/// A contender's results.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) samples: Vec<Sample>,
    /// Why there are no more samples.
    pub(crate) failure: Option<String>,
}

impl Row {
    fn is_done(&self) -> bool {
        self.failure.is_some() || self.samples.iter().any(|sample| sample.timed_out)
    }
}

/// Runs the plan. A contender that fails or runs out of time takes no more turns.
pub(crate) fn in_turn(stage: &Stage<'_>, crew: &[Contender<'_>], plan: &Plan<'_>) -> Vec<Row> {
    let able: Vec<_> = crew.iter().filter(|contender| able(stage, contender, plan)).collect();
    let mut rows: Vec<_> =
        able.iter().map(|contender| Row { name: contender.name, samples: vec![], failure: None }).collect();
    let mut random = Random::new(data::SEED);
    for turn in 0..plan.runs + u32::from(plan.warm_up) {
        let counts = turn > 0 || !plan.warm_up;
        let mut order: Vec<_> = (0..able.len()).collect();
        order.sort_by_cached_key(|_| random.bits());
        for at in order {
            let (contender, row) = (able[at], &mut rows[at]);
            if row.is_done() {
                continue;
            }
            match take_turn(stage, contender, plan, turn == 0) {
                Ok(sample) if counts || sample.timed_out => row.samples.push(sample),
                Ok(_) => {}
                Err(error) => {
                    stage.fail(format!("{} {}: {error:#}", plan.direction.name(), row.name));
                    row.failure = Some(format!("{error:#}"));
                }
            }
        }
        eprintln!("versus: {}: turn {} done", plan.direction.name(), turn + 1);
    }
    for contender in able.iter().filter(|_| plan.prepare.is_some()) {
        if let Err(error) = fs::remove_dir_all(corner(stage, contender, plan.direction)) {
            stage.fail(format!("clearing after {}: {error}", contender.name));
        }
    }
    rows
}

fn able(stage: &Stage<'_>, contender: &Contender<'_>, plan: &Plan<'_>) -> bool {
    (contender.command)(&job(stage, contender, plan)).is_some()
}

fn job(stage: &Stage<'_>, contender: &Contender<'_>, plan: &Plan<'_>) -> Job {
    let name = plan.source.file_name().unwrap_or_default();
    Job {
        direction: plan.direction,
        is_folder: plan.source.is_dir(),
        source: plan.source.clone(),
        target: corner(stage, contender, plan.direction).join(name),
        served: stage.site.served(),
    }
}

/// Returns the folder for a contender's results, and for files that it puts beside them.
fn corner(stage: &Stage<'_>, contender: &Contender<'_>, direction: Direction) -> PathBuf {
    let place = match direction {
        Direction::Put | Direction::MirrorUp => stage.site.uploads(),
        Direction::Get | Direction::List | Direction::MirrorDown => stage.site.downloads(),
    };
    place.join(contender.name)
}

fn take_turn(
    stage: &Stage<'_>,
    contender: &Contender<'_>,
    plan: &Plan<'_>,
    is_first: bool,
) -> Result<Sample> {
    let corner = corner(stage, contender, plan.direction);
    fs::create_dir_all(&corner)?;
    if !stage.args.smoke {
        std::thread::sleep(PAUSE);
    }
    if let Some(prepare) = plan.prepare {
        prepare(&job(stage, contender, plan).target)?;
        return run(stage, contender, plan, is_first, &corner);
    }
    let result = run(stage, contender, plan, is_first, &corner);
    fs::remove_dir_all(&corner).with_context(|| format!("clearing {}", corner.display()))?;
    result
}

fn run(
    stage: &Stage<'_>,
    contender: &Contender<'_>,
    plan: &Plan<'_>,
    is_first: bool,
    corner: &Path,
) -> Result<Sample> {
    let job = job(stage, contender, plan);
    let mut command = (contender.command)(&job).context("no command for this")?;
    let log = stage.site.logs().join(format!("client-{}.log", contender.name));
    redirect(&mut command, stage, &job, &log)?;
    let arrived_bytes = || Ok(data::tree_size(corner)?.bytes + data::tree_size(&stage.site.staging())?.bytes);
    let limit = Limit { cap: plan.cap, arrived_bytes: &arrived_bytes };
    let before = stage.place.carried();
    let mut run = measure::run(command, contender.server.as_deref(), &limit)?;
    run.sample.network_bytes = stage.place.carried().zip(before).map(|(after, before)| after - before);
    if run.sample.timed_out {
        return Ok(run.sample);
    }
    if !run.succeeded {
        bail!("the client failed: {}", fs::read_to_string(&log).unwrap_or_default().trim());
    }
    if is_first {
        (plan.verify)(&job.target).context("the result is not the source")?;
    }
    Ok(run.sample)
}

fn redirect(command: &mut Command, stage: &Stage<'_>, job: &Job, log: &Path) -> Result<()> {
    let log = File::create(log)?;
    let output = if job.direction == Direction::List { File::create(&job.target)? } else { log.try_clone()? };
    command.stdin(Stdio::null()).stdout(output).stderr(log).env("HOME", stage.site.home());
    for variable in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "SSH_AUTH_SOCK"]
    {
        command.env_remove(variable);
    }
    Ok(())
}

/// Returns a check that a file equals `source`.
pub(crate) fn same_file(source: &Path) -> Result<impl Fn(&Path) -> Result<()> + use<>> {
    let expected = data::fingerprint(source)?;
    Ok(move |copy: &Path| {
        ensure!(data::fingerprint(copy)? == expected, "size or digest differ");
        Ok(())
    })
}

/// Returns a check that a tree contains as much as `source`.
pub(crate) fn same_tree(source: &Path) -> Result<impl Fn(&Path) -> Result<()> + use<>> {
    let expected = data::tree_size(source)?;
    Ok(move |copy: &Path| {
        let found = data::tree_size(copy)?;
        ensure!(found == expected, "{found:?} instead of {expected:?}");
        Ok(())
    })
}

const PAUSE: Duration = Duration::from_millis(2500);
