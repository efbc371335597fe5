//! Who lives in the demo.

/// An organization of the demo.
#[derive(Debug)]
pub(super) struct DemoTenant {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
}

/// A person of the demo.
#[derive(Debug)]
pub(super) struct DemoPerson {
    pub(super) login: &'static str,
    pub(super) password: &'static str,
    pub(super) name: &'static str,
    pub(super) tenant: &'static str,
    pub(super) groups: &'static [&'static str],
    pub(super) about: &'static str,
}

pub(super) const TENANTS: [DemoTenant; 2] = [
    DemoTenant {
        id: "acme",
        name: "Acme",
    },
    DemoTenant {
        id: "globex",
        name: "Globex",
    },
];

pub(super) const PEOPLE: [DemoPerson; 3] = [
    DemoPerson {
        login: "ada",
        password: "lovelace",
        name: "Ada Lovelace",
        tenant: "acme",
        groups: &["staff", "finance"],
        about: "may open Acme's Wiki and Payroll",
    },
    DemoPerson {
        login: "bob",
        password: "builder",
        name: "Bob Baker",
        tenant: "acme",
        groups: &["staff"],
        about: "may open Acme's Wiki; is refused by Payroll",
    },
    DemoPerson {
        login: "grace",
        password: "hopper",
        name: "Grace Hopper",
        tenant: "globex",
        groups: &["staff", "finance"],
        about: "may open Globex' apps; is refused by Acme's",
    },
];

/// The person with this login.
pub(super) fn person(login: &str) -> Option<&'static DemoPerson> {
    PEOPLE.iter().find(|person| person.login == login)
}
