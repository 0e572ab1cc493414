//! Long explanations of transfers, which `--help` and the manual pages show in place of the short ones of `-h`.

/// Explains `get`.
pub(crate) const GET: &str = "\
The last argument, if it is local, is the target: a file goes into it if it is a folder, otherwise it gets that name. With a / at its end, and \
for several items, a missing folder is made. Without one, items go into the current folder.

With -r, rsync's rule decides, whatever is there: a folder keeps its name in the target, and with a / at the end of the folder, its contents \
go there. A second run fetches only files whose size or time differs (--overwrite different).

A remote path may be a pattern, which the server expands: *, ? and [a-z] within a name, ** for any folders, {a,b} for either. A name that exists \
as typed is no pattern; a backslash takes the next character as it is, --no-glob all of them.

Times, permissions and symbolic links are kept. Owners, extended attributes, hard links, holes, set-id and sticky bits are not; `ftp-client \
mirror` can keep most of them. The umask counts as for new files of other programs, unless --perms is given: 0777 becomes 0755 with umask 022.

An interrupted transfer continues when the same command runs again. Complete files are not fetched again, and for a large file only the \
missing chunks are fetched. For this purpose a hidden .ftpx-*.part file and a journal stay beside the target; --no-resume keeps neither, and \
`ftp-client gc FOLDER` removes them. While a command runs, a lost connection is made again, for as long as --give-up-after allows.

A file is reported as done when the death of a process cannot undo it. With --durability power, a loss of power cannot undo it either.

With --result, the outcome of each item is written to a file, a JSON object a line. `ftp-client retry FILE` repeats the items that failed.

Example:
  ftp-client get -r ann@files.example.org::/photos ~/backup    makes ~/backup/photos
  ftp-client get -r ann@files.example.org::/photos/ ~/backup   makes ~/backup with what is in photos
  ftp-client get 'ann@files.example.org::/photos/2026/**/*.jpg' .";

/// Explains `put`.
pub(crate) const PUT: &str = "\
The last argument is the target: a file goes into it if it is a folder, otherwise it gets that name. With a / at its end, and for several \
items, a missing folder is made. '-' sends standard input.

With -r, rsync's rule decides, whatever is there: a folder keeps its name in the target, and with a / at the end of the folder, its contents \
go there. A second run sends only files whose size or time differs (--overwrite different).

Times, permissions and symbolic links are kept. Owners, extended attributes, hard links, holes, set-id and sticky bits are not; `ftp-client \
mirror` can keep most of them.

An interrupted transfer continues when the same command runs again. Complete files are not sent again, and for a large file only the missing \
chunks are sent. For this purpose a hidden .ftpx-*.part file and a journal stay beside the target; --no-resume keeps neither, and `ftp-client gc \
FOLDER` removes them. Standard input cannot be continued and is sent from its beginning. While a command runs, a lost connection is made \
again, for as long as --give-up-after allows.

A file is reported as done when the death of a process cannot undo it. With --durability power, a loss of power cannot undo it either.

With --result, the outcome of each item is written to a file, a JSON object a line. `ftp-client retry FILE` repeats the items that failed.

Example:
  ftp-client put report.pdf ann@files.example.org::/inbox/
  ftp-client put -r photos ann@files.example.org::/new     makes /new/photos
  ftp-client put -r photos/ ann@files.example.org::/new    makes /new with what is in photos
  pg_dump db | ftp-client put - ann@files.example.org::/backup/db.sql";

/// Explains `mirror`.
pub(crate) const MIRROR: &str = "\
Exactly one of SOURCE and TARGET is remote. Afterwards TARGET has what SOURCE has. With --delete it has nothing else.

Comparing: files are compared by size and time, or with --compare digest by content. Each end reads its own files. A file that differs only in \
permissions is not sent again.

Deleting: deletions come last, after everything else succeeded. Nothing is deleted if something in SOURCE could not be read. Nothing is \
copied or deleted if more than half of 20 or more entries would be deleted (exit code 6); --max-delete sets another limit. The same holds if \
SOURCE is empty, whatever the limit, without --allow-empty-source, and always if it is missing. In a tree of more than about 30,000 entries, files may have been copied before the number of deletions is known. If \
TARGET has no room for the new files, deletions come first; --delete-when after forbids this.

Backups: --backup DIR moves what would be replaced or deleted into DIR, on TARGET's side. A DIR inside TARGET is deleted by the next \
--delete without that --backup, with everything in it: choose a DIR outside TARGET. With --keep and --keep-for, DIR has the newest versions of each \
file: NAME.~1~ is the newest, as logrotate numbers them.

Rules: --exclude, --include, --filter-from, --exclude-from and --files-from work as in rsync; merge files and rule modifiers are refused. An excluded entry is \
never opened, and it does not matter whether it can be read.

Links: symbolic links are copied as links. -L sends what they lead to, in SOURCE; -K uses a link in TARGET that leads to a folder as that \
folder. None leads out of a server's root.

Plans: -n prints what would be done. --plan FILE writes it to a file, and `ftp-client apply FILE` does each item whose source and target are \
still as the plan recorded them.

Watching: --watch continues after the first run and mirrors local changes as they happen. Failures are tried again. Everything is compared \
again each hour, or as often as --rescan says.

Example:
  ftp-client mirror ~/photos ann@files.example.org::/photos
  ftp-client mirror -n --delete ann@files.example.org::/site ./site
  ftp-client mirror --delete --plan week.plan ~/work ann@files.example.org::/work
  ftp-client apply week.plan";
