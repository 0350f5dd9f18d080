//! Pictures and documents: their formats, where they are, and what a document may be called.

use std::collections::HashSet;

use crate::{
    chat::MediaSource,
    json::{put_key, put_str},
};

/// The longest name of a document.
const LONGEST: usize = 200;

/// Formats of pictures, by MIME type.
const PICTURES: [(&str, &str); 5] =
    [("image/png", "png"), ("image/jpeg", "jpeg"), ("image/jpg", "jpeg"), ("image/gif", "gif"), ("image/webp", "webp")];

/// Formats of documents, by MIME type.
const DOCUMENTS: [(&str, &str); 10] = [
    ("application/pdf", "pdf"),
    ("text/csv", "csv"),
    ("application/msword", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("text/html", "html"),
    ("text/plain", "txt"),
    ("text/markdown", "md"),
    ("text/x-markdown", "md"),
];

/// Writes a picture's format and source.
///
/// # Errors
/// Why this wire can't say it.
pub(super) fn put_picture(out: &mut Vec<u8>, source: &MediaSource) -> Result<(), &'static str> {
    put(out, source, &PICTURES, "a picture of a format that is not taken here")
}

/// Writes a document's format and source.
///
/// # Errors
/// Why this wire can't say it.
pub(super) fn put_document(out: &mut Vec<u8>, source: &MediaSource) -> Result<(), &'static str> {
    put(out, source, &DOCUMENTS, "a document of a format that is not taken here")
}

fn put(
    out: &mut Vec<u8>,
    source: &MediaSource,
    formats: &[(&str, &str)],
    unknown: &'static str,
) -> Result<(), &'static str> {
    let (format, kind, text) = match source {
        MediaSource::Base64 { media_type, data } => {
            let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            let format = formats.iter().find(|(known, _)| *known == media_type);
            (format.map(|(_, format)| *format), "bytes", data)
        }
        // Of addresses, only those of its own store are taken.
        MediaSource::Url { url: address } | MediaSource::File { id: address } if address.starts_with("s3://") => {
            let ending = address.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
            let ending = if ending == "jpg" { "jpeg" } else { &ending };
            (formats.iter().map(|(_, format)| *format).find(|format| *format == ending), "uri", address)
        }
        MediaSource::Url { .. } => return Err("what stands at an address is not fetched on this wire"),
        MediaSource::File { .. } => return Err("a file that was uploaded to another provider"),
    };
    put_key(out, "format");
    put_str(out, format.ok_or(unknown)?);
    put_key(out, "source");
    out.extend_from_slice(if kind == "uri" { b"{\"s3Location\":{" } else { b"{" });
    put_key(out, kind);
    put_str(out, text);
    out.extend_from_slice(if kind == "uri" { b"}}" } else { b"}" });
    Ok(())
}

/// The names of a conversation's documents, each of its own: letters, digits, single spaces, hyphens, parentheses and
/// square brackets are all that a name may have.
#[derive(Debug, Default)]
pub(super) struct DocumentNames(HashSet<String>);

impl DocumentNames {
    /// The name for the next document.
    pub(super) fn name(&mut self, wanted: Option<&str>) -> String {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '(' | ')' | '[' | ']' | '-' | ' ');
        let plain: String = wanted.unwrap_or_default().chars().map(|c| if allowed(c) { c } else { ' ' }).collect();
        let plain: String = plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect();
        let plain = if plain.trim().is_empty() { "document".to_owned() } else { plain.trim().to_owned() };
        let mut name = plain.clone();
        let mut number = 1;
        while !self.0.insert(name.clone()) {
            number += 1;
            name = format!("{plain} {number}");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_plain_names_of_their_own() {
        let mut names = DocumentNames::default();
        let mut name = |wanted| names.name(wanted);
        assert_eq!(name(Some("Report  (v1.2) [é].pdf")), "Report (v1 2) [ ] pdf");
        assert_eq!(
            [name(None), name(Some("///")), name(Some("a-b")), name(Some("a-b"))],
            ["document", "document 2", "a-b", "a-b 2"]
        );
        assert_eq!(name(Some(&"x".repeat(900))).len(), 200);
    }

    #[test]
    fn formats_are_told_by_type_or_ending() {
        let put = |source: &MediaSource| {
            let mut out = b"{".to_vec();
            put_document(&mut out, source).map(|()| String::from_utf8(out).unwrap())
        };
        let base64 = |media_type: &str| MediaSource::Base64 { media_type: media_type.into(), data: "QQ==".into() };
        assert_eq!(
            put(&base64("text/plain; charset=utf-8")).unwrap(),
            r#"{"format":"txt","source":{"bytes":"QQ==""#.to_owned() + "}"
        );
        let uri = MediaSource::Url { url: "s3://bucket/a.PDF".into() };
        assert_eq!(put(&uri).unwrap(), r#"{"format":"pdf","source":{"s3Location":{"uri":"s3://bucket/a.PDF"}}"#);
        assert!(put(&base64("video/mp4")).is_err());
        assert!(put(&MediaSource::Url { url: "https://example.com/a.pdf".into() }).is_err());
        assert!(put(&MediaSource::File { id: "file-1".into() }).is_err());
    }
}
