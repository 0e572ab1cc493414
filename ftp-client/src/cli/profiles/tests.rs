use super::*;
use std::fs;
use tempfile::TempDir;

fn config(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn wrong(text: &str) -> String {
    let (_folder, path) = config(text);
    let error = Profiles::load(Some(&path)).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{text}");
    error.to_string()
}

const WORK: &str = "# ours\n[profile.work]\nurl = \"ftpx://ann@files.example.org/projects\"\nlanes = 4\n\
                    exclude = [\"*.tmp\", \"x\"]\nsparse = true\nowner = false\n";

#[test]
fn a_profile_is_a_folder_with_options() {
    let (_folder, path) = config(WORK);
    let profiles = Profiles::load(Some(&path)).unwrap();
    let of = |typed: &str| profiles.resolve(OsStr::new(typed)).unwrap().map(|remote| remote.path.to_string());
    assert_eq!(of("work:a/b").as_deref(), Some("/projects/a/b"));
    assert_eq!(of("work:").as_deref(), Some("/projects"));
    assert_eq!(of("work:/a").as_deref(), Some("/a"));
    for other in ["works:a", "./work:a", "ann@work:a", "work", "work://a"] {
        assert_eq!(of(other), None, "{other}");
    }
    let options: Vec<String> = profiles.profiles["work"]
        .defaults
        .0
        .iter()
        .map(|(key, values)| format!("{key}={}", values.join(",")))
        .collect();
    assert_eq!(options, ["lanes=4", "exclude=*.tmp,x", "sparse=true"]);
}

#[test]
fn errors_name_the_line_and_the_key() {
    let url = "[profile.work]\nurl = \"ftpx://h/\"\n";
    for (text, expected) in [
        (format!("{url}\nlane = 4\n"), ":4: profile.work.lane: there is no such key"),
        (format!("{url}lanes = 400\n"), ":3: profile.work.lanes: "),
        (format!("{url}lanes = []\n[profile"), ":4: "),
        (format!("{url}delete = true\n"), ":3: profile.work.delete: there is no such key"),
        (format!("{url}token = \"x\"\n"), ":3: profile.work.token: secrets are never kept"),
        (format!("{url}password = \"x\"\n"), ":3: profile.work.password: secrets are never kept"),
        (format!("{url}sparse = 1\n"), ":3: profile.work.sparse: must be true or false"),
        (format!("{url}checksum = \"md5\"\n"), ":3: profile.work.checksum: "),
        (
            format!("{url}quiet = true\nverbose = true\n"),
            "profile.work.quiet: is contradicted by another key",
        ),
        (format!("{url}resume = true\nno-resume = true\n"), ": is contradicted by another key"),
        ("[profile.work]\nlanes = 4\n".to_owned(), ":1: profile.work: has no url"),
        ("[profile.work]\nurl = \"h:x\"\n".to_owned(), ":2: profile.work.url: \"h:x\" is no URL"),
        (
            format!("{url}[profile.b]\nurl = \"work:x\"\n"),
            ":4: profile.b.url: \"work:x\" names another profile",
        ),
        ("[profile.\"a b\"]\nurl = \"ftpx://h/\"\n".to_owned(), ":1: profile.a b: is no name"),
        ("\nlanes = 4\n".to_owned(), ":2: lanes: there is no such key"),
        ("[profile]\nwork = 1\n".to_owned(), ":2: profile.work: must be a section"),
    ] {
        let message = wrong(&text);
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn a_flag_that_is_on_by_default_can_be_off() {
    let (_folder, path) = config("[profile.work]\nurl = \"ftpx://h/\"\nresume = false\nsparse = false\n");
    let profiles = Profiles::load(Some(&path)).unwrap();
    assert_eq!(profiles.profiles["work"].defaults.0, [("no-resume".to_owned(), vec!["true".to_owned()])]);
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = config(WORK);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
    assert!(Profiles::load(Some(&path)).unwrap_err().to_string().contains("written by others"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(Profiles::load(Some(&path)).is_ok());
    assert_eq!(Profiles::load(Some(&path.with_extension("none"))).unwrap_err().exit_code(), 2);
}

#[test]
fn a_profile_is_added_with_any_form_of_a_place() {
    let (_folder, path) = config(WORK);
    for (typed, url) in [
        ("ann@h::photos", "ftpx://ann@h/photos"),
        ("h::", "ftpx://h/"),
        ("ann@h:photos", "ssh://ann@h/~/photos"),
        ("FTPX://h:99/a%20b", "FTPX://h:99/a%20b"),
        ("work:2026", "ftpx://ann@files.example.org/projects/2026"),
    ] {
        let load = || Profiles::of_file(Some(&path)).unwrap();
        load().add("x", OsStr::new(typed), &Defaults::default()).unwrap();
        assert_eq!(load().profiles["x"].url, url, "{typed}");
    }
}

#[test]
fn what_people_wrote_stays() {
    let (_folder, path) = config(WORK);
    let load = || Profiles::of_file(Some(&path)).unwrap();
    let defaults = Defaults(vec![("limit-rate".to_owned(), vec!["10M".to_owned()])]);
    load().add("home", OsStr::new("ftpx://h/x"), &defaults).unwrap();
    assert_eq!(load().profiles["home"].defaults, defaults);
    assert_eq!(load().profiles["home"].url, "ftpx://h/x");
    assert!(load().remove("home").unwrap() && !load().remove("home").unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), WORK);
    assert_eq!(load().add("x", OsStr::new("local"), &defaults).unwrap_err().exit_code(), 2);
    assert_eq!(load().add("-x", OsStr::new("ftpx://h"), &defaults).unwrap_err().exit_code(), 2);
}
