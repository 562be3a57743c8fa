//! Passwords forgotten and changed, addresses verified: what is sent, and what it admits to.

use std::time::Duration;

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    house::{Answer, House, Member, account, config, request, signed_in},
    security::hashes,
    smtp::{Mail, MailServer, Manner},
};

const RESET: &str = "/api/users/password-reset/";
const CONFIRM: &str = "/api/users/password-reset/confirm/";
const VERIFY: &str = "/api/users/verify-email/";
const CHANGE: &str = "/api/users/change-password/";
const PROFILE: &str = "/api/users/my-profile/";
const NEW: &str = "nouveau-mot-de-passe";
const OVER: &str = "Ce lien n'est plus valable. Demandez-en un nouveau.";

/// A house that sends mail, and a member whose first mail has come.
async fn house() -> (House, MailServer, Member) {
    let mut mails = MailServer::start(Manner::default()).await;
    let house = House::with(mails.settings(config())).await;
    let member = house.member("fatou").await;
    mails.next().await;
    (house, mails, member)
}

async fn ask(house: &House, email: &str) -> Answer {
    house.post(RESET, json!({"email": email})).await
}

async fn confirm(house: &House, token: &str) -> Answer {
    let form = json!({"token": token, "password": NEW, "password_confirm": NEW});
    house.post(CONFIRM, form).await
}

async fn login(house: &House, password: &str) -> Answer {
    let form = json!({"email": "fatou@example.org", "password": password});
    house.post("/api/users/login/", form).await
}

fn assert_over(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.body, json!({"token": [OVER]}));
}

#[tokio::test]
async fn a_server_that_sends_no_mail_says_so() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let asked = [
        ask(&house, "fatou@example.org").await,
        house.call(Method::POST, VERIFY, Some(&member), None).await,
    ];
    for answer in asked {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let said = "Ce serveur n'envoie pas d'e-mails. Adressez-vous à un administrateur.";
        assert_eq!(answer.body, json!({"detail": said, "error": said}));
    }
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_a_link_that_is_good_once() {
    let (house, mut mails, member) = house().await;
    // Whoever asks chooses the host of his request; the link leads to ours.
    let form = json!({"email": " FATOU@example.org "});
    let mut asked = request(Method::POST, RESET, None, Some(form));
    asked.headers_mut().insert(header::HOST, "evil.test".parse().unwrap());
    let answer = house.send(asked).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);

    let mail = mails.next().await;
    assert_eq!(mail.to, "fatou@example.org");
    assert!(mail.was_encrypted);
    assert_eq!(mail.login.as_deref(), Some(" communiconnect mail-password"));
    assert!(mail.text.contains("https://live.example.org/mot-de-passe#"), "{}", mail.text);
    for part in ["evil.test", "Fatou", "Diallo", "fatou@example.org#"] {
        assert!(!mail.text.contains(part), "{part} in {}", mail.text);
    }
    let token = mail.token();
    assert_eq!(token.len(), 64);

    let answer = confirm(&house, &token).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(login(&house, "testpass123").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(login(&house, NEW).await.status, StatusCode::OK);
    // What was signed in with the old password is out, with both of its tokens.
    assert_eq!(house.get(PROFILE, &member).await.status, StatusCode::UNAUTHORIZED);
    let refresh = json!({"refresh": member.refresh});
    let refreshed = house.post("/api/token/refresh/", refresh).await;
    assert_eq!(refreshed.status, StatusCode::UNAUTHORIZED);
    assert_over(&confirm(&house, &token).await);
}

#[tokio::test]
async fn a_link_is_good_for_an_hour_and_only_the_newest() {
    let (house, mut mails, _) = house().await;
    ask(&house, "fatou@example.org").await;
    let first = mails.next().await.token();
    ask(&house, "fatou@example.org").await;
    let second = mails.next().await.token();
    assert_over(&confirm(&house, &first).await);
    house.pass_s(3600);
    assert_over(&confirm(&house, &second).await);
    assert_eq!(login(&house, "testpass123").await.status, StatusCode::OK);
}

#[tokio::test]
async fn whether_an_address_has_an_account_is_told_to_nobody() {
    let (house, mut mails, _) = house().await;
    let mut unknown = ask(&house, "nobody@example.org").await;
    let mut known = ask(&house, "fatou@example.org").await;
    for answer in [&mut unknown, &mut known] {
        answer.headers.remove("x-request-id");
    }
    assert_eq!((unknown.status, &unknown.text), (StatusCode::OK, &known.text));
    assert_eq!(unknown.headers, known.headers);
    assert_eq!(mails.next().await.to, "fatou@example.org");
    assert!(mails.has_taken_nothing());
    // The answer takes as long, for it is made without the database.
    house.store.close().await;
    assert_eq!(ask(&house, "fatou@example.org").await.text, known.text);
}

#[tokio::test]
async fn mails_are_limited_by_where_they_go_and_by_where_they_are_asked_from() {
    let (house, _mails, _) = house().await;
    for email in ["fatou@example.org", "nobody@example.org"] {
        for _ in 0..3 {
            assert_eq!(ask(&house, email).await.status, StatusCode::OK);
        }
        assert_eq!(ask(&house, email).await.status, StatusCode::TOO_MANY_REQUESTS, "{email}");
    }
    for n in 0..4 {
        assert_eq!(ask(&house, &format!("m{n}@example.org")).await.status, StatusCode::OK);
    }
    let answer = ask(&house, "another@example.org").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers["retry-after"], "30");
    // Tokens are not tried by the thousand either.
    let answer = confirm(&house, "made-up").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_token_that_is_made_up_costs_no_hash() {
    let (house, _mails, _) = house().await;
    let (answer, hashes) = hashes(confirm(&house, &"0".repeat(64))).await;
    assert_over(&answer);
    assert_eq!(hashes, 0);
}

#[tokio::test]
async fn a_new_password_is_held_to_the_rules_of_the_first() {
    let (house, mut mails, _) = house().await;
    ask(&house, "fatou@example.org").await;
    let token = mails.next().await.token();
    for (form, message) in [
        (
            json!({"token": token, "password": "court", "password_confirm": "court"}),
            json!({"password": ["Assurez-vous que ce champ comporte au moins 8 caractères."]}),
        ),
        (
            json!({"token": token, "password": NEW, "password_confirm": "autre"}),
            json!({"non_field_errors": ["Les mots de passe ne correspondent pas."]}),
        ),
        (
            json!({"token": 12, "password": null}),
            json!({
                "token": ["Chaîne de caractères non valide."],
                "password": ["Ce champ ne peut être nul."],
                "password_confirm": ["Ce champ est obligatoire."],
            }),
        ),
    ] {
        let answer = house.post(CONFIRM, form).await;
        assert_eq!((answer.status, answer.body), (StatusCode::BAD_REQUEST, message));
    }
    assert_eq!(confirm(&house, &token).await.status, StatusCode::OK, "the token is still good");
}

#[tokio::test]
async fn a_letter_that_is_not_taken_for_now_is_sent_again() {
    let mut mails = MailServer::start(Manner { refuses: 1, ..Manner::default() }).await;
    let house = House::with(mails.settings(config())).await;
    house.member("fatou").await;
    assert_eq!(mails.next().await.to, "fatou@example.org");
    assert_eq!(mails.ended(), 1, "the first came to nothing");
}

#[tokio::test]
async fn nothing_is_sent_in_clear_nor_to_a_server_nobody_vouches_for() {
    for (offers_tls, knows_the_authority) in [(false, true), (true, false)] {
        let mut mails = MailServer::start(Manner { offers_tls, ..Manner::default() }).await;
        let mut config = mails.settings(config());
        if !knows_the_authority {
            config.smtp.ca_file = None;
        }
        let house = House::with(config).await;
        house.member("fatou").await;
        house.post(RESET, json!({"email": "fatou@example.org"})).await;
        mails.end_of(2).await;
        assert!(mails.has_taken_nothing());
    }
}

#[tokio::test]
async fn an_address_is_verified_by_what_is_sent_to_it_until_it_changes() {
    let mut mails = MailServer::start(Manner::default()).await;
    let house = House::with(mails.settings(config())).await;
    let member = house.member("fatou").await;
    let verified = async || house.get(PROFILE, &member).await.body["email_verified"].clone();
    assert_eq!(verified().await, json!(false));
    let confirm = "/api/users/verify-email/confirm/";
    let mail = mails.next().await;
    assert!(mail.text.contains("https://live.example.org/verification#"), "{}", mail.text);
    let answer = house.post(confirm, json!({"token": mail.token()})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(verified().await, json!(true));
    assert_over(&house.post(confirm, json!({"token": mail.token()})).await);
    let again = house.call(Method::POST, VERIFY, Some(&member), None).await;
    assert_eq!(again.body["message"], "Votre adresse est déjà vérifiée.");

    let [_, first] = move_to(&house, &mut mails, &member, "new@example.org").await;
    assert_eq!(first.to, "new@example.org");
    assert_eq!(verified().await, json!(false));
    house.call(Method::POST, VERIFY, Some(&member), None).await;
    let second = mails.next().await;
    assert_over(&house.post(confirm, json!({"token": first.token()})).await);
    house.post(confirm, json!({"token": second.token()})).await;
    assert_eq!(verified().await, json!(true));
}

#[tokio::test]
async fn an_address_that_was_verified_is_told_that_it_is_its_members_no_more() {
    let (house, mut mails, member) = house().await;
    // Nobody has shown that he reads the first one.
    let [second] = move_to(&house, &mut mails, &member, "second@example.org").await;
    assert_eq!(second.to, "second@example.org");
    let token = json!({"token": second.token()});
    house.post("/api/users/verify-email/confirm/", token).await;

    let [told, asked] = move_to(&house, &mut mails, &member, "third@example.org").await;
    assert_eq!((&*told.to, &*asked.to), ("second@example.org", "third@example.org"));
    assert!(told.text.contains("Ouvrir CommuniConnect"), "{}", told.text);
    for part in ["/verification", "/mot-de-passe", "third@", "Fatou"] {
        assert!(!told.text.contains(part), "{part} in {}", told.text);
    }
    assert!(mails.has_taken_nothing());
}

/// Gives a member another address; what is sent then, in the order of those it is sent to.
async fn move_to<const N: usize>(
    house: &House,
    mails: &mut MailServer,
    member: &Member,
    email: &str,
) -> [Mail; N] {
    let change = json!({"email": email, "current_password": "testpass123"});
    let answer = house.call(Method::PATCH, PROFILE, Some(member), Some(change)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let mut sent = Vec::new();
    for _ in 0..N {
        sent.push(mails.next().await);
    }
    sent.sort_by(|one, other| one.to.cmp(&other.to));
    sent.try_into().unwrap()
}

#[tokio::test]
async fn a_member_changes_his_password_and_his_other_devices_are_signed_out() {
    let house = House::new().await;
    let telephone = house.member("fatou").await;
    let computer = signed_in(&login(&house, "testpass123").await);
    let form = json!({"old_password": "testpass123", "password": NEW, "password_confirm": NEW});
    let answer = house.call(Method::POST, CHANGE, Some(&computer), Some(form)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let token = |name: &str| answer.body["tokens"][name].as_str().unwrap().to_owned();
    let goes_on = Member { id: computer.id, access: token("access"), refresh: token("refresh") };
    assert_eq!(house.get(PROFILE, &goes_on).await.status, StatusCode::OK);
    for member in [&telephone, &computer] {
        assert_eq!(house.get(PROFILE, member).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(login(&house, NEW).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_does_not_know_the_old_password_sets_no_new_one_however_often_he_tries() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let form = json!({"old_password": "wrong", "password": NEW, "password_confirm": NEW});
    let attempt =
        async || house.call(Method::POST, CHANGE, Some(&member), Some(form.clone())).await;
    for _ in 0..10 {
        let answer = attempt().await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.body, json!({"old_password": ["Le mot de passe actuel est incorrect."]}));
    }
    assert_eq!(attempt().await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(house.get(PROFILE, &member).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_registration_waits_for_no_mail_server() {
    let mails = MailServer::start(Manner::default()).await;
    let mut config = mails.settings(config());
    // Takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    config.smtp.port = silent.local_addr().unwrap().port();
    let house = House::with(config).await;
    // Less than the mail server is given to answer.
    let registered = house.post("/api/users/register/", account("fatou"));
    let answer = tokio::time::timeout(Duration::from_secs(15), registered).await.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.body["user"]["email_verified"], Value::Bool(false));
}
