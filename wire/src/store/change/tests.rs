//! Tests of backups: suitable folders, and the names of files in them.

use super::backup_names::numbered;
use super::*;
use crate::limits::NAME_LEN_MAX;
use crate::store::LocalFolder;

#[test]
fn a_backup_that_is_the_tree_itself_is_refused_by_whatever_path() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    std::fs::create_dir_all(tree.join("kept")).unwrap();
    std::os::unix::fs::symlink("tree", place.path().join("link")).unwrap();
    let open = |path: &str| -> Arc<dyn Folder> {
        Arc::new(LocalFolder::open_ambient(&place.path().join(path)).unwrap())
    };
    let changes = |backup| Changes::new(open("tree"), Some(open(backup)), Durability::Process).map(drop);
    for itself in ["tree", "link", "tree/kept/.."] {
        assert_eq!(changes(itself).unwrap_err().code, FailureCode::InvalidPath, "{itself}");
    }
    for other in ["tree/kept", ".", "/"] {
        assert_eq!(changes(other), Ok(()), "{other}");
    }
}

#[test]
fn attributes_are_few_and_in_order() {
    let place = tempfile::tempdir().unwrap();
    let folder = Arc::new(LocalFolder::open_ambient(place.path()).unwrap());
    let changes = Changes::new(folder, None, Durability::Process).unwrap();
    let xattr = |name: &str, len: usize| Xattr { name: name.into(), value: vec![0; len] };
    let code = |xattrs: &[Xattr]| {
        let missing = RemotePath::from_user(b"missing").unwrap();
        changes.set_xattrs(&missing, xattrs).unwrap_err().code
    };
    let most = XATTRS_LEN_MAX - "user.a".len();
    assert_ne!(code(&[xattr("user.a", most)]), FailureCode::BadMessage);
    assert_eq!(code(&[xattr("user.a", most + 1)]), FailureCode::BadMessage);
    assert_eq!(code(&[xattr("user.a", most / 2), xattr("user.b", most / 2)]), FailureCode::BadMessage);
    assert_eq!(code(&[xattr("user.b", 1), xattr("user.a", 1)]), FailureCode::BadMessage);
    assert_eq!(code(&[xattr("user.a", 1), xattr("user.a", 1)]), FailureCode::BadMessage);
}

#[test]
fn the_trees_own_folder_can_be_changed_and_is_synced() {
    for (durability, is_synced) in [(Durability::Process, false), (Durability::Power, true)] {
        let place = tempfile::tempdir().unwrap();
        let folder: Arc<dyn Folder> = Arc::new(LocalFolder::open_ambient(place.path()).unwrap());
        let changes = Changes::new(folder.clone(), None, durability).unwrap();
        let change = |_: &dyn Folder, name: Option<NameRef<'_>>| {
            assert!(name.is_none());
            Ok(())
        };
        changes.with(&RemotePath::root(), change).unwrap();
        let touched = changes.folders.take_touched();
        assert_eq!(touched.contains(&disk_folder(&folder).unwrap()).unwrap(), is_synced, "{durability:?}");
    }
}

#[test]
fn numbered_names_fit_and_cut_no_character() {
    let check = |name: &[u8], number, expected: &[u8]| {
        let numbered = numbered(NameRef::new(name).unwrap(), number);
        assert_eq!(String::from_utf8_lossy(&numbered), String::from_utf8_lossy(expected));
        assert!(numbered.len() <= NAME_LEN_MAX);
    };
    check(b"name", 0, b"name");
    check(b"name", 12, b"name.~12~");
    let long = [b'x'; 255];
    check(&long, 0, &long);
    check(&long, 1, &[&long[..251], b".~1~"].concat());
    check(&long[..251], 1, &[&long[..251], b".~1~"].concat());
    let euros = ["€".repeat(85).as_bytes(), b""].concat(); // 3 bytes each
    check(&euros, 1, &["€".repeat(83).as_bytes(), b".~1~"].concat());
    check(&euros, 100, &["€".repeat(83).as_bytes(), b".~100~"].concat());
    check(&[&long[..247], &[0x80; 8]].concat(), 1, &[&long[..247], &[0x80; 4], b".~1~"].concat());
    check(&[0x80; 255], 1, &[&[0x80; 251][..], b".~1~"].concat());
}

/// The program may die behind each rename of a version to the next number: each content has a name then, and the next version comes first.
#[test]
fn a_death_while_versions_are_moved_on_loses_none() {
    for moved in 0..=5_u32 {
        let place = tempfile::tempdir().unwrap();
        let (tree, kept) = (place.path().join("tree"), place.path().join("kept"));
        for folder in [&tree, &kept] {
            std::fs::create_dir(folder).unwrap();
        }
        let open = |path: &std::path::Path| -> Arc<dyn Folder> {
            Arc::new(LocalFolder::open_ambient(path).unwrap())
        };
        let versions = Some(KeptVersions { count: 9, seconds: 0 });
        let changes = Changes::new(open(&tree), Some(open(&kept)), Durability::Process).unwrap();
        let changes = changes.with_versions(versions).unwrap();
        let path = RemotePath::from_user(b"file").unwrap();
        let add = |content: u32| {
            std::fs::write(tree.join("file"), content.to_string()).unwrap();
            let was = open(&tree).metadata(NameRef::new(b"file").unwrap()).unwrap();
            changes
                .make(&Change::SetAside { path: path.clone(), was, keep: content.is_multiple_of(2) })
                .unwrap();
            let _ = std::fs::remove_file(tree.join("file")); // what comes next is another file
        };
        (0..5).for_each(add);
        let name = |number: u32| kept.join(format!("file.~{number}~"));
        for number in (6 - moved..=5).rev() {
            std::fs::rename(name(number), name(number + 1)).unwrap();
        }
        add(5);
        let content = |number| std::fs::read_to_string(name(number)).unwrap();
        let contents: Vec<String> = (1..=6).map(content).collect();
        assert_eq!(contents, ["5", "4", "3", "2", "1", "0"], "{moved} moved");
        changes.make(&Change::Prune { path: RemotePath::root() }).unwrap();
        assert!(name(6).exists());
        let fewer = Changes::new(open(&tree), Some(open(&kept)), Durability::Process).unwrap();
        let fewer = fewer.with_versions(Some(KeptVersions { count: 2, seconds: 0 })).unwrap();
        fewer.make(&Change::Prune { path: RemotePath::root() }).unwrap();
        assert!(name(2).exists() && !name(3).exists() && !name(6).exists());
    }
}

#[test]
fn a_folder_is_removed_only_if_it_is_empty() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(place.path().join("full/empty")).unwrap();
    let folder: Arc<dyn Folder> = Arc::new(LocalFolder::open_ambient(place.path()).unwrap());
    let changes = Changes::new(folder, None, Durability::Process).unwrap();
    let remove = |path: &[u8]| {
        let path = RemotePath::from_user(path).unwrap();
        changes.make(&Change::RemoveFolder { path }).map_err(|failure| failure.code)
    };
    assert_eq!(remove(b"full"), Err(FailureCode::NotEmpty));
    assert_eq!(remove(b"full/empty"), Ok(()));
    assert_eq!(remove(b"full"), Ok(()));
    assert_eq!(remove(b"full"), Err(FailureCode::NotFound));
}
