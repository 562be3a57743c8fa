//! Real time, through real sockets.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use api::{Config, Rate};
use futures_util::{SinkExt, StreamExt};
use http::{Method, StatusCode, header::AUTHORIZATION};
use media::id::LiveId;
use serde_json::{Value, json};
use store::LiveState;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::{
    commons::{Redis, shared},
    house::{House, Member, config},
};

/// Longer than anything takes, shorter than anybody waits.
const LONG: Duration = Duration::from_secs(30);
/// Well before a session that lasts is looked at by and by, 25 s after it opened.
const UNTOLD: Duration = Duration::from_secs(12);

/// A client with a WebSocket.
struct Client {
    socket: WebSocketStream<TcpStream>,
    events: VecDeque<Value>,
}

impl Client {
    async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), address).await
    }

    async fn over(stream: TcpStream, address: SocketAddr) -> Self {
        let url = format!("ws://{address}/api/realtime/");
        let (socket, answer) = client_async(url, stream).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        Self { socket, events: VecDeque::new() }
    }

    /// Opens one, signs in and follows a live.
    async fn of(address: SocketAddr, member: &Member, live: &Value) -> Self {
        let mut client = Self::open(address).await;
        client.sign_in(member).await;
        client.send(json!({"type": "live.join", "live_id": live["id"]})).await;
        client.next("live.joined").await;
        client
    }

    async fn sign_in(&mut self, member: &Member) -> Value {
        self.send(json!({"type": "auth", "token": member.access})).await;
        self.next("session").await
    }

    async fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn say(&mut self, content: &str) {
        self.send(json!({"type": "chat.say", "ref": content, "message": {"content": content}}))
            .await;
    }

    /// The next event, which is of this type.
    async fn next(&mut self, wanted: &str) -> Value {
        let event = self.event().await.unwrap_or_else(|code| panic!("{wanted}: closed, {code:?}"));
        assert_eq!(event["type"], wanted, "{event}");
        event
    }

    /// The refusal of what was just sent.
    async fn refusal(&mut self) -> (u64, Value) {
        let event = self.next("error").await;
        (event["status"].as_u64().unwrap(), event["error"].clone())
    }

    /// The code of the close that comes before anything else.
    async fn closed(&mut self) -> Option<u16> {
        match self.event().await {
            Ok(event) => panic!("not closed: {event}"),
            Err(code) => code,
        }
    }

    async fn event(&mut self) -> Result<Value, Option<u16>> {
        while self.events.is_empty() {
            match timeout(LONG, self.socket.next()).await.expect("something comes") {
                Some(Ok(Message::Text(text))) => {
                    let events: Vec<Value> = serde_json::from_str(&text).unwrap();
                    self.events.extend(events);
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
        Ok(self.events.pop_front().unwrap())
    }
}

/// A client of server-sent events.
struct Reader(BufReader<TcpStream>);

impl Reader {
    async fn open(address: SocketAddr, query: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /api/realtime/events/?{query} HTTP/1.1\r\nHost: live.test\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        Self(BufReader::new(stream))
    }

    async fn of(address: SocketAddr, member: &Member, query: &str, headers: &str) -> Self {
        let token = &member.access;
        Self::open(address, query, &format!("{AUTHORIZATION}: Bearer {token}\r\n{headers}")).await
    }

    /// The next line that begins so; `None` when the answer is over: with its last chunk (RFC 9112
    /// §7.1), whatever becomes of the connection.
    async fn line(&mut self, prefix: &str) -> Option<String> {
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line);
            timeout(LONG, read).await.expect("something comes").unwrap();
            if line == "0\r\n" {
                return None;
            }
            if let Some(rest) = line.strip_prefix(prefix) {
                return Some(rest.trim().to_owned());
            }
        }
    }

    async fn events(&mut self) -> Value {
        serde_json::from_str(&self.line("data:").await.expect("events")).unwrap()
    }
}

fn path(live: &Value, rest: &str) -> String {
    format!("/api/posts/live/{}/chat/{rest}", live["id"])
}

async fn put(house: &House, member: &Member, path: &str, body: Value) -> StatusCode {
    house.call(Method::PUT, path, Some(member), Some(body)).await.status
}

#[tokio::test]
async fn what_is_said_either_way_is_heard_and_read_either_way() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let live = house.start_live(&fatou).await;
    let address = house.listen().await;
    let mut first = Client::of(address, &fatou, &live).await;
    let mut second = Client::of(address, &binta, &live).await;
    let posted = house.write(&path(&live, ""), &fatou, json!({"content": "par HTTP"})).await;
    for client in [&mut first, &mut second] {
        let event = client.next("chat.message").await;
        assert_eq!(
            event,
            json!({"type": "chat.message", "live_id": live["id"], "message": posted})
        );
    }
    let message = json!({"content": "👏", "type": "reaction", "reply_to": posted["id"]});
    second.send(json!({"type": "chat.say", "ref": "r1", "message": message})).await;
    let said = second.next("chat.said").await;
    assert_eq!(said["ref"], "r1");
    let heard = first.next("chat.message").await["message"].clone();
    assert_eq!((&heard["id"], &heard["type"]), (&said["id"], &json!("reaction")));
    assert_eq!((&heard["reply_to"], &heard["author"]["id"]), (&posted["id"], &json!(binta.id)));
    let read = house.get(&path(&live, ""), &fatou).await.body;
    assert_eq!(read, json!([posted, heard]));
}

/// One text goes to all who listen, the author among them.
#[tokio::test]
async fn the_author_of_an_anonymous_live_is_named_to_nobody_who_listens() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let live = house.start_live(&fatou).await;
    let post = format!("/api/posts/{}/", live["id"]);
    let hidden = Some(json!({"is_anonymous": true}));
    house.call(Method::PATCH, &post, Some(&fatou), hidden).await;
    let address = house.listen().await;
    let mut listener = Client::of(address, &binta, &live).await;
    Client::of(address, &fatou, &live).await.say("@binta, par ici").await;
    let nobody = json!({"id": null, "first_name": "", "last_name": "", "profile_picture": null});
    let author =
        async |client: &mut Client| client.next("chat.message").await["message"]["author"].clone();
    // The notification of the mention comes beside it, in either order.
    let mut events = [listener.event().await.unwrap(), listener.event().await.unwrap()];
    events.sort_by_key(|event| event["type"].to_string());
    assert_eq!(events[0]["message"]["author"], nobody);
    assert_eq!(events[1]["notification"]["sender"], Value::Null, "{}", events[1]);
    // To who comes later it is read from the database: to each as he may see it.
    assert_eq!(author(&mut Client::of(address, &binta, &live).await).await, nobody);
    assert_eq!(author(&mut Client::of(address, &fatou, &live).await).await["id"], fatou.id);
}

#[tokio::test]
async fn a_stranger_hears_of_a_public_live_but_not_what_is_said_there() {
    let house = House::new().await;
    let fatou = house.member("fatou").await;
    let live = house.start_live(&fatou).await;
    *house.control.viewers.lock().unwrap() = Some(3);
    let mut stranger = Client::open(house.listen().await).await;
    stranger.send(json!({"type": "live.join", "playback_name": live["playback_name"]})).await;
    let joined = stranger.next("live.joined").await;
    assert_eq!((&joined["live_id"], &joined["viewers_count"]), (&live["id"], &json!(3)));
    assert_eq!((&joined["can_read"], &joined["can_write"]), (&json!(false), &json!(false)));
    stranger.say("Bonjour").await;
    assert_eq!(stranger.refusal().await.0, 401);
    house.write(&path(&live, ""), &fatou, json!({"content": "entre nous"})).await;
    let id = LiveId::new(live["id"].as_i64().unwrap());
    for (from, to) in [
        (LiveState::Created, LiveState::Live),
        (LiveState::Live, LiveState::Interrupted),
        (LiveState::Interrupted, LiveState::Live),
    ] {
        assert!(house.store.set_live_state(id, &[from], to, house.now_ms()).await.unwrap());
        let event = stranger.next("live.state").await;
        assert_eq!((&event["status"], &event["live_id"]), (&json!(to.as_str()), &live["id"]));
    }
    *house.control.viewers.lock().unwrap() = Some(4);
    assert_eq!(stranger.next("live.viewers").await["viewers_count"], 4);
    let stop = format!("/api/posts/live/{}/stop/", live["id"]);
    assert_eq!(put(&house, &fatou, &stop, json!({})).await, StatusCode::OK);
    assert_eq!(stranger.next("live.state").await["status"], "ended");
}

#[tokio::test]
async fn a_live_for_a_quartier_is_followed_by_those_it_is_for() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let alpha = house.member_of("alpha", "Matoto").await;
    let body = json!({"audience": "quartier"});
    let live = house.write("/api/posts/live/start/", &fatou, body).await;
    let address = house.listen().await;
    let join = json!({"type": "live.join", "live_id": live["id"]});
    let mut client = Client::open(address).await;
    client.send(join.clone()).await;
    assert_eq!(client.refusal().await.0, 403, "a stranger");
    client.sign_in(&alpha).await;
    client.send(join).await;
    assert_eq!(client.refusal().await.0, 403, "a member from elsewhere");
    client.say("Bonjour").await;
    assert_eq!(client.refusal().await.0, 400, "he is nowhere");
    let query = format!("live_id={}", live["id"]);
    for headers in [None, Some(&alpha)] {
        let answer = house.status(&format!("/api/realtime/events/?{query}"), headers).await;
        assert_eq!(answer, StatusCode::FORBIDDEN);
    }
    Client::of(address, &binta, &live).await;
}

#[tokio::test]
async fn the_author_of_a_live_slows_its_chat_down() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let live = house.start_live(&fatou).await;
    let mut client = Client::of(house.listen().await, &binta, &live).await;
    let slow = path(&live, "slow-mode/");
    assert_eq!(put(&house, &binta, &slow, json!({"seconds": 1})).await, StatusCode::FORBIDDEN);
    for wrong in
        [json!({}), json!({"seconds": -1}), json!({"seconds": 3601}), json!({"seconds": "x"})]
    {
        assert_eq!(put(&house, &fatou, &slow, wrong).await, StatusCode::BAD_REQUEST);
    }
    assert_eq!(put(&house, &fatou, &slow, json!({"seconds": 10})).await, StatusCode::OK);
    assert_eq!(client.next("chat.slow_mode").await["seconds"], 10);
    client.say("un").await;
    client.next("chat.said").await;
    client.next("chat.message").await;
    client.say("deux").await;
    let (status, error) = client.refusal().await;
    assert_eq!((status, &error["detail"]), (429, &json!("Requête ralentie. Réessayez dans 10 s.")));
    let chat = path(&live, "");
    let message = json!({"content": "x"});
    let by_http = house.call(Method::POST, &chat, Some(&binta), Some(message)).await;
    assert_eq!(by_http.headers["retry-after"], "10");
    house.write(&path(&live, ""), &fatou, json!({"content": "l'auteur parle"})).await;
    client.next("chat.message").await;
    house.pass_s(10);
    client.say("trois").await;
    client.next("chat.said").await;
}

#[tokio::test]
async fn the_author_of_a_live_takes_messages_away_and_keeps_members_from_writing() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let live = house.start_live(&fatou).await;
    let mut client = Client::of(house.listen().await, &binta, &live).await;
    client.say("Bonjour").await;
    let id = client.next("chat.said").await["id"].clone();
    client.next("chat.message").await;
    let message = path(&live, &format!("messages/{id}/"));
    let delete = async |member: &Member| {
        house.call(Method::DELETE, &message, Some(member), None).await.status
    };
    assert_eq!(delete(&house.member("alpha").await).await, StatusCode::FORBIDDEN);
    assert_eq!(delete(&fatou).await, StatusCode::NO_CONTENT);
    assert_eq!(delete(&fatou).await, StatusCode::NOT_FOUND);
    assert_eq!(client.next("chat.deleted").await["id"], id);
    assert_eq!(house.get(&path(&live, ""), &binta).await.body, json!([]));

    let ban = path(&live, &format!("bans/{}/", binta.id));
    assert_eq!(put(&house, &fatou, &ban, json!({})).await, StatusCode::NO_CONTENT);
    assert_eq!(client.next("chat.banned").await["user_id"], binta.id);
    client.say("encore").await;
    assert_eq!(client.refusal().await.0, 403);
    client.send(json!({"type": "live.join", "live_id": live["id"]})).await;
    assert_eq!(client.next("live.joined").await["can_write"], false);
    let lift = house.call(Method::DELETE, &ban, Some(&fatou), None).await;
    assert_eq!(lift.status, StatusCode::NO_CONTENT);
    client.next("chat.unbanned").await;
    client.say("merci").await;
    client.next("chat.said").await;
    let himself = path(&live, &format!("bans/{}/", fatou.id));
    assert_eq!(put(&house, &fatou, &himself, json!({})).await, StatusCode::BAD_REQUEST);
    let nobody = path(&live, "bans/404/");
    assert_eq!(put(&house, &fatou, &nobody, json!({})).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_comes_back_is_told_what_was_said_and_taken_away_meanwhile() {
    let mut config = config();
    config.limits.writing = Rate { burst: 1000, per_minute: 60 };
    config.limits.user = Rate { burst: 1000, per_minute: 60 };
    config.limits.address = Rate { burst: 1000, per_minute: 60 };
    let house = House::with(config).await;
    let fatou = house.member("fatou").await;
    let live = house.start_live(&fatou).await;
    let address = house.listen().await;
    let mut client = Client::of(address, &fatou, &live).await;
    client.say("0").await;
    let seen = client.next("chat.said").await["id"].clone();
    drop(client);
    for n in 1..=310 {
        house.write(&path(&live, ""), &fatou, json!({"content": n.to_string()})).await;
    }
    let message = path(&live, &format!("messages/{seen}/"));
    house.call(Method::DELETE, &message, Some(&fatou), None).await;
    let mut client = Client::open(address).await;
    client.sign_in(&fatou).await;
    client.send(json!({"type": "live.join", "live_id": live["id"], "after": seen})).await;
    client.next("live.joined").await;
    for n in 1..=300 {
        assert_eq!(client.next("chat.message").await["message"]["content"], n.to_string());
    }
    let gap = client.next("chat.gap").await;
    assert_eq!(client.next("chat.deleted").await["id"], seen);
    let rest = house.get(&path(&live, &format!("?after={}", gap["after"])), &fatou).await.body;
    assert_eq!((rest[0]["content"].as_str(), rest.as_array().unwrap().len()), (Some("301"), 10));
    client.say("311").await;
    client.next("chat.said").await;
    assert_eq!(client.next("chat.message").await["message"]["content"], "311");
}

#[tokio::test]
async fn a_message_that_is_not_understood_is_refused_and_the_next_one_answered() {
    let house = House::new().await;
    let fatou = house.member("fatou").await;
    let live = house.start_live(&fatou).await;
    let mut client = Client::of(house.listen().await, &fatou, &live).await;
    let deep = "[".repeat(8000);
    let wrong = [
        Message::text("pas du JSON"),
        Message::text("[]"),
        Message::text(format!("{{\"type\":{deep}")),
        Message::text(r#"{"type": 7}"#),
        Message::text("{}"),
        Message::text(r#"{"type": "chat.shout"}"#),
        Message::text(r#"{"type": "chat.say"}"#),
        Message::text(r#"{"type": "chat.say", "message": {"content": "x", "reply_to": 404}}"#),
        Message::text(r#"{"type": "live.join", "live_id": {}}"#),
        Message::binary(vec![0; 100]),
    ];
    for message in wrong {
        client.socket.send(message.clone()).await.unwrap();
        assert_eq!(client.refusal().await.0, 400, "{message:?}");
    }
    client.send(json!({"type": "auth", "token": "abc", "ref": 5})).await;
    assert_eq!(client.refusal().await.0, 401);
    client.send(json!({"type": "live.join", "live_id": 404})).await;
    assert_eq!(client.refusal().await.0, 404);
    client.send(json!({"type": "ping", "ref": "p"})).await;
    assert_eq!(client.next("pong").await, json!({"type": "pong", "ref": "p"}));
}

#[tokio::test]
async fn frames_that_no_client_sends_end_the_connection_and_no_other() {
    let house = House::new().await;
    let fatou = house.member("fatou").await;
    let live = house.start_live(&fatou).await;
    let address = house.listen().await;
    let mut other = Client::of(address, &fatou, &live).await;
    // Masked with zeros, so that what is sent is what is seen.
    let too_long = [&[0x81, 0xfe, 0x4e, 0x20, 0, 0, 0, 0][..], &[b'x'; 100]].concat();
    let no_utf8 = vec![0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28];
    let reserved = vec![0xf1, 0x81, 0, 0, 0, 0, b'x'];
    let unmasked = vec![0x81, 0x01, b'x'];
    for (bytes, code) in [(too_long, 1009), (no_utf8, 1007), (reserved, 1002), (unmasked, 1002)] {
        let mut client = Client::of(address, &fatou, &live).await;
        client.socket.get_mut().write_all(&bytes).await.unwrap();
        assert_eq!(client.closed().await, Some(code));
    }
    let mut client = Client::of(address, &fatou, &live).await;
    for _ in 0..100 {
        let _ = client.socket.send(Message::text("{}")).await;
    }
    let end = loop {
        if let Err(code) = client.event().await {
            break code;
        }
    };
    assert_eq!(end, Some(1008), "a flood");
    other.say("toujours là").await;
    other.next("chat.said").await;
}

#[tokio::test]
async fn a_connection_ends_with_its_token_unless_a_new_one_comes() {
    let house = House::with(Config { access_token_s: 2, ..config() }).await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let address = house.listen().await;
    let mut first = Client::open(address).await;
    assert_eq!(first.sign_in(&fatou).await["user_id"], fatou.id);
    let query = "";
    let mut reader = Reader::of(address, &fatou, query, "").await;
    assert_eq!(reader.events().await[0]["type"], "session");
    let mut second = Client::open(address).await;
    second.sign_in(&fatou).await;
    // A token of later, so that it outlasts the others.
    house.pass_s(1000);
    let answer = house.post("/api/token/refresh/", json!({"refresh": fatou.refresh})).await;
    house.pass_s(-1000);
    let access = answer.body["access"].as_str().unwrap();
    second.send(json!({"type": "auth", "token": access})).await;
    let expires_at = second.next("session").await["expires_at"].clone();
    assert_eq!(expires_at, "2025-07-23T11:21:42.000000Z");
    assert_eq!(first.closed().await, Some(4401));
    assert_eq!(reader.line("data:").await, None);
    second.send(json!({"type": "ping"})).await;
    second.next("pong").await;
    second.send(json!({"type": "auth", "token": binta.access})).await;
    assert_eq!(second.refusal().await.0, 403, "another member");
}

#[tokio::test]
async fn everybody_is_sent_away_when_the_server_goes_down() {
    let house = House::new().await;
    let fatou = house.member("fatou").await;
    let live = house.start_live(&fatou).await;
    let address = house.listen().await;
    let mut client = Client::of(address, &fatou, &live).await;
    let mut reader = Reader::open(address, &format!("live_id={}", live["id"]), "").await;
    assert_eq!(reader.events().await[0]["type"], "live.joined");
    house.drain.send_replace(true);
    assert_eq!(client.closed().await, Some(1012));
    assert_eq!(reader.line("data:").await, None);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_let_go_while_the_others_hear_everything() {
    const MESSAGES: usize = 400;
    let mut config = config();
    config.limits.writing = Rate { burst: 10_000, per_minute: 60 };
    config.limits.user = Rate { burst: 10_000, per_minute: 60 };
    // Whoever waits for a place asks all the time.
    config.limits.address = Rate { burst: 10_000_000, per_minute: 60 };
    config.limits.watch_address = config.limits.address;
    config.realtime.stalled_s = 1;
    config.realtime.max_clients_per_address = 2;
    let house = House::with(config).await;
    let fatou = house.member("fatou").await;
    let live = house.start_live(&fatou).await;
    let address = house.listen_with(Some(16 * 1024)).await;
    let small = TcpSocket::new_v4().unwrap();
    small.set_recv_buffer_size(8 * 1024).unwrap();
    let mut slow = Client::over(small.connect(address).await.unwrap(), address).await;
    slow.sign_in(&fatou).await;
    slow.send(json!({"type": "live.join", "live_id": live["id"]})).await;
    slow.next("live.joined").await;
    let mut quick = Client::of(address, &fatou, &live).await;
    let long = "🎉".repeat(1000);
    let speak = async {
        for _ in 0..MESSAGES {
            house.write(&path(&live, ""), &fatou, json!({"content": long})).await;
        }
    };
    let listen = async {
        let mut last = 0;
        for _ in 0..MESSAGES {
            let id = quick.next("chat.message").await["message"]["id"].as_i64().unwrap();
            assert!(id > last, "in the order they were said");
            last = id;
        }
    };
    tokio::join!(speak, listen);
    place_of_another(address).await;
    let mut heard = 0;
    while slow.event().await.is_ok() {
        heard += 1;
    }
    assert!(heard < MESSAGES, "{heard}");
}

#[tokio::test]
async fn a_member_is_told_of_notifications_wherever_he_is_connected() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let post = house.write("/api/posts/", &fatou, json!({"content": "Bonjour"})).await;
    let address = house.listen().await;
    let mut phone = Client::open(address).await;
    phone.sign_in(&fatou).await;
    let mut computer = Reader::of(address, &fatou, "", "").await;
    assert_eq!(computer.events().await[0]["user_id"], fatou.id);
    let mut other = Client::open(address).await;
    other.sign_in(&binta).await;
    house.write(&format!("/api/posts/{}/like/", post["id"]), &binta, json!({})).await;
    let told = phone.next("notification").await["notification"].clone();
    let listed = house.get("/api/notifications/", &fatou).await.body["results"][0].clone();
    assert_eq!(told, listed);
    assert_eq!(told["title"], "Fatou a aimé votre publication");
    assert_eq!(computer.events().await[0]["notification"], listed);
    other.send(json!({"type": "ping"})).await;
    other.next("pong").await;
}

#[tokio::test]
async fn server_sent_events_bring_the_same_and_go_on_where_they_ended() {
    let house = House::new().await;
    let fatou = house.member("fatou").await;
    let live = house.start_live(&fatou).await;
    let address = house.listen().await;
    let query = format!("live_id={}", live["id"]);
    let mut reader = Reader::of(address, &fatou, &query, "").await;
    assert_eq!(reader.events().await[0]["type"], "session");
    assert_eq!(reader.events().await[0]["type"], "live.joined");
    let first = house.write(&path(&live, ""), &fatou, json!({"content": "un"})).await;
    assert_eq!(reader.events().await[0]["message"], first);
    assert_eq!(reader.line("id:").await, Some(first["id"].to_string()));
    drop(reader);
    let second = house.write(&path(&live, ""), &fatou, json!({"content": "deux"})).await;
    let seen = format!("Last-Event-ID: {}\r\n", first["id"]);
    let mut reader = Reader::of(address, &fatou, &query, &seen).await;
    reader.events().await;
    reader.events().await;
    let missed = reader.events().await;
    assert_eq!((missed.as_array().unwrap().len(), &missed[0]["message"]), (1, &second));
}

#[tokio::test]
async fn clients_of_one_member_and_of_one_address_are_counted() {
    let mut config = config();
    config.realtime.max_clients_per_member = 2;
    config.realtime.max_clients_per_address = 3;
    let house = House::with(config).await;
    let fatou = house.member("fatou").await;
    let address = house.listen().await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = Client::open(address).await;
        client.sign_in(&fatou).await;
        clients.push(client);
    }
    let mut third = Client::open(address).await;
    third.send(json!({"type": "auth", "token": fatou.access})).await;
    assert_eq!(third.refusal().await.0, 429);
    let request = format!("ws://{address}/api/realtime/").into_client_request().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let refused = client_async(request, stream).await.unwrap_err().to_string();
    assert!(refused.contains("429"), "{refused}");
    drop(third);
    place_of_another(address).await;
}

/// Waits until the server has let one go: there is a place again for one more.
async fn place_of_another(address: SocketAddr) {
    let free = async {
        loop {
            let request = format!("ws://{address}/api/realtime/").into_client_request().unwrap();
            let stream = TcpStream::connect(address).await.unwrap();
            if client_async(request, stream).await.is_ok() {
                break;
            }
        }
    };
    timeout(LONG, free).await.expect("somebody goes");
}

#[tokio::test]
async fn what_is_said_over_a_socket_counts_with_what_is_written_elsewhere() {
    let mut config = config();
    config.limits.writing = Rate { burst: 2, per_minute: 1 };
    let house = House::with(config).await;
    let fatou = house.member("fatou").await;
    let live = house.start_live(&fatou).await;
    let mut client = Client::of(house.listen().await, &fatou, &live).await;
    house.write(&path(&live, ""), &fatou, json!({"content": "un"})).await;
    client.next("chat.message").await;
    client.say("deux").await;
    client.next("chat.said").await;
    client.next("chat.message").await;
    client.say("trois").await;
    assert_eq!(client.refusal().await.0, 429);
}

/// Ends all sessions of a member as somebody beside the server does, of whom it hears nothing.
async fn revoke_unheard(house: &House, member: &Member) {
    let by = store::By::console(house.now_ms());
    let console = house.beside(config()).await;
    console.store.revoke_sessions(member.user_id(), &by).await.unwrap();
}

#[tokio::test]
async fn a_session_that_was_ended_says_nothing_more_and_joins_nothing() {
    let house = House::new().await;
    let fatou = house.member("fatou").await;
    let live = house.start_live(&fatou).await;
    let address = house.listen().await;
    let mut client = Client::of(address, &fatou, &live).await;
    revoke_unheard(&house, &fatou).await;
    client.say("Bonjour").await;
    assert_eq!(client.refusal().await.0, 401);
    client.send(json!({"type": "live.join", "live_id": live["id"]})).await;
    assert_eq!(client.refusal().await.0, 401);
}

#[tokio::test]
async fn a_client_whose_session_was_ended_is_sent_away() {
    let mut config = config();
    // Looked at with each sign of life that is asked for.
    config.realtime.idle_s = 3;
    let house = House::with(config).await;
    let fatou = house.member("fatou").await;
    let live = house.start_live(&fatou).await;
    let mut client = Client::of(house.listen().await, &fatou, &live).await;
    revoke_unheard(&house, &fatou).await;
    assert_eq!(client.closed().await, Some(4401));
}

/// So rarely that nobody is asked whether he is there, nor looked at, within a test.
fn unasked(mut config: Config) -> Config {
    config.realtime.idle_s = 100_000;
    config
}

#[tokio::test]
async fn all_clients_of_a_member_whose_sessions_are_ended_are_sent_away_at_once_and_no_others() {
    let house = House::with(unasked(config())).await;
    let address = house.listen().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let (mut socket, mut other) = (Client::open(address).await, Client::open(address).await);
    socket.sign_in(&fatou).await;
    other.sign_in(&binta).await;
    let mut reader = Reader::of(address, &fatou, "", "").await;
    assert_eq!(reader.events().await[0]["type"], "session");
    let by = store::By::console(house.now_ms());
    house.store.set_active(fatou.user_id(), false, &by).await.unwrap();
    let away = async {
        assert_eq!(socket.closed().await, Some(4401));
        assert_eq!(reader.line("data: ").await, None, "it ended");
    };
    timeout(UNTOLD, away).await.expect("they are told");
    other.send(json!({"type": "ping"})).await;
    other.next("pong").await;
}

#[tokio::test]
async fn clients_of_another_server_are_sent_away_at_once_where_there_is_a_redis() {
    let redis = Redis::start();
    let one = House::with(unasked(shared(&redis).await)).await;
    let other = one.beside(unasked(shared(&redis).await)).await;
    let (fatou, binta) = (one.member("fatou").await, one.member("binta").await);
    let address = other.listen().await;
    let (mut socket, mut stays) = (Client::open(address).await, Client::open(address).await);
    socket.sign_in(&fatou).await;
    stays.sign_in(&binta).await;
    let by = store::By::console(one.now_ms());
    one.store.revoke_sessions(fatou.user_id(), &by).await.unwrap();
    assert_eq!(socket.closed().await, Some(4401));
    stays.send(json!({"type": "ping"})).await;
    stays.next("pong").await;
}
