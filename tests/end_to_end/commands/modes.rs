//! Transfer of permissions: those that folders keep, those requested (`--no-perms`, `--chmod`), the server's rules for a user,
//! and folders that belong to others.

use crate::mirrors::{Mirror, WAYS, Way};
use crate::support::{chmod, event, is_root, output};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use tests::world::{Ran, Server, World, binaries};

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A source with a folder and two files in it.
fn mirror(way: Way) -> Mirror {
    let mirror = Mirror::new(way);
    fs::create_dir(mirror.source().join("a")).unwrap();
    mirror.write("a/f", "f");
    mirror.write("run", "run");
    for (name, bits) in [("", 0o750), ("a", 0o755), ("a/f", 0o640), ("run", 0o755)] {
        chmod(&mirror.source().join(name), bits);
    }
    mirror
}

fn modes(folder: &Path) -> [u32; 4] {
    ["", "a", "a/f", "run"].map(|name| mode(folder.join(name)))
}

#[test]
fn folders_keep_their_set_id_and_sticky_bits() {
    for way in WAYS {
        let mirror = mirror(way);
        fs::create_dir(mirror.target()).unwrap();
        chmod(&mirror.target(), 0o3777);
        mirror.check::<&str>([]);
        assert_eq!(modes(&mirror.target()), [0o3750, 0o2755, 0o640, 0o755], "{way:?}");
        assert_eq!(mirror.check(["-n"]).text(), "");
        chmod(&mirror.source().join("a"), 0o700);
        chmod(&mirror.target().join("run"), 0o4755);
        mirror.write("a/f", "changed");
        mirror.check::<&str>([]);
        assert_eq!(modes(&mirror.target()), [0o3750, 0o2700, 0o640, 0o4755], "{way:?}");
        assert_eq!(mirror.check(["-n"]).text(), "");
    }
    let world = World::serving();
    for side in [world.root(), world.local()] {
        fs::create_dir_all(side.join("shared/source")).unwrap();
        fs::create_dir_all(side.join("source/a")).unwrap();
        fs::write(side.join("source/a/f"), "f").unwrap();
        chmod(&side.join("shared"), 0o2775);
        chmod(&side.join("shared/source"), 0o1777);
    }
    world.check(["put", "-r", "source", &world.url("shared")]);
    world.check(["get", "-r", &world.url("source"), "shared"]);
    world.check(["put", "-r", "source/a", &world.url("shared")]);
    world.check(["get", "-r", &world.url("source/a"), "shared"]);
    for side in [world.root(), world.local()] {
        let bits = ["shared", "shared/source", "shared/a"].map(|name| mode(side.join(name)) & 0o7000);
        assert_eq!(bits, [0o2000, 0o1000, 0o2000]);
    }
    world.check(["chmod", "750", &world.url("shared")]);
    assert_eq!(mode(world.root().join("shared")), 0o2750);
    world.check(["chmod", "00750", &world.url("shared")]);
    assert_eq!(mode(world.root().join("shared")), 0o750);
}

#[test]
fn bits_of_the_source_are_not_carried() {
    for way in WAYS {
        let mirror = mirror(way);
        chmod(&mirror.source().join("a"), 0o3777);
        chmod(&mirror.source().join("run"), 0o6755);
        mirror.check::<&str>([]);
        let folder = if way == Way::Up { 0o777 } else { 0o777 & !wire::store::umask() };
        assert_eq!(modes(&mirror.target()), [0o750, folder, 0o640, 0o755], "{way:?}");
        assert_eq!(mirror.check(["-n"]).text(), "");
    }
}

#[test]
fn without_permissions_new_files_get_those_of_the_target_and_old_ones_keep_theirs() {
    let umask = wire::store::umask();
    let (new_file, new_folder) = (0o666 & !umask, 0o777 & !umask);
    for way in WAYS {
        let mirror = mirror(way);
        fs::create_dir_all(mirror.target().join("a")).unwrap();
        fs::write(mirror.target().join("a/f"), "old").unwrap();
        chmod(&mirror.target(), 0o711);
        chmod(&mirror.target().join("a"), 0o500);
        chmod(&mirror.target().join("a/f"), 0o606);
        mirror.write("a/large", vec![1; 3 << 20]);
        mirror.check(["--no-perms"]);
        assert_eq!(modes(&mirror.target()), [0o711, 0o500, 0o606, new_file], "{way:?}");
        assert_eq!(mode(mirror.target().join("a/large")), new_file);
        assert_eq!(fs::read_to_string(mirror.target().join("a/f")).unwrap(), "f");
        assert_eq!(mirror.check(["-n", "--no-perms"]).text(), "");
        mirror.check(["--plan=plan"]);
        assert_eq!(mirror.check(["--plan=plan", "--no-perms"]).text(), "");
        mirror.world.check(["apply", "plan"]);
        mirror.check::<&str>([]);
        assert_eq!(modes(&mirror.target()), [0o750, 0o755, 0o640, 0o755], "{way:?}");
    }
    let mirror = mirror(Way::Up);
    let world = &mirror.world;
    world.check(["put", "-r", "--no-perms", "source/", &world.url("up")]);
    assert_eq!(modes(&world.root().join("up")), [new_folder, new_folder, new_file, new_file]);
    chmod(&world.root().join("up/run"), 0o700);
    world.check(["put", "--no-perms", "source/run", &world.url("up/run")]);
    world.check(["put", "--no-perms", "source/run", &world.url("up/new")]);
    assert_eq!(["run", "new"].map(|name| mode(world.root().join("up").join(name))), [0o700, new_file]);
    chmod(&world.root().join("up/a"), 0o770);
    world.check(["get", "-r", "--no-perms", &world.url("up/"), "down"]);
    assert_eq!(modes(&world.local().join("down")), [new_folder, new_folder, new_file, new_file]);
    chmod(&world.local().join("down/run"), 0o700);
    world.check(["get", "--no-perms", &world.url("up/run"), "down/run"]);
    assert_eq!(mode(world.local().join("down/run")), 0o700);
}

#[test]
fn permissions_are_changed_on_their_way() {
    const CHANGED: [u32; 4] = [0o2775, 0o2775, 0o664, 0o664];
    for way in WAYS {
        let mirror = mirror(way);
        mirror.write("large", vec![1; 3 << 20]);
        mirror.check(["--chmod=D2775,F664"]);
        assert_eq!(modes(&mirror.target()), CHANGED, "{way:?}");
        assert_eq!(mode(mirror.target().join("large")), 0o664);
        assert_eq!(mirror.check(["-n", "--chmod=D2775,F664"]).text(), "");
        mirror.check(["--chmod=go-rwx,Fu-x"]);
        assert_eq!(modes(&mirror.target()), [0o2700, 0o2700, 0o600, 0o600], "{way:?}");
        assert_eq!(mirror.check(["-n", "--chmod=go-rwx,Fu-x"]).text(), "");
        let ran = mirror.ends(2, ["--chmod=rwx"]);
        assert!(ran.stderr.contains("\"rwx\""), "{}", ran.stderr);
    }
    let mirror = mirror(Way::Up);
    let world = &mirror.world;
    world.check(["put", "-r", "--chmod=D2775,F664", "source/", &world.url("up")]);
    assert_eq!(modes(&world.root().join("up")), CHANGED);
    world.check(["put", "--chmod", "-x", "source/run", &world.url("up/run")]);
    assert_eq!(mode(world.root().join("up/run")), 0o644);
    world.check(["get", "-r", "--chmod=D2711,F4640", &world.url("up/"), "down"]);
    assert_eq!(modes(&world.local().join("down")), [0o2711, 0o2711, 0o640, 0o640]);
    world.check(["put", "--no-perms", "--chmod=Fo=", "source/run", &world.url("up/new")]);
    assert_eq!(mode(world.root().join("up/new")), 0o660 & !wire::store::umask());
    assert_eq!(world.client(["put", "--chmod=8", "source/run", &world.url("up/x")]).code, Some(2));
}

fn set(world: &World, words: &[&str]) -> Ran {
    let mut command = Command::new(&binaries().server);
    command.args(["user", "set", "--state"]).arg(world.state()).args(words);
    Ran::from(command.output().unwrap())
}

#[test]
fn a_user_has_rules_for_all_that_it_makes_and_changes() {
    let mirror = mirror(Way::Up);
    let world = &mirror.world;
    assert_eq!(set(world, &["tester", "--umask=027", "--force-mode=2460"]).code, Some(0));
    for wrong in [
        &["tester", "--umask=277"][..],
        &["tester", "--force-mode=4000"],
        &["tester"],
        &["nobody", "--umask=0"],
    ] {
        assert_ne!(set(world, wrong).code, Some(0), "{wrong:?}");
    }
    let (file, run, folder) = (0o660, 0o770, 0o2770);
    fs::write(world.local().join("large"), vec![1; 3 << 20]).unwrap();
    chmod(&world.local().join("large"), 0o666);
    mirror.check::<&str>([]);
    world.check(["put", "-r", "source/", &world.url("up")]);
    assert_eq!(mirror.check(["-n", "--delete"]).text(), "", "what the rules make of it is no difference");
    for tree in ["target", "up"] {
        assert_eq!(modes(&world.root().join(tree)), [folder, folder, file, run & 0o750 | 0o060], "{tree}");
    }
    world.check(["put", "large", &world.url("large")]);
    world.check(["touch", &world.url("touched")]);
    world.check(["mkdir", "-p", &world.url("one/two")]);
    for (name, bits) in [("large", file), ("touched", file), ("one", folder), ("one/two", folder)] {
        assert_eq!(mode(world.root().join(name)), bits, "{name}");
    }
    world.check(["chmod", "777", &world.url("large"), &world.url("one")]);
    assert_eq!(["large", "one"].map(|name| mode(world.root().join(name))), [0o770, folder]);
    chmod(&mirror.source().join("a/f"), 0o777);
    mirror.check::<&str>([]);
    assert_eq!(mode(mirror.target().join("a/f")), 0o770);
    assert_eq!(set(world, &["tester", "--umask=none", "--force-mode=none"]).code, Some(0));
    mirror.check::<&str>([]);
    assert_eq!(modes(&mirror.target()), [0o2750, 0o2755, 0o777, 0o755]);
}

/// Returns the command without the right to change other users' files.
fn without_ownership(command: &Command) -> Option<Command> {
    let mut bound = Command::new("setpriv");
    bound.args(["--bounding-set=-fowner", "--inh-caps=-all"]);
    if !is_root() || output(Command::new("setpriv").args(["--bounding-set=-fowner", "true"])).is_none() {
        println!("skipped: only root has folders of others, and setpriv is needed");
        return None;
    }
    bound.arg(command.get_program()).args(command.get_args());
    bound.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        bound.current_dir(folder);
    }
    Some(bound)
}

#[test]
fn metadata_of_somebody_elses_folder_is_a_note_and_no_failure() {
    for way in WAYS {
        let mut mirror = mirror(way);
        let mut serve = Command::new(&binaries().server);
        serve.args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(mirror.world.state());
        let Some(serve) = without_ownership(&serve) else { return };
        let log = mirror.world.state().join("bound.log");
        *mirror.world.server_mut() = Server::start(serve, log);
        fs::create_dir_all(mirror.target().join("a")).unwrap();
        for folder in [mirror.target(), mirror.target().join("a")] {
            chmod(&folder, 0o777);
            chown(&folder, Some(65_534), None).unwrap();
        }
        for run in 0..2 {
            let command = mirror.world.client_command(mirror.words(["--delete", "--json"]));
            let ran = Ran::from(without_ownership(&command).unwrap().output().unwrap());
            assert_eq!(ran.code, Some(0), "{way:?} {run}: {}", ran.stderr);
            assert_eq!(ran.stderr.matches("belong to other users").count(), 1, "{}", ran.stderr);
            assert_eq!(event(&ran, "finished")["not_owned"], 2);
            assert_eq!(event(&ran, "finished")["failed"], 0);
            assert_eq!(event(&ran, "finished")["files"], if run == 0 { 2 } else { 0 });
        }
        assert_eq!(modes(&mirror.target()), [0o777, 0o777, 0o640, 0o755]);
        let [source, target] = mirror.places();
        let words = match way {
            Way::Up => ["put".to_owned(), "-r".to_owned(), format!("{source}/a"), target],
            Way::Down => ["get".to_owned(), "-r".to_owned(), mirror.world.url("source/a"), target],
        };
        let ran = without_ownership(&mirror.world.client_command(words)).unwrap().output().unwrap();
        let ran = Ran::from(ran);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stderr.contains("belongs to another user"), "{}", ran.stderr);
    }
}

/// The second run of a tree brings permissions that changed, as the first one has.
#[test]
fn unchanged_files_get_the_permissions_of_the_source() {
    let large = vec![7; 3 << 20];
    for way in WAYS {
        let world = World::serving();
        let (source, target) = match way {
            Way::Up => (world.local().join("tree"), world.root().join("tree")),
            Way::Down => (world.root().join("tree"), world.local().join("tree")),
        };
        let run = |options: &[&str]| match way {
            Way::Up => world.check(["put", "-r", "tree", &world.url("")].iter().chain(options)),
            Way::Down => world.check(["get", "-r", &world.url("tree"), "."].iter().chain(options)),
        };
        fs::create_dir(&source).unwrap();
        for (name, content) in [("small", &b"small"[..]), ("large", &large)] {
            fs::write(source.join(name), content).unwrap();
            chmod(&source.join(name), 0o644);
        }
        run(&[]);
        let both = |folder: &Path| ["small", "large"].map(|name| mode(folder.join(name)));
        let change = |bits: u32| ["small", "large"].map(|name| chmod(&source.join(name), bits));
        for (bits, options) in [(0o600, &[][..]), (0o755, &["--durability=power"]), (0o640, &["--no-resume"])]
        {
            change(bits);
            run(options);
            assert_eq!(both(&target), [bits; 2], "{way:?}, {options:?}");
        }
        chmod(&target.join("small"), 0o4640);
        change(0o666);
        run(&["--no-perms"]);
        assert_eq!(both(&target), [0o4640, 0o640], "{way:?}");
        run(&["--overwrite=newer"]);
        run(&["--overwrite=never"]);
        assert_eq!(both(&target), [0o4640, 0o640], "{way:?}: another file may have this name");
        run(&["--perms"]);
        assert_eq!(both(&target), [0o4666, 0o666], "{way:?}");
        run(&["--chmod=go="]);
        assert_eq!(both(&target), [0o4600, 0o600], "{way:?}");
    }
}
