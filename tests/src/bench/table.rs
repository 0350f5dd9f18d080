//! A table of figures, each told by itself or as a ratio against another one of the same run.

use serde_json::{Value, json};

/// The figures as they are shown, and as they are.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) text: String,
    pub(crate) values: serde_json::Map<String, Value>,
}

impl Table {
    /// A figure.
    pub(crate) fn line(&mut self, what: &str, value: f64) {
        self.text += &format!("{what:<44} {value:>12.1}\n");
        self.values.insert(what.trim().to_owned(), json!(value));
    }

    /// A figure, and how many times another one it is.
    pub(crate) fn against(&mut self, what: &str, beside: &str, value: f64, than: f64) {
        let ratio = value / than;
        self.text += &format!("{what:<44} {value:>12.1}   {beside} {than:.1}   ×{ratio:.2}\n");
        self.values.insert(what.to_owned(), json!({"value": value, beside: than, "ratio": ratio}));
    }
}
