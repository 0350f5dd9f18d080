//! Reading the folder.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

#[derive(Clone)]
pub(crate) struct Recording {
    pub(crate) api: String,
    pub(crate) case: String,
    /// What it shows, in the words of whoever collected it.
    pub(crate) features: Vec<String>,
    pub(crate) request: Value,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The real boundaries of the network's chunks, where they were recorded.
    pub(crate) chunks: Option<Vec<usize>>,
}

impl Recording {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    }

    pub(crate) fn path(&self) -> &str {
        self.request["path"].as_str().unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether its folder, its case or its path has this word.
    pub(crate) fn shows(&self, word: &str) -> bool {
        let path = self.path().split('?').next().unwrap_or_default().to_lowercase();
        let last = path.rsplit('/').next().unwrap_or_default();
        self.api.contains(word) || self.case.starts_with(word) || last.contains(word)
    }

    /// How many answers the request asked for.
    pub(crate) fn choices(&self) -> u32 {
        self.request["body"]["n"].as_u64().unwrap_or(1) as u32
    }
}

/// Every recording that the manifest lists.
pub(crate) fn all(folder: &Path) -> Vec<Recording> {
    let manifest = fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the folder has a MANIFEST.tsv");
    let rows = manifest.lines().skip(1).filter(|line| !line.trim().is_empty());
    let recordings: Vec<_> = rows
        .map(|row| {
            let mut columns = row.split('\t');
            let (api, case) = (columns.next().expect("a provider"), columns.next().expect("a case"));
            one(folder, api, case)
        })
        .collect();
    assert!(!recordings.is_empty(), "the manifest lists no recordings");
    recordings
}

fn one(folder: &Path, api: &str, case: &str) -> Recording {
    let path = folder.join(api).join(format!("{case}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let response = &json["response"];
    let body = match (&response["body"], response["body_base64"].as_str()) {
        (_, Some(coded)) => STANDARD.decode(coded).expect("body_base64 is base64"),
        (Value::String(text), None) => text.clone().into_bytes(),
        (Value::Null, None) => Vec::new(),
        (other, None) => other.to_string().into_bytes(),
    };
    let text_of = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let headers = response["headers"].as_object().into_iter().flatten();
    Recording {
        api: api.to_owned(),
        case: case.to_owned(),
        status: response["status"].as_u64().expect("a status") as u16,
        headers: headers.map(|(key, value)| (key.clone(), text_of(value))).collect(),
        body,
        chunks: response["chunk_lengths"]
            .as_array()
            .map(|list| list.iter().map(|length| length.as_u64().expect("a length") as usize).collect()),
        features: json["features"]
            .as_array()
            .map(|list| list.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect())
            .unwrap_or_default(),
        request: json["request"].take(),
    }
}
