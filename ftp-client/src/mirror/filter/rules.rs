//! The list of rules. Order is everything: the first rule that matches an entry decides, and an entry that no rule
//! matches takes part.

use super::FilterVerdict;
use super::entries::{Separator, entries};
use super::rule::{FilterRule, RuleEdit, RuleFault, RuleSide, parse_full, parse_simple};
use wire::RemotePath;
use wire::escape::Escaped;

/// Rules in the order of the command line; later ones only see what earlier ones did not match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilterRules(Vec<FilterRule>);

/// A text that should have been a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}rule '{}': {fault}", line.map(|line| format!("line {line}: ")).unwrap_or_default(), Escaped(text))]
pub struct RuleError {
    /// The line of the rule file, counted from 1; `None` for a rule of the command line.
    pub line: Option<usize>,
    /// The rule's text.
    pub text: Box<[u8]>,
    /// The reason why it is refused.
    pub fault: RuleFault,
}

impl FilterRules {
    /// Appends `--exclude`'s value: a pattern, or one with `+ ` or `- ` in front. `!` clears the list instead.
    ///
    /// As with rsync, an empty value adds no rule.
    ///
    /// # Errors
    /// Says why the value is no rule.
    pub fn exclude(&mut self, text: &[u8]) -> Result<(), RuleError> {
        self.append_simple(text, FilterVerdict::Excluded)
    }

    /// Appends `--include`'s value, as [`Self::exclude`] does.
    ///
    /// # Errors
    /// Says why the value is no rule.
    pub fn include(&mut self, text: &[u8]) -> Result<(), RuleError> {
        self.append_simple(text, FilterVerdict::Included)
    }

    /// Appends one rule as it stands in a rule file: `- pattern` and so on.
    ///
    /// # Errors
    /// Says why the text is no rule.
    pub fn filter(&mut self, text: &[u8]) -> Result<(), RuleError> {
        self.apply(None, text, parse_full(text))
    }

    /// Appends all rules of a file whose content is `bytes`.
    ///
    /// # Errors
    /// Names the first line that is no rule; the rules before it have been added.
    pub fn filter_file(&mut self, bytes: &[u8], separator: Separator) -> Result<(), RuleError> {
        entries(bytes, separator).try_for_each(|(line, text)| self.apply(Some(line), text, parse_full(text)))
    }

    /// Decides for the sender about the entry at `path`, whose parents are all included.
    #[must_use]
    pub fn verdict(&self, path: &RemotePath, is_folder: bool) -> FilterVerdict {
        self.verdict_beside(RuleSide::Target, path, is_folder)
    }

    /// True if the sender leaves the entry out, which makes its namesake on the target superfluous.
    #[must_use]
    pub fn hidden(&self, path: &RemotePath, is_folder: bool) -> bool {
        self.verdict(path, is_folder) == FilterVerdict::Excluded
    }

    /// True if the entry of the target must not be deleted, even where the source has none.
    ///
    /// As with rsync, all in a protected folder is as safe as the folder, unless the source sends that folder: then its
    /// entries are asked about one by one.
    #[must_use]
    pub fn protected(&self, path: &RemotePath, is_folder: bool) -> bool {
        self.verdict_beside(RuleSide::Source, path, is_folder) == FilterVerdict::Excluded
    }

    /// The verdict without the rules that are only for `other`, the opposite side.
    fn verdict_beside(&self, other: RuleSide, path: &RemotePath, is_folder: bool) -> FilterVerdict {
        self.0
            .iter()
            .filter(|rule| rule.side != other)
            .find(|rule| rule.pattern.matches(path, is_folder))
            .map_or(FilterVerdict::Included, |rule| rule.verdict)
    }

    fn append_simple(&mut self, text: &[u8], default: FilterVerdict) -> Result<(), RuleError> {
        if text.is_empty() {
            return Ok(());
        }
        self.apply(None, text, parse_simple(text, default))
    }

    fn apply(
        &mut self,
        line: Option<usize>,
        text: &[u8],
        step: Result<RuleEdit, RuleFault>,
    ) -> Result<(), RuleError> {
        match step.map_err(|fault| RuleError { line, text: text.into(), fault })? {
            RuleEdit::Add(rule) => self.0.push(rule),
            RuleEdit::Clear => self.0.clear(),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(file: &str) -> FilterRules {
        let mut rules = FilterRules::default();
        rules.filter_file(file.as_bytes(), Separator::Newline).unwrap();
        rules
    }

    fn path(text: &str) -> RemotePath {
        RemotePath::from_user(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_first_match_decides_and_none_includes() {
        let rules = rules("+ keep.o\n- *.o\n+ *.o\n");
        for (name, verdict) in [
            ("keep.o", FilterVerdict::Included),
            ("a.o", FilterVerdict::Excluded),
            ("a.c", FilterVerdict::Included),
        ] {
            assert_eq!(rules.verdict(&path(name), false), verdict, "{name}");
        }
        assert_eq!(FilterRules::default().verdict(&path("a"), true), FilterVerdict::Included);
    }

    #[test]
    fn the_command_line_adds_rules_in_order() {
        let mut rules = FilterRules::default();
        rules.exclude(b"forgotten").unwrap();
        rules.exclude(b"!").unwrap();
        rules.include(b"a.o").unwrap();
        rules.exclude(b"").unwrap();
        rules.exclude(b"*.o").unwrap();
        rules.filter(b"H a.c").unwrap();
        for (name, hidden) in [("forgotten", false), ("a.o", false), ("b.o", true), ("a.c", true)] {
            assert_eq!(rules.hidden(&path(name), false), hidden, "{name}");
        }
    }

    #[test]
    fn a_rule_may_be_for_one_side() {
        let rules = rules("H hidden\nP protected\nS shown\nR at-risk\n- *\n");
        for (name, hidden, protected) in [
            ("hidden", true, true),
            ("protected", true, true),
            ("shown", false, true),
            ("at-risk", true, false),
            ("other", true, true),
        ] {
            assert_eq!(rules.hidden(&path(name), false), hidden, "{name}");
            assert_eq!(rules.protected(&path(name), false), protected, "{name}");
        }
        let rules = self::rules("H hidden\nP protected\n");
        assert!(rules.hidden(&path("hidden"), true) && !rules.protected(&path("hidden"), true));
        assert!(!rules.hidden(&path("protected"), true) && rules.protected(&path("protected"), true));
    }

    #[test]
    fn an_error_names_the_line_and_the_rule() {
        let mut rules = FilterRules::default();
        let error = rules.filter_file(b"# mine\n- a\n\nmerge \x1b[2J\n", Separator::Newline).unwrap_err();
        assert_eq!(error.line, Some(4));
        let text = error.to_string();
        assert!(text.starts_with(r"line 4: rule 'merge \x1b[2J': 'merge' rules are not supported"), "{text}");
        assert!(text.contains("'P' (protect)"), "{text}");
        let text = rules.exclude(b"- ").unwrap_err().to_string();
        assert_eq!(text, "rule '- ': a pattern is missing");
    }

    #[test]
    fn the_root_always_takes_part() {
        assert_eq!(
            rules("- *\n- **\n- /\n- ***\n").verdict(&RemotePath::root(), true),
            FilterVerdict::Included
        );
    }
}
