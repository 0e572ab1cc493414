//! Runs a server from binding its sockets to the end of its drain; common to `serve` and `share`.

use super::announce::Listening;
use super::signals::{Hangup, Signals, StopTokens};
use super::{journal, open_files, service};
use anyhow::Context;
use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use ftp_server::disks::BLOCKING_THREADS;
pub(crate) use ftp_server::server::{Server, ServerOptions};

/// Runs the server's work to its end. Threads that then still wait for a filesystem are left behind.
pub(crate) fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(END_PATIENCE);
    done
}

/// The runtime. Its blocking pool does the disk work of all lanes and the password hashes; how much of that at the same time
/// is decided in front of it.
fn runtime() -> io::Result<Runtime> {
    let cores = available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(cores.clamp(2, 4))
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
}

/// Binds the server's sockets.
pub(crate) async fn bind(mut options: ServerOptions) -> io::Result<Server> {
    open_files::allow_many();
    options.limits.connections = open_files::connections_possible(options.limits.connections);
    Box::pin(Server::bind(options)).await
}

/// Announces a bound server, and runs it until it is stopped, its time is over, or `done` is cancelled.
pub(crate) async fn until_stopped(
    server: Server,
    fingerprint: &str,
    json: bool,
    after: Option<Duration>,
    done: CancellationToken,
    hangup: Hangup,
    announced: impl FnOnce(SocketAddr) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let signals = Signals::catch(hangup).context("cannot catch signals")?;
    let address = *server.addresses().first().context("the server has no address to listen on")?;
    // Avoids repeating the announcement below in one place.
    for address in server.addresses().iter().skip(usize::from(journal::takes_all())) {
        tracing::info!(%address, fingerprint, "listening");
    }
    Listening { address, fingerprint }.announce(json);
    announced(address)?;
    service::ready();
    let stop = StopTokens::default();
    tokio::select! {
        ran = Box::pin(server.run(stop.drain.clone(), stop.abort.clone())) => ran.context("cannot serve")?,
        never = signals.relay(stop.clone(), after, done) => match never {},
    }
    // Exit code 0 promises that what was running has finished.
    anyhow::ensure!(!stop.abort.is_cancelled(), "ended at once, as asked; running files were not finished");
    Ok(())
}

/// Time for what was staged to be removed.
const END_PATIENCE: Duration = Duration::from_secs(3);
