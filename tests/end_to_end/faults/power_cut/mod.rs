//! Power cuts: the real programs on disks that lose power, at any moment and after the last report.
//!
//! It needs root, loop devices, and the programs that make the filesystems; a test that finds them missing says so and passes.
//! `FTPX_POWER_CUTS=300` makes this many cuts of each filesystem, however long that takes; `FTPX_POWER_SEED=n` begins with that
//! seed.

mod promises;
mod seeded;
mod trees;

use crate::support::disk::{Disk, Kind};
use std::path::PathBuf;
use std::process::{Child, Command};
use tests::world::{Ran, World, signal};
use trees::{Files, Version};

/// A world on a disk: the served folder, the client's, and the state of both ends. All of it loses power at once.
struct Machine {
    world: Option<World>,
    disk: Disk,
}

/// The end that writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl Machine {
    fn on(kind: Kind) -> Option<Self> {
        let disk = kind.disk()?;
        let mut world = World::empty_in(&disk.place());
        world.add_user("tester", "full");
        world.serve(&[]);
        Some(Self { world: Some(world), disk })
    }

    fn world(&self) -> &World {
        self.world.as_ref().unwrap()
    }

    fn source(&self, way: Way) -> PathBuf {
        match way {
            Way::Up => self.world().local().join("source"),
            Way::Down => self.world().root().join("source"),
        }
    }

    fn target(&self, way: Way) -> PathBuf {
        match way {
            Way::Up => self.world().root().join("target"),
            Way::Down => self.world().local().join("target"),
        }
    }

    fn files(&self, way: Way) -> Files {
        trees::files(&self.target(way))
    }

    /// Makes the source a version of the tree, durable before any cut.
    fn write(&self, way: Way, version: Version, seed: u64) -> Files {
        trees::write(&self.source(way), version, seed);
        self.disk.sync();
        trees::files(&self.source(way))
    }

    fn arguments(&self, command: &[&str], way: Way, name: &str) -> Vec<String> {
        let name =
            |folder: &str| if name.is_empty() { folder.to_owned() } else { format!("{folder}/{name}") };
        let places = match way {
            Way::Up => [name("source"), self.world().url(name("target"))],
            Way::Down => [self.world().url(name("source")), name("target")],
        };
        command.iter().map(|word| (*word).to_owned()).chain(places).collect()
    }

    fn mirror(&self, way: Way, arguments: &[&str]) -> Ran {
        self.world().check(self.arguments(&[&["mirror", "--json"], arguments].concat(), way, ""))
    }

    /// Writes the last pages of each file of the target to the disk, as the system may do at any time. This also writes the
    /// file's size.
    fn write_tails(&self, way: Way) {
        for (name, content) in self.files(way) {
            let from = content.len().saturating_sub(1).next_multiple_of(PAGE_LEN).saturating_sub(PAGE_LEN);
            let range = format!("sync_range -abw {from} {PAGE_LEN}");
            let tail = Command::new("xfs_io").args(["-c", &range]).arg(self.target(way).join(name)).output();
            assert!(tail.is_ok_and(|tail| tail.status.success()));
        }
    }

    fn cut(&mut self, is_log_written: bool) {
        self.cut_under(is_log_written, None);
    }

    /// Cuts the power, including that of a running client; then the machine restarts and serves.
    fn cut_under(&mut self, is_log_written: bool, client: Option<&mut Child>) {
        let (server, mut client) = (self.world().server().id(), client);
        self.disk.cut(is_log_written, || {
            signal(server, "KILL");
            let _ = client.as_mut().map(|client| client.kill()); // it may have ended
        });
        let world = self.world.as_mut().unwrap();
        let address = world.server().address.to_string();
        world.server_mut().kill();
        let _ = client.map(Child::wait);
        self.disk.come_back();
        self.world.as_mut().unwrap().restart_system();
        self.world.as_mut().unwrap().serve_at(&address, &[]);
    }
}

const PAGE_LEN: usize = 4096;

impl Drop for Machine {
    /// The world's folders are on the disk, so they are removed first.
    fn drop(&mut self) {
        drop(self.world.take());
    }
}
