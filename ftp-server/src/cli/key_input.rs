//! Reads keys from files of lines as in `authorized_keys` and `id_ed25519.pub`.

use super::failure::{OrUsage, usage};
use anyhow::Context;
use ftp_server::accounts::{AuthorizedKey, KeyLine};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// All keys of all files, each once.
pub(crate) fn keys(files: &[PathBuf]) -> anyhow::Result<Vec<KeyLine>> {
    let mut keys = Vec::new();
    for file in files {
        keys.extend(keys_of(file)?);
    }
    let mut known: Vec<String> =
        keys.iter().filter_map(|line| line.key().ok()).map(AuthorizedKey::fingerprint).collect();
    known.sort();
    match known.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(usage(format_args!("the key {} is given twice", pair[0]))),
        None => Ok(keys),
    }
}

fn keys_of(file: &Path) -> anyhow::Result<Vec<KeyLine>> {
    let text = read(file).with_context(|| format!("cannot read keys from {}", file.display())).or_usage()?;
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let keys: Vec<KeyLine> = lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            KeyLine::new(line).with_context(|| format!("{}, line {number}", file.display())).or_usage()
        })
        .collect::<anyhow::Result<_>>()?;
    if keys.is_empty() { Err(usage(format_args!("{} holds no key", file.display()))) } else { Ok(keys) }
}

fn read(file: &Path) -> io::Result<String> {
    let source: Box<dyn Read> =
        if file == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(file)?) };
    let mut text = String::new();
    if source.take(KEYS_LEN_MAX + 1).read_to_string(&mut text)? as u64 > KEYS_LEN_MAX {
        Err(io::Error::other(format!("it is longer than {KEYS_LEN_MAX} bytes")))
    } else {
        Ok(text)
    }
}

/// Enough for hundreds of keys; a longer file is the wrong one.
const KEYS_LEN_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = include_str!("../../../fixtures/keys/id_ed25519.pub");

    fn keys_in(text: &str) -> Result<usize, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, text).unwrap();
        keys(&[file.path().to_owned()]).map(|keys| keys.len()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_file_may_have_comments_and_many_keys_but_none_twice() {
        assert_eq!(keys_in(&format!("# mine\n\n{KEY}")), Ok(1));
        assert!(keys_in(&format!("{KEY}from=\"::1\" {KEY}")).unwrap_err().contains("twice"));
    }

    #[test]
    fn a_file_that_is_not_what_it_should_be_is_refused_with_its_line() {
        assert!(keys_in("\n").unwrap_err().contains("holds no key"));
        let error = keys_in(&format!("{KEY}command=\"x\" {KEY}")).unwrap_err();
        assert!(error.contains("line 2") && error.contains("`command`"), "{error}");
        assert!(keys_in("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n").unwrap_err().contains(".pub"));
    }
}
