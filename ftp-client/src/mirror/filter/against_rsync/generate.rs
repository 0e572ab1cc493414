//! Random trees, rules and lists. Names are few and alike, so that patterns made from them often match.

use super::Given;
use super::walk::Tree;
use crate::mirror::filter::Separator;
use std::time::{SystemTime, UNIX_EPOCH};

/// A source of random choices that a seed repeats.
pub(super) struct Generator(u64);

pub(super) fn fresh_seed() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |now| now.as_secs() ^ u64::from(now.subsec_nanos()))
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// 0 to `count` - 1. The generator is SplitMix64 (Steele, Lea and Flood, 2014).
    pub(super) fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % count
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        let index = self.below(from.len() as u64);
        from[usize::try_from(index).unwrap()]
    }

    pub(super) fn name(&mut self) -> &'static [u8] {
        self.pick(NAMES)
    }

    pub(super) fn separator(&mut self) -> Separator {
        if self.one_in(2) { Separator::Nul } else { Separator::Newline }
    }

    pub(super) fn rules(&mut self, tree: &Tree) -> Vec<Given> {
        (0..=self.below(5)).map(|_| self.given(tree)).collect()
    }

    fn given(&mut self, tree: &Tree) -> Given {
        let pattern = self.pattern(tree);
        match self.below(12) {
            0..5 => Given::Exclude(pattern),
            5..8 => Given::Include(pattern),
            8 => Given::Exclude([b"+ ", &pattern[..]].concat()),
            9 => Given::Include([b"- ", &pattern[..]].concat()),
            10 => Given::Filter([self.pick(KINDS), &pattern[..]].concat()),
            _ => Given::Exclude(self.pick(&[&b"!"[..], b"!a", b""]).to_vec()),
        }
    }

    pub(super) fn rule_file(&mut self, tree: &Tree, separator: Separator) -> Vec<u8> {
        self.file(separator, |random| match random.below(12) {
            0 => random.pick(&[&b"# - *"[..], b"; - *", b"", b"!", b"clear"]).to_vec(),
            _ => [random.pick(KINDS), &random.pattern(tree)[..]].concat(),
        })
    }

    pub(super) fn file_list(&mut self, tree: &Tree, separator: Separator) -> Vec<u8> {
        self.file(separator, |random| match random.below(10) {
            0 => {
                random.pick(&[&b"#a"[..], b";b", b"", b"/", b".", b"./", b"missing", b"a/missing/"]).to_vec()
            }
            _ => {
                let start: &[u8] = random.pick(&[&b""[..], b"", b"/", b"./", b"//", b"././"]);
                let path = random.path(tree).to_vec();
                [start, &path, random.pick(&[&b""[..], b"", b"/", b"/."])].concat()
            }
        })
    }

    /// Without a number, rsync takes a unit for 0 of it; that is an error here, and left out.
    pub(super) fn size(&mut self) -> String {
        let number = self.pick(&["0", "1", "7", "1.5", ".25", "2.", "1024", "0.001", "3.75", "-1", "1.2.3"]);
        let unit =
            self.pick(&["", "b", "k", "K", "kb", "KiB", "m", "MB", "g", "gib", "t", "p", "x", "kx", " k"]);
        let offset = self.pick(&["", "", "+1", "-1", "+2"]);
        format!("{number}{unit}{offset}")
    }

    fn file(&mut self, separator: Separator, mut entry: impl FnMut(&mut Self) -> Vec<u8>) -> Vec<u8> {
        let mut file = Vec::new();
        for _ in 0..=self.below(6) {
            file.extend(entry(self));
            file.extend(match separator {
                Separator::Nul => &b"\0"[..],
                Separator::Newline => self.pick(&[&b"\n"[..], b"\n", b"\r\n", b"\n\n"]),
            });
        }
        file
    }

    fn path<'a>(&mut self, tree: &'a Tree) -> &'a [u8] {
        let index = self.below(tree.0.len() as u64);
        tree.0.keys().nth(usize::try_from(index).unwrap()).unwrap()
    }

    /// A pattern that may match something of `tree`: a piece of one of its paths, spoiled.
    fn pattern(&mut self, tree: &Tree) -> Vec<u8> {
        if self.one_in(6) {
            return self.pick(PATTERNS).to_vec();
        }
        let path = self.path(tree);
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let first = usize::try_from(self.below(names.len() as u64)).unwrap();
        let anchored = first == 0 && self.one_in(3);
        let mut pattern = if anchored { b"/".to_vec() } else { Vec::new() };
        let spoil = !self.one_in(3);
        for byte in names[first..].join(&b'/') {
            if spoil && self.one_in(3) { self.spoil(byte, &mut pattern) } else { pattern.push(byte) }
        }
        pattern.extend(self.pick(&[
            &b""[..],
            b"",
            b"",
            b"/",
            b"*",
            b"**",
            b"/*",
            b"/**",
            b"/***",
            b"***",
            b"//",
        ]));
        // A rule without a pattern is an error in rsync since 3.2.5.
        if matches!(&pattern[..], b"" | b"+ " | b"- ") {
            pattern.push(b'a');
        }
        pattern
    }

    fn spoil(&mut self, byte: u8, pattern: &mut Vec<u8>) {
        match self.below(8) {
            0..5 if byte == b'/' => pattern.extend(self.pick(&[b"[!a]", b"[/a]", b"[^b]"])),
            0 => pattern.push(b'?'),
            1 => pattern.push(b'*'),
            2 => pattern.extend(b"**"),
            3 => pattern.extend([b'\\', byte]),
            4 => pattern.extend([b'[', byte, b'a', b']']),
            5 => pattern.extend(self.pick(BRACKETS)),
            6 => pattern.extend(b"*/"),
            _ => {}
        }
    }
}

const NAMES: &[&[u8]] = &[
    b"a",
    b"b",
    b"ab",
    b"aab",
    b"a.o",
    b"b.o",
    b"A",
    b"1",
    b"a b",
    b" a",
    b"a ",
    b"-a",
    b"- a",
    b"+ b",
    b"!",
    b"!a",
    b"#a",
    b";b",
    b"*",
    b"?",
    b"[a]",
    b"[",
    b"a]",
    b"\\",
    b"a\\b",
    b"**",
    b"\xff",
    b"a\xfe",
    b"\xc3\xa4",
    b"...",
    b".a",
];

/// Brackets of all kinds, and what only looks like one.
const BRACKETS: &[&[u8]] = &[
    b"[ab]",
    b"[a-z]",
    b"[!a]",
    b"[^a-b]",
    b"[]a]",
    b"[!]a]",
    b"[a-]",
    b"[-a]",
    b"[z-a]",
    b"[[:alpha:]]",
    b"[![:alpha:]]",
    b"[[:digit:][:punct:]]",
    b"[[:space:]a]",
    b"[[:print:]]",
    b"[[:a]",
    b"[[:word:]]",
    b"[[::]]",
    b"[/a]",
    b"[\\]a]",
    b"[a\\-z]",
    b"[\\a-\\c]",
    b"[a",
    b"[",
    b"[[:alpha:]",
    b"[\x80-\xff]",
    b"[+--]",
    b"[a-c-e]",
];

const PATTERNS: &[&[u8]] = &[
    b"*", b"**", b"***", b"*/", b"/*", b"/", b"//", b"**/a", b"a/**", b"a/***", b"/a/**/b", b"*.o", b"/*/",
    b"*/*", b"**a", b"/**a", b"**/", b"a**b", b"?", b"*a*a*b", b"\\*", b"\\**", b"a\\", b"*\\", b"**/a/*",
    b"*/a/**", b"a*/**/b", b"/***", b"**/***", b"a/*/***", b"- a", b"./a", b"a//b", b"/a/***/",
];

const KINDS: &[&[u8]] = &[
    b"- ",
    b"+ ",
    b"-_",
    b"+,_",
    b"exclude ",
    b"include ",
    b"- ",
    b"+ ",
    b"H ",
    b"S ",
    b"P ",
    b"R ",
    b"hide ",
    b"show ",
    b"protect ",
    b"risk_",
];
