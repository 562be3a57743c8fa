use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Instant,
};

use super::*;
use crate::{
    NewPost, Store,
    testing::{Fixture, NOW_MS, new_post, on_sqlite},
};

fn file_of(db: &Fixture) -> PathBuf {
    sqlite_file(&db.url).expect("a file")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_taken_under_load_has_all_that_was_acknowledged_and_holds_together() {
    on_sqlite(|db| async move {
        const WRITERS: usize = 4;
        let mut authors = Vec::new();
        for n in 0..WRITERS {
            authors.push(db.user_called(&format!("writer{n}")).await.id);
        }
        let first = db.post_of(authors[0]).await;
        let stop = Arc::new(AtomicBool::new(false));
        let (acknowledged, slowest_us) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
        let writers: Vec<_> = authors
            .iter()
            .map(|author| {
                let (db, author, stop) = (db.clone(), *author, stop.clone());
                let (acknowledged, slowest_us) = (acknowledged.clone(), slowest_us.clone());
                tokio::spawn(async move {
                    let mut n = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let before = Instant::now();
                        n += 1;
                        // Rows, counts and the index of words change together.
                        let new =
                            NewPost { content: format!("mot{author}x{n}"), ..new_post(author) };
                        let post = db.create_post(new).await.unwrap();
                        db.like(post, author, NOW_MS).await.unwrap();
                        db.count_view(first, author, NOW_MS).await.unwrap();
                        acknowledged.fetch_max(post.get(), Ordering::SeqCst);
                        let took = i64::try_from(before.elapsed().as_micros()).unwrap();
                        slowest_us.fetch_max(took, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let to = file_of(&db).with_file_name("copy.sqlite");
        for round in 1..=3 {
            while acknowledged.load(Ordering::SeqCst) < round * 40 {
                tokio::task::yield_now().await;
            }
            let before = db.number("select count(*) from posts").await;
            let known = acknowledged.load(Ordering::SeqCst);
            let told = AtomicI64::new(0);
            let tell = |_, _| _ = told.fetch_add(1, Ordering::Relaxed);
            let copy = copy(&file_of(&db), &to, tell).await.unwrap();
            assert_eq!(copy.step, known_steps().last().unwrap().0);
            assert!(told.load(Ordering::Relaxed) > 0);

            let read = Store::open(&format!("sqlite:{}", to.display())).await.unwrap();
            let read = Fixture::of(read);
            assert!(read.number("select count(*) from posts").await >= before);
            assert!(read.number("select max(id) from posts").await >= known);
            // A copy is one state: every count agrees with what it counts.
            for wrong in [
                "select count(*) from posts p where likes_count <>
                     (select count(*) from likes k where k.post_id = p.id)",
                "select (select sum(posts) from post_counts) - (select count(*) from posts)",
                "select (select sum(posts) from post_days) - (select count(*) from posts)",
                "select (select count(*) from post_search) - (select count(*) from posts)",
                "select count(*) from pragma_foreign_key_check",
            ] {
                assert_eq!(read.number(wrong).await, 0, "{wrong}");
            }
            read.close().await;
            fs::remove_file(&to).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        let slowest = Duration::from_micros(slowest_us.load(Ordering::Relaxed).cast_unsigned());
        println!("{} posts, slowest of a writer {slowest:?}", acknowledged.load(Ordering::SeqCst));
        // Writers wait for one another, never for the copy: the limit of SQLite's own wait is far off.
        assert!(slowest < BUSY_TIMEOUT, "{slowest:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_for_its_owner_only_and_outlives_what_is_written_later() {
    use std::os::unix::fs::PermissionsExt as _;
    on_sqlite(|db| async move {
        let author = db.user_called("mariama").await.id;
        db.post_of(author).await;
        let to = file_of(&db).with_file_name("copy.sqlite");
        copy(&file_of(&db), &to, |_, _| ()).await.unwrap();
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        db.post_of(author).await;
        let read = Fixture::of(Store::open(&format!("sqlite:{}", to.display())).await.unwrap());
        assert_eq!(read.number("select count(*) from posts").await, 1);
        read.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_database_of_ours_is_refused_by_name() {
    on_sqlite(|db| async move {
        let author = db.user_called("mariama").await.id;
        for _ in 0..200 {
            db.post_of(author).await;
        }
        let to = file_of(&db).with_file_name("copy.sqlite");
        copy(&file_of(&db), &to, |_, _| ()).await.unwrap();
        let good = fs::read(&to).unwrap();

        let mut torn = good.clone();
        torn.truncate(good.len() / 2);
        fs::write(&to, &torn).unwrap();
        assert!(matches!(verify(&to).await, Err(Error::Damaged { .. })));

        let mut scribbled = good.clone();
        for page in 2..good.len() / 4096 {
            scribbled[page * 4096..page * 4096 + 200].fill(0xff);
        }
        fs::write(&to, &scribbled).unwrap();
        assert!(matches!(verify(&to).await, Err(Error::Damaged { .. })));

        fs::write(&to, b"not a database at all, whatever it is called").unwrap();
        assert!(matches!(verify(&to).await, Err(Error::Damaged { .. })));

        fs::write(&to, &good).unwrap();
        let newer = Fixture::of(Store::open(&format!("sqlite:{}", to.display())).await.unwrap());
        let later = "insert into _sqlx_migrations \
            (version, description, success, checksum, execution_time) \
            select 999, 'later', success, checksum, 0 from _sqlx_migrations where version = 1";
        newer.execute(later.to_owned()).await.unwrap();
        newer.close().await;
        assert!(matches!(verify(&to).await, Err(Error::Migration(_))));

        fs::remove_file(&to).unwrap();
        prepare_file(&to).unwrap();
        assert!(matches!(verify(&to).await, Err(Error::Migration(_))), "empty");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_refer_to_nothing_are_found() {
    on_sqlite(|db| async move {
        let author = db.user_called("mariama").await.id;
        db.post_of(author).await;
        let to = file_of(&db).with_file_name("copy.sqlite");
        copy(&file_of(&db), &to, |_, _| ()).await.unwrap();
        let mut connection = SqliteConnection::connect_with(
            &SqliteConnectOptions::new().filename(&to).foreign_keys(false),
        )
        .await
        .unwrap();
        sqlx::query("update posts set author_id = 404").execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let error = verify(&to).await.unwrap_err();
        assert!(error.to_string().contains("1 rows refer"), "{error}");
    })
    .await;
}
