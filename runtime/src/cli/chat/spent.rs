//! What a conversation used.

use greenroom::event::{EventBody, LogEvent};

/// Of these a US dollar has so many.
const PARTS_OF_A_DOLLAR: f64 = 1e12;

/// The sum of what answers used.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    answers: u64,
    input: u64,
    cached: u64,
    output: u64,
    reasoning: u64,
    cost: u64,
    /// Answers whose cost nobody knows.
    unpriced: u64,
}

impl Spent {
    /// That of a session as it is exported, a line for each event.
    pub(super) fn of(exported: &[u8]) -> Self {
        let mut spent = Self::default();
        for line in exported.split(|byte| *byte == b'\n') {
            // A quick look first, since some lines hold whole pictures.
            let may_be = memchr::memmem::find(line, br#""usage""#).is_some();
            if may_be && let Ok(LogEvent { body: EventBody::Usage(usage), .. }) = serde_json::from_slice(line) {
                spent.answers += 1;
                spent.input = spent.input.saturating_add(usage.input_total());
                spent.cached = spent.cached.saturating_add(usage.cache_read);
                spent.output = spent.output.saturating_add(usage.output);
                spent.reasoning = spent.reasoning.saturating_add(usage.reasoning);
                spent.cost = spent.cost.saturating_add(usage.cost.unwrap_or_default());
                spent.unpriced += u64::from(usage.cost.is_none());
            }
        }
        spent
    }

    /// It for a person, in lines.
    pub(super) fn told(&self) -> String {
        if self.answers == 0 {
            return "nothing was used yet\n".to_owned();
        }
        let part = |count: u64, what: &str| if count == 0 { String::new() } else { format!(" ({count} {what})") };
        let cost = match (self.answers - self.unpriced, self.unpriced) {
            (0, _) => "not known".to_owned(),
            (_, unpriced) => {
                let unpriced = part(unpriced, "answers of which it is not known left out");
                format!("${:.6}{unpriced}", self.cost as f64 / PARTS_OF_A_DOLLAR)
            }
        };
        format!(
            "answers  {}\ninput    {} tokens{}\noutput   {} tokens{}\ncost     {cost}\n",
            self.answers,
            self.input,
            part(self.cached, "from a cache"),
            self.output,
            part(self.reasoning, "of reasoning"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Spent;

    #[test]
    fn what_answers_used_is_summed_up() {
        let usage = |rest: &str| format!(r#"{{"position":1,"next":2,"type":"usage","input":10,"output":4{rest}}}"#);
        let lines = [
            r#"{"greenroom":"an export's head"}"#.to_owned(),
            r#"{"position":0,"next":1,"type":"text","delta":"\"usage\""}"#.to_owned(),
            usage(r#","cache_read":5,"cost":2500000000"#),
            usage(""),
        ];
        let spent = Spent::of(lines.join("\n").as_bytes());
        assert_eq!((spent.answers, spent.input, spent.output, spent.unpriced), (2, 25, 8, 1));
        let told = spent.told();
        assert!(told.contains("25 tokens (5 from a cache)") && told.contains("$0.002500 (1 answers"), "{told}");
        assert_eq!(Spent::of(b"").told(), "nothing was used yet\n");
    }
}
