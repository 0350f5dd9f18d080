//! A person's file: each line is looked at before anything is sent.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use greenroom_actors::{BatchLeave, Candidate};
use greenroom_providers::batch::{BatchItem, BatchLimits};
use greenroom_wire::{
    ChatError,
    batch::{Asked, BatchForm, BatchLine, decode_line},
    openai_chat::ToolNames,
};

use super::{BatchError, spool::Writing};

/// Most requests that any provider takes.
const MOST: u64 = 100_000;
/// Most bytes of names and features, which are kept in one value of the store.
const MOST_KEPT: usize = 16 << 10;

/// The lines of a file, of which the larger part is never held but as it came.
#[derive(Debug, Clone)]
pub(super) struct Input {
    bytes: Bytes,
    model: Option<String>,
}

/// What a file asks.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) requests: u64,
    /// Each model that is named, how often, and the line that names it first, in the order of those lines.
    pub(super) models: Vec<(String, u64, u64)>,
}

/// Requests that are ready to be handed over.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) form: BatchForm,
    pub(super) bytes: u64,
    pub(super) names: ToolNames,
    pub(super) features: Vec<String>,
}

impl Input {
    pub(super) fn new(bytes: Bytes, model: Option<&str>) -> Self {
        Self { bytes, model: model.map(str::to_owned) }
    }

    /// Takes each line that isn't empty: its number, its id, and what it asks.
    fn each(&self, mut take: impl FnMut(u64, String, Asked) -> Result<(), BatchError>) -> Result<(), BatchError> {
        let bytes = self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.bytes);
        for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let text = text.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let read = decode_line(text, self.model.as_deref()).map_err(|error| BatchError::Line { line, error });
            let BatchLine { id, asked } = read?;
            take(line, id.unwrap_or_else(|| line.to_string()), asked)?;
        }
        Ok(())
    }

    /// Whether every line is a request, and each has an id of its own. Pure.
    ///
    /// # Errors
    /// The first thing that is wrong, and in which line.
    pub(super) fn check(&self) -> Result<Checked, BatchError> {
        let mut ids: HashMap<String, u64> = HashMap::new();
        let mut checked = Checked::default();
        let mut places: HashMap<String, usize> = HashMap::new();
        self.each(|line, id, asked| {
            if let Some(first) = ids.insert(id.clone(), line) {
                return Err(BatchError::Twice { line, first, id });
            }
            checked.requests += 1;
            if checked.requests > MOST {
                return Err(BatchError::TooMany {
                    count: checked.requests,
                    most: MOST,
                    provider: "no provider".into(),
                });
            }
            let place = *places.entry(asked.model().to_owned()).or_insert_with(|| {
                checked.models.push((asked.model().to_owned(), 0, line));
                checked.models.len() - 1
            });
            checked.models[place].1 += 1;
            Ok(())
        })?;
        if checked.requests == 0 { Err(BatchError::Empty) } else { Ok(checked) }
    }

    /// Writes the requests as the provider takes them. `models` says who is meant by each model that is named, and `fill`
    /// fills in what a request does not say. It blocks.
    ///
    /// # Errors
    /// What the provider does not take, and in which line.
    pub(super) fn write(
        &self,
        leave: &BatchLeave,
        models: &BTreeMap<String, Candidate>,
        fill: impl Fn(Asked, &Candidate) -> Asked,
        mut file: Writing,
    ) -> Result<Written, BatchError> {
        let batches = leave.batches().map_err(BatchError::Provider)?;
        let BatchLimits { bytes: most, .. } = batches.limits();
        let of = |asked: &Asked| models.get(asked.model()).expect("every model that is named was looked up");
        let mut form: Option<BatchForm> = None;
        let mut provider = String::new();
        self.each(|line, id, asked| {
            let who = of(&asked);
            provider = who.provider.to_string();
            let own = batches.form(&asked, &who.model, &leave.credential);
            let own = own.map_err(|error: ChatError| BatchError::Line { line, error })?;
            if !own.takes_id(&id) {
                return Err(BatchError::BadId { line, id, provider: provider.clone() });
            }
            form = Some(form.map_or(Some(own), |form| form.with(own)).ok_or(BatchError::Mixed { line })?);
            Ok(())
        })?;
        let form = form.ok_or(BatchError::Empty)?;
        let [before, between, after] = form.around();
        let mut names = ToolNames::default();
        let mut features: Vec<String> = Vec::new();
        file.put(before)?;
        let mut is_first = true;
        self.each(|line, id, asked| {
            let who = of(&asked).clone();
            let asked = fill(asked, &who);
            let item =
                BatchItem { asked: &asked, info: &who.model, provider: &who.provider, credential: &leave.credential };
            let (encoded, wanted) = batches.encode(form, item);
            for left_out in &encoded.left_out {
                tracing::debug!(line, at = left_out.at, "left out of a request of a batch: {}", left_out.what);
            }
            let kept = serde_json::to_vec(&names).map_or(0, |json| json.len());
            if !names.merge(&encoded.names) || kept > MOST_KEPT {
                return Err(BatchError::Names { line });
            }
            for feature in wanted {
                if !features.contains(&feature) {
                    features.push(feature);
                }
            }
            if !std::mem::take(&mut is_first) {
                file.put(between)?;
            }
            file.put(&form.encode(&id, &encoded.body))?;
            if file.length() > most {
                return Err(BatchError::TooLarge { line, most, provider: provider.clone() });
            }
            Ok(())
        })?;
        file.put(after)?;
        Ok(Written { form, bytes: file.finish()?, names, features })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, model: Option<&str>) -> Result<Checked, BatchError> {
        Input::new(Bytes::copy_from_slice(text.as_bytes()), model).check()
    }

    #[test]
    fn lines_without_an_id_are_named_by_their_number_and_empty_ones_are_passed_over() {
        let text = "\u{feff}{\"prompt\":\"a\"}\r\n\n{\"prompt\":\"b\",\"model\":\"n\"}\n";
        let all = check(text, Some("m")).unwrap();
        assert_eq!((all.requests, all.models), (2, vec![("m".to_owned(), 2, 1)]));
        let clash = check("{\"id\":\"2\",\"prompt\":\"a\"}\n{\"prompt\":\"b\"}", Some("m")).unwrap_err();
        assert!(matches!(clash, BatchError::Twice { line: 2, first: 1, .. }), "{clash}");
        let own = check(
            "{\"model\":\"a\",\"prompt\":\"x\"}\n{\"model\":\"b\",\"prompt\":\"x\"}\n{\"model\":\"a\",\"prompt\":\"x\"}",
            None,
        );
        assert_eq!(own.unwrap().models, [("a".to_owned(), 2, 1), ("b".to_owned(), 1, 2)]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert!(matches!(check("", None), Err(BatchError::Empty)));
        assert!(matches!(check("\n \n", Some("m")), Err(BatchError::Empty)));
        for (text, line) in [("{\"prompt\":\"a\"}", 1), ("\n{\"prompt\":\"a\",\"model\":\"m\"}\n{\"prompt\":", 3)] {
            let error = check(text, None).unwrap_err();
            assert!(matches!(error, BatchError::Line { line: at, .. } if at == line), "{error}");
        }
        let many = "{\"prompt\":\"a\"}\n".repeat(usize::try_from(MOST).unwrap() + 1);
        assert!(matches!(check(&many, Some("m")), Err(BatchError::TooMany { .. })));
    }
}
