//! Options that mean one thing in another program and another thing here. The word that follows tells which one is meant.

use std::ffi::{OsStr, OsString};

/// Returns the words with the options of rsync and scp as ours.
pub(super) fn translated(words: &[OsString]) -> Vec<OsString> {
    let Some(begin) = words.iter().position(|word| COMMANDS.iter().any(|command| word == command)) else {
        return words.to_vec();
    };
    let command = words[begin].to_string_lossy();
    let (mut ours, mut rest) = (words[..=begin].to_vec(), &words[begin + 1..]);
    while let [word, after @ ..] = rest {
        let (taken, translation) = translation(&command, word, after.first());
        rest = &after[taken..];
        match translation {
            Some(option) => ours.push(option.into()),
            None => ours.push(word.clone()),
        }
        if word == "--" {
            break;
        }
    }
    ours.extend_from_slice(rest);
    ours
}

/// Returns how many of the following words belong to an option, and what it means here; `None` if it stays as it is.
fn translation(command: &str, word: &OsStr, next: Option<&OsString>) -> (usize, Option<String>) {
    let next = next.and_then(|next| next.to_str()).unwrap_or_default();
    let number = next.parse::<u64>().ok();
    match (word.to_str(), command, number) {
        // scp's port; rsync's -P takes no value
        (Some("-P"), _, Some(port @ 1..=65_535)) => (1, Some(format!("--port={port}"))),
        // scp's limit in Kbit/s; elsewhere -l takes no value
        (Some("-l"), "get" | "put", Some(kilobits)) => {
            (1, Some(format!("--limit-rate={}", kilobits.saturating_mul(1024) / 8)))
        }
        // rsync's and rclone's, which takes no value
        (Some("--checksum"), "get" | "put" | "mirror", _) if !ALGORITHMS.contains(&next) => {
            (0, Some("-c".to_owned()))
        }
        (Some("-n" | "--lines"), "tail", _) if !next.is_empty() => (1, Some(format!("--lines={next}"))),
        (Some("-c" | "--bytes"), "tail", _) if !next.is_empty() => (1, Some(format!("--bytes={next}"))),
        (Some(word), "tail", _) => (0, lines_of_tail(word)),
        _ => (0, None),
    }
}

/// Returns our option for the number of lines that tail's users write as `-20`, or with -f as `-20f`.
fn lines_of_tail(word: &str) -> Option<String> {
    let number = word.strip_prefix('-')?;
    let (digits, option) = match number.strip_suffix(['f', 'F']) {
        Some(digits) => (digits, "-fn"),
        None => (number, "-n"),
    };
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| format!("{option}{digits}"))
}

/// Our commands that have such options.
const COMMANDS: [&str; 7] = ["get", "put", "mirror", "ls", "cat", "shell", "tail"];
/// The values of our own `--checksum`.
const ALGORITHMS: [&str; 2] = ["blake3", "sha256"];

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let words: Vec<_> = translated(&words).into_iter().map(|word| word.into_string().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn the_next_word_tells_what_is_meant() {
        assert_eq!(ours("c put -P 2222 a h:"), "c put --port=2222 a h:");
        assert_eq!(ours("c put -P a h:"), "c put -P a h:");
        assert_eq!(ours("c get -l 8000 h:a"), "c get --limit-rate=1024000 h:a");
        assert_eq!(ours("c ls -l 8000"), "c ls -l 8000");
        assert_eq!(ours("c mirror --checksum a h:a"), "c mirror -c a h:a");
        assert_eq!(ours("c mirror --checksum sha256 a h:a"), "c mirror --checksum sha256 a h:a");
        assert_eq!(ours("c mirror --checksum=sha256 a h:a"), "c mirror --checksum=sha256 a h:a");
        assert_eq!(ours("c put -- -P 2222"), "c put -- -P 2222");
        assert_eq!(ours("c rm -P 2222"), "c rm -P 2222");
        assert_eq!(ours("c tail -20 h:a"), "c tail -n20 h:a");
        assert_eq!(ours("c tail -20f h:a"), "c tail -fn20 h:a");
        assert_eq!(ours("c tail -f -n -5 h:a"), "c tail -f --lines=-5 h:a");
        assert_eq!(ours("c tail -c 20 h:a -f"), "c tail --bytes=20 h:a -f");
    }
}
