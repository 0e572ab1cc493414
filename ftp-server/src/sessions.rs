//! The sessions that lanes may join: from the moment a control connection's handshake is done, since a lane may be faster
//! than its session's login.

use crate::admission::ConnectionSlot;
use crate::config::ServerLimits;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use wire::binding::{SessionId, SessionSecret};
use wire::budget::Memory;
use wire::engine::AnyLane;
use wire::ids::LaneNo;
use wire::limits::LANE_PATIENCE;
use wire::sync::lock;

/// All sessions, by id.
#[derive(Default)]
pub(crate) struct Sessions {
    by_id: Mutex<HashMap<SessionId, SessionEntry>>,
    /// Connections that were control connections and are over: lanes of theirs may still be on their way.
    ended: Mutex<VecDeque<SessionId>>,
    users: Mutex<HashMap<String, User>>,
    appeared: Notify,
    left: Notify,
    user_left: Notify,
}

/// A lane on its way to its session, with its place among the connections.
pub(crate) struct JoiningLane {
    pub(crate) lane: AnyLane,
    pub(crate) place: ConnectionSlot,
}

/// State that all sessions of a user share.
struct User {
    sessions: usize,
    memory: Memory,
}

struct SessionEntry {
    secret: SessionSecret,
    used: BTreeSet<LaneNo>,
    lanes: mpsc::Sender<JoiningLane>,
    /// Ends the session.
    stop: CancellationToken,
}

/// The reason why a lane may not join.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaneRefusal {
    #[error("a lane for a session that does not exist")]
    NoSession,
    #[error("a lane for a session that is over")]
    Over,
    #[error("a lane with a wrong proof")]
    WrongProof,
    #[error("a lane number for the second time")]
    UsedNumber,
    #[error("more lanes than the session may have")]
    TooMany,
}

/// A session's place in the table, given up when dropped.
pub(crate) struct Joinable<'a> {
    sessions: &'a Sessions,
    id: SessionId,
    /// Cancelled when another session takes this one's place.
    stop: CancellationToken,
    is_lane: bool,
}

impl Joinable<'_> {
    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    /// Marks the connection as a lane, which no lane can join: it need not be remembered.
    pub(crate) fn forget(mut self) {
        self.is_lane = true;
    }

    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }
}

/// One of a user's sessions, given up when dropped.
pub(crate) struct UserSession<'a> {
    sessions: &'a Sessions,
    user: String,
    /// The session's part of its user's memory.
    pub(crate) memory: Memory,
}

impl Sessions {
    /// Makes a session joinable. Lanes that prove that they belong to it wait in the returned queue.
    pub(crate) fn open(
        &self,
        id: SessionId,
        secret: SessionSecret,
        max: usize,
    ) -> (Joinable<'_>, mpsc::Receiver<JoiningLane>) {
        let (lanes, queue) = mpsc::channel(max.max(1));
        let stop = CancellationToken::new();
        let entry = SessionEntry { secret, used: BTreeSet::new(), lanes, stop: stop.clone() };
        lock(&self.by_id).insert(id, entry);
        self.appeared.notify_waiters();
        (Joinable { sessions: self, id, stop, is_lane: false }, queue)
    }

    /// Ends the session `old`, for which `new` has proven to be the successor, and waits until it is gone completely. A session that
    /// has ended already needs no proof.
    pub(crate) async fn replace(&self, old: &SessionId, new: &SessionId, proof: &[u8; 32]) -> bool {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            match lock(&self.by_id).get(old) {
                None => return true,
                Some(entry) if entry.secret.verify_replacement(old, new, proof) => entry.stop.cancel(),
                Some(_) => return false,
            }
            left.await;
        }
    }

    /// Waits until the session is there; a lane may have overtaken its control connection, or may come when that is over.
    pub(crate) async fn wait_for(&self, id: &SessionId) -> Result<(), LaneRefusal> {
        let appeared = async {
            loop {
                let appeared = self.appeared.notified();
                tokio::pin!(appeared);
                appeared.as_mut().enable();
                if lock(&self.by_id).contains_key(id) {
                    return Ok(());
                }
                if lock(&self.ended).contains(id) {
                    return Err(LaneRefusal::Over);
                }
                appeared.await;
            }
        };
        tokio::time::timeout(LANE_PATIENCE, appeared).await.unwrap_or(Err(LaneRefusal::NoSession))
    }

    /// Checks a lane's proof and takes its number. The answer is where the lane goes.
    pub(crate) fn admit(
        &self,
        id: &SessionId,
        lane: LaneNo,
        exported: &[u8; 32],
        proof: &[u8; 32],
    ) -> Result<mpsc::Sender<JoiningLane>, LaneRefusal> {
        let mut by_id = lock(&self.by_id);
        let entry = by_id.get_mut(id).ok_or(LaneRefusal::NoSession)?;
        if !entry.secret.verify(id, lane, exported, proof) {
            return Err(LaneRefusal::WrongProof);
        }
        if !entry.used.insert(lane) {
            return Err(LaneRefusal::UsedNumber);
        }
        Ok(entry.lanes.clone())
    }

    /// Counts a session of `user`, as soon as they may have one more.
    pub(crate) async fn wait_to_join_user(
        &self,
        user: &str,
        limits: &ServerLimits,
        server: &Memory,
    ) -> UserSession<'_> {
        loop {
            let left = self.user_left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            if let Some(session) = self.join_user(user, limits, server) {
                return session;
            }
            left.await;
        }
    }

    /// Counts a session of `user`, if they may have one more. Its memory is a part of the user's, and so of the server's.
    fn join_user(&self, user: &str, limits: &ServerLimits, server: &Memory) -> Option<UserSession<'_>> {
        let mut users = lock(&self.users);
        let entry = users
            .entry(user.to_owned())
            .or_insert_with(|| User { sessions: 0, memory: server.child(limits.memory_per_user) });
        if entry.sessions >= limits.sessions_per_user {
            return None;
        }
        entry.sessions += 1;
        let memory = entry.memory.child(limits.memory_per_session);
        Some(UserSession { sessions: self, user: user.to_owned(), memory })
    }
}

impl Drop for Joinable<'_> {
    fn drop(&mut self) {
        if !self.is_lane {
            let mut ended = lock(&self.sessions.ended);
            if ended.len() >= ENDED_MAX {
                ended.pop_front();
            }
            ended.push_back(self.id);
        }
        lock(&self.sessions.by_id).remove(&self.id);
        self.sessions.left.notify_waiters();
        self.sessions.appeared.notify_waiters(); // no lane need wait for it any more
    }
}

impl Drop for UserSession<'_> {
    fn drop(&mut self) {
        let mut users = lock(&self.sessions.users);
        if let Some(user) = users.get_mut(&self.user) {
            user.sessions -= 1;
            if user.sessions == 0 {
                users.remove(&self.user);
            }
        }
        self.sessions.user_left.notify_waiters();
    }
}

/// Sessions that are remembered after their end: those of the time that a lane takes to come, on a busy server. 16 bytes each.
const ENDED_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(sessions: &Sessions, number: u8) -> (SessionId, Joinable<'_>) {
        let id = [number; 16];
        (id, sessions.open(id, SessionSecret::new([0; 32]), 1).0)
    }

    #[tokio::test]
    async fn a_lane_that_comes_after_its_sessions_end_is_refused_at_once() {
        let sessions = Sessions::default();
        let opened: Vec<_> = (1..=3).map(|number| opened(&sessions, number)).collect();
        for (id, session) in opened {
            assert!(sessions.wait_for(&id).await.is_ok());
            drop(session);
        }
        for number in 1..=3 {
            let id = [number; 16];
            let refusal = tokio::time::timeout(LANE_PATIENCE / 2, sessions.wait_for(&id)).await;
            assert!(matches!(refusal, Ok(Err(LaneRefusal::Over))), "{number}");
        }
    }

    /// A session's id alone is not enough to end it.
    #[tokio::test]
    async fn a_session_is_replaced_only_with_proof() {
        let sessions = Sessions::default();
        let ((old, session), new) = (opened(&sessions, 1), [2; 16]);
        assert!(!sessions.replace(&old, &new, &[0; 32]).await);
        assert!(!session.stop.is_cancelled(), "it goes on");
        let proof = SessionSecret::new([0; 32]).prove_replacement(&old, &new);
        let leaving = async {
            session.stop.cancelled().await;
            drop(session);
        };
        assert!(tokio::join!(sessions.replace(&old, &new, &proof), leaving).0);
    }

    #[test]
    fn a_connection_that_turned_out_to_be_a_lane_is_no_session_that_has_ended() {
        let sessions = Sessions::default();
        let (_, lane) = opened(&sessions, 1);
        lane.forget();
        assert!(lock(&sessions.ended).is_empty() && lock(&sessions.by_id).is_empty());
    }

    #[test]
    fn a_user_has_as_many_sessions_as_they_may_have_and_not_one_more() {
        let (sessions, server) = (Sessions::default(), Memory::new(1 << 30));
        let limits = ServerLimits { sessions_per_user: 2, ..ServerLimits::default() };
        let join = |user| sessions.join_user(user, &limits, &server);
        let (first, second) = (join("ann"), join("ann"));
        assert!(first.is_some() && second.is_some() && join("ann").is_none());
        assert!(join("bob").is_some(), "others have their own");
        drop(first);
        let third = join("ann");
        assert!(third.is_some() && join("ann").is_none());
        drop((second, third));
        assert!(lock(&sessions.users).is_empty());
    }
}
