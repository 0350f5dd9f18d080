//! `[credentials]`.

use crate::read::Node;
use crate::read::scalars::{Read as _, word};
use crate::{CredentialStore, Credentials, ErrorKind, SecretReference};

pub(crate) fn credentials(node: &Node<'_>) -> Credentials {
    let Some(table) = node.table() else { return Credentials::default() };
    let credentials = Credentials {
        store: table.node("store").and_then(|node| word(&node, &CredentialStore::WORDS)).unwrap_or_default(),
        passphrase: table.node("passphrase").and_then(|node| passphrase(&node)),
    };
    table.finish();
    credentials
}

fn passphrase(node: &Node<'_>) -> Option<SecretReference> {
    let reference = SecretReference::read(node)?;
    if matches!(reference, SecretReference::Keyring { .. }) {
        let expected = "a passphrase from \"env:\", \"file:\" or \"command:\"".to_owned();
        let hint = "a keyring that can hold it can hold the key itself: store = \"keyring\"".to_owned();
        node.refuse(ErrorKind::BadValue { value: None, expected }, Some(hint));
        return None;
    }
    Some(reference)
}
