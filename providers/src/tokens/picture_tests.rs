use super::*;

const GPT_4O: Pictures = Pictures::Tiles { base: 85, tile: 170 };
const GPT_41_MINI: Pictures = Pictures::Patches { factor: 1.62, most: 1536 };

fn of(rule: Pictures, width: u64, height: u64) -> f64 {
    by(rule, width, height, Some("high"))
}

#[test]
fn the_examples_of_openais_guide_come_out() {
    assert_eq!(of(GPT_4O, 1024, 1024), 765.0);
    assert_eq!(of(GPT_4O, 2048, 4096), 1105.0);
    assert_eq!(by(GPT_4O, 4096, 8192, Some("low")), 85.0);
    assert_eq!(of(GPT_4O, 128, 64), 255.0);
    assert_eq!(patches(1024, 1024, 1536), 1024);
    assert_eq!(patches(1800, 2400, 1536), 1452);
    assert_eq!(of(GPT_41_MINI, 1024, 1024), 1659.0);
}

#[test]
fn the_rules_of_others_are_by_area_and_by_tile() {
    assert_eq!(of(Pictures::Area, 200, 200), 54.0);
    assert_eq!(of(Pictures::Area, 1092, 1092), 1590.0);
    assert_eq!(of(Pictures::Area, 10_000, 10_000), 1600.0);
    assert_eq!(of(Pictures::Gemini, 384, 384), 258.0);
    assert_eq!(of(Pictures::Gemini, 1536, 768), 516.0);
    assert_eq!(of(Pictures::Each(1120), 9, 9), 1120.0);
}

#[test]
fn absurd_sizes_have_a_price_too() {
    for rule in [GPT_4O, GPT_41_MINI, Pictures::Area, Pictures::Gemini, Pictures::Unknown] {
        for (width, height) in [(1, 1), (0, 0), (1, u64::MAX), (u64::MAX, 1), (u64::MAX, u64::MAX), (1, 100_000)] {
            let tokens = of(rule, width, height);
            assert!((1.0..30_000.0).contains(&tokens), "{rule:?} {width}x{height}: {tokens}");
        }
    }
}

/// The first bytes of a picture of this size.
fn heads(width: u16, height: u16) -> Vec<(&'static str, Vec<u8>)> {
    let png = [
        &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..],
        &u32::from(width).to_be_bytes(),
        &u32::from(height).to_be_bytes(),
        &[8, 6, 0, 0, 0],
    ];
    let gif = [&b"GIF89a"[..], &width.to_le_bytes(), &height.to_le_bytes(), &[0; 8]];
    let jpeg = [
        &b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc0\0\x11\x08"[..],
        &height.to_be_bytes(),
        &width.to_be_bytes(),
        &[3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1],
    ];
    let webp = [
        &b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0"[..],
        &(u32::from(width) - 1).to_le_bytes()[..3],
        &(u32::from(height) - 1).to_le_bytes()[..3],
        &[0; 16],
    ];
    vec![("png", png.concat()), ("gif", gif.concat()), ("jpeg", jpeg.concat()), ("webp", webp.concat())]
}

#[test]
fn the_size_is_read_from_the_first_bytes_of_each_kind() {
    for (kind, bytes) in heads(640, 480) {
        let mut picture = bytes;
        picture.resize(picture.len() + (3 << 20), 7);
        let data = STANDARD.encode(picture);
        let url = format!("data:image/{kind};base64,{data}");
        assert_eq!(
            size(&MediaSource::Base64 { media_type: format!("image/{kind}"), data }),
            Some((640, 480)),
            "{kind}"
        );
        assert_eq!(size(&MediaSource::Url { url }), Some((640, 480)), "{kind}");
    }
}

#[test]
fn what_is_no_picture_or_not_here_is_of_a_usual_size_and_in_doubt() {
    let base64 = |data: &str| MediaSource::Base64 { media_type: "image/png".into(), data: data.into() };
    let elsewhere = [
        base64(""),
        base64("????"),
        base64("aGVsbG8="),
        MediaSource::Url { url: "https://example.org/a.png".into() },
        MediaSource::Url { url: "data:image/png,raw".into() },
        MediaSource::File { id: "file-1".into() },
    ];
    for source in elsewhere {
        let Cost { tokens: about, doubt } = tokens(GPT_4O, &source, Some("high"));
        assert!(about == 765.0 && doubt > 500.0, "{source:?}: {about} {doubt}");
        assert!(tokens(GPT_4O, &source, Some("low")).doubt < 3.0, "all of them cost the same");
    }
}
