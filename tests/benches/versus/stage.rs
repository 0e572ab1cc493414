//! Selects the participants of a measurement: starts the servers they need, and records which are missing and why.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Result;

use crate::args::Args;
use crate::contenders::{self, Contender};
use crate::place::Place;
use crate::site::Site;
use crate::tools::Tool;

/// The setting that contenders are made for.
pub(crate) struct Stage<'a> {
    pub(crate) args: &'a Args,
    pub(crate) site: &'a Site,
    pub(crate) place: &'a Place,
    /// Names of the contenders of this measurement.
    roster: &'a [&'a str],
    missing: RefCell<BTreeSet<Tool>>,
    versions: RefCell<BTreeMap<&'static str, String>>,
    failures: RefCell<Vec<String>>,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(args: &'a Args, site: &'a Site, place: &'a Place, roster: &'a [&'a str]) -> Self {
        Self {
            args,
            site,
            place,
            roster,
            missing: RefCell::default(),
            versions: RefCell::default(),
            failures: RefCell::default(),
        }
    }

    /// Makes all contenders of the roster that are available, ours first. Prints which are left out.
    pub(crate) fn assemble(&'a self) -> Vec<Contender<'a>> {
        for name in self.args.only.iter().filter(|name| !self.roster.contains(&name.as_str())) {
            self.fail(format!("{name} does not take part in this; there are {}", self.roster.join(", ")));
        }
        let mut crew = Vec::new();
        for (name, enlist) in contenders::ALL {
            match enlist(self) {
                Ok(found) => crew.extend(found),
                Err(error) => self.fail(format!("{name} is left out: {error:#}")),
            }
        }
        self.tell_missing();
        crew
    }

    pub(crate) fn wants(&self, contender: &str) -> bool {
        self.roster.contains(&contender) && self.args.wants(contender)
    }

    /// Returns the paths of `tools`; `None` if one of them is not installed.
    pub(crate) fn find<const N: usize>(&self, tools: [Tool; N]) -> Option<[PathBuf; N]> {
        let found = tools.map(|tool| {
            let path = tool.find();
            match (&path, tool.version()) {
                (None, _) => drop(self.missing.borrow_mut().insert(tool)),
                (Some(_), Some(version)) => drop(self.versions.borrow_mut().insert(tool.program, version)),
                (Some(_), None) => {}
            }
            path
        });
        found.iter().all(Option::is_some).then(|| found.map(Option::unwrap_or_default))
    }

    pub(crate) fn fail(&self, what: String) {
        eprintln!("versus: {what}");
        self.failures.borrow_mut().push(what);
    }

    pub(crate) fn into_account(self) -> (BTreeMap<&'static str, String>, Vec<String>) {
        (self.versions.into_inner(), self.failures.into_inner())
    }

    fn tell_missing(&self) {
        let missing = self.missing.borrow();
        if missing.is_empty() {
            return;
        }
        let names: Vec<_> = missing.iter().map(|tool| tool.program).collect();
        let packages: BTreeSet<_> = missing.iter().map(|tool| tool.package).collect();
        let packages: Vec<_> = packages.into_iter().collect();
        eprintln!("versus: not installed: {}; apt-get install -y {}", names.join(", "), packages.join(" "));
    }
}

/// Makes contenders of one kind, each for a name that the stage wants.
pub(crate) type Enlist = for<'a> fn(&'a Stage<'a>) -> Result<Vec<Contender<'a>>>;
