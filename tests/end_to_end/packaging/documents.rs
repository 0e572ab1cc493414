//! Checks the documents: their examples, that their links lead somewhere, and that the files they name exist.

use std::fs;
use std::path::{Path, PathBuf};

/// All documents, by their paths in the repository.
const ALL: [&str; 11] = [
    "README.md",
    "CHANGELOG.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
    "ftp-client/README.md",
    "ftp-client/EVENTS.md",
    "ftp-server/README.md",
    "ftp-server/SECURITY.md",
    "tests/README.md",
    "wire/ARCHITECTURE.md",
    "wire/PROTOCOL.md",
];

/// The documents with commands that users may type.
const WITH_EXAMPLES: [&str; 4] =
    ["README.md", "ftp-client/README.md", "ftp-client/EVENTS.md", "ftp-server/README.md"];

/// Longest README, in bytes: a hurried person reads it to the end.
const README_LEN_MAX: usize = 10 * 1024;

/// Returns the repository's top folder.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads a document.
pub(crate) fn read(document: &str) -> String {
    fs::read_to_string(top().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

/// Returns the commands at the `$` of a document's consoles.
pub(crate) fn examples_of(document: &str) -> Vec<String> {
    let text = read(document);
    let fenced = text.split("```console\n").skip(1).map(|block| block.split("```").next().unwrap());
    fenced.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ").map(str::to_owned)).collect()
}

/// Returns the examples of all documents, each once.
pub(crate) fn examples() -> Vec<String> {
    let mut examples: Vec<String> = WITH_EXAMPLES.into_iter().flat_map(examples_of).collect();
    examples.sort();
    examples.dedup();
    examples
}

/// Returns the targets of a text's links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// Returns the anchors of a document's headings, as repository hosts make them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim_start().to_lowercase();
        let kept = words.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    };
    headings.map(anchor).collect()
}

/// Returns the code spans of a text that name a file or a folder of the repository.
fn named_files(text: &str) -> impl Iterator<Item = &str> {
    let spans = text
        .lines()
        .filter(|line| !line.starts_with("    "))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let folders = ["wire/", "ftp-client/", "ftp-server/", "tests/", "fixtures/", ".ci/"];
    spans.filter(move |span| {
        folders.iter().any(|folder| span.starts_with(folder)) && !span.contains([' ', '*', '…'])
    })
}

#[test]
fn links_lead_somewhere() {
    for document in ALL {
        let text = read(document);
        for link in links(&text).filter(|link| !link.starts_with("http")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = Path::new(document).parent().unwrap().join(file);
            let target = if file.is_empty() { PathBuf::from(document) } else { path };
            assert!(top().join(&target).exists(), "{document}: {link} leads nowhere");
            let has_anchor =
                anchor.is_empty() || anchors(&read(target.to_str().unwrap())).iter().any(|one| one == anchor);
            assert!(has_anchor, "{document}: {link} has no such heading");
        }
    }
}

#[test]
fn files_that_documents_name_exist() {
    for document in ALL {
        for file in named_files(&read(document)) {
            let beside = top().join(document).with_file_name(file);
            assert!(
                top().join(file).exists() || beside.exists(),
                "{document} names {file}, which does not exist"
            );
        }
    }
}

/// Drawings name files by the end of their paths.
#[test]
fn files_that_drawings_name_exist() {
    let mut sources = Vec::new();
    ["wire", "ftp-client", "ftp-server"]
        .into_iter()
        .for_each(|folder| add_sources(&top().join(folder), &mut sources));
    let text = read("wire/ARCHITECTURE.md");
    let drawings = text.lines().filter(|line| line.starts_with("    "));
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_/.".contains(letter);
    let words = drawings.flat_map(|line| line.split(|letter| !is_part(letter)));
    let named: Vec<&str> = words.filter(|word| word.ends_with(".rs")).collect();
    assert!(named.len() > 20, "the drawings name few files: {named:?}");
    for file in named {
        assert!(
            sources.iter().any(|source| source.ends_with(file)),
            "a drawing names {file}, which does not exist"
        );
    }
}

/// Adds the Rust files of a folder and below it.
fn add_sources(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            add_sources(&entry, sources);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            sources.push(entry);
        }
    }
}

#[test]
fn the_readme_is_short() {
    let len = read("README.md").len();
    assert!(len <= README_LEN_MAX, "README.md has {len} bytes; {README_LEN_MAX} are allowed");
}
