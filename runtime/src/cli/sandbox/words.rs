//! How it is told what is in force.

use std::{collections::BTreeSet, path::Path};

use super::{
    Kernel,
    rules::{Access, Rules, Wanted},
};

/// What each version of Landlock brings, and the Linux that has it first.
const PARTS: [(u32, &str, &str); 4] = [
    (FILES, "that other files are not emptied", "6.2"),
    (4, "that no other port is listened on", "6.7"),
    (5, "that devices are not commanded", "6.10"),
    (6, "that no other program is sent signals, or reached by abstract sockets", "6.12"),
];
/// From this version on all that is promised of files holds.
pub(super) const FILES: u32 = 3;

/// What is in force.
pub(super) fn in_force(version: u32, rules: &Rules) -> String {
    let listed = |wanted: &dyn Fn(Access, Wanted) -> bool| {
        let paths = rules.paths.iter().filter(|rule| wanted(rule.access, rule.wanted));
        let paths: BTreeSet<&Path> = paths.map(|rule| rule.path.as_path()).collect();
        // What lies within another one goes without saying.
        let is_within = |path: &Path| path.ancestors().skip(1).any(|above| paths.contains(above));
        let outermost = paths.iter().filter(|path| !is_within(path));
        outermost.map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    };
    let written = listed(&|access, _| access == Access::Write);
    let read = listed(&|access, wanted| access != Access::Write && wanted != Wanted::System);
    let read = if read.is_empty() { String::new() } else { format!("{read} and ") };
    let named = |port: u16| if port == 0 { "one that the system chooses".to_owned() } else { port.to_string() };
    let port = match (version, rules.port, &rules.logins[..]) {
        (..4, ..) => String::new(),
        (_, 0, []) => "; listens on a port that the system chooses".to_owned(),
        (_, port, []) => format!("; listens on port {port} alone"),
        (_, port, logins) => {
            let logins = logins.iter().map(|port| named(*port)).collect::<Vec<_>>().join(", ");
            format!("; listens on port {} and, for logins, {logins}", named(port))
        }
    };
    format!(
        "in a sandbox (Landlock {version}): writes in {written} alone; reads besides {read}what of the system every \
         program reads{port}"
    )
}

/// What is not, on a kernel that has Landlock.
pub(super) fn lacking(version: u32) -> Option<String> {
    let parts: Vec<String> = PARTS
        .iter()
        .filter(|(first, ..)| version < *first)
        .map(|(_, what, linux)| format!("{what} (Linux {linux})"))
        .collect();
    (!parts.is_empty()).then(|| format!("the sandbox has gaps on this kernel; it lacks: {}", parts.join("; ")))
}

/// Why there is none, and what to do about it; `None` where there is one that holds all that is promised of files.
pub(super) fn falls_short(kernel: Kernel) -> Option<(String, &'static str)> {
    match kernel {
        Kernel::Landlock(FILES..) => None,
        Kernel::Landlock(version) => Some((
            format!("this kernel's Landlock ({version}) can't keep other files from being emptied"),
            "run Linux 6.2 or later",
        )),
        Kernel::NotEnabled => {
            Some(("Landlock is not enabled in this kernel".to_owned(), "add landlock to the kernel's parameter lsm="))
        }
        Kernel::NotBuilt => Some((
            "this kernel has no Landlock, or it is kept from this process".to_owned(),
            "run Linux 6.2 or later, and let a container use its system calls",
        )),
        #[cfg(not(target_os = "linux"))]
        Kernel::NotLinux => Some(("this system has no Landlock".to_owned(), "run it on Linux 6.2 or later")),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::rules::Rule, *};

    fn rules() -> Rules {
        let rule = |path: &str, access, wanted| Rule { path: path.into(), access, wanted };
        let paths = vec![
            rule("/data", Access::Write, Wanted::Daemon),
            rule("/config", Access::Read, Wanted::Named),
            rule("/config/key", Access::Read, Wanted::Named),
            rule("/usr/bin/pass", Access::Run, Wanted::Setting("sandbox.read")),
            rule("/srv/out", Access::Write, Wanted::Setting("sandbox.write")),
            rule("/etc", Access::Read, Wanted::System),
            rule("/dev/null", Access::Update, Wanted::System),
        ];
        Rules { paths, port: 4747, logins: Vec::new(), abstract_sockets: false }
    }

    #[test]
    fn where_browsers_come_back_is_told() {
        let told = in_force(7, &Rules { logins: vec![0, 1455], ..rules() });
        assert!(told.ends_with("; listens on port 4747 and, for logins, one that the system chooses, 1455"), "{told}");
    }

    #[test]
    fn what_is_in_force_names_the_paths_that_are_no_system_s() {
        assert_eq!(
            in_force(7, &rules()),
            "in a sandbox (Landlock 7): writes in /data, /srv/out alone; reads besides /config, /usr/bin/pass and what of \
             the system every program reads; listens on port 4747 alone"
        );
        assert!(in_force(3, &rules()).ends_with("every program reads"), "ports are not ruled before 4");
    }

    #[test]
    fn each_version_lacks_less_and_the_sixth_nothing() {
        let lacks = |version| lacking(version).map_or(0, |text| text.matches("(Linux ").count());
        assert_eq!([1, 2, 3, 4, 5, 6, 7].map(lacks), [4, 4, 3, 2, 1, 0, 0]);
    }

    #[test]
    fn all_that_is_promised_of_files_holds_from_the_third_version_on() {
        let short = [Kernel::NotBuilt, Kernel::NotEnabled, Kernel::Landlock(1), Kernel::Landlock(2)];
        assert!(short.into_iter().all(|kernel| falls_short(kernel).is_some()));
        assert!([3, 4, 7, 10].into_iter().all(|version| falls_short(Kernel::Landlock(version)).is_none()));
    }
}
