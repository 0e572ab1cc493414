//! Both ends, the lanes and the control connection between them, and their common clock.

use crate::random::Random;
use crate::receiving::{Frame, Payload, Receiving, Work};
use crate::sending::{Habits, Sending};
use crate::tree::{SourceFate, Tree, Troubles};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wire::checksum::Checksum;
use wire::ids::LaneNo;
use wire::limits::{LARGE_FILES_MAX, WINDOW_FRAMES_MAX};
use wire::message::{Ack, Changing, End};
use wire::sender;

/// The parameters of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    lanes: u16,
    window: u32,
    checksum: Checksum,
    /// Frames per thousand that arrive damaged.
    damage: u64,
    /// Lanes that die, stall for long, or are closed in an orderly way.
    deaths: u64,
    stalls: u64,
    retirements: u64,
    /// Frames per thousand that take long to be read.
    slow_reads: u64,
    troubles: Troubles,
    crowded: bool,
    /// Files have holes, and the receiver makes them.
    holes: bool,
    changing: Changing,
    /// Time at which the job is cancelled.
    cancel: Option<u64>,
}

impl Plan {
    pub(crate) fn drawn(seed: u64) -> Self {
        let mut random = Random::new(!seed);
        Self {
            lanes: random.within(1, 4) as u16,
            window: random.one_of(&[1, 2, 3, 8, 64, WINDOW_FRAMES_MAX]),
            checksum: random.one_of(&[Checksum::Blake3, Checksum::Sha256]),
            damage: random.one_of(&[0, 0, 20, 150, 500]),
            deaths: random.one_of(&[0, 0, 2, 8, 30]),
            stalls: random.one_of(&[0, 0, 0, 1, 5]),
            retirements: random.one_of(&[0, 0, 2, 5]),
            slow_reads: random.one_of(&[0, 0, 10, 100]),
            troubles: Troubles {
                source: random.one_of(&[0, 0, 50, 400]),
                target: random.one_of(&[0, 0, 50, 400]),
            },
            crowded: random.chance(5),
            holes: random.chance(400),
            changing: random.one_of(&[Changing::Retry, Changing::Retry, Changing::Skip, Changing::AsIs]),
            cancel: random.chance(100).then(|| random.below(3000)),
        }
    }
}

/// A job in progress.
pub(crate) struct World {
    plan: Plan,
    random: Random,
    tree: Tree,
    sending: Sending,
    receiving: Receiving,
    lanes: BTreeMap<u16, Lane>,
    next_lane: u16,
    now: u64,
    /// By time, and for one time in the order in which they were made.
    events: BTreeMap<(u64, u64), Event>,
    events_made: u64,
    /// Arrival of the last message of each direction; messages keep their order.
    to_sender: u64,
    to_receiver: u64,
    ack_waits: bool,
    stream_reader: Option<u16>,
    /// A lane has found another lane reading the stream.
    turned_away: bool,
    /// The receiver has acknowledged everything and is gone.
    received: bool,
    cancelled: bool,
}

#[derive(Debug, Default)]
struct Lane {
    /// The sender's task waits for work.
    idle: bool,
    /// The sender knows that the lane is dead.
    dead: bool,
    /// The lane is to be closed after the frame in progress.
    retired: bool,
    /// The lane stands still until this time.
    stalled: u64,
    /// Arrival of the last frame on the wire.
    last_arrival: u64,
    /// Frames that arrived while the receiver's thread was busy.
    inbox: VecDeque<Frame>,
    working: bool,
    /// Frames from this one on no longer arrive.
    cut: Option<u64>,
    frames_sent: u64,
}

#[derive(Debug)]
enum Event {
    /// The sender's end of a lane can begin a frame.
    Ready(u16),
    StreamRead(u16),
    Build(u16, sender::Plan),
    Arrive(u16, u64, Box<Frame>),
    Worked(u16, Box<Work>),
    TakeAck,
    Ack(Ack),
    End(End),
    Tick,
    Die,
    Stall,
    Retire,
    Join,
    Cancel,
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan) -> Self {
        let mut random = Random::new(seed);
        let holes = plan.holes && plan.checksum == Checksum::Sha256;
        let tree = Tree::drawn(&mut random, plan.troubles, plan.crowded, holes);
        Self {
            sending: Sending::new(
                plan.checksum,
                plan.window,
                &tree,
                Habits { changing: plan.changing, holes },
            ),
            receiving: Receiving::new(plan.checksum, plan.window, holes),
            plan,
            random,
            tree,
            lanes: BTreeMap::new(),
            next_lane: 0,
            now: 0,
            events: BTreeMap::new(),
            events_made: 0,
            to_sender: 0,
            to_receiver: 0,
            ack_waits: false,
            stream_reader: None,
            turned_away: false,
            received: false,
            cancelled: false,
        }
    }

    /// Runs the job to its end, and checks that both ends agree on the result.
    pub(crate) fn run(mut self) {
        for _ in 0..self.plan.lanes {
            self.after(100, Event::Join);
        }
        for _ in 0..self.plan.deaths {
            self.after(4000, Event::Die);
        }
        for _ in 0..self.plan.stalls {
            self.after(2000, Event::Stall);
        }
        for _ in 0..self.plan.retirements {
            self.after(3000, Event::Retire);
        }
        if let Some(time) = self.plan.cancel {
            self.at(time, Event::Cancel);
        }
        self.at(TICK, Event::Tick);
        while let Some(((time, _), event)) = self.events.pop_first() {
            self.now = time;
            self.handle(event);
            self.check_bounds();
            if self.cancelled {
                return self.check_cancelled();
            }
            if let Some(end) = self.sending.take_end() {
                self.to_receiver = self.to_receiver.max(self.now + self.random.within(1, 100));
                self.at(self.to_receiver, Event::End(end));
            }
            assert!(self.events_made < 1_000_000, "it goes on for ever");
        }
        self.check_end();
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Ready(lane) => self.ready(lane),
            Event::StreamRead(lane) => {
                self.sending.read_stream(&self.tree);
                if self.sending.wants_stream() {
                    return self.after(300, Event::StreamRead(lane));
                }
                self.stream_reader = None;
                if std::mem::take(&mut self.turned_away) {
                    self.wake();
                }
                self.begin_frame(lane);
            }
            Event::Build(lane, plan) => self.build(lane, &plan),
            Event::Arrive(lane, _, _) if self.now < self.lanes[&lane].stalled => {
                self.at(self.lanes[&lane].stalled, event);
            }
            Event::Arrive(lane, number, frame) => {
                let ends = &mut self.lanes.get_mut(&lane).unwrap();
                if ends.cut.is_none_or(|cut| number < cut) {
                    ends.inbox.push_back(*frame);
                    self.take_frames(lane);
                }
            }
            Event::Worked(lane, work) => {
                self.lanes.get_mut(&lane).unwrap().working = false;
                let next = self.receiving.worked(*work, &self.tree);
                self.work_on(lane, next);
            }
            Event::TakeAck => self.take_acks(),
            Event::Ack(ack) => {
                self.sending.acknowledged(&ack);
                self.wake();
            }
            Event::End(end) => {
                self.receiving.machine.end(end).expect("an honest sender");
                self.ack_soon();
            }
            Event::Tick => {
                if self.sending.machine.tick() {
                    self.wake();
                }
                if !self.sending.machine.is_finished() && self.now < PATIENCE {
                    self.at(self.now + TICK, Event::Tick);
                }
            }
            Event::Die => self.kill_one(),
            Event::Cancel => self.cancelled = true,
            Event::Stall => {
                if let Some(lane) = self.one_alive() {
                    let until = self.now + self.random.within(100, 40 * TICK);
                    self.lanes.get_mut(&lane).unwrap().stalled = until;
                }
            }
            Event::Retire => {
                if let Some(number) = self.one_alive() {
                    let lane = self.lanes.get_mut(&number).unwrap();
                    lane.retired = true;
                    if std::mem::take(&mut lane.idle) {
                        self.after(5, Event::Ready(number));
                    }
                    self.after(200, Event::Join);
                }
            }
            Event::Join => {
                self.lanes.insert(self.next_lane, Lane::default());
                self.after(20, Event::Ready(self.next_lane));
                self.next_lane += 1;
            }
        }
    }

    /// A lane's task looks for work, like in `engine::lanes`.
    fn ready(&mut self, lane: u16) {
        if self.lanes[&lane].dead {
            return self.lane_lost(lane);
        }
        if self.lanes[&lane].retired {
            return self.sending.machine.lane_closed(LaneNo(lane));
        }
        if self.now < self.lanes[&lane].stalled {
            return self.at(self.lanes[&lane].stalled, Event::Ready(lane));
        }
        if !self.sending.machine.may_have_work() {
            self.lanes.get_mut(&lane).unwrap().idle = true;
            return;
        }
        self.sending.refill(&self.tree);
        if self.stream_reader.is_some() {
            self.turned_away = true;
        } else if self.sending.wants_stream() {
            self.stream_reader = Some(lane);
            return self.after(300, Event::StreamRead(lane));
        }
        self.begin_frame(lane);
    }

    fn begin_frame(&mut self, lane: u16) {
        match self.sending.next(lane) {
            Some(plan) => {
                let latest = if self.random.chance(self.plan.slow_reads) { 40 * TICK } else { 20 };
                self.after(latest, Event::Build(lane, plan));
            }
            None if self.lanes[&lane].dead => self.lane_lost(lane),
            None => self.lanes.get_mut(&lane).unwrap().idle = true,
        }
    }

    fn build(&mut self, lane: u16, plan: &sender::Plan) {
        let mut frame = self.sending.build(plan, &self.tree, self.now);
        if self.random.chance(self.plan.damage) {
            self.damage(&mut frame);
        }
        let (latency, writing) = (self.random.within(1, 60), self.random.within(1, 20));
        let ends = self.lanes.get_mut(&lane).unwrap();
        if !ends.dead {
            ends.last_arrival = (ends.last_arrival + 1).max(self.now + latency);
            let (arrival, number) = (ends.last_arrival, ends.frames_sent);
            ends.frames_sent += 1;
            self.at(arrival, Event::Arrive(lane, number, Box::new(frame)));
        }
        self.at(self.now + writing, Event::Ready(lane));
    }

    fn damage(&mut self, frame: &mut Frame) {
        match &mut frame.payload {
            payload @ Payload::Chunk(_) => *payload = Payload::Damaged,
            Payload::Entries(entries) => {
                for entry in entries.iter_mut().filter(|entry| !entry.content.is_empty()) {
                    if self.random.chance(400) {
                        entry.content[0] ^= 1;
                    }
                }
            }
            Payload::Nothing | Payload::Damaged | Payload::Loss(_) => {}
        }
    }

    /// Kills a lane: frames on its wire arrive up to some point, and no more are sent.
    fn kill_one(&mut self) {
        let Some(number) = self.one_alive() else { return };
        let back = self.random.below(6);
        let lane = self.lanes.get_mut(&number).unwrap();
        lane.dead = true;
        lane.cut = Some(lane.frames_sent.saturating_sub(back));
        if std::mem::take(&mut lane.idle) {
            self.lane_lost(number);
        }
        self.after(200, Event::Join);
    }

    fn one_alive(&mut self) -> Option<u16> {
        let alive = self.lanes.iter().filter(|(_, lane)| !lane.dead && !lane.retired);
        let alive: Vec<u16> = alive.map(|(number, _)| *number).collect();
        (!alive.is_empty()).then(|| self.random.one_of(&alive))
    }

    fn lane_lost(&mut self, lane: u16) {
        self.sending.machine.lane_lost(LaneNo(lane));
        self.wake();
    }

    /// Wakes all tasks that wait for work.
    fn wake(&mut self) {
        let waiting: Vec<u16> = self.lanes.iter().filter(|(_, lane)| lane.idle).map(|(n, _)| *n).collect();
        for lane in waiting {
            self.lanes.get_mut(&lane).unwrap().idle = false;
            self.after(5, Event::Ready(lane));
        }
    }

    fn take_frames(&mut self, lane: u16) {
        while !self.lanes[&lane].working {
            let Some(frame) = self.lanes.get_mut(&lane).unwrap().inbox.pop_front() else { return };
            if !self.received {
                let next = self.receiving.take(frame, &self.tree);
                self.work_on(lane, next);
            }
        }
    }

    /// A lane's thread does the next step, or takes the next frame.
    fn work_on(&mut self, lane: u16, next: Option<Work>) {
        match next {
            Some(work) => {
                self.lanes.get_mut(&lane).unwrap().working = true;
                self.after(80, Event::Worked(lane, Box::new(work)));
            }
            None => {
                self.ack_soon();
                self.take_frames(lane);
            }
        }
    }

    fn ack_soon(&mut self) {
        if !std::mem::replace(&mut self.ack_waits, true) {
            self.after(50, Event::TakeAck);
        }
    }

    fn take_acks(&mut self) {
        self.ack_waits = false;
        self.received = self.receiving.machine.is_finished();
        while let Some(ack) = self.receiving.machine.take_ack() {
            self.to_sender = self.to_sender.max(self.now + self.random.within(1, 100));
            self.at(self.to_sender, Event::Ack(ack));
        }
    }

    fn after(&mut self, latest: u64, event: Event) {
        let delay = self.random.below(latest);
        self.at(self.now + delay, event);
    }

    fn at(&mut self, time: u64, event: Event) {
        self.events.insert((time, self.events_made), event);
        self.events_made += 1;
    }

    /// Checks the bounds on the data kept at either end, at every step.
    fn check_bounds(&self) {
        let open = self.receiving.open_files();
        assert!(open <= LARGE_FILES_MAX, "{open} files are open at the receiver");
        let working = self.lanes.values().filter(|lane| lane.working).count() as u64;
        assert!(working <= u64::from(self.plan.window).max(1), "{working} frames are worked on");
    }

    /// Checks that a job that ended early reported nothing as done that is not.
    fn check_cancelled(&self) {
        for (path, settled) in self.sending.settled.iter().filter(|(_, settled)| settled.result.is_ok()) {
            assert_eq!(
                self.receiving.reports.get(path),
                Some(&Ok(())),
                "{path:?} is told as done: {settled:?}"
            );
        }
    }

    fn check_end(&self) {
        assert!(self.received, "the receiver waits for something that nobody sends");
        assert!(self.sending.machine.is_finished(), "the sender waits for something that nobody tells");
        let offered: BTreeSet<_> = self.tree.items.iter().map(|item| &item.path).collect();
        assert!(
            self.sending.settled.keys().eq(offered.iter().copied()),
            "the sender has settled other items"
        );
        assert!(
            self.receiving.reports.keys().eq(offered.iter().copied()),
            "the receiver has settled other items"
        );
        for (path, settled) in &self.sending.settled {
            let received = &self.receiving.reports[path];
            // A sender that cannot read a file again cannot know whether the frames sent before were enough.
            let doubtful = self.tree.fate(path).source != SourceFate::Fine;
            match (&settled.result, received) {
                (Ok(()), Err(failure)) => panic!("{path:?} has failed and the sender thinks not: {failure}"),
                (Err(failure), Ok(())) if !doubtful => panic!("{path:?} has not failed: {failure}"),
                (Ok(()) | Err(_), Ok(()) | Err(_)) => {}
            }
        }
    }
}

/// Interval at which the sender looks for stalled lanes; it counts this many as a second.
const TICK: u64 = 200;
/// A job that takes longer is stuck.
const PATIENCE: u64 = 1_000_000;
