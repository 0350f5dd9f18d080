//! Pictures, which this wire sends as bare base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The MIME type of a picture by its first bytes; what is not known is `application/octet-stream`.
pub(super) fn media_type(data: &str) -> &'static str {
    // Sixteen characters are twelve bytes, which is all that tells the formats apart.
    let start = data.get(..16).and_then(|start| STANDARD.decode(start).ok()).unwrap_or_default();
    match start.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => "image/webp",
        [b'B', b'M', ..] => "image/bmp",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        let of = |bytes: &[u8]| media_type(&STANDARD.encode(bytes));
        assert_eq!(of(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "image/png");
        assert_eq!(of(b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01"), "image/jpeg");
        assert_eq!(of(b"GIF89a\x01\0\x01\0\0\0"), "image/gif");
        assert_eq!(of(b"RIFF\x1a\0\0\0WEBPVP8 "), "image/webp");
        assert_eq!(of(b"hello, hello"), "application/octet-stream");
        assert_eq!(media_type("äöüäöüäöüäöü"), "application/octet-stream");
    }
}
