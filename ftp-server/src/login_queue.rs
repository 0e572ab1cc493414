//! The queue of logins that wait to be checked. Addresses take turns: a login from an address that sends one waits for one of each
//! other address, however many each of those sends.
//!
//! The queue is bounded. If it is full, the address with the most logins in it loses one, so a flood does not shut out others.

use crate::source::PeerNetwork;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::oneshot;
use wire::sync::lock;

/// Logins that wait, and how many more may be checked now.
pub(crate) struct LoginQueue {
    state: Mutex<LoginQueueState>,
}

struct LoginQueueState {
    free: usize,
    waiting: usize,
    waiting_max: usize,
    by_source: HashMap<PeerNetwork, VecDeque<oneshot::Sender<LoginSlot>>>,
    /// Each source that has a login in the queue, once.
    order: VecDeque<PeerNetwork>,
}

/// The right to check a login, given up when dropped.
pub(crate) struct LoginSlot(Option<Arc<LoginQueue>>);

/// The queue is full, and no other address has more logins in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct QueueFull;

impl LoginQueue {
    /// A queue of `waiting_max` logins, of which `checked_max` are checked at a time.
    pub(crate) fn new(checked_max: usize, waiting_max: usize) -> Arc<Self> {
        let (by_source, order) = (HashMap::new(), VecDeque::new());
        let state = LoginQueueState { free: checked_max, waiting: 0, waiting_max, by_source, order };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Waits for a turn of a login from `source`.
    pub(crate) async fn slot(self: &Arc<Self>, source: PeerNetwork) -> Result<LoginSlot, QueueFull> {
        let slot = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1; // no login waits then
                return Ok(LoginSlot(Some(self.clone())));
            }
            state.enter(source)?
        };
        slot.await.map_err(|_| QueueFull)
    }

    /// Gives a turn to the next login whose client still waits.
    fn pass_on(self: Arc<Self>) {
        let mut slot = LoginSlot(Some(self.clone()));
        loop {
            let next = {
                let mut state = self.lock();
                let next = state.next();
                state.free += usize::from(next.is_none());
                next
            };
            let Some(next) = next else {
                slot.0 = None;
                return;
            };
            match next.send(slot) {
                Ok(()) => return,
                Err(unused) => slot = unused,
            }
        }
    }

    /// Locks the queue. A panic under the lock ends one login and leaves the queue unchanged.
    fn lock(&self) -> MutexGuard<'_, LoginQueueState> {
        lock(&self.state)
    }
}

impl LoginQueueState {
    fn enter(&mut self, source: PeerNetwork) -> Result<oneshot::Receiver<LoginSlot>, QueueFull> {
        if self.waiting >= self.waiting_max {
            self.forget_gone();
        }
        if self.waiting >= self.waiting_max {
            let own = self.by_source.get(&source).map_or(0, VecDeque::len);
            let most = self.by_source.iter().max_by_key(|(_, logins)| logins.len());
            let (most, _) = most.filter(|(_, logins)| logins.len() > own + 1).ok_or(QueueFull)?;
            let most = *most;
            drop(self.by_source.get_mut(&most).and_then(VecDeque::pop_back)); // its login hears that the queue is full
            self.waiting -= 1;
        }
        let (sender, receiver) = oneshot::channel();
        let logins = self.by_source.entry(source).or_default();
        if logins.is_empty() {
            self.order.push_back(source);
        }
        logins.push_back(sender);
        self.waiting += 1;
        Ok(receiver)
    }

    fn next(&mut self) -> Option<oneshot::Sender<LoginSlot>> {
        let source = self.order.pop_front()?;
        let logins = self.by_source.get_mut(&source)?;
        let next = logins.pop_front();
        if logins.is_empty() {
            self.by_source.remove(&source);
        } else {
            self.order.push_back(source);
        }
        self.waiting -= usize::from(next.is_some());
        next
    }

    /// Logins whose client has gone, or whose time is over.
    fn forget_gone(&mut self) {
        self.by_source.retain(|_, logins| {
            logins.retain(|login| !login.is_closed());
            !logins.is_empty()
        });
        self.order.retain(|source| self.by_source.contains_key(source));
        self.waiting = self.by_source.values().map(VecDeque::len).sum();
    }
}

impl Drop for LoginSlot {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use std::task::Poll;

    fn source(number: u8) -> PeerNetwork {
        IpAddr::from([192, 0, 2, number]).into()
    }

    type Waiting = std::pin::Pin<Box<dyn Future<Output = Result<LoginSlot, QueueFull>>>>;

    /// A login that waits in the queue.
    async fn wait(queue: &Arc<LoginQueue>, number: u8) -> Waiting {
        let queue = queue.clone();
        let mut waiting: Waiting = Box::pin(async move { queue.slot(source(number)).await });
        assert!(poll(&mut waiting).await.is_none());
        waiting
    }

    async fn poll(waiting: &mut Waiting) -> Option<Result<LoginSlot, QueueFull>> {
        std::future::poll_fn(|context| {
            Poll::Ready(match waiting.as_mut().poll(context) {
                Poll::Ready(result) => Some(result),
                Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test]
    async fn one_login_waits_for_one_of_each_address() {
        let queue = LoginQueue::new(1, 100);
        let first = queue.slot(source(1)).await.ok().unwrap();
        let mut many = Vec::new();
        for _ in 0..50 {
            many.push(wait(&queue, 1).await);
        }
        let mut honest = wait(&queue, 2).await;
        drop(first);
        let slot = poll(&mut many[0]).await.unwrap().ok().unwrap();
        assert!(poll(&mut honest).await.is_none());
        drop(slot);
        let slot = poll(&mut honest).await.unwrap().ok().unwrap();
        assert!(poll(&mut many[1]).await.is_none());
        drop((many, slot));
        let state = queue.lock();
        assert_eq!((state.free, state.waiting), (1, 0), "those that have gone are passed over");
    }

    #[tokio::test]
    async fn a_full_queue_takes_from_the_address_that_has_most() {
        let queue = LoginQueue::new(1, 3);
        let slot = queue.slot(source(1)).await.ok().unwrap();
        let mut many = [wait(&queue, 1).await, wait(&queue, 1).await, wait(&queue, 1).await];
        assert!(queue.slot(source(1)).await.is_err());
        let mut other = wait(&queue, 2).await;
        assert!(poll(&mut many[2]).await.is_some_and(|result| result.is_err()), "the last one gives way");
        assert!(poll(&mut many[1]).await.is_none() && poll(&mut other).await.is_none());
        assert!(queue.slot(source(2)).await.is_err(), "no address has two more");
        drop(many);
        let again = wait(&queue, 2).await;
        drop((slot, again, other));
        assert_eq!(queue.lock().free, 1);
    }
}
