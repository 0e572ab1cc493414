//! Pipes and devices are examined and never opened: opening one may rewind a tape, start a watchdog or hang.

use rustix::fs::{CWD, FileType, Mode, inotify, mknodat};
use rustix::io::Errno;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use tests::world::World;

/// A pipe, with a watch that reports whether it is opened.
struct Pipe {
    path: PathBuf,
    watch: OwnedFd,
}

impl Pipe {
    fn new(folder: &Path) -> Self {
        let path = folder.join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&watch, &path, inotify::WatchFlags::OPEN).unwrap();
        Self { path, watch }
    }

    fn is_opened(&self) -> bool {
        match rustix::io::read(&self.watch, &mut [0; 256]) {
            Err(Errno::AGAIN) => false,
            other => other.map(|_| true).unwrap(),
        }
    }
}

#[test]
fn no_command_opens_a_pipe() {
    let world = World::serving();
    let [there, here] = [world.root(), world.local()].map(|folder| folder.join("folder"));
    let pipes = [&there, &here].map(|folder| {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("file"), "a").unwrap();
        symlink("pipe", folder.join("link")).unwrap();
        Pipe::new(folder)
    });
    let [folder, pipe, link] = ["folder", "folder/pipe", "folder/link"].map(|path| world.url(path));
    let runs: &[&[&str]] = &[
        &["hash", &pipe],
        &["hash", &link],
        &["stat", &pipe],
        &["stat", &link],
        &["cat", &link],
        &["get", &pipe, "got"],
        &["get", "-r", &folder, "tree"],
        &["put", "folder/pipe", &world.url("got")],
        &["put", "folder/link", &world.url("got")],
        &["put", "-r", "folder", &world.url("tree")],
        &["put", "--unless-same", "folder/link", &folder],
        &["mirror", "--compare=digest", "folder", &folder],
        &["mirror", "--compare=digest", "-X", "--owner", &folder, "folder"],
        &["ls", "-l", "-R", &folder],
        &["chmod", "640", &pipe],
        &["touch", "-d", "2001-09-09T01:46:40Z", &pipe],
    ];
    for words in runs {
        let ran = world.client(words.iter());
        for pipe in &pipes {
            assert!(!pipe.is_opened(), "{words:?} opened {}: {}", pipe.path.display(), ran.stderr);
        }
    }
    let changed = fs::metadata(&pipes[0].path).unwrap();
    assert_eq!((changed.mode() & 0o7777, changed.mtime()), (0o640, 1_000_000_000));
    fs::File::options().read(true).write(true).open(&pipes[1].path).unwrap();
    assert!(pipes[1].is_opened(), "the watch works");
}

/// In a namespace of mounts: `/dev` of this machine stays as it is.
#[test]
fn names_of_streams_and_devices_are_never_replaced() {
    let world = World::serving();
    fs::write(world.root().join("file"), "content").unwrap();
    fs::write(world.root().join("stdout"), "content").unwrap();
    fs::create_dir(world.local().join("tree")).unwrap();
    let script = "mount -t tmpfs tmpfs /dev && mkdir /dev/shm && ln -s /proc/self/fd /dev/fd && mknod /dev/null c 1 3 \
                  && ln -s /proc/self/fd/1 /dev/stdout || exit 99
                  \"$@\" </dev/null; code=$?
                  [ -h /dev/stdout ] && [ -c /dev/null ] || code=98
                  exit $code";
    let url = |name: &str| world.url(name);
    for (words, code) in [
        (vec!["get", &url("file"), "/dev/stdout"], 2),
        (vec!["get", "-o", "/dev/fd/7", &url("file")], 1),
        (vec!["get", &url("stdout"), "/dev"], 1),
        (vec!["get", &url("stdout"), &url("file"), "/dev"], 1),
        (vec!["get", &url("file"), "/dev/null"], 1),
        (vec!["mirror", "--plan", "/dev/stdout", "tree", &url("tree")], 8),
        (vec!["mirror", "--plan", "/dev/null", "tree", &url("tree")], 8),
        (vec!["profile", "add", "--config", "/dev/null", "x", &url("")], 8),
        (vec!["get", "-o", "/dev/stdout", &url("file")], 0),
        (vec!["get", &url("file"), "/dev/shm/file"], 0),
    ] {
        let client = world.client_command(&words);
        let mut command = std::process::Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]).arg(client.get_program()).args(client.get_args());
        command.current_dir(world.local()).env_clear();
        command.envs(client.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let Ok(ran) = command.output() else { return println!("skipped: there is no unshare") };
        let ran = tests::world::Ran::from(ran);
        if ran.code == Some(99) || ran.stderr.contains("unshare failed") {
            return println!("skipped: no namespaces of mounts: {}", ran.stderr);
        }
        assert_ne!(ran.code, Some(98), "{words:?} replaced a name of the system: {}", ran.stderr);
        assert_eq!(ran.code, Some(code), "{words:?}: {}", ran.stderr);
        assert_eq!(ran.text() == "content", words.contains(&"/dev/stdout") && code == 0, "{words:?}");
    }
}
