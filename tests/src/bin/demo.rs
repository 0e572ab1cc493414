//! `cargo demo [FOLDER]`: sends a real folder to a real server and back with real clients on this machine, and proves that it
//! is unchanged.
//!
//! The proof does not rely on either program: it walks the three trees itself and compares SHA-256, times, permissions and
//! links. All files are made below one temporary folder, which is removed at the end, also after a Ctrl-C: signals are caught,
//! and running programs are dropped like after an error.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};
use tests::demo::{Tree, choose, free_space, make_removable};
use tests::world::World;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let result = tokio::select! {
        result = demo() => result,
        result = interrupted() => result,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn interrupted() -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}

async fn demo() -> Result<()> {
    let source = choose(std::env::args_os().nth(1).map(PathBuf::from))?;
    let name = source.file_name().context("the folder needs a name of its own")?;
    println!("build    ftp-server and ftp-client, if they are not up to date");
    let stage = Stage(World::serving());
    let world = &stage.0;
    println!("server   {} {}", world.server().address, world.server().fingerprint);

    let before = read(source.clone()).await?;
    println!("folder   {} ({})", source.display(), before.described());
    ensure!(
        free_space(&world.root())? > 2 * before.bytes(),
        "two copies of it do not fit into {}; name a smaller folder: cargo demo FOLDER",
        std::env::temp_dir().display(),
    );

    let put = timed(world, &["put".as_ref(), "-r".as_ref(), source.as_ref(), world.url("").as_ref()]).await?;
    println!("put -r   {}", speed(&before, put));

    let started = Instant::now();
    let lines = list(world, &world.url(name)).await?;
    println!("ls -R    {lines} entries in {:.2} s", started.elapsed().as_secs_f64());
    ensure!(lines == before.entries(), "{} entries were sent", before.entries());

    let get = timed(world, &["get".as_ref(), "-r".as_ref(), world.url(name).as_ref()]).await?;
    println!("get -r   {}", speed(&before, get));

    for (place, copy) in
        [("at the server", world.root().join(name)), ("fetched back", world.local().join(name))]
    {
        let differences = before.differences(&read(copy).await?);
        ensure!(
            differences.is_empty(),
            "what is {place} differs from the source:\n{}",
            differences.join("\n")
        );
    }
    println!("compare  identical: SHA-256, times, permissions and links, at the server and fetched back");
    Ok(())
}

/// A world whose folders can be removed regardless of the permissions copied into them.
struct Stage(World);

impl Drop for Stage {
    fn drop(&mut self) {
        make_removable(&self.0.root());
        make_removable(&self.0.local());
    }
}

async fn read(root: PathBuf) -> Result<Tree> {
    tokio::task::spawn_blocking(move || Tree::read(&root)).await?
}

/// Runs the client with its progress on our terminal.
async fn timed(world: &World, arguments: &[&Path]) -> Result<Duration> {
    let mut command = client(world, arguments);
    let started = Instant::now();
    let status = command.stderr(Stdio::inherit()).status().await?;
    ensure!(status.success(), "ftp-client {}: {status}", arguments[0].display());
    Ok(started.elapsed())
}

async fn list(world: &World, url: &str) -> Result<usize> {
    let output = client(world, &["ls".as_ref(), "-R".as_ref(), url.as_ref()]).output().await?;
    ensure!(output.status.success(), "ftp-client ls: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout.split(|byte| *byte == b'\n').count() - 1) // names are escaped: each is on one line
}

/// The client as tests run it, but on our terminal, and killed when it is dropped.
fn client(world: &World, arguments: &[&Path]) -> Command {
    let mut command = Command::from(world.client_command(arguments));
    command.envs(["TERM", "NO_COLOR"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.kill_on_drop(true);
    command
}

fn speed(tree: &Tree, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (files, bytes) = (tree.files() as f64 / seconds, tree.bytes() as f64 / 1e6 / seconds);
    format!("{} in {seconds:.2} s: {bytes:.0} MB/s, {files:.0} files/s", tree.described())
}
