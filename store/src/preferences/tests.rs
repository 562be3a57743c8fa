use super::*;
use crate::testing::on_both;

on_both! {
    async fn a_member_wants_everything_until_he_says_otherwise(db: Fixture) {
        let user = db.user_called("fatou").await.id;
        assert_eq!(db.preferences(user).await.unwrap(), Preferences::default());
        let untouched = db.set_preferences(user, &PreferenceChange::default()).await.unwrap();
        assert_eq!(untouched, Preferences::default());
        assert!(Switch::ALL.into_iter().all(|switch| untouched.is_on(switch)));
    }

    async fn a_change_leaves_the_rest_as_it_was(db: Fixture) {
        let user = db.user_called("fatou").await.id;
        let mut expected = Preferences::default();
        for switch in Switch::ALL {
            let mut change = PreferenceChange::default();
            change.set(switch, false);
            expected.is_on[switch as usize] = false;
            assert_eq!(db.set_preferences(user, &change).await.unwrap(), expected, "{switch:?}");
        }
        let change = PreferenceChange { frequency: Some(Frequency::Daily), ..Default::default() };
        expected.frequency = Frequency::Daily;
        assert_eq!(db.set_preferences(user, &change).await.unwrap(), expected);
        let mut change = PreferenceChange::default();
        change.set(Switch::Live, true);
        expected.is_on[Switch::Live as usize] = true;
        assert_eq!(db.set_preferences(user, &change).await.unwrap(), expected);
        assert_eq!(db.preferences(user).await.unwrap(), expected);
        let other = db.user_called("binta").await.id;
        assert_eq!(db.preferences(other).await.unwrap(), Preferences::default());
    }
}

#[test]
fn each_switch_has_the_place_of_its_column() {
    for (place, switch) in Switch::ALL.into_iter().enumerate() {
        assert_eq!(switch as usize, place);
    }
}

#[test]
fn a_frequency_reads_back_as_it_is_stored() {
    for frequency in [Frequency::Immediate, Frequency::Hourly, Frequency::Daily] {
        assert_eq!(Frequency::parse(frequency.as_str()), Some(frequency));
    }
    assert_eq!(Frequency::parse("zzz"), None);
}
