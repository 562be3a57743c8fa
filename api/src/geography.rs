//! Regions, prefectures, communes and quartiers: public and read-only.
//!
//! Here: their shapes and routes. Not here: the places, which are in memory (`store`).

use std::sync::Arc;

use axum::{Json, body::Bytes, extract::State};
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    Commune, CommuneId, Geography, Prefecture, PrefectureId, Quartier, QuartierId, Region, RegionId,
};

use crate::{
    error::Error,
    json::PathId,
    openapi::{Routes, anyone, get},
    page::{List, Listed},
    router::Shared,
};

/// The routes of places.
pub fn router() -> Routes {
    let list = |what| anyone(what).by_page().searched();
    Routes::about("Lieux")
        .route(
            "/api/geography/regions",
            get(regions, list("Les régions").ok::<Listed<RegionBody>>()),
        )
        .route("/api/geography/regions/{id}", get(region, anyone("Une région").ok::<RegionBody>()))
        .route(
            "/api/geography/regions/{id}/prefectures",
            get(prefectures_of, anyone("Ses préfectures").ok::<Vec<PrefectureBody>>()),
        )
        .route(
            "/api/geography/prefectures",
            get(prefectures, list("Les préfectures").ok::<Listed<PrefectureBody>>()),
        )
        .route(
            "/api/geography/prefectures/{id}",
            get(prefecture, anyone("Une préfecture").ok::<PrefectureBody>()),
        )
        .route(
            "/api/geography/prefectures/{id}/communes",
            get(communes_of, anyone("Ses communes").ok::<Vec<CommuneBody>>()),
        )
        .route(
            "/api/geography/communes",
            get(communes, list("Les communes").ok::<Listed<CommuneBody>>()),
        )
        .route(
            "/api/geography/communes/{id}",
            get(commune, anyone("Une commune").ok::<CommuneBody>()),
        )
        .route(
            "/api/geography/communes/{id}/quartiers",
            get(quartiers_of, anyone("Ses quartiers").ok::<Vec<QuartierBody>>()),
        )
        .route(
            "/api/geography/quartiers",
            get(quartiers, list("Tous les quartiers, sur une page").ok::<Listed<QuartierBody>>()),
        )
        .route(
            "/api/geography/quartiers/{id}",
            get(quartier, anyone("Un quartier").ok::<QuartierBody>()),
        )
        .route(
            "/api/geography/quartiers/{id}/full_address",
            get(full_address, anyone("Son adresse en toutes lettres").ok::<FullAddress>()),
        )
}

/// A region.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RegionBody {
    id: i64,
    nom: String,
    code: String,
}

/// A prefecture and its region.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PrefectureBody {
    id: i64,
    nom: String,
    code: String,
    region: RegionBody,
}

/// A commune, up to its region.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CommuneBody {
    id: i64,
    nom: String,
    code: String,
    #[serde(rename = "type")]
    kind: String,
    prefecture: PrefectureBody,
}

/// A quartier, up to its region.
#[derive(Debug, Serialize, JsonSchema)]
pub struct QuartierBody {
    id: i64,
    nom: String,
    code: String,
    commune: CommuneBody,
    population_estimee: Option<i64>,
    superficie_km2: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct FullAddress {
    quartier: String,
    commune: String,
    prefecture: String,
    region: String,
    full_address: String,
}

/// All places downwards, and all quartiers flat: what the registration form loads at once.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GeographicData {
    regions: Vec<RegionTree>,
    quartiers: Vec<FlatQuartier>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RegionTree {
    id: i64,
    nom: String,
    code: String,
    prefectures: Vec<PrefectureTree>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct PrefectureTree {
    id: i64,
    nom: String,
    code: String,
    communes: Vec<CommuneTree>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CommuneTree {
    id: i64,
    nom: String,
    #[serde(rename = "type")]
    kind: String,
    code: String,
    quartiers: Vec<QuartierLeaf>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct QuartierLeaf {
    id: i64,
    nom: String,
    code: String,
    population_estimee: Option<i64>,
    superficie_km2: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FlatQuartier {
    id: i64,
    nom: String,
    code: String,
    commune: String,
    prefecture: String,
    region: String,
    population_estimee: Option<i64>,
    superficie_km2: Option<String>,
}

async fn regions(State(api): State<Shared>, list: List) -> Result<Json<Listed<RegionBody>>, Error> {
    let found = api.store.geography().search_regions(&list.search().unwrap_or_default());
    Ok(Json(list.cut(&found, |region| RegionBody::new(region))?))
}

async fn region(State(api): State<Shared>, PathId(id): PathId) -> Result<Json<RegionBody>, Error> {
    let found = api.store.geography().region(RegionId::new(id)).ok_or(Error::NotFound)?;
    Ok(Json(RegionBody::new(found)))
}

async fn prefectures_of(
    State(api): State<Shared>,
    PathId(id): PathId,
) -> Result<Json<Vec<PrefectureBody>>, Error> {
    let places = api.store.geography();
    let region = places.region(RegionId::new(id)).ok_or(Error::NotFound)?;
    Ok(Json(places.prefectures_of(region.id).map(|place| PrefectureBody::new(place)).collect()))
}

async fn prefectures(
    State(api): State<Shared>,
    list: List,
) -> Result<Json<Listed<PrefectureBody>>, Error> {
    let found = api.store.geography().search_prefectures(&list.search().unwrap_or_default());
    Ok(Json(list.cut(&found, |prefecture| PrefectureBody::new(prefecture))?))
}

async fn prefecture(
    State(api): State<Shared>,
    PathId(id): PathId,
) -> Result<Json<PrefectureBody>, Error> {
    let found = api.store.geography().prefecture(PrefectureId::new(id)).ok_or(Error::NotFound)?;
    Ok(Json(PrefectureBody::new(found)))
}

async fn communes_of(
    State(api): State<Shared>,
    PathId(id): PathId,
) -> Result<Json<Vec<CommuneBody>>, Error> {
    let places = api.store.geography();
    let prefecture = places.prefecture(PrefectureId::new(id)).ok_or(Error::NotFound)?;
    Ok(Json(places.communes_of(prefecture.id).map(|place| CommuneBody::new(place)).collect()))
}

async fn communes(
    State(api): State<Shared>,
    list: List,
) -> Result<Json<Listed<CommuneBody>>, Error> {
    let found = api.store.geography().search_communes(&list.search().unwrap_or_default());
    Ok(Json(list.cut(&found, |commune| CommuneBody::new(commune))?))
}

async fn commune(
    State(api): State<Shared>,
    PathId(id): PathId,
) -> Result<Json<CommuneBody>, Error> {
    let found = api.store.geography().commune(CommuneId::new(id)).ok_or(Error::NotFound)?;
    Ok(Json(CommuneBody::new(found)))
}

async fn quartiers_of(
    State(api): State<Shared>,
    PathId(id): PathId,
) -> Result<Json<Vec<QuartierBody>>, Error> {
    let places = api.store.geography();
    let commune = places.commune(CommuneId::new(id)).ok_or(Error::NotFound)?;
    Ok(Json(places.quartiers_of(commune.id).map(|place| QuartierBody::new(place)).collect()))
}

/// All quartiers on one page: the registration form of the existing client loads the first page
/// only and searches in it.
async fn quartiers(
    State(api): State<Shared>,
    list: List,
) -> Result<Json<Listed<QuartierBody>>, Error> {
    let found = api.store.geography().search_quartiers(&list.search().unwrap_or_default());
    Ok(Json(list.whole(&found, |quartier| QuartierBody::new(quartier))?))
}

async fn quartier(
    State(api): State<Shared>,
    PathId(id): PathId,
) -> Result<Json<QuartierBody>, Error> {
    Ok(Json(QuartierBody::new(find_quartier(&api, id)?)))
}

async fn full_address(
    State(api): State<Shared>,
    PathId(id): PathId,
) -> Result<Json<FullAddress>, Error> {
    let quartier = find_quartier(&api, id)?;
    let prefecture = &quartier.commune.prefecture;
    Ok(Json(FullAddress {
        quartier: quartier.name.clone(),
        commune: quartier.commune.name.clone(),
        prefecture: prefecture.name.clone(),
        region: prefecture.region.name.clone(),
        full_address: quartier.full_address(),
    }))
}

fn find_quartier(api: &Shared, id: i64) -> Result<&Arc<Quartier>, Error> {
    api.store.geography().quartier(QuartierId::new(id)).ok_or(Error::NotFound)
}

/// All places, for the registration form, in JSON: written once, since they stay as they are while the
/// server runs.
pub fn data(places: &Geography) -> Bytes {
    let data = GeographicData {
        regions: places.regions().iter().map(|region| RegionTree::new(region, places)).collect(),
        quartiers: places.quartiers().iter().map(|place| FlatQuartier::new(place)).collect(),
    };
    serde_json::to_vec(&data).expect("numbers and texts are JSON").into()
}

impl RegionBody {
    fn new(region: &Region) -> Self {
        Self { id: region.id.get(), nom: region.name.clone(), code: region.code.clone() }
    }
}

impl PrefectureBody {
    fn new(prefecture: &Prefecture) -> Self {
        Self {
            id: prefecture.id.get(),
            nom: prefecture.name.clone(),
            code: prefecture.code.clone(),
            region: RegionBody::new(&prefecture.region),
        }
    }
}

impl CommuneBody {
    fn new(commune: &Commune) -> Self {
        Self {
            id: commune.id.get(),
            nom: commune.name.clone(),
            code: commune.code.clone(),
            kind: commune.kind.clone(),
            prefecture: PrefectureBody::new(&commune.prefecture),
        }
    }
}

impl QuartierBody {
    /// Shows a quartier with everything it lies in.
    pub fn new(quartier: &Quartier) -> Self {
        Self {
            id: quartier.id.get(),
            nom: quartier.name.clone(),
            code: quartier.code.clone(),
            commune: CommuneBody::new(&quartier.commune),
            population_estimee: quartier.estimated_population,
            superficie_km2: quartier.area_km2.clone(),
        }
    }
}

impl RegionTree {
    fn new(region: &Region, places: &Geography) -> Self {
        let prefectures = places.prefectures_of(region.id);
        Self {
            id: region.id.get(),
            nom: region.name.clone(),
            code: region.code.clone(),
            prefectures: prefectures.map(|place| PrefectureTree::new(place, places)).collect(),
        }
    }
}

impl PrefectureTree {
    fn new(prefecture: &Prefecture, places: &Geography) -> Self {
        let communes = places.communes_of(prefecture.id);
        Self {
            id: prefecture.id.get(),
            nom: prefecture.name.clone(),
            code: prefecture.code.clone(),
            communes: communes.map(|place| CommuneTree::new(place, places)).collect(),
        }
    }
}

impl CommuneTree {
    fn new(commune: &Commune, places: &Geography) -> Self {
        let quartiers = places.quartiers_of(commune.id);
        Self {
            id: commune.id.get(),
            nom: commune.name.clone(),
            kind: commune.kind.clone(),
            code: commune.code.clone(),
            quartiers: quartiers.map(|place| QuartierLeaf::new(place)).collect(),
        }
    }
}

impl QuartierLeaf {
    fn new(quartier: &Quartier) -> Self {
        Self {
            id: quartier.id.get(),
            nom: quartier.name.clone(),
            code: quartier.code.clone(),
            population_estimee: quartier.estimated_population,
            superficie_km2: quartier.area_km2.clone(),
        }
    }
}

impl FlatQuartier {
    fn new(quartier: &Quartier) -> Self {
        let prefecture = &quartier.commune.prefecture;
        Self {
            id: quartier.id.get(),
            nom: quartier.name.clone(),
            code: quartier.code.clone(),
            commune: quartier.commune.name.clone(),
            prefecture: prefecture.name.clone(),
            region: prefecture.region.name.clone(),
            population_estimee: quartier.estimated_population,
            superficie_km2: quartier.area_km2.clone(),
        }
    }
}
