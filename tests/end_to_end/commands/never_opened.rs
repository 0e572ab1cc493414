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
        &["mirror", "--checksum", "folder", &folder],
        &["mirror", "--checksum", "-X", "--owner", &folder, "folder"],
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
