//! How a profile gets its tokens, and new ones when they are over.
//!
//! What changes (the tokens of a login, who refreshes them) belongs to the actor that owns the profile; here is only how
//! they are asked for. Nothing here retries: a failure says by its kind whether that can help, and the caller decides.
//! Only the device flow goes on by itself, since waiting is what it is. Nothing reads the environment or knows where
//! this machine keeps what: paths and addresses are arguments.
//!
//! A refusal counts only where it is a JSON object that says so. A page of a captive portal or a proxy is `Protocol`, and
//! never ends a login.

mod adc;
mod answer;
mod client;
mod copilot;
mod device;
mod device_login;
mod entra;
mod error;
mod fields;
mod issuer;
mod key_file;
mod loopback;
mod page;
mod pkce;
mod presets;
mod redirect;
mod refresh;
mod refusal;
mod service_account;
mod source;
mod tokens;

pub use adc::{ApplicationDefault, DefaultPlaces};
pub use client::TokenClient;
pub use copilot::CopilotExchange;
pub use device::DeviceCode;
pub use device_login::{DeviceProgress, log_in_by_device};
pub use entra::{AZURE_SCOPE, ENTRA_AUTHORITY, EntraArgs, EntraClient};
pub use error::{TokenError, TokenErrorDetails, TokenErrorKind};
pub use issuer::{Issuer, IssuerForm, SecretPlace};
pub use loopback::Loopback;
pub use pkce::{Authorization, Granted};
pub use presets::{CLOUD_PLATFORM, Preset, PresetClient, copilot_base, copilot_exchange_url};
pub use refresh::OAuthSource;
pub use service_account::ServiceAccount;
pub use source::TokenSource;
pub use tokens::Tokens;
