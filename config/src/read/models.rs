//! `[models]`.

use config::ValueKind;

use crate::read::Node;
use crate::read::scalars::{Name, Read, word};
use crate::{Alias, AliasTarget, ErrorKind, Models, Strategy, Weighted};

pub(crate) fn models(node: &Node<'_>) -> Models {
    let Some(table) = node.table() else { return Models::default() };
    let aliases = table.node("aliases").and_then(|node| node.table());
    let models = Models {
        default: table.get("default").map(|Name(model)| model),
        aliases: aliases.map(|table| table.entries().into_iter().filter_map(alias).collect()).unwrap_or_default(),
    };
    table.finish();
    models
}

fn alias((name, node): (&str, Node<'_>)) -> Option<Alias> {
    if name.trim().is_empty() {
        node.refuse_key(ErrorKind::BadValue { value: Some("\"\"".to_owned()), expected: "a name".to_owned() }, None);
        return None;
    }
    let target = match &node.value.kind {
        ValueKind::String(_) => AliasTarget::Chain(vec![Name::read(&node)?.0]),
        ValueKind::Array(_) => {
            let chain = node.all(|node| Name::read(node).map(|Name(model)| model))?;
            AliasTarget::Chain(not_empty(&node, chain)?)
        }
        ValueKind::Table(_) => any(&node)?,
        _ => {
            node.wrong_type("a model, a list of models, or a table with \"any\"");
            return None;
        }
    };
    Some(Alias { name: name.to_owned(), target })
}

fn any(node: &Node<'_>) -> Option<AliasTarget> {
    let table = node.table()?;
    let words = [("latency", Strategy::Latency), ("cost", Strategy::Cost), ("weighted", Strategy::Weighted)];
    let written = table.node("strategy");
    let strategy = match &written {
        Some(node) => word(node, &words),
        None => Some(Strategy::Weighted),
    };
    let Some(list) = table.node("any") else {
        node.refuse_key(ErrorKind::Missing { key: "any" }, Some("any = [\"provider/model\", …]".to_owned()));
        table.finish();
        return None;
    };
    table.finish();
    let models = list.all(weighted).and_then(|models| not_empty(&list, models))?;
    Some(AliasTarget::Any { models, strategy: strategy? })
}

fn weighted(node: &Node<'_>) -> Option<Weighted> {
    if let ValueKind::String(_) = node.value.kind {
        return Name::read(node).map(|Name(model)| Weighted { model, weight: 1 });
    }
    let table = node.table()?;
    let written = table.node("model");
    if written.is_none() {
        node.refuse(ErrorKind::Missing { key: "model" }, Some("{ model = \"provider/model\", weight = 2 }".to_owned()));
    }
    let model = written.and_then(|node| Name::read(&node));
    let weight = table.get::<std::num::NonZeroU32>("weight").map_or(1, std::num::NonZeroU32::get);
    table.finish();
    model.map(|Name(model)| Weighted { model, weight })
}

fn not_empty<T>(node: &Node<'_>, list: Vec<T>) -> Option<Vec<T>> {
    if list.is_empty() {
        node.bad_unshown("a list with at least one model in it");
        return None;
    }
    Some(list)
}
