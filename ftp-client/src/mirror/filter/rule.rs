//! One rule as people write it: its kind, a space and a pattern. Which kinds exist stands in one table; the kinds that
//! rsync has and this program has not are told by name, so that a rule file is never read as something else.

use super::{Pattern, PatternError, Verdict};

/// The action of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    pub(super) verdict: Verdict,
    pub(super) side: Side,
}

/// Where a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// On both sides.
    Both,
    /// Where the entries to send are chosen.
    Source,
    /// Where the entries to delete are chosen.
    Target,
}

/// The effect of one line on the list of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Add(Rule),
    /// Forget all rules so far.
    Clear,
}

/// Why a text is no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault {
    /// It begins with none of the known kinds.
    #[error("a rule must begin with one of {KNOWN}")]
    UnknownKind,
    /// A kind that rsync has, by its long name.
    #[error("'{0}' rules are not supported; a rule must begin with one of {KNOWN}")]
    Unsupported(&'static str),
    /// Letters between the kind and the pattern.
    #[error(
        "a space must follow the kind of rule; modifiers are not supported, but H, S, P and R are rules of one side"
    )]
    Modifier,
    /// A clearing rule with more behind it.
    #[error("nothing may follow a rule that clears the list")]
    ClearWithMore,
    /// The pattern is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

/// Reads the value of `--exclude` or `--include`: a pattern, for which `default` is what happens, or `+ pattern`,
/// `- pattern` or `!`.
pub(super) fn parse_simple(text: &[u8], default: Verdict) -> Result<Step, RuleFault> {
    let (verdict, pattern) = match text {
        b"!" => return Ok(Step::Clear),
        [b'+', b' ', rest @ ..] => (Verdict::Included, rest),
        [b'-', b' ', rest @ ..] => (Verdict::Excluded, rest),
        _ => (default, text),
    };
    add(verdict, Side::Both, pattern)
}

/// Reads a line of a rule file or the value of `--filter`.
pub(super) fn parse_full(text: &[u8]) -> Result<Step, RuleFault> {
    let (kind, rest) = KINDS.iter().find_map(|row| row.strip_from(text)).ok_or(RuleFault::UnknownKind)?;
    match kind {
        Kind::Match(verdict, side) => add(verdict, side, pattern_after_kind(rest)?),
        Kind::Clear if rest.is_empty() => Ok(Step::Clear),
        Kind::Clear => Err(RuleFault::ClearWithMore),
        Kind::Unsupported(name) => Err(RuleFault::Unsupported(name)),
    }
}

fn add(verdict: Verdict, side: Side, pattern: &[u8]) -> Result<Step, RuleFault> {
    Ok(Step::Add(Rule { pattern: Pattern::new(pattern)?, verdict, side }))
}

/// As rsync has it: a comma that introduces no modifiers may follow the kind, and `_` stands for the space. Any further
/// space belongs to the pattern.
fn pattern_after_kind(rest: &[u8]) -> Result<&[u8], RuleFault> {
    match rest.strip_prefix(b",").unwrap_or(rest) {
        [b' ' | b'_', pattern @ ..] => Ok(pattern),
        [] => Err(PatternError::Empty.into()),
        [_, ..] => Err(RuleFault::Modifier),
    }
}

/// A kind of rule and its two names.
struct Row {
    short: u8,
    long: &'static [u8],
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Match(Verdict, Side),
    Clear,
    Unsupported(&'static str),
}

impl Row {
    /// The kind and what follows its name, if `text` begins with that name. A long name ends as a word does.
    fn strip_from<'a>(&self, text: &'a [u8]) -> Option<(Kind, &'a [u8])> {
        let long =
            text.strip_prefix(self.long).filter(|rest| matches!(rest, [] | [b' ' | b'_' | b',' | b'\t', ..]));
        let rest = long.or_else(|| text.strip_prefix(&[self.short]))?;
        Some((self.kind, rest))
    }
}

const KNOWN: &str =
    "'+' (include), '-' (exclude), 'H' (hide), 'S' (show), 'P' (protect), 'R' (risk) and '!' (clear)";

const KINDS: [Row; 9] = [
    Row { short: b'-', long: b"exclude", kind: Kind::Match(Verdict::Excluded, Side::Both) },
    Row { short: b'+', long: b"include", kind: Kind::Match(Verdict::Included, Side::Both) },
    Row { short: b'H', long: b"hide", kind: Kind::Match(Verdict::Excluded, Side::Source) },
    Row { short: b'S', long: b"show", kind: Kind::Match(Verdict::Included, Side::Source) },
    Row { short: b'P', long: b"protect", kind: Kind::Match(Verdict::Excluded, Side::Target) },
    Row { short: b'R', long: b"risk", kind: Kind::Match(Verdict::Included, Side::Target) },
    Row { short: b'!', long: b"clear", kind: Kind::Clear },
    Row { short: b'.', long: b"merge", kind: Kind::Unsupported("merge") },
    Row { short: b':', long: b"dir-merge", kind: Kind::Unsupported("dir-merge") },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verdict: Verdict, side: Side, pattern: &str) -> Result<Step, RuleFault> {
        add(verdict, side, pattern.as_bytes())
    }

    #[test]
    fn plain_patterns_may_say_what_they_do() {
        use Verdict::{Excluded, Included};
        for (text, default, expected) in [
            ("a", Excluded, rule(Excluded, Side::Both, "a")),
            ("a", Included, rule(Included, Side::Both, "a")),
            ("+ a", Excluded, rule(Included, Side::Both, "a")),
            ("- a", Included, rule(Excluded, Side::Both, "a")),
            ("-  a ", Included, rule(Excluded, Side::Both, " a ")),
            ("-a", Included, rule(Included, Side::Both, "-a")),
            ("+_a", Excluded, rule(Excluded, Side::Both, "+_a")),
            ("!", Excluded, Ok(Step::Clear)),
            ("!a", Excluded, rule(Excluded, Side::Both, "!a")),
            ("- ", Excluded, Err(RuleFault::Pattern(PatternError::Empty))),
        ] {
            assert_eq!(parse_simple(text.as_bytes(), default), expected, "{text:?}");
        }
    }

    #[test]
    fn every_kind_has_two_names() {
        use Verdict::{Excluded, Included};
        for (short, long, verdict, side) in [
            ("- a b", "exclude a b", Excluded, Side::Both),
            ("+_a b", "include_a b", Included, Side::Both),
            ("H a b", "hide a b", Excluded, Side::Source),
            ("S a b", "show a b", Included, Side::Source),
            ("P a b", "protect a b", Excluded, Side::Target),
            ("R,_a b", "risk, a b", Included, Side::Target),
        ] {
            assert_eq!(parse_full(short.as_bytes()), rule(verdict, side, "a b"));
            assert_eq!(parse_full(long.as_bytes()), rule(verdict, side, "a b"));
        }
        assert_eq!(parse_full(b"!"), Ok(Step::Clear));
        assert_eq!(parse_full(b"clear"), Ok(Step::Clear));
    }

    #[test]
    fn what_is_no_rule_is_told_why() {
        for (text, fault) in [
            ("foo", RuleFault::UnknownKind),
            ("excluded a", RuleFault::UnknownKind),
            (" - a", RuleFault::UnknownKind),
            (". rules", RuleFault::Unsupported("merge")),
            ("merge rules", RuleFault::Unsupported("merge")),
            (":C", RuleFault::Unsupported("dir-merge")),
            ("dir-merge,n- .rules", RuleFault::Unsupported("dir-merge")),
            ("-foo", RuleFault::Modifier),
            ("-s foo", RuleFault::Modifier),
            ("-,! foo", RuleFault::Modifier),
            ("exclude\tfoo", RuleFault::Modifier),
            ("-", RuleFault::Pattern(PatternError::Empty)),
            ("include ", RuleFault::Pattern(PatternError::Empty)),
            ("! a", RuleFault::ClearWithMore),
            ("clear all", RuleFault::ClearWithMore),
        ] {
            assert_eq!(parse_full(text.as_bytes()), Err(fault), "{text:?}");
        }
    }
}
