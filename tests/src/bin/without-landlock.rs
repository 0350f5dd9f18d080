//! Runs greenroom as on a kernel without Landlock: its first call answers that there is no such call.

use std::error::Error;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn Error>> {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use greenroom_tests::harness::greenroom;
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

    /// `landlock_create_ruleset`, the same on all architectures.
    const CREATE_RULESET: i64 = 444;
    /// `ENOSYS`.
    const NO_SUCH_CALL: u32 = 38;

    let refused = [(CREATE_RULESET, Vec::new())].into_iter().collect();
    let architecture = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, SeccompAction::Errno(NO_SUCH_CALL), architecture)?;
    let program: BpfProgram = filter.try_into()?;
    apply_filter(&program)?;
    Err(Command::new(greenroom()).args(std::env::args_os().skip(1)).exec().into())
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<(), Box<dyn Error>> {
    Err("this system has no Landlock to begin with".into())
}
