//! How a mirror is made, as plain data: what a command line says, and what a plan keeps.

mod delta_recipe;

pub use delta_recipe::DeltaRecipe;

use super::filter::{FileLimits, FileList, FilterRules, Separator};
use super::folder_marks::FolderMarks;
use super::{DeleteLimit, DeleteWhen, MirrorOptions};
use crate::error::Error;
use crate::options::TransferOptions;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;
use wire::limits::COMPRESSION_LEVEL_MAX;
use wire::message::{Changing, Compress, Durability, KeptVersions, Overwrite};
use wire::metadata::Timestamp;
use wire::modes::{Chmod, Modes};

/// How a mirror is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// See [`MirrorOptions::delete`].
    pub delete: bool,
    /// See [`MirrorOptions::delete_excluded`].
    pub delete_excluded: bool,
    /// See [`DeleteLimit::Count`].
    pub delete_max: Option<u64>,
    /// See [`DeleteLimit::Percent`].
    pub delete_max_percent: Option<u8>,
    /// See [`MirrorOptions::allow_empty_source`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty_source: bool,
    /// See [`MirrorOptions::delete_when`].
    pub delete_when: DeleteWhen,
    /// See [`MirrorOptions::by_digest`].
    pub by_digest: bool,
    /// See [`TransferOptions::overwrite`].
    pub overwrite: OverwriteRecipe,
    /// See [`MirrorOptions::modify_window`].
    pub modify_window_nanos: u64,
    /// In order.
    pub rules: Vec<RuleText>,
    /// Paths, each ended by NUL; see [`MirrorOptions::files`].
    pub files: Option<Vec<Text>>,
    /// See [`FileList::with_everything_below`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub files_recursive: bool,
    /// See [`FolderMarks::other_filesystems`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub one_file_system: bool,
    /// See [`FolderMarks::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_if_present: Vec<Text>,
    /// See [`MirrorOptions::copy_links`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub copy_links: bool,
    /// See [`MirrorOptions::keep_dir_links`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep_dir_links: bool,
    /// See [`FileLimits::size_min`].
    pub size_min: Option<u64>,
    /// See [`FileLimits::size_max`].
    pub size_max: Option<u64>,
    /// See [`FileLimits::newer_than`]: seconds and nanoseconds.
    pub newer_than: Option<(i64, u32)>,
    /// See [`FileLimits::older_than`]: seconds and nanoseconds.
    pub older_than: Option<(i64, u32)>,
    /// See [`MirrorOptions::hard_links`].
    pub hard_links: bool,
    /// [`Modes::only_new`] of the transfer.
    pub no_perms: bool,
    /// [`Modes::exact`] of the transfer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub perms: bool,
    /// [`Modes::chmod`] of the transfer.
    pub chmod: Option<String>,
    /// See [`MirrorOptions::owner`].
    pub owner: bool,
    /// See [`MirrorOptions::xattrs`].
    pub xattrs: bool,
    /// See [`TransferOptions::changing`].
    #[serde(skip_serializing_if = "ChangingRecipe::is_default")]
    pub changing: ChangingRecipe,
    /// See [`TransferOptions::sparse`].
    pub sparse: bool,
    /// See [`TransferOptions::durability`].
    pub durability: Durability,
    /// See [`TransferOptions::compress`].
    #[serde(skip_serializing_if = "CompressRecipe::is_default")]
    pub compress: CompressRecipe,
    /// See [`TransferOptions::delta`].
    #[serde(skip_serializing_if = "DeltaRecipe::is_default")]
    pub delta: DeltaRecipe,
    /// See [`MirrorOptions::detect_moves`].
    pub detect_moves: bool,
    /// See [`MirrorOptions::backup`].
    pub backup: Option<Text>,
    /// See [`KeptVersions::count`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// See [`KeptVersions::seconds`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_for_seconds: Option<u64>,
}

/// The rule for files that differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverwriteRecipe {
    /// They are replaced, even if they do not seem to differ.
    Always,
    /// They stay.
    Never,
    /// They are replaced if the source's is newer.
    Newer,
    /// They are replaced.
    #[default]
    Different,
}

impl From<OverwriteRecipe> for Overwrite {
    fn from(word: OverwriteRecipe) -> Self {
        match word {
            OverwriteRecipe::Always => Self::Always,
            OverwriteRecipe::Never => Self::Never,
            OverwriteRecipe::Newer => Self::Newer,
            OverwriteRecipe::Different => Self::Different,
        }
    }
}

impl From<Overwrite> for OverwriteRecipe {
    fn from(overwrite: Overwrite) -> Self {
        match overwrite {
            Overwrite::Always => Self::Always,
            Overwrite::Never => Self::Never,
            Overwrite::Newer => Self::Newer,
            Overwrite::Different => Self::Different,
        }
    }
}

/// The rule for a file that changes while it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangingRecipe {
    /// It is read again.
    #[default]
    Retry,
    /// It is left alone.
    Skip,
    /// The content that was read is sent.
    AsIs,
}

impl ChangingRecipe {
    /// True for what need not be written down.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl From<ChangingRecipe> for Changing {
    fn from(word: ChangingRecipe) -> Self {
        match word {
            ChangingRecipe::Retry => Self::Retry,
            ChangingRecipe::Skip => Self::Skip,
            ChangingRecipe::AsIs => Self::AsIs,
        }
    }
}

impl From<Changing> for ChangingRecipe {
    fn from(changing: Changing) -> Self {
        match changing {
            Changing::Retry => Self::Retry,
            Changing::Skip => Self::Skip,
            Changing::AsIs => Self::AsIs,
        }
    }
}

/// The rule for compressing data on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompressRecipe {
    /// Where it makes the transfer faster.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always, at this level.
    Level(u16),
}

impl CompressRecipe {
    /// True for what need not be written down.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl From<CompressRecipe> for Compress {
    fn from(word: CompressRecipe) -> Self {
        match word {
            CompressRecipe::Auto => Self::Auto,
            CompressRecipe::Never => Self::Never,
            CompressRecipe::Level(level) => Self::Level(level.clamp(1, COMPRESSION_LEVEL_MAX)),
        }
    }
}

impl From<Compress> for CompressRecipe {
    fn from(compress: Compress) -> Self {
        match compress {
            Compress::Auto => Self::Auto,
            Compress::Never => Self::Never,
            Compress::Level(level) => Self::Level(level),
        }
    }
}

/// A rule, and the option that brought it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleText {
    /// `--exclude`
    Exclude(Text),
    /// `--include`
    Include(Text),
    /// All of a file of `--filter-from`; its entries end with NUL if the flag is set.
    File(Text, bool),
}

/// Bytes that are text for the most part: a string, or `{"hex": "…"}` where they are no UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Text(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Plain(String),
    Hex { hex: String },
}

impl From<Text> for Written {
    fn from(Text(bytes): Text) -> Self {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        String::from_utf8(bytes).map_or_else(|error| Self::Hex { hex: hex(error.as_bytes()) }, Self::Plain)
    }
}

impl From<Written> for Text {
    /// Digits that are none give bytes that no path has, so what they stand for is refused later.
    fn from(written: Written) -> Self {
        match written {
            Written::Plain(text) => Self(text.into_bytes()),
            Written::Hex { hex } => Self(
                hex.as_bytes()
                    .chunks(2)
                    .map(|pair| str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
                    .map(Option::unwrap_or_default)
                    .collect(),
            ),
        }
    }
}

impl From<OsString> for Text {
    fn from(text: OsString) -> Self {
        Self(text.into_vec())
    }
}

/// The rules of `--no-perms`, `--perms` and `--chmod`.
///
/// # Errors
/// If the changes make no sense.
pub fn modes(no_perms: bool, perms: bool, chmod: Option<&str>) -> Result<Modes, Error> {
    let parse = |text: &str| {
        Chmod::parse(text).ok_or_else(|| {
            Error::Usage(format!("{text:?} are no changes of permissions as D2775,F664 or go-w"))
        })
    };
    let chmod = chmod.map(parse).transpose()?.unwrap_or_default();
    Ok(Modes { only_new: no_perms, exact: perms, chmod, ..Modes::CARRIED })
}

impl Recipe {
    /// The options that this means.
    ///
    /// # Errors
    /// Says which rule, path or combination makes no sense.
    pub fn options(&self) -> Result<MirrorOptions, Error> {
        self.check()?;
        let backup = self.backup.as_ref().map(|Text(path)| std::ffi::OsStr::from_bytes(path).into());
        let transfer = TransferOptions {
            overwrite: self.overwrite.into(),
            changing: self.changing.into(),
            resume: true,
            modes: modes(self.no_perms, self.perms, self.chmod.as_deref())?,
            sparse: self.sparse,
            durability: self.durability,
            compress: self.compress.into(),
            delta: self.delta.into(),
        };
        Ok(MirrorOptions {
            transfer,
            delete: self.delete,
            delete_excluded: self.delete_excluded,
            delete_max: self.delete_max(),
            allow_empty_source: self.allow_empty_source,
            delete_when: self.delete_when,
            by_digest: self.by_digest,
            modify_window: Duration::from_nanos(self.modify_window_nanos),
            rules: self.rules()?,
            files: self.files()?,
            limits: self.limits(),
            hard_links: self.hard_links,
            owner: self.owner,
            xattrs: self.xattrs,
            detect_moves: self.detect_moves,
            backup,
            versions: self.versions(),
            backup_below: None,
            marked_folders: None,
            folder_marks: FolderMarks {
                other_filesystems: self.one_file_system,
                tags: self.exclude_if_present.iter().map(|Text(name)| name.clone()).collect(),
            },
            copy_links: self.copy_links,
            keep_dir_links: self.keep_dir_links,
            established: false,
        })
    }

    fn versions(&self) -> Option<KeptVersions> {
        let (count, seconds) = (self.keep.unwrap_or(0), self.keep_for_seconds.unwrap_or(0));
        Some(KeptVersions { count, seconds }).filter(|rule| *rule != KeptVersions::default())
    }

    fn check(&self) -> Result<(), Error> {
        let needs_delete = [
            (self.delete_excluded, "--delete-excluded"),
            (self.detect_moves, "--detect-moves"),
            (self.delete_when != DeleteWhen::Auto, "--delete-when"),
            (self.delete_max.is_some() || self.delete_max_percent.is_some(), "--max-delete"),
            (self.allow_empty_source, "--allow-empty-source"),
        ];
        let usage = |text: String| Err(Error::Usage(text));
        match needs_delete.iter().find(|(given, _)| *given && !self.delete) {
            Some((_, option)) => {
                usage(format!("{option} says something about --delete, which was not given"))
            }
            None if self.versions().is_some() && self.backup.is_none() => {
                usage("--keep and --keep-for say something about --backup, which was not given".to_owned())
            }
            None if self.delete && self.files.is_some() => usage(
                "--delete and --files-from contradict each other: what is not listed is left alone"
                    .to_owned(),
            ),
            None => Ok(()),
        }
    }

    fn delete_max(&self) -> DeleteLimit {
        match (self.delete_max, self.delete_max_percent) {
            (Some(count), _) => DeleteLimit::Count(count),
            (None, Some(percent)) => DeleteLimit::Percent(percent),
            (None, None) => DeleteLimit::Careful,
        }
    }

    fn rules(&self) -> Result<FilterRules, Error> {
        let mut rules = FilterRules::default();
        for rule in &self.rules {
            let added = match rule {
                RuleText::Exclude(Text(text)) => rules.exclude(text),
                RuleText::Include(Text(text)) => rules.include(text),
                RuleText::File(Text(text), nul) => rules.filter_file(text, separator(*nul)),
            };
            added.map_err(|error| Error::Usage(error.to_string()))?;
        }
        Ok(rules)
    }

    fn files(&self) -> Result<Option<FileList>, Error> {
        let Some(files) = &self.files else { return Ok(None) };
        let bytes: Vec<u8> = files.iter().flat_map(|Text(path)| path.iter().copied().chain([0])).collect();
        let mut list =
            FileList::parse(&bytes, Separator::Nul).map_err(|error| Error::Usage(error.to_string()))?;
        let rules = self.rules()?;
        list.retain(|path| !rules.hidden(path, false));
        Ok(Some(if self.files_recursive { list.with_everything_below() } else { list }))
    }

    fn limits(&self) -> FileLimits {
        let time = |(seconds, nanos)| Timestamp { seconds, nanos };
        FileLimits {
            size_min: self.size_min,
            size_max: self.size_max,
            newer_than: self.newer_than.map(time),
            older_than: self.older_than.map(time),
        }
    }
}

fn separator(nul: bool) -> Separator {
    if nul { Separator::Nul } else { Separator::Newline }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_survives_being_written() {
        let recipe = Recipe {
            delete: true,
            rules: vec![
                RuleText::Exclude(Text(b"*.o".to_vec())),
                RuleText::File(Text(b"- \xff\n".to_vec()), false),
            ],
            newer_than: Some((-5, 7)),
            backup: Some(Text(b"old\xfe".to_vec())),
            ..Recipe::default()
        };
        let text = serde_json::to_string(&recipe).unwrap();
        assert!(text.contains(r#"{"exclude":"*.o"}"#), "{text}");
        assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe);
        assert!(serde_json::from_str::<Recipe>(r#"{"later": 1}"#).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let moves = Recipe { detect_moves: true, ..Recipe::default() };
        assert!(moves.options().unwrap_err().to_string().contains("--detect-moves"));
        let listed = Recipe { delete: true, files: Some(Vec::new()), ..Recipe::default() };
        assert_eq!(listed.options().unwrap_err().exit_code(), 2);
        let rule = RuleText::File(Text(b"nonsense x".to_vec()), false);
        assert!(Recipe { rules: vec![rule], ..Recipe::default() }.options().is_err());
    }
}
