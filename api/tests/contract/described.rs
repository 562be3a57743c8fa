//! `/api/schema/` says what there is, what it takes and what it answers. Here: answers are held to it.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{Answer, House};

/// The document, to be asked.
pub struct Document(Value);

impl Document {
    pub fn new() -> Self {
        Self(api::document())
    }

    /// Method, path and who may call, of all that there is.
    pub fn lines(&self) -> BTreeSet<(String, String, String)> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        let lines = paths.flat_map(|(path, operations)| {
            operations.as_object().unwrap().iter().map(move |(method, operation)| {
                let who = operation["x-who"].as_str().unwrap();
                (method.to_uppercase(), path.clone(), who.to_owned())
            })
        });
        lines.collect()
    }

    /// The body that a request is shown with.
    pub fn example(&self, method: &Method, path: &str) -> Option<Value> {
        let body = &self.operation(method, path)["requestBody"];
        body.pointer("/content/application~1json/example").cloned()
    }

    /// Fails where an answer is not one that is described.
    pub fn holds(&self, method: &Method, path: &str, answer: &Answer) {
        let status = answer.status.as_str();
        let line = format!("{method} {path}: {status} {}", answer.text);
        let mut response = &self.operation(method, path)["responses"][status];
        if let Some(name) = response["$ref"].as_str() {
            response = self.0.pointer(name.trim_start_matches('#')).unwrap();
        }
        assert!(response.is_object(), "this status is not described: {line}");
        if method == Method::HEAD {
            return;
        }
        let Some(schema) = response.pointer("/content/application~1json/schema") else {
            assert_eq!(answer.text, "", "a body that is not described: {line}");
            return;
        };
        assert_eq!(answer.headers["content-type"], "application/json", "{line}");
        let mut schema = schema.clone();
        schema["components"] = self.0["components"].clone();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&answer.body).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "the body is not as described, {errors:?}: {line}");
    }

    fn operation(&self, method: &Method, path: &str) -> &Value {
        let operation = &self.0["paths"][path][method.as_str().to_lowercase()];
        assert!(operation.is_object(), "{method} {path} is not described");
        operation
    }
}

#[tokio::test]
async fn the_document_is_served_to_whoever_asks() {
    let answer = House::new().await.look("/api/schema/").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, api::document());
    Document::new().holds(&Method::GET, "/api/schema/", &answer);
}

/// A reader follows every reference, and a program makes a function of every operation.
#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = api::document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 500, "{}", found.len());
    for reference in found {
        let target = document.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some_and(Value::is_object), "{reference}");
    }
    let operations: Vec<&Value> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .collect();
    let names: BTreeSet<&str> =
        operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.len(), operations.len());
}

/// What a route cannot be said without: a line for people, and an answer that is good.
#[test]
fn every_operation_says_what_it_does_and_what_it_answers() {
    let document = api::document();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let said = operation["summary"].as_str().unwrap();
            assert!(!said.is_empty(), "{method} {path} does not say what it does");
            let answers = operation["responses"].as_object().unwrap();
            let is_good = |status: &String| status.starts_with('2') || status == "101";
            let is_good = answers.keys().any(is_good);
            assert!(is_good, "{method} {path} does not say what it answers");
        }
    }
}

/// Values that clients compare are listed, and no other is ever answered.
#[test]
fn what_is_one_of_a_few_is_said_to_be() {
    let document = api::document();
    let shapes = &document["components"]["schemas"];
    let live = json!(["created", "live", "interrupted", "ended"]);
    assert_eq!(shapes["Status"]["properties"]["status"]["enum"], live);
    assert_eq!(shapes["Watched"]["properties"]["status"]["enum"], live);
    assert_eq!(
        shapes["UserBody"]["properties"]["role"]["enum"],
        json!(["user", "ambassador", "admin"])
    );
}
