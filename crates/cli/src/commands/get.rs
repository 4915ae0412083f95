//! `outrigger get`: objects as tables, as they are, or as they change.

use outrigger_api::Resource;
use serde_json::{Value, json};

use crate::args::{Get, Places, Selection};
use crate::client::{Ask, Client, JSON, Place, Refusal, TABLE};
use crate::failure::Failure;
use crate::kinds::{self, Target};
use crate::print::columns::Columns;
use crate::print::form::Form;
use crate::print::order::Order;
use crate::print::table::Table;
use crate::screen;

/// Prints objects.
pub(crate) fn get(places: &Places, get: &Get) -> Result<u8, Failure> {
    let client = Client::of(places)?;
    let targets = kinds::targets(&get.what)?;
    let form = Form::parse(get.output.as_deref())?;
    let order = match get.sort_by.as_deref() {
        Some(path) => Some(Order::parse(path)?),
        None => None,
    };
    Client::run(async {
        if get.watch || get.watch_only {
            let [target] = targets.as_slice() else {
                return Err(Failure::say(
                    "you may only specify a single resource type or name to watch",
                ));
            };
            if order.is_some() {
                screen::error("Warning: --sort-by counts for nothing in a watch");
            }
            return watch(&client, get, target, &form).await;
        }
        match form {
            Form::Table { is_wide } => tables(&client, get, &targets, (is_wide, order)).await,
            form => objects(&client, get, &targets, (&form, order)).await,
        }
    })
}

/// The namespace that is looked into; all if there is none.
pub(super) fn namespace<'a>(selection: &Selection, namespace: &'a str) -> Option<&'a str> {
    (!selection.all_namespaces).then_some(namespace)
}

/// Where the list of a kind is.
pub(super) fn list(resource: Resource, selection: &Selection, in_namespace: &str) -> Place {
    Place::all(resource, namespace(selection, in_namespace))
        .with_some("labelSelector", selection.labels.as_deref())
        .with_some("fieldSelector", selection.fields.as_deref())
}

fn place(get: &Get, target: &Target) -> Result<Place, Failure> {
    match &target.name {
        Some(_) if get.selection.all_namespaces => Err(Failure::say(
            "a resource cannot be retrieved by name across all namespaces",
        )),
        Some(name) => Ok(Place::one(target.resource, &get.namespace.name, name)),
        None => Ok(list(target.resource, &get.selection, &get.namespace.name)),
    }
}

/// What is said at the end if some of the objects were not there.
struct Missing(Vec<String>);

impl Missing {
    fn end(self) -> Result<u8, Failure> {
        match self.0.is_empty() {
            true => Ok(0),
            false => Err(Failure(self.0.join("\n"))),
        }
    }

    /// The answer, or a note that there is none.
    fn note(
        &mut self,
        get: &Get,
        answer: Result<Value, Refusal>,
    ) -> Result<Option<Value>, Failure> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(refusal) if refusal.is_not_found() => {
                if !get.ignore_not_found {
                    self.0.push(Failure::from(refusal).0);
                }
                Ok(None)
            }
            Err(refusal) => Err(refusal.into()),
        }
    }
}

async fn tables(
    client: &Client,
    get: &Get,
    targets: &[Target],
    (is_wide, order): (bool, Option<Order>),
) -> Result<u8, Failure> {
    let mut missing = Missing(Vec::new());
    let mut found: Vec<(Resource, Table)> = Vec::new();
    for target in targets {
        let whole = order.is_some().then_some("Object");
        let mut ask = Ask::get(place(get, target)?.with_some("includeObject", whole));
        ask.accept = TABLE;
        let Some(answer) = missing.note(get, client.json(ask).await)? else {
            continue;
        };
        match found
            .iter_mut()
            .find(|(resource, _)| *resource == target.resource)
        {
            Some((_, table)) => table.append(&answer),
            None => {
                let mut table = Table::new(is_wide);
                table.with_labels = get.show_labels;
                table.with_namespace =
                    get.selection.all_namespaces && target.resource.is_namespaced();
                table.append(&answer);
                found.push((target.resource, table));
            }
        }
    }
    let several = targets
        .iter()
        .any(|target| target.resource != targets[0].resource);
    let mut text = String::new();
    for (resource, table) in &mut found {
        if let Some(order) = &order {
            table.sort(order)?;
        }
        if several {
            table.kind = Some(kinds::singular(*resource));
        }
        if !table.is_empty() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&table.text(!get.no_headers));
        }
    }
    screen::output(text.as_bytes())?;
    let named = targets.iter().any(|target| target.name.is_some());
    if text.is_empty() && !named && !get.ignore_not_found {
        let is_namespaced = targets.iter().any(|target| target.resource.is_namespaced());
        screen::error(&match namespace(&get.selection, &get.namespace.name) {
            Some(name) if is_namespaced => format!("No resources found in {name} namespace."),
            _ => "No resources found".to_owned(),
        });
    }
    missing.end()
}

async fn objects(
    client: &Client,
    get: &Get,
    targets: &[Target],
    (form, order): (&Form, Option<Order>),
) -> Result<u8, Failure> {
    let mut missing = Missing(Vec::new());
    let mut objects = Vec::new();
    for target in targets {
        let answer = client.json(Ask::get(place(get, target)?)).await;
        match missing.note(get, answer)? {
            Some(object) if target.name.is_some() => objects.push(object),
            Some(list) => objects.extend(items(list)),
            None => {}
        }
    }
    if let Some(order) = &order {
        order.sort(&mut objects, |object| object)?;
    }
    let is_one = targets.len() == 1 && targets[0].name.is_some();
    let text = match (form, objects.as_slice()) {
        (_, []) if is_one => String::new(),
        (Form::Columns(_), all) => form.rows(all.iter(), !get.no_headers, &mut Columns::default()),
        (_, [one]) if is_one => form.text(one),
        (Form::Name, all) => all.iter().map(|object| form.text(object)).collect(),
        (form, all) => form.text(&json!({
            "apiVersion": "v1", "kind": "List", "metadata": { "resourceVersion": "" }, "items": all,
        })),
    };
    screen::output(text.as_bytes())?;
    missing.end()
}

/// The objects of a list, each with its kind.
pub(super) fn items(mut list: Value) -> Vec<Value> {
    let kind = list["kind"].as_str().unwrap_or_default().to_owned();
    let kind = kind.strip_suffix("List").unwrap_or_default().to_owned();
    let version = list["apiVersion"].clone();
    let Value::Array(items) = list["items"].take() else {
        return Vec::new();
    };
    let whole = |mut item: Value| {
        if let Some(fields) = item.as_object_mut() {
            fields.entry("kind").or_insert_with(|| kind.clone().into());
            fields
                .entry("apiVersion")
                .or_insert_with(|| version.clone());
        }
        item
    };
    items.into_iter().map(whole).collect()
}

/// Prints what there is, and then what changes, until somebody stops it.
async fn watch(client: &Client, get: &Get, target: &Target, form: &Form) -> Result<u8, Failure> {
    let accept = match form {
        Form::Table { .. } => TABLE,
        _ => JSON,
    };
    let mut show = Show::new(get, target, form);
    let first = Ask {
        accept,
        ..Ask::get(place(get, target)?)
    };
    let first = client.json(first).await?;
    let mut version = version_of(&first);
    if !get.watch_only {
        show.all(first, target.name.is_some())?;
    }
    let mut place = list(target.resource, &get.selection, &get.namespace.name);
    if let Some(name) = &target.name {
        place = place.with("fieldSelector", format!("metadata.name={name}"));
    }
    loop {
        let ask = Ask {
            accept,
            ..Ask::get(place.clone().with("resourceVersion", &version))
        };
        let mut lines = client.watch(ask).await?;
        while let Some((_, object)) = lines.next().await? {
            if let Some(newer) = row_version(&object) {
                version = newer;
            }
            show.one(&object)?;
        }
    }
}

fn version_of(answer: &Value) -> String {
    let version = answer["metadata"]["resourceVersion"].as_str();
    version.unwrap_or("0").to_owned()
}

/// The version of a change, be it a table of one row or an object.
fn row_version(object: &Value) -> Option<String> {
    let of = |object: &Value| Some(object["metadata"]["resourceVersion"].as_str()?.to_owned());
    of(&object["rows"][0]["object"]).or_else(|| of(object))
}

/// How changes are shown.
struct Show<'a> {
    table: Table,
    form: &'a Form,
    with_headers: bool,
    widths: Columns,
}

impl<'a> Show<'a> {
    fn new(get: &Get, target: &Target, form: &'a Form) -> Show<'a> {
        let mut table = Table::new(matches!(form, Form::Table { is_wide: true }));
        table.with_labels = get.show_labels;
        table.with_namespace = get.selection.all_namespaces && target.resource.is_namespaced();
        let with_headers = !get.no_headers;
        Show {
            table,
            form,
            with_headers,
            widths: Columns::default(),
        }
    }

    fn all(&mut self, answer: Value, is_one: bool) -> Result<(), Failure> {
        match self.form {
            Form::Table { .. } => self.one(&answer),
            _ if is_one => self.one(&answer),
            _ => items(answer).iter().try_for_each(|object| self.one(object)),
        }
    }

    fn one(&mut self, object: &Value) -> Result<(), Failure> {
        let text = match self.form {
            Form::Table { .. } => {
                self.table.append(object);
                if self.table.is_empty() {
                    return Ok(());
                }
                let text = self.table.text(self.with_headers);
                self.with_headers = false;
                self.table.clear();
                text
            }
            Form::Columns(_) => {
                let with_headers = std::mem::take(&mut self.with_headers);
                let one = std::iter::once(object);
                self.form.rows(one, with_headers, &mut self.widths)
            }
            form => form.text(object),
        };
        screen::output(text.as_bytes())
    }
}
