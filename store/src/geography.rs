//! Regions, prefectures, communes and quartiers: read-only, in memory.
//!
//! Here: the places and how they are found. Not here: how they got into the database (`seed`).

pub(crate) mod seed;

use std::{collections::HashMap, sync::Arc};

use crate::text::fold;

macro_rules! place_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(i64);

        impl $name {
            /// Wraps a number, which need not be the id of anything.
            pub const fn new(id: i64) -> Self {
                Self(id)
            }

            /// The number itself.
            pub const fn get(self) -> i64 {
                self.0
            }
        }
    };
}

place_id!(
    /// Names a region.
    RegionId
);
place_id!(
    /// Names a prefecture.
    PrefectureId
);
place_id!(
    /// Names a commune.
    CommuneId
);
place_id!(
    /// Names a quartier.
    QuartierId
);

/// A region: the widest place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Stable across restarts.
    pub id: RegionId,
    /// Unique.
    pub name: String,
    /// Three letters; not unique across levels.
    pub code: String,
}

/// A prefecture of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefecture {
    /// Stable across restarts.
    pub id: PrefectureId,
    /// Unique within the region.
    pub name: String,
    /// Three letters; not unique across levels.
    pub code: String,
    /// Where it is.
    pub region: Arc<Region>,
}

/// A commune of a prefecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commune {
    /// Stable across restarts.
    pub id: CommuneId,
    /// Unique within the prefecture.
    pub name: String,
    /// What kind of commune, in the words of the list: "commune urbaine".
    pub kind: String,
    /// Three letters; not unique.
    pub code: String,
    /// Where it is.
    pub prefecture: Arc<Prefecture>,
}

/// A quartier of a commune: where a member lives and a post belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quartier {
    /// Stable across restarts.
    pub id: QuartierId,
    /// Unique within the commune only.
    pub name: String,
    /// Three letters; not unique.
    pub code: String,
    /// Where it is.
    pub commune: Arc<Commune>,
    /// Inhabitants, where known.
    pub estimated_population: Option<i64>,
    /// Area in km² as a decimal number, where known.
    pub area_km2: Option<String>,
}

impl Quartier {
    /// "quartier, commune".
    pub fn location(&self) -> String {
        format!("{}, {}", self.name, self.commune.name)
    }

    /// "quartier, commune, préfecture, région".
    pub fn full_address(&self) -> String {
        let prefecture = &self.commune.prefecture;
        format!("{}, {}, {}", self.location(), prefecture.name, prefecture.region.name)
    }
}

/// All places, each level in the order of its readers: by region, then prefecture, commune and
/// quartier name, accents and case set aside.
#[derive(Debug, Default)]
pub struct Geography {
    regions: Vec<Arc<Region>>,
    prefectures: Vec<Arc<Prefecture>>,
    communes: Vec<Arc<Commune>>,
    quartiers: Vec<Arc<Quartier>>,
    quartier_by_id: HashMap<QuartierId, Arc<Quartier>>,
}

impl Geography {
    fn new(
        mut regions: Vec<Arc<Region>>,
        mut prefectures: Vec<Arc<Prefecture>>,
        mut communes: Vec<Arc<Commune>>,
        mut quartiers: Vec<Arc<Quartier>>,
    ) -> Self {
        regions.sort_by_cached_key(|region| region.rank());
        prefectures.sort_by_cached_key(|prefecture| prefecture.rank());
        communes.sort_by_cached_key(|commune| commune.rank());
        quartiers.sort_by_cached_key(|quartier| {
            (quartier.commune.rank(), rank(&quartier.name), quartier.id)
        });
        let quartier_by_id =
            quartiers.iter().map(|quartier| (quartier.id, quartier.clone())).collect();
        Self { regions, prefectures, communes, quartiers, quartier_by_id }
    }

    /// All regions.
    pub fn regions(&self) -> &[Arc<Region>] {
        &self.regions
    }

    /// All prefectures.
    pub fn prefectures(&self) -> &[Arc<Prefecture>] {
        &self.prefectures
    }

    /// All communes.
    pub fn communes(&self) -> &[Arc<Commune>] {
        &self.communes
    }

    /// All quartiers.
    pub fn quartiers(&self) -> &[Arc<Quartier>] {
        &self.quartiers
    }

    /// The region of this id.
    pub fn region(&self, id: RegionId) -> Option<&Arc<Region>> {
        self.regions.iter().find(|region| region.id == id)
    }

    /// The prefecture of this id.
    pub fn prefecture(&self, id: PrefectureId) -> Option<&Arc<Prefecture>> {
        self.prefectures.iter().find(|prefecture| prefecture.id == id)
    }

    /// The commune of this id.
    pub fn commune(&self, id: CommuneId) -> Option<&Arc<Commune>> {
        self.communes.iter().find(|commune| commune.id == id)
    }

    /// The quartier of this id.
    pub fn quartier(&self, id: QuartierId) -> Option<&Arc<Quartier>> {
        self.quartier_by_id.get(&id)
    }

    /// The prefectures of a region; none if there is no such region.
    pub fn prefectures_of(&self, region: RegionId) -> impl Iterator<Item = &Arc<Prefecture>> {
        self.prefectures.iter().filter(move |prefecture| prefecture.region.id == region)
    }

    /// The communes of a prefecture; none if there is no such prefecture.
    pub fn communes_of(&self, prefecture: PrefectureId) -> impl Iterator<Item = &Arc<Commune>> {
        self.communes.iter().filter(move |commune| commune.prefecture.id == prefecture)
    }

    /// The quartiers of a commune; none if there is no such commune.
    pub fn quartiers_of(&self, commune: CommuneId) -> impl Iterator<Item = &Arc<Quartier>> {
        self.quartiers.iter().filter(move |quartier| quartier.commune.id == commune)
    }

    /// The regions whose name contains `text`, accents and case set aside; all if it is empty.
    pub fn search_regions(&self, text: &str) -> Vec<Arc<Region>> {
        search(&self.regions, text, |region| &region.name)
    }

    /// As [`Geography::search_regions`], among prefectures.
    pub fn search_prefectures(&self, text: &str) -> Vec<Arc<Prefecture>> {
        search(&self.prefectures, text, |prefecture| &prefecture.name)
    }

    /// As [`Geography::search_regions`], among communes.
    pub fn search_communes(&self, text: &str) -> Vec<Arc<Commune>> {
        search(&self.communes, text, |commune| &commune.name)
    }

    /// As [`Geography::search_regions`], among quartiers.
    pub fn search_quartiers(&self, text: &str) -> Vec<Arc<Quartier>> {
        search(&self.quartiers, text, |quartier| &quartier.name)
    }
}

/// Where a name stands among others: as a reader looks it up, then as it is written.
type Rank = (String, String);

fn rank(name: &str) -> Rank {
    (fold(name), name.to_owned())
}

impl Region {
    fn rank(&self) -> Rank {
        rank(&self.name)
    }
}

impl Prefecture {
    fn rank(&self) -> (Rank, Rank) {
        (self.region.rank(), rank(&self.name))
    }
}

impl Commune {
    fn rank(&self) -> ((Rank, Rank), Rank) {
        (self.prefecture.rank(), rank(&self.name))
    }
}

fn search<P>(places: &[Arc<P>], text: &str, name: impl Fn(&P) -> &str) -> Vec<Arc<P>> {
    let wanted = fold(text.trim());
    places.iter().filter(|place| fold(name(place)).contains(&wanted)).cloned().collect()
}

#[cfg(test)]
mod tests;
