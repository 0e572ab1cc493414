//! The words of find(1), whose options have one dash and signs in their values.

use std::ffi::{OsStr, OsString};

/// Returns the words with find's tests as our options, where the command is `find`.
pub(super) fn translated(words: &[OsString]) -> Vec<OsString> {
    let Some(command) = words.iter().position(|word| word == "find") else { return words.to_vec() };
    let (mut ours, mut rest) = (words[..=command].to_vec(), &words[command + 1..]);
    while let [word, after @ ..] = rest {
        match (test(word), after) {
            (Some(test), [value, after @ ..]) => {
                ours.extend(test.option(&value.to_string_lossy()));
                rest = after;
            }
            (Some(_) | None, _) => {
                ours.push(word.clone());
                rest = after;
            }
        }
    }
    ours
}

/// A test of find(1) that has a value.
#[derive(Clone, Copy)]
enum FindTest {
    Name,
    Kind,
    Size,
    /// The letter of its unit.
    Age(char),
}

fn test(word: &OsStr) -> Option<FindTest> {
    Some(match word.to_str()? {
        "-name" | "-path" => FindTest::Name,
        "-type" => FindTest::Kind,
        "-size" => FindTest::Size,
        "-mtime" => FindTest::Age('d'),
        "-mmin" => FindTest::Age('m'),
        _ => return None,
    })
}

impl FindTest {
    /// Our options for the test. A value without a sign means just that size or age.
    fn option(self, value: &str) -> Vec<OsString> {
        let (more, less, unit) = match self {
            Self::Name => return vec![format!("--name={value}").into()],
            Self::Kind => return vec![format!("--type={value}").into()],
            Self::Size => ("--min-size", "--max-size", String::new()),
            Self::Age(unit) => ("--older-than", "--newer-than", unit.to_string()),
        };
        let one = |option: &str, number: &str| OsString::from(format!("{option}={number}{unit}"));
        match (value.strip_prefix('+'), value.strip_prefix('-')) {
            (Some(number), _) => vec![one(more, number)],
            (None, Some(number)) => vec![one(less, number)],
            (None, None) => vec![one(more, value), one(less, value)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let words: Vec<_> = translated(&words).into_iter().map(|word| word.into_string().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn tests_of_find_are_options() {
        assert_eq!(ours("c find h: -name *.gz -type f"), "c find h: --name=*.gz --type=f");
        assert_eq!(ours("find . -size +10M -mtime -7"), "find . --min-size=10M --newer-than=7d");
        assert_eq!(ours("find . -mmin +30 -size 0"), "find . --older-than=30m --min-size=0 --max-size=0");
        assert_eq!(ours("ls -name x"), "ls -name x");
        assert_eq!(ours("find h: -name"), "find h: -name");
    }
}
