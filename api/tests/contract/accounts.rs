//! Accounts: registration, sign-in, profile.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{Answer, House, Member, Part, account, form as form_of, mp4, png, signed_in};

const PICTURE: &str = "profile_picture";
const PROFILE: &str = "/api/users/my-profile/";

async fn register_with(field: &str, value: Value) -> (StatusCode, Value) {
    let house = House::new().await;
    let mut form = account("fatou");
    form[field] = value;
    let answer = house.post("/api/users/register/", form).await;
    (answer.status, answer.body)
}

async fn patch(house: &House, member: &Member, change: Value) -> (StatusCode, Value) {
    let answer =
        house.call(Method::PATCH, "/api/users/my-profile/", Some(member), Some(change)).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_registration_answers_the_whole_user_and_a_session() {
    let house = House::new().await;
    let mut form = account("fatou");
    form["quartier"] = json!(house.quartier("Kaloum"));
    form["date_of_birth"] = json!("1999-12-31");
    let answer = house.post("/api/users/register/", form).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.body["message"], "Inscription réussie !");
    let mut user = answer.body["user"].clone();
    let location = user["location_info"].as_str().unwrap().to_owned();
    assert!(location.ends_with(", Kaloum"), "{location}");
    let fields = user.as_object_mut().unwrap();
    fields.remove("id");
    fields.remove("location_info");
    assert_eq!(
        user,
        json!({
            "username": "fatou", "email": "fatou@example.org", "first_name": "Fatou",
            "last_name": "Diallo", "full_name": "Fatou Diallo", "phone_number": "+224123456789",
            "date_of_birth": "1999-12-31", "bio": "", "profile_picture": null,
            "quartier": house.quartier("Kaloum"), "role": "user", "is_verified": false,
            "is_geographically_verified": false, "email_verified": false, "is_ambassador": false,
            "is_admin": false,
            "followers_count": 0, "following_count": 0, "is_following": false,
            "can_follow": false, "date_joined": "2025-07-23T11:05:00.000000Z",
            "last_login": null, "is_active": true,
        })
    );
}

#[tokio::test]
async fn an_empty_registration_names_every_field_it_needs() {
    let house = House::new().await;
    let answer = house.post("/api/users/register/", json!({})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let required = json!(["Ce champ est obligatoire."]);
    assert_eq!(
        answer.body,
        json!({
            "username": required, "email": required, "password": required,
            "password_confirm": required,
        })
    );
}

#[tokio::test]
async fn a_registration_is_refused_in_the_words_of_its_field() {
    for (field, value, message) in [
        ("username", json!(""), "Ce champ ne peut être vide."),
        ("username", json!(null), "Ce champ ne peut être nul."),
        ("email", json!("fatou"), "Saisissez une adresse e-mail valide."),
        ("password", json!("court"), "Assurez-vous que ce champ comporte au moins 8 caractères."),
        ("quartier", json!(99999), "Clé primaire « 99999 » non valide - l'objet n'existe pas."),
        (
            "phone_number",
            json!("appelez-moi"),
            "Le numéro de téléphone doit être au format: '+999999999'. Jusqu'à 15 chiffres \
             autorisés.",
        ),
    ] {
        let (status, body) = register_with(field, value).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(body, json!({field: [message]}));
    }
}

#[tokio::test]
async fn two_passwords_that_differ_are_refused() {
    let (status, body) = register_with("password_confirm", json!("testpass124")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body, json!({"non_field_errors": ["Les mots de passe ne correspondent pas."]}));
}

#[tokio::test]
async fn a_name_or_an_address_is_given_once_whatever_its_case() {
    let house = House::new().await;
    house.member("fatou").await;
    let mut same_name = account("FATOU");
    same_name["email"] = json!("other@example.org");
    let answer = house.post("/api/users/register/", same_name).await;
    assert_eq!(
        answer.body,
        json!({"username": ["Un utilisateur avec ce nom existe déjà."]}),
        "{}",
        answer.status
    );
    let mut same_email = account("other");
    same_email["email"] = json!("Fatou@Example.org");
    let answer = house.post("/api/users/register/", same_email).await;
    assert_eq!(
        answer.body,
        json!({"email": ["Un objet Utilisateur avec ce champ email existe déjà."]})
    );
}

#[tokio::test]
async fn null_and_odd_types_never_break_a_registration() {
    for field in account("fatou")
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .chain(["quartier", "date_of_birth", "bio"].map(str::to_owned))
    {
        for odd in [
            json!(null),
            json!(12),
            json!(-1.5),
            json!([1]),
            json!({"a": 1}),
            json!(true),
            json!("a\u{0}b"),
            json!(u64::MAX),
        ] {
            let (status, body) = register_with(&field, odd.clone()).await;
            assert!(
                status == StatusCode::BAD_REQUEST || status == StatusCode::CREATED,
                "{field} = {odd}: {status} {body}"
            );
        }
    }
}

#[tokio::test]
async fn the_address_signs_in_whatever_its_case_and_the_sign_in_is_noted() {
    let house = House::new().await;
    house.member("fatou").await;
    let form = json!({"email": "FATOU@example.org", "password": "testpass123"});
    let answer = house.post("/api/users/login/", form).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body["message"], "Connexion réussie !");
    assert_eq!(answer.body["user"]["last_login"], "2025-07-23T11:05:00.000000Z");
    let profile = house.get("/api/users/my-profile/", &signed_in(&answer)).await;
    assert_eq!(profile.body, answer.body["user"]);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_answered_alike() {
    let house = House::new().await;
    house.member("fatou").await;
    for email in ["fatou@example.org", "nobody@example.org"] {
        let form = json!({"email": email, "password": "wrongpass123"});
        let answer = house.post("/api/users/login/", form).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.body, json!({"error": "Email ou mot de passe incorrect"}));
    }
}

#[tokio::test]
async fn a_sign_in_without_what_it_needs_is_no_401() {
    let house = House::new().await;
    for (form, message) in [
        (json!({}), "Email et mot de passe requis"),
        (json!({"email": null, "password": ["x"]}), "Email et mot de passe requis"),
        (json!({"email": "fatou", "password": "x"}), "Format d'email invalide"),
    ] {
        let answer = house.post("/api/users/login/", form).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.body, json!({"error": message}));
    }
}

#[tokio::test]
async fn a_form_signs_in_as_json_does() {
    let house = House::new().await;
    house.member("fatou").await;
    let request = http::Request::post("/api/users/login/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("email=fatou%40example.org&password=testpass123".into())
        .unwrap();
    assert_eq!(house.send(request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_member_changes_what_is_his() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let change = json!({
        "first_name": "Aïssatou", "last_name": "Bah", "email": "aissatou@example.org",
        "phone_number": "620635764", "bio": "De Labé", "date_of_birth": "2000-02-29",
        "quartier": house.quartier("Ratoma"),
    });
    let mut sent = change.clone();
    sent["current_password"] = json!("testpass123");
    let (status, body) = patch(&house, &member, sent).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["message"], "Profil mis à jour avec succès !");
    for (field, value) in change.as_object().unwrap() {
        assert_eq!(&body["user"][field], value, "{field}");
    }
    assert_eq!(house.get("/api/users/my-profile/", &member).await.body, body["user"]);
}

#[tokio::test]
async fn a_change_of_one_field_leaves_the_others() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let before = house.get("/api/users/my-profile/", &member).await.body;
    let (_, body) = patch(&house, &member, json!({"bio": "Bonjour"})).await;
    let mut expected = before;
    expected["bio"] = json!("Bonjour");
    assert_eq!(body["user"], expected);
}

#[tokio::test]
async fn an_empty_date_of_birth_clears_it() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    patch(&house, &member, json!({"date_of_birth": "2000-02-29"})).await;
    let (_, body) = patch(&house, &member, json!({"date_of_birth": ""})).await;
    assert_eq!(body["user"]["date_of_birth"], Value::Null);
}

/// Defect 1.
#[tokio::test]
async fn nobody_makes_himself_admin() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let change = json!({
        "role": "admin", "is_verified": true, "is_geographically_verified": true,
        "is_admin": true, "is_active": false, "username": "root", "id": 1,
    });
    let before = house.get("/api/users/my-profile/", &member).await.body;
    let (status, body) = patch(&house, &member, change).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["user"], before);
}

#[tokio::test]
async fn an_address_of_another_cannot_be_taken() {
    let house = House::new().await;
    house.member("binta").await;
    let member = house.member("fatou").await;
    let change = json!({"email": "BINTA@example.org", "current_password": "testpass123"});
    let (status, body) = patch(&house, &member, change).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body, json!({"email": ["Un objet Utilisateur avec ce champ email existe déjà."]}));
}

/// Who has got hold of a session alone would have the link to a new password sent to himself.
#[tokio::test]
async fn an_address_is_changed_by_who_knows_the_password_alone() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let before = house.get(PROFILE, &member).await.body;
    let wanting = "Pour changer d'adresse e-mail, indiquez votre mot de passe actuel.";
    let wrong = "Le mot de passe actuel est incorrect.";
    let stolen = [(json!({}), wanting), (json!({"current_password": "testpass124"}), wrong)];
    for (mut change, message) in stolen {
        for email in ["thief@example.org", "Fatou@example.org"] {
            change["email"] = json!(email);
            change["first_name"] = json!("Voleur");
            let (status, body) = patch(&house, &member, change.clone()).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{change}");
            assert_eq!(body, json!({"current_password": [message]}));
        }
    }
    let parts = [Part::text("email", "thief@example.org")];
    let by_form = house.send(form_of("PATCH", PROFILE, &member, &parts)).await;
    assert_eq!(by_form.body, json!({"current_password": [wanting]}));
    assert_eq!(house.get(PROFILE, &member).await.body, before);

    // Clients send the address they were shown along with what is changed.
    let shown = json!({"email": before["email"], "bio": "De Labé"});
    assert_eq!(patch(&house, &member, shown).await.0, StatusCode::OK);
    // Two were wrong before: as at the door, the eleventh is not looked at.
    let guess = json!({"email": "thief@example.org", "current_password": "testpass125"});
    for _ in 0..8 {
        assert_eq!(patch(&house, &member, guess.clone()).await.0, StatusCode::BAD_REQUEST);
    }
    assert_eq!(patch(&house, &member, guess).await.0, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_form_changes_a_profile_as_json_does() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let parts = [
        ("first_name", "", "Aïssatou"),
        ("bio", "", "Deux\r\nlignes"),
        ("date_of_birth", "", ""),
        ("profile_picture", "; filename=\"\"", ""),
        ("profile_picture", "", "null"),
        ("role", "", "admin"),
    ];
    let answer = send_form(&house, &member, &form(&parts)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let user = &answer.body["user"];
    assert_eq!(user["first_name"], "Aïssatou");
    assert_eq!(user["bio"], "Deux\r\nlignes");
    assert_eq!(user["date_of_birth"], Value::Null);
    assert_eq!(user["role"], "user");
}

#[tokio::test]
async fn a_picture_of_a_member_is_kept_until_another_takes_its_place() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let picture = |side| [Part::file(PICTURE, "moi.gif", &png(side, side, 200_000))];
    let mut urls = Vec::new();
    for side in [100, 200] {
        let answer = house.send(form_of("PATCH", PROFILE, &member, &picture(side))).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let url = answer.body["user"]["profile_picture"].as_str().unwrap().to_owned();
        assert!(url.starts_with("http://live.test/media/") && url.ends_with(".png"), "{url}");
        assert_eq!(house.get(PROFILE, &member).await.body["profile_picture"], url);
        urls.push(url);
    }
    assert_ne!(urls[0], urls[1]);
    let path = |url: &str| url.strip_prefix("http://live.test").unwrap().to_owned();
    assert_eq!(house.look(&path(&urls[0])).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.look(&path(&urls[1])).await.status, StatusCode::OK);

    let none = json!({"profile_picture": null});
    let answer = house.call(Method::PATCH, PROFILE, Some(&member), Some(none)).await;
    assert_eq!(answer.body["user"]["profile_picture"], Value::Null);
    assert_eq!(house.look(&path(&urls[1])).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.files_in("media"), 0);
}

#[tokio::test]
async fn a_picture_is_refused_in_the_words_of_its_field_and_nothing_is_changed() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let before = house.get(PROFILE, &member).await.body;
    let damaged = "Transférez une image valide. Le fichier que vous avez transféré n'est pas une \
                   image ou est endommagé.";
    let half = png(100, 100, 1000);
    for (file, message) in [
        (&b"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"[..], damaged),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", damaged),
        (&mp4(100), damaged),
        (&half[..500], damaged),
        (b"", "Le fichier soumis est vide."),
        (&png(100, 100, 6 << 20), "L'image ne peut pas dépasser 5MB"),
    ] {
        let parts = [Part::text("first_name", "Aïssatou"), Part::file(PICTURE, "moi.png", file)];
        let answer = house.send(form_of("PATCH", PROFILE, &member, &parts)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
        assert_eq!(answer.body, json!({"profile_picture": [message]}));
    }
    let taken = [
        Part::file(PICTURE, "moi.png", &png(100, 100, 100)),
        Part::text("email", "not an address"),
    ];
    let answer = house.send(form_of("PATCH", PROFILE, &member, &taken)).await;
    assert_eq!(answer.body, json!({"email": ["Saisissez une adresse e-mail valide."]}));
    assert_eq!(house.get(PROFILE, &member).await.body, before);
    assert_eq!((house.files_in("media"), house.files_in("incoming")), (0, 0));
}

#[tokio::test]
async fn a_form_too_large_or_of_too_many_parts_is_refused() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let long = "x".repeat(70_000);
    for parts in [
        vec![("bio", "", long.as_str())],
        vec![(long.as_str(), "", "")],
        vec![("bio", "", "x"); 100],
    ] {
        let answer = send_form(&house, &member, &form(&parts)).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", answer.text);
    }
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    for body in ["bio=x", "--x\r\nContent-Disposition: form-data; name=\"bio\"\r\n\r\nhalf"] {
        let answer = send_form(&house, &member, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}: {}", answer.text);
    }
}

/// A body of `multipart/form-data` with the boundary `x`; each part a name, what follows it in its
/// header, and its bytes.
fn form(parts: &[(&str, &str, &str)]) -> String {
    let part = |(name, more, text): &(&str, &str, &str)| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{text}\r\n")
    };
    parts.iter().map(part).collect::<String>() + "--x--\r\n"
}

async fn send_form(house: &House, member: &Member, body: &str) -> Answer {
    let request = http::Request::patch("/api/users/my-profile/")
        .header("authorization", format!("Bearer {}", member.access))
        .header("content-type", "multipart/form-data; boundary=x")
        .body(body.to_owned().into())
        .unwrap();
    house.send(request).await
}
