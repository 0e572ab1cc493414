//! Files that are understood, and messages for those that are not.

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("/etc/ftp-server/config.toml")).map_err(|error| error.to_string())
}

#[track_caller]
fn check_error(text: &str, expected_start: &str) {
    let message = parse(text).unwrap_err();
    assert!(message.starts_with(&format!("/etc/ftp-server/config.toml:{expected_start}")), "{message}");
}

#[test]
fn an_empty_file_means_the_defaults() {
    assert_eq!(parse("").unwrap(), Config::default());
    assert_eq!(parse("[limits]\n[log]\n").unwrap(), Config::default());
}

#[test]
fn every_key_is_understood() {
    let config = parse(
        r#"
        listen = ["127.0.0.1:0", "::1"]
        root = "files"
        state = "/var/lib/ftp-server"
        [limits]
        connections = 1
        connections_per_address = 9
        strangers_per_address = 10
        sessions_per_user = 2
        logins_waiting = 3
        failed_logins_max = 0
        login_bar = "8m"
        lanes_per_session = 4
        jobs_per_session = 5
        memory_per_session = "48 MiB"
        memory_per_user = "131072 KiB"
        memory = "1GiB"
        login_timeout = "6s"
        idle_timeout = "7m"
        drain_timeout = "0s"
        [log]
        format = "json"
        level = "debug"
        [tls]
        certificate = "chain.pem"
        key = "/secret/key.pem"
        "#,
    )
    .unwrap();
    let expected = Config {
        listen: vec!["127.0.0.1:0".parse().unwrap(), "[::1]:2121".parse().unwrap()],
        root: Some("/etc/ftp-server/files".into()),
        state: Some("/var/lib/ftp-server".into()),
        limits: ServerLimits {
            connections: 1,
            connections_per_address: 9,
            strangers_per_address: 10,
            sessions_per_user: 2,
            logins_waiting: 3,
            failed_logins_max: 0,
            login_bar: Duration::from_secs(8 * 60),
            lanes_per_session: 4,
            jobs_per_session: 5,
            memory_per_session: 48 << 20,
            memory_per_user: 128 << 20,
            memory: 1 << 30,
            login_timeout: Duration::from_secs(6),
            idle_timeout: Duration::from_secs(7 * 60),
        },
        drain_timeout: DrainTimeout(Duration::ZERO),
        log: LogOptions { format: LogFormat::Json, level: LogLevel::Debug },
        tls: Some(TlsFiles {
            certificate: "/etc/ftp-server/chain.pem".into(),
            key: "/secret/key.pem".into(),
        }),
    };
    assert_eq!(config, expected);
}

#[test]
fn what_is_printed_can_be_read_back() {
    let text = "listen = \"[::]:1\"\nroot = \"/srv\"\n[tls]\ncertificate = \"c\"\nkey = \"k\"\n";
    for config in [Config::default(), parse(text).unwrap()] {
        assert_eq!(parse(&config.to_toml().unwrap()).unwrap(), config);
    }
}

#[test]
fn one_address_needs_no_list() {
    assert_eq!(parse("listen = \"0.0.0.0\"").unwrap().listen, ["0.0.0.0:2121".parse().unwrap()]);
}

#[test]
fn errors_name_file_line_and_key() {
    check_error("\nlisten = \"localhost\"", "2: listen: \"localhost\" is not an address");
    check_error("listen = [\n  \"[::]:1\",\n  \"x\",\n]", "1: listen: \"x\" is not an address");
    check_error("listen = 2121", "1: listen: invalid type: integer");
    check_error("rot = \"/srv\"", "1: rot: unknown field `rot`, expected one of");
    check_error("[limits]\nconnections = 0", "2: limits.connections: must be from 1 to 65536, not 0");
    check_error("[limits]\nconnections = \"9\"", "2: limits.connections: invalid type: string");
    check_error("[limits]\nidle_timeout = \"soon\"", "2: limits.idle_timeout: \"soon\" is not a time");
    check_error(
        "[limits]\nlogin_timeout = \"1h\"",
        "2: limits.login_timeout: must be from 1s to 10m, not \"1h\"",
    );
    check_error("[limits]\n\nspeed = 1 # x", "3: limits.speed: unknown field `speed`");
    check_error("root = \"a\"\n[log]\nlevel = \"loud\"", "3: log.level: unknown variant `loud`");
    check_error("[tls] # real\ncertificate = \"c\"", "1: tls: missing field `key`");
    check_error("root = \"/a\"\nroot = \"/b\"", "2: root: duplicate key");
    check_error("[limits\n", "1: ");
}

#[test]
fn a_missing_file_is_named() {
    let message = Config::load(Path::new("/nowhere/config.toml")).unwrap_err().to_string();
    assert!(message.starts_with("cannot read the configuration /nowhere/config.toml: "), "{message}");
}
