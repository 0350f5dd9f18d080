//! What comes back from the browser at the end of a login: read by the listener, or pasted by a person.

use secrecy::SecretString;
use subtle::ConstantTimeEq as _;
use url::form_urlencoded;

use super::{
    TokenError, TokenErrorKind,
    refusal::{Grant, Refusal},
};

/// Longer than any address that a login ends at, in bytes.
const LONGEST: usize = 16 * 1024;

/// What of an address is a login's.
#[derive(Default)]
struct Redirect {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// The code in what came back: a whole address, a path with a query, a query alone, or `code#state`. Line breaks and
/// blanks that a terminal put in are passed over.
///
/// # Errors
/// `State`: it is of another login, or nothing of a login. `Denied`, `Server`, `Client`: the issuer says so, of this login.
pub(crate) fn read(pasted: &str, state: &str) -> Result<SecretString, TokenError> {
    if pasted.len() > LONGEST {
        return Err(TokenError::new(TokenErrorKind::State, "this is longer than any address that a login ends at"));
    }
    let text: String = pasted.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
    let redirect = Redirect::of(&text)?;
    let Some(theirs) = &redirect.state else {
        return Err(TokenError::new(TokenErrorKind::State, "this does not say which login it is of")
            .with_hint("copy the whole address that the browser shows at the end of the login"));
    };
    // First of all, so that nothing that isn't of this login has any effect on it.
    if !bool::from(theirs.as_bytes().ct_eq(state.as_bytes())) {
        return Err(TokenError::new(TokenErrorKind::State, "this is of another login than the one under way"));
    }
    if let Some(error) = &redirect.error {
        let refusal = Refusal::in_redirect(error, redirect.error_description.as_deref());
        let secrets = [Some(state), redirect.code.as_deref()];
        return Err(refusal.into_error(Grant::Code, &secrets.into_iter().flatten().collect::<Vec<_>>()));
    }
    let code = redirect.code.filter(|code| !code.is_empty());
    code.map(SecretString::from).ok_or_else(|| TokenError::new(TokenErrorKind::State, "there is no code in this"))
}

impl Redirect {
    fn of(text: &str) -> Result<Self, TokenError> {
        if let Some((_, query)) = text.split_once('?') {
            return Self::of_query(query.split('#').next().unwrap_or_default());
        }
        let names_one = |text: &str| form_urlencoded::parse(text.as_bytes()).any(|(name, _)| is_known(&name));
        match text.split_once('#') {
            _ if names_one(text) => Self::of_query(text),
            Some((code, state)) => {
                Ok(Self { code: Some(code.to_owned()), state: Some(state.to_owned()), ..Self::default() })
            }
            None => Ok(Self::default()),
        }
    }

    fn of_query(query: &str) -> Result<Self, TokenError> {
        let mut redirect = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "code" => &mut redirect.code,
                "state" => &mut redirect.state,
                "error" => &mut redirect.error,
                "error_description" => &mut redirect.error_description,
                _ => continue,
            };
            // Which of two would be the right one can't be known.
            if field.replace(value.into_owned()).is_some() {
                return Err(TokenError::new(TokenErrorKind::State, format!("this says {name} twice")));
            }
        }
        Ok(redirect)
    }
}

fn is_known(name: &str) -> bool {
    matches!(name, "code" | "state" | "error")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    use super::*;

    const STATE: &str = "the-right-state";

    fn code(pasted: &str) -> Result<String, TokenErrorKind> {
        read(pasted, STATE).map(|code| code.expose_secret().to_owned()).map_err(|error| error.kind)
    }

    #[test]
    fn a_code_is_found_however_it_was_pasted() {
        for pasted in [
            "http://localhost:1455/auth/callback?code=4%2F0a%3D&state=the-right-state&scope=a",
            "http://localhost:1455/auth/callback?state=the-right-state&code=4%2F0a%3D#_=_",
            "/callback?code=4%2F0a%3D&state=the-right-state",
            "?code=4%2F0a%3D&state=the-right-state",
            "state=the-right-state&code=4/0a=",
            "4/0a=#the-right-state",
            "  http://127.0.0.1:5/callback?code=4%2F0\n a%3D&sta\nte=the-right-state\r\n",
        ] {
            assert_eq!(code(pasted).as_deref(), Ok("4/0a="), "{pasted}");
        }
    }

    #[test]
    fn what_is_not_of_this_login_is_told_and_nothing_else_of_it_is_heeded() {
        for pasted in [
            "",
            "hello",
            "4/0a",
            "https://example.com/",
            "http://x/?code=a",
            "http://x/?code=a&state=",
            "http://x/?code=a&state=another",
            "http://x/?code=a&state=the-right-stat",
            "http://x/?error=access_denied",
            "http://x/?error=access_denied&state=another",
            "http://x/?state=the-right-state",
            "http://x/?code=&state=the-right-state",
            "http://x/?code=a&code=b&state=the-right-state",
            "http://x/?code=a&state=another&state=the-right-state",
            "a#another",
            "#the-right-state",
        ] {
            assert_eq!(code(pasted), Err(TokenErrorKind::State), "{pasted}");
        }
        assert_eq!(code(&"x".repeat(LONGEST + 1)), Err(TokenErrorKind::State));
    }

    #[test]
    fn a_refusal_of_this_login_says_what_it_is() {
        let of = |error: &str| code(&format!("http://x/?error={error}&state=the-right-state"));
        assert_eq!(of("access_denied"), Err(TokenErrorKind::Denied));
        assert_eq!(of("server_error"), Err(TokenErrorKind::Server));
        assert_eq!(of("invalid_scope"), Err(TokenErrorKind::Client));
        let said = "?error=x&error_description=bad+the-right-state+of+the-code&state=the-right-state&code=the-code";
        let shown = format!("{:?}", read(said, STATE).unwrap_err());
        assert!(!shown.contains("the-right-state") && !shown.contains("the-code"), "{shown}");
    }

    proptest! {
        #[test]
        fn only_the_right_state_lets_anything_through(text in ".{0,80}", other in "[a-zA-Z0-9_-]{1,40}") {
            prop_assume!(!text.contains(STATE) && other != STATE);
            prop_assert_eq!(code(&text), Err(TokenErrorKind::State));
            prop_assert_eq!(code(&format!("/callback?code=a&state={other}")), Err(TokenErrorKind::State));
        }
    }
}
