use super::*;
use crate::{Store, testing::on_both};

fn names<'a>(places: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    places.into_iter().map(str::to_owned).collect()
}

on_both! {
    async fn the_whole_list_is_there(db: Fixture) {
        let geography = db.geography();
        assert_eq!(geography.regions().len(), 7);
        assert_eq!(geography.prefectures().len(), 7);
        assert_eq!(geography.communes().len(), 11);
        assert_eq!(geography.quartiers().len(), 77);
        for (commune, count) in [("Dixinn", 10), ("Kaloum", 13), ("Matam", 11), ("Matoto", 9)] {
            let id = geography.communes().iter().find(|c| c.name == commune).unwrap().id;
            assert_eq!(geography.quartiers_of(id).count(), count, "{commune}");
        }
    }

    async fn places_stand_in_the_order_of_a_french_reader(db: Fixture) {
        let geography = db.geography();
        let regions = names(geography.regions().iter().map(|region| &*region.name));
        assert_eq!(
            regions,
            ["Boké", "Conakry", "Faranah", "Kankan", "Kindia", "Labé", "Nzérékoré"]
        );
        let conakry = geography.prefectures().iter().find(|p| p.name == "Conakry").unwrap().id;
        let communes = names(geography.communes_of(conakry).map(|commune| &*commune.name));
        assert_eq!(communes, ["Dixinn", "Kaloum", "Matam", "Matoto", "Ratoma"]);

        // Quartiers follow the communes, and É stands with E.
        let first = names(geography.quartiers().iter().take(5).map(|q| &*q.name));
        assert_eq!(
            first,
            ["Boké Centre", "Boké Port", "Kamsar", "Sangarédi", "Cité des Nations"]
        );
        let dixinn = geography.communes().iter().find(|c| c.name == "Dixinn").unwrap().id;
        let dixinn = names(geography.quartiers_of(dixinn).map(|q| &*q.name));
        assert_eq!(
            dixinn[..4],
            ["Cité des Nations", "Cité des Professeurs", "Cité Ministérielle", "Cité Universitaire"]
        );
    }

    async fn a_place_is_found_by_id_with_all_it_lies_in(db: Fixture) {
        let geography = db.geography();
        for quartier in geography.quartiers() {
            assert_eq!(geography.quartier(quartier.id), Some(quartier));
            let commune = geography.commune(quartier.commune.id).unwrap();
            let prefecture = geography.prefecture(commune.prefecture.id).unwrap();
            let region = geography.region(prefecture.region.id).unwrap();
            assert_eq!(&prefecture.region, region);
            assert!(geography.prefectures_of(region.id).any(|p| p.id == prefecture.id));
        }
        let donka = geography.quartier(db.quartier("Dixinn", "Donka")).unwrap();
        assert_eq!(donka.location(), "Donka, Dixinn");
        assert_eq!(donka.full_address(), "Donka, Dixinn, Conakry, Conakry");
        assert_eq!((&*donka.code, &*donka.commune.kind), ("DON", "commune urbaine"));
        assert_eq!((donka.estimated_population, &donka.area_km2), (None, &None));
    }

    async fn an_unknown_place_is_none_and_holds_none(db: Fixture) {
        let geography = db.geography();
        assert_eq!(geography.region(RegionId::new(404)), None);
        assert_eq!(geography.prefecture(PrefectureId::new(404)), None);
        assert_eq!(geography.commune(CommuneId::new(404)), None);
        assert_eq!(geography.quartier(QuartierId::new(404)), None);
        assert_eq!(geography.prefectures_of(RegionId::new(404)).count(), 0);
        assert_eq!(geography.communes_of(PrefectureId::new(404)).count(), 0);
        assert_eq!(geography.quartiers_of(CommuneId::new(404)).count(), 0);
    }

    async fn a_search_sets_accents_and_case_aside(db: Fixture) {
        let geography = db.geography();
        let found = geography.search_quartiers(" KEROUANE ");
        assert_eq!(names(found.iter().map(|q| &*q.name)), ["Kérouané"]);
        assert_eq!(geography.search_quartiers("").len(), 77);
        assert!(geography.search_quartiers("paris").is_empty());
        assert_eq!(geography.search_regions("nzerekore").len(), 1);
        assert_eq!(geography.search_prefectures("Labe").len(), 1);
        assert_eq!(geography.search_communes("mat").len(), 2);
    }

    async fn ids_stay_what_they_are_from_one_start_to_the_next(db: Fixture) {
        let again = Store::open(&db.url).await.unwrap();
        assert_eq!(again.geography().quartiers(), db.geography().quartiers());
        assert_eq!(again.geography().regions(), db.geography().regions());
        again.close().await;
    }

    async fn a_start_corrects_and_completes_and_removes_nothing(db: Fixture) {
        let donka = db.quartier("Dixinn", "Donka");
        let lost = db.quartier("Matam", "Cosa");
        let commune = db.geography().quartier(donka).unwrap().commune.id;
        for change in [
            format!("update quartiers set code = 'XXX' where id = {}", donka.get()),
            format!("update communes set kind = 'inconnue' where id = {}", commune.get()),
            format!("delete from quartiers where id = {}", lost.get()),
            format!(
                "insert into quartiers (commune_id, name, code) values ({}, 'Ajouté', 'AJO')",
                commune.get()
            ),
        ] {
            db.execute(change).await.unwrap();
        }
        let again = Store::open(&db.url).await.unwrap();
        let geography = again.geography();
        assert_eq!(geography.quartiers().len(), 78);
        let quartier = geography.quartier(donka).unwrap();
        assert_eq!((&*quartier.code, &*quartier.commune.kind), ("DON", "commune urbaine"));
        assert_eq!(geography.search_quartiers("cosa").len(), 2, "of Matam again, and of Matoto");
        assert_eq!(geography.search_quartiers("ajoute").len(), 1);
        // Those that were right keep their ids.
        assert_eq!(geography.quartier(db.quartier("Kaloum", "Enta")).unwrap().name, "Enta");
        again.close().await;
    }
}
