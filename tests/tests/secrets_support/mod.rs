//! All that was said and kept, in which secrets are looked for.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use greenroom_tests::client::Response;
use greenroom_tests::harness::Output;

/// Files of a data directory that are there to hold a secret.
const SECRET_FILES: [&str; 2] = ["token", "sealing-key"];

/// All that was said so far, wherever.
#[derive(Default)]
pub struct Heard(pub Vec<u8>);

impl Heard {
    pub fn add(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.extend_from_slice(bytes.as_ref());
        self.0.push(b'\n');
    }

    pub fn response(&mut self, response: &Response) {
        self.add(format!("{} {:?}", response.status, response.headers));
        self.add(&response.body);
    }

    /// What a command said, and how it ended.
    pub fn output(&mut self, output: &Output) {
        self.add(format!("{:?}", output.code()));
        self.add(&output.stdout);
        self.add(&output.stderr);
    }

    /// Every file below a directory, but the owner's token and the key that seals.
    pub fn files(&mut self, dir: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            self.add(path.to_string_lossy().as_bytes());
            let name = path.file_name().unwrap().to_string_lossy();
            match fs::symlink_metadata(&path).unwrap().file_type() {
                kind if kind.is_dir() => self.files(&path),
                kind if kind.is_file() && !SECRET_FILES.contains(&&*name) => self.add(fs::read(&path).unwrap()),
                _ => {}
            }
        }
    }

    pub fn has(&self, form: &[u8]) -> bool {
        memchr::memmem::find(&self.0, form).is_some()
    }

    /// Where a secret is, in whatever form.
    pub fn leak(&self, secret: impl AsRef<[u8]>) -> Option<String> {
        forms(secret.as_ref()).into_iter().find_map(|form| {
            let at = memchr::memmem::find(&self.0, &form)?;
            let before = &self.0[at.saturating_sub(300)..at];
            Some(format!("{} follows upon {}", String::from_utf8_lossy(&form), String::from_utf8_lossy(before)))
        })
    }
}

/// A secret as it is, in hexadecimal digits, and in Base64 wherever in a text it may begin.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![secret.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    for begin in 0..3 {
        let rest = &secret[begin..];
        // Of whole groups, what stands behind makes no difference.
        let whole = &rest[..rest.len() / 3 * 3];
        forms.push(STANDARD_NO_PAD.encode(whole).into_bytes());
        forms.push(URL_SAFE_NO_PAD.encode(whole).into_bytes());
    }
    forms
}
