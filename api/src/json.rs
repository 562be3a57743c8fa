//! What a request brings: a JSON (or form) body, its fields one by one, an id in the path.
//!
//! Here: reading and checking, in the words of the contract. Not here: rules of one endpoint.

use std::borrow::Cow;

use axum::{
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, Query, RawPathParams, Request, rejection::BytesRejection,
    },
};
use http::{StatusCode, Uri, header::CONTENT_TYPE, request::Parts};
use serde_json::{Map, Value};
use time::{
    Date, OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description,
};

use crate::error::{Error, FieldErrors};

/// Absent, and must be there.
pub const REQUIRED: &str = "Ce champ est obligatoire.";
/// An empty text.
pub const BLANK: &str = "Ce champ ne peut être vide.";
/// A null.
pub const NULL: &str = "Ce champ ne peut être nul.";
const NOT_TEXT: &str = "Chaîne de caractères non valide.";
const NOT_FLAG: &str = "Doit être un booléen valide.";
const NUL_CHARACTER: &str = "Le caractère nul n'est pas autorisé.";
const NOT_DATE: &str =
    "La date n'a pas le bon format. Utilisez un des formats suivants : YYYY-MM-DD.";

const DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
const MOMENT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// The fields of a body, and what was found wrong with them so far.
///
/// Every getter that finds something wrong remembers it and gives `None`; [`Fields::finish`] then
/// says everything at once. Not `Debug`: there are passwords among them.
pub struct Fields {
    values: Map<String, Value>,
    errors: FieldErrors,
}

/// What a text must be.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    required: bool,
    blank: bool,
    trimmed: bool,
    min_chars: usize,
    max_chars: usize,
}

impl Text {
    /// Must be there and not be empty.
    pub const REQUIRED: Self =
        Self { required: true, blank: false, trimmed: true, min_chars: 0, max_chars: usize::MAX };
    /// May be absent or empty.
    pub const OPTIONAL: Self = Self { required: false, blank: true, ..Self::REQUIRED };

    /// At most so many characters.
    pub const fn at_most(self, max_chars: usize) -> Self {
        Self { max_chars, ..self }
    }

    /// At least so many characters.
    pub const fn at_least(self, min_chars: usize) -> Self {
        Self { min_chars, ..self }
    }

    /// With the spaces around it, as a password has to be.
    pub const fn untrimmed(self) -> Self {
        Self { trimmed: false, ..self }
    }

    /// May be absent (a change of some fields only), may not be emptied.
    pub const fn if_present(self) -> Self {
        Self { required: false, ..self }
    }

    /// Whether it must be there.
    pub const fn is_required(self) -> bool {
        self.required
    }

    /// The rule in JSON Schema.
    pub fn schema(self) -> Map<String, Value> {
        let mut schema = Map::from_iter([("type".to_owned(), "string".into())]);
        let shortest = if self.blank { self.min_chars } else { self.min_chars.max(1) };
        if shortest > 0 {
            schema.insert("minLength".to_owned(), shortest.into());
        }
        if self.max_chars < usize::MAX {
            schema.insert("maxLength".to_owned(), self.max_chars.into());
        }
        schema
    }
}

impl Fields {
    /// A text of the body.
    pub fn text(&mut self, name: &str, rule: Text) -> Option<String> {
        let text = match self.values.get(name) {
            None if rule.required => return self.refuse(name, REQUIRED),
            None => return None,
            Some(Value::Null) => return self.refuse(name, NULL),
            Some(Value::String(text)) => text,
            Some(_) => return self.refuse(name, NOT_TEXT),
        };
        let text = if rule.trimmed { text.trim() } else { text };
        let text = text.to_owned();
        // PostgreSQL has no text with U+0000 in it.
        if text.contains('\0') {
            return self.refuse(name, NUL_CHARACTER);
        }
        if text.is_empty() {
            return if rule.blank { Some(text) } else { self.refuse(name, BLANK) };
        }
        let chars = text.chars().count();
        if chars < rule.min_chars {
            let min = rule.min_chars;
            let message = format!("Assurez-vous que ce champ comporte au moins {min} caractères.");
            return self.refuse(name, message);
        }
        if chars > rule.max_chars {
            let max = rule.max_chars;
            let message = format!("Assurez-vous que ce champ comporte au plus {max} caractères.");
            return self.refuse(name, message);
        }
        Some(text)
    }

    /// A text of the body that must also satisfy `check`, or be empty where that is allowed.
    pub fn text_that(
        &mut self,
        name: &str,
        rule: Text,
        check: impl FnOnce(&str) -> bool,
        message: &str,
    ) -> Option<String> {
        let text = self.text(name, rule)?;
        if text.is_empty() || check(&text) { Some(text) } else { self.refuse(name, message) }
    }

    /// A date of the body: `Some(None)` for null or an empty text.
    pub fn date(&mut self, name: &str) -> Option<Option<Date>> {
        let text = match self.values.get(name)? {
            Value::Null => return Some(None),
            Value::String(text) => text.trim(),
            _ => return self.refuse(name, NOT_DATE),
        };
        if text.is_empty() {
            return Some(None);
        }
        match Date::parse(text, DATE) {
            // The calendar of PostgreSQL and of people: no year 0 or before.
            Ok(date) if date.year() >= 1 => Some(Some(date)),
            _ => self.refuse(name, NOT_DATE),
        }
    }

    /// A yes or no of the body; a form says it in a text.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.values.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
            Value::Null => self.refuse(name, NULL),
            _ => self.refuse(name, NOT_FLAG),
        }
    }

    /// The id of another object: `Some(None)` for null or an empty text.
    pub fn id(&mut self, name: &str) -> Option<Option<i64>> {
        match self.values.get(name)? {
            Value::Null => Some(None),
            Value::String(text) if text.trim().is_empty() => Some(None),
            Value::String(text) => match text.trim().parse() {
                Ok(id) => Some(Some(id)),
                Err(_) => self.refuse(name, wrong_key_type("str")),
            },
            Value::Number(number) => match number.as_i64() {
                Some(id) => Some(Some(id)),
                None => {
                    let message = unknown_key(number);
                    self.refuse(name, message)
                }
            },
            other => {
                let message = wrong_key_type(type_name(other));
                self.refuse(name, message)
            }
        }
    }

    /// The value as it came, for the few endpoints with words of their own.
    pub fn raw(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// As if the field had not come.
    pub fn leave_out(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// Remembers what is wrong with a field.
    pub fn refuse<T>(&mut self, name: &str, message: impl Into<String>) -> Option<T> {
        self.errors.add(name, message);
        None
    }

    /// Nothing was wrong.
    ///
    /// # Errors
    ///
    /// Everything that was.
    pub fn finish(self) -> Result<(), Error> {
        if self.errors.is_empty() { Ok(()) } else { Err(Error::Fields(self.errors)) }
    }
}

/// The message about an id that names nothing.
pub fn unknown_key(id: impl std::fmt::Display) -> String {
    format!("Clé primaire « {id} » non valide - l'objet n'existe pas.")
}

/// The message about a text that is none of those a field may be.
pub fn no_choice(text: &str) -> String {
    format!("« {text} » n'est pas un choix valide.")
}

/// The message about something else where a list must be.
pub fn not_a_list(found: &Value) -> String {
    let found = type_name(found);
    format!("Attendait une liste d'éléments mais a reçu le type « {found} ».")
}

/// The message about something else where an id must be.
pub fn not_a_key(found: &Value) -> String {
    wrong_key_type(type_name(found))
}

fn wrong_key_type(found: &str) -> String {
    format!("Type incorrect. Attendait une clé primaire, a reçu {found}.")
}

impl From<Map<String, Value>> for Fields {
    fn from(values: Map<String, Value>) -> Self {
        Self { values, errors: FieldErrors::default() }
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let content_type = content_type(&request);
        match content_type.as_deref() {
            None | Some("application/json") => {
                let bytes = Bytes::from_request(request, state).await.map_err(unread)?;
                from_json(&bytes).map(Self::from)
            }
            Some("application/x-www-form-urlencoded") => {
                let bytes = Bytes::from_request(request, state).await.map_err(unread)?;
                from_form(&bytes).map(Self::from)
            }
            Some(other) => Err(Error::MediaType(other.to_owned())),
        }
    }
}

/// The media type of the body, in lowercase, without parameters.
pub fn content_type(request: &Request) -> Option<String> {
    let value = request.headers().get(CONTENT_TYPE)?.to_str().unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    (!essence.is_empty()).then(|| essence.to_ascii_lowercase())
}

/// The `{id}` of the path. What is not a number names nothing: 404.
#[derive(Debug, Clone, Copy)]
pub struct PathId(pub i64);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let text = path_param(parts, state, "id").await?;
        // "+5" parses as a number too, but is no id.
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let id = if is_number { text.parse().ok() } else { None };
        id.map(Self).ok_or(Error::NotFound)
    }
}

/// One parameter of the path, decoded.
///
/// # Errors
///
/// 404 when it is missing or not UTF-8.
pub async fn path_param<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    name: &str,
) -> Result<String, Error> {
    let params =
        RawPathParams::from_request_parts(parts, state).await.map_err(|_| Error::NotFound)?;
    let found = params.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.to_owned()).ok_or(Error::NotFound)
}

/// A moment as the clients read it: ISO 8601, UTC, microseconds, `Z`.
pub fn moment(at_ms: i64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000)
        .ok()
        .and_then(|at| at.format(MOMENT).ok())
        .unwrap_or_else(|| "1970-01-01T00:00:00.000000Z".to_owned())
}

/// A date as the clients read it: `YYYY-MM-DD`.
pub fn date_text(date: Date) -> String {
    date.format(DATE).unwrap_or_default()
}

fn from_json(bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(values)) => Ok(values),
        Ok(other) => {
            let found = type_name(&other);
            Err(Error::field(
                "non_field_errors",
                format!("Donnée non valide. Un dictionnaire était attendu, a reçu {found}."),
            ))
        }
        Err(error) => Err(Error::Json(error.to_string())),
    }
}

/// A form says the same as JSON, in texts only.
fn from_form(bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    let unreadable = || Error::field("non_field_errors", "Formulaire illisible.");
    let text: Cow<'_, str> = String::from_utf8_lossy(bytes);
    let uri: Uri = format!("/?{}", text.trim()).parse().map_err(|_| unreadable())?;
    let Query(pairs) =
        Query::<Vec<(String, String)>>::try_from_uri(&uri).map_err(|_| unreadable())?;
    Ok(pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect())
}

fn unread(rejection: BytesRejection) -> Error {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Error::TooLarge
    } else {
        Error::Json("the body did not arrive whole".to_owned())
    }
}

/// The name of a JSON type as the first version of the API wrote it.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        from_json(value.to_string().as_bytes()).unwrap().into()
    }

    fn refusal(fields: Fields) -> String {
        format!("{:?}", fields.finish().unwrap_err())
    }

    #[test]
    fn a_text_is_trimmed_and_counted_in_characters() {
        let mut body = fields(json!({"nom": "  Kaloum é  "}));
        assert_eq!(body.text("nom", Text::REQUIRED.at_most(8)).as_deref(), Some("Kaloum é"));
        body.finish().unwrap();
    }

    #[test]
    fn every_wrong_field_is_told_at_once() {
        let mut body = fields(json!({"a": null, "b": "", "c": 3, "d": "xy", "f": "a\u{0}b"}));
        for name in ["a", "b", "c", "e", "f"] {
            assert_eq!(body.text(name, Text::REQUIRED), None);
        }
        body.text("d", Text::REQUIRED.at_least(8));
        let said = refusal(body);
        for message in [
            NULL,
            BLANK,
            NOT_TEXT,
            REQUIRED,
            NUL_CHARACTER,
            "Assurez-vous que ce champ comporte au moins 8 caractères.",
        ] {
            assert!(said.contains(message), "{message} in {said}");
        }
    }

    #[test]
    fn an_empty_date_is_no_date() {
        let mut body = fields(json!({"a": "", "b": null, "c": "2000-02-29"}));
        assert_eq!(body.date("a"), Some(None));
        assert_eq!(body.date("b"), Some(None));
        assert_eq!(date_text(body.date("c").unwrap().unwrap()), "2000-02-29");
        assert_eq!(body.date("d"), None);
        body.finish().unwrap();
    }

    #[test]
    fn a_day_that_never_was_is_refused() {
        for value in [json!("2001-02-29"), json!("demain"), json!(20010101), json!("0000-01-01")] {
            let mut body = fields(json!({"a": value}));
            assert_eq!(body.date("a"), None);
            assert!(refusal(body).contains(NOT_DATE));
        }
    }

    #[test]
    fn a_flag_is_true_or_false_and_nothing_else() {
        let mut body = fields(json!({"a": true, "b": "False", "c": 1, "d": "oui", "e": null}));
        assert_eq!((body.flag("a"), body.flag("b")), (Some(true), Some(false)));
        for name in ["c", "d", "e", "f"] {
            assert_eq!(body.flag(name), None, "{name}");
        }
        let said = refusal(body);
        assert_eq!((said.matches(NOT_FLAG).count(), said.matches(NULL).count()), (2, 1), "{said}");
    }

    #[test]
    fn a_form_reads_like_json() {
        let values = from_form("email=a%40b.gn&password=l%C3%A9on+1".as_bytes()).unwrap();
        assert_eq!(Value::Object(values), json!({"email": "a@b.gn", "password": "léon 1"}));
    }

    #[test]
    fn an_empty_body_has_no_fields() {
        assert!(from_json(b" \n").unwrap().is_empty());
    }

    #[test]
    fn a_body_that_is_not_an_object_is_refused() {
        for text in ["null", "[]", "3", "\"x\"", "true"] {
            assert!(matches!(from_json(text.as_bytes()), Err(Error::Fields(_))), "{text}");
        }
    }

    #[test]
    fn a_moment_has_microseconds_and_a_z() {
        assert_eq!(moment(1_753_268_700_123), "2025-07-23T11:05:00.123000Z");
    }
}
