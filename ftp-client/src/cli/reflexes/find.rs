//! The words of find(1), whose options have one dash and signs in their values.

use std::ffi::{OsStr, OsString};

/// Returns the words with find's tests as our options, where the command is `find`.
pub(super) fn translated(words: &[OsString]) -> Vec<OsString> {
    let Some(command) = words.iter().position(|word| word == "find") else { return words.to_vec() };
    let (mut ours, mut rest) = (words[..=command].to_vec(), &words[command + 1..]);
    while let [word, after @ ..] = rest {
        match (test(word), after) {
            (Some(test), [value, after @ ..]) => {
                ours.extend(test.option(value));
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
    /// Our options for the test. A value without a sign means just that size, or an age up to one unit more.
    fn option(self, typed: &OsStr) -> Vec<OsString> {
        let with = |option: &str| [OsStr::new(option), typed].into_iter().collect();
        let value = typed.to_string_lossy();
        let (sign, number) = match value.split_at_checked(1) {
            Some((sign @ ("+" | "-"), number)) => (sign, number),
            Some(_) | None => ("", &*value),
        };
        let (more, less) = match self {
            Self::Name => return vec![with("--name=")],
            Self::Kind => return vec![with("--type=")],
            // More and less than the size are one byte away from it.
            Self::Size if sign.is_empty() => {
                (format!("--min-size={}", size(number)), format!("--max-size={}", size(number)))
            }
            Self::Size => {
                (format!("--min-size={}+1", size(number)), format!("--max-size={}-1", size(number)))
            }
            Self::Age(unit) => {
                let up_to =
                    number.parse().map_or(number.to_owned(), |age: u64| age.saturating_add(1).to_string());
                let up_to = if sign.is_empty() { &up_to } else { number };
                (format!("--older-than={number}{unit}"), format!("--newer-than={up_to}{unit}"))
            }
        };
        let options = match sign {
            "+" => vec![more],
            "-" => vec![less],
            _ => vec![more, less],
        };
        options.into_iter().map(OsString::from).collect()
    }
}

/// A size of find(1) in our spelling: without a unit it counts blocks, and `c` means bytes.
fn size(number: &str) -> String {
    match number.parse::<u64>() {
        Ok(blocks) => blocks.saturating_mul(BLOCK_LEN).to_string(),
        Err(_) => number.strip_suffix('c').unwrap_or(number).to_owned(),
    }
}

const BLOCK_LEN: u64 = 512;

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
        assert_eq!(ours("find . -size +10M -mtime -7"), "find . --min-size=10M+1 --newer-than=7d");
        assert_eq!(
            ours("find . -mmin 30 -size 0"),
            "find . --older-than=30m --newer-than=31m --min-size=0 --max-size=0"
        );
        assert_eq!(ours("find . -size +3 -size -9c"), "find . --min-size=1536+1 --max-size=9-1");
        assert_eq!(ours("ls -name x"), "ls -name x");
        assert_eq!(ours("find h: -name"), "find h: -name");
    }
}
