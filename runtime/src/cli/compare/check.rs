//! The models that are named, looked at before any of them is asked.

use axum::http::StatusCode;
use futures::future::join_all;
use greenroom::{MOST_COMPARED, event};
use serde::Deserialize;

use crate::cli::{
    Exit, Failure,
    attach::{Ask, Link, failure, path},
};

/// Looks at the names alone.
pub(super) fn names(models: &[String]) -> Result<(), Failure> {
    if models.len() < 2 {
        let what = match models {
            [] => "no model is named".to_owned(),
            [one, ..] => format!("there is nothing to compare {one} with"),
        };
        return Err(Failure::usage(what, "name two or more: greenroom compare \"hello\" -m MODEL -m OTHER"));
    }
    if models.len() > MOST_COMPARED {
        let what = format!("{} models are named", models.len());
        return Err(Failure::usage(what, format!("name up to {MOST_COMPARED}")));
    }
    for (index, model) in models.iter().enumerate() {
        if models[..index].contains(model) {
            return Err(Failure::usage(format!("{model} is named twice"), "name each model once"));
        }
    }
    Ok(())
}

/// Looks at what they mean to whoever answers. What can't be found out now is left to the answer.
pub(super) async fn meanings(link: &Link<'_>, models: &[String]) -> Result<(), Failure> {
    let meanings = join_all(models.iter().map(|model| meaning(link, model))).await;
    let mut known: Vec<(&String, Vec<String>)> = Vec::new();
    for (model, meaning) in models.iter().zip(meanings) {
        let Some(candidates) = meaning? else { continue };
        if let Some((other, _)) = known.iter().find(|(_, others)| *others == candidates) {
            let what = format!("{other} and {model} are the same: {}", candidates.join(", then "));
            return Err(Failure::usage(what, "name each model once"));
        }
        known.push((model, candidates));
    }
    Ok(())
}

/// Which models a name stands for, if that can be found out.
async fn meaning(link: &Link<'_>, model: &str) -> Result<Option<Vec<String>>, Failure> {
    #[derive(Deserialize)]
    struct Meaning {
        candidates: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Refused {
        error: event::Failure,
    }
    let (answer, _) = link.ask_any(&Ask::get(path(&["candidates"], &[("model", model)])).patient(), false).await?;
    let status = answer.status;
    let body = answer.whole().await.map_err(|lost| failure(&lost))?;
    if status == StatusCode::OK {
        return Ok(serde_json::from_slice(&body).ok().map(|Meaning { candidates }| candidates));
    }
    // A greenroom of another version may not know this question.
    let Ok(Refused { error }) = serde_json::from_slice(&body) else { return Ok(None) };
    match Failure::answer(&error, false) {
        Failure::Told(told) if told.exit == Exit::Usage => Err(Failure::Told(told)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::names;
    use crate::cli::{Exit, Failure};

    fn refused(models: &[&str]) -> Option<String> {
        let models: Vec<String> = models.iter().map(|model| (*model).to_owned()).collect();
        match names(&models) {
            Ok(()) => None,
            Err(Failure::Told(told)) if told.exit == Exit::Usage => Some(told.what),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn two_to_sixteen_different_models_are_compared() {
        assert_eq!(refused(&["a", "b"]), None);
        assert_eq!(refused(&["a"]).as_deref(), Some("there is nothing to compare a with"));
        assert_eq!(refused(&["a", "b", "a"]).as_deref(), Some("a is named twice"));
        let many: Vec<String> = (0..17).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(refused(&many).as_deref(), Some("17 models are named"));
        assert_eq!(refused(&many[..16]), None);
    }
}
