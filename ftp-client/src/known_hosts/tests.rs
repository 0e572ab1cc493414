use super::*;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

struct World {
    folder: TempDir,
    hosts: KnownHosts,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hosts = KnownHosts::at(folder.path().join("made/known_hosts"));
        Self { folder, hosts }
    }

    fn with(text: &str) -> Self {
        let world = Self::new();
        world.hosts.append("#").unwrap();
        fs::write(world.hosts.path(), text).unwrap();
        world
    }

    fn text(&self) -> String {
        fs::read_to_string(self.hosts.path()).unwrap()
    }

    fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.folder.path().join(path)).unwrap().permissions().mode() & 0o777
    }
}

fn known(host: &str, port: u16, key: u8) -> KnownHost {
    KnownHost { host: host.to_owned(), port, key: [key; 32] }
}

#[test]
fn no_file_knows_nobody() {
    let world = World::new();
    assert_eq!(world.hosts.list().unwrap(), []);
    assert_eq!(world.hosts.find("host", 1).unwrap(), None);
    assert!(!world.hosts.remove("host", 1).unwrap());
    assert!(!world.hosts.path().exists());
}

#[test]
fn what_is_added_is_found_and_private() {
    let world = World::new();
    world.hosts.add(&known("host", 5, 1)).unwrap();
    world.hosts.add(&known("::1", 5, 2)).unwrap();
    world.hosts.add(&known("host", 5, 1)).unwrap();
    assert_eq!(world.hosts.list().unwrap(), [known("host", 5, 1), known("::1", 5, 2)]);
    assert_eq!(world.hosts.find("HOST", 5).unwrap(), Some([1; 32]));
    assert_eq!(world.hosts.find("host", 6).unwrap(), None);
    assert_eq!((world.mode("made"), world.mode("made/known_hosts")), (0o700, 0o600));
    assert!(world.text().contains(&format!("[::1]:5 sha256:{}\n", "02".repeat(32))));
}

#[test]
fn another_key_is_never_added() {
    let world = World::new();
    world.hosts.add(&known("host", 5, 1)).unwrap();
    assert!(world.hosts.add(&known("host", 5, 2)).is_err());
    assert_eq!(world.hosts.find("host", 5).unwrap(), Some([1; 32]));
}

#[test]
fn comments_and_a_missing_newline_survive() {
    let line = known("a", 1, 1).line();
    let world = World::with(&format!("# mine\n\n{line}"));
    world.hosts.add(&known("b", 1, 2)).unwrap();
    assert!(world.hosts.remove("a", 1).unwrap());
    assert_eq!(world.text(), format!("# mine\n\n{}\n", known("b", 1, 2).line()));
    assert_eq!(fs::read_dir(world.folder.path().join("made")).unwrap().count(), 1);
}

#[test]
fn a_malformed_line_is_named() {
    let good = known("a", 1, 1).line();
    for bad in
        ["host", "host:5", "host:5 md5:00", "host:x sha256:00", &format!("{good} more"), "a:1 sha256:0"]
    {
        let world = World::with(&format!("{good}\n{bad}\n"));
        let error = world.hosts.find("a", 1).unwrap_err();
        assert!(error.to_string().contains("made/known_hosts: line 2 "), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    let world = World::with("");
    for (mode, fine) in [(0o644, true), (0o664, false), (0o602, false)] {
        fs::set_permissions(world.hosts.path(), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(world.hosts.list().is_ok(), fine, "{mode:o}");
    }
}

/// Otherwise a changed key would look like that of an unknown server later. What is sealed opens as others do, and takes no byte.
#[test]
fn a_server_that_cannot_be_written_down_is_an_error() {
    let sealed = memfd_create("known_hosts", MemfdFlags::ALLOW_SEALING).unwrap();
    fcntl_add_seals(&sealed, SealFlags::WRITE).unwrap();
    let hosts = KnownHosts::at(format!("/proc/self/fd/{}", sealed.as_raw_fd()));
    assert!(hosts.append("line").is_err());
}

#[test]
fn only_the_server_that_is_meant_is_forgotten() {
    let world = World::new();
    for (host, port) in [("a", 1), ("a", 2), ("b", 1)] {
        world.hosts.add(&known(host, port, 1)).unwrap();
    }
    assert!(!world.hosts.remove("b", 2).unwrap());
    assert!(world.hosts.remove("A", 1).unwrap());
    assert_eq!(world.hosts.list().unwrap(), [known("a", 2, 1), known("b", 1, 1)]);
}

/// Somebody may have written the file by hand.
#[test]
fn of_several_lines_for_one_server_the_first_counts() {
    let lines = [known("a", 1, 1), known("a", 1, 2)].map(|known| known.line()).join("\n");
    assert_eq!(World::with(&lines).hosts.find("a", 1).unwrap(), Some([1; 32]));
}
