//! Until when certificates are valid.

use std::time::{Duration, SystemTime};

use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use simple_asn1::{ASN1Block, from_der};

use super::finding::Finding;

/// A certificate that ends sooner than this is to be renewed.
const AHEAD: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Between when all certificates of a PEM text are valid. `None` where one of them does not say.
fn validity(pem: &[u8]) -> Option<(SystemTime, SystemTime)> {
    let mut valid: Option<(SystemTime, SystemTime)> = None;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let (from, to) = validity_of(&certificate.ok()?)?;
        valid = Some(valid.map_or((from, to), |(later, sooner)| (later.max(from), sooner.min(to))));
    }
    valid
}

/// RFC 5280, section 4.1: of the sequence to be signed, the sequence of two times.
fn validity_of(certificate: &[u8]) -> Option<(SystemTime, SystemTime)> {
    let blocks = from_der(certificate).ok()?;
    let [ASN1Block::Sequence(_, certificate)] = &blocks[..] else { return None };
    let ASN1Block::Sequence(_, signed) = certificate.first()? else { return None };
    signed.iter().find_map(|block| match block {
        ASN1Block::Sequence(_, times) => match &times[..] {
            [from, to] => Some((time(from)?, time(to)?)),
            _ => None,
        },
        _ => None,
    })
}

fn time(block: &ASN1Block) -> Option<SystemTime> {
    let (ASN1Block::UTCTime(_, time) | ASN1Block::GeneralizedTime(_, time)) = block else { return None };
    let seconds = u64::try_from(time.assume_utc().unix_timestamp()).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// What there is to say of the certificates of a PEM text at this time.
pub(super) fn judged(check: &'static str, pem: &[u8], now: SystemTime) -> Finding {
    let Some((from, to)) = validity(pem) else {
        let hint = "look at it: openssl x509 -noout -dates -in FILE";
        return Finding::warning(check, "until when the certificate is valid can't be read", hint);
    };
    let day = |time: SystemTime| {
        let text = humantime::format_rfc3339_seconds(time).to_string();
        text.split('T').next().unwrap_or_default().to_owned()
    };
    if now < from {
        let hint = "see whether the clock of this machine is right; else wait, or use another certificate";
        return Finding::problem(check, format!("the certificate is not valid before {}", day(from)), hint);
    }
    if now >= to {
        let hint = "renew it, and restart greenroom, which reads it at its start";
        return Finding::problem(check, format!("the certificate has expired on {}", day(to)), hint);
    }
    if now + AHEAD >= to {
        let hint = "renew it before that, and restart greenroom, which reads it at its start";
        return Finding::warning(check, format!("the certificate expires on {}", day(to)), hint);
    }
    Finding::ok(check, format!("the certificate is its key's, and valid until {}", day(to)))
}

#[cfg(test)]
mod tests {
    use super::{super::finding::Level, *};

    const CERTIFICATE: &[u8] = include_bytes!("../../../../tests/tests/tls_support/certificate.pem");

    #[test]
    fn a_certificate_is_judged_by_the_time() {
        let (from, to) = validity(CERTIFICATE).expect("it says so");
        let day = Duration::from_secs(24 * 60 * 60);
        let level = |now| judged("tls", CERTIFICATE, now).level();
        assert_eq!(level(from - day), Level::Problem);
        assert_eq!(level(from), Level::Ok);
        assert_eq!(level(to - 15 * day), Level::Ok);
        assert_eq!(level(to - 13 * day), Level::Warning);
        assert_eq!(level(to), Level::Problem);
        assert!(judged("tls", CERTIFICATE, to).message().contains("expired"));
    }

    #[test]
    fn the_first_of_a_chain_to_end_is_what_counts() {
        let (from, to) = validity(CERTIFICATE).expect("it says so");
        let twice = [CERTIFICATE, CERTIFICATE].concat();
        assert_eq!(validity(&twice), Some((from, to)));
        assert_eq!(validity(b"no certificate"), None);
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(judged("tls", broken, to).level(), Level::Warning);
    }
}
