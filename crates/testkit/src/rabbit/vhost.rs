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

    /// Where clients connect by TLS, to log in by their certificates; see [`super::Tls::Mutual`].
    #[must_use]
    pub fn url_external(&self) -> String {
        let url = self.node.url_tls(&self.name);
        url.replace("guest:guest@", "") + "?auth_mechanism=external"
    }

    /// A new user with this password, who may configure, write and read what these patterns match; nothing else.
    /// An empty password logs nobody in but by a certificate. The user ends with the node.
    ///
    /// # Panics
    /// If the user is there already.
    #[track_caller]
    pub fn user(&self, name: &str, password: &str, may: [&str; 3]) {
        let vhost = &self.name;
        let [configure, write, read] = may.map(|pattern| format!("<<{pattern:?}>>"));
        self.node.eval(&format!(
            r#"ok = rabbit_auth_backend_internal:add_user(<<"{name}">>, <<{password:?}>>, <<"test">>),
            ok = rabbit_auth_backend_internal:set_permissions(
                <<"{name}">>, <<"{vhost}">>, {configure}, {write}, {read}, <<"test">>)."#
        ));
    }

    /// From now on this user may write to a topic exchange under keys that match, and bind none. The exchange is there.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn keys(&self, user: &str, exchange: &str, may: &str) {
        let vhost = &self.name;
        self.node.eval(&format!(
            r#"ok = rabbit_auth_backend_internal:set_topic_permissions(
                <<"{user}">>, <<"{vhost}">>, <<"{exchange}">>, <<{may:?}>>, <<"^$">>, <<"test">>)."#
        ));
    }

    /// From now on whatever is published here is copied to the exchange `amq.rabbitmq.trace`, key `publish.<exchange>`,
    /// with its properties in the header `properties`.
    ///
    /// # Panics
    /// If the broker does not.
    #[track_caller]
    pub fn trace(&self) {
        let vhost = &self.name;
        self.node
            .eval(&format!(r#"rabbit_trace:start(<<"{vhost}">>), ok."#));
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
