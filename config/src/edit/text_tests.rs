use super::*;

const FILE: &str = r#"# Mine.
[server] # here
listen = "127.0.0.1:1"   # the usual
grace  =  "3s"

# The lab.
[providers.lab]
kind = "openai-compatible"
base_url = 'http://127.0.0.1:2/v1'
limits = { concurrent = 2, requests_per_minute = 5 } # few
models."qwen 3".context = 10
# the end
"#;

fn path(text: &str) -> Vec<String> {
    text.split('/').map(str::to_owned).collect()
}

fn value(text: &str) -> Value {
    text.parse().unwrap()
}

fn with(text: &str, at: &str, to: &str) -> String {
    set(text, &path(at), &value(to)).unwrap()
}

#[test]
fn a_value_that_is_there_is_replaced_and_nothing_else() {
    let changed = with(FILE, "server/listen", "\"[::1]:9\"");
    assert_eq!(changed, FILE.replace("\"127.0.0.1:1\"", "\"[::1]:9\""));
    let changed = with(FILE, "providers/lab/limits/concurrent", "7");
    assert_eq!(changed, FILE.replace("concurrent = 2", "concurrent = 7"));
    let changed = with(FILE, "providers/lab/models/qwen 3/context", "11");
    assert_eq!(changed, FILE.replace("context = 10", "context = 11"));
}

#[test]
fn a_value_that_is_not_there_joins_its_table() {
    let changed = with(FILE, "server/max_body", "5");
    assert_eq!(changed, FILE.replace("\"3s\"\n", "\"3s\"\nmax_body = 5\n"));
    let changed = with(FILE, "providers/lab/limits/tokens_per_minute", "9");
    assert_eq!(changed, FILE.replace("minute = 5 }", "minute = 5, tokens_per_minute = 9 }"));
    let changed = with(FILE, "providers/lab/queue/max_waiting", "9");
    assert!(changed.contains("\nqueue = { max_waiting = 9 }\n"), "{changed}");
}

#[test]
fn a_table_that_is_not_there_is_made_at_the_end() {
    assert_eq!(with(FILE, "models/aliases/a.b*", "\"x\""), format!("{FILE}\n[models.aliases]\n\"a.b*\" = \"x\"\n"));
    let whole = r#"{ kind = "ollama", limits = { concurrent = 1 } }"#;
    let expected = format!("{FILE}\n[providers.other]\nkind = \"ollama\"\nlimits = {{ concurrent = 1 }}\n");
    assert_eq!(with(FILE, "providers/other", whole), expected);
    assert_eq!(with("", "server/listen", "1"), "[server]\nlisten = 1\n");
    assert_eq!(
        with("# all of it\n#[server]\n", "server/listen", "1"),
        "# all of it\n#[server]\n\n[server]\nlisten = 1\n"
    );
}

#[test]
fn what_is_written_in_dots_stays_so() {
    assert_eq!(
        with("providers.a.kind = \"demo\"\n", "providers/a/wire", "1"),
        "providers.a.kind = \"demo\"\nproviders.a.wire = 1\n"
    );
}

#[test]
fn a_value_in_the_way_is_told() {
    let refused = set(FILE, &path("server/listen/port"), &value("1"));
    assert!(matches!(refused, Err(Refused::NotATable(at)) if at == "server.listen"));
}

#[test]
fn a_value_is_taken_out_and_nothing_else() {
    let without = |at: &str| unset(FILE, &path(at)).unwrap();
    assert_eq!(without("server/listen"), FILE.replace("listen = \"127.0.0.1:1\"   # the usual\n", ""));
    assert_eq!(without("providers/lab/limits/concurrent"), FILE.replace("concurrent = 2, ", ""));
    assert_eq!(
        without("server"),
        FILE.split_once("\n# The lab").map(|(_, rest)| format!("\n# The lab{rest}")).unwrap()
    );
    assert!(matches!(unset(FILE, &path("server/max_body")), Err(Refused::NotThere)));
    assert!(matches!(unset(FILE, &path("usage/keep")), Err(Refused::NotThere)));
}

#[test]
fn line_ends_and_marks_of_another_system_are_kept() {
    let windows = format!("\u{feff}{}", FILE.replace('\n', "\r\n"));
    let changed = with(&windows, "usage/keep", "\"1d\"");
    assert_eq!(changed, format!("{windows}\r\n[usage]\r\nkeep = \"1d\"\r\n"));
    let changed = unset(&windows, &path("server/grace")).unwrap();
    assert_eq!(changed, windows.replace("grace  =  \"3s\"\r\n", ""));
}
