//! What the API says of itself: OpenAPI 3.1, made of the routes.
//!
//! Here: routes that cannot be without saying what they do, and the document made of what they say.
//! Not here: the rules of texts (`json`), the shapes of answers (each resource derives its own).

use axum::{
    Router,
    extract::State,
    handler::Handler,
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter},
};
use http::{StatusCode, header::CONTENT_TYPE};
use media::id::LiveId;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    error::{Error, FieldErrors},
    form::MULTIPART,
    json::{REQUIRED, Text},
    router::Shared,
    throttle::TooSoon,
    token,
};

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
/// The name of the one way to sign in.
const TOKEN: &str = "jeton";

const ABOUT: &str = "\
L'API de CommuniConnect Live : JSON, en UTF-8. Un chemin vaut avec et sans sa dernière barre.

**Session** : `POST /api/users/login/` rend deux jetons. `access` accompagne chaque requête \
(`Authorization: Bearer …`) pendant une heure ; `POST /api/token/refresh/` échange `refresh`, une seule fois, contre \
deux nouveaux.

**Listes** : par pages de vingt (`count`, `next`, `previous`, `results`). **Dates** : ISO 8601, en UTC. \
**Corps** : JSON, ou `application/x-www-form-urlencoded`. **Erreurs** : sous `detail` ou `error`, et sous le nom \
d'un champ ce qui ne va pas avec lui. Un 429 dit dans `Retry-After` quand revenir.";

/// The routes of one subject, each with what it says of itself.
pub struct Routes {
    about: &'static str,
    router: Router<Shared>,
    operations: Vec<Operation>,
}

struct Operation {
    about: &'static str,
    path: &'static str,
    method: &'static str,
    says: Says,
}

/// What answers at one path, by method.
pub struct Described {
    router: MethodRouter<Shared>,
    operations: Vec<(&'static str, Says)>,
}

type Shape = fn(&mut SchemaGenerator) -> Schema;

/// What an operation says of itself: who may call it, what it takes, what it answers.
///
/// What follows from the rest is added to the document and not said: a session answers 401, an owner
/// 403, a body or a query 400, a path with a name in it 404, and all of them what any request may meet.
#[derive(Clone)]
pub struct Says {
    what: &'static str,
    who: &'static str,
    takes: Vec<(&'static str, Body)>,
    parameters: Vec<Value>,
    answers: Vec<(StatusCode, Option<(&'static str, Shape)>)>,
    headers: Vec<&'static str>,
    refusals: Vec<u16>,
}

/// The body of a request, field by field, each with its example.
#[derive(Clone, Default)]
pub struct Body {
    fields: Map<String, Value>,
    required: Vec<&'static str>,
    example: Map<String, Value>,
}

/// For whoever comes.
pub fn anyone(what: &'static str) -> Says {
    Says::new(what, "anyone")
}

/// For who has a session.
pub fn member(what: &'static str) -> Says {
    Says::new(what, "member")
}

/// For the member whose it is; others are answered 403.
pub fn owner(what: &'static str) -> Says {
    Says::new(what, "owner")
}

/// For those who run the place.
pub fn admin(what: &'static str) -> Says {
    Says::new(what, "admin")
}

impl Says {
    fn new(what: &'static str, who: &'static str) -> Self {
        Self {
            what,
            who,
            takes: Vec::new(),
            parameters: Vec::new(),
            answers: Vec::new(),
            headers: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// Answers with a `T`.
    pub fn answers<T: JsonSchema>(mut self, status: StatusCode) -> Self {
        self.answers.push((status, Some((JSON, SchemaGenerator::subschema_for::<T>))));
        self
    }

    /// 200, and what happens for as long as the client stays (server-sent events).
    pub fn goes_on(mut self) -> Self {
        let text = SchemaGenerator::subschema_for::<String>;
        self.answers.push((StatusCode::OK, Some((EVENTS, text))));
        self
    }

    /// 200 with a `T`.
    pub fn ok<T: JsonSchema>(self) -> Self {
        self.answers::<T>(StatusCode::OK)
    }

    /// 201 with a `T`.
    pub fn created<T: JsonSchema>(self) -> Self {
        self.answers::<T>(StatusCode::CREATED)
    }

    /// 204.
    pub fn gone(self) -> Self {
        self.empty(StatusCode::NO_CONTENT)
    }

    /// Answers with nothing but these headers.
    pub fn empty(mut self, status: StatusCode) -> Self {
        self.answers.push((status, None));
        self
    }

    /// The headers its good answers may have.
    pub fn tells(mut self, headers: &[&'static str]) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Refuses in this way, too.
    pub fn or(mut self, status: u16) -> Self {
        self.refusals.push(status);
        self
    }

    /// Whoever has a session may send it.
    pub fn or_member(self) -> Self {
        Self { who: "anyone or member", ..self }.or(401).or(403)
    }

    /// Takes a JSON body.
    pub fn takes(self, body: Body) -> Self {
        self.takes_as(JSON, body)
    }

    /// Takes a form with a file.
    pub fn takes_form(self, body: Body) -> Self {
        self.takes_as(MULTIPART, body)
    }

    /// Takes a body of this media type.
    pub fn takes_as(mut self, media_type: &'static str, body: Body) -> Self {
        self.takes.push((media_type, body));
        self
    }

    /// A parameter of the query, which may be left out.
    pub fn asks(self, name: &str, schema: Value) -> Self {
        self.parameter("query", name, false, schema)
    }

    /// Lists by page.
    pub fn by_page(self) -> Self {
        self.asks("page", json!({"type": "integer", "minimum": 1, "default": 1}))
    }

    /// Lists what is looked for.
    pub fn searched(self) -> Self {
        self.asks("search", json!({"type": "string", "description": "sans égard aux accents"}))
    }

    /// A header of the request.
    pub fn header(self, name: &str, required: bool, schema: Value) -> Self {
        self.parameter("header", name, required, schema)
    }

    fn parameter(mut self, place: &str, name: &str, required: bool, schema: Value) -> Self {
        let parameter = json!({"in": place, "name": name, "required": required, "schema": schema});
        self.parameters.push(parameter);
        self
    }

    /// The statuses that are no success: those that were said, and those that follow.
    fn refused(&self, path: &str) -> Vec<u16> {
        let mut statuses = vec![408, 429, 500, 503];
        statuses.extend(&self.refusals);
        let is_open = self.who.starts_with("anyone");
        statuses.extend((!is_open).then_some(401));
        statuses.extend((!is_open && self.who != "member").then_some(403));
        let is_list = self.parameters.iter().any(|parameter| parameter["name"] == "page");
        statuses.extend((path.contains('{') || is_list).then_some(404));
        let asks = self.parameters.iter().any(|parameter| parameter["in"] == "query");
        statuses.extend((asks || !self.takes.is_empty()).then_some(400));
        if !self.takes.is_empty() {
            statuses.extend([413, 415]);
        }
        statuses.retain(|status| !self.answers.iter().any(|(said, _)| said.as_u16() == *status));
        statuses
    }
}

impl Body {
    /// A text under the rule by which it is read.
    pub fn text(self, name: &'static str, rule: Text, example: &str) -> Self {
        self.texts(name, rule, json!({}), example)
    }

    /// A text that must also be of a format, or one of a few.
    pub fn texts(mut self, name: &'static str, rule: Text, more: Value, example: &str) -> Self {
        if rule.is_required() {
            self.required.push(name);
        }
        let mut schema = rule.schema();
        schema.extend(more.as_object().cloned().unwrap_or_default());
        self.field(name, Value::Object(schema), example.into())
    }

    /// A text that is one of a few, and need not be there.
    pub fn choice(self, name: &'static str, choices: &[&str], example: &str) -> Self {
        self.field(name, json!({"type": "string", "enum": choices}), example.into())
    }

    /// A yes or no.
    pub fn flag(self, name: &'static str, example: bool) -> Self {
        self.field(name, json!({"type": "boolean"}), example.into())
    }

    /// The id of another object, or null.
    pub fn id(self, name: &'static str, example: Option<i64>) -> Self {
        self.field(name, json!({"type": ["integer", "null"], "minimum": 1}), example.into())
    }

    /// Ids of other objects.
    pub fn ids(self, name: &'static str, at_most: usize) -> Self {
        let id = json!({"type": "integer", "minimum": 1});
        self.field(name, json!({"type": "array", "maxItems": at_most, "items": id}), json!([]))
    }

    /// A date, or null.
    pub fn date(self, name: &'static str, example: &str) -> Self {
        let schema = json!({"type": ["string", "null"], "format": "date"});
        self.field(name, schema, example.into())
    }

    /// The file of a form.
    pub fn file(mut self, name: &'static str, is_required: bool) -> Self {
        self.required.extend(is_required.then_some(name));
        self.fields.insert(name.to_owned(), json!({"type": "string", "format": "binary"}));
        self
    }

    /// Anything else that must be there.
    pub fn must(mut self, name: &'static str, schema: Value, example: Value) -> Self {
        self.required.push(name);
        self.field(name, schema, example)
    }

    /// Anything else.
    pub fn field(mut self, name: &'static str, schema: Value, example: Value) -> Self {
        self.fields.insert(name.to_owned(), schema);
        self.example.insert(name.to_owned(), example);
        self
    }

    fn content(&self, media_type: &str) -> Value {
        if media_type != JSON && media_type != MULTIPART {
            return json!({"schema": {"type": "string", "format": "binary"}});
        }
        let mut schema = json!({"type": "object", "properties": self.fields});
        if !self.required.is_empty() {
            schema["required"] = json!(self.required);
        }
        // A file is no text to show.
        if media_type == JSON {
            json!({"schema": schema, "example": self.example})
        } else {
            json!({"schema": schema})
        }
    }
}

/// What answers a GET.
pub fn get<H: Handler<T, Shared>, T: 'static>(handler: H, says: Says) -> Described {
    Described::default().on(MethodFilter::GET, "get", handler, says)
}

/// What answers a HEAD.
pub fn head<H: Handler<T, Shared>, T: 'static>(handler: H, says: Says) -> Described {
    Described::default().on(MethodFilter::HEAD, "head", handler, says)
}

/// What answers a POST.
pub fn post<H: Handler<T, Shared>, T: 'static>(handler: H, says: Says) -> Described {
    Described::default().post(handler, says)
}

/// What answers a PUT.
pub fn put<H: Handler<T, Shared>, T: 'static>(handler: H, says: Says) -> Described {
    Described::default().put(handler, says)
}

/// What answers a PATCH.
pub fn patch<H: Handler<T, Shared>, T: 'static>(handler: H, says: Says) -> Described {
    Described::default().patch(handler, says)
}

/// What answers a DELETE.
pub fn delete<H: Handler<T, Shared>, T: 'static>(handler: H, says: Says) -> Described {
    Described::default().delete(handler, says)
}

impl Described {
    /// And a POST.
    pub fn post<H: Handler<T, Shared>, T: 'static>(self, handler: H, says: Says) -> Self {
        self.on(MethodFilter::POST, "post", handler, says)
    }

    /// And a PUT.
    pub fn put<H: Handler<T, Shared>, T: 'static>(self, handler: H, says: Says) -> Self {
        self.on(MethodFilter::PUT, "put", handler, says)
    }

    /// And a PATCH.
    pub fn patch<H: Handler<T, Shared>, T: 'static>(self, handler: H, says: Says) -> Self {
        self.on(MethodFilter::PATCH, "patch", handler, says)
    }

    /// And a DELETE.
    pub fn delete<H: Handler<T, Shared>, T: 'static>(self, handler: H, says: Says) -> Self {
        self.on(MethodFilter::DELETE, "delete", handler, says)
    }

    fn on<H: Handler<T, Shared>, T: 'static>(
        mut self,
        filter: MethodFilter,
        method: &'static str,
        handler: H,
        says: Says,
    ) -> Self {
        self.operations.push((method, says));
        Self { router: self.router.on(filter, handler), ..self }
    }
}

impl Default for Described {
    fn default() -> Self {
        Self { router: MethodRouter::new(), operations: Vec::new() }
    }
}

impl Routes {
    /// None yet, of a subject.
    pub fn about(about: &'static str) -> Self {
        Self { about, router: Router::new(), operations: Vec::new() }
    }

    /// One more.
    pub fn route(mut self, path: &'static str, described: Described) -> Self {
        let about = self.about;
        let operations = described.operations.into_iter();
        let operations = operations.map(|(method, says)| Operation { about, path, method, says });
        self.operations.extend(operations);
        Self { router: self.router.route(path, described.router), ..self }
    }

    /// And those of another subject.
    pub fn merge(mut self, other: Self) -> Self {
        self.operations.extend(other.operations);
        Self { router: self.router.merge(other.router), ..self }
    }

    /// The routes, and the document that describes them.
    pub fn finish(self) -> (Router<Shared>, Value) {
        (self.router, document(&self.operations))
    }
}

/// The document, as it was made when the server started.
pub async fn schema(State(api): State<Shared>) -> Response {
    ([(CONTENT_TYPE, JSON)], api.document.clone()).into_response()
}

fn document(operations: &[Operation]) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut shapes = settings.into_generator();
    let (mut paths, mut subjects) = (json!({}), Vec::new());
    for operation in operations {
        paths[format!("{}/", operation.path)][operation.method] = operation.shown(&mut shapes);
        if !subjects.contains(&operation.about) {
            subjects.push(operation.about);
        }
    }
    let refusals = refusals().into_iter().map(|(status, refusal)| (status.to_string(), refusal));
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "CommuniConnect Live",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": subjects.iter().map(|name| json!({"name": name})).collect::<Value>(),
        "paths": paths,
        "components": {
            "schemas": shapes.take_definitions(true),
            "responses": refusals.collect::<Map<String, Value>>(),
            "securitySchemes": {TOKEN: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    });
    say_formats(&mut document["components"]["schemas"]);
    document
}

impl Operation {
    fn shown(&self, shapes: &mut SchemaGenerator) -> Value {
        let Self { says, path, .. } = self;
        let mut responses = Map::new();
        for (status, shape) in &says.answers {
            let mut response = json!({"description": reason(*status)});
            if let Some((media_type, shape)) = shape {
                response["content"][media_type]["schema"] = shape(shapes).to_value();
            }
            for name in &says.headers {
                response["headers"][name]["schema"]["type"] = "string".into();
            }
            responses.insert(status.as_u16().to_string(), response);
        }
        for status in says.refused(path) {
            let refusal = json!({"$ref": format!("#/components/responses/{status}")});
            responses.insert(status.to_string(), refusal);
        }
        let mut operation = json!({
            "operationId": self.name(),
            "summary": says.what,
            "tags": [self.about],
            "x-who": says.who,
            "security": match says.who {
                "anyone" => json!([]),
                "anyone or member" => json!([{}, {TOKEN: []}]),
                _ => json!([{TOKEN: []}]),
            },
            "responses": responses,
        });
        let named = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let named = named.map(|name| {
            json!({"in": "path", "name": name, "required": true, "schema": path_schema(name)})
        });
        let parameters: Vec<Value> = named.chain(says.parameters.iter().cloned()).collect();
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if !says.takes.is_empty() {
            let content: Map<String, Value> = says
                .takes
                .iter()
                .map(|(media_type, body)| ((*media_type).to_owned(), body.content(media_type)))
                .collect();
            let required = says.takes.iter().all(|(_, body)| !body.required.is_empty());
            operation["requestBody"] = json!({"required": required, "content": content});
        }
        operation
    }

    /// `post_posts_id_like`.
    fn name(&self) -> String {
        let path = self.path.trim_start_matches("/api/");
        let path: String = path.chars().filter(|c| !matches!(c, '{' | '}')).collect();
        format!("{}_{}", self.method, path.replace(['/', '-'], "_"))
    }
}

fn path_schema(name: &str) -> Value {
    match name {
        "id" | "message_id" | "user_id" => {
            json!({"type": "integer", "format": "int64", "minimum": 1})
        }
        _ => json!({"type": "string", "minLength": 1}),
    }
}

fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::SWITCHING_PROTOCOLS => "Un WebSocket",
        StatusCode::CREATED => "Créé",
        StatusCode::NO_CONTENT => "Fait",
        StatusCode::SERVICE_UNAVAILABLE => "Le service ne répond pas",
        _ => "Réponse",
    }
}

/// What is refused, by status: in words, as a shape, and as it is answered.
fn refusals() -> Vec<(u16, Value)> {
    let text = json!({"type": "string"});
    let with = |names: &[&str]| {
        let properties: Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), text.clone())).collect();
        json!({"type": "object", "required": names, "properties": properties})
    };
    let (detail, error) = (with(&["detail"]), with(&["error"]));
    let either = json!({"anyOf": [detail, error]});
    let fields = json!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": "array", "items": text},
    });
    let said = "L'explication.";
    let refusal = |status: u16, what: &str, shape: &Value, examples: Vec<Error>| {
        let examples: Map<String, Value> = examples
            .iter()
            .enumerate()
            .map(|(number, error)| ((number + 1).to_string(), json!({"value": error.body()})))
            .collect();
        let content = json!({"schema": shape, "examples": examples});
        (status, json!({"description": what, "content": {JSON: content}}))
    };
    let wrong_field = Error::Fields(FieldErrors::of("content", REQUIRED));
    let not_json = Error::Json("expected value at line 1 column 1".into());
    let not_valid = Error::BadSession(token::Refusal::Invalid);
    let bad_request = json!({"anyOf": [fields, detail, error]});
    let all = with(&["detail", "error", "message"]);
    let busy = with(&["detail", "error"]);
    let fault = json!({
        "type": "object",
        "required": ["error", "details"],
        "properties": {"error": text, "details": {"type": "null"}},
    });
    let status = |code, said| Error::Status(code, said);
    let mut refusals = vec![
        refusal(400, "La requête ne peut pas être", &bad_request, vec![wrong_field, not_json]),
        refusal(401, "Aucune session, ou plus", &either, vec![Error::NoSession, not_valid]),
        refusal(403, "Ce n'est pas à vous", &all, vec![Error::Forbidden(said)]),
        refusal(404, "Rien ici", &either, vec![Error::NotFound, Error::NoPage]),
        refusal(408, "Trop long", &detail, vec![Error::Timeout]),
        refusal(
            409,
            "Pas maintenant",
            &detail,
            vec![Error::AlreadyLive(LiveId::new(395)), Error::Over(said)],
        ),
        refusal(
            412,
            "Une autre version du protocole",
            &detail,
            vec![status(StatusCode::PRECONDITION_FAILED, said)],
        ),
        refusal(413, "Trop gros", &detail, vec![Error::TooLarge]),
        refusal(415, "Type non lu", &detail, vec![Error::MediaType("text/xml".into())]),
        refusal(
            423,
            "Un autre envoi est en cours",
            &detail,
            vec![status(StatusCode::LOCKED, said)],
        ),
        refusal(429, "Trop souvent", &detail, vec![Error::from(TooSoon { retry_after_s: 3 })]),
        refusal(500, "Une faute de notre part", &fault, vec![Error::fault(said, "nothing")]),
        refusal(503, "Très sollicité", &busy, vec![Error::Busy]),
    ];
    let retry = json!({"description": "secondes", "schema": {"type": "integer", "minimum": 1}});
    for (status, refusal) in &mut refusals {
        if matches!(status, 429 | 503) {
            refusal["headers"]["Retry-After"] = retry.clone();
        }
    }
    refusals
}

/// What rustdoc says is for who reads the code. Names say what is a moment or an address.
fn say_formats(shapes: &mut Value) {
    match shapes {
        Value::Object(shape) => {
            // What is no text is a property of that name.
            shape.retain(|name, value| {
                !(matches!(name.as_str(), "description" | "title") && value.is_string())
            });
            if let Some(Value::Object(properties)) = shape.get_mut("properties") {
                for (name, property) in properties {
                    let format = match name.as_str() {
                        "timestamp" | "date_joined" | "last_login" => "date-time",
                        "date_of_birth" => "date",
                        name if name.ends_with("_at") => "date-time",
                        name if name.ends_with("_url") => "uri",
                        _ => continue,
                    };
                    property["format"] = format.into();
                }
            }
            shape.values_mut().for_each(say_formats);
        }
        Value::Array(shapes) => shapes.iter_mut().for_each(say_formats),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn nothing() {}

    #[test]
    fn what_follows_from_a_route_is_in_the_document() {
        let says = owner("Changer").takes(Body::default().flag("open", true)).ok::<bool>().or(409);
        let routes = Routes::about("Portes").route("/api/doors/{id}/open", put(nothing, says));
        let (_, document) = routes.finish();
        let operation = &document["paths"]["/api/doors/{id}/open/"]["put"];
        let statuses: Vec<&str> =
            operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
        let all =
            ["200", "400", "401", "403", "404", "408", "409", "413", "415", "429", "500", "503"];
        assert_eq!(statuses, all);
        assert_eq!(operation["operationId"], "put_doors_id_open");
        assert_eq!(operation["parameters"][0]["name"], "id");
        assert_eq!(operation["security"], json!([{"jeton": []}]));
    }

    #[test]
    fn every_refusal_that_is_referred_to_is_described_by_its_status() {
        let described: Vec<u16> = refusals().into_iter().map(|(status, _)| status).collect();
        for status in [408, 429, 500, 503, 401, 403, 404, 400, 413, 415, 409, 412, 423] {
            assert!(described.contains(&status), "{status}");
        }
    }

    #[test]
    fn a_rule_is_told_as_it_is_applied() {
        let body = Body::default().text("title", Text::REQUIRED.at_most(5), "Bonjour");
        let schema = &body.content(JSON)["schema"];
        assert_eq!(
            schema["properties"]["title"],
            json!({"type": "string", "minLength": 1, "maxLength": 5})
        );
        assert_eq!(schema["required"], json!(["title"]));
    }
}
