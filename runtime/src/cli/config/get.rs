//! `greenroom config get`.

use clap::Args;
use greenroom::config::{NoValue, Origin, SettingInForce, SettingKey};
use serde_json::{Map, Value, json};

use crate::cli::{Exit, Failure, context::Context, output::Output};

/// Arguments of `greenroom config get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The setting, as in the file with dots: server.listen, 'models.aliases."claude-*"'
    key: String,
}

pub(super) fn run(context: &Context, args: &GetArgs, json: bool) -> Result<Exit, Failure> {
    let key = key(&args.key)?;
    let loaded = context.load(Vec::new())?;
    let found = loaded.get(&context.source(Vec::new()), &key).map_err(|error| match &error {
        NoValue::Unknown { hint, .. } => {
            let hint =
                hint.as_deref().unwrap_or("`greenroom config show` has what is set, `greenroom config sample` all");
            Failure::usage(error.to_string(), hint)
        }
        _ => Failure::failed(error.to_string(), format!("`greenroom config set {key} VALUE` sets it")),
    })?;
    let mut output = Output::new();
    if json {
        output.json(&found_json(&key, &found))?;
    } else {
        output.text(&format!("{found}\n"))?;
    }
    Ok(Exit::Done)
}

pub(super) fn key(text: &str) -> Result<SettingKey, Failure> {
    text.parse()
        .map_err(|error: greenroom::config::BadKey| Failure::usage(format!("\"{text}\": {error}"), error.hint()))
}

fn found_json(key: &SettingKey, found: &SettingInForce) -> Value {
    let (source, file, line) = match &found.origin {
        Origin::BuiltIn => ("default", None, None),
        Origin::File { path, line, .. } => ("file", Some(path.display().to_string()), Some(*line)),
        Origin::Environment { .. } => ("environment", None, None),
        Origin::Found { .. } => ("found", None, None),
        Origin::Flag { .. } => ("flag", None, None),
    };
    let within: Map<String, Value> =
        found.origins.iter().map(|(path, origin)| (path.clone(), origin.to_string().into())).collect();
    json!({
        "key": key.to_string(), "value": found.value, "source": source, "origin": found.origin.to_string(), "file": file,
        "line": line, "origins": within,
    })
}
