//! Slows, and bars for a while, addresses and users whose logins keep failing, so that secrets cannot be guessed.
//!
//! Three rules, all of which look at what failed before a secret is even looked at:
//!
//! 1. **An address is slowed, then barred.** After a few failures, of any users, each further attempt from there waits
//!    longer; after `failures_max` none is looked at for `bar`. An address is an IPv4 address, or the /64 of an IPv6 address,
//!    which is what one customer has. So only the guesser's own address is barred.
//! 2. **A user is slowed, never barred**, by failures from anywhere: many addresses that guess one password each wait before each
//!    guess. It is a wait and not a turn in a queue, because a queue would be theirs to fill: however many guess, the user
//!    waits a few seconds at most, and not at all where they logged in since it began.
//! 3. **A crowd is slowed.** While more addresses guess than the table holds, those without a place in it wait.
//!
//! A login that succeeds takes back that user's failures at that address, and no more: the owner of an account cannot clear
//! their guesses at another's. Users who share an address (behind one NAT, through one tunnel) share its fate, as they
//! cannot be told apart before they have proven who they are.
//!
//! **Memory is bounded.** Only failures make entries, which are forgotten in time. Where a table is full, an entry with a
//! failure or two goes for a newer one; one that is being slowed or barred stays, so a flood of addresses does not make
//! the server forget who attacks it.
//!
//! The machine has no clock and knows no socket: `now` is handed in.

use crate::source::PeerNetwork;
use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The rules that the operator chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThrottleRules {
    /// Failures after which an address is barred; 0 for no throttle at all.
    pub(crate) failures_max: u32,
    /// For how long.
    pub(crate) bar: Duration,
    /// Longest wait: a connection has only so much time to log in.
    pub(crate) wait_max: Duration,
}

/// Failed logins by address and by user.
pub(crate) struct Throttle {
    rules: ThrottleRules,
    sources: Table<PeerNetwork, SourceFailures>,
    users: Table<UserKey, UserFailures>,
    hashes: RandomState,
}

/// One attempt to log in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoginAttempt {
    source: PeerNetwork,
    user: UserKey,
    /// Tokens have no user, and cannot be guessed.
    has_user: bool,
    arrived: Instant,
}

/// The decision about an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ThrottleDecision {
    /// Its proof may be looked at.
    Go,
    /// It waits, and is decided anew at that time.
    Wait(Instant, ThrottleRule),
    /// It is refused until that time, with any proof.
    Barred(Instant),
}

/// Which rule made an attempt wait. For the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ThrottleRule {
    Address,
    User,
    Crowd,
}

/// A keyed hash of a user's name: names are the peer's to choose, and may be long.
type UserKey = u64;

struct SourceFailures {
    /// Failures by user, taken back by a success. Kept for the first users only: an address that tries more is not a forgetful person.
    by_user: Vec<(UserKey, u32)>,
    others: u32,
    last: Instant,
}

struct UserFailures {
    count: u32,
    last: Instant,
    /// Where the user logged in since the first failure.
    known: Vec<PeerNetwork>,
}

impl Throttle {
    pub(crate) fn new(rules: ThrottleRules) -> Self {
        Self::with_room(rules, SOURCES_MAX, USERS_MAX)
    }

    /// The same failures, judged by other rules.
    pub(crate) fn set_rules(&mut self, rules: ThrottleRules) {
        self.rules = rules;
    }

    fn with_room(rules: ThrottleRules, sources: usize, users: usize) -> Self {
        Self { rules, sources: Table::new(sources), users: Table::new(users), hashes: RandomState::new() }
    }

    /// Makes an attempt of `user` (`None` with a token) from `peer` that arrived now.
    pub(crate) fn attempt(&self, peer: IpAddr, user: Option<&str>, now: Instant) -> LoginAttempt {
        let source = PeerNetwork::from(peer);
        LoginAttempt { source, user: self.hashes.hash_one(user), has_user: user.is_some(), arrived: now }
    }

    /// Decides about an attempt now.
    pub(crate) fn decide(&mut self, attempt: &LoginAttempt, now: Instant) -> ThrottleDecision {
        if self.rules.failures_max == 0 {
            return ThrottleDecision::Go;
        }
        self.sources.forget_if_full(now, self.memory());
        let failures = self.sources.entries.get(&attempt.source);
        if let Some(until) =
            failures.and_then(|failures| self.barred_until(failures)).filter(|until| *until > now)
        {
            return ThrottleDecision::Barred(until);
        }
        let of_source = match failures {
            Some(failures) => (failures.last + self.source_wait(failures), ThrottleRule::Address),
            None if self.sources.is_full() => {
                (attempt.arrived + self.bounded(CROWD_WAIT), ThrottleRule::Crowd)
            }
            None => (now, ThrottleRule::Address),
        };
        let of_user = (attempt.arrived + self.user_wait(attempt, now), ThrottleRule::User);
        match if of_user.0 > of_source.0 { of_user } else { of_source } {
            (until, rule) if until > now => ThrottleDecision::Wait(until, rule),
            _ => ThrottleDecision::Go,
        }
    }

    /// The attempt failed. True if its address is barred from now on.
    pub(crate) fn failed(&mut self, attempt: &LoginAttempt, now: Instant) -> bool {
        let (memory, LoginAttempt { source, user, has_user, .. }) = (self.memory(), *attempt);
        if self.rules.failures_max == 0 {
            return false;
        }
        if has_user && let Some(failures) = self.users.of(user, now, memory) {
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
        }
        let Some(failures) = self.sources.of(source, now, memory) else { return false };
        failures.add(user);
        failures.last = now;
        failures.count() >= self.rules.failures_max
    }

    /// The attempt succeeded.
    pub(crate) fn succeeded(&mut self, attempt: &LoginAttempt) {
        let LoginAttempt { source, user, .. } = *attempt;
        if let Entry::Occupied(mut entry) = self.sources.entries.entry(source) {
            entry.get_mut().by_user.retain(|(failed, _)| *failed != user);
            if entry.get().count() == 0 {
                entry.remove();
            }
        }
        if let Some(failures) = self.users.entries.get_mut(&user) {
            failures.known.retain(|known| *known != source);
            if failures.known.len() == KNOWN_MAX {
                failures.known.remove(0); // where they logged in least lately
            }
            failures.known.push(source);
        }
    }

    fn barred_until(&self, failures: &SourceFailures) -> Option<Instant> {
        (failures.count() >= self.rules.failures_max).then(|| failures.last + self.rules.bar)
    }

    /// How long behind its last failure an address waits.
    fn source_wait(&self, failures: &SourceFailures) -> Duration {
        self.bounded(growing(failures.count(), ADDRESS_FREE, ADDRESS_WAIT, ADDRESS_WAIT_MAX))
    }

    /// How long an attempt waits for its user's sake.
    fn user_wait(&self, attempt: &LoginAttempt, now: Instant) -> Duration {
        let failures = self.users.entries.get(&attempt.user).filter(|failures| {
            attempt.has_user
                && !failures.known.contains(&attempt.source)
                && !failures.is_forgotten(now, self.memory())
        });
        let growing = |failures: &UserFailures| growing(failures.count, USER_FREE, USER_WAIT, USER_WAIT_MAX);
        self.bounded(failures.map_or(Duration::ZERO, growing))
    }

    /// How long a failure is remembered.
    fn memory(&self) -> Duration {
        self.rules.bar + FORGET_AFTER
    }

    fn bounded(&self, wait: Duration) -> Duration {
        wait.min(self.rules.wait_max)
    }
}

/// Nothing for the first `free` failures, then `first`, and twice as long with each failure more.
fn growing(failures: u32, free: u32, first: Duration, max: Duration) -> Duration {
    match failures.checked_sub(free) {
        None => Duration::ZERO,
        Some(doublings) => first.saturating_mul(1 << doublings.min(16)).min(max),
    }
}

impl SourceFailures {
    fn add(&mut self, user: UserKey) {
        let is_full = self.by_user.len() >= USERS_OF_SOURCE_MAX;
        match self.by_user.iter_mut().find(|(failed, _)| *failed == user) {
            Some((_, count)) => *count = count.saturating_add(1),
            None if is_full => self.others = self.others.saturating_add(1),
            None => self.by_user.push((user, 1)),
        }
    }
}

/// The entry of a [`Table`].
trait Failures {
    /// None, as of now.
    fn none(now: Instant) -> Self;
    fn count(&self) -> u32;
    fn last(&self) -> Instant;
    /// Failures before the wait begins: with fewer an entry may go for another.
    const FREE: u32;

    fn is_forgotten(&self, now: Instant, memory: Duration) -> bool {
        now >= self.last() + memory
    }
}

impl Failures for SourceFailures {
    fn none(now: Instant) -> Self {
        Self { by_user: Vec::new(), others: 0, last: now }
    }

    fn count(&self) -> u32 {
        self.by_user.iter().fold(self.others, |sum, (_, count)| sum.saturating_add(*count))
    }

    fn last(&self) -> Instant {
        self.last
    }

    const FREE: u32 = ADDRESS_FREE;
}

impl Failures for UserFailures {
    fn none(now: Instant) -> Self {
        Self { count: 0, last: now, known: Vec::new() }
    }

    fn count(&self) -> u32 {
        self.count
    }

    fn last(&self) -> Instant {
        self.last
    }

    const FREE: u32 = USER_FREE;
}

/// Failures by what they are counted for; never more than `max`.
struct Table<K, F> {
    entries: HashMap<K, F>,
    max: usize,
}

impl<K: Eq + Hash + Copy, F: Failures> Table<K, F> {
    fn new(max: usize) -> Self {
        Self { entries: HashMap::new(), max }
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= self.max
    }

    /// The entry of `key`, made if there is room or somebody gives place.
    fn of(&mut self, key: K, now: Instant, memory: Duration) -> Option<&mut F> {
        if self.entries.get(&key).is_some_and(|failures| failures.is_forgotten(now, memory)) {
            self.entries.remove(&key);
        }
        if !self.entries.contains_key(&key) {
            self.forget_if_full(now, memory);
            if self.is_full() {
                let least =
                    self.entries.iter().min_by_key(|(_, failures)| (failures.count(), failures.last()));
                let least = least.filter(|(_, failures)| failures.count() < F::FREE).map(|(key, _)| *key)?;
                self.entries.remove(&least);
            }
        }
        Some(self.entries.entry(key).or_insert_with(|| F::none(now)))
    }

    fn forget_if_full(&mut self, now: Instant, memory: Duration) {
        if self.is_full() {
            self.entries.retain(|_, failures| !failures.is_forgotten(now, memory));
        }
    }
}

/// Failures of an address without a delay: people mistype.
const ADDRESS_FREE: u32 = 3;
/// The first wait of an address behind its last failure; then it doubles.
const ADDRESS_WAIT: Duration = Duration::from_millis(500);
/// Well within the time that a connection has to log in.
const ADDRESS_WAIT_MAX: Duration = Duration::from_secs(8);
/// Failures of a user, from anywhere, without a delay: several programs with an old password are no attack.
const USER_FREE: u32 = 10;
/// The first wait of a user's attempt; then it doubles.
const USER_WAIT: Duration = Duration::from_millis(250);
/// The user waits as long as those who guess their password, so not for long.
const USER_WAIT_MAX: Duration = Duration::from_secs(4);
/// The wait of an address that has no place in a full table.
const CROWD_WAIT: Duration = Duration::from_secs(2);
/// A failure is forgotten this long behind the end of the bar that it could have caused.
const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);
/// Addresses that are remembered, some 100 bytes each: more than an attacker rents.
const SOURCES_MAX: usize = 16_384;
/// Users that are remembered, some 100 bytes each.
const USERS_MAX: usize = 4_096;
/// Users whose failures are counted apart at an address.
const USERS_OF_SOURCE_MAX: usize = 8;
/// Addresses where a user is known while their password is being guessed.
const KNOWN_MAX: usize = 8;

#[cfg(test)]
mod tests;
