//! Pictures to show a model.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use greenroom::{Part, wire::chat::MediaSource};

use crate::cli::Failure;

/// In bytes. Providers take less (OpenAI: 50 MB for a whole request), and say so themselves.
const LARGEST: u64 = 32 << 20;

/// The pictures in files, to be sent along.
pub(crate) fn images(paths: &[PathBuf]) -> Result<Vec<Part>, Failure> {
    paths.iter().map(|path| load(path)).collect()
}

/// The picture in a file.
pub(super) fn load(path: &Path) -> Result<Part, Failure> {
    let bytes = read(path).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "check the path that --image or /image names",
            _ => "give a file that this user may read",
        };
        Failure::usage(format!("can't read the image {}: {error}", path.display()), hint)
    })?;
    if bytes.len() as u64 > LARGEST {
        let what = format!("the image {} is larger than {} MiB", path.display(), LARGEST >> 20);
        return Err(Failure::usage(what, "make it smaller: models look at no more than a few megapixels"));
    }
    let Some(media_type) = media_type(&bytes) else {
        let what = format!("{} is no image that models take", path.display());
        return Err(Failure::usage(what, "convert it to png, jpeg, gif or webp"));
    };
    let source = MediaSource::Base64 { media_type: media_type.to_owned(), data: STANDARD.encode(bytes) };
    Ok(Part::Image { source, detail: None })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// By the first bytes, since names may lie: the signatures are those of the formats' specifications.
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::media_type;

    #[test]
    fn content_tells_the_type() {
        assert_eq!(media_type(b"\x89PNG\r\n\x1a\n...."), Some("image/png"));
        assert_eq!(media_type(b"\xff\xd8\xff\xe0...."), Some("image/jpeg"));
        assert_eq!(media_type(b"GIF89a...."), Some("image/gif"));
        assert_eq!(media_type(b"RIFF\x10\0\0\0WEBPVP8 "), Some("image/webp"));
        for other in [&b"RIFF\x10\0\0\0WAVE"[..], b"%PDF-1.7", b"BM....", b"", b"<svg>"] {
            assert_eq!(media_type(other), None);
        }
    }
}
