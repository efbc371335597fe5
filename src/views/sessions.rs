//! Who I am, and where I am signed in.

use serde::Serialize;

use super::parts::{Account, Moment};

/// Who I am, and where I am signed in.
#[derive(Clone, Debug, Serialize)]
pub struct SessionsPage {
    /// Who is signed in.
    pub account: Account,
    /// Verified e-mail address.
    pub email: Option<String>,
    /// Provider of this session.
    pub provider: String,
    /// Groups as the provider told them.
    pub groups: Vec<String>,
    /// This person's sessions at this tenant; the page shows the current one first.
    pub sessions: Vec<SessionEntry>,
    /// What has just been done ("The session has ended."), after a form.
    pub notice: Option<String>,
    /// Where the form of one session is posted; its field `session` carries the id.
    pub end_action: String,
    /// Where "End all other sessions" is posted.
    pub end_others_action: String,
    /// Where the person can sign out.
    pub sign_out_href: String,
    /// Value of the field [`CSRF_FIELD`](super::CSRF_FIELD).
    pub csrf: String,
}

/// One session.
#[derive(Clone, Debug, Serialize)]
pub struct SessionEntry {
    /// A public id, good for naming it in a form and for nothing else: never its handle or the hash.
    pub id: String,
    /// Whether it is the one this page is asked with. Exactly one.
    pub current: bool,
    /// Browser and system in words; see [`browser_in_words`](super::browser_in_words).
    pub browser: String,
    /// IP address it was begun from.
    pub address: Option<String>,
    /// What people call the provider it came through.
    pub provider: String,
    /// When it began.
    pub signed_in_at: Moment,
    /// When it was last used, give or take a minute.
    pub last_used_at: Moment,
}
