//! `.gitignore` files, read as rules of ours. In such a file the last pattern that matches decides, here the first rule does: so
//! the rules come in reverse.

/// The rules, `+ PATTERN` or `- PATTERN`, that decide as the file with this content does in the folder that is mirrored.
#[must_use]
pub fn rules_of_ignore_file(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut rules: Vec<Vec<u8>> = lines.flat_map(rules_of_line).collect();
    rules.reverse();
    rules
}

fn rules_of_line(line: &[u8]) -> Vec<Vec<u8>> {
    let line = without_trailing_spaces(line);
    let (kind, pattern) = match line {
        [] | [b'#', ..] => return Vec::new(),
        [b'!', pattern @ ..] => (b"+ ", pattern),
        [b'\\', rest @ ..] if rest.starts_with(b"#") || rest.starts_with(b"!") => (b"- ", rest),
        pattern => (b"- ", pattern),
    };
    let rule = |pattern: Vec<u8>| [&kind[..], &pattern].concat();
    patterns(pattern).into_iter().map(rule).collect()
}

/// Patterns of ours that together match what the pattern of an ignore file matches.
fn patterns(pattern: &[u8]) -> Vec<Vec<u8>> {
    let pattern = &with_single_stars(pattern)[..];
    let body = pattern.strip_suffix(b"/").unwrap_or(pattern);
    if body.is_empty() {
        return Vec::new();
    }
    let below = body.strip_prefix(b"**/").filter(|below| !below.contains(&b'/'));
    let anchored = match below {
        Some(_) => return patterns(&pattern[b"**/".len()..]), // at any depth, as without it
        None if body.contains(&b'/') => [b"/", pattern.strip_prefix(b"/").unwrap_or(pattern)].concat(),
        None => return vec![unescaped(pattern)],
    };
    with_and_without_folders(anchored, 0, FOLDERS_MAX).iter().map(|pattern| unescaped(pattern)).collect()
}

/// The pattern with each `/**/` from the place `from` on, and with a single `/` for it: it also stands for no folder at all.
fn with_and_without_folders(pattern: Vec<u8>, from: usize, at_most: usize) -> Vec<Vec<u8>> {
    let end = pattern.strip_suffix(b"/").unwrap_or(&pattern).len().max(from);
    let found = pattern[from..end].windows(4).position(|window| window == b"/**/").filter(|_| at_most > 0);
    let Some(at) = found.map(|at| from + at) else { return vec![pattern] };
    let without = [&pattern[..at], &pattern[at + 3..]].concat();
    let mut all = with_and_without_folders(pattern, at + 3, at_most - 1);
    all.extend(with_and_without_folders(without, at, at_most - 1));
    all
}

/// Within a name, several stars are one: here two of them would match slashes.
fn with_single_stars(pattern: &[u8]) -> Vec<u8> {
    let of_name = |name: &[u8]| {
        if name == b"**" {
            return name.to_vec();
        }
        let mut single = Vec::with_capacity(name.len());
        let mut is_star = false;
        let mut bytes = name.iter().copied();
        while let Some(byte) = bytes.next() {
            if byte != b'*' || !is_star {
                single.push(byte);
            }
            is_star = byte == b'*';
            if byte == b'\\' {
                single.extend(bytes.next());
            }
        }
        single
    };
    pattern.split(|byte| *byte == b'/').map(of_name).collect::<Vec<_>>().join(&b'/')
}

/// Most `/**/` of a pattern that stand for no folder too; each doubles the patterns.
const FOLDERS_MAX: usize = 4;

/// Here a backslash escapes only where there is a wildcard.
fn unescaped(pattern: &[u8]) -> Vec<u8> {
    if pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
        return pattern.to_vec();
    }
    let mut escaped = false;
    let is_kept = |byte: &&u8| {
        escaped = !escaped && **byte == b'\\';
        !escaped
    };
    pattern.iter().filter(is_kept).copied().collect()
}

/// Spaces at the end count only behind a backslash.
fn without_trailing_spaces(line: &[u8]) -> &[u8] {
    let mut line = line;
    while let [rest @ .., b' '] = line {
        if rest.ends_with(b"\\") {
            break;
        }
        line = rest;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::filter::FilterRules;
    use std::fs;
    use std::process::Command;
    use wire::RemotePath;

    const PATHS: &[&str] = &[
        "a.log",
        "b.tmp",
        "keep.log",
        "build/",
        "build/x",
        "src/",
        "src/a.log",
        "src/build/",
        "src/build/y",
        "doc/",
        "doc/a",
        "doc/deep/",
        "doc/deep/a",
        "doc/deep/er/",
        "doc/deep/er/a",
        "#x",
        "!y",
        "a b ",
        "z?z",
    ];

    /// True if the rules leave out the path or a folder that it is in.
    fn is_ignored(rules: &FilterRules, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]).filter(|at| *at > 0);
        ends.into_iter().any(|end| {
            let is_folder = path.len() > end;
            rules.hidden(&RemotePath::from_user(&path.as_bytes()[..end]).unwrap(), is_folder)
        })
    }

    #[test]
    fn files_are_ignored_as_git_does() {
        let folder = tempfile::tempdir().unwrap();
        let git = |words: &[&str]| Command::new("git").args(words).current_dir(folder.path()).output();
        if git(&["init", "-q"]).is_err() {
            return println!("skipped: git is not installed");
        }
        for path in PATHS {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if !path.to_str().unwrap().ends_with('/') {
                fs::write(path, "").unwrap();
            }
        }
        for text in [
            "*.log\n!keep.log\n",
            "build/\n",
            "/build\n",
            "doc/a\n",
            "doc/**/a\n",
            "**/a\n",
            "doc/**\n!doc/a\n",
            "# comment\n\\#x\n\\!y\n",
            "a b\\ \n*.tmp   \r\n",
            "*\n!src/\n!src/a.log\n",
            "deep/er\n",
            "**/deep/er\n",
            "[ab].*\n",
            "z\\?z\n",
            "/\n\n",
            "doc/**/\n",
            "doc/**/*\n",
            "src/**.log\n",
            "d**a\n",
            "**/deep/**/a\n",
            "**/doc/**/a\n",
            "doc/**/deep/**/a\n",
            "**/**/er\n",
            "a**g\n",
        ] {
            fs::write(folder.path().join(".gitignore"), text).unwrap();
            let mut rules = FilterRules::default();
            rules_of_ignore_file(text.as_bytes()).iter().for_each(|rule| rules.exclude(rule).unwrap());
            for path in PATHS.iter().filter(|path| !path.ends_with('/')) {
                let checked = git(&["check-ignore", "-q", "--no-index", &format!("./{path}")]).unwrap();
                assert_eq!(is_ignored(&rules, path), checked.status.success(), "{text:?}: {path}");
            }
        }
    }
}
