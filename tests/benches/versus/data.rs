//! Test data: files and trees made from a seed, and checks that a copy equals its source.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tests::wan::Random;

/// Writes an incompressible file.
pub(crate) fn write_file(path: &Path, bytes: u64, random: &mut Random) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut block = vec![0; BLOCK];
    let mut left = bytes;
    while left > 0 {
        let len = usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK));
        random.fill(&mut block[..len]);
        file.write_all(&block[..len])?;
        left -= len as u64;
    }
    Ok(file.into_inner()?.sync_all()?) // writing it back must not disturb the first runs
}

/// Size and digest of a file. Reading it also brings it into the page cache.
pub(crate) fn fingerprint(path: &Path) -> Result<(u64, blake3::Hash)> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok((hasher.count(), hasher.finalize()))
}

/// The amount of content in a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TreeSize {
    pub(crate) files: u64,
    pub(crate) folders: u64,
    pub(crate) bytes: u64,
}

/// Measures a tree, without the folder itself.
pub(crate) fn tree_size(root: &Path) -> Result<TreeSize> {
    let mut size = TreeSize::default();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                size.folders += 1;
                waiting.push(entry.path());
            } else {
                size.files += 1;
                size.bytes += entry.metadata()?.len();
            }
        }
    }
    Ok(size)
}

/// The HTML documentation of this toolchain, where it is installed.
pub(crate) fn toolchain_documentation() -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let sysroot = String::from_utf8(output.stdout).ok()?;
    let folder = Path::new(sysroot.trim()).join("share/doc/rust/html");
    folder.is_dir().then_some(folder)
}

/// Copies a tree as it is.
pub(crate) fn copy_tree(source: &Path, target: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-r").arg(source).arg(target).status().context("running cp")?;
    ensure!(status.success(), "copying {} failed", source.display());
    Ok(())
}

/// A tree of `files` files in `folders` nested folders, with typical sizes of documentation: log-normal, median 6,000 bytes,
/// mean about 12,000.
pub(crate) fn write_documentation_like(root: &Path, files: u32, folders: u32) -> Result<()> {
    let mut random = Random::new(SEED);
    let folders = nested_folders(root, folders, &mut random)?;
    for number in 0..files {
        let folder = &folders[below(folders.len(), &mut random)];
        let name = format!("item.{number}.html");
        write_small(&folder.join(name), size_of_a_page(&mut random), &mut random)?;
    }
    Ok(())
}

/// A tree of `folders` folders side by side with `files` files of `bytes` each in every one.
pub(crate) fn write_even(root: &Path, folders: u32, files: u32, bytes: u32) -> Result<()> {
    let mut random = Random::new(SEED);
    for folder in 0..folders {
        let folder = root.join(format!("folder-{folder:02}"));
        fs::create_dir_all(&folder)?;
        for file in 0..files {
            write_small(&folder.join(format!("file-{file:03}")), bytes, &mut random)?;
        }
    }
    Ok(())
}

/// A tree of `files` files of text in folders of a hundred: log-normal sizes, with a mean of some 13,000 bytes.
pub(crate) fn write_texts(root: &Path, files: u32) -> Result<()> {
    let mut random = Random::new(SEED);
    let words: Vec<String> = (0..4000)
        .map(|_| {
            let letters = 2 + below(9, &mut random);
            (0..letters).map(|_| char::from(b'a' + random.bits().to_le_bytes()[0] % 26)).collect()
        })
        .collect();
    for number in 0..files {
        let folder = root.join(format!("part-{:02}", number / 100));
        fs::create_dir_all(&folder)?;
        let (len, mut text) = (size_of_a_page(&mut random) as usize, String::new());
        while text.len() < len {
            // Few words are frequent, as in any language.
            let common = (0..4).map(|_| below(words.len(), &mut random)).min().unwrap_or(0);
            text += &words[common];
            text.push(if below(9, &mut random) == 0 { '\n' } else { ' ' });
        }
        fs::write(folder.join(format!("text-{number:04}.h")), text)?;
    }
    Ok(())
}

fn nested_folders(root: &Path, count: u32, random: &mut Random) -> Result<Vec<PathBuf>> {
    fs::create_dir(root)?;
    let depth_max = root.components().count() + 8;
    let mut folders = vec![root.to_owned()];
    for number in 1..count {
        let parent = &folders[below(folders.len(), random)];
        let parent = if parent.components().count() < depth_max { parent } else { &folders[0] };
        let folder = parent.join(format!("module_{number}"));
        fs::create_dir(&folder)?;
        folders.push(folder);
    }
    Ok(folders)
}

fn write_small(path: &Path, bytes: u32, random: &mut Random) -> Result<()> {
    let mut content = vec![0; bytes as usize];
    random.fill(&mut content);
    Ok(fs::write(path, content)?)
}

#[allow(clippy::cast_possible_truncation)] // bounded
fn size_of_a_page(random: &mut Random) -> u32 {
    (6_000.0 * (1.18 * normal(random)).exp()).min(4e6) as u32
}

/// An index below `len`.
#[allow(clippy::cast_possible_truncation)] // below a `usize`
fn below(len: usize, random: &mut Random) -> usize {
    (random.bits() % len as u64) as usize
}

/// A number of the standard normal distribution, after Box and Muller.
fn normal(random: &mut Random) -> f64 {
    let radius = (-2.0 * (1.0 - random.fraction()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.fraction()).cos()
}

const BLOCK: usize = 256 * 1024;
pub(crate) const SEED: u64 = 2026;
