//! Lines as users of rsync, scp, lftp and rclone type them first: they work, or are answered by what to type here.

use crate::support::assert_same;
use std::fs;
use tests::world::{Ran, World};

/// Makes the folder `photos`.
fn photos(world: &World) {
    let folder = world.local().join("photos/2026");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("cat.jpg"), "cat").unwrap();
    fs::write(folder.join("../notes.txt"), "hello").unwrap();
}

fn ran(world: &World, line: &str) -> Ran {
    let word = |word: &str| word.strip_prefix("work:").map_or(word.to_owned(), |path| world.url(path));
    world.client(line.split(' ').map(word))
}

#[test]
fn transfers_work_as_first_typed() {
    let world = World::serving();
    photos(&world);
    let sent = world.root().join("photos");
    for line in [
        "put -avzP photos work:",
        "put -avh --progress --partial photos work:",
        "put -a -z -v photos work:",
        "put -rtlp --bwlimit=10000 --stats photos work:",
        "put -avu --no-owner --no-group photos work:",
        "put -l 80000 -r photos work:",
        "mirror --checksum photos/ work:photos",
    ] {
        let ran = ran(&world, line);
        assert_eq!(ran.code, Some(0), "{line}: {}", ran.stderr);
        assert_same(&world.local().join("photos"), &sent);
        fs::remove_dir_all(&sent).unwrap();
    }
    let quiet = ran(&world, "put -aqz photos work:");
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
    let noted = ran(&world, "put -azP photos work:").stderr;
    let notes: Vec<&str> = noted.lines().filter(|line| line.contains("note: ")).collect();
    assert!(notes.len() == 1 && notes[0].contains("-z is not needed: data is compressed"), "{noted}");
    assert!(notes[0].contains("; -P is not needed"), "{noted}");
    fs::write(sent.join("old"), "").unwrap();
    let mirrored = world.client(["mirror", "-avz", "--delete-after", "photos", &world.url("photos")]);
    assert_eq!(mirrored.code, Some(0), "{}", mirrored.stderr);
    assert!(!sent.join("old").exists());
}

#[test]
fn a_rate_of_rsync_is_in_kib() {
    let world = World::serving();
    fs::write(world.local().join("file"), vec![7; 400 << 10]).unwrap();
    let slow = ran(&world, "put --compress never --bwlimit 200 --json file work:");
    let seconds = crate::support::event(&slow, "finished")["seconds"].as_f64().unwrap();
    assert!(slow.code == Some(0) && (1.0..20.0).contains(&seconds), "{seconds}");
}

#[test]
fn lines_that_cannot_be_are_answered() {
    let world = World::empty();
    photos(&world);
    for (line, expected) in [
        ("put -e ssh photos h:", "no ssh is needed, the server is ftpx://"),
        ("put --delete photos h:", "use mirror --delete SOURCE TARGET"),
        ("put --exclude *.tmp photos h:", "are for folders: add -r, or name the files"),
        ("put --inplace photos h:", "a file gets its name when it is complete"),
        ("put -P 2222 photos h:", "a port is written ftpx://[USER@]HOST:PORT/PATH"),
        ("ls -P 2222 h:", "a port is written ftpx://[USER@]HOST:PORT/PATH"),
        ("mirror -i photos h:", "'-i FILE' names a key; for rsync's -i, use mirror -n, or -v"),
        ("get --port 22 h:a", "a port is written ftpx://[USER@]HOST:PORT/PATH"),
        ("rsync -av photos h:", "type: ftp-client mirror SOURCE TARGET"),
        ("sync photos h:", "type: ftp-client mirror --delete SOURCE TARGET"),
        ("copy photos h:", "type: ftp-client put -r LOCAL REMOTE"),
        ("move h:a h:b", "type: ftp-client mv REMOTE REMOTE"),
        ("rename h:a h:b", "type: ftp-client mv REMOTE REMOTE"),
        ("lsd h:", "type: ftp-client ls -l REMOTE"),
        ("photos h:", "type: ftp-client put -r photos h:"),
        ("h:photos .", "type: ftp-client get -r h:photos ."),
        ("ann@h:", "type: ftp-client shell ann@h:"),
        ("help sync", "type: ftp-client mirror --delete SOURCE TARGET"),
    ] {
        let ran = world.client(line.split(' '));
        assert!(ran.code == Some(2) && ran.stderr.contains(expected), "{line}: {}", ran.stderr);
        assert!(!ran.stderr.contains("as a value"), "{line}: {}", ran.stderr);
    }
    let told = world.client(["sync", "--json", "a", "h:"]);
    assert!(told.text().contains("type: ftp-client mirror --delete SOURCE TARGET"), "{}", told.text());
}

#[test]
fn lines_of_scripts_are_understood_too() {
    let world = World::serving();
    photos(&world);
    let script = |line: &str| {
        fs::write(world.local().join("script"), format!("{line}\n")).unwrap();
        world.client(["script", "script", &world.url("")])
    };
    let sent = script("put -az photos");
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    assert!(sent.stderr.contains("script:1: note: -z is not needed"), "{}", sent.stderr);
    assert_same(&world.local().join("photos"), &world.root().join("photos"));
    for (line, expected) in [
        ("sync photos :photos", "type: mirror --delete SOURCE TARGET"),
        ("binary", "\"binary\" is not needed"),
        ("sftp h:", "type: open REMOTE"),
    ] {
        let ran = script(line);
        assert!(ran.code == Some(2) && ran.stderr.contains(expected), "{line}: {}", ran.stderr);
        assert!(!ran.stderr.contains("ftp-client mirror"), "{line}: {}", ran.stderr);
    }
}

#[test]
fn options_of_other_programs_are_in_no_help() {
    let world = World::empty();
    for words in [["put", "--help"], ["mirror", "--help"], ["man", "put"], ["completions", "elvish"]] {
        let text = world.check(words).text().replace('\\', "");
        for option in ["--archive", "--bwlimit", "--delete-after", "--partial"] {
            assert!(!text.contains(option), "{words:?}: {option}");
        }
    }
}
