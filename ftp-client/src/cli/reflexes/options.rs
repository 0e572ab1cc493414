//! The table of other programs' options.

/// Options of other programs that are read in the same way.
pub(super) struct OptionRow {
    /// As they are typed, the one that notes name first.
    pub(super) names: &'static [&'static str],
    pub(super) takes: Takes,
    /// Our commands that accept them.
    pub(super) commands: &'static [&'static str],
    pub(super) reading: Reading,
}

/// The value of an option.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    Nothing,
    Value,
    MaybeValue,
}

/// The meaning of an option here.
#[derive(Clone, Copy)]
pub(super) enum Reading {
    /// The same as these words of ours.
    Means(&'static [&'static str]),
    /// The same as this option of ours, with the value in our spelling; `None` is our default.
    Named(&'static str, fn(&str) -> Option<String>),
    /// Nothing, for this reason: it is done anyway.
    NotNeeded(&'static str),
    /// It is refused, with our word for it.
    Answered(&'static str),
}

const fn flags(
    names: &'static [&'static str],
    commands: &'static [&'static str],
    reading: Reading,
) -> OptionRow {
    OptionRow { names, takes: Takes::Nothing, commands, reading }
}

const fn valued(
    names: &'static [&'static str],
    commands: &'static [&'static str],
    reading: Reading,
) -> OptionRow {
    OptionRow { names, takes: Takes::Value, commands, reading }
}

/// All rows. An option that one of our commands has itself keeps its own meaning there.
pub(super) static OPTIONS: &[OptionRow] = &[
    // which entries
    flags(&["-a", "--archive"], GET_PUT, Means(&["--recursive"])),
    flags(&["-a", "--archive"], MIRROR, NotNeeded("a mirror takes folders, times, permissions and links")),
    flags(&["-a", "--archive"], CP, Means(&["--recursive"])),
    flags(&["--reverse"], MIRROR, NotNeeded("SOURCE is first and TARGET second, in both directions")),
    flags(
        &["-R", "--relative"],
        MIRROR,
        Answered("name the folder at the target; for lftp's -R: SOURCE is first and TARGET second"),
    ),
    flags(&["-A", "--almost-all"], LS, NotNeeded("hidden names are always listed")),
    flags(
        &["--fast-list", "--create-empty-src-dirs"],
        TRANSFERS,
        NotNeeded("a tree is listed in one request, with its empty folders"),
    ),
    flags(&["--list-only"], GET, Answered("to list a folder, use ls -l")),
    flags(&["--cvs-exclude"], TRANSFERS, Answered("name each pattern with --exclude")),
    valued(
        &["-f", "--filter"],
        TRANSFERS,
        Answered("use --exclude and --include, or --filter-from FILE with one rule per line"),
    ),
    // what is kept
    flags(
        &["-t", "-p", "-l", "--times", "--links", "--preserve"],
        TRANSFERS,
        NotNeeded("times, permissions and links are kept"),
    ),
    flags(&["--dereference"], TRANSFERS_CP, Means(&["--copy-links"])),
    flags(&["--keep-dirlinks"], TRANSFERS, Means(&["--keep-dir-links"])),
    flags(
        &["-k", "--copy-dirlinks", "--copy-unsafe-links"],
        TRANSFERS,
        Answered("-L follows all symbolic links; a single one is followed if its path ends with /"),
    ),
    flags(
        &["--safe-links", "--munge-links"],
        TRANSFERS,
        Answered("links are sent as they are, and never followed at the target without -K"),
    ),
    flags(&["-g", "--group"], MIRROR, Means(&["--owner"])),
    flags(&["-g", "--group"], GET_PUT, Answered("owners and groups are kept by mirror --owner")),
    flags(
        &["--no-owner", "--no-o", "--no-group", "--no-g"],
        TRANSFERS,
        NotNeeded("owners and groups are kept only with mirror --owner"),
    ),
    flags(&["--no-p"], TRANSFERS, Means(&["--no-perms"])),
    flags(&["--no-times", "--no-t"], TRANSFERS, Answered("times are always kept")),
    flags(
        &["-O", "--omit-dir-times"],
        TRANSFERS,
        NotNeeded("a folder whose time cannot be set is no failure"),
    ),
    flags(
        &["--numeric-ids"],
        MIRROR,
        Answered("--owner keeps owners by name, and by number where there is no such name"),
    ),
    flags(&["-A", "--acls"], TRANSFERS, Answered("access control lists are not carried")),
    flags(
        &["-D", "--devices", "--specials"],
        TRANSFERS,
        Answered("devices, pipes and sockets are never sent"),
    ),
    // what is compared and replaced
    flags(&["-c"], MIRROR, Means(&["--compare=digest"])),
    flags(&["-c"], PUT, Means(&["--unless-same=digest"])),
    flags(
        &["-c"],
        GET,
        NotNeeded(
            "an interrupted get continues without an option (mirror --compare digest compares content)",
        ),
    ),
    flags(&["-u", "--update", "--only-newer"], TRANSFERS, Means(&["--overwrite=newer"])),
    flags(&["-u", "--update"], CP, Means(&["--overwrite=newer"])),
    flags(&["--ignore-existing"], GET_MIRROR, Means(&["--overwrite=never"])),
    flags(&["--ignore-existing"], PUT, Means(&["--if-absent"])),
    flags(&["-I", "--ignore-times"], TRANSFERS, Means(&["--overwrite=always"])),
    flags(
        &["--size-only"],
        TRANSFERS,
        Answered(
            "times count too: mirror --modify-window TIME allows a difference, --compare digest reads both",
        ),
    ),
    flags(&["-f", "--force"], CP, NotNeeded("files are replaced without a question")),
    flags(&["-y", "--fuzzy", "--track-renames"], MIRROR, Means(&["--detect-moves"])),
    valued(&["-o"], PUT, Named("--as", same)),
    // what is deleted and kept
    flags(&["--del", "--delete-during"], MIRROR, Means(&["--delete"])),
    flags(&["--delete-after", "--delete-delay"], MIRROR, Means(&["--delete", "--delete-when=after"])),
    flags(&["--delete-before"], MIRROR, Means(&["--delete", "--delete-when=before"])),
    flags(
        &["--delete", "--del", "--delete-after", "--delete-before", "--delete-during", "--delete-delay"],
        GET_PUT,
        Answered("to delete what the source lacks, use mirror --delete SOURCE TARGET"),
    ),
    flags(&["--remove-source-files", "--remove-sent-files", "-E"], TRANSFERS, Means(&["--remove-source"])),
    valued(&["--backup-dir"], MIRROR, Named("--backup", same)),
    flags(&["-b"], MIRROR, Answered("--backup DIR names the folder for what is replaced or deleted")),
    // how data travels
    flags(&["-z"], TRANSFERS, NotNeeded("data is compressed where that is faster (see --compress)")),
    flags(&["-C"], GET_PUT, NotNeeded("data is compressed where that is faster (see --compress)")),
    valued(&["--compress-level", "--zl"], TRANSFERS, Named("--compress", same)),
    valued(&["--bwlimit"], TRANSFERS, Named("--limit-rate", rate)),
    valued(&["--contimeout"], TRANSFERS, Named("--timeout", same)),
    flags(&["--fsync"], TRANSFERS, Means(&["--durability=power"])),
    flags(&["-W", "--whole-file"], TRANSFERS, Means(&["--delta=never"])),
    flags(&["--no-whole-file", "--no-W"], TRANSFERS, Means(&["--delta=always"])),
    flags(&["--inplace"], TRANSFERS, Answered("a file gets its name when it is complete, never before")),
    valued(
        &["--transfers", "--checkers", "--parallel", "--multi-thread-streams", "--use-pget-n"],
        TRANSFERS,
        NotNeeded("several files and connections are used at a time (see --lanes)"),
    ),
    // progress and resuming
    flags(
        &["-P"],
        TRANSFERS,
        NotNeeded(
            "progress is shown, and an interrupted transfer continues; a port is written ftpx://HOST:PORT/PATH",
        ),
    ),
    flags(&["--progress"], TRANSFERS, NotNeeded("progress is shown (see --no-progress)")),
    flags(
        &["--partial", "--append", "--append-verify", "--continue"],
        TRANSFERS,
        NotNeeded("an interrupted transfer continues when the same command runs again"),
    ),
    valued(
        &["--partial-dir"],
        TRANSFERS,
        NotNeeded("an interrupted transfer continues when the same command runs again"),
    ),
    flags(&["--stats"], TRANSFERS, NotNeeded("a summary ends the run, and --json has all counts")),
    flags(&["--human-readable"], GET_PUT, NotNeeded("sizes are shown as 1.5 MiB")),
    flags(&["--itemize-changes"], TRANSFERS, NotNeeded("-v names each file, and mirror -n each change")),
    valued(&["--info"], TRANSFERS, NotNeeded("-v shows more, and -q less")),
    valued(
        &["--log-file"],
        TRANSFERS,
        Answered("--result FILE records each item of get and put; messages go to standard error"),
    ),
    // how the server is reached
    OptionRow {
        names: &["-e", "--rsh"],
        takes: Takes::MaybeValue,
        commands: TRANSFERS,
        reading: Answered(
            "no ssh is needed, the server is ftpx://[USER@]HOST[:PORT]/PATH; to delete, use mirror --delete",
        ),
    },
    valued(
        &["--rsync-path"],
        TRANSFERS,
        Answered("the server is an ftp-server; no program is started there"),
    ),
    valued(&["--port"], REACHING, Answered("a port is written ftpx://[USER@]HOST:PORT/PATH")),
    valued(
        &["-J"],
        REACHING,
        Answered("there are no jump hosts: forward a port with ssh -L and connect to it"),
    ),
    flags(&["-4", "-6", "--ipv4", "--ipv6"], REACHING, Answered("write an address of that kind as the host")),
];

use Reading::{Answered, Means, Named, NotNeeded};

const GET: &[&str] = &["get"];
const PUT: &[&str] = &["put"];
const MIRROR: &[&str] = &["mirror"];
const CP: &[&str] = &["cp"];
const LS: &[&str] = &["ls"];
const GET_PUT: &[&str] = &["get", "put"];
const GET_MIRROR: &[&str] = &["get", "mirror"];
const TRANSFERS: &[&str] = &["get", "put", "mirror"];
const TRANSFERS_CP: &[&str] = &["get", "put", "mirror", "cp"];
const REACHING: &[&str] = &["get", "put", "mirror", "ls", "cat", "shell"];

fn same(value: &str) -> Option<String> {
    Some(value.to_owned())
}

/// rsync's and rclone's rates: a bare number is KiB per second, and 0 is no limit.
fn rate(value: &str) -> Option<String> {
    let number = value.trim_end_matches(['i', 'b', 'B']);
    if number.parse() == Ok(0.0) {
        None
    } else if number.ends_with(|last: char| last.is_ascii_digit()) {
        Some(format!("{number}K"))
    } else {
        Some(number.to_owned())
    }
}
