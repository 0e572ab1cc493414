//! Sessions over a real sshd.

use crate::support::sshd::{Behaviour, SshWorld};
use crate::support::wait_until;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tests::world::{Ran, World, binaries};

/// Bytes that look random, so that nothing compresses them.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn write_tree(folder: &Path) {
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("one.txt"), "1").unwrap();
    fs::write(folder.join("sub/two.txt"), "2").unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    entries.map(|name| name.to_str().unwrap().to_owned()).collect()
}

const LARGE: usize = 12 << 20;

#[test]
fn files_and_folders_move_over_ssh_and_their_data_goes_beside_it() {
    let Some(there) = SshWorld::start(Behaviour::default()) else { return };
    let (local, home) = (there.world.local(), there.home());
    fs::write(local.join("large"), noise(LARGE)).unwrap();
    write_tree(&local.join("tree"));
    there.check(&["put", "-r", "large", "tree", "there:in/"]);
    assert_eq!(fs::read(home.join("in/large")).unwrap(), noise(LARGE));
    there.check(&["get", "-r", "there:in/", "back"]);
    assert_eq!(fs::read(local.join("back/large")).unwrap(), noise(LARGE));
    assert_eq!(fs::read(local.join("back/tree/sub/two.txt")).unwrap(), b"2");
    assert!(there.bytes_over_ssh() < LARGE as u64 / 8, "{} bytes went through ssh", there.bytes_over_ssh());
    assert_eq!(there.check(&["ls", "there:in/*/*.txt"]).text(), "tree/one.txt\n");
    there.check(&["mirror", "--delete", "back/", "there:in"]);
    assert_eq!(there.check(&["mirror", "-n", "--delete", "there:in", "back"]).text(), "");
    there.check(&["rm", "-r", "there:in"]);
    assert!(!home.join("in").exists());
}

#[test]
fn behind_a_firewall_all_data_goes_through_ssh() {
    let Some(there) = SshWorld::start(Behaviour { is_walled_off: true, ..Behaviour::default() }) else {
        return;
    };
    fs::write(there.world.local().join("large"), noise(LARGE)).unwrap();
    for connections in ["1", "2"] {
        let before = there.bytes_over_ssh();
        there.check(&[
            "put",
            "--overwrite=always",
            "--delta=never",
            "large",
            "there:copy",
            "--ssh-connections",
            connections,
        ]);
        there.check(&[
            "get",
            "--overwrite=always",
            "--delta=never",
            "there:copy",
            "back",
            "--ssh-connections",
            connections,
        ]);
        assert_eq!(fs::read(there.world.local().join("back")).unwrap(), noise(LARGE));
        let carried = there.bytes_over_ssh() - before;
        assert!(carried > 2 * LARGE as u64, "only {carried} bytes went through ssh");
    }
}

#[test]
fn paths_begin_at_home_and_name_the_whole_filesystem() {
    let Some(there) = SshWorld::start(Behaviour::default()) else { return };
    let (home, elsewhere) = (there.home(), there.world.state().join("elsewhere"));
    fs::create_dir(&elsewhere).unwrap();
    fs::write(home.join("here.txt"), "here").unwrap();
    fs::write(elsewhere.join("there.txt"), "there").unwrap();
    std::os::unix::fs::symlink(&elsewhere, home.join("link")).unwrap(); // absolute, and out of the home folder
    let url = format!("ssh://there{}/there.txt", elsewhere.display());
    for (path, content) in [
        ("there:here.txt", "here"),
        ("there:~/here.txt", "here"),
        ("ssh://there/~/here.txt", "here"),
        ("there:link/there.txt", "there"),
        (&format!("there:{}/there.txt", elsewhere.display()), "there"),
        (&url, "there"),
    ] {
        assert_eq!(there.check(&["cat", path]).text(), content, "{path}");
    }
    assert_eq!(there.check(&["tail", "-c", "2", "there:here.txt"]).text(), "re");
    assert_eq!(there.check(&["ls", "there:"]).text(), "here.txt\nlink\n");
    let missing = there.client(&["cat", "there:missing"]);
    assert_eq!(
        (missing.code, missing.stderr.as_str()),
        (Some(5), "ftp-client: ~/missing: no such file or folder\n")
    );
}

#[test]
fn what_a_shell_prints_and_which_it_is_does_no_harm() {
    let shells = ["sh", "bash", "fish", "tcsh", "zsh"];
    for shell in shells.iter().filter(|shell| Path::new("/usr/bin").join(shell).exists()) {
        let command = format!(
            "command=\"echo Welcome; printf 'no end'; exec {shell} -c \\\"$SSH_ORIGINAL_COMMAND\\\"\""
        );
        let behaviour = Behaviour { key_options: &command, is_walled_off: true, ..Behaviour::default() };
        let Some(there) = SshWorld::start(behaviour) else { return };
        fs::write(there.home().join("file"), shell).unwrap();
        there.check(&["get", "there:file", "."]);
        assert_eq!(fs::read_to_string(there.world.local().join("file")).unwrap(), *shell);
    }
}

#[test]
fn a_key_may_be_confined_to_a_folder_and_to_reading() {
    let (served, program) = (tempfile::tempdir().unwrap(), binaries().server.display());
    let command = format!(
        "command=\"{program} stdio --root {0} --access read --state {0}.state\",restrict",
        served.path().display()
    );
    let Some(there) = SshWorld::start(Behaviour { key_options: &command, ..Behaviour::default() }) else {
        return;
    };
    fs::write(served.path().join("file"), "confined").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", served.path().join("out")).unwrap();
    for path in ["there:file", "there:/file", "there:~/file"] {
        assert_eq!(there.check(&["cat", path]).text(), "confined", "{path}");
    }
    assert_eq!(there.client(&["cat", "there:/etc/passwd"]).code, Some(5));
    assert_eq!(there.client(&["cat", "there:out"]).text(), "");
    fs::write(there.world.local().join("new"), "new").unwrap();
    assert_eq!(there.client(&["put", "new", "there:"]).code, Some(4));
    assert!(!served.path().join("new").exists());
    let _ = fs::remove_dir_all(format!("{}.state", served.path().display()));
}

#[test]
fn a_host_without_the_server_is_told_of_with_what_helps() {
    let Some(there) = SshWorld::start(Behaviour { is_missing: true, ..Behaviour::default() }) else { return };
    let ran = there.client(&["ls", "there:"]);
    assert_eq!(ran.code, Some(3));
    assert!(
        ran.stderr.contains("ftp-server is not installed there") && ran.stderr.contains("--server-path"),
        "{}",
        ran.stderr
    );
    let program = binaries().server.display().to_string();
    there.check(&["ls", "there:", "--server-path", &program]);
    let ran = there.client(&["ls", "there:", "--server-path", "/no/such/program"]);
    assert_eq!(
        (ran.code, ran.stderr.contains("/no/such/program cannot be run there")),
        (Some(3), true),
        "{}",
        ran.stderr
    );
    let ran = there.client(&["ls", "there:", "--ssh-command", "/no/such/ssh"]);
    assert_eq!((ran.code, ran.stderr.contains("cannot run /no/such/ssh")), (Some(3), true), "{}", ran.stderr);
}

#[test]
fn the_program_is_brought_where_it_was_asked_for() {
    let Some(there) = SshWorld::start(Behaviour { is_missing: true, ..Behaviour::default() }) else { return };
    fs::write(there.home().join("file"), "content").unwrap();
    let file = format!("there:{}", there.home().join("file").display());
    assert_eq!(there.check(&["cat", &file, "--send-server"]).text(), "content");
    assert_eq!(names(&there.home().join(".local/bin")), ["ftp-server"]);
    let sent = fs::read(there.home().join(".local/bin/ftp-server")).unwrap();
    assert!(sent == fs::read(&binaries().server).unwrap(), "another program");
    assert_eq!(there.check(&["cat", &file]).text(), "content");
}

#[test]
fn what_is_for_standing_servers_is_refused() {
    let world = World::empty();
    let pin = format!("sha256:{}", "0f".repeat(32));
    for option in [["--token", "x"], ["--pin", &pin], ["--password-file", "/dev/null"]] {
        let ran = world.client(["ls", "there:", option[0], option[1]]);
        assert_eq!((ran.code, ran.stderr.contains("ssh decides")), (Some(2), true), "{}", ran.stderr);
    }
}

#[test]
fn a_jump_over_another_host_is_ssh_s_affair() {
    let Some(there) = SshWorld::start(Behaviour::default()) else { return };
    fs::write(there.home().join("file"), "behind").unwrap();
    assert_eq!(there.check(&["cat", "behind:file"]).text(), "behind");
}

#[test]
fn a_lost_connection_of_ssh_is_made_again() {
    for is_walled_off in [false, true] {
        let Some(there) = SshWorld::start(Behaviour { is_walled_off, ..Behaviour::default() }) else {
            return;
        };
        fs::write(there.world.local().join("large"), noise(LARGE)).unwrap();
        let mut put = there.client_command(&["put", "large", "there:copy", "--limit-rate", "8M"]);
        let put = put.stderr(Stdio::piped()).spawn().unwrap();
        wait_until("the upload has begun", || {
            names(&there.home()).iter().any(|name| name.starts_with(".ftpx-"))
        });
        there.break_connections();
        let ran = Ran::from(put.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stderr.contains("trying again"), "{}", ran.stderr);
        assert_eq!(fs::read(there.home().join("copy")).unwrap(), noise(LARGE));
        assert_eq!(names(&there.home()), ["copy"]);
    }
}

#[test]
fn the_server_ends_with_its_standard_input() {
    let mut server = Command::new(&binaries().server);
    let folder = tempfile::tempdir().unwrap();
    server.args(["stdio", "--state"]).arg(folder.path().join("state"));
    let ended = server.stdin(Stdio::null()).output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(ended.stdout.starts_with(b"\nftpx stdio 1\n"));
}

#[test]
fn what_would_empty_a_home_folder_or_leave_it_is_refused() {
    let Some(there) = SshWorld::start(Behaviour::default()) else { return };
    fs::write(there.home().join("kept"), "kept").unwrap();
    for line in [&["rm", "-r", "there:"][..], &["rm", "-r", "there:~"], &["mv", "there:~", "there:/tmp/x"]] {
        assert_eq!(there.client(line).code, Some(2), "{line:?}");
    }
    for path in ["there:../x", "there:/~/x", "ann;id@there:x", "-oProxyCommand=id@there:x"] {
        assert_eq!(there.client(&["ls", "--", path]).code, Some(2), "{path}");
    }
    fs::write(there.world.local().join("script"), "cd ..\nls\n").unwrap();
    assert_eq!(there.client(&["script", "script", "there:"]).code, Some(2));
    assert_eq!(fs::read(there.home().join("kept")).unwrap(), b"kept");
}

#[test]
fn backups_of_a_mirror_go_into_the_home_folder() {
    let Some(there) = SshWorld::start(Behaviour::default()) else { return };
    let (local, home) = (there.world.local(), there.home());
    write_tree(&local.join("tree"));
    for (round, backup) in ["there:old", "old", ":old", "there:~/old"].into_iter().enumerate() {
        fs::create_dir_all(home.join("copy")).unwrap();
        fs::write(home.join(format!("copy/gone{round}")), "gone").unwrap();
        there.check(&["mirror", "--delete", "--backup", backup, "tree", "there:copy"]);
        assert!(home.join(format!("old/gone{round}")).exists(), "{backup}");
    }
    assert!(!home.join("~").exists());
}
