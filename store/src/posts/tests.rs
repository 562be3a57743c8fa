use super::{search::SAMPLE, *};
use crate::{
    NewLive, NewUser,
    testing::{Fixture, NOW_MS, new_live, new_post, on_both},
};

/// Makes an ended live of a new member for each title, a millisecond apart, oldest first; gives
/// the ids of the posts.
async fn posts(db: &Fixture, commune: &str, quartier: &str, titles: &[&str]) -> Vec<PostId> {
    let quartier = db.quartier(commune, quartier);
    let n = crate::testing::next_number();
    let new = NewUser { quartier: Some(quartier), ..db.new_user(&format!("author{n}")) };
    let author = db.create_user(new).await.unwrap().id;
    let mut ids = Vec::new();
    for (age, title) in (0_i64..).zip(titles) {
        let new = NewLive { title: (*title).into(), now_ms: NOW_MS + age, ..new_live(author) };
        ids.push(db.create_live(new).await.unwrap().id.into());
    }
    ids
}

async fn ids(db: &Fixture, query: PostQuery) -> Vec<i64> {
    db.posts(&query).await.unwrap().rows.iter().map(|post| post.id.get()).collect()
}

async fn titles(db: &Fixture, query: PostQuery) -> Vec<String> {
    db.posts(&query).await.unwrap().rows.into_iter().map(|post| post.title).collect()
}

async fn found(db: &Fixture, text: &str) -> Vec<String> {
    titles(db, PostQuery { search: Some(text.into()), ..PostQuery::default() }).await
}

on_both! {
    async fn a_post_comes_with_its_author_place_and_live(db: Fixture) {
        let author = db.user_called("mariama").await;
        let new = new_live(author.id);
        let live = db.create_live(new.clone()).await.unwrap();
        let post = db.post(live.id).await.unwrap().unwrap();

        assert_eq!(post.id.get(), live.id.get());
        assert_eq!((post.author.id, post.author.username.as_str()), (author.id, "mariama"));
        assert_eq!(post.author.quartier, author.quartier);
        assert_eq!(Some(&post.quartier), author.quartier.as_ref());
        assert_eq!((&post.title, &post.content), (&new.title, &new.content));
        assert_eq!(post.post_type, PostType::Info);
        assert!(post.is_live_post && !post.is_pinned && !post.is_anonymous);
        assert_eq!(
            (post.likes_count, post.comments_count, post.views_count, post.shares_count),
            (0, 0, 0, 0)
        );
        assert_eq!((post.created_ms, post.updated_ms), (NOW_MS, NOW_MS));
        assert_eq!(
            post.live,
            Some(PostLive {
                audience: crate::Audience::Public,
                playback_name: new.playback_name,
                description: new.description,
                state: LiveState::Created,
                started_ms: None,
                ended_ms: None,
            })
        );
        assert_eq!(db.posts(&PostQuery::default()).await.unwrap().rows, [post]);
    }

    async fn a_post_stays_in_its_quartier_when_its_author_moves(db: Fixture) {
        let author = db.user_called("mariama").await;
        let live = db.live_of(author.id).await;
        let change = crate::ProfileChange {
            quartier: Some(Some(db.quartier("Dixinn", "Donka"))),
            ..Default::default()
        };
        db.change_profile(author.id, change).await.unwrap();
        let post = db.post(live.id).await.unwrap().unwrap();
        assert_eq!(post.quartier.name, "Almamya");
        assert_eq!(post.author.quartier.unwrap().name, "Donka");
    }

    async fn an_unknown_post_is_none(db: Fixture) {
        assert_eq!(db.post(PostId::new(404)).await.unwrap(), None);
    }

    async fn a_post_without_live_is_a_post(db: Fixture) {
        let id = posts(&db, "Kaloum", "Almamya", &["a"]).await[0];
        db.execute(format!("delete from lives where id = {}", id.get())).await.unwrap();
        assert_eq!(db.post(id).await.unwrap().unwrap().live, None);
    }

    async fn a_reader_sees_the_posts_of_his_commune(db: Fixture) {
        posts(&db, "Kaloum", "Almamya", &["kaloum 1"]).await;
        posts(&db, "Kaloum", "Kaporo", &["kaloum 2"]).await;
        posts(&db, "Dixinn", "Donka", &["dixinn"]).await;
        let quartier = db.geography().quartier(db.quartier("Kaloum", "Enta")).unwrap();
        let scope = Scope::Commune(quartier.commune.id);

        let here = titles(&db, PostQuery { scope, ..Default::default() }).await;
        assert_eq!(here, ["kaloum 2", "kaloum 1"]);
        assert_eq!(titles(&db, PostQuery::default()).await.len(), 3);
        let nowhere = Scope::Commune(CommuneId::new(404));
        assert!(titles(&db, PostQuery { scope: nowhere, ..Default::default() }).await.is_empty());
    }

    async fn posts_are_told_apart_by_type_and_live_mark(db: Fixture) {
        // Each live of one author ends the one before.
        let made = posts(&db, "Kaloum", "Almamya", &["ended", "event", "going on"]).await;
        let event = made[1].get();
        db.execute(format!("update posts set post_type = 'event' where id = {event}"))
            .await
            .unwrap();
        let of = |post_type, is_live_post| PostQuery {
            post_type,
            is_live_post,
            ..PostQuery::default()
        };
        assert_eq!(titles(&db, of(None, Some(true))).await, ["going on"]);
        assert_eq!(titles(&db, of(None, Some(false))).await, ["event", "ended"]);
        assert_eq!(titles(&db, of(Some(PostType::Event), None)).await, ["event"]);
        assert_eq!(titles(&db, of(Some(PostType::Info), Some(false))).await, ["ended"]);
        assert!(titles(&db, of(Some(PostType::Help), None)).await.is_empty());
    }

    async fn posts_are_sorted_as_asked(db: Fixture) {
        let made = posts(&db, "Kaloum", "Almamya", &["a", "b", "c"]).await;
        let liked = made[1].get();
        db.execute(format!("update posts set likes_count = 5 where id = {liked}")).await.unwrap();
        for (sort, expected) in [
            (PostSort::Newest, ["c", "b", "a"]),
            (PostSort::Oldest, ["a", "b", "c"]),
            (PostSort::MostLiked, ["b", "c", "a"]),
            (PostSort::LeastLiked, ["a", "c", "b"]),
        ] {
            assert_eq!(titles(&db, PostQuery { sort, ..Default::default() }).await, expected);
        }
    }

    async fn pages_hold_every_post_once(db: Fixture) {
        let names: Vec<_> = (0..41).map(|n| n.to_string()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut expected: Vec<_> =
            posts(&db, "Kaloum", "Almamya", &names).await.into_iter().map(PostId::get).collect();
        // All at one instant: the order must not depend on it.
        db.execute(format!("update posts set created_ms = {NOW_MS}")).await.unwrap();
        let mut seen = Vec::new();
        for (page, rows) in [(1, 20), (2, 20), (3, 1)] {
            let query = PostQuery { page, ..PostQuery::default() };
            let answer = db.posts(&query).await.unwrap();
            assert_eq!((answer.count, answer.number, answer.rows.len()), (41, page, rows));
            assert!(answer.exists());
            seen.extend(ids(&db, query).await);
        }
        expected.reverse();
        assert_eq!(seen, expected);
        for page in [0, 4, u32::MAX] {
            let answer = db.posts(&PostQuery { page, ..PostQuery::default() }).await.unwrap();
            assert!(answer.rows.is_empty() && !answer.exists());
        }
    }

    async fn pages_far_into_a_list_are_those_of_the_list(db: Fixture) {
        let author = db.user_called("mariama").await;
        let quartier = author.quartier.as_ref().unwrap();
        let (quartier, commune) = (quartier.id.get(), quartier.commune.id);
        let count = 2_700_i64;
        // Four days and a half, out of order, two posts to an instant; every fifth post of another commune.
        let created_ms = |n: i64| NOW_MS + n * 7919 % count / 2 * 300_000;
        db.execute(format!(
            "insert into posts (author_id, quartier_id, commune_id, title, content, post_type, is_live_post, created_ms, updated_ms)
             with recursive s (n) as (select 1 union all select n + 1 from s where n < {count})
             select {author}, {quartier}, case when n % 5 = 0 then {other} else {commune} end, '' || n, '', 'info', 0,
                 cast({NOW_MS} as bigint) + n * 7919 % {count} / 2 * 300000, 0
             from s order by n",
            author = author.id, commune = commune.get(), other = commune.get() % 11 + 1,
        ))
        .await
        .unwrap();
        let check = async |posts: Vec<(i64, i64)>| {
            let of = |scope: Scope| {
                let is_of = |n: i64| scope == Scope::Everywhere || n % 5 != 0;
                let mut expected: Vec<_> = posts.iter().filter(|(_, n)| is_of(*n)).collect();
                expected.sort_unstable();
                expected.into_iter().map(|(_, n)| n.to_string()).collect::<Vec<_>>()
            };
            for scope in [Scope::Everywhere, Scope::Commune(commune)] {
                let oldest = of(scope);
                let newest: Vec<_> = oldest.iter().rev().cloned().collect();
                for (sort, all) in [(PostSort::Oldest, oldest), (PostSort::Newest, newest)] {
                    for (number, page) in all.chunks(20).enumerate().step_by(7) {
                        let query = PostQuery { scope, sort, page: number as u32 + 1, ..Default::default() };
                        assert_eq!(titles(&db, query).await, page, "page {number} of {scope:?}, {sort:?}");
                    }
                }
            }
        };
        check((1..=count).map(|n| (created_ms(n), n)).collect()).await;

        // Posts that go, and are moved to another day, take their place along.
        db.execute("delete from posts where cast(title as bigint) % 7 = 0".into()).await.unwrap();
        db.execute(format!("update posts set created_ms = created_ms + {DAY_MS} where cast(title as bigint) % 3 = 0"))
            .await
            .unwrap();
        let left = (1..=count).filter(|n| n % 7 != 0);
        check(left.map(|n| (created_ms(n) + if n % 3 == 0 { DAY_MS } else { 0 }, n)).collect()).await;
        let wrong = db.number(
            "select count(*) from post_days d where posts <> (select count(*) from posts p
                 where p.commune_id = d.commune_id and p.created_ms / 86400000 = d.day)",
        );
        assert_eq!(wrong.await, 0);
    }

    async fn a_search_sees_title_text_and_author(db: Fixture) {
        posts(&db, "Kaloum", "Almamya", &["Fête à Guéckédou", "Marché"]).await;
        let author = db
            .create_user(NewUser {
                first_name: "Aïssatou".into(),
                last_name: "Baldé".into(),
                ..db.new_user("aissa92")
            })
            .await
            .unwrap();
        let new = NewLive { title: "Match".into(), content: "à Nongo".into(), ..new_live(author.id) };
        db.create_live(new).await.unwrap();

        for text in ["gueckedou", "FÊTE A", " Guéckédou "] {
            assert_eq!(found(&db, text).await, ["Fête à Guéckédou"], "{text}");
        }
        for text in ["nongo", "aissatou bal", "BALDÉ", "Aissa92"] {
            assert_eq!(found(&db, text).await, ["Match"], "{text}");
        }
        assert!(found(&db, "nowhere").await.is_empty());
        assert_eq!(found(&db, "  ").await.len(), 3);
        assert!(found(&db, "\0").await.is_empty());
    }

    async fn a_search_follows_a_changed_name(db: Fixture) {
        let author = db.user_called("mariama").await;
        db.live_of(author.id).await;
        let change =
            crate::ProfileChange { last_name: Some("Touré".into()), ..Default::default() };
        db.change_profile(author.id, change).await.unwrap();
        assert_eq!(found(&db, "mariama toure").await.len(), 1);
        assert!(found(&db, "camara").await.is_empty());
    }

    async fn what_many_have_and_what_few_have_is_found_among_thousands(db: Fixture) {
        let author = db.user_called("mariama").await;
        let quartier = author.quartier.as_ref().unwrap();
        let (id, commune) = (quartier.id.get(), quartier.commune.id);
        let count = i64::from(SAMPLE) + 300;
        for into in [
            format!(
                "posts (author_id, quartier_id, commune_id, title, content, post_type, is_live_post, created_ms, updated_ms)
                 with recursive s (n) as (select 1 union all select n + 1 from s where n < {count})
                 select {author}, {id}, {commune}, '' || n, '', case when n % 2 = 0 then 'help' else 'info' end, 0,
                     cast({NOW_MS} as bigint) + n, 0 from s order by n",
                author = author.id, commune = commune.get(),
            ),
            "post_search (rowid, place, words, author)
             select id, '/' || commune_id || '/', 'tous' || case when cast(title as bigint) % 100 = 0 then ' cent' else '' end
                 || case when cast(title as bigint) % 1000 = 8 then ' mille_' else '' end
                 || case when cast(title as bigint) < 50 then ' vieux' when cast(title as bigint) > 4240 then ' neuf' else '' end, '' from posts"
                .to_owned(),
        ] {
            db.execute(format!("insert into {into}")).await.unwrap();
        }
        for scope in [Scope::Everywhere, Scope::Commune(commune)] {
            let has = |text: &str, n: i64| match text {
                "tous" => true,
                "cent" | "tous cent" => n % 100 == 0,
                "mille_" => n % 1000 == 8,
                "vieux" => n < 50,
                "neuf" => n > 4240,
                _ => false,
            };
            for text in ["tous", "cent", "tous cent", "mille_", "mille%", "vieux", "neuf"] {
                let having: Vec<_> = (1..=count).rev().filter(|n| has(text, *n)).collect();
                for (post_type, step) in [(None, 1), (Some(PostType::Help), 2)] {
                    let having = having.iter().filter(|n| *n % step == 0).take(SEARCH_MAX as usize);
                    let having: Vec<_> = having.map(i64::to_string).collect();
                    let query = PostQuery { scope, post_type, search: Some(text.into()), ..Default::default() };
                    let page = db.posts(&query).await.unwrap();
                    let found: Vec<_> = page.rows.into_iter().map(|post| post.title).collect();
                    assert_eq!(page.count, having.len() as u64, "{text} of {scope:?}, {post_type:?}");
                    assert_eq!(found, having[..having.len().min(20)], "{text} of {scope:?}, {post_type:?}");
                }
            }
        }
    }

    async fn the_signs_of_a_pattern_are_searched_as_they_are(db: Fixture) {
        posts(&db, "Kaloum", "Almamya", &["100 % gratuit", r"a\b", "x_y", "xzy"]).await;
        assert_eq!(found(&db, "100 %").await, ["100 % gratuit"]);
        assert_eq!(found(&db, "x_y").await, ["x_y"]);
        assert_eq!(found(&db, r"a\b").await, [r"a\b"]);
        assert_eq!(found(&db, "%").await, ["100 % gratuit"]);
    }

    async fn a_search_stays_in_its_commune_and_takes_every_filter(db: Fixture) {
        posts(&db, "Kaloum", "Almamya", &["fête kaloum", "fête liée", "marché"]).await;
        posts(&db, "Dixinn", "Donka", &["fête dixinn"]).await;
        let of = |name: &str, quartier: &str| {
            let id = db.quartier(name, quartier);
            Scope::Commune(db.geography().quartier(id).unwrap().commune.id)
        };
        // Three characters and more are in an index, one or two are not.
        for text in ["FETE", "fe"] {
            let search = |scope| PostQuery { scope, search: Some(text.into()), ..Default::default() };
            let here = of("Kaloum", "Almamya");
            assert_eq!(titles(&db, search(Scope::Everywhere)).await.len(), 3);
            assert_eq!(titles(&db, search(here)).await, ["fête liée", "fête kaloum"]);
            let oldest = PostQuery { sort: PostSort::Oldest, ..search(here) };
            assert_eq!(titles(&db, oldest).await, ["fête kaloum", "fête liée"]);
            let lives = PostQuery { is_live_post: Some(true), ..search(here) };
            assert!(titles(&db, lives).await.is_empty());
            let mine = db.posts(&search(here)).await.unwrap().rows[0].author.id;
            assert_eq!(titles(&db, search(Scope::Author(mine))).await.len(), 2);
        }
        assert!(found(&db, "\"fête\" OR").await.is_empty(), "no language, only letters");
    }

    async fn a_search_finds_the_newest_and_says_so(db: Fixture) {
        let author = db.user_called("mariama").await.id;
        let first = db.post_of(author).await.get();
        let many = i64::from(SEARCH_MAX) + 10;
        db.execute(format!(
            "insert into posts (author_id, quartier_id, commune_id, title, content, created_ms, updated_ms)
             select p.author_id, p.quartier_id, p.commune_id, 'copie', '', p.created_ms + n, 0
             from posts p, (with recursive r (n) as (select 1 union all select n + 1 from r where n < {many})
                            select n from r) copies where p.id = {first}"
        ))
        .await
        .unwrap();
        db.execute(format!(
            "insert into post_search (rowid, place, words, author)
             select id, '/' || commune_id || '/', title, '' from posts where id <> {first}"
        ))
        .await
        .unwrap();
        let query = PostQuery { search: Some("COPIE".into()), page: 10, ..PostQuery::default() };
        let last = db.posts(&query).await.unwrap();
        assert_eq!((last.count, last.rows.len(), last.next()), (u64::from(SEARCH_MAX), 20, None));
        assert_eq!(last.rows[19].id.get(), first + 11);
        let query = PostQuery { page: 11, ..query };
        assert!(!db.posts(&query).await.unwrap().exists());
    }

    async fn posts_are_counted_whatever_becomes_of_them(db: Fixture) {
        let author = db.user_called("mariama").await.id;
        let (first, second) = (db.post_of(author).await, db.post_of(author).await);
        let live = db.live_of(author).await;
        let counts = async || {
            let kept = db.number("select cast(coalesce(sum(posts), 0) as bigint) from post_counts");
            (kept.await, db.posts(&PostQuery::default()).await.unwrap().count)
        };
        assert_eq!(counts().await, (3, 3));
        let of = |post_type, is_live_post| PostQuery { post_type, is_live_post, ..Default::default() };
        let count = async |query| db.posts(&query).await.unwrap().count;
        assert_eq!(count(of(Some(PostType::Event), None)).await, 2);
        let change = PostChange { post_type: Some(PostType::Help), ..PostChange::default() };
        db.update_post(first, change, NOW_MS).await.unwrap();
        assert_eq!(count(of(Some(PostType::Event), None)).await, 1);
        assert_eq!(count(of(Some(PostType::Help), Some(false))).await, 1);
        assert_eq!(count(of(None, Some(true))).await, 1);
        db.set_live_state(live.id, &[LiveState::Created], LiveState::Ended, NOW_MS).await.unwrap();
        assert_eq!(count(of(None, Some(true))).await, 0);
        db.delete_post(second).await.unwrap();
        assert_eq!(counts().await, (2, 2));
        // A member takes his posts with him, and what finds them.
        db.execute(format!("delete from users where id = {author}")).await.unwrap();
        assert_eq!(counts().await, (0, 0));
        assert_eq!(db.number("select count(*) from post_search").await, 0);
    }

    async fn every_write_is_counted_before_its_caller_knows(db: Fixture) {
        let author = db.user_called("mariama").await.id;
        let before = db.writes();
        let post = db.post_of(author).await;
        let written = db.writes();
        assert!(written > before);
        db.posts(&PostQuery::default()).await.unwrap();
        assert_eq!(db.writes(), written, "reading is no write");
        db.set_last_login(author, NOW_MS).await.unwrap();
        assert!(db.writes() > written);
        let written = db.writes();
        db.like(post, author, NOW_MS).await.unwrap();
        assert!(db.writes() > written);
    }

    async fn an_anonymous_post_is_not_found_by_its_author(db: Fixture) {
        let author = db.user_called("mariama").await;
        let live = db.live_of(author.id).await;
        let change = PostChange { is_anonymous: Some(true), ..PostChange::default() };
        assert!(db.update_post(live.id.into(), change, NOW_MS).await.unwrap());
        assert!(found(&db, "mariama").await.is_empty());
        assert_eq!(found(&db, "quartier").await.len(), 1);
        assert!(db.post(live.id).await.unwrap().unwrap().is_anonymous);
    }

    async fn a_written_post_is_found_as_it_was_written(db: Fixture) {
        let author = db.user_called("mariama").await;
        for is_anonymous in [false, true] {
            let new = NewPost { is_anonymous, ..new_post(author.id) };
            let post = db.post(db.create_post(new.clone()).await.unwrap()).await.unwrap().unwrap();
            assert_eq!((post.author.id, Some(&post.quartier)), (author.id, author.quartier.as_ref()));
            assert_eq!((&post.title, &post.content), (&new.title, &new.content));
            assert_eq!((post.post_type, post.is_anonymous), (new.post_type, is_anonymous));
            assert_eq!((post.created_ms, post.updated_ms), (NOW_MS, NOW_MS));
            assert!(!post.is_live_post && !post.is_pinned && post.live.is_none());
        }
        assert_eq!(found(&db, "MADINA").await.len(), 2);
    }

    async fn a_post_needs_an_author_who_lives_somewhere(db: Fixture) {
        let homeless =
            db.create_user(NewUser { quartier: None, ..db.new_user("nomade") }).await.unwrap();
        for author in [homeless.id, UserId::new(404)] {
            let refused = db.create_post(new_post(author)).await;
            assert!(matches!(refused, Err(Error::NoQuartier)));
        }
        assert_eq!(db.posts(&PostQuery::default()).await.unwrap().count, 0);
    }

    async fn a_changed_post_is_searched_by_what_it_says_now(db: Fixture) {
        let id = db.post_of(db.user_called("mariama").await.id).await;
        let before = db.post(id).await.unwrap().unwrap();
        let change = PostChange { title: Some("Fête".into()), ..PostChange::default() };
        assert!(db.update_post(id, change, NOW_MS + 5).await.unwrap());
        let after = db.post(id).await.unwrap().unwrap();
        let expected = Post { title: "Fête".into(), updated_ms: NOW_MS + 5, ..before };
        assert_eq!(after, expected);
        assert_eq!((found(&db, "fete").await.len(), found(&db, "madina").await.len()), (1, 1));

        let change = PostChange {
            content: Some("Rien".into()),
            post_type: Some(PostType::Help),
            is_anonymous: Some(true),
            ..PostChange::default()
        };
        assert!(db.update_post(id, change, NOW_MS + 6).await.unwrap());
        let after = db.post(id).await.unwrap().unwrap();
        assert_eq!((after.title.as_str(), after.content.as_str()), ("Fête", "Rien"));
        assert_eq!((after.post_type, after.is_anonymous), (PostType::Help, true));
        assert_eq!((found(&db, "fete").await.len(), found(&db, "madina").await.len()), (1, 0));
        let nothing = PostChange::default();
        assert!(!db.update_post(PostId::new(404), nothing, NOW_MS).await.unwrap());
    }

    async fn a_deleted_post_takes_with_it_all_that_is_about_it(db: Fixture) {
        let author = db.user_called("mariama").await;
        let live = db.live_of(author.id).await;
        let post = PostId::from(live.id);
        db.like(post, author.id, NOW_MS).await.unwrap();
        db.count_view(post, author.id, NOW_MS).await.unwrap();
        let comment = crate::NewComment {
            post,
            parent: None,
            author: &author,
            content: "Bravo".into(),
            is_anonymous: None,
            now_ms: NOW_MS,
        };
        let above = db.create_comment(comment.clone()).await.unwrap().id;
        db.create_comment(crate::NewComment { parent: Some(above), ..comment }).await.unwrap();

        assert!(db.delete_post(post).await.unwrap());
        assert_eq!(db.post(post).await.unwrap(), None);
        assert_eq!(db.live(live.id).await.unwrap(), None);
        for table in ["likes", "comments", "post_views"] {
            assert_eq!(db.number(&format!("select count(*) from {table}")).await, 0, "{table}");
        }
        assert!(!db.delete_post(post).await.unwrap());
    }

    async fn a_post_deleted_while_its_live_changes_is_gone_and_nobody_fails(db: Fixture) {
        let author = db.user_called("mariama").await.id;
        for _ in 0..8 {
            let live = db.live_of(author).await.id;
            let (publisher, owner) = (db.clone(), db.clone());
            let (moved, deleted) = tokio::join!(
                tokio::spawn(async move {
                    let from = [LiveState::Created];
                    publisher.set_live_state(live, &from, LiveState::Ended, NOW_MS).await.unwrap()
                }),
                tokio::spawn(async move { owner.delete_post(live.into()).await.unwrap() }),
            );
            moved.unwrap();
            assert!(deleted.unwrap());
            assert_eq!(db.live(live).await.unwrap(), None);
        }
    }

    async fn a_view_is_counted_each_time_and_its_viewer_once(db: Fixture) {
        let (author, reader) = (db.user_called("mariama").await.id, db.user_called("hawa").await.id);
        let id = db.post_of(author).await;
        let views: Vec<_> = (0..10)
            .map(|n| {
                let db = db.clone();
                let by = if n % 2 == 0 { author } else { reader };
                tokio::spawn(async move { db.count_view(id, by, NOW_MS).await.unwrap() })
            })
            .collect();
        for view in views {
            assert!(view.await.unwrap());
        }
        assert_eq!(db.post(id).await.unwrap().unwrap().views_count, 10);
        assert_eq!(db.unique_views(id).await.unwrap(), 2);
        assert!(!db.count_view(PostId::new(404), reader, NOW_MS).await.unwrap());
    }

    async fn the_posts_of_one_member_are_his_wherever_they_belong(db: Fixture) {
        let (author, other) = (db.user_called("mariama").await.id, db.user_called("hawa").await.id);
        let first = db.post_of(author).await;
        db.post_of(other).await;
        let change = crate::ProfileChange {
            quartier: Some(Some(db.quartier("Dixinn", "Donka"))),
            ..Default::default()
        };
        db.change_profile(author, change).await.unwrap();
        let hidden =
            db.create_post(NewPost { is_anonymous: true, ..new_post(author) }).await.unwrap();
        let of = |is_anonymous| PostQuery {
            scope: Scope::Author(author),
            is_anonymous,
            ..PostQuery::default()
        };
        assert_eq!(ids(&db, of(None)).await, [hidden.get(), first.get()]);
        assert_eq!(ids(&db, of(Some(false))).await, [first.get()]);
        assert_eq!(ids(&db, of(Some(true))).await, [hidden.get()]);
        let nobody = PostQuery { scope: Scope::Author(UserId::new(404)), ..of(None) };
        assert_eq!(db.posts(&nobody).await.unwrap().count, 0);
    }
}

#[test]
fn a_type_reads_back_as_it_is_stored() {
    use PostType::{Announcement, Discussion, Event, Help, Info, Live};
    for post_type in [Info, Event, Help, Announcement, Discussion, Live] {
        assert_eq!(PostType::parse(post_type.as_str()), Some(post_type));
    }
    assert_eq!(PostType::parse("zzz"), None);
}
