use super::*;

fn environment() -> Environment {
    Environment::from_iter([("PATH", "/usr/bin:/bin"), ("SAID", "by the environment"), ("HOME", "/nowhere")])
}

fn run(words: &[&str], limit: Duration) -> Result<String, CommandFailure> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    output(&words, &environment(), limit).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn what_a_program_prints_is_had_and_what_it_complains_of_is_not() {
    assert_eq!(run(&["sh", "-c", "echo hidden >&2; echo \"$SAID\""], LIMIT).unwrap(), "by the environment\n");
    assert_eq!(run(&["sh", "-c", "cat; env | grep -c GREENROOM_TEST_ABSENT; true"], LIMIT).unwrap(), "0\n");
}

#[test]
fn each_failure_has_its_kind() {
    assert!(matches!(run(&["no-such-program-here"], LIMIT), Err(CommandFailure::NotStarted(_))));
    assert!(matches!(run(&["~/no-such-program"], LIMIT), Err(CommandFailure::NotStarted(_))));
    assert!(matches!(run(&["sh", "-c", "echo half; exit 7"], LIMIT), Err(CommandFailure::Exit { code: 7 })));
    assert!(matches!(run(&["sh", "-c", "kill -9 $$"], LIMIT), Err(CommandFailure::Killed)));
    assert!(matches!(run(&["cat", "/dev/zero"], LIMIT), Err(CommandFailure::Unreadable(_))));
}

#[test]
fn what_takes_too_long_is_ended_with_all_that_it_started() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("child");
    let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
    let limit = Duration::from_millis(700);
    let failed = run(&["sh", "-c", &script], limit);
    assert!(matches!(failed, Err(CommandFailure::TimedOut { .. })), "{failed:?}");
    let child = std::fs::read_to_string(&file).unwrap();
    let stat = format!("/proc/{}/stat", child.trim());
    // Until its new parent has waited for it, what was killed is there as a zombie.
    let gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
    let until = Instant::now() + LIMIT;
    while !gone() && Instant::now() < until {
        std::thread::yield_now();
    }
    assert!(gone(), "{stat}");

    let closed = run(&["sh", "-c", "exec >&-; exec sleep 1000"], limit);
    assert!(matches!(closed, Err(CommandFailure::TimedOut { .. })), "{closed:?}");
}

#[test]
fn words_are_split_as_a_shell_would() {
    let of = |text| words(text, Some(Path::new("/etc/greenroom")));
    let list = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    assert_eq!(of("pass show 'my keys/anthropic' $HOME"), list(&["pass", "show", "my keys/anthropic", "$HOME"]));
    assert_eq!(of("./key \"a b\""), list(&["/etc/greenroom/./key", "a b"]));
    assert_eq!(of("~/bin/key ./x"), list(&["~/bin/key", "./x"]));
    assert_eq!(of("/opt/key"), list(&["/opt/key"]));
    for wrong in ["", "  ", "''", "pass 'open", "pass \"open"] {
        assert_eq!(of(wrong), None, "{wrong:?}");
    }
}
