//! A session with a real keyring: Debian's `gnome-keyring`, on a bus of its own.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use greenroom_tests::ScriptedProvider;
use greenroom_tests::harness::Home;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// How long the parts of a session may take to be there.
pub const LIMIT: Duration = Duration::from_secs(30);
/// Where a program finds the session.
pub const BUS: &str = "DBUS_SESSION_BUS_ADDRESS";

/// What unlocks the keyring.
const PASSWORD: &str = "password\n";

/// A session as a desktop has it, without the desktop: a bus and an unlocked keyring, which end with it.
pub struct Session {
    home: TempDir,
    pub bus: Child,
    pub address: String,
}

impl Session {
    pub async fn begin() -> Option<Self> {
        if std::env::var_os("GREENROOM_KEYRING").is_none() {
            eprintln!("passed over: GREENROOM_KEYRING does not say that there is a Secret Service to be started");
            return None;
        }
        let home = TempDir::new().unwrap();
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--session", "--nofork", "--print-address=1"]).env_clear().envs(Self::places(&home));
        bus.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut bus = bus.spawn().expect("dbus is installed");
        let mut address = String::new();
        let mut said = BufReader::new(bus.stdout.take().unwrap());
        tokio::time::timeout(LIMIT, said.read_line(&mut address)).await.expect("the bus is there").unwrap();
        let session = Self { home, bus, address: address.trim_end().to_owned() };
        // It ends once it is there, and leaves a daemon that ends with the bus.
        session.run("gnome-keyring-daemon", &["--unlock", "--components=secrets"], PASSWORD).await;
        Some(session)
    }

    fn places(home: &TempDir) -> [(&'static str, String); 3] {
        let home = home.path().display().to_string();
        [("PATH", std::env::var("PATH").unwrap()), ("HOME", home.clone()), ("XDG_RUNTIME_DIR", home)]
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(Self::places(&self.home)).env(BUS, &self.address);
        command.kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub async fn run(&self, program: &str, arguments: &[&str], input: &str) {
        let mut child = self.command(Path::new(program), arguments).spawn().expect("what the test needs is installed");
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        // What it leaves behind may hold its output open.
        let ended = tokio::time::timeout(LIMIT, child.wait()).await;
        assert!(ended.expect("it ends").unwrap().success(), "{program} {arguments:?}");
    }

    /// Puts an entry there as another program would.
    pub async fn plant(&self, user: &str, secret: &str) {
        let arguments = ["store", "--label=a key", "service", "greenroom", "username", user];
        self.run("secret-tool", &arguments, secret).await;
    }

    /// What the keyring has for this user, as another program sees it.
    pub async fn found(&self, user: &str) -> Option<String> {
        let arguments = ["lookup", "service", "greenroom", "username", user];
        let looking = self.command(Path::new("secret-tool"), &arguments).stdin(Stdio::null()).output();
        let output = tokio::time::timeout(LIMIT, looking).await.expect("it ends").unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
    }

    /// Unlocks it again, as who logs in does.
    pub async fn unlock(&self) {
        // As PAM does it: a byte that shows who asks, and a packet of its length, what is asked (1, to unlock), and a text.
        let control = self.home.path().join("keyring").join("control");
        let mut stream = UnixStream::connect(control).await.unwrap();
        let password = PASSWORD.as_bytes();
        let mut asked = vec![0];
        for number in [12 + password.len(), 1, password.len()] {
            asked.extend_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
        }
        asked.extend_from_slice(password);
        stream.write_all(&asked).await.unwrap();
        let mut answer = [0; 8];
        tokio::time::timeout(LIMIT, stream.read_exact(&mut answer)).await.expect("it answers").unwrap();
        assert_eq!(answer, [0, 0, 0, 8, 0, 0, 0, 0], "it is unlocked");
    }

    pub async fn lock(&self) {
        let (to, method) = ("--dest=org.freedesktop.secrets", "org.freedesktop.Secret.Service.Lock");
        let all = "array:objpath:/org/freedesktop/secrets/aliases/default";
        let arguments = ["--session", "--print-reply", to, "/org/freedesktop/secrets", method, all];
        self.run("dbus-send", &arguments, "").await;
    }

    /// Runs a test of this file within the session, whose address the library takes from its process.
    pub async fn within(&self, test: &str) {
        let arguments = [test, "--exact", "--ignored", "--nocapture"];
        let command = self.command(&std::env::current_exe().unwrap(), &arguments).output();
        let output = tokio::time::timeout(LIMIT * 2, command).await.expect("the test ends").unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complaint}");
    }

    /// A home whose provider has its key in the keyring of this session.
    pub fn home(&self, lab: &ScriptedProvider, entry: &str) -> Home {
        let mut home = Home::new();
        home.config(&format!(
            "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\nkey = \"keyring:{entry}\"\n",
            lab.url()
        ));
        home.env(BUS, &self.address).env("GREENROOM_LOG", "trace");
        home
    }
}

/// Whether a secret is in any file below a directory.
pub fn is_kept(dir: &Path, secret: &str) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match fs::symlink_metadata(&path).unwrap().file_type() {
            kind if kind.is_dir() => is_kept(&path, secret),
            kind if kind.is_file() => memchr::memmem::find(&fs::read(&path).unwrap(), secret.as_bytes()).is_some(),
            _ => false,
        }
    })
}
