//! `doorward provider`: which presets there are, what each does, and whether a configured provider can work.

mod trial;

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, say};
use crate::config::{quoted, suggestion};
use crate::providers::{Explanation, Presets};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Name all presets, and how their facts are known.
    List(Folder),
    /// Explain one preset: what to paste, what to register, what identifies a person, when an address counts.
    Show {
        /// The preset, as `provider list` names it.
        name: String,
        #[command(flatten)]
        folder: Folder,
    },
    /// Try the providers of a configuration, as far as that is possible without a person.
    Test(trial::Arguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct Folder {
    /// A folder with presets of your own, which add to the shipped ones or replace them.
    #[arg(long, value_name = "FOLDER")]
    providers_folder: Option<PathBuf>,
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List(folder) => say(list(&presets(folder)?).trim_end()),
        Command::Test(arguments) => return trial::run(arguments),
        Command::Show { name, folder } => {
            let presets = presets(folder)?;
            say(explanation(&presets, name)?.to_string().trim_end());
        }
    }
    Ok(())
}

fn presets(folder: &Folder) -> Result<Presets, Failure> {
    Ok(Presets::load(folder.providers_folder.as_deref())?)
}

/// A table, for people. Writing to a `String` cannot fail.
fn list(presets: &Presets) -> String {
    let explanations: Vec<_> = presets.explanations().collect();
    let widest = |text: fn(&Explanation) -> &str| {
        let lengths = explanations.iter().map(|it| text(it).chars().count());
        lengths.max().unwrap_or_default().max("PROVIDER".len())
    };
    let (names, titles) = (widest(|it| &it.name), widest(|it| &it.title));
    let mut out = String::new();
    let mut line = |name: &str, title: &str, protocol: &str, known: &str| {
        let _ = writeln!(
            out,
            "{name:names$}  {title:titles$}  {protocol:14}  {known}"
        );
    };
    line("PRESET", "PROVIDER", "SPEAKS", "KNOWN FROM");
    for it in &explanations {
        line(&it.name, &it.title, it.protocol, it.known_from);
    }
    out
}

fn explanation(presets: &Presets, name: &str) -> Result<Explanation, Failure> {
    let mut explanations = presets.explanations();
    explanations.find(|it| *it.name == *name).ok_or_else(|| {
        let help = suggestion(name, presets.names());
        let message = anyhow::anyhow!("there is no preset {}: {help}", quoted(name));
        Failure::CommandLine(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Presets {
        Presets::load(None).expect("presets")
    }

    #[test]
    fn the_list_names_each_preset_once() {
        let presets = shipped();
        let list = list(&presets);
        let named: Vec<_> = list
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(named, presets.names().collect::<Vec<_>>());
        // However long a name is, the columns stand below their titles.
        let speaks = list.find("SPEAKS").expect("a title");
        for line in list.lines() {
            let column: String = line.chars().skip(speaks).collect();
            let fits = ["SPEAKS", "OpenID Connect", "OAuth 2 "];
            assert!(fits.iter().any(|it| column.starts_with(it)), "{line}");
        }
        assert!(list.contains("  the past: it ends"), "{list}");
    }

    #[test]
    fn a_misspelt_name_is_put_right() {
        let Err(Failure::CommandLine(error)) = explanation(&shipped(), "keycloack") else {
            panic!("it is known");
        };
        assert_eq!(
            error.to_string(),
            "there is no preset `keycloack`: did you mean `keycloak`?"
        );
    }

    #[test]
    fn a_preset_in_words() {
        let shown = explanation(&shipped(), "discord")
            .expect("known")
            .to_string();
        insta::assert_snapshot!(shown, @r#"
        Discord, by OAuth 2
        Known from: others' practice

        [[tenants.providers]]
        id = "discord"
        preset = "discord"
        client_id = "…"
        client_secret = { file = "client-secret" }

        Register there
          {base_url}/login/discord/callback

        Settings
          guild  the id of the server whose members are let in

        What holds
          authorization  https://discord.com/oauth2/authorize
          token          https://discord.com/api/oauth2/token
          asks           https://discord.com/api/users/@me (user)
          scopes         identify email
          client         its secret in `Authorization`; PKCE
          a person is    `id` of user
          e-mail         `email` where `verified` is true
          groups         none
          language       `locale` of user
          refreshing     always; replaced at each use
          revoking       with revoke_tokens = true, and then for all browsers of a person: https://discord.com/api/oauth2/token/revoke
          signing out    here only: people stay signed in there

        And with `guild`
          asks    https://discord.com/api/users/@me/guilds/{guild}/member (member)
          scopes  identify email guilds.members.read
          groups  `roles` of member

        Good to know
          - With `guild` only members of that server are let in, and groups are the ids of their roles there.
          - A refresh token always comes, and is replaced at each use; access tokens live a week.
        "#);
    }

    #[test]
    fn where_a_provider_tells_of_sign_outs() {
        let shown = |name| explanation(&shipped(), name).expect("known").to_string();
        let keycloak = shown("keycloak");
        for line in [
            "  {base_url}/login/keycloak/backchannel-logout, for back-channel logout",
            "  {base_url}/login/keycloak/frontchannel-logout, for front-channel logout",
        ] {
            assert!(keycloak.lines().any(|it| it == line), "{keycloak}");
        }
        let told =
            "told by its back channel, and its page through the browser: the session here ends";
        assert!(keycloak.contains(told), "{keycloak}");
        for (name, back, front) in [
            ("auth0", true, false),
            ("okta", false, true),
            ("entra", false, true),
            ("oidc", true, true),
            ("google", false, false),
            ("github", false, false),
        ] {
            let text = shown(name);
            assert_eq!(text.contains("/backchannel-logout"), back, "{text}");
            assert_eq!(text.contains("/frontchannel-logout"), front, "{text}");
            assert_eq!(text.contains("signed out there"), back || front, "{text}");
        }
    }

    #[test]
    fn a_preset_with_lists_and_a_sign_out_in_words() {
        let shown = explanation(&shipped(), "salesforce")
            .expect("known")
            .to_string();
        insta::assert_snapshot!(shown, @r#"
        Salesforce, by OpenID Connect
        Known from: others' practice

        [[tenants.providers]]
        id = "salesforce"
        preset = "salesforce"
        organizations = ["…"]
        client_id = "…"
        client_secret = { file = "client-secret" }

        Register there
          {base_url}/login/salesforce/callback
          {base_url}/signed-out, for after a sign-out

        Settings
          host           the login host: "acme.my.salesforce.com", "test.salesforce.com" (without it "login.salesforce.com")
          organizations  required: the ids (18 characters, 00D…) of the orgs that are let in, or "any" for everybody's

        What holds
          issuer       {host.origin}
          userinfo     asked at every sign-in
          scopes       openid profile email
          client       its secret in `Authorization`, or an assertion signed with `private_key`; PKCE
          a person is  `organization_id` of userinfo and `user_id` of userinfo
          let in       whose `organization_id` of userinfo is one of `organizations`
          e-mail       `email` where `email_verified` is true
          groups       none
          language     `locale` of userinfo
          refreshing   with the scope `refresh_token`; replaced now and then
          revoking     at the end of a session: where its metadata say so
          signing out  there too, where its metadata say so

        And with `organizations` = "any"
          e-mail  none counts

        Good to know
          - Administrators of an org set its people's addresses: with organizations = "any" no address counts.
          - The login host is the issuer: with a My Domain it is that, with a sandbox test.salesforce.com or the sandbox's own.
          - A refresh token needs the scope refresh_token.
        "#);
    }
}
