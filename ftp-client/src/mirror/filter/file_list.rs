//! The list of `--files-from`: exactly these, and the folders on the way to them.

use super::entries::{Separator, entries};
use wire::RemotePath;
use wire::escape::Escaped;
use wire::path::PathError;

/// The paths that were asked for by name, relative to the source, as `rsync -a --files-from` reads it.
///
/// - Slashes and `./` at the beginning are ignored.
/// - The folders above a listed path come along by themselves, without their other contents.
/// - A listed folder is the folder alone, as rsync does not recurse here, unless asked to. With a `/` or `/.` at its end, the entries
///   right in it come too, its folders empty; `.` stands for those of the source itself.
/// - `..` is refused. So is `/./` inside a path, by which rsync shortens the path on the target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileList {
    listed: Box<[ListedPath]>,
    /// Everything in a listed folder takes part.
    recursive: bool,
}

/// One listed path; they are sorted, and none is there twice.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ListedPath {
    path: RemotePath,
    with_entries: bool,
}

/// A line that names no path below the source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: path '{}': {fault}", Escaped(text))]
pub struct ListError {
    /// The line, or the number of the entry in a list with NULs; counted from 1.
    pub line: usize,
    /// Its text.
    pub text: Box<[u8]>,
    /// The reason why it is refused.
    pub fault: ListFault,
}

/// Why a text is no path of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListFault {
    /// `/./` inside.
    #[error("'/./' inside a path is not supported; list the path without it")]
    InnerDot,
    /// No path at all, or `..`.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl FileList {
    /// Reads a list whose content is `bytes`.
    ///
    /// # Errors
    /// Names the first line that is no path.
    pub fn parse(bytes: &[u8], separator: Separator) -> Result<Self, ListError> {
        let listed = entries(bytes, separator)
            .map(|(line, text)| listed(text).map_err(|fault| ListError { line, text: text.into(), fault }));
        let mut listed: Vec<ListedPath> = listed.collect::<Result<_, _>>()?;
        listed.sort_by(|a, b| a.path.cmp(&b.path));
        listed.dedup_by(|later, first| {
            let is_same = later.path == first.path;
            first.with_entries |= is_same && later.with_entries;
            is_same
        });
        Ok(Self { listed: listed.into(), recursive: false })
    }

    /// The same list, where everything in a listed folder takes part, as with rsync's `-r`.
    #[must_use]
    pub fn with_everything_below(self) -> Self {
        Self { recursive: true, ..self }
    }

    /// True if the entry at `path` takes part; the root always does.
    #[must_use]
    pub fn verdict(&self, path: &RemotePath, is_folder: bool) -> bool {
        (is_folder && self.is_parent(path)) || self.is_listed(path)
    }

    /// True if the folder at `path` is on the way to a listed path. As with rsync, it then comes along even where a
    /// rule excludes it, but only for a listed path that exists and is not excluded itself: see [`Self::retain`].
    #[must_use]
    pub fn is_parent(&self, path: &RemotePath) -> bool {
        // Depth-first order puts what lies below a path right behind it.
        let below = self.listed.partition_point(|listed| listed.path <= *path);
        path.is_root()
            || self.listed.get(below).is_some_and(|listed| listed.path.strip_prefix(path).is_some())
    }

    /// The listed paths below a folder, in their order.
    pub fn below(&self, folder: RemotePath) -> impl Iterator<Item = &RemotePath> {
        let begin = self.listed.partition_point(|listed| listed.path <= folder);
        self.listed[begin..]
            .iter()
            .map(|listed| &listed.path)
            .take_while(move |path| path.strip_prefix(&folder).is_some())
    }

    /// Forgets the listed paths for which `keep` says no. Rsync does so with those that do not exist, which it tells,
    /// and with those that the rules exclude; what it forgets takes no folders along.
    pub fn retain(&mut self, mut keep: impl FnMut(&RemotePath) -> bool) {
        let mut listed = std::mem::take(&mut self.listed).into_vec();
        listed.retain(|listed| keep(&listed.path));
        self.listed = listed.into();
    }

    /// True if `path` is listed itself, or is right in a folder listed with its entries.
    fn is_listed(&self, path: &RemotePath) -> bool {
        if self.recursive {
            let mut above = Some(path.clone());
            while let Some(folder) = above {
                if self.find(&folder).is_some() {
                    return true;
                }
                above = folder.split_last().map(|(parent, _)| parent);
            }
            return false;
        }
        let with_entries = |(parent, _)| self.find(&parent).is_some_and(|parent| parent.with_entries);
        self.find(path).is_some() || path.split_last().is_some_and(with_entries)
    }

    fn find(&self, path: &RemotePath) -> Option<&ListedPath> {
        let index = self.listed.binary_search_by(|listed| listed.path.cmp(path)).ok()?;
        self.listed.get(index)
    }
}

fn listed(text: &[u8]) -> Result<ListedPath, ListFault> {
    let names = text.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    let names: Vec<&[u8]> = names.skip_while(|name| *name == b".").collect();
    let (names, with_entries) = match &names[..] {
        [names @ .., b"."] if !text.ends_with(b"/") => (names, true),
        names => (names, names.is_empty() || text.ends_with(b"/")),
    };
    if names.contains(&&b"."[..]) {
        return Err(ListFault::InnerDot);
    }
    Ok(ListedPath { path: RemotePath::from_wire(&names.join(&b'/'))?, with_entries })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> FileList {
        FileList::parse(text.as_bytes(), Separator::Newline).unwrap()
    }

    /// A `/` at the end makes `path` a folder.
    fn takes(list: &FileList, path: &str) -> bool {
        list.verdict(&RemotePath::from_user(path.as_bytes()).unwrap(), path.ends_with('/'))
    }

    fn check(text: &str, taken: &[&str], others: &[&str]) {
        let list = list(text);
        for path in taken {
            assert!(takes(&list, path), "{text:?} should take {path}");
        }
        for path in others {
            assert!(!takes(&list, path), "{text:?} should not take {path}");
        }
    }

    #[test]
    fn parents_come_along_as_folders() {
        check("a/b/c\n", &["/", "a/", "a/b/", "a/b/c", "a/b/c/"], &["a", "a/b", "a/x", "a/b/c/d", "b"]);
    }

    #[test]
    fn a_listed_folder_is_alone_without_a_slash() {
        check("a\n", &["a/", "a"], &["a/b", "a/b/", "ab"]);
        check("a/\n", &["a/", "a/b", "a/b/"], &["a/b/c", "ab"]);
        check("a/.\n", &["a/", "a/b"], &["a/b/c"]);
        check("a\na/\na\n", &["a/b"], &["a/b/c"]);
        check(".\n", &["a", "b/"], &["b/c"]);
        check("/\n", &["a", "b/"], &["b/c"]);
    }

    #[test]
    fn what_begins_a_path_means_nothing() {
        for text in ["/a/b", "./a/b", "//a//b", "././a/b", "/./a/b\r\n"] {
            check(text, &["a/", "a/b"], &["b"]);
        }
    }

    #[test]
    fn neighbours_in_the_order_do_not_confuse() {
        check("a.b\na/z\na!\n", &["a.b", "a/", "a/z", "a!"], &["a", "a.b/c", "a!/c", "a/a"]);
        check("", &["/"], &["a", "a/"]);
    }

    #[test]
    fn names_with_line_ends_need_nuls() {
        let list = FileList::parse(b"a\nb\0c\r", Separator::Nul).unwrap();
        assert!(takes(&list, "a\nb") && takes(&list, "c\r") && !takes(&list, "a"));
    }

    #[test]
    fn what_is_forgotten_takes_no_folders_along() {
        let mut list = list("a/b/c\na/d/\n");
        list.retain(|path| path.as_bytes() != b"a/b/c");
        assert!(takes(&list, "a/") && takes(&list, "a/d/e"));
        assert!(!takes(&list, "a/b/") && !takes(&list, "a/b/c"));
    }

    #[test]
    fn paths_that_leave_or_bend_are_refused() {
        for (text, fault) in [
            ("..", ListFault::Path(PathError::Dots)),
            ("a/../b", ListFault::Path(PathError::Dots)),
            ("a/./b", ListFault::InnerDot),
            ("a/./", ListFault::InnerDot),
        ] {
            let error = FileList::parse(format!("#\n{text}").as_bytes(), Separator::Newline).unwrap_err();
            assert_eq!((error.line, error.fault), (2, fault), "{text}");
        }
        let error = FileList::parse(b"\x1b/..", Separator::Newline).unwrap_err().to_string();
        assert_eq!(error, r"line 1: path '\x1b/..': '.' and '..' are not allowed in a path");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for separator in [Separator::Newline, Separator::Nul] {
                if let Ok(list) = FileList::parse(&bytes, separator) {
                    prop_assert!(list.listed.iter().all(|listed| list.verdict(&listed.path, false)));
                }
            }
        }

        #[test]
        fn the_sorted_list_answers_as_a_search_of_all(
            lines in proptest::collection::vec("[ab.!]{1,2}(/[ab!]{1,2}){0,2}/?", 0..8),
            path in "[ab!]{1,2}(/[ab!]{1,2}){0,2}",
            is_folder: bool,
        ) {
            prop_assume!(lines.iter().all(|line| listed(line.as_bytes()).is_ok()));
            let all: Vec<ListedPath> = lines.iter().map(|line| listed(line.as_bytes()).unwrap()).collect();
            let path = RemotePath::from_user(path.as_bytes()).unwrap();
            let expected = all.iter().any(|listed| {
                let above = is_folder && listed.path.strip_prefix(&path).is_some();
                let within = listed.with_entries && path.split_last().unwrap().0 == listed.path;
                listed.path == path || above || within
            });
            prop_assert_eq!(list(&lines.join("\n")).verdict(&path, is_folder), expected);
        }
    }
}
