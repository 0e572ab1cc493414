//! A TCP proxy between client and server that can do to a connection what networks do.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// All is forwarded.
    Forward,
    /// After so many bytes towards the server nothing more is forwarded either way, and nobody is told.
    SwallowAfter(u64),
    /// After so many bytes of this connection towards the server, nothing of any connection is forwarded any more.
    SwallowAllAfter(u64),
    /// After so many bytes towards the server the connection is cut.
    CutAfter(u64),
}

/// A proxy that listens on a free port of loopback until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    over: AtomicBool,
    swallowing: Arc<AtomicBool>,
    connections: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A proxy to `server`. `fate` says what happens to each connection; they are numbered from 0 as they come.
    pub fn to(server: SocketAddr, fate: impl Fn(usize) -> Fate + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            over: AtomicBool::new(false),
            swallowing: Arc::default(),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
        });
        let for_thread = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                if for_thread.over.load(Ordering::SeqCst) {
                    return;
                }
                let number = for_thread.connections.fetch_add(1, Ordering::SeqCst);
                if let Ok(client) = client {
                    let _ = for_thread.join(client, server, fate(number)); // a server that is gone is an end too
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)); // wakes the listener
        for stream in self.shared.lock().drain(..) {
            let _ = stream.shutdown(Shutdown::Both); // it may be closed
        }
    }
}

impl Shared {
    fn join(&self, client: TcpStream, server: SocketAddr, fate: Fate) -> io::Result<()> {
        let server = TcpStream::connect(server)?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            self.lock().push(stream.try_clone()?);
        }
        let swallowing = match fate {
            Fate::SwallowAfter(_) => Arc::default(),
            Fate::Forward | Fate::SwallowAllAfter(_) | Fate::CutAfter(_) => self.swallowing.clone(),
        };
        let (up, down) = ((client.try_clone()?, server.try_clone()?), (server, client));
        let for_up = swallowing.clone();
        thread::spawn(move || pump(up.0, up.1, Some(fate), &for_up));
        thread::spawn(move || pump(down.0, down.1, None, &swallowing));
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forwards one direction to its end; `fate` is known on the way to the server.
fn pump(mut from: TcpStream, mut to: TcpStream, fate: Option<Fate>, swallowing: &AtomicBool) {
    let mut bytes = vec![0; 64 * 1024];
    let mut passed = 0_u64;
    while let Ok(len @ 1..) = from.read(&mut bytes) {
        passed += len as u64;
        match fate {
            Some(Fate::CutAfter(limit)) if passed > limit => break,
            Some(Fate::SwallowAfter(limit) | Fate::SwallowAllAfter(limit)) if passed > limit => {
                swallowing.store(true, Ordering::SeqCst);
            }
            Some(Fate::Forward | Fate::CutAfter(_) | Fate::SwallowAfter(_) | Fate::SwallowAllAfter(_))
            | None => {}
        }
        if swallowing.load(Ordering::SeqCst) {
            // Not even read any more, as from a host that is gone: the sender's buffers fill up.
            while swallowing.load(Ordering::SeqCst) && from.peek(&mut [0]).is_ok_and(|len| len > 0) {
                thread::park_timeout(Duration::from_millis(100));
            }
            break;
        }
        if to.write_all(&bytes[..len]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)); // either may be closed already
}
