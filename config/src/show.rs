//! The effective settings, to be looked at.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::origin::{join, written_key};
use crate::provider::ProfileKey;
use crate::{Loaded, Origin, Origins, Settings};

impl Settings {
    /// The settings as JSON, in the shape of the file. Secrets are there as their references, literal ones not at all.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut shown = serde_json::to_value(self).expect("settings have text for keys and nothing that isn't JSON");
        let timeouts = shown["timeouts"].clone();
        let providers = shown["providers"].as_object_mut().into_iter().flat_map(Map::values_mut);
        for (written, provider) in self.providers.iter().zip(providers.filter_map(Value::as_object_mut)) {
            if let Some(own) = provider.get_mut("timeouts").and_then(Value::as_object_mut) {
                own.retain(|key, value| timeouts[key.as_str()] != *value);
            }
            // The one profile of a provider without a key is what no `profiles` means.
            if matches!(&written.profiles[..], [only] if only.key == ProfileKey::None) {
                provider.remove("profiles");
            }
        }
        prune(&mut shown);
        // Of a model nothing need be known but that it is there.
        for written in self.providers.iter().filter(|written| !written.models.is_empty()) {
            for id in written.models.keys() {
                let known = &mut shown["providers"][&written.name]["models"][id];
                if known.is_null() {
                    *known = json!({});
                }
            }
        }
        shown
    }

    /// The settings as TOML, in the shape of the file. Secrets are there as their references, literal ones not at all.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml(&self.to_json(), None)
    }
}

impl Loaded {
    /// The effective settings as TOML; behind each stands where it was written.
    #[must_use]
    pub fn show_toml(&self) -> String {
        toml(&self.settings.to_json(), Some(&self.origins))
    }

    /// `{"settings", "origins", "discovery", "ignored_variables"}`: the effective settings, where those that somebody
    /// wrote come from (by path), and how the providers were found.
    #[must_use]
    pub fn show_json(&self) -> Value {
        json!({
            "settings": self.settings.to_json(),
            "origins": Map::from_iter(
                self.origins.values().map(|(path, origin)| (path.to_owned(), Value::String(origin.to_string())))
            ),
            "discovery": self.settings.discovery,
            "ignored_variables": self.settings.ignored_variables,
        })
    }
}

/// Takes out what isn't set, so that only settings with a value are left.
fn prune(value: &mut Value) {
    let Value::Object(map) = value else {
        value.as_array_mut().into_iter().flatten().for_each(prune);
        return;
    };
    // What goes out with each request goes as it was written: an empty list may mean something there.
    map.iter_mut().filter(|(key, _)| *key != "routing").for_each(|(_, value)| prune(value));
    map.retain(|_, value| match value {
        Value::Null => false,
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => true,
    });
}

fn toml(settings: &Value, origins: Option<&Origins>) -> String {
    let mut text = String::new();
    for (section, value) in settings.as_object().into_iter().flatten() {
        match (section.as_str(), value) {
            ("providers", Value::Object(providers)) => {
                for (name, provider) in providers {
                    write_section(&mut text, &join(section, name), provider, origins, None);
                }
            }
            ("models", _) => {
                write_section(&mut text, section, value, origins, Some("aliases"));
                if let Some(aliases) = value.get("aliases") {
                    write_section(&mut text, "models.aliases", aliases, origins, None);
                }
            }
            _ => write_section(&mut text, section, value, origins, None),
        }
    }
    text
}

fn write_section(text: &mut String, path: &str, table: &Value, origins: Option<&Origins>, without: Option<&str>) {
    let entries = table.as_object().into_iter().flatten().filter(|(key, _)| Some(key.as_str()) != without);
    let lines: String = entries
        .map(|(key, value)| {
            let mut line = format!("{} = {}", written_key(key), inline(value));
            if let Some(origins) = origins {
                let origin = origin_below(origins, &join(path, key));
                write!(line, "  # {origin}").expect("writing to a String never fails");
            }
            line + "\n"
        })
        .collect();
    if !lines.is_empty() {
        let gap = if text.is_empty() { "" } else { "\n" };
        write!(text, "{gap}[{path}]\n{lines}").expect("writing to a String never fails");
    }
}

/// The one profile that a shorthand makes, such as `key`, comes from there.
fn origin_below<'a>(origins: &'a Origins, path: &str) -> &'a Origin {
    match (origins.get(path), path.strip_suffix(".profiles")) {
        (Origin::BuiltIn, Some(provider)) => {
            let shorthands = ["key", "google_credentials", "entra"].map(|key| origins.get(&join(provider, key)));
            shorthands.into_iter().find(|origin| **origin != Origin::BuiltIn).unwrap_or(&Origin::BuiltIn)
        }
        (origin, _) => origin,
    }
}

pub(crate) fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(list) => format!("[{}]", list.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{} = {}", written_key(key), inline(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}
