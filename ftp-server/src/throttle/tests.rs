//! The rules, in virtual time.

use super::*;

const RULES: ThrottleRules =
    ThrottleRules { failures_max: 10, bar: Duration::from_secs(600), wait_max: Duration::from_secs(10) };
const HOME: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.7";

/// A throttle and the time.
struct Scene {
    throttle: Throttle,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        Self::with_room(SOURCES_MAX, USERS_MAX)
    }

    fn with_room(sources: usize, users: usize) -> Self {
        Self { throttle: Throttle::with_room(RULES, sources, users), now: Instant::now() }
    }

    fn attempt(&self, from: &str, user: &str) -> LoginAttempt {
        let user = Some(user).filter(|user| *user != "a token");
        self.throttle.attempt(from.parse().unwrap(), user, self.now)
    }

    /// How long an attempt waits; nothing if it is barred.
    fn wait(&mut self, from: &str, user: &str) -> Option<Duration> {
        let attempt = self.attempt(from, user);
        match self.throttle.decide(&attempt, self.now) {
            ThrottleDecision::Go => Some(Duration::ZERO),
            ThrottleDecision::Wait(until, _) => Some(until - self.now),
            ThrottleDecision::Barred(until) => {
                assert!(until > self.now);
                None
            }
        }
    }

    /// An attempt that waits as long as it must and fails; false if it was barred.
    fn fail(&mut self, from: &str, user: &str) -> bool {
        let attempt = self.attempt(from, user);
        loop {
            match self.throttle.decide(&attempt, self.now) {
                ThrottleDecision::Go => break,
                ThrottleDecision::Wait(until, _) => self.now = until,
                ThrottleDecision::Barred(_) => return false,
            }
        }
        self.throttle.failed(&attempt, self.now);
        true
    }

    fn succeed(&mut self, from: &str, user: &str) {
        let attempt = self.attempt(from, user);
        self.throttle.succeeded(&attempt);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

#[test]
fn the_waits_of_an_address_grow_until_it_is_barred_and_then_it_is_let_in_again() {
    let mut scene = Scene::new();
    let mut waits = Vec::new();
    for failures in 0..10 {
        // Of several users, so that no user is slowed.
        waits.push(scene.wait(HOME, "ann").unwrap().as_millis());
        assert!(scene.fail(HOME, &format!("user {}", failures % 3)));
    }
    assert_eq!(waits, [0, 0, 0, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
    assert_eq!(scene.wait(HOME, "ann"), None);
    assert!(!scene.fail(HOME, "ann"));
    assert_eq!(scene.wait(ELSEWHERE, "ann"), Some(Duration::ZERO), "nobody else is barred");
    scene.pass(RULES.bar - Duration::from_secs(1));
    assert_eq!(scene.wait(HOME, "ann"), None);
    scene.pass(Duration::from_secs(1));
    assert_eq!(scene.wait(HOME, "ann"), Some(Duration::ZERO));
    assert!(scene.fail(HOME, "ann"));
    assert_eq!(scene.wait(HOME, "ann"), None, "one guess more, and it is barred again");
    scene.pass(RULES.bar + FORGET_AFTER);
    assert!((0..3).all(|_| scene.wait(HOME, "ann") == Some(Duration::ZERO) && scene.fail(HOME, "ann")));
}

#[test]
fn tokens_count_as_passwords_do_but_have_no_user_to_be_slowed() {
    let mut scene = Scene::new();
    assert!((0..10).all(|_| scene.fail(HOME, "a token")));
    assert_eq!(scene.wait(HOME, "a token"), None);
    assert_eq!(scene.wait(HOME, "ann"), None);
    for number in 0..100 {
        assert!(scene.fail(&format!("203.0.113.{number}"), "a token"));
    }
    assert_eq!(scene.wait(ELSEWHERE, "a token"), Some(Duration::ZERO));
}

#[test]
fn a_success_takes_back_what_its_own_user_failed_there_and_nothing_else() {
    let mut scene = Scene::new();
    assert!((0..5).all(|_| scene.fail(HOME, "ann")));
    assert!(scene.wait(HOME, "ann").unwrap() > Duration::ZERO);
    scene.succeed(HOME, "ann");
    assert_eq!(scene.wait(HOME, "ann"), Some(Duration::ZERO));
    assert!(scene.throttle.sources.entries.is_empty());
    for _ in 0..9 {
        assert!(scene.fail(HOME, "ann"));
        scene.succeed(HOME, "eve"); // who has an account, and guesses ann's password
    }
    assert!(scene.fail(HOME, "ann"));
    assert_eq!(scene.wait(HOME, "eve"), None);
}

#[test]
fn whoever_guesses_from_everywhere_slows_the_user_but_never_locks_them_out() {
    let mut scene = Scene::new();
    for number in 0..200 {
        assert!(scene.fail(&format!("203.0.113.{number}"), "ann"));
    }
    assert_eq!(scene.wait(HOME, "ann"), Some(USER_WAIT_MAX));
    let attempt = scene.attempt(HOME, "ann");
    scene.pass(USER_WAIT_MAX);
    // Others fail meanwhile: the wait is no queue.
    assert!(scene.fail("203.0.113.201", "ann"));
    assert_eq!(scene.throttle.decide(&attempt, scene.now), ThrottleDecision::Go);
    scene.succeed(HOME, "ann");
    assert_eq!(scene.wait(HOME, "ann"), Some(Duration::ZERO), "where they logged in they wait no more");
    assert_eq!(scene.wait(ELSEWHERE, "ann"), Some(USER_WAIT_MAX));
    assert_eq!(scene.wait(ELSEWHERE, "bob"), Some(Duration::ZERO));
    scene.pass(RULES.bar + FORGET_AFTER);
    assert_eq!(scene.wait(ELSEWHERE, "ann"), Some(Duration::ZERO));
}

#[test]
fn guesses_at_a_user_are_forgotten_some_time_after_the_last_one() {
    let mut scene = Scene::new();
    let (memory, minute) = (RULES.bar + FORGET_AFTER, Duration::from_secs(60));
    for number in 0..20 {
        assert!(scene.fail(&format!("203.0.113.{number}"), "ann"));
    }
    scene.pass(memory - minute);
    assert!(scene.fail("203.0.113.99", "ann"));
    scene.pass(memory - minute);
    assert!(scene.wait(ELSEWHERE, "ann") > Some(Duration::ZERO));
    scene.pass(minute);
    assert_eq!(scene.wait(ELSEWHERE, "ann"), Some(Duration::ZERO));
}

#[test]
fn an_address_is_an_ipv4_address_or_an_ipv6_network() {
    let mut scene = Scene::new();
    for host in 0..10 {
        assert!(scene.fail(&format!("2001:db8:1:2::{host:x}"), "ann"));
    }
    assert_eq!(scene.wait("2001:db8:1:2:ffff::1", "bob"), None);
    assert_eq!(scene.wait("2001:db8:1:3::1", "bob"), Some(Duration::ZERO));
    // As a socket for both families shows IPv4 peers: they are not one network.
    assert!((0..10).all(|_| scene.fail("::ffff:192.0.2.1", "bob")));
    assert_eq!(scene.wait("192.0.2.1", "carl"), None);
    assert_eq!(scene.wait("::ffff:192.0.2.2", "carl"), Some(Duration::ZERO));
}

#[test]
fn a_flood_of_addresses_and_users_takes_bounded_memory_and_forgets_no_attacker() {
    let mut scene = Scene::with_room(100, 50);
    assert!((0..10).all(|_| scene.fail(HOME, "ann")), "barred");
    assert!((0..4).all(|_| scene.fail(ELSEWHERE, "ann")), "slowed");
    for number in 0..5000 {
        // All at once, so none waits.
        let from = format!("10.0.{}.{}", number / 256, number % 256);
        let attempt = scene.attempt(&from, &format!("user {number}"));
        scene.throttle.failed(&attempt, scene.now);
    }
    assert_eq!((scene.throttle.sources.entries.len(), scene.throttle.users.entries.len()), (100, 50));
    assert_eq!(scene.wait(HOME, "bob"), None);
    assert_eq!(scene.throttle.sources.entries[&PeerNetwork::V4([198, 51, 100, 7])].count(), 4);
    assert!(scene.wait("10.9.9.9", "ann").unwrap() >= USER_WAIT, "ann's password is still being guessed");
}

#[test]
fn when_all_places_are_taken_by_attackers_newcomers_wait_and_are_not_barred() {
    let mut scene = Scene::with_room(20, 50);
    for number in 0..20 {
        let from = format!("10.0.0.{number}");
        assert!((0..3).all(|round| scene.fail(&from, &format!("user {round} of {number}"))));
    }
    assert_eq!(scene.wait(HOME, "ann"), Some(CROWD_WAIT));
    for _ in 0..100 {
        assert!(scene.fail(HOME, "a token"), "it has no place to be barred in");
    }
    assert_eq!(scene.throttle.sources.entries.len(), 20);
    scene.pass(RULES.bar + FORGET_AFTER);
    assert_eq!(scene.wait(HOME, "ann"), Some(Duration::ZERO));
}

#[test]
fn a_source_that_tries_many_users_keeps_few_of_them() {
    let mut scene = Scene::new();
    for number in 0..9 {
        assert!(scene.fail(HOME, &format!("user {number}")));
    }
    let failures = &scene.throttle.sources.entries[&PeerNetwork::V4([192, 0, 2, 1])];
    assert_eq!((failures.by_user.len(), failures.count()), (USERS_OF_SOURCE_MAX, 9));
}

#[test]
fn no_wait_is_longer_than_a_connection_has_time() {
    let rules = ThrottleRules { wait_max: Duration::from_millis(700), ..RULES };
    let mut scene = Scene { throttle: Throttle::new(rules), now: Instant::now() };
    assert!((0..9).all(|_| scene.fail(HOME, "ann")));
    assert_eq!(scene.wait(HOME, "ann"), Some(Duration::from_millis(700)));
}

#[test]
fn without_a_limit_nobody_is_slowed() {
    let rules = ThrottleRules { failures_max: 0, ..RULES };
    let mut scene = Scene { throttle: Throttle::new(rules), now: Instant::now() };
    for _ in 0..1000 {
        assert_eq!(scene.wait(HOME, "ann"), Some(Duration::ZERO));
        assert!(scene.fail(HOME, "ann"));
        assert!(!scene.throttle.failed(&scene.attempt(HOME, "ann"), scene.now), "it is not barred");
    }
    assert!(scene.throttle.sources.entries.is_empty() && scene.throttle.users.entries.is_empty());
}

#[test]
fn other_rules_judge_the_failures_so_far() {
    let mut scene = Scene::new();
    assert!((0..3).all(|_| scene.fail(HOME, "ann")));
    scene.throttle.set_rules(ThrottleRules { failures_max: 3, ..RULES });
    assert_eq!(scene.wait(HOME, "ann"), None);
    scene.throttle.set_rules(RULES);
    assert!(scene.wait(HOME, "ann").is_some());
}
