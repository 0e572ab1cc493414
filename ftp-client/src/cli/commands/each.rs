//! The same request for each of many paths: several are under way at the same time, so that a round trip is not paid for each,
//! and their answers are reported in the order of the paths.

use crate::cli::output::Output;
use ftp_client::Error;
use ftp_client::remote::Remote;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use wire::RemotePath;

/// The subject of a request.
pub(super) trait About {
    /// Its path on the server.
    fn path(&self) -> &RemotePath;
    /// True if it may run at the same time as `other`, though their paths say otherwise.
    fn is_beside(&self, _other: &Self) -> bool {
        false
    }
    /// Its share of the requests that may be under way.
    fn weight(&self) -> usize {
        1
    }
}

impl About for Remote {
    fn path(&self) -> &RemotePath {
        &self.path
    }
}

/// Sends the same request for each item, and reports the answers in the order of the items. A request waits for earlier ones whose path is
/// the same, above or below it: `mkdir a a/b` makes `a` first.
///
/// The error of a single item decides the exit code. With several items, each error is reported and the others continue.
pub(super) async fn each<T: About, A>(
    items: Vec<T>,
    output: &Output,
    ask: impl AsyncFn(&T) -> Result<A, Error>,
    mut tell: impl FnMut(&T, A) -> Result<(), Error>,
) -> Result<u8, Error> {
    let single = items.len() == 1;
    let (mut under_way, mut next, mut code) = (UnderWay::default(), 0, 0);
    let mut told = 0;
    while told < items.len() {
        while next < items.len() && is_free(&items[next], &items[told..next]) {
            under_way.add(Box::pin(ask(&items[next])));
            next += 1;
        }
        let Some(answer) = under_way.next().await else { break };
        let item = &items[told];
        told += 1;
        let ended = answer.and_then(|answer| tell(item, answer));
        code = code.max(item_code(ended, single, output)?);
    }
    Ok(code)
}

/// As [`each`], for requests whose success is not reported.
pub(super) async fn each_done<T: About, A>(
    items: Vec<T>,
    output: &Output,
    ask: impl AsyncFn(&T) -> Result<A, Error>,
) -> Result<u8, Error> {
    each(items, output, ask, |_, _| Ok(())).await
}

/// Does the same to one item after the other, where the content of one must come before that of the next.
pub(super) async fn in_turn<T>(
    items: Vec<T>,
    output: &Output,
    mut work: impl AsyncFnMut(T) -> Result<(), Error>,
) -> Result<u8, Error> {
    let single = items.len() == 1;
    let mut code = 0;
    for item in items {
        code = code.max(item_code(work(item).await, single, output)?);
    }
    Ok(code)
}

/// Returns the exit code after an item. The error of one of several items is reported.
///
/// # Errors
/// The error of a single item, and one that ends all further requests.
fn item_code(ended: Result<(), Error>, single: bool, output: &Output) -> Result<u8, Error> {
    match ended {
        Ok(()) => Ok(0),
        Err(error) if single || !error.concerns_one_item() || Output::is_gone(&error) => Err(error),
        Err(error) => {
            output.complain(&error);
            Ok(1)
        }
    }
}

/// True if there is room for one more request, and no other under way is about the same path, or one above or below it.
fn is_free<T: About>(item: &T, under_way: &[T]) -> bool {
    let is_apart = |other: &T| {
        let (path, other_path) = (item.path(), other.path());
        item.is_beside(other)
            || (path.strip_prefix(other_path).is_none() && other_path.strip_prefix(path).is_none())
    };
    let weight: usize = under_way.iter().map(About::weight).sum();
    (under_way.is_empty() || weight + item.weight() <= UNDER_WAY_MAX) && under_way.iter().all(is_apart)
}

/// Requests under way, whose answers come in the order in which they were made.
struct UnderWay<'a, A>(VecDeque<PendingRequest<'a, A>>);

enum PendingRequest<'a, A> {
    Asked(Pin<Box<dyn Future<Output = A> + 'a>>),
    Answered(A),
}

impl<A> Default for UnderWay<'_, A> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<'a, A> UnderWay<'a, A> {
    fn add(&mut self, request: Pin<Box<dyn Future<Output = A> + 'a>>) {
        self.0.push_back(PendingRequest::Asked(request));
    }

    /// Returns the answer to the oldest request; `None` without requests.
    async fn next(&mut self) -> Option<A> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<A>> {
        for request in &mut self.0 {
            if let PendingRequest::Asked(asked) = request
                && let Poll::Ready(answer) = asked.as_mut().poll(context)
            {
                *request = PendingRequest::Answered(answer);
            }
        }
        match self.0.pop_front() {
            None => Poll::Ready(None),
            Some(PendingRequest::Answered(answer)) => Poll::Ready(Some(answer)),
            Some(oldest @ PendingRequest::Asked(_)) => {
                self.0.push_front(oldest);
                Poll::Pending
            }
        }
    }
}

/// Requests at the same time: half of what a server takes, as a session never has more (`REQUESTS_MAX`).
pub(super) const UNDER_WAY_MAX: usize = wire::limits::REQUESTS_MAX / 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::Cli;
    use clap::Parser;
    use std::cell::{Cell, RefCell};
    use std::ffi::OsStr;
    use tokio::task::yield_now;

    fn remotes(paths: &[&str]) -> Vec<Remote> {
        paths.iter().map(|path| Remote::parse(OsStr::new(&format!("h::{path}"))).unwrap()).collect()
    }

    fn output() -> Output {
        Output::new(&Cli::parse_from(["ftp-client", "ls", "h:", "-q"]).common)
    }

    /// The begins and ends, in order, where the first request takes longest.
    async fn log(paths: &[&str]) -> Vec<String> {
        let (log, begun) = (RefCell::new(Vec::new()), Cell::new(0));
        let ask = async |remote: &Remote| {
            begun.set(begun.get() + 1);
            log.borrow_mut().push(format!("+{}", remote.path));
            for _ in begun.get()..9 {
                yield_now().await;
            }
            log.borrow_mut().push(format!("-{}", remote.path));
            Ok(remote.path.to_string())
        };
        let told = RefCell::new(Vec::new());
        let tell = |remote: &Remote, answer: String| {
            assert_eq!(remote.path.to_string(), answer);
            told.borrow_mut().push(answer);
            Ok(())
        };
        assert_eq!(each(remotes(paths), &output(), ask, tell).await.unwrap(), 0);
        let expected: Vec<_> = paths.iter().map(|path| format!("/{path}")).collect();
        assert_eq!(told.into_inner(), expected, "in the order of the items");
        log.into_inner()
    }

    #[tokio::test]
    async fn requests_are_under_way_together() {
        assert_eq!(log(&["a", "b", "ab"]).await[..3], ["+/a", "+/b", "+/ab"]);
    }

    #[tokio::test]
    async fn related_paths_are_done_in_their_order() {
        assert_eq!(log(&["a", "a/b", "a"]).await, ["+/a", "-/a", "+/a/b", "-/a/b", "+/a", "-/a"]);
    }

    #[tokio::test]
    async fn a_failed_item_leaves_the_others() {
        let ask = async |remote: &Remote| match remote.path.as_bytes() {
            b"b" => Err(Error::remote(&remote.path, wire::FailureCode::NotFound)),
            b"x" => Err(Error::Interrupted),
            _ => Ok(()),
        };
        assert_eq!(each_done(remotes(&["a", "b", "c"]), &output(), ask).await.unwrap(), 1);
        assert!(each_done(remotes(&["b"]), &output(), ask).await.is_err());
        assert!(each_done(remotes(&["a", "x", "c"]), &output(), ask).await.is_err());
    }
}
