//! Where the file and the data lie.

use std::path::{Path, PathBuf};

use crate::Environment;

/// Neither a home directory nor a variable that stands in for one is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no home directory to keep data in")]
pub struct NoHome;

impl NoHome {
    /// One line on what to do.
    #[must_use]
    pub fn hint(self) -> &'static str {
        "give one with --data-dir, or set GREENROOM_DATA_DIR or HOME"
    }
}

#[derive(Debug, Clone, Copy)]
enum Platform {
    Xdg,
    MacOs,
    Windows,
}

impl Platform {
    fn current() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Xdg
        }
    }
}

/// Where the configuration lies, and whether a person named that very file.
///
/// The order is `flag` (`--config`), `GREENROOM_CONFIG`, `$XDG_CONFIG_HOME/greenroom/config.toml`, then the platform's
/// own place: `~/.config`, `~/Library/Application Support`, or `%APPDATA%`. `None` where there is no home directory.
#[must_use]
pub fn config_file(flag: Option<&Path>, environment: &Environment) -> (Option<PathBuf>, bool) {
    let named = flag.map(Path::to_path_buf).or_else(|| environment.path("GREENROOM_CONFIG"));
    match named {
        Some(path) => (Some(path), true),
        None => (config_home(environment, Platform::current()).map(|home| home.join("greenroom/config.toml")), false),
    }
}

/// Where greenroom keeps its data.
///
/// The order is `flag` (`--data-dir`), `GREENROOM_DATA_DIR`, `$XDG_DATA_HOME/greenroom`, then the platform's own place:
/// `~/.local/share`, `~/Library/Application Support`, or `%LOCALAPPDATA%`.
///
/// # Errors
///
/// [`NoHome`] where nothing says where that would be.
pub fn data_dir(flag: Option<&Path>, environment: &Environment) -> Result<PathBuf, NoHome> {
    flag.map(Path::to_path_buf)
        .or_else(|| environment.path("GREENROOM_DATA_DIR"))
        .or_else(|| data_home(environment, Platform::current()).map(|home| home.join("greenroom")))
        .ok_or(NoHome)
}

fn config_home(environment: &Environment, platform: Platform) -> Option<PathBuf> {
    xdg(environment, "XDG_CONFIG_HOME").or_else(|| match platform {
        Platform::Xdg => Some(environment.path("HOME")?.join(".config")),
        Platform::MacOs => Some(environment.path("HOME")?.join("Library/Application Support")),
        Platform::Windows => environment.path("APPDATA"),
    })
}

fn data_home(environment: &Environment, platform: Platform) -> Option<PathBuf> {
    xdg(environment, "XDG_DATA_HOME").or_else(|| match platform {
        Platform::Xdg => Some(environment.path("HOME")?.join(".local/share")),
        Platform::MacOs => Some(environment.path("HOME")?.join("Library/Application Support")),
        Platform::Windows => environment.path("LOCALAPPDATA"),
    })
}

/// The XDG base directory specification has relative paths ignored.
fn xdg(environment: &Environment, name: &str) -> Option<PathBuf> {
    environment.path(name).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Environment {
        Environment::from_iter([("HOME", "/home/ada"), ("APPDATA", "/roaming"), ("LOCALAPPDATA", "/local")])
    }

    #[test]
    fn each_platform_has_its_own_place() {
        let of = |platform| (config_home(&home(), platform), data_home(&home(), platform));
        let pair = |config: &str, data: &str| (Some(PathBuf::from(config)), Some(PathBuf::from(data)));
        assert_eq!(of(Platform::Xdg), pair("/home/ada/.config", "/home/ada/.local/share"));
        let library = "/home/ada/Library/Application Support";
        assert_eq!(of(Platform::MacOs), pair(library, library));
        assert_eq!(of(Platform::Windows), pair("/roaming", "/local"));
    }

    #[test]
    fn xdg_goes_first_unless_it_is_relative_or_empty() {
        let with = |value: &str| Environment::from_iter([("HOME", "/home/ada"), ("XDG_CONFIG_HOME", value)]);
        assert_eq!(config_home(&with("/x"), Platform::MacOs), Some("/x".into()));
        assert_eq!(config_home(&with("x"), Platform::Xdg), Some("/home/ada/.config".into()));
        assert_eq!(config_home(&with(""), Platform::Xdg), Some("/home/ada/.config".into()));
    }

    #[test]
    fn the_flag_goes_before_the_variable_and_both_are_named() {
        let environment = Environment::from_iter([("GREENROOM_CONFIG", "/e.toml"), ("GREENROOM_DATA_DIR", "/e")]);
        assert_eq!(config_file(Some(Path::new("/f.toml")), &environment), (Some("/f.toml".into()), true));
        assert_eq!(config_file(None, &environment), (Some("/e.toml".into()), true));
        assert_eq!(data_dir(Some(Path::new("/f")), &environment), Ok("/f".into()));
        assert_eq!(data_dir(None, &environment), Ok("/e".into()));
        assert!(!config_file(None, &home()).1);
    }

    #[test]
    fn without_a_home_there_is_no_place() {
        assert_eq!(config_file(None, &Environment::empty()), (None, false));
        assert_eq!(data_dir(None, &Environment::empty()), Err(NoHome));
    }
}
