//! On which terms an answer is billed, as far as it says that itself.

use greenroom_wire::ChatEvent;

use crate::Price;

/// What an answer says of its bill beside its usage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    tier: Tier,
    /// Some of its tokens are of sounds, which have a price of their own that nobody here knows.
    has_audio: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Tier {
    #[default]
    Standard,
    /// Answered when there is room, for what a batch costs.
    Batch,
    /// Answered ahead of others, or of what was paid for beforehand: at a price that no catalogue knows.
    Other,
}

impl Terms {
    /// The answer says something, perhaps of its terms. Of the tier that was asked for it says nothing.
    pub fn handle_event(&mut self, event: &ChatEvent) {
        let ChatEvent::Extra(extra) = event else { return };
        if matches!(extra.path.as_str(), "/service_tier" | "/usage/service_tier") {
            self.tier = match extra.json.as_str() {
                Some("flex" | "batch") => Tier::Batch,
                Some("priority" | "scale" | "fast") => Tier::Other,
                _ => Tier::Standard,
            };
        }
        if extra.path.starts_with("/usage/") && extra.path.ends_with("/audio_tokens") {
            self.has_audio |= extra.json.as_f64().is_some_and(|tokens| tokens > 0.0);
        }
    }

    /// What the answer costs where it usually costs `price`; `None` where that is not known.
    pub fn price(&self, price: Price) -> Option<Price> {
        match self.tier {
            _ if self.has_audio => None,
            Tier::Standard => Some(price),
            Tier::Batch => price.in_batch(),
            Tier::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use greenroom_wire::chat::{Extra, Wire};
    use serde_json::{Value, json};

    use super::*;
    use crate::cost::BatchPrice;

    fn of(said: &[(&str, Value)]) -> Option<Price> {
        let mut terms = Terms::default();
        for (path, json) in said {
            terms.handle_event(&ChatEvent::Extra(Extra {
                wire: Wire::OpenaiChat,
                path: (*path).into(),
                json: json.clone(),
            }));
        }
        let batch = Some(BatchPrice { input: 1.0, output: 5.0 });
        terms.price(Price { cache_read: Some(0.2), batch, ..Price::flat(2.0, 10.0) })
    }

    #[test]
    fn a_tier_has_its_own_price_or_none_that_is_known() {
        for usual in ["default", "auto", "standard", "on_demand", "new"] {
            assert_eq!(of(&[("/service_tier", usual.into())]), of(&[]), "{usual}");
        }
        let flex = of(&[("/service_tier", "flex".into())]).unwrap();
        assert_eq!((flex.input, flex.output, flex.cache_read), (1.0, 5.0, Some(0.1)));
        assert_eq!(of(&[("/usage/service_tier", "batch".into())]), Some(flex));
        assert_eq!(of(&[("/service_tier", "priority".into())]), None);
        assert_eq!(of(&[("/service_tier", "priority".into()), ("/service_tier", "default".into())]), of(&[]));
        assert_eq!(of(&[("/service_tier", Value::Null)]), of(&[]));
        let none = Terms { tier: Tier::Batch, has_audio: false };
        assert_eq!(none.price(Price::flat(1.0, 1.0)), None, "a batch that nobody sells");
    }

    #[test]
    fn sounds_have_a_price_that_is_not_known() {
        let audio = "/usage/prompt_tokens_details/audio_tokens";
        assert_eq!(of(&[(audio, 7.into())]), None);
        assert_eq!(of(&[(audio, 0.into())]), of(&[]));
        assert_eq!(of(&[(audio, json!("7"))]), of(&[]));
        assert_eq!(of(&[("/audio_tokens", 7.into())]), of(&[]));
    }
}
