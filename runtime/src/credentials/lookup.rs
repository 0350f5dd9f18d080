//! Following the references that lead outside of variables and files, before anything waits for them.

use std::sync::Arc;

use futures::future::join_all;
use greenroom_config::{Environment, SecretError, SecretReference};
use secrecy::SecretString;

use super::keyring::{Keyring, KeyringError};

/// The environment, with what these references lead to in the system's keyring and in the output of programs. All of them
/// are followed at the same time; what was looked up before is left as it is, and no keyring is opened for nothing.
pub async fn look_up<'a>(
    references: impl IntoIterator<Item = &'a SecretReference>,
    environment: Environment,
) -> Environment {
    let mut slow: Vec<&SecretReference> = Vec::new();
    for reference in references {
        if reference.is_slow() && !environment.has_looked_up(reference) && !slow.contains(&reference) {
            slow.push(reference);
        }
    }
    let keyring = match slow.iter().any(|reference| matches!(reference, SecretReference::Keyring { .. })) {
        true => Some(Keyring::open(Keyring::LIMIT).await),
        false => None,
    };
    let followed = join_all(slow.into_iter().map(async |reference| match (reference, &keyring) {
        (SecretReference::Keyring { entry }, Some(keyring)) => (reference, of_keyring(keyring, entry).await),
        _ => (reference, printed(reference, &environment).await),
    }));
    let followed = followed.await;
    followed.into_iter().fold(environment, |known, (reference, outcome)| known.looked_up(reference, outcome))
}

async fn of_keyring(keyring: &Result<Keyring, KeyringError>, entry: &str) -> Result<SecretString, SecretError> {
    let found = match keyring {
        Ok(keyring) => keyring.get(entry).await,
        Err(error) => Err(error.clone()),
    };
    match found {
        Ok(Some(secret)) => SecretReference::of_entry(entry, &secret),
        Ok(None) => Err(SecretError::NoEntry { entry: entry.to_owned() }),
        Err(error) => {
            let hint = error.hint().to_owned();
            Err(SecretError::Keyring { entry: entry.to_owned(), source: Arc::new(error), hint })
        }
    }
}

/// Runs the program, on a thread that may wait for it.
async fn printed(reference: &SecretReference, environment: &Environment) -> Result<SecretString, SecretError> {
    let (reference, environment) = (reference.clone(), environment.clone());
    let run = tokio::task::spawn_blocking(move || reference.resolve(&environment));
    run.await.expect("running a program does not panic")
}
