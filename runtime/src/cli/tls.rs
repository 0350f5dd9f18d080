//! The files of `[server.tls]`.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use greenroom::{
    config::{self, Environment},
    frontends::http::{BadTls, Tls},
};
use secrecy::zeroize::Zeroizing;

use super::{Failure, failure::with_causes};

/// Far more than any chain of certificates has, in bytes.
const LONGEST: u64 = 1 << 20;

/// Reads the certificate and its key.
pub(crate) fn load(files: &config::Tls, environment: &Environment) -> Result<Tls, Failure> {
    let (certificate, key) = (files.certificate_file(environment), files.key_file(environment));
    let read = |path: &Path, setting: &str| {
        read(path).map_err(|error| {
            let what = format!("can't read {}: {error}", path.display());
            Failure::usage(what, format!("server.tls.{setting} names it; it has to be a file that this user may read"))
        })
    };
    let loaded = Tls::from_pem(&read(&certificate, "certificate")?, &read(&key, "key")?);
    loaded.map_err(|error| {
        let (path, hint) = match &error {
            BadTls::Certificate(_) | BadTls::NoCertificate => {
                (&certificate, "server.tls.certificate is a file in PEM, with BEGIN CERTIFICATE in it")
            }
            BadTls::Key(_) => (&key, "server.tls.key is a file in PEM, with BEGIN PRIVATE KEY in it and no passphrase"),
            BadTls::Unfit(_) => (&certificate, "server.tls.key has to be the key of server.tls.certificate"),
        };
        Failure::usage(format!("{}: {}", path.display(), with_causes(&error)), hint)
    })
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
