//! Privacy and wholeness of the files in a state folder.

use super::*;
use std::os::unix::fs::PermissionsExt;

fn folder() -> (tempfile::TempDir, StateFolder) {
    let temp = tempfile::tempdir().unwrap();
    let folder = StateFolder::at(temp.path().join("state"));
    (temp, folder)
}

fn mode_of(path: &Path) -> u32 {
    permissions(&fs::metadata(path).unwrap())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn reading_a_folder_that_is_not_there_finds_nothing_and_makes_nothing() {
    let (_temp, folder) = folder();
    assert!(folder.read("users.toml", 100).unwrap().is_none());
    assert!(folder.stamp("users.toml").unwrap().is_none());
    assert!(!folder.path().exists());
}

#[test]
fn users_have_names() {
    assert_eq!(user_name(0), "root");
    assert_eq!(user_name(4_000_000_000), "4000000000");
}

#[test]
fn files_and_folder_are_private() {
    let (_temp, folder) = folder();
    let lock = folder.lock().unwrap();
    folder.replace(&lock, "secret", b"content").unwrap();
    assert_eq!(mode_of(folder.path()), 0o700);
    assert_eq!(mode_of(&folder.file("secret")), 0o600);
    assert_eq!(folder.read("secret", 100).unwrap().unwrap().text, "content");
}

#[test]
fn a_leftover_of_a_dead_run_is_no_obstacle() {
    let (_temp, folder) = folder();
    let lock = folder.lock().unwrap();
    fs::write(folder.file(".secret.new"), "half").unwrap();
    folder.replace(&lock, "secret", b"whole").unwrap();
    assert_eq!(folder.read("secret", 100).unwrap().unwrap().text, "whole");
    assert!(!folder.file(".secret.new").exists());
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let (_temp, folder) = folder();
    let lock = folder.lock().unwrap();
    folder.replace(&lock, "secret", b"content").unwrap();
    for mode in [0o640, 0o604, 0o620, 0o602] {
        set_mode(&folder.file("secret"), mode);
        assert!(matches!(folder.read("secret", 100), Err(StateError::TooOpen { .. })), "{mode:o}");
    }
}

#[test]
fn a_folder_that_others_may_write_is_refused() {
    let (_temp, folder) = folder();
    let lock = folder.lock().unwrap();
    folder.replace(&lock, "secret", b"content").unwrap();
    drop(lock);
    set_mode(folder.path(), 0o770);
    assert!(matches!(folder.lock(), Err(StateError::FolderTooOpen { .. })));
    assert!(matches!(folder.read("secret", 100), Err(StateError::FolderTooOpen { .. })));
}

#[test]
fn what_is_no_short_text_file_is_refused() {
    let (_temp, folder) = folder();
    let lock = folder.lock().unwrap();
    folder.replace(&lock, "long", b"0123456789").unwrap();
    folder.replace(&lock, "binary", &[0xff, 0xfe]).unwrap();
    fs::create_dir(folder.file("folder")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.file("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    for name in ["long", "binary", "folder", "pipe"] {
        assert!(matches!(folder.read(name, 9), Err(StateError::NotAFile { .. })), "{name}");
    }
}

#[test]
fn a_replaced_file_has_another_stamp() {
    let (_temp, folder) = folder();
    let lock = folder.lock().unwrap();
    folder.replace(&lock, "secret", b"same length 1").unwrap();
    let before = folder.read("secret", 100).unwrap().unwrap().stamp;
    assert_eq!(folder.stamp("secret").unwrap(), Some(before));
    folder.replace(&lock, "secret", b"same length 2").unwrap();
    assert_ne!(folder.stamp("secret").unwrap(), Some(before));
}
