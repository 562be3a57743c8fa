//! Figures of posts, and what is made of them.
//!
//! Here: rates and scores, by the formulas of the contract. Not here: counting.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;
use store::{Platform, PostFigures, PostId, RecentPost, User};

use crate::{
    auth::AuthUser,
    error::Error,
    json::{PathId, moment},
    openapi::{Routes, get, member},
    router::Shared,
};

/// The routes of figures.
pub fn router() -> Routes {
    Routes::about("Chiffres")
        .route(
            "/api/posts/posts/{id}/analytics",
            get(of_post, member("Ceux d'une publication").ok::<PostAnalytics>()),
        )
        .route(
            "/api/posts/analytics/user",
            get(of_user, member("Ceux de ses propres publications").ok::<UserAnalytics>()),
        )
}

/// How a post does, at this moment.
#[derive(Serialize, JsonSchema)]
struct PostAnalytics {
    id: i64,
    post: i64,
    total_views: i64,
    unique_views: i64,
    total_likes: i64,
    total_comments: i64,
    total_shares: i64,
    total_external_shares: i64,
    viral_score: f64,
    viral_score_formatted: String,
    engagement_rate: f64,
    engagement_rate_formatted: String,
    /// Null: whom a share reached is not known.
    reach_multiplier: Option<f64>,
    whatsapp_shares: i64,
    facebook_shares: i64,
    twitter_shares: i64,
    telegram_shares: i64,
    email_shares: i64,
    external_shares_breakdown: Breakdown,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize, JsonSchema)]
struct Breakdown {
    whatsapp: i64,
    facebook: i64,
    twitter: i64,
    telegram: i64,
    email: i64,
    copy_link: i64,
    total: i64,
}

/// How the posts of a member do.
#[derive(Serialize, JsonSchema)]
struct UserAnalytics {
    user_id: i64,
    username: String,
    total_posts: i64,
    total_likes_received: i64,
    total_comments_received: i64,
    total_shares_received: i64,
    total_views_received: i64,
    recent_posts_analytics: Vec<RecentBody>,
}

#[derive(Serialize, JsonSchema)]
struct RecentBody {
    post_id: i64,
    content: String,
    likes_count: i64,
    comments_count: i64,
    shares_count: i64,
    views_count: i64,
    created_at: String,
}

async fn of_post(
    State(api): State<Shared>,
    AuthUser(_): AuthUser,
    PathId(id): PathId,
) -> Result<Json<PostAnalytics>, Error> {
    let post = PostId::new(id);
    let figures = api.store.post_figures(post).await?.ok_or(Error::NotFound)?;
    let unique_views = api.store.unique_views(post).await?;
    Ok(Json(PostAnalytics::new(id, &figures, unique_views, api.clock.now_ms())))
}

async fn of_user(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
) -> Result<Json<UserAnalytics>, Error> {
    let figures = api.store.author_figures(user.id).await?;
    let User { id, username, .. } = user;
    Ok(Json(UserAnalytics {
        user_id: id.get(),
        username,
        total_posts: figures.posts,
        total_likes_received: figures.likes,
        total_comments_received: figures.comments,
        total_shares_received: figures.shares,
        total_views_received: figures.views,
        recent_posts_analytics: figures.recent.into_iter().map(RecentBody::from).collect(),
    }))
}

impl PostAnalytics {
    fn new(post: i64, figures: &PostFigures, unique_views: i64, now_ms: i64) -> Self {
        let breakdown = Breakdown::new(&figures.external_shares);
        let engagement_rate = engagement_rate(figures);
        let viral_score = engagement_rate.min(100.0);
        Self {
            id: post,
            post,
            total_views: figures.views,
            unique_views,
            total_likes: figures.likes,
            total_comments: figures.comments,
            total_shares: figures.shares,
            total_external_shares: breakdown.total,
            viral_score,
            viral_score_formatted: format!("{viral_score:.1}%{}", label(viral_score)),
            engagement_rate,
            engagement_rate_formatted: format!("{engagement_rate:.1}%"),
            reach_multiplier: None,
            whatsapp_shares: breakdown.whatsapp,
            facebook_shares: breakdown.facebook,
            twitter_shares: breakdown.twitter,
            telegram_shares: breakdown.telegram,
            email_shares: breakdown.email,
            external_shares_breakdown: breakdown,
            created_at: moment(figures.created_ms),
            updated_at: moment(now_ms),
        }
    }
}

impl Breakdown {
    fn new(shares: &[(Platform, i64)]) -> Self {
        let of =
            |wanted| shares.iter().find(|(platform, _)| *platform == wanted).map_or(0, |s| s.1);
        Self {
            whatsapp: of(Platform::WhatsApp),
            facebook: of(Platform::Facebook),
            twitter: of(Platform::Twitter),
            telegram: of(Platform::Telegram),
            email: of(Platform::Email),
            copy_link: of(Platform::CopyLink),
            total: shares.iter().map(|(_, count)| count).sum(),
        }
    }
}

impl From<RecentPost> for RecentBody {
    fn from(post: RecentPost) -> Self {
        Self {
            post_id: post.id.get(),
            content: post.excerpt,
            likes_count: post.likes,
            comments_count: post.comments,
            shares_count: post.shares,
            views_count: post.views,
            created_at: moment(post.created_ms),
        }
    }
}

/// Likes, comments and shares for a hundred views. More than a hundred where they came from a list,
/// where nobody counts as a viewer.
fn engagement_rate(figures: &PostFigures) -> f64 {
    if figures.views == 0 {
        return 0.0;
    }
    let acts = figures.likes + figures.comments + figures.shares;
    100.0 * acts as f64 / figures.views as f64
}

/// What a score is called.
fn label(viral_score: f64) -> &'static str {
    match viral_score {
        80.0.. => " 🔥 VIRAL",
        50.0.. => " ⚡ POPULAIRE",
        20.0.. => " 📈 ENGAGÉ",
        _ => " 📊 NORMAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(likes: i64, comments: i64, shares: i64, views: i64) -> PostAnalytics {
        let figures = PostFigures {
            likes,
            comments,
            views,
            shares,
            external_shares: Vec::new(),
            created_ms: 0,
        };
        PostAnalytics::new(1, &figures, 0, 0)
    }

    #[test]
    fn a_score_has_one_decimal_and_a_name() {
        for (likes, said) in [
            (0, "0.0% 📊 NORMAL"),
            (199, "19.9% 📊 NORMAL"),
            (200, "20.0% 📈 ENGAGÉ"),
            (500, "50.0% ⚡ POPULAIRE"),
            (800, "80.0% 🔥 VIRAL"),
            (5000, "100.0% 🔥 VIRAL"),
        ] {
            assert_eq!(of(likes, 0, 0, 1000).viral_score_formatted, said);
        }
    }

    #[test]
    fn a_post_nobody_looked_at_has_no_score() {
        let none = of(3, 2, 1, 0);
        assert_eq!((none.viral_score, none.engagement_rate), (0.0, 0.0));
    }

    /// Defect 44.
    #[test]
    fn a_score_ends_at_a_hundred_and_a_rate_does_not() {
        let much = of(3, 2, 1, 4);
        assert_eq!((much.viral_score, much.engagement_rate), (100.0, 150.0));
        assert_eq!(much.engagement_rate_formatted, "150.0%");
    }
}
