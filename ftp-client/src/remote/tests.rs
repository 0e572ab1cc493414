use super::*;
use std::path::Path;

fn remote(text: &str) -> Remote {
    Remote::parse(OsStr::new(text)).unwrap()
}

fn reason(text: &str) -> RemotePathFault {
    Remote::parse(OsStr::new(text)).unwrap_err().reason
}

fn is_local(text: &str) -> bool {
    TypedPath::parse(OsStr::new(text)).unwrap() == TypedPath::Local(Path::new(text).to_owned())
}

#[test]
fn local_paths_are_told_as_scp_does() {
    for text in ["file", "./a:b", "/a:b", "dir/a:b", ":a", "a b", "", "[a]", "dir/ftpx:x"] {
        assert!(is_local(text), "{text}");
    }
    for text in ["host:", "host:path", "u@host:p", "[::1]:p", "u@[::1]:p", "ftpx://host", "a:b/c"] {
        assert!(!is_local(text), "{text}");
    }
}

#[test]
fn scp_spelling() {
    let place = remote("ann@Example.ORG:a//b");
    assert_eq!(
        (place.user.as_deref(), place.host.as_str(), place.port, place.way),
        (Some("ann"), "Example.ORG", PORT_OF_SSH_CONFIG, Way::Ssh)
    );
    assert_eq!((place.path.as_bytes(), place.ending), (&b"~/a/b"[..], PathEnding::Name));
    assert_eq!(remote("ann@corp@host:x").user.as_deref(), Some("ann@corp"));
    assert_eq!(remote("host:a:b@c").path.as_bytes(), b"~/a:b@c");
    assert_eq!(remote("u@[fe80::1%eth0]:x").host, "fe80::1%eth0");
    for home in ["host:", "host:~", "host:.", "ssh://host/~"] {
        assert_eq!(
            (remote(home).path.to_string().as_str(), remote(home).must_be_folder()),
            ("~", home != "ssh://host/~"),
            "{home}"
        );
    }
    assert!(remote("host:/").path.is_root());
    assert_eq!(remote("host:100%").path.as_bytes(), b"~/100%");
    for folder in ["host:/2026/x", "host:./2026/x", "host:2026-05/x", "host:70000/x", "host:0/x"] {
        assert!(remote(folder).path.to_string().starts_with(['/', '~']), "{folder}");
    }
    assert_eq!(remote("host:./2026/x").path.as_bytes(), b"~/2026/x");
}

#[test]
fn two_colons_are_for_a_standing_server() {
    let place = remote("ann@host::a//b");
    assert_eq!((place.way, place.port, place.path.as_bytes()), (Way::Ftpx, DEFAULT_PORT, &b"a/b"[..]));
    assert!(remote("host::").path.is_root());
    assert_eq!(remote("[::1]::/x").host, "::1");
}

#[test]
fn ssh_has_urls() {
    let place = remote("ssh://ann@host:2222/~/a%20b");
    assert_eq!((place.way, place.port, place.path.as_bytes()), (Way::Ssh, 2222, &b"~/a b"[..]));
    assert_eq!(
        (remote("ssh://host/srv").path.as_bytes(), remote("ssh://host/srv").address().as_str()),
        (&b"srv"[..], "host")
    );
    assert_eq!(remote("host:photos").url(), "ssh://host/~/photos");
    assert_eq!(remote("host:a/b").at(OsStr::new("~/c")).unwrap().path.as_bytes(), b"~/c");
    assert_eq!(remote("host::a/b").at(OsStr::new("~/c")).unwrap().path.as_bytes(), b"a/b/~/c");
}

#[test]
fn url_spelling() {
    let place = remote("FTPX://ann%40corp@[::1]:99/dir/a%20b%FF");
    assert_eq!((place.user.as_deref(), place.host.as_str(), place.port), (Some("ann@corp"), "::1", 99));
    assert_eq!(place.path.as_bytes(), b"dir/a b\xff");
    assert_eq!(place.address(), "[::1]:99");
    assert_eq!(remote("ftpx://host").port, DEFAULT_PORT);
    assert_eq!(remote("ftpx://[fe80::1%25eth0]/x").host, "fe80::1%eth0");
    let pinned = remote(&format!("ftpx://host/a?pin=sha256:{}", "0f".repeat(32)));
    assert_eq!(pinned.pin, Some([0x0f; 32]));
}

#[test]
fn a_url_leads_to_the_same_place() {
    let pinned = format!("ftpx://host/a?pin=sha256:{}", "0f".repeat(32));
    for text in [
        "ann@host:a b/c%d",
        "[fe80::1%eth0]:x",
        "ann%40corp@h::",
        "ftpx://h:99/%FF",
        &pinned,
        "a@b@h:~x",
        "h::x",
        "[::1]::x",
        "h:/x",
        "ssh://h:5/x",
    ] {
        let place = remote(text);
        let again = remote(&place.url());
        assert_eq!(Remote { ending: place.ending, ..again }, place, "{text}");
    }
    assert_eq!(remote("ann@host::photos").url(), "ftpx://ann@host/photos");
}

#[test]
fn endings_are_remembered() {
    for (text, ending) in [
        ("h:", PathEnding::Slash),
        ("h:/", PathEnding::Slash),
        ("h:a/", PathEnding::Slash),
        ("h:a/.", PathEnding::Dot),
        ("h:.", PathEnding::Dot),
        ("h:a", PathEnding::Name),
        ("ftpx://h", PathEnding::Slash),
        ("ftpx://h/a/", PathEnding::Slash),
        ("ftpx://h/a.", PathEnding::Name),
    ] {
        assert_eq!(remote(text).ending, ending, "{text}");
    }
    assert_eq!(remote("h:a/b/").last_name().unwrap().as_bytes(), b"b");
    assert_eq!(remote("h:a/b/.").last_name(), None);
    assert_eq!(remote("h:").last_name(), None);
}

#[test]
fn wrong_ones_are_told_why() {
    for (text, wrong) in [
        ("file", RemotePathFault::IsLocal),
        ("http://host/x", RemotePathFault::Scheme),
        ("ftpx:///x", RemotePathFault::Host),
        ("ho st:x", RemotePathFault::Host),
        ("-o:x", RemotePathFault::Host),
        ("[::g]:x", RemotePathFault::Host),
        ("ftpx://host:0/", RemotePathFault::Port),
        ("ann@host:2121:/x", RemotePathFault::PortInScp),
        ("host:2121:", RemotePathFault::PortInScp),
        (
            "ann@host:2121/x",
            RemotePathFault::PortOrFolder { place: "ann@host".to_owned(), port: 2121, colon: ":" },
        ),
        ("host::22", RemotePathFault::PortOrFolder { place: "host".to_owned(), port: 22, colon: "::" }),
        ("ftpx://host:+5/", RemotePathFault::Port),
        ("ftpx://host:/", RemotePathFault::Port),
        ("ftpx://host:70000/", RemotePathFault::Port),
        ("@host:x", RemotePathFault::User),
        ("a;b@host:x", RemotePathFault::User),
        ("ssh://a%60b@host/", RemotePathFault::User),
        ("host:/~/x", RemotePathFault::Home),
        ("ftpx://%FF@host/", RemotePathFault::User),
        ("ftpx://ann:secret@host/", RemotePathFault::Password),
        ("ftpx://host/100%", RemotePathFault::Percent),
        ("ftpx://host/a#b", RemotePathFault::Fragment),
        ("ftpx://host/a?b", RemotePathFault::Query),
        ("ftpx://host/a?pin=sha256:0", RemotePathFault::Pin),
        (&format!("ssh://host/a?pin=sha256:{}", "0f".repeat(32)), RemotePathFault::Query),
        ("ftpx://host/a%2Fb", RemotePathFault::Path(PathError::Slash)),
        ("ftpx://host/%2e%2E/x", RemotePathFault::Path(PathError::Dots)),
        ("host:../x", RemotePathFault::Path(PathError::Dots)),
        ("ftpx://host/a%00", RemotePathFault::Path(PathError::Nul)),
    ] {
        assert_eq!(reason(text), wrong, "{text}");
    }
}

#[test]
fn errors_do_not_speak_to_the_terminal() {
    let error = Remote::parse(OsStr::from_bytes(b"a\x1b[31m\xff")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a\\x1b[31m\\xff: not a remote path; write HOST:PATH (over ssh), HOST::PATH or ftpx://HOST/PATH"
    );
}

#[test]
fn addresses_are_read_as_they_are_written() {
    for (text, host, port) in [
        ("host:5", "host", 5),
        ("Host", "host", DEFAULT_PORT),
        ("[::1]:5", "::1", 5),
        ("[::1]", "::1", DEFAULT_PORT),
        ("::1", "::1", DEFAULT_PORT),
    ] {
        assert_eq!(parse_address(text), Some((host.to_owned(), port)), "{text}");
    }
    for text in ["", ":5", "host:", "host:x", "[::1", "a b"] {
        assert_eq!(parse_address(text), None, "{text}");
    }
}

#[test]
fn paths_are_typed_from_here() {
    let here = remote("ann@h::/a/b");
    for (typed, path, ending) in [
        ("c", "/a/b/c", PathEnding::Name),
        ("./c/", "/a/b/c", PathEnding::Slash),
        ("/c", "/c", PathEnding::Name),
        ("", "/a/b", PathEnding::Slash),
        (".", "/a/b", PathEnding::Dot),
        ("..", "/a", PathEnding::Dot),
        ("../../../x", "/x", PathEnding::Name),
        ("c:d", "/a/b/c:d", PathEnding::Name),
    ] {
        let there = here.at(OsStr::new(typed)).unwrap();
        assert_eq!((there.path.to_string().as_str(), there.ending), (path, ending), "{typed}");
        assert_eq!(there.user.as_deref(), Some("ann"));
    }
    assert!(here.at(OsStr::new("nul\0")).is_err());
}
