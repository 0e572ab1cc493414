//! The table of other programs' commands, and what to type for them here.

use clap::Command;
use std::ffi::OsString;
use std::path::Path;

/// Commands of other programs that do the same job.
struct CommandRow {
    names: &'static [&'static str],
    answer: CommandAnswer,
}

/// The answer to a command that is not ours.
enum CommandAnswer {
    /// For this job, type one of these.
    Type(&'static str, &'static [&'static str]),
    /// It is not needed, for this reason.
    NotNeeded(&'static str),
}

const fn row(
    names: &'static [&'static str],
    job: &'static str,
    lines: &'static [&'static str],
) -> CommandRow {
    CommandRow { names, answer: CommandAnswer::Type(job, lines) }
}

const fn not_needed(names: &'static [&'static str], reason: &'static str) -> CommandRow {
    CommandRow { names, answer: CommandAnswer::NotNeeded(reason) }
}

/// All rows. A name that is a command of ours is never looked up.
static COMMANDS: &[CommandRow] = &[
    row(&["rsync"], "make a folder equal to another, or send one", &[MIRROR, PUT_R]),
    row(&["sync", "bisync"], "make a folder equal to another", &["mirror --delete SOURCE TARGET"]),
    row(&["cryptcheck", "diff", "cmp", "compare"], "see the differences", &["check SOURCE TARGET"]),
    row(&["copy", "copyto", "scp"], "send, fetch, or copy on the server", &[PUT_R, GET_R, CP]),
    row(
        &["move", "moveto", "rename", "ren"],
        "rename on the server, or remove what was sent",
        &["mv REMOTE REMOTE", "put --remove-source LOCAL REMOTE"],
    ),
    row(&["upload", "send", "mirror-up"], "send", &[PUT_R]),
    row(&["download", "fetch", "recv", "pget"], "fetch", &[GET_R]),
    row(&["reput"], "continue an interrupted transfer", &["put LOCAL REMOTE"]),
    row(&["reget"], "continue an interrupted transfer", &["get REMOTE LOCAL"]),
    row(&["rcat"], "send standard input", &["put - REMOTE"]),
    row(&["dir", "ll", "lsl", "lsd", "lsf", "list", "nlist"], "list a folder", &["ls -l REMOTE"]),
    row(&["tree", "lsjson"], "list a tree", &["ls -R REMOTE", "ls -R --json REMOTE"]),
    row(&["delete", "del", "unlink", "deletefile"], "remove a file", &["rm REMOTE"]),
    row(&["rmdir", "rmdirs", "purge"], "remove a folder with all that is in it", &["rm -r REMOTE"]),
    row(&["md", "mkdirs"], "make folders", &["mkdir -p REMOTE"]),
    row(&["less", "more", "type", "view", "head"], "read a file", &["cat REMOTE"]),
    row(
        &["md5sum", "sha1sum", "sha256sum", "hashsum", "cksum", "sum", "checksum"],
        "print checksums",
        &["hash REMOTE"],
    ),
    row(&["about", "free", "quota", "statvfs"], "see the free space", &["df REMOTE"]),
    row(&["size"], "see how much is in a folder", &["du -sh REMOTE"]),
    row(&["symlink", "link", "lns"], "make a link", &["ln -s TARGET REMOTE"]),
    row(&["bookmark", "config", "alias", "remote"], "name a server", &["profile add NAME REMOTE"]),
    row(&["ftp", "sftp", "lftp", "connect", "login", "user"], "type commands at a server", &["shell REMOTE"]),
    row(&["open", "cd", "pwd", "lcd"], "type commands at a server", &["shell REMOTE"]),
    row(&["batch", "source", "run"], "run commands from a file", &["script FILE REMOTE"]),
    row(&["watch"], "mirror changes as they happen", &["mirror --watch SOURCE TARGET"]),
    row(&["ping", "test", "bench", "speedtest"], "measure the way to a server", &["doctor REMOTE"]),
    row(&["serve"], "serve files", &["ftp-server serve"]),
    row(&["share"], "share a folder", &["ftp-server share FOLDER"]),
    row(&["version"], "see the version", &["--version"]),
    not_needed(&["binary", "bin", "image", "ascii"], "content is never converted"),
    not_needed(
        &["close", "disconnect"],
        "the connection ends with the command, and with `exit` in the shell",
    ),
    not_needed(&["passive", "epsv", "pasv"], "one port carries everything"),
    not_needed(&["prompt", "interactive"], "no command asks for each file"),
];

const MIRROR: &str = "mirror SOURCE TARGET";
const PUT_R: &str = "put -r LOCAL REMOTE";
const GET_R: &str = "get -r REMOTE LOCAL";
const CP: &str = "cp REMOTE REMOTE";

/// Returns what to type in place of another program's command.
pub(crate) fn answer_to_command(typed: &str, parser: &Command) -> Option<String> {
    let in_session = parser.is_no_binary_name_set();
    let row = COMMANDS.iter().find(|row| row.names.contains(&typed))?;
    Some(match row.answer {
        CommandAnswer::NotNeeded(reason) => format!("{typed:?} is not needed: {reason}"),
        CommandAnswer::Type(job, lines) => {
            let line = |line: &&str| {
                if line.starts_with("ftp-server") {
                    (*line).to_owned()
                } else if in_session {
                    line.replace("shell ", "open ")
                } else {
                    format!("ftp-client {line}")
                }
            };
            let lines: Vec<String> = lines.iter().map(line).collect();
            format!("{typed:?} is not a command here; to {job}, type: {}", lines.join("  or  "))
        }
    })
}

/// Returns what to type where a path stands in place of a command on a command line, as with scp and sftp.
pub(crate) fn answer_to_path(typed: &str, words: &[OsString], parser: &Command) -> Option<String> {
    let rest = words.iter().skip_while(|word| *word != typed).map(|word| word.to_str());
    let rest = rest.collect::<Option<Vec<_>>>().filter(|_| !parser.is_no_binary_name_set())?;
    let is_remote = |word: &str| word.split('/').next().is_some_and(|head| head.contains(':'));
    let lines = match &rest[..] {
        [one] if is_remote(one) => format!("ftp-client shell {one}  or  ftp-client ls {one}"),
        [first, second] if is_remote(first) && !is_remote(second) => {
            format!("ftp-client get -r {first} {second}")
        }
        [first, second] if is_remote(second) && Path::new(first).exists() => {
            format!("ftp-client put -r {first} {second}")
        }
        _ => return None,
    };
    Some(format!("{typed:?} is a path, not a command; type: {lines}"))
}

#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().flat_map(|row| row.names.iter().copied())
}
