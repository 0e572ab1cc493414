//! One rule as people write it: its kind, a space and a pattern. Which kinds exist stands in one table; the kinds that
//! rsync has and this program has not are reported by name, so that a rule file is never read as something else.

use super::{FilterVerdict, PathPattern, PatternError};

/// The action of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilterRule {
    pub(super) pattern: PathPattern,
    pub(super) verdict: FilterVerdict,
    pub(super) side: RuleSide,
}

/// Where a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuleSide {
    /// On both sides.
    Both,
    /// Where the entries to send are chosen.
    Source,
    /// Where the entries to delete are chosen.
    Target,
}

/// The effect of one line on the list of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RuleEdit {
    Add(FilterRule),
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
pub(super) fn parse_simple(text: &[u8], default: FilterVerdict) -> Result<RuleEdit, RuleFault> {
    let (verdict, pattern) = match text {
        b"!" => return Ok(RuleEdit::Clear),
        [b'+', b' ', rest @ ..] => (FilterVerdict::Included, rest),
        [b'-', b' ', rest @ ..] => (FilterVerdict::Excluded, rest),
        _ => (default, text),
    };
    add(verdict, RuleSide::Both, pattern)
}

/// Reads a line of a rule file or the value of `--filter`.
pub(super) fn parse_full(text: &[u8]) -> Result<RuleEdit, RuleFault> {
    let (kind, rest) = KINDS.iter().find_map(|row| row.strip_from(text)).ok_or(RuleFault::UnknownKind)?;
    match kind {
        RuleKind::Match(verdict, side) => add(verdict, side, pattern_after_kind(rest)?),
        RuleKind::Clear if rest.is_empty() => Ok(RuleEdit::Clear),
        RuleKind::Clear => Err(RuleFault::ClearWithMore),
        RuleKind::Unsupported(name) => Err(RuleFault::Unsupported(name)),
    }
}

fn add(verdict: FilterVerdict, side: RuleSide, pattern: &[u8]) -> Result<RuleEdit, RuleFault> {
    Ok(RuleEdit::Add(FilterRule { pattern: PathPattern::new(pattern)?, verdict, side }))
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
    kind: RuleKind,
}

#[derive(Clone, Copy)]
enum RuleKind {
    Match(FilterVerdict, RuleSide),
    Clear,
    Unsupported(&'static str),
}

impl Row {
    /// The kind and what follows its name, if `text` begins with that name. A long name ends as a word does.
    fn strip_from<'a>(&self, text: &'a [u8]) -> Option<(RuleKind, &'a [u8])> {
        let long =
            text.strip_prefix(self.long).filter(|rest| matches!(rest, [] | [b' ' | b'_' | b',' | b'\t', ..]));
        let rest = long.or_else(|| text.strip_prefix(&[self.short]))?;
        Some((self.kind, rest))
    }
}

const KNOWN: &str =
    "'+' (include), '-' (exclude), 'H' (hide), 'S' (show), 'P' (protect), 'R' (risk) and '!' (clear)";

const KINDS: [Row; 9] = [
    Row { short: b'-', long: b"exclude", kind: RuleKind::Match(FilterVerdict::Excluded, RuleSide::Both) },
    Row { short: b'+', long: b"include", kind: RuleKind::Match(FilterVerdict::Included, RuleSide::Both) },
    Row { short: b'H', long: b"hide", kind: RuleKind::Match(FilterVerdict::Excluded, RuleSide::Source) },
    Row { short: b'S', long: b"show", kind: RuleKind::Match(FilterVerdict::Included, RuleSide::Source) },
    Row { short: b'P', long: b"protect", kind: RuleKind::Match(FilterVerdict::Excluded, RuleSide::Target) },
    Row { short: b'R', long: b"risk", kind: RuleKind::Match(FilterVerdict::Included, RuleSide::Target) },
    Row { short: b'!', long: b"clear", kind: RuleKind::Clear },
    Row { short: b'.', long: b"merge", kind: RuleKind::Unsupported("merge") },
    Row { short: b':', long: b"dir-merge", kind: RuleKind::Unsupported("dir-merge") },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verdict: FilterVerdict, side: RuleSide, pattern: &str) -> Result<RuleEdit, RuleFault> {
        add(verdict, side, pattern.as_bytes())
    }

    #[test]
    fn plain_patterns_may_say_what_they_do() {
        use FilterVerdict::{Excluded, Included};
        for (text, default, expected) in [
            ("a", Excluded, rule(Excluded, RuleSide::Both, "a")),
            ("a", Included, rule(Included, RuleSide::Both, "a")),
            ("+ a", Excluded, rule(Included, RuleSide::Both, "a")),
            ("- a", Included, rule(Excluded, RuleSide::Both, "a")),
            ("-  a ", Included, rule(Excluded, RuleSide::Both, " a ")),
            ("-a", Included, rule(Included, RuleSide::Both, "-a")),
            ("+_a", Excluded, rule(Excluded, RuleSide::Both, "+_a")),
            ("!", Excluded, Ok(RuleEdit::Clear)),
            ("!a", Excluded, rule(Excluded, RuleSide::Both, "!a")),
            ("- ", Excluded, Err(RuleFault::Pattern(PatternError::Empty))),
        ] {
            assert_eq!(parse_simple(text.as_bytes(), default), expected, "{text:?}");
        }
    }

    #[test]
    fn every_kind_has_two_names() {
        use FilterVerdict::{Excluded, Included};
        for (short, long, verdict, side) in [
            ("- a b", "exclude a b", Excluded, RuleSide::Both),
            ("+_a b", "include_a b", Included, RuleSide::Both),
            ("H a b", "hide a b", Excluded, RuleSide::Source),
            ("S a b", "show a b", Included, RuleSide::Source),
            ("P a b", "protect a b", Excluded, RuleSide::Target),
            ("R,_a b", "risk, a b", Included, RuleSide::Target),
        ] {
            assert_eq!(parse_full(short.as_bytes()), rule(verdict, side, "a b"));
            assert_eq!(parse_full(long.as_bytes()), rule(verdict, side, "a b"));
        }
        assert_eq!(parse_full(b"!"), Ok(RuleEdit::Clear));
        assert_eq!(parse_full(b"clear"), Ok(RuleEdit::Clear));
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
