//! AMF 0 values. What was read whole must be written and read back the same; what viewers are told of
//! it must be JSON, and not too much.

#![no_main]

use communiconnect_ingest::{
    demux::data,
    rtmp::amf0::{Value, read_all},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (values, _) = read_all(bytes);
    if let Ok(said) = data::metadata("onTextData".to_owned(), Some(&values), 0) {
        assert!(said.value.len() <= data::MAX_VALUE_LEN);
        serde_json::from_str::<serde::de::IgnoredAny>(&said.value).expect("JSON");
    }
    if has_nan(&values) {
        return;
    }
    let mut written = Vec::new();
    values.iter().for_each(|value| value.write(&mut written));
    let (again, error) = read_all(&written);
    assert_eq!(error, None);
    assert_eq!(again, values);
});

/// NaN equals nothing, itself included.
fn has_nan(values: &[Value]) -> bool {
    values.iter().any(|value| match value {
        Value::Number(number) | Value::Date(number) => number.is_nan(),
        Value::Array(values) => has_nan(values),
        Value::Object(properties) => {
            properties.iter().any(|(_, v)| has_nan(std::slice::from_ref(v)))
        }
        _ => false,
    })
}
