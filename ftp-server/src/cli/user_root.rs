//! The root folder of a new user: it must be there, or a person is asked to make it.

use super::failure::usage;
use super::setup::{absolute, existing_folder};
use anyhow::Context;
use std::fs;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// The root folder of a new user.
pub(crate) struct NewRoot {
    path: PathBuf,
    is_missing: bool,
}

impl NewRoot {
    /// Checks the folder. If it is missing, asks whether it shall be made; nothing is made yet.
    pub(crate) fn choose(typed: &Path) -> anyhow::Result<Self> {
        let path = absolute(typed)?;
        if path.exists() {
            return Ok(Self { path: existing_folder(typed)?, is_missing: false });
        }
        let shown = path.display();
        if ask(&format!("The folder {shown} does not exist. Make it?"))? {
            Ok(Self { path, is_missing: true })
        } else {
            Err(usage(format_args!(
                "the folder {shown} does not exist; make it first: mkdir -p {}",
                quoted(typed)
            )))
        }
    }

    /// Makes a missing folder.
    pub(crate) fn into_folder(self) -> anyhow::Result<PathBuf> {
        if self.is_missing {
            fs::create_dir_all(&self.path)
                .with_context(|| format!("cannot make the folder {}", self.path.display()))?;
        }
        Ok(self.path)
    }
}

/// Asks a person at the terminal; without one, the answer is no.
fn ask(question: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    let Ok(mut terminal) = fs::File::options().read(true).write(true).open("/dev/tty") else {
        return Ok(false);
    };
    write!(terminal, "{question} (yes/no) ")?;
    let mut answer = String::new();
    BufReader::new(terminal).read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "yes" | "y"))
}

/// The path as a word that a shell takes.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.chars().all(|letter| letter.is_alphanumeric() || "/._-+~".contains(letter));
    if is_plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_can_be_copied() {
        assert_eq!(quoted(Path::new("srv/ann-1")), "srv/ann-1");
        assert_eq!(quoted(Path::new("it's here")), r"'it'\''s here'");
    }
}
