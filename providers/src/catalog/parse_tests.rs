use super::*;

#[test]
fn every_column_is_read() {
    let line = "bedrock\tm-1\tchat\t1000\t900\t100\t1/2/.1//4\t.5/1\t200:3/4;400:5/6/.7\tus:1.1;global:1\tTjRaPIoG\t2027-01-31\tA Model";
    let Row { provider, mode, info, profiles } = row(line).unwrap();
    assert_eq!((provider, mode, profiles), ("bedrock", Mode::Chat, vec![("us", 1.1), ("global", 1.0)]));
    let price = info.price.unwrap();
    assert_eq!((price.cache_read, price.cache_write, price.cache_write_1h), (Some(0.1), None, Some(4.0)));
    assert_eq!(price.batch, Some(BatchPrice { input: 0.5, output: 1.0 }));
    let tiers: Vec<_> = price.tiers.iter().map(|tier| (tier.above_tokens, tier.input, tier.cache_read)).collect();
    assert_eq!(tiers, [(200, 3.0, None), (400, 5.0, Some(0.7))]);
    let expected = ModelInfo {
        name: Some("A Model".into()),
        context: Some(1000),
        max_input: Some(900),
        max_output: Some(100),
        tools: Some(true),
        json_schema: Some(false),
        reasoning: Some(true),
        reasoning_always: Some(false),
        prefill: Some(true),
        deprecated: Date::parse("2027-01-31"),
        price: info.price,
        takes: crate::Modalities { images: Some(true), ..Default::default() },
        gives: crate::Modalities { images: Some(true), audio: Some(false), ..Default::default() },
        ..ModelInfo::named("m-1")
    };
    assert_eq!(info, expected);
}

#[test]
fn the_least_line_knows_nothing() {
    assert_eq!(row("openai\tm\tembedding").unwrap().info, ModelInfo::named("m"));
}

#[test]
fn nonsense_is_named_by_its_column() {
    let columns = LineProblem::Columns { found: 2 };
    assert_eq!(row("openai\tm").unwrap_err(), columns);
    assert_eq!(row(&"\t".repeat(COLUMNS)).unwrap_err(), LineProblem::Columns { found: COLUMNS + 1 });
    let long = "x".repeat(LONGEST_TEXT + 1);
    for (at, text, column) in [
        (0, "", "provider"),
        (0, "open ai", "provider"),
        (1, "mödel", "id"),
        (1, &long, "id"),
        (2, "dance", "mode"),
        (3, "0", "window"),
        (3, "-5", "window"),
        (3, "+5", "window"),
        (3, "1e6", "window"),
        (3, "100000001", "window"),
        (4, "x", "longest prompt"),
        (5, "18446744073709551616", "longest answer"),
        (6, "1", "price"),
        (6, "1/", "price"),
        (6, "-1/2", "price"),
        (6, "NaN/2", "price"),
        (6, "inf/2", "price"),
        (6, "1/100001", "price"),
        (6, "1/2/3/4/5/6", "price"),
        (7, "1", "price of a batch"),
        (8, "200", "tiers"),
        (8, "200:1/2;100:1/2", "tiers"),
        (8, "1:1/2;2:1/2;3:1/2", "tiers"),
        (9, "us", "profiles"),
        (9, ":1", "profiles"),
        (10, "TT", "flag"),
        (10, "Tt", "flag"),
        (10, "Z", "flag"),
        (11, "tomorrow", "date of deprecation"),
        (12, "a\u{7}b", "name"),
        (12, &long, "name"),
    ] {
        let mut columns = ["openai", "m", "chat", "1", "", "", "1/2", "", "", "", "", "", ""];
        columns[at] = text;
        assert_eq!(row(&columns.join("\t")).unwrap_err(), LineProblem::Column { column }, "{text}");
    }
    let unpriced = row("openai\tm\tchat\t1\t\t\t\t1/2").unwrap_err();
    assert_eq!(unpriced, LineProblem::Column { column: "price" }, "there is no price to have a batch of");
}

#[test]
fn only_a_first_line_of_this_version_is_one() {
    assert_eq!(header("greenroom-catalog\t1\t2026-11-20").map(|date| date.to_string()).as_deref(), Ok("2026-11-20"));
    for line in ["", "greenroom-catalog\t2\t2026-11-20", "greenroom-catalog\t1", "greenroom-catalog\t1\t2026-11-20\tx"]
    {
        assert_eq!(header(line), Err(LineProblem::Header), "{line}");
    }
}
