//! Which folder holds what was sent: by its role (SPECIAL-USE, RFC 6154), else by a usual name.

use super::error::Error;
use super::session::{Folder, FolderRole, Session};

/// Last parts of names, in lower case, that mail programs and servers give that folder.
const USUAL_NAMES: &[&str] = &[
    "sent",
    "sent mail",
    "sent items",
    "sent messages",
    "gesendet",
    "gesendete objekte",
    "gesendete elemente",
    "envoyés",
    "éléments envoyés",
    "messages envoyés",
    "enviados",
    "elementos enviados",
    "itens enviados",
    "posta inviata",
    "inviata",
    "verzonden",
    "verzonden items",
    "skickat",
    "sendt",
    "wysłane",
    "отправленные",
    "已发送",
    "送信済み",
];

impl Session {
    /// The folder that holds what was sent, if there is one that can be opened.
    ///
    /// # Errors
    /// As [`Session::list`].
    pub async fn find_sent(self) -> Result<(Self, Option<String>), Error> {
        let (session, folders) = self.list().await?;
        Ok((session, choose(&folders)))
    }
}

fn choose(folders: &[Folder]) -> Option<String> {
    let can_be_opened = || folders.iter().filter(|folder| folder.selectable);
    let by_role = can_be_opened().find(|folder| folder.role == Some(FolderRole::Sent));
    let has_usual_name = |folder: &&Folder| {
        let last = match folder.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()) {
            Some(delimiter) => folder.name.rsplit(delimiter).next().unwrap_or(&folder.name),
            None => &folder.name,
        };
        USUAL_NAMES.contains(&last.to_lowercase().as_str())
    };
    by_role.or_else(|| can_be_opened().find(has_usual_name)).map(|folder| folder.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, role: Option<FolderRole>, selectable: bool) -> Folder {
        Folder { name: name.into(), delimiter: Some("/".into()), role, selectable }
    }

    #[test]
    fn the_role_counts_before_the_name() {
        let named = folder("Sent", None, true);
        let marked = folder("Ausgang/Verschickt", Some(FolderRole::Sent), true);
        assert_eq!(choose(&[named.clone(), marked]).as_deref(), Some("Ausgang/Verschickt"));
        let closed = folder("Archive", Some(FolderRole::Sent), false);
        assert_eq!(choose(&[closed, named]).as_deref(), Some("Sent"));
    }

    #[test]
    fn usual_names_are_known_in_any_case_and_at_any_depth() {
        for name in ["INBOX/SENT", "Sent Items", "Gesendete Elemente", "Отправленные"] {
            assert_eq!(
                choose(&[folder("INBOX", None, true), folder(name, None, true)]).as_deref(),
                Some(name)
            );
        }
        assert_eq!(choose(&[folder("Sentinel", None, true), folder("Sent", None, false)]), None);
    }
}
