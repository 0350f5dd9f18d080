//! How texts are divided among Vertex's requests for embeddings.

/// Most texts of one request, the bound of most models.
const MOST_TEXTS: usize = 250;
/// Most bytes of one request's texts: its models take 20,000 tokens in all, which even short words reach no sooner.
const MOST_BYTES: usize = 40 * 1024;

/// How a model is asked for embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `embedContent`, one text at a time.
    EmbedContent,
    /// `predict`, with at most so many texts.
    Predict(usize),
}

impl Form {
    /// By the model's id.
    pub(super) fn of(id: &str) -> Self {
        match id {
            "gemini-embedding-001" => Self::Predict(1),
            id if id.starts_with("gemini-embedding") => Self::EmbedContent,
            _ => Self::Predict(MOST_TEXTS),
        }
    }

    /// The texts of each request, in their order. A text that is too long by itself goes alone, and its model says so.
    pub(super) fn divide<'a, 't>(self, texts: &'a [&'t str]) -> Vec<&'a [&'t str]> {
        let most = match self {
            Self::EmbedContent => 1,
            Self::Predict(most) => most,
        };
        let mut parts = Vec::new();
        let (mut start, mut bytes) = (0, 0);
        for (at, text) in texts.iter().enumerate() {
            if at > start && (at - start >= most || bytes + text.len() > MOST_BYTES) {
                parts.push(&texts[start..at]);
                (start, bytes) = (at, 0);
            }
            bytes += text.len();
        }
        if start < texts.len() {
            parts.push(&texts[start..]);
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_divided_by_number_and_size_and_none_is_lost() {
        let sizes = |form: Form, texts: &[&str]| form.divide(texts).iter().map(|part| part.len()).collect::<Vec<_>>();
        let short = vec!["a"; 600];
        assert_eq!(sizes(Form::of("text-embedding-005"), &short), [250, 250, 100]);
        assert_eq!(sizes(Form::of("gemini-embedding-001"), &short[..3]), [1, 1, 1]);
        assert_eq!(Form::of("gemini-embedding-2"), Form::EmbedContent);
        let (most, more) = ("b".repeat(MOST_BYTES), "d".repeat(MOST_BYTES + 1));
        let long = [most.as_str(), "c", more.as_str(), "e"];
        let parts = Form::Predict(250).divide(&long);
        assert_eq!(parts.concat(), long);
        assert_eq!(parts.len(), 4);
        assert!(Form::Predict(250).divide(&[]).is_empty());
    }
}
