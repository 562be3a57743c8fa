//! The geography: public, whole, read-only.

use http::StatusCode;
use serde_json::{Value, json};

use crate::house::House;

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|place| place["nom"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_registration_form_is_given_all_places_at_once() {
    let answer = House::new().await.look("/api/users/geographic-data/").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body["regions"].as_array().unwrap().len(), 7);
    assert_eq!(answer.body["quartiers"].as_array().unwrap().len(), 77);
    let communes = &answer.body["regions"][1]["prefectures"][0]["communes"];
    assert_eq!(names(communes), ["Dixinn", "Kaloum", "Matam", "Matoto", "Ratoma"]);
    assert_eq!(communes[0]["type"], "commune urbaine");
    assert_eq!(communes[0]["quartiers"].as_array().unwrap().len(), 10);
}

/// Defect 40.
#[tokio::test]
async fn all_77_quartiers_are_on_the_first_page() {
    let answer = House::new().await.look("/api/geography/quartiers/").await;
    assert_eq!(answer.body["count"], 77);
    assert_eq!(answer.body["next"], Value::Null);
    assert_eq!(answer.body["results"].as_array().unwrap().len(), 77);
}

#[tokio::test]
async fn a_quartier_says_all_it_lies_in() {
    let house = House::new().await;
    let id = house.quartier("Kaloum");
    let mut body = house.look(&format!("/api/geography/quartiers/{id}/")).await.body;
    assert_eq!(body["id"], id);
    for place in ["/commune", "/commune/prefecture", "/commune/prefecture/region"] {
        assert!(body.pointer_mut(place).unwrap().as_object_mut().unwrap().remove("id").is_some());
    }
    assert_eq!(
        body["commune"],
        json!({
            "nom": "Kaloum", "code": "KAL", "type": "commune urbaine",
            "prefecture": {"nom": "Conakry", "code": "CON", "region": {"nom": "Conakry", "code": "CON"}},
        })
    );
    assert!(body.get("population_estimee").is_some() && body.get("superficie_km2").is_some());
}

#[tokio::test]
async fn the_cascade_goes_down_in_bare_arrays() {
    let house = House::new().await;
    let regions = house.look("/api/geography/regions/").await.body["results"].clone();
    let conakry = regions.as_array().unwrap().iter().find(|r| r["nom"] == "Conakry").unwrap();
    let path = format!("/api/geography/regions/{}/prefectures/", conakry["id"]);
    let prefectures = house.look(&path).await.body;
    assert_eq!(names(&prefectures), ["Conakry"]);
    let path = format!("/api/geography/prefectures/{}/communes/", prefectures[0]["id"]);
    let communes = house.look(&path).await.body;
    assert_eq!(names(&communes), ["Dixinn", "Kaloum", "Matam", "Matoto", "Ratoma"]);
    let path = format!("/api/geography/communes/{}/quartiers/", communes[1]["id"]);
    assert_eq!(house.look(&path).await.body.as_array().unwrap().len(), 13);
}

#[tokio::test]
async fn a_full_address_is_told_in_words() {
    let house = House::new().await;
    let id = house.quartier("Kaloum");
    let body = house.look(&format!("/api/geography/quartiers/{id}/full_address/")).await.body;
    let quartier = body["quartier"].as_str().unwrap();
    assert_eq!(
        body,
        json!({
            "quartier": quartier, "commune": "Kaloum", "prefecture": "Conakry",
            "region": "Conakry",
            "full_address": format!("{quartier}, Kaloum, Conakry, Conakry"),
        })
    );
}

#[tokio::test]
async fn a_search_sets_accents_and_case_aside() {
    let house = House::new().await;
    let body = house.look("/api/geography/quartiers/?search=CITE%20min").await.body;
    assert!(body["count"].as_i64().unwrap() >= 1);
    assert!(names(&body["results"]).iter().all(|name| *name == "Cité Ministérielle"));
    let body = house.look("/api/geography/regions/?search=N%27ZEREKORE").await.body;
    assert!(body["count"].is_i64());
}

#[tokio::test]
async fn a_place_that_is_not_is_not_found() {
    let house = House::new().await;
    for path in [
        "regions/999/",
        "regions/999/prefectures/",
        "prefectures/0/",
        "communes/-1/",
        "communes/x/quartiers/",
        "quartiers/99999999999999999999/",
        "quartiers/+1/",
        "quartiers/%FF/full_address/",
    ] {
        let answer = house.look(&format!("/api/geography/{path}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.body, json!({"detail": "Pas trouvé."}), "{path}");
    }
}

/// Defect 20.
#[tokio::test]
async fn a_page_past_the_end_is_not_found() {
    let house = House::new().await;
    for path in [
        "regions/?page=2",
        "quartiers/?page=2",
        "communes/?page=0",
        "communes/?page=x",
        "communes/?page=99999999999999999999",
    ] {
        let answer = house.look(&format!("/api/geography/{path}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.body, json!({"detail": "Page non valide."}), "{path}");
    }
}
