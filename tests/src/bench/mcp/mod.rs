//! What a call of a tool costs over the Model Context Protocol: by the program and at `/mcp`, beside the same request straight to
//! the provider. All ways take turns, one call at a time.

mod way;

use std::error::Error;
use std::io::{Write as _, stderr, stdout};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use self::way::{Http, Program, Way};
use crate::answer::Plan;
use crate::load::{Address, Connection, Question};
use crate::process::Cores;
use crate::table::Table;
use crate::target::{Kind, Target};

/// Calls tools, and times them.
#[derive(Args)]
pub(crate) struct Mcp {
    /// Few calls, which show that everything works; the figures are rough.
    #[arg(long)]
    quick: bool,
    /// How many calls each way gets.
    #[arg(long, default_value_t = 2000, conflicts_with = "quick")]
    calls: usize,
    /// Writes all figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Calls of each way in a quick run.
const FEW: usize = 50;
/// A tenth more than is counted: the first ones find everything cold.
const WARM_UP: usize = 10;
/// Tokens of an answer.
const TOKENS: u32 = 50;

/// What each way took.
#[derive(Default)]
struct Times {
    straight: Vec<Duration>,
    over_http: Vec<Duration>,
    by_program: Vec<Duration>,
    list_over_http: Vec<Duration>,
    list_by_program: Vec<Duration>,
}

/// Measures everything, and prints it.
pub(crate) async fn bench(asked: &Mcp) -> Outcome<()> {
    if cfg!(debug_assertions) {
        writeln!(stderr(), "built without optimisation: the figures mean little; use `--profile dist`")?;
    }
    let calls = if asked.quick { FEW } else { asked.calls };
    let target = Target::start(Kind::Greenroom, Cores::find()?).await?;
    let times = measure(&target, calls).await?;
    target.stop().await;
    let mut table = Table::default();
    for share in [50, 99] {
        let straight = at(&times.straight, share);
        for (name, way) in [("at /mcp", &times.over_http), ("by the program", &times.by_program)] {
            let took = at(way, share);
            table.against(&format!("ai_chat {name}, p{share}, µs"), "straight", took, straight);
            table.line(&format!("  above the request straight, p{share}, µs"), took - straight);
        }
        for (name, way) in [("at /mcp", &times.list_over_http), ("by the program", &times.list_by_program)] {
            table.against(&format!("ai_list_models {name}, p{share}, µs"), "straight", at(way, share), straight);
        }
    }
    writeln!(stdout(), "{calls} calls each, answers of {TOKENS} tokens\n\n{}", table.text)?;
    if let Some(path) = &asked.json {
        std::fs::write(path, format!("{:#}\n", json!({"calls": calls, "figures": table.values})))?;
    }
    Ok(())
}

async fn measure(target: &Target, calls: usize) -> Outcome<Times> {
    let host = target.mock().url().trim_start_matches("http://").to_owned();
    let straight = Question::new(&Address { host, token: None, model: "mock" }, Plan::fast(TOKENS), false);
    let mut provider = Connection::open(&straight).await?;
    let mut http = Http::open(target.measured()).await?;
    let mut program = Program::start(target.home().ok_or("greenroom has a home")?).await?;
    let mut times = Times::default();
    let warm_up = calls / WARM_UP;
    for call in 0..calls + warm_up {
        if call == warm_up {
            times = Times::default();
        }
        let begun = std::time::Instant::now();
        provider.ask(&straight, drop).await?;
        times.straight.push(begun.elapsed());
        times.over_http.push(chat(&mut http).await?);
        times.by_program.push(chat(&mut program).await?);
        times.list_over_http.push(list(&mut http).await?);
        times.list_by_program.push(list(&mut program).await?);
    }
    for all in [
        &mut times.straight,
        &mut times.over_http,
        &mut times.by_program,
        &mut times.list_over_http,
        &mut times.list_by_program,
    ] {
        all.sort_unstable();
    }
    Ok(times)
}

async fn chat(way: &mut impl Way) -> Outcome<Duration> {
    let plan = Plan::fast(TOKENS);
    let arguments = json!({"prompt": plan.prompt(), "model": "mock/mock"});
    let (result, took) = way.call("ai_chat", arguments).await?;
    if result["structuredContent"]["text"] != plan.text() {
        return Err(format!("ai_chat gives {result}").into());
    }
    Ok(took)
}

async fn list(way: &mut impl Way) -> Outcome<Duration> {
    let (result, took) = way.call("ai_list_models", json!({})).await?;
    if result["structuredContent"]["models"][0]["id"] != "mock" {
        return Err(format!("ai_list_models gives {result}").into());
    }
    Ok(took)
}

/// So many in a hundred are as quick, in microseconds.
fn at(sorted: &[Duration], share: usize) -> f64 {
    sorted[(sorted.len() * share / 100).min(sorted.len() - 1)].as_secs_f64() * 1e6
}
