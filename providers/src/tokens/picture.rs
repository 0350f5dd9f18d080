//! What a picture costs in tokens, by its size and who looks at it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use greenroom_wire::chat::MediaSource;

use super::family::Pictures;

/// The size of a picture stands within its first bytes; a photograph may have a preview and a colour profile before it.
const HEAD_BASE64: usize = 1 << 20;
/// A picture that can't be looked at is taken to be of a usual size.
const USUAL: (u64, u64) = (1024, 1024);
/// What Anthropic scales pictures down to: the longer side, and about as many tokens.
const ANTHROPIC_SIDE: f64 = 1568.0;
const ANTHROPIC_MOST: f64 = 1600.0;

/// A picture's tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    pub(super) tokens: f64,
    /// By how many that may be wrong.
    pub(super) doubt: f64,
}

pub(super) fn tokens(rule: Pictures, source: &MediaSource, detail: Option<&str>) -> Cost {
    let size = size(source);
    let (width, height) = size.unwrap_or(USUAL);
    let of = |(width, height)| by(rule, width, height, detail);
    let tokens = of((width, height));
    // From the smallest to one that is scaled down, as wide as they come.
    let span = || (tokens - of((1, 1))).max(of((4096, 2048)) - tokens).max(0.0);
    let doubt = match rule {
        Pictures::Unknown => tokens,
        _ if size.is_none() => span() + tokens * rounding(rule),
        // Whether it is looked at closely is the model's to decide, where that makes a difference.
        Pictures::Tiles { base, .. } if !matches!(detail, Some("low" | "high")) => {
            (tokens - base as f64).min(tokens * 0.02)
        }
        _ => tokens * rounding(rule),
    };
    Cost { tokens, doubt }
}

/// By what share the published rules are off from what is counted.
fn rounding(rule: Pictures) -> f64 {
    match rule {
        Pictures::Tiles { .. } => 0.02,
        // Some models are billed by another factor than is published.
        Pictures::Patches { .. } => 0.35,
        Pictures::Area => 0.1,
        // The resolution may be set for the whole request.
        Pictures::Gemini | Pictures::Each(_) => 0.5,
        Pictures::Unknown => 1.0,
    }
}

fn by(rule: Pictures, width: u64, height: u64, detail: Option<&str>) -> f64 {
    let (width, height) = (width.max(1), height.max(1));
    match rule {
        Pictures::Tiles { base, .. } if detail == Some("low") => base as f64,
        Pictures::Tiles { base, tile } => (base + tile * tiles(width as f64, height as f64)) as f64,
        Pictures::Patches { factor, most } => (patches(width, height, most) as f64 * factor).ceil(),
        Pictures::Area => {
            let (width, height) = (width as f64, height as f64);
            let scale = (ANTHROPIC_SIDE / width.max(height)).min(1.0);
            (width * scale * height * scale / 750.0).ceil().min(ANTHROPIC_MOST)
        }
        Pictures::Each(tokens) => tokens as f64,
        Pictures::Gemini if width <= 384 && height <= 384 => 258.0,
        Pictures::Gemini => (258 * width.div_ceil(768).min(6) * height.div_ceil(768).min(6)) as f64,
        Pictures::Unknown => 1000.0,
    }
}

/// How many squares of 512 pixels cover it, once it fits into 2048 by 2048 and its shorter side has 768 at most.
fn tiles(width: f64, height: f64) -> u64 {
    let fit = (2048.0 / width.max(height)).min(1.0);
    let (width, height) = (width * fit, height * fit);
    let shrink = (768.0 / width.min(height)).min(1.0);
    // A hair over a bound is a trace of the division.
    let squares = |side: f64| ((side * shrink / 512.0 - 1e-6).ceil() as u64).max(1);
    squares(width) * squares(height)
}

/// How many squares of 32 pixels cover it, once it is scaled down so far that `most` do.
fn patches(width: u64, height: u64, most: u64) -> u64 {
    let whole = width.div_ceil(32).saturating_mul(height.div_ceil(32));
    if whole <= most {
        return whole;
    }
    let (width, height) = (width as f64 / 32.0, height as f64 / 32.0);
    let scale = (most as f64 / (width * height)).sqrt();
    let (wide, high) = (width * scale, height * scale);
    let shrink = (wide.floor().max(1.0) / wide).min(high.floor().max(1.0) / high).min(1.0);
    let count = |side: f64| ((side * shrink - 1e-6).ceil() as u64).max(1);
    (count(wide) * count(high)).min(most)
}

/// Width and height in pixels, where the picture is at hand and of a known kind.
fn size(source: &MediaSource) -> Option<(u64, u64)> {
    let data = match source {
        MediaSource::Base64 { data, .. } => data.as_str(),
        MediaSource::Url { url } => url.strip_prefix("data:")?.split_once(";base64,")?.1,
        MediaSource::File { .. } => return None,
    };
    let head = data.as_bytes();
    // Four letters are three bytes, so that the end of a cut one is none of the text's.
    let cut = if head.len() > HEAD_BASE64 { HEAD_BASE64 } else { head.len() };
    let bytes = STANDARD.decode(&head[..cut]).ok()?;
    let size = imagesize::blob_size(&bytes).ok()?;
    Some((u64::try_from(size.width).ok()?, u64::try_from(size.height).ok()?))
        .filter(|(width, height)| *width > 0 && *height > 0)
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
