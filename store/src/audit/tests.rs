use super::*;
use crate::testing::{NOW_MS, on_both};

fn by(actor: Actor, now_ms: i64) -> By {
    By { actor, network: "192.0.2.0/24".to_owned(), now_ms }
}

async fn lines(db: &Store, query: AuditQuery) -> Vec<AuditLine> {
    db.audit_lines(&AuditQuery { page: 1, ..query }).await.unwrap().rows
}

on_both! {
    async fn a_line_says_who_did_what_on_whom_when_and_from_where(db: Fixture) {
        let (awa, binta) = (db.user_called("awa").await.id, db.user_called("binta").await.id);
        let by = by(Actor::Member(awa), NOW_MS);
        db.audit(&by, AuditAction::Moderated, Some(binta), "media 12\0").await.unwrap();
        let [line] = &lines(&db, AuditQuery::default()).await[..] else { panic!("one line") };
        assert_eq!((line.at_ms, line.action.as_str()), (NOW_MS, "moderated"));
        assert_eq!((line.actor, line.actor_name.as_deref()), (Actor::Member(awa), Some("awa")));
        assert_eq!((line.subject, line.subject_name.as_deref()), (Some(binta), Some("binta")));
        assert_eq!((line.network.as_str(), line.detail.as_str()), ("192.0.2.0/24", "media 12\u{fffd}"));
    }

    async fn a_detail_is_cut_and_a_visitor_has_no_name(db: Fixture) {
        let visitor = by(Actor::Visitor, NOW_MS);
        db.audit(&visitor, AuditAction::SignInFailed, None, &"é".repeat(1000)).await.unwrap();
        let [line] = &lines(&db, AuditQuery::default()).await[..] else { panic!("one line") };
        assert_eq!(line.detail.chars().count(), DETAIL_MAX_CHARS);
        assert_eq!((line.actor, line.subject, &line.actor_name), (Actor::Visitor, None, &None));
    }

    async fn lines_are_found_by_action_and_by_member_newest_first(db: Fixture) {
        let (awa, binta) = (db.user_called("awa").await.id, db.user_called("binta").await.id);
        for (n, (actor, action, subject)) in [
            (Actor::Member(awa), AuditAction::SignIn, awa),
            (Actor::Member(binta), AuditAction::RoleChanged, awa),
            (Actor::Console, AuditAction::RoleChanged, binta),
        ].into_iter().enumerate() {
            let by = by(actor, NOW_MS + n as i64);
            db.audit(&by, action, Some(subject), &n.to_string()).await.unwrap();
        }
        let told = async |action, user| {
            let query = AuditQuery { action, user, page: 1 };
            let details: Vec<String> =
                lines(&db, query).await.into_iter().map(|line| line.detail).collect();
            details.concat()
        };
        assert_eq!(told(None, None).await, "210");
        assert_eq!(told(Some(AuditAction::RoleChanged), None).await, "21");
        assert_eq!(told(None, Some(binta)).await, "21");
        assert_eq!(told(Some(AuditAction::SignIn), Some(binta)).await, "");
    }

    async fn the_log_is_cut_into_pages(db: Fixture) {
        for n in 0..i64::from(crate::PAGE_SIZE) + 1 {
            db.audit(&by(Actor::Console, n), AuditAction::KeysRotated, None, "").await.unwrap();
        }
        let page = async |page| {
            let query = AuditQuery { page, ..AuditQuery::default() };
            db.audit_lines(&query).await.unwrap()
        };
        let second = page(2).await;
        assert_eq!((second.count, second.rows.len(), second.rows[0].at_ms), (21, 1, 0));
        assert!(!page(3).await.exists() && page(0).await.rows.is_empty());
    }

    async fn what_is_too_old_or_too_much_is_forgotten_and_nothing_else(db: Fixture) {
        for at_ms in 1..=10 {
            db.audit(&by(Actor::Console, at_ms), AuditAction::KeysRotated, None, "").await.unwrap();
        }
        let left = async || {
            let lines = lines(&db, AuditQuery::default()).await;
            (lines.len(), lines.last().map(|line| line.at_ms))
        };
        assert_eq!(db.purge_audit(4, 100).await.unwrap(), 3);
        assert_eq!(left().await, (7, Some(4)));
        assert_eq!(db.purge_audit(0, 5).await.unwrap(), 2);
        assert_eq!(left().await, (5, Some(6)));
        assert_eq!(db.purge_audit(0, 5).await.unwrap(), 0);
    }
}

#[test]
fn an_address_is_kept_as_its_network_alone() {
    for (address, network) in [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
    ] {
        assert_eq!(network_of(address.parse().unwrap()), network);
    }
}

#[test]
fn an_action_reads_back_as_it_is_stored() {
    for action in AuditAction::ALL {
        assert_eq!(AuditAction::named(action.as_str()), Some(action));
    }
    assert_eq!(AuditAction::named("else"), None);
}
