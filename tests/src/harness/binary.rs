//! Where the built program lies.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The `greenroom` program: `$GREENROOM_BIN`, or else the one that was built into the same target
/// directory as the running test.
///
/// # Panics
/// If there is none, saying how to build it.
pub fn greenroom() -> PathBuf {
    let test = env::current_exe().expect("the path of the running test");
    find(env::var_os("GREENROOM_BIN"), &test).unwrap_or_else(|message| panic!("{message}"))
}

fn find(named: Option<OsString>, test: &Path) -> Result<PathBuf, String> {
    if let Some(path) = named.map(PathBuf::from) {
        // The program runs in another directory, where a relative path would name something else.
        let path = path.canonicalize().unwrap_or(path);
        let missing = || format!("GREENROOM_BIN names {}, where no program lies", path.display());
        return if path.is_file() { Ok(path) } else { Err(missing()) };
    }
    // A test lies in `<target>/<profile>/deps/`, a program in `<target>/<profile>/`.
    let places = test.ancestors().skip(1).take(2).map(|folder| folder.join("greenroom"));
    places.clone().find(|path| path.is_file()).ok_or_else(|| {
        let looked: Vec<String> = places.map(|path| path.display().to_string()).collect();
        format!(
            "the greenroom program is not built (looked for {}); build it with `cargo build -p greenroom` in the \
             profile of the tests, or name one in GREENROOM_BIN",
            looked.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::find;

    #[test]
    fn looks_where_it_is_told_and_else_next_to_the_test() {
        let target = tempfile::tempdir().unwrap();
        let profile = target.path().canonicalize().unwrap().join("debug");
        let test = profile.join("deps").join("some_test-0123");
        fs::create_dir_all(profile.join("deps")).unwrap();

        let message = find(None, &test).unwrap_err();
        assert!(message.contains("cargo build -p greenroom"), "{message}");

        let built = profile.join("greenroom");
        fs::write(&built, "").unwrap();
        assert_eq!(find(None, &test), Ok(built.clone()));

        let other = profile.join("other");
        let message = find(Some(other.clone().into()), &test).unwrap_err();
        assert!(message.contains("GREENROOM_BIN"), "{message}");
        fs::write(&other, "").unwrap();
        assert_eq!(find(Some(other.clone().into()), &test), Ok(other));
    }
}
