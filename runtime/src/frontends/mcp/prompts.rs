//! Prompts: questions that many have, to be filled in.

use rmcp::{
    ErrorData,
    model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role},
};
use serde_json::{Value, json};

use super::{arguments, wrong};

/// What was said to an argument, by its name.
type Said<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A question with places to be filled in.
struct Template {
    name: &'static str,
    title: &'static str,
    does: &'static str,
    arguments: &'static [Argument],
    write: fn(Said<'_>) -> String,
}

struct Argument {
    name: &'static str,
    does: &'static str,
    required: bool,
}

const TEMPLATES: [Template; 3] = [
    Template {
        name: "summarise",
        title: "Summarise",
        does: "Tells a text in fewer words",
        arguments: &[
            Argument { name: "text", does: "The text", required: true },
            Argument {
                name: "length",
                does: "How long the summary is to be, such as \"three sentences\"",
                required: false,
            },
            Argument { name: "audience", does: "Who is to read it", required: false },
        ],
        write: |said| {
            let length = said("length").map(|length| format!(" in {length}")).unwrap_or_default();
            let audience = said("audience").map(|audience| format!(", for {audience}")).unwrap_or_default();
            let text = said("text").unwrap_or_default();
            format!(
                "Summarise the text below{length}{audience}. Keep names, numbers and conclusions; add nothing.\n\n{text}"
            )
        },
    },
    Template {
        name: "review_code",
        title: "Review code",
        does: "Looks for mistakes in code",
        arguments: &[
            Argument { name: "code", does: "The code, or a diff", required: true },
            Argument { name: "language", does: "The language that it is written in", required: false },
            Argument { name: "focus", does: "What to look at first, such as \"concurrency\"", required: false },
        ],
        write: |said| {
            let language = said("language").unwrap_or_default();
            let focus = said("focus").map(|focus| format!(" Look at {focus} first.")).unwrap_or_default();
            let code = said("code").unwrap_or_default();
            let fence = fence(&code);
            format!(
                "Review the code below.{focus} List what is wrong, the worst first: where it is, what happens, and how to \
                 mend it. Leave out matters of taste, and say so if nothing is wrong.\n\n{fence}{language}\n{code}\n{fence}"
            )
        },
    },
    Template {
        name: "translate",
        title: "Translate",
        does: "Says a text in another language",
        arguments: &[
            Argument { name: "text", does: "The text", required: true },
            Argument { name: "to", does: "The language to translate into", required: true },
        ],
        write: |said| {
            let (to, text) = (said("to").unwrap_or_default(), said("text").unwrap_or_default());
            format!(
                "Translate the text below into {to}. Answer with the translation alone, and keep its form.\n\n{text}"
            )
        },
    },
];

/// A fence that the code does not hold.
fn fence(code: &str) -> String {
    let mut fence = "```".to_owned();
    while code.contains(&fence) {
        fence.push('`');
    }
    fence
}

/// Every prompt.
pub(super) fn all() -> Vec<Prompt> {
    let prompts = TEMPLATES.iter().map(|template| {
        let arguments = template.arguments.iter().map(|argument| {
            PromptArgument::new(argument.name).with_description(argument.does).with_required(argument.required)
        });
        Prompt::new(template.name, Some(template.does), Some(arguments.collect())).with_title(template.title)
    });
    prompts.collect()
}

/// Whether there is a prompt of this name.
pub(super) fn is_one(name: &str) -> bool {
    TEMPLATES.iter().any(|template| template.name == name)
}

/// A prompt filled in.
///
/// # Errors
/// There is no such prompt, or an argument is missing, unknown or no text.
pub(super) fn get(name: &str, said: JsonObject) -> Result<GetPromptResult, ErrorData> {
    let Some(template) = TEMPLATES.iter().find(|template| template.name == name) else {
        let names: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
        return Err(wrong(format!("there is no prompt \"{name}\""), format!("there are {}", names.join(", "))));
    };
    let names: JsonObject = template.arguments.iter().map(|argument| (argument.name.to_owned(), json!({}))).collect();
    let required = template.arguments.iter().filter(|argument| argument.required);
    let required: Vec<&str> = required.map(|argument| argument.name).collect();
    let schema = JsonObject::from_iter([
        ("properties".to_owned(), Value::Object(names)),
        ("required".to_owned(), json!(required)),
    ]);
    let said: std::collections::HashMap<String, String> = arguments::read(&schema, said)?;
    let text = (template.write)(&|name| said.get(name).filter(|text| !text.is_empty()).cloned());
    let messages = vec![PromptMessage::new_text(Role::User, text)];
    Ok(GetPromptResult::new(messages).with_description(template.does))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(result: &GetPromptResult) -> String {
        let told = json!(result);
        told["messages"][0]["content"]["text"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_prompt_has_what_it_was_filled_in_with() {
        let said = json!({"code": "let a = \"```\";", "language": "rust", "focus": "quotes"});
        let text = text_of(&get("review_code", said.as_object().unwrap().clone()).unwrap());
        assert!(text.contains("Look at quotes first."), "{text}");
        assert!(text.ends_with("````rust\nlet a = \"```\";\n````"), "{text}");
    }

    #[test]
    fn a_prompt_without_what_it_needs_is_refused() {
        for (name, said) in [("summarise", json!({})), ("translate", json!({"text": "a", "to": 1})), ("no", json!({}))]
        {
            let error = get(name, said.as_object().unwrap().clone()).unwrap_err();
            assert_eq!(error.code.0, -32602, "{name}");
        }
    }
}
