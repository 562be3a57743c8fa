//! Brings the places of the embedded list into the database, and reads all places from it.
//!
//! The list adds places and corrects codes and kinds; it never removes one, for members may live
//! there. A region is known by its name, every other place by the one it lies in and its name, so
//! ids stay what they are from one start to the next.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sqlx::{Connection, PgConnection, SqliteConnection};

use super::{
    Commune, CommuneId, Geography, Prefecture, PrefectureId, Quartier, QuartierId, Region, RegionId,
};
use crate::{Error, database::row};

const PLACES: &str = include_str!("../../../migrations/geography.csv");

/// One line of the list: a quartier and all it lies in.
#[derive(Debug, Clone, serde::Deserialize)]
struct Line {
    region: String,
    region_code: String,
    prefecture: String,
    prefecture_code: String,
    commune: String,
    commune_type: String,
    commune_code: String,
    quartier: String,
    quartier_code: String,
}

row! {
    /// A place of any level. `parent_id` and `kind` stand for nothing where a level has none.
    struct PlaceRow {
        id: i64,
        parent_id: i64,
        name: String,
        code: String,
        kind: String,
    }
}

macro_rules! seed_on {
    ($(#[$doc:meta])* $name:ident, $connection:ty, $begin:literal) => {
        $(#[$doc])*
        pub(crate) async fn $name(connection: &mut $connection) -> Result<Geography, Error> {
            let lines = parse(PLACES)?;
            let mut transaction = connection.begin_with($begin).await?;
            let known = read_places!(transaction)?;
            if lines.iter().all(|line| known.has(line)) {
                return Ok(known);
            }
            add_places!(transaction, &lines);
            let geography = read_places!(transaction)?;
            transaction.commit().await?;
            let quartiers = geography.quartiers.len();
            tracing::info!(quartiers, "the list of places was brought into the database");
            Ok(geography)
        }
    };
}

/// All places, as they are in the database.
macro_rules! read_places {
    ($transaction:ident) => {{
        let regions = sqlx::query_as(
            "select id, cast(0 as bigint) as parent_id, name, code, '' as kind from regions",
        )
        .fetch_all(&mut *$transaction)
        .await?;
        let prefectures = sqlx::query_as(
            "select id, region_id as parent_id, name, code, '' as kind from prefectures",
        )
        .fetch_all(&mut *$transaction)
        .await?;
        let communes =
            sqlx::query_as("select id, prefecture_id as parent_id, name, code, kind from communes")
                .fetch_all(&mut *$transaction)
                .await?;
        let quartiers = sqlx::query_as(
            "select id, commune_id as parent_id, name, code, '' as kind from quartiers",
        )
        .fetch_all(&mut *$transaction)
        .await?;
        assemble(regions, prefectures, communes, quartiers)
    }};
}

/// The place a statement has just written, asked for once per run of lines that share it.
macro_rules! write_once {
    ($transaction:ident, $ids:ident, $key:expr, $sql:literal, $($value:expr),+) => {{
        let key = $key;
        match $ids.get(&key) {
            Some(&id) => id,
            None => {
                let id: i64 = sqlx::query_scalar($sql)
                    $(.bind($value))+
                    .fetch_one(&mut *$transaction)
                    .await?;
                $ids.insert(key, id);
                id
            }
        }
    }};
}

/// Every place of the list, added or corrected.
macro_rules! add_places {
    ($transaction:ident, $lines:expr) => {
        let (mut regions, mut prefectures, mut communes) =
            (HashMap::new(), HashMap::new(), HashMap::new());
        for line in $lines {
            let region = write_once!(
                $transaction,
                regions,
                &line.region,
                "insert into regions (name, code) values ($1, $2)
                 on conflict (name) do update set code = excluded.code
                 returning id",
                &line.region,
                &line.region_code
            );
            let prefecture = write_once!(
                $transaction,
                prefectures,
                (region, &line.prefecture),
                "insert into prefectures (region_id, name, code) values ($1, $2, $3)
                 on conflict (region_id, name) do update set code = excluded.code
                 returning id",
                region,
                &line.prefecture,
                &line.prefecture_code
            );
            let commune = write_once!(
                $transaction,
                communes,
                (prefecture, &line.commune),
                "insert into communes (prefecture_id, name, kind, code) values ($1, $2, $3, $4)
                 on conflict (prefecture_id, name)
                 do update set kind = excluded.kind, code = excluded.code
                 returning id",
                prefecture,
                &line.commune,
                &line.commune_type,
                &line.commune_code
            );
            sqlx::query(
                "insert into quartiers (commune_id, name, code) values ($1, $2, $3)
                 on conflict (commune_id, name) do update set code = excluded.code",
            )
            .bind(commune)
            .bind(&line.quartier)
            .bind(&line.quartier_code)
            .execute(&mut *$transaction)
            .await?;
        }
    };
}

seed_on!(
    /// On SQLite; `begin immediate` as everywhere.
    sqlite,
    SqliteConnection,
    "begin immediate"
);
seed_on!(
    /// On PostgreSQL. Two instances that start together write the same rows in the same order: one
    /// waits for the other.
    postgres,
    PgConnection,
    "begin"
);

fn parse(csv: &str) -> Result<Vec<Line>, Error> {
    let mut quartiers = HashSet::new();
    let lines: Vec<Line> = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(csv.as_bytes())
        .deserialize()
        .collect::<Result<_, _>>()
        .map_err(|error| Error::Geography(error.to_string()))?;
    for line in &lines {
        if [&line.region, &line.prefecture, &line.commune, &line.quartier]
            .iter()
            .any(|n| n.is_empty())
        {
            return Err(Error::Geography(format!("a name is missing near {:?}", line.quartier)));
        }
        if !quartiers.insert((&line.region, &line.prefecture, &line.commune, &line.quartier)) {
            return Err(Error::Geography(format!(
                "{} of {} stands there twice",
                line.quartier, line.commune
            )));
        }
    }
    Ok(lines)
}

fn assemble(
    regions: Vec<PlaceRow>,
    prefectures: Vec<PlaceRow>,
    communes: Vec<PlaceRow>,
    quartiers: Vec<PlaceRow>,
) -> Result<Geography, Error> {
    let regions: HashMap<i64, _> = regions
        .into_iter()
        .map(|row| {
            let region = Region { id: RegionId::new(row.id), name: row.name, code: row.code };
            (row.id, Arc::new(region))
        })
        .collect();
    let prefectures = level(prefectures, &regions, |row, region| Prefecture {
        id: PrefectureId::new(row.id),
        name: row.name,
        code: row.code,
        region,
    })?;
    let communes = level(communes, &prefectures, |row, prefecture| Commune {
        id: CommuneId::new(row.id),
        name: row.name,
        kind: row.kind,
        code: row.code,
        prefecture,
    })?;
    let quartiers = level(quartiers, &communes, |row, commune| Quartier {
        id: QuartierId::new(row.id),
        name: row.name,
        code: row.code,
        commune,
        estimated_population: None,
        area_km2: None,
    })?;
    Ok(Geography::new(
        regions.into_values().collect(),
        prefectures.into_values().collect(),
        communes.into_values().collect(),
        quartiers.into_values().collect(),
    ))
}

/// The places of one level by id, each with the one it lies in.
fn level<P, Parent>(
    rows: Vec<PlaceRow>,
    parents: &HashMap<i64, Arc<Parent>>,
    place: impl Fn(PlaceRow, Arc<Parent>) -> P,
) -> Result<HashMap<i64, Arc<P>>, Error> {
    rows.into_iter()
        .map(|row| {
            let parent = parents.get(&row.parent_id).cloned();
            // The foreign key holds; said all the same rather than relied on.
            let parent =
                parent.ok_or_else(|| Error::Geography(format!("{} lies nowhere", row.name)))?;
            Ok((row.id, Arc::new(place(row, parent))))
        })
        .collect()
}

impl Geography {
    /// Whether a line of the list is in the database just so.
    fn has(&self, line: &Line) -> bool {
        self.quartiers.iter().any(|quartier| {
            let commune = &quartier.commune;
            let prefecture = &commune.prefecture;
            let region = &prefecture.region;
            quartier.name == line.quartier
                && quartier.code == line.quartier_code
                && commune.name == line.commune
                && commune.kind == line.commune_type
                && commune.code == line.commune_code
                && prefecture.name == line.prefecture
                && prefecture.code == line.prefecture_code
                && region.name == line.region
                && region.code == line.region_code
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_list_is_well_formed() {
        assert_eq!(parse(PLACES).unwrap().len(), 77);
    }

    #[test]
    fn a_list_that_names_a_quartier_twice_is_refused() {
        let twice = format!("{PLACES}{}\n", PLACES.lines().nth(1).unwrap());
        assert!(matches!(parse(&twice), Err(Error::Geography(_))));
    }

    #[test]
    fn a_list_with_a_column_missing_is_refused() {
        assert!(matches!(parse("region,commune\nA,B\n"), Err(Error::Geography(_))));
    }
}
