//! The entries that take part, from typed options to a recipe: what `mirror`, `check`, `get -r` and `put -r` share; and the two folders of
//! commands that compare them, one here and one at the server.

use crate::cli::args::{Choosing, TypedRule};
use crate::cli::input;
use crate::cli::scope::Scope;
use ftp_client::Error;
use ftp_client::mirror::MirrorDirection;
use ftp_client::mirror::filter::rules_of_ignore_file;
use ftp_client::mirror::recipe::{Recipe, RuleText, Text};
use ftp_client::remote::{Remote, TypedPath};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use wire::Name;

/// Returns the direction and both paths.
pub(super) fn sort_out(
    typed: [&OsString; 2],
    scope: &Scope,
) -> Result<(MirrorDirection, PathBuf, Remote), Error> {
    let [source, target] = typed.map(|text| scope.place(text));
    match (source?, target?) {
        (TypedPath::Local(local), TypedPath::Remote(remote)) => Ok((MirrorDirection::Upload, local, remote)),
        (TypedPath::Remote(remote), TypedPath::Local(local)) => {
            Ok((MirrorDirection::Download, local, remote))
        }
        (TypedPath::Local(_), TypedPath::Local(_)) | (TypedPath::Remote(_), TypedPath::Remote(_)) => {
            Err(Error::Usage(match scope.here() {
                Some(_) => "exactly one of SOURCE and TARGET is on the server: write it :PATH".to_owned(),
                None => "exactly one of SOURCE and TARGET must be on a server: HOST:PATH (over ssh), HOST::PATH or ftpx://HOST/PATH"
                    .to_owned(),
            }))
        }
    }
}

/// Returns the recipe with the options that choose entries. Lists and rules are read now; with `recursive`, listed folders come with
/// everything in them.
pub(super) fn chosen(
    choosing: &Choosing,
    recursive: bool,
    direction: MirrorDirection,
    recipe: Recipe,
) -> Result<Recipe, Error> {
    let nul = choosing.from0;
    let files = choosing.files_from.as_deref().map(|path| listed(path, nul)).transpose()?;
    Ok(Recipe {
        rules: rules(choosing, nul)?,
        files_recursive: recursive && files.is_some(),
        files,
        one_file_system: choosing.one_file_system,
        exclude_if_present: tags(choosing, direction)?,
        copy_links: choosing.links.copy_links,
        keep_dir_links: choosing.links.keep_dir_links,
        size_min: choosing.min_size,
        size_max: choosing.max_size,
        newer_than: choosing.newer_than,
        older_than: choosing.older_than,
        ..recipe
    })
}

/// Returns the recipe of `get` and `put` with the entries that they take of a tree; `None` for all of them.
///
/// # Errors
/// If entries are chosen without `-r`. Rules of a profile are for trees only.
pub(super) fn chosen_of_tree(
    choosing: &Choosing,
    recursive: bool,
    direction: MirrorDirection,
    recipe: Recipe,
) -> Result<Option<Box<Recipe>>, Error> {
    if !recursive && choosing.is_typed() {
        let reason = "the options that choose entries are for folders: add -r, or name the files";
        return Err(Error::Usage(reason.to_owned()));
    }
    if !recursive || choosing.is_all() {
        return Ok(None);
    }
    let recipe = chosen(choosing, true, direction, recipe)?;
    recipe.options()?; // reports all its errors now
    Ok(Some(Box::new(recipe)))
}

fn rules(choosing: &Choosing, nul: bool) -> Result<Vec<RuleText>, Error> {
    let mut rules = Vec::new();
    for rule in &choosing.rules.all {
        let exclude = |text: Vec<u8>| RuleText::Exclude(Text(text));
        match rule {
            TypedRule::Exclude(pattern) => rules.push(RuleText::Exclude(pattern.clone().into())),
            TypedRule::Include(pattern) => rules.push(RuleText::Include(pattern.clone().into())),
            TypedRule::FilterFrom(path) => {
                rules.push(RuleText::File(Text(input::read_list(path, nul)?), nul))
            }
            TypedRule::ExcludeFrom(path) => {
                let is_comment = |text: &Vec<u8>| !nul && (text.starts_with(b"#") || text.starts_with(b";"));
                let patterns = listed(path, nul)?.into_iter().map(|Text(text)| text);
                rules.extend(patterns.filter(|text| !is_comment(text)).map(exclude));
            }
            TypedRule::IgnoreFrom(path) => {
                rules.extend(rules_of_ignore_file(&input::read(path)?).into_iter().map(exclude));
            }
        }
    }
    Ok(rules)
}

/// The names of files that leave out their folder. Both kinds of folders that are left out are looked for here.
fn tags(choosing: &Choosing, direction: MirrorDirection) -> Result<Vec<Text>, Error> {
    let is_used = choosing.one_file_system || !choosing.exclude_if_present.is_empty();
    if is_used && direction == MirrorDirection::Download {
        return Err(Error::Usage(
            "--one-file-system and --exclude-if-present look at folders here: SOURCE must be local"
                .to_owned(),
        ));
    }
    let name = |name: &OsString| match Name::new(name.as_bytes()) {
        Ok(_) => Ok(Text(name.as_bytes().to_vec())),
        Err(error) => Err(Error::Usage(format!("--exclude-if-present: {error}"))),
    };
    choosing.exclude_if_present.iter().map(name).collect()
}

/// The entries of a list of files. Comments stay: they are understood where the list is.
fn listed(path: &Path, nul: bool) -> Result<Vec<Text>, Error> {
    let bytes = input::read_list(path, nul)?;
    let end = |byte: &u8| if nul { *byte == 0 } else { matches!(byte, b'\n' | b'\r') };
    let entries = bytes.split(end).filter(|entry| !entry.is_empty());
    Ok(entries.map(|entry| Text(entry.to_vec())).collect())
}
