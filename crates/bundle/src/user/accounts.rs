//! What do an image's `/etc/passwd` and `/etc/group` say?

/// The text of an image's account files; empty where it has none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Accounts<'a> {
    /// `/etc/passwd`
    pub passwd: &'a str,
    /// `/etc/group`
    pub group: &'a str,
}

/// One line of `/etc/passwd`, or what stands in for one that is missing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: Option<String>,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: String,
}

impl<'a> Accounts<'a> {
    /// The account with that id; without a name, in group 0 and at home in `/` if there is none.
    pub(super) fn by_uid(&self, uid: u32) -> Account {
        let found = self.accounts().find(|account| account.uid == uid);
        found.unwrap_or_else(|| Account {
            name: None,
            uid,
            gid: 0,
            home: "/".to_owned(),
        })
    }

    /// The account with that name.
    pub(super) fn by_name(&self, name: &str) -> Option<Account> {
        self.accounts()
            .find(|account| account.name.as_deref() == Some(name))
    }

    /// The id of a group.
    pub(super) fn group(&self, name: &str) -> Option<u32> {
        self.groups()
            .find(|(known, ..)| *known == name)
            .map(|(_, gid, _)| gid)
    }

    /// The groups that list a user as a member.
    pub(super) fn groups_of(&self, user: &str) -> impl Iterator<Item = u32> {
        self.groups()
            .filter(move |(.., members)| members.split(',').any(|member| member == user))
            .map(|(_, gid, _)| gid)
    }

    fn accounts(&self) -> impl Iterator<Item = Account> + use<'a> {
        self.passwd.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, ..] = fields[..] else {
                return None;
            };
            let home = fields
                .get(5)
                .copied()
                .filter(|home| home.starts_with('/') && !home.contains('\0'));
            Some(Account {
                name: Some(name.to_owned()),
                uid: id(uid)?,
                gid: id(gid)?,
                home: home.unwrap_or("/").to_owned(),
            })
        })
    }

    fn groups(&self) -> impl Iterator<Item = (&'a str, u32, &'a str)> + use<'a> {
        self.group.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let (name, gid) = (fields.next()?, fields.nth(1)?);
            Some((name, id(gid)?, fields.next().unwrap_or_default()))
        })
    }
}

/// An id as we accept one anywhere; a line with another is not there.
fn id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|id| digits && *id <= i32::MAX as u32)
}
