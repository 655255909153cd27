//! A vhost for one test, on a node that many tests share.

use super::node::Node;

/// Empty when made; deleted when dropped.
#[derive(Debug)]
pub struct Vhost<'a> {
    node: &'a Node,
    name: String,
}

impl<'a> Vhost<'a> {
    #[track_caller]
    pub(crate) fn make(node: &'a Node, name: String) -> Vhost<'a> {
        node.eval(&format!(
            r#"ok = rabbit_vhost:add(<<"{name}">>, <<"test">>),
            ok = rabbit_auth_backend_internal:set_permissions(
                <<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)."#
        ));
        Vhost { node, name }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        self.node.url_of(&self.name)
    }

    /// The node it is on.
    #[must_use]
    pub fn node(&self) -> &'a Node {
        self.node
    }
}

impl Drop for Vhost<'_> {
    fn drop(&mut self) {
        // Its node may be down, or be dropped next: then there is nothing to delete.
        let name = &self.name;
        let _ = self.node.try_eval(&format!(
            r#"rabbit_vhost:delete(<<"{name}">>, <<"test">>)."#
        ));
    }
}
