//! Stores golden bytes: one file each in `fixtures/golden`, and most of them again in `PROTOCOL.md`.

use crate::parts::{Parts, parse};
use std::fs;
use std::path::{Path, PathBuf};

/// Golden bytes with a file.
#[derive(Debug, Clone)]
pub(crate) struct Golden {
    /// The file's name without its ending, and the name of the document's block.
    pub(crate) name: String,
    /// The point of the example.
    pub(crate) comment: &'static str,
    pub(crate) parts: Parts,
}

impl Golden {
    /// Returns the content of the file: two lines of comments, then the bytes.
    fn text(&self) -> String {
        format!("# {}\n# {}\n{}", self.name, self.comment, self.parts.render())
    }

    /// Compares bytes and comments with the file.
    pub(crate) fn check(&self) {
        let stored = read(&self.name);
        assert_eq!(parse(&stored), self.parts.bytes(), "bytes of {}; {HINT}", self.name);
        assert_eq!(stored, self.text(), "comments of {}; {HINT}", self.name);
    }
}

/// Rewrites the golden files and the document's blocks.
pub(crate) fn rewrite(goldens: &[Golden]) {
    fs::create_dir_all(folder()).unwrap();
    for name in names() {
        fs::remove_file(file(&name)).unwrap();
    }
    for golden in goldens {
        fs::write(file(&golden.name), golden.text()).unwrap();
    }
    let document = document();
    let mut pieces = document.split(FENCE);
    let mut rewritten = pieces.next().unwrap_or("").to_owned();
    for piece in pieces {
        let (name, _, after) = parts_of(piece);
        rewritten.extend([FENCE, name, "\n", &shown(name), after]);
    }
    fs::write(document_file(), rewritten).unwrap();
}

/// Names of all golden files, sorted.
pub(crate) fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = files
        .map(|name| name.strip_suffix(".hex").expect("fixtures/golden holds *.hex only").to_owned())
        .collect();
    names.sort();
    names
}

/// `PROTOCOL.md`.
pub(crate) fn document() -> String {
    fs::read_to_string(document_file()).unwrap()
}

/// Names and contents of the document's blocks of golden bytes.
pub(crate) fn blocks(document: &str) -> Vec<(&str, &str)> {
    document.split(FENCE).skip(1).map(parts_of).map(|(name, block, _)| (name, block)).collect()
}

/// Returns a golden file as the document shows it: without the two lines that name it.
pub(crate) fn shown(name: &str) -> String {
    read(name).split_inclusive('\n').skip(2).collect()
}

/// Splits the text after an opening fence into the block's name, its content, and the rest from the closing fence on.
fn parts_of(piece: &str) -> (&str, &str, &str) {
    let (name, rest) = piece.split_once('\n').expect("a block has lines");
    let (block, _) = rest.split_once("```").expect("a block ends");
    (name, block, &rest[block.len()..])
}

fn read(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{}: {error}; {HINT}", file(name).display()))
}

fn file(name: &str) -> PathBuf {
    folder().join(format!("{name}.hex"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/golden")
}

fn document_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("PROTOCOL.md")
}

const FENCE: &str = "```hex name=";
const HINT: &str = "if that is meant: UPDATE_GOLDEN=1";
