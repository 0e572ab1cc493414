//! With `-k`, lines that must not run, because the folder or the server that they are meant for was not reached.
//!
//! A line after a failed `cd` would do to the files of one folder what is meant for those of another. It is skipped, as is each further
//! one, until a line says where to go on from whatever the current folder is.

use crate::cli::line::Word;
use ftp_client::Error;
use std::os::unix::ffi::OsStrExt;

/// The lines that failed to change where others run; forgotten when a later one succeeds.
#[derive(Default)]
pub(super) struct FailedMoves {
    server: Option<usize>,
    folder: Option<usize>,
    local_folder: Option<usize>,
}

/// A change that a line makes for those after it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Server,
    Folder,
    LocalFolder,
}

impl Move {
    pub(super) fn of(word: &Word) -> Option<Self> {
        match word {
            Word::Open(_) => Some(Self::Server),
            Word::Cd(_) => Some(Self::Folder),
            Word::Lcd(_) => Some(Self::LocalFolder),
            Word::Command(_)
            | Word::Pwd(_)
            | Word::Lpwd(_)
            | Word::Lls(_)
            | Word::Limit(_)
            | Word::Lanes(_)
            | Word::Queue(_)
            | Word::Jobs(_)
            | Word::Wait(_)
            | Word::Kill(_)
            | Word::History(_)
            | Word::Exit(_) => None,
        }
    }

    /// The kind of line after which lines run again.
    fn remedy(self) -> &'static str {
        match self {
            Self::Server => "an `open`",
            Self::Folder => "a `cd` without a folder or to one that begins with /",
            Self::LocalFolder => "an `lcd` to a folder that begins with / or ~",
        }
    }
}

impl FailedMoves {
    /// Records the result of a line.
    pub(super) fn on_line(&mut self, moved: Option<Move>, number: usize, is_done: bool) {
        let failed = (!is_done).then_some(number);
        match moved {
            Some(Move::Server) if is_done => (self.server, self.folder) = (None, None),
            Some(Move::Server) => self.server = failed,
            Some(Move::Folder) => self.folder = failed,
            Some(Move::LocalFolder) => self.local_folder = failed,
            None => {}
        }
    }

    /// # Errors
    /// The line would run where it is not meant to.
    pub(super) fn check(&self, word: &Word) -> Result<(), Error> {
        let failed = [
            (Move::Server, self.server),
            (Move::Folder, self.folder),
            (Move::LocalFolder, self.local_folder),
        ];
        let missed = failed.into_iter().filter(|(place, _)| depends_on(word, *place));
        match missed.filter_map(|(place, line)| Some((place, line?))).next() {
            Some((place, line)) => Err(Error::Refused(format!(
                "skipped, as line {line} failed: lines run again after {} that succeeds",
                place.remedy()
            ))),
            None => Ok(()),
        }
    }
}

/// False for lines that mean the same wherever they run.
fn depends_on(word: &Word, place: Move) -> bool {
    match word {
        Word::Open(_) | Word::Exit(_) => false,
        Word::Cd(cd) => match place {
            Move::Server => true,
            Move::Folder => cd.folder.as_ref().is_some_and(|folder| !folder.as_bytes().starts_with(b"/")),
            Move::LocalFolder => false,
        },
        Word::Lcd(lcd) => {
            let begin = lcd.folder.as_bytes().first();
            place == Move::LocalFolder && !begin.is_some_and(|byte| b"/~".contains(byte))
        }
        Word::Command(_)
        | Word::Pwd(_)
        | Word::Lpwd(_)
        | Word::Lls(_)
        | Word::Limit(_)
        | Word::Lanes(_)
        | Word::Queue(_)
        | Word::Jobs(_)
        | Word::Wait(_)
        | Word::Kill(_)
        | Word::History(_) => true,
    }
}
