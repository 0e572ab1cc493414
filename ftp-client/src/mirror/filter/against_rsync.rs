//! Asks rsync itself: random trees, rules and lists go through the installed rsync and through a simulated walk, and
//! both must choose the same paths. `FILTER_SEED` repeats a run, `FILTER_CASES` sets how many cases a test tries.

mod generate;
mod rsync;
mod walk;

use super::{FileList, FilterRules, Separator, parse_size};
use generate::Generator;
use rsync::Rsync;
use std::collections::BTreeSet;
use walk::Tree;

/// What one rule was given as.
#[derive(Debug)]
enum Given {
    Exclude(Vec<u8>),
    Include(Vec<u8>),
    Filter(Vec<u8>),
}

#[test]
fn rules_choose_what_rsync_chooses() {
    each_case(100, |random, rsync| {
        let tree = Tree::random(random);
        let given = random.rules(&tree);
        let rules = rules_of(&given);
        let chosen = rsync.sends(&tree, &rsync::arguments(&given), None);
        assert_eq!(shown(&tree.sent(&rules)), shown(&chosen), "{given:?}");
    });
}

#[test]
fn rule_files_choose_what_rsync_chooses() {
    each_case(60, |random, rsync| {
        let tree = Tree::random(random);
        let separator = random.separator();
        let file = random.rule_file(&tree, separator);
        let mut rules = FilterRules::default();
        rules.filter_file(&file, separator).unwrap();
        let chosen = rsync.sends(&tree, &["--filter=merge -".into()], Some((&file, separator)));
        assert_eq!(shown(&tree.sent(&rules)), shown(&chosen), "{}", file.escape_ascii());
    });
}

#[test]
fn lists_choose_what_rsync_chooses() {
    each_case(100, |random, rsync| {
        let tree = Tree::random(random);
        let separator = random.separator();
        let file = random.file_list(&tree, separator);
        let list = FileList::parse(&file, separator).unwrap();
        let given = if random.one_in(3) { random.rules(&tree) } else { Vec::new() };
        let mut arguments = rsync::arguments(&given);
        arguments.push("--files-from=-".into());
        let chosen = rsync.sends(&tree, &arguments, Some((&file, separator)));
        let sent = tree.sent_of_list(&list, &rules_of(&given));
        assert_eq!(shown(&sent), shown(&chosen), "{} {given:?}", file.escape_ascii());
    });
}

#[test]
fn rules_of_one_side_keep_and_delete_what_rsync_does() {
    each_case(50, |random, rsync| {
        let all = Tree::random(random);
        let (source, target) = (all.part(random), all.part(random));
        let separator = Separator::Newline;
        let file = random.rule_file(&all, separator);
        let mut rules = FilterRules::default();
        rules.filter_file(&file, separator).unwrap();
        let left = rsync.mirror(&source, &target, &file);
        assert_eq!(shown(&target.mirrored(&source, &rules)), shown(&left), "{}", file.escape_ascii());
    });
}

#[test]
fn sizes_are_what_rsync_takes_them_for() {
    each_case(20, |random, rsync| {
        let text = random.size();
        assert_eq!(parse_size(&text).ok(), rsync.size(&text), "{text}");
    });
}

/// Tries cases until there are enough of them; a failure names its seed.
fn each_case(count: u64, case: impl Fn(&mut Generator, &Rsync)) {
    let Some(rsync) = Rsync::find() else {
        println!("skipped: rsync is not installed");
        return;
    };
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let seed = number("FILTER_SEED").unwrap_or_else(generate::fresh_seed);
    let count = number("FILTER_CASES").unwrap_or(count);
    println!("FILTER_SEED={seed}, {count} cases");
    for index in 0..count {
        case(&mut Generator::new(seed.wrapping_add(index)), &rsync);
    }
}

fn rules_of(given: &[Given]) -> FilterRules {
    let mut rules = FilterRules::default();
    for rule in given {
        match rule {
            Given::Exclude(text) => rules.exclude(text).unwrap(),
            Given::Include(text) => rules.include(text).unwrap(),
            Given::Filter(text) => rules.filter(text).unwrap(),
        }
    }
    rules
}

/// Paths for a message.
fn shown(paths: &BTreeSet<Vec<u8>>) -> Vec<String> {
    paths.iter().map(|path| path.escape_ascii().to_string()).collect()
}
