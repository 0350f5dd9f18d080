use super::*;

const SECRET: &str = "sk-do-not-show-this-4c1e";

#[test]
fn what_a_store_says_with_a_secret_in_it_goes_no_further() {
    let because = || -> keyring_core::error::PlatformError { "why".into() };
    for (error, kind) in [
        (StoreError::BadEncoding(SECRET.into()), KeyringErrorKind::NotText),
        (StoreError::BadDataFormat(SECRET.into(), because()), KeyringErrorKind::NotText),
        (StoreError::Ambiguous(Vec::new()), KeyringErrorKind::Ambiguous),
        (StoreError::PlatformFailure(because()), KeyringErrorKind::Failed),
        (StoreError::NoStorageAccess(because()), KeyringErrorKind::Denied),
        (StoreError::BadStoreFormat("odd".into()), KeyringErrorKind::Failed),
    ] {
        let error = KeyringError::of(error);
        assert_eq!(error.kind, kind);
        let shown = format!("{error} {error:?} {} {:?}", error.hint(), error.source().map(ToString::to_string));
        assert!(!shown.contains("do-not-show") && !shown.contains(&format!("{:?}", SECRET.as_bytes())), "{shown}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_errors_of_the_secret_service_have_their_kinds() {
    use secret_service::Error as Service;

    let refused = |reason: std::io::ErrorKind| Service::Zbus(zbus::Error::InputOutput(Arc::new(reason.into())));
    for (error, kind) in [
        (Service::Unavailable, KeyringErrorKind::None),
        (refused(std::io::ErrorKind::ConnectionRefused), KeyringErrorKind::None),
        (Service::NoResult, KeyringErrorKind::None),
        (Service::Locked, KeyringErrorKind::Locked),
        (Service::Prompt, KeyringErrorKind::Locked),
        (Service::ZbusFdo(zbus::fdo::Error::ServiceUnknown(String::new())), KeyringErrorKind::None),
        (
            Service::Zbus(zbus::Error::FDO(Box::new(zbus::fdo::Error::AccessDenied(String::new())))),
            KeyringErrorKind::Denied,
        ),
        (Service::Crypto("odd"), KeyringErrorKind::Failed),
    ] {
        let error = KeyringError::of(StoreError::PlatformFailure(Box::new(error)));
        assert_eq!(error.kind, kind, "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_keyring_that_asks_somebody_who_is_not_there_is_waited_for_as_long_as_was_said() {
    let (jobs, asked) = mpsc::sync_channel::<Job>(ROW);
    let keyring = Keyring { jobs, limit: Duration::from_secs(7) };
    let begun = tokio::time::Instant::now();
    assert_eq!(keyring.get("a/b").await.unwrap_err().kind, KeyringErrorKind::TimedOut);
    assert_eq!(begun.elapsed(), Duration::from_secs(7));
    // Nothing of what was given up is done once the keyring answers.
    let job = asked.recv().unwrap();
    assert!(job(Err(StoreError::NoDefaultStore)), "nobody was told, so the store was not used");
    for _ in 0..ROW {
        assert!(keyring.jobs.try_send(Box::new(|_| true)).is_ok());
    }
    let full = tokio::time::Instant::now();
    assert_eq!(keyring.set("a/b", &SECRET.into()).await.unwrap_err().kind, KeyringErrorKind::TimedOut);
    assert_eq!(full.elapsed(), Duration::ZERO, "a full row is told at once");
    drop(asked);
    assert_eq!(keyring.remove("a/b").await.unwrap_err().kind, KeyringErrorKind::Failed);
}
