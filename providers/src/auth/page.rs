//! What the browser shows at the end of a login: static, without anything of the login itself.

use hyper::StatusCode;

/// A page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    title: &'static str,
    text: &'static str,
}

impl Page {
    pub(crate) const DONE: Self =
        Self { status: StatusCode::OK, title: "The login is done", text: "You can close this window." };
    /// The issuer answered, so that the page is as it should be.
    pub(crate) const REFUSED: Self = Self {
        status: StatusCode::OK,
        title: "The login was not completed",
        text: "The program that began it says why. You can close this window.",
    };
    pub(crate) const OTHER_LOGIN: Self = Self {
        status: StatusCode::BAD_REQUEST,
        title: "This is not the login under way",
        text: "Use the page that the program opened last, or begin a new login there.",
    };
    pub(crate) const BAD_REQUEST: Self = Self {
        status: StatusCode::BAD_REQUEST,
        title: "Nothing is done here",
        text: "Logins end at this address, with what their page hands over.",
    };
    pub(crate) const NOT_FOUND: Self =
        Self { status: StatusCode::NOT_FOUND, title: "Nothing is here", text: "Logins end at another address." };

    pub(crate) fn html(self) -> String {
        let Self { title, text, .. } = self;
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title>\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <style>:root {{ color-scheme: light dark }} body {{ font: 1.1rem/1.5 system-ui, sans-serif; \
             max-width: 34rem; margin: 20vh auto; padding: 0 1rem }}</style></head>\n\
             <body><main><h1>{title}</h1><p>{text}</p></main></body>\n</html>\n"
        )
    }
}
