//! Permissions of files that stay because they are the same.

use super::*;

/// Where only what is new gets permissions, those of a file that stays are nobody's business.
#[test]
fn a_file_that_stays_gets_permissions_only_where_they_are_carried() {
    for (modes, kept) in [(Modes::CARRIED, 0o644), (Modes { only_new: true, ..Modes::CARRIED }, 0o600)] {
        let (root, sink) =
            sink(TreeSinkOptions { overwrite: Overwrite::Different, modes: modes.clone(), ..options() });
        let file = root.path().join("file");
        std::fs::write(&file, CONTENT).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let folder = folder(root.path());
        let name = Name::new(b"file").unwrap();
        let modified = folder.metadata((&name).into()).unwrap().modified;
        let item = OfferedItem {
            path: path("file"),
            metadata: Metadata { kind: Kind::File, size: SIZE, modified, mode: 0o644 },
            source: SourceId::default(),
            changed: false,
        };
        let large = Announcement { modified: Some(modified), ..item.announcement() };
        let placed = sink.stage(&large);
        assert_eq!(placed.map(drop).unwrap_err().code, FailureCode::Skipped);
        assert_eq!(folder.metadata((&name).into()).unwrap().mode, kept, "{modes:?}");
    }
}
