//! The form in a page.

/// The first form of a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Where it is sent, from the page's own address on; empty for that itself.
    pub(super) action: String,
    /// What is sent as it is.
    pub(super) hidden: Vec<(String, String)>,
    /// The names of what a person is to fill in.
    pub(super) asked: Vec<String>,
}

impl Form {
    /// Reads the first form that a page has. Attributes have to be in double quotes, as those of this server are.
    pub(super) fn read(page: &str) -> Option<Self> {
        let (_, form) = page.split_once("<form")?;
        let (form, _) = form.split_once("</form>")?;
        let (head, body) = form.split_once('>')?;
        let mut read =
            Self { action: attribute(head, "action").unwrap_or_default(), hidden: Vec::new(), asked: Vec::new() };
        for input in body.split("<input").skip(1) {
            let input = input.split_once('>').map_or(input, |(input, _)| input);
            let Some(name) = attribute(input, "name") else { continue };
            match attribute(input, "type").as_deref() {
                Some("hidden") => read.hidden.push((name, attribute(input, "value").unwrap_or_default())),
                _ => read.asked.push(name),
            }
        }
        Some(read)
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(
        value
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&"),
    )
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn a_form_is_read_with_what_it_sends_and_asks() {
        let page = r#"<h1>Hello</h1><form id="f" method="post" action="/device?a=1&amp;b=2">
            <input type="hidden" name="xsrf" value="&quot;x&quot;"/>
            <input
              type="text" name="name" placeholder="your name">
            <button name="decision" value="allow">Allow</button></form><form action="/other"></form>"#;
        let form = Form::read(page).unwrap();
        assert_eq!(form.action, "/device?a=1&b=2");
        assert_eq!(form.hidden, [("xsrf".to_owned(), "\"x\"".to_owned())]);
        assert_eq!(form.asked, ["name"]);
        assert_eq!(Form::read("<p>Done.</p>"), None);
    }
}
